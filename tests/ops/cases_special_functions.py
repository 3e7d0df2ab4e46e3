"""Cases for special functions."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, complexes, floats, positive

BF16 = ml_dtypes.bfloat16

# Op type -> where its argument may lie.
DOMAINS = {
    "Erf": (-2, 2), "Erfc": (-2, 2), "Erfinv": (-0.8, 0.8), "Ndtri": (0.1, 0.9), "Dawsn": (-2, 2),
    "FresnelCos": (-2, 2), "FresnelSin": (-2, 2), "Lgamma": (0.3, 4), "Digamma": (0.3, 4), "Expint": (0.3, 3),
    "Spence": (0.3, 3), "BesselI0": (-2, 2), "BesselI0e": (0.2, 2), "BesselI1": (0.2, 2), "BesselI1e": (0.2, 2),
    "BesselJ0": (-2, 2), "BesselJ1": (0.2, 2), "BesselK0": (0.3, 3), "BesselK0e": (0.3, 3), "BesselK1": (0.3, 3),
    "BesselK1e": (0.3, 3), "BesselY0": (0.3, 3), "BesselY1": (0.3, 3),
}  # fmt: skip


def _cases():
    for op_type, (low, high) in DOMAINS.items():
        yield Case(op_type, [floats(2, 3, low=low, high=high)], grad=True, rtol=2e-4)
        yield Case(op_type, [floats(low=low, high=high, dtype=np.float64)], rtol=1e-6)
        yield Case(op_type, [floats(3, low=low, high=high, dtype=BF16)])
    yield Case("BesselI1", [np.float32([0.0])], grad=True)
    yield Case("BesselI1e", [np.float32([0.0])], grad=True, second=False)
    yield Case("BesselJ1", [np.float32([0.0])], grad=True, second=False)
    yield Case("Lgamma", [np.float32([0, -1, 1, -0.5])])
    yield Case("Digamma", [np.float32([0, 1, -0.5])])
    yield Case("Expint", [np.float32([-1, 1])])
    yield Case("BesselK0", [np.float32([0, -1, 1])])
    yield Case("Atan2", [floats(2, 3), positive(3)], grad=True)
    yield Case("Atan2", [np.float32([0.0, -0.0, 1]), np.float32([-1, -1, 0])])
    for op_type in ("Xlogy", "Xlog1py", "Xdivy"):
        yield Case(op_type, [positive(2, 3), positive(3)], grad=True)
        yield Case(op_type, [np.float32([0, 0, 1]), np.float32([0, np.nan, 2])])
        yield Case(op_type, [complexes(3, low=0.3), complexes(3, low=0.3)], grad=True)
        yield Case(op_type, [floats(3, dtype=BF16), positive(3, dtype=BF16)])
    yield Case("NextAfter", [floats(2, 3), floats(3)], grad=True)
    yield Case("NextAfter", [floats(3, dtype=np.float64), floats(3, dtype=np.float64)])
    yield Case("Zeta", [positive(2, 3, low=1.5), positive(3)], grad=[1], rtol=1e-4)
    yield Case("Polygamma", [np.float32([0, 1, 2, 3]), positive(4)], grad=[1], rtol=1e-4)
    yield Case("Polygamma", [np.float32([1.5, -1]), positive(2)])
    yield Case("Igamma", [positive(2, 3), positive(3)], grad=True, second=False, rtol=1e-4)
    yield Case("Igammac", [positive(2, 3), positive(3)], grad=True, second=False, rtol=1e-4)
    yield Case("Igamma", [positive(3, dtype=BF16), positive(3, dtype=BF16)])
    yield Case("IgammaGradA", [positive(2, 3), positive(2, 3)])
    yield Case(
        "Betainc", [positive(2, 3), positive(2, 3), floats(2, 3, low=0.1, high=0.9)], grad=[2], rtol=1e-4
    )
    yield Case("Betainc", [np.float32(1.0), np.float32(2.0), np.float32([0.5, 2, -1])])


CASES = list(_cases())
