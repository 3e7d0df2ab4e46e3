"""Dropout: elements set to zero at random, the rest scaled so that the sum is expected to stay."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_shape
from penstock.ops.arguments import index_vector, name_scope
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    """`noise_shape` with its unknown entries filled in from the shape of `x`."""
    if noise_shape is None:
        dims = x.shape
        return (
            index_vector(dims.as_list(), name="Shape") if dims.is_fully_defined() else execute("Shape", (x,))
        )
    if isinstance(noise_shape, Tensor) or hasattr(noise_shape, "__tf_tensor__"):
        return index_vector(noise_shape)
    dims = (
        noise_shape.as_list()
        if isinstance(noise_shape, TensorShape)
        else [None if each is None else each for each in noise_shape]
    )
    if x.shape.rank == len(dims):
        known = x.shape.as_list()
        dims = [known[i] if dim is None else dim for i, dim in enumerate(dims)]
    if None in dims:
        shape = execute("Shape", (x,))
        dims = [shape[i] if dim is None else dim for i, dim in enumerate(dims)]
    return index_vector(dims)


def _dropout(
    x: Any,
    rate: Any,
    noise_shape: Any,
    uniform: Callable[..., Tensor],
    name: str | None,
    skip: Callable[[], Any],
) -> Tensor:
    """Dropout with numbers of `uniform(shape=..., dtype=...)`; `skip` is called where none are drawn."""
    is_number = isinstance(rate, (numbers.Real, np.generic)) and not isinstance(rate, bool)
    if is_number and not 0 <= rate < 1:
        raise ValueError(
            f"`rate` must be a scalar tensor or a float in the range [0, 1). Received: rate={rate}"
        )
    x = convert_to_tensor(x)
    if not x.dtype.is_floating:
        raise ValueError(
            f"`x.dtype` must be a floating point tensor as `x` will be scaled. Received: x_dtype={x.dtype}"
        )
    if is_number and rate == 0:
        skip()
        return x
    if not is_number and not (isinstance(rate, Tensor) or hasattr(rate, "__tf_tensor__")):
        raise ValueError(f"`rate` must be a scalar or scalar tensor. Received: rate={rate}")
    with name_scope(name, "dropout"):
        if is_number:
            rate = float(rate)
            factor = convert_to_tensor(1 / (1 - rate), x.dtype, name="Const")
            scaled = execute("Mul", (x, factor))
        else:
            threshold = convert_to_tensor(rate)
            threshold.shape.assert_has_rank(0)
            if threshold.dtype is not x.dtype:
                raise ValueError(
                    f"`x.dtype` must be compatible with `rate.dtype`. Received: x.dtype={x.dtype} and rate.dtype="
                    f"{threshold.dtype}"
                )
            scaled = execute("RealDiv", (x, convert_to_tensor(1, x.dtype) - threshold))
        shape = _noise_shape(x, noise_shape)
        noise = uniform(shape=shape, dtype=x.dtype)
        if isinstance(shape, Tensor):
            noise.set_shape(constant_shape(shape))
        if is_number:
            threshold = convert_to_tensor(rate, x.dtype)
        keep = execute("GreaterEqual", (noise, threshold))
        result = execute("SelectV2", (keep, scaled, convert_to_tensor(0, x.dtype, name="Const")))
        result.set_shape(x.shape)
    return result


@export("nn.dropout", v1=[])
def dropout(
    x: Any, rate: Any, noise_shape: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Sets elements to zero with probability `rate`, and scales the others by `1 / (1 - rate)`.

    Args:
      x: a tensor of a floating dtype.
      rate: the probability to drop an element, in [0, 1): a number, or a scalar tensor of the dtype of `x`.
      noise_shape: the shape of the random choices, which are broadcast: `[batch, 1, 1, channels]` drops whole channels.
      seed: makes the sequence of choices repeatable, together with the global seed.

    Returns:
      A tensor of the dtype and shape of `x`.

    Raises:
      ValueError: `rate` is out of range, or the dtype of `x` is not floating.

    Example:
      >>> import penstock as tf
      >>> sorted(set(tf.nn.dropout(tf.ones([100]), rate=0.5, seed=1).numpy().tolist()))
      [0.0, 2.0]
    """
    from penstock.ops.random.stateful import random_uniform

    def uniform(shape: Any, dtype: Any) -> Tensor:
        return random_uniform(shape, dtype=dtype, seed=seed)

    # Drawing one number where nothing is dropped keeps the sequence of later random ops the same.
    return _dropout(x, rate, noise_shape, uniform, name or "dropout", lambda: random_uniform([1], seed=seed))


@export(v1=["nn.dropout"])
def dropout_v1(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """TF 1's `nn.dropout`: as `tf.nn.dropout`, with `keep_prob = 1 - rate` as the other way to say the probability.

    Raises:
      ValueError: both or neither of `keep_prob` and `rate` are given, or out of range.
    """
    if (rate is None) == (keep_prob is None):
        raise ValueError("You must provide exactly one of `rate` and `keep_prob`.")
    if rate is None:
        rate = 1 - keep_prob
    return dropout(x, rate, noise_shape, seed, name)


@export("nn.experimental.stateless_dropout")
def stateless_dropout(
    x: Any, rate: Any, seed: Any, rng_alg: Any = None, noise_shape: Any = None, name: str | None = None
) -> Tensor:
    """Dropout whose choices are a function of `seed` alone.

    Args:
      x, rate, noise_shape: as in `tf.nn.dropout`.
      seed: two integers.
      rng_alg: the random-number algorithm: "philox", "threefry" or "auto_select" (the default).

    Returns:
      A tensor of the dtype and shape of `x`.

    Example:
      >>> import penstock as tf
      >>> first, again = (tf.nn.experimental.stateless_dropout(tf.ones([8]), 0.5, seed=[1, 2]) for _ in range(2))
      >>> bool(tf.reduce_all(first == again))
      True
    """
    from penstock.ops.random.stateless import stateless_random_uniform

    def uniform(shape: Any, dtype: Any) -> Tensor:
        return stateless_random_uniform(shape, seed=seed, dtype=dtype, alg=rng_alg or "auto_select")

    return _dropout(x, rate, noise_shape, uniform, name or "stateless_dropout", lambda: None)


@export("nn.experimental.general_dropout")
def general_dropout(
    x: Any,
    rate: Any,
    uniform_sampler: Callable[..., Tensor],
    noise_shape: Any = None,
    name: str | None = None,
) -> Tensor:
    """Dropout with random numbers of your own: `uniform_sampler(shape=..., dtype=...)` draws them from [0, 1).

    Example:
      >>> import penstock as tf
      >>> halves = lambda shape, dtype: tf.fill(shape, tf.constant(0.5, dtype))
      >>> tf.nn.experimental.general_dropout(tf.ones([2]), 0.25, halves).numpy()
      array([1.3333334, 1.3333334], dtype=float32)
    """
    return _dropout(x, rate, noise_shape, uniform_sampler, name or "general_dropout", lambda: None)
