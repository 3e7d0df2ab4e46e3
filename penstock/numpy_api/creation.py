"""Arrays from values, from shapes and from ranges: `array`, `zeros`, `eye`, `arange`, `linspace`, `tri`, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.numpy_api.arrays import (
    asarray,
    branch,
    broadcasted,
    converted,
    default_float,
    dtype_for,
    numpy_function,
    rank_of,
    result_type,
)
from penstock.ops import creation, ranges
from penstock.ops.casting import cast
from penstock.ops.comparison import logical_not
from penstock.ops.complex_numbers import real
from penstock.ops.concatenation import concat
from penstock.ops.elementwise import call_op
from penstock.ops.identity import identity as same
from penstock.ops.linalg.band_part import band_part
from penstock.ops.linalg.diagonals import diag as matrix_diag
from penstock.ops.replication import broadcast_to as broadcast
from penstock.ops.reshaping import reshape, transpose
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor

_MOST_DIMENSIONS = 32


@numpy_function
def array(val: Any, dtype: Any = None, copy: bool = True, ndmin: int = 0) -> Tensor:
    """Sizes of 1 are put before the shape until it has `ndmin` dimensions.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.array([1, 2.5])
      <tf.Tensor: shape=(2,), dtype=float64, numpy=array([1. , 2.5])>
    """
    if ndmin > _MOST_DIMENSIONS:
        raise ValueError(f"ndmin is {ndmin}; arrays have at most {_MOST_DIMENSIONS} dimensions.")
    tensor = converted(val, None if dtype is None else result_type(dtype))
    if copy:
        tensor = same(tensor)
    return at_least(ndmin, tensor) if ndmin else tensor


def at_least(ndmin: int, tensor: Tensor) -> Tensor:
    """`tensor` with sizes of 1 before its shape, so that it has `ndmin` dimensions or more."""
    rank = rank_of(tensor)

    def padded() -> Tensor:
        ones = creation.ones([ndmin - rank], dtypes.int32)
        return reshape(tensor, concat([ones, shape_of(tensor)], 0))

    return branch(rank < ndmin, padded, lambda: tensor)


@numpy_function
def asanyarray(a: Any, dtype: Any = None) -> Tensor:
    """Same as `asarray`."""
    return asarray(a, dtype)


@numpy_function
def ascontiguousarray(a: Any, dtype: Any = None) -> Tensor:
    """An array of at least one dimension."""
    return array(a, dtype, ndmin=1)


@numpy_function
def copy(a: Any) -> Tensor:
    """A tensor of the same values; tensors are immutable."""
    return array(a, copy=True)


@numpy_function
def zeros(shape: Any, dtype: Any = float) -> Tensor:
    """float64, where no dtype is given."""
    return creation.zeros(shape, default_float() if dtype is None else result_type(dtype))


@numpy_function
def ones(shape: Any, dtype: Any = float) -> Tensor:
    """float64, where no dtype is given."""
    return creation.ones(shape, default_float() if dtype is None else result_type(dtype))


@numpy_function
def empty(shape: Any, dtype: Any = float) -> Tensor:
    """Filled with zeros."""
    return zeros(shape, dtype)


@numpy_function
def zeros_like(a: Any, dtype: Any = None) -> Tensor:
    """Of the shape, and without `dtype` of the dtype, of `a`."""
    return creation.zeros_like(a, dtype_for(a, dtype))


@numpy_function
def ones_like(a: Any, dtype: Any = None) -> Tensor:
    """Of the shape, and without `dtype` of the dtype, of `a`."""
    return creation.ones_like(a, dtype_for(a, dtype))


@numpy_function
def empty_like(a: Any, dtype: Any = None) -> Tensor:
    """Filled with zeros."""
    return zeros_like(a, dtype)


@numpy_function
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """`fill_value` is broadcast to the shape, a number or a vector."""
    dims = shape if isinstance(shape, Tensor) else convert_to_tensor(shape, dtype_hint=dtypes.int32)
    return broadcast(asarray(fill_value, dtype), at_least(1, dims))


@numpy_function
def broadcast_to(array: Any, shape: Any) -> Tensor:
    """`array` in a larger shape."""
    return full(shape, array)


@numpy_function
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Tensor:
    """`order`, `subok` and `shape` keep their defaults: a ValueError is raised for others."""
    if order != "K" or not subok or shape:
        raise ValueError(
            f"full_like takes order='K', subok=True and no shape, got {order!r}, {subok!r} and {shape!r}"
        )
    a = asarray(a)
    return broadcast(asarray(fill_value, result_type(a) if dtype is None else dtype), shape_of(a))


@numpy_function
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Tensor:
    """Ones on the `k`th diagonal of an N by M matrix."""
    rows, columns, offset = int(N), int(M or N), int(k)
    kind = default_float() if dtype is None else result_type(dtype)
    length = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    if length <= 0:
        return creation.zeros([rows, columns], kind)
    return matrix_diag(creation.ones([length], kind), k=offset, num_rows=rows, num_cols=columns)


@numpy_function
def identity(n: int, dtype: Any = float) -> Tensor:
    """The identity matrix."""
    return eye(n, n, dtype=dtype)


@numpy_function
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones at and below the `k`th diagonal."""
    kind = default_float() if dtype is None else result_type(dtype)
    rows, columns = N, N if M is None else M
    if k < 0:
        if -k - 1 > rows:
            return creation.zeros([rows, columns], kind)
        above = band_part(creation.ones([rows, columns], dtypes.bool), -k - 1, -1)
        return cast(logical_not(above), kind)
    filled = creation.ones([rows, columns], kind)
    return filled if k > columns else band_part(filled, -1, k)


