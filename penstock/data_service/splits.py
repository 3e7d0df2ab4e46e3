"""Datasets in parts: sources that give only the splits that they are handed, and one worker's part by a static policy.

A split is a number: split i of a source is its elements from i times the size of a split on. All sources of a pipeline
are split alike and get the same numbers, so that what `zip` brings together stays together.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, Dataset
from penstock.data.element import as_eager
from penstock.data.iteration import Iteration, elements_of
from penstock.data.per_element import Map
from penstock.data.random_numbers import RandomWords
from penstock.data.sources import Counter, Range, Slices, Tensors
from penstock.data_service.configuration import ShardingPolicy
from penstock.distribute.sharding import policy_of, shard_files, shard_hinted
from penstock.types import errors

_SPLITS = 256  # as many splits a source has at least, if it has as many elements
_SPLIT_OF_INFINITE = 64  # elements

# Asks for a split: (round, how many the task has had in this round) -> its number, or None where there are no more.
NextSplit = Callable[[int, int], int | None]


def size_and_count(dataset: Dataset) -> tuple[int, int | None]:
    """How many elements a split of the dataset's sources has, and how many splits there are (None: without end).

    Raises:
      InvalidArgumentError: a source cannot be split.
    """
    sources = _sources(dataset)
    for each in sources:
        if not isinstance(each, (Slices, Range, Tensors, Counter)) or each._needs or each._size() < INFINITE:
            raise errors.InvalidArgumentError(
                None, None, f"the dataset begins with {type(each).__name__}, which cannot be split: use ShardingPolicy.OFF, or "
                "begin with from_tensor_slices, range or names of files"
            )  # fmt: skip
    finite = [each._size() for each in sources if each._size() != INFINITE]
    size = max(1, min(finite) // _SPLITS) if finite else _SPLIT_OF_INFINITE
    if len(finite) < len(sources):
        return size, None
    return size, max(-(-each // size) for each in finite)


def split(dataset: Dataset, next_split: NextSplit) -> Dataset:
    """The dataset, made of the splits that `next_split` gives."""
    size, _ = size_and_count(dataset)
    return _replaced(dataset, lambda node: None if node._parents else SplitSource(node, size, next_split))


def part_of(dataset: Dataset, policy: ShardingPolicy, parts: int, index: int) -> Dataset:
    """Part `index` of a dataset by a static policy.

    Raises:
      NotFoundError: it has no files. InvalidArgumentError: it has fewer files than there are parts.
    """
    if policy is ShardingPolicy.HINT:
        return shard_hinted(dataset, parts, index)
    by_file = policy is ShardingPolicy.FILE
    if policy is ShardingPolicy.FILE_OR_DATA:
        by_file = policy_of(dataset, parts).name == "FILE"
    return shard_files(dataset, parts, index) if by_file else dataset.shard(parts, index)


def repeatable(dataset: Dataset, repetition: int) -> Dataset:
    """The dataset with an order that another worker finds again: that of iteration number `repetition`."""

    def fixed(node: Dataset) -> Dataset:
        other = copy.copy(node)
        other.__dict__.pop("_plan", None)
        other._parents = tuple(fixed(each) for each in node._parents)
        if isinstance(other, Map):
            other._ordered = True
        if hasattr(other, "_iterations"):  # each iteration draws two words for the seeds of its order
            seed, seed2 = other._seeds
            other._iterations = RandomWords(seed, seed2, 2 * repetition)
        return other

    return fixed(dataset)


class SplitSource(Dataset):
    """The elements of a source that are in the splits which `next_split` gives."""

    def __init__(self, source: Dataset, size: int, next_split: NextSplit):
        super().__init__(source._element_spec)
        self._source, self._split_size, self._next_split = source, size, next_split
        self._rounds = (
            itertools.count()
        )  # `repeat` begins the source anew; the planner's copies of this node share it

    def _elements(self, at: Iteration) -> Iterator[list]:
        round_, taken, inside = (at.kept.get(name, 0) for name in ("round", "taken", "inside"))
        if not at.kept:
            round_ = next(self._rounds)
        at.keep(lambda: {"round": round_, "taken": taken, "inside": inside})
        total = self._source._size()
        while True:
            number = self._next_split(round_, taken)
            if number is None or (total != INFINITE and number * self._split_size >= total):
                return
            part = _slice(self._source, number * self._split_size, self._split_size)
            for element in itertools.islice(elements_of(part), inside, None):
                inside += 1
                yield element
            taken, inside = taken + 1, 0


def _slice(source: Any, first: int, count: int) -> Dataset:
    """`source.skip(first).take(count)`, without going through what is skipped."""
    part = copy.copy(source)
    if isinstance(source, Range):
        numbers = source._range(source._bounds)[first : first + count]
        part._bounds = [numbers.start, numbers.stop, numbers.step]
        return part
    if isinstance(source, Counter):
        start, step = np.asarray(source._start), np.asarray(source._step)
        part._start = start + first * step
        return part.take(count)
    if isinstance(source, Slices) and source._plain:
        part._columns = [as_eager(each)[first : first + count] for each in source._columns]
        part._count = len(range(first, min(first + count, source._count)))
        return part
    return source.skip(first).take(count)


def _sources(dataset: Dataset) -> list[Dataset]:
    return [found for each in dataset._parents for found in _sources(each)] or [dataset]


def _replaced(node: Dataset, replace: Callable[[Dataset], Dataset | None]) -> Dataset:
    found = replace(node)
    if found is not None:
        return found
    other = copy.copy(node)
    other.__dict__.pop("_plan", None)
    other._parents = tuple(_replaced(each, replace) for each in node._parents)
    return other
