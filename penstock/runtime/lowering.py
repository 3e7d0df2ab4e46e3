"""Lowering: the operations of a graph, called on traced values inside `jax.jit`.

A value that is known stays a NumPy array and is computed on the spot, so shapes, sizes and loop bounds fold away and
only real data is traced. State (variables, random streams) is read and assigned through `StateProxy`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.execute import explain
from penstock.engine.index_range import IndexRange
from penstock.engine.resources import State, uninitialized
from penstock.engine.static_value import NotStaticError, is_static
from penstock.engine.xla import jax, jnp
from penstock.runtime import kept_values
from penstock.runtime.failure import Failure
from penstock.runtime.intervals import REARRANGING, Interval, always_in_range, interval, source
from penstock.types import dtypes, errors
from penstock.types.tensor_list import StackedList, TensorList

_LARGEST_FOLDED = 4096  # elements


class NotCompilableError(Exception):
    """An operation of a compiled piece turns out to need the host."""

    def __init__(self, operation: Any, reason: str):
        super().__init__(f"{operation.name} ({operation.type}): {reason}")
        self.operation = operation


class StateProxy:
    """Stands for a `State` while a program is traced: the same two methods, a traced value."""

    __slots__ = ("state", "value")

    def __init__(self, state: State, value: Any):
        self.state, self.value = state, value

    @property
    def handle_data(self) -> Any:
        """Shape and dtype of the state."""
        return self.state.handle_data

    @property
    def name(self) -> str:
        """The state's name."""
        return self.state.name

    def read(self) -> Any:
        """The value at this point of the program."""
        if self.value is None:
            raise uninitialized(self.state.name)
        return self.value

    def assign(self, value: Any) -> None:
        """Sets the value for what follows in the program."""
        self.value = jnp.asarray(value)

    @property
    def is_initialized(self) -> bool:
        """Whether there is a value at this point."""
        return self.value is not None


