"""`TypeSpec`, the description of a kind of value: its class, and all that is not data (dtypes, shapes, ...).

Tracing compares specs, composites are flattened by them, and saved models store them under the names of the
registry at the end of this file. The specs of tensors are in `specs`; those of ragged and sparse tensors
stand with them.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import numpy as np

from penstock.types import nest
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape


class TypeSpec(abc.ABC):
    """Describes a kind of value, such as the tensors of one dtype and partly known shape.

    A subclass defines `value_type` and `_serialize`, which says in plain parts all that makes two specs
    differ; and, for values made of tensors, `_component_specs`, `_to_components` and `_from_components`.
    Equality, hashing, compatibility, subtyping and pickling follow from `_serialize`.
    """

    __slots__ = ("__weakref__", "_cached_cmp_key")

    _cached_cmp_key: Any

    # `nest` walks the spec of a composite as it walks the composite; DenseSpec says False.
    _expands_to_components = True

    @property
    @abc.abstractmethod
    def value_type(self) -> type:
        """The class of the values that this spec describes."""

    @abc.abstractmethod
    def _serialize(self) -> tuple[Any, ...]:
        """The constructor's arguments: numbers, strings, dtypes, shapes, specs, and containers of them."""

    @classmethod
    def _deserialize(cls, serialization: Iterable[Any]) -> TypeSpec:
        """The spec that `_serialize` described."""
        return cls(*serialization)

    @property
    @abc.abstractmethod
    def _component_specs(self) -> Any:
        """A structure of TypeSpecs, which match what `_to_components` returns."""

    @abc.abstractmethod
    def _to_components(self, value: Any) -> Any:
        """The structure of tensors and composites that `value` is made of."""

    @abc.abstractmethod
    def _from_components(self, components: Any) -> Any:
        """The value that is made of `components`; the inverse of `_to_components`."""

    # -- relations -------------------------------------------------------------------------------------------

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether some value fits both this spec and `spec_or_value`, a spec or a value.

        >>> import penstock as tf
        >>> tf.TensorSpec([None, 3]).is_compatible_with(tf.zeros([2, 3]))
        True
        """
        if not isinstance(spec_or_value, TypeSpec):
            from penstock.types.specs import type_spec_from_value

            try:
                spec_or_value = type_spec_from_value(spec_or_value)
            except TypeError:
                return False
        if type(self) is not type(spec_or_value):
            return False
        return _compatible(self._serialize(), spec_or_value._serialize())

    def is_subtype_of(self, other: Any) -> bool:
        """Whether every value of this spec is also one of `other`."""
        if type(self) is not type(other):
            return False
        return _each_pair(_is_subtype, self._serialize(), other._serialize())

    def most_specific_common_supertype(self, others: Iterable[Any]) -> TypeSpec | None:
        """The narrowest spec that this one and `others` are all subtypes of; None if there is none.

        >>> import penstock as tf
        >>> tf.TensorSpec([2, 3]).most_specific_common_supertype([tf.TensorSpec([4, 3])])
        TensorSpec(shape=(None, 3), dtype=tf.float32, name=None)
        """
        others = list(others)
        if any(type(self) is not type(other) for other in others):
            return None
        try:
            merged = nest.map_structure(
                _supertype, self._serialize(), *(other._serialize() for other in others)
            )
        except (ValueError, TypeError):  # the structures differ, or two parts have nothing in common
            return None
        return self._deserialize(merged)

    def most_specific_compatible_type(self, other: Any) -> TypeSpec:
        """As `most_specific_common_supertype([other])`, but raises ValueError where there is none."""
        found = self.most_specific_common_supertype([other])
        if found is None:
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        return found

    # -- values as flat lists of tensors ---------------------------------------------------------------------

    @property
    def _flat_tensor_specs(self) -> list[TypeSpec]:
        """The specs of the tensors that `_to_tensor_list` returns."""
        return nest.flatten(self._component_specs, expand_composites=True)

    def _to_tensor_list(self, value: Any) -> list[Any]:
        """The tensors that `value` is made of, components of components included."""
        return nest.flatten(self._to_components(value), expand_composites=True)

    def _from_tensor_list(self, tensor_list: list[Any]) -> Any:
        """The value made of `tensor_list`; raises ValueError if a tensor is not what its spec says."""
        expected = self._flat_tensor_specs
        what = f"Cannot create a {self.value_type.__name__} from the tensor list because"
        if len(expected) != len(tensor_list):
            raise ValueError(
                f"{what} the TypeSpec expects {len(expected)} items, but the provided tensor list has "
                f"{len(tensor_list)} items."
            )
        for i, (spec, tensor) in enumerate(zip(expected, tensor_list, strict=True)):
            if not spec.is_compatible_with(tensor):
                raise ValueError(
                    f"{what} item {i} ({tensor!r}) is incompatible with the expected TypeSpec {spec}."
                )
        return self._from_compatible_tensor_list(tensor_list)

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        """The value made of `tensor_list`, which is not checked."""
        return self._from_components(
            nest.pack_sequence_as(self._component_specs, tensor_list, expand_composites=True)
        )

    # What `tf.compat.v1.data.get_output_types` and its siblings show; specs without such a form show
    # themselves.
    def _to_legacy_output_types(self) -> Any:
        return self

    def _to_legacy_output_shapes(self) -> Any:
        return self

    def _to_legacy_output_classes(self) -> Any:
        return self

    # -- equality --------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and self._cmp_key() == other._cmp_key()  # type: ignore[attr-defined]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._cmp_key())

    def _cmp_key(self) -> Any:
        try:
            return self._cached_cmp_key
        except AttributeError:
            object.__setattr__(self, "_cached_cmp_key", _hashable(self._serialize()))
            return self._cached_cmp_key

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._serialize()!r}"

    def __reduce__(self) -> tuple:
        return _deserialized, (type(self), self._serialize())


def _deserialized(cls: type[TypeSpec], serialization: tuple) -> TypeSpec:
    return cls._deserialize(serialization)


# -- comparing what `_serialize` returns ---------------------------------------------------------------------


class _NoSupertypeError(ValueError):
    """Two parts of a serialization have nothing in common."""


def _is_subtype(a: Any, b: Any) -> bool:
    return a.is_subtype_of(b) if isinstance(a, TensorShape | DType | TypeSpec) else _equal(a, b)


def _supertype(a: Any, *others: Any) -> Any:
    if isinstance(a, TensorShape | DType | TypeSpec):
        found = a.most_specific_common_supertype(others)
        if found is None:
            raise _NoSupertypeError
        return found
    if not all(_equal(a, b) for b in others):
        raise _NoSupertypeError
    return a


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b


def _each_pair(relation: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """Whether `relation` holds between all parts of two serializations that nest alike."""
    try:
        nest.assert_same_structure(a, b)
    except (ValueError, TypeError):
        return False
    return all(map(relation, nest.flatten(a), nest.flatten(b)))


def _compatible(a: Any, b: Any) -> bool:
    def compatible_parts(x: Any, y: Any) -> bool:
        if type(x) is not type(y):
            return False
        return x.is_compatible_with(y) if isinstance(x, TensorShape | DType | TypeSpec) else _equal(x, y)

    return _each_pair(compatible_parts, a, b)


def _hashable(value: Any) -> Any:
    """A hashable stand-in for a part of a serialization; parts that are equal have equal ones."""
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(_hashable, value))
    if nest.is_mapping(value):
        return "dict", tuple((_hashable(key), _hashable(value[key])) for key in sorted(value))
    if isinstance(value, np.ndarray):
        return "ndarray", value.shape, tuple(value.ravel().tolist())
    try:
        hash(value)
    except TypeError:
        raise ValueError(
            f"A TypeSpec's _serialize() returned a part that is not hashable: {value!r}"
        ) from None
    return type(value), value  # the type keeps True and 1 apart


# -- batching ------------------------------------------------------------------------------------------------


class TypeSpecBatchEncoder(abc.ABC):
    """Says how values of a spec are batched: encoded as tensors that ops stack, slice and concatenate."""

    @abc.abstractmethod
    def batch(self, spec: Any, batch_size: int | None) -> Any:
        """The spec of `batch_size` values of `spec` (None for an unknown number)."""

    @abc.abstractmethod
    def unbatch(self, spec: Any) -> Any:
        """The spec of one value of the batch that `spec` describes."""

    @abc.abstractmethod
    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        """The structure of tensors, each of rank `minimum_rank` or more, that holds `value`."""

    @abc.abstractmethod
    def decode(self, spec: Any, encoded_value: Any) -> Any:
        """The value that `encode` turned into `encoded_value`."""

    @abc.abstractmethod
    def encoding_specs(self, spec: Any) -> Any:
        """A structure of TensorSpecs that match what `encode` returns."""


class LegacyTypeSpecBatchEncoder(TypeSpecBatchEncoder):
    """The encoder of specs that define `_batch`, `_unbatch` and `_to_batched_tensor_list` themselves."""

    def batch(self, spec: Any, batch_size: int | None) -> Any:
        return spec._batch(batch_size)

    def unbatch(self, spec: Any) -> Any:
        return spec._unbatch()

    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        if minimum_rank == 0:
            return spec._to_tensor_list(value)
        if minimum_rank != 1:
            raise ValueError(f"{type(spec).__name__}: minimum_rank must be 0 or 1, got {minimum_rank}.")
        return spec._to_batched_tensor_list(value)

    def decode(self, spec: Any, encoded_value: Any) -> Any:
        return spec._from_tensor_list(encoded_value)

    def encoding_specs(self, spec: Any) -> Any:
        return spec._flat_tensor_specs


class BatchableTypeSpec(TypeSpec):
    """A TypeSpec whose values `tf.data`, `tf.map_fn` and Keras can batch and unbatch."""

    __slots__ = ()
    __batch_encoder__: ClassVar[TypeSpecBatchEncoder] = LegacyTypeSpecBatchEncoder()

    @abc.abstractmethod
    def _batch(self, batch_size: int | None) -> TypeSpec:
        """The spec of `batch_size` values of this spec."""

    @abc.abstractmethod
    def _unbatch(self) -> TypeSpec:
        """The spec of one value of the batch that this spec describes."""

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        """As `_to_tensor_list`, for a batch of values: every tensor's first axis is that of the batch."""
        tensors = self._to_tensor_list(value)
        if any(tensor.shape.rank == 0 for tensor in tensors):
            raise ValueError(f"{type(self).__name__}: cannot unbatch {value!r}: a component has rank 0.")
        return tensors


