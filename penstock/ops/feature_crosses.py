"""Crosses of features: for each row, every combination of one value from each input, joined or hashed.

`tf.sparse.cross`, `tf.sparse.cross_hashed`, and their ragged siblings.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.ops.strings.farmhash import fingerprint64
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

_MASK = (1 << 64) - 1
_MULTIPLIER = 0xC6A4A7935BD1E995
_DEFAULT_HASH_KEY = 0xDECAFCAFFE
_LARGEST = (1 << 63) - 1

_Column = list[list[Any]]  # for each row its values


def _shift_mix(value: int) -> int:
    return value ^ (value >> 47)


def _fingerprint_cat(first: int, second: int) -> int:
    """One fingerprint of two, as TensorFlow combines them (FingerprintCat64)."""
    result = first ^ _MULTIPLIER
    result ^= _shift_mix(second * _MULTIPLIER & _MASK) * _MULTIPLIER & _MASK
    result = result * _MULTIPLIER & _MASK
    result = _shift_mix(result) * _MULTIPLIER & _MASK
    return _shift_mix(result)


def _hashed(values: Sequence[Any], num_buckets: int, hash_key: int) -> int:
    result = hash_key
    for value in values:
        number = fingerprint64(value) if isinstance(value, bytes) else int(value) & _MASK
        result = _fingerprint_cat(result, number)
    return result % (num_buckets if num_buckets > 0 else _LARGEST)


def _joined(values: Sequence[Any], separator: bytes) -> bytes:
    return separator.join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def _sparse_rows(indices: Any, values: Any, rows: int) -> _Column:
    column: _Column = [[] for _ in range(rows)]
    for row, value in zip(indices[:, 0].tolist(), values.tolist()):
        column[row].append(value)
    return column


def _crossed(columns: list[_Column], combine: Any) -> list[list[Any]]:
    return [[combine(values) for values in itertools.product(*row)] for row in zip(*columns)]


def _as_sparse(rows: list[list[Any]], dtype: Any) -> tuple[Any, Any, Any]:
    indices = [(row, column) for row, values in enumerate(rows) for column in range(len(values))]
    flat = np.empty(len(indices), dtype)
    flat[:] = [value for values in rows for value in values]
    shape = np.array([len(rows), max((len(values) for values in rows), default=0)], np.int64)
    return np.array(indices, np.int64).reshape(-1, 2), flat, shape


def _columns(indices: list, values: list, shapes: list, dense: list) -> list[_Column]:
    rows = int(shapes[0][0]) if shapes else len(dense[0])
    if any(int(shape[0]) != rows for shape in shapes) or any(len(each) != rows for each in dense):
        raise ValueError("Expected all inputs of a cross to have the same number of rows")
    sparse = [_sparse_rows(place, value, rows) for place, value in zip(indices, values)]
    return [*sparse, *(each.tolist() for each in dense)]


def _cross(
    indices: list, values: list, shapes: list, dense: list, *,
    hashed_output: bool, num_buckets: int, hash_key: int, **_: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    columns = _columns(indices, values, shapes, dense)
    if hashed_output:
        return _as_sparse(_crossed(columns, lambda each: _hashed(each, num_buckets, hash_key)), np.int64)
    return _as_sparse(_crossed(columns, lambda each: _joined(each, b"_X_")), object)


def _cross_v2(indices: list, values: list, shapes: list, dense: list, separator: Any) -> tuple[Any, Any, Any]:
    text: Any = np.asarray(separator)[()]
    return _as_sparse(
        _crossed(_columns(indices, values, shapes, dense), lambda each: _joined(each, text)),
        object,  # type: ignore[arg-type]
    )


_SPARSE_RESULT = [TensorShape([None, 2]), TensorShape([None]), TensorShape([2])]
_SPARSE_INPUTS = "indices: N*int64, values: *sparse_types, shapes: N*int64, dense_inputs: *dense_types"
op(
    f"SparseCross({_SPARSE_INPUTS}; hashed_output, num_buckets, hash_key, out_type, internal_type)"
    " -> (output_indices: int64, output_values: out_type, output_shape: int64)",
    numpy=_cross,
    shape=lambda call: _SPARSE_RESULT,
    gradient=stops,
)
op(
    f"SparseCrossV2({_SPARSE_INPUTS}, sep: string)"
    " -> (output_indices: int64, output_values: string, output_shape: int64)",
    numpy=_cross_v2,
    shape=lambda call: _SPARSE_RESULT,
    gradient=stops,
)


def _ragged_cross(
    ragged_values: list, ragged_splits: list, indices: list, values: list, shapes: list, dense: list, *,
    input_order: Any, hashed_output: bool, num_buckets: int, hash_key: int, out_row_splits_type: Any, **_: Any,
) -> tuple[Any, Any]:  # fmt: skip
    kinds = input_order.decode() if isinstance(input_order, bytes) else input_order
    rows = len(ragged_splits[0]) - 1 if ragged_splits else int(shapes[0][0]) if shapes else len(dense[0])
    ragged = [
        [value[begin:end].tolist() for begin, end in itertools.pairwise(splits)]
        for value, splits in zip(ragged_values, ragged_splits)
    ]
    sparse = [_sparse_rows(place, value, rows) for place, value in zip(indices, values)]
    plain = [each.tolist() for each in dense]
    sources = {"R": iter(ragged), "S": iter(sparse), "D": iter(plain)}
    columns = [next(sources[kind]) for kind in kinds]
    if any(len(column) != rows for column in columns):
        raise ValueError("Expected all inputs of a cross to have the same number of rows")
    crossed = _crossed(
        columns,
        (lambda each: _hashed(each, num_buckets, hash_key))
        if hashed_output
        else (lambda each: _joined(each, b"_X_")),
    )
    flat = np.empty(sum(map(len, crossed)), np.int64 if hashed_output else object)
    flat[:] = [value for row in crossed for value in row]
    splits = np.concatenate([[0], np.cumsum([len(row) for row in crossed])])
    return flat, splits.astype(out_row_splits_type.as_numpy_dtype)


op(
    "RaggedCross(ragged_values: *ragged_values_types, ragged_row_splits: *ragged_splits_types, sparse_indices:"
    " Nsparse*int64, sparse_values: *sparse_values_types, sparse_shape: Nsparse*int64, dense_inputs: *dense_types;"
    " input_order, hashed_output, num_buckets, hash_key, out_values_type, out_row_splits_type)"
    " -> (output_values: out_values_type, output_row_splits: out_row_splits_type)",
    numpy=_ragged_cross,
    shape=lambda call: [TensorShape([None]), TensorShape([None])],
    gradient=stops,
)


def _as_feature(value: Tensor) -> Tensor:
    """Strings as they are, numbers as int64."""
    return value if value.dtype is dtypes.string else cast(value, dtypes.int64)


def _inputs(inputs: Any) -> tuple[list, list, list, list]:
    if not isinstance(inputs, (tuple, list)):
        raise TypeError("Inputs must be a list")
    if not all(isinstance(each, (Tensor, SparseTensor)) for each in inputs):
        raise TypeError("All inputs must be Tensor or SparseTensor.")
    sparse = [each for each in inputs if isinstance(each, SparseTensor)]
    dense = [_as_feature(each) for each in inputs if not isinstance(each, SparseTensor)]
    indices, shapes = [each.indices for each in sparse], [each.dense_shape for each in sparse]
    return indices, [_as_feature(each.values) for each in sparse], shapes, dense


@export("sparse.cross")
def sparse_cross(inputs: Any, name: str | None = None, separator: str | None = None) -> SparseTensor:
    """Every combination of one value from each input, as strings joined by `separator` (`"_X_"`).

    Args:
      inputs: matrices, sparse or dense, of strings or integers, with the same number of rows.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.cross([tf.constant([["a", "b"]]), tf.constant([["c"]])], separator="-").values.numpy().tolist()
      [b'a-c', b'b-c']
    """
    text = convert_to_tensor("_X_" if separator is None else separator, dtypes.string)
    return SparseTensor(*execute("SparseCrossV2", (*_inputs(inputs), text), None, name))


@export("sparse.cross_hashed")
def sparse_cross_hashed(
    inputs: Any, num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """Every combination of one value from each input, hashed to an int64 below `num_buckets`.

    Args:
      inputs: matrices, sparse or dense, of strings or integers, with the same number of rows.
      num_buckets: 0 for the whole range of int64.
      hash_key: where the hash starts.
    """
    attrs = {
        "hashed_output": True, "num_buckets": num_buckets, "hash_key": hash_key or _DEFAULT_HASH_KEY,
        "out_type": dtypes.int64, "internal_type": dtypes.int64,
    }  # fmt: skip
    return SparseTensor(*execute("SparseCross", _inputs(inputs), attrs, name))


def _cross_ragged(
    inputs: Any, hashed: bool, num_buckets: int, hash_key: int | None, name: str | None
) -> RaggedTensor:
    if not isinstance(inputs, (tuple, list)):
        raise TypeError("Inputs must be a list")
    kinds, ragged, sparse, dense = "", [], [], []
    splits_dtype = None
    for each in inputs:
        if is_ragged(each):
            if each.ragged_rank != 1:
                raise ValueError("tf.ragged.cross only supports inputs with rank=2.")
            kinds, splits_dtype = kinds + "R", splits_dtype or each.row_splits.dtype
            ragged.append(each)
        elif isinstance(each, SparseTensor):
            kinds += "S"
            sparse.append(each)
        else:
            kinds += "D"
            dense.append(_as_feature(convert_to_tensor(each)))
    attrs = {
        "input_order": kinds, "hashed_output": hashed, "num_buckets": num_buckets,
        "hash_key": hash_key or _DEFAULT_HASH_KEY, "out_values_type": dtypes.int64 if hashed else dtypes.string,
        "out_row_splits_type": splits_dtype or dtypes.int64,
    }  # fmt: skip
    arguments = (
        [_as_feature(each.values) for each in ragged], [each.row_splits for each in ragged],
        [each.indices for each in sparse], [_as_feature(each.values) for each in sparse],
        [each.dense_shape for each in sparse], dense,
    )  # fmt: skip
    values, splits = execute("RaggedCross", arguments, attrs, name)
    return RaggedTensor.from_row_splits(values, splits, validate=False)


@export("ragged.cross")
def ragged_cross(inputs: Any, name: str | None = None) -> RaggedTensor:
    """Every combination of one value from each input, as strings joined by `"_X_"`.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.cross([tf.ragged.constant([["a"], ["b", "c"]]), tf.constant([["x"], ["y"]])])
      <tf.RaggedTensor [[b'a_X_x'], [b'b_X_y', b'c_X_y']]>
    """
    return _cross_ragged(inputs, False, 0, None, name)


@export("ragged.cross_hashed")
def ragged_cross_hashed(
    inputs: Any, num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> RaggedTensor:
    """Every combination of one value from each input, hashed to an int64 below `num_buckets` (0: the whole range)."""
    return _cross_ragged(inputs, True, num_buckets, hash_key, name)
