"""Moments and the normalizations composed of them: `moments`, `batch_normalization`, `l2_normalize` and their kin."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, name_scope, renamed
from penstock.ops.reshaping import squeeze
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.tensors import Tensor


def _cast(x: Tensor, dtype: DType) -> Tensor:
    return x if x.dtype is dtype else execute("Cast", (x,), {"DstT": dtype})


def _reduce(op_type: str, x: Tensor, axes: Tensor, name: str | None = None) -> Tensor:
    return execute(op_type, (x, axes), {"keep_dims": True}, name)


def _all_axes(x: Tensor, axes: Any) -> Tensor:
    """`axes` as a vector; None stands for all."""
    if axes is None:
        if x.shape.rank is None:
            return execute("Range", (convert_to_tensor(0), execute("Rank", (x,)), convert_to_tensor(1)))
        axes = list(range(x.shape.rank))
    return index_vector(axes)


def _squeezed(x: Tensor, axes: Tensor, keepdims: bool) -> Tensor:
    if keepdims:
        return x
    from penstock.engine.static_value import constant_value

    known = constant_value(axes)
    return squeeze(x, known.reshape(-1).tolist() if known is not None else None)


@export("nn.moments", v1=[])
def moments(
    x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean and the (biased) variance along axes.

    Args:
      x: a tensor of a floating dtype; half precision is computed in float32.
      axes: the axes to reduce: a list of ints.
      shift: not used, as in TensorFlow.
      keepdims: the reduced axes stay with size 1.

    Returns:
      Mean and variance, of the dtype of `x`.

    Example:
      >>> import penstock as tf
      >>> mean, variance = tf.nn.moments(tf.constant([[1.0, 2.0], [3.0, 6.0]]), axes=[0])
      >>> mean.numpy(), variance.numpy()
      (array([2., 4.], dtype=float32), array([1., 4.], dtype=float32))
    """
    x = convert_to_tensor(x)
    y = _cast(x, dtypes.float32) if x.dtype in (dtypes.float16, dtypes.bfloat16) else x
    axes = _all_axes(y, axes)
    with name_scope(name, "moments"):
        mean = _reduce("Mean", y, axes, "mean")
        # No gradient flows through this mean: the sum of the differences from it is zero.
        squares = execute("SquaredDifference", (y, execute("StopGradient", (mean,))))
        variance = _reduce("Mean", squares, axes, "variance")
        mean, variance = (_squeezed(each, axes, keepdims) for each in (mean, variance))
        return _cast(mean, x.dtype), _cast(variance, x.dtype)


def _keepdims(keepdims: bool | None, keep_dims: bool | None) -> bool:
    return bool(renamed(keepdims, keep_dims, "keepdims and keep_dims"))


