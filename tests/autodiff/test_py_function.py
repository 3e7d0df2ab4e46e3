"""`tf.py_function`: values, structures, errors, and gradients of every order."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
CALLS = [
    (lambda x: x * 2, tf.float32, 2.0),
    (lambda x: 3, tf.float32, 3.0),
    (lambda x: np.float64(3), tf.float32, 3.0),
    (lambda x: [1.0, 2.0], tf.float32, 1.0),
    (lambda x: "abc", tf.string, b"abc"),
]


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize(("function", "out", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(wrap, function, out, expected):
    assert wrap(lambda: tf.py_function(function, [1.0], out))().numpy() == expected


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_lists_and_specs(wrap):
    out = [tf.float32, tf.TensorSpec([], tf.float32)]
    first, second = wrap(lambda: tf.py_function(lambda x: (x, x * 2), [1.0], out))()
    assert (first.numpy(), second.numpy()) == (1.0, 2.0)


def test_spec_gives_the_shape():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32)
        assert tf.py_function(lambda x: x, [x], tf.TensorSpec([2, None], tf.float32)).shape.as_list() == [
            2,
            None,
        ]
        assert tf.py_function(lambda x: x, [x], tf.float32).shape.rank is None


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_ragged_in_and_out(wrap):
    spec = tf.RaggedTensorSpec([2, None], tf.int32)
    given = tf.ragged.constant([[1, 2], [3]])
    result = wrap(lambda: tf.py_function(lambda r: r.with_values(r.values * 2), [given], spec))()
    assert result.to_list() == [[2, 4], [6]]


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (ValueError("v"), tf.errors.InvalidArgumentError),
        (TypeError("v"), tf.errors.InvalidArgumentError),
        (StopIteration("v"), tf.errors.OutOfRangeError),
        (NotImplementedError("v"), tf.errors.UnimplementedError),
        (MemoryError("v"), tf.errors.ResourceExhaustedError),
        (KeyError("v"), tf.errors.UnknownError),
        (tf.errors.NotFoundError(None, None, "v"), tf.errors.UnknownError),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_exceptions(wrap, raised, error):
    def fail():
        raise raised

    with pytest.raises(error, match=type(raised).__name__):
        wrap(lambda: tf.py_function(fail, [], tf.float32))()


def test_missing_results():
    with pytest.raises(tf.errors.InvalidArgumentError, match="returns 0 values, but expects to see 1"):
        tf.py_function(lambda: None, [], tf.float32)


def cube(calls):
    def function(x):
        calls.append(1)
        return x * x * x

    return function


def test_gradient_in_a_function_calls_it_once():
    calls = []

    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.py_function(cube(calls), [x], tf.float32)
        return tape.gradient(y, x)

    assert f(tf.constant(2.0)).numpy() == 12.0
    assert len(calls) == 1


def test_gradient_of_a_function_under_a_tape():
    f = tf.function(lambda x: tf.py_function(cube([]), [x], tf.float32))
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert tape.gradient(y, x).numpy() == 12.0


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_second_order(wrap):
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.py_function(cube([]), [x], tf.float32)
            first = inner.gradient(y, x)
        return outer.gradient(first, x)

    assert wrap(second)(tf.constant(2.0)).numpy() == 12.0


def test_gradients_of_several_inputs_and_outputs_in_a_session():
    with tf.Graph().as_default():
        x, n, y = v1.placeholder(tf.float32, []), v1.placeholder(tf.int32, []), v1.placeholder(tf.float32, [])
        a, b = tf.py_function(lambda x, n, y: (x * float(n), x * y), [x, n, y], [tf.float32, tf.float32])
        gradients = tf.gradients([a, b], [x, n, y])
        assert gradients[1] is None
        assert gradients[0].shape.as_list() == []
        with v1.Session() as session:
            assert session.run([gradients[0], gradients[2]], {x: 2.0, n: 3, y: 5.0}) == [8.0, 2.0]


def test_gradient_in_a_loop():
    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in tf.range(2):
                y = tf.py_function(lambda y: y * y, [y], tf.TensorSpec([], tf.float32))
        return tape.gradient(y, x)

    assert f(tf.constant(2.0)).numpy() == 32.0


@pytest.mark.parametrize("function", [tf.py_function, tf.numpy_function])
def test_without_inputs_it_is_a_decorator(function):
    @function(Tout=tf.float32)
    def doubled(x):
        return np.float32(2) * x

    assert doubled.__name__ == "doubled"
    assert doubled(tf.constant(3.0)).numpy() == 6.0
    assert tf.function(doubled)(tf.constant(3.0)).numpy() == 6.0
    with pytest.raises(TypeError, match="Tout"):
        function()
