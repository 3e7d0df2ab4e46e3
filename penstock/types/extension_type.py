"""`ExtensionType`: classes of values made of tensors and other data, which users write like dataclasses.

The annotated attributes of a class are its fields. For each class a constructor is made, and a TypeSpec
(`Spec`) with the same fields, in which TypeSpecs stand for the tensors. Instances and specs cannot be
changed.
"""

from __future__ import annotations

import abc
import inspect
import sys
from typing import Any, ClassVar

from penstock.types import nest, upcalls
from penstock.types.composite import CompositeTensor
from penstock.types.extension_field import (
    FOR_DEFAULT,
    FOR_SPEC,
    FOR_VALUE,
    NO_DEFAULT,
    Field,
    convert,
    default_of,
    fields_of,
    raw_annotations,
)
from penstock.types.immutable_dict import ImmutableDict
from penstock.types.shapes import TensorShape
from penstock.types.specs import type_spec_from_value
from penstock.types.tensors import Tensor
from penstock.types.type_spec import BatchableTypeSpec, TypeSpec, TypeSpecBatchEncoder, register

# Present in an instance's __dict__ only while its constructor runs.
_CONSTRUCTING = "_extension_type_constructing"
# Attributes that are no data, which may be set at any time: cached facts, and marks that Keras puts on
# values.
_MUTABLE = frozenset(("_cached_cmp_key", "_cached_type_spec", "_keras_mask"))


class _Constructor(abc.ABCMeta):
    """The metaclass of extension types and their specs: fields are converted and checked when `__init__` is over."""

    __signature__: inspect.Signature

    def __call__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        instance: Any = cls.__new__(cls)
        instance.__dict__[_CONSTRUCTING] = True
        instance.__init__(*args, **kwargs)
        instance._convert_fields()
        del instance.__dict__[_CONSTRUCTING]
        instance.__validate__()
        return instance


class _Fields:
    """What extension types and their specs share: named fields, set by the constructor and never again."""

    @classmethod
    def _fields(cls) -> tuple[Field, ...]:
        """The fields, in the order of the constructor's arguments."""
        raise TypeError(f"{cls.__name__} has no fields.")

    def _convert_fields(self) -> None:
        raise TypeError(f"{type(self).__name__} has no fields.")

    def _convert_fields_for(self, fields: tuple[Field, ...], purpose: Any) -> None:
        missing = {field.name for field in fields} - self.__dict__.keys()
        if missing:
            raise ValueError(f"Missing required fields: {missing}")
        for field in fields:
            value = self.__dict__[field.name]
            self.__dict__[field.name] = convert(value, field.annotation, field.name, purpose)

    def _field_values(self) -> dict[str, Any]:
        return {field.name: self.__dict__[field.name] for field in self._fields()}

    def __validate__(self) -> None:
        """Checks the fields of a new instance; override it, and raise an error if they do not fit together."""

    def __setattr__(self, name: str, value: Any) -> None:
        self._check_mutable(name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._check_mutable(name)
        object.__delattr__(self, name)

    def _check_mutable(self, name: str) -> None:
        if name in _MUTABLE:
            return
        if _CONSTRUCTING in self.__dict__ and any(field.name == name for field in self._fields()):
            return
        kind = "ExtensionTypeSpec" if isinstance(self, TypeSpec) else "ExtensionType"
        raise AttributeError(f"Cannot mutate attribute `{name}` outside the custom constructor of {kind}.")

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in self._field_values().items())
        return f"{type(self).__name__}({parts})"


class ExtensionTypeMetaclass(_Constructor):
    """Finds the fields of a new extension type and makes its constructor's signature and its `Spec`."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        cls._own_fields: tuple[Field, ...] | None = ()
        if namespace.get("_is_base", False):
            return
        _check_body(cls, namespace)
        statement = sys._getframe(1)  # runs the class statement, whose names the annotations use
        cls._scope = statement.f_globals
        try:
            cls._own_fields = fields_of(cls, ExtensionType, cls._scope, statement.f_locals)
        except NameError:  # a class that comes later; `_fields` asks again
            cls._own_fields = None
        for field in cls._own_fields or ():
            if field.default is not NO_DEFAULT:
                convert(field.default, field.annotation, f"default value for {field.name}", FOR_DEFAULT)
        cls.__signature__ = _signature(cls, namespace)
        if "__init__" not in namespace:
            cls.__init__ = _constructor(cls.__signature__)
        cls.Spec = _make_spec_class(cls, namespace.get("Spec"))
        if "__name__" in namespace:
            register(namespace["__name__"] + ".Spec")(cls.Spec)


def _check_body(cls: type, namespace: dict[str, Any]) -> None:
    """Raises ValueError if the class's body has a field with a reserved name, or one without annotation."""
    wrong = f"The field annotations for {cls.__name__} are invalid."
    annotated = raw_annotations(cls)
    for name in annotated:
        if name in ("self", "Spec") or (name.startswith("_") and hasattr(ExtensionType, name)):
            raise ValueError(f"{wrong} Field '{name}' is reserved.")
    for name, value in namespace.items():
        is_dunder = name.startswith("__") and name.endswith("__")
        if name in annotated or is_dunder or callable(value) or hasattr(value, "__get__"):
            continue
        raise ValueError(f"{wrong} Field {name} is missing a type annotation.")


