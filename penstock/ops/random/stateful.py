"""`tf.random`: numbers drawn with a global state, from the seed rules of `ops.random.seed`.

The ops are in `ops.random.ops`; functions without a global state in `ops.random.stateless`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, name_scope
from penstock.ops.random import ops as random_ops  # noqa: F401 - defines the ops
from penstock.ops.random.seed import get_seed
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor

UNIFORM_DTYPES = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)
CATEGORICAL_DTYPES = (dtypes.int32, dtypes.int64)


def seeds(seed: Any) -> dict[str, int]:
    """The seed attributes of an op whose own seed is `seed`."""
    outer, inner = get_seed(seed)
    return {"seed": outer or 0, "seed2": inner or 0}


def accept_dtype(dtype: Any, accepted: tuple[DType, ...]) -> DType:
    """`dtype`, if it is among those that a function makes.

    Raises:
      ValueError: it is not.
    """
    dtype = as_dtype(dtype)
    if dtype not in accepted:
        raise ValueError(f"Argument `dtype` got invalid value {dtype}. Accepted dtypes are {accepted}.")
    return dtype


def parameter(value: Any, dtype: DType, name: str) -> Any:
    """A parameter as a tensor; while running eagerly a number stays one."""
    if thread.graph is None and type(value) in (int, float) and dtype.is_floating:
        return value
    return convert_to_tensor(value, dtype, name=name)


def scaled(numbers: Tensor, scale: Any, offset: Any, name: str | None) -> Tensor:
    """`numbers * scale + offset`; eager numbers are left alone where these are the numbers 1 and 0."""
    if type(scale) in (int, float) and scale == 1 and type(offset) in (int, float) and offset == 0:
        return numbers
    product = numbers * convert_to_tensor(scale, numbers.dtype)
    return execute("AddV2", (product, convert_to_tensor(offset, numbers.dtype)), None, name)


@export("random.normal", v1=["random.normal", "random_normal"])
def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Tensor:
    """Draws from a normal distribution.

    Args:
      shape: an integer vector: the shape of the result.
      mean: of the dtype `dtype`; broadcasts with `stddev` and the result.
      stddev: the standard deviation, likewise.
      dtype: float16, bfloat16, float32 or float64.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A tensor of shape `shape`.

    Example:
      >>> import penstock as tf
      >>> tf.random.set_seed(5)
      >>> tf.random.normal([2, 2], 0, 1, tf.float32, seed=1).numpy()
      array([[-1.3768897 , -0.01258316],
             [-0.169515  ,  1.0824056 ]], dtype=float32)
    """
    dtype = as_dtype(dtype)
    with name_scope(name, "random_normal") as scope:
        shape = index_vector(shape, name="shape")
        mean, stddev = parameter(mean, dtype, "mean"), parameter(stddev, dtype, "stddev")
        numbers = execute("RandomStandardNormal", (shape,), {"dtype": dtype, **seeds(seed)})
        return scaled(numbers, stddev, mean, scope)


@export("random.truncated_normal", v1=["random.truncated_normal", "truncated_normal"])
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Tensor:
    """Draws from a normal distribution; numbers more than two standard deviations from the mean are drawn again.

    Args:
      shape: an integer vector: the shape of the result.
      mean: of the dtype `dtype`; broadcasts with `stddev` and the result.
      stddev: the standard deviation before truncation, likewise.
      dtype: float16, bfloat16, float32 or float64.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A tensor of shape `shape`.

    Example:
      >>> import penstock as tf
      >>> numbers = tf.random.truncated_normal([1000], mean=3.0, stddev=0.5)
      >>> bool(tf.reduce_all(tf.abs(numbers - 3.0) <= 1.0))
      True
    """
    dtype = as_dtype(dtype)
    with name_scope(name, "truncated_normal") as scope:
        shape = index_vector(shape, name="shape")
        mean, stddev = parameter(mean, dtype, "mean"), parameter(stddev, dtype, "stddev")
        numbers = execute("TruncatedNormal", (shape,), {"dtype": dtype, **seeds(seed)})
        return scaled(numbers, stddev, mean, scope)


def parameterized_truncated_normal(
    shape: Any,
    means: Any = 0.0,
    stddevs: Any = 1.0,
    minvals: Any = -2.0,
    maxvals: Any = 2.0,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Tensor:
    """Draws from normal distributions truncated to `[minvals, maxvals]`; parameters are scalars or one for each row."""
    with name_scope(name, "parameterized_truncated_normal") as scope:
        parameters = [convert_to_tensor(each, as_dtype(dtype)) for each in (means, stddevs, minvals, maxvals)]
        return execute("ParameterizedTruncatedNormal", (index_vector(shape), *parameters), seeds(seed), scope)


@export("random.uniform", v1=["random.uniform", "random_uniform"])
def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Tensor:
    """Draws from a uniform distribution in `[minval, maxval)`.

    Integers are slightly more likely to be small ones where `maxval - minval` is no power of two.

    Args:
      shape: an integer vector: the shape of the result.
      minval: the lower bound, of the dtype `dtype`; broadcasts with the result (a scalar, for integers).
      maxval: the upper bound, likewise; 1 by default for floats.
      dtype: float16, bfloat16, float32, float64, int32 or int64.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A tensor of shape `shape`.

    Raises:
      ValueError: `dtype` is none of these, or an integer type without `maxval`.
      InvalidArgumentError: integer bounds with `minval >= maxval`.

    Example:
      >>> import penstock as tf
      >>> tf.random.set_seed(5)
      >>> [int(tf.random.uniform([], maxval=3, dtype=tf.int32, seed=10)) for _ in range(2)]
      [2, 0]
    """
    dtype = accept_dtype(dtype, UNIFORM_DTYPES)
    if maxval is None:
        if dtype.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
        maxval = 1
    with name_scope(name, "random_uniform") as scope:
        shape = index_vector(shape, name="shape")
        if dtype.is_integer:
            bounds = [
                convert_to_tensor(minval, dtype, name="min"),
                convert_to_tensor(maxval, dtype, name="max"),
            ]
            return execute("RandomUniformInt", (shape, *bounds), seeds(seed), scope)
        from_zero, to_one = (type(each) is int and each == unit for each, unit in ((minval, 0), (maxval, 1)))
        if not (from_zero and to_one):
            minval, maxval = (
                convert_to_tensor(each, dtype, name=label)
                for each, label in ((minval, "min"), (maxval, "max"))
            )
        numbers = execute("RandomUniform", (shape,), {"dtype": dtype, **seeds(seed)})
        if from_zero:
            return numbers if to_one else execute("Mul", (numbers, maxval))
        return execute("AddV2", (numbers * (maxval - minval), minval), None, scope)


@export("random.shuffle", v1=["random.shuffle", "random_shuffle"])
def random_shuffle(value: Any, seed: Any = None, name: str | None = None) -> Tensor:
    """Puts the rows of a tensor into random order.

    Args:
      value: a tensor of any dtype.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A tensor of the shape and dtype of `value`, shuffled along the first dimension.

    Example:
      >>> import penstock as tf
      >>> sorted(tf.random.shuffle([5, 6, 7, 8]).numpy().tolist())
      [5, 6, 7, 8]
    """
    return execute("RandomShuffle", (convert_to_tensor(value),), seeds(seed), name)


@export("random.categorical")
def categorical(
    logits: Any, num_samples: Any, dtype: Any = None, seed: Any = None, name: str | None = None
) -> Tensor:
    """Draws classes.

    Args:
      logits: `[batch, classes]`, the unnormalized log-probabilities of the classes.
      num_samples: an integer scalar: draws for each row.
      dtype: int32 or int64 (the default).
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      `[batch, num_samples]` integers.

    Raises:
      ValueError: `dtype` is none of these.
      InvalidArgumentError: `logits` is no matrix or has no classes, or `num_samples` is negative.

    Example:
      >>> import penstock as tf
      >>> tf.random.categorical([[0.0, -1e9]], 3).numpy().tolist()
      [[0, 0, 0]]
    """
    with name_scope(name, "categorical") as scope:
        attrs = {"output_dtype": accept_dtype(dtype or dtypes.int64, CATEGORICAL_DTYPES)}
        inputs = (convert_to_tensor(logits), convert_to_tensor(num_samples, dtypes.int32))
        return execute("Multinomial", inputs, attrs | seeds(seed), scope)


@export(v1=["random.multinomial", "multinomial"])
def multinomial(
    logits: Any, num_samples: Any, seed: Any = None, name: str | None = None, output_dtype: Any = None
) -> Tensor:
    """The older name of `tf.random.categorical`."""
    return categorical(logits, num_samples, output_dtype, seed, name or "multinomial")


@export("random.gamma", v1=["random.gamma", "random_gamma"])
def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Tensor:
    """Draws `shape` numbers from each of a number of gamma distributions.

    The density is `beta**alpha x**(alpha - 1) exp(-beta x) / gamma(alpha)`. Differentiable in `alpha` and `beta`
    (implicit reparameterization gradients, Figurnov et al., 2018). Zeros become the least positive number.

    Args:
      shape: an integer vector.
      alpha: the shape parameters, of the dtype `dtype`; broadcast with `beta`.
      beta: the inverse scale parameters; 1 by default.
      dtype: float16, float32 or float64.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A tensor of shape `shape + (alpha + beta).shape`.

    Example:
      >>> import penstock as tf
      >>> tf.random.gamma([7, 5], [0.5, 1.5]).shape
      TensorShape([7, 5, 2])
    """
    with name_scope(name, "random_gamma"):
        dtype = as_dtype(dtype)
        alpha, beta = gamma_parameters(alpha, beta, dtype)
        shape = convert_to_tensor(shape, dtypes.int32)
        return gamma_scaled(execute("RandomGamma", (shape, alpha), seeds(seed)), beta)


def gamma_parameters(alpha: Any, beta: Any, dtype: DType) -> tuple[Tensor, Tensor]:
    """Alpha broadcast with beta, and beta, as tensors."""
    alpha = convert_to_tensor(alpha, dtype)
    beta = convert_to_tensor(1 if beta is None else beta, dtype)
    if beta.shape.rank != 0:
        alpha = alpha + execute("ZerosLike", (beta,))
    return alpha, beta


def gamma_scaled(numbers: Tensor, beta: Tensor) -> Tensor:
    """Gamma numbers of inverse scale `beta`, none of them zero."""
    tiny = np.finfo(numbers.dtype.as_numpy_dtype).tiny
    return execute("Maximum", (convert_to_tensor(tiny, numbers.dtype), numbers / beta))


@export("random.poisson", v1=[])
def random_poisson(
    shape: Any, lam: Any, dtype: Any = dtypes.float32, seed: Any = None, name: str | None = None
) -> Tensor:
    """Draws `shape` counts from each of a number of Poisson distributions.

    Args:
      shape: an integer vector.
      lam: the means: float16, float32, float64, int32 or int64.
      dtype: the dtype of the result, one of the same.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A tensor of shape `shape + lam.shape`.

    Example:
      >>> import penstock as tf
      >>> tf.random.poisson([7, 5], [12.2, 3.3]).shape
      TensorShape([7, 5, 2])
    """
    with name_scope(name, "random_poisson"):
        inputs = (convert_to_tensor(shape, dtypes.int32), convert_to_tensor(lam))
        return execute("RandomPoissonV2", inputs, {"dtype": as_dtype(dtype), **seeds(seed)})


@export(v1=["random.poisson", "random_poisson"])
def random_poisson_v1(
    lam: Any, shape: Any, dtype: Any = dtypes.float32, seed: Any = None, name: str | None = None
) -> Tensor:
    """TF 1's `random.poisson`: as `tf.random.poisson`, with the first two arguments exchanged."""
    return random_poisson(shape, lam, dtype, seed, name)
