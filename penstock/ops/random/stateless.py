"""`tf.random.stateless_*`: random numbers that are a function of a seed, and seeds made from seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, name_scope
from penstock.ops.random import stateless_ops as stateless_random_ops  # noqa: F401 - defines the ops
from penstock.ops.random.algorithm import key_counter_algorithm
from penstock.ops.random.stateful import (
    CATEGORICAL_DTYPES,
    UNIFORM_DTYPES,
    accept_dtype,
    gamma_parameters,
    gamma_scaled,
    parameter,
    scaled,
)
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor

# What the seed of `index_shuffle` is padded with to the three words that the op wants.
_INDEX_SHUFFLE_PADDING = 498247692


@export("random.stateless_uniform")
def stateless_random_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
    alg: Any = "auto_select",
) -> Tensor:
    """Draws from a uniform distribution in `[minval, maxval)`; the same seed and shape give the same numbers.

    Args:
      shape: an integer vector: the shape of the result.
      seed: two integers, int32 or int64.
      minval: the lower bound, of the dtype `dtype`; broadcasts with the result (a scalar, for integers). None, with
        `maxval=None`: integers of the whole range of `dtype`.
      maxval: the upper bound, likewise; 1 by default for floats.
      dtype: float16, bfloat16, float32, float64, int32 or int64; also uint32 or uint64 for the whole range.
      alg: "philox", "threefry" or "auto_select" (which is Philox), or a `tf.random.Algorithm`.

    Returns:
      A tensor of shape `shape`.

    Raises:
      ValueError: `dtype` is none of these, or only one bound of an integer type is given.
      InvalidArgumentError: the seed has another shape, or `minval >= maxval`.

    Example:
      >>> import penstock as tf
      >>> tf.random.stateless_uniform([2], seed=[1, 2]).numpy()
      array([0.8440604 , 0.19204533], dtype=float32)
    """
    dtype = accept_dtype(dtype, (*UNIFORM_DTYPES, dtypes.uint32, dtypes.uint64))
    if dtype.is_integer:
        if (minval is None) != (maxval is None):
            raise ValueError(
                f"For integer `dtype` argument {dtype}, argument `minval` and `maxval` must be both None or not None. "
                f"Got `minval`={minval} and `maxval`={maxval}."
            )
        if minval is not None and dtype.is_unsigned:
            raise ValueError(
                f"Argument `dtype` got invalid value {dtype} when argument `minval` is not None. "
                "Please don't use unsigned integers in this case."
            )
    elif maxval is None:
        maxval = 1
    with name_scope(name, "stateless_random_uniform") as scope:
        shape, source = index_vector(shape), key_counter_algorithm(seed, alg)
        if dtype.is_integer and minval is None:
            return execute("StatelessRandomUniformFullIntV2", (shape, *source), {"dtype": dtype}, scope)
        if dtype.is_integer:
            bounds = [convert_to_tensor(each, dtype) for each in (minval, maxval)]
            return execute("StatelessRandomUniformIntV2", (shape, *source, *bounds), None, scope)
        numbers = execute("StatelessRandomUniformV2", (shape, *source), {"dtype": dtype})
        if (
            thread.graph is None
            and type(minval) is int
            and type(maxval) is int
            and (minval, maxval) == (0, 1)
        ):
            return numbers
        minval, maxval = (convert_to_tensor(each, dtype) for each in (minval, maxval))
        return execute("AddV2", (numbers * (maxval - minval), minval), None, scope)


@export("random.stateless_normal")
def stateless_random_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
    alg: Any = "auto_select",
) -> Tensor:
    """Draws from a normal distribution; the same seed and shape give the same numbers.

    Args:
      shape: an integer vector: the shape of the result.
      seed: two integers, int32 or int64.
      mean: of the dtype `dtype`; broadcasts with the result.
      stddev: the standard deviation, likewise.
      dtype: float16, bfloat16, float32 or float64.
      alg: as in `tf.random.stateless_uniform`.

    Returns:
      A tensor of shape `shape`.

    Example:
      >>> import penstock as tf
      >>> tf.random.stateless_normal([2], seed=[1, 2]).numpy()
      array([0.5441101 , 0.20738031], dtype=float32)
    """
    return _normal(
        "StatelessRandomNormalV2", "stateless_random_normal", shape, seed, mean, stddev, dtype, name, alg
    )


@export("random.stateless_truncated_normal")
def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
    alg: Any = "auto_select",
) -> Tensor:
    """As `tf.random.stateless_normal`, but numbers beyond two standard deviations are drawn again.

    Example:
      >>> import penstock as tf
      >>> bool(tf.reduce_all(tf.abs(tf.random.stateless_truncated_normal([1000], seed=[1, 2])) <= 2.0))
      True
    """
    return _normal(
        "StatelessTruncatedNormalV2",
        "stateless_truncated_normal",
        shape,
        seed,
        mean,
        stddev,
        dtype,
        name,
        alg,
    )


def _normal(
    op_type: str,
    default: str,
    shape: Any,
    seed: Any,
    mean: Any,
    stddev: Any,
    dtype: Any,
    name: str | None,
    alg: Any,
) -> Tensor:
    with name_scope(name, default) as scope:
        dtype = as_dtype(dtype)
        inputs = (index_vector(shape), *key_counter_algorithm(seed, alg))
        mean, stddev = parameter(mean, dtype, "mean"), parameter(stddev, dtype, "stddev")
        return scaled(execute(op_type, inputs, {"dtype": dtype}), stddev, mean, scope)


@export("random.stateless_gamma")
def stateless_random_gamma(
    shape: Any, seed: Any, alpha: Any, beta: Any = None, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """Draws from gamma distributions; the same seed and shape give the same numbers. Differentiable in `alpha`, `beta`.

    Args:
      shape: an integer vector: the shape of the result, which must end with that of `alpha + beta`.
      seed: two integers, int32 or int64.
      alpha: the shape parameters, of the dtype `dtype`; broadcast with `beta`.
      beta: the inverse scale parameters; 1 by default.
      dtype: float16, bfloat16, float32 or float64.

    Returns:
      A tensor of shape `shape`.

    Raises:
      InvalidArgumentError: `shape` does not end with the shape of the parameters.

    Example:
      >>> import penstock as tf
      >>> tf.random.stateless_gamma([10, 2], seed=[12, 34], alpha=[0.5, 1.5]).shape
      TensorShape([10, 2])
    """
    with name_scope(name, "stateless_random_gamma"):
        alpha, beta = gamma_parameters(alpha, beta, as_dtype(dtype))
        inputs = (index_vector(shape), *key_counter_algorithm(seed, "auto_select"), alpha)
        return gamma_scaled(execute("StatelessRandomGammaV3", inputs), beta)


@export("random.stateless_poisson")
def stateless_random_poisson(
    shape: Any, seed: Any, lam: Any, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """Draws from Poisson distributions; the same seed and shape give the same numbers.

    Args:
      shape: an integer vector: the shape of the result, which must end with that of `lam`.
      seed: two integers, int32 or int64.
      lam: the means.
      dtype: float16, float32, float64, int32 or int64.

    Returns:
      A tensor of shape `shape`.

    Raises:
      InvalidArgumentError: `shape` does not end with the shape of `lam`.

    Example:
      >>> import penstock as tf
      >>> tf.random.stateless_poisson([3, 2], [1, 2], [1.0, 200.0]).shape
      TensorShape([3, 2])
    """
    with name_scope(name, "stateless_random_poisson") as scope:
        inputs = (index_vector(shape), convert_to_tensor(seed), convert_to_tensor(lam))
        return execute("StatelessRandomPoisson", inputs, {"dtype": as_dtype(dtype)}, scope)


@export("random.stateless_binomial")
def stateless_random_binomial(
    shape: Any, seed: Any, counts: Any, probs: Any, output_dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """Draws from binomial distributions; the same seed and shape give the same numbers.

    Args:
      shape: an integer vector: the shape of the result, which must end with that of `counts + probs`.
      seed: two integers, int32 or int64.
      counts: the numbers of trials; broadcast with `probs`.
      probs: the probabilities of success.
      output_dtype: float16, float32, float64, int32 or int64.

    Returns:
      A tensor of shape `shape`.

    Raises:
      InvalidArgumentError: `shape` does not end with the shape of the parameters.

    Example:
      >>> import penstock as tf
      >>> tf.random.stateless_binomial([2], seed=[1, 2], counts=10.0, probs=[0.0, 1.0]).numpy().tolist()
      [0, 10]
    """
    with name_scope(name, "stateless_random_binomial") as scope:
        probs = convert_to_tensor(probs)
        counts = execute("Cast", (convert_to_tensor(counts),), {"DstT": probs.dtype})
        inputs = (index_vector(shape), convert_to_tensor(seed), counts, probs)
        return execute("StatelessRandomBinomial", inputs, {"dtype": as_dtype(output_dtype)}, scope)


@export("random.stateless_parameterized_truncated_normal")
def stateless_parameterized_truncated_normal(
    shape: Any,
    seed: Any,
    means: Any = 0.0,
    stddevs: Any = 1.0,
    minvals: Any = -2.0,
    maxvals: Any = 2.0,
    name: str | None = None,
) -> Tensor:
    """Draws from truncated normal distributions, each with its mean, deviation and bounds. Differentiable in these.

    Args:
      shape: an integer vector: the shape of the result, which must end with that of the parameters.
      seed: two integers, int32 or int64.
      means, stddevs, minvals, maxvals: the parameters; they broadcast together. One bound may be infinite.

    Returns:
      A tensor of shape `shape`.

    Raises:
      InvalidArgumentError: a deviation is not positive, or bounds are in the wrong order.

    Example:
      >>> import penstock as tf
      >>> low = [-1.0, -2.0, -1000.0]
      >>> draws = tf.random.stateless_parameterized_truncated_normal([10, 3], [7, 17], minvals=low, maxvals=1.0)
      >>> bool(tf.reduce_all(draws <= 1.0))
      True
    """
    with name_scope(name, "stateless_parameterized_truncated_normal") as scope:
        parameters = [convert_to_tensor(each) for each in (means, stddevs, minvals, maxvals)]
        inputs = (index_vector(shape), convert_to_tensor(seed), *parameters)
        return execute("StatelessParameterizedTruncatedNormal", inputs, None, scope)


@export("random.stateless_categorical")
def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = dtypes.int64, name: str | None = None
) -> Tensor:
    """Draws classes; the same seed gives the same ones.

    Args:
      logits: `[batch, classes]`, the unnormalized log-probabilities of the classes.
      num_samples: an integer scalar: draws for each row.
      seed: two integers, int32 or int64.
      dtype: int32 or int64.

    Returns:
      `[batch, num_samples]` integers.

    Example:
      >>> import penstock as tf
      >>> tf.random.stateless_categorical([[0.0, -1e9]], 3, seed=[7, 17]).numpy().tolist()
      [[0, 0, 0]]
    """
    with name_scope(name, "stateless_categorical") as scope:
        attrs = {"output_dtype": accept_dtype(dtype or dtypes.int64, CATEGORICAL_DTYPES)}
        inputs = (
            convert_to_tensor(logits),
            convert_to_tensor(num_samples, dtypes.int32),
            convert_to_tensor(seed),
        )
        return execute("StatelessMultinomial", inputs, attrs, scope)


@export(v1=["random.stateless_multinomial"])
def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = dtypes.int64, name: str | None = None
) -> Tensor:
    """The older name of `tf.random.stateless_categorical`."""
    return stateless_categorical(logits, num_samples, seed, output_dtype, name or "stateless_multinomial")


@export("random.experimental.stateless_shuffle")
def stateless_shuffle(value: Any, seed: Any, alg: Any = "auto_select", name: str | None = None) -> Tensor:
    """Puts the rows of a tensor into an order that the seed determines.

    Args:
      value: a tensor of any dtype.
      seed: two integers, int32 or int64.
      alg: as in `tf.random.stateless_uniform`.

    Returns:
      A tensor of the shape and dtype of `value`.

    Example:
      >>> import penstock as tf
      >>> tf.random.experimental.stateless_shuffle([[1, 2], [3, 4], [5, 6]], seed=[8, 9]).numpy().tolist()
      [[5, 6], [1, 2], [3, 4]]
    """
    with name_scope(name, "stateless_shuffle") as scope:
        return execute(
            "StatelessShuffle", (convert_to_tensor(value), *key_counter_algorithm(seed, alg)), None, scope
        )


@export("random.experimental.index_shuffle")
def index_shuffle(index: Any, seed: Any, max_index: Any) -> Tensor:
    """Where an index goes in a permutation of `[0, max_index]`, without making the permutation.

    Args:
      index: an integer scalar or vector with entries in `[0, max_index]`.
      seed: `[2]`, or `[n, 2]` for a seed for each index.
      max_index: the last index, of the dtype of `index`; a scalar or a vector.

    Returns:
      An integer for each index. For one seed and one `max_index` they are a permutation.

    Raises:
      InvalidArgumentError: an index is greater than `max_index`.

    Example:
      >>> import penstock as tf
      >>> tf.random.experimental.index_shuffle(tf.range(4), seed=[5, 9], max_index=3).numpy().tolist()
      [2, 0, 1, 3]
    """
    seed, index = convert_to_tensor(seed), convert_to_tensor(index)
    rank = seed.shape.rank or 1
    padding = convert_to_tensor(np.array([[0, 0]] * (rank - 1) + [[1, 0]], np.int32))
    filler = convert_to_tensor(_INDEX_SHUFFLE_PADDING, seed.dtype)
    seed = execute("PadV2", (seed, padding, filler))
    return execute(
        "RandomIndexShuffle", (index, seed, convert_to_tensor(max_index, index.dtype)), {"rounds": 4}
    )


@export("random_index_shuffle")
def random_index_shuffle(
    index: Any, seed: Any, max_index: Any, rounds: int = 4, name: str | None = None
) -> Tensor:
    """The op behind `tf.random.experimental.index_shuffle`: a seed `[3]` or `[n, 3]`, and the cipher's rounds."""
    index = convert_to_tensor(index)
    inputs = (index, convert_to_tensor(seed), convert_to_tensor(max_index, index.dtype))
    return execute("RandomIndexShuffle", inputs, {"rounds": rounds}, name)


