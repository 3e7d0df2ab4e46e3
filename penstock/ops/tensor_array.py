"""`tf.TensorArray`: an array of tensors that loops write and read element by element.

In a graph it is a tensor-list variant (`flow`); eagerly it is a list with the same functional interface.
"""

from __future__ import annotations

from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.types import dtypes, errors
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor
from penstock.types.type_spec import TypeSpec


@export("TensorArray")
class TensorArray(CompositeTensor):
    """An array of tensors of one dtype, written once each and read in any order.

    Args:
      dtype: the dtype of the elements.
      size: how many elements (an int32 scalar); 0 by default.
      dynamic_size: whether writing past the end makes it larger.
      clear_after_read: whether an element may be read only once (eager mode checks it).
      element_shape: the shape of every element, as far as known.
      infer_shape: whether all elements must have the shape of the first.

    Example:
      >>> import penstock as tf
      >>> array = tf.TensorArray(tf.float32, size=2)
      >>> array = array.write(0, 1.0).write(1, 2.0)
      >>> array.stack().numpy()
      array([1., 2.], dtype=float32)
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ):
        self._dtype = as_dtype(dtype)
        self._element_shape = TensorShape(element_shape)
        self._infer_shape = infer_shape
        self._dynamic_size = bool(dynamic_size)
        self._clear_after_read = clear_after_read
        self._read: set[int] = set()
        self._static_size: int | None = (
            None  # how many elements there are, where that is known and cannot change
        )
        if flow is None:
            count = convert_to_tensor(0 if size is None else size, dtypes.int32)
            known = None if dynamic_size else constant_value(count)
            self._static_size = None if known is None else int(known)
            flow = execute(
                "TensorListReserve",
                (self._shape_operand(), count),
                {"element_dtype": self._dtype},
                name or "TensorArrayV2",
            )
        self._flow = flow

    def _shape_operand(self) -> Any:
        dims = (
            -1
            if self._element_shape.rank is None
            else [-1 if d is None else d for d in self._element_shape.as_list()]
        )
        return convert_to_tensor(dims, dtypes.int32)

    def _with(self, flow: Any) -> TensorArray:
        array = TensorArray(
            self._dtype,
            dynamic_size=self._dynamic_size,
            clear_after_read=self._clear_after_read,
            flow=flow,
            infer_shape=self._infer_shape,
            element_shape=self._element_shape,
        )
        array._read = self._read
        array._static_size = self._static_size
        return array

    @property
    def flow(self) -> Tensor:
        """The variant tensor that holds the list."""
        return self._flow

    @property
    def handle(self) -> None:
        """None: the flow is the state."""
        return None

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self._dtype

    @property
    def dynamic_size(self) -> bool:
        """Whether writing past the end makes the array larger."""
        return self._dynamic_size

    @property
    def element_shape(self) -> TensorShape:
        """The shape of the elements, as far as known."""
        return self._element_shape

    @property
    def _type_spec(self) -> TensorArraySpec:
        return TensorArraySpec(self._element_shape, self._dtype, self._dynamic_size, self._infer_shape)

    def identity(self) -> TensorArray:
        """The same array."""
        return self._with(execute("Identity", (self._flow,), None))

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> TensorArray:
        """The gradients of this kind of array are arrays by themselves; returns this one."""
        return self

    def _merge_shape(self, value: Any) -> None:
        if not self._infer_shape:
            return
        if not self._element_shape.is_compatible_with(value.shape):
            raise ValueError(
                f"Incompatible shape for value: {value.shape}, expected {self._element_shape}: all elements of this "
                "TensorArray must have one shape (infer_shape=False lifts that)."
            )
        self._element_shape = self._element_shape.merge_with(value.shape)

    def _check_index(self, index: Any, what: str) -> None:
        if isinstance(index, SymbolicTensor) or isinstance(self._flow, SymbolicTensor):
            return
        position, size = int(index), len(self._flow.host().items)
        if position < 0 or (position >= size and not (what == "write to" and self._dynamic_size)):
            raise errors.OutOfRangeError(
                None, None, f"Tried to {what} index {position} but array size is: {size}"
            )

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at `index`."""
        index = convert_to_tensor(index, dtypes.int32)
        self._check_index(index, "read from")
        value = execute(
            "TensorListGetItem",
            (self._flow, index, self._shape_operand()),
            {"element_dtype": self._dtype},
            name,
        )
        if isinstance(value, SymbolicTensor):
            value.set_shape(self._element_shape)
        elif self._clear_after_read is not False:
            position = int(index)
            if position in self._read:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"Could not read index {position} twice because it was cleared after a previous read (perhaps try "
                    "setting clear_after_read = false?)",
                )
            self._read.add(position)
        return value

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """An array like this one with `value` at `index`."""
        index = convert_to_tensor(index, dtypes.int32)
        value = convert_to_tensor(value, dtype_hint=self._dtype)
        if value.dtype.base_dtype != self._dtype.base_dtype:
            message = (
                f"TensorArray dtype is {self._dtype.name} but Op is trying to write dtype {value.dtype.name}"
            )
            if isinstance(value, SymbolicTensor):
                raise ValueError(message)
            raise errors.InvalidArgumentError(None, None, message)
        self._check_index(index, "write to")
        self._merge_shape(value)
        flow = execute(
            "TensorListSetItem",
            (self._flow, index, value),
            {"element_dtype": self._dtype, "resize_if_index_out_of_bounds": self._dynamic_size},
            name,
        )
        array = self._with(flow)
        if thread.graph is None and not isinstance(flow, SymbolicTensor):
            self._flow = flow  # eager arrays also change in place, as TensorFlow's do
        return array

    def stack(self, name: str | None = None) -> Tensor:
        """The elements stacked along a new first dimension."""
        if isinstance(self._flow, EagerTensor) and self._element_shape.rank is None:
            if not self._flow.host().items:
                return convert_to_tensor([], self._dtype)
        count = -1 if self._static_size is None else self._static_size
        return execute(
            "TensorListStack",
            (self._flow, self._shape_operand()),
            {"element_dtype": self._dtype, "num_elements": count},
            name,
        )

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements at `indices`, stacked."""
        indices = convert_to_tensor(indices, dtypes.int32)
        return execute(
            "TensorListGather",
            (self._flow, indices, self._shape_operand()),
            {"element_dtype": self._dtype},
            name,
        )

    def concat(self, name: str | None = None) -> Tensor:
        """The elements joined along their first dimension."""
        value, _ = execute(
            "TensorListConcatV2",
            (self._flow, self._shape_operand(), convert_to_tensor([], dtypes.int64)),
            {"element_dtype": self._dtype},
            name,
        )
        return value

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """An array of the slices of `value` along its first dimension."""
        value = convert_to_tensor(value, self._dtype if not isinstance(value, Tensor) else None)
        if isinstance(value, EagerTensor) and self._static_size is not None:
            if value.shape[0] > self._static_size:
                raise ValueError(
                    f"Cannot unstack {value.shape[0]} tensors into a TensorArray of static size {self._static_size}"
                )
        if value.shape.rank is not None:
            self._merge_shape_of_rows(value)
        flow = execute(
            "TensorListFromTensor", (value, self._shape_operand()), {"element_dtype": self._dtype}, name
        )
        array = self._with(flow)
        array._static_size = None if self._dynamic_size or value.shape.rank is None else value.shape[0]
        if thread.graph is None and not isinstance(flow, SymbolicTensor):
            self._flow = flow
        return array

    def _merge_shape_of_rows(self, value: Any) -> None:
        if self._infer_shape:
            self._element_shape = self._element_shape.merge_with(TensorShape(value.shape.as_list()[1:]))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """An array like this one with the slices of `value` at `indices`."""
        indices = convert_to_tensor(indices, dtypes.int32)
        value = convert_to_tensor(value, self._dtype if not isinstance(value, Tensor) else None)
        if value.shape.rank is not None:
            self._merge_shape_of_rows(value)
        flow = execute(
            "TensorListScatterIntoExistingList",
            (self._flow, value, indices),
            {"element_dtype": self._dtype},
            name,
        )
        array = self._with(flow)
        if thread.graph is None and not isinstance(flow, SymbolicTensor):
            self._flow = flow
        return array

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """An array of pieces of `value` with the given lengths along its first dimension."""
        value = convert_to_tensor(value, self._dtype if not isinstance(value, Tensor) else None)
        lengths = convert_to_tensor(lengths, dtypes.int64)
        flow = execute(
            "TensorListSplit", (value, self._shape_operand(), lengths), {"element_dtype": self._dtype}, name
        )
        array = self._with(flow)
        array._static_size = None
        return array

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements (an int32 scalar)."""
        return execute("TensorListLength", (self._flow,), None, name)

    def close(self, name: str | None = None) -> None:
        """Nothing to free; kept for TF 1 programs."""

    def mark_used(self) -> None:
        """Nothing to mark; kept for programs that call it."""


