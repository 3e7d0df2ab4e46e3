"""The tensor: `Tensor` is what `isinstance` asks for, `EagerTensor` holds a value, `SymbolicTensor` is an op's output.

Operators and slicing are installed by `penstock.ops.operators`, since types know nothing of ops.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.types import dtypes, errors, upcalls
from penstock.types.dtypes import DType, dtype_of_array
from penstock.types.shapes import TensorShape


class TensorLike:
    """What counts as a tensor for `tf.is_tensor`; libraries derive classes of their own from it (Keras's variables)."""

    __slots__ = ()


class Tensor(TensorLike):
    """A multi-dimensional array of one dtype: an `EagerTensor` or a `SymbolicTensor`.

    Never constructed by users; `tf.constant`, `tf.convert_to_tensor` and every op return one.
    """

    __slots__ = ("__dict__", "__weakref__")
    __array_priority__ = 100  # NumPy's operators defer to ours

    # Set by penstock.ops.operators: elementwise == as in TF 2 (True), or identity as in TF 1 (False).
    _use_equality = True

    if TYPE_CHECKING:  # what both kinds have, and what penstock.ops.operators and indexing install
        _dtype: DType
        shape: TensorShape
        op: Any
        graph: Any
        numpy: Any
        host: Any
        set_shape: Any
        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __floordiv__: Any
        __rfloordiv__: Any
        __mod__: Any
        __rmod__: Any
        __pow__: Any
        __rpow__: Any
        __matmul__: Any
        __rmatmul__: Any
        __and__: Any
        __rand__: Any
        __or__: Any
        __ror__: Any
        __xor__: Any
        __rxor__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __neg__: Any
        __abs__: Any
        __invert__: Any
        __iter__: Any
        __getitem__: Any

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def ndim(self) -> int | None:
        """The number of dimensions; None where unknown."""
        return self.shape.rank

    def get_shape(self) -> TensorShape:
        """The shape; same as `.shape`."""
        return self.shape

    def __hash__(self) -> int:
        if Tensor._use_equality and self.graph_is_eager_like:
            raise TypeError("Tensor is unhashable. Instead, use tensor.ref() as the key.")
        return id(self)

    @property
    def graph_is_eager_like(self) -> bool:
        """True where `==` compares elements (everywhere but in a TF 1 graph)."""
        return True

    def ref(self) -> Reference:
        """A hashable reference to this tensor, for use as a dictionary key."""
        return Reference(self)

    experimental_ref = ref


class Reference:
    """A hashable stand-in for a tensor or variable; `deref()` gives it back."""

    __slots__ = ("_wrapped",)

    def __init__(self, wrapped: Any):
        self._wrapped = wrapped

    def deref(self) -> Any:
        """The object referred to."""
        return self._wrapped

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._wrapped is other._wrapped

    def __hash__(self) -> int:
        return id(self._wrapped)

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._wrapped!r}>"


