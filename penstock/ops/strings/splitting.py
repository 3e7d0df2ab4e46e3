"""Splitting strings: `tf.strings.split`, `tf.strings.bytes_split`, TF 1's `tf.string_split`, `tf.strings.ngrams`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import name_scope, renamed
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.ops.strings.kernels import Joined, bytes_attr, lengths_of, string_array
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

Sparse = tuple[np.ndarray, np.ndarray, np.ndarray]
_BYTES = string_array((bytes([code]) for code in range(256)), (256,))


def _as_sparse(values: np.ndarray, lengths: np.ndarray) -> Sparse:
    """Indices, values and shape of the sparse matrix whose rows hold the next `lengths[i]` of the values each."""
    indices = np.empty((len(values), 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(lengths)), lengths)
    indices[:, 1] = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return indices, values, np.array([len(lengths), lengths.max(initial=0)], np.int64)


def _rows_as_sparse(rows: list[list[bytes]]) -> Sparse:
    lengths = lengths_of(rows)
    return _as_sparse(string_array(itertools.chain.from_iterable(rows), (lengths.sum(),)), lengths)


def _split_at_byte(strings: list[bytes], separator: bytes, skip_empty: bool = False) -> Sparse:
    """All parts at once: strings joined by the separator, a single byte, have the same parts as each of them."""
    lengths = np.fromiter(map(bytes.count, strings, itertools.repeat(separator)), np.int64, len(strings)) + 1
    parts = separator.join(strings).split(separator) if strings else []
    if skip_empty and strings:
        lengths = np.add.reduceat(lengths_of(parts) > 0, np.cumsum(lengths) - lengths, dtype=np.int64)
        parts = list(filter(None, parts))
    return _as_sparse(string_array(parts, (len(parts),)), lengths)


def _split_into_bytes(strings: list[bytes]) -> Sparse:
    joined = Joined.of(strings)
    return _as_sparse(_BYTES[joined.codes], np.diff(joined.splits))


def _check_vector(input: Any) -> None:
    if np.ndim(input) != 1:
        raise ValueError(f"input must be a vector, got shape: {list(np.shape(input))}")


def _scalar(value: Any, name: str) -> Any:
    if np.ndim(value) != 0:
        raise ValueError(f"{name} must be a scalar, got shape: {list(np.shape(value))}")
    return np.asarray(value, object)[()]


def _split(input: Any, sep: Any, *, maxsplit: int) -> tuple:
    _check_vector(input)
    separator = _scalar(sep, "sep") or None  # none: runs of whitespace
    strings = np.asarray(input, object).tolist()
    if separator and len(separator) == 1 and maxsplit < 0:
        return _split_at_byte(strings, separator)
    return _rows_as_sparse([each.split(separator, maxsplit) for each in strings])


def _split_at_any(input: Any, delimiter: Any, *, skip_empty: bool) -> tuple:
    """TF 1's op: every byte of `delimiter` separates; an empty one splits into bytes."""
    _check_vector(input)
    separators = _scalar(delimiter, "delimiter")
    strings = np.asarray(input, object).tolist()
    if not separators:
        return _split_into_bytes(strings)
    first, others = separators[:1], separators[1:]
    if others:
        same = bytes.maketrans(others, first * len(others))
        strings = [each.translate(same) for each in strings]
    return _split_at_byte(strings, first, skip_empty)


def _sparse_shape(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([None, 2]), TensorShape([None]), TensorShape([2])]


op(
    "StringSplitV2(input: string, sep: string; maxsplit=-1) -> (indices: int64, values: string, shape: int64)",
    numpy=_split,
    shape=_sparse_shape,
    gradient=stops,
)
op(
    "StringSplit(input: string, delimiter: string; skip_empty=True)"
    " -> (indices: int64, values: string, shape: int64)",
    numpy=_split_at_any,
    shape=_sparse_shape,
    gradient=stops,
)


def _rows_of(strings: Any, split_vector: Callable[[Tensor], RaggedTensor], what: str) -> Any:
    """Splits the strings of a tensor of any rank, given how those of a vector are split: one ragged dimension more."""
    if is_ragged(strings):
        return strings.with_flat_values(_rows_of(strings.flat_values, split_vector, what))
    strings = convert_to_tensor(strings, dtypes.string)
    rank = strings.shape.rank
    if rank is None:
        raise ValueError(f"{what}: the rank of the input must be known")
    if rank == 0:
        return split_vector(execute("Reshape", (strings, convert_to_tensor([1])))).values
    if rank == 1:
        return split_vector(strings)
    nested = RaggedTensor.from_tensor(strings, ragged_rank=rank - 1)
    return nested.with_flat_values(split_vector(nested.flat_values))


