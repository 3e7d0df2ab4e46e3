"""Sums of selected rows by segment: SparseSegmentSum, -Mean, -SqrtN: what embedding lookups with many ids compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.engine.xla import jnp
from penstock.ops.arguments import index_vector
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import FLOATS, INDICES, REAL
from penstock.ops.segment_ops import check_sorted, expanded_like, reduce_numpy, reduce_xla
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# Kind -> what a sum over n rows is divided by.
_DIVISORS: dict[str, Callable | None] = {"Sum": None, "Mean": lambda n: n, "SqrtN": np.sqrt}


def _check_indices(indices: np.ndarray, rows: int) -> None:
    bad = np.flatnonzero((indices < 0) | (indices >= rows))
    if len(bad):
        raise ValueError(f"Bad: indices[{bad[0]}] == {indices[bad[0]]} out of range [0, {rows})")


def _rows_per_segment(kind: str, ids: np.ndarray, count: int) -> np.ndarray:
    """The divisor of every segment, at least 1."""
    return _DIVISORS[kind](np.maximum(np.bincount(ids, minlength=count), 1).astype(np.float64))


def _column(values: np.ndarray, like: Any, dtype: Any) -> np.ndarray:
    return values.reshape(-1, *[1] * (np.ndim(like) - 1)).astype(dtype)


def _forward(kind: str) -> tuple[Callable, Callable]:
    def count_of(indices: Any, ids: np.ndarray, num_segments: Any) -> int:
        return check_sorted(indices, ids, None if num_segments is None else int(static(num_segments)))

    def finish(total: Any, ids: np.ndarray, count: int) -> Any:
        if kind == "Sum":
            return total
        return total / _column(_rows_per_segment(kind, ids, count), total, total.dtype)

    def numpy(data: Any, indices: Any, ids: Any, num_segments: Any = None, *, sparse_gradient: bool) -> Any:
        count = count_of(indices, ids, num_segments)
        _check_indices(indices, data.shape[0])
        return finish(reduce_numpy("Sum", data[indices], ids, count), ids, count)

    def xla(data: Any, indices: Any, ids: Any, num_segments: Any = None, *, sparse_gradient: bool) -> Any:
        ids = static(ids)
        count = count_of(indices, ids, num_segments)
        return finish(reduce_xla("Sum", jnp.take(data, indices, 0), ids, count), ids, count)

    return numpy, xla


def _backward(kind: str) -> tuple[Callable, Callable]:
    """Rows of the gradient go to the rows that were selected, divided as the sums were."""

    def scaled(grad: Any, ids: np.ndarray) -> Any:
        if kind == "Sum":
            return grad[ids]
        return grad[ids] / _column(_rows_per_segment(kind, ids, grad.shape[0])[ids], grad, grad.dtype)

    def numpy(grad: Any, indices: Any, ids: Any, output_dim0: Any) -> Any:
        rows = int(output_dim0)
        _check_indices(indices, rows)
        return reduce_numpy("Sum", scaled(grad, ids), indices, rows)

    def xla(grad: Any, indices: Any, ids: Any, output_dim0: Any) -> Any:
        return reduce_xla("Sum", scaled(grad, static(ids)), indices, int(static(output_dim0)))

    return numpy, xla


def _backward_rows(kind: str) -> Callable:
    """As above, but only the rows that were selected, and which they are; how many is only known from the data."""
    dense, _ = _backward(kind)

    def numpy(grad: Any, indices: Any, ids: Any, output_dim0: Any) -> tuple[Any, Any]:
        _check_indices(indices, int(output_dim0))
        unique, places = np.unique(indices, return_inverse=True)
        return dense(grad, places, ids, len(unique)), unique.astype(indices.dtype)

    return numpy


def _forward_shape(call: ShapeCall) -> TensorShape:
    data = call.shape(0).with_rank_at_least(1)
    call.shape(1).with_rank(1).merge_with(call.shape(2).with_rank(1))
    if data.rank is None:
        return data
    count, ids = (call.value(3) if len(call.inputs) > 3 else None), call.value(2)
    if count is None and len(call.inputs) == 3 and ids is not None:
        count = int(ids[-1]) + 1 if len(ids) else 0
    return TensorShape([None if count is None else int(count)]) + data[1:]


def _backward_shape(call: ShapeCall) -> TensorShape:
    grad, rows = call.shape(0), call.value(3)
    if grad.rank is None:
        return grad
    return TensorShape([None if rows is None else int(rows)]) + grad[1:]


def _forward_gradient(kind: str) -> Callable:
    def rule(call: Any, dy: Tensor) -> list[Any]:
        data, indices, ids = call.inputs[:3]
        if call.attrs["sparse_gradient"]:
            rows = execute("GatherV2", (_divided(kind, call, dy), ids, convert_to_tensor(0)))
            gradient: Any = IndexedSlices(rows, indices, shape_of(data))
        else:
            gradient = execute(f"SparseSegment{kind}Grad", (dy, indices, ids, shape_of(data)[0]))
        return [gradient, *[None] * (len(call.inputs) - 1)]

    return rule


def _divided(kind: str, call: Any, dy: Tensor) -> Tensor:
    """The gradient of each segment, divided as its sum was."""
    if kind == "Sum":
        return dy
    ids = call.inputs[2]
    count = execute("Shape", (dy,), {"out_type": dtypes.int32})[0]
    rows = execute("UnsortedSegmentSum", (execute("OnesLike", (ids,)), ids, count))
    rows = execute("Cast", (execute("Maximum", (rows, execute("OnesLike", (rows,)))),), {"DstT": dy.dtype})
    return dy / expanded_like(rows if kind == "Mean" else execute("Sqrt", (rows,)), dy)


def _gradient_of_gradient(kind: str) -> Callable:
    """The gradient op is linear in its first input; its adjoint is the forward op."""

    def rule(call: Any, dz: Tensor) -> list[Tensor | None]:
        grad, indices, ids = call.inputs[:3]
        count = execute("Shape", (grad,), {"out_type": dtypes.int32})[0]
        forward = execute(
            f"SparseSegment{kind}WithNumSegments", (dz, indices, ids, count), {"sparse_gradient": False}
        )
        return [forward, None, None, None]

    return rule


for _kind in _DIVISORS:
    _types = {"T": REAL if _kind == "Sum" else FLOATS, "Tidx": INDICES, "Tsegmentids": INDICES}
    _inputs = "data: T, indices: Tidx, segment_ids: Tsegmentids"
    _numpy, _xla = _forward(_kind)
    _rule = _forward_gradient(_kind)
    for _suffix, _extra in (("", ""), ("WithNumSegments", ", num_segments: Tnumsegments")):
        op(
            f"SparseSegment{_kind}{_suffix}({_inputs}{_extra}; sparse_gradient=False) -> output: T",
            numpy=_numpy,
            xla=_xla,
            shape=_forward_shape,
            gradient=_rule,
            types=_types,
        )
    _numpy, _xla = _backward(_kind)
    _inputs = "grad: T, indices: Tidx, segment_ids: Tsegmentids"
    op(
        f"SparseSegment{_kind}Grad({_inputs}, output_dim0: int32) -> output: T",
        numpy=_numpy,
        xla=_xla,
        shape=_backward_shape,
        gradient=_gradient_of_gradient(_kind),
        types={**_types, "T": FLOATS},
    )
    op(
        f"SparseSegment{_kind}GradV2({_inputs}, dense_output_dim0: int32) -> (output: T, sorted_unique_indices: Tidx)",
        numpy=_backward_rows(_kind),
        shape=lambda call: [TensorShape([None]) + call.shape(0)[1:], TensorShape([None])],
        gradient=stops,
        types={**_types, "T": FLOATS},
    )


# Public functions.


def _call(
    kind: str,
    data: Any,
    indices: Any,
    segment_ids: Any,
    num_segments: Any,
    name: str | None,
    sparse_gradient: bool,
) -> Tensor:
    inputs = [convert_to_tensor(data), index_vector(indices), index_vector(segment_ids)]
    attrs = {"sparse_gradient": bool(sparse_gradient)}
    if num_segments is None:
        return execute(f"SparseSegment{kind}", inputs, attrs, name)
    return execute(f"SparseSegment{kind}WithNumSegments", [*inputs, index_vector(num_segments)], attrs, name)


_DOC = """The {what} of selected rows by segment: of `data[indices]`, in the segments `segment_ids`.

    Args:
      data: a tensor of numbers with at least one dimension.
      indices: which rows to take.
      segment_ids: an ascending vector with the segment of each row taken.
      num_segments: how many segments there are; by default up to the last id.
      name: the node's name in a graph.
      sparse_gradient: whether the gradient of `data` is `IndexedSlices` of the selected rows.

    Returns:
      A tensor with one row for each segment; 0 for a segment without rows.

    Raises:
      InvalidArgumentError: an index is out of range, or the ids are not ascending.

    Example:
      >>> import penstock as tf
      >>> data = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
      >>> tf.sparse.{name}(data, indices=[0, 2], segment_ids=[0, 0]).numpy().round(2)
      array([[{result}]], dtype=float32)
    """


def _declare(kind: str, name: str, what: str, result: str) -> Callable:
    def function(
        data: Any,
        indices: Any,
        segment_ids: Any,
        num_segments: Any = None,
        name: str | None = None,
        sparse_gradient: bool = False,
    ) -> Tensor:
        return _call(kind, data, indices, segment_ids, num_segments, name, sparse_gradient)

    def function_v1(
        data: Any,
        indices: Any,
        segment_ids: Any,
        name: str | None = None,
        num_segments: Any = None,
        sparse_gradient: bool = False,
    ) -> Tensor:
        return _call(kind, data, indices, segment_ids, num_segments, name, sparse_gradient)

    function.__doc__ = _DOC.format(what=what, name=name, result=result)
    function_v1.__doc__ = f"TF 1's signature of `tf.sparse.{name}`."
    function.__name__ = function_v1.__name__ = name
    export(v1=[f"sparse.{name}", f"sparse_{name}"])(function_v1)
    return export(f"sparse.{name}", v1=[])(function)


__test__ = {
    name: _declare(kind, name, what, result)
    for kind, name, what, result in (
        ("Sum", "segment_sum", "sum", "6., 8."),
        ("Mean", "segment_mean", "mean", "3., 4."),
        ("SqrtN", "segment_sqrt_n", "sum divided by the square root of the number", "4.24, 5.66"),
    )
}
