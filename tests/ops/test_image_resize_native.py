import numpy as np
import pytest

from penstock.engine.native import host_library
from penstock.ops.image_resampling import apply_along, bilinear_matrix
from penstock.ops.image_resize_native import resize_bilinear

pytestmark = pytest.mark.skipif(host_library() is None, reason="no native kernels")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("flags", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize(
    ("size", "out", "channels"), [((16, 16), (8, 8), 3), ((7, 9), (20, 13), 1), ((5, 4), (3, 9), 4)]
)
def test_the_native_function_gives_the_numbers_of_the_numpy_kernel(dtype, flags, size, out, channels):
    images = (np.random.default_rng(0).random((2, *size, channels)) * 255).astype(dtype)
    columns = apply_along(np, images.astype(np.float32), 2, bilinear_matrix(size[1], out[1], *flags))
    expected = apply_along(np, columns, 1, bilinear_matrix(size[0], out[0], *flags))
    np.testing.assert_array_equal(resize_bilinear(images, *out, *flags), expected)


def test_other_dtypes_are_left_to_numpy():
    assert resize_bilinear(np.zeros((1, 2, 2, 1), np.int32), 3, 3, False, True) is None
