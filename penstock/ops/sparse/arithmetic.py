"""Sums, products, minima and maxima of sparse tensors with sparse or dense ones, and `tf.sparse.map_values`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.xla import jnp
from penstock.ops.arguments import index_vector
from penstock.ops.casting import cast
from penstock.ops.gathering import gather_nd
from penstock.ops.scattering import scatter_nd
from penstock.ops.sparse.conversion import as_sparse, is_sparse, linear_index, parts
from penstock.ops.sparse.slicing import like_sparse
from penstock.types import dtypes, nest
from penstock.types.dtypes import DType
from penstock.types.sparse_tensor import SparseTensor, SparseTensorValue
from penstock.types.tensors import Tensor

# Two sparse tensors.


def _check_shapes(a_shape: Any, b_shape: Any) -> None:
    if not np.array_equal(a_shape, b_shape):
        raise ValueError(
            f"Operands' shapes do not match: got {np.asarray(a_shape).tolist()} and {np.asarray(b_shape).tolist()}"
        )


def _union(
    a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any
) -> tuple[Any, ...]:
    """The sorted union of two sets of indices, and both sets of values on it, zero where they have none."""
    _check_shapes(a_shape, b_shape)
    a_places, b_places = linear_index(np, a_indices, a_shape), linear_index(np, b_indices, b_shape)
    places, first = np.unique(np.concatenate([a_places, b_places]), return_index=True)
    indices = np.concatenate([a_indices, b_indices])[first]
    left, right = np.zeros(len(places), a_values.dtype), np.zeros(len(places), b_values.dtype)
    np.add.at(left, np.searchsorted(places, a_places), a_values)
    np.add.at(right, np.searchsorted(places, b_places), b_values)
    return indices, left, right


def _add(
    a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any, thresh: Any
) -> tuple[Any, Any, Any]:
    indices, left, right = _union(a_indices, a_values, a_shape, b_indices, b_values, b_shape)
    total = left + right
    kept = np.abs(total) >= thresh
    return indices[kept], total[kept], a_shape


def _add_gradient(call: Any, unused: Any, dy: Any, also_unused: Any) -> list[Any]:
    a_indices, b_indices = call.inputs[0], call.inputs[3]
    da, db = execute("SparseAddGrad", (dy, a_indices, b_indices, call.outputs[0]))
    return [None, da, None, None, db, None, None]


def _add_values_gradient(dy: Any, a_indices: Any, b_indices: Any, sum_indices: Any) -> tuple[Any, Any]:
    bound = np.maximum.reduce([each.max(0, initial=0) for each in (a_indices, b_indices, sum_indices)]) + 1
    places = linear_index(np, sum_indices, bound)

    def taken(indices: Any) -> Any:
        wanted = linear_index(np, indices, bound)
        at = np.minimum(np.searchsorted(places, wanted), max(len(places) - 1, 0))
        result = np.zeros(len(wanted), dy.dtype)
        if len(places):
            result = np.where(places[at] == wanted, dy[at], 0).astype(dy.dtype)
        return result

    return taken(a_indices), taken(b_indices)


op(
    "SparseAdd(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64,"
    " thresh: Treal) -> (sum_indices: int64, sum_values: T, sum_shape: int64)",
    numpy=_add,
    shape=like_sparse,
    gradient=_add_gradient,
)


def _add_second_gradient(call: Any, dda: Any, ddb: Any) -> list[Any]:
    _, a_indices, b_indices, sum_indices = call.inputs
    joined = execute("ConcatV2", ([a_indices, b_indices], index_vector(0)))
    shape = execute("Max", (joined, index_vector([0]))) + 1
    nothing = convert_to_tensor(0, _real(dda.dtype))
    places, values, _ = execute("SparseAdd", (a_indices, dda, shape, b_indices, ddb, shape, nothing))
    return [values_at(values, places, sum_indices), None, None, None]


def values_at(values: Tensor, places: Tensor, wanted: Tensor) -> Tensor:
    """The values at the rows of indices `wanted`, where `places` are the sorted indices of the values."""
    return execute("SparseAddGrad", (values, wanted, wanted, places))[0]


op(
    "SparseAddGrad(backprop_val_grad: T, a_indices: int64, b_indices: int64, sum_indices: int64)"
    " -> (a_val_grad: T, b_val_grad: T)",
    numpy=_add_values_gradient,
    shape=lambda call: [call.shape(1)[:1], call.shape(2)[:1]],
    gradient=_add_second_gradient,
)


def _extremum(op_type: str, function: Callable) -> None:
    def choose(*both: Any) -> tuple[Any, Any]:
        indices, left, right = _union(*both)
        return indices, function(left, right)

    op(
        f"{op_type}(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64)"
        " -> (output_indices: int64, output_values: T)",
        numpy=choose,
        shape=lambda call: like_sparse(call)[:2],
        gradient=stops,
    )


_extremum("SparseSparseMaximum", np.maximum)
_extremum("SparseSparseMinimum", np.minimum)


@export("sparse.maximum", v1=["sparse.maximum", "sparse_maximum"])
def maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The elementwise maximum; elements that are not given count as zero.

    Example:
      >>> import penstock as tf
      >>> a, b = tf.SparseTensor([[0]], [-1], [3]), tf.SparseTensor([[2]], [5], [3])
      >>> tf.sparse.maximum(a, b).values.numpy().tolist()
      [0, 5]
    """
    sp_a, sp_b = as_sparse(sp_a), as_sparse(sp_b)
    indices, values = execute("SparseSparseMaximum", (*parts(sp_a), *parts(sp_b)), None, name)
    return SparseTensor(indices, values, sp_a.dense_shape)


