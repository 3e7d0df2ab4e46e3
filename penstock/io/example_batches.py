"""Batches of serialized Examples and SequenceExamples to arrays: dense, sparse and ragged features.

The values of one feature in a whole batch are one column: its pieces are joined, and decoded with NumPy at once.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.io import example_wire as wire
from penstock.io.example_columns import Column, FeatureError, ScannedColumn, kind_name, uniform_columns
from penstock.io.native_examples import native_columns
from penstock.types import dtypes
from penstock.types.dtypes import DType


@dataclasses.dataclass(frozen=True, slots=True)
class Dense:
    """A feature whose values fill a tensor.

    Attributes:
      key: its name in the Examples.
      dtype: string, float32 or int64.
      shape: of the values of one Example; None in first place: as many as there are.
      default: what a missing feature is replaced by; for None in `shape`, the scalar that pads. None: it is required.
      is_variable: whether the first size depends on the Example.
      size: how many values there are; for None in `shape`, how many belong together.
    """

    key: bytes
    dtype: DType
    shape: tuple[int | None, ...]
    default: np.ndarray | None
    is_variable: bool = dataclasses.field(init=False)
    size: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        variable = bool(self.shape) and self.shape[0] is None
        object.__setattr__(self, "is_variable", variable)
        object.__setattr__(self, "size", math.prod(self.shape[1:] if variable else self.shape))


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A feature with any number of values: of a sparse or a ragged tensor.

    Attributes:
      key: its name in the Examples.
      dtype: string, float32 or int64.
      splits: the dtype of row splits, for ragged ones.
    """

    key: bytes
    dtype: DType
    splits: DType = dtypes.int64


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """The features to parse.

    Attributes:
      sparse, dense, ragged: the features.
      slots: a place for each name; two features may be made of one name.
    """

    sparse: Sequence[Listed] = ()
    dense: Sequence[Dense] = ()
    ragged: Sequence[Listed] = ()
    slots: dict[bytes, int] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        keys = dict.fromkeys(each.key for each in itertools.chain(self.sparse, self.dense, self.ragged))
        object.__setattr__(self, "slots", {key: place for place, key in enumerate(keys)})


@dataclasses.dataclass(slots=True)
class Parsed:
    """The arrays of a batch, in the order of the ops' outputs."""

    sparse_indices: list[np.ndarray] = dataclasses.field(default_factory=list)
    sparse_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    sparse_shapes: list[np.ndarray] = dataclasses.field(default_factory=list)
    dense_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    ragged_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    ragged_splits: list[np.ndarray] = dataclasses.field(default_factory=list)


class Blame:
    """Says which Example of a batch is at fault.

    Args:
      names: names for the Examples, perhaps none.
    """

    def __init__(self, names: Sequence[bytes] = ()) -> None:
        self._names = names

    def name(self, index: int) -> str:
        """The name of an Example."""
        return self._names[index].decode("utf-8", "replace") if len(self._names) else "<unknown>"

    def at(self, key: bytes, index: int) -> str:
        """The beginning of a message about a feature of an Example."""
        return f"Name: {self.name(index)}, Key: {key.decode('utf-8', 'replace')}, Index: {index}. "

    def missing(self, key: bytes, dtype: DType, index: int) -> ValueError:
        """The error for an Example without a feature that is required."""
        return ValueError(
            f"Name: {self.name(index)}, Feature: {key.decode('utf-8', 'replace')} (data type: {kind_name(dtype)}) is "
            f"required but could not be found. Index: {index}"
        )

    def malformed(self, what: str, data: bytes, index: int, error: Exception) -> ValueError:
        """The error for bytes that are no Example."""
        shown = repr(data[:40])[1:] + ("..." if len(data) > 40 else "")
        return ValueError(
            f"Name: {self.name(index)}, Index: {index}. Could not parse {what} input, value: {shown} ({error})"
        )


def parse_examples(serialized: Sequence[bytes], wanted: Wanted, names: Sequence[bytes] = ()) -> Parsed:
    """The features of a batch of Examples, with a batch dimension.

    Raises:
      ValueError: an Example is malformed, lacks a required feature, or has values of another type or number.

    Example:
      >>> import penstock as tf
      >>> from penstock.io.example_batches import Listed, Wanted, parse_examples
      >>> feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
      >>> example = tf.train.Example(features=tf.train.Features(feature={"a": feature})).SerializeToString()
      >>> parse_examples([example] * 2, Wanted(ragged=[Listed(b"a", tf.int64)])).ragged_values
      [array([1, 2, 1, 2])]
    """
    blame = Blame(names)
    slots = wanted.slots
    columns: Sequence[Any] | None = native_columns(serialized, slots)
    if columns is None and len(serialized) > 2:
        columns = uniform_columns(serialized, slots)
    if columns is None:
        columns = [ScannedColumn(found) for found in _scan(serialized, slots, blame)]
    return columns_to_arrays(wanted, len(serialized), dict(zip(slots, columns)), blame)


