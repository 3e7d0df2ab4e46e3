"""Counting: bincount, fixed-width histograms, Bucketize."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.engine.static_value import is_static, static
from penstock.engine.xla import jnp
from penstock.ops import native_ordering
from penstock.ops.arguments import index_vector, name_scope
from penstock.ops.dtype_sets import INDICES, WIDE_FLOATS
from penstock.ops.reduce_functions import reduce
from penstock.ops.sparse.bincount import bincount_by_row, flat_values, integers, weights_of
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# Counts of small non-negative integers.


def _count(xp: Any, rows: Any, values: Any, weights: Any, shape: tuple[int, int], binary: bool) -> Any:
    """Weights (or ones) added up in a matrix at [rows, values]; values from the number of columns on are left out."""
    if xp is np and np.size(values) and np.min(values) < 0:
        raise ValueError("Input arr must be non-negative!")
    if np.size(weights) and np.shape(weights) != np.shape(values):
        raise ValueError(
            "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as all weights "
            f"equal to 1. Received {list(np.shape(weights))}"
        )
    inside = values < shape[1]
    dtype = weights.dtype
    added = weights if np.size(weights) and not binary else xp.ones(np.shape(values), dtype)
    if xp is np:
        out = np.zeros(shape, dtype)
        places = rows[inside], values[inside]
        if binary:
            out[places] = 1
        elif dtype.kind in "iu" and not np.size(weights):
            flat = np.ravel_multi_index(tuple(map(np.ravel, places)), shape)
            out += np.bincount(flat, minlength=out.size).reshape(shape).astype(dtype)
        else:
            np.add.at(out, places, added[inside])
        return out
    columns = jnp.where(inside, values, shape[1])  # out of range: dropped
    at = jnp.zeros(shape, dtype).at[rows, columns]
    return at.max(added, mode="drop") if binary else at.add(added, mode="drop")


def _size(size: Any) -> int:
    count = int(static(size))
    if count < 0:
        raise ValueError(f"size ({count}) must be non-negative")
    return count


def _dense(xp: Any, values: Any, size: Any, weights: Any, *, binary_output: bool = False) -> Any:
    if np.ndim(values) > 2:
        raise ValueError("Shape must be at most rank 2 but is rank " + str(np.ndim(values)))
    count = _size(size)
    if np.ndim(values) < 2:
        values = xp.reshape(values, -1)
        plain = xp is np and weights.dtype.kind in "iu" and not np.size(weights) and not binary_output
        found = native_ordering.count_numbers(values, count) if plain else None
        if found is not None and found[1]:  # otherwise `_count` says what is wrong
            return found[0].astype(weights.dtype, copy=False)
        return _count(xp, xp.zeros_like(values), values, weights, (1, count), binary_output)[0]
    rows = xp.broadcast_to(xp.arange(values.shape[0])[:, None], values.shape)
    return _count(xp, rows, values, weights, (values.shape[0], count), binary_output)


def _known(call: ShapeCall, index: int) -> int | None:
    """The value of a scalar input, where it is known."""
    value = call.value(index)
    return None if value is None else int(np.reshape(value, -1)[0])


def _dense_shape(call: ShapeCall) -> TensorShape:
    shape = call.shape(0)
    if shape.rank is None:
        return TensorShape(None)
    return TensorShape([*(shape.as_list()[:1] if shape.rank == 2 else []), _known(call, 1)])


def _sparse_shape(call: ShapeCall) -> TensorShape:
    shape = call.shape_from(2)
    return TensorShape(None) if shape.rank is None else TensorShape([*shape.as_list()[:-1], _known(call, 3)])


def _ragged_shape(call: ShapeCall) -> TensorShape:
    splits = call.shape(0).with_rank(1)[0]
    return TensorShape([None if splits is None else splits - 1, _known(call, 2)])


def _sparse(
    indices: Any, values: Any, dense_shape: Any, size: Any, weights: Any, *, binary_output: bool
) -> Any:
    count = _size(size)
    if len(dense_shape) == 1:
        return _count(np, np.zeros_like(values), values, weights, (1, count), binary_output)[0]
    return _count(np, indices[:, 0], values, weights, (int(dense_shape[0]), count), binary_output)


def _ragged(splits: Any, values: Any, size: Any, weights: Any, *, binary_output: bool) -> Any:
    rows = np.repeat(np.arange(len(splits) - 1), np.diff(splits))
    return _count(np, rows, values, weights, (len(splits) - 1, _size(size)), binary_output)


_WEIGHTS = INDICES | WIDE_FLOATS

op(
    "DenseBincount(input: Tidx, size: Tidx, weights: T; binary_output=False) -> output: T",
    _dense,
    shape=_dense_shape,
    gradient=stops,
    types={"Tidx": INDICES, "T": _WEIGHTS},
)
op(
    "Bincount(arr: int32, size: int32, weights: T) -> bins: T",
    lambda xp, arr, size, weights: _dense(
        xp, xp.reshape(arr, -1), size, xp.reshape(weights, -1), binary_output=False
    ),
    shape=lambda call: TensorShape([_known(call, 1)]),
    gradient=stops,
    types={"T": _WEIGHTS},
)
op(
    "SparseBincount(indices: int64, values: Tidx, dense_shape: int64, size: Tidx, weights: T; binary_output=False) "
    "-> output: T",
    numpy=_sparse,
    shape=_sparse_shape,
    gradient=stops,
    types={"Tidx": INDICES, "T": _WEIGHTS},
)
op(
    "RaggedBincount(splits: int64, values: Tidx, size: Tidx, weights: T; binary_output=False) -> output: T",
    numpy=_ragged,
    shape=_ragged_shape,
    gradient=stops,
    types={"Tidx": INDICES, "T": _WEIGHTS},
)

# Bins.


def _bins(xp: Any, values: Any, value_range: Any, nbins: int, dtype: Any) -> Any:
    wide = values.astype(np.float64) if values.dtype.kind in "iu" else values
    low, high = (value_range[i].astype(wide.dtype) for i in (0, 1))
    scaled = xp.floor((wide - low) / (high - low) * wide.dtype.type(nbins))
    return xp.clip(scaled, 0, nbins - 1).astype(dtype)


def _histogram(xp: Any, values: Any, value_range: Any, nbins: Any, *, dtype: DType) -> Any:
    count = int(static(nbins))
    if count <= 0:
        raise ValueError(f"nbins should be a positive number, but got '{count}'")
    if is_static(value_range) and not value_range[0] < value_range[1]:
        raise ValueError(
            "value_range should satisfy value_range[0] < value_range[1], but got "
            f"'[{value_range[0]}, {value_range[1]}]'"
        )
    places = xp.reshape(_bins(xp, values, value_range, count, np.int64), -1)
    if xp is np:
        return np.bincount(places, minlength=count).astype(dtype.np_dtype)
    return jnp.zeros(count, dtype.np_dtype).at[places].add(1)


op(
    "HistogramFixedWidth(values: T, value_range: T, nbins: int32; dtype=int32) -> out: dtype",
    _histogram,
    shape=lambda call: TensorShape([_known(call, 2)]),
    gradient=stops,
    types={"T": INDICES | WIDE_FLOATS},
)
op(
    "Bucketize(input: T; boundaries) -> output: int32",
    lambda xp, x, boundaries: xp.searchsorted(
        xp.asarray(np.asarray(boundaries, np.float32)), x.astype(np.float64), side="right"
    ).astype(np.int32),
    shape=unchanged,
    gradient=stops,
    types={"T": INDICES | WIDE_FLOATS},
)

# Public functions.


def _bin_count(values: Tensor, minlength: Any, maxlength: Any) -> Tensor:
    """How many bins: one more than the largest value, within the limits; fixed where these agree."""
    kind = values.dtype
    limits = [None if each is None else _length(each, kind) for each in (minlength, maxlength)]
    if isinstance(minlength, int) and minlength == maxlength:
        return limits[0]
    size = execute("Cast", (execute("Size", (values,), {"out_type": dtypes.int32}),), {"DstT": kind})
    nonempty = execute("Cast", (execute("Greater", (size, convert_to_tensor(0, kind))),), {"DstT": kind})
    count = nonempty * (reduce("Max", values, None, False, None) + 1)
    if limits[0] is not None:
        count = execute("Maximum", (limits[0], count))
    if limits[1] is not None:
        count = execute("Minimum", (limits[1], count))
    return count


def _length(value: Any, kind: DType) -> Tensor:
    tensor = index_vector(value)
    return tensor if tensor.dtype == kind else execute("Cast", (tensor,), {"DstT": kind})


@export("math.bincount", v1=[])
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Tensor:
    """How often each integer from 0 occurs.

    Args:
      arr: non-negative integers: a tensor, or with `axis` a `SparseTensor` or `RaggedTensor`.
      weights: what each occurrence counts, in the shape of `arr`; 1 by default.
      minlength: at least so many bins.
      maxlength: at most so many bins; larger integers are not counted.
      dtype: the dtype of the counts where there are no weights.
      name: the node's name in a graph.
      axis: None or 0 counts all elements together, -1 each row by itself.
      binary_output: 1 where an integer occurs, however often.

    Returns:
      A vector of counts, or with `axis=-1` a matrix with one row for each row of `arr`.

    Raises:
      ValueError: `axis` is something else, or `binary_output` is asked for with weights.
      InvalidArgumentError: an integer is negative, or `weights` has another shape.

    Example:
      >>> import penstock as tf
      >>> tf.math.bincount([1, 1, 3]).numpy()
      array([0, 2, 0, 1], dtype=int32)
    """
    if axis not in (None, 0, -1):
        raise ValueError(
            f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported."
        )
    with name_scope(name, "bincount"):
        by_row = axis == -1 and isinstance(arr, CompositeTensor)
        if isinstance(arr, CompositeTensor):
            weights = None if weights is None else weights_of(arr, weights)
        values = integers(flat_values(arr) if isinstance(arr, CompositeTensor) else convert_to_tensor(arr))
        size = _bin_count(values, minlength, maxlength)
        if weights is None:
            kind = dtypes.as_dtype(dtype)
            weights = convert_to_tensor(np.zeros(0, (kind if kind in _WEIGHTS else dtypes.int32).np_dtype))
        else:
            weights = convert_to_tensor(weights)
            kind = weights.dtype
        if by_row:
            counts = bincount_by_row(arr, size, weights, bool(binary_output))
        else:
            if axis != -1:
                values, weights = flat_values(values), flat_values(weights)
            counts = execute("DenseBincount", (values, size, weights), {"binary_output": bool(binary_output)})
        return counts if counts.dtype == kind else execute("Cast", (counts,), {"DstT": kind})


@export(v1=["math.bincount", "bincount"])
def bincount_v1(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = dtypes.int32
) -> Tensor:
    """TF 1's signature of `tf.math.bincount`."""
    return bincount(arr, weights, minlength, maxlength, dtype)


