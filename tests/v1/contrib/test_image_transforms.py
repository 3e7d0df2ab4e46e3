"""`contrib.image`: images are moved and rotated."""

import math

import numpy as np
import pytest

import penstock as tf

image = tf.compat.v1.contrib.image
PICTURE = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_translate():
    moved = image.translate(PICTURE, [1, -1])
    np.testing.assert_array_equal(moved, [[0, 4, 5, 6], [0, 8, 9, 10], [0, 0, 0, 0]])


@pytest.mark.parametrize("interpolation", ["NEAREST", "BILINEAR"])
def test_rotate_each_image_by_its_angle(interpolation):
    square = PICTURE[:, :3, None]
    turned = image.rotate(np.stack([square, square]), [0.0, math.pi / 2], interpolation)
    np.testing.assert_allclose(turned[0], square)
    np.testing.assert_allclose(turned[1], np.rot90(square), atol=1e-5)


def test_composed_transforms_come_one_after_the_other():
    there = image.translations_to_projective_transforms([2.0, 1.0])
    turn = image.angles_to_projective_transforms(math.pi, 3, 4)
    both = image.transform(PICTURE, image.compose_transforms(turn, there))
    np.testing.assert_array_equal(both, image.transform(image.transform(PICTURE, turn), there))


def test_ranks():
    with pytest.raises(ValueError, match="between 2 and 4"):
        image.rotate(np.zeros([1, 2, 3, 4, 5], np.float32), 1.0)
    assert image.transform(PICTURE, [1.0, 0, 0, 0, 1, 0, 0, 0], output_shape=[2, 2]).shape == [2, 2]
