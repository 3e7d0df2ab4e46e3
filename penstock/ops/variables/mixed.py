"""Calls of TensorFlow 1's builders that get symbolic tensors while code runs eagerly: they build in those tensors' graph.

A script that never turned eager mode off builds its network in the default graph through its placeholders. What makes
variables, loops or updates by way of the current graph, as layers and recurrent networks do, must then build there too,
in the name scope and the variable scope that the script has entered eagerly.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from penstock.engine import context
from penstock.engine.context import thread
from penstock.ops.variables.scope import scope_state
from penstock.types import nest
from penstock.types.tensors import SymbolicTensor


def plain_graph_of(*structures: Any) -> Any:
    """The graph of the first symbolic tensor in `structures`, while code runs eagerly; None where there is none.

    Tensors of functions' graphs do not count: a function that is being traced is the current graph.
    """
    if thread.graph is not None:
        return None
    for leaf in nest.flatten(structures, expand_composites=True):
        if isinstance(leaf, SymbolicTensor) and not leaf.graph.building_function:
            return leaf.graph
    return None


@contextlib.contextmanager
def building_as_eagerly(graph: Any) -> Iterator[None]:
    """Builds in `graph`, in the scopes of the eager code around."""
    entered = scope_state().scope
    with context.building(graph), graph.name_scope(thread.name_scope):
        state = scope_state()
        outer, state.scope = state.scope, entered
        try:
            yield
        finally:
            state.scope = outer


F = TypeVar("F", bound=Callable)


def in_graph_of_arguments(function: F) -> F:
    """A decorator: eager calls with symbolic tensors among the arguments build in the graph of those."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        graph = plain_graph_of(args, kwargs) if thread.graph is None else None
        if graph is None:
            return function(*args, **kwargs)
        with building_as_eagerly(graph):
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]
