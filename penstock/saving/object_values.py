"""What of an object a checkpoint keeps, and how the object takes it back.

An object gives named tensors (`_serialize_to_tensors`), or saveables in the older protocol
(`_gather_saveables_for_checkpoint`); the class nearest to it in its ancestry that defines one of them decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from penstock.ops.variables.variable import Variable
from penstock.saving.object_graph import attribute_key, escape, unescape
from penstock.saving.saveable_object import (
    SaveableObject,
    SaveSpec,
    TensorsSaveable,
    VariableSaveable,
)
from penstock.types import errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import SymbolicTensor
from penstock.types.trackable import Trackable


class SavedTensor(NamedTuple):
    """A tensor to be saved: its key, its slice as text ("" for all), and its value."""

    key: str
    slice_spec: str
    tensor: Any


class SavedAttribute(NamedTuple):
    """A value of an object: its name, its key, and the tensors, whose keys begin with that."""

    name: str
    key: str
    tensors: list[SavedTensor]


def full_name(thing: Any) -> str:
    """The name of a variable as TF 1's checkpoints know it; "" for anything else."""
    name = getattr(thing, "_shared_name", None)
    return name if isinstance(name, str) and hasattr(thing, "dtype") else ""


def attributes_of(thing: Any, path: str, reads: dict[int, Any] | None = None) -> list[SavedAttribute]:
    """The values of the object at `path`; `reads` remembers the tensors of a graph that stand for them."""
    protocol = _protocol(thing)
    if protocol == "_serialize_to_tensors":
        try:
            tensors = _remembered_tensors(thing, reads)
        except NotImplementedError:
            return []
        return list(_from_tensors(tensors, path, _saveable_name(thing)))
    if protocol == "_gather_saveables_for_checkpoint":
        return [
            _from_saveable(name, as_saveable(value, attribute_key(path, escape(name))), path)
            for name, value in thing._gather_saveables_for_checkpoint().items()
        ]
    return []


def _remembered_tensors(thing: Any, reads: dict[int, Any] | None) -> dict[str, Any]:
    if reads is None:
        return thing._serialize_to_tensors()
    if id(thing) not in reads:
        tensors = thing._serialize_to_tensors()
        if not all(isinstance(each, SymbolicTensor) for each in tensors.values()):
            return tensors
        reads[id(thing)] = thing, tensors  # holds the object, so that its id stays its own
    return reads[id(thing)][1]


def has_values(thing: Any) -> bool:
    """Whether a checkpoint keeps something of an object itself."""
    return bool(_protocol(thing))


def _protocol(thing: Any) -> str:
    for kind in type(thing).__mro__:
        if kind is Trackable:
            break
        for name in ("_serialize_to_tensors", "_gather_saveables_for_checkpoint"):
            if name in vars(kind):
                return name
    return ""


def _saveable_name(thing: Any) -> str:
    """The one name under which all tensors of an object stand, for classes whose tensors have no names of their own."""
    return getattr(thing, "_legacy_saveable_name", "")


def _from_tensors(tensors: dict[str, Any], path: str, together: str) -> Iterator[SavedAttribute]:
    if together:
        key = attribute_key(path, together)
        parts = [part for name, value in tensors.items() for part in _slices(key + name, value)]
        yield SavedAttribute(together, key, parts)
        return
    for name, value in tensors.items():
        key = attribute_key(path, escape(name))
        yield SavedAttribute(escape(name), key, list(_slices(key, value)))


def _slices(key: str, value: Any) -> Iterator[SavedTensor]:
    """A tensor, or a dict of its slices."""
    for spec, tensor in value.items() if isinstance(value, dict) else [("", value)]:
        if isinstance(tensor, SaveSpec):
            yield SavedTensor(key, tensor.slice_spec, tensor.tensor)
        else:
            yield SavedTensor(key, spec, tensor() if callable(tensor) else tensor)


def _from_saveable(name: str, saveable: SaveableObject, path: str) -> SavedAttribute:
    tensors = [SavedTensor(spec.name, spec.slice_spec, spec.tensor) for spec in saveable.specs]
    return SavedAttribute(escape(name), attribute_key(path, escape(name)), tensors)


def as_saveable(value: Any, name: str) -> SaveableObject:
    """The saveable with a name of a variable, of a trackable that gives tensors, or of a function that makes one.

    Raises:
      TypeError: it is none of these.
    """
    if isinstance(value, SaveableObject):
        return value
    if isinstance(value, Variable) or hasattr(value, "_should_act_as_resource_variable"):
        return VariableSaveable(value, "", name)
    if has_values(value) and _protocol(value) == "_serialize_to_tensors":
        return TensorsSaveable(value, name)
    if callable(value):
        return value(name=name)
    raise TypeError(f"{value!r} is neither a variable nor anything else that a checkpoint can keep")


def stored_tensors(name: str, key: str, keys_from: Callable[[str], list[str]]) -> dict[str, str]:
    """Name -> key of the tensors that belong to an attribute of a checkpoint's object.

    Args:
      name, key: those of the attribute.
      keys_from: gives the keys of the checkpoint that begin with a text.
    """
    keys = keys_from(key)
    if key in keys:
        return {unescape(name): key}
    return {each.removeprefix(key): each for each in keys if "/" not in each.removeprefix(key)}


def check_dtype(thing: Any, key: str, stored: DType) -> None:
    """Refuses a value of another dtype than that of the variable that shall take it.

    Raises:
      InvalidArgumentError: the dtypes differ.
    """
    if not hasattr(thing, "dtype") or not hasattr(thing, "assign"):
        return
    own = as_dtype(thing.dtype).base_dtype
    if own is not stored and stored not in getattr(thing, "_stored_dtypes", ()):
        raise errors.InvalidArgumentError(
            None,
            None,
            f"tensor_name = {key}; expected dtype {own.name} does not equal original dtype {stored.name}",
        )


def take_back(thing: Any, tensors: dict[str, Any]) -> Any:
    """Gives an object its tensors; in a graph it returns the operation that does so.

    Raises:
      ValueError: a shape does not fit.
    """
    if _protocol(thing) == "_serialize_to_tensors":
        return thing._restore_from_tensors(tensors)
    results = []
    for name, value in thing._gather_saveables_for_checkpoint().items():
        saveable = as_saveable(value, name)
        wanted = [spec.name.removeprefix(name) for spec in saveable.specs]
        if name in tensors:
            results.append(saveable.restore([tensors[name]], None))
        elif all(each in tensors for each in wanted):
            results.append(saveable.restore([tensors[each] for each in wanted], None))
    return results[0] if len(results) == 1 else results
