"""TF 1's optimizers that give every weight a rate of its own: Adam, Adagrad, Adadelta, RMSProp, FTRL."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.scopes import control_dependencies
from penstock.ops.casting import cast
from penstock.ops.grouping import group
from penstock.train.optimizer_v1 import Optimizer, hyperparameter
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices


class _Adaptive(Optimizer):
    """An optimizer that is one training op: its name, its slots, and its hyperparameters in the op's order.

    `_slots_made` maps each slot, in the op's order, to the value that fills it. `_inputs` says the op's other inputs in
    order: hyperparameters, and "grad".
    """

    _adds_up_duplicates = True
    _op = ""
    _attrs: dict[str, Any] = {}

    def __init__(self, use_locking: bool, name: str, slots: dict[str, float], inputs: dict[str, Any]):
        super().__init__(use_locking, name)
        self._slots_made, self._inputs = slots, inputs

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            for slot, value in self._slots_made.items():
                self._filled_slot(var, value, slot, self._name)

    def _given(self, var: Any, gradient: list[Any]) -> list[Any]:
        handles = [self.get_slot(var, slot).handle for slot in self._slots_made]
        given: list[Any] = []
        for name, value in self._inputs.items():
            given += gradient if name == "grad" else [hyperparameter(value, var)]
        return [var.handle, *handles, *given]

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return execute(f"ResourceApply{self._op}", tuple(self._given(var, [grad])), self._attrs)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        inputs = self._given(var, [grad.values, grad.indices])
        return execute(f"ResourceSparseApply{self._op}", tuple(inputs), self._attrs)


@export(v1=["train.AdamOptimizer"])
class AdamOptimizer(Optimizer):
    """Adam (Kingma and Ba, 2015): steps by the ratio of running means of gradients and of their squares.

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        w -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

    Args:
      learning_rate, beta1, beta2, epsilon: numbers, tensors, or functions without arguments.

    Example:
      >>> import penstock as tf
      >>> w = tf.Variable(1.0)
      >>> tf.compat.v1.train.AdamOptimizer(0.1).minimize(lambda: w * w)
      >>> round(float(w), 3)
      0.9
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
        use_own_namescope_for_non_slot_vars: bool = False,
    ):
        super().__init__(use_locking, name)
        self._lr, self._beta1, self._beta2, self._epsilon = learning_rate, beta1, beta2, epsilon

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda each: each.name)
        for name, value in (("beta1_power", self._beta1), ("beta2_power", self._beta2)):
            self._create_non_slot_variable(functools.partial(hyperparameter, value, first), name, first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        graph = thread.graph
        return self._get_non_slot_variable("beta1_power", graph), self._get_non_slot_variable(
            "beta2_power", graph
        )

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        slots = (self.get_slot(var, name).handle for name in ("m", "v"))
        powers = (hyperparameter(each, var) for each in self._get_beta_accumulators())
        given = (hyperparameter(each, var) for each in (self._lr, self._beta1, self._beta2, self._epsilon))
        return execute("ResourceApplyAdam", (var.handle, *slots, *powers, *given, grad))

    # Every row decays in every step, so slices are applied as the tensor that they are.

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        powers = self._get_beta_accumulators()
        with control_dependencies([each for each in update_ops if each is not None]):
            moved = [
                power.assign(power * hyperparameter(beta, power), read_value=False)
                for power, beta in zip(powers, (self._beta1, self._beta2))
            ]
        if thread.graph is None:
            return None
        return group(*[each for each in update_ops if each is not None], *moved, name=name_scope)


@export(v1=["train.AdagradOptimizer"])
class AdagradOptimizer(_Adaptive):
    """Adagrad (Duchi et al., 2011): `a += g^2; w -= learning_rate * g / sqrt(a)`.

    Args:
      learning_rate: a number, tensor, or function without arguments.
      initial_accumulator_value: what the sums of squares begin with; positive.

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    _op = "Adagrad"

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ):
        _check_positive(initial_accumulator_value)
        super().__init__(
            use_locking, name, {"accumulator": initial_accumulator_value}, {"lr": learning_rate, "grad": None}
        )


def _check_positive(initial_accumulator_value: float) -> None:
    if initial_accumulator_value <= 0.0:
        raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")


@export(v1=["train.ProximalAdagradOptimizer"])
class ProximalAdagradOptimizer(_Adaptive):
    """Adagrad whose steps end with shrinking by L1 and L2 regularization.

    Args:
      learning_rate, initial_accumulator_value: as for `AdagradOptimizer`.
      l1_regularization_strength, l2_regularization_strength: not negative.
    """

    _op = "ProximalAdagrad"

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ):
        _check_positive(initial_accumulator_value)
        inputs = {
            "lr": learning_rate, "l1": l1_regularization_strength, "l2": l2_regularization_strength, "grad": None
        }  # fmt: skip
        super().__init__(use_locking, name, {"accumulator": initial_accumulator_value}, inputs)


@export(v1=["train.AdagradDAOptimizer"])
class AdagradDAOptimizer(_Adaptive):
    """Adagrad by dual averaging: weights are computed from the sum of all gradients, so that many become zero.

    Args:
      learning_rate: a number or tensor.
      global_step: the number of the current step.
      initial_gradient_squared_accumulator_value: what the sums of squares begin with; positive.
      l1_regularization_strength, l2_regularization_strength: not negative.
    """

    _op = "AdagradDA"

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ):
        _check_positive(initial_gradient_squared_accumulator_value)
        slots = {
            "gradient_accumulator": 0.0,
            "gradient_squared_accumulator": initial_gradient_squared_accumulator_value,
        }
        inputs = {
            "grad": None, "lr": learning_rate, "l1": l1_regularization_strength, "l2": l2_regularization_strength
        }  # fmt: skip
        super().__init__(use_locking, name, slots, inputs)
        self._global_step = global_step

    def _given(self, var: Any, gradient: list[Any]) -> list[Any]:
        return [*super()._given(var, gradient), cast(self._global_step, dtypes.int64) + 1]


@export(v1=["train.AdadeltaOptimizer"])
class AdadeltaOptimizer(_Adaptive):
    """Adadelta (Zeiler, 2012): steps by the ratio of running means of squared steps and of squared gradients.

    Args:
      learning_rate, rho, epsilon: numbers, tensors, or functions without arguments.
    """

    _op = "Adadelta"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ):
        inputs = {"lr": learning_rate, "rho": rho, "epsilon": epsilon, "grad": None}
        super().__init__(use_locking, name, {"accum": 0.0, "accum_update": 0.0}, inputs)


@export(v1=["train.RMSPropOptimizer"])
class RMSPropOptimizer(_Adaptive):
    """RMSProp (Tieleman and Hinton, 2012): `w -= m`, with `m = momentum * m + learning_rate * g / sqrt(r + epsilon)`.

    Args:
      learning_rate, decay, momentum, epsilon: numbers, tensors, or functions without arguments; r is the running mean of
        squared gradients with this decay, and begins with 1.
      centered: whether the square of the running mean of gradients is subtracted from r.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ):
        self._op = "CenteredRMSProp" if centered else "RMSProp"
        slots = {"rms": 1.0, "momentum": 0.0}
        inputs = {"lr": learning_rate, "rho": decay, "momentum": momentum, "epsilon": epsilon, "grad": None}
        super().__init__(use_locking, name, {"mg": 0.0, **slots} if centered else slots, inputs)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        order = sorted(
            self._slots_made, key=["rms", "mg", "momentum"].index
        )  # as TensorFlow numbers their names
        for var in var_list:
            for slot in order:
                self._filled_slot(var, self._slots_made[slot], slot, self._name)


