"""Python values into tensors: `convert_to_tensor`, `constant`, and the table of conversions that other types join."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.aligned import copied
from penstock.engine.context import process, thread
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.xla import is_loaded, jax, wide_types
from penstock.types import dtypes, upcalls
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

op(
    "Const(; value, dtype) -> output: dtype",
    lambda xp, *, value, dtype: value,
    shape=lambda call: TensorShape(np.shape(call.attrs["value"])),
    gradient=lambda call, dy: [],
    view=True,
)

# (priority, types, function(value, dtype, name, as_ref) -> Tensor | NotImplemented), in order of priority.
_conversions: list[tuple[int, Any, Callable]] = []


@export("register_tensor_conversion_function")
def register_tensor_conversion_function(
    base_type: Any, conversion_func: Callable, priority: int = 100
) -> None:
    """Makes `convert_to_tensor` accept objects of `base_type`.

    Args:
      base_type: a class, or a tuple of classes.
      conversion_func: `f(value, dtype=None, name=None, as_ref=False)` returning a tensor or `NotImplemented`.
      priority: smaller numbers are asked first.
    """
    _conversions.append((priority, base_type, conversion_func))
    _conversions.sort(key=lambda entry: entry[0])


_PYTHON_SCALARS = {float: dtypes.float32, int: dtypes.int32, bool: dtypes.bool, complex: dtypes.complex128}


def convert_to_tensor(
    value: Any,
    dtype: Any = None,
    dtype_hint: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
) -> Tensor:
    """Converts a value to a tensor.

    Args:
      value: a tensor, variable, NumPy or JAX array, Python number, string, or nested list of any of these.
      dtype: the dtype of the result. A tensor of another dtype is refused, a Python or NumPy value is converted.
      dtype_hint: used where `dtype` is None and the value can be converted to it.
      name: the name of the constant in a graph; None: the op that gets it names it.

    Returns:
      A tensor; `value` itself where it is one.

    Raises:
      ValueError: a tensor has another dtype than `dtype`, or the lists do not form a rectangle.
      TypeError: the value cannot be held by `dtype`.

    Example:
      >>> import penstock as tf
      >>> tf.convert_to_tensor([[1, 2], [3, 4]])
      <tf.Tensor: shape=(2, 2), dtype=int32, numpy=
      array([[1, 2],
             [3, 4]], dtype=int32)>
    """
    kind = type(value)
    if kind is EagerTensor or kind is SymbolicTensor:
        if (
            dtype is not None
            and value._dtype is not dtype
            and as_dtype(dtype).base_dtype != value._dtype.base_dtype
        ):
            raise ValueError(
                f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with dtype "
                f"{value._dtype.name}: {value!r}"
            )
        graph = thread.graph
        if graph is not None and kind is SymbolicTensor and value.op.graph is not graph:
            return graph.capture(value)
        return value
    if dtype is not None:
        dtype = as_dtype(dtype)
    if kind in _PYTHON_SCALARS:
        return _constant_of_scalar(value, kind, dtype, dtype_hint or preferred_dtype, name)
    hint = dtype_hint or preferred_dtype
    if dtype is None and hint is not None:
        try:
            return convert_to_tensor(value, hint, name=name)
        except (TypeError, ValueError):
            pass  # it was only a hint
    convert = getattr(value, "__tf_tensor__", None)
    if convert is not None and not isinstance(value, type):
        return convert(dtype, name)
    for _, base_type, conversion in _conversions:
        if isinstance(value, base_type):
            tensor = conversion(value, dtype=dtype, name=name, as_ref=False)
            if tensor is not NotImplemented:
                return tensor
    if isinstance(value, (list, tuple)) and _holds_tensors(value):
        return _pack(value, dtype, name)
    return _constant(value, dtype, None, None, name)


upcalls.convert_to_tensor = convert_to_tensor


@export("convert_to_tensor")
@functools.wraps(convert_to_tensor)
def _convert_for_program(*args: Any, **kwargs: Any) -> Tensor:
    tensor = convert_to_tensor(*args, **kwargs)
    if thread.graph is not None:
        thread.graph.keep_constant_names()  # it is no argument of an op
    return tensor


def _constant_of_scalar(value: Any, kind: type, dtype: DType | None, hint: Any, name: str | None) -> Tensor:
    natural = _PYTHON_SCALARS[kind]
    if dtype is None and hint is not None:
        hint = as_dtype(hint)
        if _accepts(hint, natural):
            dtype = hint
    if dtype is None:
        dtype = natural
        if kind is int and not -(2**31) <= value < 2**31:
            dtype = dtypes.int64
    elif not _accepts(dtype, natural):
        raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
    try:
        array = np.array(value, dtype.as_numpy_dtype)
    except OverflowError:
        if not (dtype.is_integer and -(2**63) <= value < 2**64):
            raise ValueError(
                f"Can't convert Python value {value!r} to {dtype.name}: it is out of range"
            ) from None
        array = np.array(value, np.int64 if value < 2**63 else np.uint64).astype(
            dtype.as_numpy_dtype
        )  # wraps around
    return _as_constant(array, dtype, name)


def _accepts(dtype: DType, natural: DType) -> bool:
    """Whether a Python number of natural dtype `natural` may become `dtype`, as TensorFlow decides it."""
    if dtype is dtypes.bool:
        return natural is dtype
    if natural is dtypes.bool:
        return dtype.is_integer or dtype.is_floating
    if natural is dtypes.int32:
        return dtype.is_integer or dtype.is_floating or dtype.is_complex or dtype.is_quantized
    if natural is dtypes.float32:
        return dtype.is_floating or dtype.is_complex
    return dtype.is_complex


def _as_constant(array: np.ndarray, dtype: DType | None, name: str | None) -> Tensor:
    """An eager tensor, or a Const node of the graph being built."""
    if thread.graph is None:
        device = process.device_of(thread.device) if thread.device and array.dtype != object else None
        if device is not None:
            with (
                wide_types(),
                jax.default_device(device),
            ):  # not committed to it: ops on several devices are allowed
                return EagerTensor.from_jax(jax.device_put(array), dtype)
        return EagerTensor(array, dtype)
    attrs = {"value": array, "dtype": dtype or dtypes.dtype_of_array(array)}
    if name is None:
        return thread.graph.add_argument_constant(attrs)
    return execute("Const", (), attrs, name or "Const")


def _holds_tensors(value: Any) -> bool:
    for each in value:
        if isinstance(each, Tensor) or hasattr(each, "__tf_tensor__"):
            return True
        if isinstance(each, (list, tuple)) and _holds_tensors(each):
            return True
        if (
            not isinstance(each, (int, float, str, bytes))
            and _conversions
            and any(isinstance(each, base) for _, base, _ in _conversions)
        ):
            return True
    return False


def _pack(value: Any, dtype: DType | None, name: str | None) -> Tensor:
    """Packs a list that holds tensors. An explicit dtype casts them; without one they must agree, as `Pack` checks."""
    inferred = dtype or _dtype_inside(value)
    parts = []
    for each in value:
        if isinstance(each, (list, tuple)):
            parts.append(convert_to_tensor(each, dtype if _holds_tensors(each) else inferred))
        elif isinstance(each, Tensor) or hasattr(each, "__tf_tensor__"):
            part = convert_to_tensor(each)
            if dtype is not None and part.dtype.base_dtype != dtype.base_dtype:
                part = execute("Cast", (part,), {"DstT": dtype})
            parts.append(part)
        else:
            parts.append(convert_to_tensor(each, inferred))
    return execute("Pack", (parts,), {"axis": 0}, name or "packed")


def _dtype_inside(value: Any) -> DType | None:
    """The dtype of the first tensor in nested lists."""
    for each in value:
        if isinstance(each, (list, tuple)):
            found = _dtype_inside(each)
            if found is not None:
                return found
        elif hasattr(each, "dtype") and (isinstance(each, Tensor) or hasattr(each, "__tf_tensor__")):
            return as_dtype(each.dtype).base_dtype
    return None


def array_of(value: Any, dtype: DType | None = None, hint: DType | None = None) -> tuple[np.ndarray, DType]:
    """The NumPy array, and its dtype, that a Python value stands for under TensorFlow's rules (a new array)."""
    if is_loaded() and isinstance(value, jax.Array):
        value = np.asarray(value)
    if isinstance(value, (np.ndarray, np.generic)):
        source = np.asarray(value)
        if source.dtype.kind == "O" and dtype is None and source.size:
            if not all(isinstance(each, (str, bytes)) for each in source.flat):
                raise ValueError(
                    f"Failed to convert a NumPy array to a Tensor (Unsupported object type {type(source.flat[0]).__name__})."
                )
        if source.dtype.kind in "US" and dtype not in (None, dtypes.string):
            raise ValueError(f"Cannot convert an array of strings to a tensor of dtype {dtype.name}")
        if source.dtype.kind in "US" or (source.dtype.kind == "O" and dtype in (None, dtypes.string)):
            return _bytes_array(source), dtypes.string
        if dtype is None and hint is not None and source.dtype == hint.as_numpy_dtype:
            dtype = hint
        if dtype is None:
            return copied(source, source.dtype), dtypes.dtype_of_array(source)
        if dtype is dtypes.string:
            raise TypeError(f"Cannot convert an array of {source.dtype} to a tensor of dtype string")
        return copied(source, dtype.as_numpy_dtype), dtype
    return _array_of_python(value, dtype, hint)


