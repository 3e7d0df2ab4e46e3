"""The ops on the state variable of a `tf.random.Generator`: int64 `[counter..., key]`.

The generator itself reads and advances its state with `RngReadAndSkip`, and draws with the stateless ops. The ops that
do both at once are those of older graphs.
"""

from __future__ import annotations

import math
import secrets
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import from_input, no_outputs
from penstock.engine.static_value import static_int
from penstock.ops.dtype_sets import INDICES, REAL
from penstock.ops.random import distributions as random_distributions
from penstock.ops.random import philox
from penstock.ops.random.fill import BITS, NORMAL, TRUNCATED_NORMAL, UNIFORM, Distribution, dimensions, fill
from penstock.ops.random.ops import checked_bounds
from penstock.ops.random.philox import Stream
from penstock.ops.random.rejection import RESERVED
from penstock.ops.random.stateless_ops import AUTO_SELECT, PHILOX, THREEFRY, binomial
from penstock.ops.variables.resource_variable_ops import on_state
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape

_STATE_SIZES = {PHILOX: 3, THREEFRY: 2, AUTO_SELECT: 3}


def _generator(xp: Any, value: Any, alg: Any) -> Stream:
    """The generator that a state vector stands for."""
    algorithm = static_int(alg)
    if algorithm not in _STATE_SIZES:
        raise ValueError(f"Unsupported algorithm id: {algorithm}")
    if len(value.shape) != 1:
        raise ValueError(f"RNG state must have one and only one dimension, not {len(value.shape)}")
    if value.shape[0] < _STATE_SIZES[algorithm]:
        raise ValueError(
            f"the size of state must be at least {_STATE_SIZES[algorithm]}; got {value.shape[0]}"
        )
    return philox.from_state(xp, value[: _STATE_SIZES[algorithm]])


def _assign(xp: Any, handle: Any, value: Any, generator: Stream) -> None:
    """Puts the state of `generator` into the variable, whose vector may be longer."""
    state = generator.state(xp).astype(xp.int64)
    handle.assign(state if state.shape == value.shape else xp.concatenate([state, value[state.shape[0] :]]))


def _skipped(xp: Any, generator: Stream, delta: Any) -> Stream:
    """`generator` after `delta` numbers, for each of which 256 steps of the counter are reserved."""
    if isinstance(generator, philox.Philox):
        blocks = int(delta) * RESERVED if xp is np else delta.astype(xp.uint64) * np.uint64(RESERVED)
        return generator.advanced(xp, blocks)
    steps = int(delta) * RESERVED // 2 if xp is np else delta.astype(xp.uint64) * np.uint64(RESERVED // 2)
    return generator.advanced(xp, steps)  # a block is two steps of ThreeFry's counter


def _read_and_skip(xp: Any, value: Any, handle: Any, alg: Any, delta: Any) -> Any:
    generator = _generator(xp, value, alg)
    _assign(xp, handle, value, _skipped(xp, generator, delta))
    state = generator.state(xp).astype(xp.int64)
    return xp.concatenate([state, xp.zeros(3 - state.shape[0], xp.int64)])


def _skip(xp: Any, value: Any, handle: Any, algorithm: Any, delta: Any) -> tuple:
    _assign(xp, handle, value, _skipped(xp, _generator(xp, value, algorithm), delta))
    return ()


on_state(
    op(
        "RngReadAndSkip(resource: resource, alg: int32, delta: uint64) -> value: int64",
        shape=lambda call: TensorShape([3]),
        gradient=stops,
        writes=True,
    )
)(_read_and_skip)
on_state(
    op(
        "RngSkip(resource: resource, algorithm: int64, delta: int64) -> ()",
        shape=no_outputs,
        gradient=stops,
        writes=True,
    )
)(_skip)


def _taken(xp: Any, value: Any, handle: Any, algorithm: Any, size: int) -> Stream:
    """The generator as it is; the variable goes on after `size` numbers."""
    generator = _generator(xp, value, algorithm)
    _assign(xp, handle, value, _skipped(xp, generator, np.uint64(size)))
    return generator


def _define_of_shape(op_type: str, distribution: Distribution, default: str) -> None:
    def kernel(xp: Any, value: Any, handle: Any, algorithm: Any, shape: Any, *, dtype: DType) -> Any:
        dims = dimensions(shape)
        return fill(xp, distribution, _taken(xp, value, handle, algorithm, math.prod(dims)), dims, dtype)

    on_state(
        op(
            f"{op_type}(resource: resource, algorithm: int64, shape: shape_dtype; dtype={default}) -> output: dtype",
            shape=from_input(2),
            gradient=stops,
            writes=True,
            types={"shape_dtype": INDICES},
        )
    )(kernel)


for _op_type, _distribution, _default in (
    ("StatefulUniform", UNIFORM, "float32"),
    ("StatefulUniformFullInt", BITS, "uint64"),
    ("StatefulStandardNormalV2", NORMAL, "float32"),
    ("StatefulTruncatedNormal", TRUNCATED_NORMAL, "float32"),
):
    _define_of_shape(_op_type, _distribution, _default)


def _uniform_int(
    xp: Any, value: Any, handle: Any, algorithm: Any, shape: Any, minval: Any, maxval: Any
) -> Any:
    checked_bounds(minval, maxval)
    dims = dimensions(shape)
    size = math.prod(dims)
    stream = _taken(xp, value, handle, algorithm, size)
    return random_distributions.uniform_int(xp, stream, size, minval, maxval, minval.dtype).reshape(dims)


def _binomial(
    xp: Any, value: Any, handle: Any, algorithm: Any, shape: Any, counts: Any, probs: Any, *, dtype: DType
) -> Any:
    dims = dimensions(shape)
    batch = np.broadcast_shapes(counts.shape, probs.shape)
    samples = math.prod(dims[: len(dims) - len(batch)])
    reserved = math.prod(batch) * 2 * 100 * (samples + 3) // 4
    stream = _taken(xp, value, handle, algorithm, reserved)
    return binomial(xp, stream, shape, counts, probs, dtype)


on_state(
    op(
        "StatefulUniformInt(resource: resource, algorithm: int64, shape: shape_dtype, minval: dtype, maxval: dtype) "
        "-> output: dtype",
        shape=from_input(2),
        gradient=stops,
        writes=True,
        types={"shape_dtype": INDICES, "dtype": INDICES},
    )
)(_uniform_int)
on_state(
    op(
        "StatefulRandomBinomial(resource: resource, algorithm: int64, shape: S, counts: T, probs: T; dtype=int64) "
        "-> output: dtype",
        shape=from_input(2),
        gradient=stops,
        writes=True,
        types={"S": INDICES, "T": REAL},
    )
)(_binomial)


def _unpredictable(shape: Any, *, dtype: DType) -> np.ndarray:
    dims, kind = dimensions(shape), dtype.np_dtype
    return np.frombuffer(secrets.token_bytes(math.prod(dims) * kind.itemsize), kind).reshape(dims)


op(
    "NonDeterministicInts(shape: shape_dtype; dtype=int64) -> output: dtype",
    numpy=_unpredictable,
    shape=from_input(0),
    gradient=stops,
    stateful=True,
    types={"shape_dtype": INDICES},
)
