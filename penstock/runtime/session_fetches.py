"""What `Session.run` fetches: the elements of the graph behind a structure of things, and the structure of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import process
from penstock.engine.export import export
from penstock.engine.resources import State
from penstock.graph.graph import Graph
from penstock.graph.operation import Operation
from penstock.ops.variables.resource_variable_ops import unshared
from penstock.types import nest
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor


class Fetch:
    """How one fetched thing is computed: the graph elements it needs, and the value made of theirs."""

    __slots__ = ("elements", "make")

    def __init__(self, elements: list[Any], make: Callable[[list], Any]):
        self.elements, self.make = elements, make


# type -> (fetch: thing -> (list of elements, function of their values), feed: (thing, value) -> [(tensor, value)])
CONVERSIONS: list[tuple[type, Callable, Callable | None]] = []


@export(v1=["register_session_run_conversion_functions"])
def register_session_run_conversion_functions(
    tensor_type: type,
    fetch_function: Callable,
    feed_function: Callable | None = None,
    feed_function_for_partial_run: Callable | None = None,
) -> None:
    """Makes `Session.run` accept things of a type as fetches and feeds."""
    CONVERSIONS.insert(0, (tensor_type, fetch_function, feed_function))


def fetch(graph: Graph, thing: Any) -> Fetch:
    """How a thing is fetched."""
    for kind, fetch_function, _ in CONVERSIONS:
        if isinstance(thing, kind):
            with context.building(graph):
                elements, make = fetch_function(thing)
            return Fetch([_element(graph, each) for each in elements], make)
    if thing is None and not process.graph_mode and graph is context.default_graph():
        return Fetch([], lambda values: None)  # what an operation gives that eager code has run already
    if thing is None:
        raise TypeError("Fetch argument None has invalid type NoneType.")
    if hasattr(thing, "_type_spec") and not isinstance(thing, Tensor) and not hasattr(thing, "handle"):
        parts = nest.flatten(thing, expand_composites=True)
        return Fetch(
            [_element(graph, each) for each in parts], lambda values: _composite_value(thing, values)
        )
    return Fetch([_element(graph, thing)], lambda values: values[0])


def _element(graph: Graph, thing: Any) -> Any:
    """A fetched thing as an element of the graph, or as the eager value that it is."""
    if isinstance(thing, EagerTensor):
        return thing
    if hasattr(thing, "handle") and not isinstance(thing, Tensor):
        element = thing._as_graph_element()
        return thing if element is None else element  # None: an eager variable
    try:
        return graph.as_graph_element(thing)
    except KeyError as error:
        raise ValueError(
            f"Fetch argument {thing!r} cannot be interpreted as a Tensor. ({error.args[0]})"
        ) from None
    except ValueError as error:
        raise ValueError(f"Fetch argument {thing!r} cannot be interpreted as a Tensor. ({error})") from None
    except TypeError as error:
        raise TypeError(
            f"Fetch argument {thing!r} has invalid type {type(thing)}, must be a string or Tensor. ({error})"
        ) from None


def as_numpy(value: Any) -> Any:
    """A value as `Session.run` returns it."""
    if isinstance(value, np.ndarray):
        return value[()] if value.ndim == 0 else value
    if hasattr(value, "__array__"):
        return np.asarray(value)[()]
    if type(value) is State:  # "w:0" is a variable's value in TF 1, and the name of its handle here
        return as_numpy(unshared(value.read()))
    return value


def value_of(element: Any, found: dict[int, Any]) -> Any:
    """The value of an element: `found` has those of tensors, by id."""
    if isinstance(element, SymbolicTensor):
        return found[id(element)]
    if isinstance(element, Operation):
        return None
    return element.numpy()


def _composite_value(thing: Any, values: list[Any]) -> Any:
    """What fetching a composite gives: its `...Value` named tuple where the class has one."""
    make = getattr(thing, "_from_session_values", None)
    if make is not None:
        return make(values)
    return values[0] if len(values) == 1 else values


def _is_leaf(fetches: Any) -> bool:
    if (
        isinstance(fetches, (Tensor, Operation, str))
        or hasattr(fetches, "_type_spec")
        or hasattr(fetches, "handle")
    ):
        return True
    return any(isinstance(fetches, kind) for kind, _, _ in CONVERSIONS)


def _children(fetches: Any) -> list[Any] | None:
    if _is_leaf(fetches):
        return None
    if isinstance(fetches, dict):
        return list(fetches.values())
    if isinstance(fetches, (list, tuple)):
        return list(fetches)
    return None


def flatten(fetches: Any) -> list[Any]:
    """The things in a structure of fetches, in order."""
    children = _children(fetches)
    return [fetches] if children is None else [found for each in children for found in flatten(each)]


def fetch_key(fetches: Any) -> Any:
    """What is equal for equal structures of the same things."""
    children = _children(fetches)
    if children is None:
        return fetches if isinstance(fetches, str) else id(fetches)
    if isinstance(fetches, dict):
        return (dict, tuple(fetches), tuple(fetch_key(each) for each in children))
    return (type(fetches), tuple(fetch_key(each) for each in children))


class Packer:
    """Puts fetched values into the structure of the fetches."""

    def __init__(self, values: Any):
        self._values = values

    def pack(self, fetches: Any) -> Any:
        """The structure `fetches` with values."""
        children = _children(fetches)
        if children is None:
            return next(self._values)
        packed = [self.pack(each) for each in children]
        if isinstance(fetches, dict):
            return (
                type(fetches)(zip(fetches, packed))
                if type(fetches) is not dict
                else dict(zip(fetches, packed))
            )
        if hasattr(fetches, "_fields"):
            return type(fetches)(*packed)
        return packed if isinstance(fetches, list) else tuple(packed)
