"""Tensor-list ops: the functional lists under `TensorArray`, and the stacks that loop gradients use.

Their kernels are in `tensor_list_kernels.py`; here are signatures, shape rules and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.index_range import IndexRange
from penstock.engine.shape_rules import ShapeCall, scalar
from penstock.ops import tensor_list_kernels as kernels
from penstock.types import dtypes
from penstock.types.shapes import TensorShape


def _element_shape_from(index: int) -> Any:
    return lambda call: call.shape_from(index)


def _stacked_shape(call: ShapeCall) -> TensorShape:
    count = call.attrs.get("num_elements", -1)
    return TensorShape([None if count < 0 else count]).concatenate(_known_element(call, 1))


def _known_element(call: ShapeCall, index: int) -> TensorShape:
    given = call.shape_from(index)
    data = getattr(call.inputs[0], "handle_data", None)
    return (
        given.merge_with(data.shape) if data is not None and given.is_compatible_with(data.shape) else given
    )


def _pop_shapes(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([]), _known_element(call, 1)]


def _unknown_shape() -> Any:
    return convert_to_tensor(-1)


def _shape_operand(tensor: Any) -> Any:
    """The shape of a tensor as a list's element-shape operand."""
    if tensor.shape.is_fully_defined():
        return convert_to_tensor(tensor.shape.as_list(), dtypes.int32)
    return _unknown_shape()


def _attr(call: Any) -> dict:
    return {"element_dtype": call.attrs["element_dtype"]}


def _define(
    signature: str, body: Any, shape: Any, gradient: Any = None, index_range: IndexRange | None = None
) -> None:
    op(signature, numpy=body, xla=body, shape=shape, gradient=gradient, index_range=index_range)


def _elements(message: str) -> IndexRange:
    """Indices of elements: their number is only known where the list is."""

    def sizes(shape: Callable, value: Callable, attrs: dict) -> list[int | None] | None:
        if attrs.get("resize_if_index_out_of_bounds"):
            return None
        dims = shape(0)
        return [dims[0] if dims else None]

    return IndexRange(1, sizes, message)


_define(
    "TensorListReserve(element_shape: shape_type, num_elements: int32; element_dtype) -> handle: variant",
    kernels.reserve, scalar, lambda call, dh: [None, None],
)  # fmt: skip
_define(
    "EmptyTensorList(element_shape: shape_type, max_num_elements: int32; element_dtype) -> handle: variant",
    kernels.empty, scalar, lambda call, dh: [None, None],
)  # fmt: skip
_define(
    "TensorListPushBack(input_handle: variant, tensor: element_dtype; element_dtype) -> output_handle: variant",
    kernels.push,
    scalar,
    lambda call, dh: execute("TensorListPopBack", (dh, _shape_operand(call.inputs[1])), _attr(call)),
)


def _pop_gradient(call: Any, dhandle: Any, dtensor: Any) -> list:
    if dhandle is None:
        dhandle = execute("TensorListZerosLike", (call.outputs[0],), None)
    if dtensor is None:
        dtensor = execute("ZerosLike", (call.outputs[1],), None)
    return [execute("TensorListPushBack", (dhandle, dtensor), _attr(call)), None]


_pop_gradient.accepts_none = True  # type: ignore[attr-defined]

_define(
    "TensorListPopBack(input_handle: variant, element_shape: int32; element_dtype) "
    "-> (output_handle: variant, tensor: element_dtype)",
    kernels.pop, _pop_shapes, _pop_gradient,
)  # fmt: skip


def _set_gradient(call: Any, dh: Any) -> list:
    _, index, item = call.inputs
    ditem = execute("TensorListGetItem", (dh, index, _shape_operand(item)), _attr(call))
    if call.attrs.get("_writes_once"):  # in a loop: nothing wrote this element before
        return [dh, None, ditem]
    zero = execute("ZerosLike", (item,), None)
    rest = execute("TensorListSetItem", (dh, index, zero), _attr(call))
    return [rest, None, ditem]


_define(
    "TensorListSetItem(input_handle: variant, index: int32, item: element_dtype; element_dtype, "
    "resize_if_index_out_of_bounds=False) -> output_handle: variant",
    kernels.set_item, scalar, _set_gradient, _elements("Tried to write to index {value} of a list of {size} elements."),
)  # fmt: skip
_define(
    "TensorListGetItem(input_handle: variant, index: int32, element_shape: Tshape; element_dtype) "
    "-> item: element_dtype",
    kernels.get_item,
    lambda call: _known_element(call, 2),
    lambda call, dx: [
        execute("TensorListItemGradient", (call.inputs[0], call.inputs[1], dx), None),
        None,
        None,
    ],
    _elements("Trying to access element {value} in a list with {size} elements."),
)
_define(
    "TensorListStack(input_handle: variant, element_shape: int32; element_dtype, num_elements=-1) -> tensor: element_dtype",
    kernels.stack,
    _stacked_shape,
    lambda call, dx: [
        execute("TensorListFromTensor", (dx, _shape_operand_after_first(dx)), _attr(call)),
        None,
    ],
)
_define(
    "TensorListFromTensor(tensor: element_dtype, element_shape: shape_type; element_dtype) -> output_handle: variant",
    kernels.from_tensor,
    scalar,
    lambda call, dh: [
        execute("TensorListStack", (dh, _shape_operand_after_first(call.inputs[0])), _from_attrs(call)), None
    ],
)  # fmt: skip


