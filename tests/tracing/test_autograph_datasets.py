"""Loops and builtins over datasets and iterators in converted code."""

import pytest

import penstock as tf


def numbers(count):
    return tf.data.Dataset.range(count)


def test_loop_over_a_dataset():
    @tf.function
    def total(dataset):
        result = tf.constant(0, tf.int64)
        for x in dataset:
            result += x * x
        return result

    assert int(total(numbers(5))) == 30


def test_loop_over_a_dataset_of_tuples():
    @tf.function
    def total(dataset):
        result = tf.constant(0, tf.int64)
        for x, y in dataset:
            if y > x:
                result += x
        return result

    assert int(total(tf.data.Dataset.zip((numbers(4), numbers(4).map(lambda x: 3 - x))))) == 1


def test_loop_over_a_dataset_with_break_and_continue():
    @tf.function
    def total(dataset):
        result = tf.constant(0, tf.int64)
        for x in dataset:
            if x == 2:
                continue
            if x > 4:
                break
            result += x
        return result

    assert int(total(numbers(100))) == 8


def test_loop_over_a_dataset_without_state():
    v = tf.Variable(0, dtype=tf.int64)

    @tf.function
    def total(dataset):
        for x in dataset:
            v.assign_add(x)

    total(numbers(5))
    assert int(v) == 10


def test_variable_first_assigned_in_a_loop_over_a_dataset():
    @tf.function
    def last(dataset):
        for x in dataset:
            y = x * 2
        return y

    assert int(last(numbers(3))) == 4
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="loop must iterate at least once to initialize y"
    ):
        last(numbers(0))


def test_return_in_a_loop_over_a_dataset():
    @tf.function
    def first_above(dataset, bound):
        for x in dataset:
            if x > bound:
                return x
        return tf.constant(-1, tf.int64)

    assert int(first_above(numbers(10), tf.constant(3, tf.int64))) == 4
    assert int(first_above(numbers(3), tf.constant(3, tf.int64))) == -1


def test_loop_over_a_dataset_may_change_shapes():
    @tf.function
    def collected(dataset):
        values, pairs = tf.zeros([0], tf.int64), (tf.zeros([1, 1]), 0)
        for x in dataset:
            values = tf.concat([values, [x]], 0)
            pairs = (tf.concat([pairs[0], pairs[0]], 1), pairs[1] + 1)
        return values, pairs

    values, (wide, count) = collected(numbers(3))
    assert (values.numpy().tolist(), wide.shape, int(count)) == ([0, 1, 2], (1, 8), 3)


def test_loop_over_an_iterator():
    @tf.function
    def total(iterator):
        result = tf.constant(0, tf.int64)
        for x in iterator:
            result += x
            if result > 5:
                break
        return result

    iterator = iter(numbers(10))
    assert int(total(iterator)) == 6
    assert int(next(iterator)) == 4


def test_next_with_a_default():
    @tf.function
    def take(iterator):
        return next(iterator, tf.constant(-1, tf.int64))

    iterator = iter(numbers(1))
    assert [int(take(iterator)), int(take(iterator))] == [0, -1]


def test_next_refuses_a_default_of_another_dtype():
    @tf.function
    def take(iterator):
        return next(iterator, 1.0)

    with pytest.raises(TypeError, match="must have the same dtype as the iterate"):
        take(iter(numbers(1)))


def test_builtins_over_datasets():
    @tf.function
    def f(dataset):
        result = tf.constant(0, tf.int64)
        tens = map(lambda x: x * 10, dataset)  # noqa: C417
        for i, (x, y) in enumerate(zip(dataset, tens)):
            result += i + x + y
        for x in filter(lambda x: x > 1, dataset):
            result += x * 100
        return result, len(dataset)

    result, length = f(numbers(3))
    assert (int(result), int(length)) == (36 + 200, 3)


def test_any_and_all_over_datasets():
    @tf.function
    def f(dataset):
        return any(dataset.map(lambda x: x > 1)), all(dataset.map(lambda x: x > 1))

    some, every = f(numbers(3))
    assert (bool(some), bool(every)) == (True, False)


def test_functions_given_to_datasets_are_converted():
    def halved_if_even(x):
        if x % 2 == 0:
            return x // 2
        return x

    assert list(numbers(4).map(halved_if_even).as_numpy_iterator()) == [0, 1, 1, 3]


def test_inner_loop_in_a_loop_over_a_dataset_keeps_its_shapes():
    @tf.function
    def f(dataset):
        v = tf.zeros([1])
        for _ in dataset:
            for _ in tf.range(2):
                v = tf.concat([v, v], 0)
        return v

    with pytest.raises(
        ValueError, match=r"'v' has shape .* before the loop, but shape .* after one iteration"
    ):
        f(numbers(2))


def test_a_loop_that_is_not_converted_is_refused_instead_of_traced_without_end():
    @tf.function(autograph=False)
    def total(dataset):
        return sum(dataset)

    with pytest.raises(ValueError, match="needs AutoGraph there, which is disabled"):
        total(numbers(5))
