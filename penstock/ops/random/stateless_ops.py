"""The stateless random ops: the same seed gives the same numbers. `ops.random.stateless` has the functions.

The first ones hash two integers into a generator; those of version 2 are given its key, counter and algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import ShapeCall, from_input, scalar, unchanged
from penstock.engine.static_value import static_int
from penstock.ops.dtype_sets import FLOATS, INDICES, REAL
from penstock.ops.random import choice as random_choice
from penstock.ops.random import distributions as random_distributions
from penstock.ops.random import native_random, philox
from penstock.ops.random import rejection as random_rejection
from penstock.ops.random import truncated_normal as random_truncated_normal
from penstock.ops.random.fill import BITS, NORMAL, TRUNCATED_NORMAL, UNIFORM, Distribution, dimensions, fill
from penstock.ops.random.gradients import gamma_gradient, truncated_normal_gradient
from penstock.ops.random.ops import checked_bounds, checked_samples, multinomial_shape
from penstock.ops.random.philox import Stream
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape, broadcast_shape

PHILOX, THREEFRY, AUTO_SELECT = 1, 2, 3  # the numbers of algorithms in graphs


def seeded(xp: Any, seed: Any) -> Stream:
    """The generator of a seed `[2]`."""
    if seed.shape != (2,):
        raise ValueError(f"seed must have shape [2], not {list(seed.shape)}")
    found = None if xp is np else native_random.from_seed_pair(seed)
    return philox.from_seed_pair(xp, seed) if found is None else found


def keyed(xp: Any, key: Any, counter: Any, alg: Any) -> Stream:
    """The generator of a key `[1]`, a counter `[2]` (`[1]` for ThreeFry) and an algorithm."""
    algorithm = static_int(alg)
    if algorithm not in (PHILOX, THREEFRY, AUTO_SELECT):
        raise ValueError(f"Unsupported algorithm id: {algorithm}")
    if key.shape != (1,):
        raise ValueError(f"key must have shape [1], not {list(key.shape)}")
    least = 1 if algorithm == THREEFRY else 2
    if len(counter.shape) != 1 or counter.shape[0] < least:
        raise ValueError(
            f"counter must be a vector with length at least {least}; got shape: {list(counter.shape)}"
        )
    return philox.from_key_counter(xp, key, counter, threefry=algorithm == THREEFRY)


# Each op exists twice: (the dtype letter of the shape, how the signature names the generator, how the kernel makes it,
# how many inputs that takes).
_SEED = ("T", "seed: Tseed", seeded, 1)
_KEY = ("Tshape", "key: uint64, counter: uint64, alg: int32", keyed, 3)
_LETTERS = dict.fromkeys(("T", "S", "Tseed", "Tshape", "shape_dtype"), INDICES)


def _define_of_shape(op_type: str, generator: tuple, distribution: Distribution, default: str) -> None:
    """Numbers of a shape alone."""
    letter, named, make, _ = generator

    def kernel(xp: Any, shape: Any, *source: Any, dtype: DType) -> Any:
        return fill(xp, distribution, make(xp, *source), dimensions(shape), dtype)

    signature = f"{op_type}(shape: {letter}, {named}; dtype={default}) -> output: dtype"
    op(signature, kernel, shape=from_input(0), gradient=stops, types=_LETTERS)


def _define_int(op_type: str, generator: tuple) -> None:
    """Integers between two bounds."""
    letter, named, make, inputs = generator

    def kernel(xp: Any, shape: Any, *rest: Any) -> Any:
        dims = dimensions(shape)
        minval, maxval = rest[inputs:]
        if (size := math.prod(dims)) == 0:
            return xp.zeros(dims, minval.dtype)
        checked_bounds(minval, maxval)
        stream = make(xp, *rest[:inputs])
        return random_distributions.uniform_int(xp, stream, size, minval, maxval, minval.dtype).reshape(dims)

    signature = f"{op_type}(shape: {letter}, {named}, minval: dtype, maxval: dtype) -> output: dtype"
    op(signature, kernel, shape=from_input(0), gradient=stops, types={**_LETTERS, "dtype": INDICES})


for _version, _generator in (("", _SEED), ("V2", _KEY)):
    for _op_type, _distribution, _default in (
        ("StatelessRandomUniform", UNIFORM, "float32"),
        ("StatelessRandomUniformFullInt", BITS, "uint64"),
        ("StatelessRandomNormal", NORMAL, "float32"),
        ("StatelessTruncatedNormal", TRUNCATED_NORMAL, "float32"),
    ):
        _define_of_shape(_op_type + _version, _generator, _distribution, _default)
    _define_int("StatelessRandomUniformInt" + _version, _generator)


# Generators.


def _key_counter(xp: Any, seed: Any) -> tuple:
    low, high, key = seeded(xp, seed).state(xp)
    return xp.stack([key]), xp.stack([low, high])


def _key_counter_shapes(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([1]), TensorShape([2]), TensorShape([])][: len(call.definition.signature.outputs)]


op(
    "StatelessRandomGetKeyCounter(seed: Tseed) -> (key: uint64, counter: uint64)",
    _key_counter,
    shape=_key_counter_shapes,
    gradient=stops,
    types=_LETTERS,
)
op(
    "StatelessRandomGetKeyCounterAlg(seed: Tseed) -> (key: uint64, counter: uint64, alg: int32)",
    lambda xp, seed: (*_key_counter(xp, seed), np.int32(PHILOX)),
    shape=_key_counter_shapes,
    gradient=stops,
    types=_LETTERS,
)
op("StatelessRandomGetAlg() -> alg: int32", lambda xp: np.int32(PHILOX), shape=scalar, gradient=stops)


# Numbers with parameters: the shape of the result ends with that of the parameters.


def spread(xp: Any, shape: Any, *parameters: Any) -> tuple[tuple[int, ...], int, list]:
    """The dimensions of the result, the samples for each set of parameters, and the parameters `[n]`.

    Raises:
      ValueError: the dimensions do not end with the shape to which the parameters broadcast.
    """
    dims = dimensions(shape)
    common = np.broadcast_shapes(*(each.shape for each in parameters))
    if dims[len(dims) - len(common) :] != common or len(common) > len(dims):
        raise ValueError(
            f"Shape passed in must end with broadcasted shape: {list(dims)} does not end with {list(common)}"
        )
    flat = [xp.broadcast_to(each, common).reshape(-1) for each in parameters]
    return dims, math.prod(dims[: len(dims) - len(common)]), flat


def _gamma(make: Callable) -> Callable:
    def kernel(xp: Any, shape: Any, *rest: Any) -> Any:
        *source, alpha = rest
        dims, samples, (alpha,) = spread(xp, shape, alpha)
        if math.prod(dims) == 0:
            return xp.zeros(dims, alpha.dtype)
        return random_rejection.gamma(xp, make(xp, *source), samples, alpha, np.dtype(alpha.dtype)).reshape(
            dims
        )

    return kernel


for _signature, _make, _position in (
    ("StatelessRandomGammaV2(shape: T, seed: Tseed, alpha: dtype) -> output: dtype", seeded, 2),
    (
        "StatelessRandomGammaV3(shape: shape_dtype, key: uint64, counter: uint64, alg: int32, alpha: dtype) "
        "-> output: dtype",
        keyed,
        4,
    ),
):
    op(
        _signature,
        _gamma(_make),
        shape=from_input(0),
        gradient=gamma_gradient(parameter=_position),
        types={**_LETTERS, "dtype": FLOATS},
    )


def _poisson(xp: Any, shape: Any, seed: Any, lam: Any, *, dtype: DType) -> Any:
    dims, samples, (lam,) = spread(xp, shape, lam)
    if math.prod(dims) == 0:
        return xp.zeros(dims, dtype.np_dtype)
    return random_rejection.poisson(xp, seeded(xp, seed), samples, lam, dtype.np_dtype).reshape(dims)


def binomial(xp: Any, stream: Stream, shape: Any, counts: Any, probs: Any, dtype: DType) -> Any:
    """The kernel of both binomial ops."""
    dims, samples, (counts, probs) = spread(xp, shape, counts, probs)
    if math.prod(dims) == 0:
        return xp.zeros(dims, dtype.np_dtype)
    return random_rejection.binomial(xp, stream, samples, counts, probs, dtype.np_dtype).reshape(dims)


def _truncated_normal(xp: Any, shape: Any, seed: Any, *parameters: Any) -> Any:
    dims, samples, parameters = spread(xp, shape, *parameters)
    if math.prod(dims) == 0:
        return xp.zeros(dims, parameters[0].dtype)
    draw = random_truncated_normal.parameterized_truncated_normal
    return draw(xp, seeded(xp, seed), samples, *parameters).T.reshape(dims)


op(
    "StatelessRandomPoisson(shape: T, seed: Tseed, lam: Rtype; dtype) -> output: dtype",
    _poisson,
    shape=from_input(0),
    gradient=stops,
    types={**_LETTERS, "Rtype": REAL},
)
op(
    "StatelessRandomBinomial(shape: S, seed: Tseed, counts: T, probs: T; dtype=int64) -> output: dtype",
    lambda xp, shape, seed, counts, probs, *, dtype: binomial(
        xp, seeded(xp, seed), shape, counts, probs, dtype
    ),
    shape=from_input(0),
    gradient=stops,
    types={"S": INDICES, "Tseed": INDICES, "T": REAL},
)
op(
    "StatelessParameterizedTruncatedNormal(shape: S, seed: Tseed, means: dtype, stddevs: dtype, minvals: dtype, "
    "maxvals: dtype) -> output: dtype",
    _truncated_normal,
    shape=from_input(0),
    gradient=truncated_normal_gradient,
    types={**_LETTERS, "dtype": FLOATS},
)


# Choices.


def _multinomial(xp: Any, logits: Any, num_samples: Any, seed: Any, *, output_dtype: DType) -> Any:
    samples = checked_samples(logits, num_samples)
    return random_choice.categorical(xp, seeded(xp, seed), logits, samples, output_dtype.np_dtype)


def _shuffle(xp: Any, value: Any, key: Any, counter: Any, alg: Any) -> Any:
    stream = keyed(xp, key, counter, alg)
    if value.ndim == 0 or value.size <= 1:
        return value
    return xp.take(value, random_choice.permutation(xp, stream, value.shape[0]), axis=0, mode="clip")


def _index_shuffle(xp: Any, index: Any, seed: Any, max_index: Any, *, rounds: int) -> Any:
    if rounds < 4 or rounds % 2:
        raise ValueError(f"Rounds must be an even integer >= 4, but got {rounds}")
    if seed.ndim not in (1, 2) or seed.shape[-1] != 3:
        raise ValueError(
            f"Seed must be a vector of size [3] or a matrix of size [n, 3] but got {list(seed.shape)}"
        )
    if xp is np and (max_index < index).any():
        raise ValueError(f"max_index must be >= index, but {np.max(max_index)} < {np.max(index)}")
    batch = np.broadcast_shapes(index.shape, max_index.shape, seed.shape[:-1])
    where, top = (xp.broadcast_to(each, batch).reshape(-1) for each in (index, max_index))
    key = xp.broadcast_to(seed, (*batch, 3)).reshape(-1, 3)
    return random_choice.index_shuffle(xp, where, key, top, rounds).astype(index.dtype).reshape(batch)


def _index_shuffle_shape(call: ShapeCall) -> TensorShape:
    if call.shape(1).rank is None:
        return TensorShape(None)
    try:
        return broadcast_shape(broadcast_shape(call.shape(0), call.shape(2)), call.shape(1)[:-1])
    except ValueError:
        raise call.error(
            "index, max_index and the rows of seed must have the same size, or be single"
        ) from None


op(
    "StatelessMultinomial(logits: T, num_samples: int32, seed: Tseed; output_dtype=int64) -> output: output_dtype",
    _multinomial,
    shape=multinomial_shape,
    gradient=stops,
    types={"T": REAL, "Tseed": INDICES},
)
op(
    "StatelessShuffle(value: T, key: uint64, counter: uint64, alg: int32) -> output: T",
    _shuffle,
    shape=unchanged,
    gradient=stops,
)
op(
    "RandomIndexShuffle(index: dtype, seed: Tseed, max_index: dtype; rounds=4) -> output: dtype",
    _index_shuffle,
    shape=_index_shuffle_shape,
    gradient=stops,
)
