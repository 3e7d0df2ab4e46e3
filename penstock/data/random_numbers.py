"""The random numbers of pipelines: TensorFlow's seeds, and its stream of 32-bit words, one at a time."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.ops.random import philox
from penstock.ops.random.seed import get_seed

_BLOCKS = 1024  # blocks of four words, computed at a time


class Seeds(tuple):
    """The two seeds of a random transformation. As in TensorFlow, pipelines that differ in nothing else are the same one."""

    __slots__ = ()


def dataset_seeds(seed: Any) -> Seeds:
    """The two seeds of a random transformation: by the rules of all ops, or drawn where no seed is set."""
    seed, seed2 = get_seed(None if seed is None else int(seed))
    if seed is None or seed2 is None:
        return Seeds((secrets.randbits(63), secrets.randbits(63)))
    return Seeds((0, 2**31 - 1) if seed == seed2 == 0 else (seed, seed2))


class RandomWords:
    """The uint32 words of the Philox stream of two seeds, from word number `drawn` on."""

    __slots__ = ("_seeds", "_start", "_words", "_rest")

    def __init__(self, seed: int, seed2: int, drawn: int = 0):
        self.move_to(seed, seed2, drawn)

    def move_to(self, seed: int, seed2: int, drawn: int) -> None:
        """Goes on at another position."""
        self._seeds = int(seed), int(seed2)
        self._start = int(drawn)
        self._words: list[int] = []
        self._rest = iter(self._words)

    def __iter__(self) -> Iterator[int]:
        """The words, read without a Python call for each."""
        return itertools.chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[Iterator[int]]:
        yield self._rest
        while True:
            self._fill(1)
            yield self._rest

    def __next__(self) -> int:
        for word in self._rest:
            return word
        self._fill(1)
        return next(self._rest)

    def _fill(self, wanted: int) -> None:
        """Computes the words from the next one on, at least `wanted`."""
        drawn = self.position[2]
        block, skipped = divmod(drawn, 4)
        stream = philox.from_seeds(*self._seeds).advanced(np, block)
        size = 4 * max(_BLOCKS, -(-(wanted + skipped) // 4))
        self._words = philox.words(np, stream, size)[skipped:].tolist()
        self._start, self._rest = drawn, iter(self._words)

    @property
    def position(self) -> tuple[int, int, int]:
        """The seeds, and how many words were drawn: the arguments of a stream that goes on from here."""
        left = self._rest.__length_hint__()  # type: ignore[attr-defined]
        return (*self._seeds, self._start + len(self._words) - left)
