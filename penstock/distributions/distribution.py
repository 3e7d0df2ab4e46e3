"""`Distribution`: what all distributions share. A subclass says its density, how it is sampled, and its moments.

Quantities that follow from others (`prob` from `log_prob`, `stddev` from `variance`, ...) are computed from those that the
subclass defines; what neither it nor another quantity gives raises NotImplementedError, as in TensorFlow.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import penstock as tf
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape, broadcast_shape
from penstock.types.tensors import Tensor


@export(v1=["distributions.ReparameterizationType"])
class ReparameterizationType:
    """Whether gradients flow from samples to parameters."""

    def __init__(self, rep_type: str):
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameterization Type: {self._rep_type}>"


FULLY_REPARAMETERIZED = ReparameterizationType("FULLY_REPARAMETERIZED")
NOT_REPARAMETERIZED = ReparameterizationType("NOT_REPARAMETERIZED")
export(v1=["distributions.FULLY_REPARAMETERIZED"])(FULLY_REPARAMETERIZED)
export(v1=["distributions.NOT_REPARAMETERIZED"])(NOT_REPARAMETERIZED)

# Quantity -> where else it comes from: (another quantity, function of it).
_FROM: dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    "log_prob": (("prob", lambda p: tf.math.log(p)),),
    "prob": (("log_prob", lambda p: tf.exp(p)),),
    "log_cdf": (("cdf", lambda p: tf.math.log(p)),),
    "cdf": (("log_cdf", lambda p: tf.exp(p)),),
    "log_survival_function": (("cdf", lambda p: tf.math.log1p(-p)),),
    "survival_function": (("cdf", lambda p: 1.0 - p),),
    "variance": (("stddev", lambda s: tf.square(s)),),
    "stddev": (("variance", lambda v: tf.sqrt(v)),),
}


@export(v1=["distributions.Distribution"])
class Distribution:
    """The base of distributions.

    A distribution has a batch of parameters (`batch_shape`); each member gives events of `event_shape`. A sample has the
    shape `sample_shape + batch_shape + event_shape`.

    Args:
      dtype: of the events.
      reparameterization_type: whether gradients flow from samples to parameters.
      validate_args: whether parameters and values are checked when they are used.
      allow_nan_stats: whether a moment that does not exist is NaN, or an error.
      parameters: what the distribution was made with, for `copy`.
      graph_parents: accepted.
      name: for people.
    """

    # Names of the parameters that broadcast to the batch; their last `event_ndims` dimensions are those of an event.
    _batch_parameters: tuple[str, ...] = ()
    _event_ndims = 0

    def __init__(
        self,
        dtype: Any,
        reparameterization_type: ReparameterizationType,
        validate_args: bool,
        allow_nan_stats: bool,
        parameters: dict | None = None,
        graph_parents: Any = None,
        name: str | None = None,
    ):
        self._dtype = as_dtype(dtype)
        self._reparameterization_type = reparameterization_type
        self._validate_args, self._allow_nan_stats = validate_args, allow_nan_stats
        self._parameters = {key: value for key, value in (parameters or {}).items() if key != "self"}
        self._parameters.pop("__class__", None)
        self._name = name or type(self).__name__

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def dtype(self) -> DType:
        """The dtype of the events."""
        return self._dtype

    @property
    def parameters(self) -> dict[str, Any]:
        """What the distribution was made with."""
        return dict(self._parameters)

    @property
    def reparameterization_type(self) -> ReparameterizationType:
        """Whether gradients flow from samples to parameters."""
        return self._reparameterization_type

    @property
    def allow_nan_stats(self) -> bool:
        """Whether a moment that does not exist is NaN."""
        return self._allow_nan_stats

    @property
    def validate_args(self) -> bool:
        """Whether parameters and values are checked."""
        return self._validate_args

    def copy(self, **override_parameters_kwargs: Any) -> Any:
        """A distribution of the same kind, with some other parameters."""
        return type(self)(**{**self._parameters, **override_parameters_kwargs})

    # Shapes.

    def _parts(self) -> list[Tensor]:
        return [getattr(self, f"_{name}") for name in self._batch_parameters]

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of the batch, as far as it is known."""
        shapes = []
        for part in self._parts():
            shape = part.shape
            cut = self._event_ndims if part.shape.rank is not None and self._has_event(part) else 0
            shapes.append(shape[: shape.rank - cut] if cut else shape)
        return functools.reduce(broadcast_shape, shapes)

    def _has_event(self, part: Tensor) -> bool:
        """Whether a parameter has the dimensions of an event."""
        return self._event_ndims > 0

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of the batch, an int32 vector."""
        shapes = [
            tf.shape(part)[: -self._event_ndims] if self._has_event(part) else tf.shape(part)
            for part in self._parts()
        ]
        return functools.reduce(tf.broadcast_dynamic_shape, shapes)

    @property
    def event_shape(self) -> TensorShape:
        """The shape of an event, as far as it is known."""
        return TensorShape([])

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Tensor:
        """The shape of an event, an int32 vector."""
        return tf.constant(self.event_shape.as_list(), tf.int32, shape=[self.event_shape.rank])

    def is_scalar_event(self, name: str = "is_scalar_event") -> Tensor:
        """Whether events are scalars."""
        return tf.constant(self._event_ndims == 0)

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Tensor:
        """Whether the batch is one distribution."""
        return tf.equal(tf.size(self.batch_shape_tensor()), 0)

    @classmethod
    def param_shapes(cls, sample_shape: Any, name: str = "DistributionParamShapes") -> dict[str, Tensor]:
        """The shapes of parameters that give samples of a shape.

        Raises:
          NotImplementedError: that is not known of this distribution.
        """
        if cls._event_ndims or not cls._batch_parameters:
            raise NotImplementedError("_param_shapes not implemented")
        shape = tf.convert_to_tensor(sample_shape, tf.int32)
        return dict.fromkeys(cls._batch_parameters, shape)

    @classmethod
    def param_static_shapes(cls, sample_shape: Any) -> dict[str, TensorShape]:
        """As `param_shapes`, where the shape is known."""
        shape = TensorShape(sample_shape)
        return dict.fromkeys(cls.param_shapes(shape.as_list()), shape)

    # Samples.

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Events of the shape `sample_shape + batch_shape + event_shape`."""
        shape = tf.convert_to_tensor(sample_shape, tf.int32)
        shape = tf.reshape(shape, [-1])
        drawn = self._sample_n(tf.reduce_prod(shape), seed)
        drawn = tf.reshape(drawn, tf.concat([shape, tf.shape(drawn)[1:]], 0))
        known = tf.get_static_value(shape)
        if known is not None and not hasattr(drawn, "numpy"):
            outer = TensorShape([int(each) for each in known])
            drawn.set_shape(outer.concatenate(self.batch_shape).concatenate(self.event_shape))
        return drawn

    def _sample_n(self, n: Tensor, seed: int | None) -> Tensor:
        raise NotImplementedError(f"sample_n is not implemented: {type(self).__name__}")

    def _sample_shape(self, n: Tensor) -> Tensor:
        return tf.concat([[n], self.batch_shape_tensor()], 0)

    # Quantities.

    def _quantity(self, name: str, *arguments: Any) -> Any:
        """A quantity: as the subclass defines it, or from another one that it defines."""
        own = getattr(self, f"_{name}", None)
        if own is not None:
            return own(*arguments)
        for other, function in _FROM.get(name, ()):
            found = getattr(self, f"_{other}", None)
            if found is not None:
                return function(found(*arguments))
        raise NotImplementedError(f"{name} is not implemented: {type(self).__name__}")

    def _value(self, value: Any) -> Tensor:
        return convert_to_tensor(value, dtype_hint=self._dtype)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density (or probability) at a value."""
        return self._quantity("log_prob", self._value(value))

    def prob(self, value: Any, name: str = "prob") -> Tensor:
        """The density (or probability) at a value."""
        return self._quantity("prob", self._value(value))

    def log_cdf(self, value: Any, name: str = "log_cdf") -> Tensor:
        """The logarithm of `cdf`."""
        return self._quantity("log_cdf", self._value(value))

    def cdf(self, value: Any, name: str = "cdf") -> Tensor:
        """The probability of events up to a value."""
        return self._quantity("cdf", self._value(value))

    def log_survival_function(self, value: Any, name: str = "log_survival_function") -> Tensor:
        """The logarithm of `survival_function`."""
        return self._quantity("log_survival_function", self._value(value))

    def survival_function(self, value: Any, name: str = "survival_function") -> Tensor:
        """The probability of events above a value."""
        return self._quantity("survival_function", self._value(value))

    def quantile(self, value: Any, name: str = "quantile") -> Tensor:
        """The value up to which events have a probability: the inverse of `cdf`."""
        return self._quantity("quantile", self._value(value))

    def entropy(self, name: str = "entropy") -> Tensor:
        """The Shannon entropy in nats."""
        return self._quantity("entropy")

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        return self._quantity("mean")

    def variance(self, name: str = "variance") -> Tensor:
        """The variance."""
        return self._quantity("variance")

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation."""
        return self._quantity("stddev")

    def mode(self, name: str = "mode") -> Tensor:
        """The most probable event."""
        return self._quantity("mode")

    def covariance(self, name: str = "covariance") -> Tensor:
        """The covariance of an event's components, a matrix."""
        return self._quantity("covariance")

    def cross_entropy(self, other: Distribution, name: str = "cross_entropy") -> Tensor:
        """The expectation, over this distribution, of minus the logarithm of another one's density."""
        return self.entropy() + self.kl_divergence(other)

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Tensor:
        """The Kullback-Leibler divergence from this distribution to another one."""
        from penstock.distributions.divergences import kl_divergence

        return kl_divergence(self, other, allow_nan_stats=self._allow_nan_stats)

    def _where_defined(self, defined: Any, value: Tensor, message: str) -> Tensor:
        """A moment, NaN (or an error, if such are not allowed) where it does not exist."""
        if self._allow_nan_stats:
            nan = tf.cast(float("nan"), value.dtype)
            return tf.where(defined, value, nan)
        with tf.control_dependencies([tf.compat.v1.assert_equal(defined, True, message=message)]):
            return tf.identity(value)

    def __repr__(self) -> str:
        return (
            f"<tf.distributions.{type(self).__name__} '{self._name}' batch_shape={self.batch_shape} "
            f"event_shape={self.event_shape} dtype={self._dtype.name}>"
        )


