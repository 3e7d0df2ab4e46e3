"""TF 1's gradient descent: plain, with momentum, and proximal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.train.optimizer_v1 import Optimizer, hyperparameter
from penstock.types.indexed_slices import IndexedSlices


@export(v1=["train.GradientDescentOptimizer"])
class GradientDescentOptimizer(Optimizer):
    """Gradient descent: `w -= learning_rate * g`.

    Args:
      learning_rate: a number, tensor, or function without arguments.

    Example:
      >>> import penstock as tf
      >>> w = tf.Variable(3.0)
      >>> optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.5)
      >>> optimizer.minimize(lambda: w * w)
      >>> w.numpy()
      np.float32(0.0)
    """

    _adds_up_duplicates = True

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"):
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return execute(
            "ResourceApplyGradientDescent", (var.handle, hyperparameter(self._learning_rate, var), grad)
        )

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        step = -(grad.values * hyperparameter(self._learning_rate, var))
        return execute("ResourceScatterAdd", (var.handle, grad.indices, step))


@export(v1=["train.MomentumOptimizer"])
class MomentumOptimizer(Optimizer):
    """Gradient descent with momentum: `m = momentum * m + g; w -= learning_rate * m`.

    Args:
      learning_rate, momentum: numbers, tensors, or functions without arguments.
      use_nesterov: Nesterov's form (Sutskever et al., 2013): `w -= learning_rate * (g + momentum * m)`.
    """

    _adds_up_duplicates = True

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ):
        super().__init__(use_locking, name)
        self._learning_rate, self._momentum, self._use_nesterov = learning_rate, momentum, use_nesterov

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        handles = var.handle, self.get_slot(var, "momentum").handle
        rate, momentum = (hyperparameter(each, var) for each in (self._learning_rate, self._momentum))
        attrs = {"use_nesterov": self._use_nesterov}
        return execute("ResourceApplyMomentum", (*handles, rate, grad, momentum), attrs)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        handles = var.handle, self.get_slot(var, "momentum").handle
        rate, momentum = (hyperparameter(each, var) for each in (self._learning_rate, self._momentum))
        attrs = {"use_nesterov": self._use_nesterov}
        inputs = (*handles, rate, grad.values, grad.indices, momentum)
        return execute("ResourceSparseApplyMomentum", inputs, attrs)


@export(v1=["train.ProximalGradientDescentOptimizer"])
class ProximalGradientDescentOptimizer(Optimizer):
    """Gradient descent whose steps end with shrinking by L1 and L2 regularization (Duchi and Singer, 2009).

    Args:
      learning_rate: a number or tensor.
      l1_regularization_strength, l2_regularization_strength: not negative.
    """

    _adds_up_duplicates = True

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ):
        super().__init__(use_locking, name)
        self._hyperparameters = learning_rate, l1_regularization_strength, l2_regularization_strength

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        given = (hyperparameter(each, var) for each in self._hyperparameters)
        return execute("ResourceApplyProximalGradientDescent", (var.handle, *given, grad))

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        given = (hyperparameter(each, var) for each in self._hyperparameters)
        inputs = (var.handle, *given, grad.values, grad.indices)
        return execute("ResourceSparseApplyProximalGradientDescent", inputs)
