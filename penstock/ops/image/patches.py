"""Patches of images and volumes (ExtractImagePatches, ExtractVolumePatches), and filters over images made of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import renamed
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import BOOL, NUMBERS, REAL
from penstock.ops.nn.conv_ops import known_dims
from penstock.ops.windows import Layout, Windows, layout, spatial_windows
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_FORMATS = {4: "NHWC", 5: "NDHWC"}


def _geometry(rank: int, attrs: dict) -> tuple[Layout, Windows]:
    ksizes = list(attrs["ksizes"])
    if len(ksizes) != rank:
        raise ValueError(f"input must have rank {len(ksizes)}, got {rank}")
    form = layout(_FORMATS[rank])
    if ksizes[0] != 1 or ksizes[-1] != 1:
        raise ValueError(f"only support ksizes across space, got {ksizes}")
    window = {"strides": attrs["strides"], "dilations": attrs.get("rates"), "padding": attrs["padding"]}
    return form, spatial_windows(window, ksizes[1:-1], form)


def _patches_shape(call: ShapeCall) -> TensorShape:
    rank = len(call.attrs["ksizes"])
    dims = known_dims(call.shape(0), rank)
    form, window = _geometry(len(dims), call.attrs)
    depth = None if dims[-1] is None else dims[-1] * int(np.prod(window.size))
    return TensorShape([dims[0], *window.output_sizes(form.take_spatial(dims)), depth])


def _extract(xp: Any, x: Any, **attrs: Any) -> Any:
    form, window = _geometry(x.ndim, attrs)
    sizes = form.take_spatial(x.shape)
    outputs = window.output_sizes(sizes)
    padded = xp.pad(x, [(0, 0), *window.pads(sizes), (0, 0)])
    pieces = []
    for offsets in itertools.product(*(range(size) for size in window.size)):
        starts = [offset * rate for offset, rate in zip(offsets, window.dilations)]
        place = [
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(starts, outputs, window.strides)
        ]
        pieces.append(padded[(slice(None), *place)])
    return xp.concatenate(pieces, axis=-1)


def _extract_gradient(op: Any, dy: Tensor) -> Tensor:
    """Adds what each patch got back to the pixels that it came from.

    Patches of the pixels' numbers (0 outside the image) say where that is.
    """
    (images,) = op.inputs
    shape = shape_of(images)
    batch, spatial, depth = shape[:1], shape[1:-1], shape[-1:]
    one, rest = convert_to_tensor([1]), convert_to_tensor([-1])
    count = execute("Prod", (spatial, convert_to_tensor([0])))

    def joined(*parts: Tensor) -> Tensor:
        return execute("ConcatV2", (list(parts), convert_to_tensor(0)))

    numbers = execute("Range", (convert_to_tensor(1), count + 1, convert_to_tensor(1)))
    numbers = execute(op.type, (execute("Reshape", (numbers, joined(one, spatial, one))),), op.attrs)
    places = execute("Reshape", (numbers, rest))
    swap = convert_to_tensor([1, 0, 2])
    rows = execute("Transpose", (execute("Reshape", (dy, joined(batch, rest, depth))), swap))
    sums = execute("UnsortedSegmentSum", (rows, places, count + 1))
    return execute("Reshape", (execute("Transpose", (sums[1:], swap)), shape))


op(
    "ExtractImagePatches(images: T; ksizes, strides, rates, padding) -> patches: T",
    _extract, shape=_patches_shape, gradient=_extract_gradient, types={"T": NUMBERS | BOOL},
)  # fmt: skip
op(
    "ExtractVolumePatches(input: T; ksizes, strides, padding) -> patches: T",
    _extract, shape=_patches_shape, gradient=_extract_gradient, types={"T": REAL},
)  # fmt: skip


@export("image.extract_patches")
def extract_patches(
    images: Any,
    sizes: Sequence[int],
    strides: Sequence[int],
    rates: Sequence[int],
    padding: str,
    name: str | None = None,
) -> Tensor:
    """Patches of images, each flattened into the channels.

    Args:
      images: `[batch, rows, columns, depth]`.
      sizes: `[1, rows, columns, 1]`: the size of a patch.
      strides: `[1, rows, columns, 1]`: how far apart patches are.
      rates: `[1, rows, columns, 1]`: how far apart the pixels of a patch are.
      padding: "VALID" (patches lie inside the image) or "SAME" (zeros around it).

    Returns:
      `[batch, patch rows, patch columns, size rows * size columns * depth]` of the dtype of `images`.

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(9), [1, 3, 3, 1])
      >>> tf.image.extract_patches(image, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")[0, 0, 0].numpy()
      array([0, 1, 3, 4], dtype=int32)
    """
    attrs = {"ksizes": list(sizes), "strides": list(strides), "rates": list(rates), "padding": padding}
    return execute("ExtractImagePatches", (convert_to_tensor(images),), attrs, name)


@export(v1=["image.extract_image_patches", "extract_image_patches"])
def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """TF 1's form of `tf.image.extract_patches`: the sizes are named `ksizes` or `sizes`."""
    return extract_patches(images, renamed(sizes, ksizes, "sizes and ksizes"), strides, rates, padding, name)


@export("extract_volume_patches")
def extract_volume_patches(
    input: Any, ksizes: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None
) -> Tensor:
    """Patches of volumes `[batch, planes, rows, columns, depth]`, each flattened into the channels.

    Args:
      input: a tensor of rank 5.
      ksizes: `[1, planes, rows, columns, 1]`: the size of a patch.
      strides: `[1, planes, rows, columns, 1]`: how far apart patches are.
      padding: "VALID" or "SAME".
    """
    attrs = {"ksizes": list(ksizes), "strides": list(strides), "padding": padding}
    return execute("ExtractVolumePatches", (convert_to_tensor(input),), attrs, name)


@export("image.sobel_edges")
def sobel_edges(image: Any) -> Tensor:
    """The gradients of images by Sobel filters.

    Args:
      image: `[batch, height, width, depth]` of a floating dtype.

    Returns:
      `[batch, height, width, depth, 2]`: the change along the height and along the width.

    Example:
      >>> import penstock as tf
      >>> ramp = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
      >>> tf.image.sobel_edges(ramp)[0, 1, 1, 0].numpy()
      array([24.,  8.], dtype=float32)
    """
    image = convert_to_tensor(image)
    static_shape = image.shape
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    depth = static_shape[-1]
    if depth is None:
        raise ValueError("sobel_edges: the number of channels must be known")
    filters = np.tile(np.stack([down, down.T], -1)[:, :, None, :], [1, 1, depth, 1])
    border = convert_to_tensor([[0, 0], [1, 1], [1, 1], [0, 0]])
    padded = execute("MirrorPad", (image, border), {"mode": "REFLECT"})
    attrs = {"strides": [1, 1, 1, 1], "padding": "VALID"}
    edges = execute("DepthwiseConv2dNative", (padded, convert_to_tensor(filters, image.dtype)), attrs)
    edges = execute(
        "Reshape",
        (edges, execute("ConcatV2", ([shape_of(image), convert_to_tensor([2])], convert_to_tensor(0)))),
    )
    edges.set_shape(static_shape.concatenate([2]))
    return edges


@export("image.image_gradients")
def image_gradients(image: Any) -> tuple[Tensor, Tensor]:
    """The differences `(dy, dx)` of each pixel to the next row and to the next column; zero in the last ones.

    Args:
      image: `[batch, height, width, depth]`.

    Returns:
      Two tensors of the shape and dtype of `image`.

    Raises:
      ValueError: the rank is not 4.

    Example:
      >>> import penstock as tf
      >>> dy, dx = tf.image.image_gradients(tf.reshape(tf.range(4.0), [1, 2, 2, 1]))
      >>> dy.numpy().ravel(), dx.numpy().ravel()
      (array([2., 2., 0., 0.], dtype=float32), array([1., 0., 1., 0.], dtype=float32))
    """
    image = convert_to_tensor(image)
    if image.shape.rank != 4:
        raise ValueError(f"image_gradients expects a 4D tensor [batch_size, h, w, d], not {image.shape}.")
    dy, dx = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    down, right = ([[0, 0], [0, 1], [0, 0], [0, 0]], [[0, 0], [0, 0], [0, 1], [0, 0]])
    return execute("Pad", (dy, convert_to_tensor(down))), execute("Pad", (dx, convert_to_tensor(right)))


@export("image.total_variation")
def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of the absolute differences of neighbouring pixels: a measure of noise.

    Args:
      images: `[batch, height, width, channels]` or `[height, width, channels]`.

    Returns:
      One number for each image, of the dtype of `images`.

    Raises:
      ValueError: the rank is not 3 or 4.

    Example:
      >>> import penstock as tf
      >>> tf.image.total_variation([[[1.0], [4.0]], [[1.0], [2.0]]]).numpy()
      np.float32(6.0)
    """
    images = convert_to_tensor(images)
    rank = images.shape.rank
    if rank not in (3, 4):
        raise ValueError("'images' must be either 3 or 4-dimensional.")
    rows = rank - 3
    axes = convert_to_tensor(list(range(rows, rank)))

    def variation(axis: int) -> Tensor:
        lead = (slice(None),) * axis
        difference = images[(*lead, slice(1, None))] - images[(*lead, slice(None, -1))]
        return execute("Sum", (execute("Abs", (difference,)), axes))

    return execute("AddV2", (variation(rows), variation(rows + 1)), None, name)
