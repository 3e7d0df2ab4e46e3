"""Slice and StridedSlice, the update of a slice, and their gradients; `Tensor.__getitem__` is in `indexing`.

A strided slice is given by three vectors and five bit masks. `index_of` turns them into the equivalent Python index,
which NumPy and JAX both understand; where an index is only known when the program runs, XLA slices dynamically.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.index_range import ANYTHING, IndexRange
from penstock.engine.shape_rules import ShapeCall, from_input
from penstock.engine.static_value import NotStaticError, is_static, static, static_ints
from penstock.engine.xla import jnp, lax
from penstock.ops.arguments import index_vector
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# Slice.


def _slice(x: Any, begin: Any, size: Any) -> Any:
    starts, sizes, shape = static_ints(begin), static_ints(size), np.shape(x)
    if not len(starts) == len(sizes) == len(shape):
        raise ValueError(
            f"Expected begin and size arguments to be 1-D tensors of size {len(shape)}, but got shapes "
            f"[{len(starts)}] and [{len(sizes)}] instead."
        )
    index = []
    for axis, (start, count, dim) in enumerate(zip(starts, sizes, shape, strict=True)):
        if not 0 <= start <= dim:
            raise ValueError(f"Expected begin[{axis}] in [0, {dim}], but got {start}")
        stop = dim if count == -1 else start + count
        if not start <= stop <= dim:
            raise ValueError(f"Expected size[{axis}] in [0, {dim - start}], but got {count}")
        index.append(slice(start, stop))
    return x[tuple(index)]


def _slice_xla(x: Any, begin: Any, size: Any) -> Any:
    if is_static(begin):
        return _slice(x, begin, size)
    sizes = static_ints(size)
    if -1 in sizes:
        static(begin)  # the size follows from where the slice begins
    return lax.dynamic_slice(x, [begin[i] for i in range(len(sizes))], sizes)


def _slice_shape(call: ShapeCall) -> TensorShape:
    given, starts, sizes = call.shape(0), call.entries(1), call.entries(2)
    rank = given.rank
    if rank is None:
        rank = next((len(each) for each in (starts, sizes) if each is not None), None)
    if rank is None:
        return TensorShape(None)
    if any(each is not None and len(each) != rank for each in (starts, sizes)):
        raise call.error(f"begin and size must have {rank} entries")
    dims = given.as_list() if given.rank is not None else [None] * rank
    starts, sizes = starts or [None] * rank, sizes or [None] * rank
    result = []
    for axis, (start, size, dim) in enumerate(zip(starts, sizes, dims, strict=True)):
        if start is not None and start < 0:
            raise call.error(f"begin[{axis}] must not be negative, got {start}")
        if dim is not None and (start or 0) + max(size or 0, 0) > dim:
            raise call.error(f"begin[{axis}] + size[{axis}] must be at most {dim}, got {start} + {size}")
        whole = None if start is None or dim is None else dim - start
        result.append(whole if size == -1 else size)
    return TensorShape(result)


def _slice_gradient(op: Any, dy: Any) -> list:
    x, begin, _ = op.inputs
    dy = convert_to_tensor(dy)
    lengths = execute("Shape", (dy,), {"out_type": begin.dtype})
    shape = execute("Shape", (x,), {"out_type": begin.dtype})
    end = execute("AddV2", (begin, lengths))
    return [execute("StridedSliceGrad", (shape, begin, end, execute("OnesLike", (begin,)), dy)), None, None]


def _places_of_blocks(shape: Callable, value: Callable, attrs: dict) -> list[int | None]:
    """In each dimension, how many places there are where a block of the slice's size may begin."""
    dims, sizes = shape(0), value(2)
    if dims is None or sizes is None or np.shape(sizes) != (len(dims),):
        return [None]
    return [
        None if dim is None else dim + 1 - max(int(size), 0) for dim, size in zip(dims, sizes, strict=True)
    ]


