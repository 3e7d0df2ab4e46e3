"""ImageProjectiveTransform (V2 and V3): images seen through a projective map, with four ways to fill the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import FLOATS
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# How a coordinate outside [0, size - 1] is brought back, after TensorFlow; `xp` is NumPy or jax.numpy.


def _constant(xp: Any, place: Any, size: int) -> Any:
    return place


def _nearest(xp: Any, place: Any, size: int) -> Any:
    return xp.clip(place, 0, size - 1)


def _reflect(xp: Any, place: Any, size: int) -> Any:
    """[abcd] continues as [dcba|abcd|dcba]."""
    if size <= 1:
        return xp.zeros_like(place)
    period = place.dtype.type(2 * size)
    below = period * xp.trunc(-place / period) + place
    below = xp.where(below < -size, below + period, -below - 1)
    above = place - period * xp.trunc(place / period)
    above = xp.where(above >= size, period - above - 1, above)
    return xp.clip(xp.where(place < 0, below, xp.where(place > size - 1, above, place)), 0, size - 1)


def _wrap(xp: Any, place: Any, size: int) -> Any:
    """[abcd] continues as [abcd|abcd|abcd]."""
    if size <= 1:
        return xp.zeros_like(place)
    below = place + size * (xp.trunc(-place / (size - 1)) + 1)
    above = place - size * xp.trunc(place / (size - 1))
    return xp.clip(xp.where(place < 0, below, xp.where(place > size - 1, above, place)), 0, size - 1)


_FILL_MODES: dict[str, Callable] = {
    "CONSTANT": _constant,
    "NEAREST": _nearest,
    "REFLECT": _reflect,
    "WRAP": _wrap,
}


def _read(xp: Any, images: Any, rows: Any, columns: Any, fill: Any) -> Any:
    """Pixels at whole coordinates [batch, height, width]; `fill` outside the image."""
    height, width = images.shape[1:3]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    y = xp.clip(rows, 0, height - 1).astype(np.int32)
    x = xp.clip(columns, 0, width - 1).astype(np.int32)
    batch = np.arange(images.shape[0]).reshape(-1, 1, 1)
    return xp.where(inside[..., None], images[batch, y, x], fill)


def _rounded(xp: Any, x: Any) -> Any:
    """Halves away from zero, as C rounds."""
    return xp.trunc(x + xp.where(x < 0, x.dtype.type(-0.5), x.dtype.type(0.5)))


def _transform(
    xp: Any,
    images: Any,
    transforms: Any,
    output_shape: Any,
    fill_value: Any,
    *,
    interpolation: str,
    fill_mode: str,
) -> Any:
    if images.ndim != 4:
        raise ValueError(f"images must be 4-dimensional, got {list(images.shape)}")
    if transforms.ndim != 2 or transforms.shape[1] != 8 or transforms.shape[0] not in (1, images.shape[0]):
        raise ValueError(f"transforms must have shape [batch or 1, 8], got {list(transforms.shape)}")
    bring_back = _FILL_MODES.get(fill_mode.upper())
    if bring_back is None or interpolation.upper() not in ("NEAREST", "BILINEAR"):
        raise ValueError(f"invalid interpolation {interpolation!r} or fill_mode {fill_mode!r}")
    height, width = (int(each) for each in static(output_shape))
    kind = np.float64 if images.dtype == np.float64 else np.float32
    a = [transforms[:, i].astype(np.float32).reshape(-1, 1, 1) for i in range(8)]
    y = np.arange(height, dtype=np.float32).reshape(1, -1, 1)
    x = np.arange(width, dtype=np.float32).reshape(1, 1, -1)
    projection = a[6] * x + a[7] * y + np.float32(1)
    visible = projection != 0
    safe = xp.where(visible, projection, np.float32(1))
    rows = bring_back(xp, (a[3] * x + a[4] * y + a[5]) / safe, images.shape[1])
    columns = bring_back(xp, (a[0] * x + a[1] * y + a[2]) / safe, images.shape[2])
    shape = (images.shape[0], height, width)
    rows, columns, visible = (xp.broadcast_to(each, shape) for each in (rows, columns, visible))
    fill = fill_value.astype(images.dtype)
    if interpolation.upper() == "NEAREST":
        result = _read(xp, images, _rounded(xp, rows), _rounded(xp, columns), fill)
    else:
        top, left = xp.floor(rows), xp.floor(columns)
        down, right = (rows - top)[..., None].astype(kind), (columns - left)[..., None].astype(kind)

        def corner(i: int, j: int) -> Any:
            return _read(xp, images, top + i, left + j, fill).astype(kind)

        one = kind(1)
        upper = (one - right) * corner(0, 0) + right * corner(0, 1)
        lower = (one - right) * corner(1, 0) + right * corner(1, 1)
        result = ((one - down) * upper + down * lower).astype(images.dtype)
    return xp.where(visible[..., None], result, fill)


def _shape(call: ShapeCall) -> TensorShape:
    images = call.shape(0)
    if images.rank not in (None, 4):
        raise call.error("images must be 4-dimensional")
    dims = [None] * 4 if images.rank is None else images.as_list()
    size = call.shape_from(2)
    height, width = size.as_list() if size.rank == 2 else (None, None)
    return TensorShape([dims[0], height, width, dims[3]])


def _gradient(op: Any, dy: Tensor) -> list:
    """The image of the gradient under the inverse maps, as TensorFlow approximates it; none for the maps."""
    images, transforms = op.inputs[:2]
    ones = execute("OnesLike", (transforms[:, :1],))
    matrices = execute(
        "Reshape", (execute("ConcatV2", ([transforms, ones], convert_to_tensor(1))), _vector([-1, 3, 3]))
    )
    inverse = execute("Reshape", (execute("MatrixInverse", (matrices,)), _vector([-1, 9])))
    back = (inverse / inverse[:, 8:])[:, :8]
    inputs = [dy, back, shape_of(images)[1:3]]
    if len(op.inputs) == 4:
        inputs.append(convert_to_tensor(0.0))
    return [execute(op.type, inputs, op.attrs), *[None] * (len(op.inputs) - 1)]


def _vector(values: list[int]) -> Tensor:
    return convert_to_tensor(values)


_TYPES = {"dtype": FLOATS | {dtypes.uint8, dtypes.int32, dtypes.int64}}
op(
    "ImageProjectiveTransformV3(images: dtype, transforms: float32, output_shape: int32, fill_value: float32; "
    "interpolation, fill_mode='CONSTANT') -> transformed_images: dtype",
    _transform,
    shape=_shape,
    gradient=_gradient,
    types=_TYPES,
)
op(
    "ImageProjectiveTransformV2(images: dtype, transforms: float32, output_shape: int32; "
    "interpolation, fill_mode='CONSTANT') -> transformed_images: dtype",
    lambda xp, images, transforms, output_shape, **attrs: _transform(
        xp, images, transforms, output_shape, np.float32(0), **attrs
    ),
    shape=_shape,
    gradient=_gradient,
    types=_TYPES,
)
