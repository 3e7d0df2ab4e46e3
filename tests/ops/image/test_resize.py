"""Public resizing. The ops have cases in `cases_image_resize`, which `make oracle` compares with TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(2, 5, 6, 3)).astype(np.float32)
METHODS = ["bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"]
LINEAR = [method for method in METHODS if method != "area"]  # area has no gradient


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("antialias", [False, True])
def test_constant_images_stay_constant(method, antialias):
    images = tf.fill([1, 7, 5, 2], tf.constant(200, tf.uint8))
    resized = tf.image.resize(images, [3, 11], method, antialias=antialias)
    np.testing.assert_allclose(tf.cast(resized, tf.float32), np.full((1, 3, 11, 2), 200), rtol=1e-6)


@pytest.mark.parametrize(
    "method", [method for method in METHODS if method not in ("gaussian", "mitchellcubic")]
)
def test_the_same_size_changes_nothing(method):
    np.testing.assert_allclose(tf.image.resize(IMAGES, [5, 6], method), IMAGES, atol=1e-6)


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("size", [[3, 4], [9, 13]])
@pytest.mark.parametrize("antialias", [False, True])
def test_gradients_are_the_adjoint(method, size, antialias):
    """<resize(x), y> = <x, gradient(y)>, as for every linear map."""
    other = RNG.normal(size=(2, *size, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        x = tf.constant(IMAGES)
        tape.watch(x)
        product = tf.reduce_sum(tf.image.resize(x, size, method, antialias=antialias) * other)
    gradient = tape.gradient(product, x)
    np.testing.assert_allclose(tf.reduce_sum(gradient * IMAGES), product, rtol=1e-4)


def test_only_nearest_keeps_the_dtype():
    images = tf.cast(IMAGES * 255, tf.uint8)
    assert tf.image.resize(images, [3, 3], "nearest").dtype == tf.uint8
    assert tf.image.resize(images, [3, 3]).dtype == tf.float32


def test_one_image_without_a_batch():
    np.testing.assert_allclose(tf.image.resize(IMAGES[0], [3, 4]), tf.image.resize(IMAGES, [3, 4])[0])


def test_aspect_ratio():
    assert tf.image.resize(IMAGES, [10, 9], preserve_aspect_ratio=True).shape == [2, 8, 9, 3]


@pytest.mark.parametrize(
    "images, size, method, message",
    [
        (IMAGES, [8], "bilinear", "'size' must be a 1-D Tensor"),
        (IMAGES, [8.0, 8.0], "bilinear", "'size' must be a 1-D int32"),
        (IMAGES[0, 0], [8, 8], "bilinear", "either 3 or 4 dimensions"),
        (IMAGES, [8, 8], "cubic", "not implemented"),
    ],
)
def test_bad_arguments(images, size, method, message):
    with pytest.raises(ValueError, match=message):
        tf.image.resize(images, size, method)


def test_unknown_sizes_inside_a_function():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def halve(x):
        shape = tf.shape(x)[1:3] // 2
        y = tf.image.resize(x, shape, antialias=True)
        assert y.shape.as_list() == [None, None, None, 3]
        z = tf.image.resize(x, [4, 4])
        assert z.shape.as_list() == [None, 4, 4, 3]
        return y

    expected = tf.image.resize(IMAGES, [2, 3], antialias=True)
    np.testing.assert_allclose(halve(IMAGES), expected, rtol=1e-5)


def test_resize_with_pad_centers_the_image():
    wide = tf.image.resize_with_pad(tf.ones([2, 4, 1]), 4, 4)[..., 0]
    np.testing.assert_array_equal(wide, [[0] * 4, [1] * 4, [1] * 4, [0] * 4])


def test_resize_with_crop_or_pad():
    image = np.arange(12.0).reshape(3, 4, 1)
    np.testing.assert_array_equal(tf.image.resize_with_crop_or_pad(image, 1, 2)[0, :, 0], [5, 6])
    assert tf.image.resize_with_crop_or_pad(IMAGES, 7, 2).shape == [2, 7, 2, 3]
    with pytest.raises(ValueError, match="target_height must be > 0"):
        tf.image.resize_with_crop_or_pad(IMAGES, 0, 2)


def test_v1_resizing():
    v1 = tf.compat.v1.image
    same = v1.resize_images(tf.cast(IMAGES, tf.uint8), [5, 6])
    assert same.dtype == tf.uint8  # an image of the wanted size is returned as it is
    corners = v1.resize_images(IMAGES, [3, 3], align_corners=True)
    np.testing.assert_allclose(corners[:, ::2, ::2], IMAGES[:, ::4, ::5], rtol=1e-6)
    np.testing.assert_allclose(
        v1.resize_images(IMAGES, [2, 2], v1.ResizeMethod.NEAREST_NEIGHBOR), IMAGES[:, [0, 2]][:, :, [0, 3]]
    )
