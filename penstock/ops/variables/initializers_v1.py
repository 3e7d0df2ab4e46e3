"""TF 1's initializers, `tf.compat.v1.initializers`: they take a default dtype when they are made.

Called with a shape, and where a variable is split, with a `partition_info` that knows the whole shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from penstock.engine.convert import constant_v1, convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.creation import eye, ones, zeros
from penstock.ops.random.stateful import random_normal, random_uniform, truncated_normal
from penstock.ops.variables.initializers import check_constant, float_dtype
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# The standard deviation of a standard normal distribution that is truncated at two deviations.
_TRUNCATED_DEVIATION = 0.87962566103423978


class InitializerV1:
    """What TF 1's initializers are. `_arguments` are the names of the constructor's arguments, `dtype` left out."""

    _arguments: tuple[str, ...] = ()

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A tensor of `shape`, of `dtype` or else of the initializer's own.

        Args:
          shape: the shape, of the part where the variable is split.
          partition_info: has `full_shape` and `var_offset` of a split variable.
        """
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        return self._make(shape, dtype, partition_info)

    def get_config(self) -> dict:
        """The arguments that make an equal initializer."""
        return {name: getattr(self, name) for name in self._arguments} | {"dtype": self.dtype.name}

    @classmethod
    def from_config(cls, config: dict) -> InitializerV1:
        """An initializer with the arguments in `config`."""
        return cls(**config)


def _dims(shape: Any) -> list[int]:
    return shape.as_list() if isinstance(shape, TensorShape) else [int(each) for each in shape]


def _whole(shape: Any, partition_info: Any) -> list[int]:
    """The dimensions of the whole variable."""
    return _dims(shape if partition_info is None else partition_info.full_shape)


@export(v1=["initializers.zeros", "zeros_initializer"])
class ZerosV1(InitializerV1):
    """Makes zeros."""

    def __init__(self, dtype: Any = dtypes.float32):
        self.dtype = as_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        return zeros(shape, dtype)


@export(v1=["initializers.ones", "ones_initializer"])
class OnesV1(InitializerV1):
    """Makes ones."""

    def __init__(self, dtype: Any = dtypes.float32):
        self.dtype = as_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        return ones(shape, dtype)


@export(v1=["initializers.constant", "constant_initializer"])
class ConstantV1(InitializerV1):
    """Makes a given value; where the shape has more elements than the value, its last one is repeated.

    Args:
      value: a number, a nested list, or an array.
      dtype: the default dtype.
      verify_shape: whether the shape must be that of the value.
    """

    _arguments = ("value",)

    def __init__(self, value: Any = 0, dtype: Any = dtypes.float32, verify_shape: bool = False):
        check_constant(value)
        self.value, self.dtype, self._verify_shape = value, as_dtype(dtype), verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Tensor:
        """The value as a tensor of `shape`."""
        verify_shape = self._verify_shape if verify_shape is None else verify_shape
        return constant_v1(
            self.value, self.dtype if dtype is None else dtype, shape, verify_shape=verify_shape
        )


@export(v1=["initializers.random_uniform", "random_uniform_initializer"])
class RandomUniformV1(InitializerV1):
    """Draws from a uniform distribution in `[minval, maxval)`; `maxval` is 1 by default for floats."""

    _arguments = ("minval", "maxval", "seed")

    def __init__(
        self, minval: Any = 0.0, maxval: Any = None, seed: int | None = None, dtype: Any = dtypes.float32
    ):
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, as_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        return random_uniform(shape, self.minval, self.maxval, dtype, self.seed)


@export(v1=["initializers.random_normal", "random_normal_initializer"])
class RandomNormalV1(InitializerV1):
    """Draws from a normal distribution."""

    _arguments = ("mean", "stddev", "seed")
    _draw = staticmethod(random_normal)

    def __init__(
        self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = dtypes.float32
    ):
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, float_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        return self._draw(shape, self.mean, self.stddev, dtype, self.seed)


@export(v1=["initializers.truncated_normal", "truncated_normal_initializer"])
class TruncatedNormalV1(RandomNormalV1):
    """Draws from a normal distribution cut off at two standard deviations."""

    _draw = staticmethod(truncated_normal)


@export(v1=["initializers.uniform_unit_scaling", "uniform_unit_scaling_initializer"])
class UniformUnitScaling(InitializerV1):
    """Draws from `[-m, m)` with `m = factor * sqrt(3 / inputs)`, so that a linear layer keeps the variance.

    `inputs` is the product of all dimensions but the last. Sussillo and Abbott, 2014, has factors for nonlinearities.
    """

    _arguments = ("factor", "seed")

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32):
        self.factor, self.seed, self.dtype = factor, seed, float_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        inputs = max(math.prod(_whole(shape, partition_info)[:-1]), 1)
        bound = math.sqrt(3 / inputs) * self.factor
        return random_uniform(shape, -bound, bound, dtype, self.seed)


