"""Random numbers by rejection: truncated normal, gamma, Poisson and binomial, as TensorFlow's CPU kernels draw them.

Every output (or group of outputs) has a stretch of the stream to itself and draws from it until a draw is accepted,
so that results do not depend on the order of the work. Outputs are tried together: NumPy goes on with those that are
not settled yet, XLA loops until all are. Truncated normal numbers, Poisson and binomial counts are bit for bit
TensorFlow's; gamma numbers, computed in float64, are too once rounded to float32 (bar one in about 10**8).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.xla import lax
from penstock.ops.random import native_random
from penstock.ops.random.distributions import normal_at, normal_blocks, to_unit_float64
from penstock.ops.random.philox import Stream

# TensorFlow reserves room for 256 draws for each output that is drawn by rejection.
RESERVED = 256

# NumPy settles this many outputs at a time.
_PIECE = 16384


def _until_done(xp: Any, step: Callable, state: tuple, given: tuple) -> tuple:
    """Repeats `state = step(state, given)` for each output until `state[0]`, its `done`, is true.

    Args:
      xp: the array namespace.
      step: takes and returns tuples of arrays `[n]`; every output must be computed from its own entries.
      state: arrays `[n]`, the first of them bool.
      given: arrays `[n]` that do not change.

    Returns:
      The state in which each output was done.
    """
    if xp is not np:

        def advance(state: tuple) -> tuple:
            return tuple(
                xp.where(state[0], old, new) for old, new in zip(state, step(state, given), strict=True)
            )

        return lax.while_loop(lambda state: ~xp.all(state[0]), advance, state)
    for start in range(0, state[0].size, _PIECE):
        live = np.arange(start, min(start + _PIECE, state[0].size))
        live = live[~state[0][live]]
        while live.size:
            new = step(tuple(each[live] for each in state), tuple(each[live] for each in given))
            for each, value in zip(state, new, strict=True):
                each[live] = value
            live = live[~new[0]]
    return state


# Truncated normal.


def truncated_normal(xp: Any, stream: Stream, size: int, dtype: Any) -> Any:
    """`[size]` standard normal numbers, those at or beyond two standard deviations drawn again.

    A group of outputs (four; two for float64) shares a stretch: its blocks' normal numbers are kept in their order
    where they are near enough, until the group is full.
    """
    dtype = np.dtype(dtype)
    width = 2 if dtype == np.float64 else 4
    blocks_reserved = width * RESERVED // 4
    computed = np.float64 if dtype == np.float64 else np.float32
    groups = -(-size // width)
    if xp is np:
        table = np.empty((groups, width), computed)
        for start in range(0, groups, _PIECE):
            _fill_groups(stream, table[start : start + _PIECE], start, blocks_reserved, dtype)
        return table.reshape(-1)[:size].astype(dtype, copy=False)

    # Groups lie along the last axis, where XLA vectorizes. The last row counts what the slots above it have: as an
    # array of its own it would be a second consumer, into which XLA would compute all the numbers a second time.
    reserved = xp.arange(groups, dtype=xp.uint64) * np.uint64(blocks_reserved)
    row = xp.arange(width + 1, dtype=computed)[:, None]

    def take(attempt: Any, table: Any, blocks: int) -> tuple:
        """Puts the near numbers of the next blocks into the slots."""
        nth = (attempt * np.uint64(width) + np.arange(blocks * width, dtype=np.uint64))[:, None]
        block, lane = reserved + nth // np.uint64(width), nth % np.uint64(width)
        numbers = lax.optimization_barrier(normal_at(xp, stream, block, lane, dtype))
        taken = table[-1] + xp.zeros_like(row)
        for number in numbers:
            near = xp.abs(number) < 2
            table = xp.where(near & (taken == row), number, table)
            taken = taken + near.astype(computed)
        return attempt + np.uint64(blocks), xp.where(row < width, table, taken)

    # Of eight normal numbers all but one time in 40,000 at least four are near, so that the loop seldom runs.
    state = take(xp.zeros((), xp.uint64), xp.zeros((width + 1, groups), computed), 2)
    _, table = lax.while_loop(
        lambda state: ~xp.all(state[1][-1] >= width), lambda state: take(state[0], state[1], 1), state
    )
    return table[:-1].T.reshape(-1)[:size].astype(dtype)


def _fill_groups(
    stream: Stream, table: np.ndarray, first: int, blocks_reserved: int, dtype: np.dtype
) -> None:
    """Fills `table`, the groups from number `first` on; goes on with those groups that are not full."""
    width = table.shape[1]
    live, taken, attempt = np.arange(len(table)), np.zeros(len(table), np.int64), 0
    while live.size:
        offset = ((live + first) * blocks_reserved + attempt).astype(np.uint64)
        numbers = normal_blocks(stream, offset, dtype)
        near = np.abs(numbers) < 2
        slot = taken[:, None] + np.cumsum(near, axis=1) - 1
        row, column = np.nonzero(near & (slot < width))
        table[live[row], slot[row, column]] = numbers[row, column]
        taken = taken + near.sum(axis=1)
        live, taken, attempt = live[taken < width], taken[taken < width], attempt + 1


# Gamma.


def gamma(xp: Any, stream: Stream, samples: int, alpha: Any, dtype: Any) -> Any:
    """Numbers of the gamma distributions with shapes `alpha` and scale 1: `[samples, n]` for `alpha` of shape `[n]`.

    Marsaglia and Tsang's method (ACM TOMS 26, 2000): a normal number x proposes `d (1 + c x)**3`; for `alpha < 1` a
    number for `alpha + 1` is drawn and multiplied by `u**(1 / alpha)`. For `alpha == 1`, `-log1p(-u)`.

    A sample reads normal and uniform numbers from one stretch, each kind a block (two numbers) at a time, the second
    number first; a kind takes the next block when it has used up its last.
    """
    alpha = xp.asarray(alpha).astype(xp.float64)
    if samples * alpha.size == 0:
        return xp.zeros((samples, alpha.size), dtype)
    if (drawn := native_random.gamma(xp, stream, samples, alpha, dtype)) is not None:
        return drawn
    offset, alpha = _grid(xp, samples, alpha)
    small = alpha < 1
    d = alpha + xp.where(small, 2.0 / 3, -1.0 / 3)
    with np.errstate(all="ignore"):
        c = 1.0 / 3 / xp.sqrt(d)

    def propose(state: tuple, given: tuple, x: Any) -> tuple:
        """Tries a normal number."""
        done, value, used, left, spare = state
        offset, c, d = given
        v = 1 + c * x
        proposed = ~done & (v > 0)
        refill = proposed & ~left
        first, second = _uniform_block(xp, stream, offset + used.astype(xp.uint64))
        u = xp.where(left, spare, second)
        spare = xp.where(refill, first, spare)
        used = xp.where(refill, used + 1, used)
        left = xp.where(proposed, ~left, left)
        v = v * v * v
        inside = u < 1 - 0.0331 * (x * x) * (x * x)
        accepted = proposed & (inside | (xp.log(u) < 0.5 * x * x + d * (1 - v + xp.log(v))))
        return done | accepted, xp.where(accepted, d * v, value), used, left, spare

    def step(state: tuple, given: tuple) -> tuple:
        """Tries both normal numbers of the next block."""
        done, value, used, left, spare = state
        block = stream.block(xp, given[0] + used.astype(xp.uint64))
        u = xp.maximum(to_unit_float64(xp, block[0], block[1]), 1e-7)
        angle = 2 * math.pi * to_unit_float64(xp, block[2], block[3])
        radius = xp.sqrt(-2.0 * xp.log(u))
        state = propose((done, value, used + 1, left, spare), given, radius * xp.cos(angle))
        if xp is not np:
            return propose(state, given, radius * xp.sin(angle))
        rest = np.flatnonzero(~state[0])  # a few
        if rest.size:
            x = radius[rest] * np.sin(angle[rest])
            tried = propose(tuple(each[rest] for each in state), tuple(each[rest] for each in given), x)
            for each, new in zip(state, tried, strict=True):
                each[rest] = new
        return state

    size = alpha.shape[0]
    # Not a number, infinite or negative: no draw would ever be accepted.
    hopeless = ~(xp.isfinite(alpha) & (alpha >= 0))
    state = (
        hopeless | (alpha == 1),  # done
        xp.where(hopeless, xp.nan, xp.zeros(size)),
        xp.zeros(size, xp.int32),  # blocks used
        xp.zeros(size, bool),  # whether a uniform number is left,
        xp.zeros(size),  # and which
    )
    with np.errstate(all="ignore"):
        _, value, used, left, spare = _until_done(xp, step, state, (offset, c, d))
        if xp is np and not (alpha <= 1).any():
            return value.astype(dtype).reshape(samples, -1)
        _, second = _uniform_block(xp, stream, offset + used.astype(xp.uint64))
        boost = xp.where(left, spare, second) ** (1 / alpha)
        # `alpha == 1` has used no block: `second` is the second uniform number of its first.
        value = xp.where(alpha == 1, -xp.log1p(-second), xp.where(small, value * boost, value))
    return value.astype(dtype).reshape(samples, -1)


# Poisson.

_LOG_FACTORIALS = np.array([math.lgamma(k + 1) for k in range(16)])


def _log_factorial(xp: Any, k: Any) -> Any:
    """`log k!` for float64 whole numbers `k >= 0`: a table, then Stirling's series."""
    n = xp.maximum(k + 1, 17.0)
    inverse = 1 / n
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    stirling = (n - 0.5) * xp.log(n) - n + 0.5 * math.log(2 * math.pi) + series
    table = xp.take(xp.asarray(_LOG_FACTORIALS), xp.clip(k, 0, 15).astype(xp.int32))
    return xp.where(k < 16, table, stirling)