op(
    "Slice(input: T, begin: Index, size: Index) -> output: T",
    numpy=_slice,
    xla=_slice_xla,
    shape=_slice_shape,
    gradient=_slice_gradient,
    view=True,
    index_range=IndexRange(
        1, _places_of_blocks, "Expected begin[{entry}] to be in [0, {size}), but got {index}", deep=True
    ),
)


@export("slice")
def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """Cuts a block out of a tensor.

    Args:
      input_: a tensor of rank r.
      begin: an integer vector of length r: where the block begins.
      size: an integer vector of length r: its size; -1 for all that is left.

    Raises:
      InvalidArgumentError: the block does not lie in the tensor.

    Example:
      >>> import penstock as tf
      >>> tf.slice([[1, 2, 3], [4, 5, 6]], [0, 1], [2, -1]).numpy().tolist()
      [[2, 3], [5, 6]]
    """
    first = index_vector(begin)
    return execute("Slice", (convert_to_tensor(input_), first, index_vector(size, first.dtype)), None, name)


slice_.__name__ = "slice"


# StridedSlice.


class Part(NamedTuple):
    """One dimension of a strided slice's input, or a new one.

    Attributes:
      kind: "whole" (not mentioned), "range", "index" (disappears), or "new".
      entry: its position in the vectors begin, end and strides; -1 for "whole".
    """

    kind: str
    entry: int


def parts(rank: int, count: int, masks: dict) -> list[Part]:
    """What happens to each dimension under a slice of `count` entries.

    Raises:
      ValueError: the entries are more than the dimensions, or there are several ellipses.
    """
    ellipsis, new, shrink = masks["ellipsis_mask"], masks["new_axis_mask"], masks["shrink_axis_mask"]
    if ellipsis & (ellipsis - 1):
        raise ValueError("Multiple ellipses in slice spec not allowed")
    found: list[Part] = []
    for i in range(count):
        if ellipsis >> i & 1:
            found.append(Part("ellipsis", i))
        elif new >> i & 1:
            found.append(Part("new", i))
        else:
            found.append(Part("index" if shrink >> i & 1 else "range", i))
    used = sum(part.kind in ("range", "index") for part in found)
    if used > rank:
        raise ValueError(
            "Attempting to slice scalar input." if rank == 0 else
            f"Index out of range using input dim {rank}; input has only {rank} dims"
        )  # fmt: skip
    position = next((i for i, part in enumerate(found) if part.kind == "ellipsis"), None)
    rest = [Part("whole", -1)] * (rank - used)
    if position is None:
        return found + rest
    return found[:position] + rest + found[position + 1 :]


def index_of(begin: Any, end: Any, strides: Any, masks: dict) -> tuple:
    """The Python index that equals a strided slice with known bounds."""
    starts, stops, steps = static_ints(begin), static_ints(end), static_ints(strides)
    if not len(starts) == len(stops) == len(steps):
        raise ValueError(
            f"begin, end and strides must be of one length, got {len(starts)}, {len(stops)}, {len(steps)}"
        )
    ellipsis, new, shrink = masks["ellipsis_mask"], masks["new_axis_mask"], masks["shrink_axis_mask"]
    if ellipsis & (ellipsis - 1):
        raise ValueError("Multiple ellipses in slice spec not allowed")
    from_start, to_end = masks["begin_mask"], masks["end_mask"]
    index: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        bit = 1 << i
        if ellipsis & bit:
            index.append(...)
        elif new & bit:
            index.append(None)
        elif step == 0:
            raise ValueError(f"strides[{i}] must be non-zero")
        elif shrink & bit:
            if step < 0:
                raise ValueError(f"only stride 1 allowed on non-range indexing, got strides[{i}] = {step}")
            index.append(start)
        else:
            index.append(slice(None if from_start & bit else start, None if to_end & bit else stop, step))
    return tuple(index) if ellipsis else (*index, ...)


def _strided_slice(x: Any, begin: Any, end: Any, strides: Any, **masks: int) -> Any:
    if np.ndim(x) == 0 and not isinstance(x, np.ndarray):
        x = np.asarray(x)
    return x[index_of(begin, end, strides, masks)]


