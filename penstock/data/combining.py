"""Several datasets into one: zip and concatenate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import Layout, leaves
from penstock.data.iteration import Iteration


class Zip(Dataset):
    """Elements side by side."""

    def __init__(self, structure: Any):
        structure = _tuples(structure)
        datasets = leaves(structure)
        for each in datasets:
            if not isinstance(each, Dataset):
                raise TypeError(
                    "Invalid input to `zip`. Inputs are expected to be (nested) structures of `tf.data.Dataset` objects "
                    f"but encountered object of type {type(each)}."
                )
        spec = Layout(_blank(structure)).fill([each.element_spec for each in datasets])
        super().__init__(spec, tuple(datasets))

    def _elements(self, at: Iteration) -> Iterator[list]:
        inputs = [at.input(index) for index in range(len(self._parents))]
        return map(list, map(itertools.chain.from_iterable, zip(*inputs)))

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


def common_spec(datasets: list[Dataset]) -> Any:
    """The specs that elements of all datasets fit.

    Raises:
      TypeError: the structures or dtypes differ.
    """
    flat = [leaves(each.element_spec) for each in datasets]
    if any(len(each) != len(flat[0]) for each in flat):
        raise TypeError(
            f"Incompatible dataset elements:\n  {datasets[0].element_spec} vs.\n  {datasets[-1].element_spec}"
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
        super().__init__(common_spec([first, second]), (first, second))

    def _elements(self, at: Iteration) -> Iterator[list]:
        ended = at.kept.get("ended", False)
        at.keep(lambda: {"ended": ended})
        if not ended:
            yield from at.input(0)
            ended = True
        yield from at.input(1)

    def _size(self) -> int:
        sizes = [each._size() for each in self._parents]
        if INFINITE in sizes:
            return INFINITE
        return UNKNOWN if UNKNOWN in sizes else sum(sizes)
