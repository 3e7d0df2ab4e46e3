"""TF 1's learning rates that change with the step: `train.exponential_decay` and its relatives.

In a graph they are tensors. Running eagerly they are functions without arguments, which optimizers call at each step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.scopes import name_scope_v1
from penstock.ops.casting import cast
from penstock.ops.random.stateful import random_normal
from penstock.ops.selection import where
from penstock.types import dtypes
from penstock.types.tensors import SymbolicTensor, Tensor


def _decay(scope: str) -> Callable[[Callable], Callable]:
    """Decorates a rate's formula: it is computed now in a graph, and at each call when eager."""

    def decorate(formula: Callable) -> Callable:
        @functools.wraps(formula)
        def decayed(
            learning_rate: Any, global_step: Any, *args: Any, name: str | None = None, **kwargs: Any
        ) -> Any:
            if global_step is None:
                raise ValueError(f"global_step is required for {formula.__name__}.")

            def rate() -> Tensor:
                with name_scope_v1(name, scope):
                    start = convert_to_tensor(learning_rate, name="learning_rate")
                    return formula(start, cast(global_step, start.dtype), *args, **kwargs)

            return _now_or_later(rate, [learning_rate, global_step])

        return export(v1=[f"train.{formula.__name__}"])(decayed)

    return decorate


def _now_or_later(rate: Callable, given: Sequence[Any]) -> Any:
    tensors = [getattr(each, "handle", each) for each in given]
    graph = next((each.graph for each in tensors if isinstance(each, SymbolicTensor)), thread.graph)
    if graph is None:
        return rate
    with context.building(graph if thread.graph is None else thread.graph):
        return rate()


def _as(value: Any, like: Tensor) -> Tensor:
    return cast(value, like.dtype)


def _unary(op_type: str, x: Tensor) -> Tensor:
    return execute(op_type, (x,))


def _equal(x: Tensor, number: float) -> Tensor:
    """Whether they are equal: in a graph `==` compares identities."""
    return execute("Equal", (x, _as(number, x)))


def _cosine(fraction: Tensor) -> Tensor:
    """Falls from 1 to 0 along half a wave."""
    return 0.5 * (1.0 + _unary("Cos", math.pi * fraction))


def _progress(step: Tensor, decay_steps: Any, staircase: bool) -> Tensor:
    fraction = step / _as(decay_steps, step)
    return _unary("Floor", fraction) if staircase else fraction


@_decay("ExponentialDecay")
def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """The rate `learning_rate * decay_rate ^ (global_step / decay_steps)`.

    Args:
      learning_rate: the rate at step 0: a number or tensor.
      global_step: the number of the current step, a tensor or variable.
      decay_steps: after how many steps the rate is multiplied by `decay_rate`.
      staircase: whether it stays the same in between.
      name: the name scope.

    Returns:
      In a graph a scalar of the dtype of `learning_rate`; when eager a function that returns it.

    Raises:
      ValueError: `global_step` is None.

    Example:
      >>> import penstock as tf
      >>> step = tf.Variable(20)
      >>> rate = tf.compat.v1.train.exponential_decay(0.1, step, decay_steps=10, decay_rate=0.5)
      >>> round(float(rate()), 4)
      0.025
    """
    rate = _as(decay_rate, learning_rate)
    return learning_rate * rate ** _progress(global_step, decay_steps, staircase)


@_decay("NaturalExpDecay")
def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """The rate `learning_rate * exp(-decay_rate * global_step / decay_steps)`; see `exponential_decay`."""
    rate = _as(decay_rate, learning_rate)
    return learning_rate * _unary("Exp", -rate * _progress(global_step, decay_steps, staircase))


@_decay("InverseTimeDecay")
def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """The rate `learning_rate / (1 + decay_rate * global_step / decay_steps)`; see `exponential_decay`."""
    rate = _as(decay_rate, learning_rate)
    return learning_rate / (1.0 + rate * _progress(global_step, decay_steps, staircase))


@_decay("PolynomialDecay")
def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Any:
    """The rate `(learning_rate - end) * (1 - global_step / decay_steps) ^ power + end`.

    Args:
      learning_rate, global_step, name: see `exponential_decay`.
      decay_steps: at which step the rate reaches `end_learning_rate`, where it stays.
      power: the exponent.
      cycle: whether the rate rises again then, with `decay_steps` doubled, tripled, ...
    """
    end, power, steps = (_as(each, learning_rate) for each in (end_learning_rate, power, decay_steps))
    if cycle:
        times = _unary("Ceil", global_step / steps)
        steps = steps * where(_equal(global_step, 0.0), execute("OnesLike", (times,)), times)
    else:
        global_step = execute("Minimum", (global_step, steps))
    return (learning_rate - end) * (1.0 - global_step / steps) ** power + end


