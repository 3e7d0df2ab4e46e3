"""Functions about the graph being built: name scopes, control dependencies, devices, collections, v1 graph mode."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.graph import Graph, current_graph
from penstock.graph.operation import Operation
from penstock.types.tensors import SymbolicTensor, Tensor


@export("name_scope", v1=[])
class name_scope:  # noqa: N801
    """Prefixes the names of the nodes and variables that are made inside.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default(), tf.name_scope("layer"):
      ...     tf.constant(1.0, name="c").name
      'layer/c:0'
    """

    def __init__(self, name: str):
        if not isinstance(name, str):
            raise ValueError("name for name_scope must be a string.")
        self._name = name

    @property
    def name(self) -> str:
        """The name as given."""
        return self._name

    def __enter__(self) -> str:
        if thread.graph is not None:
            self._scope = thread.graph.name_scope(self._name)
            return self._scope.__enter__()
        self._scope = None
        self._outer = thread.name_scope
        if not self._name:
            thread.name_scope = ""
        elif self._name.endswith("/"):
            thread.name_scope = self._name
        else:
            thread.name_scope = f"{self._outer}{self._name}/"
        return thread.name_scope

    def __exit__(self, *error: Any) -> None:
        if self._scope is not None:
            self._scope.__exit__(None, None, None)
        else:
            thread.name_scope = self._outer


@export(v1=["name_scope"])
class name_scope_v1(name_scope):  # noqa: N801
    """TF 1's `name_scope(name, default_name=None, values=None)`."""

    def __init__(self, name: str | None, default_name: str | None = None, values: Any = None):
        chosen = default_name if name is None else name
        if chosen is None and values is not None:
            raise ValueError("At least one of name (None) and default_name (None) must be provided.")
        super().__init__(chosen or "")


@export(v1=["op_scope"])
def op_scope(
    values: Any, name: str | None, default_name: str | None = None, graph: Any = None
) -> name_scope_v1:
    """The older form of TF 1's `name_scope`."""
    return name_scope_v1(name, default_name, values)


@export("get_current_name_scope")
def get_current_name_scope() -> str:
    """The name scope that nodes made now get, without a trailing slash."""
    if thread.graph is not None:
        return thread.graph.get_name_scope()
    return thread.name_scope.rstrip("/")


@export("control_dependencies", v1=[])
def control_dependencies(control_inputs: Any) -> Any:
    """Nodes made inside run after `control_inputs` (tensors, operations, functions); nothing to do eagerly.

    Example:
      >>> import penstock as tf
      >>> v = tf.Variable(1.0)
      >>> @tf.function
      ... def f():
      ...     with tf.control_dependencies([v.assign_add(1.0)]):
      ...         return tf.identity(v)
      >>> f().numpy()
      np.float32(2.0)
    """
    if thread.graph is not None:
        return thread.graph.control_dependencies(control_inputs)
    listed = control_inputs if control_inputs is not None and not callable(control_inputs) else ()
    graph = next((each.graph for each in listed if isinstance(each, (Operation, SymbolicTensor))), None)
    if graph is not None:  # a script that builds the default graph while it runs eagerly
        return graph.control_dependencies(control_inputs)
    for each in listed:
        if callable(each) and not isinstance(each, Tensor) and not hasattr(each, "handle"):
            each()
    return contextlib.nullcontext()


@export(v1=["control_dependencies"])
def control_dependencies_v1(control_inputs: Any) -> Any:
    """As `tf.control_dependencies`."""
    return control_dependencies(control_inputs)


@contextlib.contextmanager
def _placed(name: Any) -> Iterator[None]:
    outer, functions = thread.device, thread.device_functions
    if name is None:
        thread.device, thread.device_functions = "", ()
    else:
        thread.device = name.to_string() if hasattr(name, "to_string") else str(name)
    try:
        yield
    finally:
        thread.device, thread.device_functions = outer, functions


@contextlib.contextmanager
def _placed_by(function: Callable) -> Iterator[None]:
    outer = thread.device_functions
    thread.device_functions = (*outer, function)
    try:
        yield
    finally:
        thread.device_functions = outer


def choose_device(operation: Any) -> None:
    """Sets the device of an operation by the functions that `tf.compat.v1.device` was given."""
    for each in reversed(thread.device_functions):
        chosen = each(operation)
        operation.device = chosen.to_string() if hasattr(chosen, "to_string") else str(chosen or "")


@export("device", v1=[])
def device(device_name: Any) -> Any:
    """Places what is computed inside on a device.

    Args:
      device_name: as `"/GPU:0"`, `"/device:CPU:1"`, `"cpu"`; None lifts outer placements.

    Raises:
      RuntimeError: a function is given while eager.
    """
    if callable(device_name) and not hasattr(device_name, "to_string"):
        raise RuntimeError("tf.device does not support functions.")
    return _placed(device_name)


@export(v1=["device"])
def device_v1(device_name_or_function: Any) -> Any:
    """TF 1's `device`. A device function, from an operation to a device, says where variables are: XLA places all else."""
    if callable(device_name_or_function) and not hasattr(device_name_or_function, "to_string"):
        return _placed_by(device_name_or_function)
    return _placed(device_name_or_function)


@export(v1=["colocate_with"])
def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Places what is made inside where `op` is."""
    return current_graph().colocate_with(op, ignore_existing)


@export(v1=["container"])
def container(container_name: str) -> Any:
    """The resource container of what is made inside."""
    return current_graph().container(container_name)


@export("__internal__.get_name_scope")
def get_name_scope() -> str:
    """The current name scope."""
    return get_current_name_scope()


@export("__internal__.eager_context.eager_mode")
@contextlib.contextmanager
def eager_mode() -> Iterator[None]:
    """Ops called inside run at once."""
    with context.building(None):
        yield


@export("__internal__.eager_context.graph_mode")
@contextlib.contextmanager
def graph_mode() -> Iterator[None]:
    """Ops called inside build a graph."""
    with context.building(Graph()):
        yield
