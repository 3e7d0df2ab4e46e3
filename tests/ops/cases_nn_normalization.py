"""Cases for batch and local response normalization: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes

from tests.ops.op_cases import Case, floats, positive

_CHANNELS = [floats(3), floats(3), floats(3), positive(3)]


def _fused(x, version="V3", **attrs):
    return Case(f"FusedBatchNorm{version}", [x, *_CHANNELS], attrs, rtol=1e-4, atol=1e-4)


def _fused_gradient(dy, x, version="V3", reserved=(floats(0),), **attrs):
    inputs = [dy, x, floats(3), floats(3), positive(3), *reserved]
    return Case(f"FusedBatchNormGrad{version}", inputs, attrs, rtol=1e-4, atol=1e-4)


_X = floats(2, 4, 5, 3)

CASES = [
    _fused(_X),
    _fused(_X, epsilon=0.01, exponential_avg_factor=0.25),
    _fused(_X, is_training=False),
    _fused(floats(1, 1, 1, 3)),
    _fused(floats(2, 4, 5, 3, dtype=ml_dtypes.bfloat16)),
    _fused(_X, "V2"),
    _fused(_X, ""),
    Case("FusedBatchNormV3", [floats(2, 4, 5, 2), *_CHANNELS], raises="InvalidArgumentError"),
    _fused_gradient(_X, _X),
    _fused_gradient(floats(2, 4, 5, 3), _X, is_training=False),
    _fused_gradient(floats(2, 4, 5, 3), _X, "V2", ()),
    Case("LRN", [floats(2, 3, 2, 7)], {"depth_radius": 2}, grad=True, second=False),
    Case("LRN", [floats(2, 3, 2, 3)], {"bias": 2.0, "alpha": 0.5, "beta": 0.75}, grad=True, second=False),
    Case("LRNGrad", [floats(1, 2, 2, 4), floats(1, 2, 2, 4), floats(1, 2, 2, 4)], {"depth_radius": 1}),
    Case("L2Loss", [floats(3, 4)], grad=True),
]
