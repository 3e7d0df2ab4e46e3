"""Public resizing: `tf.image.resize` with all its methods, `resize_with_pad`, and the forms of TF 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_shape, constant_value
from penstock.ops.broadcasting import shape_of
from penstock.ops.casting import cast
from penstock.ops.image.batches import as_batch, larger, require, size_along
from penstock.ops.image.crop_pad import pad_to_bounding_box
from penstock.types import dtypes
from penstock.types.tensors import Tensor


@export("image.ResizeMethod", v1=[])
class ResizeMethod:
    """The methods of `tf.image.resize`."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


@export(v1=["image.ResizeMethod"])
class ResizeMethodV1:
    """The methods of TF 1's `image.resize_images`."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


# method -> (op without antialias or None, kernel of ScaleAndTranslate or None).
_METHODS: dict[str, tuple[str | None, str | None]] = {
    "bilinear": ("ResizeBilinear", "triangle"),
    "bicubic": ("ResizeBicubic", "keyscubic"),
    "nearest": ("ResizeNearestNeighbor", None),
    "area": ("ResizeArea", None),
    "lanczos3": (None, "lanczos3"),
    "lanczos5": (None, "lanczos5"),
    "gaussian": (None, "gaussian"),
    "mitchellcubic": (None, "mitchellcubic"),
}
_V1_OPS = {0: "ResizeBilinear", 1: "ResizeNearestNeighbor", 2: "ResizeBicubic", 3: "ResizeArea"}


def _resizer(method: str, antialias: bool) -> Callable[[Tensor, Tensor], Tensor]:
    if method not in _METHODS:
        raise ValueError(f"Resize method is not implemented: {method}")
    plain, kernel = _METHODS[method]
    if plain is not None and (kernel is None or not antialias):
        centers = {} if plain == "ResizeArea" else {"half_pixel_centers": True}
        return lambda images, size: execute(plain, (images, size), centers)

    def resample(images: Tensor, size: Tensor) -> Tensor:
        sizes = shape_of(images)[1:3]
        scale = cast(size, dtypes.float32) / cast(sizes, dtypes.float32)
        attrs = {"kernel_type": kernel, "antialias": antialias}
        zeros = convert_to_tensor([0.0, 0.0])
        return execute("ScaleAndTranslate", (images, size, scale, zeros), attrs)

    return resample


def _size_tensor(size: Any) -> Tensor:
    try:
        tensor = convert_to_tensor(size, None if isinstance(size, Tensor) else dtypes.int32)
    except (TypeError, ValueError):
        raise ValueError("'size' must be a 1-D int32 Tensor") from None
    if tensor.dtype is not dtypes.int32:
        raise ValueError("'size' must be a 1-D int32 Tensor")
    if not tensor.shape.is_compatible_with([2]):
        raise ValueError("'size' must be a 1-D Tensor of 2 elements: new_height, new_width")
    return tensor


def _with_aspect_ratio(size: Tensor, batch: Tensor) -> Tensor:
    """The largest size inside `size` that has the aspect ratio of the images."""
    current = cast(shape_of(batch)[1:3], dtypes.float32)
    factor = execute("Min", (cast(size, dtypes.float32) / current, convert_to_tensor([0])))
    return cast(execute("Round", (current * factor,)), dtypes.int32)


def _resize(
    images: Any, size: Any, resizer: Callable[[Tensor, Tensor], Tensor], keep_ratio: bool, skip_same: bool
) -> Tensor:
    size = _size_tensor(size)

    def resize_batch(batch: Tensor) -> Tensor:
        wanted = _with_aspect_ratio(size, batch) if keep_ratio else size
        if skip_same and (known := constant_value(wanted)) is not None and batch.shape.rank == 4:
            if batch.shape.as_list()[1:3] == known.tolist():
                return batch
        resized = resizer(batch, wanted)
        channels = None if batch.shape.rank is None else batch.shape[3]
        height, width = constant_shape(wanted).as_list()
        resized.set_shape([None, height, width, channels])
        return resized

    try:
        return as_batch(images, resize_batch, "images")
    except ValueError as error:
        if "must have either 3 or 4 dimensions" in str(error):
            raise ValueError("'images' must have either 3 or 4 dimensions.") from None
        raise


@export("image.resize", v1=[])
def resize(
    images: Any,
    size: Any,
    method: str = ResizeMethod.BILINEAR,
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Tensor:
    """Resizes images.

    Args:
      images: `[batch, height, width, channels]` or `[height, width, channels]` of a real dtype.
      size: the new height and width, int32.
      method: "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian" or "mitchellcubic".
      preserve_aspect_ratio: the result is as large as fits into `size` without distortion.
      antialias: when shrinking, the kernel covers all pixels that an output pixel covers (not "nearest" and "area").

    Returns:
      The resized images: float32; for "nearest" the dtype of `images`.

    Raises:
      ValueError: the ranks are wrong or the method is unknown.

    Example:
      >>> import penstock as tf
      >>> tf.image.resize([[[0.0], [4.0]]], [1, 4]).numpy().ravel()
      array([0., 1., 3., 4.], dtype=float32)
    """
    return _resize(images, size, _resizer(method, antialias), preserve_aspect_ratio, skip_same=False)


@export(v1=["image.resize", "image.resize_images"])
def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethodV1.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """TF 1's `image.resize_images`: pixel centers at whole numbers; images of the wanted size stay as they are.

    Args:
      images, size, preserve_aspect_ratio: as in `tf.image.resize`.
      method: a `tf.compat.v1.image.ResizeMethod`, or a name of TF 2.
      align_corners: the corners of input and output have the same centers.
    """
    if method in _V1_OPS:
        op_type = _V1_OPS[method]

        def resizer(batch: Tensor, wanted: Tensor) -> Tensor:
            return execute(op_type, (batch, wanted), {"align_corners": align_corners})

    elif method in _METHODS and _METHODS[method][0] is not None:
        op_type = _METHODS[method][0] or ""

        def resizer(batch: Tensor, wanted: Tensor) -> Tensor:
            return execute(op_type, (batch, wanted), {"align_corners": align_corners})

    else:
        resizer = _resizer(method, False)
    return _resize(images, size, resizer, preserve_aspect_ratio, skip_same=True)


def _resize_with_pad(
    image: Any, target_height: Any, target_width: Any, resize_to: Callable[[Tensor, Any], Tensor]
) -> Tensor:
    def fit(batch: Tensor) -> Tensor:
        require(target_width > 0, "target_width must be > 0.")
        require(target_height > 0, "target_height must be > 0.")
        sizes = [size_along(batch, 1), size_along(batch, 2)]
        targets = [target_height, target_width]
        if any(isinstance(each, Tensor) for each in (*sizes, *targets)):
            new, before = _fitted_tensors(sizes, targets)
        else:
            new, before = _fitted_numbers(sizes, targets)
        return pad_to_bounding_box(resize_to(batch, new), before[0], before[1], target_height, target_width)

    return as_batch(image, fit)


def _fitted_numbers(sizes: list, targets: list) -> tuple[list, list]:
    """The size with the old aspect ratio that fits into the target, and the padding before it, in float32."""
    current, wanted = np.array(sizes, np.float32), np.array(targets, np.float32)
    fitted = current / np.max(current / wanted)
    before = np.maximum(np.floor((wanted - fitted) / np.float32(2)), 0)
    return np.floor(fitted).astype(np.int32).tolist(), before.astype(np.int32).tolist()


def _fitted_tensors(sizes: list, targets: list) -> tuple[list, list]:
    current, wanted = ([cast(each, dtypes.float32) for each in pair] for pair in (sizes, targets))
    ratio = larger(current[0] / wanted[0], current[1] / wanted[1])
    fitted = [each / ratio for each in current]
    new = [cast(execute("Floor", (each,)), dtypes.int32) for each in fitted]
    rest = [cast(execute("Floor", ((a - b) / 2.0,)), dtypes.int32) for a, b in zip(wanted, fitted)]
    return new, [larger(each, 0) for each in rest]


@export("image.resize_with_pad", v1=[])
def resize_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: str = ResizeMethod.BILINEAR,
    antialias: bool = False,
) -> Tensor:
    """Resizes images without distortion to fit into the target, with zeros around them.

    Args:
      image: `[batch, height, width, channels]` or `[height, width, channels]`.
      target_height, target_width: the size of the result.
      method, antialias: as in `tf.image.resize`.

    Returns:
      The resized and padded images.

    Raises:
      ValueError: a size is not positive.

    Example:
      >>> import penstock as tf
      >>> tf.image.resize_with_pad(tf.ones([2, 4, 1]), 4, 4).numpy().squeeze()[:, 0]
      array([0., 1., 1., 0.], dtype=float32)
    """
    return _resize_with_pad(
        image,
        target_height,
        target_width,
        lambda batch, size: resize(batch, size, method, antialias=antialias),
    )


@export(v1=["image.resize_image_with_pad"])
def resize_image_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: Any = ResizeMethodV1.BILINEAR,
    align_corners: bool = False,
) -> Tensor:
    """TF 1's form of `tf.image.resize_with_pad`, which resizes as `resize_images` does."""
    return _resize_with_pad(
        image,
        target_height,
        target_width,
        lambda batch, size: resize_images(batch, size, method, align_corners),
    )


def _v1_op(op_type: str, name: str) -> Callable:
    def resize_op(
        images: Any,
        size: Any,
        align_corners: bool = False,
        name: str | None = None,
        half_pixel_centers: bool = False,
    ) -> Tensor:
        attrs = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
        return execute(op_type, (convert_to_tensor(images), _size_tensor(size)), attrs, name)

    resize_op.__name__ = resize_op.__qualname__ = name
    resize_op.__doc__ = f"Calls the op {op_type} on `[batch, height, width, channels]`."
    return export(v1=[f"image.{name}"])(resize_op)


resize_bilinear = _v1_op("ResizeBilinear", "resize_bilinear")
resize_bicubic = _v1_op("ResizeBicubic", "resize_bicubic")
resize_nearest_neighbor = _v1_op("ResizeNearestNeighbor", "resize_nearest_neighbor")


@export(v1=["image.resize_area"])
def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Tensor:
    """Calls the op ResizeArea on `[batch, height, width, channels]`."""
    inputs = (convert_to_tensor(images), _size_tensor(size))
    return execute("ResizeArea", inputs, {"align_corners": align_corners}, name)
