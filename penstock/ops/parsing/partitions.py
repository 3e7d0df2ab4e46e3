"""Ragged features of Examples: their values, and rows that other features describe.

In a batch the partition of each Example counts from its own first value; here all are brought to row lengths, which
can simply be joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.concatenation import concat
from penstock.ops.cumulative import cumsum
from penstock.ops.gathering import gather
from penstock.ops.parsing.features import (
    RaggedFeature,
    RowLengths,
    RowLimits,
    RowSplits,
    RowStarts,
    UniformRowLength,
    ValueRowIds,
)
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.replication import repeat
from penstock.ops.reshaping import reshape
from penstock.ops.selection import boolean_mask, where
from penstock.types.tensors import Tensor


class _Rows(NamedTuple):
    """Rows of a batch: the length of each, and how many each Example has (as splits)."""

    lengths: Tensor
    splits: Tensor


def ragged_from_parts(key: str, feature: RaggedFeature, parts: dict[str, Any], batched: bool) -> Any:
    """The ragged tensor of a feature.

    Args:
      key: its name in the result.
      feature: says how it is made.
      parts: name -> (values, row splits), where row splits tell the Examples of a batch apart.
      batched: whether there is a batch dimension; else the splits are empty.

    Returns:
      A RaggedTensor; for a single Example without partitions a vector.
    """
    values, splits = parts[key if feature.value_key is None else feature.value_key]
    kind = feature.row_splits_dtype
    if not batched:
        splits = _one_example(values, kind)
    for partition in reversed(feature.partitions):
        if isinstance(partition, UniformRowLength):
            values = _uniform(values, partition.length, feature.validate)
            splits = splits // partition.length
            continue
        numbers, number_splits = parts[partition.key]
        numbers = execute("Cast", (numbers,), {"DstT": kind})
        if not batched:
            number_splits = _one_example(numbers, kind)
        rows = _ROWS[type(partition)](numbers, number_splits, splits)
        values = RaggedTensor.from_row_lengths(values, rows.lengths, validate=feature.validate)
        splits = rows.splits
    return RaggedTensor.from_row_splits(values, splits, validate=feature.validate) if batched else values


def _uniform(values: Any, length: int, validate: bool) -> Any:
    """Values in rows of one length."""
    if isinstance(values, RaggedTensor):
        length = convert_to_tensor(length, values.row_splits.dtype)
        return RaggedTensor.from_uniform_row_length(values, length, validate=validate)
    return reshape(values, [-1, length, *values.shape.as_list()[1:]])


def _one_example(values: Tensor, kind: Any) -> Tensor:
    """The splits of a batch of one."""
    count = execute("Size", (values,), {"out_type": kind})
    return execute("Pack", ([count * 0, count],), {"axis": 0})


def _from_lengths(lengths: Tensor, splits: Tensor, value_splits: Tensor) -> _Rows:
    return _Rows(lengths, splits)


def _from_splits(numbers: Tensor, splits: Tensor, value_splits: Tensor) -> _Rows:
    example = _examples(numbers, splits)
    inside = example[1:] == example[:-1]  # not from the end of one Example to the beginning of the next
    counts = _differences(splits)
    return _Rows(
        boolean_mask(_differences(numbers), inside), _splits_of(where(counts > 0, counts - 1, counts))
    )


def _from_starts(starts: Tensor, splits: Tensor, value_splits: Tensor) -> _Rows:
    example = _examples(starts, splits)
    ends = gather(_differences(value_splits), example)
    same = _followed(example, -1)[1:] == example
    return _Rows(where(same, _followed(starts, 0)[1:], ends) - starts, splits)


def _from_limits(limits: Tensor, splits: Tensor, value_splits: Tensor) -> _Rows:
    example = _examples(limits, splits)
    same = _preceded(example, -1)[:-1] == example
    before = _preceded(limits, 0)[:-1]
    return _Rows(limits - where(same, before, before * 0), splits)


def _from_row_ids(ids: Tensor, splits: Tensor, value_splits: Tensor) -> _Rows:
    counts = _differences(splits)
    last = gather(_followed(ids, 0), where(counts > 0, splits[1:] - 1, splits[1:] * 0))
    row_splits = _splits_of(where(counts > 0, last + 1, last * 0))
    ids += repeat(row_splits[:-1], counts)
    rows = RaggedTensor.from_value_rowids(ids, ids, nrows=row_splits[-1], validate=False)
    return _Rows(rows.row_lengths(), row_splits)


def _examples(numbers: Tensor, splits: Tensor) -> Tensor:
    """The Example of each number."""
    return RaggedTensor.from_row_splits(numbers, splits, validate=False).value_rowids()


def _differences(numbers: Tensor) -> Tensor:
    return numbers[1:] - numbers[:-1]


def _splits_of(counts: Tensor) -> Tensor:
    return _preceded(cumsum(counts), 0)


def _preceded(numbers: Tensor, value: int) -> Tensor:
    return concat([convert_to_tensor([value], numbers.dtype), numbers], 0)


def _followed(numbers: Tensor, value: int) -> Tensor:
    return concat([numbers, convert_to_tensor([value], numbers.dtype)], 0)


_ROWS: dict[type, Callable[[Tensor, Tensor, Tensor], _Rows]] = {
    RowLengths: _from_lengths,
    RowSplits: _from_splits,
    RowStarts: _from_starts,
    RowLimits: _from_limits,
    ValueRowIds: _from_row_ids,
}