def _array_of_python(value: Any, dtype: DType | None, hint: DType | None) -> tuple[np.ndarray, DType]:
    if isinstance(value, (str, bytes)):
        if dtype not in (None, dtypes.string):
            raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
        return _bytes_array(np.array(value, object)), dtypes.string
    if isinstance(value, TensorShape):
        value = value.as_list()
        if any(dim is None for dim in value):
            raise ValueError(f"Cannot convert a partially known TensorShape {tuple(value)} to a Tensor.")
        dtype = dtype or dtypes.int32
    if isinstance(value, range):
        value = list(value)
    if value is None or (isinstance(value, (list, tuple)) and _holds_none(value)):
        raise ValueError(
            "Attempt to convert a value (None) with an unsupported type (<class 'NoneType'>) to a Tensor."
        )
    try:
        source = np.array(value)
    except UnicodeDecodeError:  # str beside bytes that are not ASCII
        return _bytes_array(np.array(value, object)), dtypes.string
    except ValueError:
        raise ValueError("Can't convert non-rectangular Python sequence to Tensor.") from None
    if source.dtype.kind in "US":
        source = np.array(value, object)
        if dtype not in (None, dtypes.string) or not all(
            isinstance(each, (str, bytes)) for each in source.flat
        ):
            if dtype is None:
                raise ValueError("Can't convert Python sequence with mixed types to Tensor.")
            raise TypeError(f"Cannot convert {value!r} to a tensor of dtype {dtype.name}")
        return _bytes_array(source), dtypes.string
    if source.dtype.kind == "O":
        if source.size and all(isinstance(each, str | bytes) for each in source.flat):  # a column of pandas
            if dtype not in (None, dtypes.string):
                raise TypeError(f"Cannot convert {value!r} to a tensor of dtype {dtype.name}")
            return _bytes_array(source), dtypes.string
        big = all(isinstance(each, int) for each in source.flat)
        if not big:
            raise ValueError(
                f"Attempt to convert a value ({value!r}) with an unsupported type ({type(value)}) to a Tensor."
            )
        try:
            source = source.astype(np.uint64 if dtype is dtypes.uint64 else np.int64)
        except OverflowError:
            raise ValueError("Can't convert Python sequence with out-of-range integer to Tensor.") from None
    natural = _natural_dtype(source, value)
    if dtype is None and hint is not None and _accepts_array(hint, natural, source):
        dtype = hint
    if dtype is None:
        dtype = natural
    elif not _accepts_array(dtype, natural, source):
        raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
    return source.astype(dtype.as_numpy_dtype), dtype


