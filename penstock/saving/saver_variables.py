"""What a `Saver` saves: a list or dict of variables, parts of variables and saveables, as saveables with names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.engine.context import thread
from penstock.ops.graph_collections import GraphKeys, get_collection
from penstock.ops.variables.partitioned_variables import PartitionedVariable
from penstock.ops.variables.variable_initializers import global_variables
from penstock.saving.object_values import as_saveable, has_values
from penstock.saving.saveable_object import SaveableObject, VariableSaveable
from penstock.types.trackable import Trackable


def saveables_of(var_list: Any) -> list[SaveableObject]:
    """The saveables for what a program gives a `Saver`, in the order of their names.

    Args:
      var_list: a list of variables, of parts of partitioned variables, or of saveables; or a dict of them by name.

    Raises:
      ValueError: two of them have the same name.
      TypeError: one is no variable.
    """
    named = dict(var_list) if isinstance(var_list, dict) else _by_name(var_list)
    return [saveable for name in sorted(named) for saveable in _saveables(name, named[name])]


def all_saveables() -> Any:
    """What a `Saver` without arguments saves: global variables, and the saveables that programs have registered."""
    variables = global_variables()
    if thread.graph is None:
        return _distinguished(variables)
    return variables + get_collection(GraphKeys.SAVEABLE_OBJECTS)


def _distinguished(variables: Iterable[Any]) -> dict[str, Any]:
    """Eager variables by names as a graph would have given them: `Variable`, `Variable_1`, ..."""
    named: dict[str, Any] = {}
    for variable in variables:
        base = name = name_of(variable)
        count = 0
        while name in named:
            count += 1
            name = f"{base}_{count}"
        named[name] = variable
    return named


def name_of(variable: Any) -> str:
    """The name under which a checkpoint keeps a variable: for a part of a partitioned one, that of the whole."""
    part = getattr(variable, "_save_slice_info", None)
    if part is not None:
        return part.full_name
    return variable._shared_name


def _by_name(things: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for each in things:
        if isinstance(each, SaveableObject):
            name: str = each.name
        elif isinstance(each, PartitionedVariable):
            name = each.name
        elif _is_variable(each):
            name = name_of(each)
            if getattr(each, "_save_slice_info", None) is not None:
                parts = named.setdefault(name, [])
                if not isinstance(parts, list):
                    raise ValueError(f"At least two variables have the same name: {name}")
                parts.append(each)
                continue
        elif isinstance(each, Trackable) and has_values(each):
            name = getattr(each, "name", None) or type(each).__name__
        else:
            raise TypeError(f"Variable to save is not a Variable: {each}")
        if name in named:
            raise ValueError(f"At least two variables have the same name: {name}")
        named[name] = each
    return named


def _is_variable(thing: Any) -> bool:
    return hasattr(thing, "_shared_name") and hasattr(thing, "assign")


def _saveables(name: str, thing: Any) -> list[SaveableObject]:
    if not isinstance(name, str):
        raise TypeError(f"Names to save variables under must be strings, got {name!r}")
    if isinstance(thing, (list, tuple, PartitionedVariable)):
        return [_part(name, each) for each in thing]
    if isinstance(thing, SaveableObject):
        return [thing]
    if _is_variable(thing):
        part = getattr(thing, "_save_slice_info", None)
        return [VariableSaveable(thing, part.spec if part is not None else "", name)]
    if isinstance(thing, Trackable) and has_values(thing):
        return [as_saveable(thing, name)]
    raise TypeError(
        f"names_to_saveables must be a dict mapping string names to variables. Not a variable: {thing}"
    )


def _part(name: str, variable: Any) -> SaveableObject:
    part = getattr(variable, "_save_slice_info", None)
    if part is None:
        raise ValueError(f"Slices must all be slices of a partitioned variable: {variable}")
    return VariableSaveable(variable, part.spec, name)
