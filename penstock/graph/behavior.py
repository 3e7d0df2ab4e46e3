"""TF 1's switches: graph mode or eager mode, and the few meanings that TF 2 changed.

`penstock run` throws them for programs of TensorFlow 1; programs throw them themselves by `tf.disable_v2_behavior()`.
"""

from __future__ import annotations

from typing import Any

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.export import export
from penstock.graph.func_graph import FuncGraph
from penstock.types import shapes
from penstock.types.tensors import Tensor


@export(v1=["disable_eager_execution"])
def disable_eager_execution() -> None:
    """Makes ops called outside functions nodes of the default graph, as in TF 1, in every thread that starts later too.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.disable_eager_execution()  # doctest: +SKIP
      >>> tf.constant(1)  # doctest: +SKIP
      <tf.Tensor 'Const:0' shape=() dtype=int32>
    """
    process.graph_mode = True
    if thread.graph is None:
        thread.graph = context.default_graph()


@export(v1=["enable_eager_execution"])
def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Makes ops called outside functions run at once (the default). The arguments are TF 1's, and change nothing here.

    Raises:
      ValueError: the default graph has operations already.
    """
    if process.graph_mode and process.default_graph is not None and process.default_graph.get_operations():
        raise ValueError("tf.enable_eager_execution must be called at program startup.")
    process.graph_mode = False
    if thread.graph is process.default_graph:
        thread.graph = None


@export(v1=["executing_eagerly_outside_functions"])
def executing_eagerly_outside_functions() -> bool:
    """True where ops outside `tf.function` run at once; asked inside of one, it answers for what is around it."""
    graph = thread.graph
    while isinstance(graph, FuncGraph):
        graph = graph.outer_graph
    return graph is None


@export(v1=["enable_tensor_equality"])
def enable_tensor_equality() -> None:
    """Makes `==` on tensors compare elements (the default)."""
    Tensor._use_equality = True


@export(v1=["disable_tensor_equality"])
def disable_tensor_equality() -> None:
    """Makes `==` on tensors compare identity, as in TF 1, so that they can be dictionary keys."""
    Tensor._use_equality = False


# What TF 1 switched on and off, and is the only kind here: functional control flow, resource variables.
for _name in (
    "enable_control_flow_v2",
    "disable_control_flow_v2",
    "enable_resource_variables",
    "disable_resource_variables",
):

    @export(v1=[_name])
    def _always_on() -> None:
        """Kept for programs that call it: control flow is always functional, and variables are always resources."""


@export(v1=["experimental.output_all_intermediates"])
def output_all_intermediates(state: bool | None) -> None:
    """Kept for programs that call it: gradients of control flow never lack a value of the way forward.

    In TensorFlow it says whether branches and loops give all values inside of them to a gradient that may be asked for later.

    Args:
      state: True, False, or None for the default.
    """


@export(v1=["control_flow_v2_enabled", "resource_variables_enabled"])
def always_true() -> bool:
    """True: control flow is always functional, and variables are always resources."""
    return True


@export(v1=["disable_v2_behavior"])
def disable_v2_behavior() -> None:
    """Everything as in TF 1: graph mode, shapes of `Dimension`s, `==` on tensors as identity.

    To be called at the start of a program that says `import tensorflow.compat.v1 as tf`.
    """
    disable_eager_execution()
    shapes.disable_v2_tensorshape()
    disable_tensor_equality()
    process.v2_behavior = False


@export(v1=["enable_v2_behavior"])
def enable_v2_behavior() -> None:
    """Everything as in TF 2 (the default).

    Raises:
      ValueError: the default graph is in use already.
    """
    enable_eager_execution()
    shapes.enable_v2_tensorshape()
    enable_tensor_equality()
    process.v2_behavior = True


@export("__internal__.tf2.enabled")
def is_v2_behavior_enabled() -> bool:
    """False after `disable_v2_behavior`."""
    return process.v2_behavior
