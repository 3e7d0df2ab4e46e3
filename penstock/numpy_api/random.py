"""`tf.experimental.numpy.random`: NumPy's legacy generators, on the stream of `tf.random`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.numpy_api.arrays import asarray, default_float, result_type
from penstock.ops.random import stateful as generators
from penstock.ops.random.seed import set_seed
from penstock.ops.shapes_of_tensors import broadcast_dynamic_shape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _random(function: Callable) -> Callable:
    return export(f"experimental.numpy.random.{function.__name__}", v1=[])(function)


def _shape(size: Any) -> Any:
    """A shape: `size` may be None, a number, or a shape."""
    if size is None:
        return ()
    return (size,) if isinstance(size, int) or getattr(size, "ndim", None) == 0 else size


@_random
def seed(s: int) -> None:
    """Sets the seed of all generators, as `tf.random.set_seed`.

    Raises:
      ValueError: `s` is no integer.
    """
    try:
        value = int(s)
    except TypeError:
        raise ValueError(f"seed: only integers are seeds, got {s!r}") from None
    set_seed(value)


@_random
def standard_normal(size: Any = None) -> Tensor:
    """float64 numbers of the normal distribution with mean 0 and deviation 1, in the shape `size`."""
    return generators.random_normal(_shape(size), dtype=default_float())


@_random
def randn(*args: int) -> Tensor:
    """float64 numbers of the standard normal distribution; the arguments are the shape.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.random.randn(2, 3).shape
      TensorShape([2, 3])
    """
    return standard_normal(args)


@_random
def uniform(low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Tensor:
    """float64 numbers between `low` and `high`; the shape is that of both, where none is given."""
    low, high = asarray(low, default_float()), asarray(high, default_float())
    shape = broadcast_dynamic_shape(shape_of(low), shape_of(high)) if size is None else _shape(size)
    return low + (high - low) * generators.random_uniform(shape, dtype=default_float())


@_random
def random(size: Any = None) -> Tensor:
    """float64 numbers in [0, 1), in the shape `size`."""
    return uniform(0.0, 1.0, size)


@_random
def rand(*size: int) -> Tensor:
    """float64 numbers in [0, 1); the arguments are the shape."""
    return uniform(0.0, 1.0, size)


@_random
def poisson(lam: Any = 1.0, size: Any = None) -> Tensor:
    """int64 numbers of the Poisson distribution with mean `lam`, in the shape `size`."""
    return generators.random_poisson(_shape(size), lam, dtype=dtypes.int64)


@_random
def randint(low: int, high: int | None = None, size: Any = None, dtype: Any = dtypes.int64) -> Tensor:
    """Integers in [low, high), or in [0, low) where no `high` is given.

    Raises:
      ValueError: the dtype is neither int32 nor int64.
    """
    first, last = (0, int(low)) if high is None else (int(low), high)
    kind = result_type(dtype)
    if kind not in (dtypes.int32, dtypes.int64):
        raise ValueError(f"randint: dtype must be int32 or int64, got {dtype!r}")
    return generators.random_uniform(_shape(size), first, last, kind)
