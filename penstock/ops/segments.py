"""Public functions that reduce rows by segment: `tf.math.segment_sum`, `tf.math.unsorted_segment_mean`, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, name_scope
from penstock.ops.arithmetic_functions import truediv
from penstock.ops.segment_ops import expanded_like
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_SORTED_DOC = """The {what} of the rows of each segment.

    Args:
      data: rows to reduce; a tensor with at least one dimension.
      segment_ids: an ascending vector with the segment of each row, from 0.
      name: the node's name in a graph.

    Returns:
      A tensor with one row for each segment up to the last id; {empty} for a segment without rows.

    Raises:
      InvalidArgumentError: the ids are not ascending, or do not fit the data.

    Example:
      >>> import penstock as tf
      >>> tf.math.segment_{kind}([1.0, 2.0, 3.0], [0, 0, 1]).numpy()
      array([{result}], dtype=float32)
    """

_UNSORTED_DOC = """The {what} of the rows of each segment, ids in any order.

    Args:
      data: rows to reduce.
      segment_ids: the segment of each row; its shape is the beginning of that of `data`. Rows with negative ids are
        left out.
      num_segments: how many segments there are.
      name: the node's name in a graph.

    Returns:
      A tensor of shape `[num_segments] + data.shape[segment_ids.ndim:]`; {empty} for a segment without rows.

    Raises:
      InvalidArgumentError: an id is not below `num_segments`.

    Example:
      >>> import penstock as tf
      >>> tf.math.unsorted_segment_{kind}([1.0, 2.0, 3.0], [1, 0, 1], 2).numpy()
      array([{unsorted_result}], dtype=float32)
    """


def _names(function: str) -> tuple[list[str], list[str]]:
    return [f"math.{function}"], [f"math.{function}", function]


def _sorted_function(kind: str, what: str, empty: str, result: str) -> Callable:
    def function(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
        return execute(f"Segment{kind}", (convert_to_tensor(data), index_vector(segment_ids)), None, name)

    function.__name__ = function.__qualname__ = f"segment_{kind.lower()}"
    function.__doc__ = _SORTED_DOC.format(what=what, kind=kind.lower(), empty=empty, result=result)
    v2, v1 = _names(function.__name__)
    return export(*v2, v1=v1)(function)


def _unsorted_function(kind: str, what: str, empty: str, result: str) -> Callable:
    def function(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
        inputs = (convert_to_tensor(data), index_vector(segment_ids), index_vector(num_segments))
        return execute(f"UnsortedSegment{kind}", inputs, None, name)

    function.__name__ = function.__qualname__ = f"unsorted_segment_{kind.lower()}"
    function.__doc__ = _UNSORTED_DOC.format(what=what, kind=kind.lower(), empty=empty, unsorted_result=result)
    v2, v1 = _names(function.__name__)
    return export(*v2, v1=v1)(function)


__test__: dict[str, Callable] = {}
for _made in (
    _sorted_function("Sum", "sum", "0", "3., 3."),
    _sorted_function("Mean", "mean", "0", "1.5, 3. "),
    _sorted_function("Prod", "product", "1", "2., 3."),
    _sorted_function("Max", "maximum", "0", "2., 3."),
    _sorted_function("Min", "minimum", "0", "1., 3."),
    _unsorted_function("Sum", "sum", "0", "2., 4."),
    _unsorted_function("Prod", "product", "1", "2., 3."),
    _unsorted_function("Max", "maximum", "the least number of the dtype", "2., 3."),
    _unsorted_function("Min", "minimum", "the greatest number of the dtype", "2., 1."),
):
    __test__[_made.__name__] = _made


def _sums_and_counts(data: Any, segment_ids: Any, num_segments: Any) -> tuple[Tensor, Tensor]:
    """The sum of each segment, and its number of rows (at least 1) in a shape that broadcasts with it."""
    data, ids, count = convert_to_tensor(data), index_vector(segment_ids), index_vector(num_segments)
    total = execute("UnsortedSegmentSum", (data, ids, count))
    ones = execute(
        "Fill", (execute("Shape", (ids,), {"out_type": dtypes.int32}), convert_to_tensor(1, data.dtype))
    )
    rows = execute("UnsortedSegmentSum", (ones, ids, count))
    rows = execute("Maximum", (rows, execute("OnesLike", (rows,))))
    return total, expanded_like(rows, total)


@export("math.unsorted_segment_mean", v1=["math.unsorted_segment_mean", "unsorted_segment_mean"])
def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The mean of the rows of each segment, ids in any order; 0 for a segment without rows.

    Args:
      data: rows to reduce, of real numbers.
      segment_ids: the segment of each row. Rows with negative ids are left out.
      num_segments: how many segments there are.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.math.unsorted_segment_mean([1.0, 2.0, 3.0], [1, 0, 1], 2).numpy()
      array([2., 2.], dtype=float32)
    """
    with name_scope(name, "UnsortedSegmentMean"):
        return truediv(*_sums_and_counts(data, segment_ids, num_segments))


@export("math.unsorted_segment_sqrt_n", v1=["math.unsorted_segment_sqrt_n", "unsorted_segment_sqrt_n"])
def unsorted_segment_sqrt_n(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """The sum of the rows of each segment divided by the square root of their number. See `unsorted_segment_mean`.

    Example:
      >>> import penstock as tf
      >>> tf.math.unsorted_segment_sqrt_n([1.0, 1.0, 1.0, 1.0], [0, 0, 0, 0], 1).numpy()
      array([2.], dtype=float32)
    """
    with name_scope(name, "UnsortedSegmentSqrtN"):
        total, rows = _sums_and_counts(data, segment_ids, num_segments)
        return total / execute("Sqrt", (rows,))
