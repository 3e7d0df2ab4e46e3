"""Distributions of real numbers: Normal, Laplace, StudentT, Uniform, Gamma, Exponential, Beta."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import penstock as tf
from penstock.distributions.distribution import (
    FULLY_REPARAMETERIZED,
    Distribution,
    another_seed,
    floats,
    positive,
)
from penstock.engine.export import export
from penstock.types.tensors import Tensor

_LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)


class _LocationScale(Distribution):
    """A standard distribution, shifted and scaled. A subclass knows the standard one."""

    _batch_parameters = ("loc", "scale")

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = ""
    ):
        parameters = dict(locals())
        self._loc, scale = floats(loc, scale)
        (self._scale,) = positive([scale], validate_args)
        super().__init__(
            self._loc.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    @property
    def loc(self) -> Tensor:
        """The location."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The scale."""
        return self._scale

    def _standard(self, x: Tensor) -> Tensor:
        return (x - self._loc) / self._scale

    def _broadcast(self, value: Tensor) -> Tensor:
        return tf.broadcast_to(value, self.batch_shape_tensor())

    def _mean(self) -> Tensor:
        return self._broadcast(self._loc)

    _mode = _mean


@export(v1=["distributions.Normal"])
class Normal(_LocationScale):
    """The normal distribution with density `exp(-0.5 ((x - loc) / scale)**2) / (scale sqrt(2 pi))`.

    Args:
      loc: the mean.
      scale: the standard deviation, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Example:
      >>> import penstock as tf
      >>> normal = tf.compat.v1.distributions.Normal(loc=0.0, scale=[1.0, 2.0])
      >>> normal.batch_shape
      TensorShape([2])
      >>> normal.prob(0.0).numpy().round(4)
      array([0.3989, 0.1995], dtype=float32)
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Normal",
    ):
        super().__init__(loc, scale, validate_args, allow_nan_stats, name)

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        drawn = tf.random.normal(self._sample_shape(n), dtype=self.dtype, seed=seed)
        return drawn * self._scale + self._loc

    def _log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * tf.square(self._standard(x)) - _LOG_ROOT_2_PI - tf.math.log(self._scale)

    def _cdf(self, x: Tensor) -> Tensor:
        return _normal_cdf(self._standard(x))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return _log_normal_cdf(self._standard(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return _normal_cdf(-self._standard(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return _log_normal_cdf(-self._standard(x))

    def _quantile(self, p: Tensor) -> Tensor:
        return tf.math.ndtri(p) * self._scale + self._loc

    def _entropy(self) -> Tensor:
        return self._broadcast(0.5 + _LOG_ROOT_2_PI + tf.math.log(self._scale))

    def _stddev(self) -> Tensor:
        return self._broadcast(self._scale)


def _normal_cdf(z: Tensor) -> Tensor:
    return 0.5 * tf.math.erfc(-z / math.sqrt(2.0))


def _log_normal_cdf(z: Tensor) -> Tensor:
    """In the far tail, where the probability itself is too small for a float, by its asymptotic series."""
    far = z < -10.0
    safe = tf.where(far, tf.zeros_like(z), z)
    tail = tf.where(far, z, tf.fill(tf.shape(z), tf.cast(-10.0, z.dtype)))
    square = tf.square(tail)
    series = tf.math.log1p(-1.0 / square + 3.0 / square**2 - 15.0 / square**3)
    asymptotic = -0.5 * square - tf.math.log(-tail) - _LOG_ROOT_2_PI + series
    return tf.where(far, asymptotic, tf.math.log(_normal_cdf(safe)))


@export(v1=["distributions.Laplace"])
class Laplace(_LocationScale):
    """The Laplace distribution with density `exp(-|x - loc| / scale) / (2 scale)`.

    Args:
      loc: the mean.
      scale: the scale, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Laplace",
    ):
        super().__init__(loc, scale, validate_args, allow_nan_stats, name)

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        kind = self.dtype.as_numpy_dtype
        low = np.nextafter(kind(-1.0), kind(0.0))
        drawn = tf.random.uniform(self._sample_shape(n), low, 1.0, self.dtype, seed)
        return self._loc - self._scale * tf.sign(drawn) * tf.math.log1p(-tf.abs(drawn))

    def _log_prob(self, x: Tensor) -> Tensor:
        return -tf.abs(self._standard(x)) - math.log(2.0) - tf.math.log(self._scale)

    def _cdf(self, x: Tensor) -> Tensor:
        z = self._standard(x)
        return 0.5 - 0.5 * tf.sign(z) * tf.math.expm1(-tf.abs(z))

    def _log_cdf(self, x: Tensor) -> Tensor:
        z = self._standard(x)
        return tf.where(z < 0, z - math.log(2.0), tf.math.log1p(-0.5 * tf.exp(-tf.abs(z))))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        z = -self._standard(x)
        return tf.where(z < 0, z - math.log(2.0), tf.math.log1p(-0.5 * tf.exp(-tf.abs(z))))

    def _entropy(self) -> Tensor:
        return self._broadcast(math.log(2.0) + 1.0 + tf.math.log(self._scale))

    def _stddev(self) -> Tensor:
        return self._broadcast(math.sqrt(2.0) * self._scale)