def _split_vector(strings: Tensor, sep: Any, maxsplit: int) -> RaggedTensor:
    separator = convert_to_tensor("" if sep is None else sep, dtypes.string)
    indices, values, shape = execute("StringSplitV2", (strings, separator), {"maxsplit": maxsplit})
    count = strings.shape[0]
    rows = shape[0] if count is None else convert_to_tensor(count, dtypes.int64)
    return RaggedTensor.from_value_rowids(values, indices[:, 0], rows, validate=False)


@export("strings.split", v1=[])
def split(input: Any, sep: Any = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """Splits strings at a separator, as Python's `str.split`.

    Args:
      input: a string tensor or `RaggedTensor` of known rank.
      sep: the separator, a string; runs of ASCII whitespace where it is None or empty.
      maxsplit: at most so many splits where it is not negative.
      name: the scope of the nodes in a graph.

    Returns:
      A `RaggedTensor` with one dimension more; for a scalar a vector.

    Raises:
      ValueError: the rank is not known.

    Example:
      >>> import penstock as tf
      >>> tf.strings.split(["hello world", "a b c"])
      <tf.RaggedTensor [[b'hello', b'world'], [b'a', b'b', b'c']]>
    """
    with name_scope(name, "StringSplit"):
        return _rows_of(input, lambda strings: _split_vector(strings, sep, maxsplit), "strings.split")


@export(v1=["strings.split"])
def split_v1(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> Any:
    """TF 1's `tf.strings.split`: `result_type` is "SparseTensor" or "RaggedTensor"; a scalar counts as a vector of one."""
    input = convert_to_tensor(renamed(input, source, "input and source"), dtypes.string)
    with name_scope(name, "StringSplit"):
        if input.shape.rank == 0:
            input = execute("Reshape", (input, convert_to_tensor([1])))
        return _as_result(split(input, sep, maxsplit), result_type)


def _as_result(rows: RaggedTensor, result_type: str) -> Any:
    if result_type == "SparseTensor":
        return rows.to_sparse()
    if result_type == "RaggedTensor":
        return rows
    raise ValueError("result_type must be 'RaggedTensor' or 'SparseTensor'.")


@export(v1=["string_split"])
def string_split(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """TF 1's `tf.string_split`: every byte of `delimiter` (a space by default) separates, and empty parts are left out."""
    delimiter = renamed(delimiter, sep, "delimiter and sep")
    separator = convert_to_tensor(" " if delimiter is None else delimiter, dtypes.string)
    source = convert_to_tensor(source, dtypes.string)
    indices, values, shape = execute("StringSplit", (source, separator), {"skip_empty": skip_empty}, name)
    if result_type == "RaggedTensor":
        return RaggedTensor.from_value_rowids(values, indices[:, 0], shape[0], validate=False)
    if result_type != "SparseTensor":
        raise ValueError("result_type must be 'RaggedTensor' or 'SparseTensor'.")
    return SparseTensor(indices, values, shape)


def _bytes_of_vector(strings: Tensor) -> RaggedTensor:
    parts = execute("StringSplit", (strings, convert_to_tensor("")), {"skip_empty": False})
    count = strings.shape[0]
    rows = parts[2][0] if count is None else convert_to_tensor(count, dtypes.int64)
    return RaggedTensor.from_value_rowids(parts[1], parts[0][:, 0], rows, validate=False)


@export("strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Any:
    """Splits strings into bytes.

    Returns:
      A `RaggedTensor` with one dimension more; for a scalar a vector.

    Example:
      >>> import penstock as tf
      >>> tf.strings.bytes_split(["ab", "c"])
      <tf.RaggedTensor [[b'a', b'b'], [b'c']]>
    """
    with name_scope(name, "StringsByteSplit"):
        return _rows_of(input, _bytes_of_vector, "strings.bytes_split")


# N-grams.


def _ngrams_of_row(
    row: list[bytes], widths: list[int], pad_width: int, short: bool, join: Callable
) -> list[bytes]:
    """The n-grams of one row. `join(row, start, width)` joins tokens; outside of the row are paddings."""
    found = []
    for width in widths:
        padding = width - 1 if pad_width < 0 else min(pad_width, width - 1)
        count = max(0, len(row) + 2 * padding - width + 1)
        found += [join(row, start - padding, width) for start in range(count)]
    if not found and short and len(row):
        padding = max(pad_width, 0)
        found.append(join(row, -padding, len(row) + 2 * padding))
    return found


def _ngrams(
    data: Any,
    data_splits: Any,
    *,
    separator: Any,
    ngram_widths: list[int],
    left_pad: Any,
    right_pad: Any,
    pad_width: int,
    preserve_short_sequences: bool,
) -> tuple:
    between, left, right = (bytes_attr(each) for each in (separator, left_pad, right_pad))

    def join(row: list[bytes], start: int, width: int) -> bytes:
        if 0 <= start <= len(row) - width:
            return between.join(row[start : start + width])
        before, after = max(0, -start), max(0, start + width - len(row))
        return between.join([*[left] * before, *row[max(start, 0) : start + width], *[right] * after])

    splits, tokens = np.asarray(data_splits), np.asarray(data, object).tolist()
    if splits.size and (splits[0] != 0 or splits[-1] != len(tokens) or (np.diff(splits) < 0).any()):
        raise ValueError(f"Invalid split values {splits.tolist()} for {len(tokens)} values")
    rows = [
        _ngrams_of_row(tokens[start:limit], list(ngram_widths), pad_width, preserve_short_sequences, join)
        for start, limit in itertools.pairwise(splits.tolist())
    ]
    lengths = [0] * bool(splits.size) + [len(row) for row in rows]
    found = string_array((each for row in rows for each in row), (sum(lengths),))
    return found, np.cumsum(lengths, dtype=splits.dtype)


op(
    "StringNGrams(data: string, data_splits: Tsplits; separator, ngram_widths, left_pad, right_pad, pad_width,"
    " preserve_short_sequences) -> (ngrams: string, ngrams_splits: Tsplits)",
    numpy=_ngrams,
    shape=lambda call: [TensorShape([None]), call.shape(1)],
    gradient=stops,
)


@export("strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: Any,
    separator: str = " ",
    pad_values: Any = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Any:
    """The n-grams of the last dimension: runs of tokens, joined.

    Args:
      data: a string tensor or `RaggedTensor` of a rank of at least 1.
      ngram_width: the width, or a list of widths.
      separator: what stands between tokens.
      pad_values: what stands for tokens before the first and after the last, a string or a pair; None: no padding.
      padding_width: at most so many paddings at each end; one less than the width by default.
      preserve_short_sequences: whether a row too short for an n-gram gives one of all its tokens.
      name: the scope of the nodes in a graph.

    Returns:
      A `RaggedTensor`; a tensor where `data` is one.

    Raises:
      TypeError: an argument has another type.
      ValueError: a width is below 1, or `padding_width` comes without `pad_values`.

    Example:
      >>> import penstock as tf
      >>> tf.strings.ngrams(["a", "b", "c"], 2).numpy().tolist()
      [b'a b', b'b c']
    """
    left, right = _paddings(pad_values, padding_width)
    widths = [
        int(each) for each in (ngram_width if isinstance(ngram_width, (list, tuple)) else [ngram_width])
    ]
    if any(width < 1 for width in widths):
        raise ValueError(f"All ngram_widths must be greater than 0. Got {ngram_width}")
    attrs = {
        "separator": separator, "ngram_widths": widths, "left_pad": left, "right_pad": right,
        "pad_width": 0 if pad_values is None else -1 if padding_width is None else padding_width,
        "preserve_short_sequences": preserve_short_sequences,
    }  # fmt: skip
    with name_scope(name, "StringNGrams"):
        return _ngrams_of(data if is_ragged(data) else convert_to_tensor(data, dtypes.string), attrs)


def _paddings(pad_values: Any, padding_width: int | None) -> tuple[str, str]:
    if pad_values is None:
        if padding_width is not None:
            raise ValueError("pad_values must be provided if padding_width is set.")
        return "", ""
    if padding_width is not None and padding_width < 1:
        raise ValueError(f"padding_width must be greater than 0. Got {padding_width}")
    if isinstance(pad_values, (str, bytes)):
        return pad_values, pad_values  # type: ignore[return-value]
    if isinstance(pad_values, (list, tuple)) and len(pad_values) == 2:
        if all(isinstance(each, (str, bytes)) for each in pad_values):
            return pad_values[0], pad_values[1]
    raise TypeError("pad_values must be a string, tuple of strings, or None.")


def _ngrams_of(data: Any, attrs: dict) -> Any:
    if not is_ragged(data):
        rank = data.shape.rank
        if not rank:
            raise ValueError(f"Data must have a known rank of at least 1. Got {data.shape}")
        if rank == 1:
            ends = execute("Pack", ([convert_to_tensor(0), execute("Size", (data,))],), {"axis": 0})
            return execute("StringNGrams", (data, ends), attrs)[0]
        rows = RaggedTensor.from_tensor(data, ragged_rank=rank - 1)
        return _ngrams_of(rows, attrs).to_tensor()
    if is_ragged(data.values):
        return data.with_values(_ngrams_of(data.values, attrs))
    found, splits = execute("StringNGrams", (data.values, data.row_splits), attrs)
    return RaggedTensor.from_row_splits(found, splits, validate=False)