def _signature(cls: Any, namespace: dict[str, Any]) -> inspect.Signature:
    """The signature of the constructor: a parameter for each field, or that of a constructor the user wrote."""
    if "__init__" in namespace:
        of_init = inspect.signature(namespace["__init__"])
        return of_init.replace(parameters=list(of_init.parameters.values())[1:])
    names: dict[str, Any] = {}
    for ancestor in reversed(cls.__mro__):
        if issubclass(ancestor, ExtensionType) and ancestor is not ExtensionType:
            names.update(raw_annotations(ancestor))
    names.update({field.name: field.annotation for field in cls._own_fields or ()})
    parameters = []
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    seen_default = False
    for name, annotation in names.items():
        default = default_of(cls, name, ExtensionType)
        seen_default = seen_default or default is not NO_DEFAULT
        if default is NO_DEFAULT and seen_default:  # can only be given by name, as everything after it
            kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return inspect.Signature(parameters, return_annotation=cls)


def _constructor(signature: inspect.Signature) -> Any:
    """An `__init__` that sets a field for each parameter."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        self.__dict__.update(bound.arguments)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[own, *signature.parameters.values()])  # type: ignore[attr-defined]
    return __init__


class ExtensionType(_Fields, CompositeTensor, metaclass=ExtensionTypeMetaclass):
    """Base class of user-defined types that hold tensors.

    The annotated attributes of a subclass are its fields, and the arguments of its constructor. A field may
    be annotated as `tf.Tensor`, `int`, `float`, `bool`, `str`, `bytes`, `None`, `tf.TensorShape`, `tf.DType`,
    another extension type or composite tensor, `tuple[X, ...]`, `tuple[X, Y]`, `Mapping[str, X]`, or a
    `Union` of such. Values for `tf.Tensor` fields are converted to tensors; everything else is checked.

    Instances cannot be changed. They can be passed to and returned from `tf.function`, and are flattened by
    `tf.nest` with `expand_composites=True`. Comparing with `==` gives a scalar bool tensor.

    A subclass may define `__validate__`, which is called at the end of construction; its own `__init__`,
    which must set every field; and properties and methods. The nested class `Spec` is its TypeSpec, made
    automatically; a subclass may define a class `Spec` with a constructor and methods of its own.

    >>> import penstock as tf
    >>> class MaskedTensor(tf.experimental.ExtensionType):
    ...     values: tf.Tensor
    ...     mask: tf.Tensor
    >>> mt = MaskedTensor([1, 2, 3], [True, False, True])
    >>> mt.values.shape
    TensorShape([3])
    >>> spec = MaskedTensor.Spec(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.bool))
    >>> spec.is_compatible_with(mt)
    True
    """

    _is_base: ClassVar[bool] = True
    _own_fields: ClassVar[tuple[Field, ...] | None]  # None while an annotation names what is not defined
    _scope: ClassVar[dict[str, Any]]
    Spec: ClassVar[Any]
    __hash__ = None  # type: ignore[assignment]  # equality is a tensor

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuses to make an instance of the base class itself."""
        if cls in (ExtensionType, BatchableExtensionType):
            raise AssertionError(
                f"Cannot create an instance of {cls.__name__} because {cls.__name__} is an abstract base class."
            )
        return object.__new__(cls)

    @classmethod
    def _fields(cls) -> tuple[Field, ...]:
        if cls._own_fields is None:
            try:
                cls._own_fields = fields_of(cls, ExtensionType, cls._scope, {})
            except NameError as error:
                raise NameError(f"In the annotations of {cls.__name__}: {error}") from None
        return cls._own_fields

    def _convert_fields(self) -> None:
        self._convert_fields_for(self._fields(), FOR_VALUE)

    @property
    def _type_spec(self) -> Any:
        spec = self.__dict__.get("_cached_type_spec")
        if spec is None:
            spec = self.Spec.from_value(self)
            object.__setattr__(self, "_cached_type_spec", spec)
        return spec

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, type(self)) or not self._type_spec.is_compatible_with(other._type_spec):
            return False
        mine, theirs = nest.flatten(self, expand_composites=True), nest.flatten(other, expand_composites=True)
        return upcalls.all_equal(mine, theirs) if mine else True

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return not equal if isinstance(equal, bool) else ~equal

    def __getstate__(self) -> dict[str, Any]:
        return self._field_values()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


