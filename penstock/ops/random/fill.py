"""Tensors of random numbers from a generator: shapes checked, and large eager ones computed by XLA.

NumPy makes 15 to 70 million numbers a second, XLA 70 to 500 million, once it has spent a quarter of a second on
compiling. So a program that has drawn a few million eagerly gets a compiled program for large tensors. It makes pieces
of a fixed size: one compilation serves all shapes, since an output depends on its position only. Used by the kernels
of the random ops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import LARGE
from penstock.engine.static_value import static, static_ints
from penstock.engine.xla import jit, jnp
from penstock.ops.random import distributions as random_distributions
from penstock.ops.random import native_random, philox
from penstock.ops.random import rejection as random_rejection
from penstock.ops.random.philox import Stream
from penstock.types.dtypes import DType

_PIECE = 1 << 18  # numbers that the compiled program makes
_WORTH_A_CALL = 1 << 17  # fewer numbers than this are always left to NumPy


class Distribution(NamedTuple):
    """A way to make numbers, and how many blocks of the stream a number of 4 or fewer bytes takes, and one of 8."""

    draw: Callable[[Any, Stream, int, Any], Any]
    blocks: float
    wide_blocks: float


UNIFORM = Distribution(random_distributions.uniform, 1 / 4, 1 / 2)
BITS = Distribution(random_distributions.uniform_bits, 1 / 4, 1 / 2)
NORMAL = Distribution(random_distributions.standard_normal, 1 / 4, 1 / 2)
TRUNCATED_NORMAL = Distribution(
    random_rejection.truncated_normal, random_rejection.RESERVED / 4, random_rejection.RESERVED / 4
)

_programs: dict[tuple, Callable] = {}  # (draw, dtype) -> compiled program that makes a piece
_drawn: dict[tuple, int] = {}  # (draw, dtype) -> how many numbers large eager tensors have had


def dimensions(shape: Any) -> tuple[int, ...]:
    """The dimensions in a random op's shape argument.

    Raises:
      ValueError: it is no vector, or has a negative entry.
      NotStaticError: it is being traced.
    """
    vector = static(shape)
    if vector.ndim != 1:
        raise ValueError(f"shape must be a vector of {{int32,int64}}, got shape {list(vector.shape)}")
    dims = static_ints(vector)
    if dims and min(dims) < 0:
        raise ValueError(f"Dimension {min(dims)} must be >= 0")
    return dims


def fill(xp: Any, distribution: Distribution, stream: Stream, dims: tuple[int, ...], dtype: DType) -> Any:
    """An array of shape `dims` with the first numbers that `stream` gives."""
    size, kind = math.prod(dims), dtype.np_dtype
    if size == 0:
        return xp.zeros(dims, kind)
    if distribution is UNIFORM and (numbers := native_random.uniform(xp, stream, size, kind)) is not None:
        return numbers.reshape(dims)
    if xp is np and size >= _WORTH_A_CALL:
        total = _drawn[distribution.draw, kind] = _drawn.get((distribution.draw, kind), 0) + size
        if total >= LARGE:
            return _fill_in_pieces(distribution, stream, size, kind).reshape(dims)
    return distribution.draw(xp, stream, size, kind).reshape(dims)


def _fill_in_pieces(distribution: Distribution, stream: Stream, size: int, kind: np.dtype) -> np.ndarray:
    program = _programs.get((distribution.draw, kind))
    if program is None:
        program = _programs[distribution.draw, kind] = jit(
            lambda state: distribution.draw(jnp, philox.from_state(jnp, state), _PIECE, kind)
        )
    result = np.empty(size, kind)
    ahead = int(_PIECE * (distribution.wide_blocks if kind.itemsize == 8 else distribution.blocks))
    for start in range(0, size, _PIECE):
        piece = np.asarray(program(stream.state(np)))
        result[start : start + _PIECE] = piece[: size - start]
        stream = stream.advanced(np, ahead)
    return result