@export("random.split", "random.experimental.stateless_split")
def split(seed: Any, num: Any = 2, alg: Any = "auto_select") -> Tensor:
    """Makes several seeds out of one.

    Args:
      seed: two integers, int32 or int64.
      num: how many seeds to make: an integer, or a scalar tensor.
      alg: as in `tf.random.stateless_uniform`.

    Returns:
      `[num, 2]`, of the dtype of `seed`.

    Example:
      >>> import penstock as tf
      >>> tf.random.split([1, 2], num=3).numpy().tolist()
      [[1105988140, 1738052849], [-335576002, 370444179], [10670227, -246211131]]
    """
    seed = convert_to_tensor(seed)
    return stateless_random_uniform([num, 2], seed, None, None, seed.dtype, alg=alg)


@export("random.fold_in", "random.experimental.stateless_fold_in")
def fold_in(seed: Any, data: Any, alg: Any = "auto_select") -> Tensor:
    """Mixes a number (a replica's, a step's) into a seed.

    Args:
      seed: two integers, int32 or int64.
      data: an int32 or int64 scalar.
      alg: as in `tf.random.stateless_uniform`.

    Returns:
      A seed `[2]` of the dtype of `data`.

    Example:
      >>> import penstock as tf
      >>> tf.random.fold_in([1, 2], 3).numpy().tolist()
      [1105988140, 3]
    """
    data = convert_to_tensor(data)
    first = stateless_random_uniform([], seed, None, None, data.dtype, alg=alg)
    return execute("Pack", ([first, data],), {"axis": 0})
