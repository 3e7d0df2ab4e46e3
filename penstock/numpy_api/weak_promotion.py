"""Promotion of dtypes of which some are weak: those of Python numbers give way to those of tensors.

The dtypes form a lattice; two are promoted to the lowest dtype above both. Weak ones stand low: a Python float beside a
bfloat16 tensor stays bfloat16, and beside an integer tensor becomes a weak float64.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import process
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

PROMOTION = "numpy_api.promotion"  # the place in `process.registry` of the function that promotes; none: NumPy's rules


class Kind(NamedTuple):
    """A dtype, and whether it gives way."""

    dtype: DType
    weak: bool = False


# Each dtype and those right above it; `*` marks weak ones.
_ABOVE = {
    "bool": "int32*",
    "int32*": "int64*",
    "int64*": "uint8 int8 float32*",
    "uint8": "uint16 int16",
    "uint16": "uint32 int32",
    "uint32": "uint64 int64",
    "uint64": "float64*",
    "int8": "int16",
    "int16": "int32",
    "int32": "int64",
    "int64": "float64*",
    "float32*": "float64*",
    "float64*": "bfloat16 float16 complex128*",
    "bfloat16": "float32",
    "float16": "float32",
    "float32": "float64 complex64",
    "float64": "complex128",
    "complex128*": "complex64",
    "complex64": "complex128",
    "complex128": "",
}


def _kind(name: str) -> Kind:
    return Kind(as_dtype(name.rstrip("*")), name.endswith("*"))


@functools.cache
def _all_above(kind: Kind) -> frozenset[Kind]:
    """A dtype and all above it."""
    name = kind.dtype.name + "*" * kind.weak
    if name not in _ABOVE:
        raise NotImplementedError(f"Dtypes are not promoted with {kind.dtype.name}: cast it to another one.")
    return frozenset([kind]).union(*(_all_above(_kind(each)) for each in _ABOVE[name].split()))


@functools.cache
def _joined(a: Kind, b: Kind) -> Kind:
    """The lowest dtype above both."""
    if a == b:
        return a
    common = _all_above(a) & _all_above(b)
    return max(common, key=lambda kind: len(_all_above(kind)))


# The largest integers, in bits, that a floating or complex dtype holds without loss.
_EXACT_BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "complex64": 24, "float64": 53, "complex128": 53}


@functools.cache
def _is_safe(a: Kind, b: Kind) -> bool:
    """Whether promotion neither widens beyond both dtypes nor loses digits."""
    result = _joined(a, b)
    if result.dtype not in (a.dtype, b.dtype):
        return False
    limit = _EXACT_BITS.get(result.dtype.name)
    return limit is None or all(
        each.weak
        or not each.dtype.is_integer
        or each.dtype.size * 8 <= limit + each.dtype.name.startswith("i")
        for each in (a, b)
    )


_OF_PYTHON = {bool: "bool", int: "int32*", float: "float32*", complex: "complex128*"}


def kind_of(value: Any) -> Kind:
    """The dtype of a value, tensor or dtype, and whether it is weak.

    Raises:
      OverflowError: a Python int does not fit int32.
      NotImplementedError: the value has no dtype that can be promoted.
    """
    from penstock.numpy_api.weak_tensor import WeakTensor

    if isinstance(value, WeakTensor):
        return Kind(value.dtype, True)
    if isinstance(value, DType):
        return Kind(value.base_dtype)
    if isinstance(value, TensorShape):
        return Kind(dtypes.int32)
    if isinstance(value, CompositeTensor) and not isinstance(value, Variable):
        raise NotImplementedError(f"Dtypes are not promoted with a {type(value).__name__}.")
    for python_type, name in _OF_PYTHON.items():
        if value is python_type or type(value) is python_type:
            if type(value) is int and not -(2**31) <= value < 2**31:
                raise OverflowError(f"Python int {value} too large to convert to np.int32")
            return _kind(name)
    if isinstance(value, (str, bytes)):
        return Kind(dtypes.string)
    found = getattr(value, "dtype", value)
    try:
        return Kind(as_dtype(found).base_dtype)
    except TypeError:
        raise NotImplementedError(f"Dtypes are not promoted with a {type(value).__name__}.") from None


def promoted_kind(*values: Any) -> Kind:
    """The dtype that values and dtypes are promoted to; of nothing at all it is a weak float32.

    Raises:
      TypeError: in "safe" mode, where a promotion would widen beyond both dtypes or lose digits.
      NotImplementedError: a value has no dtype that can be promoted.
    """
    kinds = [kind_of(each) for each in nest.flatten(values) if each is not None]
    if not kinds:
        return _kind("float32*")
    result = kinds[0]
    for each in kinds[1:]:
        if result == each:
            continue
        _all_above(result), _all_above(each)  # says which dtype cannot be promoted
        if process.registry.get("numpy_api.safe") and not _is_safe(result, each):
            raise TypeError(
                f"In promotion mode SAFE, implicit dtype promotion between ({result.dtype}, weak={result.weak}) and "
                f"({each.dtype}, weak={each.weak}) is disallowed. Cast one of them, or use the mode 'all'."
            )
        result = _joined(result, each)
    return result


def weak_result_type(*values: Any) -> DType:
    """The dtype alone; what `tf.experimental.numpy.result_type` gives while weak dtypes are on."""
    return promoted_kind(*values).dtype


def is_array(value: Any) -> bool:
    """Whether a value has a dtype of its own, as tensors and NumPy's arrays and numbers have."""
    return isinstance(value, (np.ndarray, np.generic)) or isinstance(getattr(value, "dtype", None), DType)