def _natural_dtype(source: np.ndarray, value: Any) -> DType:
    """The dtype that TensorFlow gives Python numbers: float32, int32 (int64 where it does not fit), bool."""
    if source.dtype == np.float64 and not _holds_numpy(value, np.float64):
        return dtypes.float32
    if source.dtype == np.int64 and not _holds_numpy(value, np.integer):
        if not source.size or (source.min() >= -(2**31) and source.max() < 2**31):
            return dtypes.int32
    if source.size == 0 and not _holds_numpy(value, np.ndarray):
        return dtypes.float32
    return dtypes.dtype_of_array(source)


def _holds_numpy(value: Any, kind: type) -> bool:
    """Whether nested lists end in NumPy values, which keep their own dtype."""
    while isinstance(value, (list, tuple)):
        if not value:
            return False
        value = value[0]
    return isinstance(value, (kind, np.ndarray))


def _holds_none(value: Any) -> bool:
    return any(each is None or (isinstance(each, (list, tuple)) and _holds_none(each)) for each in value)


def _accepts_array(dtype: DType, natural: DType, source: np.ndarray) -> bool:
    if source.size == 0 or natural is dtype:
        return True
    if natural in (dtypes.int64, dtypes.int32, dtypes.uint64):
        natural = dtypes.int32
    elif natural in (dtypes.float64, dtypes.float32):
        natural = dtypes.float32
    elif natural.is_complex:
        natural = dtypes.complex128
    elif natural is not dtypes.bool:
        return True
    return _accepts(dtype, natural)


