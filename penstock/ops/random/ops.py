"""The stateful random ops: each call draws the next numbers of the op's stream. `ops.random.stateful` has the functions.

How far a call advances the stream is TensorFlow's rule, usually 256 blocks for each output, however many were used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import ShapeCall, from_input, unchanged
from penstock.engine.static_value import is_static, static_int
from penstock.ops.dtype_sets import FLOATS, INDICES, REAL
from penstock.ops.random import choice as random_choice
from penstock.ops.random import distributions as random_distributions
from penstock.ops.random import rejection as random_rejection
from penstock.ops.random import truncated_normal as random_truncated_normal
from penstock.ops.random.fill import NORMAL, TRUNCATED_NORMAL, UNIFORM, Distribution, dimensions, fill
from penstock.ops.random.gradients import gamma_gradient
from penstock.ops.random.rejection import RESERVED
from penstock.ops.random.stream import make_stream, reserve
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape

# Numbers of a shape alone: op type -> distribution.
_OF_SHAPE = {"RandomUniform": UNIFORM, "RandomStandardNormal": NORMAL, "TruncatedNormal": TRUNCATED_NORMAL}


def _define_of_shape(op_type: str, distribution: Distribution) -> None:
    def kernel(xp: Any, shape: Any, *, dtype: DType, seed: Any, seed2: Any, _stream: Any = None) -> Any:
        dims = dimensions(shape)
        blocks = math.prod(dims) * RESERVED
        stream = reserve(xp, _stream, blocks, seed, seed2, op_type, dtype.name, np.asarray(shape).dtype)
        return fill(xp, distribution, stream, dims, dtype)

    op(
        f"{op_type}(shape: T; dtype, seed=0, seed2=0) -> output: dtype",
        kernel,
        shape=from_input(0),
        gradient=stops,
        stateful=True,
        types={"T": INDICES},
        stream=make_stream,
    )


for _op_type, _distribution in _OF_SHAPE.items():
    _define_of_shape(_op_type, _distribution)


class UniformCalls:
    """Calls of a RandomUniform or RandomUniformInt for few numbers, one after the other: computed for many calls at once.

    Args:
      op_type: which. bounds: those of integers.
      dims: the shape of what a call gives; at most `MOST_NUMBERS` numbers, float32 or int32.
    """

    MOST_NUMBERS = 4  # those of one block
    _AHEAD = 256  # calls

    def __init__(
        self, op_type: str, dims: tuple[int, ...], bounds: tuple, *, seed: Any, seed2: Any, _stream: Any
    ):
        self._dims, self._bounds = dims, bounds
        self._blocks = math.prod(dims) * RESERVED
        dtype = np.dtype(np.int32) if bounds else dtypes.float32.name
        self._kind = (_stream, seed, seed2, op_type, dtype, np.dtype(np.int32))
        self._table: list = []  # what the calls from the generator `_start` on give
        self._start: Any = None

    def __call__(self, count: int) -> list:
        """What the next `count` calls give."""
        stream, *kind = self._kind
        generator = reserve(np, stream, count * self._blocks, *kind)
        if generator != self._start or count > len(self._table):
            calls = max(count, self._AHEAD)
            offsets = np.arange(0, calls * self._blocks, self._blocks, np.uint64)
            words = np.stack(generator.block(np, offsets), axis=1)[:, : math.prod(self._dims)]
            self._table = list(self._numbers(words).reshape(calls, *self._dims))
        found, self._table = self._table[:count], self._table[count:]
        self._start = generator.advanced(np, count * self._blocks)
        return found

    def _numbers(self, words: np.ndarray) -> np.ndarray:
        if self._bounds:
            minval, maxval = self._bounds
            return random_distributions.in_range(np, words, minval, maxval, np.int32)
        return random_distributions.to_unit(np, words, np.dtype(np.float32))


def checked_bounds(minval: Any, maxval: Any) -> None:
    """Refuses bounds of random integers that are no scalars, or known to be in the wrong order."""
    for name, value in (("minval", minval), ("maxval", maxval)):
        if np.ndim(value) != 0:
            raise ValueError(f"{name} must be 0-D, got shape {list(np.shape(value))}")
    if is_static(minval) and is_static(maxval) and minval >= maxval:
        raise ValueError(f"Need minval < maxval, got {minval} >= {maxval}")


def _uniform_int(
    xp: Any, shape: Any, minval: Any, maxval: Any, *, seed: Any, seed2: Any, _stream: Any = None
) -> Any:
    dims = dimensions(shape)
    size = math.prod(dims)
    if size:
        checked_bounds(minval, maxval)
    kind = np.dtype(minval.dtype)
    stream = reserve(
        xp, _stream, size * RESERVED, seed, seed2, "RandomUniformInt", kind, np.asarray(shape).dtype
    )
    return random_distributions.uniform_int(xp, stream, size, minval, maxval, kind).reshape(dims)


op(
    "RandomUniformInt(shape: T, minval: Tout, maxval: Tout; seed=0, seed2=0) -> output: Tout",
    _uniform_int,
    shape=from_input(0),
    gradient=stops,
    stateful=True,
    types={"T": INDICES, "Tout": INDICES},
    stream=make_stream,
)


# Numbers with parameters: a shape of samples for each parameter.


def _samples_then_parameters(call: ShapeCall) -> TensorShape:
    return call.shape_from(0).concatenate(call.shape(1))


def _gamma(xp: Any, shape: Any, alpha: Any, *, seed: Any, seed2: Any, _stream: Any = None) -> Any:
    dims = dimensions(shape)
    kind, samples = np.dtype(alpha.dtype), math.prod(dims)
    blocks = samples * alpha.size * RESERVED
    stream = reserve(xp, _stream, blocks, seed, seed2, "RandomGamma", kind, np.asarray(shape).dtype)
    return random_rejection.gamma(xp, stream, samples, alpha.reshape(-1), kind).reshape((*dims, *alpha.shape))


op(
    "RandomGamma(shape: S, alpha: T; seed=0, seed2=0) -> output: T",
    _gamma,
    shape=_samples_then_parameters,
    gradient=gamma_gradient(parameter=1),
    stateful=True,
    types={"S": INDICES, "T": FLOATS},
    stream=make_stream,
)


def _poisson(
    xp: Any, shape: Any, rate: Any, *, seed: Any, seed2: Any, dtype: DType | None = None, _stream: Any = None
) -> Any:
    dims = dimensions(shape)
    out, samples = np.dtype(rate.dtype) if dtype is None else dtype.np_dtype, math.prod(dims)
    kind = ("RandomPoisson", np.dtype(rate.dtype), out, np.asarray(shape).dtype)
    stream = reserve(xp, _stream, samples * rate.size * RESERVED, seed, seed2, *kind)
    return random_rejection.poisson(xp, stream, samples, rate.reshape(-1), out).reshape((*dims, *rate.shape))


for _signature in (
    "RandomPoisson(shape: S, rate: dtype; seed=0, seed2=0) -> output: dtype",
    "RandomPoissonV2(shape: S, rate: R; seed=0, seed2=0, dtype=int64) -> output: dtype",
):
    op(
        _signature,
        _poisson,
        shape=_samples_then_parameters,
        gradient=stops,
        stateful=True,
        types={"S": INDICES, "R": REAL, "dtype": FLOATS},
        stream=make_stream,
    )


# TensorFlow draws batches of this many where all batches have the same parameters.
_SAMPLES_OF_A_BATCH = 100


def _truncated_normal(
    xp: Any, shape: Any, *parameters: Any, seed: Any, seed2: Any, _stream: Any = None
) -> Any:
    dims = dimensions(shape)
    if not dims:
        raise ValueError("Shape tensor must not be empty")
    for name, value in zip(("means", "stddevs", "minvals", "maxvals"), parameters, strict=True):
        if value.ndim > 1:
            raise ValueError(f"Input {name} should be a scalar or vector, got shape: {list(value.shape)}")
        if value.size != 1 and value.size != dims[0]:
            raise ValueError(f"Input {name} should have length 1 or shape[0], got shape: {list(value.shape)}")
    size = math.prod(dims)
    batches, samples = dims[0], math.prod(dims[1:])
    if all(value.size == 1 for value in parameters[:2]) and all(value.ndim == 0 for value in parameters[2:]):
        batches, samples = -(-size // _SAMPLES_OF_A_BATCH), _SAMPLES_OF_A_BATCH
    kind = ("ParameterizedTruncatedNormal", np.dtype(parameters[0].dtype), np.asarray(shape).dtype)
    stream = reserve(xp, _stream, batches * 2 * 1000 * (samples + 3) // 4, seed, seed2, *kind)
    spread = [xp.broadcast_to(value.reshape(-1), (batches,)) for value in parameters]
    numbers = random_truncated_normal.parameterized_truncated_normal(xp, stream, samples, *spread)
    return numbers.reshape(-1)[:size].reshape(dims)


op(
    "ParameterizedTruncatedNormal(shape: T, means: dtype, stdevs: dtype, minvals: dtype, maxvals: dtype; seed=0, "
    "seed2=0) -> output: dtype",
    _truncated_normal,
    shape=from_input(0),
    gradient=stops,
    stateful=True,
    types={"T": INDICES, "dtype": FLOATS},
    stream=make_stream,
)


# Choices.


def multinomial_shape(call: ShapeCall) -> TensorShape:
    """`[batch, samples]` from logits `[batch, classes]` and the number of samples."""
    if call.shape(0).rank not in (None, 2):
        raise call.error("logits should be a matrix")
    if call.shape(1).rank not in (None, 0):
        raise call.error("num_samples should be a scalar")
    samples = call.value(1)
    if samples is not None and samples < 0:
        raise call.error(f"num_samples should be non-negative, got {samples}")
    batch = None if call.shape(0).rank is None else call.shape(0)[0]
    return TensorShape([batch, None if samples is None else int(samples)])


def checked_samples(logits: Any, num_samples: Any) -> int:
    """The number of samples of a multinomial op, its arguments checked."""
    samples = static_int(num_samples)
    if logits.ndim != 2:
        raise ValueError(f"logits should be a matrix, got shape {list(logits.shape)}")
    if samples < 0:
        raise ValueError(f"num_samples should be non-negative, got {samples}")
    if logits.shape[1] == 0:
        raise ValueError("num_classes should be positive, got 0")
    return samples


def _multinomial(
    xp: Any, logits: Any, num_samples: Any, *, seed: Any, seed2: Any, output_dtype: DType, _stream: Any = None
) -> Any:
    samples = checked_samples(logits, num_samples)
    # Two words for each draw, of a row whose draws are rounded up to whole blocks.
    blocks = logits.shape[0] * (-(-samples // 4) * 4) * 2 * RESERVED if samples else 0
    kind = ("Multinomial", np.dtype(logits.dtype), output_dtype.name)
    stream = reserve(xp, _stream, blocks, seed, seed2, *kind)
    return random_choice.categorical(xp, stream, logits, samples, output_dtype.np_dtype)


op(
    "Multinomial(logits: T, num_samples: int32; seed=0, seed2=0, output_dtype=int64) -> output: output_dtype",
    _multinomial,
    shape=multinomial_shape,
    gradient=stops,
    stateful=True,
    types={"T": REAL},
    stream=make_stream,
)


def _shuffle(xp: Any, value: Any, *, seed: Any, seed2: Any, _stream: Any = None) -> Any:
    if value.ndim == 0 or value.size <= 1 or value.shape[0] <= 1:
        return value
    size = value.shape[0]
    stream = reserve(xp, _stream, -(-(size - 1) // 4), seed, seed2, "RandomShuffle", np.dtype(value.dtype))
    return xp.take(value, random_choice.permutation(xp, stream, size), axis=0, mode="clip")


op(
    "RandomShuffle(value: T; seed=0, seed2=0) -> output: T",
    _shuffle,
    shape=unchanged,
    gradient=stops,
    stateful=True,
    stream=make_stream,
)