@export("sparse.minimum", v1=["sparse.minimum", "sparse_minimum"])
def minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The elementwise minimum; elements that are not given count as zero."""
    sp_a, sp_b = as_sparse(sp_a), as_sparse(sp_b)
    indices, values = execute("SparseSparseMinimum", (*parts(sp_a), *parts(sp_b)), None, name)
    return SparseTensor(indices, values, sp_a.dense_shape)


# A sparse tensor and a dense one.


def _columns(indices: Any) -> tuple[Any, ...]:
    return tuple(indices[:, axis] for axis in range(np.shape(indices)[1]))


def _add_dense(xp: Any, indices: Any, values: Any, shape: Any, dense: Any) -> Any:
    if xp is not np:
        return jnp.asarray(dense).at[_columns(indices)].add(values)
    _check_shapes(shape, np.shape(dense))
    total = np.array(dense)
    np.add.at(total, _columns(indices), values)
    return total


op(
    "SparseTensorDenseAdd(a_indices: Tindices, a_values: T, a_shape: Tindices, b: T) -> output: T",
    _add_dense,
    shape=lambda call: call.shape(3),
    gradient=lambda call, dy: [None, gather_nd(dy, call.inputs[0]), None, dy],
)


def _dense_at(xp: Any, indices: Any, dense: Any) -> Any:
    """The elements of `dense`, broadcast to the sparse tensor's shape, at its indices."""
    rank = np.ndim(dense)
    if rank == 0:
        return dense
    last = indices[:, np.shape(indices)[1] - rank :]
    ones = np.asarray([size == 1 for size in np.shape(dense)])
    return dense[_columns(xp.where(ones, 0, last))]


def _with_dense(combine: Callable) -> Callable:
    def kernel(xp: Any, indices: Any, values: Any, shape: Any, dense: Any) -> Any:
        if xp is np:
            if np.ndim(dense) > len(shape):
                raise ValueError(
                    f"dense has rank {np.ndim(dense)}, more than the sparse tensor's {len(shape)}"
                )
            for size, whole in zip(np.shape(dense)[::-1], np.asarray(shape)[::-1]):
                if size not in (1, whole):
                    raise ValueError(
                        "SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: "
                        f"{np.asarray(shape).tolist()} vs. {list(np.shape(dense))}"
                    )
        return combine(values, _dense_at(xp, indices, dense)).astype(values.dtype)

    return kernel


