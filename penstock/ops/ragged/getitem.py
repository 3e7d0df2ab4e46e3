"""`ragged[...]`: indexing and slicing of ragged tensors, one key at a time from the outside in."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import dtype_of
from penstock.ops.casting import cast
from penstock.ops.gathering import gather
from penstock.ops.ragged.construction import gather_rows, ragged_range
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.ranges import range_
from penstock.types.tensors import Tensor


def getitem(self: RaggedTensor, key: Any) -> Any:
    """`ragged[key]`: ints, slices, `...` and `tf.newaxis`.

    An int or a scalar tensor picks a row; inner ragged dimensions take slices only.

    Raises:
      ValueError: an int for an inner ragged dimension. IndexError: there is no such row.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.constant([[1, 2, 3], [4]])[:, :2]
      <tf.RaggedTensor [[1, 2], [4]]>
    """
    keys = list(key) if isinstance(key, (list, tuple)) else [key]
    return _getitem(self, _without_ellipsis(keys, self.shape.rank))


def _without_ellipsis(keys: list, rank: int | None) -> list:
    positions = [index for index, key in enumerate(keys) if key is Ellipsis]
    if not positions:
        return keys
    if len(positions) > 1:
        raise ValueError("At most one ellipsis is allowed in a ragged index.")
    if rank is None:
        raise ValueError("Ellipsis not supported for unknown shape RaggedTensors")
    used = sum(key is not None and key is not Ellipsis for key in keys)
    at = positions[0]
    return keys[:at] + [slice(None)] * max(rank - used, 0) + keys[at + 1 :]


def _getitem(value: Any, keys: list) -> Any:
    if not keys:
        return value
    if not isinstance(value, RaggedTensor):
        return value[tuple(keys)]
    first, *rest = keys
    if first is None:
        inner = _getitem(value, rest)
        return _in_one_row(inner)
    if isinstance(first, slice):
        return _inner(_slice_rows(value, first), rest)
    return _getitem(_row(value, first), rest)


def _in_one_row(inner: Any) -> RaggedTensor:
    """`inner` with a new outermost dimension of size 1."""
    if not isinstance(inner, RaggedTensor):
        return inner[None]
    rows = inner.nrows()
    return RaggedTensor.from_uniform_row_length(inner, rows, rows * 0 + 1, validate=False)


def _row(value: RaggedTensor, key: Any) -> Any:
    """One row."""
    if isinstance(key, bool) or (
        not isinstance(key, int) and not hasattr(key, "__index__") and dtype_of(key) is None
    ):
        raise TypeError(
            f"Unsupported RaggedTensor slice key {key!r}: use integers, slices, `...` and tf.newaxis"
        )
    index = constant_value(convert_to_tensor(key))
    rows = value._row_partition.static_nrows
    if index is not None and rows is not None and not -rows <= index < rows:
        raise IndexError(f"Row key {key} out of bounds")
    splits = value.row_splits
    if index is not None:
        position = int(index)
        begin = splits[position] if position >= 0 else splits[position - 1]
        end = splits[position + 1] if position != -1 else splits[-1]
    else:
        at = cast(convert_to_tensor(key), splits.dtype)
        at = execute("SelectV2", (at < 0, at + value.nrows(), at))
        begin, end = gather(splits, at), gather(splits, at + 1)
    return _between(value.values, begin, end)


def _between(values: Any, begin: Tensor, end: Tensor) -> Any:
    """Rows `begin` to `end` of values."""
    if not isinstance(values, RaggedTensor):
        return values[begin:end]
    splits = values.row_splits[begin : end + 1]
    inner = _between(values.values, splits[0], splits[-1])
    length = values.uniform_row_length
    if length is not None:
        return RaggedTensor.from_uniform_row_length(inner, length, end - begin, validate=False)
    return RaggedTensor.from_row_splits(inner, splits - splits[0], validate=False)


def _slice_rows(value: RaggedTensor, key: slice) -> RaggedTensor:
    """Some of the rows."""
    if key.start is None and key.stop is None and key.step is None:
        return value
    step = 1 if key.step is None else key.step
    if isinstance(step, int) and step == 1 and value.uniform_row_length is None:
        starts, limits = value.row_starts()[key], value.row_limits()[key]
        begin = execute("ConcatV2", ([starts, value.row_splits[-1:]], convert_to_tensor(0)))[0]
        splits = execute(
            "ConcatV2", ([convert_to_tensor([0], starts.dtype), limits - begin], convert_to_tensor(0))
        )
        return RaggedTensor.from_row_splits(
            _between(value.values, begin, begin + splits[-1]), splits, validate=False
        )
    chosen = range_(value.nrows())[key]
    return select_rows(value, chosen)


def select_rows(value: RaggedTensor, indices: Tensor) -> RaggedTensor:
    """The rows at a vector of indices; rows of one length stay so."""
    length = value.uniform_row_length
    picked = gather_rows(value, indices)
    if length is None:
        return picked
    rows = execute("Size", (indices,), {"out_type": length.dtype})
    return RaggedTensor.from_uniform_row_length(picked.values, length, rows, validate=False)


def _inner(value: RaggedTensor, keys: list) -> Any:
    """Applies keys to the dimensions after the first."""
    if not keys or all(isinstance(key, slice) and key == slice(None) for key in keys[:1]) and len(keys) == 1:
        return value
    first, *rest = keys
    if first is None:
        inner = _inner(value, rest)
        rows = value.nrows()
        return RaggedTensor.from_uniform_row_length(inner, rows * 0 + 1, rows, validate=False)
    if isinstance(first, slice):
        cut = _slice_each_row(value, first)
        if not rest:
            return cut
        values = cut.values
        if isinstance(values, RaggedTensor):
            return cut.with_values(_inner(values, rest))
        return cut.with_values(values[(slice(None), *rest)])
    length = value.uniform_row_length
    if length is None:
        raise ValueError("Cannot index into an inner ragged dimension.")
    known = constant_value(convert_to_tensor(first))
    size = value._row_partition.static_uniform_row_length
    if known is not None and size is not None and not -size <= known < size:
        raise IndexError(f"Index {first} is out of bounds for a dimension of size {size}")
    offset = cast(convert_to_tensor(first), length.dtype)
    offset = execute("SelectV2", (offset < 0, offset + length, offset))
    picked = gather_rows(value.values, value.row_starts() + offset)
    if isinstance(picked, RaggedTensor):
        return _inner(picked, rest)
    return picked[(slice(None), *rest)] if rest else picked


def _slice_each_row(value: RaggedTensor, key: slice) -> RaggedTensor:
    """The same slice of every row."""
    if key == slice(None):
        return value
    dtype = value.row_splits.dtype
    step = 1 if key.step is None else int(constant_value(convert_to_tensor(key.step)))
    if step == 0:
        raise ValueError("slice step cannot be zero")
    lengths = value.row_lengths()
    low, high = (lengths * 0, lengths) if step > 0 else (lengths * 0 - 1, lengths - 1)

    def bound(given: Any, default: Tensor) -> Tensor:
        if given is None:
            return default
        number = cast(convert_to_tensor(given), dtype)
        known = constant_value(number)
        if known is None:
            number = execute("SelectV2", (number < 0, lengths + number, lengths * 0 + number))
        else:
            number = lengths + number if known < 0 else lengths * 0 + number
        return execute("Minimum", (execute("Maximum", (number, low)), high))

    begin = bound(key.start, low if step > 0 else high)
    end = bound(key.stop, high if step > 0 else low)
    places = ragged_range(
        value.row_starts() + begin,
        value.row_starts() + end,
        convert_to_tensor(step, dtype),
        row_splits_dtype=dtype,
    )
    result = places.with_values(gather_rows(value.values, places.values))
    size = value._row_partition.static_uniform_row_length
    if size is not None and all(isinstance(each, (int, type(None))) for each in (key.start, key.stop)):
        count = len(range(size)[key])
        return RaggedTensor.from_uniform_row_length(
            result.values, convert_to_tensor(count, dtype), value.nrows(), validate=False
        )
    return result


RaggedTensor.__getitem__ = getitem
