"""Sparse tensors cut and joined: `tf.sparse.slice`, `concat`, `split`, `retain`, `fill_empty_rows`.

How many elements a cut holds depends on the data, so these ops run on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import Check, op
from penstock.engine.execute import execute
from penstock.engine.execute import where as at_line
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import index_vector
from penstock.ops.gathering import gather
from penstock.ops.reshaping import reshape
from penstock.ops.selection import where
from penstock.ops.sparse.conversion import as_sparse, linear_index, parts, row_major_order
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def like_sparse(call: ShapeCall) -> list[TensorShape]:
    """The shapes of an op's (indices, values, shape) where the number of elements is not known."""
    rank = call.shape(2)[0] if call.shape(2).rank == 1 else None
    return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rank])]


# Slice.


def _slice(indices: Any, values: Any, shape: Any, start: Any, size: Any) -> tuple[Any, Any, Any]:
    start, shape = np.asarray(start), np.asarray(shape)
    if (start < 0).any() or (size < 0).any():
        raise ValueError(
            f"start and size must not be negative, got {start.tolist()} and {np.asarray(size).tolist()}"
        )
    stop = np.minimum(start + size, shape)
    inside = ((indices >= start) & (indices < stop)).all(-1)
    return indices[inside] - start, values[inside], np.maximum(stop - start, 0)


def _slice_gradient(call: Any, unused: Any, dy: Any, also_unused: Any) -> list[Any]:
    indices, _, _, start, _ = call.inputs
    taken = execute("SparseSliceGrad", (dy, indices, start, call.outputs[0]))
    return [None, taken, None, None, None]


def _slice_values_gradient(dy: Any, indices: Any, start: Any, output_indices: Any) -> Any:
    shape = np.maximum(indices.max(0, initial=0), (output_indices + start).max(0, initial=0)) + 1
    result = np.zeros(len(indices), dy.dtype)
    places = np.searchsorted(
        linear_index(np, indices, shape), linear_index(np, output_indices + start, shape)
    )
    result[places] = dy
    return result


def _slice_second_gradient(call: Any, dd: Any) -> list[Any]:
    _, indices, start, output_indices = call.inputs
    wanted = output_indices + start
    return [execute("SparseAddGrad", (dd, wanted, wanted, indices))[0], None, None, None]


op(
    "SparseSlice(indices: int64, values: T, shape: int64, start: int64, size: int64)"
    " -> (output_indices: int64, output_values: T, output_shape: int64)",
    numpy=_slice,
    shape=like_sparse,
    gradient=_slice_gradient,
)
op(
    "SparseSliceGrad(backprop_val_grad: T, input_indices: int64, input_start: int64, output_indices: int64)"
    " -> val_grad: T",
    numpy=_slice_values_gradient,
    shape=lambda call: call.shape(1)[:1],
    gradient=_slice_second_gradient,
)


