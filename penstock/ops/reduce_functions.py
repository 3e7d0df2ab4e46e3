"""`tf.reduce_*` in both generations, and what is made of them: logsumexp, variance, count_nonzero."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, name_scope, renamed
from penstock.ops.arithmetic import conj
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor, Tensor

_AXES: dict[Any, EagerTensor] = {}  # eager constants: an int, or the rank of a full reduction as (rank,)


def _eager_axes(key: Any) -> EagerTensor:
    found = _AXES.get(key)
    if found is None:
        axes = np.array(key, np.int32) if isinstance(key, int) else np.arange(key[0], dtype=np.int32)
        found = _AXES[key] = EagerTensor(axes, dtypes.int32)
    return found


def axes_tensor(x: Tensor, axis: Any) -> Tensor:
    """The axes of a reduction of `x` as an integer tensor; None means all of them."""
    if axis is None:
        if type(x) is EagerTensor and thread.graph is None:
            return _eager_axes((len(x._shape_tuple),))
        rank = x.shape.rank
        if rank is not None:
            return convert_to_tensor(np.arange(rank, dtype=np.int32), name="Const")
        return execute(
            "Range", (convert_to_tensor(0), execute("Rank", (x,)), convert_to_tensor(1)), name="range"
        )
    if type(axis) is int and thread.graph is None:
        return _eager_axes(axis)
    return index_vector(axis)


def reduce(op_type: str, x: Any, axis: Any, keepdims: bool | None, name: str | None) -> Tensor:
    """Calls a reduction op."""
    if type(x) is not EagerTensor:
        x = convert_to_tensor(x)
    return execute(op_type, (x, axes_tensor(x, axis)), {"keep_dims": bool(keepdims)}, name)


_DOC = """{summary}

    Args:
      input_tensor: the tensor to reduce.
      axis: the axis or axes to reduce, in [-rank, rank); None reduces them all.
      keepdims: keep the reduced axes, with size 1.
      name: the node's name in a graph.
      reduction_indices, keep_dims: what TF 1 called `axis` and `keepdims`.

    Returns:
      The reduced tensor, in the dtype of the input.

    Raises:
      InvalidArgumentError: an axis is out of range or named twice, or the dtype is not taken.

    Example:
      >>> import penstock as tf
      >>> print(tf.{name}({argument}).numpy(), tf.{name}({argument}, axis=0).numpy())
      {result}
    """

_DOC_V1 = "TF 1's signature of `tf.{name}`: `reduction_indices` and `keep_dims` are old names of `axis` and `keepdims`."


def _of_old_names(
    axis: Any, keepdims: bool, reduction_indices: Any, keep_dims: bool | None
) -> tuple[Any, bool]:
    """The axes and whether they are kept, where a program of any time says one of them in TF 1's words."""
    axis = renamed(axis, reduction_indices, "'axis' and 'reduction_indices'")
    return axis, bool(renamed(keepdims or None, keep_dims, "'keepdims' and 'keep_dims'"))


def _shown_as_now(function: Callable) -> Callable:
    """Leaves TF 1's words out of the signature that a function shows: libraries compare it with TensorFlow's."""
    shown = inspect.signature(function)
    now = [each for each in shown.parameters.values() if each.kind is not each.KEYWORD_ONLY]
    function.__signature__ = shown.replace(parameters=now)  # type: ignore[attr-defined]
    return function