@export(v1=["train.FtrlOptimizer"])
class FtrlOptimizer(_Adaptive):
    """FTRL-proximal (McMahan et al., 2013), which makes many weights exactly zero by L1 regularization.

    Args:
      learning_rate: a number, tensor, or function without arguments.
      learning_rate_power: how the rate decreases with the sums of squares: not positive; 0 for a constant rate.
      initial_accumulator_value: what the sums of squares begin with.
      l1_regularization_strength, l2_regularization_strength: not negative.
      accum_name, linear_name: suffixes of the slot variables' names.
      l2_shrinkage_regularization_strength: an L2 penalty that only enters the gradient.
      beta: added to the roots of the sums of squares.

    Raises:
      ValueError: an argument is out of range.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float | None = None,
    ):
        checks = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for argument, value in checks.items():
            if value < 0.0:
                raise ValueError(f"{argument} {value} needs to be positive or zero")
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power} needs to be negative or zero")
        # beta acts as more L2 regularization, since it is divided by the rate as the roots of the sums are.
        l2 = l2_regularization_strength
        if beta:
            l2 = l2 + beta / (2.0 * learning_rate)
        inputs = {"grad": None, "lr": learning_rate, "l1": l1_regularization_strength, "l2": l2}
        if l2_shrinkage_regularization_strength > 0:
            inputs["l2_shrinkage"] = l2_shrinkage_regularization_strength
        self._op = "FtrlV2" if l2_shrinkage_regularization_strength > 0 else "Ftrl"
        inputs["lr_power"] = learning_rate_power
        super().__init__(use_locking, name, {"accum": initial_accumulator_value, "linear": 0.0}, inputs)
        self._slot_names = {"accum": accum_name or name, "linear": linear_name or name}

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            for slot, value in self._slots_made.items():
                self._filled_slot(var, value, slot, self._slot_names[slot])
