"""NumPy's reductions: one table says how each promotes integers and what it does with truth values; and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from penstock.numpy_api.arrays import (
    asarray,
    converted,
    default_float,
    documented,
    numpy_function,
    result_type,
    weak_dtypes,
)
from penstock.numpy_api.creation import at_least
from penstock.numpy_api.elementwise import UNARY
from penstock.ops import cumulative, ordering, reduce_functions
from penstock.ops.casting import cast
from penstock.ops.comparison import logical_not
from penstock.ops.complex_numbers import conj, real
from penstock.ops.elementwise import call_op
from penstock.ops.gathering import gather
from penstock.ops.linalg.einsum import tensordot
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import reshape
from penstock.ops.selection import where
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.shapes_of_tensors import size as size_of
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor

Function = Callable[..., Any]


def _op(op_type: str) -> Function:
    def call(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduce_functions.reduce(op_type, x, axis, keepdims, None)

    return call


reduce_sum, reduce_prod, reduce_mean, reduce_any, reduce_all = map(_op, ("Sum", "Prod", "Mean", "Any", "All"))


class _Reduction(NamedTuple):
    """How a reduction treats integers: "widen" to 64 bits, make them "float", or "keep" them; and truth values."""

    function: Function
    integers: str
    of_bools: Function | None = None  # used where the result shall be bool
    keeps_bools: bool = False  # the result is bool where the argument is


_SUM = _Reduction(reduce_sum, "widen", reduce_any)
_PROD = _Reduction(reduce_prod, "widen", reduce_all)
_MEAN = _Reduction(reduce_mean, "float")
_MAX = _Reduction(_op("Max"), "keep", reduce_any, keeps_bools=True)
_MIN = _Reduction(_op("Min"), "keep", reduce_all, keeps_bools=True)
_STD = _Reduction(reduce_functions.reduce_std, "float")


def widened(dtype: DType) -> DType:
    """The dtype in which NumPy sums: int64 or uint64 for smaller integers and truth values; where dtypes are weak, 32 bits."""
    signed, unsigned = (dtypes.int32, dtypes.uint32) if weak_dtypes() else (dtypes.int64, dtypes.uint64)
    if dtype == dtypes.bool:
        return signed
    if not dtype.is_integer or dtype.size >= signed.size:
        return dtype
    return unsigned if dtype.is_unsigned else signed


def _reduce(row: _Reduction, a: Any, axis: Any, dtype: Any, keepdims: bool | None) -> Tensor:
    kind = None if dtype is None else result_type(dtype)
    a = asarray(a, kind)
    if isinstance(axis, Tensor) and axis.dtype not in (dtypes.int32, dtypes.int64):
        axis = cast(axis, dtypes.int64)
    if row.of_bools is not None and a.dtype == dtypes.bool and (row.keeps_bools or kind == dtypes.bool):
        return row.of_bools(a, axis, bool(keepdims))
    if kind is None and (a.dtype.is_integer or a.dtype == dtypes.bool):
        if row.integers == "widen":
            a = cast(a, widened(a.dtype))
        elif row.integers == "float":
            a = cast(a, default_float())
    return row.function(a, axis, bool(keepdims))


def _refuse_out(name: str, out: Any) -> None:
    if out is not None:
        raise ValueError(f"{name}: setting out is not supported, since tensors are immutable.")


@numpy_function
def sum_(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool | None = None) -> Tensor:
    """Integers are summed in 64 bits."""
    return _reduce(_SUM, a, axis, dtype, keepdims)


@numpy_function
def prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool | None = None) -> Tensor:
    """Integers are multiplied in 64 bits."""
    return _reduce(_PROD, a, axis, dtype, keepdims)


@numpy_function
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool | None = None
) -> Tensor:
    """The mean of integers is a float64.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.mean(tf.constant([1, 2]))
      <tf.Tensor: shape=(), dtype=float64, numpy=1.5>
    """
    _refuse_out("mean", out)
    return _reduce(_MEAN, a, axis, dtype, keepdims)


def _extreme(name: str, row: _Reduction) -> Function:
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: bool | None = None) -> Tensor:
        _refuse_out(name, out)
        return _reduce(row, a, axis, None, keepdims)

    return documented(call, name)


EXTREMES = {
    name: _extreme(name, row) for name, row in {"amax": _MAX, "max": _MAX, "amin": _MIN, "min": _MIN}.items()
}


@numpy_function
def std(a: Any, axis: Any = None, keepdims: bool | None = None) -> Tensor:
    """The square root of the mean squared distance from the mean."""
    return _reduce(_STD, a, axis, None, keepdims)


@numpy_function
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool | None = None
) -> Tensor:
    """The squared distances from the mean, summed and divided by their number less `ddof`."""
    _refuse_out("var", out)

    def variance(x: Tensor, axis: Any, keepdims: bool) -> Tensor:
        if ddof == 0:
            return reduce_functions.reduce_variance(x, axis, keepdims)
        centered = x - reduce_mean(x, axis, True)
        squares = real(centered * conj(centered)) if x.dtype.is_complex else call_op("Square", centered)
        sizes = size_of(x) if axis is None else reduce_prod(gather(shape_of(x), np.mod(axis, len(x.shape))))
        total = reduce_sum(squares, axis, keepdims)
        return total / cast(sizes - ddof, total.dtype)

    working = None if dtype is None else result_type(a, dtype)
    result = _reduce(_Reduction(variance, "float"), a, axis, working, keepdims)
    return result if dtype is None else cast(result, dtype)


def _of_truths(name: str, function: Function) -> Function:
    def call(a: Any, axis: Any = None, keepdims: bool | None = None) -> Tensor:
        return function(asarray(a, bool), axis, bool(keepdims))

    return documented(call, name)


all_, any_ = _of_truths("all", reduce_all), _of_truths("any", reduce_any)


@numpy_function
def ptp(a: Any, axis: Any = None, keepdims: bool | None = None) -> Tensor:
    """The largest value less the smallest."""
    return EXTREMES["max"](a, axis, None, keepdims) - EXTREMES["min"](a, axis, None, keepdims)


def _without_nan(name: str, row: _Reduction, neutral: int) -> Function:
    def call(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        a = asarray(a)
        known = where(UNARY["isnan"](a), converted(neutral, a.dtype), a)
        return _reduce(row, known, axis, dtype, keepdims)

    return documented(call, name)


nansum, nanprod = _without_nan("nansum", _SUM, 0), _without_nan("nanprod", _PROD, 1)


@numpy_function
def nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool | None = None) -> Tensor:
    """The mean of what is not NaN."""
    a = asarray(a)
    if a.dtype.is_integer or a.dtype == dtypes.bool:
        return mean(a, axis, dtype, keepdims=keepdims)
    kind = a.dtype if dtype is None else as_dtype(dtype)
    count = sum_(logical_not(UNARY["isnan"](a)), axis, kind, keepdims)
    return nansum(a, axis, kind, bool(keepdims)) / count


@numpy_function
def count_nonzero(a: Any, axis: Any = None) -> Tensor:
    """The number of elements that are not 0, in int64."""
    return reduce_functions.count_nonzero(asarray(a), axis)


@numpy_function
def average(a: Any, axis: int | None = None, weights: Any = None, returned: bool = False) -> Any:
    """The weighted mean; `weights` have the shape of `a`, or are a vector along `axis`.

    With `returned`, also the sum of the weights. A ValueError is raised for an `axis` that is no int.
    """
    if axis is not None and not isinstance(axis, int):
        raise ValueError(f"average: axis must be an integer, got {axis!r}")
    a = asarray(a)
    floating = a.dtype.is_floating or a.dtype.is_complex
    if weights is None:
        a = a if floating else cast(a, result_type(a, default_float()))
        mean_, total = reduce_mean(a, axis), cast(size_of(a) if axis is None else shape_of(a)[axis], a.dtype)
    else:
        kind = result_type(a.dtype, weights) if floating else result_type(a.dtype, weights, default_float())
        a, weights = asarray(a, kind), asarray(weights, kind)
        if axis is not None and a.shape.rank != weights.shape.rank:
            if weights.shape.rank != 1:
                raise ValueError(
                    f"average: weights must be a vector or like a, got {weights.shape} for {a.shape}"
                )
            total = reduce_sum(weights)
            mean_ = tensordot(a, weights, [[axis], [0]]) / total
        else:
            if not a.shape.is_compatible_with(weights.shape):
                raise ValueError(f"average: weights have shape {weights.shape}, and a {a.shape}")
            total = reduce_sum(weights, axis)
            mean_ = reduce_sum(a * weights, axis) / total
    return (mean_, broadcast_to(total, shape_of(mean_))) if returned else mean_


def _cumulative(name: str, function: Function) -> Function:
    def call(a: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
        a = asarray(a, dtype)
        if dtype is None and a.dtype.is_integer:
            a = cast(a, widened(a.dtype) if not a.dtype.is_unsigned else result_type(a.dtype, np.int64))
        return function(reshape(a, [-1]), 0) if axis is None else function(a, axis)

    return documented(call, name)


cumsum, cumprod = _cumulative("cumsum", cumulative.cumsum), _cumulative("cumprod", cumulative.cumprod)


def _position(name: str, function: Function) -> Function:
    def call(a: Any, axis: int | None = None) -> Tensor:
        a = asarray(a)
        return function(reshape(a, [-1]), None) if axis is None else function(at_least(1, a), axis)

    return documented(call, name)


argmax, argmin = _position("argmax", ordering.argmax), _position("argmin", ordering.argmin)
