"""`contrib.distributions`' own: normal vectors, classes as unit vectors and their smooth forms, counts, Logistic."""

from __future__ import annotations

import math
from typing import Any

import penstock as tf
from penstock.distributions.continuous import Normal, _LocationScale
from penstock.distributions.discrete import Categorical, _Vector
from penstock.distributions.distribution import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    floats,
    logits_and_probs,
    positive,
)
from penstock.distributions.divergences import RegisterKL
from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)


def _names(name: str) -> list[str]:
    return [f"contrib.distributions.{name}"]


export(v1=_names("ReparameterizationType"))(type(FULLY_REPARAMETERIZED))
export(v1=_names("FULLY_REPARAMETERIZED"))(FULLY_REPARAMETERIZED)
export(v1=_names("NOT_REPARAMETERIZED"))(NOT_REPARAMETERIZED)


@export(v1=_names("softplus_inverse"))
def softplus_inverse(x: Any, name: str | None = None) -> Tensor:
    """What `softplus` makes `x` of: `log(exp(x) - 1)`."""
    (x,) = floats(x)
    return tf.identity(x + tf.math.log(-tf.math.expm1(-x)), name=name)


@export(v1=_names("NormalWithSoftplusScale"))
class NormalWithSoftplusScale(Normal):
    """A `Normal` whose scale is `softplus(scale)`, so that any number is one."""

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "NormalWithSoftplusScale",
    ):  # fmt: skip
        parameters = dict(locals())
        super().__init__(loc, tf.nn.softplus(floats(scale)[0]), validate_args, allow_nan_stats, name)
        self._parameters = {key: each for key, each in parameters.items() if key not in ("self", "__class__")}