@numpy_function
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a vector, one row for each of its elements."""
    x = asarray(x)
    if x.shape.rank not in (None, 1):
        raise ValueError(f"x must be a one-dimensional array, got shape {x.shape}")
    count = shape_of(x)[0] if N is None else N
    if isinstance(count, int) and count < 0:
        raise ValueError(f"N must be nonnegative, got {count}")
    powers = ranges.range_(count) if increasing else ranges.range_(count - 1, -1, -1)
    return call_op("Pow", x[..., None], cast(powers, x.dtype))


@numpy_function
def diag_indices(n: int, ndim: int = 2) -> tuple:
    """Indices of the diagonal of an array of `ndim` sizes `n`."""
    if n < 0 or ndim < 0:
        raise ValueError(f"diag_indices: n and ndim must be nonnegative, got {n} and {ndim}")
    return (ranges.range_(n),) * ndim


@numpy_function
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """In the dtype that start, stop and step are promoted to, where none is given.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.arange(3)
      <tf.Tensor: shape=(3,), dtype=int64, numpy=array([0, 1, 2])>
    """
    if not step:
        raise ValueError("arange: step must be non-zero.")
    if dtype is None:
        kind = result_type(start, step) if stop is None else result_type(start, step, stop)
    else:
        kind = result_type(dtype)
    first, last = (0, start) if stop is None else (start, stop)
    if first > last if step > 0 else first < last:
        return converted([], kind)
    return cast(ranges.range_(first, last, step), kind)


@numpy_function
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = float,
    axis: int = 0,
) -> Any:
    """The dtype is the one that `start * 1.0` and `stop * 1.0` have together, as in NumPy 2.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.linspace(0, 1, 3)
      <tf.Tensor: shape=(3,), dtype=float64, numpy=array([0. , 0.5, 1. ])>
    """
    if num < 0:
        raise ValueError(f"linspace: num must be a non-negative integer, got {num}")
    kind: DType | None = result_type([start * 1.0, stop * 1.0]) if dtype else None
    start, stop = array(start, kind), array(stop, kind)
    if not start.dtype.is_floating:
        start, stop = cast(start, default_float()), cast(stop, default_float())
    step: Any = convert_to_tensor(np.nan)
    divisions = num - 1 if endpoint else num
    if divisions > 0:
        step = (stop - start) / converted(divisions, start.dtype)
    last = stop if endpoint or num <= 1 else stop - step
    result = ranges.linspace(start, last, num, axis=axis)
    if kind is not None:
        result = cast(call_op("Floor", result) if kind.is_integer else result, kind)
    return (result, step) if retstep else result


@numpy_function
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Tensor:
    """Powers of `base` whose exponents are evenly spaced."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    return call_op("Pow", converted(base, exponents.dtype), exponents)


@numpy_function
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:
    """From start to stop, each number a constant multiple of the one before."""
    kind = as_dtype(dtype) if dtype else result_type(start, stop, float(num), np.zeros(()))
    working = as_dtype(np.promote_types(kind.as_numpy_dtype, np.float32))
    start, stop = asarray(start, working), asarray(stop, working)
    one = converted(1, working)
    negative_start, negative_stop = (one - cast(call_op("Sign", real(end)), working) for end in (start, stop))
    flip = (
        one - call_op("Floor", negative_start * negative_stop / (one + one)) if working.is_floating else one
    )
    ten = converted(np.log(10), working)
    result = flip * logspace(
        call_op("Log", flip * start) / ten, call_op("Log", flip * stop) / ten, num, endpoint
    )
    if axis != 0:
        rank = len(result.shape)
        order = [*range(1, rank)]
        order.insert(axis % rank, 0)
        result = transpose(result, order)
    return cast(result, kind)


@numpy_function
def meshgrid(*xi: Any, **options: Any) -> list[Tensor]:
    """`indexing` is "xy" or "ij"; `sparse` is False and `copy` True: a ValueError is raised for others."""
    if options.get("sparse", False) or not options.get("copy", True):
        raise ValueError(f"meshgrid takes sparse=False and copy=True, got {options}")
    return ranges.meshgrid(*map(asarray, xi), indexing=options.get("indexing", "xy"))


@numpy_function
def broadcast_arrays(*args: Any, **options: Any) -> list[Tensor]:
    """Tensors of the shape that all broadcast to."""
    if options.pop("subok", False) or options:
        raise ValueError(f"broadcast_arrays takes subok=False and no other option, got {sorted(options)}")
    return broadcasted(*map(asarray, args))
