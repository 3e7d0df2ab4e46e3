"""Batches of serialized SequenceExamples to arrays: context features, and lists of features with one entry for each step."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.io import example_wire as wire
from penstock.io.example_batches import Blame, Dense, Listed, Parsed, Wanted, columns_to_arrays, padding
from penstock.io.example_columns import Column, FeatureError, ScannedColumn, kind_name


@dataclasses.dataclass(slots=True)
class ParsedLists:
    """The arrays of feature lists, in the order of the ops' outputs.

    Sparse ones have indices [example, step, value]; dense ones are [batch, steps, *shape], padded; ragged ones have
    outer splits (the steps of each Example) and inner splits (the values of each step).
    """

    sparse_indices: list[np.ndarray] = dataclasses.field(default_factory=list)
    sparse_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    sparse_shapes: list[np.ndarray] = dataclasses.field(default_factory=list)
    dense_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    dense_lengths: list[np.ndarray] = dataclasses.field(default_factory=list)
    ragged_values: list[np.ndarray] = dataclasses.field(default_factory=list)
    ragged_outer: list[np.ndarray] = dataclasses.field(default_factory=list)
    ragged_inner: list[np.ndarray] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class _Steps:
    """One feature list of a batch: its values step by step, and how many steps each Example has."""

    column: Column
    counts: list[int]


def parse_sequence_examples(
    serialized: Sequence[bytes],
    context: Wanted,
    lists: Wanted,
    optional: frozenset[bytes] = frozenset(),
    names: Sequence[bytes] = (),
) -> tuple[Parsed, ParsedLists]:
    """The features of a batch of SequenceExamples, with a batch dimension.

    Args:
      serialized: the SequenceExamples.
      context: the features of the context.
      lists: the feature lists; the shape of a dense one is that of one step.
      optional: the dense lists that may be missing, and have no steps then.
      names: names of the Examples for messages, perhaps none.

    Raises:
      ValueError: an Example is malformed, lacks a required feature, or has values of another type or number.
    """
    blame = Blame(names)
    slots, list_slots = context.slots, lists.slots
    rows: list[list[Any]] = []
    list_rows: list[list[Any]] = []
    for index, data in enumerate(serialized):
        found: list[Any] = [None] * len(slots)
        steps: list[Any] = [None] * len(list_slots)
        try:
            wire.scan_sequence_example(data, slots, found, list_slots, steps)
        except wire.MalformedError as error:
            raise blame.malformed("sequence example", data, index, error) from None
        rows.append(found)
        list_rows.append(steps)
    columns = {key: ScannedColumn([row[place] for row in rows]) for key, place in slots.items()}
    found_lists = {key: [row[place] for row in list_rows] for key, place in list_slots.items()}
    parsed = columns_to_arrays(context, len(serialized), columns, blame)
    return parsed, _lists_to_arrays(lists, found_lists, optional, blame)


def _lists_to_arrays(
    wanted: Wanted, found: dict[bytes, list[Any]], optional: frozenset[bytes], blame: Blame
) -> ParsedLists:
    parsed = ParsedLists()
    for each in wanted.sparse:
        steps = _decode(each, found[each.key], blame)
        indices, shape = _sparse(steps)
        parsed.sparse_indices.append(indices)
        parsed.sparse_values.append(steps.column.values)
        parsed.sparse_shapes.append(shape)
    for dense in wanted.dense:
        if dense.key not in optional and None in found[dense.key]:
            index = found[dense.key].index(None)
            raise ValueError(
                f"Name: {blame.name(index)}, Feature list '{dense.key.decode('utf-8', 'replace')}' is required but could "
                "not be found.  Did you mean to include it in feature_list_dense_missing_assumed_empty or "
                f"feature_list_dense_defaults? Index: {index}"
            )
        steps = _decode(dense, found[dense.key], blame)
        parsed.dense_values.append(_dense(dense, steps, blame))
        parsed.dense_lengths.append(np.array(steps.counts, np.int64))
    for each in wanted.ragged:
        steps = _decode(each, found[each.key], blame)
        parsed.ragged_values.append(steps.column.values)
        parsed.ragged_outer.append(Column(steps.column.values, steps.counts, []).splits(each.splits))
        parsed.ragged_inner.append(steps.column.splits(each.splits))
    return parsed


def _decode(each: Listed | Dense, lists: list[Any], blame: Blame) -> _Steps:
    """The steps of all Examples, one after the other, as one column."""
    counts = [0 if steps is None else len(steps) for steps in lists]
    flat = list(itertools.chain.from_iterable(steps or () for steps in lists))
    try:
        return _Steps(ScannedColumn(flat).column(each.dtype), counts)
    except FeatureError as error:
        index = int(np.searchsorted(np.cumsum(counts), error.index, side="right"))
        raise ValueError(f"{blame.at(each.key, index)} {error}") from None


def _sparse(steps: _Steps) -> tuple[np.ndarray, np.ndarray]:
    """[Example, step, value] for each value, and the dense shape."""
    step_counts = np.array(steps.counts, np.int64)
    value_counts = np.array(steps.column.counts, np.int64)
    example = np.repeat(np.arange(len(step_counts)), step_counts)
    step = _within(step_counts)
    indices = np.stack(
        [np.repeat(example, value_counts), np.repeat(step, value_counts), _within(value_counts)], axis=1
    )
    shape = [len(step_counts), step_counts.max(initial=0), value_counts.max(initial=0)]
    return indices.astype(np.int64, copy=False), np.array(shape, np.int64)


def _within(counts: np.ndarray) -> np.ndarray:
    """0, 1, ... for each of the counts."""
    starts = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)


def _dense(dense: Dense, steps: _Steps, blame: Blame) -> np.ndarray:
    """[batch, steps of the longest, *shape], padded."""
    size = dense.size
    for place, count in enumerate(steps.column.counts):
        if count != size:
            index = int(np.searchsorted(np.cumsum(steps.counts), place, side="right"))
            raise ValueError(
                f"{blame.at(dense.key, index)} Number of {kind_name(dense.dtype)} values != expected in step "
                f"{place - sum(steps.counts[:index])}.  Values size: {count} but output shape: {list(dense.shape)}"
            )
    longest = max(steps.counts, default=0)
    values = steps.column.values.reshape(-1, *dense.shape)
    if steps.counts.count(longest) == len(steps.counts):
        return values.reshape(len(steps.counts), longest, *dense.shape)
    padded = np.empty((len(steps.counts), longest, *dense.shape), values.dtype)
    padded[...] = padding(dense)
    padded[np.arange(longest) < np.asarray(steps.counts)[:, None]] = values
    return padded
