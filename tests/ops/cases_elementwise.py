"""Cases for functions of one number, comparisons, bits, casts and complex numbers."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, booleans, complexes, distinct, floats, integers, positive, strings

BF16 = ml_dtypes.bfloat16

# Op type -> where its real argument may lie.
DOMAINS = {
    "Neg": (-2, 2), "Abs": (0.2, 2), "Sign": (0.2, 2), "Square": (-2, 2), "Reciprocal": (0.3, 2), "Inv": (0.3, 2),
    "Sqrt": (0.3, 3), "Rsqrt": (0.3, 3), "Exp": (-2, 2), "Expm1": (-2, 2), "Log": (0.3, 3), "Log1p": (-0.6, 2),
    "Sin": (-2, 2), "Cos": (-2, 2), "Tan": (-1, 1), "Asin": (-0.8, 0.8), "Acos": (-0.8, 0.8), "Atan": (-2, 2),
    "Sinh": (-2, 2), "Cosh": (-2, 2), "Tanh": (-2, 2), "Asinh": (-2, 2), "Acosh": (1.3, 3), "Atanh": (-0.8, 0.8),
    "Sigmoid": (-3, 3), "Softplus": (-3, 3), "Softsign": (0.3, 2), "Floor": (-5, 5), "Ceil": (-5, 5),
    "Rint": (-5, 5), "Round": (-5, 5),
}  # fmt: skip
_SMOOTH = set(DOMAINS) - {"Floor", "Ceil", "Rint", "Round"}
_COMPLEX = set(DOMAINS) - {"Abs", "Softplus", "Softsign", "Floor", "Ceil", "Rint", "Round"}
_INTEGER = ("Neg", "Abs", "Sign", "Square", "Round")
_GRADIENT_OPS = ("TanhGrad", "SigmoidGrad", "SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad")


def _unary_cases():
    for op_type, (low, high) in DOMAINS.items():
        smooth = op_type in _SMOOTH
        yield Case(op_type, [floats(2, 3, low=low, high=high)], grad=smooth)
        yield Case(op_type, [floats(2, 0, low=low, high=high)])
        yield Case(op_type, [floats(low=low, high=high, dtype=np.float64)])
        yield Case(op_type, [floats(5, low=low, high=high, dtype=BF16)])
        yield Case(op_type, [floats(5, low=low, high=high, dtype=np.float16)])
        yield Case(op_type, [np.array(["a"], object)], raises="InvalidArgumentError")
        if op_type in _COMPLEX:
            yield Case(op_type, [complexes(4, low=0.3, high=0.8)], grad=smooth, rtol=1e-4)
        if op_type in _INTEGER:
            yield Case(op_type, [integers(2, 3)])
            yield Case(op_type, [integers(3, dtype=np.int8)])
        elif op_type not in ("Reciprocal", "Inv"):
            yield Case(op_type, [integers(3, low=1)], raises="InvalidArgumentError")
    for op_type in _GRADIENT_OPS:
        yield Case(op_type, [positive(2, 3), floats(2, 3)], grad=True)
        yield Case(op_type, [positive(4, dtype=BF16), positive(4, dtype=BF16)])
    for op_type in ("SqrtGrad", "RsqrtGrad", "ReciprocalGrad"):  # zero where no gradient arrives
        yield Case(op_type, [np.float32([0, np.inf, np.nan, 2]), np.float32([0, 0, 0, 3])])
    yield Case("SoftplusGrad", [floats(2, 3), floats(2, 3)], grad=True)
    yield Case("SoftsignGrad", [floats(2, 3), positive(2, 3)], grad=True)
    yield Case("Round", [np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])])
    yield Case("Rint", [np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])])
    yield Case("Softplus", [np.float32([-1000, -50, 0, 50, 1000])])
    yield Case("Sigmoid", [np.float32([-1000, -80, 0, 80, 1000])])
    yield Case("Log", [np.float32([-1, 0, np.inf, np.nan])])
    yield Case("Sqrt", [np.float32([-1, 0, np.inf, np.nan])])
    yield Case("Sign", [np.float32([-3, -0.0, 0, 4])])


def _comparison_cases():
    for op_type in ("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"):
        yield Case(op_type, [np.float32([1, 2, np.nan, np.inf]), np.float32([1, 3, np.nan, -np.inf])])
        yield Case(op_type, [integers(2, 3), integers(3)])
        yield Case(op_type, [floats(4, dtype=BF16), floats(4, dtype=BF16)])
        yield Case(op_type, [integers(4, dtype=np.uint64, low=0), integers(4, dtype=np.uint64, low=0)])
        yield Case(op_type, [floats(2, 3), floats(4)], raises="InvalidArgumentError")
    for op_type in ("Equal", "NotEqual"):
        yield Case(op_type, [booleans(4), booleans(4)])
        yield Case(op_type, [complexes(2), complexes(2)])
        yield Case(op_type, [strings("a", "b"), strings("a", "c")])
        yield Case(op_type, [floats(2, 3), floats(3)], {"incompatible_shape_error": False})
    for op_type in ("LogicalAnd", "LogicalOr"):
        yield Case(op_type, [booleans(2, 4), booleans(4)])
        yield Case(op_type, [integers(4), integers(4)], raises="InvalidArgumentError")
    yield Case("LogicalNot", [booleans(5)])
    yield Case("ApproximateEqual", [np.float32([1, 2]), np.float32([1.0000001, 2.1])])
    yield Case("ApproximateEqual", [np.float32([1, 2]), np.float32([1.05, 2.2])], {"tolerance": 0.1})
    for op_type in ("IsNan", "IsInf", "IsFinite"):
        yield Case(op_type, [np.float32([1, np.nan, np.inf, -np.inf])])
        yield Case(op_type, [np.array([1, np.nan, np.inf], BF16)])
        yield Case(op_type, [integers(2)], raises="InvalidArgumentError")


def _bit_cases():
    for dtype in (np.int8, np.int32, np.uint8, np.int64):
        low = 0 if dtype is np.uint8 else -100
        for op_type in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
            yield Case(
                op_type, [integers(2, 3, low=low, high=100, dtype=dtype), integers(3, low=low, dtype=dtype)]
            )
        for op_type in ("LeftShift", "RightShift"):
            yield Case(op_type, [integers(4, low=low, high=100, dtype=dtype), np.array([0, 1, 3, 7], dtype)])
        yield Case("Invert", [integers(4, low=low, high=100, dtype=dtype)])
        yield Case("PopulationCount", [integers(4, low=low, high=100, dtype=dtype)])
    yield Case("LeftShift", [np.int32([1, 1, 1]), np.int32([-1, 31, 40])])
    yield Case("RightShift", [np.int32([-8, 8, 8]), np.int32([40, 40, -1])])
    yield Case("BitwiseAnd", [floats(2), floats(2)], raises="InvalidArgumentError")


def _cast_cases():
    names = (
        np.float32,
        np.float64,
        np.float16,
        BF16,
        np.int8,
        np.int32,
        np.int64,
        np.uint8,
        np.uint32,
        np.bool_,
    )
    for target in (*names, np.complex64):
        negative = 0.0 if target in (np.uint8, np.uint32) else -1.7
        yield Case("Cast", [np.float32([negative, 0.0, 1.2, 3.9])], {"DstT": target})
        yield Case("Cast", [integers(2, 3, low=0)], {"DstT": target})
        yield Case("Cast", [booleans(3)], {"DstT": target})
        yield Case("Cast", [np.array([0, 1.5, 2.5], BF16)], {"DstT": target})
    yield Case("Cast", [np.int32([300, -5, 70000])], {"DstT": np.uint8})
    yield Case("Cast", [np.float32([-1.5, 300.2])], {"DstT": np.uint8})
    yield Case("Cast", [complexes(3)], {"DstT": np.float32})
    yield Case("Cast", [complexes(3)], {"DstT": np.complex128}, grad=True)
    yield Case("Cast", [floats(2, 3)], {"DstT": np.float64}, grad=True)
    yield Case("Cast", [floats(3)], {"DstT": np.complex128}, grad=True)
    yield Case("Cast", [strings("1")], {"DstT": np.int32}, raises="UnimplementedError")
    yield Case("Cast", [np.float32([1.00390625, 1.0078125, -3.3])], {"DstT": BF16, "Truncate": True})
    for source, target in (
        (floats(3), np.int32), (floats(3), np.uint8), (floats(2, 2), np.float64),
        (integers(3, dtype=np.int64), np.float16), (floats(dtype=BF16), np.int16),
        (integers(2, 4, dtype=np.uint8, low=0, high=255), np.int32), (complexes(3), np.float32),
        (complexes(3), np.uint8), (complexes(3), np.int64), (floats(3, 2), np.complex64),
        (integers(3, 8, dtype=np.uint8, low=0, high=60), np.complex64),
    ):  # fmt: skip
        yield Case("Bitcast", [source], {"type": target})
    yield Case(
        "Bitcast", [integers(3, dtype=np.uint8, low=0)], {"type": np.int32}, raises="InvalidArgumentError"
    )


def _complex_cases():
    yield Case("Complex", [floats(2, 3), floats(3)])
    yield Case(
        "Complex",
        [floats(2, dtype=np.float64), floats(2, dtype=np.float64)],
        {"Tout": np.complex128},
        grad=True,
    )
    for op_type in ("Real", "Imag", "ComplexAbs", "Angle"):
        yield Case(op_type, [complexes(2, 3)])
        yield Case(op_type, [complexes(4, low=0.4, dtype=np.complex128)], {"Tout": np.float64}, grad=True)
    yield Case("Conj", [complexes(2, 3)], grad=True)


def _identity_cases():
    for op_type in ("Identity", "CheckPinned", "StopGradient", "PreventGradient"):
        yield Case(op_type, [floats(2, 3)], grad=op_type in ("Identity", "CheckPinned"))
        yield Case(op_type, [integers(0, 2)])
    yield Case("IdentityN", [[floats(2), integers(3)]], grad=[0])


def _clip_cases():
    yield Case("ClipByValue", [distinct(2, 3, step=0.7), np.float32(-1.1), np.float32(1.1)], grad=True)
    yield Case(
        "ClipByValue",
        [distinct(2, 3, step=0.7), floats(3, low=-1, high=0), floats(3, low=0.1, high=1)],
        grad=[0],
    )
    yield Case("ClipByValue", [integers(5), np.int32(-2), np.int32(2)])


CASES = [
    *_unary_cases(),
    *_comparison_cases(),
    *_bit_cases(),
    *_cast_cases(),
    *_complex_cases(),
    *_clip_cases(),
    *_identity_cases(),
]
