"""Cases for convolutions: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, floats, integers

_X, _W = floats(2, 7, 6, 3), floats(3, 2, 3, 4)
_ONE, _TWO = [1, 1, 1, 1], [1, 2, 2, 1]


def _conv(x, w, **attrs):
    return Case("Conv2D", [x, w], {"strides": _ONE, "padding": "SAME", **attrs}, grad=True)


def _conv3d(x, w, **attrs):
    return Case("Conv3D", [x, w], {"strides": [1] * 5, "padding": "SAME", **attrs}, grad=True)


def _depthwise(x, w, **attrs):
    return Case("DepthwiseConv2dNative", [x, w], {"strides": _ONE, "padding": "SAME", **attrs}, grad=True)


_EXPLICIT = {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 1, 2, 0, 3, 0, 0]}
_DILATED = {"dilations": [1, 2, 1, 1]}

CASES = [
    _conv(_X, _W),
    _conv(_X, _W, padding="VALID"),
    _conv(_X, _W, strides=_TWO),
    _conv(_X, _W, strides=_TWO, padding="VALID"),
    _conv(_X, _W, strides=[1, 3, 1, 1], **_EXPLICIT),
    _conv(_X, _W, **_DILATED),
    _conv(floats(2, 7, 6, 4), floats(3, 2, 2, 6)),  # two groups
    _conv(floats(1, 5, 5, 2), floats(1, 1, 2, 3)),
    Case(
        "Conv2D",
        [integers(1, 4, 4, 2), integers(2, 2, 2, 3)],
        {"strides": _ONE, "padding": "VALID"},
    ),
    Case(
        "Conv2D",
        [floats(1, 4, 4, 2, dtype=ml_dtypes.bfloat16), floats(2, 2, 2, 3, dtype=ml_dtypes.bfloat16)],
        {"strides": _ONE, "padding": "VALID"},
    ),
    Case(
        "Conv2D",
        [_X, floats(3, 3, 2, 4)],
        {"strides": _ONE, "padding": "SAME"},
        raises="InvalidArgumentError",
    ),
    Case(
        "Conv2D",
        [_X, floats(9, 3, 3, 4)],
        {"strides": _ONE, "padding": "VALID"},
        raises="InvalidArgumentError",
    ),
    Case(
        "Conv2DBackpropInput",
        [[2, 7, 6, 3], _W, floats(2, 4, 3, 4)],
        {"strides": _TWO, "padding": "SAME"},
        grad=[1, 2],
    ),
    Case(
        "Conv2DBackpropFilter",
        [_X, [3, 2, 3, 4], floats(2, 4, 3, 4)],
        {"strides": _TWO, "padding": "SAME"},
        grad=[0, 2],
    ),
    _conv3d(floats(1, 4, 5, 3, 2), floats(2, 3, 2, 2, 3)),
    _conv3d(floats(1, 4, 5, 3, 2), floats(2, 3, 2, 2, 3), padding="VALID", strides=[1, 2, 1, 2, 1]),
    Case(
        "Conv3DBackpropInputV2",
        [np.array([1, 4, 5, 3, 2]), floats(2, 3, 2, 2, 3), floats(1, 2, 3, 2, 3)],
        {"strides": [1, 2, 2, 2, 1], "padding": "SAME"},
        grad=[1, 2],
    ),
    Case(
        "Conv3DBackpropFilterV2",
        [floats(1, 4, 5, 3, 2), [2, 3, 2, 2, 3], floats(1, 2, 3, 2, 3)],
        {"strides": [1, 2, 2, 2, 1], "padding": "SAME"},
        grad=[0, 2],
    ),
    _depthwise(_X, floats(3, 2, 3, 1)),
    _depthwise(_X, floats(3, 2, 3, 2), padding="VALID"),
    _depthwise(_X, floats(3, 2, 3, 2), strides=_TWO),
    _depthwise(_X, floats(3, 2, 3, 2), dilations=[1, 2, 2, 1]),
    _depthwise(_X, floats(3, 2, 3, 1), **_EXPLICIT),
    Case(
        "DepthwiseConv2dNative",
        [floats(1, 12, 12, 2), floats(9, 9, 2, 2)],
        {"strides": _ONE, "padding": "SAME"},
    ),
    Case(
        "DepthwiseConv2dNative",
        [_X, floats(3, 2, 4, 1)],
        {"strides": _ONE, "padding": "SAME"},
        raises="InvalidArgumentError",
    ),
    Case(
        "DepthwiseConv2dNativeBackpropInput",
        [[2, 7, 6, 3], floats(3, 2, 3, 2), floats(2, 4, 3, 6)],
        {"strides": _TWO, "padding": "SAME"},
        grad=[1, 2],
    ),
    Case(
        "DepthwiseConv2dNativeBackpropFilter",
        [_X, [3, 2, 3, 2], floats(2, 4, 3, 6)],
        {"strides": _TWO, "padding": "SAME"},
        grad=[0, 2],
    ),
    Case(
        "Conv2DBackpropInputV2",
        [floats(2, 7, 6, 3), _W, floats(2, 4, 3, 4)],
        {"strides": _TWO, "padding": "SAME"},
        grad=[1, 2],
    ),
    Case(
        "Conv2DBackpropFilterV2",
        [_X, _W, floats(2, 4, 3, 4)],
        {"strides": _TWO, "padding": "SAME"},
        grad=[0, 2],
    ),
    Case(
        "FusedPadConv2D",
        [
            floats(1, 7, 6, 3),
            [[0, 0], [1, 2], [2, 1], [0, 0]],
            _W,
        ],  # TensorFlow computes only the first image right
        {"mode": "REFLECT", "strides": _ONE, "padding": "VALID"},
    ),
    Case(
        "FusedResizeAndPadConv2D",
        [floats(1, 7, 6, 3), [5, 9], [[0, 0], [1, 2], [2, 1], [0, 0]], _W],
        {"mode": "SYMMETRIC", "strides": _TWO, "padding": "SAME", "resize_align_corners": True},
    ),
    *(
        Case(
            op,
            [floats(1, 4, 5, 3, 2), floats(2, 3, 2, 2, 3), floats(1, 2, 3, 2, 3)],
            {"strides": [1, 2, 2, 2, 1], "padding": "SAME"},
            grad=[wanted, 2],
        )
        for op, wanted in (("Conv3DBackpropInput", 1), ("Conv3DBackpropFilter", 0))
    ),
]
