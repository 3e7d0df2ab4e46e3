"""Random numbers by native functions, in compiled programs and on the host."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp
from penstock.ops.random.philox import Philox, Stream

_LEAST = 1 << 14  # numbers; NumPy makes fewer in the time that threads take to wake up
_MOST = 1 << 31  # things that are chosen from, by int32

_STATE = [ctypes.c_uint64] * 3
_SIGNATURES = {
    "penstock_fill_uniform": (None, [*_STATE, ctypes.c_long, ctypes.c_void_p]),
    "penstock_permute": (None, [*_STATE, ctypes.c_long, ctypes.c_void_p]),
    "penstock_draw_categories": (
        None,
        [*_STATE, ctypes.c_void_p, *[ctypes.c_long] * 3, ctypes.c_void_p],
    ),
    "penstock_draw_gamma": (None, [*_STATE, ctypes.c_void_p, *[ctypes.c_long] * 2, ctypes.c_void_p]),
}


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
    library = _library()
    if library is None:
        return None
    numbers = np.empty(size, np.float32)
    library.penstock_fill_uniform(*_state(stream), size, numbers.ctypes.data)
    return numbers


def permutation(xp: Any, stream: Stream, size: int) -> Any | None:
    """What `choice.permutation` gives, for a size of at least 2; None where there is no native function for it."""
    if not _serves(xp, stream) or size >= _MOST:
        return None
    if xp is not np:
        return native.call("random_permutation", [(size,)], stream.state(jnp), dtype=np.int32)[0]
    order = np.empty(size, np.int32)
    _library().penstock_permute(*_state(stream), size, order.ctypes.data)
    return order


def categorical(xp: Any, stream: Stream, logits: Any, samples: int) -> Any | None:
    """What `choice.categorical` gives, as int32; None where there is no native function for it."""
    batch, classes = logits.shape
    if not _serves(xp, stream) or batch * classes * samples == 0 or classes >= _MOST or not _is_exact(logits):
        return None
    if xp is not np:
        logits = logits.astype(np.float32)
        return native.call(
            "random_categories", [(batch, samples)], stream.state(jnp), logits, dtype=np.int32
        )[0]
    logits, drawn = np.ascontiguousarray(logits, np.float32), np.empty((batch, samples), np.int32)
    sizes = batch, classes, samples
    _library().penstock_draw_categories(*_state(stream), logits.ctypes.data, *sizes, drawn.ctypes.data)
    return drawn


def gamma(xp: Any, stream: Stream, samples: int, alpha: Any, dtype: Any) -> Any | None:
    """What `rejection.gamma` gives for float64 `alpha`; None where there is no native function for it."""
    if not _serves(xp, stream) or np.dtype(dtype) != np.float32:
        return None
    shape = samples, alpha.size
    if xp is not np:
        return native.call("random_gamma", [shape], stream.state(jnp), alpha, dtype=np.float32)[0]
    alpha, drawn = np.ascontiguousarray(alpha), np.empty(shape, np.float32)
    _library().penstock_draw_gamma(*_state(stream), alpha.ctypes.data, *shape, drawn.ctypes.data)
    return drawn


def _serves(xp: Any, stream: Stream) -> bool:
    if type(stream) is not Philox:
        return False
    return _library() is not None if xp is np else native.available()


def _is_exact(array: Any) -> bool:
    """Whether float32 holds each number of the array's type."""
    return np.dtype(array.dtype).itemsize <= 2 or array.dtype == np.float32


def _state(stream: Any) -> tuple[int, int, int]:
    return int(stream.low), int(stream.high), int(stream.key)


@functools.cache
def _library() -> Any:
    return native.host_functions(_SIGNATURES)
