"""Updates that `K.function` makes after its outputs: assignments and optimizers' steps, as Keras 2's graphs had them.

    updates = Adam().get_updates(loss=loss, params=model.trainable_weights)
    train = K.function([model.input, targets], [loss], updates=updates)

An update here is an object that says which symbolic tensors it needs, and what it does with their values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import penstock as tf


class Assignment:
    """Gives a variable the value of a symbolic tensor of a model, or adds it.

    Args:
      variable: a variable of Keras or a `tf.Variable`.
      value: a symbolic tensor, or a value.
      assign: "assign", "assign_add" or "assign_sub".
    """

    def __init__(self, variable: Any, value: Any, assign: str = "assign"):
        self._assign = getattr(variable, assign)
        self.tensor = value

    def run(self, tape: Any, value: Any) -> None:
        """Assigns `value`, what the tensor came to."""
        self._assign(value)


class Step:
    """A step of an optimizer on the gradients of a symbolic loss."""

    def __init__(self, optimizer: Any, loss: Any, params: Sequence[Any]):
        self._optimizer, self._params = optimizer, list(params)
        self.tensor = loss
        optimizer.build(self._params)

    def run(self, tape: Any, loss: Any) -> None:
        """Applies the gradients of `loss`, which `tape` has recorded."""
        variables = [getattr(each, "value", each) for each in self._params]
        gradients = tape.gradient(loss, variables)
        self._optimizer.apply_gradients(zip(gradients, self._params, strict=True))


def get_updates(
    optimizer: Any, *args: Any, loss: Any = None, params: Any = None, constraints: Any = None
) -> list[Step]:
    """The updates of one step on `loss`, for `K.function`.

    Args:
      args: `(loss, params)`, or `(params, constraints, loss)` as in Keras 1.
      loss: a symbolic tensor.
      params: the variables that are trained.
      constraints: taken where empty; Keras 3's variables have theirs.

    Raises:
      TypeError: the loss or the variables are missing, or the loss is no symbolic tensor.
    """
    import keras

    if len(args) == 3:
        params, constraints, loss = args
    elif len(args) == 2:
        loss, params = args
    elif len(args) == 1:
        loss = args[0]
    if constraints:
        raise TypeError(
            "get_updates: constraints belong to the variables, where the layer that made them says so"
        )
    if not isinstance(loss, keras.KerasTensor) or params is None:
        raise TypeError(f"get_updates: expected a symbolic loss and variables, got {loss!r} and {params!r}")
    return [Step(optimizer, loss, params)]


def listed(updates: Any) -> list[Any]:
    """What a program gives as updates: objects of this module, and pairs of a variable and its new value.

    Raises:
      TypeError: something else is among them.
    """
    found = []
    for each in updates or ():
        if isinstance(each, tuple) and len(each) == 2:
            each = Assignment(*each)
        if not isinstance(each, Assignment | Step):
            raise TypeError(
                f"K.function: got the update {each!r}, expected a pair, K.update(...) or get_updates(...)"
            )
        found.append(each)
    return found


def update(x: Any, new_x: Any) -> Any:
    """Assigns `new_x` to a variable; where it is a symbolic tensor, an update for `K.function`."""
    return _assigned(x, new_x, "assign")


def update_add(x: Any, increment: Any) -> Any:
    """Adds `increment` to a variable, as `update`."""
    return _assigned(x, increment, "assign_add")


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtracts `decrement` from a variable, as `update`."""
    return _assigned(x, decrement, "assign_sub")


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Moves a variable towards `value` by `1 - momentum` of their difference, as `update`."""
    return _assigned(x, (value - x) * (1 - momentum), "assign_add")


def _assigned(x: Any, value: Any, assign: str) -> Any:
    import keras

    if isinstance(value, keras.KerasTensor):
        return Assignment(x, value, assign)
    return getattr(x, assign)(value)


def use_updates(keras: ModuleType, backends: Sequence[ModuleType]) -> None:
    """Gives the backend, in both layouts of Keras, and the optimizers these functions."""
    for backend in backends:
        for function in (update, update_add, update_sub, moving_average_update):
            setattr(backend, function.__name__, function)
    keras.optimizers.Optimizer.get_updates = get_updates


def computed(model: Callable, number_of_outputs: int, updates: Sequence[Any]) -> Callable:
    """A function of a model's inputs and of whether to train: gives the outputs, and then makes the updates.

    Args:
      model: gives a list of the outputs, and after them of the updates' tensors.
    """
    import keras

    @functools.partial(tf.function, reduce_retracing=True, autograph=False)
    def run(inputs: list, training: bool) -> list:
        with tf.GradientTape(persistent=len(updates) > 1) as tape:
            results = keras.tree.flatten(model(inputs, training=training))
        outputs, needed = results[:number_of_outputs], iter(results[number_of_outputs:])
        for each in updates:
            each.run(tape, next(needed) if is_symbolic(each) else each.tensor)
        return outputs

    return run


def is_symbolic(update: Any) -> bool:
    """Whether an update waits for the value of a symbolic tensor."""
    import keras

    return isinstance(update.tensor, keras.KerasTensor)