def floats(*values: Any) -> list[Tensor]:
    """Parameters as tensors of one floating dtype."""
    known = next(
        (as_dtype(each.dtype).base_dtype for each in values if hasattr(each, "dtype")), dtypes.float32
    )
    return [convert_to_tensor(each, dtype_hint=known) for each in values]


def positive(parts: list[Tensor], validate_args: bool) -> list[Tensor]:
    """Parameters that are checked to be positive, if they shall be."""
    if not validate_args:
        return parts
    with tf.control_dependencies([tf.compat.v1.assert_positive(each) for each in parts]):
        return [tf.identity(each) for each in parts]


def logits_and_probs(logits: Any, probs: Any, multidimensional: bool = False) -> tuple[Tensor, Tensor]:
    """Both forms of probabilities, of which one is given.

    Raises:
      ValueError: both or none is given.
    """
    if (logits is None) == (probs is None):
        raise ValueError("Must pass probs or logits, but not both.")
    if logits is not None:
        (logits,) = floats(logits)
        return logits, tf.nn.softmax(logits) if multidimensional else tf.sigmoid(logits)
    (probs,) = floats(probs)
    log_p = tf.math.log(probs)
    return (log_p if multidimensional else log_p - tf.math.log1p(-probs)), probs


def another_seed(seed: int | None, salt: str) -> int | None:
    """A seed for a second draw, from that of the first."""
    if seed is None:
        return None
    digest = hashlib.md5(f"{seed}{salt}".encode()).hexdigest()
    return int(digest[:8], 16) & 0x7FFFFFFF
