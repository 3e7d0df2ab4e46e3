"""Sequences and grids of numbers: range, linspace, one_hot, sequence_mask, meshgrid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static, static_int
from penstock.engine.xla import jnp
from penstock.ops import concatenation, replication, reshaping
from penstock.ops.arguments import dtype_of, index_vector, matching
from penstock.ops.dtype_sets import FLOATS, INDICES
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import Tensor

# Range.


def _range(xp: Any, start: Any, limit: Any, delta: Any) -> np.ndarray:
    start, limit, delta = (static(each) for each in (start, limit, delta))
    for name, value in (("start", start), ("limit", limit), ("delta", delta)):
        if value.ndim:
            raise ValueError(f"{name} must be a scalar, got shape {list(value.shape)}")
    if delta == 0:
        raise ValueError("Requires delta != 0: 0")
    if (delta > 0 and start > limit) or (delta < 0 and start < limit):
        sign = "<=" if delta > 0 else ">="
        raise ValueError(
            f"Requires start {sign} limit when delta {'>' if delta > 0 else '<'} 0: {start}/{limit}"
        )
    if start.dtype.kind == "V":  # bfloat16 and the like
        return np.arange(float(start), float(limit), float(delta)).astype(start.dtype)
    return np.arange(start[()], limit[()], delta[()], dtype=start.dtype)


def _range_shape(call: ShapeCall) -> TensorShape:
    for i in range(3):
        if call.shape(i).rank not in (None, 0):
            raise call.error("start, limit and delta must be scalars")
    values = [call.value(i) for i in range(3)]
    if any(value is None for value in values):
        return unknown_shape(1)
    try:
        return TensorShape(_range(np, *values).shape)
    except ValueError as error:
        raise call.error(str(error)) from None


op(
    "Range(start: Tidx, limit: Tidx, delta: Tidx) -> output: Tidx",
    _range,
    shape=_range_shape,
    gradient=stops,
)

_HIERARCHY = (dtypes.int32, dtypes.int64, dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@export("range")
def range_(
    start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = "range"
) -> Tensor:
    """Numbers from `start` up to, but not including, `limit` in steps of `delta`.

    Args:
      start: a scalar; where it is the only one, it is the limit and the numbers start at 0.
      limit: a scalar.
      delta: a scalar that is not 0.
      dtype: the dtype of the result; by default the widest of the arguments' dtypes.

    Raises:
      InvalidArgumentError: `delta` is 0 or leads away from `limit`.

    Example:
      >>> import penstock as tf
      >>> tf.range(3, 18, 5).numpy().tolist()
      [3, 8, 13]
    """
    if limit is None:
        start, limit = 0, start
    hint = None if dtype is None else as_dtype(dtype)
    values = [convert_to_tensor(each, None if dtype_of(each) else hint) for each in (start, limit, delta)]
    if hint is None:
        found = {each.dtype.base_dtype for each in values}
        known = [each for each in _HIERARCHY if each in found]
        foreign = found - set(known)
        tensor_kinds = {
            each.dtype for each, given in zip(values, (start, limit, delta), strict=True) if dtype_of(given)
        }
        hint = next(iter(tensor_kinds & foreign), None) or (known[-1] if known else next(iter(found)))
    values = [_cast(each, hint) for each in values]
    return execute("Range", values, None, name)


range_.__name__ = "range"


def _cast(x: Tensor, dtype: Any) -> Tensor:
    return x if x.dtype.base_dtype is dtype else execute("Cast", (x,), {"DstT": dtype})


# LinSpace.


def _lin_space(xp: Any, start: Any, stop: Any, num: Any) -> Any:
    count = static_int(num)
    if count <= 0:
        raise ValueError(f"Requires num > 0: {count}")
    if np.ndim(start) or np.ndim(stop):
        raise ValueError("start and stop must be scalars")
    if count == 1:
        return xp.reshape(start, (1,))
    kind = np.result_type(start)
    step = (stop - start) / np.asarray(count - 1, kind)
    inner = start + step * np.arange(1, count - 1).astype(kind)
    return xp.concatenate([xp.reshape(start, (1,)), inner, xp.reshape(stop, (1,))])


def _lin_space_shape(call: ShapeCall) -> TensorShape:
    count = call.entries(2)
    return TensorShape([None if count is None else count[0]])


def _lin_space_gradient(op: Any, dy: Any) -> list:
    start, _, num = op.inputs
    zero, one = (convert_to_tensor(value, start.dtype) for value in (0, 1))
    weights = execute("LinSpace", (zero, one, num))
    first = {"keep_dims": False}
    total = execute("Sum", (convert_to_tensor(dy), convert_to_tensor([0])), first)
    at_stop = execute("Sum", (convert_to_tensor(dy) * weights, convert_to_tensor([0])), first)
    return [total - at_stop, at_stop, None]


op(
    "LinSpace(start: T, stop: T, num: Tidx) -> output: T",
    _lin_space,
    shape=_lin_space_shape,
    gradient=_lin_space_gradient,
    types={"T": FLOATS, "Tidx": INDICES},
)


@export("linspace", v1=["linspace", "lin_space"])
def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, both included.

    Args:
      start, stop: floating-point tensors that broadcast together (integers become float64).
      num: an integer scalar; 0 gives an empty tensor.
      axis: the dimension of the result along which the numbers lie.

    Raises:
      InvalidArgumentError: the shapes do not broadcast.

    Example:
      >>> import penstock as tf
      >>> tf.linspace(10.0, 12.0, 3).numpy().tolist()
      [10.0, 11.0, 12.0]
    """
    kind = dtype_of(start) or dtype_of(stop)
    first, last = matching(start, stop, dtype=kind)
    if first.dtype.is_integer:
        first, last = _cast(first, dtypes.float64), _cast(last, dtypes.float64)
    count = index_vector(num)
    if axis in (0, -1) and first.shape.rank == last.shape.rank == 0 and type(num) is int and num > 0:
        return execute("LinSpace", (first, last, count), None, name)
    steps = execute("Maximum", (count - 1, convert_to_tensor(1, count.dtype)))
    zero, one = convert_to_tensor(0, count.dtype), convert_to_tensor(1, count.dtype)
    line = _cast(execute("Range", (zero, count, one)), first.dtype) / _cast(steps, first.dtype)
    first, last = (execute("ExpandDims", (each, index_vector(axis))) for each in _broadcast(first, last))
    rank = first.shape.rank
    if rank is None:
        raise ValueError("tf.linspace needs start and stop of known rank")
    weights = reshaping.reshape(line, [-1 if i == axis % rank else 1 for i in range(rank)])
    return execute("AddV2", (first * (1 - weights), last * weights), None, name)


