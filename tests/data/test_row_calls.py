import numpy as np
import pytest

import penstock as tf
from penstock.data.row_calls import several_calls

FEATURES = {"image": tf.io.FixedLenFeature((), tf.string), "label": tf.io.FixedLenFeature((), tf.int64)}


def example(number, image=None):
    pixels = np.random.default_rng(number).integers(0, 255, (11 + number % 3, 9, 3), np.uint8)
    features = {
        "image": tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[image or tf.io.encode_jpeg(pixels).numpy()])
        ),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def parse(record):
    found = tf.io.parse_single_example(record, FEATURES)
    image = tf.image.resize(tf.io.decode_jpeg(found["image"], channels=3), (8, 6)) / 255.0
    return tf.image.random_flip_left_right(image, seed=3), found["label"]


def drained(dataset):
    """The elements, and in the place of those that fail the class of the error."""
    found, elements = [], iter(dataset)
    while True:
        try:
            found.append(tf.nest.map_structure(lambda each: each.numpy().tolist(), next(elements)))
        except StopIteration:
            return found
        except tf.errors.OpError as error:
            found.append(type(error))


@pytest.mark.parametrize("parallel", [tf.data.AUTOTUNE, 1, 3])
def test_elements_are_those_of_a_map_that_is_not_parallel(parallel):
    records = tf.data.Dataset.from_tensor_slices([example(i) for i in range(70)])
    assert drained(records.map(parse, parallel)) == drained(records.map(parse))


@pytest.mark.parametrize("parallel", [tf.data.AUTOTUNE, 3])
def test_an_element_that_fails_is_the_only_one(parallel):
    broken = {20: b"no jpeg", 41: b"\xff\xd8\xff\xe0 cut short"}
    records = tf.data.Dataset.from_tensor_slices([example(i, broken.get(i)) for i in range(60)])
    found = drained(records.map(parse, parallel))
    assert [i for i, each in enumerate(found) if each is tf.errors.InvalidArgumentError] == [20, 41]
    assert [each[1] for i, each in enumerate(found) if i not in broken] == [
        i for i in range(60) if i not in broken
    ]


@pytest.mark.parametrize("parallel", [tf.data.AUTOTUNE, 4])
def test_an_error_of_the_input_comes_after_the_elements_before_it(parallel):
    def check(number):
        return tf.debugging.check_numerics(tf.where(number == 37, np.nan, tf.cast(number, tf.float32)), "nan")

    numbers = tf.data.Dataset.range(50).map(check)
    found = drained(numbers.map(lambda each: each * 2, parallel))
    expected = [2.0 * i for i in range(50)]
    expected[37] = tf.errors.InvalidArgumentError
    assert found == expected


def test_a_position_is_saved_and_found_again_with_its_random_numbers(tmp_path):
    records = tf.data.Dataset.from_tensor_slices([example(i) for i in range(60)]).map(parse, tf.data.AUTOTUNE)
    elements = iter(records)
    for _ in range(33):
        next(elements)
    path = tf.train.Checkpoint(iterator=elements).save(str(tmp_path / "checkpoint"))
    restored = iter(records)
    tf.train.Checkpoint(iterator=restored).restore(path)
    found, expected = list(restored), list(elements)
    assert len(found) == len(expected) == 27
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one[0], other[0])


def test_several_elements_share_what_does_not_depend_on_them():
    offset = tf.constant(np.arange(300, dtype=np.float32))
    dataset = tf.data.Dataset.range(4).map(lambda i: (tf.cast(i, tf.float32) + offset, tf.stack([i, i * i])))
    calls = several_calls(dataset._function, dataset._function.captures)
    found = calls([[np.int64(i)] for i in range(3)])
    assert [each[1].tolist() for each in found] == [[0, 0], [1, 1], [2, 4]]
    np.testing.assert_array_equal(found[2][0], 2 + np.arange(300))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.cond(x > 1, lambda: x, lambda: -x),
        lambda x: tf.random.uniform([]) + tf.cast(x, tf.float32),
        lambda x: tf.py_function(lambda each: each, [x], tf.int64),
    ],
    ids=["branch", "random", "python"],
)
def test_functions_with_branches_or_state_are_called_one_by_one(function):
    dataset = tf.data.Dataset.range(4).map(function)
    assert several_calls(dataset._function, dataset._function.captures) is None


def test_the_form_for_several_elements_is_made_once():
    function = tf.data.Dataset.range(4).map(lambda x: x + 1)._function
    assert several_calls(function, []) is several_calls(function, []) is not None


@pytest.mark.parametrize(
    "draw",
    [
        lambda: tf.random.uniform([3], -5, 9, tf.int32, seed=4),
        lambda: tf.random.uniform([], maxval=tf.int32.max, dtype=tf.int32, seed=4),
        lambda: tf.random.uniform([2, 2], 1.5, 2, seed=4),
        lambda: tf.random.uniform([5], 0, 9, tf.int32, seed=4),
        lambda: tf.random.uniform([2], 0, 9, tf.int64, seed=4),
    ],
    ids=["integers", "any integer", "fractions", "more than a block", "64 bits"],
)
def test_random_numbers_of_parallel_maps_are_those_of_sequential_ones(draw):
    def numbers(parallel):
        tf.random.set_seed(3)
        dataset = tf.data.Dataset.range(300).map(lambda x: draw(), num_parallel_calls=parallel)
        return np.array(list(dataset.as_numpy_iterator()))

    np.testing.assert_array_equal(numbers(2), numbers(None))
