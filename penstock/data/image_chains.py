"""Operations on an image that run as one loop: decoded or made by any other operation, then resized, divided by a number,
and flipped where a condition says so, as augmenting input pipelines do. `data/row_calls.py` looks for them in functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from penstock.ops.image.codecs import passing_jpeg
from penstock.ops.image.resize_native import ImageResizer
from penstock.runtime.fusion import Uses
from penstock.types import dtypes

_RESIZE = ("ExpandDims", "ResizeBilinear", "Squeeze")


class ImageChain(NamedTuple):
    """Operations in program order: the first makes an image, nothing but the next ones uses it, the last has the result.

    Attributes:
      operations: they. resizer: what those behind the first do.
      condition: the tensor that says whether the image is flipped, or None. flips_if: its value then.
    """

    operations: list
    resizer: ImageResizer
    condition: Any = None
    flips_if: bool = True

    def inputs(self) -> list:
        """What the chain needs: the inputs of the first operation, and the condition if there is one."""
        return [*self.operations[0].inputs, *([] if self.condition is None else [self.condition])]

    def body(self) -> Callable:
        """A function of the values of `inputs` for one element, which gives the result."""
        resized, made, flips_if = self.resizer, self._first(), self.flips_if
        if self.condition is None:
            return lambda *inputs: resized(made(*inputs))
        return lambda *inputs: resized(made(*inputs[:-1]), inputs[-1] == flips_if)

    def body_into(self) -> Callable:
        """As `body`, of an address and those values: the result is put there."""
        into, made, flips_if = self.resizer.into, self._first(), self.flips_if
        if self.condition is None:
            return lambda address, *inputs: into(address, made(*inputs))
        return lambda address, *inputs: into(address, made(*inputs[:-1]), inputs[-1] == flips_if)

    def _first(self) -> Callable:
        """The kernel of the operation that makes the image."""
        first = self.operations[0]
        attrs = first.definition.attrs_for_kernel(first.attrs)
        if first.type == "DecodeJpeg":
            return passing_jpeg(**attrs)
        return functools.partial(first.definition.numpy_body, **attrs)


def _users(operation: Any, uses: Uses) -> list:
    """The operations that use the only result; none where it is wanted outside, or there are more results."""
    return uses.users(operation.outputs[0]) if len(operation.outputs) == 1 else []


def _only_user(operation: Any, kind: str, uses: Uses) -> Any:
    """The operation that alone uses the result, if it is of a kind; else None."""
    found = _users(operation, uses)
    return found[0] if len(found) == 1 and found[0].type == kind else None


def image_chain(first: Any, uses: Uses, value: Callable[[Any], Any]) -> ImageChain | None:
    """The chain that begins with an operation, or None.

    Args:
      value: what a tensor is for all elements, or None.
    """
    operations = [first]
    for kind in _RESIZE:
        following = _only_user(operations[-1], kind, uses)
        if following is None:
            return None
        operations.append(following)
    _, expand, resize, squeeze = operations
    if first.definition.signature.has_list_inputs or not _resizes(expand, resize, squeeze, value):
        return None
    divisor = 1.0
    divide = _only_user(operations[-1], "RealDiv", uses)
    if (
        divide is not None
        and _is_number(divide.inputs[1], value)
        and divide.inputs[0] is not divide.inputs[1]
    ):
        operations.append(divide)
        divisor = float(value(divide.inputs[1]))
    flip = _flip(operations[-1], uses, value)
    height, width = map(int, value(resize.inputs[1]))
    attrs = resize.definition.attrs_for_kernel(resize.attrs)
    axis = 1 if flip is None else flip.axis
    resizer = ImageResizer(height, width, divisor=divisor, axis=axis, **attrs)
    if not resizer.possible:
        return None
    if flip is None:
        return ImageChain(operations, resizer)
    return ImageChain([*operations, *flip.operations], resizer, flip.condition, flip.if_true)


def _resizes(expand: Any, resize: Any, squeeze: Any, value: Callable) -> bool:
    """Whether three operations resize one image to a size that is known."""
    image, axis = expand.inputs
    axis, size = value(axis), value(resize.inputs[1])
    return (
        image.shape.rank == 3
        and image.dtype in (dtypes.uint8, dtypes.float32)
        and axis is not None
        and int(axis) == 0
        and size is not None
        and list(squeeze.attrs["squeeze_dims"]) == [0]
    )


def _is_number(tensor: Any, value: Callable) -> bool:
    found = value(tensor)
    return found is not None and np.shape(found) == ()


class _Flip(NamedTuple):
    """A choice between an image and its reverse."""

    operations: tuple
    axis: int
    condition: Any
    if_true: bool


def _flip(last: Any, uses: Uses, value: Callable) -> _Flip | None:
    """How the result of an operation, [height, width, channels], is flipped; None where it is used in other ways too."""
    users = _users(last, uses)
    both = {each.type: each for each in users}
    if len(users) != 2 or both.keys() != {"ReverseV2", "SelectV2"}:
        return None
    reverse, select = both["ReverseV2"], both["SelectV2"]
    if _only_user(reverse, "SelectV2", uses) is not select:
        return None
    condition, *images = select.inputs
    axes = value(reverse.inputs[1])
    if axes is None or np.size(axes) != 1 or condition.shape.rank != 0 or last.outputs[0].shape.rank != 3:
        return None
    axis = int(np.reshape(axes, ())) % 3
    return None if axis == 2 else _Flip((reverse, select), axis, condition, images[0] is reverse.outputs[0])
