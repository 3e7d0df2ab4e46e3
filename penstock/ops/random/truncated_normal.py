"""Truncated normal random numbers with a mean, a deviation and bounds for each batch.

TensorFlow's CPU kernel draws the batches one after the other from one stream, each by the one of three rejection
methods that suits its bounds; so do we, and the numbers are TensorFlow's bit for bit where it does not split the work
among threads (bar a last bit where XLA contracts a multiplication and an addition). Called by the kernels of
`ParameterizedTruncatedNormal` and its stateless sister.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.xla import lax
from penstock.ops import float32_math
from penstock.ops.random.distributions import normal_at, to_unit, to_unit_float64
from penstock.ops.random.philox import Stream

_MOST_REJECTED = 1000  # in a row, before TensorFlow gives up
_DEVIATIONS_FOR_NORMAL = (
    1.3  # the normal method is used where the mean and this much beside it are inside the bounds
)


def parameterized_truncated_normal(xp: Any, stream: Stream, samples: int, *parameters: Any) -> Any:
    """Draws `samples` numbers for each batch.

    Args:
      xp: the array namespace.
      stream: where the first batch begins; each batch goes on at the block after the last one's.
      samples: numbers for each batch.
      *parameters: mean, standard deviation (> 0), lower and upper bound (one of them may be infinite): four arrays
        `[batches]` of float16, float32 or float64.

    Returns:
      `[batches, samples]`, of the type of the parameters. On XLA, not-a-number for batches with bad parameters.

    Raises:
      ValueError: (NumPy) if parameters are bad, or no number is accepted in a thousand tries.
    """
    with np.errstate(all="ignore"):
        batches, method, valid = _prepare(xp, *parameters)
    if xp is np:
        if not valid.all():
            raise ValueError(
                "Invalid parameters: stddev must be positive, minval < maxval, and one of these finite"
            )
        out = np.empty((len(method), samples), parameters[0].dtype)
        for row, which, *batch in zip(out, method, *batches, strict=True):
            stream = stream.advanced(np, _fill_row(stream, row, which, batch))
        return out

    blocks = _blocks_at_once(samples, parameters[0].dtype)

    def draw(position: Any, row: tuple) -> tuple:
        which, good, *batch = row

        def more(state: tuple) -> tuple:
            found, out, used, _ = state
            first = position + used
            branches = [lambda start, each=each: each(xp, stream, start, blocks, batch) for each in _METHODS]
            numbers, accepted = lax.switch(which, branches, first)
            place = found + xp.cumsum(accepted) - 1
            out = out.at[xp.where(accepted & (place < samples), place, samples)].set(numbers, mode="drop")
            last = accepted & (place == samples - 1)
            width = accepted.size // blocks
            step = xp.where(last.any(), xp.argmax(last) // width + 1, blocks).astype(xp.uint64)
            return found + accepted.sum(), out, used + step, accepted.any()

        def unfinished(state: tuple) -> Any:
            return (state[0] < samples) & state[3]

        none = xp.full(samples, xp.nan, parameters[0].dtype)
        state = (xp.zeros((), xp.int64), none, xp.zeros((), xp.uint64), good)
        _, out, used, _ = lax.while_loop(unfinished, more, state)
        return position + used, out

    return lax.scan(draw, xp.zeros((), xp.uint64), (method, valid, *batches))[1]


def _prepare(xp: Any, mean: Any, deviation: Any, low: Any, high: Any) -> tuple:
    """What each batch draws with (mean, deviation, normalized bounds), its method, and whether it is valid."""
    valid = (deviation > 0) & (low < high) & (xp.isfinite(low) | xp.isfinite(high))
    # A one-sided bound becomes the lower one, and bounds on one side of the mean become positive.
    mirror = (xp.isinf(low) & (low < 0)) | (high < mean)
    low, high = xp.where(mirror, high, low), xp.where(mirror, low, high)
    deviation = xp.where(mirror, -deviation, deviation)
    start, stop = (low - mean) / deviation, (high - mean) / deviation
    root = xp.sqrt(start * start + 4)
    cutoff = 2 * xp.exp(start.dtype.type(0.5) + start * (start - root) / 4) / (start + root)
    reach = start.dtype.type(_DEVIATIONS_FOR_NORMAL)
    normal = ((start < -reach) & (stop >= 0)) | ((stop > reach) & (start <= 0))
    method = xp.where(normal, 0, xp.where(stop - start < cutoff, 1, 2)).astype(xp.int32)
    return (mean, deviation, start, stop), method, valid


def _blocks_at_once(samples: int, dtype: Any) -> int:
    """How many blocks to try together for one batch: even, and mostly enough."""
    return 2 * max(2, samples * np.dtype(dtype).itemsize // 8)


def _fill_row(stream: Stream, row: np.ndarray, method: int, batch: Sequence) -> int:
    """Fills `row` with accepted numbers; returns how many blocks that took."""
    found, used, rejected = 0, 0, 0
    blocks = _blocks_at_once(row.size, row.dtype)
    while found < row.size:
        with np.errstate(all="ignore"):
            numbers, accepted = _METHODS[method](np, stream, np.uint64(used), blocks, batch)
        (which,) = np.nonzero(accepted)
        which = which[: row.size - found]
        row[found : found + which.size] = numbers[which]
        found += which.size
        rejected = 0 if which.size else rejected + accepted.size
        if rejected > _MOST_REJECTED:
            raise ValueError(
                "no number was accepted in a thousand tries; the bounds are too far from the mean"
            )
        used += blocks if found < row.size else int(which[-1]) // (accepted.size // blocks) + 1
    return used


# The methods: (xp, stream, first block, blocks, batch) -> numbers and whether they are accepted, `[blocks * width]`,
# in the order in which TensorFlow tries them; `width` is the uniform numbers of a block.


def _normal(xp: Any, stream: Stream, first: Any, blocks: int, batch: Sequence) -> tuple:
    """Normal numbers; those inside the bounds are accepted."""
    mean, deviation, start, stop = batch
    dtype = np.dtype(mean.dtype)
    width = 2 if dtype == np.float64 else 4
    index = xp.arange(blocks * width, dtype=xp.uint64)
    number = normal_at(xp, stream, first + index // np.uint64(width), index % np.uint64(width), dtype).astype(
        dtype
    )
    return number * deviation + mean, (number >= start) & (number <= stop)


def _uniform(xp: Any, stream: Stream, first: Any, blocks: int, batch: Sequence) -> tuple:
    """Uniform numbers between the bounds, accepted by the normal density: a block of them, then a block to accept."""
    mean, deviation, start, stop = batch
    unit = _units(xp, stream, first, blocks, mean.dtype).reshape(blocks // 2, 2, -1)
    number = unit[:, 0] * (stop - start) + start
    highest = xp.where(start < 0, xp.zeros_like(start), start * start)
    accepted = unit[:, 1] <= xp.exp((highest - number * number) / 2)
    return _after_gap(xp, number * deviation + mean), _after_gap(xp, accepted)


def _exponential(xp: Any, stream: Stream, first: Any, blocks: int, batch: Sequence) -> tuple:
    """Exponential numbers from the lower bound on, accepted by the normal density and the upper bound."""
    mean, deviation, start, stop = batch
    unit = _units(xp, stream, first, blocks, mean.dtype).reshape(blocks, -1, 2)
    rate = (start + xp.sqrt(start * start + 4)) / 2
    number = -_log(xp, unit[..., 0]) / rate + start
    x = xp.where(start < rate, rate - number, start - rate)
    accepted = (unit[..., 1] <= xp.exp(-x * x / 2)) & (number < stop)
    return _after_gap(xp, number * deviation + mean), _after_gap(xp, accepted)


_METHODS = (_normal, _uniform, _exponential)


def _units(xp: Any, stream: Stream, first: Any, blocks: int, dtype: Any) -> Any:
    """The uniform numbers of `blocks` blocks: `[blocks, 4]`, or `[blocks, 2]` float64."""
    word = stream.block(xp, first + xp.arange(blocks, dtype=xp.uint64))
    if np.dtype(dtype) == np.float64:
        return xp.stack([to_unit_float64(xp, *word[:2]), to_unit_float64(xp, *word[2:])], axis=1)
    return to_unit(xp, xp.stack(word, axis=1), np.dtype(dtype))


def _after_gap(xp: Any, values: Any) -> Any:
    """Flattens `[m, n]` values with `n` zeros, which are never accepted, before each row.

    So a number takes two places, as it takes two uniform numbers, and its place still tells its block.
    """
    return xp.concatenate([xp.zeros_like(values), values], axis=1).reshape(-1)


def _log(xp: Any, unit: Any) -> Any:
    """The logarithm as the C library has it, of numbers in [0, 1)."""
    if unit.dtype == np.float64:
        return xp.log(unit)
    positive = xp.maximum(unit.astype(xp.float32), np.float32(2.0**-24))
    return xp.where(unit > 0, float32_math.log(xp, positive), -np.float32(np.inf)).astype(unit.dtype)
