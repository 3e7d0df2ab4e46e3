"""Copying operations from one graph into another: calls of functions are inlined, and graphs are cloned, with this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.graph.func_graph import FuncGraph
from penstock.graph.graph import Graph, record_operation
from penstock.types.tensors import SymbolicTensor


def copy_operations(
    source: FuncGraph, target: Graph, values: dict[int, Any], nested: bool = False
) -> dict[int, Any]:
    """Adds copies of the operations of `source` to `target`.

    Args:
      values: id(tensor of source) -> tensor of target, for the source's inputs, and for results that need no operation;
        filled in for all others.
      nested: whether FuncGraphs held by operations are cloned too (they are shared otherwise).

    Returns:
      id(operation of source) -> its copy.
    """
    copies: dict[int, Any] = {}
    inputs = {id(each.op) for each in source.inputs}
    for operation in source.get_operations():
        if id(operation) in inputs or operation.outputs and id(operation.outputs[0]) in values:
            continue
        attrs = {
            key: value for key, value in operation.attrs.items() if key != "_stream"
        }  # the copy has its own
        if nested:
            for name in operation.definition.nested:
                held = attrs[name]
                attrs[name] = [clone(each) for each in held] if isinstance(held, list) else clone(held)
        if "_gradient" in attrs:
            attrs["_gradient"] = _TranslatedRule(attrs["_gradient"], source, values)
        with target.control_dependencies(
            [copies[id(each)] for each in operation.control_inputs if id(each) in copies]
        ):
            copy = target.add_operation(
                operation.definition,
                [values[id(each)] for each in operation.inputs],
                attrs,
                operation.name,
                [each.shape for each in operation.outputs],
            )
        copy.device, copy.line = operation.device or copy.device, operation.line
        copies[id(operation)] = copy
        for old, new in zip(operation.outputs, copy.outputs):
            new.handle_data = old.handle_data
            values[id(old)] = new
        if thread.tapes:
            record_operation(copy)
    return copies


class _TranslatedRule:
    """The gradient rule of a copied operation: a closure of the user that may hold tensors of the original graph."""

    def __init__(self, rule: Any, source: FuncGraph, values: dict[int, Any]):
        self._rule, self._source, self._values = rule, source, values  # the source keeps the ids valid
        self.accepts_none = getattr(rule, "accepts_none", False)

    def __call__(self, call: Any, *gradients: Any) -> Any:
        thread.translations.append(self._values)
        try:
            return self._rule(call, *gradients)
        finally:
            thread.translations.pop()


def clone(source: FuncGraph, constants: Sequence[SymbolicTensor] = ()) -> FuncGraph:
    """A copy of a FuncGraph with the same captures, which may be changed without changing the original.

    Args:
      source: the graph.
      constants: results of its Consts, for which the copy has inputs instead, after all others.
    """
    target = FuncGraph(source.name, source.outer_graph)
    values: dict[int, Any] = {}
    for tensor in (*source.inputs, *constants):
        values[id(tensor)] = new = target.add_input(tensor.dtype, tensor.shape, tensor.op.name)
        new.handle_data = tensor.handle_data
    for key, (outside, placeholder) in source._captures.items():
        target._captures[key] = (outside, values[id(placeholder)])
    copy_operations(source, target, values, nested=True)
    target.outputs = [values[id(each)] for each in source.outputs]
    target.structured_outputs = source.structured_outputs
    target.structured_input_signature = source.structured_input_signature
    target._variables = dict(source._variables)
    return target
