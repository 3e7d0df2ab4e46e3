"""Sparse tensors from and to dense ones, and in another order or shape: `tf.sparse.to_dense`, `reorder`, `reshape`, ...

The public names of `SparseTensor` are here too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import constant, convert_to_tensor
from penstock.engine.definition import Check, op, stops
from penstock.engine.execute import execute
from penstock.engine.execute import where as at_line
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, from_input
from penstock.engine.static_value import constant_value, static_ints
from penstock.engine.xla import jnp
from penstock.ops.arguments import index_vector
from penstock.ops.casting import cast
from penstock.ops.comparison import not_equal
from penstock.ops.concatenation import concat, stack
from penstock.ops.creation import ones, zeros
from penstock.ops.gathering import gather, gather_nd
from penstock.ops.placeholders import placeholder_with_default
from penstock.ops.ranges import range_
from penstock.ops.reduce_functions import reduce_max
from penstock.ops.reshaping import reshape as dense_reshape
from penstock.ops.selection import where
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor, SparseTensorSpec, SparseTensorValue
from penstock.types.specs import register_type_spec_from_value_converter
from penstock.types.tensors import Tensor

export("SparseTensor", "sparse.SparseTensor")(SparseTensor)
export("SparseTensorSpec")(SparseTensorSpec)
export(v1=["SparseTensorValue"])(SparseTensorValue)
register_type_spec_from_value_converter(SparseTensorValue, SparseTensorSpec.from_value)


def as_sparse(value: Any) -> SparseTensor:
    """`value` as a SparseTensor.

    Raises:
      TypeError: it is neither a SparseTensor nor a SparseTensorValue.
    """
    if isinstance(value, SparseTensor):
        return value
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    raise TypeError(f"Input must be a SparseTensor. Received: {value!r}")


def parts(value: SparseTensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three tensors of a sparse tensor, in the order that ops take them."""
    return (value.indices, value.values, value.dense_shape)


@export(v1=["convert_to_tensor_or_sparse_tensor"])
def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Converts a value to a tensor, or leaves a sparse one."""
    if isinstance(value, SparseTensorValue):
        value = SparseTensor.from_value(value)
    if isinstance(value, SparseTensor):
        if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(value.dtype):
            raise RuntimeError(
                f"Sparse dtype mismatch. Requested: {dtypes.as_dtype(dtype).name}, Actual: {value.dtype.name}"
            )
        return value
    return convert_to_tensor(value, dtype, name=name)


@export(v1=["sparse.placeholder", "sparse_placeholder"])
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor of a graph that `Session.run` is fed, as a `SparseTensorValue` or a triple of arrays."""
    from penstock.graph.graph import current_graph

    def named(part: str, otherwise: str = "Placeholder") -> str:
        return f"{name}/{part}" if name else otherwise

    def node(kind: Any, dims: Any, part: str) -> Tensor:
        attrs = {"dtype": dtypes.as_dtype(kind), "shape": TensorShape(dims)}
        return execute("Placeholder", (), attrs, named(part))

    with current_graph().as_default():
        if isinstance(shape, Tensor):
            known, rank, dense_shape = TensorShape(None), shape.shape[0], shape
        elif shape is None or getattr(shape, "rank", 0) is None:
            known, rank, dense_shape = TensorShape(None), None, node(dtypes.int64, [None], "shape")
        else:
            known = TensorShape([None if dim == -1 else dim for dim in shape])
            rank = known.rank
            # What counts where no shape is fed: the given one, with -1 for sizes that are not known.
            sizes = [-1 if dim is None else dim for dim in known.as_list()]
            default = constant(sizes, dtypes.int64, name=named("shape_default", "Const"))
            dense_shape = placeholder_with_default(default, [rank], named("shape", "PlaceholderWithDefault"))
        result = SparseTensor(
            values=node(dtype, [None], "values"),
            indices=node(dtypes.int64, [None, rank], "indices"),
            dense_shape=dense_shape,
        )
    result.set_shape(known)
    return result


# To dense.


