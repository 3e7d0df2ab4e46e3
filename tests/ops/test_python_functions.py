"""`tf.numpy_function` and `tf.compat.v1.py_func`."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


def in_graph(function, inputs, out):
    return tf.function(lambda: tf.numpy_function(function, inputs, out))()


def test_results_have_the_dtypes_that_were_said():
    first, second = in_graph(lambda x: (x * 2, np.int64(x)), [1.5], [tf.float32, tf.int64])
    assert (first.dtype, first.numpy(), second.dtype, second.numpy()) == (tf.float32, 3.0, tf.int64, 1)


def test_scalars_are_numpy_scalars():
    names = in_graph(lambda x, s: f"{type(x).__name__} {type(s).__name__}", [1.0, "a"], tf.string)
    assert names.numpy() == b"float32 bytes"


def test_text_becomes_utf8():
    assert in_graph(lambda: np.array(["a", "é"]), [], tf.string).numpy().tolist() == [b"a", "é".encode()]


WRONG = [
    (lambda: np.float64(1.0), tf.float32, tf.errors.InvalidArgumentError, "is float64, but expects float32"),
    (
        lambda: [1.0, 2.0],
        tf.float64,
        tf.errors.InvalidArgumentError,
        "returns 2 values, but expects to see 1",
    ),
    (lambda: None, tf.float64, tf.errors.InvalidArgumentError, "returns 0 values"),
    (lambda: 1 / 0, tf.float64, tf.errors.UnknownError, "ZeroDivisionError"),
    (lambda: {}.missing, tf.float64, tf.errors.UnknownError, "AttributeError"),
    (lambda: int("x"), tf.int64, tf.errors.InvalidArgumentError, "ValueError"),
    (lambda: next(iter(())), tf.int64, tf.errors.OutOfRangeError, "StopIteration"),
]


@pytest.mark.parametrize(("function", "out", "error", "words"), WRONG, ids=range(len(WRONG)))
def test_errors_in_a_graph(function, out, error, words):
    with pytest.raises(error, match=words):
        in_graph(function, [], out)


def test_eager_errors_pass_unchanged():
    with pytest.raises(ZeroDivisionError):
        tf.numpy_function(lambda: 1 / 0, [], tf.float32)


def test_shape_is_unknown_and_no_gradient_flows():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [2])
        y = v1.py_func(lambda x: x + 1, [x], tf.float32, name="plus")
        assert (y.op.type, y.op.name, y.shape.rank) == ("PyFunc", "plus", None)
        assert v1.py_func(lambda x: x, [x], [tf.float32], stateful=False)[0].op.type == "PyFuncStateless"
        assert tf.gradients(y, [x]) == [None]
        with v1.Session() as session:
            assert session.run(y, {x: [1.0, 2.0]}).tolist() == [2.0, 3.0]


def test_nothing_returned():
    seen = []
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32)
        operation = v1.py_func(seen.append, [x], [])
        with v1.Session() as session:
            session.run(operation, {x: 3.0})
    assert seen == [3.0]


def test_it_runs_at_every_call_between_compiled_pieces():
    calls = []

    def note(x):
        calls.append(float(x.sum()))
        return x * 2

    @tf.function
    def f(x):
        y = tf.numpy_function(note, [tf.matmul(x, x)], tf.float32)
        y.set_shape([8, 8])
        return tf.reduce_sum(tf.matmul(y, x))

    x = tf.eye(8)
    assert [f(x).numpy(), f(x).numpy()] == [16.0, 16.0]
    assert calls == [8.0, 8.0]


def test_not_callable():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Expected func to be callable"):
        tf.numpy_function(3, [], tf.float32)
