"""Ops that compute nothing and keep order: `no_op`, `group`, `tuple`, `with_dependencies`; also `smart_cond`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import scalar
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.control_flow import cond
from penstock.types import nest
from penstock.types.tensors import EagerTensor, Tensor

op("Timestamp() -> ts: float64", numpy=lambda: np.float64(time.time()), shape=scalar, stateful=True)


@export("no_op")
def no_op(name: str | None = None) -> Any:
    """Does nothing: in a graph an `Operation` to hang control dependencies on, None when run eagerly."""
    return execute("NoOp", (), None, name)


@export("timestamp")
def timestamp(name: str | None = None) -> Tensor:
    """The seconds since 1970-01-01 UTC as a float64 scalar, at the time when the op runs.

    Example:
      >>> import penstock as tf
      >>> bool(tf.timestamp() > 1.7e9)
      True
    """
    return execute("Timestamp", (), None, name)


def _graph_of(inputs: Sequence[Any]) -> Any:
    """The graph to build in: the current one, or that of the first symbolic input; None to run eagerly."""
    if thread.graph is not None:
        return thread.graph
    return next((graph for each in inputs if (graph := _own_graph(each)) is not None), None)


def _own_graph(element: Any) -> Any:
    return None if isinstance(element, EagerTensor) else getattr(element, "graph", None)


@export("group")
def group(*inputs: Any, name: str | None = None) -> Any:
    """One operation that runs after all of several.

    Args:
      *inputs: operations, tensors, variables, or nested lists of them.
      name: the operation's name.

    Returns:
      In a graph the `Operation`; None eagerly, where everything has run already.

    Raises:
      TypeError: an input is none of these.

    Example:
      >>> import penstock as tf
      >>> a, b = tf.Variable(1.0), tf.Variable(2.0)
      >>> tf.group(a.assign(3.0), b.assign(4.0))
    """
    flat = [each for each in nest.flatten(inputs, expand_composites=True) if each is not None]
    graph = _graph_of(flat)
    if graph is None:
        return None
    for each in flat:
        if not hasattr(each, "device"):
            raise TypeError(
                f"'inputs' should be zero or more (nested) Tensors. Received {each!r}, a {type(each)}."
            )
    with context.building(graph), graph.control_dependencies(flat):
        return execute("NoOp", (), None, name or "group_deps")


def _tuple(tensors: Any, name: str | None, control_inputs: Any) -> list:
    if not hasattr(tensors, "__iter__") and not isinstance(tensors, Tensor):
        return tensors if thread.graph is None else _refuse_tuple(tensors)
    graph = _graph_of([*tensors, *(control_inputs or ())])
    if graph is None:
        return tensors
    operations = [each for each in tensors if each is not None]
    if not operations:
        raise ValueError(f"tuple: must have at least one Tensor or Operation, got {tensors!r}")
    with context.building(graph), name_scope(name, "tuple"):
        gate = group(*operations, *(control_inputs or ()))
        return [
            each if each is None or _is_operation(each) else with_dependencies([gate], each)
            for each in tensors
        ]


def _refuse_tuple(tensors: Any) -> Any:
    raise TypeError(f"tuple: expected a list of tensors, got {tensors!r}")


def _is_operation(each: Any) -> bool:
    return hasattr(each, "node_def") and not isinstance(each, Tensor) and hasattr(each, "outputs")


@export("tuple", v1=[])
def tuple_v2(tensors: Any, control_inputs: Any = None, name: str | None = None) -> list:
    """The same tensors, none of which is there before all of them have been computed.

    Args:
      tensors: a list of tensors, `IndexedSlices` and None.
      control_inputs: what must have run besides.
      name: the scope of the nodes in a graph.

    Raises:
      ValueError: in a graph, there is no tensor among them.
    """
    return _tuple(tensors, name, control_inputs)


@export(v1=["tuple"])
def tuple_v1(tensors: Any, name: str | None = None, control_inputs: Any = None) -> list:
    """TF 1's `tuple`; see `tf.tuple`."""
    return _tuple(tensors, name, control_inputs)


def with_dependencies(dependencies: Sequence[Any], output_tensor: Any, name: str | None = None) -> Any:
    """`output_tensor`, once `dependencies` have run."""
    graph = _graph_of([*dependencies, output_tensor])
    if graph is None:
        return output_tensor
    with context.building(graph), graph.control_dependencies(dependencies):
        return nest.map_structure(
            lambda each: execute("Identity", (convert_to_tensor(each),), None, name or "control_dependency"),
            output_tensor,
            expand_composites=True,
        )


# Conditions that may be known.


@export("__internal__.smart_cond.smart_cond")
def smart_cond(
    pred: Any, true_fn: Callable | None = None, false_fn: Callable | None = None, name: str | None = None
) -> Any:
    """`tf.cond`, or just the right function where `pred` is known.

    Args:
      pred: a boolean tensor, a bool, or 0 or 1.
      true_fn, false_fn: functions without arguments.
      name: the node's name in a graph.

    Raises:
      TypeError: the functions are not callable, or `pred` is something else.
    """
    for role, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(function):
            raise TypeError(f"Argument `{role}` must be callable. Received {function}")
    known = smart_constant_value(pred)
    if known is None:
        return cond(pred, true_fn, false_fn, name)
    return true_fn() if known else false_fn()  # type: ignore[misc]


def smart_constant_value(pred: Any) -> bool | None:
    """The truth of a predicate where it is known, else None.

    Raises:
      TypeError: it is no tensor, bool, 0 or 1.
    """
    if isinstance(pred, Tensor) or hasattr(pred, "__tf_tensor__"):
        value = constant_value(convert_to_tensor(pred))
        return None if value is None else bool(value)
    if isinstance(pred, (bool, np.bool_)) or (isinstance(pred, (int, np.integer)) and pred in (0, 1)):
        return bool(pred)
    raise TypeError(
        "Argument `pred` must be a Tensor, or a Python bool, or 1 or 0. "
        f"Received: pred={pred} of type {type(pred).__name__}"
    )


def smart_case(
    pred_fn_pairs: Any, default: Callable | None = None, exclusive: bool = False, name: str = "smart_case"
) -> Any:
    """`tf.case`, or just the right function where the predicates are known."""
    from penstock.ops.control_flow import case

    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    known = [smart_constant_value(predicate) for predicate, _ in pairs]
    for value, (_, function) in zip(known, pairs):
        if value is None:
            return case(pred_fn_pairs, default, exclusive, name=name)
        if value:
            return function()
    return case(pred_fn_pairs, default, exclusive, name=name) if default is None else default()
