"""`RandomStream`: where the random numbers of one stateful op stand.

In a graph each operation owns a stream (its hidden attribute `_stream`). Eager calls of equal ops (same type, dtypes
and seeds) share one, so that a second call goes on where the first ended, as TensorFlow's cached kernels do. A v1
session and an iterator over a dataset start every stream anew, and so does `tf.random.set_seed` for everything else.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.resources import HandleData, State
from penstock.ops.random import philox
from penstock.types import dtypes
from penstock.types.shapes import TensorShape

_HANDLE_DATA = HandleData(TensorShape([3]), dtypes.uint64)
_keys = itertools.count()
_lock = threading.Lock()

# Eager calls without a seed of their own use each stream once; the oldest are forgotten.
_MOST_EAGER_STREAMS = 4096


class RandomStream(State):
    """The state vector (`philox.Philox.state`) of one random op.

    Attributes:
      seed, seed2: where it starts; two zeros mean somewhere else each time.
    """

    __slots__ = ("seed", "seed2", "_key", "_value", "_epoch")

    def __init__(self, seed: int | None, seed2: int | None):
        self.seed, self.seed2 = int(seed or 0), int(seed2 or 0)
        self.name = f"random stream {next(_keys)}"
        self.handle_data = _HANDLE_DATA
        self._value: Any = None
        self._epoch: int | None = None

    def _start(self) -> np.ndarray:
        if self.seed == 0 and self.seed2 == 0:
            return philox.from_seeds(secrets.randbits(64), secrets.randbits(64)).state(np)
        return philox.from_seeds(self.seed, self.seed2).state(np)

    @property
    def value(self) -> Any:
        """The state vector in the iterator or session that runs, or outside both."""
        states = _states()
        if states is not None:
            if self.name not in states:
                states[self.name] = self._start()
            return states[self.name]
        if self._epoch != _epoch():
            self._value, self._epoch = self._start(), _epoch()
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        states = _states()
        if states is not None:
            states[self.name] = value
        else:
            self._value, self._epoch = value, _epoch()


def _states() -> dict[str, Any] | None:
    return thread.resources if thread.random_states is None else thread.random_states


@contextlib.contextmanager
def new_states() -> Iterator[None]:
    """Streams used inside start anew, and go on afterwards where they were before."""
    outer, thread.random_states = thread.random_states, {}
    try:
        yield
    finally:
        thread.random_states = outer


def carried(function: Callable) -> Callable:
    """`function` for another thread, where its streams are those of this thread's iterator."""
    states = thread.random_states

    def run(*args: Any) -> Any:
        thread.random_states = states
        return function(*args)

    return run


def _epoch() -> int:
    return process.registry.get("random_epoch", 0)


def restart() -> None:
    """Starts all streams outside sessions anew."""
    with _lock:
        process.registry["random_epoch"] = _epoch() + 1
        process.registry["eager_streams"] = OrderedDict()


def make_stream(attrs: dict) -> RandomStream:
    """The stream of a new operation in a graph: `op(..., stream=make_stream)`."""
    return RandomStream(attrs["seed"], attrs["seed2"])


def reserve(
    xp: Any, stream: State | None, blocks: Any, seed: int | None, seed2: int | None, *kind: Any
) -> philox.Stream:
    """Takes the next `blocks` blocks of a stream.

    Args:
      xp: the array namespace.
      stream: the operation's stream; None for an eager call.
      blocks: how many.
      seed, seed2: the op's seeds.
      *kind: with the seeds, what eager calls that share a stream have in common: the op type and its dtypes.

    Returns:
      The generator at the first of them.
    """
    with _lock:
        if stream is None:
            stream = eager_stream((int(seed or 0), int(seed2 or 0), *kind))
        generator = philox.from_state(xp, np.asarray(stream.read()) if xp is np else stream.read())
        stream.assign(generator.advanced(xp, blocks).state(xp))
    return generator


def eager_stream(key: tuple, make: type[RandomStream] = RandomStream) -> RandomStream:
    """The stream that eager calls with the same key share; the key begins with the two seeds."""
    streams = process.registry.get("eager_streams")
    if streams is None:
        streams = process.registry["eager_streams"] = OrderedDict()
    stream = streams.get(key)
    if stream is None:
        stream = streams[key] = make(*key[:2])
        if len(streams) > _MOST_EAGER_STREAMS:
            streams.popitem(last=False)
    return stream