class Lowering:
    """One trace: maps states to proxies and lowers operations in order."""

    def __init__(
        self,
        proxies: dict[int, StateProxy],
        failure: Failure | None = None,
        fused: dict[int, Callable[[dict[int, Any]], Any]] | None = None,
    ):
        self.proxies = proxies  # id(State) -> proxy
        self.failure = failure  # None: neither checks inside branches and loops nor indices are looked at
        self.intervals: dict[int, Interval] = {}  # id(input of a loop's body) -> what it lies between
        self.fused = fused or {}  # id(operation) -> what computes its results from the values so far
        self.meetings = itertools.count()  # numbers of the places in the program where devices meet

    def run(self, operations: Iterable[Any], values: dict[int, Any], nested: bool = False) -> None:
        """Lowers operations; `values` maps id(tensor) to its value and is filled in.

        Args:
          operations: the operations in order.
          values: as said.
          nested: whether they are those of a branch or loop body.

        Raises:
          NotCompilableError: an operation needs a value that is only known at run time, or has no XLA body.
        """
        looked_at: set[tuple] = set()  # indices of these operations, and what they were compared with
        operations = list(operations)
        kept = kept_values.find(operations)
        for operation in operations:
            inputs = [values[id(each)] for each in operation.inputs]
            try:
                fails = self._look_at_indices(operation, inputs, looked_at, nested)
                fused = self.fused.get(id(operation))
                results = None if fused is None else fused(values)
                if results is None:
                    results = self.call(operation, inputs, may_fold=not fails)
            except NotStaticError:
                raise NotCompilableError(operation, "needs the value of a traced input") from None
            except NotCompilableError as inner:
                if inner.operation is operation:
                    raise
                raise NotCompilableError(operation, f"holds {inner}") from None
            except errors.FailedPreconditionError:
                if operation.definition.nested:  # a branch that may never be taken
                    raise NotCompilableError(operation, "reads a variable that has no value") from None
                raise
            except errors.OpError:
                raise
            except jax.errors.JAXTypeError as error:
                raise NotCompilableError(operation, str(error).splitlines()[0]) from None
            except (ValueError, IndexError) as error:
                raise at_line(
                    operation, explain(operation.definition, operation.inputs, operation.attrs, error)
                ) from error
            for tensor, value in zip(operation.outputs, results):
                values[id(tensor)] = kept_values.kept(value, tensor.dtype) if id(tensor) in kept else value
            check = operation.definition.check
            if nested and check is not None and self.failure is not None:
                attrs = operation.definition.attrs_for_kernel(operation.attrs)
                grouped = operation.definition.group(inputs, operation.attrs)
                self.failure.note(operation, check.fails(jnp, *grouped, **attrs))

    def _look_at_indices(
        self, operation: Any, inputs: list[Any], looked_at: set[tuple], nested: bool
    ) -> bool:
        """Has the program look at an operation's indices, unless that is done; true where they are known to be bad.

        Raises:
          ValueError: they are, and the operation is not one of a branch, which may not be taken.
        """
        failure, index_range = self.failure, index_range_of(operation)
        if index_range is None or failure is None or id(operation) in failure.settled:
            return False

        def shape(i: int) -> Sequence[int]:
            held = inputs[i].read() if isinstance(inputs[i], StateProxy) else inputs[i]
            return (held.capacity,) if isinstance(held, (TensorList, StackedList)) else np.shape(held)

        def value(i: int) -> Any:
            return inputs[i] if is_static(inputs[i]) else None

        sizes = index_range.sizes(shape, value, operation.attrs)
        tensor, indices = operation.inputs[index_range.index], inputs[index_range.index]
        if sizes is None or None in sizes or np.size(indices) == 0:
            return False
        if is_static(indices):
            indices = np.asarray(indices)
            if index_range.all_inside(indices, sizes):
                return False
            if not nested:
                raise index_range.error(indices, sizes)
        elif index_range.holds(interval(tensor, self.intervals), sizes):
            return False
        key = (id(source(tensor, REARRANGING) if len(sizes) == 1 else tensor), *sizes, index_range.lowest)
        if key not in looked_at:
            looked_at.add(key)
            outside = index_range.outside(np if is_static(indices) else jnp, indices, sizes)
            failure.note_indices(operation, indices, outside, sizes, nested)
        return is_static(indices)

    def call(self, operation: Any, inputs: list[Any], may_fold: bool = True) -> Sequence[Any]:
        """The results of one operation by itself; `may_fold`: known ones may be computed now."""
        definition = operation.definition
        if definition.lowering is not None:
            return definition.lowering(operation, inputs, self)
        if operation.type == "Const":
            return (operation.attrs["value"],)
        grouped = definition.group(inputs, operation.attrs)
        attrs = definition.attrs_for_kernel(operation.attrs)
        if "_stream" in attrs:
            attrs["_stream"] = self.proxies[id(attrs["_stream"])]
        if (
            may_fold
            and not definition.stateful
            and definition.numpy_body is not None
            and all(is_static(each) for each in inputs)
        ):
            folded = _fold(definition, grouped, attrs, inputs)
            if folded is not None:
                return folded
        if definition.xla_body is None:
            raise NotCompilableError(operation, "has no XLA body")
        results = definition.xla_body(*grouped, **attrs)
        return (results,) if definition.signature.single_output else results or ()

    def run_graph(self, graph: Any, arguments: Sequence[Any]) -> list[Any]:
        """Lowers a FuncGraph's body on argument values (captures included) and returns its outputs."""
        values = {id(each): value for each, value in zip(graph.inputs, arguments, strict=True)}
        self.run(pruned(graph), values, nested=True)
        return [values[id(each)] for each in graph.outputs]

    def proxies_of(self, graphs: Iterable[Any], arguments: Sequence[Any]) -> list[StateProxy]:
        """The proxies that bodies called on `arguments` may touch."""
        found = {id(each): each for each in arguments if isinstance(each, StateProxy)}
        for stream in streams(graphs):
            proxy = self.proxies[id(stream)]
            found.setdefault(id(proxy), proxy)
        if self.failure is not None and self.failure.carried and checks(graphs):
            found[id(self.failure)] = self.failure
        return list(found.values())


def _fold(
    definition: Any, grouped: Sequence[Any], attrs: dict, inputs: Sequence[Any]
) -> Sequence[Any] | None:
    """The results computed now, by NumPy; None where they are better left to XLA."""
    if sum(np.size(each) for each in inputs) > _LARGEST_FOLDED:
        return None
    results = definition.numpy_body(*grouped, **attrs)
    results = (results,) if definition.signature.single_output else tuple(results)
    if any(np.size(each) > _LARGEST_FOLDED for each in results):
        return None
    # A tensor list stays what it is.
    return [np.asarray(each) if is_static(each) else each for each in results]


def at_line(operation: Any, error: Any) -> errors.OpError:
    """`error` with the line of the user's program that made the operation."""
    if operation.line is None:
        return error
    message = error.message.rsplit(" [", 1)[0] if error.message.endswith("]") else error.message
    return type(error)(None, operation, f"{message} [{operation.line}]")


