"""The specs of tensors, variables and None, and `type_spec_from_value`, which finds the spec of any value.

Signatures of `tf.function`, elements of datasets and components of composites are described by these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.types import dtypes, upcalls
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape, broadcast_dims, from_dims
from penstock.types.tensors import EagerTensor, Tensor
from penstock.types.type_spec import BatchableTypeSpec, TypeSpec, register


class DenseSpec(TypeSpec):
    """What has a shape, a dtype and a name: the common part of `TensorSpec` and `VariableSpec`."""

    __slots__ = ("_dtype", "_name", "_shape")
    _expands_to_components = False

    def __init__(self, shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> None:
        self._shape = shape if type(shape) is TensorShape else TensorShape(shape)
        self._dtype = as_dtype(dtype)
        self._name = name

    @property
    def shape(self) -> TensorShape:
        """The shape, which may be partly known."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def name(self) -> str | None:
        """The name of the tensor, if it matters."""
        return self._name

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self._name

    @property
    def _component_specs(self) -> Any:
        return self

    def _to_legacy_output_types(self) -> DType:
        return self._dtype

    def _to_legacy_output_shapes(self) -> TensorShape:
        return self._shape

    def _to_legacy_output_classes(self) -> type:
        return self.value_type

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and self._shape._dims == other._shape._dims  # type: ignore[attr-defined]
            and self._dtype is other._dtype  # type: ignore[attr-defined]
            and self._name == other._name  # type: ignore[attr-defined]
        )

    def __hash__(self) -> int:
        return hash((self._shape._dims, self._dtype))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self._shape}, dtype={self._dtype!r}, name={self._name!r})"


@register("tf.TensorSpec")
class TensorSpec(DenseSpec, BatchableTypeSpec):
    """Describes tensors: their shape, which may be partly known, their dtype, and maybe a name.

    Args:
      shape: What `tf.TensorShape` accepts.
      dtype: What `tf.as_dtype` accepts.
      name: The name of the argument that the spec describes, in the signature of a saved function.

    Raises:
      TypeError: if `shape` is no shape or `dtype` no dtype.

    >>> import penstock as tf
    >>> tf.TensorSpec([None, 3], tf.int32, name="ids")
    TensorSpec(shape=(None, 3), dtype=tf.int32, name='ids')
    """

    __slots__ = ()

    @property
    def value_type(self) -> type:
        """`tf.Tensor`."""
        return Tensor

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        """Returns a TensorSpec with the shape and dtype of `spec`, and its name unless `name` is given."""
        return cls(spec.shape, spec.dtype, name or spec.name)

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """Returns the TensorSpec of a tensor; the name of a symbolic tensor is that of its operation.

        Raises:
          ValueError: if `tensor` is no `tf.Tensor`.

        >>> import penstock as tf
        >>> tf.TensorSpec.from_tensor(tf.constant([1, 2]))
        TensorSpec(shape=(2,), dtype=tf.int32, name=None)
        """
        if not isinstance(tensor, Tensor):
            raise ValueError(f"`tensor` should be a tf.Tensor, but got type {type(tensor)}.")
        if name is None and not isinstance(tensor, EagerTensor):
            name = tensor.op.name  # type: ignore[attr-defined]
        return TensorSpec(tensor.shape, tensor.dtype, name)  # type: ignore[attr-defined]

    def is_compatible_with(self, spec_or_tensor: Any) -> bool:
        """Whether a tensor, or some tensor of a spec, fits this spec; names do not matter.

        >>> import penstock as tf
        >>> tf.TensorSpec([None], tf.int32).is_compatible_with(tf.constant([1, 2]))
        True
        """
        return (
            isinstance(spec_or_tensor, Tensor | DenseSpec)
            and self._dtype.is_compatible_with(spec_or_tensor.dtype)
            and self._shape.is_compatible_with(spec_or_tensor.shape)  # type: ignore[union-attr]
        )

    def is_subtype_of(self, other: Any) -> bool:
        """Whether every tensor of this spec is one of `other`; a name is a subtype of the same name only."""
        return (
            isinstance(other, TensorSpec)
            and (not self._name or self._name == other._name)
            and self._dtype is other._dtype
            and self._shape.is_subtype_of(other._shape)
        )

    def _to_components(self, value: Any) -> Any:
        return value

    def _from_components(self, components: Any) -> Any:
        return components

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return [value]

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        return [value]

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        (tensor,) = tensor_list
        return tensor

    def _batch(self, batch_size: int | None) -> TensorSpec:
        return TensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> TensorSpec:
        if self._shape.rank == 0:
            raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        return TensorSpec(self._shape[1:], self._dtype)


