"""Graph rewrites: a table of rules, run to a fixed point over a FuncGraph before it is split and compiled.

XLA simplifies arithmetic inside a compiled piece by itself. The rules here matter for what it does not see: ops on the
host, eager-sized pieces, patterns that become one kernel; and they show a user what can be taken out of a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.graph.copying import clone
from penstock.graph.func_graph import FuncGraph
from penstock.graph.operation import Operation
from penstock.types import dtypes
from penstock.types.tensors import SymbolicTensor

_LARGEST_CONSTANT = 4096  # elements that folding may write into a graph


@dataclass(frozen=True, slots=True)
class Rule:
    """One rewrite: for operations of some types, what may stand for their first output.

    Attributes:
      name: for people. reason: one line. types: the op types it looks at; empty for all.
      apply: operation -> a tensor to use instead, or None where the rule does not fit.
    """

    name: str
    reason: str
    types: tuple[str, ...]
    apply: Callable[[Operation], SymbolicTensor | None]


@dataclass(slots=True)
class Report:
    """What rewriting did.

    Attributes:
      before, after: the graph as it was, and as it is now. fired: rule name -> how often it fired.
    """

    before: FuncGraph
    after: FuncGraph
    fired: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [
            f"{len(self.before.get_operations())} operations before, {len(self.after.get_operations())} after"
        ]
        rows += [
            f"  {count:4d} x {name}" for name, count in sorted(self.fired.items(), key=lambda row: -row[1])
        ]
        return "\n".join(rows)


# What rules ask.


def _scalar(tensor: Any, value: float) -> bool:
    """Whether a tensor is known to hold `value` everywhere."""
    known = constant_value(tensor)
    return known is not None and known.dtype != object and known.size > 0 and bool(np.all(known == value))


def _same_type(tensor: Any, like: Any) -> bool:
    """Whether a tensor may stand for another: equal dtype, and equal, fully known or identical shapes."""
    if tensor.dtype != like.dtype:
        return False
    a, b = tensor.shape, like.shape
    return (
        a.rank is not None
        and a.as_list() == b.as_list()
        and (None not in a.as_list() or _keeps_shape(tensor, like))
    )


def _keeps_shape(tensor: Any, like: Any) -> bool:
    """Whether `like` is an elementwise result of `tensor` and a scalar, so that unknown sizes are equal too."""
    others = [each for each in like.op.inputs if each is not tensor]
    return all(each.shape.rank == 0 or each.shape.num_elements() == 1 for each in others)


def _neutral(side_of_value: dict[str, tuple[int, float]]) -> Callable[[Operation], Any]:
    def apply(operation: Operation) -> Any:
        for index in (1, 0):
            if index == 0 and operation.type not in _COMMUTES:
                continue
            value = side_of_value[operation.type][1]
            if _scalar(operation.inputs[index], value):
                kept = operation.inputs[1 - index]
                if _same_type(kept, operation.outputs[0]):
                    return kept
        return None

    return apply


_COMMUTES = {"AddV2", "Mul", "LogicalAnd", "LogicalOr", "Maximum", "Minimum"}


def _producer(tensor: Any, *types: str) -> Operation | None:
    return tensor.op if tensor.op.type in types else None


def _inverse(pairs: dict[str, str]) -> Callable[[Operation], Any]:
    """f(g(x)) -> x."""

    def apply(operation: Operation) -> Any:
        inner = _producer(operation.inputs[0], pairs[operation.type])
        return inner.inputs[0] if inner is not None else None

    return apply


def _cancelling_transposes(operation: Operation) -> Any:
    inner = _producer(operation.inputs[0], "Transpose")
    outer_order = constant_value(operation.inputs[1])
    if outer_order is None:
        return None
    if np.array_equal(outer_order, np.arange(outer_order.size)):
        return operation.inputs[0]
    inner_order = constant_value(inner.inputs[1]) if inner is not None else None
    if inner is None or inner_order is None:
        return None
    combined = inner_order[outer_order]
    if np.array_equal(combined, np.arange(combined.size)):
        return inner.inputs[0]
    return execute("Transpose", (inner.inputs[0], convert_to_tensor(combined.astype(np.int32))))


def _cancelling_reshapes(operation: Operation) -> Any:
    if _same_shape_known(operation.inputs[0], operation.outputs[0]):
        return operation.inputs[0]
    inner = _producer(operation.inputs[0], "Reshape")
    if inner is None:
        return None
    shape = constant_value(operation.inputs[1])
    if shape is None or (0 in shape):
        return None
    return execute("Reshape", (inner.inputs[0], operation.inputs[1]))


def _same_shape_known(a: Any, b: Any) -> bool:
    return (
        a.shape.is_fully_defined() and b.shape.is_fully_defined() and a.shape.as_list() == b.shape.as_list()
    )


def _useless_cast(operation: Operation) -> Any:
    return operation.inputs[0] if operation.inputs[0].dtype == operation.outputs[0].dtype else None


def _fold(operation: Operation) -> Any:
    definition, output = operation.definition, operation.outputs[0]
    if (
        definition.stateful
        or definition.nested
        or operation.type in ("Const", "Placeholder")
        or len(operation.outputs) != 1
    ):
        return None
    if (
        output.dtype in (dtypes.resource, dtypes.variant)
        or not operation.inputs
        and operation.type != "Shape"
    ):
        return None
    size = output.shape.num_elements()
    if size is None or size > _LARGEST_CONSTANT:
        return None
    value = constant_value(output)
    if value is None:
        return None
    return execute("Const", (), {"value": value, "dtype": output.dtype}, operation.name)


def _square(operation: Operation) -> Any:
    return execute("Square", (operation.inputs[0],)) if operation.inputs[0] is operation.inputs[1] else None


def _pass(operation: Operation) -> Any:
    """Identity is there for its name; a function's inputs keep theirs, so that outputs are not inputs."""
    return None if operation.inputs[0].op.type == "Placeholder" else operation.inputs[0]


