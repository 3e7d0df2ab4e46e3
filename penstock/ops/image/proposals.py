"""Region proposals: boxes decoded from anchors and deltas, clipped, and thinned by non-maximum suppression. On the host.

TensorFlow has a kernel only on GPUs; this one follows it. (Ren et al., "Faster R-CNN", 2015.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.image.boxes import choose
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_LARGEST_LOG_SCALE = np.float32(np.log(1000 / 16))  # no side grows more than this, whatever the deltas say


def _decoded(deltas: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The boxes [y1, x1, y2, x2] that deltas [dy, dx, dh, dw] make of anchors."""
    sides = anchors[:, 2:] - anchors[:, :2]
    centers = anchors[:, :2] + sides / 2 + deltas[:, :2] * sides
    halves = sides * np.exp(np.minimum(deltas[:, 2:], _LARGEST_LOG_SCALE)) / 2
    return np.concatenate([centers - halves, centers + halves], axis=1)


def _kernel(
    scores: Any, deltas: Any, image_info: Any, anchors: Any, threshold: Any, before: Any, min_size: Any,
    *, post_nms_topn: int,
) -> list[np.ndarray]:  # fmt: skip
    count, places = len(scores), int(np.prod(scores.shape[1:]))
    if deltas.shape != (*scores.shape[:3], 4 * scores.shape[3]):
        raise ValueError(
            f"bbox_deltas must have four numbers for each score, got {deltas.shape} for {scores.shape}"
        )
    corners = anchors.reshape(-1, 4)
    if len(corners) == scores.shape[3]:  # the same anchors at every place
        corners = np.tile(corners, (places // len(corners), 1))
    if len(corners) != places:
        raise ValueError(
            f"anchors must be boxes for {scores.shape[3]} or {places} anchors, got {len(corners)}"
        )
    boxes_out = np.zeros((count, post_nms_topn, 4), np.float32)
    scores_out = np.zeros((count, post_nms_topn), np.float32)
    for image in range(count):
        found = scores[image].reshape(-1)
        best = np.argsort(-found, kind="stable")[: int(before)]
        boxes = _decoded(deltas[image].reshape(-1, 4)[best], corners[best])
        height, width, scale = image_info[image, :3]
        boxes = np.clip(boxes, 0, np.array([height, width, height, width], np.float32))
        large = np.min(boxes[:, 2:] - boxes[:, :2], axis=1) >= min_size * scale
        boxes, kept = boxes[large], found[best][large]
        chosen, _ = choose(boxes, kept, post_nms_topn, float(threshold), -np.inf)
        boxes_out[image, : len(chosen)], scores_out[image, : len(chosen)] = boxes[chosen], kept[chosen]
    return [boxes_out, scores_out]


def _shapes(call: ShapeCall) -> list[TensorShape]:
    images = call.shape(0).with_rank(4)[0]
    most = call.attrs["post_nms_topn"]
    return [TensorShape([images, most, 4]), TensorShape([images, most])]


op(
    "GenerateBoundingBoxProposals(scores: float32, bbox_deltas: float32, image_info: float32, anchors: float32,"
    " nms_threshold: float32, pre_nms_topn: int32, min_size: float; post_nms_topn=300)"
    " -> (rois: float32, roi_probabilities: float32)",
    shape=_shapes,
    gradient=stops,
).numpy(_kernel)


@export("image.generate_bounding_box_proposals")
def generate_bounding_box_proposals(
    scores: Any,
    bbox_deltas: Any,
    image_info: Any,
    anchors: Any,
    nms_threshold: Any = 0.7,
    pre_nms_topn: Any = 6000,
    min_size: Any = 16,
    post_nms_topn: int = 300,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The best boxes that a region proposal network found.

    Args:
      scores: `[images, height, width, anchors]`, float32.
      bbox_deltas: `[images, height, width, 4 * anchors]`: `[dy, dx, log(dh), log(dw)]` of each box, relative to its anchor.
      image_info: `[images, 5]`: height, width and scale of each image, and two numbers that are not used.
      anchors: boxes `[y1, x1, y2, x2]`, one for each score of an image, or one for each anchor of a place.
      nms_threshold: of boxes that overlap more than this, the one with the highest score stays.
      pre_nms_topn: the number of boxes that are looked at.
      min_size: boxes with a shorter side than this, times the image's scale, are dropped.
      post_nms_topn: the number of boxes that are given back.
      name: the node's name in a graph.

    Returns:
      The boxes, `[images, post_nms_topn, 4]`, by descending score, and their scores; zeros fill up.

    Raises:
      InvalidArgumentError: the shapes of scores, deltas and anchors do not fit together.

    Example:
      >>> import penstock as tf
      >>> boxes, scores = tf.image.generate_bounding_box_proposals(
      ...     [[[[0.9, 0.8]]]], tf.zeros([1, 1, 1, 8]), [[20.0, 20.0, 1.0, 0.0, 0.0]],
      ...     [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0]], min_size=1, post_nms_topn=2)
      >>> print(boxes[0, 0].numpy(), scores.numpy())
      [ 0.  0. 10. 10.] [[0.9 0. ]]
    """
    floats = (scores, bbox_deltas, image_info, anchors, nms_threshold)
    inputs = [convert_to_tensor(each, dtypes.float32) for each in floats]
    inputs += [convert_to_tensor(pre_nms_topn, dtypes.int32), convert_to_tensor(min_size, dtypes.float32)]
    rois, probabilities = execute(
        "GenerateBoundingBoxProposals", tuple(inputs), {"post_nms_topn": int(post_nms_topn)}, name
    )
    return rois, probabilities
