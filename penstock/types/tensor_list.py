"""The value of a tensor-list variant: what `TensorArray`, stacks in loops, and loop gradients are made of.

A list is immutable; an update returns a new one. While indices are known it is a Python list of arrays (`items`);
inside a compiled loop it is one stacked buffer with a length, so that the loop carries plain arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape


class TensorList:
    """Elements held one by one; an element that was never written is None."""

    __slots__ = ("items", "element_shape", "element_dtype")

    def __init__(self, items: Sequence[Any], element_shape: TensorShape, element_dtype: DType):
        self.items, self.element_shape, self.element_dtype = list(items), element_shape, element_dtype

    def replaced(self, items: Sequence[Any]) -> TensorList:
        """A list of the same kind with other elements."""
        return TensorList(items, self.element_shape, self.element_dtype)

    @property
    def capacity(self) -> int:
        """How many elements there are."""
        return len(self.items)

    def __repr__(self) -> str:
        return f"<TensorList of {len(self.items)} x {self.element_dtype.name}{self.element_shape}>"


class StackedList:
    """Elements in one buffer of shape [capacity, *element]; `length` of them are in use.

    `buffer` is None until the element shape is known. For a list of lists it is a StackedList of buffers with one more
    leading dimension. A pytree, so that compiled loops and branches carry it.
    """

    __slots__ = ("buffer", "length", "capacity", "element_shape", "element_dtype")

    def __init__(
        self, buffer: Any, length: Any, capacity: int, element_shape: TensorShape, element_dtype: DType
    ):
        self.buffer, self.length, self.capacity = buffer, length, capacity
        self.element_shape, self.element_dtype = element_shape, element_dtype

    def replaced(self, buffer: Any, length: Any) -> StackedList:
        """A list of the same kind with another buffer."""
        return StackedList(buffer, length, self.capacity, self.element_shape, self.element_dtype)

    def __repr__(self) -> str:
        return f"<StackedList capacity={self.capacity} of {self.element_dtype.name}{self.element_shape}>"
