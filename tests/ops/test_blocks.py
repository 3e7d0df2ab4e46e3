"""space_to_depth, depth_to_space, space_to_batch, batch_to_space, dynamic_partition, dynamic_stitch, fingerprint."""

import numpy as np
import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

v1 = tf.compat.v1
INVALID = tf.errors.InvalidArgumentError
IMAGE = tf.reshape(tf.range(16), [1, 4, 4, 1])


def test_space_to_depth():
    moved = tf.nn.space_to_depth(IMAGE, 2)
    assert moved.numpy().tolist() == [[[[0, 1, 4, 5], [2, 3, 6, 7]], [[8, 9, 12, 13], [10, 11, 14, 15]]]]


@pytest.mark.parametrize(("shape", "data_format"), [([2, 4, 6, 3], "NHWC"), ([2, 3, 4, 6], "NCHW")])
def test_depth_to_space_is_the_inverse(shape, data_format):
    x = tf.reshape(tf.range(144), shape)
    there = v1.space_to_depth(x, 2, data_format=data_format)
    np.testing.assert_array_equal(v1.depth_to_space(there, 2, data_format=data_format), x)


def test_space_to_batch():
    moved = tf.space_to_batch(IMAGE, [2, 2], [[0, 0], [0, 0]])
    assert moved[..., 0].numpy().tolist() == [
        [[0, 2], [8, 10]],
        [[1, 3], [9, 11]],
        [[4, 6], [12, 14]],
        [[5, 7], [13, 15]],
    ]
    padded = tf.space_to_batch_nd(tf.reshape(tf.range(6), [1, 6]), [3], [[1, 2]])
    assert padded.numpy().tolist() == [[0, 2, 5], [0, 3, 0], [1, 4, 0]]


def test_batch_to_space():
    moved = tf.batch_to_space(tf.reshape(tf.range(6), [3, 2]), [3], [[1, 0]])
    assert moved.numpy().tolist() == [[2, 4, 1, 3, 5]]


def test_the_forms_of_tf1_take_one_block_size():
    there = v1.space_to_batch(IMAGE, [[0, 0], [0, 0]], 2)
    assert there.shape == [4, 2, 2, 1]
    np.testing.assert_array_equal(v1.batch_to_space(there, [[0, 0], [0, 0]], 2), IMAGE)


@pytest.mark.parametrize(
    ("base", "paddings", "crops"),
    [(None, [[0, 1], [0, 1]], [[0, 1], [0, 1]]), ([[1, 0], [0, 0]], [[1, 0], [0, 1]], [[0, 0], [0, 1]])],
)
@pytest.mark.parametrize("traced", [False, True])
def test_required_paddings(base, paddings, crops, traced):
    def required(sizes):
        return tf.required_space_to_batch_paddings(sizes, [2, 3], base)

    result = (tf.function(required) if traced else required)(tf.constant([7, 5]))
    assert [each.numpy().tolist() for each in result] == [paddings, crops]


@pytest.mark.parametrize(
    "call",
    [
        lambda: tf.nn.space_to_depth(IMAGE, 3),
        lambda: tf.nn.depth_to_space(IMAGE, 2),
        lambda: tf.space_to_batch_nd(tf.zeros([1, 6]), [4], [[0, 0]]),
        lambda: tf.batch_to_space(tf.zeros([3, 2]), [2], [[1, 0]]),
        lambda: tf.dynamic_partition([1, 2], [0, 2], 2),
        lambda: tf.dynamic_stitch([[0, 1]], [[1, 2, 3]]),
        lambda: tf.fingerprint("a"),
        lambda: tf.fingerprint(["a"], method="md5"),
    ],
)
def test_errors(call):
    with pytest.raises(INVALID):
        call()


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: tf.nn.space_to_depth(x, 2), [None, 4, 6, 3], [None, 2, 3, 12]),
        (lambda x: tf.nn.depth_to_space(x, 2), [None, 2, None, 8], [None, 4, None, 2]),
        (lambda x: tf.space_to_batch(x, [2, 2], [[0, 0], [1, 1]]), [None, 4, 6, 3], [None, 2, 4, 3]),
        (lambda x: tf.batch_to_space(x, [2, 2], [[0, 0], [1, 1]]), [None, 4, 6, 3], [None, 8, 10, 3]),
        (lambda x: tf.dynamic_partition(x, tf.zeros([4], tf.int32), 2)[0], [4, 3], [None, 3]),
        (lambda x: tf.dynamic_stitch([[0, 2], [1]], [x, x[:1]]), [2, 3], [3, 3]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected


def test_dynamic_partition():
    groups = tf.dynamic_partition([[1, 2], [3, 4]], [1, 0], 3)
    assert [each.numpy().tolist() for each in groups] == [[[3, 4]], [[1, 2]], []]
    assert groups[2].shape == [0, 2]


def test_dynamic_partition_by_a_scalar():
    groups = tf.dynamic_partition([[1, 2], [3, 4]], 1, 2)
    assert groups[1].numpy().tolist() == [[[1, 2], [3, 4]]]


def test_dynamic_stitch():
    assert tf.dynamic_stitch([[0, 2], [1]], [[10, 30], [20]]).numpy().tolist() == [10, 20, 30]
    assert tf.dynamic_stitch([0, [3]], [[1, 2], [[3, 4]]]).numpy().tolist() == [
        [1, 2],
        [0, 0],
        [0, 0],
        [3, 4],
    ]
    assert tf.dynamic_stitch([[0], [0]], [[1], [2]]).numpy().tolist() == [2]


@pytest.mark.parametrize("count", [3, 300])
def test_partition_and_stitch_are_inverse(count):
    x, labels = tf.range(10), tf.constant([2, 0, 1, 1, 0, 2, 2, 0, 1, 0])
    places = tf.dynamic_partition(tf.range(10), labels, count)
    assert places[1].numpy().tolist() == [2, 3, 8]
    np.testing.assert_array_equal(tf.dynamic_stitch(places, tf.dynamic_partition(x, labels, count)), x)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["abc"], [[105, 243, 231, 116, 160, 179, 165, 36]]),
        ([["abc"], ["de"]], [[105, 243, 231, 116, 160, 179, 165, 36], [132, 252, 67, 60, 7, 51, 37, 253]]),
        ([[1, 2], [3, 4]], [[76, 18, 253, 133, 168, 204, 240, 10], [254, 162, 60, 240, 103, 244, 53, 255]]),
    ],
)
def test_fingerprint(data, expected):
    assert tf.fingerprint(data).numpy().tolist() == expected
