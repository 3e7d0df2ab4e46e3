"""Samplers of integers in `[0, range)`, for losses that look at a few of many classes.

Drawn one after the other from a generator, by TensorFlow's methods, so that the samples are TensorFlow's. They run on
the host. Called by the kernels in `ops.nn.candidate_sampling`.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable

import numpy as np

from penstock.ops.random import philox
from penstock.ops.random.philox import Stream

_CHUNK = 256


class Words:
    """The words of a generator, one after the other."""

    def __init__(self, stream: Stream):
        self._stream = stream
        self._waiting: list[int] = []

    def word(self) -> int:
        """The next 32 bits."""
        if not self._waiting:
            self._waiting = philox.words(np, self._stream, _CHUNK).tolist()[::-1]
            self._stream = self._stream.advanced(np, _CHUNK // 4)
        return self._waiting.pop()

    def long(self) -> int:
        """The next 64 bits, lower half first."""
        low = self.word()
        return low | self.word() << 32

    def unit_float(self) -> float:
        """A number in [0, 1) with 23 random bits."""
        return (self.word() & 0x7FFFFF) * 2.0**-23

    def unit_double(self) -> float:
        """A number in [0, 1) with 52 random bits."""
        high = self.word() & 0xFFFFF
        return (high << 32 | self.word()) * 2.0**-52

    def below(self, n: int) -> int:
        """An integer in [0, n), from 32 bits."""
        return _below(n, self.word, 32)


def _below(n: int, draw: Callable[[], int], bits: int) -> int:
    """An integer in [0, n), all equally likely: draws that would favour the small ones are rejected."""
    if n & (n - 1) == 0:
        return draw() & (n - 1)
    rejected = ((1 << bits) - 1) % n + 1
    while (value := draw()) < rejected:
        pass
    return value % n


class UniformSampler:
    """All integers are equally likely."""

    def __init__(self, size: int):
        self.size = size

    def sample(self, words: Words) -> int:
        """Draws one."""
        return _below(self.size, words.long, 64)

    def probability(self, values: np.ndarray) -> np.ndarray:
        """How likely each value is, float32."""
        return np.full(values.shape, 1 / self.size, np.float32)


class LogUniformSampler(UniformSampler):
    """P(k) = log((k + 2) / (k + 1)) / log(range + 1): right for classes sorted by falling frequency (Zipf's law)."""

    def sample(self, words: Words) -> int:
        """Draws one."""
        return (int(math.exp(words.unit_double() * math.log1p(self.size))) - 1) % self.size

    def probability(self, values: np.ndarray) -> np.ndarray:
        """How likely each value is, float32."""
        return (np.log((values + 2.0) / (values + 1.0)) / math.log1p(self.size)).astype(np.float32)


class LearnedUnigramSampler(UniformSampler):
    """Each integer is as likely as it was often seen, once more than it was; `update` tells what is seen."""

    def __init__(self, size: int):
        super().__init__(size)
        self._counts = np.ones(size, np.int64)
        self._running: list[int] | None = None

    def sample(self, words: Words) -> int:
        """Draws one."""
        if self._running is None:
            self._running = np.cumsum(self._counts).tolist()
        return bisect.bisect_right(self._running, _below(self._running[-1], words.word, 32))

    def probability(self, values: np.ndarray) -> np.ndarray:
        """How likely each value is, float32."""
        return self._counts[values].astype(np.float32) / np.float32(self._counts.sum())

    def update(self, values: Iterable[int]) -> None:
        """Counts `values`."""
        np.add.at(self._counts, np.asarray(values), 1)
        self._running = None


class FixedUnigramSampler(UniformSampler):
    """Each integer is as likely as its weight, raised to the power `distortion`, says.

    Args:
      size: the range.
      weights: the weight of each integer after the reserved ones.
      distortion: 0 makes all equally likely, 1 leaves the weights as they are.
      reserved: how many integers at the beginning are never drawn.
      shards, shard: only the integers `i` with `i % shards == shard` belong to this sampler, and are numbered anew.

    Raises:
      ValueError: the weights are not as many as the range.
    """

    def __init__(
        self, size: int, weights: list[float], distortion: float, reserved: int, shards: int, shard: int
    ):
        super().__init__(size)
        ours = [0.0 for i in range(reserved) if i % shards == shard]
        kept = np.array([each for i, each in enumerate(weights, reserved) if i % shards == shard], np.float32)
        self._weights = np.concatenate([np.array(ours, np.float32), kept ** np.float32(distortion)])
        if len(self._weights) != size:
            raise ValueError(f"range is {size} must be equal to weights size {len(self._weights)}")
        self._total = np.float32(np.add.accumulate(self._weights)[-1])
        self._share, self._other = _alias_table(self._weights)

    def sample(self, words: Words) -> int:
        """Draws one, by Walker's alias method: an integer, or the other one of its box."""
        chance = words.unit_float()
        box = _below(self.size, words.word, 32)
        return box if chance < self._share[box] else self._other[box]

    def probability(self, values: np.ndarray) -> np.ndarray:
        """How likely each value is, float32."""
        return self._weights[values] / self._total


def _alias_table(weights: np.ndarray) -> tuple[list[float], list[int]]:
    """Boxes of equal size, one for each integer: the share of it in its box, and the integer that has the rest."""
    size = len(weights)
    total = sum(weights.tolist())
    share = [each / total for each in (weights * np.float32(size)).tolist()]
    other = list(range(size))
    low = [i for i in range(size) if share[i] < 1]
    high = [i for i in range(size) if share[i] >= 1]
    while high and low:
        small, large = low.pop(), high.pop()
        other[small] = large
        share[large] -= 1.0 - share[small]
        (low if share[large] < 1 else high).append(large)
    for i in itertools.chain(high, low):
        share[i], other[i] = 1.0, i
    return np.array(share, np.float32).tolist(), other


def draw(sampler: UniformSampler, words: Words, count: int, unique: bool) -> tuple[np.ndarray, int]:
    """`count` samples, and how many draws they took: more, where `unique` throws repeated ones away."""
    if not unique:
        return np.array([sampler.sample(words) for _ in range(count)], np.int64), count
    found: dict[int, None] = {}
    tries = 0
    while len(found) < count:
        found.setdefault(sampler.sample(words))
        tries += 1
    return np.array(list(found), np.int64), tries


def expected_count(sampler: UniformSampler, values: np.ndarray, count: int, tries: int) -> np.ndarray:
    """How often each value is expected among `count` samples that took `tries` draws, float32."""
    p = sampler.probability(values).astype(np.float32)
    if tries == count:
        return p * np.float32(count)
    return -np.expm1(np.float32(tries) * np.log1p(-p))
