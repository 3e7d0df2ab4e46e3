"""`contrib.opt`: more optimizers: decoupled weight decay, Nesterov and lazy Adam, AdaMax, sign-based, and averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.scopes import control_dependencies
from penstock.ops.grouping import group
from penstock.train.adaptive_v1 import AdamOptimizer
from penstock.train.gradient_descent_v1 import MomentumOptimizer
from penstock.train.moving_averages import ExponentialMovingAverage
from penstock.train.optimizer_v1 import Optimizer, hyperparameter
from penstock.types.indexed_slices import IndexedSlices
from penstock.v1.api import tf


@export(v1=["contrib.opt.DecoupledWeightDecayExtension"])
class DecoupledWeightDecayExtension:
    """Shrinks variables by `weight_decay` beside the step of an optimizer (Loshchilov and Hutter, 2019).

    Args:
      weight_decay: a number or tensor; variables are multiplied by `1 - weight_decay` before each step.
    """

    def __init__(self, weight_decay: Any, **kwargs: Any):
        self._weight_decay, self._decayed = weight_decay, None
        super().__init__(**kwargs)

    def minimize(
        self, loss: Any, *args: Any, decay_var_list: Sequence[Any] | None = None, **kwargs: Any
    ) -> Any:
        """As that of the optimizer; only the variables in `decay_var_list` shrink, where it is given."""
        self._decayed = None if decay_var_list is None else {id(each) for each in decay_var_list}
        return super().minimize(loss, *args, **kwargs)  # type: ignore[misc]

    def apply_gradients(self, *args: Any, decay_var_list: Sequence[Any] | None = None, **kwargs: Any) -> Any:
        """As that of the optimizer; only the variables in `decay_var_list` shrink, where it is given."""
        if decay_var_list is not None:
            self._decayed = {id(each) for each in decay_var_list}
        return super().apply_gradients(*args, **kwargs)  # type: ignore[misc]

    def _shrunk(self, var: Any) -> list[Any]:
        if self._decayed is not None and id(var) not in self._decayed:
            return []
        done = var.assign_sub(hyperparameter(self._weight_decay, var) * var.value(), read_value=False)
        return [] if done is None else [done]

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        with control_dependencies(self._shrunk(handle)):
            return super()._resource_apply_dense(grad, handle)  # type: ignore[misc]

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        with control_dependencies(self._shrunk(handle)):
            return super()._resource_apply_sparse_duplicate_indices(grad, handle, indices)  # type: ignore[misc]


@export(v1=["contrib.opt.extend_with_decoupled_weight_decay"])
def extend_with_decoupled_weight_decay(base_optimizer: type) -> type:
    """A subclass of an optimizer that takes `weight_decay` as its first argument; see `DecoupledWeightDecayExtension`."""

    class Extended(DecoupledWeightDecayExtension, base_optimizer):  # type: ignore[misc, valid-type]
        def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any):
            base_optimizer.__init__(self, *args, **kwargs)  # type: ignore[misc]
            self._weight_decay, self._decayed = weight_decay, None

    Extended.__name__ = Extended.__qualname__ = f"{base_optimizer.__name__}WithDecoupledWeightDecay"
    Extended.__doc__ = f"`{base_optimizer.__name__}` with decoupled weight decay."
    return Extended


@export(v1=["contrib.opt.AdamWOptimizer"])
class AdamWOptimizer(DecoupledWeightDecayExtension, AdamOptimizer):
    """Adam with decoupled weight decay: `w *= 1 - weight_decay` before each step."""

    def __init__(
        self, weight_decay: Any, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999,
        epsilon: Any = 1e-8, use_locking: bool = False, name: str = "AdamW",
    ):  # fmt: skip
        super().__init__(
            weight_decay, learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon,
            use_locking=use_locking, name=name,
        )  # fmt: skip


@export(v1=["contrib.opt.MomentumWOptimizer"])
class MomentumWOptimizer(DecoupledWeightDecayExtension, MomentumOptimizer):
    """Momentum with decoupled weight decay."""

    def __init__(
        self, weight_decay: Any, learning_rate: Any, momentum: Any, use_locking: bool = False, name: str = "MomentumW",
        use_nesterov: bool = False,
    ):  # fmt: skip
        super().__init__(
            weight_decay, learning_rate=learning_rate, momentum=momentum, use_locking=use_locking, name=name,
            use_nesterov=use_nesterov,
        )  # fmt: skip


@export(v1=["contrib.opt.NadamOptimizer"])
class NadamOptimizer(AdamOptimizer):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        slots = (self.get_slot(var, name).handle for name in ("m", "v"))
        powers = (hyperparameter(each, var) for each in self._get_beta_accumulators())
        given = (hyperparameter(each, var) for each in (self._lr, self._beta1, self._beta2, self._epsilon))
        return execute(
            "ResourceApplyAdam", (var.handle, *slots, *powers, *given, grad), {"use_nesterov": True}
        )


@export(v1=["contrib.opt.LazyAdamOptimizer"])
class LazyAdamOptimizer(AdamOptimizer):
    """Adam whose running means move, for slices, only in the rows that the slices name."""

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        beta1_power, beta2_power = (hyperparameter(each, var) for each in self._get_beta_accumulators())
        rate, beta1, beta2, epsilon = (
            hyperparameter(each, var) for each in (self._lr, self._beta1, self._beta2, self._epsilon)
        )
        rate = rate * tf.sqrt(1 - beta2_power) / (1 - beta1_power)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = beta1 * tf.gather(m, grad.indices) + (1 - beta1) * grad.values
        new_v = beta2 * tf.gather(v, grad.indices) + (1 - beta2) * tf.square(grad.values)
        step = rate * new_m / (tf.sqrt(new_v) + epsilon)
        return group(
            tf.scatter_update(m, grad.indices, new_m),
            tf.scatter_update(v, grad.indices, new_v),
            tf.scatter_sub(var, grad.indices, step),
        )


@export(v1=["contrib.opt.AdaMaxOptimizer"])
class AdaMaxOptimizer(AdamOptimizer):
    """Adam with the largest gradient in the place of the mean square (Kingma and Ba, 2015)."""

    def __init__(
        self, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999, epsilon: Any = 1e-8,
        use_locking: bool = False, name: str = "AdaMax",
    ):  # fmt: skip
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        slots = (self.get_slot(var, name).handle for name in ("m", "v"))
        power = hyperparameter(self._get_beta_accumulators()[0], var)
        given = (hyperparameter(each, var) for each in (self._lr, self._beta1, self._beta2, self._epsilon))
        return execute("ResourceApplyAdaMax", (var.handle, *slots, power, *given, grad))


class _SignOptimizer(Optimizer):
    """Steps that are larger where gradient and momentum agree in sign (Bello et al., 2017)."""

    def __init__(
        self, op_type: str, learning_rate: Any, base: Any, beta: Any, sign_decay_fn: Callable | None, use_locking: bool,
        name: str,
    ):  # fmt: skip
        super().__init__(use_locking, name)
        self._op, self._lr, self._base, self._beta, self._decay_fn = (
            op_type,
            learning_rate,
            base,
            beta,
            sign_decay_fn,
        )
        self._step: Any = None

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As that of the optimizer; the sign's weight follows the global step."""
        self._step = 0 if global_step is None else global_step
        return super().apply_gradients(grads_and_vars, global_step, name)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "m", self._name)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        decay = convert_to_tensor(1.0) if self._decay_fn is None else self._decay_fn(self._step)
        given = (hyperparameter(each, var) for each in (self._lr, self._base, decay, self._beta))
        return execute(self._op, (var.handle, self.get_slot(var, "m").handle, *given, grad))


