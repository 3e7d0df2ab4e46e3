"""Cases for batch and local response normalization: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes

from tests.ops.op_cases import Case, floats, positive

_CHANNELS = [floats(3), floats(3), floats(3), positive(3)]


# The means and variances that come in and go out are constants to the gradient rules, as in TensorFlow.
_CHECKED = {"grad": [0, 1, 2], "outputs": [0], "single": True}


def _fused(x, version="V3", *, check=None, **attrs):
    return Case(f"FusedBatchNorm{version}", [x, *_CHANNELS], attrs, rtol=1e-4, atol=1e-4, **check or {})


def _fused_gradient(dy, x, version="V3", reserved=(floats(0),), check=None, **attrs):
    inputs = [dy, x, floats(3), floats(3), positive(3), *reserved]
    return Case(f"FusedBatchNormGrad{version}", inputs, attrs, rtol=1e-4, atol=1e-4, **check or {})


_X = floats(2, 4, 5, 3)

CASES = [
    _fused(_X),
    *(_fused(floats(2, 3, 2, 3), version, check=_CHECKED, epsilon=0.1) for version in ("", "V2", "V3")),
    _fused(floats(2, 3, 2, 3), check=_CHECKED, epsilon=0.1, is_training=False),
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
    *(
        _fused_gradient(
            floats(2, 3, 2, 3),
            floats(2, 3, 2, 3),
            version,
            (floats(0),) if version == "V3" else (),
            {"grad": [0, 2], "outputs": [0, 1, 2], "second": False, "single": True},
            is_training=is_training,
        )
        for version in ("", "V2", "V3")
        for is_training in (True, False)
    ),
    Case("LRN", [floats(2, 3, 2, 7)], {"depth_radius": 2}, grad=True, second=False),
    Case("LRN", [floats(2, 3, 2, 3)], {"bias": 2.0, "alpha": 0.5, "beta": 0.75}, grad=True, second=False),
    Case("LRNGrad", [floats(1, 2, 2, 4), floats(1, 2, 2, 4), floats(1, 2, 2, 4)], {"depth_radius": 1}),
    Case("L2Loss", [floats(3, 4)], grad=True),
    *(
        Case(
            "BatchNormWithGlobalNormalization",
            [floats(2, 2, 3, 4), floats(4), positive(4), floats(4), floats(4)],
            {"variance_epsilon": 0.01, "scale_after_normalization": scaled},
            grad=True,
            second=False,
        )
        for scaled in (True, False)
    ),
]
