import numpy as np
import pytest

import penstock as tf
from penstock.data.image_chains import image_chain
from penstock.data.row_calls import several_calls
from penstock.engine.native import host_library
from penstock.engine.static_value import constant_value
from penstock.runtime.fusion import Uses
from penstock.runtime.lowering import pruned

pytestmark = pytest.mark.skipif(host_library() is None, reason="no native kernels")


def decoded(jpeg):
    return tf.io.decode_jpeg(jpeg, channels=3)


def resized(jpeg):
    return tf.image.resize(decoded(jpeg), (8, 6))


def normalized(jpeg):
    return resized(jpeg) / 255.0


def flipped(image, axis, condition):
    return tf.where(condition, tf.reverse(image, [axis]), image)


def chains_of(dataset):
    """The types of the operations that run as one, in the function of a map: a list for each chain."""
    graph = dataset._function.graph
    operations = [each for each in pruned(graph) if each.type != "Const"]
    uses = Uses(operations, graph.outputs)
    chains = [image_chain(each, uses, constant_value) for each in operations]
    return [[each.type for each in chain.operations] for chain in chains if chain is not None]


@pytest.fixture(scope="module")
def jpegs():
    random = np.random.default_rng(0)
    sizes = [(11 + i % 3, 9 + i, 3) for i in range(6)]
    return [tf.io.encode_jpeg(random.integers(0, 255, size, np.uint8)).numpy() for size in sizes]


@pytest.mark.parametrize(
    ("function", "ends_with"),
    [
        (lambda jpeg, i: resized(jpeg), "Squeeze"),
        (lambda jpeg, i: normalized(jpeg), "RealDiv"),
        (lambda jpeg, i: flipped(normalized(jpeg), 1, i % 2 == 0), "SelectV2"),
        (lambda jpeg, i: flipped(normalized(jpeg), -3, i % 2 == 0), "SelectV2"),
        (lambda jpeg, i: flipped(resized(jpeg), 2, i % 2 == 0), "Squeeze"),  # of the channels
        (lambda jpeg, i: tf.where(i > 2, normalized(jpeg), tf.reverse(normalized(jpeg), [1])), "SelectV2"),
        (lambda jpeg, i: tf.image.resize(tf.cast(decoded(jpeg), tf.float32), (8, 6)), "Squeeze"),
        (lambda jpeg, i: 1.0 / (1.0 + resized(jpeg)), "Squeeze"),
    ],
    ids=["resized", "divided", "left_right", "up_down", "channels", "otherwise", "floats", "divisor"],
)
def test_chains_give_what_their_operations_give(jpegs, function, ends_with):
    dataset = tf.data.Dataset.from_tensor_slices((jpegs, np.arange(6))).map(function)
    assert chains_of(dataset)[0][-1] == ends_with
    found = several_calls(dataset._function, [])([[each, np.int64(i)] for i, each in enumerate(jpegs)])
    for (one,), expected in zip(found, dataset, strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda jpeg: (resized(jpeg), tf.shape(decoded(jpeg))),
        lambda jpeg: tf.image.resize(decoded(jpeg), tf.shape(decoded(jpeg))[:2] // 2),
        lambda jpeg: tf.image.resize(tf.stack([decoded(jpeg)] * 2), (8, 6)),
    ],
    ids=["used_twice", "size_of_the_image", "batch"],
)
def test_other_operations_stay_by_themselves(jpegs, function):
    dataset = tf.data.Dataset.from_tensor_slices(jpegs).map(function)
    assert chains_of(dataset) == []


def test_images_that_follow_each_other_in_one_buffer_are_kept_apart(jpegs):
    dataset = tf.data.Dataset.from_tensor_slices(jpegs).map(
        lambda jpeg: tf.image.resize(decoded(jpeg), (4, 4))
    )
    calls = several_calls(dataset._function, [])
    (one,), (same,), (other,) = calls([[jpegs[0]], [jpegs[0]], [jpegs[1]]])
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("join", [tf.stack, tf.add_n, lambda images: tf.where(images[0] > 9, *images)])
def test_an_image_and_its_reverse_are_both_used(jpegs, join):
    def function(jpeg):
        image = resized(jpeg)
        return join([image, tf.reverse(image, [1])])

    found = list(tf.data.Dataset.from_tensor_slices(jpegs).map(function, num_parallel_calls=2))
    for jpeg, each in zip(jpegs, found, strict=True):
        np.testing.assert_allclose(each, function(jpeg), rtol=1e-5)
