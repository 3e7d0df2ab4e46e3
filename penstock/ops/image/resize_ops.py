"""The resize ops (nearest, bilinear, bicubic, area, ScaleAndTranslate) and their gradient ops.

All but nearest give float32 whatever they take. Each is a product of two linear maps, one along each spatial axis; see
`image.resampling`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import REGISTRY, op, stops
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import FLOATS, REAL
from penstock.ops.image.resampling import (
    apply_along,
    area_matrix,
    bicubic_matrix,
    bilinear_matrix,
    kernel_matrix,
    nearest_indices,
    nearest_matrix,
)
from penstock.ops.image.resize_native import resample, resize_bilinear
from penstock.types import dtypes
from penstock.types.shapes import TensorShape

_IMAGES = REAL - {dtypes.uint32, dtypes.uint64}
_ATTRS = "align_corners=False, half_pixel_centers=False"


def _sizes(size: Any) -> tuple[int, int]:
    values = static(size)
    if values.shape != (2,):
        raise ValueError(
            f"size must be a vector of 2 elements: new_height, new_width; got shape {list(values.shape)}"
        )
    if (values <= 0).any():
        raise ValueError(f"output dimensions must be positive, got {values.tolist()}")
    return int(values[0]), int(values[1])


def _check(images: Any, **attrs: Any) -> None:
    if images.ndim != 4:
        raise ValueError(f"input must be 4-dimensional, got {list(images.shape)}")
    if attrs.get("half_pixel_centers") and attrs.get("align_corners"):
        raise ValueError("If half_pixel_centers is True, align_corners must be False.")
    if 0 in images.shape[1:3]:
        raise ValueError(f"input image must be of non-zero size, got {list(images.shape)}")


def _resized_shape(call: ShapeCall) -> TensorShape:
    images = call.shape(0)
    if images.rank not in (None, 4):
        raise call.error("input must be 4-dimensional")
    size = call.shape_from(1)
    height, width = size.as_list() if size.rank == 2 else (None, None)
    dims = [None] * 4 if images.rank is None else images.as_list()
    return TensorShape([dims[0], height, width, dims[3]])


def _original_shape(call: ShapeCall) -> TensorShape:
    """A gradient has the size of the original image; batch and channels are those of the gradient that came in, too."""
    grads, original = call.shape(0).with_rank(4).as_list(), call.shape(1).with_rank(4)
    try:
        return original.merge_with([grads[0], None, None, grads[3]])
    except ValueError:
        raise call.error("grads and original_image must have the same batch size and channels") from None


def _check_gradient(grads: Any, original: Any) -> None:
    if grads.ndim != 4 or grads.shape[::3] != original.shape[::3]:
        raise ValueError(
            f"grads of shape {list(grads.shape)} do not fit images of shape {list(original.shape)}"
        )


def _mapped(xp: Any, x: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """Images mapped by matrices: rows first, as long ones are quick to add, and as TensorFlow rounds."""
    mapped = resample(x, rows, columns) if xp is np else None
    return apply_along(xp, apply_along(xp, x, 1, rows), 2, columns) if mapped is None else mapped


def _separable(matrix: Callable[..., np.ndarray]) -> Callable:
    """The kernel of a resize op, from the matrix of one axis."""

    def kernel(xp: Any, images: Any, size: Any, **attrs: Any) -> Any:
        _check(images, **attrs)
        height, width = _sizes(size)
        x = images.astype(np.float32, copy=False)
        rows, columns = matrix(images.shape[1], height, **attrs), matrix(images.shape[2], width, **attrs)
        if matrix is bilinear_matrix:  # the native function goes through the columns first
            return apply_along(xp, apply_along(xp, x, 2, columns), 1, rows)
        return _mapped(xp, x, rows, columns)

    return kernel


def _separable_gradient(matrix: Callable[..., np.ndarray]) -> Callable:
    """The kernel of a gradient op: the transposed maps, to the size and dtype of the original image."""

    def kernel(xp: Any, grads: Any, original: Any, **attrs: Any) -> Any:
        _check(original, **attrs)
        _check_gradient(grads, original)
        height, width = grads.shape[1:3]
        dy = apply_along(xp, grads, 1, matrix(original.shape[1], height, **attrs).T)
        return apply_along(xp, dy, 2, matrix(original.shape[2], width, **attrs).T).astype(original.dtype)

    return kernel


def _define(name: str, matrix: Callable[..., np.ndarray], gradient_types: frozenset) -> None:
    def gradient(op: Any, dy: Any) -> list:
        images = op.inputs[0]
        if images.dtype not in gradient_types:
            return [None, None]
        return [execute(f"{name}Grad", (dy, images), op.attrs), None]

    def second_gradient(op: Any, ddx: Any) -> list:
        grads, original = op.inputs
        size = shape_of(grads)[1:3]
        return [execute(name, (ddx, size), op.attrs), execute("ZerosLike", (original,))]

    op(
        f"{name}(images: T, size: int32; {_ATTRS}) -> resized_images: float32",
        _separable(matrix), shape=_resized_shape, gradient=gradient, types={"T": _IMAGES},
    )  # fmt: skip
    op(
        f"{name}Grad(grads: float32, original_image: T; {_ATTRS}) -> output: T",
        _separable_gradient(matrix), shape=_original_shape, gradient=second_gradient, types={"T": gradient_types},
    )  # fmt: skip


_define("ResizeBilinear", bilinear_matrix, FLOATS)


@REGISTRY["ResizeBilinear"].numpy
def _(images: np.ndarray, size: Any, **attrs: Any) -> np.ndarray:
    _check(images, **attrs)
    resized = resize_bilinear(images, *_sizes(size), **attrs)
    return _separable(bilinear_matrix)(np, images, size, **attrs) if resized is None else resized


_define("ResizeBicubic", bicubic_matrix, frozenset({dtypes.float32, dtypes.float64}))
op(
    "ResizeArea(images: T, size: int32; align_corners=False) -> resized_images: float32",
    _separable(area_matrix), shape=_resized_shape, gradient=stops, types={"T": _IMAGES},
)  # fmt: skip


# Nearest takes pixels as they are.


def _nearest(xp: Any, images: Any, size: Any, **attrs: Any) -> Any:
    _check(images, **attrs)
    height, width = _sizes(size)
    x = xp.take(images, nearest_indices(images.shape[1], height, **attrs), axis=1)
    return xp.take(x, nearest_indices(images.shape[2], width, **attrs), axis=2)


def _nearest_gradient(xp: Any, grads: Any, size: Any, **attrs: Any) -> Any:
    _check(grads, **attrs)
    height, width = _sizes(size)
    dy = apply_along(xp, grads, 1, nearest_matrix(height, grads.shape[1], **attrs).T)
    return apply_along(xp, dy, 2, nearest_matrix(width, grads.shape[2], **attrs).T)


op(
    f"ResizeNearestNeighbor(images: T, size: int32; {_ATTRS}) -> resized_images: T",
    _nearest,
    shape=_resized_shape,
    gradient=lambda op, dy: [
        execute("ResizeNearestNeighborGrad", (dy, shape_of(op.inputs[0])[1:3]), op.attrs),
        None,
    ],
    types={"T": _IMAGES},
)
op(
    f"ResizeNearestNeighborGrad(grads: T, size: int32; {_ATTRS}) -> output: T",
    _nearest_gradient,
    shape=_resized_shape,
    gradient=lambda op, ddx: [
        execute("ResizeNearestNeighbor", (ddx, shape_of(op.inputs[0])[1:3]), op.attrs),
        None,
    ],
    types={"T": FLOATS | {dtypes.uint8, dtypes.int8, dtypes.int32}},
)


# ScaleAndTranslate: any kernel, any place.


def _kernel_matrices(
    shape: tuple, sizes: tuple, scale: Any, translation: Any, kernel_type: str, antialias: bool
) -> list:
    scale, translation = static(scale), static(translation)
    for name, values in (("scale", scale), ("translation", translation)):
        if values.shape != (2,):
            raise ValueError(f"{name} must be a vector of 2 elements, got shape {list(values.shape)}")
    return [
        kernel_matrix(shape[axis + 1], sizes[axis], scale[axis], translation[axis], kernel_type, antialias)
        for axis in (0, 1)
    ]


def _scale_and_translate(
    xp: Any, images: Any, size: Any, scale: Any, translation: Any, *, kernel_type: str, antialias: bool
) -> Any:
    _check(images)
    rows, columns = _kernel_matrices(images.shape, _sizes(size), scale, translation, kernel_type, antialias)
    return _mapped(xp, images.astype(np.float32, copy=False), rows, columns)


def _scale_and_translate_gradient(
    xp: Any, grads: Any, original: Any, scale: Any, translation: Any, *, kernel_type: str, antialias: bool
) -> Any:
    _check(original)
    _check_gradient(grads, original)
    rows, columns = _kernel_matrices(
        original.shape, grads.shape[1:3], scale, translation, kernel_type, antialias
    )
    return apply_along(xp, apply_along(xp, grads, 1, rows.T), 2, columns.T)


def _scale_gradient(op: Any, dy: Any) -> list:
    images, _, scale, translation = op.inputs
    if images.dtype is not dtypes.float32:
        images = execute("Cast", (images,), {"DstT": dtypes.float32})
    dx = execute("ScaleAndTranslateGrad", (dy, images, scale, translation), op.attrs)
    if op.inputs[0].dtype.is_floating and op.inputs[0].dtype is not dtypes.float32:
        dx = execute("Cast", (dx,), {"DstT": op.inputs[0].dtype})
    return [dx if op.inputs[0].dtype.is_floating else None, None, None, None]


def _scale_second_gradient(op: Any, ddx: Any) -> list:
    grads, original, scale, translation = op.inputs
    size = shape_of(grads)[1:3]
    return [
        execute("ScaleAndTranslate", (ddx, size, scale, translation), op.attrs),
        execute("ZerosLike", (original,)),
        None,
        None,
    ]


_KERNEL = "kernel_type='lanczos3', antialias=True"
op(
    f"ScaleAndTranslate(images: T, size: int32, scale: float32, translation: float32; {_KERNEL}) "
    "-> resized_images: float32",
    _scale_and_translate,
    shape=_resized_shape,
    gradient=_scale_gradient,
    types={"T": _IMAGES},
)
op(
    f"ScaleAndTranslateGrad(grads: T, original_image: T, scale: float32, translation: float32; {_KERNEL}) -> output: T",
    _scale_and_translate_gradient,
    shape=_original_shape,
    gradient=_scale_second_gradient,
    types={"T": frozenset({dtypes.float32})},
)