@export(v1=["initializers.variance_scaling", "variance_scaling_initializer"])
class VarianceScaling(InitializerV1):
    """Draws numbers of variance `scale / n`.

    Args:
      scale: a positive number.
      mode: what n is: "fan_in" the inputs, "fan_out" the outputs, "fan_avg" their mean.
      distribution: "truncated_normal" (or "normal"), "untruncated_normal" or "uniform".
      seed: an integer; see `tf.random.set_seed`.
      dtype: the default dtype, a floating one.

    Raises:
      ValueError: an argument is none of these.
    """

    _arguments = ("scale", "mode", "distribution", "seed")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = dtypes.float32,
    ):
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be a positive float. Received: {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"Argument `mode` should be one of ('fan_in', 'fan_out', 'fan_avg'). Received: {mode}"
            )
        distribution = distribution.lower()
        if distribution not in ("normal", "uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                "Argument `distribution` should be one of ('normal', 'uniform', 'truncated_normal', "
                f"'untruncated_normal'). Received: {distribution}"
            )
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed
        self.dtype = float_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        inputs, outputs = fans(_whole(shape, partition_info))
        n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            bound = math.sqrt(3.0 * variance)
            return random_uniform(shape, -bound, bound, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random_normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        return truncated_normal(shape, 0.0, math.sqrt(variance) / _TRUNCATED_DEVIATION, dtype, self.seed)


def fans(dims: list[int]) -> tuple[int, int]:
    """Inputs and outputs of a unit with weights of these dimensions: a dense or convolution kernel."""
    if len(dims) < 2:
        return (dims[0], dims[0]) if dims else (1, 1)
    field = math.prod(dims[:-2])
    return dims[-2] * field, dims[-1] * field


@export(v1=["glorot_uniform_initializer", "initializers.glorot_uniform"])
class GlorotUniform(VarianceScaling):
    """Draws from `[-m, m)` with `m = sqrt(6 / (inputs + outputs))` (Glorot and Bengio, 2010)."""

    _arguments = ("seed",)

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32):
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


@export(v1=["glorot_normal_initializer", "initializers.glorot_normal"])
class GlorotNormal(VarianceScaling):
    """Draws from a truncated normal distribution of variance `2 / (inputs + outputs)` (Glorot and Bengio, 2010)."""

    _arguments = ("seed",)

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32):
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


def _scaling(name: str, scale: float, distribution: str, summary: str) -> Callable[..., VarianceScaling]:
    def make(seed: int | None = None) -> VarianceScaling:
        return VarianceScaling(scale, "fan_in", distribution, seed)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"An initializer that draws {summary}."
    return export(v1=[f"initializers.{name}"])(make)


lecun_normal = _scaling(
    "lecun_normal",
    1.0,
    "truncated_normal",
    "truncated normal numbers of variance `1 / inputs` (LeCun et al., 1998)",
)
lecun_uniform = _scaling(
    "lecun_uniform", 1.0, "uniform", "from `[-m, m)` with `m = sqrt(3 / inputs)` (LeCun et al., 1998)"
)
he_normal = _scaling(
    "he_normal",
    2.0,
    "truncated_normal",
    "truncated normal numbers of variance `2 / inputs` (He et al., 2015)",
)
he_uniform = _scaling(
    "he_uniform", 2.0, "uniform", "from `[-m, m)` with `m = sqrt(6 / inputs)` (He et al., 2015)"
)


@export(v1=["initializers.orthogonal", "orthogonal_initializer"])
class Orthogonal(InitializerV1):
    """Makes a matrix with orthonormal rows or columns (Saxe et al., 2014), times `gain`.

    More than two dimensions are seen as a matrix whose columns are the last one.
    """

    _arguments = ("gain", "seed")

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32):
        self.gain, self.seed, self.dtype = gain, seed, float_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        dims = _dims(shape)
        if len(dims) < 2:
            raise ValueError(
                "The tensor to initialize, specified by argument `shape` must be at least two-dimensional. "
                f"Received shape={shape}"
            )
        rows, columns = math.prod(dims[:-1]), dims[-1]
        square = random_normal([max(rows, columns), min(rows, columns)], dtype=dtype, seed=self.seed)
        q, r = execute("Qr", (square,), {"full_matrices": False})
        # With the signs of r's diagonal, q is uniformly distributed.
        q = q * execute("Sign", (execute("MatrixDiagPart", (r,)),))
        if rows < columns:
            q = execute("Transpose", (q, convert_to_tensor([1, 0])))
        return convert_to_tensor(self.gain, dtype) * execute(
            "Reshape", (q, convert_to_tensor(dims, dtypes.int32))
        )


@export(v1=["initializers.identity"])
class Identity(InitializerV1):
    """Makes the identity matrix, times `gain`."""

    _arguments = ("gain",)

    def __init__(self, gain: float = 1.0, dtype: Any = dtypes.float32):
        self.gain, self.dtype = gain, float_dtype(dtype)

    def _make(self, shape: Any, dtype: Any, partition_info: Any) -> Tensor:
        whole = _whole(shape, partition_info)
        if len(whole) != 2:
            raise ValueError(
                "The tensor to initialize, specified by argument `shape` must be at least two-dimensional. "
                f"Received shape={shape}"
            )
        matrix = eye(whole[0], whole[1], dtype=dtype)
        if partition_info is not None:
            bounds = [
                convert_to_tensor(_dims(each), dtypes.int32) for each in (partition_info.var_offset, shape)
            ]
            matrix = execute("Slice", (matrix, *bounds))
        return convert_to_tensor(self.gain, dtype) * matrix
