"""Assertions about dtypes and Python types: `tf.debugging.assert_type`, `assert_integer`, ...

They need no value, so they raise at once, in a graph too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.arguments import dtype_of
from penstock.ops.assert_values import nothing
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor


def _dtype(value: Any) -> DType:
    """The dtype of a tensor, composite, or of what a Python value converts to."""
    found = dtype_of(value) or (value.dtype if isinstance(value, CompositeTensor) else None)
    return as_dtype(convert_to_tensor(value).dtype if found is None else found)


@export("debugging.assert_type", v1=["debugging.assert_type", "assert_type"])
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Any:
    """Asserts that a tensor has a dtype.

    Args:
      tensor: a tensor, `SparseTensor` or `RaggedTensor`.
      tf_type: the dtype.
      message: how the error begins.
      name: the name of the node in a graph.

    Returns:
      In a graph an `Operation` that does nothing; None when run eagerly.

    Raises:
      TypeError: it has another dtype.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_type(tf.constant(1), tf.int32)
    """
    tf_type, found = as_dtype(tf_type), _dtype(tensor)
    if found != tf_type:
        start = f"{message}  " if message else ""
        of = f"{tensor.name} " if getattr(tensor, "is_symbolic_tensor", False) else ""
        raise TypeError(f"{start}{of}tensor must be of type {tf_type!r}; got {found!r}")
    return nothing(name)


@export("debugging.assert_integer", v1=[])
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> None:
    """Asserts that a tensor has an integer dtype.

    Raises:
      TypeError: it has another dtype.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_integer([1, 2])
    """
    _check_integer(x, message)


@export(v1=["debugging.assert_integer", "assert_integer"])
def assert_integer_v1(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """TF 1's `assert_integer`; in a graph it returns an `Operation` that does nothing."""
    _check_integer(x, message)
    return nothing(name)


def _check_integer(x: Any, message: str | None) -> None:
    found = _dtype(x)
    if not found.is_integer:
        start = f"{message}.  " if message else ""
        what = x.name if getattr(x, "is_symbolic_tensor", False) else "x"
        raise TypeError(f'{start}Expected "{what}" to be integer type.  Found: tensor of dtype {found}')


@export("debugging.assert_proper_iterable", v1=["debugging.assert_proper_iterable", "assert_proper_iterable"])
def assert_proper_iterable(values: Any) -> None:
    """Asserts that `values` is a collection, and no tensor, array, or string, over which one can iterate by mistake.

    Raises:
      TypeError: it is none.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_proper_iterable([tf.constant(1), tf.constant(2)])
    """
    if isinstance(values, (Tensor, CompositeTensor, np.ndarray, str, bytes)):
        raise TypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


@export(
    "debugging.assert_same_float_dtype", v1=["debugging.assert_same_float_dtype", "assert_same_float_dtype"]
)
def assert_same_float_dtype(tensors: Sequence[Any] | None = None, dtype: Any = None) -> DType:
    """Returns the floating dtype that tensors share.

    Args:
      tensors: tensors; None among them are left out.
      dtype: the dtype they must have; None: that of the first one, float32 where there is none.

    Raises:
      ValueError: they differ, or are not floating.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_same_float_dtype([tf.constant(1.0), tf.constant(2.0)])
      tf.float32
    """
    expected, first = (None if dtype is None else as_dtype(dtype)), None
    for tensor in tensors or ():
        if tensor is None:
            continue
        found = _dtype(tensor)
        if expected is None:
            expected, first = found, tensor
        elif found != expected:
            like = "" if first is None else f" as {first}"
            raise ValueError(f"{tensor}, type={found}, must be of the same type ({expected}){like}.")
    expected = expected or dtypes.float32
    if not expected.is_floating:
        raise ValueError(f"Expected floating point type, got {expected}.")
    return expected


@export("debugging.is_numeric_tensor", v1=["debugging.is_numeric_tensor", "is_numeric_tensor"])
def is_numeric_tensor(tensor: Any) -> bool:
    """Whether `tensor` is a tensor of numbers: integer, floating, complex or quantized, but not bool.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.is_numeric_tensor(tf.constant([1.0])), tf.debugging.is_numeric_tensor(1.0)
      (True, False)
    """
    if not isinstance(tensor, (Tensor, CompositeTensor)) and dtype_of(tensor) is None:
        return False
    dtype = _dtype(tensor)
    return dtype.is_integer or dtype.is_floating or dtype.is_complex or dtype.is_quantized