# -- specs ---------------------------------------------------------------------------------------------------


class ExtensionTypeSpec(_Fields, TypeSpec, metaclass=_Constructor):
    """Base class of the `Spec` of every extension type: the same fields, with TypeSpecs for the tensors.

    >>> import penstock as tf
    >>> class Point(tf.experimental.ExtensionType):
    ...     x: tf.Tensor
    ...     unit: str = "m"
    >>> tf.type_spec_from_value(Point([1.0, 2.0]))
    Point.Spec(x=TensorSpec(shape=(2,), dtype=tf.float32, name=None), unit='m')
    """

    value_type: ClassVar[type]  # type: ignore[misc]

    @classmethod
    def _fields(cls) -> tuple[Field, ...]:
        return cls.value_type._fields()  # type: ignore[attr-defined]

    def _convert_fields(self) -> None:
        self._convert_fields_for(self._fields(), FOR_SPEC)

    @classmethod
    def from_value(cls, value: Any) -> Any:
        """The spec of an extension type's value."""
        return instance_of(cls, {name: _spec_for(part) for name, part in value._field_values().items()})

    def _serialize(self) -> tuple[Any, ...]:
        return tuple((name, _with_mappings(value, dict)) for name, value in self._field_values().items())

    @classmethod
    def _deserialize(cls, serialization: Any) -> Any:
        return instance_of(cls, {name: _with_mappings(value, ImmutableDict) for name, value in serialization})

    def _spec_leaves(self) -> list[Any]:
        return nest.flatten(list(self._field_values().values()))

    @property
    def _component_specs(self) -> tuple[TypeSpec, ...]:
        return tuple(leaf for leaf in self._spec_leaves() if isinstance(leaf, TypeSpec))

    def _to_components(self, value: Any) -> tuple[Any, ...]:
        leaves = nest.flatten_up_to(list(self._field_values().values()), list(value._field_values().values()))
        return tuple(
            part for part, spec in zip(leaves, self._spec_leaves(), strict=True) if isinstance(spec, TypeSpec)
        )

    def _from_components(self, components: Any) -> Any:
        parts = iter(components)
        leaves = [next(parts) if isinstance(leaf, TypeSpec) else leaf for leaf in self._spec_leaves()]
        names = list(self._field_values())
        values = nest.pack_sequence_as(list(self._field_values().values()), leaves)
        return instance_of(self.value_type, dict(zip(names, values, strict=True)))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in self._serialize())
        return f"{type(self).__name__}({parts})"


def instance_of(cls: Any, fields: dict[str, Any]) -> Any:
    """An instance with fields that are known to fit: nothing is converted or checked."""
    instance = object.__new__(cls)
    instance.__dict__.update(fields)
    return instance


def _spec_for(value: Any) -> Any:
    """The field of a spec that describes the field `value` of an instance."""
    if isinstance(value, Tensor | CompositeTensor):
        return type_spec_from_value(value)
    if isinstance(value, tuple):
        return tuple(map(_spec_for, value))
    if isinstance(value, ImmutableDict):
        return ImmutableDict({key: _spec_for(part) for key, part in value.items()})
    return value


def _with_mappings(value: Any, mapping: type) -> Any:
    """`value` with every mapping in it, at any depth, turned into one of the given class."""
    if isinstance(value, tuple):
        return tuple(_with_mappings(part, mapping) for part in value)
    if nest.is_mapping(value):
        return mapping({key: _with_mappings(part, mapping) for key, part in value.items()})
    return value


def _make_spec_class(cls: Any, written: type | None) -> type:
    """Makes `cls.Spec`, with the constructor and methods of the class `Spec` that the user wrote, if any."""
    base = BatchableExtensionTypeSpec if issubclass(cls, BatchableExtensionType) else ExtensionTypeSpec
    body = {} if written is None else dict(vars(written))
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    if hasattr(cls, "__batch_encoder__"):
        body["__batch_encoder__"] = cls.__batch_encoder__
    body |= {
        "value_type": cls,
        "__module__": cls.__module__,
        "__qualname__": f"{cls.__qualname__}.Spec",
    }
    spec = _Constructor(f"{cls.__name__}.Spec", (base,), body)
    if "__init__" not in body:
        positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = list(_signature(cls, {}).parameters)
        spec.__signature__ = inspect.Signature(
            [inspect.Parameter(name, positional) for name in names], return_annotation=spec
        )
        spec.__init__ = _constructor(spec.__signature__)  # type: ignore[misc]
    return spec


