"""Ops that reduce over axes: Sum, Mean, Prod, Max, Min, All, Any, EuclideanNorm, and their gradients.

The public functions over them are in `reduce_functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import NEVER_LARGE, op, stops
from penstock.engine.execute import execute
from penstock.engine.shape_rules import reduction
from penstock.engine.static_value import constant_value, static
from penstock.ops.arithmetic import conj
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import INDICES, NUMBERS, REAL
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def normalize_axes(axes: Any, rank: int) -> tuple[int, ...]:
    """Axes of a kernel call, counted from the front.

    Raises:
      ValueError: an axis is out of range, or named twice.
    """
    found = tuple((axes if type(axes) is np.ndarray else static(axes)).reshape(-1).tolist())
    for axis in found:
        if not -rank <= axis < rank:
            raise ValueError(f"Invalid reduction dimension ({axis} for input with {rank} dimension(s)")
    if len(found) == 1:
        return (found[0] % rank,)
    found = tuple(axis + rank if axis < 0 else axis for axis in found)
    if len(set(found)) != len(found):
        raise ValueError(f"Invalid reduction arguments: Axes contains duplicate dimension: {found}")
    return found


def _accumulator(x: Any) -> Any:
    """The dtype to add up in: float32 for 16-bit floats, else that of x."""
    dtype = x.dtype
    return np.float32 if dtype.itemsize == 2 and dtype.kind not in "iu" else dtype


def _sum(xp: Any, x: Any, axes: Any, *, keep_dims: bool) -> Any:
    axis = normalize_axes(axes, np.ndim(x))
    if xp is np:
        total = np.add.reduce(x, axis=axis, dtype=_accumulator(x), keepdims=keep_dims)
    else:
        total = xp.sum(x, axis=axis, dtype=_accumulator(x), keepdims=keep_dims)
    return total if total.dtype == x.dtype else total.astype(x.dtype)


def _mean(xp: Any, x: Any, axes: Any, *, keep_dims: bool) -> Any:
    axis = normalize_axes(axes, np.ndim(x))
    count = 1
    for each in axis:
        count *= x.shape[each]
    if x.dtype.kind in "iu":
        total = xp.sum(x, axis=axis, dtype=np.int64 if x.dtype.kind == "i" else np.uint64, keepdims=keep_dims)
        if not count:
            return xp.zeros_like(total).astype(x.dtype)
        return (xp.sign(total) * (xp.abs(total) // count)).astype(x.dtype)
    if xp is np:
        total = np.add.reduce(x, axis=axis, dtype=_accumulator(x), keepdims=keep_dims)
        total = total / total.dtype.type(count)
    else:
        total = xp.sum(x, axis=axis, dtype=_accumulator(x), keepdims=keep_dims) / count
    return total if total.dtype == x.dtype else total.astype(x.dtype)


def _prod(xp: Any, x: Any, axes: Any, *, keep_dims: bool) -> Any:
    axis = normalize_axes(axes, np.ndim(x))
    return xp.prod(x, axis=axis, dtype=_accumulator(x), keepdims=keep_dims).astype(x.dtype)


def _lowest(dtype: Any) -> Any:
    """The identity of max: -inf, or the smallest integer."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _highest(dtype: Any) -> Any:
    return np.iinfo(dtype).max if dtype.kind in "iu" else np.inf


def _extreme(function: str, identity: Callable) -> Callable:
    def kernel(xp: Any, x: Any, axes: Any, *, keep_dims: bool) -> Any:
        axis = normalize_axes(axes, np.ndim(x))
        if x.size:
            if xp is np:
                return getattr(np, function + "imum").reduce(x, axis=axis, keepdims=keep_dims)
            return getattr(xp, function)(x, axis=axis, keepdims=keep_dims)
        return getattr(xp, function)(
            x, axis=axis, keepdims=keep_dims, initial=x.dtype.type(identity(x.dtype))
        )

    return kernel


def _truth(function: str) -> Callable:
    def kernel(xp: Any, x: Any, axes: Any, *, keep_dims: bool) -> Any:
        return getattr(xp, function)(x, axis=normalize_axes(axes, np.ndim(x)), keepdims=keep_dims)

    return kernel


def _euclidean_norm(xp: Any, x: Any, axes: Any, *, keep_dims: bool) -> Any:
    axis = normalize_axes(axes, np.ndim(x))
    wide = x.astype(np.float64 if x.dtype.kind in "iu" else _accumulator(x))
    squares = xp.sum(xp.square(xp.abs(wide)), axis=axis, keepdims=keep_dims)
    return xp.sqrt(squares).astype(x.dtype)


# Gradients.


def kept_shape(x: Tensor, axes: Tensor) -> Tensor:
    """The shape that reducing `x` over `axes` with kept dimensions gives, as an int32 vector."""
    known = constant_value(axes)
    rank = x.shape.rank
    if known is not None and rank is not None:
        gone = {int(axis) % rank for axis in np.atleast_1d(known)} if rank else set()
        dims = [1 if axis in gone else size for axis, size in enumerate(x.shape.as_list())]
        if None not in dims:
            return convert_to_tensor(np.array(dims, np.int32))
        ones = np.array([axis in gone for axis in range(rank)])
        return execute(
            "SelectV2", (convert_to_tensor(ones), convert_to_tensor(np.ones(rank, np.int32)), shape_of(x))
        )
    full = shape_of(x)
    all_axes = execute("Range", (convert_to_tensor(0), execute("Rank", (x,)), convert_to_tensor(1)))
    axes = execute("Cast", (execute("Reshape", (axes, convert_to_tensor([-1]))),), {"DstT": dtypes.int32})
    axes = execute("FloorMod", (axes, execute("Rank", (x,))))
    column = execute("ExpandDims", (all_axes, convert_to_tensor(1)))
    gone = execute("Any", (execute("Equal", (column, axes)), convert_to_tensor([1])), {"keep_dims": False})
    return execute("SelectV2", (gone, execute("OnesLike", (full,)), full))


