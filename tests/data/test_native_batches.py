import numpy as np
import pytest

from penstock.data.native_batches import copy_reversed_pixels, stack_large
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


@pytest.mark.skipif(host_library() is None, reason="no native kernels")
@pytest.mark.parametrize("size", [2**16, 2**16 + 1, 2**16 + 63, 2**18 + 40])
def test_large_elements_are_stacked(size):
    random = np.random.default_rng(0)
    # They may lie anywhere in memory.
    column = [np.frombuffer(random.bytes(size + i), np.uint8)[i:] for i in range(17)]
    batch = stack_large(column)
    np.testing.assert_array_equal(batch, np.stack(column))
    assert batch.ctypes.data % 64 == 0


LARGE = np.zeros((2**9, 2**9), np.float32)


@pytest.mark.parametrize(
    "column",
    [
        [np.zeros(9)] * 2,
        [np.zeros((2**9, 2**5), np.float32)] * 2,
        [LARGE, LARGE[1:]],
        [LARGE, LARGE.T],
        [LARGE, LARGE.astype(np.int32)],
        [LARGE.astype(object)] * 2,
    ],
    ids=["small", "a small batch", "other shapes", "other strides", "other dtypes", "objects"],
)
def test_other_elements_are_left_to_numpy(column):
    assert stack_large(column) is None
