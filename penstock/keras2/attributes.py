"""Attributes of Keras 2's layers and optimizers that Keras 3 lacks: `layer.output_shape`, `get_output_at`, `optimizer.lr`.

`enable` adds the tables to Keras's classes. Those of models are in `model_methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ReadAttribute:
    """An attribute that is computed, as a property is, but that an object may also set for itself."""

    def __init__(self, read: Callable[[Any], Any]):
        self._read = read

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self._read(instance)


def _input_shape(layer: Any) -> Any:
    """The shape of the input with the batch, a list of shapes for several; AttributeError before a symbolic call."""
    return _shapes(layer, "input")


def _output_shape(layer: Any) -> Any:
    """The shape of the output, as `_input_shape`."""
    return _shapes(layer, "output")


def _shapes(layer: Any, which: str) -> Any:
    if not layer._inbound_nodes:
        raise AttributeError(f"{which}_shape: layer {layer.name} has not been called on a symbolic tensor")
    tensors = getattr(layer, which)
    return (
        [tuple(each.shape) for each in tensors] if isinstance(tensors, list | tuple) else tuple(tensors.shape)
    )


def get_input_at(layer: Any, node_index: int) -> Any:
    """The input of the layer's call number `node_index` in functional models: a tensor, or a list of them."""
    return _one_or_all(layer._inbound_nodes[node_index].input_tensors)


def get_output_at(layer: Any, node_index: int) -> Any:
    """The output of the layer's call number `node_index` in functional models: a tensor, or a list of them."""
    return _one_or_all(layer._inbound_nodes[node_index].outputs)


def _one_or_all(tensors: Any) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _model_input(model: Any) -> Any:
    """A Sequential model's own input, once it is known; Keras 3 asks for a call of the model first."""
    return _one_or_all(model.inputs)


def _model_output(model: Any) -> Any:
    """A Sequential model's own output, as `_model_input`."""
    return _one_or_all(model.outputs)


def _set_learning_rate(optimizer: Any, value: Any) -> None:
    optimizer.learning_rate = value


def minimize(
    optimizer: Any, loss: Any, var_list: Any, grad_loss: Any = None, name: str | None = None, tape: Any = None
) -> Any:
    """Computes the gradients of a loss and applies them.

    Args:
      loss: a function without arguments; a tensor that `tape` recorded; or a tensor of a plain graph or of a model.
      var_list: the variables; or, with a function as loss, a function that gives them once the loss has been computed.
      grad_loss: the gradient that the loss itself gets. name: not used.

    Raises:
      ValueError: the loss is an eager tensor, and there is no tape.

    Returns:
      What `apply_gradients` gives; in a plain graph an operation that makes the step.
    """
    from penstock.autodiff.tape import GradientTape
    from penstock.keras2.graph_tensors import minimize_in_graph, node_of

    node = node_of(loss)
    if node is not None and tape is None:
        return minimize_in_graph(optimizer, node, var_list, grad_loss)
    if callable(loss):
        with tape or GradientTape() as tape:
            if not callable(var_list):
                tape.watch(var_list)
            loss = loss()
    elif tape is None:
        raise ValueError("`tape` is required when a `Tensor` loss is passed.")
    variables = list(var_list() if callable(var_list) else var_list)
    gradients = tape.gradient(loss, variables, grad_loss)
    return optimizer.apply_gradients(zip(gradients, variables, strict=True))


LAYER_ATTRIBUTES: dict[str, Any] = {
    "input_shape": ReadAttribute(_input_shape),
    "output_shape": ReadAttribute(_output_shape),
    "get_input_at": get_input_at,
    "get_output_at": get_output_at,
}
SEQUENTIAL_ATTRIBUTES: dict[str, Any] = {"input": property(_model_input), "output": property(_model_output)}
ITERATOR_ATTRIBUTES: dict[str, Any] = {"next": lambda iterator: iterator.__next__()}
# What an input layer takes is what it gives; Keras 3 has it take nothing.
INPUT_LAYER_ATTRIBUTES: dict[str, Any] = {"input": property(lambda layer: layer.output)}
METRIC_ATTRIBUTES: dict[str, Any] = {"reset_states": lambda metric: metric.reset_state()}
# The variable that holds the rate, or the schedule's value for this step.
OPTIMIZER_ATTRIBUTES: dict[str, Any] = {
    "lr": property(lambda optimizer: optimizer.learning_rate, _set_learning_rate),
    "minimize": minimize,
    "get_weights": lambda optimizer: [variable.numpy() for variable in optimizer.variables],
}