# -- names ---------------------------------------------------------------------------------------------------

_NAME = re.compile(r"(\w+\.)+\w+")
_BY_NAME: dict[str, type[TypeSpec]] = {}
_NAME_OF: dict[type[TypeSpec], str] = {}

_SpecClass = TypeVar("_SpecClass", bound=type)


def register(name: str) -> Callable[[_SpecClass], _SpecClass]:
    """A class decorator that gives a TypeSpec the name under which saved models keep it.

    Args:
      name: `"my_project.MyTypeSpec"`; the part before the point keeps projects apart.

    Raises:
      TypeError: if `name` is no string, or the class no TypeSpec.
      ValueError: if `name` has another form, or the name or the class is registered already.
    """
    if not isinstance(name, str):
        raise TypeError(f"Expected `name` to be a string; got {name!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            "Registered name must have the form '{project_name}.{type_name}' "
            f"(e.g. 'my_project.MyTypeSpec'); got {name!r}."
        )

    def decorate(cls: _SpecClass) -> _SpecClass:
        if not (isinstance(cls, type) and issubclass(cls, TypeSpec)):
            raise TypeError(f"Expected `cls` to be a TypeSpec; got {cls!r}")
        if cls in _NAME_OF:
            raise ValueError(
                f"Class {_qualified(cls)} has already been registered with name {_NAME_OF[cls]}."
            )
        if name in _BY_NAME:
            raise ValueError(
                f"Name {name} has already been registered for class {_qualified(_BY_NAME[name])}."
            )
        _BY_NAME[name] = cls
        _NAME_OF[cls] = name
        return cls

    return decorate


def _qualified(cls: type) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def lookup(name: str) -> type[TypeSpec]:
    """The TypeSpec class that is registered as `name`; raises ValueError where there is none."""
    if not isinstance(name, str):
        raise TypeError(f"Expected `name` to be a string; got {name!r}")
    if name not in _BY_NAME:
        raise ValueError(f"No TypeSpec has been registered with name {name!r}")
    return _BY_NAME[name]


def get_name(cls: type[TypeSpec]) -> str:
    """The name that a TypeSpec class is registered as; raises ValueError if it is not."""
    if not (isinstance(cls, type) and issubclass(cls, TypeSpec)):
        raise TypeError(f"Expected `cls` to be a TypeSpec; got {cls!r}")
    if cls not in _NAME_OF:
        raise ValueError(f"TypeSpec {_qualified(cls)} has not been registered.")
    return _NAME_OF[cls]
