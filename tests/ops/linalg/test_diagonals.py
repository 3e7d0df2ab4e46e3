"""diag, diag_part, set_diag, band_part, trace, tensor_diag: ranges of diagonals under every alignment."""

import numpy as np
import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

L = tf.linalg
M = tf.reshape(tf.range(1, 13), [3, 4])
BANDS = [[8, 9, 0], [1, 2, 3], [0, 5, 6]]
INVALID = tf.errors.InvalidArgumentError


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: L.diag([1, 2]), [[1, 0], [0, 2]]),
        (lambda: L.diag([1, 2], k=1), [[0, 1, 0], [0, 0, 2], [0, 0, 0]]),
        (lambda: L.diag([1], num_rows=2, num_cols=1, padding_value=9), [[1], [9]]),
        (lambda: L.diag(BANDS, k=(-1, 1)), [[1, 9, 0], [0, 2, 0], [0, 5, 3]]),
        (lambda: L.diag(BANDS, k=(-1, 1), align="LEFT_RIGHT"), [[1, 8, 0], [5, 2, 9], [0, 6, 3]]),
        (lambda: L.diag(BANDS, k=(-1, 1), align="LEFT_LEFT"), [[1, 8, 0], [0, 2, 9], [0, 5, 3]]),
        (lambda: L.diag_part(M), [1, 6, 11]),
        (lambda: L.diag_part(M, k=1), [2, 7, 12]),
        (lambda: L.diag_part(M, k=(-1, 2)), [[0, 3, 8], [2, 7, 12], [1, 6, 11], [5, 10, 0]]),
        (
            lambda: L.diag_part(M, k=(-1, 2), align="LEFT_LEFT", padding_value=7),
            [[3, 8, 7], [2, 7, 12], [1, 6, 11], [5, 10, 7]],
        ),
        (lambda: L.diag_part(M, k=(-2, -1), align="RIGHT_RIGHT"), [[5, 10], [0, 9]]),
        (lambda: L.set_diag(M, [1, 2, 3]), [[1, 2, 3, 4], [5, 2, 7, 8], [9, 10, 3, 12]]),
        (lambda: L.set_diag(M, [7, 8, 9], k=1), [[1, 7, 3, 4], [5, 6, 8, 8], [9, 10, 11, 9]]),
        (
            lambda: L.set_diag(M, [[1, 2, 3], [4, 5, 6]], k=(0, 1)),
            [[4, 1, 3, 4], [5, 5, 2, 8], [9, 10, 6, 3]],
        ),
        (lambda: L.band_part(M, 1, 0), [[1, 0, 0, 0], [5, 6, 0, 0], [0, 10, 11, 0]]),
        (lambda: L.band_part(M, 0, -1), [[1, 2, 3, 4], [0, 6, 7, 8], [0, 0, 11, 12]]),
        (lambda: L.band_part(M, -1, 0), [[1, 0, 0, 0], [5, 6, 0, 0], [9, 10, 11, 0]]),
        (lambda: L.band_part(M, -1, -1), M.numpy().tolist()),
        (lambda: L.band_part(M, 3, 4), M.numpy().tolist()),
        (lambda: L.tensor_diag([1, 2]), [[1, 0], [0, 2]]),
        (lambda: L.tensor_diag_part(L.tensor_diag([[1, 2], [3, 4]])), [[1, 2], [3, 4]]),
        (lambda: L.trace(M), 18),
        (lambda: L.trace([[[1, 2], [3, 4]]]), [5]),
    ],
)
def test_values(call, expected):
    assert call().numpy().tolist() == expected


@pytest.mark.parametrize("align", ["LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT"])
def test_reading_and_replacing_are_inverse(align):
    k = (-2, 3)
    bands = L.diag_part(M, k=k, align=align)
    np.testing.assert_array_equal(L.set_diag(tf.zeros_like(M), bands, k=k, align=align), M)


@pytest.mark.parametrize(
    "call",
    [
        lambda: L.diag([1, 2, 3], num_rows=2),
        lambda: L.diag([1, 2, 3], k=-1, num_rows=5, num_cols=4),
        lambda: L.diag([1, 2, 3], k=(0, 1)),
        lambda: L.diag_part(M, k=5),
        lambda: L.diag_part(M, k=(1, -1)),
        lambda: L.diag_part(M, align="UP"),
        lambda: L.set_diag(M, [1, 2]),
        lambda: L.band_part(M, 5, 0),
        lambda: L.tensor_diag_part(M),
    ],
)
def test_errors(call):
    with pytest.raises(INVALID):
        call()


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (L.diag, [None, 3], [None, 3, 3]),
        (lambda x: L.diag(x, k=-1), [None, 3], [None, 4, 4]),
        (L.diag_part, [None, 3, 4], [None, 3]),
        (lambda x: L.diag_part(x, k=(-1, 1)), [None, 3, 4], [None, 3, 3]),
        (lambda x: L.set_diag(x, L.diag_part(x)), [None, 3, 4], [None, 3, 4]),
        (lambda x: L.band_part(x, -1, 0), [None, 3, 4], [None, 3, 4]),
        (L.trace, [None, 3, 4], [None]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected
