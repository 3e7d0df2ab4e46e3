"""`contrib.image`: rotations, translations and other projective transforms of images.

A transform is a vector of eight numbers `[a0, a1, a2, b0, b1, b2, c0, c1]`: the output's pixel (x, y) is the input's at
`((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)`, where `k = c0 x + c1 y + 1`.
"""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import name_scope_v1
from penstock.v1.api import tf


def _rows(columns: list[Any]) -> Any:
    """Transforms `[N, 8]` of their eight columns, numbers or `[N]`."""
    like = next(each for each in columns if not isinstance(each, float))
    return tf.stack(
        [tf.fill(tf.shape(like), each) if isinstance(each, float) else each for each in columns], 1
    )


def _vector(values: Any) -> Any:
    values = tf.cast(tf.convert_to_tensor(values), tf.float32)
    return values[None] if values.shape.rank == 0 else values


@export(v1=["contrib.image.angles_to_projective_transforms"])
def angles_to_projective_transforms(
    angles: Any, image_height: Any, image_width: Any, name: str | None = None
) -> Any:
    """The transforms that rotate images around their centre.

    Args:
      angles: in radians, counterclockwise, a scalar or `[N]`.
      image_height, image_width: of the images.
      name: of the operations.

    Returns:
      `[N, 8]`.
    """
    with name_scope_v1(name, "rotation"):
        angles = _vector(angles)
        right = tf.cast(image_width, tf.float32) - 1.0
        bottom = tf.cast(image_height, tf.float32) - 1.0
        cos, sin = tf.cos(angles), tf.sin(angles)
        x = (right - (cos * right - sin * bottom)) / 2.0
        y = (bottom - (sin * right + cos * bottom)) / 2.0
        return _rows([cos, -sin, x, sin, cos, y, 0.0, 0.0])


@export(v1=["contrib.image.translations_to_projective_transforms"])
def translations_to_projective_transforms(translations: Any, name: str | None = None) -> Any:
    """The transforms `[N, 8]` that move images by `translations`, `[dx, dy]` or `[N, 2]`."""
    with name_scope_v1(name, "translations_to_projective_transforms"):
        translations = tf.cast(tf.convert_to_tensor(translations), tf.float32)
        moves = tf.reshape(translations, [-1, 2])
        return _rows([1.0, 0.0, -moves[:, 0], 0.0, 1.0, -moves[:, 1], 0.0, 0.0])


@export(v1=["contrib.image.compose_transforms"])
def compose_transforms(*transforms: Any) -> Any:
    """One transform `[N, 8]` for several, of which the first one is applied first."""
    matrices = None
    for each in transforms:
        rows = tf.reshape(tf.cast(tf.convert_to_tensor(each), tf.float32), [-1, 8])
        matrix = tf.reshape(tf.concat([rows, tf.ones_like(rows[:, :1])], 1), [-1, 3, 3])
        matrices = matrix if matrices is None else tf.matmul(matrices, matrix)
    if matrices is None:
        raise ValueError("compose_transforms expects at least one transform")
    flat = tf.reshape(matrices, [-1, 9])
    return flat[:, :8] / flat[:, 8:]


@export(v1=["contrib.image.transform"])
def transform(
    images: Any, transforms: Any, interpolation: str = "NEAREST", output_shape: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Applies projective transforms to images.

    Args:
      images: `[height, width]`, `[height, width, channels]` or `[batch, height, width, channels]`.
      transforms: `[8]` or `[N, 8]`, one for all images or one for each.
      interpolation: "NEAREST" or "BILINEAR". Pixels from outside are zero.
      output_shape: height and width of the results; by default those of the images.
      name: of the operations.

    Returns:
      The images, of the same dtype and rank.

    Raises:
      ValueError: the rank of `images` is not 2, 3 or 4.
    """
    with name_scope_v1(name, "transform"):
        images = tf.convert_to_tensor(images)
        rank = images.shape.rank
        if rank not in (2, 3, 4):
            raise ValueError(f"Images should have rank between 2 and 4, got shape {images.shape}")
        batch = images if rank == 4 else images[None] if rank == 3 else images[None, :, :, None]
        rows = tf.reshape(tf.cast(tf.convert_to_tensor(transforms), tf.float32), [-1, 8])
        shape = tf.shape(batch)[1:3] if output_shape is None else tf.cast(output_shape, tf.int32)
        found = tf.raw_ops.ImageProjectiveTransformV2(
            images=batch, transforms=rows, output_shape=shape, interpolation=interpolation.upper()
        )
        if output_shape is None:
            found.set_shape(batch.shape)
        return found if rank == 4 else found[0] if rank == 3 else found[0, :, :, 0]


@export(v1=["contrib.image.rotate"])
def rotate(images: Any, angles: Any, interpolation: str = "NEAREST", name: str | None = None) -> Any:
    """Rotates images counterclockwise around their centre by angles in radians; see `transform`.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.contrib.image.rotate(tf.constant([[1.0, 2.0], [3.0, 4.0]]), 3.14159265 / 2).numpy().tolist()
      [[2.0, 4.0], [1.0, 3.0]]
    """
    with name_scope_v1(name, "rotate"):
        images = tf.convert_to_tensor(images)
        shape = tf.shape(images)
        first = 1 if images.shape.rank == 4 else 0
        rows = angles_to_projective_transforms(angles, shape[first], shape[first + 1])
        return transform(images, rows, interpolation)


@export(v1=["contrib.image.translate"])
def translate(images: Any, translations: Any, interpolation: str = "NEAREST", name: str | None = None) -> Any:
    """Moves images by `[dx, dy]`, or each by its own row of `[N, 2]`; see `transform`."""
    with name_scope_v1(name, "translate"):
        return transform(images, translations_to_projective_transforms(translations), interpolation)