@register("tf.BoundedTensorSpec")
class BoundedTensorSpec(TensorSpec):
    """A TensorSpec with a least and a greatest value for the elements.

    Args:
      shape: What `tf.TensorShape` accepts.
      dtype: What `tf.as_dtype` accepts.
      minimum: A number, or an array that broadcasts to `shape`.
      maximum: The same.
      name: As for `tf.TensorSpec`.

    Raises:
      ValueError: if a bound is None, or does not broadcast to `shape`.
    """

    __slots__ = ("_maximum", "_minimum")

    def __init__(self, shape: Any, dtype: Any, minimum: Any, maximum: Any, name: str | None = None) -> None:
        super().__init__(shape, dtype, name)
        self._minimum = self._bound("minimum", minimum)
        self._maximum = self._bound("maximum", maximum)

    def _bound(self, which: str, value: Any) -> np.ndarray:
        if value is None:
            raise ValueError(f"`{which}` can not be None.")
        bound = np.array(value, dtype=self._dtype.as_numpy_dtype)
        try:
            broadcast_dims(bound.shape, self._shape._dims)
        except ValueError:
            raise ValueError(f"`{which}` {value} is not compatible with shape {self._shape}.") from None
        bound.setflags(write=False)
        return bound

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> BoundedTensorSpec:
        """Returns a BoundedTensorSpec like `spec`; without bounds of its own, those of its dtype."""
        minimum = getattr(spec, "minimum", None)
        maximum = getattr(spec, "maximum", None)
        dtype = as_dtype(spec.dtype)
        return BoundedTensorSpec(
            spec.shape,
            dtype,
            dtype.min if minimum is None else minimum,
            dtype.max if maximum is None else maximum,
            name or spec.name,
        )

    @property
    def minimum(self) -> np.ndarray:
        """The least value of each element; a read-only array that broadcasts to `shape`."""
        return self._minimum

    @property
    def maximum(self) -> np.ndarray:
        """The greatest value of each element; a read-only array that broadcasts to `shape`."""
        return self._maximum

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self._minimum, self._maximum, self._name

    def __eq__(self, other: object) -> bool:
        return (
            super().__eq__(other)
            and np.allclose(self._minimum, other._minimum)  # type: ignore[attr-defined]
            and np.allclose(self._maximum, other._maximum)  # type: ignore[attr-defined]
        )

    __hash__ = DenseSpec.__hash__

    def __repr__(self) -> str:
        return (
            f"BoundedTensorSpec(shape={self._shape}, dtype={self._dtype!r}, name={self._name!r}, "
            f"minimum={self._minimum!r}, maximum={self._maximum!r})"
        )


class VariableSpec(DenseSpec):
    """Describes variables, for the signature of a `tf.function` that takes some.

    Args:
      shape: What `tf.TensorShape` accepts.
      dtype: What `tf.as_dtype` accepts.
      trainable: Whether the variables are trainable.
      alias_id: A number that variables which are one and the same share, and others do not; None if that is
        unknown.

    >>> import penstock as tf
    >>> tf.type_spec_from_value(tf.Variable([1.0, 2.0]))
    VariableSpec(shape=(2,), dtype=tf.float32, trainable=True, alias_id=None)
    """

    __slots__ = ("alias_id", "trainable")

    def __init__(
        self, shape: Any, dtype: Any = dtypes.float32, trainable: bool = True, alias_id: int | None = None
    ) -> None:
        super().__init__(shape, dtype)
        self.trainable = trainable
        self.alias_id = alias_id

    @property
    def value_type(self) -> type:
        """The class of variables."""
        return upcalls.variable_class

    @classmethod
    def from_value(cls, value: Any) -> VariableSpec:
        """Returns the spec of a variable."""
        return cls(value.shape, value.dtype, value.trainable)

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self.trainable, self.alias_id

    @property
    def _component_specs(self) -> list[TensorSpec]:
        return [TensorSpec([], dtypes.resource)]

    def _to_components(self, value: Any) -> list[Any]:
        return [value.handle]

    def _from_components(self, components: Any) -> Any:
        if not isinstance(components, list | tuple):
            raise TypeError(f"Components of a variable must be a list or tuple, got {components!r} instead.")
        if len(components) != 1:
            raise ValueError(
                f"Components of a variable must be its resource handle only, got {components!r}."
            )
        (handle,) = components
        if not isinstance(handle, Tensor) or handle.dtype is not dtypes.resource:
            raise ValueError(f"The handle of a variable must be a resource tensor, got {handle!r} instead.")
        return upcalls.variable_from_handle(handle, self)

    def __eq__(self, other: object) -> bool:
        return (
            super().__eq__(other)
            and self.trainable == other.trainable  # type: ignore[attr-defined]
            and self.alias_id == other.alias_id  # type: ignore[attr-defined]
        )

    def __hash__(self) -> int:
        return hash((self._shape._dims, self._dtype, self.trainable, self.alias_id))

    def __repr__(self) -> str:
        return (
            f"VariableSpec(shape={self._shape}, dtype={self._dtype!r}, trainable={self.trainable}, "
            f"alias_id={self.alias_id})"
        )