def _scan(
    serialized: Sequence[bytes], slots: dict[bytes, int], blame: Blame
) -> list[Sequence[wire.Values | None]]:
    """For each slot, where the values are in each Example."""
    rows = []
    empty: list[wire.Values | None] = [None] * len(slots)
    for index, data in enumerate(serialized):
        found = empty.copy()
        try:
            wire.scan_example(data, slots, found)
        except wire.MalformedError as error:
            raise blame.malformed("example", data, index, error) from None
        rows.append(found)
    return list(zip(*rows)) if rows else [()] * len(slots)


def columns_to_arrays(wanted: Wanted, batch: int, columns: dict[bytes, Any], blame: Blame) -> Parsed:
    """The arrays of a batch.

    Args:
      wanted: the features.
      batch: how many Examples there are.
      columns: for each key something whose `column(dtype)` gives the decoded values.
      blame: names Examples.
    """
    parsed = Parsed()

    def column(each: Listed | Dense) -> Column:
        try:
            return columns[each.key].column(each.dtype)
        except FeatureError as error:
            raise ValueError(f"{blame.at(each.key, error.index)} {error}") from None

    for each in wanted.sparse:
        found = column(each)
        parsed.sparse_indices.append(_sparse_indices(found.counts, len(found.values)))
        parsed.sparse_values.append(found.values)
        parsed.sparse_shapes.append(np.array([batch, max(found.counts, default=0)], np.int64))
    for dense in wanted.dense:
        found = column(dense)
        parsed.dense_values.append((_padded if dense.is_variable else _filled)(dense, found, blame))
    for each in wanted.ragged:
        found = column(each)
        parsed.ragged_values.append(found.values)
        parsed.ragged_splits.append(found.splits(each.splits))
    return parsed


def _sparse_indices(counts: list[int], total: int) -> np.ndarray:
    """[index of the Example, index of the value in it], a row for each value."""
    indices = np.empty((total, 2), np.int64)
    if len(counts) == 1:
        indices[:, 0], indices[:, 1] = 0, np.arange(total)
        return indices
    if total == len(counts) and (not total or min(counts) == 1):
        indices[:, 0], indices[:, 1] = np.arange(total), 0
        return indices
    sizes = np.asarray(counts, np.int64)
    starts = np.cumsum(sizes) - sizes
    indices[:, 0] = np.repeat(np.arange(len(counts)), sizes)
    indices[:, 1] = np.arange(total) - np.repeat(starts, sizes)
    return indices


def _filled(dense: Dense, column: Column, blame: Blame) -> np.ndarray:
    """The values of a feature of a fixed shape, [batch, *shape]."""
    size, batch = dense.size, len(column.counts)
    if not column.missing and column.counts.count(size) == batch:
        return column.values.reshape(batch, *dense.shape)
    if column.missing:
        absent = set(column.missing)
        if dense.default is None:
            raise blame.missing(dense.key, dense.dtype, column.missing[0])
    wrong = next((i for i, count in enumerate(column.counts) if count != size), None)
    if column.missing and size and wrong is not None:
        wrong = next((i for i, n in enumerate(column.counts) if n != size and i not in absent), None)
    if wrong is not None:
        raise ValueError(
            f"{blame.at(dense.key, wrong)} Number of {kind_name(dense.dtype)} values != expected.  "
            f"Values size: {column.counts[wrong]} but output shape: {list(dense.shape)}"
        )
    filled = np.empty((batch, *dense.shape), column.values.dtype)
    present = np.ones(batch, bool)
    present[column.missing] = False
    filled[present] = column.values.reshape(-1, *dense.shape)
    filled[~present] = dense.default
    return filled


def _padded(dense: Dense, column: Column, blame: Blame) -> np.ndarray:
    """The values of a feature whose first size differs, padded to the longest: [batch, longest, *shape[1:]]."""
    stride = dense.size
    for index, count in enumerate(column.counts):
        if count % stride if stride else count:
            shown = str(list(dense.shape)).replace("None", "?")
            raise ValueError(
                f"{blame.at(dense.key, index)} Number of {kind_name(dense.dtype)} values is not a multiple of stride "
                f"length. Saw {count} values but output shape is: {shown}"
            )
    longest = max(column.counts, default=0)
    batch = len(column.counts)
    shape = (batch, longest // stride if stride else 0, *dense.shape[1:])
    if column.counts.count(longest) == batch:
        return column.values.reshape(shape)
    padded = np.empty((batch, longest), column.values.dtype)
    padded[:] = padding(dense)
    padded[np.arange(longest) < np.asarray(column.counts)[:, None]] = column.values
    return padded.reshape(shape)


def padding(dense: Dense) -> Any:
    """The scalar that fills up shorter Examples."""
    if dense.default is not None and dense.default.size:
        return dense.default.reshape(-1)[0]
    return b"" if dense.dtype is dtypes.string else 0
