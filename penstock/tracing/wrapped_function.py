"""`tf.compat.v1.wrap_function`: TF 1 code as a function, and functions cut out of graphs with `prune`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from penstock.engine import context
from penstock.engine.export import export
from penstock.graph.copying import copy_operations
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.graph.lifting import init_scope
from penstock.graph.operation import Operation
from penstock.ops.variables.creation import variable_creator_scope
from penstock.runtime.lifting import evaluate_outside
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.types import nest
from penstock.types.specs import TensorSpec
from penstock.types.tensors import SymbolicTensor


def cut_out(
    graph: Any,
    feeds: Sequence[SymbolicTensor],
    fetches: Any,
    name: str,
    outside: Mapping[int, Any],
    keywords: Sequence[str] | None = None,
) -> ConcreteFunction:
    """A function from some tensors of a graph to others.

    Args:
      feeds: the arguments. fetches: a structure of tensors and operations (run for their effect; None in the result).
      outside: id(tensor of the graph) -> the eager tensor to use for it: handles of variables and tables.
      keywords: the names of the arguments.

    Raises:
      ValueError: a fetched tensor depends on a placeholder that is not fed.
    """
    wanted = [each for each in nest.flatten(fetches) if each is not None]
    stops = {id(each) for each in feeds} | set(outside)
    needed = _needed(wanted, stops)
    target = FuncGraph(name)
    target.outer_graph = None
    keywords = list(keywords or [each.op.name for each in feeds])
    with context.building(target), context.tapes_stopped():
        values: dict[int, Any] = {}
        for tensor, keyword in zip(feeds, keywords, strict=True):
            values[id(tensor)] = placeholder = target.add_input(tensor.dtype, tensor.shape, keyword)
            placeholder.op._user_name = keyword
            placeholder.handle_data = tensor.handle_data
        used = {id(each) for operation in needed for each in operation.inputs} | {id(each) for each in wanted}
        for key, eager in outside.items():
            if key in used:
                values[key] = target.capture(eager)
        for operation in needed:
            if operation.type == "Placeholder":
                raise ValueError(
                    f"{name}: the placeholder {operation.name!r} is needed for the fetches and not among the feeds."
                )
        part: Any = SimpleNamespace(get_operations=lambda: needed, inputs=[])
        copies = copy_operations(part, target, values)

        def result(each: Any) -> Any:
            if each is None or isinstance(each, Operation):
                return copies.get(id(each))
            return values[id(each)]

        set_outputs(target, nest.map_structure(result, fetches))
    specs = {
        keyword: TensorSpec(each.shape, each.dtype, keyword)
        for keyword, each in zip(keywords, target.arguments)
    }
    target.structured_input_signature = ((), specs)
    return ConcreteFunction(target)


def _needed(wanted: Sequence[Any], stops: set[int]) -> list[Operation]:
    """The operations that elements of a graph depend on, in program order, without those behind `stops`."""
    found: dict[int, Operation] = {}
    stack = [each if isinstance(each, Operation) else each.op for each in wanted if id(each) not in stops]
    while stack:
        operation = stack.pop()
        if id(operation) not in found:
            found[id(operation)] = operation
            stack.extend(each.op for each in operation.inputs if id(each) not in stops)
            stack.extend(each for each in operation.control_inputs if not _is_stopped(each, stops))
    return sorted(found.values(), key=lambda each: each.index)


def _is_stopped(operation: Operation, stops: set[int]) -> bool:
    return bool(operation.outputs) and all(id(each) in stops for each in operation.outputs)


class WrappedFunction(ConcreteFunction):
    """TF 1 code as a concrete function; the variables that it made are eager ones."""

    def __init__(self, graph: FuncGraph, variables: Mapping[str, Any]):
        super().__init__(graph)
        self._made = dict(variables)

    def prune(
        self, feeds: Any, fetches: Any, name: str | None = None, input_signature: Any = None
    ) -> ConcreteFunction:
        """A function from tensors of this one's graph to others.

        Args:
          feeds: tensors, or their names: a structure of them; a dict gives the arguments their names.
          fetches: tensors, operations or their names: a structure of them.
        """

        def element(each: Any) -> Any:
            return self.graph.as_graph_element(each)

        keywords = sorted(feeds) if isinstance(feeds, Mapping) else None
        flat = [element(each) for each in nest.flatten(feeds)]
        outside = {id(inside): eager for eager, inside in self.graph.captures}
        found = nest.map_structure(element, fetches)
        return cut_out(self.graph, flat, found, name or "pruned", outside, keywords)


@export(v1=["wrap_function"])
def wrap_function(fn: Callable, signature: Sequence[Any], name: str | None = None) -> WrappedFunction:
    """Runs TF 1 code once to make a function of it.

    Variables that the code makes become eager variables, which the function then uses; `get_variable` finds them again.

    Args:
      fn: code that adds nodes to the current graph.
      signature: a TensorSpec for each argument.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> def scaled(x):
      ...     return x * tf.Variable(3.0, name="factor")
      >>> function = v1.wrap_function(scaled, [tf.TensorSpec([], tf.float32)])
      >>> function(tf.constant(2.0)).numpy(), len(function.variables)
      (np.float32(6.0), 1)
    """
    graph = FuncGraph(name or getattr(fn, "__name__", "wrapped_function"), None)
    graph.outer_graph = None
    made: dict[str, Any] = {}

    def create(next_creator: Callable, **kwargs: Any) -> Any:
        key = kwargs.get("name")
        initial = kwargs.get("initial_value")
        if callable(initial):
            kwargs["initial_value"] = initial
        elif isinstance(initial, SymbolicTensor):
            kwargs["initial_value"] = evaluate_outside(initial)
        with init_scope():
            variable = next_creator(**kwargs)
        made[key or f"variable_{len(made)}"] = variable
        return variable

    with context.building(graph), variable_creator_scope(create):
        arguments = []
        for index, spec in enumerate(signature):
            placeholder = graph.add_input(spec.dtype, spec.shape, spec.name or f"arg{index}")
            placeholder.op._user_name = spec.name or placeholder.op.name
            arguments.append(placeholder)
        set_outputs(graph, fn(*arguments))
    graph.structured_input_signature = (tuple(signature), {})
    return WrappedFunction(graph, made)
