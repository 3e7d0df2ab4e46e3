"""`tf.nondifferentiable_batch_function`: calls from threads become one batch."""

import threading

import numpy as np
import pytest

import penstock as tf


def _call_from_threads(function, arguments):
    results = [None] * len(arguments)

    def call(i):
        try:
            results[i] = function(*arguments[i])
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_calls_are_run_together():
    sizes = []

    @tf.nondifferentiable_batch_function(1, 6, 10_000_000)
    def function(x):
        tf.py_function(lambda size: sizes.append(int(size)), [tf.shape(x)[0]], [])
        return {"double": x * 2}

    arguments = [(tf.constant([i, i + 10]),) for i in range(3)]
    results = _call_from_threads(function, arguments)
    assert [result["double"].numpy().tolist() for result in results] == [[0, 20], [2, 22], [4, 24]]
    assert sizes == [6]


def test_a_batch_is_padded_to_an_allowed_size():
    sizes = []

    @tf.nondifferentiable_batch_function(1, 8, 0, allowed_batch_sizes=[4, 8])
    def function(x):
        tf.py_function(lambda size: sizes.append(int(size)), [tf.shape(x)[0]], [])
        return x + 1.0

    np.testing.assert_array_equal(function(tf.constant([1.0, 2.0, 3.0])), [2, 3, 4])
    assert sizes == [4]


def test_large_calls_are_cut():
    function = tf.nondifferentiable_batch_function(1, 2, 0)(lambda x: x * x)
    np.testing.assert_array_equal(function(tf.range(5)), [0, 1, 4, 9, 16])
    whole = tf.nondifferentiable_batch_function(1, 2, 0, enable_large_batch_splitting=False)(lambda x: x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_batch_size"):
        whole(tf.range(5))


def test_every_caller_gets_the_error():
    @tf.nondifferentiable_batch_function(1, 2, 10_000_000)
    def function(x):
        tf.debugging.assert_positive(x)
        return x

    results = _call_from_threads(function, [(tf.constant([1]),), (tf.constant([-1]),)])
    assert all(isinstance(result, tf.errors.InvalidArgumentError) for result in results)


def test_inside_a_function():
    batched = tf.nondifferentiable_batch_function(1, 4, 0)(lambda x, y: x + y)
    outer = tf.function(lambda x: batched(x, x) + 1)
    np.testing.assert_array_equal(outer(tf.constant([1, 2])), [3, 5])


def test_bad_arguments():
    with pytest.raises(ValueError, match="allowed_batch_sizes"):
        tf.nondifferentiable_batch_function(1, 4, 0, allowed_batch_sizes=[4, 2])
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.nondifferentiable_batch_function(1, 4, 0)(lambda x: x)(tf.constant(1))
