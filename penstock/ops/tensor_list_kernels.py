"""What the tensor-list ops compute, on the host and in a compiled program alike.

A kernel dispatches on whether a list holds single elements or one stacked buffer, as inside compiled loops.
`tensor_list.py` makes ops of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.static_value import NotStaticError, is_static, static
from penstock.engine.xla import jax, jnp, lax
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensor_list import StackedList, TensorList

_registered = False


def register_pytree() -> None:
    """Tells JAX how to carry lists in and out of programs, loops and branches; called before tracing."""
    global _registered
    if not _registered:
        jax.tree_util.register_pytree_node(
            StackedList,
            lambda each: (
                (each.buffer, each.length),
                (each.capacity, each.element_shape, each.element_dtype),
            ),
            lambda meta, parts: StackedList(*parts, *meta),
        )
        jax.tree_util.register_pytree_node(
            TensorList,
            lambda each: ((each.items,), (each.element_shape, each.element_dtype)),
            lambda meta, parts: TensorList(parts[0], *meta),
        )
        _registered = True


def _shape_of(value: Any) -> TensorShape:
    """The element shape that a shape operand stands for: a vector, or the scalar -1 for unknown."""
    value = np.asarray(static(value))
    if value.ndim == 0:
        return TensorShape(None)
    return TensorShape([None if dim < 0 else int(dim) for dim in value])


def _namespace(value: Any) -> Any:
    return np if is_static(value) else jnp


def _zeros(element: TensorList | StackedList, like: Any = None) -> Any:
    shape = element.element_shape
    if element.element_dtype is dtypes.variant:
        return TensorList([], TensorShape(None), dtypes.float32)
    if not shape.is_fully_defined():
        written = next((each for each in getattr(element, "items", ()) if each is not None), like)
        if written is None:
            raise ValueError(
                f"the list's element shape {shape} is not fully defined, and the element was never written"
            )
        shape = TensorShape(np.shape(written))
    if element.element_dtype is dtypes.string:
        return np.full(shape.as_list(), b"", object)
    return np.zeros(shape.as_list(), element.element_dtype.as_numpy_dtype)


def _map(function: Any, *trees: Any) -> Any:
    """Applies a function to the arrays of elements: an array itself, or the parts of a list within a list."""
    return jax.tree_util.tree_map(function, *trees)


def stacked(value: Any, capacity: int | None = None) -> StackedList:
    """A list as one buffer, for a loop that writes at computed positions."""
    if isinstance(value, StackedList):
        if capacity is None or value.capacity == capacity:
            return value
        if value.buffer is None:
            return StackedList(None, value.length, capacity, value.element_shape, value.element_dtype)
        extra = max(capacity - value.capacity, 0)
        buffer = _map(
            lambda each: jnp.pad(each, [(0, extra)] + [(0, 0)] * (each.ndim - 1))[:capacity], value.buffer
        )
        return StackedList(buffer, value.length, capacity, value.element_shape, value.element_dtype)
    count = len(value.items)
    capacity = count if capacity is None else max(capacity, count)
    length = jnp.asarray(count, jnp.int32)
    items = [stacked(each) if isinstance(each, TensorList) else each for each in value.items]
    written = next((each for each in items if each is not None), None)
    if written is None:
        shape = value.element_shape
        if value.element_dtype is dtypes.variant or not shape.is_fully_defined():
            return StackedList(None, length, capacity, value.element_shape, value.element_dtype)
        buffer = jnp.zeros([capacity, *shape.as_list()], value.element_dtype.as_numpy_dtype)
        return StackedList(buffer, length, capacity, value.element_shape, value.element_dtype)
    if len({np.shape(each) for each in items if hasattr(each, "shape")}) > 1:
        raise NotStaticError(value)  # elements of several shapes stay one by one, on the host
    zero = _map(jnp.zeros_like, written)
    items = [zero if each is None else each for each in items] + [zero] * (capacity - count)
    buffer = _map(lambda *parts: jnp.stack([jnp.asarray(part) for part in parts]), *items)
    return StackedList(buffer, length, capacity, value.element_shape, value.element_dtype)


def _one_by_one(value: StackedList, item: Any) -> TensorList | StackedList:
    """A list on the host that is about to get an item of another shape, as items; any other list as it is."""
    buffer = value.buffer
    if not hasattr(buffer, "shape") or jnp.shape(item) == buffer.shape[1:]:
        return value
    if isinstance(value.length, jax.core.Tracer) or isinstance(buffer, jax.core.Tracer):
        return value
    shape = TensorShape([a if a == b else None for a, b in zip(buffer.shape[1:], jnp.shape(item))])
    if value.element_shape.rank is not None:
        shape = value.element_shape
    return TensorList(list(buffer[: int(value.length)]), shape, value.element_dtype)


def _element(item: Any) -> Any:
    return stacked(item) if isinstance(item, TensorList) else item


def _with_buffer(value: StackedList, item: Any) -> StackedList:
    if value.buffer is not None:
        return value
    zeros = _map(lambda each: jnp.zeros((value.capacity, *jnp.shape(each)), jnp.asarray(each).dtype), item)
    return value.replaced(zeros, value.length)


def _update(buffer: Any, item: Any, index: Any) -> Any:
    """A buffer with the element at `index` replaced. One without room is that of a loop that does not run."""

    def update(old: Any, new: Any) -> Any:
        if not old.shape[0]:
            return old
        if jnp.shape(new) != old.shape[1:]:
            raise NotStaticError(index)  # as in `stacked`
        return lax.dynamic_update_index_in_dim(old, jnp.asarray(new, old.dtype), index, 0)

    return _map(update, buffer, item)


def _take(buffer: Any, index: Any) -> Any:
    """The element at `index` of a buffer; zeros of its shape in a loop that does not run, where there is none."""

    def take(each: Any) -> Any:
        if not each.shape[0]:
            return jnp.zeros(each.shape[1:], each.dtype)
        return lax.dynamic_index_in_dim(each, index, 0, keepdims=False)

    return _map(take, buffer)


def _plus(a: Any, b: Any) -> Any:
    """The sum of two elements; of lists, that of their elements."""
    if isinstance(a, (TensorList, StackedList)):
        return add(a, b)
    return a + b


def reserve(element_shape: Any, num_elements: Any, *, element_dtype: Any) -> TensorList:
    """A list of elements that are not written yet."""
    return TensorList([None] * int(static(num_elements)), _shape_of(element_shape), element_dtype)


def empty(element_shape: Any, max_num_elements: Any, *, element_dtype: Any) -> TensorList:
    """A list without elements."""
    return TensorList([], _shape_of(element_shape), element_dtype)


def push(handle: Any, tensor: Any, *, element_dtype: Any) -> Any:
    """The list with one more element."""
    if isinstance(handle, StackedList):
        tensor = _element(tensor)
        handle = _with_buffer(handle, tensor)
        return handle.replaced(_update(handle.buffer, tensor, handle.length), handle.length + 1)
    return handle.replaced([*handle.items, tensor])


def pop(handle: Any, element_shape: Any, *, element_dtype: Any) -> tuple:
    """The list without its last element, and that element."""
    if isinstance(handle, StackedList):
        last = handle.length - 1
        return handle.replaced(handle.buffer, last), _take(handle.buffer, last)
    if not handle.items:
        raise ValueError("Trying to pop from an empty list.")
    item = handle.items[-1]
    return handle.replaced(handle.items[:-1]), _zeros(handle) if item is None else item


def set_item(
    handle: Any, index: Any, item: Any, *, element_dtype: Any, resize_if_index_out_of_bounds: bool
) -> Any:
    """The list with the element at `index` replaced."""
    if isinstance(handle, StackedList) and is_static(index):
        handle = _one_by_one(handle, item)
    if isinstance(handle, TensorList) and is_static(index):
        position, items = int(index), list(handle.items)
        if position >= len(items) and resize_if_index_out_of_bounds and position >= 0:
            items += [None] * (position + 1 - len(items))
        if not 0 <= position < len(items):
            raise ValueError(f"Tried to write to index {position} of a list of {len(items)} elements.")
        items[position] = item
        return handle.replaced(items)
    if resize_if_index_out_of_bounds:
        raise NotStaticError(index)
    item = _element(item)
    handle = _with_buffer(stacked(handle), item)
    return handle.replaced(_update(handle.buffer, item, index), handle.length)


def get_item(handle: Any, index: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    """The element at `index`; zeros where it was never written."""
    if isinstance(handle, TensorList) and is_static(index):
        position = int(index)
        if not 0 <= position < len(handle.items):
            raise ValueError(
                f"Trying to access element {position} in a list with {len(handle.items)} elements."
            )
        item = handle.items[position]
        return _zeros(handle) if item is None else item
    handle = stacked(handle)
    if handle.buffer is None:
        raise NotStaticError(index)
    return _take(handle.buffer, index)


def stack(handle: Any, element_shape: Any, *, element_dtype: Any, num_elements: int) -> Any:
    """All elements with a new first dimension."""
    if isinstance(handle, StackedList):
        if handle.buffer is None:
            raise NotStaticError(handle.length)
        if is_static(handle.length):
            return handle.buffer[: int(handle.length)]
        return handle.buffer
    if not handle.items:
        dims = handle.element_shape.as_list() if handle.element_shape.is_fully_defined() else [0]
        return np.zeros([0, *dims], element_dtype.as_numpy_dtype)
    items = [_zeros(handle) if each is None else each for each in handle.items]
    if element_dtype is dtypes.string or all(is_static(each) for each in items):
        return np.stack([np.asarray(each) for each in items])
    return jnp.stack([jnp.asarray(each) for each in items])


def from_tensor(tensor: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    """The list of the slices of a tensor."""
    shape = TensorShape(tensor.shape[1:])
    if is_static(tensor):
        return TensorList(list(tensor), shape, element_dtype)
    count = tensor.shape[0]
    return StackedList(tensor, np.int32(count), count, shape, element_dtype)


def length(handle: Any) -> Any:
    """How many elements there are."""
    if isinstance(handle, StackedList):
        return handle.length
    return np.array(len(handle.items), np.int32)


def resize(handle: Any, size: Any) -> Any:
    """The list cut off, or with more elements that are not written yet."""
    size = int(static(size))
    if isinstance(handle, StackedList):
        return stacked(handle, size).replaced(stacked(handle, size).buffer, np.int32(size))
    items = handle.items[:size]
    return handle.replaced([*items, *[None] * (size - len(items))])


def gather(handle: Any, indices: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    """The elements at `indices`, stacked."""
    if isinstance(handle, TensorList) and is_static(indices):
        picked = TensorList(
            [handle.items[int(i)] for i in indices], handle.element_shape, handle.element_dtype
        )
        return stack(picked, element_shape, element_dtype=element_dtype, num_elements=-1)
    handle = stacked(handle)
    return jnp.take(handle.buffer, indices, axis=0)


def scatter(
    tensor: Any, indices: Any, element_shape: Any, num_elements: Any, *, element_dtype: Any
) -> TensorList:
    """A list with the slices of a tensor at `indices`."""
    positions = np.asarray(static(indices)).astype(int)
    count = max(int(static(num_elements)), int(positions.max(initial=-1)) + 1)
    items: list[Any] = [None] * count
    for row, position in enumerate(positions):
        items[position] = tensor[row]
    return TensorList(items, TensorShape(tensor.shape[1:]), element_dtype)


def scatter_into(handle: Any, tensor: Any, indices: Any, *, element_dtype: Any) -> Any:
    """The list with the slices of a tensor at `indices`."""
    if isinstance(handle, TensorList) and is_static(indices):
        items = list(handle.items)
        for row, position in enumerate(np.asarray(indices).astype(int)):
            if position >= len(items):
                items += [None] * (position + 1 - len(items))
            items[position] = tensor[row]
        return handle.replaced(items)
    handle = _with_buffer(stacked(handle), tensor[0])
    return handle.replaced(handle.buffer.at[indices].set(tensor), handle.length)


def concat(handle: Any, element_shape: Any, leading_dims: Any, *, element_dtype: Any) -> tuple:
    """All elements joined along their first dimension, and the lengths in it."""
    if isinstance(handle, StackedList):
        if isinstance(handle.length, jax.core.Tracer):
            raise NotStaticError(handle.length)
        items = list(handle.buffer[: int(handle.length)])
        handle = TensorList(items, handle.element_shape, handle.element_dtype)
    items = [_zeros(handle) if each is None else each for each in handle.items]
    lengths = np.array([np.shape(each)[0] for each in items], np.int64)
    if not items:
        dims = [dim or 0 for dim in handle.element_shape.as_list()[1:]] if handle.element_shape.rank else []
        return np.zeros([0, *dims], element_dtype.as_numpy_dtype), lengths
    xp = np if all(is_static(each) for each in items) else jnp
    return xp.concatenate(items, axis=0), lengths


def split(tensor: Any, element_shape: Any, lengths: Any, *, element_dtype: Any) -> TensorList:
    """A list of pieces of a tensor, of these lengths."""
    ends = np.cumsum(static(lengths)).tolist()
    items = [tensor[start:end] for start, end in zip([0, *ends], ends)]
    return TensorList(items, TensorShape([None, *tensor.shape[1:]]), element_dtype)


def item_gradient(handle: Any, index: Any, item: Any) -> Any:
    """A list that is zero but for the element at `index`."""
    if isinstance(handle, TensorList) and is_static(index):
        items: list[Any] = [None] * len(handle.items)
        items[int(index)] = item
        return TensorList(items, TensorShape(np.shape(item)), handle.element_dtype)
    item, handle = _element(item), stacked(handle)
    empty = StackedList(None, handle.length, handle.capacity, handle.element_shape, handle.element_dtype)
    handle = _with_buffer(empty, item)
    return handle.replaced(_update(handle.buffer, item, index), handle.length)


def add_item(handle: Any, index: Any, item: Any) -> Any:
    """The list with `item` added to the element at `index`."""
    if isinstance(handle, TensorList) and is_static(index):
        items = list(handle.items)
        old = items[int(index)]
        items[int(index)] = item if old is None else _plus(old, item)
        return handle.replaced(items)
    item = _element(item)
    handle = _with_buffer(stacked(handle), item)
    if isinstance(item, StackedList):
        return handle.replaced(
            _update(handle.buffer, _plus(_take(handle.buffer, index), item), index), handle.length
        )
    return handle.replaced(handle.buffer.at[index].add(item), handle.length)


def zeros_like(handle: Any) -> Any:
    """The list with all elements zero."""
    if isinstance(handle, TensorList):
        return handle.replaced([None if each is None else _zero_element(each) for each in handle.items])
    return handle.replaced(None if handle.buffer is None else _zero_element(handle.buffer), handle.length)


def _zero_element(element: Any) -> Any:
    if isinstance(element, (TensorList, StackedList)):
        return zeros_like(element)
    return _namespace(element).zeros_like(element)


def add(a: Any, b: Any) -> Any:
    """The sum of two lists, element by element."""
    if isinstance(a, TensorList) and isinstance(b, TensorList):
        both = [
            x if y is None else y if x is None else _plus(x, y) for x, y in zip(a.items, b.items, strict=True)
        ]
        return a.replaced(both)
    a, b = stacked(a), stacked(b)
    if a.buffer is None or b.buffer is None:
        return b if a.buffer is None else a
    return a.replaced(_plus(a.buffer, b.buffer), a.length)
