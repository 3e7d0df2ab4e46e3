"""Random crops that cover part of an object (SampleDistortedBoundingBox), drawn as TensorFlow draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.casting import cast
from penstock.ops.dtype_sets import INDICES
from penstock.ops.nn.candidate_samplers import Words
from penstock.ops.random import philox
from penstock.ops.random.stateful import seeds
from penstock.ops.random.stream import make_stream, reserve
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _round(x: Any) -> int:
    """To the nearest integer, halves to even, of a float32."""
    return int(np.rint(np.float32(x)))


def _random_crop(
    height: int, width: int, area_range: Sequence[float], aspect_ratio: np.float32, words: Words
) -> tuple[int, int, int, int] | None:
    """A random rectangle (y, x, height, width) of an aspect ratio, with an area in the range; None if none is found."""
    single = np.float32
    least, most = (single(each) * single(width) * single(height) for each in area_range)
    if most <= 0 or aspect_ratio <= 0 or height <= 0 or width <= 0 or least > most:
        return None
    tall, tallest = (_round(np.sqrt(single(area / aspect_ratio))) for area in (least, most))
    if _round(tallest * aspect_ratio) > width:
        tallest = int((width + 0.5 - 1e-7) / float(aspect_ratio))
        if _round(tallest * aspect_ratio) > width:
            tallest -= 1
    tallest = min(tallest, height)
    tall = min(tall, tallest)
    if tall < tallest:
        tall += words.below(tallest - tall + 1)
    wide = _round(tall * aspect_ratio)
    # Rounding may have put the area just outside.
    if tall * wide < least:
        tall += 1
        wide = _round(tall * aspect_ratio)
    if tall * wide > most:
        tall -= 1
        wide = _round(tall * aspect_ratio)
    if not least <= tall * wide <= most or wide > width or tall > height or wide <= 0 or tall <= 0:
        return None
    y = words.below(height - tall) if tall < height else 0
    x = words.below(width - wide) if wide < width else 0
    return y, x, tall, wide


def _covers(crop: tuple[int, int, int, int], objects: list, least: float) -> bool:
    """Whether a crop covers enough of at least one object."""
    y, x, tall, wide = crop
    if tall * wide < 1:
        return False
    for top, left, bottom, right in objects:
        area = (bottom - top) * (right - left)
        if area < 1:
            continue
        rows = max(0, min(y + tall, bottom) - max(y, top))
        columns = max(0, min(x + wide, right) - max(x, left))
        if np.float32(rows * columns) / np.float32(area) >= least:
            return True
    return False


def _sample_crop(
    image_size: np.ndarray, boxes: np.ndarray, least_covered: float, words: Words, aspect_ratio_range: Sequence[float],
    area_range: Sequence[float], max_attempts: int, use_image_if_no_bounding_boxes: bool,
) -> tuple:  # fmt: skip
    if image_size.shape != (3,):
        raise ValueError(f"image_size must contain 3 elements, got shape {list(image_size.shape)}")
    if boxes.ndim != 3 or boxes.shape[2] != 4:
        raise ValueError(f"bounding boxes must have shape [batch, n, 4], got {list(boxes.shape)}")
    height, width = int(image_size[0]), int(image_size[1])
    scale = np.array([height, width, height, width], np.float32)
    objects = (boxes.reshape(-1, 4) * scale).astype(np.int64).tolist()
    if not objects:
        if not use_image_if_no_bounding_boxes:
            raise ValueError(
                "No bounding boxes provided as input. One must enable use_image_if_no_bounding_boxes if you wish to "
                "not provide any bounding boxes."
            )
        objects = [[0, 0, height, width]]
    low, high = (np.float32(each) for each in aspect_ratio_range)
    crop = None
    for _ in range(max_attempts):
        aspect_ratio = np.float32(words.unit_float()) * (high - low) + low
        found = _random_crop(height, width, area_range, aspect_ratio, words)
        if found is not None and _covers(found, objects, least_covered):
            crop = found
            break
    y, x, tall, wide = crop or (0, 0, height, width)
    kind = image_size.dtype
    corners = np.array([y, x, y + tall, x + wide], np.float32) / scale
    return np.array([y, x, 0], kind), np.array([tall, wide, -1], kind), corners.reshape(1, 1, 4)


def _sample(
    image_size: Any, boxes: Any, least_covered: Any = None, *, seed: int, seed2: int, aspect_ratio_range: Any,
    area_range: Any, max_attempts: int, use_image_if_no_bounding_boxes: bool, min_object_covered: float = 0.1,
    _stream: Any = None,
) -> tuple:  # fmt: skip
    least = min_object_covered if least_covered is None else float(least_covered)
    generator = reserve(np, _stream, max_attempts, seed, seed2, "SampleDistortedBoundingBoxV2")
    return _sample_crop(
        image_size, boxes, least, Words(generator), aspect_ratio_range, area_range, max_attempts,
        use_image_if_no_bounding_boxes,
    )  # fmt: skip


def _sample_stateless(image_size: Any, boxes: Any, least_covered: Any, seed: Any, **attrs: Any) -> tuple:
    generator = philox.from_seed_pair(np, seed)
    return _sample_crop(image_size, boxes, float(least_covered), Words(generator), **attrs)


def _sample_shapes(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([3]), TensorShape([3]), TensorShape([1, 1, 4])]


_CROP = (
    "aspect_ratio_range=[0.75, 1.33], area_range=[0.05, 1.0], max_attempts=100, "
    "use_image_if_no_bounding_boxes=False"
)
_OUTPUTS = "(begin: T, size: T, bboxes: float32)"
_SIZES = frozenset({dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64})
op(
    f"SampleDistortedBoundingBox(image_size: T, bounding_boxes: float32; seed=0, seed2=0, min_object_covered=0.1, "
    f"{_CROP}) -> {_OUTPUTS}",
    numpy=_sample, shape=_sample_shapes, gradient=stops, stateful=True, stream=make_stream, types={"T": _SIZES},
)  # fmt: skip
op(
    f"SampleDistortedBoundingBoxV2(image_size: T, bounding_boxes: float32, min_object_covered: float32; seed=0, "
    f"seed2=0, {_CROP}) -> {_OUTPUTS}",
    numpy=_sample, shape=_sample_shapes, gradient=stops, stateful=True, stream=make_stream, types={"T": _SIZES},
)  # fmt: skip
op(
    f"StatelessSampleDistortedBoundingBox(image_size: T, bounding_boxes: float32, min_object_covered: float32, "
    f"seed: Tseed; {_CROP}) -> {_OUTPUTS}",
    numpy=_sample_stateless, shape=_sample_shapes, gradient=stops, types={"T": _SIZES, "Tseed": INDICES},
)  # fmt: skip


def _crop_attrs(
    aspect_ratio_range: Any, area_range: Any, max_attempts: Any, use_image: Any
) -> dict[str, Any]:
    given = {
        "aspect_ratio_range": aspect_ratio_range,
        "area_range": area_range,
        "max_attempts": max_attempts,
        "use_image_if_no_bounding_boxes": use_image,
    }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value is not None
    }


def _crop_inputs(
    image_size: Any, bounding_boxes: Any, min_object_covered: Any
) -> tuple[Tensor, Tensor, Tensor]:
    covered = cast(min_object_covered, dtypes.float32)
    return convert_to_tensor(image_size), convert_to_tensor(bounding_boxes, dtypes.float32), covered


@export("image.sample_distorted_bounding_box", v1=[])
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int = 0,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """A random crop that covers part of an object.

    Args:
      image_size: `[height, width, channels]` integers.
      bounding_boxes: `[batch, n, 4]` float32: the objects, `[y_min, x_min, y_max, x_max]` in [0, 1].
      seed: makes the crops repeatable.
      min_object_covered: the part of at least one object that a crop must contain.
      aspect_ratio_range: the range of width / height; (0.75, 1.33) by default.
      area_range: the range of the crop's part of the image; (0.05, 1) by default.
      max_attempts: after so many crops that do not fit, the whole image is taken; 100 by default.
      use_image_if_no_bounding_boxes: without boxes the image counts as the object; else that is an error.

    Returns:
      `begin` and `size` for `tf.slice`, and the crop as a box `[1, 1, 4]`.

    Raises:
      InvalidArgumentError: there are no boxes, or a shape is wrong.
    """
    attrs = _crop_attrs(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    inputs = _crop_inputs(image_size, bounding_boxes, min_object_covered)
    return tuple(
        execute("SampleDistortedBoundingBoxV2", inputs, {**attrs, **(seeds(seed) if seed else {})}, name)
    )


@export(v1=["image.sample_distorted_bounding_box"])
def sample_distorted_bounding_box_v1(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = None,
    seed2: int | None = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """TF 1's form, with both seeds of the op."""
    attrs = _crop_attrs(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    attrs.update(seed=seed or 0, seed2=seed2 or 0)
    inputs = _crop_inputs(image_size, bounding_boxes, min_object_covered)
    return tuple(execute("SampleDistortedBoundingBoxV2", inputs, attrs, name))


@export("image.stateless_sample_distorted_bounding_box", v1=[])
def stateless_sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`tf.image.sample_distorted_bounding_box` with a crop that is a function of `seed`, two integers."""
    attrs = _crop_attrs(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    inputs = _crop_inputs(image_size, bounding_boxes, min_object_covered)
    seed = convert_to_tensor(seed)
    return tuple(execute("StatelessSampleDistortedBoundingBox", (*inputs, seed), attrs, name))
