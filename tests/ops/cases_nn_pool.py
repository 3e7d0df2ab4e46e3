"""Cases for pooling: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, distinct, floats, integers

_TWO = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
_OVERLAPPING = {"ksize": [1, 3, 2, 1], "strides": [1, 2, 1, 1], "padding": "SAME"}
_VOLUME = {"ksize": [1, 2, 3, 2, 1], "strides": [1, 2, 1, 2, 1], "padding": "SAME"}
_EXPLICIT = {
    "ksize": [1, 3, 3, 1],
    "strides": [1, 2, 2, 1],
    "padding": "EXPLICIT",
    "explicit_paddings": [0, 0, 1, 0, 0, 2, 0, 0],
}
_TIES = np.array([[1, 1, 0, 2], [1, 1, 2, 2], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32).reshape(1, 4, 4, 1)


# An image and a volume, what max pooling by 2 makes of them, and where in a flat image each maximum stands.
_PLACES = np.random.default_rng(1).permutation(32).astype(np.float32)
_IMAGE, _VOXELS = _PLACES.reshape(1, 4, 4, 2), _PLACES.reshape(1, 4, 4, 2, 1)
_POOLED_IMAGE = _IMAGE.reshape(1, 2, 2, 2, 2, 2).max((2, 4))
_POOLED_VOXELS = _VOXELS.reshape(1, 2, 2, 2, 2, 1, 2, 1).max((2, 4, 6))
_ARGMAX = np.argsort(_PLACES)[_POOLED_IMAGE.astype(int)].astype(np.int64)
_CUBES = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID"}


def _max(x, attrs):
    return Case("MaxPool", [x], attrs, grad=True)


CASES = [
    _max(distinct(2, 4, 6, 3), _TWO),
    _max(distinct(2, 5, 6, 3), _TWO),
    _max(distinct(2, 5, 6, 3), _OVERLAPPING),
    _max(distinct(1, 5, 6, 2), _EXPLICIT),
    _max(distinct(1, 9, 9, 1), {"ksize": [1, 9, 9, 1], "strides": [1, 1, 1, 1], "padding": "SAME"}),
    Case("MaxPool", [integers(1, 4, 4, 2, dtype=np.uint8, low=0)], _TWO),
    Case("MaxPool", [floats(1, 4, 4, 2, dtype=ml_dtypes.bfloat16)], _TWO),
    Case("MaxPool", [floats(0, 4, 4, 2)], _TWO),
    Case(
        "MaxPool", [distinct(1, 2, 2, 4)], {"ksize": [1, 1, 1, 2], "strides": [1, 1, 1, 2], "padding": "SAME"}
    ),
    Case(
        "MaxPool",
        [floats(1, 3, 3, 1)],
        {"ksize": [1, 6, 6, 1], "strides": [1, 1, 1, 1], "padding": "VALID"},
        raises="InvalidArgumentError",
    ),
    # Equal entries: the first one gets the gradient.
    Case(
        "MaxPoolGrad",
        [_TIES, np.array([1, 2, 0, 0], np.float32).reshape(1, 2, 2, 1), floats(1, 2, 2, 1)],
        _TWO,
    ),
    Case("MaxPool3D", [distinct(1, 3, 4, 5, 2)], _VOLUME, grad=True),
    Case(
        "MaxPoolV2",
        [distinct(1, 4, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1]],
        {"padding": "VALID"},
        grad=[0],
    ),
    Case("MaxPoolWithArgmax", [distinct(2, 5, 6, 3)], _OVERLAPPING, grad=True),
    Case("MaxPoolWithArgmax", [distinct(2, 4, 4, 3)], {**_TWO, "Targmax": np.int32}),
    Case("MaxPoolWithArgmax", [distinct(2, 4, 4, 3)], {**_TWO, "include_batch_in_index": True}, grad=True),
    # What stood in the forward pass is a constant to the gradient ops: only what comes in last moves.
    Case("MaxPoolGrad", [_IMAGE, _POOLED_IMAGE, floats(1, 2, 2, 2)], _TWO, grad=[2]),
    Case("MaxPoolGradGrad", [_IMAGE, _POOLED_IMAGE, floats(1, 4, 4, 2)], _TWO, grad=[2]),
    Case(
        "MaxPoolGradV2",
        [_IMAGE, _POOLED_IMAGE, floats(1, 2, 2, 2), [1, 2, 2, 1], [1, 2, 2, 1]],
        {"padding": "VALID"},
        grad=[2],
    ),
    Case(
        "MaxPoolGradGradV2",
        [_IMAGE, _POOLED_IMAGE, floats(1, 4, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1]],
        {"padding": "VALID"},
        grad=[2],
    ),
    Case("MaxPoolGradWithArgmax", [_IMAGE, floats(1, 2, 2, 2), _ARGMAX], _TWO, grad=[1]),
    Case("MaxPoolGradGradWithArgmax", [_IMAGE, floats(1, 4, 4, 2), _ARGMAX], _TWO, grad=[1]),
    Case("MaxPool3DGrad", [_VOXELS, _POOLED_VOXELS, floats(1, 2, 2, 1, 1)], _CUBES, grad=[2]),
    Case("MaxPool3DGradGrad", [_VOXELS, _POOLED_VOXELS, floats(1, 4, 4, 2, 1)], _CUBES, grad=[2]),
    Case("AvgPool3DGrad", [[1, 3, 4, 5, 2], floats(1, 2, 4, 3, 2)], _VOLUME, grad=[1]),
    Case("AvgPool", [floats(2, 5, 6, 3)], _TWO, grad=True),
    Case("AvgPool", [floats(2, 5, 6, 3)], _OVERLAPPING, grad=True),
    Case("AvgPool", [floats(1, 4, 4, 2, dtype=ml_dtypes.bfloat16)], _TWO),
    Case("AvgPoolGrad", [[2, 5, 6, 3], floats(2, 3, 6, 3)], _OVERLAPPING, grad=[1]),
    Case("AvgPool3D", [floats(1, 3, 4, 5, 2)], _VOLUME, grad=True),
]
