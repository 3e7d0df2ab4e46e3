"""What is known of the shape of a tensor array while a function is traced."""

from __future__ import annotations

import pytest

import penstock as tf


def stacked_shape(build):
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)])
    def run(x, n):
        shapes.append(build(x, n).stack().shape.as_list())
        return x

    run.get_concrete_function()
    return shapes[0]


def filled_in_a_loop(x, size, **options):
    array = tf.TensorArray(tf.float32, size=size, element_shape=[], **options)
    return tf.while_loop(lambda i, _: i < size, lambda i, a: (i + 1, a.write(i, 1.0)), (0, array))[1]


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda x, n: tf.TensorArray(tf.float32, size=2).write(0, 1.0), [2]),
        (lambda x, n: filled_in_a_loop(x, 3), [3]),
        (lambda x, n: filled_in_a_loop(x, n), [None]),
        (lambda x, n: filled_in_a_loop(x, 3, dynamic_size=True), [None]),
        (lambda x, n: tf.TensorArray(tf.float32, size=2).unstack(tf.zeros([2, 5])), [2, 5]),
        (lambda x, n: tf.TensorArray(tf.float32, size=2).unstack(x), [None]),
    ],
)
def test_a_size_that_is_known_is_the_first_dimension_of_the_stack(build, shape):
    assert stacked_shape(build) == shape


def test_eager_arrays_refuse_what_does_not_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="trying to write dtype string"):
        tf.TensorArray(tf.float32, 1).write(0, "a")
    with pytest.raises(ValueError, match="Cannot unstack 3 tensors"):
        tf.TensorArray(tf.float32, 2).unstack([1.0, 2.0, 3.0])


def test_an_empty_eager_array_stacks_to_a_vector():
    assert tf.TensorArray(tf.float32, 0).stack().shape == [0]
    assert tf.TensorArray(tf.float32, 0, element_shape=[2]).stack().shape == [0, 2]


def test_a_loop_tells_the_shape_of_the_elements_that_its_body_writes():
    shapes = []

    @tf.function
    def f(n):
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        other = tf.TensorArray(tf.float32, size=n, infer_shape=False)
        for i in tf.range(n):
            array, other = array.write(i, tf.ones([2])), other.write(i, tf.ones([2]))
            if i > 5:
                break
        shapes.append(array.stack().shape.as_list())
        return other.stack()

    f(tf.constant(3))
    assert shapes == [[None, 2]]
