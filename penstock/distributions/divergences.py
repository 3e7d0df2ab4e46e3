"""Kullback-Leibler divergences: a table from pairs of distributions to formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import penstock as tf
from penstock.distributions.continuous import Beta, Gamma, Normal
from penstock.distributions.discrete import Bernoulli, Categorical, Dirichlet
from penstock.engine.export import export
from penstock.types.tensors import Tensor

_DIVERGENCES: dict[tuple[type, type], Callable] = {}


def _registered(kind_a: type, kind_b: type) -> Callable | None:
    """The formula of the nearest pair of bases."""
    found = [
        (place_a + place_b, _DIVERGENCES[a, b])
        for place_a, a in enumerate(kind_a.__mro__)
        for place_b, b in enumerate(kind_b.__mro__)
        if (a, b) in _DIVERGENCES
    ]
    return min(found, key=lambda each: each[0])[1] if found else None


@export(v1=["distributions.kl_divergence"])
def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True, name: str | None = None
) -> Tensor:
    """The divergence from one distribution to another one: the expectation, over the first, of `log(p_a / p_b)`.

    Args:
      distribution_a, distribution_b: the distributions.
      allow_nan_stats: whether NaN is a result, or an error.
      name: for people.

    Raises:
      NotImplementedError: no formula is registered.
      InvalidArgumentError: the result is NaN, and that is not allowed.

    Example:
      >>> import penstock as tf
      >>> Normal = tf.compat.v1.distributions.Normal
      >>> tf.compat.v1.distributions.kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0)).numpy()
      np.float32(0.5)
    """
    function = _registered(type(distribution_a), type(distribution_b))
    if function is None:
        raise NotImplementedError(
            "No KL(distribution_a || distribution_b) registered for distribution_a type "
            f"{type(distribution_a).__name__} and distribution_b type {type(distribution_b).__name__}"
        )
    value = function(distribution_a, distribution_b, name=name)
    return (
        value if allow_nan_stats else tf.debugging.check_numerics(value, "KL calculation returned NaN values")
    )


@export(v1=["distributions.RegisterKL"])
class RegisterKL:
    """A decorator that registers the formula `f(a, b, name=None)` for a pair of distributions.

    Args:
      dist_cls_a, dist_cls_b: the classes.

    Raises (when used):
      TypeError: what is decorated is no function.
      ValueError: the pair has a formula.
    """

    def __init__(self, dist_cls_a: type, dist_cls_b: type):
        self._key = dist_cls_a, dist_cls_b

    def __call__(self, kl_fn: Callable) -> Callable:
        if not callable(kl_fn):
            raise TypeError(f"kl_fn must be callable, received: {kl_fn}")
        if self._key in _DIVERGENCES:
            names = " || ".join(each.__name__ for each in self._key)
            raise ValueError(f"KL({names}) has already been registered to: {_DIVERGENCES[self._key]}")
        _DIVERGENCES[self._key] = kl_fn
        return kl_fn


@RegisterKL(Normal, Normal)
def _normals(a: Normal, b: Normal, name: str | None = None) -> Tensor:
    ratio = tf.square(a.scale / b.scale)
    return tf.square((a.loc - b.loc) / b.scale) / 2.0 + 0.5 * (ratio - 1.0 - tf.math.log(ratio))


@RegisterKL(Gamma, Gamma)
def _gammas(a: Gamma, b: Gamma, name: str | None = None) -> Tensor:
    return (
        (a.concentration - b.concentration) * tf.math.digamma(a.concentration)
        + tf.math.lgamma(b.concentration)
        - tf.math.lgamma(a.concentration)
        + b.concentration * (tf.math.log(a.rate) - tf.math.log(b.rate))
        + a.concentration * (b.rate / a.rate - 1.0)
    )


@RegisterKL(Beta, Beta)
def _betas(a: Beta, b: Beta, name: str | None = None) -> Tensor:
    def part(one: Tensor, other: Tensor) -> Tensor:
        return tf.math.lgamma(other) - tf.math.lgamma(one) + (one - other) * tf.math.digamma(one)

    return (
        part(a.concentration1, b.concentration1)
        + part(a.concentration0, b.concentration0)
        - part(a.total_concentration, b.total_concentration)
    )


@RegisterKL(Dirichlet, Dirichlet)
def _dirichlets(a: Dirichlet, b: Dirichlet, name: str | None = None) -> Tensor:
    difference = a.concentration - b.concentration
    digammas = tf.math.digamma(a.concentration) - tf.math.digamma(a.total_concentration)[..., tf.newaxis]
    return (
        tf.reduce_sum(difference * digammas, axis=-1)
        - tf.math.lbeta(a.concentration)
        + tf.math.lbeta(b.concentration)
    )


@RegisterKL(Bernoulli, Bernoulli)
def _bernoullis(a: Bernoulli, b: Bernoulli, name: str | None = None) -> Tensor:
    minus = tf.nn.softplus(-a.logits) - tf.nn.softplus(-b.logits)
    plus = tf.nn.softplus(a.logits) - tf.nn.softplus(b.logits)
    return -(tf.sigmoid(a.logits) * minus + tf.sigmoid(-a.logits) * plus)


@RegisterKL(Categorical, Categorical)
def _categoricals(a: Categorical, b: Categorical, name: str | None = None) -> Tensor:
    difference = tf.nn.log_softmax(a.logits) - tf.nn.log_softmax(b.logits)
    return tf.reduce_sum(tf.nn.softmax(a.logits) * difference, axis=-1)