def as_array(value: Any, dtype: Any = None) -> Any:
    """A traced array of a known value (pytrees such as tensor lists pass unchanged)."""
    if is_static(value):
        return jnp.asarray(value, None if dtype is None else dtype.as_numpy_dtype)
    return value


def pruned(graph: Any) -> list[Any]:
    """The operations of a FuncGraph that matter: those its outputs need, and those with effects; in order."""
    cached = getattr(graph, "_pruned", None)
    if cached is not None and cached[0] == (graph.version, len(graph.outputs)):
        return cached[1]
    needed: set[int] = set()
    stack = [each.op for each in graph.outputs] + [
        each for each in graph.get_operations() if has_effect(each)
    ]
    while stack:
        operation = stack.pop()
        if id(operation) in needed:
            continue
        needed.add(id(operation))
        stack.extend(each.op for each in operation.inputs)
        stack.extend(operation.control_inputs)
    inputs = {id(each.op) for each in graph.inputs}
    kept = [each for each in graph.get_operations() if id(each) in needed and id(each) not in inputs]
    graph._pruned = ((graph.version, len(graph.outputs)), kept)
    return kept


_READS = {
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "VarIsInitializedOp",
    "VariableShape",
    "VarHandleOp",
    "NoOp",
}


def has_effect(operation: Any) -> bool:
    """Whether an operation must run even where nothing uses its results."""
    definition = operation.definition
    if definition.nested:
        return any(has_effect(each) for graph in nested_graphs(operation) for each in graph.get_operations())
    if not definition.stateful or operation.type in _READS:
        return False
    return "_stream" not in operation.attrs


def nested_graphs(operation: Any) -> list[Any]:
    """The FuncGraphs that an operation holds."""
    found: list[Any] = []
    for name in operation.definition.nested:
        value = operation.attrs[name]
        found.extend(value if isinstance(value, (list, tuple)) else [value])
    return found


def streams(graphs: Iterable[Any]) -> list[State]:
    """The random streams of operations in graphs, nested ones included."""
    found: dict[int, State] = {}
    for graph in graphs:
        for operation in graph.get_operations():
            stream = operation.attrs.get("_stream")
            if stream is not None:
                found[id(stream)] = stream
            if operation.definition.nested:
                found.update((id(each), each) for each in streams(nested_graphs(operation)))
    return list(found.values())


def index_range_of(operation: Any) -> IndexRange | None:
    """What the indices of an operation may be; None where that does not matter.

    As in TensorFlow, it does not in functions with `jit_compile=True`, nor on accelerators.
    """
    found = operation.definition.index_range
    if found is None or operation.attrs.get("_XlaMustCompile") or process.accelerator:
        return None
    return found


def may_be_out_of_range(operation: Any) -> bool:
    """Whether an operation has indices that have to be looked at."""
    return index_range_of(operation) is not None and not always_in_range(operation)


def leave_to_xla(graph: Any) -> None:
    """Marks what `index_range_of` says of functions with `jit_compile=True` in a graph of one."""
    for operation in graph.get_operations():
        if operation.definition.index_range is not None:
            operation.attrs = {**operation.attrs, "_XlaMustCompile": True}
        for nested in nested_graphs(operation):
            leave_to_xla(nested)


def checks(graphs: Iterable[Any]) -> list[Any]:
    """The operations of graphs, nested ones included, that check their inputs, or whose indices must be in range."""
    found = []
    for graph in graphs:
        for operation in graph.get_operations():
            if operation.definition.check is not None or may_be_out_of_range(operation):
                found.append(operation)
            elif operation.definition.nested:
                found += checks(nested_graphs(operation))
    return found


def written_inputs(graph: Any) -> set[int]:
    """Positions of the inputs of a FuncGraph whose resource its body may assign."""
    positions = {id(each): index for index, each in enumerate(graph.inputs)}
    written: set[int] = set()
    for operation in graph.get_operations():
        for tensor in written_tensors(operation):
            if id(tensor) in positions:
                written.add(positions[id(tensor)])
    return written


def written_tensors(operation: Any) -> list[Any]:
    """The resource inputs that an operation may assign."""
    if operation.definition.nested:
        offset = len(operation.inputs) - len(nested_graphs(operation)[0].inputs)
        return [
            operation.inputs[offset + index]
            for graph in nested_graphs(operation)
            for index in written_inputs(graph)
        ]
    if operation.definition.writes and operation.inputs:
        return [each for each in operation.inputs if each.dtype is dtypes.resource]
    return []