def check_sparse(indices: np.ndarray, shape: Sequence[int], ordered: bool) -> None:
    """Raises ValueError where indices lie outside of `shape`, or (`ordered`) are not sorted or repeat."""
    outside = ((indices < 0) | (indices >= np.asarray(shape, np.int64))).any(-1)
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(
            f"indices[{place}] = {indices[place].tolist()} is out of bounds: need 0 <= index < {list(shape)}"
        )
    if not ordered or len(indices) < 2:
        return
    linear = linear_index(np, indices, shape)
    wrong = linear[1:] <= linear[:-1]
    if wrong.any():
        place = int(np.argmax(wrong)) + 1
        if linear[place] == linear[place - 1]:
            raise ValueError(f"indices[{place}] = {indices[place].tolist()} is repeated")
        raise ValueError(
            f"indices[{place}] = {indices[place].tolist()} is out of order. Many sparse ops require sorted indices.\n"
            "    Use `tf.sparse.reorder` to create a correctly ordered copy."
        )


def linear_index(xp: Any, indices: Any, shape: Any) -> Any:
    """The row-major position of each row of `indices` in an array of that shape."""
    sizes = xp.asarray(shape, dtype=np.int64)
    after = xp.concatenate([xp.cumprod(sizes[::-1])[::-1][1:], xp.ones(1, np.int64)]) if len(sizes) else sizes
    return (indices * after).sum(-1)


def _as_matrix(indices: Any) -> Any:
    if np.ndim(indices) == 0:
        return indices.reshape(1, 1)
    return indices.reshape(-1, 1) if np.ndim(indices) == 1 else indices


def _to_dense(
    indices: Any, output_shape: Any, values: Any, default: Any, *, validate_indices: bool
) -> np.ndarray:
    shape, indices = static_ints(output_shape), _as_matrix(np.asarray(indices))
    if np.ndim(default):
        raise ValueError(f"default_value should be a scalar, got shape {list(np.shape(default))}")
    if indices.shape[1] != len(shape):
        raise ValueError(
            f"output_shape has incorrect number of elements: {len(shape)} should be: {indices.shape[1]}"
        )
    check_sparse(indices, shape, validate_indices)
    values = np.asarray(values)
    dense = np.empty(shape, values.dtype)
    dense[...] = default
    if shape:
        dense[tuple(indices.T)] = values
    elif values.size:
        dense[...] = values.reshape(-1)[-1]
    return dense


def _to_dense_xla(
    indices: Any, output_shape: Any, values: Any, default: Any, *, validate_indices: bool
) -> Any:
    shape, indices = static_ints(output_shape), _as_matrix(indices)
    if np.ndim(default):
        raise ValueError(f"default_value should be a scalar, got shape {list(np.shape(default))}")
    dense = jnp.full(shape, default)
    return (
        dense.at[tuple(indices[:, axis] for axis in range(len(shape)))].set(values)
        if shape
        else jnp.reshape(values, ())
    )


def _to_dense_gradient(call: Any, dy: Any) -> list[Any]:
    indices, _, values, _ = call.inputs
    taken = gather_nd(dy, _matrix(indices))
    if values.shape.rank == 0:
        taken = execute("Sum", (taken, index_vector([0])))
    rest = execute("Sub", (_sum(dy), _sum(taken)))
    return [None, None, taken, rest]


def _matrix(indices: Tensor) -> Tensor:
    rank = indices.shape.rank
    return indices if rank not in (0, 1) else dense_reshape(indices, [-1, 1])


def _sum(x: Tensor) -> Tensor:
    return execute("Sum", (x, execute("Range", (index_vector(0), execute("Rank", (x,)), index_vector(1)))))


op(
    "SparseToDense(sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T;"
    " validate_indices=True) -> dense: T",
    numpy=_to_dense,
    xla=_to_dense_xla,
    shape=from_input(1),
    gradient=_to_dense_gradient,
)


@export("sparse.to_dense", v1=["sparse.to_dense", "sparse_tensor_to_dense"])
def to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """A sparse tensor as a dense one.

    Args:
      sp_input: a `SparseTensor`.
      default_value: what the elements that are not given are; zero (or the empty string) by default.
      validate_indices: whether to check that indices are sorted and do not repeat.

    Raises:
      InvalidArgumentError: indices are out of bounds, out of order, or repeated.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.to_dense(tf.SparseTensor([[1], [3]], [5, 6], [4]), default_value=-1).numpy().tolist()
      [-1, 5, -1, 6]
    """
    sp_input = as_sparse(sp_input)
    if default_value is None:
        default_value = zeros([], sp_input.dtype)
    default_value = convert_to_tensor(default_value, sp_input.dtype)
    inputs = (sp_input.indices, sp_input.dense_shape, sp_input.values, default_value)
    dense = execute("SparseToDense", inputs, {"validate_indices": validate_indices}, name)
    if thread.graph is not None:
        dense.set_shape(sp_input.shape)
    return dense


