"""Cases for the resize ops: see `op_cases.py` for what a case is."""

from __future__ import annotations

import itertools

import numpy as np

from tests.ops.op_cases import Case, floats, integers

_X = floats(2, 5, 7, 3)
_SIZES = [[9, 4], [5, 7], [1, 13], [3, 1]]
_CENTERS = [{}, {"align_corners": True}, {"half_pixel_centers": True}]
_KERNELS = ["lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"]

CASES = [
    *(
        Case(op, [_X, size], attrs)
        for op, size, attrs in itertools.product(
            ["ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic"], _SIZES, _CENTERS
        )
    ),
    *(Case("ResizeArea", [_X, size], attrs) for size, attrs in itertools.product(_SIZES, _CENTERS[:2])),
    *(
        Case(op, [integers(1, 4, 4, 1, low=0, high=200, dtype=np.uint8), [7, 3]])
        for op in ["ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic", "ResizeArea"]
    ),
    *(
        Case(op, [floats(2, 9, 4, 3), _X], attrs)
        for op, attrs in itertools.product(["ResizeBilinearGrad", "ResizeBicubicGrad"], _CENTERS)
    ),
    *(Case("ResizeNearestNeighborGrad", [floats(2, 9, 4, 3), [5, 7]], attrs) for attrs in _CENTERS),
    *(
        Case(
            "ScaleAndTranslate",
            [_X, [8, 3], [1.6, 0.45], [0.0, 0.0]],
            {"kernel_type": kernel, "antialias": antialias},
        )
        for kernel, antialias in itertools.product(_KERNELS, [True, False])
    ),
    Case("ScaleAndTranslate", [_X, [6, 6], [0.8, 1.3], [-1.5, 2.25]], {"kernel_type": "triangle"}),
    Case(
        "ScaleAndTranslateGrad",
        [floats(2, 6, 6, 3), _X, [0.8, 1.3], [-1.5, 2.25]],
        {"kernel_type": "lanczos3"},
    ),
    *(
        Case(op, [floats(1, 3, 4, 2), [5, 3]], attrs, grad=[0], single=True)
        for op, attrs in itertools.product(
            ["ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic"], _CENTERS
        )
    ),
    *(
        Case(op, [floats(1, 5, 3, 2), floats(1, 3, 4, 2)], attrs, grad=True, single=True)
        for op, attrs in itertools.product(["ResizeBilinearGrad", "ResizeBicubicGrad"], _CENTERS)
    ),
    *(Case("ResizeNearestNeighborGrad", [floats(1, 5, 3, 2), [3, 4]], attrs, grad=[0]) for attrs in _CENTERS),
    *(
        Case(
            "ScaleAndTranslate",
            [floats(1, 3, 4, 2), [5, 3], [1.6, 0.7], [0.5, -0.2]],
            {"kernel_type": kernel},
            grad=[0],
            single=True,
        )
        for kernel in ("triangle", "lanczos3")
    ),
    Case(
        "ScaleAndTranslateGrad",
        [floats(1, 5, 3, 2), floats(1, 3, 4, 2), [1.6, 0.7], [0.5, -0.2]],
        {"kernel_type": "triangle"},
        grad=[0, 1],
        single=True,
    ),
    Case("ResizeBilinear", [_X, [0, 4]], raises="InvalidArgumentError"),
    Case("ResizeBilinear", [floats(5, 7, 3), [4, 4]], raises="InvalidArgumentError"),
    Case(
        "ResizeBicubic",
        [_X, [4, 4]],
        {"align_corners": True, "half_pixel_centers": True},
        raises="InvalidArgumentError",
    ),
    Case(
        "ScaleAndTranslate",
        [_X, [4, 4], [1.0, 1.0], [0.0, 0.0]],
        {"kernel_type": "cubic"},
        raises="InvalidArgumentError",
    ),
]