@export(v1=["distributions.StudentT"])
class StudentT(_LocationScale):
    """Student's t-distribution, shifted and scaled.

    Args:
      df: degrees of freedom, positive.
      loc: the location.
      scale: the scale, not zero.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("df", "loc", "scale")

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentT",
    ):
        parameters = dict(locals())
        df, loc, scale = floats(df, loc, scale)
        super().__init__(loc, scale, validate_args, allow_nan_stats, name)
        (self._df,) = positive([df], validate_args)
        self._parameters = {
            key: value for key, value in parameters.items() if key not in ("self", "__class__")
        }

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self._df

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        shape = self._sample_shape(n)
        normal = tf.random.normal(shape, dtype=self.dtype, seed=seed)
        df = tf.broadcast_to(self._df, self.batch_shape_tensor())
        gamma = tf.random.gamma([n], 0.5 * df, 0.5, dtype=self.dtype, seed=another_seed(seed, "student_t"))
        return normal * tf.math.rsqrt(gamma / df) * self._scale + self._loc

    def _log_prob(self, x: Tensor) -> Tensor:
        df, z = self._df, self._standard(x)
        unnormalized = -0.5 * (df + 1.0) * tf.math.log1p(tf.square(z) / df)
        normalization = (
            tf.math.log(tf.abs(self._scale))
            + 0.5 * (tf.math.log(df) + math.log(math.pi))
            + tf.math.lgamma(0.5 * df)
            - tf.math.lgamma(0.5 * (df + 1.0))
        )
        return unnormalized - normalization

    def _cdf(self, x: Tensor) -> Tensor:
        z = (x - self._loc) / tf.abs(self._scale)
        df = self._df + tf.zeros_like(z)
        tail = 0.5 * tf.math.betainc(
            0.5 * df, tf.fill(tf.shape(df), tf.cast(0.5, df.dtype)), df / (tf.square(z) + df)
        )
        return tf.where(z < 0.0, tail, 1.0 - tail)

    def _entropy(self) -> Tensor:
        half = tf.broadcast_to(0.5 * self._df, self.batch_shape_tensor())
        beta = math.lgamma(0.5) + tf.math.lgamma(half) - tf.math.lgamma(half + 0.5)
        digammas = tf.math.digamma(half + 0.5) - tf.math.digamma(half)
        return tf.math.log(tf.abs(self._scale)) + 0.5 * tf.math.log(self._df) + beta + (half + 0.5) * digammas

    def _mean(self) -> Tensor:
        mean = self._broadcast(self._loc)
        return self._where_defined(self._broadcast(self._df) > 1.0, mean, "mean not defined for df <= 1")

    def _mode(self) -> Tensor:
        return tf.identity(self._loc)

    def _variance(self) -> Tensor:
        df = self._broadcast(self._df)
        finite = tf.square(self._scale) * df / tf.where(df > 2.0, df - 2.0, tf.ones_like(df))
        variance = tf.where(df > 2.0, finite, tf.cast(float("inf"), self.dtype))
        return self._where_defined(df > 1.0, variance, "variance not defined for df <= 1")


@export(v1=["distributions.Uniform"])
class Uniform(Distribution):
    """The uniform distribution between `low` (which belongs to it) and `high`.

    Args:
      low, high: the bounds; `low` must be less than `high`.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("low", "high")

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ):
        parameters = dict(locals())
        self._low, self._high = floats(low, high)
        if validate_args:
            checks = [
                tf.compat.v1.assert_less(
                    self._low, self._high, message="uniform not defined when low >= high."
                )
            ]
            with tf.control_dependencies(checks):
                self._low, self._high = tf.identity(self._low), tf.identity(self._high)
        super().__init__(
            self._low.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    @property
    def low(self) -> Tensor:
        """The lower bound."""
        return self._low

    @property
    def high(self) -> Tensor:
        """The upper bound."""
        return self._high

    def range(self, name: str = "range") -> Tensor:
        """`high - low`."""
        return self._high - self._low

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        drawn = tf.random.uniform(self._sample_shape(n), dtype=self.dtype, seed=seed)
        return self._low + self.range() * drawn

    def _prob(self, x: Tensor) -> Tensor:
        x = x * tf.ones(self.batch_shape_tensor(), x.dtype)
        outside = tf.logical_or(x < self._low, x >= self._high)
        density = tf.where(outside, tf.zeros_like(x), tf.ones_like(x) / self.range())
        return tf.where(tf.math.is_nan(x), x, density)

    def _cdf(self, x: Tensor) -> Tensor:
        x = x * tf.ones(self.batch_shape_tensor(), x.dtype)
        return tf.clip_by_value((x - self._low) / self.range(), 0.0, 1.0)

    def _quantile(self, p: Tensor) -> Tensor:
        return self._low + self.range() * p

    def _entropy(self) -> Tensor:
        return tf.math.log(self.range())

    def _mean(self) -> Tensor:
        return (self._low + self._high) / 2.0

    def _variance(self) -> Tensor:
        return tf.square(self.range()) / 12.0


@export(v1=["distributions.Gamma"])
class Gamma(Distribution):
    """The gamma distribution with density `x**(c - 1) exp(-rate x) rate**c / Gamma(c)`, `c` its concentration.

    Args:
      concentration, rate: positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters: tuple[str, ...] = ("concentration", "rate")

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ):
        parameters = dict(locals())
        self._concentration, self._rate = positive(floats(concentration, rate), validate_args)
        super().__init__(
            self._rate.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )

    @property
    def concentration(self) -> Tensor:
        """The concentration."""
        return self._concentration

    @property
    def rate(self) -> Tensor:
        """The rate."""
        return self._rate

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        return tf.random.gamma([n], self._concentration, self._rate, dtype=self.dtype, seed=seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        unnormalized = tf.math.xlogy(self._concentration - 1.0, x) - self._rate * x
        return (
            unnormalized - tf.math.lgamma(self._concentration) + self._concentration * tf.math.log(self._rate)
        )

    def _cdf(self, x: Tensor) -> Tensor:
        concentration = self._concentration + tf.zeros_like(x * self._rate)
        return tf.math.igamma(concentration, self._rate * x + tf.zeros_like(concentration))

    def _entropy(self) -> Tensor:
        c = self._concentration
        return c - tf.math.log(self._rate) + tf.math.lgamma(c) + (1.0 - c) * tf.math.digamma(c)

    def _mean(self) -> Tensor:
        return self._concentration / self._rate

    def _variance(self) -> Tensor:
        return self._concentration / tf.square(self._rate)

    def _stddev(self) -> Tensor:
        return tf.sqrt(self._concentration) / self._rate

    def _mode(self) -> Tensor:
        mode = (self._concentration - 1.0) / self._rate
        return self._where_defined(
            tf.broadcast_to(self._concentration > 1.0, tf.shape(mode)),
            mode,
            "mode not defined when any concentration <= 1",
        )


@export(v1=["distributions.Exponential"])
class Exponential(Gamma):
    """The exponential distribution with density `rate exp(-rate x)`.

    Args:
      rate: positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("rate",)

    def __init__(
        self, rate: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Exponential"
    ):
        (rate,) = floats(rate)
        super().__init__(tf.ones([], rate.dtype), rate, validate_args, allow_nan_stats, name)
        self._parameters = {
            "rate": rate, "validate_args": validate_args, "allow_nan_stats": allow_nan_stats, "name": name
        }  # fmt: skip

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        tiny = np.finfo(self.dtype.as_numpy_dtype).tiny
        drawn = tf.random.uniform(self._sample_shape(n), tiny, 1.0, self.dtype, seed)
        return -tf.math.log(drawn) / self._rate

    def _log_prob(self, x: Tensor) -> Tensor:
        return tf.math.log(self._rate) - self._rate * x

    def _cdf(self, x: Tensor) -> Tensor:
        return -tf.math.expm1(-self._rate * x)

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return -self._rate * x

    def _quantile(self, p: Tensor) -> Tensor:
        return -tf.math.log1p(-p) / self._rate


@export(v1=["distributions.Beta"])
class Beta(Distribution):
    """The beta distribution with density `x**(a - 1) (1 - x)**(b - 1) / B(a, b)` between 0 and 1.

    Args:
      concentration1, concentration0: a and b, positive; 1 where they are left out.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    _batch_parameters = ("concentration1", "concentration0")

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ):
        parameters = dict(locals())
        given = [1.0 if each is None else each for each in (concentration1, concentration0)]
        self._concentration1, self._concentration0 = positive(floats(*given), validate_args)
        super().__init__(
            self._concentration1.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, None, name
        )  # fmt: skip

    @property
    def concentration1(self) -> Tensor:
        """What draws to 1."""
        return self._concentration1

    @property
    def concentration0(self) -> Tensor:
        """What draws to 0."""
        return self._concentration0

    @property
    def total_concentration(self) -> Tensor:
        """Their sum."""
        return self._concentration1 + self._concentration0

    def _log_beta(self) -> Tensor:
        return (
            tf.math.lgamma(self._concentration1)
            + tf.math.lgamma(self._concentration0)
            - tf.math.lgamma(self.total_concentration)
        )

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        ones = tf.ones_like(self.total_concentration)
        first = tf.random.gamma([n], ones * self._concentration1, dtype=self.dtype, seed=seed)
        other_seed = another_seed(seed, "beta")
        second = tf.random.gamma([n], ones * self._concentration0, dtype=self.dtype, seed=other_seed)
        return first / (first + second)

    def _log_prob(self, x: Tensor) -> Tensor:
        near0 = tf.math.xlogy(self._concentration1 - 1.0, x)
        near1 = tf.math.xlog1py(self._concentration0 - 1.0, -x)
        return near0 + near1 - self._log_beta()

    def _cdf(self, x: Tensor) -> Tensor:
        zeros = tf.zeros_like(x * self.total_concentration)
        return tf.math.betainc(self._concentration1 + zeros, self._concentration0 + zeros, x + zeros)

    def _entropy(self) -> Tensor:
        a, b, total = self._concentration1, self._concentration0, self.total_concentration
        digamma = tf.math.digamma
        return (
            self._log_beta()
            - (a - 1.0) * digamma(a)
            - (b - 1.0) * digamma(b)
            + (total - 2.0) * digamma(total)
        )

    def _mean(self) -> Tensor:
        return self._concentration1 / self.total_concentration

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._mean()) / (1.0 + self.total_concentration)

    def _mode(self) -> Tensor:
        mode = (self._concentration1 - 1.0) / (self.total_concentration - 2.0)
        defined = tf.logical_and(self._concentration1 > 1.0, self._concentration0 > 1.0)
        return self._where_defined(defined, mode, "Mode undefined for concentration <= 1.")
