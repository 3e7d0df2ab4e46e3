"""Drawing boxes on images, on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.types import dtypes
from penstock.types.tensors import Tensor

# The colors that boxes take in turn where none are given: TensorFlow's table (RGBA).
_COLORS = np.array(
    [
        [1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0.5, 0, 1],
        [0.5, 0, 0, 1], [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1],
    ],
    np.float32,
)  # fmt: skip


def _draw(images: np.ndarray, boxes: np.ndarray, colors: np.ndarray | None = None) -> np.ndarray:
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise ValueError(f"images must be [batch, height, width, 1, 3 or 4], got {list(images.shape)}")
    if boxes.ndim != 3 or boxes.shape[2] != 4 or boxes.shape[0] != images.shape[0]:
        raise ValueError(f"boxes must be [batch, n, 4] for {images.shape[0]} images, got {list(boxes.shape)}")
    depth = images.shape[3]
    if colors is None or colors.size == 0:
        colors = np.ones((len(_COLORS), 1), np.float32) if depth == 1 else _COLORS
    if colors.shape[1] < depth:
        raise ValueError(f"colors must have at least {depth} channels, got {list(colors.shape)}")
    height, width = images.shape[1:3]
    drawn = images.copy()
    for image, its_boxes in zip(drawn, boxes):
        for number, box in enumerate(its_boxes):
            color = colors[number % len(colors), :depth].astype(images.dtype)
            top, bottom = (int(box[i] * np.float32(height - 1)) for i in (0, 2))
            left, right = (int(box[i] * np.float32(width - 1)) for i in (1, 3))
            if top > bottom or left > right or top >= height or bottom < 0 or left >= width or right < 0:
                continue
            rows = slice(max(top, 0), min(bottom, height - 1) + 1)
            columns = slice(max(left, 0), min(right, width - 1) + 1)
            if top >= 0:
                image[top, columns] = color
            if bottom < height:
                image[bottom, columns] = color
            if left >= 0:
                image[rows, left] = color
            if right < width:
                image[rows, right] = color
    return drawn


_PIXELS = frozenset({dtypes.float16, dtypes.float32})
op(
    "DrawBoundingBoxes(images: T, boxes: float32) -> output: T",
    numpy=_draw, shape=unchanged, gradient=stops, types={"T": _PIXELS},
)  # fmt: skip
op(
    "DrawBoundingBoxesV2(images: T, boxes: float32, colors: float32) -> output: T",
    numpy=_draw, shape=unchanged, gradient=stops, types={"T": _PIXELS},
)  # fmt: skip


@export("image.draw_bounding_boxes", v1=[])
def draw_bounding_boxes(images: Any, boxes: Any, colors: Any, name: str | None = None) -> Tensor:
    """Draws the outlines of boxes.

    Args:
      images: `[batch, height, width, depth]`, float16 or float32, of depth 1, 3 or 4.
      boxes: `[batch, n, 4]` float32: `[y_min, x_min, y_max, x_max]` in [0, 1].
      colors: `[k, depth]`: the colors that the boxes take in turn; None for a table of ten.

    Returns:
      The images with the boxes drawn.

    Example:
      >>> import penstock as tf
      >>> image = tf.zeros([1, 3, 3, 1])
      >>> tf.image.draw_bounding_boxes(image, [[[0.0, 0.0, 1.0, 1.0]]], [[5.0]])[0, :, :, 0].numpy()
      array([[5., 5., 5.],
             [5., 0., 5.],
             [5., 5., 5.]], dtype=float32)
    """
    images, boxes = convert_to_tensor(images), convert_to_tensor(boxes, dtypes.float32)
    if colors is None:
        return execute("DrawBoundingBoxes", (images, boxes), None, name)
    return execute(
        "DrawBoundingBoxesV2", (images, boxes, convert_to_tensor(colors, dtypes.float32)), None, name
    )


@export(v1=["image.draw_bounding_boxes"])
def draw_bounding_boxes_v1(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """TF 1's form, where the colors may be left out."""
    return draw_bounding_boxes(images, boxes, colors, name)