@_decay("CosineDecay")
def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: Any = 0.0, name: str | None = None
) -> Any:
    """A rate that falls along half a cosine wave to `alpha * learning_rate` at `decay_steps` (Loshchilov, 2017)."""
    steps, alpha = _as(decay_steps, learning_rate), _as(alpha, learning_rate)
    fraction = execute("Minimum", (global_step, steps)) / steps
    return learning_rate * ((1.0 - alpha) * _cosine(fraction) + alpha)


@_decay("SGDRDecay")
def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Any:
    """As `cosine_decay`, again and again.

    Args:
      first_decay_steps: how long the first fall takes.
      t_mul: how many times longer each fall takes than the one before. m_mul: how many times higher it begins.
      alpha: the part of the rate that is left at the end of each.
    """
    first, alpha, t, m = (_as(each, learning_rate) for each in (first_decay_steps, alpha, t_mul, m_mul))
    completed = global_step / first
    even = _unary("Floor", completed)
    # Restart i is at step first * (1 - t^i) / (1 - t).
    safe = where(_equal(t, 1.0), t + 1.0, t)
    grown = _unary("Floor", _unary("Log", 1.0 - completed * (1.0 - safe)) / _unary("Log", safe))
    begun = (1.0 - safe**grown) / (1.0 - safe)
    restarts = where(_equal(t, 1.0), even, grown)
    fraction = where(_equal(t, 1.0), completed - even, (completed - begun) / safe**grown)
    return learning_rate * ((1.0 - alpha) * m**restarts * _cosine(fraction) + alpha)


@_decay("LinearCosineDecay")
def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Any:
    """The rate `learning_rate * ((alpha + linear) * cosine + beta)`, where linear falls from 1 to 0 (Bello, 2017).

    Args:
      decay_steps: how long the fall takes.
      num_periods: how many waves the cosine part makes in it.
    """
    return _linear_cosine(learning_rate, global_step, decay_steps, num_periods, alpha, beta, None)


@_decay("NoisyLinearCosineDecay")
def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Any:
    """As `linear_cosine_decay`, with noise of variance `initial_variance / (1 + step) ^ variance_decay` in the linear part."""
    steps = execute("Minimum", (global_step, _as(decay_steps, learning_rate)))
    variance = _as(initial_variance, learning_rate) / (1.0 + steps) ** _as(variance_decay, learning_rate)
    noise = random_normal([], dtype=learning_rate.dtype) * _unary("Sqrt", variance)
    return _linear_cosine(learning_rate, global_step, decay_steps, num_periods, alpha, beta, noise)


def _linear_cosine(
    learning_rate: Tensor, step: Tensor, decay_steps: Any, num_periods: Any, alpha: Any, beta: Any, noise: Any
) -> Tensor:
    steps, periods, alpha, beta = (
        _as(each, learning_rate) for each in (decay_steps, num_periods, alpha, beta)
    )
    step = execute("Minimum", (step, steps))
    linear = (steps - step) / steps
    if noise is not None:
        linear = linear + noise
    return learning_rate * ((alpha + linear) * _cosine(2.0 * periods * step / steps) + beta)


@export(v1=["train.piecewise_constant", "train.piecewise_constant_decay"])
def piecewise_constant(
    x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
) -> Any:
    """The value of the interval that `x` is in: `values[i]` where `boundaries[i - 1] < x <= boundaries[i]`.

    Args:
      x: a scalar, as the global step.
      boundaries: increasing numbers of the dtype of `x`.
      values: one more number than boundaries, all of one dtype.

    Returns:
      In a graph a scalar; when eager a function that returns it.

    Raises:
      ValueError: the lengths do not fit, or dtypes differ.

    Example:
      >>> import penstock as tf
      >>> rate = tf.compat.v1.train.piecewise_constant(tf.constant(150), [100, 200], [1.0, 0.5, 0.1])
      >>> float(rate())
      0.5
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError(
            f"The length of boundaries should be 1 less than the length of values: {len(boundaries)} and {len(values)}"
        )

    def value() -> Tensor:
        with name_scope_v1(name, "PiecewiseConstant"):
            at = convert_to_tensor(x)
            limits = [_limit(each, at) for each in boundaries]
            found, *rest = (convert_to_tensor(each) for each in values)
            for each in rest:
                if each.dtype != found.dtype:
                    raise ValueError(
                        f"`values` must have elements all with the same dtype ({found.dtype.name} vs {each.dtype.name})."
                    )
            for limit, each in zip(limits, rest):
                found = where(at > limit, each, found)
            return found

    return _now_or_later(value, [x])


def _limit(boundary: Any, x: Tensor) -> Tensor:
    tensor = convert_to_tensor(boundary)
    if tensor.dtype.base_dtype == x.dtype.base_dtype:
        return tensor
    if tensor.dtype is dtypes.int32 and x.dtype.base_dtype is dtypes.int64:
        return cast(tensor, dtypes.int64)
    raise ValueError(
        f"`boundaries` ({tensor.dtype.name}) must have the same dtype as x ({x.dtype.base_dtype.name})."
    )
