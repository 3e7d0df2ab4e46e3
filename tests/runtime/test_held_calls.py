"""Calls of a compiled piece that a loop on the host holds back: what programs see is as if each were made at once."""

import numpy as np
import pytest

import penstock as tf
from penstock.runtime import held_calls


@pytest.fixture
def made(monkeypatch):
    """How many calls were made together, each time."""
    counts = []
    make = held_calls.Repetition.make

    def counted(self, calls):
        counts.append(len(calls))
        return make(self, calls)

    monkeypatch.setattr(held_calls.Repetition, "make", counted)
    return counts


def dataset(rows, batch=2):
    """Batches of rows that are wide enough to be worth compiling."""
    values = np.arange(rows, dtype=np.float32)[:, None] * np.ones(20_000, np.float32)
    return tf.data.Dataset.from_tensor_slices(values).batch(batch)


def stepping(step, steps=4):
    """A function that takes up to so many steps on an iterator's elements, as Keras does, and gives the last result."""

    @tf.function
    def run(iterator):
        def body(i, last, optional):
            result = step(optional.get_value())
            last = tf.ensure_shape(result, [])
            return i + 1, last, iterator.get_next_as_optional()

        return tf.while_loop(
            lambda i, last, optional: tf.logical_and(i < steps, optional.has_value()),
            body,
            (tf.constant(0), tf.constant(0.0), iterator.get_next_as_optional()),
        )[1]

    return run


def running_mean(total):
    """A step that adds the mean of a batch to a variable and returns the sum; earlier sums weigh half."""

    def step(x):
        total.assign(total * 0.5 + tf.reduce_mean(tf.sqrt(x)))
        return total.read_value()

    return step


def expected(batches, start=0.0):
    for each in batches:
        start = start * 0.5 + np.mean(np.sqrt(each))
    return start


def optional_results(step, steps=4):
    """The same, with the result in an optional that nobody looks at before the end, as in Keras."""
    step = tf.function(step)

    @tf.function
    def run(iterator):
        empty = tf.experimental.Optional.empty(None)

        def body(i, last, optional):
            def one_step():
                result = tf.experimental.Optional.from_value(step(optional.get_value()))
                empty._element_spec = last._element_spec = result.element_spec
                return result

            result = tf.cond(optional.has_value(), one_step, lambda: last)
            following = tf.cond(i + 1 < steps, lambda: iterator.get_next_as_optional(), lambda: optional)
            return i + 1, result, following

        last = tf.while_loop(
            lambda i, last, optional: tf.logical_and(i < steps, optional.has_value()),
            body,
            (tf.constant(0), empty, iterator.get_next_as_optional()),
        )[1]
        last._element_spec = empty.element_spec
        return last

    return lambda iterator: run(iterator).get_value()


class TestHeldCalls:
    def test_several_calls_are_one_program(self, made):
        total = tf.Variable(0.0)
        run = optional_results(running_mean(total))
        elements = list(dataset(48).as_numpy_iterator())
        iterator = iter(dataset(48))
        for calls in range(1, 6):
            result = run(iterator)
            done = elements[: 4 * calls]
            np.testing.assert_allclose(result, expected(done), rtol=1e-5)
            np.testing.assert_allclose(total, expected(done), rtol=1e-5)
        assert made == [3, 4, 4, 4, 4]

    def test_the_last_batch_is_smaller(self, made):
        total = tf.Variable(0.0)
        run = optional_results(running_mean(total))
        elements = list(dataset(15).as_numpy_iterator())
        iterator = iter(dataset(15))
        run(iterator)
        np.testing.assert_allclose(run(iterator), expected(elements), rtol=1e-5)
        assert len(elements) == 8

    def test_an_error_in_the_dataset_keeps_the_steps_before_it(self):
        def fails_at_ten(x):
            with tf.control_dependencies([tf.debugging.assert_less(tf.reduce_max(x), 10.0)]):
                return tf.identity(x)

        total = tf.Variable(0.0)
        run = optional_results(running_mean(total))
        iterator = iter(dataset(16).map(fails_at_ten))
        run(iterator)
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(iterator)
        np.testing.assert_allclose(total, expected(list(dataset(10).as_numpy_iterator())), rtol=1e-5)

    def test_random_numbers_are_those_of_single_steps(self):
        def noisy(total):
            generator = tf.random.Generator.from_seed(3)

            def step(x):
                total.assign_add(tf.reduce_mean(x * generator.normal(tf.shape(x))))
                return total.read_value()

            return step

        held, single = tf.Variable(0.0), tf.Variable(0.0)
        run, step = optional_results(noisy(held)), tf.function(noisy(single))
        iterator = iter(dataset(40))
        for _ in range(5):
            run(iterator)
        for each in dataset(40):
            step(each)
        np.testing.assert_allclose(held, single, rtol=1e-5)

    def test_a_host_op_in_the_loop_sees_every_step(self, made):
        seen = []
        total = tf.Variable(0.0)
        step = running_mean(total)

        def watched(x):
            result = step(x)
            tf.numpy_function(lambda value: seen.append(float(value)), [total.read_value()], [])
            return result

        optional_results(watched)(iter(dataset(8)))
        elements = list(dataset(8).as_numpy_iterator())
        np.testing.assert_allclose(seen, [expected(elements[: i + 1]) for i in range(4)], rtol=1e-5)

    def test_results_that_each_step_needs(self):
        total = tf.Variable(0.0)
        run = stepping(running_mean(total), steps=8)
        elements = list(dataset(16).as_numpy_iterator())
        np.testing.assert_allclose(run(iter(dataset(16))), expected(elements), rtol=1e-5)
