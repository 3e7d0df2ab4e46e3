import numpy as np
import pytest

from penstock.data.reversed_pixels import copy_reversed_pixels
from penstock.engine.native import host_library


@pytest.mark.skipif(host_library() is None, reason="no native kernels")
@pytest.mark.parametrize("pixels", [1, 2, 3, 17])
def test_a_flipped_image_is_copied(pixels):
    image = np.random.default_rng(0).random((5, pixels, 3), np.float32)
    target = np.full_like(image, -1)
    assert copy_reversed_pixels(target, image[:, ::-1])
    np.testing.assert_array_equal(target, image[:, ::-1])


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((2, 3, 4), np.float32)[:, ::-1],
        np.zeros((2, 3, 3), np.float64)[:, ::-1],
        np.zeros((2, 3, 3), np.float32)[::-1],
        np.zeros((2, 6, 3), np.float32)[:, ::-2],
        np.zeros((0, 3, 3), np.float32)[:, ::-1],
        np.zeros((2, 3), np.float32),
    ],
    ids=lambda each: f"{each.dtype}{each.shape}{each.strides}",
)
def test_other_arrays_are_left_to_numpy(source):
    assert not copy_reversed_pixels(np.zeros_like(source), source)
