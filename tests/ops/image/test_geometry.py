"""Flips, turns, crops, patches and random forms of them."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(4, 5, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("batched", [True, False])
def test_flips_and_transposes(batched):
    images = IMAGES if batched else IMAGES[0]
    rows = images.ndim - 3
    np.testing.assert_array_equal(tf.image.flip_left_right(images), np.flip(images, rows + 1))
    np.testing.assert_array_equal(tf.image.flip_up_down(images), np.flip(images, rows))
    np.testing.assert_array_equal(tf.image.transpose(images), np.swapaxes(images, rows, rows + 1))


@pytest.mark.parametrize("k", range(-1, 5))
@pytest.mark.parametrize("batched", [True, False])
def test_rot90(k, batched):
    images = IMAGES if batched else IMAGES[0]
    axes = (images.ndim - 3, images.ndim - 2)
    np.testing.assert_array_equal(tf.image.rot90(images, k), np.rot90(images, k, axes))


def test_rot90_by_a_tensor_inside_a_function():
    turn = tf.function(tf.image.rot90)
    for k in range(4):
        np.testing.assert_array_equal(
            turn(tf.constant(IMAGES[:, :5, :5]), tf.constant(k)), np.rot90(IMAGES[:, :5, :5], k, (1, 2))
        )


def test_crops_and_pads():
    np.testing.assert_array_equal(tf.image.crop_to_bounding_box(IMAGES, 1, 2, 3, 4), IMAGES[:, 1:4, 2:6])
    padded = tf.image.pad_to_bounding_box(IMAGES, 1, 2, 9, 9)
    np.testing.assert_array_equal(padded, np.pad(IMAGES, [(0, 0), (1, 3), (2, 1), (0, 0)]))
    np.testing.assert_array_equal(tf.image.central_crop(IMAGES, 0.5), IMAGES[:, 1:4, 1:5])


@pytest.mark.parametrize(
    "function, arguments, message",
    [
        (tf.image.crop_to_bounding_box, (1, 2, 3, 5), "width must be >= target"),
        (tf.image.crop_to_bounding_box, (-1, 2, 3, 4), "offset_height"),
        (tf.image.pad_to_bounding_box, (0, 0, 9, 5), "width must be <= target"),
        (tf.image.central_crop, (0.0,), "central_fraction"),
    ],
)
def test_boxes_that_do_not_fit(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(IMAGES, *arguments)


def test_crops_of_unknown_sizes():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([], tf.int32)])
    def crop(x, top):
        y = tf.image.crop_to_bounding_box(x, top, 0, 2, 3)
        assert y.shape.as_list() == [None, 2, 3, 3]
        return tf.image.resize_with_crop_or_pad(y, 4, 2)

    expected = np.pad(IMAGES[:, 2:4, :2], [(0, 0), (1, 1), (0, 0), (0, 0)])
    np.testing.assert_array_equal(crop(IMAGES, 2), expected)


def test_patches_are_windows():
    patches = tf.image.extract_patches(IMAGES, [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 1, 1], "VALID")
    assert patches.shape == [4, 2, 4, 18]
    np.testing.assert_array_equal(patches[0, 1, 2], IMAGES[0, 2:4, 2:5].ravel())


def test_differences_of_neighbours():
    dy, dx = tf.image.image_gradients(IMAGES)
    np.testing.assert_allclose(dy[:, :-1], np.diff(IMAGES, axis=1), rtol=1e-6)
    np.testing.assert_allclose(dx[:, :, :-1], np.diff(IMAGES, axis=2), rtol=1e-6)
    variation = np.abs(np.diff(IMAGES, axis=1)).sum((1, 2, 3)) + np.abs(np.diff(IMAGES, axis=2)).sum(
        (1, 2, 3)
    )
    np.testing.assert_allclose(tf.image.total_variation(IMAGES), variation, rtol=1e-5)


def test_sobel_edges_of_a_ramp():
    ramp = tf.reshape(tf.range(20.0), [1, 4, 5, 1])
    edges = tf.image.sobel_edges(ramp)
    assert edges.shape == [1, 4, 5, 1, 2]
    np.testing.assert_allclose(edges[0, 1:-1, 1:-1, 0], np.broadcast_to([40.0, 8.0], (2, 3, 2)))


def test_projective_transform_shifts():
    raw = tf.raw_ops.ImageProjectiveTransformV3
    shift = tf.constant([[1.0, 0.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0]])
    moved = raw(
        images=IMAGES,
        transforms=shift,
        output_shape=[5, 6],
        fill_value=-1.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    expected = np.full_like(IMAGES, -1)
    expected[:, :3, :5] = IMAGES[:, 2:, 1:]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "function", [tf.image.stateless_random_flip_left_right, tf.image.stateless_random_flip_up_down]
)
def test_random_flips_flip_each_image_or_not(function):
    axis = 2 if "left" in function.__name__ else 1
    many = np.repeat(IMAGES[:1], 64, 0)
    flipped = np.array(function(many, [1, 2]))
    is_flipped = [np.array_equal(image, np.flip(many[0], axis - 1)) for image in flipped]
    is_kept = [np.array_equal(image, many[0]) for image in flipped]
    assert all(a != b for a, b in zip(is_flipped, is_kept, strict=True))
    assert 10 < sum(is_flipped) < 54


def test_random_crops_lie_inside():
    crop = np.array(tf.image.stateless_random_crop(IMAGES, [1, 2, 3, 3], [3, 4]))
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (1, 2, 3, 3)).reshape(-1, *crop.shape)
    assert any(np.array_equal(crop, window) for window in windows)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Need value.shape >= size"):
        tf.image.random_crop(IMAGES, [5, 1, 1, 1])


@pytest.mark.parametrize(
    "function, arguments",
    [
        (tf.image.random_brightness, (-0.1,)),
        (tf.image.random_hue, (0.6,)),
        (tf.image.random_contrast, (0.5, 0.2)),
        (tf.image.random_saturation, (-0.5, 0.2)),
    ],
)
def test_random_ranges_are_checked(function, arguments):
    with pytest.raises(ValueError, match="must be"):
        function(IMAGES, *arguments)


def test_stateless_adjustments_are_functions_of_the_seed():
    for function, arguments in [
        (tf.image.stateless_random_brightness, (0.3,)),
        (tf.image.stateless_random_contrast, (0.3, 0.9)),
        (tf.image.stateless_random_hue, (0.3,)),
        (tf.image.stateless_random_saturation, (0.3, 0.9)),
    ]:
        first, again = (function(IMAGES, *arguments, seed=[1, 2]) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert np.any(first != function(IMAGES, *arguments, seed=[1, 3]))
