"""Colors, dtypes and adjustments of images."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

import penstock as tf

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(2, 3, 4, 3)).astype(np.float32)


def test_hsv_is_that_of_the_standard_library():
    expected = [colorsys.rgb_to_hsv(*pixel) for pixel in IMAGES.reshape(-1, 3)]
    np.testing.assert_allclose(
        tf.reshape(tf.image.rgb_to_hsv(IMAGES), [-1, 3]), expected, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(tf.image.hsv_to_rgb(tf.image.rgb_to_hsv(IMAGES)), IMAGES, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", ["yiq", "yuv"])
def test_linear_color_spaces_go_there_and_back(space):
    there = getattr(tf.image, f"rgb_to_{space}")(IMAGES)
    np.testing.assert_allclose(getattr(tf.image, f"{space}_to_rgb")(there), IMAGES, atol=1e-3)


def test_grayscale():
    gray = tf.image.rgb_to_grayscale(IMAGES)
    np.testing.assert_allclose(gray[..., 0], IMAGES @ [0.2989, 0.587, 0.114], rtol=1e-5)
    assert tf.image.rgb_to_grayscale(tf.cast(IMAGES * 255, tf.uint8)).dtype == tf.uint8
    assert tf.image.grayscale_to_rgb(gray).shape == [2, 3, 4, 3]
    with pytest.raises(ValueError, match="grayscale"):
        tf.image.grayscale_to_rgb(IMAGES)


@pytest.mark.parametrize(
    "value, dtype, to, expected",
    [
        (255, "uint8", "float32", 1.0),
        (1.0, "float32", "uint8", 255),
        (0.5, "float32", "uint8", 127),
        (255, "uint8", "uint16", 255 * 256),
        (65535, "uint16", "uint8", 255),
        (1.0, "float32", "float64", 1.0),
    ],
)
def test_convert_image_dtype(value, dtype, to, expected):
    converted = tf.image.convert_image_dtype(tf.constant(value, dtype), to)
    assert converted.dtype == to
    assert converted.numpy() == expected


def test_conversion_saturates_if_asked():
    assert tf.image.convert_image_dtype(tf.constant(2.0), tf.uint8, saturate=True).numpy() == 255
    with pytest.raises(AttributeError, match="floating point or integer"):
        tf.image.convert_image_dtype(IMAGES, tf.string)


def test_brightness_contrast_and_gamma():
    np.testing.assert_allclose(tf.image.adjust_brightness(IMAGES, 0.25), IMAGES + 0.25, rtol=1e-6)
    mean = IMAGES.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(
        tf.image.adjust_contrast(IMAGES, 2.0), (IMAGES - mean) * 2 + mean, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(tf.image.adjust_gamma(IMAGES, 2.0, 0.5), 0.5 * IMAGES**2, rtol=1e-5)
    bright = tf.image.adjust_brightness(tf.constant([[[250]]], tf.uint8), 0.5)
    assert bright.numpy().item() == 255


def test_hue_and_saturation():
    hsv = np.array(tf.image.rgb_to_hsv(IMAGES))
    turned = np.stack([(hsv[..., 0] + 0.3) % 1, hsv[..., 1], hsv[..., 2]], -1)
    np.testing.assert_allclose(
        tf.image.adjust_hue(IMAGES, 0.3), tf.image.hsv_to_rgb(turned), rtol=1e-4, atol=1e-5
    )
    muted = np.stack([hsv[..., 0], hsv[..., 1] * 0.5, hsv[..., 2]], -1)
    np.testing.assert_allclose(
        tf.image.adjust_saturation(IMAGES, 0.5), tf.image.hsv_to_rgb(muted), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="delta"):
        tf.image.adjust_hue(IMAGES, 2.0)


def test_standardization():
    y = np.array(tf.image.per_image_standardization(IMAGES))
    np.testing.assert_allclose(y.mean((1, 2, 3)), [0, 0], atol=1e-6)
    np.testing.assert_allclose(y.std((1, 2, 3)), [1, 1], rtol=1e-5)
    np.testing.assert_array_equal(tf.image.per_image_standardization(tf.ones([2, 2, 1])), np.zeros((2, 2, 1)))


def test_quality_of_equal_and_of_different_images():
    a = RNG.uniform(size=(2, 24, 20, 3)).astype(np.float32)
    b = np.clip(a + RNG.normal(size=a.shape).astype(np.float32) * 0.1, 0, 1)
    np.testing.assert_allclose(
        tf.image.psnr(a, b, 1.0), -10 * np.log10(((a - b) ** 2).mean((1, 2, 3))), rtol=1e-5
    )
    np.testing.assert_allclose(tf.image.ssim(a, a, 1.0), [1, 1], rtol=1e-6)
    assert np.all(tf.image.ssim(a, b, 1.0) < 0.99)
    assert tf.image.ssim(a, b, 1.0, return_index_map=True).shape == [2, 14, 10]
    np.testing.assert_allclose(
        tf.image.ssim_multiscale(a, a, 1.0, [0.5, 0.5], filter_size=5), [1, 1], rtol=1e-6
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="smaller than the filter"):
        tf.image.ssim(a[:, :10], b[:, :10], 1.0)
    with pytest.raises(ValueError, match="not compatible"):
        tf.image.ssim(a, b[:, :, :, :2], 1.0)
