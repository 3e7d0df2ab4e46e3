"""Public functions that order elements: sort, argsort, top_k, searchsorted, argmax, in_top_k."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import dtype_of, index_vector, matching, name_scope, renamed
from penstock.ops.broadcasting import shape_of
from penstock.types import dtypes
from penstock.types.tensors import Tensor


class TopKV2(NamedTuple):
    """The result of `tf.math.top_k`: the values in descending order, and where they were."""

    values: Tensor
    indices: Tensor


class ApproxTopK(NamedTuple):
    """The result of `tf.math.approx_max_k`: the values in descending order, and where they were."""

    values: Tensor
    indices: Tensor


@export("math.top_k", "nn.top_k")
def top_k(
    input: Any, k: Any = 1, sorted: bool = True, index_type: Any = dtypes.int32, name: str | None = None
) -> TopKV2:
    """The k largest elements of each row (the last dimension), and their indices.

    Of equal elements the one with the smaller index comes first.

    Args:
      input: a tensor of real numbers with at least one dimension.
      k: how many; at most the length of a row.
      sorted: whether they must come in descending order (here they always do).
      index_type: the dtype of the indices: int16, int32 or int64.
      name: the node's name in a graph.

    Returns:
      A named tuple (values, indices).

    Raises:
      InvalidArgumentError: rows are shorter than k.

    Example:
      >>> import penstock as tf
      >>> values, indices = tf.math.top_k([1, 98, 1, 1, 99], k=3)
      >>> values.numpy(), indices.numpy()
      (array([99, 98,  1], dtype=int32), array([4, 1, 0], dtype=int32))
    """
    k = index_vector(k)
    attrs = {"sorted": bool(sorted), "index_type": dtypes.as_dtype(index_type)}
    return TopKV2(*execute("TopKV2", (convert_to_tensor(input), k), attrs, name))


def _approximate(operand: Any, k: int, largest: bool, name: str | None, **hints: Any) -> ApproxTopK:
    attrs = {"k": int(k), "is_max_k": largest, **hints}
    return ApproxTopK(*execute("ApproxTopK", (convert_to_tensor(operand),), attrs, name))


@export("math.approx_max_k", "nn.approx_max_k")
def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
    name: str | None = None,
) -> ApproxTopK:
    """The k largest elements along a dimension; on TPUs approximate and fast, elsewhere exact.

    Args:
      operand: a floating tensor.
      k: how many.
      reduction_dimension: the dimension to look along.
      recall_target: the share of the true top k that must be found.
      reduction_input_size_override: where the operand is a part of a larger one, that one's size.
      aggregate_to_topk: whether to reduce to exactly k elements.
      name: the node's name in a graph.

    Returns:
      A named tuple (values, indices).

    Example:
      >>> import penstock as tf
      >>> tf.math.approx_max_k([1.0, 5.0, 3.0], 2).indices.numpy()
      array([1, 2], dtype=int32)
    """
    return _approximate(
        operand, k, True, name, reduction_dimension=reduction_dimension, recall_target=recall_target,
        reduction_input_size_override=reduction_input_size_override, aggregate_to_topk=aggregate_to_topk,
    )  # fmt: skip


@export("math.approx_min_k", "nn.approx_min_k")
def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
    name: str | None = None,
) -> ApproxTopK:
    """The k smallest elements along a dimension; arguments as in `tf.math.approx_max_k`.

    Example:
      >>> import penstock as tf
      >>> tf.math.approx_min_k([1.0, 5.0, 3.0], 2).indices.numpy()
      array([0, 2], dtype=int32)
    """
    return _approximate(
        operand, k, False, name, reduction_dimension=reduction_dimension, recall_target=recall_target,
        reduction_input_size_override=reduction_input_size_override, aggregate_to_topk=aggregate_to_topk,
    )  # fmt: skip


# Sorting is TopKV2 of all elements. Ascending order is the descending order of the opposites: -x for floats, and for
# integers ~x, which unlike -x cannot overflow.


def _opposite(x: Tensor) -> Tensor:
    return execute("Invert" if x.dtype.is_integer else "Neg", (x,))


def _sorted_along(values: Any, axis: Any, direction: str, indices: bool) -> Tensor:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(
            f"Argument `direction` should be one of ASCENDING, DESCENDING. Received: direction={direction}"
        )
    x = convert_to_tensor(values)
    known = constant_value(convert_to_tensor(axis))
    if known is None or known.ndim:
        raise ValueError(f"axis must be a constant scalar, got {axis!r}")
    axis, rank = int(known), x.shape.rank
    if rank is None:
        if axis != -1:
            raise ValueError("Cannot sort along another axis than the last one of a tensor of unknown rank")
    elif not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for a tensor of rank {rank}")
    order = None
    if rank is not None and axis % rank != rank - 1:
        order = list(range(rank))
        order[axis], order[-1] = order[-1], order[axis]  # its own inverse
        x = execute("Transpose", (x, convert_to_tensor(order)))
    ascending = direction == "ASCENDING"
    length = execute(
        "StridedSlice", (shape_of(x), *(convert_to_tensor([each]) for each in (-1, 0, 1))), _LAST
    )
    found = top_k(_opposite(x) if ascending else x, length)
    result = found.indices if indices else _opposite(found.values) if ascending else found.values
    return result if order is None else execute("Transpose", (result, convert_to_tensor(order)))


_LAST = {"begin_mask": 0, "end_mask": 1, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}


@export("sort")
def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """The elements in order along an axis.

    Args:
      values: a tensor of real numbers with at least one dimension.
      axis: the axis to sort along.
      direction: "ASCENDING" or "DESCENDING".
      name: the node's name in a graph.

    Raises:
      ValueError: `axis` is no constant, or `direction` is something else.

    Example:
      >>> import penstock as tf
      >>> tf.sort([1, 10, 26.9, 2.8], direction="DESCENDING").numpy()
      array([26.9, 10. ,  2.8,  1. ], dtype=float32)
    """
    with name_scope(name, "sort"):
        return _sorted_along(values, axis, direction, indices=False)


@export("argsort")
def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The indices that sort the elements along an axis. Equal elements keep their order.

    Args:
      values: a tensor of real numbers with at least one dimension.
      axis: the axis to sort along.
      direction: "ASCENDING" or "DESCENDING".
      stable: whether equal elements must keep their order (here they always do).
      name: the node's name in a graph.

    Returns:
      An int32 tensor of the same shape.

    Example:
      >>> import penstock as tf
      >>> tf.argsort([1, 10, 26.9, 2.8]).numpy()
      array([0, 3, 1, 2], dtype=int32)
    """
    with name_scope(name, "argsort"):
        return _sorted_along(values, axis, direction, indices=True)


