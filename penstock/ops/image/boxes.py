"""Non-maximum suppression: of boxes that overlap, the ones with the highest scores. On the host."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.casting import cast
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.image.host_functions import choose_boxes
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def corners_of(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lower and the upper corners of boxes, and their areas, in float32."""
    low = np.minimum(boxes[:, :2], boxes[:, 2:]).astype(np.float32)
    high = np.maximum(boxes[:, :2], boxes[:, 2:]).astype(np.float32)
    return low, high, np.prod(high - low, axis=1)


def overlaps_of(boxes: np.ndarray) -> Callable[[int, np.ndarray], np.ndarray]:
    """A function that gives the intersection over union of one box with others; corners may be in any order."""
    low, high, areas = corners_of(boxes)

    def overlap(one: int, others: np.ndarray) -> np.ndarray:
        sides = np.minimum(high[one], high[others]) - np.maximum(low[one], low[others])
        common = np.prod(np.maximum(sides, 0), axis=1)
        union = areas[one] + areas[others] - common
        usable = (areas[one] > 0) & (areas[others] > 0)
        return np.divide(common, union, out=np.zeros_like(common), where=usable)

    return overlap


def suppress(
    overlap: Callable[[int, np.ndarray], np.ndarray], scores: np.ndarray, most: int, threshold: float,
    score_threshold: float, sigma: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The chosen boxes in descending order of their scores, and these scores.

    With `sigma`, overlapping boxes are not dropped, whatever the threshold: their scores are lowered by
    `exp(-overlap ** 2 / (2 sigma))`
    (Bodla et al., "Soft-NMS", 2017).
    """
    # (negative score, box, how many of the chosen boxes it has been compared with)
    waiting = [(-float(score), i, 0) for i, score in enumerate(scores) if score > score_threshold]
    heapq.heapify(waiting)
    chosen: list[int] = []
    kept_scores: list[float] = []
    while waiting and len(chosen) < most:
        negative, box, compared = heapq.heappop(waiting)
        score = -negative
        with_chosen = overlap(box, np.array(chosen[compared:], np.int64))
        if sigma > 0:
            lowered = score * float(np.prod(np.exp(-0.5 / sigma * with_chosen**2)))
            if lowered != score:
                if lowered > score_threshold:
                    heapq.heappush(waiting, (-lowered, box, len(chosen)))
                continue
        elif (with_chosen > threshold).any():
            continue
        chosen.append(box)
        kept_scores.append(score)
    return np.array(chosen, np.int32), np.array(kept_scores, scores.dtype)


def choose(
    boxes: np.ndarray,
    scores: np.ndarray,
    most: int,
    threshold: float,
    score_threshold: float,
    sigma: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """`suppress` with the overlaps of boxes, by a native function where there is one and scores stay what they are."""
    kept = choose_boxes(*corners_of(boxes), scores, most, threshold, score_threshold) if sigma == 0 else None
    if kept is None:
        return suppress(overlaps_of(boxes), scores, most, threshold, score_threshold, sigma)
    return kept, scores[kept]


def _check(boxes: np.ndarray, scores: np.ndarray, most: int, threshold: float) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must have shape [num_boxes, 4], got {list(boxes.shape)}")
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f"scores has incompatible shape: {list(scores.shape)} for boxes {list(boxes.shape)}")
    if most < 0:
        raise ValueError(f"max_output_size must be non-negative, got {most}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"iou_threshold must be in [0, 1], got {threshold}")


def _select(
    boxes: Any, scores: Any, most: Any, threshold: Any, score_threshold: Any = -np.inf, sigma: Any = 0.0
) -> tuple:
    most, threshold = int(most), float(threshold)
    _check(boxes, scores, most, threshold)
    if float(sigma) < 0:
        raise ValueError(f"soft_nms_sigma must be non-negative, got {float(sigma)}")
    return choose(boxes, scores, most, threshold, float(score_threshold), float(sigma))


def _padded(indices: np.ndarray, scores: np.ndarray, most: int, pad: bool) -> tuple:
    count = np.array(len(indices), np.int32)
    if pad:
        missing = (0, int(most) - len(indices))
        indices, scores = np.pad(indices, missing), np.pad(scores, missing)
    return indices, scores, count


def _select_padded(
    boxes: Any, scores: Any, most: Any, *thresholds: Any, pad_to_max_output_size: bool
) -> tuple:
    indices, kept, count = _padded(*_select(boxes, scores, most, *thresholds), most, pad_to_max_output_size)  # type: ignore[call-arg]
    return (indices, kept, count) if len(thresholds) == 3 else (indices, count)


def _with_overlaps(overlaps: Any, scores: Any, most: Any, threshold: Any, score_threshold: Any) -> np.ndarray:
    if overlaps.ndim != 2 or overlaps.shape != (len(scores), len(scores)):
        raise ValueError(
            f"overlaps must be a square matrix for {len(scores)} scores, got {list(overlaps.shape)}"
        )
    return suppress(
        lambda one, others: overlaps[one, others], scores, int(most), float(threshold), float(score_threshold)
    )[0]


def _selected_shape(call: ShapeCall) -> TensorShape:
    boxes, scores = call.shape(0), call.shape(1)
    if boxes.rank not in (None, 2) or scores.rank not in (None, 1):
        raise call.error("boxes must have rank 2 and scores rank 1")
    return TensorShape([None])


def _padded_shapes(scored: bool) -> Callable[[ShapeCall], list[TensorShape]]:
    def rule(call: ShapeCall) -> list[TensorShape]:
        _selected_shape(call)
        most = call.value(2)
        known = int(most) if call.attrs["pad_to_max_output_size"] and most is not None else None
        chosen = TensorShape([known])
        return [chosen, chosen, TensorShape([])] if scored else [chosen, TensorShape([])]

    return rule


_HALF_AND_SINGLE = FLOATS & {dtypes.float16, dtypes.float32}
_BOTH = {"T": _HALF_AND_SINGLE, "T_threshold": _HALF_AND_SINGLE}

op(
    "NonMaxSuppression(boxes: float32, scores: float32, max_output_size: int32; iou_threshold=0.5) "
    "-> selected_indices: int32",
    numpy=lambda boxes, scores, most, *, iou_threshold: _select(boxes, scores, most, iou_threshold)[0],
    shape=_selected_shape,
    gradient=stops,
)
op(
    "NonMaxSuppressionV2(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold) "
    "-> selected_indices: int32",
    numpy=lambda *inputs: _select(*inputs)[0],
    shape=_selected_shape,
    gradient=stops,
    types=_BOTH,
)
op(
    "NonMaxSuppressionV3(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold, "
    "score_threshold: T_threshold) -> selected_indices: int32",
    numpy=lambda *inputs: _select(*inputs)[0],
    shape=_selected_shape,
    gradient=stops,
    types=_BOTH,
)
op(
    "NonMaxSuppressionV4(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold, "
    "score_threshold: T_threshold; pad_to_max_output_size=False) -> (selected_indices: int32, valid_outputs: int32)",
    numpy=_select_padded,
    shape=_padded_shapes(scored=False),
    gradient=stops,
    types=_BOTH,
)
op(
    "NonMaxSuppressionV5(boxes: T, scores: T, max_output_size: int32, iou_threshold: T, score_threshold: T, "
    "soft_nms_sigma: T; pad_to_max_output_size=False) "
    "-> (selected_indices: int32, selected_scores: T, valid_outputs: int32)",
    numpy=_select_padded,
    shape=_padded_shapes(scored=True),
    gradient=stops,
    types={"T": _HALF_AND_SINGLE},
)
op(
    "NonMaxSuppressionWithOverlaps(overlaps: float32, scores: float32, max_output_size: int32, "
    "overlap_threshold: float32, score_threshold: float32) -> selected_indices: int32",
    numpy=_with_overlaps,
    shape=_selected_shape,
    gradient=stops,
)


def _combined(
    boxes: Any, scores: Any, per_class: Any, total: Any, threshold: Any, score_threshold: Any, *,
    pad_per_class: bool, clip_boxes: bool,
) -> tuple:  # fmt: skip
    if boxes.ndim != 4 or scores.ndim != 3 or boxes.shape[2] not in (1, scores.shape[2]):
        raise ValueError(
            f"expected boxes [batch, n, 1 or classes, 4] and scores [batch, n, classes], got {list(boxes.shape)} and "
            f"{list(scores.shape)}"
        )
    batch, _, classes = scores.shape
    per_class, total = int(per_class), int(total)
    if per_class <= 0 or total <= 0:
        raise ValueError(f"the largest sizes must be positive, got {per_class} and {total}")
    if not 0 <= float(threshold) <= 1:
        raise ValueError(f"iou_threshold must be in [0, 1], got {float(threshold)}")
    room = min(total, per_class * classes) if pad_per_class else total
    out = [np.zeros((batch, room, 4), np.float32), *(np.zeros((batch, room), np.float32) for _ in range(2))]
    counts = np.zeros(batch, np.int32)
    for row in range(batch):
        found: list[tuple[float, int, int]] = []
        for label in range(classes):
            its_boxes = boxes[row, :, min(label, boxes.shape[2] - 1)]
            its_scores = scores[row, :, label]
            chosen, kept = _select(its_boxes, its_scores, per_class, threshold, score_threshold)
            found.extend((-float(score), label, int(box)) for score, box in zip(kept, chosen))
        found.sort(key=lambda each: each[0])
        counts[row] = min(len(found), room)
        for place, (negative, label, box) in enumerate(found[:room]):
            corners = boxes[row, box, min(label, boxes.shape[2] - 1)]
            out[0][row, place] = np.clip(corners, 0, 1) if clip_boxes else corners
            out[1][row, place], out[2][row, place] = -negative, label
    return *out, counts


def _combined_shapes(call: ShapeCall) -> list[TensorShape]:
    scores = call.shape(1).with_rank(3).as_list()
    per_class, total = call.value(2), call.value(3)
    room = None if total is None else int(total)
    if room is not None and call.attrs["pad_per_class"]:
        room = None if per_class is None or scores[2] is None else min(room, int(per_class) * scores[2])
    row = TensorShape([scores[0], room])
    return [row.concatenate([4]), row, row, TensorShape([scores[0]])]


op(
    "CombinedNonMaxSuppression(boxes: float32, scores: float32, max_output_size_per_class: int32, "
    "max_total_size: int32, iou_threshold: float32, score_threshold: float32; pad_per_class=False, clip_boxes=True) "
    "-> (nmsed_boxes: float32, nmsed_scores: float32, nmsed_classes: float32, valid_detections: int32)",
    numpy=_combined,
    shape=_combined_shapes,
    gradient=stops,
)


def _inputs(boxes: Any, scores: Any, max_output_size: Any, *thresholds: Any) -> list[Tensor]:
    boxes = convert_to_tensor(boxes)
    rest = [convert_to_tensor(each, boxes.dtype) for each in thresholds]
    return [
        boxes,
        convert_to_tensor(scores, dtype_hint=boxes.dtype),
        cast(max_output_size, dtypes.int32),
        *rest,
    ]


@export("image.non_max_suppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """The indices of the boxes with the highest scores that do not overlap a chosen one too much.

    Args:
      boxes: `[n, 4]` float16 or float32: two opposite corners `[y1, x1, y2, x2]`.
      scores: `[n]`.
      max_output_size: how many boxes at most.
      iou_threshold: boxes whose intersection over union with a chosen one is larger are dropped.
      score_threshold: boxes with scores up to this are dropped.

    Returns:
      Indices into `boxes`, int32, in descending order of their scores.

    Raises:
      InvalidArgumentError: a shape is wrong, or `iou_threshold` not in [0, 1].

    Example:
      >>> import penstock as tf
      >>> boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 2.0, 1.0, 3.0]]
      >>> tf.image.non_max_suppression(boxes, [0.9, 0.8, 0.7], 3).numpy()
      array([0, 2], dtype=int32)
    """
    inputs = _inputs(boxes, scores, max_output_size, iou_threshold, score_threshold)
    return execute("NonMaxSuppressionV3", inputs, None, name)


@export("image.non_max_suppression_with_scores")
def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """`tf.image.non_max_suppression` that also gives the scores; with `soft_nms_sigma` overlaps lower them instead.

    Returns:
      Indices into `boxes`, and their (lowered) scores.
    """
    inputs = _inputs(boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma)
    indices, kept, _ = execute("NonMaxSuppressionV5", inputs, None, name)
    return indices, kept


@export("image.non_max_suppression_overlaps")
def non_max_suppression_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """`tf.image.non_max_suppression` with a matrix `[n, n]` of overlaps in place of boxes."""
    inputs = _inputs(overlaps, scores, max_output_size, overlap_threshold, score_threshold)
    return execute("NonMaxSuppressionWithOverlaps", inputs, None, name)


@export("image.non_max_suppression_padded")
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_to_max_output_size: bool = False,
    name: str | None = None,
    sorted_input: bool = False,
    canonicalized_coordinates: bool = False,
    tile_size: int = 512,
) -> tuple[Tensor, Tensor]:
    """`tf.image.non_max_suppression` for batches, with results of one size.

    Args:
      boxes: `[..., n, 4]`. scores: `[..., n]`.
      max_output_size, iou_threshold, score_threshold: as in `tf.image.non_max_suppression`.
      pad_to_max_output_size: fills the indices with zeros up to `max_output_size`; required for batches.
      sorted_input, canonicalized_coordinates, tile_size: promises about the input, not needed here.

    Returns:
      The indices `[..., max_output_size]`, and how many of them are valid, both int32.

    Raises:
      ValueError: a batch without `pad_to_max_output_size`.
    """
    inputs = _inputs(boxes, scores, max_output_size, iou_threshold, score_threshold)
    attrs = {"pad_to_max_output_size": pad_to_max_output_size}
    rank = inputs[0].shape.rank
    if rank in (None, 2):
        indices, valid = execute("NonMaxSuppressionV4", inputs, attrs, name)
        return indices, valid
    if not pad_to_max_output_size:
        raise ValueError(
            f"'pad_to_max_output_size' (value {pad_to_max_output_size}) must be True for batched input"
        )
    parts = [execute("Unpack", (each,), {"num": each.shape[0], "axis": 0}) for each in inputs[:2]]
    results = [
        non_max_suppression_padded(its_boxes, its_scores, *inputs[2:], pad_to_max_output_size=True)  # type: ignore[arg-type]
        for its_boxes, its_scores in zip(*parts, strict=True)
    ]
    indices, valid = (execute("Pack", (list(each),), {"axis": 0}) for each in zip(*results, strict=True))
    return indices, valid


@export("image.combined_non_max_suppression")
def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Non-maximum suppression for each class of each image, and the best boxes of all classes.

    Args:
      boxes: `[batch, n, classes or 1, 4]` float32. scores: `[batch, n, classes]`.
      max_output_size_per_class, max_total_size: how many boxes at most for each class, and of all.
      iou_threshold, score_threshold: as in `tf.image.non_max_suppression`.
      pad_per_class: the results have room for `min(max_total_size, max_output_size_per_class * classes)` boxes.
      clip_boxes: corners are clipped to [0, 1].

    Returns:
      Boxes `[batch, max_total_size, 4]`, scores and classes `[batch, max_total_size]`, padded with zeros, and how many
      of them are valid `[batch]`.
    """
    inputs = [
        convert_to_tensor(boxes, dtypes.float32),
        convert_to_tensor(scores, dtypes.float32),
        cast(max_output_size_per_class, dtypes.int32),
        cast(max_total_size, dtypes.int32),
        convert_to_tensor(iou_threshold, dtypes.float32),
        convert_to_tensor(score_threshold, dtypes.float32),
    ]
    attrs = {"pad_per_class": pad_per_class, "clip_boxes": clip_boxes}
    return tuple(execute("CombinedNonMaxSuppression", inputs, attrs, name))