class EagerTensor(Tensor):
    """A tensor with a value: a NumPy array, a JAX array, or both.

    `_np` and `_jax` are two views of one immutable value; at least one is set. Resource and variant tensors keep
    their Python object in `_np`.
    """

    __slots__ = ("_np", "_jax", "_dtype")

    def __init__(self, value: Any, dtype: DType | None = None):
        self._np = value
        self._jax = None
        self._dtype = dtype_of_array(value) if dtype is None else dtype

    @staticmethod
    def from_jax(array: Any, dtype: DType | None = None) -> EagerTensor:
        """Wraps a JAX array without waiting for it."""
        tensor = EagerTensor.__new__(EagerTensor)
        tensor._np = None
        tensor._jax = array
        tensor._dtype = dtype_of_array(array) if dtype is None else dtype
        return tensor

    def host(self) -> Any:
        """The value as a NumPy array (not a copy: do not write into it)."""
        value = self._np
        if value is None:
            value = self._np = np.asarray(self._jax)
        return value

    def device_value(self) -> Any:
        """The value in the form that is cheapest to hand to a compiled program."""
        return self._np if self._jax is None else self._jax

    def numpy(self) -> Any:
        """A copy of the value: a NumPy array, or a NumPy scalar for shape `()`; `bytes` for a scalar string."""
        value = self.host()
        if not isinstance(value, np.ndarray):
            return value
        if value.ndim == 0:
            return value[()]
        return value.copy()

    _numpy = numpy

    @property
    def shape(self) -> TensorShape:
        """The shape, fully known."""
        value = self._np if self._jax is None else self._jax
        return TensorShape(getattr(value, "shape", ()))

    @property
    def _shape_tuple(self) -> tuple[int, ...]:
        return tuple((self._np if self._jax is None else self._jax).shape)

    @property
    def device(self) -> str:
        """The device that holds the value, as TensorFlow writes it."""
        return f"/job:localhost/replica:0/task:0/device:{upcalls.device_name(self)}"

    def cpu(self) -> EagerTensor:
        """The same value in the memory of the host."""
        return upcalls.copied_to(self, "CPU:0")

    def gpu(self, gpu_index: int = 0) -> EagerTensor:
        """The same value on a GPU; RuntimeError where there is none."""
        return upcalls.copied_to(self, f"GPU:{gpu_index}")

    def _rank(self) -> int:
        return len(self._shape_tuple)

    def _num_elements(self) -> int:
        return math.prod(self._shape_tuple)

    @property
    def backing_device(self) -> str:
        return self.device

    @property
    def is_symbolic_tensor(self) -> bool:
        return False

    @property
    def graph(self) -> Any:
        raise AttributeError("Tensor.graph is undefined when eager execution is enabled.")

    @property
    def op(self) -> Any:
        raise AttributeError("Tensor.op is undefined when eager execution is enabled.")

    @property
    def name(self) -> str:
        raise AttributeError("Tensor.name is undefined when eager execution is enabled.")

    @property
    def value_index(self) -> int:
        raise AttributeError("Tensor.value_index is undefined when eager execution is enabled.")

    def set_shape(self, shape: Any) -> None:
        """Checks that `shape` is compatible with the value's."""
        if not self.shape.is_compatible_with(shape):
            raise ValueError(f"Tensor's shape {self.shape} is not compatible with supplied shape {shape}")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = np.asarray(self.host())
        if dtype is not None and value.dtype != dtype:
            return value.astype(dtype)
        return value.copy() if copy or copy is None and value.flags.writeable else value

    def __len__(self) -> int:
        shape = self._shape_tuple
        if not shape:
            raise TypeError("Scalar tensor has no `len()`")
        return shape[0]

    def __bool__(self) -> bool:
        value = self.host()
        return bool(value) if getattr(value, "size", 1) else False

    __nonzero__ = __bool__

    def __int__(self) -> int:
        return int(self._scalar("int"))

    def __float__(self) -> float:
        return float(self._scalar("float"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex"))

    def __index__(self) -> int:
        return self._scalar("int").__index__()

    def _scalar(self, kind: str) -> Any:
        value = self.host()
        if getattr(value, "size", 1) != 1:
            raise TypeError(
                f"only length-1 arrays can be converted to Python scalars: {kind}() got shape {self.shape}"
            )
        return value if not isinstance(value, np.ndarray) else value.reshape(())[()]

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._scalar("float"), digits)

    def __format__(self, spec: str) -> str:
        return format(self.numpy(), spec)

    def __copy__(self) -> EagerTensor:
        return self  # immutable

    def __deepcopy__(self, memo: dict) -> EagerTensor:
        if self._dtype in (dtypes.resource, dtypes.variant):
            raise TypeError("a tensor that holds a resource cannot be deep-copied")
        return self

    def __reduce__(self) -> Any:
        return (EagerTensor, (np.array(self.host()), self._dtype))

    def __dlpack__(self, **options: Any) -> Any:
        return (self._np if self._jax is None else self._jax).__dlpack__(**options)

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self.numpy())  # asked for since Python 3.12

    def __dlpack_device__(self) -> Any:
        return (self._np if self._jax is None else self._jax).__dlpack_device__()

    def __str__(self) -> str:
        if self._jax is not None and (placed := upcalls.placement_text(self)):
            return f"tf.Tensor({placed}, shape={self.shape}, dtype={self._dtype.name})"
        return f"tf.Tensor({_text(self)}, shape={self.shape}, dtype={self._dtype.name})"

    def __repr__(self) -> str:
        if self._jax is not None and (placed := upcalls.placement_text(self)):
            return f"<tf.Tensor: {placed}, shape={self.shape}, dtype={self._dtype.name}>"
        return f"<tf.Tensor: shape={self.shape}, dtype={self._dtype.name}, numpy={_text(self, repr)}>"


