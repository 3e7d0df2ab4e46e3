"""`train.ExponentialMovingAverage`: shadow variables that follow others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS, export
from penstock.graph.lifting import init_scope
from penstock.graph.scopes import name_scope_v1
from penstock.ops.casting import cast
from penstock.ops.creation import zeros
from penstock.ops.graph_collections import GraphKeys, add_to_collection
from penstock.ops.grouping import group
from penstock.ops.variables.variable import Variable
from penstock.train.optimizer_v1 import slot_variable
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor


@export("__internal__.train.assign_moving_average", v1=[])
def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """Moves a variable towards a value: `variable = variable * decay + value * (1 - decay)`.

    Args:
      decay: a number or tensor in [0, 1].
      zero_debias: whether the variable began with zeros, which are corrected for: it becomes the moving average divided
        by `1 - decay ^ steps` (Kingma and Ba, 2015).
      name: the name of the update.

    Returns:
      The variable as it is afterwards.
    """
    with name_scope_v1(name, "AssignMovingAvg"):
        rate = cast(convert_to_tensor(1.0 - decay), variable.dtype)
        if not zero_debias:
            return variable.assign_sub((variable - value) * rate)
        return _assign_debiased(variable, value, rate)


def _assign_debiased(variable: Any, value: Any, rate: Any) -> Any:
    with init_scope():
        shape, dtype = variable.shape.as_list(), variable.dtype.base_dtype
        biased = slot_variable(variable, lambda: zeros(shape, dtype), "biased")
        steps = slot_variable(variable, lambda: zeros([], dtype), "local_step")
    new_biased = biased.assign_sub((biased - value) * rate)
    new_steps = steps.assign_add(convert_to_tensor(1, dtype))
    correction = 1 - (1 - rate) ** convert_to_tensor(new_steps)
    return variable.assign(convert_to_tensor(new_biased) / correction)


@export("train.ExponentialMovingAverage")
class ExponentialMovingAverage:
    """Keeps exponential moving averages of variables: `shadow = decay * shadow + (1 - decay) * variable`.

    Args:
      decay: a number or tensor close to 1.
      num_updates: the number of updates so far: the decay is then `min(decay, (1 + n) / (10 + n))`, so that averages
        move faster at first.
      zero_debias: whether averages of tensors, which begin with zeros, are corrected for that.
      name: the suffix of the shadow variables' names.

    Example:
      >>> import penstock as tf
      >>> w = tf.Variable(1.0)
      >>> ema = tf.train.ExponentialMovingAverage(0.9)
      >>> ema.apply([w])
      >>> _ = w.assign(2.0)
      >>> ema.apply([w])
      >>> round(float(ema.average(w)), 4)
      1.1
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ):
        self._decay, self._num_updates, self._zero_debias, self._name = decay, num_updates, zero_debias, name
        self._averages: dict[int, tuple[Any, Any]] = {}  # id -> (the variable or tensor, its shadow)

    @property
    def name(self) -> str:
        """The suffix of shadow variables' names."""
        return self._name

    def apply(self, var_list: Sequence[Any] | None = None) -> Any:
        """Moves the averages of variables (by default all that are trained) or tensors; makes them where they are new.

        Returns:
          In a graph the operation that does so; None when eager, where it is done.

        Raises:
          TypeError: a dtype is not floating. ValueError: the averages of a tensor exist already.
        """
        if var_list is None:
            var_list = EXPORTS["v1"]["trainable_variables"]()
        fresh = set()
        for var in var_list:
            if not var.dtype.base_dtype.is_floating:
                raise TypeError(f"The variables must be half, float, or double: {var.name}")
            if id(var) not in self._averages:
                with init_scope():
                    self._averages[id(var)] = (var, self._shadow(var))
                if not isinstance(var, Variable) and self._zero_debias:
                    fresh.add(id(var))
        with name_scope_v1(self._name) as scope:
            decay = convert_to_tensor(self._decay, dtypes.float32, name="decay")
            if self._num_updates is not None:
                count = cast(self._num_updates, dtypes.float32)
                decay = execute("Minimum", (decay, (1.0 + count) / (10.0 + count)))
            updates = [
                assign_moving_average(self._averages[id(var)][1], var, decay, id(var) in fresh)
                for var in var_list
            ]
            return group(*updates, name=scope) if thread.graph is not None else None

    def _shadow(self, var: Any) -> Any:
        if not isinstance(var, Variable):
            shape, dtype = var.shape.as_list(), var.dtype.base_dtype
            return slot_variable(_Named(var), lambda: zeros(shape, dtype), self._name)
        if thread.graph is not None and not isinstance(var.handle, EagerTensor):
            add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, var)
        return slot_variable(var, var.initialized_value, self._name)

    def average(self, var: Any) -> Any:
        """The shadow variable of a variable or tensor; None where it has none."""
        return self._averages.get(id(var), (None, None))[1]

    def average_name(self, var: Any) -> str:
        """The name of the shadow variable, which need not exist, as in checkpoints."""
        shadow = self.average(var)
        if shadow is not None:
            return shadow.name.rpartition(":")[0]
        return f"{var.name.rpartition(':')[0]}/{self._name}"

    def variables_to_restore(self, moving_avg_variables: Sequence[Any] | None = None) -> dict[str, Any]:
        """From names in a checkpoint to variables, so that a `Saver` restores averages into the variables themselves.

        Args:
          moving_avg_variables: the variables that have averages; by default all that are trained or averaged.
        """
        v1 = EXPORTS["v1"]
        if moving_avg_variables is None:
            moving_avg_variables = [*v1["trainable_variables"](), *v1["moving_average_variables"]()]
        found = {self.average_name(var): var for var in moving_avg_variables}
        averaged = {id(var) for var in moving_avg_variables}
        for var in v1["global_variables"]():
            if id(var) not in averaged:
                found.setdefault(var.name.rpartition(":")[0], var)
        return found


class _Named:
    """What `slot_variable` looks at, for a tensor."""

    def __init__(self, tensor: Any):
        self.handle = tensor
        self.name = tensor.name if not isinstance(tensor, EagerTensor) else "Tensor:0"