def _strided_slice_xla(x: Any, begin: Any, end: Any, strides: Any, **masks: int) -> Any:
    if is_static(begin) and is_static(end):
        return x[index_of(begin, end, strides, masks)]
    window = _dynamic_window(np.shape(x), (begin, end, strides), masks)
    block = lax.dynamic_slice(x, window.starts, window.sizes)
    whole = tuple(0 if kind == "index" else None if kind == "new" else slice(None) for kind in window.kinds)
    return block[whole]


class _Window(NamedTuple):
    """A block of an array whose place is only known when the program runs."""

    starts: list
    sizes: list[int]
    kinds: list[str]


def _dynamic_window(shape: tuple, bounds: tuple, masks: dict, sizes: list | None = None) -> _Window:
    """The window of a slice with traced bounds: single indices move, ranges must be whole or have known `sizes`.

    Raises:
      NotStaticError: the size of the slice is not known.
    """
    begin, end, strides = bounds
    steps = static_ints(strides)
    both = masks["begin_mask"] & masks["end_mask"]
    starts, extents, kinds = [], [], []
    dims, known = iter(shape), iter(sizes or ())
    for kind, i in parts(len(shape), len(steps), masks):
        kinds.append(kind)
        if kind == "new":
            continue
        dim = next(dims)
        extent = next(known) if sizes is not None and kind != "index" else dim
        if kind == "index":
            start = jnp.asarray(begin[i])
            starts.append(jnp.where(start < 0, start + dim, start))
            extents.append(1)
        elif kind == "whole" or (both >> i & 1 and steps[i] == 1):
            starts.append(0)
            extents.append(dim)
        elif sizes is not None and steps[i] == 1 and not masks["begin_mask"] >> i & 1:
            start = jnp.asarray(begin[i])
            starts.append(jnp.where(start < 0, start + dim, start))
            extents.append(extent)
        else:
            raise NotStaticError(end if is_static(begin) else begin)
    kind = jnp.result_type(*starts) if starts else None
    return _Window([jnp.asarray(start, kind) for start in starts], extents, kinds)


_MASKS = "begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0"


def _strided_slice_shape(call: ShapeCall) -> TensorShape:
    given, masks = call.shape(0), call.attrs
    starts, stops, steps = (call.entries(i) for i in (1, 2, 3))
    count = next((len(each) for each in (starts, stops, steps) if each is not None), None)
    if given.rank is None or count is None:
        return TensorShape(None)
    if any(each is not None and len(each) != count for each in (starts, stops, steps)):
        raise call.error("begin, end and strides must be of one length")
    starts, stops, steps = (each or [None] * count for each in (starts, stops, steps))
    try:
        pieces = parts(given.rank, count, masks)
    except ValueError as error:
        raise call.error(str(error)) from None
    result: list[int | None] = []
    axis = 0
    for kind, i in pieces:
        if kind == "new":
            result.append(1)
            continue
        dim = given.as_list()[axis]
        axis += 1
        if kind == "whole":
            result.append(dim)
        elif kind == "index":
            if dim is not None and starts[i] is not None and not -dim <= starts[i] < dim:
                raise call.error(f"slice index {starts[i]} of dimension {axis - 1} out of bounds.")
        else:
            if steps[i] == 0:
                raise call.error(f"strides[{i}] must be non-zero")
            first = None if masks["begin_mask"] >> i & 1 else starts[i]
            last = None if masks["end_mask"] >> i & 1 else stops[i]
            known = (masks["begin_mask"] >> i & 1 or first is not None) and (
                masks["end_mask"] >> i & 1 or last is not None
            )
            result.append(_range_size(dim, first, last, steps[i]) if known and steps[i] is not None else None)
    return TensorShape(result)


def _range_size(dim: int | None, first: int | None, last: int | None, step: int) -> int | None:
    """How many elements `x[first:last:step]` has, where x has `dim`."""
    if dim is not None:
        return len(range(*slice(first, last, step).indices(dim)))
    if first is not None and last is not None and (first < 0) == (last < 0) and (last - first) * step <= 0:
        return 0
    return None


