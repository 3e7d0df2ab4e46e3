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


def swapped_in_order(partner: np.ndarray) -> np.ndarray | None:
    """What becomes of 0, 1, ... where i is swapped with partner[i] for each i in turn; None without a native function."""
    swap = _swap()
    if swap is None:
        return None
    partner, order = np.ascontiguousarray(partner, np.int32), np.arange(len(partner) + 1, dtype=np.int32)
    swap(partner.ctypes.data, len(partner), order.ctypes.data)
    return order


@functools.cache
def _swap() -> Any:
    function = getattr(native.host_library(), "penstock_swap_in_order", None)
    if function is not None:
        function.restype, function.argtypes = None, [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p]
    return function


@functools.cache
def _fill() -> Any:
    function = getattr(native.host_library(), "penstock_fill_uniform", None)
    if function is not None:
        function.restype = None
        function.argtypes = [*[ctypes.c_uint64] * 3, ctypes.c_long, ctypes.c_void_p]
    return function