def _v1(function: Callable, name: str, names: list[str]) -> Callable:
    """Exports the TF 1 signature of a reduction."""

    def function_v1(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        axis = renamed(axis, reduction_indices, "'axis' and 'reduction_indices'")
        keepdims = renamed(keepdims, keep_dims, "'keepdims' and 'keep_dims'")
        return function(input_tensor, axis, keepdims, name)

    function_v1.__doc__ = _DOC_V1.format(name=name)
    function_v1.__name__ = function_v1.__qualname__ = name.rpartition(".")[2]
    return export(v1=names)(function_v1)


def _declare(
    op_type: str, name: str, summary: str, argument: str, result: str, in_v1: bool = True
) -> Callable:
    """Exports both generations of a reduction."""

    def function(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool = False,
        name: str | None = None,
        *,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        if reduction_indices is not None or keep_dims is not None:
            axis, keepdims = _of_old_names(axis, keepdims, reduction_indices, keep_dims)
        if op_type in ("All", "Any") and not isinstance(input_tensor, Tensor):
            input_tensor = convert_to_tensor(input_tensor, dtypes.bool)
        return reduce(op_type, input_tensor, axis, keepdims, name)

    public = [f"math.{name}", name] if in_v1 else [f"math.{name}"]
    function.__doc__ = _DOC.format(summary=summary, name=public[0], argument=argument, result=result)
    function.__name__ = function.__qualname__ = name
    if in_v1:
        _v1(function, name, public)
    return export(*public, v1=[] if in_v1 else None)(_shown_as_now(function))


_X = "[[1, 2], [3, 4]]"
_FUNCTIONS = (
    ("Sum", "reduce_sum", "The sum of the elements along axes.", _X, "10 [4 6]"),
    ("Prod", "reduce_prod", "The product of the elements along axes.", _X, "24 [3 8]"),
    ("Mean", "reduce_mean", "The mean of the elements along axes; of integers, rounded toward zero.",
     "[[1.0, 2.0], [3.0, 4.0]]", "2.5 [2. 3.]"),
    ("Max", "reduce_max", "The largest element along axes; elements that tie share the gradient.", _X, "4 [3 4]"),
    ("Min", "reduce_min", "The smallest element along axes; elements that tie share the gradient.", _X, "1 [1 2]"),
    ("All", "reduce_all", "Whether all elements along axes are True.", "[[True, False], [True, True]]",
     "False [ True False]"),
    ("Any", "reduce_any", "Whether any element along axes is True.", "[[True, False], [True, False]]",
     "True [ True False]"),
)  # fmt: skip

__test__: dict[str, Callable] = {row[1]: _declare(*row) for row in _FUNCTIONS}
reduce_sum = __test__["reduce_sum"]
reduce_mean = __test__["reduce_mean"]
reduce_max = __test__["reduce_max"]
reduce_euclidean_norm = __test__["reduce_euclidean_norm"] = _declare(
    "EuclideanNorm",
    "reduce_euclidean_norm",
    "The square root of the sum of the squared moduli along axes.",
    "[[3.0, 4.0], [0.0, 0.0]]",
    "5.0 [3. 4.]",
    in_v1=False,
)


@export("math.reduce_logsumexp", "reduce_logsumexp", v1=[])
@_shown_as_now
def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool = False,
    name: str | None = None,
    *,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """log(sum(exp(x))) along axes, without overflow.

    Args:
      input_tensor: a floating tensor.
      axis: the axis or axes to reduce; None reduces them all.
      keepdims: keep the reduced axes, with size 1.
      name: the node's name in a graph.
      reduction_indices, keep_dims: what TF 1 called `axis` and `keepdims`.

    Example:
      >>> import penstock as tf
      >>> tf.reduce_logsumexp([0.0, 0.0]).numpy().round(4)
      np.float32(0.6931)
    """
    axis, keepdims = _of_old_names(axis, keepdims, reduction_indices, keep_dims)
    with name_scope(name, "ReduceLogSumExp") as scope:
        x = convert_to_tensor(input_tensor)
        largest = reduce("Max", x, axis, True, None)
        finite = execute("IsFinite", (largest,))
        shift = execute("SelectV2", (finite, largest, execute("ZerosLike", (largest,))))
        shift = execute("StopGradient", (shift,))
        result = execute("Log", (reduce("Sum", execute("Exp", (x - shift,)), axis, keepdims, None),))
        if not keepdims:
            shift = execute("Reshape", (shift, execute("Shape", (result,), {"out_type": dtypes.int32})))
        return execute("AddV2", (result, shift), None, scope)


_v1(reduce_logsumexp, "reduce_logsumexp", ["math.reduce_logsumexp", "reduce_logsumexp"])


@export("math.reduce_variance")
def reduce_variance(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The mean squared distance from the mean, along axes.

    Args:
      input_tensor: a floating or complex tensor.
      axis: the axis or axes to reduce; None reduces them all.
      keepdims: keep the reduced axes, with size 1.
      name: the node's name in a graph.

    Returns:
      The variances; real, for complex input too.

    Raises:
      TypeError: the input is an integer tensor.

    Example:
      >>> import penstock as tf
      >>> tf.math.reduce_variance([[1.0, 2.0], [3.0, 4.0]], axis=1).numpy()
      array([0.25, 0.25], dtype=float32)
    """
    with name_scope(name, "reduce_variance"):
        x = convert_to_tensor(input_tensor)
        means = reduce("Mean", x, axis, True, None)
        if means.dtype.is_integer:
            raise TypeError(f"Input must be either real or complex. Received integer type {means.dtype}.")
        distance = x - means
        if distance.dtype.is_complex:
            kind = distance.dtype.real_dtype
            squared = execute("Real", (distance * conj(distance),), {"Tout": kind})
        else:
            squared = execute("Square", (distance,))
        return reduce("Mean", squared, axis, keepdims, None)


@export("math.reduce_std")
def reduce_std(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The standard deviation along axes: the square root of `tf.math.reduce_variance`.

    Raises:
      TypeError: the input is an integer tensor.

    Example:
      >>> import penstock as tf
      >>> tf.math.reduce_std([[1.0, 2.0], [3.0, 4.0]], axis=1).numpy()
      array([0.5, 0.5], dtype=float32)
    """
    with name_scope(name, "reduce_std"):
        return execute("Sqrt", (reduce_variance(input_tensor, axis, keepdims),))


@export("math.count_nonzero", v1=[])
def count_nonzero(
    input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
) -> Tensor:
    """How many elements along axes are not zero (not empty, for strings).

    Args:
      input: a tensor of numbers, bools or strings.
      axis: the axis or axes to reduce; None reduces them all.
      keepdims: keep the reduced axes, with size 1.
      dtype: the dtype of the counts.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.math.count_nonzero([[0, 1, 0], [1, 1, 0]], axis=0).numpy()
      array([1, 2, 0])
    """
    with name_scope(name, "count_nonzero"):
        x = convert_to_tensor(input)
        nothing = b"" if x.dtype is dtypes.string else np.zeros((), x.dtype.np_dtype)
        counted = execute("NotEqual", (x, convert_to_tensor(nothing, x.dtype.base_dtype)))
        ones = execute("Cast", (counted,), {"DstT": dtypes.int64})
        count = reduce("Sum", ones, axis, keepdims, None)
        target = dtypes.as_dtype(dtype)
        return count if target is dtypes.int64 else execute("Cast", (count,), {"DstT": target})


@export(v1=["math.count_nonzero", "count_nonzero"])
def count_nonzero_v1(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """TF 1's signature of `tf.math.count_nonzero`."""
    input_tensor = renamed(input_tensor, input, "'input' and 'input_tensor'")
    axis = renamed(axis, reduction_indices, "'axis' and 'reduction_indices'")
    keepdims = renamed(keepdims, keep_dims, "'keepdims' and 'keep_dims'")
    return count_nonzero(input_tensor, axis, keepdims, dtype, name)