@export(v1=["nn.moments"])
def moments_v1(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """TF 1's `nn.moments`: as `tf.nn.moments`, with the older name `keep_dims`."""
    return moments(x, axes, shift, _keepdims(keepdims, keep_dims), name)


@export("nn.weighted_moments", v1=[])
def weighted_moments(
    x: Any, axes: Any, frequency_weights: Any, keepdims: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean and the variance along axes, each element counted as often as its weight says.

    Args:
      x: a tensor of a floating dtype.
      axes: the axes to reduce.
      frequency_weights: weights that broadcast with `x`.
      keepdims: the reduced axes stay with size 1.

    Returns:
      Mean and variance, of the dtype of `x`.

    Example:
      >>> import penstock as tf
      >>> mean, _ = tf.nn.weighted_moments(tf.constant([1.0, 4.0]), [0], tf.constant([2.0, 1.0]))
      >>> mean.numpy()
      np.float32(2.0)
    """
    x = convert_to_tensor(x)
    half = x.dtype in (dtypes.float16, dtypes.bfloat16)
    y = _cast(x, dtypes.float32) if half else x
    weights = _cast(convert_to_tensor(frequency_weights), y.dtype)
    axes = _all_axes(y, axes)
    weighted = weights * y
    # Summing weights of the broadcast shape counts an axis that only `x` has.
    total_weight = _reduce("Sum", weights + execute("ZerosLike", (weighted,)), axes)
    mean = execute("RealDiv", (_reduce("Sum", weighted, axes), total_weight))
    squares = weights * execute("SquaredDifference", (y, mean))
    variance = execute("RealDiv", (_reduce("Sum", squares, axes), total_weight))
    mean, variance = (_squeezed(each, axes, keepdims) for each in (mean, variance))
    return _cast(mean, x.dtype), _cast(variance, x.dtype)


@export(v1=["nn.weighted_moments"])
def weighted_moments_v1(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """TF 1's `nn.weighted_moments`: as `tf.nn.weighted_moments`, with the older name `keep_dims`."""
    return weighted_moments(x, axes, frequency_weights, _keepdims(keepdims, keep_dims), name)


@export("nn.sufficient_statistics", v1=[])
def sufficient_statistics(
    x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """What is needed to compute mean and variance: the count, the sum, and the sum of squares.

    Args:
      x: a tensor of a floating dtype.
      axes: the axes to reduce.
      shift: subtracted from `x` first, for precision; None for nothing.
      keepdims: the reduced axes stay with size 1.

    Returns:
      The count (a scalar), the sum, the sum of squares, and the shift.

    Example:
      >>> import penstock as tf
      >>> count, total, squares, _ = tf.nn.sufficient_statistics(tf.constant([1.0, 3.0]), [0])
      >>> count.numpy(), total.numpy(), squares.numpy()
      (np.float32(2.0), np.float32(4.0), np.float32(10.0))
    """
    x = convert_to_tensor(x)
    axes_list = [int(axis) for axis in (axes if isinstance(axes, (list, tuple)) else [axes])]
    reduced = index_vector(axes_list)
    dims = None if x.shape.rank is None else [x.shape[axis] for axis in axes_list]
    if dims is not None and None not in dims:
        count = 1
        for dim in dims:
            count *= dim
        counts = convert_to_tensor(count, x.dtype)
    else:
        sizes = execute("GatherV2", (execute("Shape", (x,)), reduced, convert_to_tensor(0)))
        counts = _cast(execute("Prod", (sizes, convert_to_tensor([0]))), x.dtype)
    if shift is not None:
        shift = convert_to_tensor(shift, x.dtype)
        first, squares = x - shift, execute("SquaredDifference", (x, shift))
    else:
        first, squares = x, execute("Square", (x,))
    attrs = {"keep_dims": keepdims}
    sums = [execute("Sum", (each, reduced), attrs) for each in (first, squares)]
    return counts, *sums, shift


@export(v1=["nn.sufficient_statistics"])
def sufficient_statistics_v1(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """TF 1's `nn.sufficient_statistics`: as the TF 2 function, with the older name `keep_dims`."""
    return sufficient_statistics(x, axes, shift, _keepdims(keepdims, keep_dims), name)


@export("nn.normalize_moments")
def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance from what `sufficient_statistics` returns.

    Args:
      counts: the number of elements. mean_ss: their (shifted) sum. variance_ss: the sum of their (shifted) squares.
      shift: what was subtracted; None for nothing.

    Returns:
      Mean and variance.

    Example:
      >>> import penstock as tf
      >>> mean, variance = tf.nn.normalize_moments(2.0, 4.0, 10.0, None)
      >>> mean.numpy(), variance.numpy()
      (np.float32(2.0), np.float32(1.0))
    """
    counts, mean_ss, variance_ss = (convert_to_tensor(each) for each in (counts, mean_ss, variance_ss))
    divisor = execute("Reciprocal", (counts,))
    shifted_mean = mean_ss * divisor
    mean = shifted_mean if shift is None else shifted_mean + convert_to_tensor(shift, shifted_mean.dtype)
    variance = execute("Sub", (variance_ss * divisor, execute("Square", (shifted_mean,))))
    return mean, variance


@export("nn.batch_normalization")
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: float,
    name: str | None = None,
) -> Tensor:
    """`(x - mean) / sqrt(variance + variance_epsilon) * scale + offset`.

    Args:
      x: a tensor of a floating dtype.
      mean, variance: tensors that broadcast with `x`.
      offset, scale: tensors that broadcast with `x`; None for 0 and 1.
      variance_epsilon: a small number, to avoid division by zero.

    Returns:
      A tensor of the dtype and shape of `x`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.batch_normalization([1.0, 5.0], 3.0, 4.0, offset=10.0, scale=1.0, variance_epsilon=0.0).numpy()
      array([ 9., 11.], dtype=float32)
    """
    x = convert_to_tensor(x)
    mean, variance = convert_to_tensor(mean), convert_to_tensor(variance)
    inverse = execute("Rsqrt", (variance + variance_epsilon,))
    if scale is not None:
        inverse = inverse * convert_to_tensor(scale, dtype_hint=inverse.dtype)
    shift = -mean * inverse
    if offset is not None:
        shift = convert_to_tensor(offset, dtype_hint=shift.dtype) + shift
    # Precision is lost where mean and variance are wider than x; the wide factors are cast last.
    return execute("AddV2", (x * _cast(inverse, x.dtype), _cast(shift, x.dtype)), None, name)


@export("nn.batch_norm_with_global_normalization", v1=[])
def batch_norm_with_global_normalization(
    input: Any,
    mean: Any,
    variance: Any,
    beta: Any,
    gamma: Any,
    variance_epsilon: float,
    scale_after_normalization: bool,
    name: str | None = None,
) -> Tensor:
    """Batch normalization of images with given statistics; `gamma` is used if `scale_after_normalization`.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant([[[[3.0]]]])
      >>> tf.nn.batch_norm_with_global_normalization(x, [1.0], [4.0], [0.5], [2.0], 0.0, True).numpy().item()
      2.5
    """
    scale = gamma if scale_after_normalization else None
    return batch_normalization(input, mean, variance, beta, scale, variance_epsilon, name)


@export(v1=["nn.batch_norm_with_global_normalization"])
def batch_norm_with_global_normalization_v1(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: float | None = None,
    scale_after_normalization: bool | None = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """TF 1's form, with the older names `t`, `m` and `v`."""
    t, m = renamed(input, t, "input and t"), renamed(mean, m, "mean and m")
    v = renamed(variance, v, "variance and v")
    return batch_norm_with_global_normalization(
        t, m, v, beta, gamma, variance_epsilon or 0.0, bool(scale_after_normalization), name
    )


@export("nn.l2_normalize", "math.l2_normalize", "linalg.l2_normalize", v1=[])
def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """`x / sqrt(max(sum(x ** 2, axis), epsilon))`: the vectors along `axis` scaled to length 1.

    Args:
      x: a tensor of a floating or complex dtype.
      axis: the axis or axes of the vectors; None for the whole tensor.
      epsilon: the smallest squared length; shorter vectors are divided by its root.

    Returns:
      A tensor of the dtype and shape of `x`.

    Example:
      >>> import penstock as tf
      >>> tf.math.l2_normalize([3.0, 4.0]).numpy()
      array([0.6, 0.8], dtype=float32)
    """
    axis = renamed(axis, dim, "axis and dim")
    with name_scope(name, "l2_normalize") as name:
        x = convert_to_tensor(x)
        axes = _all_axes(x, axis)
        if x.dtype.is_complex:
            real_dtype = {"Tout": dtypes.float32 if x.dtype is dtypes.complex64 else dtypes.float64}
            parts = [execute(part, (x,), real_dtype) for part in ("Real", "Imag")]
            squares = execute("Square", (parts[0],)) + execute("Square", (parts[1],))
        else:
            parts, squares = [x], execute("Square", (x,))
        total = _reduce("Sum", squares, axes)
        inverse = execute("Rsqrt", (execute("Maximum", (total, convert_to_tensor(epsilon, total.dtype))),))
        if x.dtype.is_complex:
            scaled = [part * inverse for part in parts]
            return execute("Complex", scaled, {"Tout": x.dtype}, name)
        return execute("Mul", (x, inverse), None, name)


export(v1=["nn.l2_normalize", "math.l2_normalize", "linalg.l2_normalize"])(l2_normalize)


@export("nn.zero_fraction", "math.zero_fraction")
def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The fraction of elements that are zero, float32; NaN for an empty tensor.

    Example:
      >>> import penstock as tf
      >>> tf.math.zero_fraction([0.0, 1.0, 2.0, 0.0]).numpy()
      np.float32(0.5)
    """
    value = convert_to_tensor(value)
    zeros = execute("Equal", (value, execute("ZerosLike", (value,))))
    wide = {"out_type": dtypes.int64}
    count = execute("Sum", (_cast(zeros, dtypes.int64), _all_axes(zeros, None)))
    size = execute("Size", (value,), wide)
    return execute("RealDiv", (_cast(count, dtypes.float32), _cast(size, dtypes.float32)), None, name)
