"""Arguments of public functions into tensors that fit together; used by every op family."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import EagerTensor, Tensor


def dtype_of(value: Any) -> DType | None:
    """The dtype of a tensor or variable; None for values that may still become any dtype."""
    if isinstance(value, Tensor):
        return value._dtype.base_dtype
    if hasattr(value, "__tf_tensor__"):
        found = getattr(value, "dtype", None)
        return None if found is None else as_dtype(found).base_dtype
    return None


def matching(*values: Any, dtype: DType | None = None, lenient: bool = False) -> list[Tensor]:
    """Converts values to tensors of one dtype: that of the first tensor among them, else of the first value.

    Tensors keep their dtype: an op that gets two different ones says so. With `lenient` so do values that cannot take
    the common dtype.
    """
    if dtype is None:
        for value in values:
            dtype = dtype_of(value)
            if dtype is not None:
                break
    tensors = []
    for value in values:
        if dtype_of(value) is not None:
            tensor = convert_to_tensor(value)
        elif lenient:
            tensor = convert_to_tensor(value, dtype_hint=dtype)
        else:
            tensor = convert_to_tensor(value, dtype)
        if dtype is None:
            dtype = tensor.dtype
        tensors.append(tensor)
    if any(tensor._dtype is not dtype for tensor in tensors):
        return _with_constants_promoted(values, tensors)
    return tensors


def _with_constants_promoted(values: tuple, tensors: list[Tensor]) -> list[Tensor]:
    """Integer constants in the dtype of a floating variable they meet; TensorFlow refuses them since 2.0.

    What an operator computes from them is marked, and promotes the next integer constant that it meets.
    """
    floating = {
        tensor.dtype.base_dtype
        for value, tensor in zip(values, tensors, strict=True)
        if tensor.dtype.is_floating and (is_promoted(tensor) or not isinstance(value, Tensor))
        if hasattr(value, "__tf_tensor__") or isinstance(value, Tensor)
    }
    if len(floating) != 1:
        return tensors
    (target,) = floating
    return [
        mark_promoted(execute("Cast", (tensor,), {"DstT": target}))
        if tensor.dtype.is_integer and (type(tensor) is EagerTensor or tensor.op.type == "Const")
        else tensor
        for tensor in tensors
    ]


def is_promoted(tensor: Tensor) -> bool:
    """Whether the tensor comes from an operator between an integer constant and a floating variable."""
    return "promoted" in vars(tensor)


def mark_promoted(tensor: Tensor) -> Tensor:
    """Notes that it does."""
    vars(tensor)["promoted"] = True
    return tensor


def unary(op_type: str, x: Any, name: str | None = None, attrs: dict | None = None) -> Tensor:
    """Calls an op of one tensor."""
    if type(x) is not EagerTensor:
        x = convert_to_tensor(x)
    return execute(op_type, (x,), attrs, name)


def binary(op_type: str, x: Any, y: Any, name: str | None = None, attrs: dict | None = None) -> Tensor:
    """Calls an op of two tensors of one dtype."""
    if type(x) is not EagerTensor or type(y) is not EagerTensor:
        x, y = matching(x, y)
    return execute(op_type, (x, y), attrs, name)


def _is_flat(value: Any) -> bool:
    """Whether `value` is a list or tuple of Python ints, the usual form of shapes, which needs no inspection."""
    return type(value) in (list, tuple) and bool(value) and all(type(each) is int for each in value)


def index_vector(value: Any, dtype: DType | None = None, name: str | None = None) -> Tensor:
    """Converts a shape, axis list or index list to an integer tensor (int32, unless it is an int64 tensor)."""
    if isinstance(value, Tensor):
        return value
    if dtype is None and thread.graph is None and (type(value) is int or _is_flat(value)):
        try:
            return EagerTensor(np.array(value, np.int32), dtypes.int32)
        except OverflowError:
            dtype = dtypes.int64
    if dtype is None and (inner := dtype_of(value)) is not None:
        dtype = inner
    if dtype is None and isinstance(value, (list, tuple)):
        # Floating scalars in a list of sizes are cast to int32; a floating tensor as the whole is refused by the op.
        dtype = next(
            (found for each in value if (found := dtype_of(each)) is not None and found.is_integer), None
        )
    if dtype is None and hasattr(value, "dtype") and str(value.dtype) == "int64":
        dtype = dtypes.int64
    return convert_to_tensor(value, dtype or dtypes.int32, name=name)


def renamed(new: Any, old: Any, names: str) -> Any:
    """The value of a TF 1 argument that has two names.

    Raises:
      ValueError: both are given.
    """
    if new is not None and old is not None:
        raise ValueError(f"Cannot specify both {names}: they are names of one argument")
    return old if new is None else new


class name_scope:  # noqa: N801 - a context manager
    """Nodes added inside are named under `name` (or `default`); gives the name for the last of them. Eager: nothing."""

    __slots__ = ("_name", "_scope")

    def __init__(self, name: str | None, default: str):
        graph = thread.graph
        self._name = name
        self._scope = None if graph is None else graph.name_scope(name or default)

    def __enter__(self) -> str | None:
        return self._name if self._scope is None else self._scope.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return None if self._scope is None else self._scope.__exit__(*error)