@export("sparse.slice", v1=["sparse.slice", "sparse_slice"])
def slice_(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """The block of a sparse tensor that begins at `start`; `size` may reach over the end.

    Example:
      >>> import penstock as tf
      >>> s = tf.SparseTensor([[0, 1], [1, 2]], [5, 6], [2, 3])
      >>> tf.sparse.slice(s, [1, 1], [1, 2]).indices.numpy().tolist()
      [[0, 1]]
    """
    sp_input = as_sparse(sp_input)
    block = (convert_to_tensor(start, dtypes.int64), convert_to_tensor(size, dtypes.int64))
    return SparseTensor(*execute("SparseSlice", (*parts(sp_input), *block), None, name))


slice_.__name__ = "slice"

# Concatenation.


def _shapes_differ(xp: Any, indices: list, values: list, shapes: list, *, concat_dim: int) -> Any:
    """Whether the shapes differ in another dimension than the one that is joined."""
    first = xp.asarray(shapes[0])
    other = np.arange(len(first)) != concat_dim % len(first)
    return xp.any(xp.stack([xp.any((xp.asarray(each) != first) & other) for each in shapes]))


def _shapes_error(indices: list, values: list, shapes: list, *, concat_dim: int) -> errors.OpError:
    got = ["?" if each is None else np.asarray(each).tolist() for each in shapes]
    text = f"SparseConcat: Input shapes must match except in the concat dimension {concat_dim}: got {got}{at_line()}"
    return errors.InvalidArgumentError(None, None, text)


def _concat(xp: Any, indices: list, values: list, shapes: list, *, concat_dim: int) -> tuple[Any, Any, Any]:
    rank = np.shape(shapes[0])[0]
    axis = concat_dim + rank if concat_dim < 0 else concat_dim
    if not 0 <= axis < rank:
        raise ValueError(f"Concat dimension must be in range [{-rank}, {rank}), got {concat_dim}")
    if xp is np and _shapes_differ(np, indices, values, shapes, concat_dim=concat_dim):
        raise _shapes_error(indices, values, shapes, concat_dim=concat_dim)
    unit = np.eye(rank, dtype=np.int64)[axis]
    offset, moved = 0, []
    for each, shape in zip(indices, shapes):
        moved.append(each + unit * offset)
        offset = offset + shape[axis]
    joined, joined_values = xp.concatenate(moved), xp.concatenate(values)
    if axis:
        order = row_major_order(xp, joined)
        joined, joined_values = joined[order], joined_values[order]
    return joined, joined_values, xp.where(unit == 1, offset, shapes[0])


def _concat_gradient(call: Any, unused: Any, dy: Any, also_unused: Any) -> list[Any]:
    count = len(call.inputs) // 3
    indices, values, shapes = (call.inputs[i * count : (i + 1) * count] for i in range(3))
    sizes = [execute("Size", (each,)) for each in values]
    total = index_vector(0)
    places = []
    for size in sizes:
        places.append(execute("Range", (total, execute("AddV2", (total, size)), index_vector(1))))
        total = execute("AddV2", (total, size))
    _, order, _ = execute(
        "SparseConcat", (list(indices), places, list(shapes)), {"concat_dim": call.attrs["concat_dim"]}
    )
    in_order = gather(dy, execute("InvertPermutation", (order,)))
    split_sizes = execute("Pack", (sizes,), {"axis": 0})
    split = execute("SplitV", (in_order, split_sizes, index_vector(0)), {"num_split": count})
    return [None] * count + list(split) + [None] * count


def _concat_shape(call: ShapeCall) -> list[TensorShape]:
    count = len(call.inputs) // 3
    pairs = [
        call.shape(i).with_rank(2)[:1].merge_with(call.shape(count + i).with_rank(1)) for i in range(count)
    ]
    sizes = [pair[0] for pair in pairs]
    total = None if None in sizes else sum(sizes)
    rank = next(
        (size for i in range(count) if (size := call.shape(2 * count + i).with_rank(1)[0]) is not None), None
    )
    return [TensorShape([total, rank]), TensorShape([total]), TensorShape([rank])]


op(
    "SparseConcat(indices: N*int64, values: N*T, shapes: N*int64; concat_dim)"
    " -> (output_indices: int64, output_values: T, output_shape: int64)",
    _concat,
    shape=_concat_shape,
    gradient=_concat_gradient,
    check=Check(_shapes_differ, _shapes_error),
)


@export("sparse.concat", v1=[])
def concat(
    axis: int, sp_inputs: Sequence[Any], expand_nonconcat_dims: bool = False, name: str | None = None
) -> SparseTensor:
    """Joins sparse tensors along an axis.

    Args:
      expand_nonconcat_dims: whether the other sizes may differ; the result has the largest of each.

    Example:
      >>> import penstock as tf
      >>> s = tf.SparseTensor([[0, 1]], [5], [1, 2])
      >>> tf.sparse.concat(0, [s, s]).indices.numpy().tolist()
      [[0, 1], [1, 1]]
    """
    inputs = [as_sparse(each) for each in sp_inputs]
    if len(inputs) == 1:
        return inputs[0]
    axis = int(constant_value(axis))
    shapes = [each.dense_shape for each in inputs]
    if expand_nonconcat_dims:
        largest = execute(
            "Max", (execute("Pack", (shapes,), {"axis": 0}), index_vector(0)), {"keep_dims": False}
        )
        rank = inputs[0].shape.rank
        here = convert_to_tensor([each == axis % rank for each in range(rank)])
        shapes = [execute("SelectV2", (here, each, largest)) for each in shapes]
    arguments = ([each.indices for each in inputs], [each.values for each in inputs], shapes)
    result = SparseTensor(*execute("SparseConcat", arguments, {"concat_dim": axis}, name))
    result.set_shape(_joined_shape([each.shape for each in inputs], axis, expand_nonconcat_dims))
    return result


def _joined_shape(shapes: list[TensorShape], axis: int, expand: bool) -> TensorShape:
    if any(shape.rank is None for shape in shapes):
        return TensorShape(None)
    rank = shapes[0].rank
    dims: list[int | None] = []
    for position in range(rank):
        sizes = [shape.as_list()[position] for shape in shapes]
        known = [size for size in sizes if size is not None]
        if position == axis % rank:
            dims.append(sum(known) if len(known) == len(sizes) else None)
        elif expand:
            dims.append(max(known) if len(known) == len(sizes) else None)
        else:
            dims.append(known[0] if known else None)
    return TensorShape(dims)


@export(v1=["sparse.concat", "sparse_concat"])
def concat_v1(
    axis: int | None = None,
    sp_inputs: Any = None,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: int | None = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """TF 1's `sparse_concat`, with its older argument names."""
    axis = concat_dim if axis is None else axis
    expand = expand_nonconcat_dim if expand_nonconcat_dims is None else expand_nonconcat_dims
    return concat(axis, sp_inputs, expand, name)  # type: ignore[arg-type]


# Split.


def _split(split_dim: Any, indices: Any, values: Any, shape: Any, *, num_split: int) -> list[Any]:
    axis, shape = int(split_dim), np.asarray(shape)
    axis = axis + len(shape) if axis < 0 else axis
    if not 0 <= axis < len(shape):
        raise ValueError(f"Input split_dim should be between 0 and rank ({len(shape)}), got {int(split_dim)}")
    if not 0 < num_split <= shape[axis]:
        raise ValueError(
            f"Input num_split should be between 1 and the splitting dimension size ({shape[axis]}), got {num_split}"
        )
    base, extra = divmod(int(shape[axis]), num_split)
    found: list[tuple] = []
    begin = 0
    for index in range(num_split):
        end = begin + base + (index < extra)
        inside = (indices[:, axis] >= begin) & (indices[:, axis] < end)
        moved = indices[inside].copy()
        moved[:, axis] -= begin
        size = shape.copy()
        size[axis] = end - begin
        found.append((moved, values[inside], size))
        begin = end
    return [each for column in zip(*found) for each in column]


def _split_shape(call: ShapeCall) -> list[TensorShape]:
    count = call.attrs["num_split"]
    rank = call.shape(3)[0] if call.shape(3).rank == 1 else None
    return [TensorShape([None, rank])] * count + [TensorShape([None])] * count + [TensorShape([rank])] * count


op(
    "SparseSplit(split_dim: int64, indices: int64, values: T, shape: int64; num_split)"
    " -> (output_indices: num_split*int64, output_values: num_split*T, output_shape: num_split*int64)",
    numpy=_split,
    shape=_split_shape,
)


@export("sparse.split", v1=[])
def split(
    sp_input: Any = None, num_split: int | None = None, axis: Any = None, name: str | None = None
) -> list[SparseTensor]:
    """Cuts a sparse tensor into `num_split` along an axis; the first ones are larger where it does not divide.

    Raises:
      ValueError: an argument is missing.
    """
    for value, argument in ((sp_input, "sp_input"), (num_split, "num_split"), (axis, "axis")):
        if value is None:
            raise ValueError(f"{argument} is required")
    sp_input = as_sparse(sp_input)
    inputs = (convert_to_tensor(axis, dtypes.int64), *parts(sp_input))
    outputs = execute("SparseSplit", inputs, {"num_split": num_split}, name)
    count = len(outputs) // 3
    return [SparseTensor(*outputs[index::count]) for index in range(count)]


@export(v1=["sparse.split", "sparse_split"])
def split_v1(
    keyword_required: Any = None,
    sp_input: Any = None,
    num_split: int | None = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """TF 1's `sparse_split`, with its older argument names; they must be named."""
    if keyword_required is not None:
        raise ValueError("Keyword arguments are required for this function.")
    return split(sp_input, num_split, split_dim if axis is None else axis, name)


# Retain and fill.


@export("sparse.retain", v1=["sparse.retain", "sparse_retain"])
def retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """The elements for which the bool vector `to_retain` is true.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.retain(tf.SparseTensor([[0], [2]], [5, 6], [3]), [False, True]).values.numpy().tolist()
      [6]
    """
    sp_input = as_sparse(sp_input)
    kept = convert_to_tensor(to_retain, dtypes.bool)
    kept.shape.assert_is_compatible_with(sp_input.values.shape[:1])
    positions = reshape(where(kept), [-1])
    result = SparseTensor(
        gather(sp_input.indices, positions), gather(sp_input.values, positions), sp_input.dense_shape
    )
    result.set_shape(sp_input.shape)
    return result


def _fill(indices: Any, values: Any, shape: Any, default: Any) -> tuple[Any, ...]:
    rows = int(shape[0])
    if len(indices) and (indices[:, 0].min() < 0 or indices[:, 0].max() >= rows):
        raise ValueError(
            f"indices must be rows of a tensor of shape {np.asarray(shape).tolist()}, got {indices[:, 0].tolist()}"
        )
    empty = np.ones(rows, np.bool_)
    empty[indices[:, 0]] = False
    added = np.zeros((int(empty.sum()), indices.shape[1]), np.int64)
    added[:, 0] = np.flatnonzero(empty)
    filled = np.empty(len(added), values.dtype)
    filled[...] = default
    joined, joined_values = np.concatenate([indices, added]), np.concatenate([values, filled])
    order = np.argsort(joined[:, 0], kind="stable")
    reverse = np.empty(len(order), np.int64)
    reverse[order] = np.arange(len(order))
    return joined[order], joined_values[order], empty, reverse[: len(indices)]


def _fill_shape(call: ShapeCall) -> list[TensorShape]:
    rows = call.shape_from(2)
    return [
        TensorShape([None, call.shape(0)[1]]),
        TensorShape([None]),
        TensorShape([rows.as_list()[0] if rows.rank else None]),
        call.shape(1),
    ]


def _fill_gradient(call: Any, unused: Any, dy: Any, *also_unused: Any) -> list[Any]:
    d_values, d_default = execute("SparseFillEmptyRowsGrad", (call.outputs[3], dy))
    return [None, d_values, None, d_default]


def _fill_values_gradient(reverse: Any, dy: Any) -> tuple[Any, Any]:
    filled = np.ones(len(dy), np.bool_)
    filled[reverse] = False
    return dy[reverse], dy[filled].sum(dtype=dy.dtype)


def _fill_second_gradient(call: Any, dd_values: Any, dd_default: Any) -> list[Any]:
    reverse, dy = call.inputs
    default = execute("OnesLike", (dy,)) * dd_default
    return [None, execute("TensorScatterUpdate", (default, reverse[:, None], dd_values))]


op(
    "SparseFillEmptyRows(indices: int64, values: T, dense_shape: int64, default_value: T)"
    " -> (output_indices: int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64)",
    numpy=_fill,
    shape=_fill_shape,
    gradient=_fill_gradient,
)
op(
    "SparseFillEmptyRowsGrad(reverse_index_map: int64, grad_values: T) -> (d_values: T, d_default_value: T)",
    numpy=_fill_values_gradient,
    shape=lambda call: [call.shape(0), TensorShape([])],
    gradient=_fill_second_gradient,
)


@export("sparse.fill_empty_rows", v1=["sparse.fill_empty_rows", "sparse_fill_empty_rows"])
def fill_empty_rows(
    sp_input: Any, default_value: Any, name: str | None = None
) -> tuple[SparseTensor, Tensor]:
    """Puts an element `default_value` at the start of each row that has none.

    Returns:
      The filled tensor, and a bool vector that says which rows were empty.

    Example:
      >>> import penstock as tf
      >>> filled, empty = tf.sparse.fill_empty_rows(tf.SparseTensor([[1, 1]], [5], [2, 2]), 0)
      >>> filled.indices.numpy().tolist(), empty.numpy().tolist()
      ([[0, 0], [1, 1]], [True, False])
    """
    sp_input = as_sparse(sp_input)
    default = convert_to_tensor(default_value, sp_input.values.dtype)
    indices, values, empty, _ = execute("SparseFillEmptyRows", (*parts(sp_input), default), None, name)
    result = SparseTensor(indices, values, sp_input.dense_shape)
    result.set_shape(sp_input.shape)
    return result, empty


def _fill_ragged(rowids: Any, values: Any, rows: Any, default: Any) -> tuple[Any, ...]:
    indices, filled, empty, reverse = _fill(np.asarray(rowids)[:, None], values, [rows], default)
    return indices[:, 0], filled, empty, reverse


def _fill_ragged_gradient(call: Any, unused: Any, dy: Any, *also_unused: Any) -> list[Any]:
    d_values, d_default = execute("RaggedFillEmptyRowsGrad", (call.outputs[3], dy))
    return [None, d_values, None, d_default]


op(
    "RaggedFillEmptyRows(value_rowids: int64, values: T, nrows: int64, default_value: T)"
    " -> (output_value_rowids: int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64)",
    numpy=_fill_ragged,
    shape=lambda call: [TensorShape([None])] * 3 + [call.shape(0)],
    gradient=_fill_ragged_gradient,
)
op(
    "RaggedFillEmptyRowsGrad(reverse_index_map: int64, grad_values: T) -> (d_values: T, d_default_value: T)",
    numpy=_fill_values_gradient,
    shape=lambda call: [call.shape(0), TensorShape([])],
    gradient=_fill_second_gradient,
)


@export("ragged_fill_empty_rows")
def ragged_fill_empty_rows(
    value_rowids: Any, values: Any, nrows: Any, default_value: Any, name: str | None = None
) -> list[Tensor]:
    """Puts `default_value` into each empty row of a ragged tensor given by row ids.

    Returns:
      The new row ids and values, a bool vector that says which rows were empty, and where each value went.
    """
    values = convert_to_tensor(values)
    rows = convert_to_tensor(nrows, dtypes.int64)
    inputs = (
        convert_to_tensor(value_rowids, dtypes.int64),
        values,
        rows,
        convert_to_tensor(default_value, values.dtype),
    )
    return execute("RaggedFillEmptyRows", inputs, None, name)


@export("ragged_fill_empty_rows_grad")
def ragged_fill_empty_rows_grad(
    reverse_index_map: Any, grad_values: Any, name: str | None = None
) -> list[Tensor]:
    """The gradients of `ragged_fill_empty_rows` for the values and the default value."""
    inputs = (convert_to_tensor(reverse_index_map, dtypes.int64), convert_to_tensor(grad_values))
    return execute("RaggedFillEmptyRowsGrad", inputs, None, name)


@export("sparse.mask", v1=["sparse.mask", "sparse_mask"])
def mask(a: Any, mask_indices: Any, name: str | None = None) -> Any:
    """The slices of an `IndexedSlices` whose indices are not in `mask_indices`."""
    from penstock.types.indexed_slices import IndexedSlices

    indices = convert_to_tensor(a.indices)
    masked = convert_to_tensor(mask_indices, indices.dtype)
    kept, positions = execute("ListDiff", (indices, masked), {"out_idx": dtypes.int32})
    return IndexedSlices(gather(a.values, positions), kept, a.dense_shape)
