"""`tf.distribute.ReduceOp`, and reducing and joining values that are at hand, one for each replica."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import errors
from penstock.types.indexed_slices import IndexedSlices


@export("distribute.ReduceOp")
class ReduceOp(enum.Enum):
    """How values of replicas are combined."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        """The reduction that belongs to a variable's aggregation.

        Raises:
          ValueError: none does.
        """
        if aggregation.name in ("SUM", "MEAN"):
            return ReduceOp(aggregation.name)
        raise ValueError(
            f"Could not convert from `tf.VariableAggregation` {aggregation} to `tf.distribute.ReduceOp` type"
        )


def reduction(value: Any) -> ReduceOp:
    """The `ReduceOp` that a member or its name means.

    Raises:
      ValueError: it is neither.
    """
    return value if isinstance(value, ReduceOp) else ReduceOp(str(value).upper())


def as_value(value: Any) -> Any:
    """A value of one replica as a tensor or as slices."""
    return value if isinstance(value, IndexedSlices) else convert_to_tensor(value)


def total(parts: Sequence[Any], kind: ReduceOp) -> Any:
    """The sum or mean of tensors, or of slices (whose rows are joined).

    Raises:
      InvalidArgumentError: they cannot be added.
    """
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], IndexedSlices):
        return _joined_slices(parts, kind)
    check_addable(parts)
    result = execute("AddN", (list(parts),), None)
    return result / convert_to_tensor(len(parts), result.dtype) if kind is ReduceOp.MEAN else result


def check_addable(parts: Sequence[Any]) -> None:
    """Raises InvalidArgumentError where values of replicas have a dtype that cannot be added."""
    for each in parts:
        if not each.dtype.is_numpy_compatible or each.dtype.name in ("string", "bool"):
            raise errors.InvalidArgumentError(
                None, None, f"reduce: values of dtype {each.dtype.name} cannot be added: expected numbers"
            )


def _joined_slices(parts: Sequence[IndexedSlices], kind: ReduceOp) -> IndexedSlices:
    values = [convert_to_tensor(each.values) for each in parts]
    if kind is ReduceOp.MEAN:
        values = [each / convert_to_tensor(len(parts), each.dtype) for each in values]
    indices = [convert_to_tensor(each.indices) for each in parts]
    return IndexedSlices(joined(values, 0), joined(indices, 0), parts[0].dense_shape)


def total_along(parts: Sequence[Any], kind: ReduceOp, axis: Any) -> Any:
    """The sum or mean of all elements along `axis` (one or several) of all tensors together.

    Raises:
      TypeError: `axis` is no number.
    """
    where = convert_to_tensor(axis)
    if not where.dtype.is_integer:
        raise TypeError(f"reduce: axis must be an integer or a tuple of integers, got {axis!r}")
    result = total([execute("Sum", (each, where), None) for each in parts], ReduceOp.SUM)
    if kind is ReduceOp.SUM:
        return result
    sizes = [_size_along(each, where) for each in parts]
    return result / execute("Cast", (total(sizes, ReduceOp.SUM),), {"DstT": result.dtype})


def _size_along(value: Any, where: Any) -> Any:
    sizes = execute("GatherV2", (execute("Shape", (value,), None), where, convert_to_tensor(0)), None)
    return execute("Prod", (execute("Reshape", (sizes, convert_to_tensor([-1]))), convert_to_tensor(0)), None)


def joined(parts: Sequence[Any], axis: int) -> Any:
    """Tensors one after the other along an axis."""
    if len(parts) == 1:
        return parts[0]
    return execute("ConcatV2", (list(parts), convert_to_tensor(axis)), None)


def check_gather(value: Any, axis: Any) -> None:
    """Raises where values of replicas cannot be joined along `axis`.

    Raises:
      NotImplementedError: they are slices, whose rows have no order.
      ValueError: `axis` is None or out of range.
    """
    if isinstance(value, IndexedSlices):
        raise NotImplementedError("gather does not support IndexedSlices")
    if axis is None:
        raise ValueError("gather: axis must be an integer, got None")
    rank = value.shape.rank
    if rank is not None and not -rank <= axis < rank:
        raise ValueError(f"gather: axis {axis} is out of range for a value of rank {rank}")