def poisson(xp: Any, stream: Stream, samples: int, rate: Any, dtype: Any) -> Any:
    """Counts of the Poisson distributions with means `rate`: `[samples, n]` for `rate` of shape `[n]`.

    Below a mean of 10 Knuth's method: uniform numbers are multiplied until the product is at most `exp(-rate)`. From
    10 on transformed rejection (Hörmann, "The transformed rejection method for generating Poisson random variables",
    1993), one block for each try. Both read the second number of a block first.
    """
    rate = xp.asarray(rate).astype(xp.float64)
    if samples * rate.size == 0:
        return xp.zeros((samples, rate.size), dtype)
    offset, rate = _grid(xp, samples, rate)
    few = rate < 10

    def step(state: tuple, given: tuple) -> tuple:
        done, value, tries, product = state
        offset, rate, few = given
        first, second = _uniform_block(xp, stream, offset + tries.astype(xp.uint64))
        new_done, new_value = done, value
        if xp is not np or few.any():
            limit = xp.exp(-rate)
            for u in (second, first):
                product = product * u
                new_done = new_done | (few & (product <= limit))
                new_value = xp.where(few & ~new_done, new_value + 1, new_value)
        if xp is not np or not few.all():
            count, accepted = _hoermann_poisson(xp, second - 0.5, first, rate)
            new_value = xp.where(few, new_value, count)
            new_done = new_done | (~few & accepted)
        return new_done, new_value, tries + 1, product

    size = rate.shape[0]
    hopeless = ~(xp.isfinite(rate) & (rate >= 0))
    state = (hopeless, xp.where(hopeless, xp.nan, xp.zeros(size)), xp.zeros(size, xp.int32), xp.ones(size))
    with np.errstate(all="ignore"):
        _, value, _, _ = _until_done(xp, step, state, (offset, rate, few))
        return value.astype(dtype).reshape(samples, -1)