def _double_broadcast(operation: Operation) -> Any:
    return operation.inputs[0] if _same_shape_known(operation.inputs[0], operation.outputs[0]) else None


# The rules, in the order in which they are tried.
RULES: tuple[Rule, ...] = (
    Rule("fold-constants", "a value that is known is a constant", (), _fold),
    Rule("drop-identity", "Identity computes nothing", ("Identity",), _pass),
    Rule("drop-cast", "a cast to the same dtype computes nothing", ("Cast",), _useless_cast),
    Rule("add-zero", "x + 0, x - 0 is x", ("AddV2", "Sub"), _neutral({"AddV2": (0, 0.0), "Sub": (1, 0.0)})),
    Rule("times-one", "x * 1, x / 1 is x", ("Mul", "RealDiv"), _neutral({"Mul": (0, 1.0), "RealDiv": (1, 1.0)})),
    Rule("power-one", "x ** 1 is x", ("Pow",), _neutral({"Pow": (1, 1.0)})),
    Rule("and-true", "x and True is x", ("LogicalAnd",), _neutral({"LogicalAnd": (0, True)})),
    Rule("or-false", "x or False is x", ("LogicalOr",), _neutral({"LogicalOr": (0, False)})),
    Rule("double-negation", "-(-x) is x", ("Neg",), _inverse({"Neg": "Neg"})),
    Rule("double-not", "not not x is x", ("LogicalNot",), _inverse({"LogicalNot": "LogicalNot"})),
    Rule("double-conjugate", "conj(conj(x)) is x", ("Conj",), _inverse({"Conj": "Conj"})),
    Rule("square", "x * x is one multiplication of one operand", ("Mul",), _square),
    Rule("transposes", "neighbouring transposes are one, or none", ("Transpose",), _cancelling_transposes),
    Rule("reshapes", "only the last of neighbouring reshapes counts", ("Reshape",), _cancelling_reshapes),
    Rule("broadcast-to-own-shape", "broadcasting to the same shape computes nothing", ("BroadcastTo",), _double_broadcast),
)  # fmt: skip


def rewrite(graph: FuncGraph, rules: Sequence[Rule] = RULES) -> Report:
    """Rewrites a copy of a FuncGraph: the rules, common subexpressions and dead code, until nothing changes."""
    after = clone(graph)
    report = Report(graph, after)
    with context.building(after), context.tapes_stopped():
        while True:
            changed = _apply_rules(after, rules, report.fired)
            changed += _merge_common(after, report.fired)
            if not changed:
                break
    _drop_dead(after, report.fired)
    return report