@export(v1=["sparse_to_dense"])
def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A dense tensor with given elements at given places, and `default_value` elsewhere."""
    values = convert_to_tensor(sparse_values)
    indices = index_vector(sparse_indices)
    shape = convert_to_tensor(output_shape, indices.dtype)
    inputs = (indices, shape, values, convert_to_tensor(default_value, values.dtype))
    return execute("SparseToDense", inputs, {"validate_indices": validate_indices}, name)


@export("sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of a dense tensor that are not zero (or the empty string).

    Example:
      >>> import penstock as tf
      >>> tf.sparse.from_dense([[0, 3], [4, 0]]).indices.numpy().tolist()
      [[0, 1], [1, 0]]
    """
    tensor = convert_to_tensor(tensor)
    zero = convert_to_tensor(
        b"" if tensor.dtype is dtypes.string else False if tensor.dtype.is_bool else 0, tensor.dtype
    )
    indices = where(not_equal(tensor, zero))
    shape = execute("Shape", (tensor,), {"out_type": dtypes.int64})
    result = SparseTensor(indices, gather_nd(tensor, indices), shape)
    result.set_shape(tensor.shape)
    return result


# Order.


def row_major_order(xp: Any, indices: Any) -> Any:
    """The permutation that sorts rows of indices; equal ones keep their order."""
    if np.shape(indices)[1] == 0:
        return xp.arange(np.shape(indices)[0])
    return xp.lexsort(tuple(indices[:, axis] for axis in reversed(range(np.shape(indices)[1]))))


def _reorder(xp: Any, indices: Any, values: Any, shape: Any) -> tuple[Any, Any]:
    order = row_major_order(xp, indices)
    return indices[order], values[order]


def _reorder_shapes(call: ShapeCall) -> list[TensorShape]:
    indices, values = call.shape(0).with_rank(2), call.shape(1).with_rank(1)
    count = indices[:1].merge_with(values)
    return [count.concatenate(indices[1:]), count]


def _reorder_gradient(call: Any, unused: Any, dy: Any) -> list[Any]:
    indices, values, shape = call.inputs
    count = execute("Size", (values,), {"out_type": dtypes.int32})
    places = execute("Range", (index_vector(0), count, index_vector(1)))
    _, order = execute("SparseReorder", (indices, places, shape))
    return [None, gather(dy, execute("InvertPermutation", (order,))), None]


op(
    "SparseReorder(input_indices: int64, input_values: T, input_shape: int64)"
    " -> (output_indices: int64, output_values: T)",
    _reorder,
    shape=_reorder_shapes,
    gradient=_reorder_gradient,
)


