"""`contrib.layers`' initializers and regularizers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import name_scope_v1
from penstock.ops.graph_collections import GraphKeys
from penstock.v1.api import tf


def _initializer_names(name: str) -> list[str]:
    return [
        f"contrib.layers.{name}",
        f"contrib.slim.{name}",
        f"contrib.layers.python.layers.initializers.{name}",
        f"contrib.slim.initializers.{name}",
    ]


@export(v1=_initializer_names("variance_scaling_initializer"))
def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Callable:
    """An initializer that keeps the variance of what a layer computes: numbers of variance `factor / n`.

    Args:
      factor: 2 for ReLU (He et al., 2015), 1 for linear layers.
      mode: what n is: "FAN_IN" the inputs of a unit, "FAN_OUT" its outputs, "FAN_AVG" their mean.
      uniform: whether the distribution is uniform; else it is a truncated normal one.
      seed: a seed of the op. dtype: a floating dtype.

    Raises:
      TypeError: `dtype` is not floating, or `mode` none of these.
    """
    if not tf.as_dtype(dtype).is_floating:
        raise TypeError("Cannot create initializer for non-floating point type.")
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")

    def initializer(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> Any:
        dims = [int(each) for each in (shape if partition_info is None else partition_info.full_shape)]
        fan_in = float(dims[-2] if len(dims) > 1 else dims[-1]) if dims else 1.0
        fan_out = float(dims[-1]) if dims else 1.0
        field = math.prod(dims[:-2])
        n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2}[mode] * field
        if uniform:
            limit = math.sqrt(3.0 * factor / n)
            return tf.random_uniform(shape, -limit, limit, dtype, seed=seed)
        # Truncating at two deviations takes this part of the variance away.
        return tf.truncated_normal(shape, 0.0, math.sqrt(1.3 * factor / n), dtype, seed=seed)

    return initializer


@export(v1=[*_initializer_names("xavier_initializer"), *_initializer_names("xavier_initializer_conv2d")])
def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = "float32") -> Callable:
    """An initializer of numbers of variance `2 / (inputs + outputs)` (Glorot and Bengio, 2010)."""
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


# Regularizers.


def _regularizer_names(name: str) -> list[str]:
    return [
        f"contrib.layers.{name}",
        f"contrib.slim.{name}",
        f"contrib.layers.python.layers.regularizers.{name}",
        f"contrib.slim.regularizers.{name}",
    ]


def _check_scale(scale: Any, names: str = "scale") -> None:
    if isinstance(scale, int) and not isinstance(scale, bool):
        raise ValueError(f"{names} cannot be an integer: {scale}")
    if isinstance(scale, float) and scale < 0.0:
        raise ValueError(f"Setting a scale less than 0 on a regularizer: {scale}.")


@export(v1=_regularizer_names("l1_regularizer"))
def l1_regularizer(scale: float, scope: str | None = None) -> Callable:
    """A function that returns `scale * sum(|w|)` of weights; None for a scale of zero.

    Raises:
      ValueError: `scale` is negative, or an integer.
    """
    _check_scale(scale)
    if scale == 0.0:
        return lambda weights: None

    def l1(weights: Any, name: str | None = None) -> Any:
        with name_scope_v1(scope, "l1_regularizer", [weights]) as own_name:
            return tf.multiply(
                tf.convert_to_tensor(scale, weights.dtype.base_dtype, name="scale"),
                tf.reduce_sum(tf.abs(weights)),
                name=own_name,
            )

    return l1


@export(v1=_regularizer_names("l2_regularizer"))
def l2_regularizer(scale: float, scope: str | None = None) -> Callable:
    """A function that returns `scale * sum(w^2) / 2` of weights; None for a scale of zero.

    Raises:
      ValueError: `scale` is negative, or an integer.
    """
    _check_scale(scale)
    if scale == 0.0:
        return lambda weights: None

    def l2(weights: Any) -> Any:
        with name_scope_v1(scope, "l2_regularizer", [weights]) as own_name:
            return tf.multiply(
                tf.convert_to_tensor(scale, weights.dtype.base_dtype, name="scale"),
                tf.nn.l2_loss(weights),
                name=own_name,
            )

    return l2


@export(v1=_regularizer_names("l1_l2_regularizer"))
def l1_l2_regularizer(scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None) -> Callable:
    """The sum of `l1_regularizer` and `l2_regularizer`."""
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope or "l1_l2_regularizer")


@export(v1=_regularizer_names("sum_regularizer"))
def sum_regularizer(regularizer_list: Sequence[Callable | None], scope: str | None = None) -> Any:
    """A function that returns the sum of regularizers; None where there are none."""
    used = [each for each in regularizer_list if each is not None]
    if not used:
        return None

    def total(weights: Any) -> Any:
        with name_scope_v1(scope, "sum_regularizer", [weights]) as own_name:
            values = [value for value in (each(weights) for each in used) if value is not None]
            return tf.add_n(values, name=own_name) if values else None

    return total


@export(v1=_regularizer_names("apply_regularization"))
def apply_regularization(regularizer: Callable, weights_list: Sequence[Any] | None = None) -> Any:
    """The sum of a regularizer over weights (by default the collection `WEIGHTS`), added to the regularization losses.

    Raises:
      ValueError: there are no weights.
    """
    weights_list = weights_list or tf.get_collection(GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("No weights to regularize.")
    with name_scope_v1("get_regularization_penalty", values=weights_list) as scope:
        penalties = [regularizer(each) for each in weights_list]
        penalties = [tf.constant(0.0) if each is None else each for each in penalties]
        total = tf.add_n(penalties, name=scope)
        tf.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
        return total
