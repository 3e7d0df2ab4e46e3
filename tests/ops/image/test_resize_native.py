import numpy as np
import pytest

from penstock.engine.native import host_library
from penstock.ops.image.resampling import apply_along, area_matrix, bicubic_matrix, bilinear_matrix
from penstock.ops.image.resize_native import ImageResizer, resample, resize_bilinear

pytestmark = pytest.mark.skipif(host_library() is None, reason="no native kernels")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("flags", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize(
    ("size", "out", "channels"),
    [
        ((16, 16), (8, 8), 3), ((7, 9), (20, 13), 1), ((5, 4), (3, 9), 4), ((64, 48), (31, 33), 3),
        ((6, 500), (4, 7), 3),  # pixels too far from each other to be picked out of a few bytes
    ],
)  # fmt: skip
def test_the_native_function_gives_the_numbers_of_the_numpy_kernel(dtype, flags, size, out, channels):
    images = (np.random.default_rng(0).random((2, *size, channels)) * 255).astype(dtype)
    columns = apply_along(np, images.astype(np.float32), 2, bilinear_matrix(size[1], out[1], *flags))
    expected = apply_along(np, columns, 1, bilinear_matrix(size[0], out[0], *flags))
    np.testing.assert_array_equal(resize_bilinear(images, *out, *flags), expected)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("out", [(6, 4), (20, 31), (12, 16)])
@pytest.mark.parametrize("matrix", [bicubic_matrix, bilinear_matrix, area_matrix])
def test_native_sums_of_pixels_are_those_of_the_numpy_kernel(matrix, out, channels):
    images = np.random.default_rng(0).random((2, 12, 16, channels)).astype(np.float32)
    flags = (False,) if matrix is area_matrix else (False, True)
    rows, columns = matrix(12, out[0], *flags), matrix(16, out[1], *flags)
    expected = apply_along(np, apply_along(np, images, 1, rows), 2, columns)
    np.testing.assert_array_equal(resample(images, rows, columns), expected)


def test_a_pixel_without_weight_has_no_part_in_a_sum():
    images = np.ones((1, 8, 8, 1), np.float32)
    images[0, 0, 0] = np.inf
    found = resample(images, bicubic_matrix(8, 4, False, True), bicubic_matrix(8, 4, False, True))
    assert np.isfinite(found[0, 2:, 2:]).all()


def test_other_dtypes_are_left_to_numpy():
    assert resize_bilinear(np.zeros((1, 2, 2, 1), np.int32), 3, 3, False, True) is None


@pytest.mark.parametrize("divisor", [255.0, 127.5, 1.0, 57.375, 1e-30, 3e38, 0.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_division_behind_it_is_that_of_numpy(dtype, divisor):
    image = (np.random.default_rng(0).random((13, 17, 3)) * 255).astype(dtype)
    found = ImageResizer(6, 9, False, True, divisor)(image)
    with np.errstate(all="ignore"):
        expected = resize_bilinear(image[None], 6, 9, False, True)[0] / np.float32(divisor)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("divisor", [255.0, 127.5, 3.0, -7.7, 1.0, 1e-30])
@pytest.mark.parametrize("size", [(300, 280), (192, 192), (150, 120), (60, 40)])
def test_a_large_result_is_that_of_numpy(size, divisor):
    image = (np.random.default_rng(0).random((*size, 3)) * 255).astype(np.uint8)
    found = ImageResizer(96, 96, False, True, divisor)(image)
    expected = resize_bilinear(image[None].astype(np.float32), 96, 96, False, True)[0] / np.float32(divisor)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("size", "dtype"), [((13, 17), np.uint8), ((4, 500), np.uint8), ((13, 17), np.float32)]
)
def test_a_flipped_image_has_the_same_numbers_in_reverse_order(size, dtype, axis):
    image = (np.random.default_rng(0).random((*size, 3)) * 255).astype(dtype)
    resizer = ImageResizer(9, 30, False, True, 255.0, axis)
    np.testing.assert_array_equal(resizer(image, True), np.flip(resizer(image), axis))


def test_an_image_without_pixels_is_an_error_for_the_caller():
    with pytest.raises(ValueError, match=r"uint8 \[0, 4, 3\]"):
        ImageResizer(2, 2, False, True, 2.0)(np.zeros((0, 4, 3), np.uint8))
