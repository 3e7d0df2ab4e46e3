"""Ragged tensors as text: `[[1, 2], [3]]`, each dimension shortened in its middle."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.gathering import gather
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.selection import boolean_mask, where
from penstock.ops.strings.joining import join, reduce_join
from penstock.ops.strings.numbers import as_string
from penstock.ops.strings.regex import regex_replace
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def ragged_text(value: RaggedTensor, entries: int = 3) -> Tensor:
    """The text of a ragged tensor as a string scalar.

    Args:
      value: the tensor.
      entries: how many elements are shown at the start and the end of each dimension; negative: all.

    Example:
      >>> import penstock as tf
      >>> ragged_text(tf.ragged.constant([[1, 2], list(range(9))])).numpy()
      b'[[1, 2], [0, 1, 2, ..., 6, 7, 8]]'
    """
    texts = _texts(value, entries)
    size = execute("Size", (texts,), {"out_type": dtypes.int64})
    whole = execute("Pack", ([convert_to_tensor(0, dtypes.int64), size],), {"axis": 0})
    return _rows(RaggedTensor.from_row_splits(texts, whole, validate=False), entries)[0]


def _texts(value: Any, entries: int) -> Tensor:
    """The text of each element of the first dimension."""
    if isinstance(value, RaggedTensor):
        return _rows(value.with_values(_texts(value.values, entries)), entries)
    rank = value.shape.rank
    if rank > 1:
        return _texts(RaggedTensor.from_tensor(value, ragged_rank=rank - 1), entries)
    if value.dtype is not dtypes.string:
        return as_string(value)
    return join(["'", regex_replace(value, r"(['\\])", r"\\\1"), "'"])


def _rows(texts: RaggedTensor, entries: int) -> Tensor:
    """Joins the texts of each row."""
    if entries >= 0:
        texts = _shortened(texts, entries)
    return join(["[", reduce_join(texts, axis=1, separator=", "), "]"])


def _shortened(texts: RaggedTensor, entries: int) -> RaggedTensor:
    rows = texts.value_rowids()
    zero, one = convert_to_tensor(0, rows.dtype), convert_to_tensor(1, rows.dtype)
    position = execute("Range", (zero, texts.row_splits[-1], one)) - gather(texts.row_starts(), rows)
    length = gather(texts.row_lengths(), rows)
    long = length > 2 * entries
    values = where(execute("LogicalAnd", (long, position == entries)), "...", texts.values)
    outer = execute("LogicalOr", (position <= entries, position >= length - entries))
    keep = execute("LogicalOr", (execute("LogicalNot", (long,)), outer))
    kept = boolean_mask(rows, keep)
    return RaggedTensor.from_value_rowids(boolean_mask(values, keep), kept, texts.nrows(), validate=False)