# -- batches -------------------------------------------------------------------------------------------------


class ExtensionTypeBatchEncoder(TypeSpecBatchEncoder):
    """Says how values of a BatchableExtensionType are batched: field by field.

    Subclass it, and set `__batch_encoder__` in the extension type, where that is not right, for instance
    because two fields are stacked together.
    """

    def batch(self, spec: Any, batch_size: int | None) -> Any:
        """The spec of a batch: every TypeSpec and TensorShape in `spec` gets an outer axis of `batch_size`."""

        def batched(part: Any) -> Any:
            if isinstance(part, TypeSpec):
                return _encoder(part).batch(part, batch_size)
            return TensorShape([batch_size]).concatenate(part) if isinstance(part, TensorShape) else part

        return _map_spec(batched, spec)

    def unbatch(self, spec: Any) -> Any:
        """The spec of one value of a batch: every TypeSpec and TensorShape in `spec` loses its outer axis."""

        def unbatched(part: Any) -> Any:
            if isinstance(part, TypeSpec):
                return _encoder(part).unbatch(part)
            return part[1:] if isinstance(part, TensorShape) else part

        return _map_spec(unbatched, spec)

    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        """The tensors that hold `value`, as a nested list with an entry for each component."""
        components = spec._to_components(value)
        return [
            _encoder(part).encode(part, component, minimum_rank)
            for part, component in zip(spec._component_specs, components, strict=True)
        ]

    def encoding_specs(self, spec: Any) -> Any:
        """The TensorSpecs of what `encode` returns."""
        return [_encoder(part).encoding_specs(part) for part in spec._component_specs]

    def decode(self, spec: Any, encoded_value: Any) -> Any:
        """The value that `encode` turned into `encoded_value`."""
        parts = zip(spec._component_specs, encoded_value, strict=True)
        return spec._from_components([_encoder(part).decode(part, encoded) for part, encoded in parts])


def _encoder(spec: TypeSpec) -> TypeSpecBatchEncoder:
    if not isinstance(spec, BatchableTypeSpec):
        raise TypeError(
            f"ExtensionTypeBatchEncoder: cannot batch a field of type {type(spec).__name__}: {spec}."
        )
    return spec.__batch_encoder__


def _map_spec(function: Any, spec: Any) -> Any:
    """A spec of the class of `spec` with `function` applied to all parts of its fields."""
    return instance_of(
        type(spec),
        {name: nest.map_structure(function, value) for name, value in spec._field_values().items()},
    )


class BatchableExtensionTypeSpec(ExtensionTypeSpec, BatchableTypeSpec):
    """Base class of the `Spec` of every batchable extension type."""

    __batch_encoder__ = ExtensionTypeBatchEncoder()

    def _batch(self, batch_size: int | None) -> Any:
        return self.__batch_encoder__.batch(self, batch_size)

    def _unbatch(self) -> Any:
        return self.__batch_encoder__.unbatch(self)

    @property
    def _flat_tensor_specs(self) -> list[TypeSpec]:
        return nest.flatten(self.__batch_encoder__.encoding_specs(self))

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return nest.flatten(self.__batch_encoder__.encode(self, value))

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        return nest.flatten(self.__batch_encoder__.encode(self, value, minimum_rank=1))

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        encoding = nest.pack_sequence_as(self.__batch_encoder__.encoding_specs(self), tensor_list)
        return self.__batch_encoder__.decode(self, encoding)


class BatchableExtensionType(ExtensionType):
    """An ExtensionType whose values can be batched and unbatched: by `tf.data`, `tf.map_fn` and Keras.

    The batch dimension is the outermost of every tensor. `__batch_encoder__`, an `ExtensionTypeBatchEncoder`,
    may be set in a subclass to say it differently.

    >>> import penstock as tf
    >>> class Vertex(tf.experimental.BatchableExtensionType):
    ...     position: tf.Tensor
    >>> ds = tf.data.Dataset.from_tensor_slices(Vertex([[1, 2], [3, 4]]))
    >>> next(iter(ds)).position.shape
    TensorShape([2])
    """

    _is_base = True