@export("sparse.reorder", v1=["sparse.reorder", "sparse_reorder"])
def reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same sparse tensor with its indices in row-major order.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.reorder(tf.SparseTensor([[2], [0]], [5, 6], [3])).values.numpy().tolist()
      [6, 5]
    """
    sp_input = as_sparse(sp_input)
    indices, values = execute("SparseReorder", parts(sp_input), None, name)
    return _like(SparseTensor(indices, values, sp_input.dense_shape), sp_input.shape)


def _like(result: SparseTensor, shape: Any) -> SparseTensor:
    """`result` with what is known of its shape."""
    result.set_shape(shape)
    return result


# Shape.


def _filled_in(xp: Any, shape: Any, new_shape: Any) -> Any:
    """The new shape with a size of -1 replaced."""
    known = xp.prod(xp.where(new_shape == -1, 1, new_shape), dtype=np.int64)
    free = xp.prod(xp.asarray(shape), dtype=np.int64) // xp.maximum(known, 1)
    return xp.where(new_shape == -1, free, new_shape).astype(np.int64)


def _does_not_fit(xp: Any, indices: Any, shape: Any, new_shape: Any) -> Any:
    fits = xp.prod(_filled_in(xp, shape, new_shape)) == xp.prod(xp.asarray(shape), dtype=np.int64)
    return xp.logical_not(fits & (xp.sum(xp.asarray(new_shape) == -1) < 2))


def _misfit(indices: Any, shape: Any, new_shape: Any) -> errors.OpError:
    got, wanted = ("?" if each is None else np.asarray(each).tolist() for each in (shape, new_shape))
    return errors.InvalidArgumentError(
        None,
        None,
        f"SparseReshape: the input has dense shape {got}, which cannot become {wanted}: the number of elements must stay, and "
        f"one dimension at most may be -1{at_line()}",
    )


def _reshape(xp: Any, indices: Any, shape: Any, new_shape: Any) -> tuple[Any, Any]:
    sizes = _filled_in(xp, shape, new_shape)
    if xp is np and _does_not_fit(np, indices, shape, new_shape):
        raise _misfit(indices, shape, new_shape)
    linear = linear_index(xp, indices, shape)
    if not len(sizes):
        return xp.zeros((len(indices), 0), np.int64), sizes
    after = xp.concatenate([xp.cumprod(sizes[::-1])[::-1][1:], xp.ones(1, np.int64)])
    return linear[:, None] // xp.maximum(after, 1) % xp.maximum(sizes, 1), sizes


op(
    "SparseReshape(input_indices: int64, input_shape: int64, new_shape: int64)"
    " -> (output_indices: int64, output_shape: int64)",
    _reshape,
    shape=lambda call: [TensorShape([call.shape(0)[0], call.shape(2)[0]]), call.shape(2)],
    gradient=stops,
    check=Check(_does_not_fit, _misfit),
)


@export("sparse.reshape", v1=["sparse.reshape", "sparse_reshape"])
def reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same elements in row-major order in another shape, of which one size may be -1.

    Raises:
      ValueError: the numbers of elements differ.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.reshape(tf.SparseTensor([[1, 0]], [5], [2, 3]), [-1]).indices.numpy().tolist()
      [[3]]
    """
    sp_input = as_sparse(sp_input)
    target = (
        convert_to_tensor(shape, dtypes.int64) if not isinstance(shape, Tensor) else cast(shape, dtypes.int64)
    )
    static = target._as_shape()
    given = sp_input.shape
    if static.rank is not None and given.num_elements() is not None:
        dims = static.as_list()
        known = math.prod(dim for dim in dims if dim is not None)
        value = constant_value(target)
        if value is not None and dims.count(None) == 1 and known:
            static = TensorShape([given.num_elements() // known if dim is None else dim for dim in dims])
        if (
            thread.graph is not None
            and static.is_fully_defined()
            and static.num_elements() != given.num_elements()
        ):
            raise ValueError(
                f"Cannot reshape a tensor with {given.num_elements()} elements to shape {list(dims)} "
                f"({known} elements)."
            )
    indices, dense_shape = execute(
        "SparseReshape", (sp_input.indices, sp_input.dense_shape, target), None, name
    )
    return _like(SparseTensor(indices, sp_input.values, dense_shape), static)


@export("sparse.transpose", v1=["sparse.transpose", "sparse_transpose"])
def transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """Axis i of the result is axis `perm[i]` of `sp_input`; by default the axes are reversed.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.transpose(tf.SparseTensor([[0, 2]], [5], [2, 3])).indices.numpy().tolist()
      [[2, 0]]
    """
    sp_input = as_sparse(sp_input)
    if perm is None:
        rank = sp_input.shape.rank
        if rank is not None:
            perm = list(reversed(range(rank)))
        else:
            last = execute("Size", (sp_input.dense_shape,))
            perm = range_(last - 1, -1, -1)
    order = index_vector(perm)
    known, value = sp_input.shape, constant_value(order)
    swapped = SparseTensor(
        gather(sp_input.indices, order, axis=1), sp_input.values, gather(sp_input.dense_shape, order)
    )
    if value is not None and known.rank is not None:
        swapped.set_shape([known[int(axis)] for axis in value])
    return reorder(swapped, name)


@export("sparse.expand_dims")
def expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """The same tensor with a new axis of size 1 at position `axis` (the last by default).

    Example:
      >>> import penstock as tf
      >>> tf.sparse.expand_dims(tf.SparseTensor([[2]], [5], [3]), 0).indices.numpy().tolist()
      [[0, 2]]
    """
    sp_input = as_sparse(sp_input)
    rank = sp_input.shape.rank
    axis = -1 if axis is None else int(constant_value(axis))
    if rank is None:
        raise ValueError("sparse.expand_dims: the rank of the input must be known")
    if not -rank - 1 <= axis <= rank:
        raise errors.InvalidArgumentError(None, None, f"axis must be in [{-rank - 1}, {rank}], got {axis}")
    axis = axis + rank + 1 if axis < 0 else axis
    indices, dense_shape = sp_input.indices, sp_input.dense_shape
    column = zeros(stack([execute("Size", (sp_input.values,)), 1]), dtypes.int64)
    result = SparseTensor(
        concat([indices[:, :axis], column, indices[:, axis:]], 1),
        sp_input.values,
        concat([dense_shape[:axis], ones([1], dtypes.int64), dense_shape[axis:]], 0),
    )
    dims = sp_input.shape.as_list()
    return _like(result, [*dims[:axis], 1, *dims[axis:]])


@export("sparse.reset_shape", v1=["sparse.reset_shape", "sparse_reset_shape"])
def reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same elements in a larger shape, or in the smallest that holds them.

    Raises:
      ValueError: `new_shape` has another rank, or is smaller than the shape.
    """
    sp_input = as_sparse(sp_input)
    if new_shape is None:
        tight = execute(
            "Maximum", (reduce_max(sp_input.indices, 0) + 1, zeros([sp_input.shape.rank], dtypes.int64))
        )
        return SparseTensor(sp_input.indices, sp_input.values, tight)
    target = cast(convert_to_tensor(new_shape), dtypes.int64)
    static, given = target._as_shape(), sp_input.shape
    if static.rank is not None and given.rank is not None:
        if static.rank != given.rank:
            raise ValueError(f"Dimensions {given.rank} and {static.rank} are not compatible")
        for old, new in zip(given.as_list(), static.as_list(), strict=True):
            if old is not None and new is not None and new < old:
                raise ValueError(
                    f"Requested shape should have dimension sizes >= sp_input.shape. Found: {static}, sp_input: {given}"
                )
    return SparseTensor(sp_input.indices, sp_input.values, target)


# Other sources.


@export("sparse.eye")
def eye(
    num_rows: Any, num_columns: Any = None, dtype: Any = dtypes.float32, name: str | None = None
) -> SparseTensor:
    """A sparse matrix with ones on the diagonal."""
    rows = cast(convert_to_tensor(num_rows), dtypes.int64)
    columns = rows if num_columns is None else cast(convert_to_tensor(num_columns), dtypes.int64)
    count = execute("Minimum", (rows, columns))
    diagonal = range_(count)
    return SparseTensor(
        stack([diagonal, diagonal], 1),
        ones(execute("Reshape", (count, index_vector([1]))), dtype),
        stack([rows, columns]),
    )


@export("sparse.to_indicator", v1=["sparse.to_indicator", "sparse_to_indicator"])
def to_indicator(sp_input: Any, vocab_size: int, name: str | None = None) -> Tensor:
    """A dense bool tensor `[..., vocab_size]` that says which ids each row of `sp_input` holds."""
    sp_input = as_sparse(sp_input)
    truth = sp_input.with_values(execute("OnesLike", (cast(sp_input.values, dtypes.int32),)))
    merged = merge(sp_input, truth, vocab_size, name=name)
    return to_dense(merged.with_values(cast(merged.values, dtypes.bool)), False, validate_indices=False)


@export(v1=["sparse.merge", "sparse_merge"])
def merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """A sparse tensor whose last index is given by the values of `sp_ids`, with the values of `sp_values`."""
    many = isinstance(sp_ids, (list, tuple))
    ids = [as_sparse(each) for each in (sp_ids if many else [sp_ids])]
    sizes = list(vocab_size) if many else [vocab_size]
    sp_values = as_sparse(sp_values)
    columns = [dense_reshape(cast(each.values, dtypes.int64), [-1, 1]) for each in ids]
    last = [dense_reshape(cast(convert_to_tensor(size), dtypes.int64), [1]) for size in sizes]
    result = SparseTensor(
        concat([ids[0].indices[:, :-1], *columns], 1),
        sp_values.values,
        concat([ids[0].dense_shape[:-1], *last], 0),
    )
    return result if already_sorted else reorder(result)


def is_sparse(value: Any) -> bool:
    """Whether `value` is a sparse tensor."""
    return isinstance(value, (SparseTensor, SparseTensorValue))