def _strided_slice_gradient(op: Any, dy: Any) -> list:
    x, begin, end, strides = op.inputs
    shape = execute("Shape", (x,), {"out_type": begin.dtype})
    inputs = (shape, begin, end, strides, convert_to_tensor(dy))
    return [execute("StridedSliceGrad", inputs, _masks(op)), None, None, None]


def _masks(op: Any) -> dict:
    return {name: op.attrs[name] for name in MASKS}


MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _picked_sizes(shape: Callable, value: Callable, attrs: dict) -> list[int | None] | None:
    """The sizes of the dimensions from which one index is picked; `ANYTHING` for those of ranges, which are clipped."""
    dims, count = shape(0), shape(1)
    if not attrs["shrink_axis_mask"]:
        return None
    if dims is None or not count or count[0] is None:
        return [None]
    sizes: list[int | None] = [ANYTHING] * count[0]
    try:
        pieces = parts(len(dims), count[0], attrs)
    except ValueError:
        return None  # the kernel says what is wrong
    axes = iter(dims)
    for kind, i in pieces:
        size = None if kind == "new" else next(axes)
        if kind == "index":
            sizes[i] = size
    return sizes


op(
    f"StridedSlice(input: T, begin: Index, end: Index, strides: Index; {_MASKS}) -> output: T",
    numpy=_strided_slice,
    xla=_strided_slice_xla,
    shape=_strided_slice_shape,
    gradient=_strided_slice_gradient,
    view=True,
    index_range=IndexRange(
        1, _picked_sizes, "slice index {index} of dimension {entry} out of bounds", deep=True, lowest=-1
    ),
)


@export("strided_slice")
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """Cuts a block with steps out of a tensor: `input_[begin[0]:end[0]:strides[0], ...]`.

    Args:
      input_: a tensor.
      begin, end, strides: integer vectors of one length; `strides` are 1 by default.
      begin_mask, end_mask: bit i says that entry i of `begin` (`end`) is left out, as in `x[:3]`.
      ellipsis_mask, new_axis_mask, shrink_axis_mask: bit i says that entry i is `...`, `tf.newaxis`, a single index.
      var: the variable that `input_` is the value of, if it is one: the result then has a method `assign`.

    Raises:
      InvalidArgumentError: an index is out of range, or a stride is 0.

    Example:
      >>> import penstock as tf
      >>> tf.strided_slice([1, 2, 3, 4, 5], [1], [5], [2]).numpy().tolist()
      [2, 4]
    """
    first = index_vector(begin)
    last = index_vector(end, first.dtype)
    steps = execute("OnesLike", (first,)) if strides is None else index_vector(strides, first.dtype)
    masks = dict(
        zip(MASKS, (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask), strict=True)
    )
    result = execute(
        "StridedSlice", (convert_to_tensor(input_), first, last, steps), masks, name or "strided_slice"
    )
    if var is not None:
        add_assign(result, var, (first, last, steps), masks)
    return result


def add_assign(result: Tensor, variable: Any, bounds: tuple, masks: dict) -> None:
    """Gives a slice of a variable the method `assign`, which replaces that part of the variable."""

    def assign(value: Any, name: str | None = None) -> Any:
        updated = execute(
            "TensorStridedSliceUpdate",
            (convert_to_tensor(variable), *bounds, convert_to_tensor(value, variable.dtype.base_dtype)),
            masks,
            name,
        )
        return variable.assign(updated)

    result.assign = assign


# Gradients and updates.


def _strided_slice_grad(shape: Any, begin: Any, end: Any, strides: Any, dy: Any, **masks: int) -> Any:
    out = np.zeros(static_ints(shape), dy.dtype)
    out[index_of(begin, end, strides, masks)] = dy
    return out


