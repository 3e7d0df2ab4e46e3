"""Distributions of outcomes and of probabilities: Bernoulli, Categorical, Multinomial, Dirichlet, DirichletMultinomial."""

from __future__ import annotations

from typing import Any

import penstock as tf
from penstock.distributions.distribution import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    another_seed,
    floats,
    logits_and_probs,
    positive,
)
from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export(v1=["distributions.Bernoulli"])
class Bernoulli(Distribution):
    """A coin: 1 with probability `probs`, else 0.

    Args:
      logits, probs: the log-odds of 1, or its probability; one of them.
      dtype: of the outcomes.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Example:
      >>> import penstock as tf
      >>> coin = tf.compat.v1.distributions.Bernoulli(probs=0.25)
      >>> coin.prob([0, 1]).numpy().round(4)
      array([0.75, 0.25], dtype=float32)
    """

    _batch_parameters = ("logits",)

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ):
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs)
        super().__init__(dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name)

    @property
    def logits(self) -> Tensor:
        """The log-odds of 1."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self._probs

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        drawn = tf.random.uniform(self._sample_shape(n), dtype=self._probs.dtype, seed=seed)
        return tf.cast(drawn < self._probs, self.dtype)

    def _log_prob(self, event: Tensor) -> Tensor:
        event = tf.cast(event, self._logits.dtype)
        shape = tf.broadcast_dynamic_shape(tf.shape(event), tf.shape(self._logits))
        labels, logits = tf.broadcast_to(event, shape), tf.broadcast_to(self._logits, shape)
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    def _entropy(self) -> Tensor:
        return -self._logits * (tf.sigmoid(self._logits) - 1.0) + tf.nn.softplus(-self._logits)

    def _mean(self) -> Tensor:
        return tf.identity(self._probs)

    def _variance(self) -> Tensor:
        return self._probs * (1.0 - self._probs)

    def _mode(self) -> Tensor:
        return tf.cast(self._probs > 0.5, self.dtype)


@export(v1=["distributions.Categorical"])
class Categorical(Distribution):
    """One of several classes, with a probability each.

    Args:
      logits, probs: unnormalized log-probabilities, or probabilities, of the classes in the last dimension; one of them.
      dtype: of the classes' numbers.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _event_ndims = 0

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ):
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs, multidimensional=True)
        super().__init__(dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name)

    @property
    def logits(self) -> Tensor:
        """Unnormalized log-probabilities."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """Probabilities."""
        return self._probs

    @property
    def event_size(self) -> Tensor:
        """How many classes there are, an int32 scalar."""
        return tf.shape(self._logits)[-1]

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of the batch."""
        return self._logits.shape[:-1]

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of the batch, an int32 vector."""
        return tf.shape(self._logits)[:-1]

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        flat = tf.reshape(self._logits, [-1, self.event_size])
        drawn = tf.random.categorical(flat, n, dtype=tf.int64, seed=seed)
        return tf.cast(tf.reshape(tf.transpose(drawn), self._sample_shape(n)), self.dtype)

    def _log_prob(self, k: Tensor) -> Tensor:
        shape = tf.broadcast_dynamic_shape(tf.shape(k), self.batch_shape_tensor())
        shape = tf.concat([shape, [self.event_size]], 0)
        hot = tf.one_hot(tf.cast(k, tf.int32), self.event_size, dtype=self._logits.dtype)
        log_p = tf.broadcast_to(tf.nn.log_softmax(self._logits), shape)
        return tf.reduce_sum(tf.where(hot > 0, log_p, tf.zeros_like(log_p)), axis=-1)

    def _cdf(self, k: Tensor) -> Tensor:
        """The probability of the classes with smaller numbers, as TensorFlow has it."""
        before = tf.range(self.event_size) < tf.cast(k, tf.int32)[..., tf.newaxis]
        return tf.reduce_sum(tf.where(before, self._probs, tf.zeros_like(self._probs)), axis=-1)

    def _entropy(self) -> Tensor:
        log_p = tf.nn.log_softmax(self._logits)
        return -tf.reduce_sum(tf.math.multiply_no_nan(log_p, tf.exp(log_p)), axis=-1)

    def _mode(self) -> Tensor:
        return tf.cast(tf.argmax(self._logits, axis=-1), self.dtype)


class _Vector(Distribution):
    """A distribution whose events are vectors."""

    _event_ndims = 1

    @property
    def event_shape(self) -> TensorShape:
        """The shape of an event."""
        return self._parts()[-1].shape[-1:]

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Tensor:
        """The shape of an event, an int32 vector."""
        return tf.shape(self._parts()[-1])[-1:]


def _counts(total: Tensor, logits: Tensor, n: Tensor, seed: int | None) -> Tensor:
    """How often each class comes in `total` draws, `n` times: `[n, ..., classes]`."""
    classes = tf.shape(logits)[-1]
    batch = tf.broadcast_dynamic_shape(tf.shape(total), tf.shape(logits)[:-1])
    total = tf.cast(tf.broadcast_to(total, batch), tf.int32)
    most = tf.reduce_max(total)
    flat = tf.reshape(tf.broadcast_to(logits, tf.concat([batch, [classes]], 0)), [-1, classes])
    drawn = tf.random.categorical(flat, n * most, dtype=tf.int32, seed=seed)
    drawn = tf.reshape(drawn, [-1, n, most])  # [batch, n, draws]
    valid = tf.range(most) < tf.reshape(total, [-1, 1, 1])
    hot = tf.one_hot(tf.where(valid, drawn, -tf.ones_like(drawn)), classes, dtype=logits.dtype)
    found = tf.transpose(tf.reduce_sum(hot, axis=2), [1, 0, 2])
    return tf.reshape(found, tf.concat([[n], batch, [classes]], 0))


def _log_combinations(total: Tensor, counts: Tensor) -> Tensor:
    return tf.math.lgamma(total + 1.0) - tf.reduce_sum(tf.math.lgamma(counts + 1.0), axis=-1)


@export(v1=["distributions.Multinomial"])
class Multinomial(_Vector):
    """How often each class comes in `total_count` draws.

    Args:
      total_count: how many draws.
      logits, probs: unnormalized log-probabilities, or probabilities, of the classes in the last dimension; one of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("total_count", "logits")

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Multinomial",
    ):
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs, multidimensional=True)
        self._total_count = tf.cast(total_count, self._logits.dtype)
        super().__init__(
            self._logits.dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    @property
    def total_count(self) -> Tensor:
        """How many draws."""
        return self._total_count

    @property
    def logits(self) -> Tensor:
        """Unnormalized log-probabilities."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """Probabilities."""
        return self._probs

    def _has_event(self, part: Tensor) -> bool:
        return part is self._logits

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return _counts(self._total_count, self._logits, n, seed)

    def _log_prob(self, counts: Tensor) -> Tensor:
        chosen = tf.reduce_sum(counts * tf.nn.log_softmax(self._logits), axis=-1)
        return chosen + _log_combinations(self._total_count, counts)

    def _mean(self) -> Tensor:
        return self._total_count[..., tf.newaxis] * self._probs

    def _covariance(self) -> Tensor:
        p = self._probs * tf.ones_like(self._total_count)[..., tf.newaxis]
        mean = self._mean()
        return tf.linalg.set_diag(-mean[..., tf.newaxis] * p[..., tf.newaxis, :], self._variance())

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._probs)


@export(v1=["distributions.Dirichlet"])
class Dirichlet(_Vector):
    """Probabilities of classes: vectors of positive numbers with the sum 1.

    Args:
      concentration: positive, of the classes in the last dimension.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("concentration",)

    def __init__(
        self,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Dirichlet",
    ):
        parameters = dict(locals())
        (self._concentration,) = positive(floats(concentration), validate_args)
        super().__init__(
            self._concentration.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )  # fmt: skip

    @property
    def concentration(self) -> Tensor:
        """The concentration of each class."""
        return self._concentration

    @property
    def total_concentration(self) -> Tensor:
        """Their sum."""
        return tf.reduce_sum(self._concentration, axis=-1)

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        drawn = tf.random.gamma([n], self._concentration, dtype=self.dtype, seed=seed)
        return drawn / tf.reduce_sum(drawn, axis=-1, keepdims=True)

    def _log_prob(self, x: Tensor) -> Tensor:
        unnormalized = tf.reduce_sum(tf.math.xlogy(self._concentration - 1.0, x), axis=-1)
        return unnormalized - tf.math.lbeta(self._concentration)

    def _entropy(self) -> Tensor:
        c, total = self._concentration, self.total_concentration
        classes = tf.cast(tf.shape(c)[-1], self.dtype)
        digammas = tf.reduce_sum((c - 1.0) * tf.math.digamma(c), axis=-1)
        return tf.math.lbeta(c) + (total - classes) * tf.math.digamma(total) - digammas

    def _mean(self) -> Tensor:
        return self._concentration / self.total_concentration[..., tf.newaxis]

    def _variance(self) -> Tensor:
        mean = self._mean()
        return mean * (1.0 - mean) / (1.0 + self.total_concentration[..., tf.newaxis])

    def _covariance(self) -> Tensor:
        mean = self._mean() / tf.sqrt(1.0 + self.total_concentration)[..., tf.newaxis]
        return tf.linalg.set_diag(-mean[..., tf.newaxis] * mean[..., tf.newaxis, :], self._variance())

    def _mode(self) -> Tensor:
        classes = tf.cast(tf.shape(self._concentration)[-1], self.dtype)
        mode = (self._concentration - 1.0) / (self.total_concentration[..., tf.newaxis] - classes)
        defined = tf.reduce_all(self._concentration > 1.0, axis=-1, keepdims=True)
        return self._where_defined(
            tf.broadcast_to(defined, tf.shape(mode)), mode, "Mode undefined when any concentration <= 1"
        )


@export(v1=["distributions.DirichletMultinomial"])
class DirichletMultinomial(_Vector):
    """How often each class comes in `total_count` draws, whose probabilities are drawn from a Dirichlet distribution.

    Args:
      total_count: how many draws.
      concentration: positive, of the classes in the last dimension.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("total_count", "concentration")

    def __init__(
        self,
        total_count: Any,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DirichletMultinomial",
    ):
        parameters = dict(locals())
        (self._concentration,) = positive(floats(concentration), validate_args)
        self._total_count = tf.cast(total_count, self._concentration.dtype)
        super().__init__(
            self._concentration.dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )  # fmt: skip

    @property
    def total_count(self) -> Tensor:
        """How many draws."""
        return self._total_count

    @property
    def concentration(self) -> Tensor:
        """The concentration of each class."""
        return self._concentration

    @property
    def total_concentration(self) -> Tensor:
        """Their sum."""
        return tf.reduce_sum(self._concentration, axis=-1)

    def _has_event(self, part: Tensor) -> bool:
        return part is self._concentration

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        batch = self.batch_shape_tensor()
        classes = self.event_shape_tensor()
        concentration = tf.broadcast_to(self._concentration, tf.concat([batch, classes], 0))
        drawn = tf.random.gamma([n], concentration, dtype=self.dtype, seed=seed)
        total = tf.broadcast_to(self._total_count, tf.concat([[n], batch], 0))
        found = _counts(
            total, tf.math.log(drawn), tf.constant(1), another_seed(seed, "dirichlet_multinomial")
        )
        return found[0]

    def _log_prob(self, counts: Tensor) -> Tensor:
        ordered = tf.math.lbeta(self._concentration + counts) - tf.math.lbeta(self._concentration)
        return ordered + _log_combinations(self._total_count, counts)

    def _share(self) -> Tensor:
        return self._concentration / self.total_concentration[..., tf.newaxis]

    def _mean(self) -> Tensor:
        return self._total_count[..., tf.newaxis] * self._share()

    def _scale(self) -> Tensor:
        """By how much the variance is larger than that of a multinomial distribution, times the number of draws."""
        c = self.total_concentration
        return (self._total_count * (c + self._total_count) / (1.0 + c))[..., tf.newaxis]

    def _variance(self) -> Tensor:
        return self._scale() * self._share() * (1.0 - self._share())

    def _covariance(self) -> Tensor:
        share = self._share() * tf.ones_like(self._total_count)[..., tf.newaxis]
        off_diagonal = -self._scale()[..., tf.newaxis] * share[..., tf.newaxis] * share[..., tf.newaxis, :]
        return tf.linalg.set_diag(off_diagonal, self._variance())
