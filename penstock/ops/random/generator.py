"""`tf.random.Generator`: a random-number generator whose state is a variable of its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.graph.lifting import init_scope
from penstock.ops.arguments import index_vector, name_scope
from penstock.ops.random import generator_ops as random_generator_ops  # noqa: F401 - defines the ops
from penstock.ops.random.algorithm import COUNTER_SIZES, algorithm_id, counter_size, unsupported
from penstock.ops.random.stateful import parameter, scaled
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor
from penstock.types.trackable import AutoTrackable

_PHILOX = 1


def _state_size(alg: Any) -> int:
    return counter_size(alg) + 1


def _wrapped(value: Any) -> Any:
    """Integers as 64-bit ones, modulo 2**64, in nested lists too."""
    if isinstance(value, (list, tuple)):
        return [_wrapped(each) for each in value]
    if isinstance(value, int):
        return (value + (1 << 63)) % (1 << 64) - (1 << 63)
    return value


def _as_state(value: Any) -> Tensor:
    return execute("Cast", (convert_to_tensor(_wrapped(value)),), {"DstT": dtypes.int64})


@export("random.create_rng_state", "random.experimental.create_rng_state")
def create_rng_state(seed: Any, alg: Any) -> Tensor:
    """The state of a generator: 64-bit words of the seed, the lowest first.

    A vector that is too short gets zeros in front, since the last word is the key.

    Args:
      seed: an integer of any size, or a vector of integers.
      alg: "philox" or "threefry", an `Algorithm`, or its number.

    Returns:
      An int64 vector: three words for Philox (two of counter, one of key), two for ThreeFry.

    Raises:
      ValueError: there is no such algorithm.

    Example:
      >>> import penstock as tf
      >>> tf.random.create_rng_state(1234, "philox").numpy().tolist()
      [1234, 0, 0]
    """
    size = _state_size(algorithm_id(alg))
    if isinstance(seed, int):
        seed = [seed >> 64 * i & (1 << 64) - 1 for i in range(size)]
    words = execute("Reshape", (_as_state(seed), convert_to_tensor([-1])))[:size]
    missing = size - (words.shape[0] or size)
    if missing:
        words = execute(
            "ConcatV2", ([convert_to_tensor(np.zeros(missing, np.int64)), words], convert_to_tensor(0))
        )
    return words


@export("random.Generator", "random.experimental.Generator")
class Generator(AutoTrackable):
    """A random-number generator.

    Make one with `from_seed`, `from_state`, `from_key_counter` or `from_non_deterministic_state`. Its state is a
    variable, so it works the same in eager code, in functions and in checkpoints; each draw advances it. Equal states
    give equal numbers on all devices.

    Args:
      copy_from: a generator whose state is copied.
      state: the initial state, or a variable that holds it.
      alg: the algorithm of `state`: "philox" or "threefry", an `Algorithm`, or its number.

    Example:
      >>> import penstock as tf
      >>> g = tf.random.Generator.from_seed(1234)
      >>> g.normal([2]).numpy()
      array([0.9356609, 1.0854305], dtype=float32)
      >>> g.state.numpy().tolist()
      [1746, 0, 0]
    """

    def __init__(self, copy_from: Generator | None = None, state: Any = None, alg: Any = None):
        self._per_replica = bool(thread.strategies)
        if copy_from is not None:
            assert state is None and alg is None, "give copy_from, or state and alg"
            self._alg = copy_from.algorithm
            self._state_var = self._make_variable(copy_from.state)
            return
        assert state is not None and alg is not None, "give copy_from, or state and alg"
        self._alg = algorithm_id(alg)
        if isinstance(state, Variable):
            self._check(state)
            self._state_var = state
        else:
            self._state_var = self._make_variable(self._check(_as_state(state)))

    @staticmethod
    def _make_variable(value: Any) -> Variable:
        with name_scope("random_generator", "random_generator"):
            return Variable(value, dtype=dtypes.int64, trainable=False, name="StateVar")

    def _check(self, state: Any) -> Any:
        if not isinstance(self._alg, Tensor) or isinstance(self._alg, EagerTensor):
            state.shape.assert_is_compatible_with(TensorShape([_state_size(self._alg)]))
        return state

    # Other ways to make one.

    @classmethod
    def from_state(cls, state: Any, alg: Any) -> Generator:
        """A generator with a given state.

        Raises:
          ValueError: the state does not have the size that the algorithm needs.
        """
        return cls(alg=alg, state=state)

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        """A generator that starts at a seed.

        Args:
          seed: an integer of any size, or a vector of integers.
          alg: "philox" (the default) or "threefry".
        """
        alg = algorithm_id(_PHILOX if alg is None else alg)
        return cls(state=create_rng_state(seed, alg), alg=alg)

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """A generator that starts somewhere else each time.

        Raises:
          RuntimeError: `tf.config.experimental.enable_op_determinism` was called.
        """
        if process.registry.get("op_determinism", False):
            raise RuntimeError('"from_non_deterministic_state" cannot be called when determinism is enabled.')
        alg = algorithm_id(_PHILOX if alg is None else alg)
        size = convert_to_tensor([_state_size(alg)])
        return cls(state=execute("NonDeterministicInts", (size,), {"dtype": dtypes.int64}), alg=alg)

    @classmethod
    def from_key_counter(cls, key: Any, counter: Any, alg: Any) -> Generator:
        """A generator with a given key (a scalar) and counter (a vector)."""
        alg = algorithm_id(alg)
        return cls(state=_join(key, counter, alg), alg=alg)

    # Its state.

    @property
    def state(self) -> Variable:
        """The variable with the state: the counter, then the key."""
        return self._state_var

    @property
    def algorithm(self) -> Any:
        """The number of the algorithm."""
        return self._alg

    @property
    def key(self) -> Tensor:
        """The key, a scalar; generators with different keys draw independent numbers."""
        if int(self._alg) not in COUNTER_SIZES:
            raise ValueError(unsupported(self._alg))
        return self._state_var[-1]

    def reset(self, state: Any) -> None:
        """Replaces the state.

        Raises:
          ValueError: it does not have the size that the algorithm needs.
        """
        self._state_var.assign(self._check(_as_state(state)))

    def reset_from_seed(self, seed: Any) -> None:
        """Replaces the state by that of `from_seed(seed)`."""
        self._state_var.assign(create_rng_state(seed, self._alg))

    def reset_from_key_counter(self, key: Any, counter: Any) -> None:
        """Replaces the state by that of `from_key_counter(key, counter)`."""
        self._state_var.assign(_join(key, counter, self._alg))

    def skip(self, delta: Any) -> Tensor:
        """Advances the state as drawing `delta` numbers would, and returns the state before, padded to three words."""
        replica = self._replica()
        if replica is None:
            return self._skip(delta)
        return replica.merge_call(lambda strategy: self._skip(delta))  # once for all replicas

    def _skip(self, delta: Any) -> Tensor:
        delta = execute("Cast", (convert_to_tensor(delta),), {"DstT": dtypes.uint64})
        self._state_var._accessed()
        algorithm = execute("Cast", (convert_to_tensor(self._alg),), {"DstT": dtypes.int32})
        return execute("RngReadAndSkip", (self._state_var.handle, algorithm, delta))

    # Drawing.

    def normal(
        self,
        shape: Any,
        mean: Any = 0.0,
        stddev: Any = 1.0,
        dtype: Any = dtypes.float32,
        name: str | None = None,
    ) -> Tensor:
        """Draws from a normal distribution; arguments as in `tf.random.normal`."""
        with name_scope(name, "stateful_normal") as scope:
            return self._affine("StatelessRandomNormalV2", shape, mean, stddev, dtype, scope)

    def truncated_normal(
        self,
        shape: Any,
        mean: Any = 0.0,
        stddev: Any = 1.0,
        dtype: Any = dtypes.float32,
        name: str | None = None,
    ) -> Tensor:
        """Draws from a normal distribution cut off at two deviations; arguments as in `tf.random.truncated_normal`."""
        with name_scope(name, "truncated_normal") as scope:
            return self._affine("StatelessTruncatedNormalV2", shape, mean, stddev, dtype, scope)

    def uniform(
        self,
        shape: Any,
        minval: Any = 0,
        maxval: Any = None,
        dtype: Any = dtypes.float32,
        name: str | None = None,
    ) -> Tensor:
        """Draws from a uniform distribution in `[minval, maxval)`; arguments as in `tf.random.stateless_uniform`.

        Raises:
          ValueError: only one bound of an integer type is given.
        """
        dtype = as_dtype(dtype)
        if dtype.is_integer:
            if (minval is None) != (maxval is None):
                raise ValueError(
                    f"For integer dtype {dtype}, minval and maxval must be both `None` or both non-`None`; "
                    f"got minval={minval} and maxval={maxval}"
                )
            if minval is None:
                return self.uniform_full_int(shape, dtype, name)
        elif maxval is None:
            maxval = 1
        with name_scope(name, "stateful_uniform") as scope:
            minval, maxval = (convert_to_tensor(each, dtype) for each in (minval, maxval))
            if dtype.is_integer:
                shape, *source = self._source(shape)
                return execute("StatelessRandomUniformIntV2", (shape, *source, minval, maxval), None, scope)
            numbers = self._draw("StatelessRandomUniformV2", shape, dtype)
            return execute("AddV2", (numbers * (maxval - minval), minval), None, scope)

    def uniform_full_int(self, shape: Any, dtype: Any = dtypes.uint64, name: str | None = None) -> Tensor:
        """Draws integers from the whole range of `dtype`: int32, int64, uint32 or uint64."""
        with name_scope(name, "stateful_uniform_full_int") as scope:
            return self._draw("StatelessRandomUniformFullIntV2", shape, dtype, scope)

    def binomial(
        self, shape: Any, counts: Any, probs: Any, dtype: Any = dtypes.int32, name: str | None = None
    ) -> Tensor:
        """Draws from binomial distributions; arguments as in `tf.random.stateless_binomial`."""
        with name_scope(name, "binomial") as scope:
            probs = convert_to_tensor(probs)
            counts = convert_to_tensor(counts, probs.dtype)
            self._state_var._accessed()
            inputs = (self._state_var.handle, convert_to_tensor(self._alg, dtypes.int64), index_vector(shape))
            return execute(
                "StatefulRandomBinomial", (*inputs, counts, probs), {"dtype": as_dtype(dtype)}, scope
            )

    def _affine(
        self, op_type: str, shape: Any, mean: Any, stddev: Any, dtype: Any, name: str | None
    ) -> Tensor:
        dtype = as_dtype(dtype)
        mean, stddev = parameter(mean, dtype, "mean"), parameter(stddev, dtype, "stddev")
        return scaled(self._draw(op_type, shape, dtype), stddev, mean, name)

    def _draw(self, op_type: str, shape: Any, dtype: Any, name: str | None = None) -> Tensor:
        return execute(op_type, self._source(shape), {"dtype": as_dtype(dtype)}, name)

    def _source(self, shape: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Shape, key, counter and algorithm for a stateless op; advances the state past the numbers of that shape."""
        shape = index_vector(shape)
        known = constant_value(shape)
        size = execute("Prod", (shape, convert_to_tensor(0))) if known is None else math.prod(known.tolist())
        state = self.skip(size)
        words = execute("Bitcast", (state,), {"type": dtypes.uint64})
        size = counter_size(self._alg)
        algorithm = convert_to_tensor(int(self._alg), dtypes.int32)
        return shape, self._replica_key(words[size : size + 1], algorithm), words[:size], algorithm

    def _replica(self) -> Any:
        """The context of the replica that draws, where the generator was made under a strategy; else None."""
        if not self._per_replica or not thread.strategies:
            return None
        return process.registry["replica_context"]()

    def _replica_key(self, key: Tensor, algorithm: Tensor) -> Tensor:
        """The key, mixed with the number of the replica that draws."""
        replica = self._replica()
        if replica is None:
            return key
        replica_id = convert_to_tensor(replica.replica_id_in_sync_group)
        number = execute("Cast", (replica_id,), {"DstT": dtypes.uint64})
        counter = execute("Pack", ([number, convert_to_tensor(0, dtypes.uint64)],), {"axis": 0})
        inputs = (convert_to_tensor([1]), key, counter, algorithm)
        return execute("StatelessRandomUniformFullIntV2", inputs, {"dtype": dtypes.uint64})

    # Making others.

    def make_seeds(self, count: int = 1) -> Tensor:
        """Draws seeds for stateless functions: int64 `[2, count]`, a seed in each column."""
        keys = self.uniform_full_int([count], dtypes.int64)
        return execute("Pack", ([keys, execute("ZerosLike", (keys,))],), {"axis": 0})

    def split(self, count: int = 1) -> list[Generator]:
        """Makes `count` generators that are independent of this one and of each other; this one advances."""
        keys = self.uniform_full_int([count], dtypes.int64)
        zeros = [0] * counter_size(self._alg)
        return [type(self)(state=[*zeros, keys[i]], alg=self._alg) for i in range(count)]


