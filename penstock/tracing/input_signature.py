"""The `input_signature` of a `tf.function`: the specs that it is traced for, and the arguments that fit them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.tracing.signatures import Binder
from penstock.types import nest
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor


def specs_of(signature: Any) -> tuple | None:
    """The signature that a user gave, with specs in the place of tensors and variables.

    Raises:
      TypeError: it is neither a tuple nor a list.
    """
    if signature is None:
        return None
    if not isinstance(signature, (tuple, list)):
        raise TypeError(f"input_signature must be either a tuple or a list, got {type(signature)}.")

    def spec_of(each: Any) -> Any:
        if isinstance(each, Tensor):
            return TensorSpec.from_tensor(each)
        if hasattr(each, "handle") and hasattr(each, "dtype"):
            return TensorSpec(each.shape, each.dtype)
        return each

    return tuple(nest.map_structure(spec_of, list(signature)))


def require_specs(python_function: Callable, signature: tuple | None) -> None:
    """Whether a signature has a spec for each parameter that has no default, and no more.

    Raises:
      TypeError: it has not.
    """
    if signature is None:
        return
    parameters = list(Binder(python_function).signature.parameters.values())
    if parameters and parameters[0].name == "self":  # it is bound when the method is called
        parameters = parameters[1:]
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    extra = len(signature) - sum(each.kind in by_position for each in parameters)
    if extra > 0 and not any(each.kind is each.VAR_POSITIONAL for each in parameters):
        raise TypeError(f"input_signature contains {extra} extra type constraints.")
    for parameter in parameters[len(signature) :]:
        required = parameter.default is parameter.empty
        if required and parameter.kind in by_position:
            raise TypeError(f"input_signature missing type constraint for {parameter.name}")
        if required and parameter.kind is parameter.KEYWORD_ONLY:
            raise TypeError(
                f"Since input_signature is defined, keyword-only parameter `{parameter.name}` must have a default value"
            )


def fitted(name: str, binder: Binder, signature: tuple, args: tuple) -> tuple:
    """The positional arguments of a call, those that the signature names as tensors.

    Args:
      name: the function's, for messages.
      binder: of its parameters. signature: its specs. args: the arguments, with defaults filled in.

    Raises:
      TypeError: there are too many or too few, or one does not fit its spec.
    """
    if len(signature) < len(args) and any(
        parameter.default is inspect.Parameter.empty
        and parameter.kind is not inspect.Parameter.VAR_POSITIONAL
        for parameter in list(binder.signature.parameters.values())[len(signature) : len(args)]
    ):
        raise TypeError(
            f"{name}: got {len(args)} positional arguments, but the input_signature has {len(signature)}."
        )
    if len(args) < len(signature):
        raise TypeError(
            f"{name}: the input_signature has {len(signature)} entries, the call {len(args)} arguments."
        )
    return (*(_fitted(name, *each) for each in zip(signature, args)), *args[len(signature) :])


def _fitted(name: str, spec: Any, value: Any) -> Any:
    def fit(spec: Any, value: Any) -> Any:
        return _tensor(name, spec, value) if isinstance(spec, TensorSpec) else value

    try:
        return nest.map_structure_up_to(spec, fit, spec, value) if nest.is_nested(spec) else fit(spec, value)
    except ValueError as error:
        raise TypeError(f"{name}: the argument does not have the structure of {spec}: {error}") from None


def _tensor(name: str, spec: TensorSpec, value: Any) -> Tensor:
    try:
        tensor = convert_to_tensor(value, None if isinstance(value, Tensor) else spec.dtype)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name}: cannot convert {value!r} to {spec}: {error}") from None
    if not spec.is_compatible_with(tensor):
        raise TypeError(
            f"{name}: the input_signature expects {spec}, got a tensor of shape {tensor.shape} and dtype "
            f"{tensor.dtype.name}."
        )
    return tensor
