"""CropAndResize: boxes of images resampled to one size; its gradients for the images and for the boxes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, like_input
from penstock.engine.static_value import static
from penstock.engine.xla import jax, jnp
from penstock.ops.arguments import renamed
from penstock.ops.broadcasting import shape_of
from penstock.ops.casting import cast
from penstock.ops.dtype_sets import REAL
from penstock.types import dtypes
from penstock.types.errors import OutOfRangeError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _places(xp: Any, start: Any, end: Any, size: int, count: int) -> Any:
    """Where the `count` samples of each box stand along an axis [boxes, count]."""
    last = np.float32(size - 1)
    if count == 1:
        return (np.float32(0.5) * (start + end) * last)[:, None]
    step = (end - start) * last / np.float32(count - 1)
    return start[:, None] * last + np.arange(count, dtype=np.float32) * step[:, None]


def _check(images: Any, boxes: Any, box_ind: Any, crop_size: np.ndarray, method: str) -> None:
    if images.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 4 or box_ind.shape != boxes.shape[:1]:
        raise ValueError(
            f"expected images [batch, height, width, depth], boxes [n, 4] and box_ind [n], got {list(images.shape)}, "
            f"{list(boxes.shape)} and {list(box_ind.shape)}"
        )
    if crop_size.shape != (2,) or (crop_size <= 0).any():
        raise ValueError(f"crop dimensions must be two positive numbers, got {crop_size.tolist()}")
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"method must be 'bilinear' or 'nearest', got {method!r}")
    if isinstance(box_ind, np.ndarray) and ((box_ind < 0) | (box_ind >= images.shape[0])).any():
        raise OutOfRangeError(
            None, None, f"CropAndResize: box_index has values outside [0, batch_size): {box_ind.tolist()}"
        )


def _crops(
    xp: Any, images: Any, boxes: Any, box_ind: Any, crop_size: Any, *, method: str, extrapolation_value: float
) -> Any:
    crop_size = static(crop_size)
    _check(images, boxes, box_ind, crop_size, method)
    height, width, depth = images.shape[1:]
    rows = _places(xp, boxes[:, 0], boxes[:, 2], height, int(crop_size[0]))
    columns = _places(xp, boxes[:, 1], boxes[:, 3], width, int(crop_size[1]))
    inside = ((rows >= 0) & (rows <= height - 1))[:, :, None] & ((columns >= 0) & (columns <= width - 1))[
        :, None, :
    ]
    batch = box_ind[:, None, None]

    def pixels(y: Any, x: Any) -> Any:
        y = xp.clip(y, 0, height - 1).astype(np.int32)[:, :, None]
        x = xp.clip(x, 0, width - 1).astype(np.int32)[:, None, :]
        if xp is np:  # one index in place of three
            every_pixel = images.reshape(math.prod(images.shape[:3]), depth)
            places = (batch.astype(np.int64) * height + y) * width + x
            return every_pixel.take(places, 0).astype(np.float32, copy=False)
        return images[batch, y, x].astype(np.float32)

    if method == "nearest":
        crops = pixels(xp.floor(rows + np.float32(0.5)), xp.floor(columns + np.float32(0.5)))
    else:
        top, left, bottom, right = xp.floor(rows), xp.floor(columns), xp.ceil(rows), xp.ceil(columns)
        down, across = (rows - top)[:, :, None, None], (columns - left)[:, None, :, None]
        upper_left, lower_left = pixels(top, left), pixels(bottom, left)
        upper = upper_left + (pixels(top, right) - upper_left) * across
        lower = lower_left + (pixels(bottom, right) - lower_left) * across
        crops = upper + (lower - upper) * down
    if xp is np and inside.all():
        return crops
    return xp.where(inside[..., None], crops, np.float32(extrapolation_value))


def _crops_gradient_image(
    grads: Any, boxes: Any, box_ind: Any, image_size: Any, *, T: Any, method: str
) -> Any:
    size = tuple(int(each) for each in static(image_size))
    crop_size = np.array(grads.shape[1:3])

    def crop(images: Any) -> Any:
        return _crops(jnp, images, boxes, box_ind, crop_size, method=method, extrapolation_value=0.0)

    zeros = jnp.zeros(size, jnp.float32)
    return jax.vjp(crop, zeros)[1](grads)[0].astype(T.as_numpy_dtype)


def _crops_gradient_boxes(grads: Any, images: Any, boxes: Any, box_ind: Any, *, method: str) -> Any:
    crop_size = np.array(grads.shape[1:3])

    def crop(boxes: Any) -> Any:
        return _crops(jnp, images, boxes, box_ind, crop_size, method=method, extrapolation_value=0.0)

    return jax.vjp(crop, boxes)[1](grads)[0]


def _crops_shape(call: ShapeCall) -> TensorShape:
    images, boxes, box_ind = call.shape(0), call.shape(1), call.shape(2)
    for shape, rank, name in ((images, 4, "image"), (boxes, 2, "boxes"), (box_ind, 1, "box_ind")):
        if shape.rank not in (None, rank):
            raise call.error(f"{name} must have rank {rank}")
    counts = [shape.as_list()[0] for shape in (boxes, box_ind) if shape.rank]
    count = next((each for each in counts if each is not None), None)
    size = call.shape_from(3)
    height, width = size.as_list() if size.rank == 2 else (None, None)
    return TensorShape([count, height, width, images.as_list()[3] if images.rank else None])


def _gradient(op: Any, dy: Tensor) -> list:
    images, boxes, box_ind, _ = op.inputs
    d_images = None
    if images.dtype.is_floating:
        attrs = {"T": images.dtype, "method": op.attrs["method"]}
        d_images = execute("CropAndResizeGradImage", (dy, boxes, box_ind, shape_of(images)), attrs)
    d_boxes = execute("CropAndResizeGradBoxes", (dy, images, boxes, box_ind), {"method": "bilinear"})
    return [d_images, d_boxes, None, None]


op(
    "CropAndResize(image: T, boxes: float32, box_ind: int32, crop_size: int32; method='bilinear', "
    "extrapolation_value=0.0) -> crops: float32",
    _crops,
    shape=_crops_shape,
    gradient=_gradient,
    types={"T": REAL},
)
op(
    "CropAndResizeGradImage(grads: float32, boxes: float32, box_ind: int32, image_size: int32; T, method='bilinear') "
    "-> output: T",
    xla=_crops_gradient_image,
    shape=lambda call: call.shape_from(3).with_rank(4),
)
op(
    "CropAndResizeGradBoxes(grads: float32, image: T, boxes: float32, box_ind: int32; method='bilinear') "
    "-> output: float32",
    xla=_crops_gradient_boxes,
    shape=like_input(2),
    types={"T": REAL},
)


@export("image.crop_and_resize", v1=[])
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any,
    crop_size: Any,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    name: str | None = None,
) -> Tensor:
    """Cuts boxes out of images and resizes them to one size.

    Args:
      image: `[batch, height, width, depth]` of a real dtype.
      boxes: `[n, 4]` float32: `[y1, x1, y2, x2]` of each box, 0 and 1 being the first and the last row or column. A box
        with y1 > y2 is turned upside down.
      box_indices: `[n]` int32: the image of each box.
      crop_size: the height and width of the crops.
      method: "bilinear" or "nearest".
      extrapolation_value: what stands outside of the image.

    Returns:
      `[n, crop height, crop width, depth]` float32.

    Raises:
      OutOfRangeError: a box index is out of range.
      InvalidArgumentError: a shape is wrong.

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
      >>> tf.image.crop_and_resize(image, [[0.0, 0.0, 0.5, 0.5]], [0], [2, 2]).numpy().ravel()
      array([0., 1., 3., 4.], dtype=float32)
    """
    inputs = (
        convert_to_tensor(image),
        cast(boxes, dtypes.float32),
        convert_to_tensor(box_indices, dtypes.int32),
        convert_to_tensor(crop_size, dtypes.int32),
    )
    attrs = {"method": method, "extrapolation_value": float(extrapolation_value)}
    return execute("CropAndResize", inputs, attrs, name)


@export(v1=["image.crop_and_resize"])
def crop_and_resize_v1(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """TF 1's form: the indices are named `box_ind` or `box_indices`."""
    indices = renamed(box_indices, box_ind, "box_indices and box_ind")
    return crop_and_resize(image, boxes, indices, crop_size, method, extrapolation_value, name)
