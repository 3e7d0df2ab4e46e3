"""Uniform and normal random numbers, bit for bit those of TensorFlow's CPU kernels.

Each function turns the words of a generator (`philox.Stream`) into `size` numbers; output `i` depends on the
generator and on `i` only. Distributions that reject and draw again are in `random.rejection`. Called by the kernels
of the random ops, stateful and stateless.

Normal float64 numbers have the bits of the C library's log, sin and cos, as TensorFlow's have.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from penstock.ops import float32_math
from penstock.ops.random import philox
from penstock.ops.random.philox import Stream

# Random bits in the fraction of a uniform number, the lowest ones of a word, for the types that take one word each.
_FRACTION_BITS = {np.dtype(np.float16): 10, np.dtype(ml_dtypes.bfloat16): 7, np.dtype(np.float32): 23}
_EPSILON = 1e-7  # the least number that Box-Muller takes the logarithm of

# NumPy's own vectorized functions may differ from these in the last bit; XLA's on the CPU do not.
_C_FUNCTIONS = tuple(np.frompyfunc(function, 1, 1) for function in (math.log, math.sin, math.cos))


def uniform(xp: Any, stream: Stream, size: int, dtype: Any) -> Any:
    """`[size]` numbers uniform in [0, 1): float16, bfloat16, float32 (one word each) or float64 (two)."""
    dtype = np.dtype(dtype)
    if dtype == np.float64:
        return to_unit_float64(xp, *philox.word_pairs(xp, stream, size))
    return to_unit(xp, philox.words(xp, stream, size), dtype)


def uniform_int(xp: Any, stream: Stream, size: int, minval: Any, maxval: Any, dtype: Any) -> Any:
    """`[size]` integers in [minval, maxval): `minval + bits % (maxval - minval)`, int32 or int64.

    As in TensorFlow the smaller integers are a little likelier where the range is not a power of two.
    """
    unsigned = xp.uint64 if np.dtype(dtype).itemsize == 8 else xp.uint32
    return in_range(xp, uniform_bits(xp, stream, size, unsigned), minval, maxval, dtype)


def in_range(xp: Any, bits: Any, minval: Any, maxval: Any, dtype: Any) -> Any:
    """The integers in [minval, maxval) that unsigned ones stand for."""
    low = xp.asarray(minval, dtype=dtype).astype(bits.dtype)
    span = xp.asarray(maxval, dtype=dtype).astype(bits.dtype) - low
    return (bits % span + low).astype(dtype)


def uniform_bits(xp: Any, stream: Stream, size: int, dtype: Any) -> Any:
    """`[size]` integers from the whole range of `dtype`: int32, uint32 (one word each), int64 or uint64 (two)."""
    if np.dtype(dtype).itemsize == 8:
        return philox.join(xp, *philox.word_pairs(xp, stream, size)).astype(dtype)
    return philox.words(xp, stream, size).astype(dtype)


def standard_normal(xp: Any, stream: Stream, size: int, dtype: Any) -> Any:
    """`[size]` numbers of the standard normal distribution, by Box and Muller's transform.

    Each pair of uniform numbers makes two: `sqrt(-2 log u) sin(2 pi v)` and the same with cos. NumPy computes each
    pair once; on XLA every output computes its own pair, which is one pass over the result instead of three.
    """
    dtype = np.dtype(dtype)
    if xp is not np:
        index = philox.indices(xp, size)
        per_block = 1 if dtype == np.float64 else 2  # shifts: two or four numbers
        return normal_at(xp, stream, index >> per_block, index & (1 << per_block) - 1, dtype).astype(dtype)
    width = 2 if dtype == np.float64 else 4
    table = np.empty((-(-size // width), width), dtype)
    for start in range(0, len(table), philox.PIECE):
        piece = table[start : start + philox.PIECE]
        piece[...] = normal_blocks(stream, np.arange(start, start + len(piece), dtype=np.uint64), dtype)
    return table.reshape(-1)[:size]


def normal_at(xp: Any, stream: Stream, block: Any, lane: Any, dtype: np.dtype) -> Any:
    """Normal number `lane` of each block: float64 for that `dtype` (lanes 0 and 1), else float32 (lanes 0 to 3)."""
    word, member = stream.block(xp, block.astype(xp.uint64)), (lane & 1).astype(xp.int32)
    if dtype == np.float64:
        return _normal_float64(xp, word, member)
    upper = lane >= 2
    return _normal_float32(xp, xp.where(upper, word[2], word[0]), xp.where(upper, word[3], word[1]), member)


def normal_blocks(stream: Stream, offset: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """All normal numbers of the blocks `[n]` at `offset`: float64 `[n, 2]` for that `dtype`, else float32 `[n, 4]`."""
    word, member = stream.block(np, offset), np.arange(2, dtype=np.int32)
    if dtype == np.float64:
        return _normal_float64(np, tuple(each[:, None] for each in word), member)
    first, second = np.stack(word[::2], 1)[:, :, None], np.stack(word[1::2], 1)[:, :, None]
    return _normal_float32(np, first, second, member).reshape(-1, 4)


def _normal_float32(xp: Any, first: Any, second: Any, member: Any) -> Any:
    """Number `member` (0: sine, 1: cosine) of the pair that two words make."""
    u = xp.maximum(to_unit(xp, first, np.dtype(np.float32)), np.float32(_EPSILON))
    # The product with 2 pi is rounded once, from float64, as the C expression `2.0f * M_PI * v` is.
    angle = (to_unit(xp, second, np.dtype(np.float32)).astype(xp.float64) * (2 * math.pi)).astype(xp.float32)
    return xp.sqrt(np.float32(-2) * float32_math.log(xp, u)) * float32_math.sin(xp, angle, member)


def _normal_float64(xp: Any, word: tuple, member: Any) -> Any:
    """Number `member` (0: sine, 1: cosine) of the pair that a block makes."""
    u = xp.maximum(to_unit_float64(xp, word[0], word[1]), _EPSILON)
    angle = 2 * math.pi * to_unit_float64(xp, word[2], word[3])
    log, sin, cos = _C_FUNCTIONS if xp is np else (xp.log, xp.sin, xp.cos)
    return xp.sqrt(-2.0 * log(u).astype(xp.float64)) * xp.where(member == 0, sin(angle), cos(angle)).astype(
        xp.float64
    )


def to_unit_float64(xp: Any, first: Any, second: Any) -> Any:
    """52 bits of two words as a float64 in [0, 1): the lower 20 of `first` above all of `second`."""
    high = (first & np.uint32(0xFFFFF)).astype(xp.float64)
    return high * 2.0**-20 + second.astype(xp.float64) * 2.0**-52


def to_unit(xp: Any, word: Any, dtype: np.dtype) -> Any:
    """The lowest bits of each word as a fraction in [0, 1); exact, since they fit the significand of `dtype`."""
    bits = _FRACTION_BITS[dtype]
    fraction = (word & np.uint32((1 << bits) - 1)).astype(xp.int32).astype(xp.float32)
    return (fraction * np.float32(2.0**-bits)).astype(dtype)
