"""Which elements come, and how often: repeat, take, skip, shard; and options."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset, count_of
from penstock.data.iteration import Iteration
from penstock.data.options import Options
from penstock.data.sources import Range, Tensors
from penstock.types import errors

_ANY = -(2**62)  # negative counts mean: all


class Repeat(Dataset):
    """The elements several times."""

    _cheap = True

    def __init__(self, source: Dataset, count: Any):
        super().__init__(source._element_spec, (source,))
        self._count = self._parameter(count_of(count, "count", least=_ANY))

    def _elements(self, at: Iteration) -> Iterator[list]:
        count = int(at.value(self._count))
        number, some = at.kept.get("number", 0), at.kept.get("some", False)
        at.keep(lambda: {"number": number, "some": some})
        if count == 0:
            return
        source = self._parents[0]
        few = source.few(at) if isinstance(source, (Tensors, Range)) else None
        if few is not None:
            # To read them anew would take longer than they do: Keras repeats its arrays as often as there are batches.
            place = at.kept.get("place", 0)
            at.keep(lambda: {"number": number, "place": place})
            while few and (number < count or count < 0):
                while place < len(few):
                    place += 1
                    yield list(few[place - 1])
                number, place = number + 1, 0
            return
        elements = at.input()
        while True:
            for element in elements:
                some = True
                yield element
            number += 1
            if (0 <= count <= number) or not some:
                return
            elements = at.restarted()

    def _size(self) -> int:
        size, count = self._parents[0]._size(), self._count
        if not isinstance(count, int):
            return UNKNOWN
        if count == 0:
            return 0
        if count < 0:
            return 0 if size == 0 else INFINITE
        return size if size < 0 else size * count

    def _describe(self) -> str:
        return "" if self._count == -1 else f"count={self._count}"


class Take(Dataset):
    """The first elements."""

    _cheap = True

    def __init__(self, source: Dataset, count: Any):
        super().__init__(source._element_spec, (source,))
        self._count = self._parameter(count_of(count, "count", least=_ANY))

    def _elements(self, at: Iteration) -> Iterator[list]:
        count = int(at.value(self._count))
        elements = at.input() if count else iter(())
        if count < 0:
            return elements
        # The counter comes first, so that no element is asked of the input after the last.
        counter = iter(range(at.kept.get("taken", 0), count))
        at.keep(lambda: {"taken": count - operator.length_hint(counter)})
        return map(operator.itemgetter(1), zip(counter, elements))

    def _size(self) -> int:
        size, count = self._parents[0]._size(), self._count
        if not isinstance(count, int) or size == UNKNOWN:
            return 0 if count == 0 and isinstance(count, int) else UNKNOWN
        if count < 0:
            return size
        return count if size == INFINITE else min(size, count)

    def _describe(self) -> str:
        return f"count={self._count}"


class Skip(Dataset):
    """All but the first elements."""

    _cheap = True

    def __init__(self, source: Dataset, count: Any):
        super().__init__(source._element_spec, (source,))
        self._count = self._parameter(count_of(count, "count", least=_ANY))

    def _elements(self, at: Iteration) -> Iterator[list]:
        count = int(at.value(self._count))
        if count < 0:
            return
        left = at.kept.get("left", count)
        at.keep(lambda: {"left": left})
        elements = at.input()
        if left:
            next(itertools.islice(elements, left - 1, left), None)
            left = 0
        yield from elements

    def _size(self) -> int:
        size, count = self._parents[0]._size(), self._count
        if not isinstance(count, int):
            return UNKNOWN
        if count < 0:
            return 0
        return size if size < 0 else max(0, size - count)

    def _describe(self) -> str:
        return f"count={self._count}"


SHARD_HINT = -1  # stands for both arguments of `shard` until a strategy knows them


class Shard(Dataset):
    """Every n-th element."""

    _cheap = True

    def __init__(self, source: Dataset, shards: Any, index: Any):
        super().__init__(source._element_spec, (source,))
        least = SHARD_HINT if isinstance(shards, int) and shards == index == SHARD_HINT else 0
        self._shards = self._parameter(count_of(shards, "num_shards", least=least or 1))
        self._index = self._parameter(count_of(index, "index", least=least))
        if isinstance(self._shards, int) and isinstance(self._index, int) and self._shards != SHARD_HINT:
            self._check(self._shards, self._index)

    @staticmethod
    def _check(shards: int, index: int) -> None:
        if shards == SHARD_HINT:
            raise errors.InvalidArgumentError(
                None, None, "shard(SHARD_HINT, SHARD_HINT) is filled in where a dataset is distributed with AutoShardPolicy.HINT"
            )  # fmt: skip
        if index >= shards:
            raise errors.InvalidArgumentError(
                None, None, f"Index must be between 0 and {shards - 1} (currently index = {index})."
            )

    def _elements(self, at: Iteration) -> Iterator[list]:
        shards, index = int(at.value(self._shards)), int(at.value(self._index))
        self._check(shards, index)
        begun = at.kept.get("begun", False)
        at.keep(lambda: {"begun": begun})
        for element in itertools.islice(at.input(), shards - 1 if begun else index, None, shards):
            begun = True
            yield element

    def _size(self) -> int:
        size = self._parents[0]._size()
        if not isinstance(self._shards, int) or not isinstance(self._index, int):
            return UNKNOWN
        return size if size < 0 or self._shards < 0 else len(range(self._index, size, self._shards))

    def _describe(self) -> str:
        return f"num_shards={self._shards}, index={self._index}"


class WithOptions(Dataset):
    """The same elements with options."""

    _cheap = True

    def __init__(self, source: Dataset, options: Options):
        super().__init__(source._element_spec, (source,))
        self._options = source._options.merge(options)

    def _elements(self, at: Iteration) -> Iterator[list]:
        return at.input()