@register("tf.NoneTensorSpec")
class NoneTensorSpec(BatchableTypeSpec):
    """Describes None, which datasets and signatures may hold.

    >>> import penstock as tf
    >>> tf.NoneTensorSpec().is_compatible_with(None)
    True
    """

    __slots__ = ()

    @property
    def value_type(self) -> type:
        """The class of None."""
        return type(None)

    @classmethod
    def from_value(cls, value: Any) -> NoneTensorSpec:
        """Returns the spec of None."""
        return cls()

    def _serialize(self) -> tuple[Any, ...]:
        return ()

    @property
    def _component_specs(self) -> list[Any]:
        return []

    def _to_components(self, value: Any) -> list[Any]:
        return []

    def _from_components(self, components: Any) -> None:
        return None

    def _batch(self, batch_size: int | None) -> NoneTensorSpec:
        return NoneTensorSpec()

    def _unbatch(self) -> NoneTensorSpec:
        return NoneTensorSpec()

    def most_specific_compatible_shape(self, other: Any) -> NoneTensorSpec:
        """The spec of what is None in both; raises ValueError if `other` is another spec."""
        if type(other) is not type(self):
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        return self


# -- the spec of a value -------------------------------------------------------------------------------------

# (class, function from a value to its spec, whether instances of subclasses count), in order of registration.
_CONVERTERS: list[tuple[type, Callable[[Any], TypeSpec], bool]] = []


def register_type_spec_from_value_converter(
    type_object: type, converter_fn: Callable[[Any], TypeSpec], allow_subclass: bool = False
) -> None:
    """Tells `type_spec_from_value` how to find the spec of values of a class.

    Args:
      type_object: The class.
      converter_fn: Takes a value of it, returns its TypeSpec.
      allow_subclass: Whether the values of subclasses are meant too.
    """
    _CONVERTERS.append((type_object, converter_fn, allow_subclass))


register_type_spec_from_value_converter(type(None), NoneTensorSpec.from_value)


def type_spec_from_value(value: Any) -> TypeSpec:
    """Returns the TypeSpec of a value: `value` is compatible with it, and it knows all that can be known.

    Args:
      value: A tensor, a composite tensor, a variable, a dataset, None, or what converts to a tensor.

    Raises:
      TypeError: if `value` is nothing of the kind.

    >>> import penstock as tf
    >>> tf.type_spec_from_value(tf.constant([1, 2, 3]))
    TensorSpec(shape=(3,), dtype=tf.int32, name=None)
    >>> tf.type_spec_from_value("hello")
    TensorSpec(shape=(), dtype=tf.string, name=None)
    """
    if isinstance(value, Tensor):
        return TensorSpec(value.shape, value.dtype)  # type: ignore[attr-defined]
    if isinstance(getattr(type(value), "_type_spec", None), property):
        return value._type_spec
    for cls, converter, allow_subclass in reversed(_CONVERTERS):
        if type(value) is cls or (allow_subclass and isinstance(value, cls)):
            return converter(value)
    if isinstance(value, np.ndarray | np.generic):
        return TensorSpec(from_dims(value.shape), as_dtype(value.dtype))
    if not isinstance(value, TypeSpec):
        try:
            tensor = upcalls.convert_to_tensor(value)
            return TensorSpec(tensor.shape, tensor.dtype)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"Could not build a TypeSpec for {value!r} of unsupported type {type(value)}.")
