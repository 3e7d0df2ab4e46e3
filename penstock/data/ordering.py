"""Which elements come, and in which order: shuffle, repeat, take, skip, shard; and options."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.options import Options
from penstock.engine.context import process


class Shuffle(Dataset):
    """Elements drawn at random from a buffer."""

    def __init__(self, source: Dataset, buffer_size: int, seed: Any, reshuffle: bool):
        super().__init__(source._element_spec, (source,))
        self._buffer_size = buffer_size
        self._reshuffle = reshuffle
        if seed is None and process.global_seed is None:
            self._seed = int(np.random.default_rng().integers(2**63))
        else:
            self._seed = hash((0 if seed is None else int(seed), process.global_seed or 0)) & (2**63 - 1)
        self._iterations = 0

    def _iterate(self) -> Iterator[list]:
        generator = np.random.default_rng([self._seed, self._iterations if self._reshuffle else 0])
        self._iterations += 1
        elements = self._parents[0]._iterate()
        buffer = list(elements if self._buffer_size < 0 else itertools.islice(elements, self._buffer_size))
        # Random numbers are drawn in blocks: one call of NumPy's generator costs more than an element should.
        while len(buffer) == self._buffer_size:
            for position in generator.integers(0, self._buffer_size, 1024).tolist():
                following = next(elements, None)
                if following is None:
                    break
                chosen, buffer[position] = buffer[position], following
                yield chosen
            else:
                continue
            break
        for position in generator.permutation(len(buffer)).tolist():
            yield buffer[position]


class Repeat(Dataset):
    """The elements several times."""

    def __init__(self, source: Dataset, count: int):
        super().__init__(source._element_spec, (source,))
        self._count = count

    def _iterate(self) -> Iterator[list]:
        rounds = itertools.count() if self._count < 0 else range(self._count)
        for _ in rounds:
            empty = True
            for element in self._parents[0]._iterate():
                empty = False
                yield element
            if empty and self._count < 0:
                return

    def _size(self) -> int:
        size = self._parents[0]._size()
        if self._count == 0:
            return 0
        if self._count < 0:
            return 0 if size == 0 else INFINITE
        return size if size < 0 else size * self._count


class Take(Dataset):
    """The first elements."""

    def __init__(self, source: Dataset, count: int):
        super().__init__(source._element_spec, (source,))
        self._count = count

    def _iterate(self) -> Iterator[list]:
        elements = self._parents[0]._iterate()
        return elements if self._count < 0 else itertools.islice(elements, self._count)

    def _size(self) -> int:
        size = self._parents[0]._size()
        if self._count < 0:
            return size
        return self._count if size == INFINITE else UNKNOWN if size == UNKNOWN else min(size, self._count)


class Skip(Dataset):
    """All but the first elements."""

    def __init__(self, source: Dataset, count: int):
        super().__init__(source._element_spec, (source,))
        self._count = count

    def _iterate(self) -> Iterator[list]:
        if self._count < 0:
            return iter(())
        return itertools.islice(self._parents[0]._iterate(), self._count, None)

    def _size(self) -> int:
        size = self._parents[0]._size()
        if self._count < 0:
            return 0
        return size if size < 0 else max(0, size - self._count)


class Shard(Dataset):
    """Every n-th element."""

    def __init__(self, source: Dataset, shards: int, index: int):
        if index >= shards:
            raise ValueError(f"Index must be between 0 and {shards - 1} (currently index = {index}).")
        super().__init__(source._element_spec, (source,))
        self._shards, self._index = shards, index

    def _iterate(self) -> Iterator[list]:
        return itertools.islice(self._parents[0]._iterate(), self._index, None, self._shards)

    def _size(self) -> int:
        size = self._parents[0]._size()
        return size if size < 0 else len(range(self._index, size, self._shards))


class WithOptions(Dataset):
    """The same elements with options."""

    def __init__(self, source: Dataset, options: Options):
        super().__init__(source._element_spec, (source,))
        self._options = source._options.merge(options)

    def _iterate(self) -> Iterator[list]:
        return self._parents[0]._iterate()
