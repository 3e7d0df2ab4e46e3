"""`tensor[...]`: Python indices into StridedSlice, with a fast path for eager tensors; iteration over a tensor.

An index is an int, a slice, `...`, `tf.newaxis`, a scalar integer tensor, a tuple (or list) of these, or one boolean
mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import dtype_of
from penstock.ops.slicing import MASKS, add_assign
from penstock.types import dtypes, errors
from penstock.types.errors import OperatorNotAllowedInGraphError
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

export("newaxis")(None)

_INDEX_DTYPES = (dtypes.int16, dtypes.int32, dtypes.int64)
_BASIC = (int, type(None), type(...))


def _is_basic(key: Any) -> bool:
    """Whether NumPy can take the index as it is: Python ints, None, `...`, and slices of ints."""
    kind = type(key)
    if kind is slice:
        return all(type(bound) is int or bound is None for bound in (key.start, key.stop, key.step))
    return kind in _BASIC


def getitem(tensor: Tensor, key: Any) -> Tensor:
    """`tensor[key]`; see the module."""
    if (
        type(tensor) is EagerTensor
        and thread.graph is None
        and (not thread.tapes or tensor._dtype.is_integer)
    ):
        array = tensor._np
        keys = key if type(key) is tuple else (key,)
        if type(array) is np.ndarray and all(_is_basic(each) for each in keys):
            try:
                value = array[key]
            except (IndexError, ValueError):
                return slice_tensor(tensor, key)  # which says what is wrong
            if type(value) is not np.ndarray and tensor._dtype is dtypes.string:
                value = np.asarray(value, object)
            return EagerTensor(value, tensor._dtype)
    return slice_tensor(tensor, key)


def slice_tensor(tensor: Any, key: Any, variable: Any = None) -> Tensor:
    """The general form of `tensor[key]`: a StridedSlice, or a boolean mask.

    Args:
      tensor: what to slice.
      key: the index.
      variable: the variable that `tensor` is the value of: the result gets a method `assign`.

    Raises:
      TypeError: the index holds something else than the module says.
    """
    if _is_mask(key):
        from penstock.ops.selection import boolean_mask

        return boolean_mask(tensor, key)
    keys = list(key) if isinstance(key, (list, tuple)) else [key]
    if variable is None and _mixes_dynamic(keys):
        tensor = _slice(tensor, [_static_range(each) for each in keys if each is not None], None)
        keys = [slice(None) if isinstance(each, slice) and not _is_dynamic(each) else each for each in keys]
    return _slice(tensor, keys, variable)


def _is_mask(key: Any) -> bool:
    if isinstance(key, (bool, np.bool_)):
        return True
    if isinstance(key, (Tensor, np.ndarray)) or dtype_of(key) is not None:
        return key.dtype == dtypes.bool
    return False


def _is_dynamic(key: Any) -> bool:
    """Whether an index depends on a value that is only known when the graph runs."""
    if isinstance(key, slice):
        return any(isinstance(bound, SymbolicTensor) for bound in (key.start, key.stop, key.step))
    return isinstance(key, SymbolicTensor)


def _mixes_dynamic(keys: list) -> bool:
    """Whether known ranges stand beside unknown indices.

    Then the known ones are cut first, by a node of their own: in one vector with the unknown ones they would not be
    known either, and XLA needs the sizes.
    """
    known = any(
        isinstance(key, slice)
        and not _is_dynamic(key)
        and (key.start, key.stop, key.step) != (None, None, None)
        for key in keys
    )
    return known and any(_is_dynamic(key) for key in keys)


def _static_range(key: Any) -> Any:
    if key is ... or (isinstance(key, slice) and not _is_dynamic(key)):
        return key
    return slice(None)


def _slice(tensor: Any, keys: list, variable: Any) -> Tensor:
    tensor = convert_to_tensor(tensor)
    begin: list[Any] = []
    end: list[Any] = []
    strides: list[Any] = []
    masks = dict.fromkeys(MASKS, 0)
    for i, key in enumerate(keys):
        bit = 1 << i
        bounds: tuple = (0, 0, 1)
        if isinstance(key, slice):
            bounds = tuple(
                _bound(each, default) for each, default in zip((key.start, key.stop, key.step), (0, 0, 1))
            )
            masks["begin_mask"] |= bit * (key.start is None)
            masks["end_mask"] |= bit * (key.stop is None)
        elif key is ...:
            masks["ellipsis_mask"] |= bit
        elif key is None:
            masks["new_axis_mask"] |= bit
        else:
            start = _bound(key, 0)
            bounds = (start, start + 1, 1)
            masks["shrink_axis_mask"] |= bit
        for vector, bound in zip((begin, end, strides), bounds, strict=True):
            vector.append(bound)
    kind = _index_dtype(begin + end + strides)
    vectors = tuple(_vector(each, kind) for each in (begin, end, strides))
    result = execute("StridedSlice", (tensor, *vectors), masks, "strided_slice")
    if variable is not None:
        add_assign(result, variable, vectors, masks)
    return result


def _bound(value: Any, default: int) -> Any:
    """An index or bound, checked: a Python int or a scalar integer tensor."""
    if value is None:
        return default
    if type(value) is int:
        return value
    kind = dtype_of(value)
    if type(value) is EagerTensor and kind in _INDEX_DTYPES and value.shape.rank == 0:
        return int(value)
    if kind is not None:
        tensor = convert_to_tensor(value)
        if kind in _INDEX_DTYPES and tensor.shape.rank in (None, 0):
            return tensor
        if kind in _INDEX_DTYPES and tensor.shape.rank > 1:
            message = (
                f"an index must be a scalar, got a tensor of shape {tensor.shape}; tf.gather takes several"
            )
            raise errors.ShapeError(None, None, message)
    elif not isinstance(value, (bool, np.bool_, float, np.floating)) and hasattr(value, "__index__"):
        try:
            return value.__index__()
        except TypeError:  # an array that is no scalar
            pass
    elif hasattr(value, "value") and hasattr(value, "__int__"):  # a TF 1 Dimension
        return int(value)
    raise TypeError(
        "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors are "
        f"valid indices, got {value!r}"
    )


def _index_dtype(values: list) -> Any:
    kinds = {value.dtype for value in values if isinstance(value, Tensor)}
    if len(kinds) == 1 and not (dtypes.int32 in kinds and _needs_int64(values)):
        return kinds.pop()
    return dtypes.int64 if kinds or _needs_int64(values) else dtypes.int32


def _needs_int64(values: list) -> bool:
    return any(type(value) is int and not -(2**31) <= value < 2**31 for value in values)


def _vector(values: list, kind: Any) -> Tensor:
    if not any(isinstance(value, Tensor) for value in values):
        return convert_to_tensor(np.array(values, kind.np_dtype))
    scalars = [
        execute("Cast", (value,), {"DstT": kind}) if isinstance(value, Tensor) and value.dtype is not kind
        else convert_to_tensor(value, kind)
        for value in values
    ]  # fmt: skip
    return execute("Pack", (scalars,), {"axis": 0}, "stack")


def _iterate(tensor: Tensor) -> Iterator[Tensor]:
    if isinstance(tensor, SymbolicTensor):
        raise OperatorNotAllowedInGraphError(
            f"Iterating over a symbolic `tf.Tensor` is not allowed: {tensor!r} has no value while the graph is built. "
            "Decorate the function with @tf.function so that AutoGraph converts the loop, or use tf.unstack."
        )
    if tensor.shape.rank == 0:
        raise TypeError("Cannot iterate over a scalar tensor.")
    return (tensor[i] for i in range(tensor.shape[0]))


Tensor.__getitem__ = getitem
Tensor.__iter__ = _iterate
