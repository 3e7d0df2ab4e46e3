"""Cases of `ops.random.stateless_ops`; ops with a state of their own are in `test_random_ops` and others."""

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, positive, strings

SEED = np.int64([3, -5])
KEY = [np.uint64([9346930042776287455]), np.uint64([0, 9453892864160445078]), 1]
THREEFRY = [np.uint64([12345]), np.uint64([7]), 2]
NEAR_CARRY = [
    np.uint64([5]),
    np.uint64([2**64 - 2, 2**64 - 1]),
    3,
]  # blocks past the end of the counter's low half


def of_shape(op, dtypes):
    """An op that takes a shape, in both of its versions."""
    return [
        case
        for dtype in dtypes
        for case in (
            Case(op, [[5, 3], SEED], {"dtype": dtype}),
            Case(f"{op}V2", [[7], *KEY], {"dtype": dtype}),
            Case(f"{op}V2", [[2, 5], *THREEFRY], {"dtype": dtype}),
            Case(f"{op}V2", [[33], *NEAR_CARRY], {"dtype": dtype}),
            Case(f"{op}V2", [[2, 0], *KEY], {"dtype": dtype}),
            Case(f"{op}V2", [np.int32([]), *KEY], {"dtype": dtype}),
        )
    ]


FLOATS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
BOUNDS = np.float32([0, 1, 5, 5, -np.inf, 0.1, -np.inf]), np.float32([2, 4, 6, np.inf, -5, 0.2, 3])

CASES = [
    *of_shape("StatelessRandomUniform", FLOATS),
    *of_shape("StatelessRandomNormal", FLOATS),
    *of_shape("StatelessTruncatedNormal", FLOATS),
    *of_shape("StatelessRandomUniformFullInt", [np.int32, np.int64, np.uint32, np.uint64]),
    Case("StatelessRandomUniformInt", [[7], SEED, np.int32(-3), np.int32(10)]),
    Case("StatelessRandomUniformInt", [[7], SEED, np.int64(-(2**63)), np.int64(2**63 - 1)]),
    Case("StatelessRandomUniformIntV2", [[2, 3], *KEY, np.int64(0), np.int64(2**40)]),
    Case("StatelessRandomUniformInt", [[0], SEED, 5, 3]),
    Case("StatelessRandomUniformInt", [[2], SEED, 5, 3], raises="InvalidArgumentError"),
    Case("StatelessRandomUniformInt", [[2], SEED, [0, 0], [3, 3]], raises="InvalidArgumentError"),
    Case("StatelessRandomUniform", [3, SEED], raises="InvalidArgumentError"),
    Case("StatelessRandomUniform", [[-1], SEED], raises="InvalidArgumentError"),
    Case("StatelessRandomUniform", [[2], [1, 2, 3]], raises="InvalidArgumentError"),
    Case(
        "StatelessRandomUniformV2",
        [[2], np.uint64([1, 2]), np.uint64([1, 2]), 1],
        raises="InvalidArgumentError",
    ),
    Case("StatelessRandomUniformV2", [[2], np.uint64([1]), np.uint64([1]), 1], raises="InvalidArgumentError"),
    Case(
        "StatelessRandomUniformV2", [[2], np.uint64([1]), np.uint64([1, 2]), 9], raises="InvalidArgumentError"
    ),
    Case("StatelessRandomGetKeyCounter", [SEED]),
    Case("StatelessRandomGetKeyCounter", [np.int32([1, -2])]),
    Case("StatelessRandomGetKeyCounterAlg", [SEED]),
    Case("StatelessRandomGetAlg"),
    Case("StatelessRandomGammaV2", [[50, 5], SEED, np.float32([0.1, 0.9, 1, 1.5, 70])]),
    Case("StatelessRandomGammaV3", [[50, 2], *KEY, np.float64([0.1, 3])], rtol=1e-12),
    Case("StatelessRandomGammaV2", [[20], SEED, np.float16(2)]),
    Case("StatelessRandomGammaV2", [[3, 0], SEED, np.zeros([0], np.float32)]),
    Case("StatelessRandomGammaV2", [[4], SEED, np.float32(-1)]),
    Case("StatelessRandomGammaV2", [[3], SEED, np.float32([1, 2])], raises="InvalidArgumentError"),
    Case("RandomGammaGrad", [positive(3, 1), positive(2)]),
    Case(
        "StatelessRandomPoisson", [[50, 6], SEED, np.float64([0, 0.5, 9.9, 10, 45, 1e6])], {"dtype": np.int64}
    ),
    Case("StatelessRandomPoisson", [[50], SEED, np.int32(4)], {"dtype": np.float16}),
    Case(
        "StatelessRandomPoisson",
        [[3], SEED, np.float32([1, 2])],
        {"dtype": np.int32},
        raises="InvalidArgumentError",
    ),
    Case(
        "StatelessRandomBinomial", [[40, 3, 2], SEED, np.float64([[1], [20], [1e5]]), np.float64([0.2, 0.9])]
    ),
    Case("StatelessRandomBinomial", [[9, 4], SEED, np.float32([3, -1, 4, 4]), np.float32([0, 0.5, 1, 1.5])]),
    Case(
        "StatelessParameterizedTruncatedNormal",
        [[30, 7], SEED, np.float32(0.5), np.float32(1), *BOUNDS],
        atol=1e-6,
    ),
    Case(
        "StatelessParameterizedTruncatedNormal",
        [[30], SEED, np.float64(0), np.float64(2), np.float64(-1), np.float64(9)],
    ),
    Case(
        "StatelessParameterizedTruncatedNormal",
        [[3], SEED, np.float32(0), np.float32(-1), np.float32(0), np.float32(1)],
        raises="InvalidArgumentError",
    ),
    Case("StatelessMultinomial", [np.float32([[0, 1, -np.inf, 2], [3, 3, 3, 3]]), 20, SEED]),
    Case("StatelessMultinomial", [np.float64([[0, 1]]), 5, SEED], {"output_dtype": np.int32}),
    Case("StatelessMultinomial", [np.float32([0, 1]), 5, SEED], raises="InvalidArgumentError"),
    Case("StatelessMultinomial", [np.zeros([2, 0], np.float32), 5, SEED], raises="InvalidArgumentError"),
    Case("StatelessMultinomial", [np.float32([[0, 1]]), -5, SEED], raises="InvalidArgumentError"),
    Case("StatelessShuffle", [np.arange(100), *KEY]),
    Case("StatelessShuffle", [np.arange(12).reshape(6, 2), *KEY]),
    Case("StatelessShuffle", [np.float32(1), *KEY]),
    Case("StatelessShuffle", [strings("a", "b", "c"), *KEY]),
    Case("RandomIndexShuffle", [np.arange(50), [1, 2, 3], np.int64(49)]),
    Case(
        "RandomIndexShuffle",
        [np.int32([0, 1, 2]), np.int32([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), np.int32([5, 100, 70000])],
    ),
    Case("RandomIndexShuffle", [np.uint64(3), np.uint32([1, 2, 3]), np.uint64(2**62)], {"rounds": 8}),
    Case("RandomIndexShuffle", [0, [1, 2, 3], 0]),
    Case("RandomIndexShuffle", [5, [1, 2, 3], 3], raises="InvalidArgumentError"),
    Case("RandomIndexShuffle", [1, [1, 2], 3], raises="InvalidArgumentError"),
]
