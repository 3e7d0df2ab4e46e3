"""Keras 2's arithmetic on the symbolic tensors of a functional model, which Keras 3 leaves to its own ops.

`take_keras_tensors` makes a function of the backend an operation of the model where it is given symbolic tensors,
`gradients` differentiates one symbolic tensor by others, and `add_symbolic_losses` has `model.add_loss` take one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import penstock as tf

# What describes a tensor, or acts on variables and names, is no operation of a model.
NOT_OPERATIONS = frozenset(
    """
    backend batch_get_value batch_set_value cast_to_floatx clear_session constant count_params dtype epsilon eval eye
    floatx get_uid get_value gradients image_data_format int_shape is_float_dtype is_int_dtype is_keras_tensor is_sparse
    moving_average_update name_scope ndim result_type set_epsilon set_floatx set_image_data_format set_value
    standardize_dtype update update_add update_sub variable
    """.split()
)


# Of these, the ones that fail on Keras 3's variables.
ON_VARIABLES = frozenset({"batch_set_value", "dtype", "set_value"})


def take_keras_tensors(function: Callable) -> Callable:
    """A function that computes with Keras's symbolic tensors too, as a node of their model, and with its variables."""
    on_variables = take_keras_variables(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _symbolic((args, kwargs)):
            return _operation()(function)(*args, **kwargs)
        return on_variables(*args, **kwargs)

    return call


def take_keras_variables(function: Callable) -> Callable:
    """A function of tensors and `tf.Variable`s that takes Keras's variables for those that they hold."""
    import keras

    def unwrapped(leaf: Any) -> Any:
        return leaf.value if isinstance(leaf, keras.Variable) else leaf

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = keras.tree.map_structure(unwrapped, (args, kwargs))
        return function(*args, **kwargs)

    return call


def take_symbolic_gradients(gradients: Callable) -> Callable:
    """`K.gradients` that differentiates the tensors of a functional model too."""

    @functools.wraps(gradients)
    def call(loss: Any, variables: Any) -> list:
        several = isinstance(variables, list | tuple)
        listed = list(variables) if several else [variables]
        if not _symbolic(loss):
            return gradients(loss, listed)
        return _symbolic_gradients(loss, listed)

    return call


def _symbolic_gradients(loss: Any, variables: list) -> list:
    """Gradients of the sum of `loss`, as tensors of the model that `loss` belongs to.

    The model is cut at `variables`: one part computes them from the model's inputs, the other the loss from them.
    """
    import keras

    roots = _roots(loss)
    if all(map(_symbolic, variables)):
        before, after = keras.Model(roots, variables), keras.Model(variables, loss)
    else:
        before, after = None, keras.Model(roots, loss)

    def gradient(*inputs: Any) -> list:
        if before is None:
            watched, values = [getattr(each, "value", each) for each in variables], list(inputs)
        else:
            found = before(list(inputs))
            watched = values = [*found] if isinstance(found, list | tuple) else [found]
        with tf.GradientTape() as tape:
            if before is not None:
                tape.watch(watched)
            result = after(values)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(result, watched, unconnected_gradients=zero)

    return _operation()(gradient)(*roots)


def _roots(tensor: Any) -> list:
    """The inputs of the model that a symbolic tensor belongs to, each once, in the order of the model."""
    waiting, seen, roots = [tensor], set(), []
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        history = each._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if node.input_tensors:
            waiting += reversed(node.input_tensors)
        else:
            roots.append(each)
    return roots


def add_symbolic_losses(keras: ModuleType) -> None:
    """Lets `model.add_loss` take a symbolic tensor of a functional model: it is computed from the inputs in each step."""
    from keras.src.models.functional import Functional  # its own add_loss refuses

    owner = next(base for base in keras.Model.__mro__ if "compute_loss" in vars(base))
    add_loss, compute_loss = keras.layers.Layer.add_loss, owner.compute_loss

    def add(self: Any, loss: Any) -> None:
        if _symbolic(loss):
            # Kept out of Keras's tracking, which would take the models of the losses for layers.
            models = vars(self).setdefault("_models_of_losses", [])
            models += [keras.Model(self.inputs, each) for each in keras.tree.flatten(loss)]
        else:
            add_loss(self, loss)

    @functools.wraps(compute_loss)
    def compute(self: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        for model in vars(self).get("_models_of_losses", ()):
            add_loss(self, tf.reduce_mean(model(x, training=kwargs.get("training", True))))
        return compute_loss(self, x, *args, **kwargs)

    Functional.add_loss, owner.compute_loss = add, compute


def _symbolic(structure: Any) -> bool:
    import keras

    return any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(structure))


@functools.cache
def _operation() -> type:
    import keras

    def dense(tensor: Any) -> Any:
        # Keras 3 takes the product of a tensor and a number for sparse.
        symbolic = isinstance(tensor, keras.KerasTensor)
        return keras.KerasTensor(tensor.shape, tensor.dtype) if symbolic and tensor.sparse else tensor

    class BackendFunction(keras.Operation):
        """A call of a backend function in a functional model."""

        def __init__(self, function: Callable):
            name = f"backend_{function.__name__}"  # Keras's own operations are called `square_1`, too
            super().__init__(name=f"{name}_{keras.backend.get_uid(name)}")
            self._function = take_keras_variables(function)

        def call(self, *args: Any, **kwargs: Any) -> Any:
            return self._function(*args, **kwargs)

        def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
            args, kwargs = keras.tree.map_structure(dense, (args, kwargs))
            return super().compute_output_spec(*args, **kwargs)

    return BackendFunction