@export(v1=_names("Logistic"))
class Logistic(_LocationScale):
    """The distribution whose `cdf` is `sigmoid((x - loc) / scale)`."""

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Logistic"
    ):  # fmt: skip
        super().__init__(loc, scale, validate_args, allow_nan_stats, name)

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return self._loc + self._scale * _logistic_noise(self._sample_shape(n), self.dtype, seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        z = self._standard(x)
        return -z - 2.0 * tf.nn.softplus(-z) - tf.math.log(self._scale)

    def _cdf(self, x: Tensor) -> Tensor:
        return tf.sigmoid(self._standard(x))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return -tf.nn.softplus(-self._standard(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return tf.sigmoid(-self._standard(x))

    def _quantile(self, p: Tensor) -> Tensor:
        return self._loc + self._scale * (tf.math.log(p) - tf.math.log1p(-p))

    def _entropy(self) -> Tensor:
        return self._broadcast(2.0 + tf.math.log(self._scale))

    def _stddev(self) -> Tensor:
        return self._broadcast(self._scale * math.pi / math.sqrt(3))


def _logistic_noise(shape: Any, dtype: Any, seed: int | None) -> Tensor:
    uniform = tf.random.uniform(shape, dtype.as_numpy_dtype(1e-7), 1.0, dtype, seed)
    return tf.math.log(uniform) - tf.math.log1p(-uniform)


# Normal vectors.


class _NormalVector(_Vector):
    """A normal vector; a subclass multiplies by its scale, and by the inverse."""

    _batch_parameters: tuple[str, ...] = ("loc", "scale")

    loc = property(lambda self: self._loc, doc="The mean.")

    def _noise(self, n: Tensor, seed: int | None) -> Tensor:
        shape = tf.concat([self._sample_shape(n), self.event_shape_tensor()], 0)
        return tf.random.normal(shape, dtype=self.dtype, seed=seed)

    def _mean(self) -> Tensor:
        return tf.broadcast_to(
            self._loc, tf.concat([self.batch_shape_tensor(), self.event_shape_tensor()], 0)
        )

    _mode = _mean

    def _log_volume(self) -> Tensor:
        """The logarithm of how much the scale makes volumes larger."""
        raise AssertionError("a subclass says that")

    def _entropy(self) -> Tensor:
        size = tf.cast(self.event_shape_tensor()[0], self.dtype)
        each = size * (0.5 + _LOG_ROOT_2_PI) + self._log_volume()
        return tf.broadcast_to(each, self.batch_shape_tensor())


@export(v1=_names("MultivariateNormalDiag"))
class MultivariateNormalDiag(_NormalVector):
    """A vector of independent normal numbers.

    Args:
      loc: `[..., size]`, the mean; zeros by default. scale_diag: `[..., size]`, the standard deviations.
      scale_identity_multiplier: `[...]`, one for all, added to those; without both they are ones.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: nothing says the size.

    Example:
      >>> import penstock as tf
      >>> normal = tf.compat.v1.contrib.distributions.MultivariateNormalDiag([0.0, 0.0], [1.0, 2.0])
      >>> round(float(normal.log_prob([0.0, 0.0])), 3)
      -2.531
    """

    def __init__(
        self, loc: Any = None, scale_diag: Any = None, scale_identity_multiplier: Any = None,
        validate_args: bool = False, allow_nan_stats: bool = True, name: str = "MultivariateNormalDiag",
    ):  # fmt: skip
        parameters = dict(locals())
        if loc is None and scale_diag is None:
            raise ValueError("Must specify `loc` or `scale_diag`, which say how large the vectors are.")
        (like,) = floats(loc if loc is not None else scale_diag)
        ones = tf.ones_like(like)
        parts = [floats(scale_diag)[0]] if scale_diag is not None else []
        if scale_identity_multiplier is not None:
            parts.append(floats(scale_identity_multiplier)[0][..., tf.newaxis] * ones)
        scale = sum(parts[1:], parts[0]) if parts else ones
        (self._scale,) = positive([scale], validate_args)
        self._loc = like if loc is not None else tf.zeros_like(self._scale)
        super().__init__(
            self._loc.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return self._loc + self._scale * self._noise(n, seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        each = -0.5 * tf.square((x - self._loc) / self._scale) - _LOG_ROOT_2_PI - tf.math.log(self._scale)
        return tf.reduce_sum(each, -1)

    def _log_volume(self) -> Tensor:
        return tf.reduce_sum(tf.math.log(self._scale), -1)

    def _stddev(self) -> Tensor:
        return self._scale + tf.zeros_like(self._mean())

    def _covariance(self) -> Tensor:
        return tf.linalg.diag(tf.square(self._stddev()))


@export(v1=_names("MultivariateNormalDiagWithSoftplusScale"))
class MultivariateNormalDiagWithSoftplusScale(MultivariateNormalDiag):
    """A `MultivariateNormalDiag` with `softplus(scale_diag)`."""

    def __init__(
        self, loc: Any, scale_diag: Any, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "MultivariateNormalDiagWithSoftplusScale",
    ):  # fmt: skip
        parameters = dict(locals())
        super().__init__(
            loc, tf.nn.softplus(floats(scale_diag)[0]), None, validate_args, allow_nan_stats, name
        )
        self._parameters = {key: each for key, each in parameters.items() if key not in ("self", "__class__")}


@export(v1=_names("MultivariateNormalTriL"))
class MultivariateNormalTriL(_NormalVector):
    """A normal vector with the covariance `scale_tril @ scale_tril^T`.

    Args:
      loc: `[..., size]`, the mean; zeros by default. scale_tril: `[..., size, size]`, lower triangular.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("loc", "diagonal")

    def __init__(
        self, loc: Any = None, scale_tril: Any = None, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "MultivariateNormalTriL",
    ):  # fmt: skip
        parameters = dict(locals())
        if scale_tril is None:
            raise ValueError("scale_tril must be given; `MultivariateNormalDiag` is for independent numbers")
        (scale,) = floats(scale_tril)
        self._tril = tf.linalg.band_part(scale, -1, 0)
        (self._diagonal,) = positive([tf.linalg.diag_part(self._tril)], validate_args)
        self._loc = tf.zeros_like(self._diagonal) if loc is None else floats(loc)[0]
        super().__init__(
            self._loc.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return self._loc + tf.linalg.matvec(self._tril, self._noise(n, seed))

    def _log_prob(self, x: Tensor) -> Tensor:
        apart = x - self._loc
        tril = tf.broadcast_to(self._tril, tf.concat([tf.shape(apart)[:-1], tf.shape(self._tril)[-2:]], 0))
        z = tf.linalg.triangular_solve(tril, apart[..., tf.newaxis])[..., 0]
        return tf.reduce_sum(-0.5 * tf.square(z) - _LOG_ROOT_2_PI, -1) - self._log_volume()

    def _log_volume(self) -> Tensor:
        return tf.reduce_sum(tf.math.log(tf.abs(self._diagonal)), -1)

    def _covariance(self) -> Tensor:
        return tf.matmul(self._tril, self._tril, transpose_b=True)

    def _variance(self) -> Tensor:
        return tf.linalg.diag_part(self._covariance()) + tf.zeros_like(self._mean())


@RegisterKL(MultivariateNormalDiag, MultivariateNormalDiag)
def _normal_vectors(a: MultivariateNormalDiag, b: MultivariateNormalDiag, name: str | None = None) -> Tensor:
    ratio = tf.square(a._scale / b._scale)
    each = 0.5 * (tf.square((a.loc - b.loc) / b._scale) + ratio - 1.0 - tf.math.log(ratio))
    return tf.reduce_sum(each, -1)


# Classes as vectors.


class _ClassVector(_Vector):
    _batch_parameters = ("logits",)

    logits = property(lambda self: self._logits, doc="Unnormalized log-probabilities.")
    probs = property(lambda self: self._probs, doc="Probabilities.")
    event_size = property(lambda self: tf.shape(self._logits)[-1], doc="How many classes there are.")


@export(v1=_names("OneHotCategorical"))
class OneHotCategorical(_ClassVector):
    """One of several classes, as a vector with a one in its place.

    Args:
      logits, probs: unnormalized log-probabilities, or probabilities, of the classes in the last dimension; one of them.
      dtype: of the vectors. validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self, logits: Any = None, probs: Any = None, dtype: Any = dtypes.int32, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "OneHotCategorical",
    ):  # fmt: skip
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs, multidimensional=True)
        super().__init__(dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name)

    def _classes(self) -> Categorical:
        return Categorical(logits=self._logits)

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return tf.one_hot(self._classes()._sample_n(n, seed), self.event_size, dtype=self.dtype)

    def _log_prob(self, x: Tensor) -> Tensor:
        x = tf.cast(x, self._logits.dtype)
        return tf.reduce_sum(tf.math.multiply_no_nan(tf.nn.log_softmax(self._logits), x), -1)

    def _entropy(self) -> Tensor:
        return self._classes()._entropy()

    def _mean(self) -> Tensor:
        return tf.identity(self._probs)

    def _mode(self) -> Tensor:
        return tf.one_hot(tf.argmax(self._logits, -1), self.event_size, dtype=self.dtype)

    def _covariance(self) -> Tensor:
        p = self._probs
        return tf.linalg.diag(p) - p[..., tf.newaxis] * p[..., tf.newaxis, :]

    def _variance(self) -> Tensor:
        return self._probs * (1.0 - self._probs)


@RegisterKL(OneHotCategorical, OneHotCategorical)
def _one_hots(a: OneHotCategorical, b: OneHotCategorical, name: str | None = None) -> Tensor:
    return a._classes().kl_divergence(b._classes())


@export(v1=_names("RelaxedOneHotCategorical"))
class RelaxedOneHotCategorical(_ClassVector):
    """A smooth form of `OneHotCategorical`: `softmax((logits + noise) / temperature)`, the nearer to it the colder.

    Maddison et al., "The Concrete Distribution", 2017; Jang et al., "Categorical Reparameterization with
    Gumbel-Softmax", 2017.

    Args:
      temperature: positive. logits, probs: see `OneHotCategorical`.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self, temperature: Any, logits: Any = None, probs: Any = None, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "RelaxedOneHotCategorical",
    ):  # fmt: skip
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs, multidimensional=True)
        (self._temperature,) = positive([tf.cast(floats(temperature)[0], self._logits.dtype)], validate_args)
        super().__init__(
            self._logits.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    temperature = property(lambda self: self._temperature, doc="The temperature.")

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        shape = tf.concat([[n], tf.shape(self._logits)], 0)
        uniform = tf.random.uniform(shape, self.dtype.as_numpy_dtype(1e-7), 1.0, self.dtype, seed)
        return tf.nn.softmax((self._logits - tf.math.log(-tf.math.log(uniform))) / self._temperature)

    def _log_prob(self, x: Tensor) -> Tensor:
        log_x, size = tf.math.log(x), tf.cast(self.event_size, self.dtype)
        constant = tf.math.lgamma(size) + (size - 1.0) * tf.math.log(self._temperature)
        return constant + tf.reduce_sum(
            tf.nn.log_softmax(self._logits - self._temperature * log_x) - log_x, -1
        )


@export(v1=_names("RelaxedBernoulli"))
class RelaxedBernoulli(Distribution):
    """A smooth form of `Bernoulli`: `sigmoid((logits + noise) / temperature)`; see `RelaxedOneHotCategorical`."""

    _batch_parameters = ("logits",)

    def __init__(
        self, temperature: Any, logits: Any = None, probs: Any = None, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "RelaxedBernoulli",
    ):  # fmt: skip
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs)
        (self._temperature,) = positive([tf.cast(floats(temperature)[0], self._logits.dtype)], validate_args)
        super().__init__(
            self._logits.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    temperature = property(lambda self: self._temperature, doc="The temperature.")
    logits = property(lambda self: self._logits, doc="The logarithms of the odds.")
    probs = property(lambda self: self._probs, doc="The probabilities of 1, as it gets cold.")

    def _before(self) -> Logistic:
        """What the sigmoid is taken of."""
        return Logistic(self._logits / self._temperature, 1.0 / self._temperature)

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return tf.sigmoid(self._before()._sample_n(n, seed))

    def _log_prob(self, x: Tensor) -> Tensor:
        log_x, log_rest = tf.math.log(x), tf.math.log1p(-x)
        return self._before()._log_prob(log_x - log_rest) - log_x - log_rest

    def _cdf(self, x: Tensor) -> Tensor:
        return self._before()._cdf(tf.math.log(x) - tf.math.log1p(-x))


# Counts.


@export(v1=_names("Poisson"))
class Poisson(Distribution):
    """Counts with the probability `rate ** k * exp(-rate) / k!`.

    Args:
      rate, log_rate: the mean, positive, or its logarithm; one of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("rate",)

    def __init__(
        self, rate: Any = None, log_rate: Any = None, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "Poisson",
    ):  # fmt: skip
        parameters = dict(locals())
        if (rate is None) == (log_rate is None):
            raise ValueError("Must specify exactly one of `rate` and `log_rate`.")
        if rate is not None:
            (self._rate,) = positive(floats(rate), validate_args)
            self._log_rate = tf.math.log(self._rate)
        else:
            (self._log_rate,) = floats(log_rate)
            self._rate = tf.exp(self._log_rate)
        super().__init__(
            self._rate.dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    rate = property(lambda self: self._rate, doc="The mean.")
    log_rate = property(lambda self: self._log_rate, doc="The logarithm of the mean.")

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return tf.random.poisson([n], self._rate, self.dtype, seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        return tf.math.xlogy(x, self._rate) - self._rate - tf.math.lgamma(x + 1.0)

    def _cdf(self, x: Tensor) -> Tensor:
        return tf.math.igammac(1.0 + tf.floor(x), self._rate)

    def _mean(self) -> Tensor:
        return tf.identity(self._rate)

    _variance = _mean

    def _mode(self) -> Tensor:
        return tf.floor(self._rate)


@export(v1=_names("Geometric"))
class Geometric(Distribution):
    """How often something fails before it succeeds for the first time.

    Args:
      logits, probs: of success; one of them. validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("probs",)

    def __init__(
        self, logits: Any = None, probs: Any = None, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "Geometric",
    ):  # fmt: skip
        parameters = dict(locals())
        self._logits, self._probs = logits_and_probs(logits, probs)
        super().__init__(
            self._probs.dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    logits = property(lambda self: self._logits, doc="The logarithm of the odds of success.")
    probs = property(lambda self: self._probs, doc="The probability of success.")

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        shape, least = self._sample_shape(n), self.dtype.as_numpy_dtype(1e-7)
        uniform = tf.random.uniform(shape, least, 1.0, self.dtype, seed)
        return tf.floor(tf.math.log(uniform) / tf.math.log1p(-self._probs))

    def _log_prob(self, x: Tensor) -> Tensor:
        return tf.math.xlog1py(x, -self._probs) + tf.math.log(self._probs)

    def _cdf(self, x: Tensor) -> Tensor:
        below = -tf.math.expm1((1.0 + tf.floor(x)) * tf.math.log1p(-self._probs))
        return tf.where(x < 0.0, tf.zeros_like(below), below)

    def _entropy(self) -> Tensor:
        p = self._probs
        return -(tf.math.log(p) + tf.math.xlog1py(1.0 - p, -p) / p)

    def _mean(self) -> Tensor:
        return (1.0 - self._probs) / self._probs

    def _variance(self) -> Tensor:
        return (1.0 - self._probs) / tf.square(self._probs)

    def _mode(self) -> Tensor:
        return tf.zeros_like(self._probs)