@export("searchsorted")
def searchsorted(
    sorted_sequence: Any,
    values: Any,
    side: str = "left",
    out_type: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """Where values would be inserted in sorted rows so that the order is kept.

    Args:
      sorted_sequence: rows (the last dimension) in ascending order.
      values: what to look for, with the same leading dimensions.
      side: "left" for the first place that fits, "right" for the last.
      out_type: the dtype of the result, int32 or int64.
      name: the node's name in a graph.

    Returns:
      Indices in the shape of `values`.

    Raises:
      ValueError: `side` is neither.
      InvalidArgumentError: the leading dimensions differ.

    Example:
      >>> import penstock as tf
      >>> tf.searchsorted([1, 3, 5, 7, 9], [0, 5, 10]).numpy()
      array([0, 2, 5], dtype=int32)
    """
    if side not in ("left", "right"):
        raise ValueError(f"Argument `side` must be either 'right' or 'left'. Received: `side` = '{side}'.")
    sorted_sequence, values = matching(sorted_sequence, values)

    def rows(x: Tensor) -> Tensor:
        last = execute(
            "StridedSlice", (shape_of(x), *(convert_to_tensor([each]) for each in (-1, 0, 1))), _LAST
        )
        return execute("Reshape", (x, execute("Pack", ([convert_to_tensor(-1), last],), {"axis": 0})))

    op_type = "LowerBound" if side == "left" else "UpperBound"
    found = execute(
        op_type, (rows(sorted_sequence), rows(values)), {"out_type": dtypes.as_dtype(out_type)}, name
    )
    return execute("Reshape", (found, shape_of(values)))


@export("math.in_top_k", "nn.in_top_k", v1=[])
def in_top_k(targets: Any, predictions: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether the target class of each example is among its k largest predictions.

    Args:
      targets: class ids, shape [batch], int32 or int64.
      predictions: a float32 tensor of shape [batch, classes].
      k: how many of the largest predictions count.
      name: the node's name in a graph.

    Returns:
      A bool tensor of shape [batch]; False where the target's prediction is not finite or the id is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.math.in_top_k([0, 1], [[0.1, 0.9], [0.2, 0.8]], k=1).numpy()
      array([False,  True])
    """
    targets = index_vector(targets)
    k = k if isinstance(k, Tensor) else convert_to_tensor(k, targets.dtype.base_dtype)
    predictions = convert_to_tensor(predictions, dtype_of(predictions) or dtypes.float32)
    return execute("InTopKV2", (predictions, targets, k), None, name or "in_top_k")


@export(v1=["math.in_top_k", "nn.in_top_k"])
def in_top_k_v1(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """TF 1's signature of `tf.math.in_top_k`."""
    return in_top_k(targets, predictions, k, name)


def _arg_extreme(op_type: str, input: Any, axis: Any, output_type: Any, name: str | None) -> Tensor:
    axis = index_vector(0 if axis is None else axis)
    attrs = {"output_type": dtypes.as_dtype(output_type)}
    return execute(op_type, (convert_to_tensor(input), axis), attrs, name)


@export("math.argmax", "argmax", v1=[])
def argmax(input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """The index of the largest element along an axis; of equal ones, the first.

    Args:
      input: a tensor of real numbers or bools.
      axis: the axis to look along; None means 0.
      output_type: the dtype of the indices: int64, int32, int16 or uint16.
      name: the node's name in a graph.

    Returns:
      A tensor without that axis.

    Raises:
      InvalidArgumentError: the axis is out of range, or empty.

    Example:
      >>> import penstock as tf
      >>> tf.math.argmax([[2, 20, 30], [3, 11, 40]], axis=1).numpy()
      array([2, 2])
    """
    return _arg_extreme("ArgMax", input, axis, output_type, name)


@export("math.argmin", "argmin", v1=[])
def argmin(input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """The index of the smallest element along an axis; of equal ones, the first. See `tf.math.argmax`.

    Example:
      >>> import penstock as tf
      >>> tf.math.argmin([[2, 20, 30], [3, 11, 40]], axis=1).numpy()
      array([0, 0])
    """
    return _arg_extreme("ArgMin", input, axis, output_type, name)


@export(v1=["math.argmax", "argmax"])
def argmax_v1(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """TF 1's signature of `tf.math.argmax`: `dimension` is the old name of `axis`."""
    return argmax(input, renamed(axis, dimension, "'axis' and 'dimension'"), output_type, name)


@export(v1=["math.argmin", "argmin"])
def argmin_v1(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """TF 1's signature of `tf.math.argmin`: `dimension` is the old name of `axis`."""
    return argmin(input, renamed(axis, dimension, "'axis' and 'dimension'"), output_type, name)


@export(v1=["arg_max"])
def arg_max(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """TF 1's older name of `tf.math.argmax`."""
    return argmax(input, dimension, output_type, name)


@export(v1=["arg_min"])
def arg_min(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """TF 1's older name of `tf.math.argmin`."""
    return argmin(input, dimension, output_type, name)


@export("math.invert_permutation", v1=["math.invert_permutation", "invert_permutation"])
def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The permutation y with y[x[i]] = i.

    Raises:
      InvalidArgumentError: an index is out of range, or occurs twice.

    Example:
      >>> import penstock as tf
      >>> tf.math.invert_permutation([3, 4, 0, 2, 1]).numpy()
      array([2, 4, 3, 0, 1], dtype=int32)
    """
    return execute("InvertPermutation", (convert_to_tensor(x),), None, name)