@export("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """How many values fall in each of `nbins` bins of equal width; values outside count in the first or last bin.

    Args:
      values: a tensor of numbers.
      value_range: the lower and the upper bound, a tensor of shape [2] in the dtype of `values`.
      nbins: the number of bins.
      dtype: the dtype of the counts.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the range is empty or `nbins` is not positive.

    Example:
      >>> import penstock as tf
      >>> tf.histogram_fixed_width([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0], [0.0, 5.0], nbins=5).numpy()
      array([2, 1, 1, 0, 2], dtype=int32)
    """
    values = convert_to_tensor(values)
    value_range = convert_to_tensor(value_range, values.dtype.base_dtype)
    attrs = {"dtype": dtypes.as_dtype(dtype)}
    return execute("HistogramFixedWidth", (values, value_range, index_vector(nbins)), attrs, name)


@export("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """The bin of `tf.histogram_fixed_width` in which each value falls, in the shape of `values`.

    Example:
      >>> import penstock as tf
      >>> tf.histogram_fixed_width_bins([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0], [0.0, 5.0], nbins=5).numpy()
      array([0, 0, 1, 2, 4, 4], dtype=int32)
    """
    with name_scope(name, "histogram_fixed_width_bins"):
        values = convert_to_tensor(values)
        low, high = (convert_to_tensor(value_range, values.dtype.base_dtype)[i] for i in (0, 1))
        scaled = (values - low) / (high - low)
        count = execute("Cast", (index_vector(nbins),), {"DstT": scaled.dtype})
        places = execute("Floor", (count * scaled,))
        bounded = execute("ClipByValue", (places, convert_to_tensor(0, scaled.dtype), count - 1))
        return execute("Cast", (bounded,), {"DstT": dtypes.as_dtype(dtype)})
