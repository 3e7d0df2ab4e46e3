"""Random choices among things: categories, permutations, and the place of one index in a permutation.

Bit for bit those of TensorFlow's CPU kernels: `categorical` where TensorFlow does not split the rows among threads
(work of 100,000 cycles or less), the others always. Called by the kernels of the random ops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.xla import jax, jnp, lax
from penstock.ops.random import native_random, philox
from penstock.ops.random.distributions import to_unit_float64
from penstock.ops.random.philox import Stream

# Up to this many comparisons a category is found by counting; beyond, by binary search.
_COUNT_AT_MOST = 2**20


def categorical(xp: Any, stream: Stream, logits: Any, samples: int, dtype: Any) -> Any:
    """`samples` draws from each row of unnormalized log-probabilities: `[batch, classes]` -> `[batch, samples]`.

    A uniform number times the row's total weight is looked up in the running sum of `exp(logits)`. Logits that are
    infinite or not a number have no weight; in a row without any weight the draw is `classes`, as in TensorFlow.
    """
    if (drawn := native_random.categorical(xp, stream, logits, samples)) is not None:
        return drawn.astype(dtype)
    batch, classes = logits.shape
    running = running_weights(xp, logits)
    unit = to_unit_float64(xp, *philox.word_pairs(xp, stream, batch * samples)).reshape(batch, samples)
    target = unit * running[:, -1:]
    if batch * samples * classes <= _COUNT_AT_MOST:
        return (running[:, None, :] <= target[:, :, None]).sum(axis=2).astype(dtype)
    if xp is np:
        rows = [
            np.searchsorted(row, wanted, side="right") for row, wanted in zip(running, target, strict=True)
        ]
        return np.stack(rows).astype(dtype)
    return jax.vmap(lambda row, wanted: jnp.searchsorted(row, wanted, side="right"))(running, target).astype(
        dtype
    )


def running_weights(xp: Any, logits: Any) -> Any:
    """The running sums of `exp(logits)` in each row, up to a factor: float64 `[batch, classes]`."""
    logits = logits.astype(xp.float64)
    finite = xp.isfinite(logits)
    highest = xp.max(xp.where(finite, logits, np.finfo(np.float64).min), axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        weight = xp.exp(logits - highest)
    return xp.cumsum(xp.where(finite, weight, 0.0), axis=1)


def permutation(xp: Any, stream: Stream, size: int) -> Any:
    """A random order of `[0, size)`, int32, by Fisher and Yates: each `i` in turn is swapped with a partner `>= i`."""
    if size < 2:
        return xp.arange(size, dtype=xp.int32)
    if (order := native_random.permutation(xp, stream, size)) is not None:
        return order
    index = xp.arange(size - 1, dtype=xp.uint32)
    partner = (index + philox.words(xp, stream, size - 1) % (np.uint32(size) - index)).astype(xp.int32)
    if xp is not np:
        return _swap_in_rounds(partner)
    order = list(range(size))
    for i, j in enumerate(partner.tolist()):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int32)


def _swap_in_rounds(partner: Any) -> Any:
    """Swaps `i` with `partner[i]` for i = 0, 1, ...; in parallel where the order does not matter.

    In each round those swaps are made that are the first, of all that are still to be made, to touch either of their
    places (Shun et al., "Sequential random permutation, list contraction and tree contraction are highly parallel",
    2015): about log n rounds.
    """
    size = partner.size + 1
    index = jnp.arange(partner.size, dtype=jnp.int32)
    nobody = np.int32(partner.size)

    def round_(state: tuple) -> tuple:
        order, waiting = state
        claim = jnp.where(waiting, index, nobody)
        first = jnp.full(size, nobody).at[:-1].min(claim).at[partner].min(claim)
        go = waiting & (first[:-1] == index) & (first[partner] == index)
        mine, theirs = order[:-1], order[partner]
        # A swap that does not go writes outside, which drops it. A place is in one swap of a round at most.
        order = order.at[jnp.where(go, index, size)].set(theirs, mode="drop")
        order = order.at[jnp.where(go, partner, size)].set(mine, mode="drop")
        return order, waiting & ~go

    start = jnp.arange(size, dtype=jnp.int32), jnp.ones(partner.shape, bool)
    return lax.while_loop(lambda state: jnp.any(state[1]), round_, start)[0]


# The key schedule of the block cipher Simon: the constant, and the bits that are added round by round.
_SIMON_CONSTANT = 0xFFFFFFFC
_SIMON_Z = 0x7369F885192C0EF5
_LEAST_BLOCK_BITS = 16


def index_shuffle(xp: Any, index: Any, key: Any, max_index: Any, rounds: int) -> Any:
    """Where `index` goes in a random permutation of `[0, max_index]`, without making the permutation.

    The block cipher Simon (Beaulieu et al., 2013) with just enough bits permutes a range that may be a little wider;
    it is applied until the result is in `[0, max_index]`.

    Args:
      xp: the array namespace.
      index: integers `[n]`.
      key: integers `[n, 3]`.
      max_index: integers `[n]`, `>= 0`.
      rounds: even, at least 4.

    Returns:
      uint64 `[n]`.
    """
    index, top = index.astype(xp.uint64), max_index.astype(xp.uint64)
    # Bits of a word, which is half a block: the least even number of bits that holds `max_index`, halved.
    bits = (top[:, None] > (np.uint64(1) << np.arange(64, dtype=np.uint64))).sum(axis=1)
    half = xp.maximum(bits + bits % 2, _LEAST_BLOCK_BITS).astype(xp.uint64) // np.uint64(2)
    mask = (np.uint64(1) << half) - np.uint64(1)

    def rotate(x: Any, left: int) -> Any:
        left = np.uint64(left) if left > 0 else half - np.uint64(-left)
        return (x << left | x >> (half - left)) & mask

    def mix(x: Any) -> Any:
        return rotate(x, 1) & rotate(x, 8) ^ rotate(x, 2)

    round_keys = [key[:, i].astype(xp.uint32).astype(xp.uint64) & mask for i in range(3)]
    z = mask & np.uint64(_SIMON_Z)
    for i in range(3, rounds):
        last = round_keys[i - 1]
        constant = mask & np.uint64(_SIMON_CONSTANT) ^ (z >> np.uint64(i - 3) & np.uint64(1))
        round_keys.append(constant ^ round_keys[i - 3] ^ rotate(last, -3) ^ rotate(last, -4))

    def encrypt(value: Any) -> Any:
        left, right = value >> half & mask, value & mask
        for i in range(0, rounds, 2):
            left = left ^ mix(right) ^ round_keys[i]
            right = right ^ mix(left) ^ round_keys[i + 1]
        return left << half | right

    value = encrypt(index)
    if xp is np:
        while (outside := value > top).any():
            value = np.where(outside, encrypt(value), value)
    else:
        value = lax.while_loop(
            lambda value: (value > top).any(),
            lambda value: xp.where(value > top, encrypt(value), value),
            value,
        )
    return xp.where(top == 0, np.uint64(0), value)