def _bytes_array(source: np.ndarray) -> np.ndarray:
    out = np.empty(source.shape, object)
    flat, target = source.reshape(-1), out.reshape(-1)
    for index, each in enumerate(flat):
        target[index] = each.encode("utf-8") if isinstance(each, str) else bytes(each)
    return out


def _constant(value: Any, dtype: DType | None, hint: DType | None, shape: Any, name: str | None) -> Tensor:
    array, dtype = array_of(value, dtype, hint)
    if shape is not None:
        shape = TensorShape(shape)
        if array.shape != tuple(shape.as_list()):
            if array.size == 1:
                array = np.broadcast_to(array.reshape(()), shape.as_list()).copy()
            elif array.size == shape.num_elements():
                array = array.reshape(shape.as_list())
            else:
                raise TypeError(
                    f"Eager execution of tf.constant with unsupported shape. Tensor {value!r} (converted from it) has "
                    f"{array.size} elements, but got `shape` {tuple(shape.as_list())} with {shape.num_elements()} elements."
                )
    return _as_constant(array, dtype, name)


@export("constant", v1=[])
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Tensor:
    """A tensor with a given value.

    Args:
      value: a Python number, string, nested list, or NumPy array (copied). A tensor is converted to `dtype`.
      dtype: the dtype; by default that of the value (Python floats are float32, ints int32).
      shape: the shape; a single value fills it.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.constant(1.5, shape=(2,))
      <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.5, 1.5], dtype=float32)>
    """
    dtype = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        if dtype is not None and dtype != value.dtype:
            value = execute("Cast", (value,), {"DstT": dtype})
        return value if shape is None else execute("Reshape", (value, convert_to_tensor(shape, dtypes.int32)))
    if isinstance(value, (list, tuple)) and _holds_tensors(value):
        return _pack(value, dtype, name)
    if hasattr(value, "__tf_tensor__"):
        return convert_to_tensor(value, dtype)
    return _constant(value, dtype, None, shape, name)


@export(v1=["constant"])
def constant_v1(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """TF 1's `constant`: as `tf.constant`; where `shape` is larger than the value, its last element is repeated."""
    if shape is not None and not verify_shape and not isinstance(value, Tensor):
        array, kind = array_of(value, None if dtype is None else as_dtype(dtype))
        dims = TensorShape(shape).as_list()
        missing = int(np.prod(dims)) - array.size
        if missing > 0 and array.size > 1:
            flat = array.reshape(-1)
            return _as_constant(
                np.concatenate([flat, np.repeat(flat[-1:], missing)]).reshape(dims), kind, name
            )
    return constant(value, dtype, shape, name)
