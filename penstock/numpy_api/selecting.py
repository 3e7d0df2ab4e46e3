"""Elements by condition, index or diagonal: `where`, `select`, `take`, `nonzero`, `compress`, `diag`, `ix_`, ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.numpy_api.arrays import asarray, converted, numpy_function, promoted, result_type
from penstock.numpy_api.creation import at_least
from penstock.numpy_api.reductions import sum_
from penstock.numpy_api.shaping import moveaxis, ravel
from penstock.ops import creation, gathering, selection
from penstock.ops.casting import cast
from penstock.ops.clipping import clip_by_value
from penstock.ops.concatenation import concat, unstack
from penstock.ops.elementwise import call_op
from penstock.ops.linalg import diagonals
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import broadcast_dynamic_shape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.tensors import Tensor


@numpy_function
def nonzero(a: Any) -> list[Tensor]:
    """The indices of elements that are not 0, one vector for each dimension."""
    a = at_least(1, asarray(a))
    if a.shape.rank is None:
        raise ValueError("nonzero: the rank of a must be known, since it is the number of results")
    return unstack(selection.where(cast(a, dtypes.bool)), a.shape.rank, axis=1)


@numpy_function
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """`x` where the condition holds, else `y`; without them the indices where it holds."""
    condition = asarray(condition, bool)
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("where: both x and y must be given, or none of them")
    x, y = promoted(x, y)
    return selection.where(condition, x, y)


@numpy_function
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Tensor:
    """From the first choice whose condition holds, else `default`.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.select([[True, False]], [[1, 2]], 9)
      <tf.Tensor: shape=(2,), dtype=int64, numpy=array([1, 9])>
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: there must be as many choices as conditions, at least one; got {len(choicelist)} and {len(condlist)}"
        )
    result, *choices = promoted(default, *choicelist)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = where(condition, choice, result)
    return result


@numpy_function
def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "clip") -> Tensor:
    """Along an axis, or of the flattened array. `mode` "clip" moves indices into range, "wrap" takes them modulo."""
    if out is not None:
        raise ValueError("take: setting out is not supported, since tensors are immutable.")
    if mode not in ("clip", "wrap"):
        raise ValueError(f"take: mode must be 'clip' or 'wrap', got {mode!r}")
    a, indices = asarray(a), asarray(indices)
    if axis is None:
        a, axis = ravel(a), 0
    count = cast(shape_of(a)[axis], indices.dtype)
    if mode == "clip":
        indices = clip_by_value(indices, converted(0, indices.dtype), count - converted(1, indices.dtype))
    else:
        indices = call_op("FloorMod", indices, count)
    return gathering.gather(a, indices, axis=axis)


@numpy_function
def take_along_axis(arr: Any, indices: Any, axis: int | None) -> Tensor:
    """One element for each index, found along `axis`; the other dimensions broadcast."""
    arr, indices = asarray(arr), asarray(indices)
    if axis is None:
        return take_along_axis(ravel(arr), indices, 0)
    arr, indices = moveaxis(arr, axis, -1), moveaxis(indices, axis, -1)
    count = cast(shape_of(arr)[-1], indices.dtype)
    indices = selection.where(indices < converted(0, indices.dtype), indices + count, indices)
    batch = _common_batch(arr, indices)
    rank = len(arr.shape)
    arr, indices = (_in_batch(each, batch) for each in (arr, indices))
    return moveaxis(gathering.gather(arr, indices, batch_dims=rank - 1), -1, axis)


def _common_batch(arr: Tensor, indices: Tensor) -> Tensor:
    return broadcast_dynamic_shape(shape_of(arr)[:-1], shape_of(indices)[:-1])


def _in_batch(x: Tensor, batch: Tensor) -> Tensor:
    return broadcast_to(x, concat([batch, shape_of(x)[-1:]], 0))


@numpy_function
def compress(condition: Any, a: Any, axis: int | None = None) -> Tensor:
    """The slices along `axis` for which the condition, a vector that may be too short, holds."""
    condition, a = asarray(condition, bool), at_least(1, asarray(a))
    if condition.shape.rank != 1:
        raise ValueError(f"compress: condition must be a vector, got shape {condition.shape}")
    if axis is None:
        a, axis = ravel(a), 0
    axis %= len(a.shape)
    missing = a.shape[axis] - condition.shape[0]
    if missing > 0:
        condition = concat([condition, creation.fill([missing], False)], 0)
    return selection.boolean_mask(a, condition, axis=axis)


@numpy_function
def ix_(*args: Any) -> list[Tensor]:
    """Index vectors, each along an axis of its own, so that together they index a grid."""
    found = []
    for position, each in enumerate(args):
        vector = asarray(each)
        if vector.shape.rank not in (None, 1):
            raise ValueError(
                f"ix_: arguments must be vectors, got shape {vector.shape} for argument {position}"
            )
        if vector.dtype == dtypes.bool:
            vector = nonzero(vector)[0]
        elif not vector.dtype.is_integer:
            raise ValueError(f"ix_: only integers and truth values are indices, got {vector.dtype.name}")
        found.append(reshape(vector, [-1 if axis == position else 1 for axis in range(len(args))]))
    return found


@numpy_function
def diag(v: Any, k: int = 0) -> Tensor:
    """A matrix with the vector `v` on its `k`th diagonal, or that diagonal of the matrix `v`."""
    v = asarray(v)
    if v.shape.rank == 2:
        return diagonal(v, k)
    if v.shape.rank != 1:
        raise ValueError(f"diag: v must be a vector or a matrix, got shape {v.shape}")
    if v.shape[0] == 0:
        return creation.zeros([abs(k), abs(k)], v.dtype)
    return diagonals.diag(v, k=k)


@numpy_function
def diagflat(v: Any, k: int = 0) -> Tensor:
    """A matrix with the flattened `v` on its `k`th diagonal."""
    return diag(ravel(v), k)


@numpy_function
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of the matrices that lie in two axes; empty where `offset` is outside."""
    a = moveaxis(asarray(a), (axis1, axis2), (-2, -1))
    rows, columns = a.shape[-2], a.shape[-1]
    if (rows is not None and -offset >= rows) or (columns is not None and offset >= columns):
        return creation.zeros(concat([shape_of(a)[:-2], [0]], 0), a.dtype)
    return diagonals.diag_part(a, k=offset)


@numpy_function
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    """The sum of a diagonal. That of the last two axes keeps the dtype; other sums of integers are int64."""
    kind = None if dtype is None else result_type(dtype)
    a = asarray(a, kind)
    rank = len(a.shape)
    diagonal_ = diagonal(a, offset, axis1, axis2)
    if offset == 0 and (axis1 % rank, axis2 % rank) == (rank - 2, rank - 1):
        return call_op("Sum", diagonal_, converted(-1, dtypes.int32))
    return sum_(diagonal_, -1, kind)
