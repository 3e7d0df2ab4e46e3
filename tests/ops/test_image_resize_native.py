import numpy as np
import pytest

from penstock.engine.native import host_library
from penstock.ops.image_resampling import apply_along, bilinear_matrix
from penstock.ops.image_resize_native import dividing_resizer, resize_bilinear

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


def test_other_dtypes_are_left_to_numpy():
    assert resize_bilinear(np.zeros((1, 2, 2, 1), np.int32), 3, 3, False, True) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_division_behind_it_is_that_of_numpy(dtype):
    image = (np.random.default_rng(0).random((13, 17, 3)) * 255).astype(dtype)
    found = dividing_resizer(6, 9, False, True, 255.0)(image)
    np.testing.assert_array_equal(found, resize_bilinear(image[None], 6, 9, False, True)[0] / np.float32(255))


def test_an_image_without_pixels_is_an_error_for_the_caller():
    with pytest.raises(ValueError, match=r"uint8 \[0, 4, 3\]"):
        dividing_resizer(2, 2, False, True, 2.0)(np.zeros((0, 4, 3), np.uint8))