def _spread(call: Any, gradients: Tensor) -> Tensor:
    """Gradients of single elements as a tensor of the dense operand's shape."""
    indices, _, _, dense = call.inputs
    dense_shape = execute("Shape", (dense,), {"out_type": dtypes.int64})
    rank, whole = dense.shape.rank, indices.shape[1]
    if rank == 0:
        return execute("Sum", (gradients, index_vector([0])))
    last = indices[:, whole - rank :]
    inside = execute("FloorMod", (last, dense_shape))  # an axis of size 1 has only place 0
    return scatter_nd(inside, gradients, dense_shape)


def _taken(call: Any) -> Tensor:
    """The dense operand's elements at the indices, in ops."""
    indices, _, _, dense = call.inputs
    rank, whole = dense.shape.rank, indices.shape[1]
    if rank == 0:
        return dense
    dense_shape = execute("Shape", (dense,), {"out_type": dtypes.int64})
    return gather_nd(dense, execute("FloorMod", (indices[:, whole - rank :], dense_shape)))


def _multiply_gradient(call: Any, dy: Any) -> list[Any]:
    return [None, dy * _taken(call), None, _spread(call, dy * call.inputs[1])]


def _divide_gradient(call: Any, dy: Any) -> list[Any]:
    dense = _taken(call)
    return [None, dy / dense, None, _spread(call, -dy * call.inputs[1] / (dense * dense))]


def _quotient(values: Any, dense: Any) -> Any:
    return values / dense if values.dtype.kind in "fc" or values.dtype.kind == "V" else values // dense


for _op_type, _combine, _gradient in (
    ("SparseDenseCwiseMul", lambda values, dense: values * dense, _multiply_gradient),
    ("SparseDenseCwiseDiv", _quotient, _divide_gradient),
    (
        "SparseDenseCwiseAdd",
        lambda values, dense: values + dense,
        lambda call, dy: [None, dy, None, _spread(call, dy)],
    ),
):
    op(
        f"{_op_type}(sp_indices: int64, sp_values: T, sp_shape: int64, dense: T) -> output: T",
        _with_dense(_combine),
        shape=lambda call: call.shape(1),
        gradient=_gradient,
    )


def _real(dtype: DType) -> DType:
    return dtype.real_dtype if dtype.is_complex else dtype


@export("sparse.add", v1=[])
def add(a: Any, b: Any, threshold: Any = 0) -> Any:
    """The sum of two tensors, of which at least one is sparse.

    Args:
      threshold: elements of a sparse sum whose magnitude is below it are left out.

    Returns:
      A SparseTensor where both are sparse, else a tensor.

    Raises:
      TypeError: neither is sparse.

    Example:
      >>> import penstock as tf
      >>> a, b = tf.SparseTensor([[0]], [1], [3]), tf.SparseTensor([[0], [2]], [5, 6], [3])
      >>> tf.sparse.add(a, b).values.numpy().tolist()
      [6, 6]
    """
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError("At least one input should be SparseTensor; do you mean to use tf.add()?")
    if is_sparse(a) and is_sparse(b):
        a, b = as_sparse(a), as_sparse(b)
        bound = convert_to_tensor(threshold, _real(a.values.dtype))
        result = SparseTensor(*execute("SparseAdd", (*parts(a), *parts(b), bound)))
        result.set_shape(a.shape.merge_with(b.shape) if a.shape.is_compatible_with(b.shape) else None)
        return result
    sparse, dense = (a, b) if is_sparse(a) else (b, a)
    sparse = as_sparse(sparse)
    return execute("SparseTensorDenseAdd", (*parts(sparse), convert_to_tensor(dense, sparse.dtype)))


