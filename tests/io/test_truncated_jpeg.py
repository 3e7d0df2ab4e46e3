"""Images cut short: rows as TensorFlow 2.21 gives them."""

import numpy as np
import pytest

import penstock as tf

PIXELS = np.random.default_rng(0).integers(40, 255, (96, 64, 3)).astype(np.uint8)


def cut(share, **encoding):
    data = tf.io.encode_jpeg(PIXELS, quality=80, **encoding).numpy()
    return data[: int(len(data) * share)], tf.io.decode_jpeg(data).numpy()


@pytest.mark.parametrize(("share", "rows"), [(0.5, 30), (0.8, 62), (0.99, 78)])
def test_the_rows_that_are_there_are_taken_and_the_others_black(share, rows):
    data, whole = cut(share)
    found = tf.io.decode_jpeg(data, acceptable_fraction=0.1).numpy()
    np.testing.assert_array_equal(found[:rows], whole[:rows])
    assert not found[rows:].any()


@pytest.mark.parametrize(("share", "fraction"), [(0.5, 0.4), (0.8, 0.7), (0.99, 1.0), (0.2, 0.1)])
def test_too_few_rows_are_an_error(share, fraction):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        tf.io.decode_jpeg(cut(share)[0], acceptable_fraction=fraction)


def test_a_progressive_image_has_no_rows_before_its_end():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        tf.io.decode_jpeg(cut(0.9, progressive=True)[0], acceptable_fraction=0.1)


def test_recovering_needs_no_fraction():
    assert tf.io.decode_jpeg(cut(0.5)[0], try_recover_truncated=True).shape == (96, 64, 3)