def _strided_slice_grad_xla(shape: Any, begin: Any, end: Any, strides: Any, dy: Any, **masks: int) -> Any:
    dims = static_ints(shape)
    if is_static(begin) and is_static(end):
        return _spread(dims, begin, end, strides, dy, masks)
    kinds = [part.kind for part in parts(len(dims), len(strides), masks)]
    sizes = [
        size for size, kind in zip(dy.shape, [k for k in kinds if k != "index"], strict=True) if kind != "new"
    ]
    window = _dynamic_window(dims, (begin, end, strides), masks, sizes)
    return lax.dynamic_update_slice(jnp.zeros(dims, dy.dtype), dy.reshape(window.sizes), window.starts)


def _spread(dims: tuple, begin: Any, end: Any, strides: Any, dy: Any, masks: dict) -> Any:
    """`dy` at its place among zeros: one XLA Pad, whose interior padding makes the steps."""
    padding, sizes, flipped = [], [], []
    pieces = [part for part in parts(len(dims), len(static_ints(begin)), masks) if part.kind != "new"]
    for axis, ((kind, i), dim) in enumerate(zip(pieces, dims, strict=True)):
        start, stop, step = 0, dim, 1
        if kind == "index":
            start = static_ints(begin)[i] % dim
            stop = start + 1
        elif kind == "range":
            first = None if masks["begin_mask"] >> i & 1 else static_ints(begin)[i]
            last = None if masks["end_mask"] >> i & 1 else static_ints(end)[i]
            start, stop, step = slice(first, last, static_ints(strides)[i]).indices(dim)
        positions = range(start, stop, step)
        if step < 0:
            flipped.append(axis)
            positions = positions[::-1]
        sizes.append(len(positions))
        low = positions[0] if positions else 0
        high = dim - 1 - positions[-1] if positions else dim
        padding.append((low, high, abs(step) - 1))
    block = jnp.asarray(dy).reshape(sizes)
    return lax.pad(jnp.flip(block, flipped) if flipped else block, jnp.zeros((), dy.dtype), padding)


def _strided_slice_grad_gradient(op: Any, ddy: Any) -> list:
    _, begin, end, strides, _ = op.inputs
    return [None] * 4 + [execute("StridedSlice", (convert_to_tensor(ddy), begin, end, strides), _masks(op))]


op(
    f"StridedSliceGrad(shape: Index, begin: Index, end: Index, strides: Index, dy: T; {_MASKS}) -> output: T",
    numpy=_strided_slice_grad,
    xla=_strided_slice_grad_xla,
    shape=from_input(0),
    gradient=_strided_slice_grad_gradient,
)


def _update(x: Any, begin: Any, end: Any, strides: Any, value: Any, **masks: int) -> Any:
    out = np.array(x)
    out[index_of(begin, end, strides, masks)] = value
    return out


def _update_xla(x: Any, begin: Any, end: Any, strides: Any, value: Any, **masks: int) -> Any:
    if is_static(begin) and is_static(end):
        return jnp.asarray(x).at[index_of(begin, end, strides, masks)].set(value)
    window = _dynamic_window(np.shape(x), (begin, end, strides), masks)
    kept = [1 if kind == "index" else None for kind in window.kinds if kind != "new"]
    out_shape = [size for size, kind in zip(window.sizes, kept, strict=True) if kind is None]
    block = jnp.broadcast_to(value, out_shape).reshape(window.sizes)
    return lax.dynamic_update_slice(jnp.asarray(x), block, window.starts)


def _update_gradient(op: Any, dy: Any) -> list:
    _, begin, end, strides, value = op.inputs
    dy = convert_to_tensor(dy)
    hole = execute("ZerosLike", (value,))
    kept = execute("TensorStridedSliceUpdate", (dy, begin, end, strides, hole), _masks(op))
    part = execute("StridedSlice", (dy, begin, end, strides), _masks(op))
    from penstock.ops.broadcasting import sum_to_operands

    return [kept, None, None, None, sum_to_operands(value, part, part, None)[0]]


op(
    f"TensorStridedSliceUpdate(input: T, begin: Index, end: Index, strides: Index, value: T; {_MASKS}) -> output: T",
    numpy=_update,
    xla=_update_xla,
    shape=lambda call: call.shape(0),
    gradient=_update_gradient,
)