@export("TensorArraySpec")
class TensorArraySpec(TypeSpec):
    """The spec of a `TensorArray`."""

    __slots__ = ("_element_shape", "_dtype", "_dynamic_size", "_infer_shape")

    def __init__(
        self,
        element_shape: Any = None,
        dtype: Any = dtypes.float32,
        dynamic_size: bool = False,
        infer_shape: bool = True,
    ):
        self._element_shape = TensorShape(element_shape)
        self._dtype = as_dtype(dtype)
        self._dynamic_size, self._infer_shape = dynamic_size, infer_shape

    @property
    def value_type(self) -> type:
        return TensorArray

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a TensorArray or its spec may stand where this one is expected."""
        other = other._type_spec if isinstance(other, TensorArray) else other
        return (
            isinstance(other, TensorArraySpec)
            and self._dtype == other._dtype
            and self._dynamic_size == other._dynamic_size
            and self._element_shape.is_compatible_with(other._element_shape)
        )

    def most_specific_compatible_type(self, other: Any) -> TensorArraySpec:
        """The spec of arrays that both describe."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        shape = self._element_shape.most_specific_compatible_shape(other._element_shape)
        return TensorArraySpec(
            shape, self._dtype, self._dynamic_size, self._infer_shape and other._infer_shape
        )

    def _serialize(self) -> tuple:
        return (self._element_shape, self._dtype, self._dynamic_size, self._infer_shape)

    @property
    def _component_specs(self) -> list:
        return [TensorSpec([], dtypes.variant)]

    def _to_components(self, value: Any) -> list:
        return [value.flow]

    def _from_components(self, components: Any) -> TensorArray:
        return TensorArray(
            self._dtype,
            flow=components[0],
            dynamic_size=self._dynamic_size,
            infer_shape=self._infer_shape,
            element_shape=self._element_shape,
        )

    @staticmethod
    def from_value(value: TensorArray) -> TensorArraySpec:
        """The spec of an array."""
        return value._type_spec