def _broadcast(x: Tensor, y: Tensor) -> list[Tensor]:
    if x.shape.is_fully_defined() and x.shape == y.shape:
        return [x, y]
    shapes = [execute("Shape", (each,), {"out_type": dtypes.int32}) for each in (x, y)]
    target = execute("BroadcastArgs", tuple(shapes))
    return [replication.broadcast_to(each, target) for each in (x, y)]


# OneHot.


def _one_hot_sizes(indices: Any, depth: Any, axis: int) -> tuple[int, int]:
    """The size of the new dimension, and its position."""
    count, rank = static_int(depth), np.ndim(indices)
    if count < 0:
        raise ValueError(f"depth must be non-negative, got: {count}")
    if not -1 <= axis <= rank:
        raise ValueError(f"Expected axis to be -1 or between [0, {rank + 1}).  But received: {axis}")
    return count, rank if axis == -1 else axis


def _one_hot_xla(indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int) -> Any:
    count, axis = _one_hot_sizes(indices, depth, axis)
    labels = np.arange(count).reshape((count,) + (1,) * (np.ndim(indices) - axis))
    return jnp.where(jnp.expand_dims(indices, axis) == labels, on_value, off_value)


def _one_hot_numpy(indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int) -> np.ndarray:
    """Writes a few values `on` among many `off`, which are cheapest where they are zeros."""
    count, axis = _one_hot_sizes(indices, depth, axis)
    shape = np.shape(indices)
    off_value = np.asarray(off_value)
    out = np.zeros((*shape[:axis], count, *shape[axis:]), off_value.dtype)
    if off_value.dtype == object or any(off_value.tobytes()):  # -0.0 has a bit set
        out.fill(off_value[()])
    labels = np.reshape(indices, -1)
    inside = np.flatnonzero((labels >= 0) & (labels < count))
    before, behind = np.divmod(inside, math.prod(shape[axis:]) or 1)
    places = (before * count + labels[inside]) * math.prod(shape[axis:]) + behind
    out.reshape(-1)[places] = on_value
    return out


def _one_hot_shape(call: ShapeCall) -> TensorShape:
    indices, depth, axis = call.shape(0), call.entries(1), call.attrs["axis"]
    if indices.rank is None:
        return TensorShape(None)
    if not -1 <= axis <= indices.rank:
        raise call.error(f"Expected axis to be -1 or between [0, {indices.rank + 1}).  But received: {axis}")
    dims = indices.as_list()
    dims.insert(indices.rank if axis == -1 else axis, None if depth is None else depth[0])
    return TensorShape(dims)


op(
    "OneHot(indices: TI, depth: int32, on_value: T, off_value: T; axis=-1) -> output: T",
    numpy=_one_hot_numpy,
    xla=_one_hot_xla,
    shape=_one_hot_shape,
    gradient=stops,
    types={"TI": frozenset({dtypes.uint8, dtypes.int8, dtypes.int32, dtypes.int64})},
)


