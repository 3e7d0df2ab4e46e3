"""What every function of `tf.experimental.numpy` begins with: NumPy's dtypes, their promotion, and conversion to tensors.

`_result_type` asks NumPy itself; a Python number is weak there, so that `1.5` beside a float32 tensor stays float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.numpy_api.weak_promotion import PROMOTION
from penstock.ops.casting import cast
from penstock.ops.control_flow import cond
from penstock.ops.replication import broadcast_to
from penstock.ops.shapes_of_tensors import broadcast_dynamic_shape, get_static_value, shape
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor

_SCALAR_TYPES = """
    bool_ complex64 complex128 float16 float32 float64 inexact int8 int16 int32 int64 int_ object_ uint8 uint16 uint32
    uint64 iinfo issubdtype
""".split()
_OLD_NAMES = {"complex_": np.complex128, "float_": np.float64, "string_": np.bytes_, "unicode_": np.str_}
_NUMBERS = {"pi": np.pi, "e": np.e, "inf": np.inf, "newaxis": None}

for _name in _SCALAR_TYPES:
    export(f"experimental.numpy.{_name}", v1=[])(getattr(np, _name))
for _name, _value in (_OLD_NAMES | _NUMBERS).items():
    export(f"experimental.numpy.{_name}", v1=[])(_value)
export("experimental.numpy.ndarray", v1=[])(Tensor)

Function = Callable[..., Any]


def documented(function: Function, name: str) -> Function:
    """Gives a function the name and the docstring of a NumPy function, and exports it."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""TensorFlow's variant of NumPy's `{name}`.

    Takes tensors and whatever converts to one, promotes dtypes as NumPy does, and returns tensors.
    {function.__doc__ or ""}
    See https://numpy.org/doc/stable/reference/generated/numpy.{name}.html.
    """
    return export(f"experimental.numpy.{name}", v1=[])(function)


def numpy_function(function: Function) -> Function:
    """Exports a function under its own name, without the underscore that keeps it apart from a builtin."""
    name = function.__name__
    return documented(function, name if name == "ix_" else name.rstrip("_"))


def weak_dtypes() -> bool:
    """Whether Python numbers have weak dtypes of 32 bits, as `weak_promotion` says, and not NumPy's."""
    return PROMOTION in process.registry


def default_float() -> DType:
    """The dtype that `dtype=float` means: float64, or float32 where dtypes are weak."""
    return dtypes.float32 if weak_dtypes() else dtypes.float64


def _for_numpy(value: Any) -> Any:
    """What `np.result_type` takes for a value: tensors become dtypes, other things stay what they are."""
    if isinstance(value, DType):
        return value.as_numpy_dtype
    if process.numpy_prefers_float32 and type(value) in (float, complex):
        return np.float32(value) if type(value) is float else np.complex64(value)
    kind = getattr(value, "dtype", None)
    if isinstance(kind, DType):
        return kind.as_numpy_dtype
    if isinstance(value, CompositeTensor):
        raise TypeError(f"{type(value).__name__} has no dtype that NumPy's rules can promote")
    return value


@numpy_function
def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that values, tensors and dtypes are promoted to; of nothing at all it is float64.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.result_type(tf.constant(1), tf.constant(2.0))
      tf.float64
    """
    if weak_dtypes():
        return process.registry[PROMOTION](*arrays_and_dtypes)
    return numpy_result_type(*arrays_and_dtypes)


def numpy_result_type(*arrays_and_dtypes: Any) -> DType:
    """What NumPy promotes values and dtypes to."""
    found = [_for_numpy(each) for each in nest.flatten(arrays_and_dtypes)]
    return as_dtype(np.result_type(*found) if found else np.float64)


@numpy_function
def promote_types(type1: Any, type2: Any) -> np.dtype:
    """The dtype that two dtypes are promoted to."""
    return np.promote_types(_numpy_dtype(type1), _numpy_dtype(type2))


@numpy_function
def finfo(dtype: Any) -> Any:
    """The limits of a floating dtype."""
    kind = _numpy_dtype(dtype)
    if kind.name.startswith(("bfloat", "float8", "float4", "float6")):
        import ml_dtypes

        return ml_dtypes.finfo(kind)
    return np.finfo(kind)


def _numpy_dtype(dtype: Any) -> np.dtype:
    return np.dtype(dtype.as_numpy_dtype if isinstance(dtype, DType) else dtype)


def dtype_for(value: Any, dtype: Any) -> DType:
    """The dtype of the array made of one value: `dtype` where it is given."""
    if dtype is not None:
        return result_type(dtype)
    if isinstance(value, (str, bytes)):
        return dtypes.string
    return result_type(value)


def converted(value: Any, dtype: Any = None) -> Tensor:
    """A tensor of a value, in the dtype that NumPy would choose, or cast to `dtype`."""
    if isinstance(value, Tensor):
        return value if dtype is None else cast(value, dtype)
    kind = dtype_for(value, dtype)
    if isinstance(value, int) and value >= 2**63:
        return cast(convert_to_tensor(value, dtypes.uint64), kind)
    return cast(convert_to_tensor(value, dtype_hint=kind), kind)


@numpy_function
def asarray(a: Any, dtype: Any = None) -> Tensor:
    """A tensor of `a`; a tensor that has the dtype already is returned as it is."""
    if dtype is not None:
        dtype = result_type(dtype)
    if isinstance(a, Tensor) and (dtype is None or dtype == a.dtype):
        return a
    return converted(a, dtype)


def promoted(*values: Any) -> list[Tensor]:
    """Tensors of all values in the dtype that they are promoted to."""
    dtype = result_type(*values)
    return [
        each if isinstance(each, Tensor) and each.dtype == dtype else converted(each, dtype)
        for each in values
    ]


def promoted_pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Tensors of two values in the dtype that NumPy promotes them to, also where dtypes are weak."""
    dtype = numpy_result_type(x, y)
    first, second = (
        each if isinstance(each, Tensor) and each.dtype == dtype else converted(each, dtype)
        for each in (x, y)
    )
    return first, second


def inexact(value: Any) -> Tensor:
    """A tensor of a value; integers and bools become floats."""
    tensor = asarray(value)
    if tensor.dtype.is_floating or tensor.dtype.is_complex:
        return tensor
    return cast(tensor, default_float())


def broadcasted(*tensors: Tensor) -> list[Tensor]:
    """Tensors of one shape."""
    if len(tensors) <= 1:
        return list(tensors)
    common = shape(tensors[0])
    for each in tensors[1:]:
        common = broadcast_dynamic_shape(common, shape(each))
    return [broadcast_to(each, common) for each in tensors]


def rank_of(tensor: Tensor) -> Any:
    """The number of dimensions: an int where it is known, else a tensor."""
    known = tensor.shape.rank
    return execute("Rank", (tensor,)) if known is None else known


def branch(predicate: Any, on_true: Function, on_false: Function) -> Any:
    """`tf.cond`, decided at once where the predicate is known."""
    known = predicate
    if isinstance(predicate, Tensor):
        known = get_static_value(predicate)
        if known is None:
            return cond(predicate, on_true, on_false)
    return on_true() if known else on_false()