def _hoermann_poisson(xp: Any, u: Any, v: Any, rate: Any) -> tuple:
    """One try of transformed rejection: the count that `u` in [-0.5, 0.5) proposes, and whether `v` accepts it."""
    b = 0.931 + 2.53 * xp.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    inner = 0.5 - xp.abs(u)
    count = xp.floor((2 * a / inner + b) * u + rate + 0.43)
    at_once = (inner >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    possible = (count >= 0) & ((inner >= 0.013) | (v <= inner))
    s = xp.log(v * inverse_alpha / (a / (inner * inner) + b))
    t = -rate + count * xp.log(rate) - _log_factorial(xp, count)
    return count, at_once | (possible & (s <= t))


# Binomial.

# The remainder of Stirling's formula for log k!, k = 0 to 9.
_STIRLING_TAIL = np.array(
    [
        0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
        0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
    ]
)  # fmt: skip


def _stirling_tail(xp: Any, k: Any) -> Any:
    """`log k! - ((k + 1/2) log(k + 1) - (k + 1) + log(2 pi) / 2)`."""
    square = (k + 1) * (k + 1)
    series = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
    table = xp.take(xp.asarray(_STIRLING_TAIL), xp.clip(k, 0, 9).astype(xp.int32))
    return xp.where(k <= 9, table, series)


def binomial(xp: Any, stream: Stream, samples: int, counts: Any, probs: Any, dtype: Any) -> Any:
    """Successes in `counts` trials of probability `probs`: `[samples, n]` for arguments of shape `[n]`.

    The rarer of success and failure is counted. Where fewer than 10 are expected, by inversion: geometric gaps are
    added up until they pass the number of trials. Else by transformed rejection (Hörmann, "The generation of binomial
    random variates", 1993), one block for each try.
    """
    counts, probs = xp.asarray(counts), xp.asarray(probs)
    if samples * probs.size == 0:
        return xp.zeros((samples, probs.size), dtype)
    flip = probs > 0.5
    rarer = xp.where(flip, 1 - probs, probs)
    few = counts * rarer < 10  # in the arguments' own precision, as TensorFlow decides it
    index, flip, few = _grid(xp, samples, flip, few, reserved=1)
    _, n, p, given_p = _grid(xp, samples, *(each.astype(xp.float64) for each in (counts, rarer, probs)))
    # Inversion needs 42 blocks at most, TensorFlow reckons.
    offset = index * xp.where(few, np.uint64(42), np.uint64(RESERVED))

    def step(state: tuple, given: tuple) -> tuple:
        done, value, tries, gaps = state
        offset, n, p, few = given
        first, second = _uniform_block(xp, stream, offset + tries.astype(xp.uint64))
        new_done, new_value = done, value
        if xp is not np or few.any():
            for u in (second, first):
                gaps = gaps + xp.ceil(xp.log(u) / xp.log1p(-p))
                new_done = new_done | (few & (gaps > n))
                new_value = xp.where(few & ~new_done, new_value + 1, new_value)
        if xp is not np or not few.all():
            count, accepted = _hoermann_binomial(xp, second - 0.5, first, n, p)
            new_value = xp.where(few, new_value, count)
            new_done = new_done | (~few & accepted)
        return new_done, new_value, tries + 1, gaps

    size = p.shape[0]
    none, all_, unknown = (n <= 0) | (given_p <= 0), given_p >= 1, xp.isnan(given_p)
    settled = none | all_ | unknown
    state = (settled, xp.zeros(size), xp.zeros(size, xp.int32), xp.zeros(size))
    with np.errstate(all="ignore"):
        _, value, _, _ = _until_done(xp, step, state, (offset, n, p, few))
        value = xp.where(flip, n - value, value)
        value = xp.where(none, 0.0, xp.where(all_, n, xp.where(unknown, xp.nan, value)))
        return value.astype(dtype).reshape(samples, -1)


def _hoermann_binomial(xp: Any, u: Any, v: Any, n: Any, p: Any) -> tuple:
    """One try of transformed rejection: the count that `u` in [-0.5, 0.5) proposes, and whether `v` accepts it."""
    deviation = xp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * deviation
    odds = p / (1 - p)
    mode = xp.floor((n + 1) * p)
    inner = 0.5 - xp.abs(u)
    count = xp.floor((2 * a / inner + b) * u + (n * p + 0.5))
    at_once = (inner >= 0.07) & (v <= 0.92 - 4.2 / b)
    s = xp.log(v * alpha / (a / (inner * inner) + b))
    bound = (
        (mode + 0.5) * xp.log((mode + 1) / (odds * (n - mode + 1)))
        + (n + 1) * xp.log((n - mode + 1) / (n - count + 1))
        + (count + 0.5) * xp.log(odds * (n - count + 1) / (count + 1))
        + _stirling_tail(xp, mode)
        + _stirling_tail(xp, n - mode)
        - _stirling_tail(xp, count)
        - _stirling_tail(xp, n - count)
    )
    return count, at_once | ((count >= 0) & (count <= n) & (s <= bound))


# What the three have in common.


def _grid(xp: Any, samples: int, *parameters: Any, reserved: int = RESERVED) -> tuple:
    """Where the stretch of each output begins, and the parameters of each, for `samples` outputs of n distributions.

    Outputs are laid out `[samples, n]` and flattened; those of one distribution are neighbours in the stream.
    """
    n = parameters[0].shape[0]
    output = (
        xp.arange(n, dtype=xp.uint64)[None, :] * np.uint64(samples)
        + xp.arange(samples, dtype=xp.uint64)[:, None]
    )
    spread = (xp.broadcast_to(each[None, :], (samples, n)).reshape(-1) for each in parameters)
    return ((output * np.uint64(reserved)).reshape(-1), *spread)


def _uniform_block(xp: Any, stream: Stream, offset: Any) -> tuple:
    """The two uniform float64 numbers of each block."""
    word = stream.block(xp, offset)
    return to_unit_float64(xp, word[0], word[1]), to_unit_float64(xp, word[2], word[3])
