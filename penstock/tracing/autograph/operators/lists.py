"""Lists in converted code, where `Feature.LISTS` is on: a list that grows in a graph loop is a TensorArray there.

Outside graph loops a list stays a Python list. Tensor-list variants (`tf.raw_ops.EmptyTensorList`) are lists as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_tensor, is_tensor_array, is_tensor_list
from penstock.types import dtypes
from penstock.types.tensors import Tensor


class GrowingList(list):
    """A list that converted code made, and that a graph loop may replace with a TensorArray."""


class EmptyGraphList:
    """Stands for an empty list in a graph loop, until the first append tells what its elements are."""


def new_list(elements: Iterable[Any] = ()) -> list:
    """The value of a list display."""
    return GrowingList(elements)


def staged(value: Any) -> Any:
    """A loop's variable before the loop: lists that converted code made become lists of the graph."""
    if not isinstance(value, GrowingList):
        return value
    if not value:
        return EmptyGraphList()
    tensors = [convert_to_tensor(each) for each in value]
    array = empty_array(tensors[0])
    for index, each in enumerate(tensors):
        array = array.write(index, each)
    return array


def empty_array(element: Any) -> Any:
    """An empty TensorArray for elements like `element`, or like those of the TensorArray `element`."""
    shape = element.element_shape if is_tensor_array(element) else element.shape
    return tf.TensorArray(element.dtype, size=0, dynamic_size=True, element_shape=shape)


def list_append(list_: Any, element: Any) -> Any:
    """Runs `list_.append(element)` and returns the list that `list_` is from now on.

    Raises:
      ValueError: `list_` is a tensor, but not a list of tensors.
    """
    if isinstance(list_, EmptyGraphList):
        element = convert_to_tensor(element)
        return empty_array(element).write(0, element)
    if is_tensor_array(list_):
        return list_.write(list_.size(), element)
    if isinstance(list_, Tensor):
        _check_is_list(list_)
        element = convert_to_tensor(element)
        return execute("TensorListPushBack", [list_, element], {"element_dtype": element.dtype})
    list_.append(element)
    return list_


class ListPopOpts(NamedTuple):
    """What is known of the elements of a tensor list."""

    element_dtype: Any
    element_shape: Any


def list_pop(list_: Any, index: Any, opts: ListPopOpts) -> tuple[Any, Any]:
    """Runs `list_.pop(index)`, or `list_.pop()` where `index` is None.

    Returns:
      The list that `list_` is from now on, and the element.

    Raises:
      ValueError: `list_` is a tensor but not a list of tensors, or what it holds is not known.
      NotImplementedError: an element other than the last is to be taken from a tensor list.
    """
    if is_tensor_array(list_):
        if index is not None:
            raise NotImplementedError("graph lists only support removing from the end")
        last = list_.size() - 1
        return empty_array(list_).unstack(list_.gather(tf.range(last))), list_.read(last)
    if isinstance(list_, Tensor):
        _check_is_list(list_)
        if index is not None:
            raise NotImplementedError("tensor lists only support removing from the end")
        if opts.element_dtype is None or opts.element_shape is None:
            raise ValueError("cannot pop from a list without knowing its element type and shape")
        rest, element = execute(
            "TensorListPopBack",
            [list_, convert_to_tensor(opts.element_shape, dtypes.int32)],
            {"element_dtype": dtypes.as_dtype(opts.element_dtype)},
        )
        return rest, element
    return list_, list_.pop() if index is None else list_.pop(index)


class ListStackOpts(NamedTuple):
    """What is known of the elements of a tensor list, and the function that the program called."""

    element_dtype: Any
    original_call: Callable[[Any], Any]


def list_stack(list_: Any, opts: ListStackOpts) -> Any:
    """Runs `stack(list_)`: the elements of a list of tensors as one tensor.

    Raises:
      ValueError: the element type of a tensor list is not known.
    """
    if is_tensor_array(list_):
        return list_.stack()
    if is_tensor_list(list_):
        if opts.element_dtype is None:
            raise ValueError("cannot stack a list without knowing its element type")
        return execute(
            "TensorListStack",
            [list_, convert_to_tensor(-1, dtypes.int32)],
            {"element_dtype": dtypes.as_dtype(opts.element_dtype)},
        )
    return list_ if is_tensor(list_) else opts.original_call(list_)


def _check_is_list(tensor: Tensor) -> None:
    if not is_tensor_list(tensor):
        raise ValueError(
            f"tensor lists are expected to be Tensors with dtype=tf.variant, instead found {tensor}"
        )
