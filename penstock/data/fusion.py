"""Neighbouring functions of elements as one: fewer calls for each element, and one graph for the rewrites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.data.element import ElementFunction
from penstock.data.iteration import Iteration
from penstock.data.per_element import Filter, Map
from penstock.engine import context
from penstock.graph.copying import copy_operations
from penstock.graph.func_graph import FuncGraph, set_outputs


def chained(first: ElementFunction, second: ElementFunction, keep_first: bool = False) -> ElementFunction:
    """`second(first(element))`.

    Args:
      keep_first: give the results of `first`, then those of `second`.
    """
    name = f"{first.name}, {second.name}"
    graph = FuncGraph(name)
    graph.outer_graph = first.graph.outer_graph
    with context.building(graph), context.tapes_stopped():
        count = len(first.graph.inputs) - len(first.captures)
        elements = [graph.add_input(each.dtype, each.shape, "element") for each in first.graph.inputs[:count]]
        between = inlined(first, elements, graph)
        results = inlined(second, between, graph)
        set_outputs(graph, [*between, *results] if keep_first else results)
    return ElementFunction.of_graph(name, graph, second.output_spec)


def inlined(function: ElementFunction, elements: list, graph: FuncGraph, wanted: list | None = None) -> list:
    """Adds a function's operations to a graph; the tensors that stand for its results, or for other tensors in it."""
    inputs = function.graph.inputs
    values = {id(tensor): each for tensor, each in zip(inputs, elements)}
    for outside, placeholder in function.graph.captures:
        values[id(placeholder)] = graph.capture(outside)
    copy_operations(function.graph, graph, values, nested=True)
    return [values[id(each)] for each in (function.graph.outputs if wanted is None else wanted)]


class MapAndFilter(Filter):
    """A function of every element, and a predicate of what it gives."""

    def __init__(self, filtering: Filter, mapping: Map):
        self.__dict__.update(filtering.__dict__)
        self._parents = mapping._parents
        self._predicate = chained(mapping._function, filtering._predicate, keep_first=True)
        self._functions = [self._predicate]

    def _elements(self, at: Iteration) -> Iterator[list]:
        call = at.function(self._predicate)
        for element in at.input():
            *result, keep = call(element)
            if keep:
                yield result


def fuse_maps(node: Any) -> Map | None:
    """Two maps as one."""
    if type(node) is not Map or type(node._parents[0]) is not Map:
        return None
    inner = node._parents[0]
    if (inner._parallel, inner._ordered) != (node._parallel, node._ordered):
        return None
    function = chained(inner._function, node._function)
    return Map.of_function(node, inner._parents[0], function)


def fuse_map_and_filter(node: Any) -> MapAndFilter | None:
    """A map and a filter as one."""
    if (
        type(node) is not Filter
        or type(node._parents[0]) is not Map
        or node._parents[0]._parallel is not None
    ):
        return None
    return MapAndFilter(node, node._parents[0])
