"""`contrib.opt.ScipyOptimizerInterface`: minimizes a loss with `scipy.optimize`, from the variables of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.v1.api import tf


@export(v1=["contrib.opt.ExternalOptimizerInterface"])
class ExternalOptimizerInterface:
    """Optimizers that are no part of the graph: they see variables as one vector, and ask for losses and gradients.

    Args:
      loss: a scalar tensor.
      var_list: variables; all trainable ones by default.
      equalities: scalar tensors that must be zero at the minimum.
      inequalities: scalar tensors that must not be negative there.
      var_to_bounds: variable -> (lowest, highest), numbers or arrays that broadcast to its shape; an infinite number
        is no bound.
      **optimizer_kwargs: what `_minimize` gets.
    """

    def __init__(
        self,
        loss: Any,
        var_list: Sequence[Any] | None = None,
        equalities: Sequence[Any] | None = None,
        inequalities: Sequence[Any] | None = None,
        var_to_bounds: Mapping[Any, tuple[Any, Any]] | None = None,
        **optimizer_kwargs: Any,
    ):
        self.optimizer_kwargs = optimizer_kwargs
        self._loss = loss
        self._vars = list(tf.trainable_variables() if var_list is None else var_list)
        self._sizes = [variable.shape.num_elements() for variable in self._vars]
        self._bounds = None if var_to_bounds is None else self._packed_bounds(var_to_bounds)
        self._values = [tf.placeholder(variable.dtype.base_dtype, variable.shape) for variable in self._vars]
        self._assign = tf.group(
            *(tf.assign(variable, value) for variable, value in zip(self._vars, self._values, strict=True))
        )
        self._packed = self._pack(self._vars)
        self._loss_gradient = self._gradient(loss)
        self._constraints = [
            (kind, constraint, self._gradient(constraint))
            for kind, constraints in (("eq", equalities), ("ineq", inequalities))
            for constraint in constraints or ()
        ]

    def minimize(
        self,
        session: Any = None,
        feed_dict: dict[Any, Any] | None = None,
        fetches: Sequence[Any] | None = None,
        step_callback: Callable | None = None,
        loss_callback: Callable | None = None,
        **run_kwargs: Any,
    ) -> None:
        """Minimizes the loss; the variables have the values of the minimum afterwards.

        Args:
          session: by default, the default session.
          feed_dict: fed at each evaluation.
          fetches: tensors to evaluate with the loss, for `loss_callback`.
          step_callback: called at each step with all variables as one vector.
          loss_callback: called at each evaluation with the values of `fetches`.
          **run_kwargs: further arguments of `Session.run`.
        """
        session = session if session is not None else tf.get_default_session()
        feeds = dict(feed_dict or {})
        shown = list(fetches or ())

        def evaluate(at: np.ndarray, *tensors: Any) -> list[Any]:
            self._set(session, at)
            return session.run(list(tensors), feeds, **run_kwargs)

        def loss_and_gradient(at: np.ndarray) -> tuple[Any, np.ndarray]:
            loss, gradient, *values = evaluate(at, self._loss, self._loss_gradient, *shown)
            if loss_callback is not None:
                loss_callback(*values)
            return loss, gradient.astype("float64")

        constraints = [
            {
                "type": kind,
                "fun": lambda at, tensor=tensor: evaluate(at, tensor)[0],
                "jac": lambda at, gradient=gradient: evaluate(at, gradient)[0].astype("float64"),
            }
            for kind, tensor, gradient in self._constraints
        ]
        minimum = self._minimize(
            initial_val=session.run(self._packed, feeds, **run_kwargs).astype("float64"),
            loss_grad_func=loss_and_gradient,
            constraints=constraints,
            packed_bounds=self._bounds,
            step_callback=step_callback,
            optimizer_kwargs=dict(self.optimizer_kwargs),
        )
        self._set(session, minimum)

    def _minimize(
        self,
        initial_val: np.ndarray,
        loss_grad_func: Callable,
        constraints: list[dict[str, Any]],
        packed_bounds: list[tuple[Any, Any]] | None,
        step_callback: Callable | None,
        optimizer_kwargs: dict[str, Any],
    ) -> np.ndarray:
        """The vector at the minimum; what a subclass for another optimizer overrides."""
        raise NotImplementedError(f"{type(self).__name__} overrides _minimize")

    def _set(self, session: Any, at: np.ndarray) -> None:
        parts = np.split(np.asarray(at), np.cumsum(self._sizes)[:-1])
        shaped = (
            part.reshape(value.shape.as_list()) for part, value in zip(parts, self._values, strict=True)
        )
        session.run(self._assign, dict(zip(self._values, shaped, strict=True)))

    def _pack(self, tensors: Sequence[Any]) -> Any:
        return tf.concat([tf.reshape(each, [-1]) for each in tensors], 0)

    def _gradient(self, of: Any) -> Any:
        gradients = tf.gradients(of, self._vars)
        return self._pack(
            [
                tf.zeros_like(variable) if gradient is None else tf.convert_to_tensor(gradient)
                for gradient, variable in zip(gradients, self._vars, strict=True)
            ]
        )

    def _packed_bounds(self, bounds: Mapping[Any, tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        of = {id(variable): pair for variable, pair in bounds.items()}
        packed: list[tuple[Any, Any]] = []
        for variable in self._vars:
            low, high = of.get(id(variable), (-np.inf, np.inf))
            shape = variable.shape.as_list()
            pairs = zip(np.broadcast_to(low, shape).flat, np.broadcast_to(high, shape).flat, strict=True)
            packed += [tuple(None if np.isinf(each) else each for each in pair) for pair in pairs]  # type: ignore[misc]
        return packed


@export(v1=["contrib.opt.ScipyOptimizerInterface"])
class ScipyOptimizerInterface(ExternalOptimizerInterface):
    """`scipy.optimize.minimize` as the optimizer; further arguments, such as `method` and `options`, go there.

    The method is "L-BFGS-B" by default, and "SLSQP" where there are constraints.

    Example:
      >>> import penstock as tf
      >>> tf1 = tf.compat.v1
      >>> with tf.Graph().as_default(), tf1.Session() as session:
      ...     x = tf1.get_variable("x", initializer=[7.0, 7.0])
      ...     optimizer = tf1.contrib.opt.ScipyOptimizerInterface(tf.reduce_sum(tf.square(x - 3.0)))
      ...     session.run(x.initializer)
      ...     optimizer.minimize(session)
      ...     [round(float(each), 3) for each in session.run(x)]
      [3.0, 3.0]
    """

    _DEFAULT_METHOD = "L-BFGS-B"

    def _minimize(
        self,
        initial_val: np.ndarray,
        loss_grad_func: Callable,
        constraints: list[dict[str, Any]],
        packed_bounds: list[tuple[Any, Any]] | None,
        step_callback: Callable | None,
        optimizer_kwargs: dict[str, Any],
    ) -> np.ndarray:
        import scipy.optimize

        method = optimizer_kwargs.pop("method", "SLSQP" if constraints else self._DEFAULT_METHOD)
        result = scipy.optimize.minimize(
            loss_grad_func,
            initial_val,
            jac=True,
            method=method,
            bounds=packed_bounds,
            constraints=constraints,
            callback=step_callback,
            **optimizer_kwargs,
        )
        tf.logging.info(
            "Optimization terminated with:\n  Message: %s\n  Objective function value: %f\n"
            "  Number of iterations: %d\n  Number of functions evaluations: %d",
            result.message,
            result.fun,
            result.nit,
            result.nfev,
        )
        return result.x
