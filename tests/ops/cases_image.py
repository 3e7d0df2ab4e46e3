"""Cases for the image ops other than resizing: see `op_cases.py` for what a case is."""

from __future__ import annotations

import numpy as np

from tests.ops.op_cases import Case, floats, integers


def _unit(*shape, dtype=np.float32):
    return floats(*shape, low=0.02, high=0.98, dtype=dtype)


_PATCHES = {"ksizes": [1, 2, 3, 1], "strides": [1, 2, 1, 1], "rates": [1, 1, 2, 1]}
_MAPS = np.array(
    [[1.1, 0.3, -1.2, -0.2, 0.9, 2.3, 0.01, -0.02], [0.8, -0.4, 3.1, 0.5, 1.2, -2.6, 0.0, 0.0]], np.float32
)
# The gradient of a projective transform takes the inverse map, which is exact where pixels go to pixels.
_SHIFT_AND_FLIP = np.array([[1, 0, 1, 0, 1, -1, 0, 0], [-1, 0, 5, 0, 1, 0, 0, 0]], np.float32)
_MODES = ["CONSTANT", "REFLECT", "WRAP", "NEAREST"]
_BOXES = np.array([[0.1, 0.2, 0.7, 0.9], [0.8, 0.9, 0.3, -0.2], [-0.3, 0.1, 1.2, 0.5]], np.float32)


def _projected(images, maps, mode, interpolation):
    attrs = {"interpolation": interpolation, "fill_mode": mode}
    return Case("ImageProjectiveTransformV3", [images, maps, [7, 9], 0.5], attrs)


def _crops(images, size, **attrs):
    return Case("CropAndResize", [images, _BOXES, [1, 0, 1], size], attrs)


CASES = [
    *(
        _projected(floats(2, 5, 6, 3), _MAPS * scale, mode, interpolation)
        for mode in _MODES
        for interpolation in ("NEAREST", "BILINEAR")
        for scale in (1, 5)
    ),
    _projected(floats(2, 5, 6, 3), _MAPS[:1], "CONSTANT", "BILINEAR"),
    _projected(integers(2, 5, 6, 3, low=0, high=255, dtype=np.uint8), _MAPS, "REFLECT", "NEAREST"),
    Case("ImageProjectiveTransformV2", [floats(2, 5, 6, 3), _MAPS, [4, 4]], {"interpolation": "BILINEAR"}),
    _crops(floats(2, 5, 6, 3), [4, 3]),
    _crops(floats(2, 5, 6, 3), [1, 3], extrapolation_value=2.0),
    _crops(integers(2, 5, 6, 3, dtype=np.uint8, low=0), [4, 5], method="nearest"),
    # Boxes chosen so that no sampling point comes near a pixel's centre, where bilinear interpolation has kinks.
    Case(
        "CropAndResize", [floats(2, 5, 6, 3), _BOXES, [1, 0, 1], [4, 3]], grad=[0], second=False, single=True
    ),
    Case(
        "CropAndResize",
        [floats(1, 5, 6, 2), np.float32([[0.1, 0.11, 0.66, 0.72]]), [0], [2, 2]],
        grad=[1],
        second=False,
        single=True,
    ),
    *(
        Case(
            f"ImageProjectiveTransform{version}",
            [floats(2, 5, 6, 2), _SHIFT_AND_FLIP, [4, 6], *filled],
            {"interpolation": "BILINEAR"},
            grad=[0],
            single=True,
        )
        for version, filled in (("V2", []), ("V3", [0.0]))
    ),
    Case("CropAndResize", [floats(1, 5, 6, 3), _BOXES, [0, 1, 0], [2, 2]], raises="OutOfRangeError"),
    Case("CropAndResizeGradImage", [floats(3, 4, 3, 2), _BOXES, [1, 0, 1], [2, 5, 6, 2]], {"T": np.float32}),
    Case("CropAndResizeGradBoxes", [floats(3, 4, 3, 2), floats(2, 5, 6, 2), _BOXES, [1, 0, 1]]),
    Case("RGBToHSV", [_unit(2, 3, 3)], grad=True, second=False),
    Case("RGBToHSV", [_unit(4, 3, dtype=np.float64)]),
    Case("RGBToHSV", [[[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.2, 0.7, 0.7]]]),
    Case("RGBToHSV", [_unit(2, 4)], raises="FailedPreconditionError"),
    Case("HSVToRGB", [_unit(2, 3, 3)]),
    Case("AdjustContrastv2", [_unit(2, 3, 4, 3), 1.5]),
    Case("AdjustContrastv2", [_unit(4, 3), 1.5], raises="InvalidArgumentError"),
    Case("AdjustHue", [_unit(2, 3, 4, 3), 0.3]),
    Case("AdjustHue", [_unit(3, 4, 3), -0.7]),
    Case("AdjustSaturation", [_unit(2, 3, 4, 3), 1.7]),
    Case("ExtractImagePatches", [floats(2, 5, 6, 3)], {**_PATCHES, "padding": "VALID"}, grad=True),
    Case("ExtractImagePatches", [floats(2, 5, 6, 3)], {**_PATCHES, "padding": "SAME"}, grad=True),
    Case("ExtractImagePatches", [integers(1, 4, 4, 1)], {**_PATCHES, "padding": "SAME"}),
    Case(
        "ExtractVolumePatches",
        [floats(1, 4, 5, 3, 2)],
        {"ksizes": [1, 2, 2, 2, 1], "strides": [1, 2, 1, 1, 1], "padding": "SAME"},
        grad=True,
    ),
]
