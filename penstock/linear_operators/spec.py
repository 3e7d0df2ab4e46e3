"""Linear operators as composites: the spec that takes one apart into the tensors of its arguments, and slices of batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.static_value import constant_value
from penstock.linear_operators.matrices import HINTS
from penstock.ops.concatenation import concat
from penstock.ops.creation import ones
from penstock.ops.replication import broadcast_to
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.variables.variable import Variable
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor
from penstock.types.type_spec import BatchableTypeSpec, TypeSpec, register

_classes: dict[type, type] = {}  # class of operators -> class of their specs


class LinearOperatorSpec(BatchableTypeSpec):
    """The spec of one class of operators: the specs of the arguments that are tensors, and all others."""

    __slots__ = ("_param_specs", "_non_tensor_params")
    value_type: Any = None

    def __init__(self, param_specs: dict[str, Any], non_tensor_params: dict[str, Any]):
        self._param_specs, self._non_tensor_params = param_specs, non_tensor_params

    def _serialize(self) -> tuple:
        return (self._param_specs, self._non_tensor_params)

    @property
    def _component_specs(self) -> dict[str, Any]:
        return self._param_specs

    def _to_components(self, value: Any) -> dict[str, Any]:
        shell = value.__dict__.get("_shell")
        return {name: _argument(value, name) for name in self._param_specs} if shell is None else shell[1]

    def _from_components(self, components: dict[str, Any]) -> Any:
        parts = nest.flatten(components, expand_composites=True)
        if all(isinstance(part, (Tensor, Variable, np.ndarray)) for part in parts):
            return self.value_type(**self._non_tensor_params, **components)
        # A structure of something else, such as specs: an operator that can only be taken apart again.
        shell = self.value_type.__new__(self.value_type)
        shell.__dict__["_shell"] = (self, components)
        return shell

    def _batch(self, batch_size: int | None) -> LinearOperatorSpec:
        specs = nest.map_structure(lambda spec: spec._batch(batch_size), self._param_specs)
        return type(self)(specs, self._non_tensor_params)

    def _unbatch(self) -> LinearOperatorSpec:
        specs = nest.map_structure(lambda spec: spec._unbatch(), self._param_specs)
        return type(self)(specs, self._non_tensor_params)


def _spec_class(cls: type) -> type:
    if cls not in _classes:
        name = f"{cls.__name__}Spec"
        made = type(name, (LinearOperatorSpec,), {"__slots__": (), "value_type": cls})
        if cls.__module__.startswith("penstock."):
            register(f"tf.linalg.{name}")(made)
        _classes[cls] = made
    return _classes[cls]


def _argument(operator: Any, name: str) -> Any:
    """What an operator was given for an argument, in the form that it keeps."""
    given = operator.parameters.get(name)
    if given is None and name != "dtype":
        return getattr(operator, name, None) if name in HINTS else None
    found = getattr(operator, f"_{name}", given)
    found = list(found) if isinstance(found, list) else found
    known = constant_value(found) if isinstance(found, Tensor) and not found.dtype.is_floating else None
    if known is not None and not operator._experimental_parameter_ndims_to_matrix_ndims.get(name):
        return known.tolist()  # sizes stay what they are: they are not data
    return found


def _spec_of(value: Any) -> Any:
    """The spec of a tensor, variable or composite, or of each in a list; None for other values."""
    if isinstance(value, CompositeTensor):
        return value._type_spec
    if isinstance(value, (Tensor, Variable)):
        return TensorSpec(value.shape, value.dtype)
    if isinstance(value, (list, tuple)) and value:
        specs = [_spec_of(each) for each in value]
        return None if any(spec is None for spec in specs) else specs
    return None


def operator_spec(operator: Any) -> TypeSpec:
    """The spec of an operator."""
    shell = operator.__dict__.get("_shell")
    if shell is not None:
        return shell[0]
    fields = tuple(operator._composite_tensor_fields) or tuple(
        name for name in operator.parameters if name not in (*HINTS, "name")
    )
    specs, others = {}, {}
    for name in (*fields, *HINTS):
        value = _argument(operator, name)
        spec = _spec_of(value)
        if spec is None:
            others[name] = value
        else:
            specs[name] = spec
    return _spec_class(type(operator))(specs, others)


def sliced(operator: Any, slices: Any) -> Any:
    """The operator with the batch dimensions that `slices` leave of its own."""
    keys = slices if isinstance(slices, tuple) else (slices,)
    batch = operator.batch_shape_tensor()
    ones(batch)[slices]  # says what is wrong with the slices
    arguments = operator.parameters

    def cut(value: Any, matrix_dims: Any) -> Any:
        if isinstance(value, (list, tuple)) and isinstance(matrix_dims, (list, tuple)):
            return [cut(*each) for each in zip(value, matrix_dims, strict=True)]
        if isinstance(value, CompositeTensor):
            if value.batch_shape.rank == 0:  # type: ignore[attr-defined]
                return value
            if value.batch_shape.rank != operator.batch_shape.rank:  # type: ignore[attr-defined]
                raise ValueError(
                    f"Cannot slice {operator.name}: its batch shape is {operator.batch_shape}, and that of "
                    f"{value.name} is {value.batch_shape}."  # type: ignore[attr-defined]
                )
            return value[keys]  # type: ignore[index]
        shape = shape_of(value)
        whole = broadcast_to(value, concat([batch, shape[shape.shape[0] - matrix_dims :]], 0))
        rest = () if any(each is ... for each in keys) else (...,)
        return whole[(*keys, *rest, *[slice(None)] * matrix_dims)]

    for name, matrix_dims in operator._experimental_parameter_ndims_to_matrix_ndims.items():
        value = arguments.get(name)
        if value is not None:
            arguments[name] = cut(getattr(operator, f"_{name}"), matrix_dims)
    return type(operator)(**arguments)