def _text(tensor: EagerTensor, form: Any = str) -> str:
    value = tensor.host()
    if tensor.dtype in (dtypes.resource, dtypes.variant):
        return f"<{value!r}>"
    if np.ndim(value) == 0:
        scalar = value[()] if isinstance(value, np.ndarray) else value
        return repr(scalar.item()) if form is repr and isinstance(scalar, np.generic) else str(scalar)
    text = form(value)
    return "\n" + text if "\n" in text else text


class SymbolicTensor(Tensor):
    """One output of an `Operation`: a value that exists only when the graph runs."""

    __slots__ = ("op", "value_index", "_dtype", "_shape", "_constant", "handle_data")

    def __init__(self, op: Any, value_index: int, dtype: DType, shape: TensorShape):
        self.op = op
        self.value_index = value_index
        self._dtype = dtype
        self._shape = shape
        self._constant: Any = None  # memo of engine.static_value.constant_value
        self.handle_data: Any = None  # for resources: the (shape, dtype) of what the handle refers to

    @property
    def shape(self) -> TensorShape:
        """The shape as far as it is known while the graph is built."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the shape; ValueError where it contradicts what is known."""
        self._shape = self._shape.merge_with(shape)

    @property
    def graph(self) -> Any:
        """The graph that holds the op."""
        return self.op.graph

    @property
    def graph_is_eager_like(self) -> bool:
        return self.op.graph.building_function or not self.op.graph.is_v1

    @property
    def name(self) -> str:
        """`op_name:output_index`."""
        return f"{self.op.name}:{self.value_index}"

    @property
    def device(self) -> str:
        """The device that the op was placed on by `tf.device`; empty for none."""
        return self.op.device

    @property
    def is_symbolic_tensor(self) -> bool:
        return True

    def consumers(self) -> list[Any]:
        """The operations that take this tensor as an input."""
        return [op for op in self.op.graph.get_operations() if any(each is self for each in op.inputs)]

    def numpy(self) -> Any:
        raise AttributeError("'SymbolicTensor' object has no attribute 'numpy'")

    def __getattribute__(self, name: str) -> Any:
        if name == "numpy":  # hasattr(tensor, "numpy") is how programs ask for eagerness
            raise AttributeError("'SymbolicTensor' object has no attribute 'numpy'")
        return object.__getattribute__(self, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise NotImplementedError(
            f"Cannot convert a symbolic tf.Tensor ({self.name}) to a numpy array. This error may indicate that you're "
            "trying to pass a Tensor to a NumPy call, which is not supported."
        )

    def _refuse_bool(self, what: str) -> None:
        raise errors.OperatorNotAllowedInGraphError(
            f"{what} is not allowed: {self!r} is a symbolic tensor, whose value is not known while the graph is built. "
            "Decorate the function with @tf.function so that AutoGraph converts it, or use tf.cond / tf.while_loop."
        )

    def __bool__(self) -> bool:
        self._refuse_bool("Using a symbolic `tf.Tensor` as a Python `bool`")
        return False

    __nonzero__ = __bool__

    def __len__(self) -> int:
        raise TypeError(
            f"len is not well defined for a symbolic Tensor ({self.name}). Please call `x.shape` rather than `len(x)` "
            "for shape information."
        )

    def __copy__(self) -> SymbolicTensor:
        return self

    def __deepcopy__(self, memo: dict) -> SymbolicTensor:
        return self

    def __str__(self) -> str:
        shape = "" if self._shape.rank is None else f", shape={self._shape}"
        return f'Tensor("{self.name}"{shape}, dtype={self._dtype.name})'

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self._shape} dtype={self._dtype.name}>"


class WeakTensorMap:
    """A mapping keyed by tensor identity that does not keep the tensors alive."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref, Any]] = {}

    def get(self, tensor: Tensor, default: Any = None) -> Any:
        entry = self._entries.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else default

    def set(self, tensor: Tensor, value: Any) -> None:
        key = id(tensor)
        self._entries[key] = (weakref.ref(tensor, lambda _: self._entries.pop(key, None)), value)
