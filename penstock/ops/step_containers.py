"""Stacks and tensor arrays of TF 1's graphs, which live for one step of a session.

Gradients of TF 1's loops push what they need onto stacks on the way forward, and pop it on the way back; gradients of
tensor arrays are arrays of their own, found through the array, in which what is written to one index adds up. They are
resources on the host. Graphs that Penstock makes have none: only what reads GraphDefs adds these ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.shape_rules import ShapeCall, no_outputs, scalar
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

_FLOW = np.float32(0)


class Stack:
    """Values of which the last one comes out first."""

    handle_data = None

    def __init__(self, limit: int):
        self._values: list[Any] = []
        self._limit = limit

    def push(self, value: Any) -> None:
        """Adds a value.

        Raises:
          ValueError: the stack is full.
        """
        if 0 <= self._limit <= len(self._values):
            raise ValueError(f"Stack: it overflowed its max_size ({self._limit})")
        self._values.append(value)

    def pop(self) -> Any:
        """Takes the value that was added last.

        Raises:
          ValueError: there is none.
        """
        if not self._values:
            raise ValueError("Stack: it is empty")
        return self._values.pop()


class Array:
    """Tensors by index, each written once.

    Args:
      size: how many; an index beyond it makes the array longer if it is `dynamic`.
      shape: what is known of the shape of the elements.
      source: the array that this one is the gradient of; then what is written to an index adds up.
    """

    handle_data = None

    def __init__(
        self, size: int, dtype: DType, shape: TensorShape, dynamic: bool, source: Array | None = None
    ):
        self.dtype, self._shape, self._dynamic, self._source = dtype, shape, dynamic, source
        self._values: list[np.ndarray | None] = [None] * size
        self._gradients: dict[str, Array] = {}

    def __len__(self) -> int:
        return len(self._values)

    def gradient(self, source: str) -> Array:
        """The array of gradients for the pass backward that `source` names: the same one each time."""
        if source not in self._gradients:
            self._gradients[source] = Array(len(self), self.dtype, self._shape, False, self)
        return self._gradients[source]

    def write(self, index: int, value: np.ndarray) -> None:
        """Writes an element.

        Raises:
          ValueError: there is no such index, or it has been written before.
        """
        if index >= len(self._values) and self._dynamic:
            self._values += [None] * (index + 1 - len(self._values))
        held = self._values[self._checked(index)]
        if held is not None and self._source is None:
            raise ValueError(
                f"TensorArray: could not write to index {index} because it has already been written"
            )
        self._values[index] = value if held is None else held + value

    def read(self, index: int) -> np.ndarray:
        """An element; zeros where none was written and the shape is known.

        Raises:
          ValueError: there is no such index, or nothing is known of the element.
        """
        held = self._values[self._checked(index)]
        if held is not None:
            return held
        shape = self._shape_at(index)
        if shape is None:
            raise ValueError(f"TensorArray: could not read index {index}: it has not been written")
        return np.zeros(shape, self.dtype.as_numpy_dtype)

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self._values):
            raise ValueError(f"TensorArray: index {index} is not in [0, {len(self._values)})")
        return index

    def _shape_at(self, index: int) -> tuple[int, ...] | None:
        if self._source is not None and index < len(self._source):
            written = self._source._values[index]
            if written is not None:
                return written.shape
        return tuple(self._shape.as_list()) if self._shape.is_fully_defined() else None  # type: ignore[arg-type]

    def stack(self, indices: Sequence[int], shape: TensorShape) -> np.ndarray:
        """Elements along a new first axis; `shape` is theirs where there are none."""
        if not len(indices):
            return np.zeros(_empty(shape), self.dtype.as_numpy_dtype)
        return np.stack([self.read(int(index)) for index in indices])

    def resize(self, size: int) -> None:
        """Makes room for `size` elements in an array that may grow."""
        if self._dynamic:
            self._values += [None] * (size - len(self._values))


def _empty(shape: Any) -> list[int]:
    """The shape of no elements together."""
    known = TensorShape(shape)
    return [0, *((size or 0) for size in (known.as_list() if known.rank is not None else ()))]


def _unknown(call: ShapeCall) -> TensorShape:
    return TensorShape(None)


def _popped(call: ShapeCall) -> TensorShape:
    return TensorShape([]) if as_dtype(call.attrs["elem_type"]).name == "resource" else TensorShape(None)


def _two_scalars(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([]), TensorShape([])]


def _push(handle: Stack, elem: Any, *, swap_memory: bool) -> Any:
    handle.push(elem)
    return elem


def _new_array(
    size: Any,
    *,
    dtype: Any,
    element_shape: Any,
    dynamic_size: bool,
    clear_after_read: bool,
    identical_element_shapes: bool,
    tensor_array_name: Any,
) -> tuple[Array, np.float32]:
    return Array(int(size), as_dtype(dtype), TensorShape(element_shape), dynamic_size), _FLOW


def _gradient(handle: Array, flow_in: Any, *, source: Any) -> tuple[Array, np.float32]:
    return handle.gradient(source.decode() if isinstance(source, bytes) else str(source)), _FLOW


def _write(handle: Array, index: Any, value: np.ndarray, flow_in: Any) -> np.float32:
    handle.write(int(index), value)
    return _FLOW


def _scatter(handle: Array, indices: np.ndarray, value: np.ndarray, flow_in: Any) -> np.float32:
    if len(indices) != len(value):
        raise ValueError(f"expected as many values as indices, got {len(value)} and {len(indices)}")
    for index, each in zip(indices, value):
        handle.write(int(index), each)
    return _FLOW


def _split(handle: Array, value: np.ndarray, lengths: np.ndarray, flow_in: Any) -> np.float32:
    if lengths.sum() != len(value):
        raise ValueError(f"expected lengths that sum to {len(value)}, got {lengths.sum()}")
    handle.resize(len(lengths))
    for index, part in enumerate(np.split(value, np.cumsum(lengths)[:-1])):
        handle.write(index, part)
    return _FLOW


def _concat(handle: Array, flow_in: Any, *, dtype: Any, element_shape_except0: Any) -> tuple[Any, Any]:
    parts = [handle.read(index) for index in range(len(handle))]
    lengths = np.array([len(part) for part in parts], np.int64)
    if parts:
        return np.concatenate(parts), lengths
    return np.zeros(_empty(element_shape_except0), as_dtype(dtype).as_numpy_dtype), lengths


def _gather(handle: Array, indices: Any, flow_in: Any, *, dtype: Any, element_shape: Any) -> np.ndarray:
    return handle.stack(indices, TensorShape(element_shape))


# Signature, kernel, shapes.
for _signature, _kernel, _shape in (
    ("StackV2(max_size: int32; elem_type, stack_name='') -> handle: resource",
     lambda max_size, *, elem_type, stack_name: Stack(int(max_size)), scalar),
    ("StackPushV2(handle: resource, elem: T; swap_memory=False) -> output: T", _push, lambda call: call.shape(1)),
    ("StackPopV2(handle: resource; elem_type) -> elem: elem_type", lambda handle, *, elem_type: handle.pop(), _popped),
    ("StackCloseV2(handle: resource) -> ()", lambda handle: (), no_outputs),
    ("TensorArrayV3(size: int32; dtype, element_shape=None, dynamic_size=False, clear_after_read=True, "
     "identical_element_shapes=False, tensor_array_name='') -> (handle: resource, flow: float32)",
     _new_array, _two_scalars),
    ("TensorArrayGradV3(handle: resource, flow_in: float32; source) -> (grad_handle: resource, flow_out: float32)",
     _gradient, _two_scalars),
    ("TensorArrayWriteV3(handle: resource, index: int32, value: T, flow_in: float32) -> flow_out: float32",
     _write, scalar),
    ("TensorArrayReadV3(handle: resource, index: int32, flow_in: float32; dtype) -> value: dtype",
     lambda handle, index, flow_in, *, dtype: handle.read(int(index)), _unknown),
    ("TensorArrayGatherV3(handle: resource, indices: int32, flow_in: float32; dtype, element_shape=None) "
     "-> value: dtype", _gather, _unknown),
    ("TensorArrayScatterV3(handle: resource, indices: int32, value: T, flow_in: float32) -> flow_out: float32",
     _scatter, scalar),
    ("TensorArraySizeV3(handle: resource, flow_in: float32) -> size: int32",
     lambda handle, flow_in: np.int32(len(handle)), scalar),
    ("TensorArrayConcatV3(handle: resource, flow_in: float32; dtype, element_shape_except0=None) "
     "-> (value: dtype, lengths: int64)", _concat, lambda call: [TensorShape(None), TensorShape([None])]),
    ("TensorArraySplitV3(handle: resource, value: T, lengths: int64, flow_in: float32) -> flow_out: float32",
     _split, scalar),
    ("TensorArrayCloseV3(handle: resource) -> ()", lambda handle: (), no_outputs),
):  # fmt: skip
    op(_signature, numpy=_kernel, shape=_shape, stateful=True)