def _join(key: Any, counter: Any, alg: Any) -> Tensor:
    """The state of a key and a counter."""
    key, counter = _as_state(key), _as_state(counter)
    counter.shape.assert_is_compatible_with(TensorShape([counter_size(alg)]))
    key.shape.assert_is_compatible_with(TensorShape([]))
    return execute(
        "ConcatV2", ([counter, execute("Reshape", (key, convert_to_tensor([1])))], convert_to_tensor(0))
    )


@export("random.get_global_generator", "random.experimental.get_global_generator")
def get_global_generator() -> Generator:
    """The generator of the process, made (from a non-deterministic state) when it is first asked for.

    Raises:
      RuntimeError: it would be made now, but `tf.config.experimental.enable_op_determinism` was called.
    """
    found = process.registry.get("global_generator")
    if found is None:
        if process.registry.get("op_determinism", False):
            raise RuntimeError(
                '"get_global_generator" cannot be called if determinism is enabled, unless "set_global_generator" has '
                'already been called. Please call "set_global_generator" first.'
            )
        with init_scope():
            found = process.registry["global_generator"] = Generator.from_non_deterministic_state()
    return found


@export("random.set_global_generator", "random.experimental.set_global_generator")
def set_global_generator(generator: Generator) -> None:
    """Replaces the generator of the process. A function that was traced before keeps the one that it captured.

    Example:
      >>> import penstock as tf
      >>> tf.random.set_global_generator(tf.random.Generator.from_seed(1))
      >>> tf.random.get_global_generator().state.numpy().tolist()
      [1, 0, 0]
    """
    process.registry["global_generator"] = generator
