"""Initializers: objects that make the initial value of a variable once its shape and dtype are known.

These are TensorFlow 2's own five; `tf.initializers` is Keras's set, and TF 1's are in `ops.variables.initializers_v1`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import constant
from penstock.engine.export import export
from penstock.ops.creation import ones, zeros
from penstock.ops.random.stateful import random_normal, random_uniform
from penstock.ops.random.stateless import stateless_random_normal, stateless_random_uniform
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor

_PARTITION_ARGUMENTS = ("partition_shape", "partition_offset")


class Initializer:
    """What all initializers are: callable with a shape and a dtype, and made of a `config` dictionary."""

    def get_config(self) -> dict:
        """The arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Initializer:
        """An initializer with the arguments in `config`; a `dtype` among them is left out."""
        return cls(**{name: value for name, value in config.items() if name != "dtype"})

    def _shape(self, shape: Any, arguments: dict, partitions: bool = True) -> Any:
        """The shape to make: that of the part, where the variable is split.

        Raises:
          TypeError: there are other keyword arguments than those for split variables.
          ValueError: this initializer cannot make a part.
        """
        for name in arguments:
            if name not in _PARTITION_ARGUMENTS:
                raise TypeError(
                    f"Keyword argument should be one of {list(_PARTITION_ARGUMENTS)}. Received: {name}"
                )
            if not partitions:
                raise ValueError(
                    f"{type(self).__name__} initializer doesn't support partition-related arguments"
                )
        return arguments.get("partition_shape", shape)


def _numeric(dtype: Any) -> DType:
    dtype = as_dtype(dtype)
    if not dtype.is_numpy_compatible or dtype is dtypes.string:
        raise ValueError(f"Argument `dtype` expected to be numeric or boolean. Received {dtype}.")
    return dtype


def float_dtype(dtype: Any) -> DType:
    """`dtype`, if it is floating.

    Raises:
      ValueError: it is not.
    """
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"Argument `dtype` is expected to be floating point. Received: {dtype}.")
    return dtype


@export("zeros_initializer", v1=[])
class Zeros(Initializer):
    """Makes zeros.

    Example:
      >>> import penstock as tf
      >>> tf.zeros_initializer()([2]).numpy().tolist()
      [0.0, 0.0]
    """

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Tensor:
        """A tensor of `shape` and of `dtype`, which is numeric or bool."""
        shape = self._shape(shape, kwargs)
        return zeros(shape, _numeric(dtype))


@export("ones_initializer", v1=[])
class Ones(Initializer):
    """Makes ones.

    Example:
      >>> import penstock as tf
      >>> tf.ones_initializer()([2], tf.int32).numpy().tolist()
      [1, 1]
    """

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Tensor:
        """A tensor of `shape` and of `dtype`, which is numeric or bool."""
        shape = self._shape(shape, kwargs)
        return ones(shape, _numeric(dtype))


@export("constant_initializer", v1=[])
class Constant(Initializer):
    """Makes a given value.

    Args:
      value: a number, a nested list, or an array, with one element or as many as the shape.
      support_partition: whether parts of a split variable may be asked for.

    Raises:
      TypeError: `value` is none of these.

    Example:
      >>> import penstock as tf
      >>> tf.constant_initializer([1, 2, 3, 4])([2, 2]).numpy().tolist()
      [[1, 2], [3, 4]]
    """

    def __init__(self, value: Any = 0, support_partition: bool = False):
        check_constant(value)
        self.value, self.support_partition = value, support_partition

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        """A tensor of `shape`; of the dtype of the value, where `dtype` is None."""
        self._shape(shape, kwargs, partitions=self.support_partition)
        return constant(self.value, dtype, shape)

    def get_config(self) -> dict:
        """The arguments that make an equal initializer."""
        return {"value": self.value}


def check_constant(value: Any) -> None:
    """Refuses what is no number, list or array."""
    if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
        raise TypeError(
            f"Invalid type for initial value: {type(value).__name__}. Expected Python scalar, list or tuple of values, "
            "or numpy.ndarray."
        )


@export("random_uniform_initializer", v1=[])
class RandomUniform(Initializer):
    """Draws from a uniform distribution in `[minval, maxval)`.

    Args:
      minval, maxval: numbers or scalar tensors.
      seed: an integer. With one, every call with the same shape makes the same numbers.

    Example:
      >>> import penstock as tf
      >>> tf.random_uniform_initializer(seed=3)([2]).numpy()
      array([-0.03040872,  0.04393453], dtype=float32)
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: int | None = None):
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Tensor:
        """A tensor of `shape` and of `dtype`, which is a floating or integer type."""
        shape, dtype = self._shape(shape, kwargs), as_dtype(dtype)
        if not dtype.is_floating and not dtype.is_integer:
            raise ValueError(f"Argument `dtype` expected to be numeric or boolean. Received {dtype}.")
        if self.seed is None:
            return random_uniform(shape, self.minval, self.maxval, dtype)
        return stateless_random_uniform(shape, [self.seed, 0], self.minval, self.maxval, dtype)

    def get_config(self) -> dict:
        """The arguments that make an equal initializer."""
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@export("random_normal_initializer", v1=[])
class RandomNormal(Initializer):
    """Draws from a normal distribution.

    Args:
      mean, stddev: numbers or scalar tensors.
      seed: an integer. With one, every call with the same shape makes the same numbers.

    Example:
      >>> import penstock as tf
      >>> tf.random_normal_initializer(seed=3)([2]).numpy()
      array([-0.03357924,  0.08380252], dtype=float32)
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None):
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Tensor:
        """A tensor of `shape` and of the floating type `dtype`."""
        shape, dtype = self._shape(shape, kwargs), float_dtype(dtype)
        if self.seed is None:
            return random_normal(shape, self.mean, self.stddev, dtype)
        return stateless_random_normal(shape, [self.seed, 0], self.mean, self.stddev, dtype)

    def get_config(self) -> dict:
        """The arguments that make an equal initializer."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}