@export(v1=["contrib.opt.AddSignOptimizer"])
class AddSignOptimizer(_SignOptimizer):
    """Steps `learning_rate * (alpha + sign_decay * sign(g) * sign(m)) * g`, with m the running mean of gradients."""

    def __init__(
        self, learning_rate: Any = 0.1, alpha: Any = 1.0, beta: Any = 0.9, sign_decay_fn: Callable | None = None,
        use_locking: bool = False, name: str = "AddSignOptimizer",
    ):  # fmt: skip
        super().__init__("ResourceApplyAddSign", learning_rate, alpha, beta, sign_decay_fn, use_locking, name)


@export(v1=["contrib.opt.PowerSignOptimizer"])
class PowerSignOptimizer(_SignOptimizer):
    """Steps `learning_rate * base ^ (sign_decay * sign(g) * sign(m)) * g`, with m the running mean of gradients."""

    def __init__(
        self, learning_rate: Any = 0.1, base: float = 2.718281828459045, beta: Any = 0.9,
        sign_decay_fn: Callable | None = None, use_locking: bool = False, name: str = "PowerSignOptimizer",
    ):  # fmt: skip
        import math

        super().__init__(
            "ResourceApplyPowerSign", learning_rate, math.log(base), beta, sign_decay_fn, use_locking, name
        )


@export(v1=["contrib.opt.MovingAverageOptimizer"])
class MovingAverageOptimizer(Optimizer):
    """Another optimizer that keeps moving averages of the variables it trains.

    Args:
      opt: the optimizer. average_decay, num_updates: those of `ExponentialMovingAverage`.
      sequential_update: accepted: averages move after the step.
    """

    def __init__(
        self,
        opt: Optimizer,
        average_decay: Any = 0.9999,
        num_updates: Any = None,
        sequential_update: bool = True,
    ):
        super().__init__(False, "MovingAverageOptimizer")
        self._optimizer = opt
        self._ema = ExponentialMovingAverage(average_decay, num_updates)
        self._averaged: list[Any] = []

    def compute_gradients(self, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        """The optimizer's."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """One step of the optimizer, and of the averages."""
        pairs = list(grads_and_vars)
        step = self._optimizer.apply_gradients(pairs, global_step, name)
        self._averaged = [variable for gradient, variable in pairs if gradient is not None]
        with control_dependencies([] if step is None else [step]):
            return self._ema.apply(self._averaged)

    def swapping_saver(self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any) -> Any:
        """A `Saver` that saves the averages under the variables' own names.

        Raises:
          RuntimeError: gradients have not been applied yet.
        """
        if not self._averaged:
            raise RuntimeError("Must call apply_gradients or minimize before creating the swapping_saver")
        every = tf.global_variables() if var_list is None else list(var_list)
        averaged = {id(each) for each in self._averaged}
        shadows = {id(self._ema.average(each)) for each in self._averaged}
        saved = {
            each.name.rpartition(":")[0]: self._ema.average(each) if id(each) in averaged else each
            for each in every
            if id(each) not in shadows
        }
        return tf.train.Saver(saved, name=name, **kwargs)