@export(v1=["sparse.add", "sparse_add"])
def add_v1(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """TF 1's `sparse_add`, with its older argument name `thresh`."""
    found = thresh if threshold is None else threshold
    return add(a, b, 0 if found is None else found)


@export("sparse.map_values")
def map_values(op: Callable, *args: Any, **kwargs: Any) -> Any:
    """Calls `op` on the values of sparse arguments, which must all have the same indices.

    Returns:
      A SparseTensor with what `op` returned as its values; what it returned where no argument is sparse.

    Raises:
      ValueError: the sparse arguments have different numbers of elements.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.map_values(tf.abs, tf.SparseTensor([[1]], [-5], [3])).values.numpy().tolist()
      [5]
    """
    sparse = [
        each for each in [*nest.flatten(list(args)), *nest.flatten(kwargs)] if isinstance(each, SparseTensor)
    ]

    def plain(value: Any) -> Any:
        if isinstance(value, SparseTensor):
            return value.values
        if isinstance(value, (list, tuple)) and not isinstance(value, SparseTensorValue):
            return type(value)(plain(each) for each in value)
        return value

    values = op(*(plain(each) for each in args), **{name: plain(each) for name, each in kwargs.items()})
    if not sparse:
        return values
    first = sparse[0]
    for each in sparse[1:]:
        if not each.values.shape[:1].is_compatible_with(first.values.shape[:1]):
            raise ValueError(
                f"map_values: the sparse arguments must have the same indices; got {each.indices} and {first.indices}"
            )
    result = SparseTensor(first.indices, convert_to_tensor(values), first.dense_shape)
    result.set_shape(first.shape)
    return result


def _with_dense_operand(op_type: str, name: str) -> Callable:
    def operator(sparse: SparseTensor, dense: Any) -> Any:
        if is_sparse(dense):
            return NotImplemented
        dense = convert_to_tensor(dense, sparse.dtype)
        return SparseTensor(
            sparse.indices, execute(op_type, (*parts(sparse), dense), None, name), sparse.dense_shape
        )

    return operator


def _true_division(sparse: SparseTensor, dense: Any) -> Any:
    if is_sparse(dense):
        return NotImplemented
    dense = convert_to_tensor(dense, sparse.dtype)
    if sparse.dtype.is_integer:
        kind = dtypes.float32 if sparse.dtype.size < 4 else dtypes.float64
        sparse, dense = sparse.with_values(cast(sparse.values, kind)), cast(dense, kind)
    return _divide(sparse, dense)


_multiply = _with_dense_operand("SparseDenseCwiseMul", "mul")
_divide = _with_dense_operand("SparseDenseCwiseDiv", "div")
SparseTensor.__mul__ = SparseTensor.__rmul__ = _multiply
SparseTensor.__div__ = _divide
SparseTensor.__truediv__ = _true_division


# Softmax over the last axis.


def _softmax(xp: Any, indices: Any, values: Any, shape: Any) -> Any:
    count = np.shape(values)[0]
    if not count:
        return values
    rows = linear_index(xp, indices[:, :-1], shape[:-1])
    starts = xp.concatenate([xp.zeros(1, np.int64), (rows[1:] != rows[:-1]).astype(np.int64)])
    group = xp.cumsum(starts)
    if xp is np:
        highest = np.full(count, -np.inf, values.dtype)
        np.maximum.at(highest, group, values)
        powers = np.exp(values - highest[group])
        total = np.zeros(count, values.dtype)
        np.add.at(total, group, powers)
    else:
        highest = jnp.full(count, -jnp.inf, values.dtype).at[group].max(values)
        powers = jnp.exp(values - highest[group])
        total = jnp.zeros(count, values.dtype).at[group].add(powers)
    return powers / total[group]


def _softmax_gradient(call: Any, dy: Any) -> list[Any]:
    indices, _, shape = call.inputs
    y = call.outputs[0]
    totals = execute("SparseReduceSum", (indices, dy * y, shape, index_vector([-1])), {"keep_dims": True})
    return [None, execute("SparseDenseCwiseAdd", (indices, dy, shape, -totals)) * y, None]


op(
    "SparseSoftmax(sp_indices: int64, sp_values: T, sp_shape: int64) -> output: T",
    _softmax,
    shape=lambda call: call.shape(1),
    gradient=_softmax_gradient,
)


@export("sparse.softmax", v1=["sparse.softmax", "sparse_softmax"])
def softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Softmax over the last axis, among the elements that are given.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.softmax(tf.SparseTensor([[0, 0], [0, 2]], [1.0, 1.0], [1, 3])).values.numpy().tolist()
      [0.5, 0.5]
    """
    sp_input = as_sparse(sp_input)
    return sp_input.with_values(execute("SparseSoftmax", parts(sp_input), None, name))