def _from_attrs(call: Any) -> dict:
    count = call.inputs[0].shape[0] if call.inputs[0].shape.rank else None
    return {"element_dtype": call.inputs[0].dtype, "num_elements": -1 if count is None else count}


def _shape_operand_after_first(tensor: Any) -> Any:
    shape = tensor.shape
    if shape.rank is None or any(dim is None for dim in shape.as_list()[1:]):
        return _unknown_shape()
    return convert_to_tensor(shape.as_list()[1:], dtypes.int32)


_define(
    "TensorListLength(input_handle: variant) -> length: int32",
    kernels.length,
    scalar,
    lambda call, dx: [None],
)
_define(
    "TensorListResize(input_handle: variant, size: int32) -> output_handle: variant",
    kernels.resize,
    scalar,
    lambda call, dh: [
        execute("TensorListResize", (dh, execute("TensorListLength", (call.inputs[0],), None)), None), None
    ],
)  # fmt: skip
_define(
    "TensorListGather(input_handle: variant, indices: int32, element_shape: int32; element_dtype) -> values: element_dtype",
    kernels.gather,
    lambda call: TensorShape([call.shape(1)[0] if call.shape(1).rank else None]).concatenate(
        _known_element(call, 2)
    ),
    lambda call, dx: [
        execute(
            "TensorListScatterV2",
            (dx, call.inputs[1], call.inputs[2], execute("TensorListLength", (call.inputs[0],), None)),
            _attr(call),
        ),
        None,
        None,
    ],
)
_define(
    "TensorListScatterV2(tensor: element_dtype, indices: int32, element_shape: shape_type, num_elements: int32; "
    "element_dtype) -> output_handle: variant",
    kernels.scatter,
    scalar,
    lambda call, dh: [
        execute("TensorListGather", (dh, call.inputs[1], _shape_operand_after_first(call.inputs[0])), _attr(call)),
        None, None, None,
    ],
)  # fmt: skip
_define(
    "TensorListScatterIntoExistingList(input_handle: variant, tensor: element_dtype, indices: int32; element_dtype) "
    "-> output_handle: variant",
    kernels.scatter_into,
    scalar,
    lambda call, dh: [
        execute(
            "TensorListScatterIntoExistingList",
            (dh, execute("ZerosLike", (call.inputs[1],), None), call.inputs[2]),
            _attr(call),
        ),
        execute(
            "TensorListGather", (dh, call.inputs[2], _shape_operand_after_first(call.inputs[1])), _attr(call)
        ),
        None,
    ],
)
_define(
    "TensorListConcatV2(input_handle: variant, element_shape: shape_type, leading_dims: int64; element_dtype) "
    "-> (tensor: element_dtype, lengths: int64)",
    kernels.concat,
    lambda call: [
        TensorShape([None]).concatenate(shape[1:]) if (shape := call.shape_from(1)).rank else TensorShape(None),
        TensorShape([None]),
    ],
    lambda call, dx, dl: [
        execute("TensorListSplit", (dx, call.inputs[1], call.outputs[1]), _attr(call)), None, None
    ],
)  # fmt: skip
_define(
    "TensorListSplit(tensor: element_dtype, element_shape: shape_type, lengths: int64; element_dtype) "
    "-> output_handle: variant",
    kernels.split,
    scalar,
    lambda call, dh: [
        execute("TensorListConcatV2", (dh, call.inputs[1], convert_to_tensor([], dtypes.int64)), _attr(call))[0],
        None, None,
    ],
)  # fmt: skip
_define(
    "TensorListElementShape(input_handle: variant; shape_type) -> element_shape: shape_type",
    lambda handle, *, shape_type: np.array(handle.element_shape.as_list(), shape_type.as_numpy_dtype),
    lambda call: TensorShape([None]),
)


def _item_of(gradient: Any, call: Any) -> Any:
    """The element of a list's gradient that belongs to the item (input 2) of a call."""
    _, index, item = call.inputs
    return execute(
        "TensorListGetItem", (gradient, index, _shape_operand(item)), {"element_dtype": item.dtype}
    )


# Not in TensorFlow's registry: the gradient of reading one element, and its sum with a list, without a full add.
_define(
    "TensorListItemGradient(input_handle: variant, index: int32, item: T) -> output_handle: variant",
    kernels.item_gradient,
    scalar,
    lambda call, dh: [None, None, _item_of(dh, call)],
)
_define(
    "TensorListAddItem(input_handle: variant, index: int32, item: T) -> output_handle: variant",
    kernels.add_item,
    scalar,
    lambda call, dh: [dh, None, _item_of(dh, call)],
)
_define(
    "TensorListZerosLike(input_handle: variant) -> output_handle: variant",
    kernels.zeros_like,
    scalar,
    lambda call, dh: [None],
)
_define(
    "TensorListAdd(a: variant, b: variant) -> output_handle: variant",
    kernels.add,
    scalar,
    lambda call, dh: [dh, dh],
)


def add_lists(a: Any, b: Any) -> Any:
    """The sum of two gradients of a list; one that touches a single element is added in place."""
    for total, single in ((a, b), (b, a)):
        source = (
            getattr(single, "op", None)
            if hasattr(single, "value_index") and not hasattr(single, "_np")
            else None
        )
        if source is not None and source.type == "TensorListItemGradient":
            return execute("TensorListAddItem", (total, source.inputs[1], source.inputs[2]), None)
    return execute("TensorListAdd", (a, b), None)