@export("one_hot")
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """A new dimension of size `depth` that is `on_value` at each index and `off_value` elsewhere.

    Args:
      indices: an integer tensor; an index outside [0, depth) gives only `off_value`.
      depth: an integer scalar.
      on_value, off_value: scalars; by default 1 and 0.
      axis: the position of the new dimension; -1, the default, for the last.
      dtype: the dtype of the result; by default that of the values, or float32.

    Raises:
      TypeError: the dtypes of `on_value`, `off_value` and `dtype` differ.
      InvalidArgumentError: `axis` is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.one_hot([0, 2], 3).numpy().tolist()
      [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    wanted = None if dtype is None else as_dtype(dtype)
    given = {
        "on_value": None if on_value is None else convert_to_tensor(on_value, dtype_hint=wanted),
        "off_value": None if off_value is None else convert_to_tensor(off_value, dtype_hint=wanted),
    }
    for label, value in given.items():
        if value is not None and wanted is not None and value.dtype.base_dtype != wanted:
            raise TypeError(f"dtype {value.dtype!s} of {label} does not match dtype parameter {wanted!s}")
    kinds = [value.dtype.base_dtype for value in given.values() if value is not None]
    if len(set(kinds)) > 1:
        raise TypeError(f"dtype {kinds[0]!s} of on_value does not match dtype {kinds[1]!s} of off_value")
    kind = wanted or (kinds[0] if kinds else dtypes.float32)
    one, zero = (True, False) if kind is dtypes.bool else (1, 0)
    on_tensor = convert_to_tensor(one, kind) if given["on_value"] is None else given["on_value"]
    off_tensor = convert_to_tensor(zero, kind) if given["off_value"] is None else given["off_value"]
    count = _cast(index_vector(depth), dtypes.int32)
    inputs = (convert_to_tensor(indices), count, on_tensor, off_tensor)
    return execute("OneHot", inputs, {"axis": -1 if axis is None else axis}, name or "one_hot")


# sequence_mask and meshgrid, made of other ops.


@export("sequence_mask")
def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool, name: str | None = None
) -> Tensor:
    """For each length n, a row whose first n entries are true.

    Args:
      lengths: an integer tensor.
      maxlen: the size of the new last dimension; by default the greatest length.
      dtype: the dtype of the result.

    Raises:
      ValueError: `maxlen` is no scalar.

    Example:
      >>> import penstock as tf
      >>> tf.sequence_mask([1, 3], 4, dtype=tf.int32).numpy().tolist()
      [[1, 0, 0, 0], [1, 1, 1, 0]]
    """
    lengths = index_vector(lengths)
    kind = lengths.dtype
    if maxlen is None:
        flat = reshaping.reshape(lengths, [-1])
        longest = execute("Max", (flat, convert_to_tensor([0])), {"keep_dims": False})
        maxlen = execute("Maximum", (convert_to_tensor(0, kind), longest))
    else:
        maxlen = convert_to_tensor(maxlen, None if dtype_of(maxlen) else kind)
    if maxlen.shape.rank not in (None, 0):
        raise ValueError(
            f"Argument `maxlen` must be scalar for sequence_mask, received `maxlen` = {maxlen!r}"
        )
    maxlen = _cast(maxlen, kind)
    positions = execute("Range", (convert_to_tensor(0, kind), maxlen, convert_to_tensor(1, kind)))
    ends = execute("ExpandDims", (lengths, convert_to_tensor(-1)))
    mask = execute("Less", (positions, ends), None, name or "SequenceMask")
    return _cast(mask, as_dtype(dtype))


@export("meshgrid")
def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """Coordinate grids: the i-th result varies along one dimension as the i-th vector does.

    Args:
      *args: n tensors, taken as vectors.
      indexing: "xy" (the default; the first two dimensions are swapped) or "ij".
      name: a name for the operation.

    Returns:
      A list of n tensors of rank n.

    Raises:
      ValueError: `indexing` is something else.
      TypeError: an unknown keyword.

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.meshgrid([1, 2], [3, 4])]
      [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    indexing = kwargs.pop("indexing", "xy")
    kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"'{next(iter(kwargs))}' is an invalid keyword argument for this function")
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Argument `indexing` parameter must be either 'xy' or 'ij', got '{indexing}'")
    vectors = [reshaping.reshape(each, [-1]) for each in args]
    count = len(vectors)
    order = list(range(count))
    if indexing == "xy" and count > 1:
        order[:2] = [1, 0]
    sizes: list[Any] = [None] * count
    for place, vector in zip(order, vectors, strict=True):
        sizes[place] = execute("Size", (vector,), {"out_type": dtypes.int32})
    shape = concatenation.stack(sizes) if sizes else None
    columns = [
        reshaping.reshape(vector, [-1 if i == place else 1 for i in range(count)])
        for place, vector in zip(order, vectors, strict=True)
    ]
    return [replication.broadcast_to(each, shape) for each in columns]