class _Users:
    """Who uses which tensor of a graph, kept true while tensors are replaced."""

    def __init__(self, graph: FuncGraph):
        self._graph = graph
        self._operations: dict[int, list[Operation]] = {}
        self._outputs = {id(each) for each in graph.outputs}
        for operation in graph.get_operations():
            self.note(operation)

    def note(self, operation: Operation) -> None:
        """A new operation uses its inputs."""
        for each in operation.inputs:
            self._operations.setdefault(id(each), []).append(operation)

    def any_of(self, operation: Operation) -> bool:
        """Whether anything uses an output of `operation`."""
        return any(id(each) in self._outputs or self._operations.get(id(each)) for each in operation.outputs)

    def replace(self, old: Any, new: Any) -> None:
        """Everything that uses `old` uses `new`."""
        users = self._operations.pop(id(old), [])
        for operation in users:
            operation.inputs = tuple(new if each is old else each for each in operation.inputs)
        self._operations.setdefault(id(new), []).extend(users)
        if id(old) in self._outputs:
            self._graph.outputs = [new if each is old else each for each in self._graph.outputs]
            self._outputs.add(id(new))


def _apply_rules(graph: FuncGraph, rules: Sequence[Rule], fired: dict[str, int]) -> int:
    changed = 0
    users = _Users(graph)
    inputs = {id(each.op) for each in graph.inputs}
    for operation in list(graph.get_operations()):
        if id(operation) in inputs or len(operation.outputs) != 1 or not users.any_of(operation):
            continue
        for rule in rules:
            if rule.types and operation.type not in rule.types:
                continue
            first_new = len(graph.get_operations())
            replacement = rule.apply(operation)
            if replacement is None:
                continue
            new = graph.get_operations()[first_new:]
            if new:
                graph.move_before(first_new, operation)
            for each in new:
                users.note(each)
            users.replace(operation.outputs[0], replacement)
            fired[rule.name] = fired.get(rule.name, 0) + 1
            changed += 1
            break
    return changed


def _merge_common(graph: FuncGraph, fired: dict[str, int]) -> int:
    """Operations of the same type, inputs and attributes compute the same: one of them stays."""
    seen: dict[Any, Operation] = {}
    changed = 0
    users = _Users(graph)
    inputs = {id(each.op) for each in graph.inputs}
    for operation in graph.get_operations():
        definition = operation.definition
        if id(operation) in inputs or definition.stateful or definition.nested or not users.any_of(operation):
            continue
        if operation.control_inputs:
            continue
        key = (operation.type, tuple(id(each) for each in operation.inputs), attrs_key(operation.attrs))
        first = seen.setdefault(key, operation)
        if first is not operation:
            for old, new in zip(operation.outputs, first.outputs):
                users.replace(old, new)
            fired["common-subexpressions"] = fired.get("common-subexpressions", 0) + 1
            changed += 1
    return changed


def attrs_key(attrs: dict) -> Any:
    """Equal for equal attributes."""

    def key(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return (
                value.dtype.str,
                value.shape,
                value.tobytes() if value.dtype != object else tuple(value.reshape(-1)),
            )
        if isinstance(value, (list, tuple)):
            return tuple(key(each) for each in value)
        try:
            hash(value)
        except TypeError:
            return id(value)
        return (type(value), value)

    return tuple((name, key(attrs[name])) for name in sorted(attrs))


def _drop_dead(graph: FuncGraph, fired: dict[str, int]) -> None:
    """Operations on which neither an output nor an effect depends."""
    needed: set[int] = {id(each.op) for each in graph.inputs}
    stack = [each.op for each in graph.outputs]
    stack += [each for each in graph.get_operations() if each.definition.stateful or each.definition.nested]
    while stack:
        operation = stack.pop()
        if id(operation) in needed:
            continue
        needed.add(id(operation))
        stack.extend(each.op for each in operation.inputs)
        stack.extend(operation.control_inputs)
    kept = [each for each in graph.get_operations() if id(each) in needed]
    dead = len(graph.get_operations()) - len(kept)
    if dead:
        fired["dead-code"] = dead
    graph.replace_operations(kept)


@export("experimental.rewrite_graph", v1=[])
def rewrite_graph(function: Any) -> Report:
    """What the rewrite rules make of a function's graph: `report.before`, `report.after`, `report.fired`.

    Args:
      function: a concrete function (or its FuncGraph).

    Example:
      >>> import penstock as tf
      >>> f = tf.function(lambda x: tf.transpose(tf.transpose(x)) * 1.0 + 0.0)
      >>> report = tf.experimental.rewrite_graph(f.get_concrete_function(tf.TensorSpec([2, 3])))
      >>> [op.type for op in report.after.get_operations()]
      ['Placeholder']
      >>> sorted(report.fired)
      ['add-zero', 'common-subexpressions', 'dead-code', 'times-one', 'transposes']
    """
    return rewrite(getattr(function, "graph", function))
