"""Several datasets into one: zip, concatenate, sampling, choosing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import Layout, leaves


class Zip(Dataset):
    """Elements side by side."""

    def __init__(self, structure: Any):
        structure = _tuples(structure)
        datasets = leaves(structure)
        for each in datasets:
            if not isinstance(each, Dataset):
                raise TypeError(
                    f"Invalid `datasets`. Expected a (nested) structure of `tf.data.Dataset`, got {each!r}."
                )
        spec = Layout(_blank(structure)).fill([each.element_spec for each in datasets])
        super().__init__(spec, tuple(datasets))

    def _iterate(self) -> Iterator[list]:
        for rows in zip(*(each._iterate() for each in self._parents)):
            yield list(itertools.chain.from_iterable(rows))

    def _size(self) -> int:
        sizes = [each._size() for each in self._parents]
        known = [size for size in sizes if size >= 0]
        if UNKNOWN in sizes:
            return 0 if 0 in known else UNKNOWN
        return min(known) if known else INFINITE


def _tuples(structure: Any) -> Any:
    if isinstance(structure, (list, tuple)) and not hasattr(structure, "_fields"):
        return tuple(_tuples(each) for each in structure)
    return structure


def _blank(structure: Any) -> Any:
    """The same structure with specs of nothing, to be filled."""
    from penstock.types.specs import NoneTensorSpec

    if isinstance(structure, tuple):
        parts = [_blank(each) for each in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    if isinstance(structure, dict):
        return type(structure)((key, _blank(each)) for key, each in structure.items())
    return NoneTensorSpec()


def _common_spec(datasets: list[Dataset]) -> Any:
    """The specs that elements of all datasets fit.

    Raises:
      TypeError: the structures or dtypes differ.
    """
    flat = [leaves(each.element_spec) for each in datasets]
    if any(len(each) != len(flat[0]) for each in flat):
        raise TypeError(
            f"Incompatible dataset elements: {datasets[0].element_spec} and {datasets[-1].element_spec} "
            "have different structures."
        )
    merged = []
    for column in zip(*flat):
        common = column[0].most_specific_common_supertype(column[1:])
        if common is None:
            raise TypeError(f"Incompatible dataset elements: no spec describes all of {column}.")
        merged.append(common)
    return datasets[0]._layout.fill(merged)


class Concatenate(Dataset):
    """The elements of one dataset, then those of another."""

    def __init__(self, first: Dataset, second: Dataset):
        super().__init__(_common_spec([first, second]), (first, second))

    def _iterate(self) -> Iterator[list]:
        return itertools.chain(*(each._iterate() for each in self._parents))

    def _size(self) -> int:
        sizes = [each._size() for each in self._parents]
        if INFINITE in sizes:
            return INFINITE
        return UNKNOWN if UNKNOWN in sizes else sum(sizes)


class Sampled(Dataset):
    """Elements drawn from several datasets at random."""

    def __init__(self, datasets: list[Dataset], weights: Any, seed: Any, stop_on_empty: bool):
        if not datasets:
            raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
        super().__init__(_common_spec(datasets), tuple(datasets))
        if weights is not None and not isinstance(weights, Dataset):
            weights = np.asarray(weights, float)
            if weights.shape != (len(datasets),):
                raise ValueError(
                    f"Invalid `weights`. The shape of `weights` should be {(len(datasets),)}, got {weights.shape}."
                )
        self._weights = weights if weights is not None else np.full(len(datasets), 1.0 / len(datasets))
        self._seed, self._stop = seed, stop_on_empty

    def _iterate(self) -> Iterator[list]:
        generator = np.random.default_rng(self._seed)
        running = [each._iterate() for each in self._parents]
        weights = np.array(self._weights)
        while weights.sum() > 0:
            index = int(generator.choice(len(running), p=weights / weights.sum()))
            element = next(running[index], None)
            if element is not None:
                yield element
            elif self._stop:
                return
            else:
                weights[index] = 0

    def _size(self) -> int:
        sizes = [each._size() for each in self._parents]
        if self._stop or UNKNOWN in sizes:
            return UNKNOWN
        return INFINITE if INFINITE in sizes else sum(sizes)


class Chosen(Dataset):
    """Elements of several datasets in the order that a dataset of indices gives."""

    def __init__(self, datasets: list[Dataset], choice: Dataset, stop_on_empty: bool):
        if not datasets:
            raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
        super().__init__(_common_spec(datasets), (*datasets, choice))
        self._stop = stop_on_empty

    def _iterate(self) -> Iterator[list]:
        *running, choices = (each._iterate() for each in self._parents)
        for (choice,) in choices:
            element = next(running[int(choice)], None)
            if element is not None:
                yield element
            elif self._stop:
                return

    def _size(self) -> int:
        return UNKNOWN
