"""Uniform random numbers by native functions: in compiled programs, and large arrays on the host."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp
from penstock.ops.random.philox import Philox, Stream

_LEAST = 1 << 14  # numbers; NumPy makes fewer in the time that threads take to wake up


def uniform(xp: Any, stream: Stream, size: int, dtype: Any) -> Any | None:
    """What `random_distributions.uniform` gives; None where there is no native function for it."""
    if type(stream) is not Philox or np.dtype(dtype) != np.float32:
        return None
    if xp is np:
        return _on_host(stream, size) if size >= _LEAST else None
    if not native.available():
        return None
    (numbers,) = native.call("random_uniform", [(size,)], stream.state(jnp), dtype=np.float32)
    return numbers


def from_seed_pair(seed: Any) -> Philox | None:
    """What `philox.from_seed_pair` gives in a compiled program; None where there is no native function."""
    if not native.available():
        return None
    (state,) = native.call("random_state", [(3,)], jnp.asarray(seed).astype(np.uint64))
    return Philox(state[2], state[0], state[1])


def _on_host(stream: Philox, size: int) -> np.ndarray | None:
    fill = _fill()
    if fill is None:
        return None
    numbers = np.empty(size, np.float32)
    fill(int(stream.low), int(stream.high), int(stream.key), size, numbers.ctypes.data)
    return numbers


@functools.cache
def _fill() -> Any:
    function = getattr(native.host_library(), "penstock_fill_uniform", None)
    if function is not None:
        function.restype = None
        function.argtypes = [*[ctypes.c_uint64] * 3, ctypes.c_long, ctypes.c_void_p]
    return function