def with_kept_dims(call: Any, *reduced: Tensor) -> list[Tensor]:
    """Tensors in the shape of a reduction's output, reshaped so that they broadcast with its input."""
    if call.attrs["keep_dims"]:
        return list(reduced)
    shape = kept_shape(call.inputs[0], call.inputs[1])
    return [execute("Reshape", (each, shape)) for each in reduced]


def _sum_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    (dy,) = with_kept_dims(call, dy)
    return [execute("BroadcastTo", (dy, shape_of(call.inputs[0]))), None]


def _count(call: Any, dtype: Any) -> Tensor:
    """How many elements of the input each element of the output stands for."""
    x, y = call.inputs[0], call.outputs[0]
    sizes = x.shape.num_elements(), y.shape.num_elements()
    if None not in sizes:
        return convert_to_tensor(sizes[0] // max(sizes[1], 1), dtype)
    of_x, of_y = (execute("Size", (each,), {"out_type": dtypes.int32}) for each in (x, y))
    ratio = execute("FloorDiv", (of_x, execute("Maximum", (of_y, convert_to_tensor(1)))))
    return execute("Cast", (ratio,), {"DstT": dtype})


def _mean_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    return _sum_gradient(call, dy / _count(call, dy.dtype.base_dtype))


def _extreme_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    """Elements that tie share the gradient equally."""
    x = call.inputs[0]
    y, dy = with_kept_dims(call, call.outputs[0], dy)
    chosen = execute("Cast", (execute("Equal", (y, x)),), {"DstT": x.dtype.base_dtype})
    ties = execute("Sum", (chosen, call.inputs[1]), {"keep_dims": True})
    return [chosen / ties * dy, None]


def _prod_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    """Each element's derivative is the product of the others: products from the left and right, so zeros are fine."""
    x, axes = call.inputs
    (dy,) = with_kept_dims(call, dy)
    dy = execute("BroadcastTo", (dy, shape_of(x)))
    # Put the reduced axes first and flatten them to one.
    rank = execute("Rank", (x,))
    flat_axes = execute(
        "Cast", (execute("Reshape", (axes, convert_to_tensor([-1]))),), {"DstT": dtypes.int32}
    )
    flat_axes = execute("FloorMod", (flat_axes, rank))
    everything = execute("Range", (convert_to_tensor(0), rank, convert_to_tensor(1)))
    others = execute("ListDiff", (everything, flat_axes), {"out_idx": dtypes.int32})[0]
    order = execute("ConcatV2", ([flat_axes, others], convert_to_tensor(0)))
    moved = execute("Transpose", (x, order))
    moved_shape = execute("Shape", (moved,))
    reduced_sizes = execute("GatherV2", (shape_of(x), flat_axes, convert_to_tensor(0)))
    other_sizes = execute("GatherV2", (shape_of(x), others, convert_to_tensor(0)))
    sizes = [
        execute("Prod", (each, convert_to_tensor([0])), {"keep_dims": False})
        for each in (reduced_sizes, other_sizes)
    ]
    stacked = execute("Reshape", (moved, execute("Pack", (sizes,), {"axis": 0})))
    left = execute("Cumprod", (stacked, convert_to_tensor(0)), {"exclusive": True, "reverse": False})
    right = execute("Cumprod", (stacked, convert_to_tensor(0)), {"exclusive": True, "reverse": True})
    products = execute("Reshape", (conj(left * right), moved_shape))
    back = execute("InvertPermutation", (order,))
    return [dy * execute("Transpose", (products, back)), None]


def _euclidean_norm_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    y, dy = with_kept_dims(call, call.outputs[0], dy)
    return [execute("DivNoNan", (call.inputs[0], y)) * dy, None]


_REDUCTIONS: tuple[tuple[str, Callable, Callable, frozenset | None], ...] = (
    ("Sum", _sum, _sum_gradient, NUMBERS),
    ("Mean", _mean, _mean_gradient, NUMBERS),
    ("Prod", _prod, _prod_gradient, NUMBERS),
    ("Max", _extreme("max", _lowest), _extreme_gradient, REAL),
    ("Min", _extreme("min", _highest), _extreme_gradient, REAL),
    ("EuclideanNorm", _euclidean_norm, _euclidean_norm_gradient, NUMBERS),
    ("All", _truth("all"), stops, None),
    ("Any", _truth("any"), stops, None),
)

for _type, _kernel, _gradient, _dtypes in _REDUCTIONS:
    _letter = "T" if _dtypes else "bool"
    op(
        f"{_type}(input: {_letter}, reduction_indices: Tidx; keep_dims=False) -> output: {_letter}",
        _kernel,
        shape=reduction,
        gradient=_gradient,
        types={"Tidx": INDICES} | ({"T": _dtypes} if _dtypes else {}),
        large=NEVER_LARGE,
    )
