"""Variables as arguments of `tf.function`: a trace serves all of one kind, told apart by which are the same."""

import numpy as np
import pytest

import penstock as tf


def _variables():
    return tf.Variable([1.0, 2.0]), tf.Variable([10.0, 20.0]), tf.Variable([100.0, 200.0])


def test_another_variable_of_the_same_kind_is_served_by_the_trace():
    v, w, u = _variables()
    double = tf.function(lambda a: a * 2.0)
    assert [double(each).numpy().tolist() for each in (v, w, u, v)] == [[2, 4], [20, 40], [200, 400], [2, 4]]
    assert double.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    "other",
    [
        tf.Variable([1.0, 2.0, 3.0]),
        tf.Variable([1, 2]),
        tf.Variable([1.0, 2.0], trainable=False),
        tf.Variable([1.0, 2.0], shape=[None]),
    ],
    ids=["shape", "dtype", "trainable", "static shape"],
)
def test_another_kind_is_traced(other):
    double = tf.function(lambda a: a + a)
    double(tf.Variable([1.0, 2.0]))
    np.testing.assert_array_equal(double(other), 2 * other.numpy())
    assert double.experimental_get_tracing_count() == 2


def test_which_arguments_are_one_variable_is_part_of_the_trace():
    v, w, u = _variables()

    @tf.function
    def step(a, b, c):
        a.assign_add(b)
        c.assign_add(a)
        return a + b + c

    counts = []
    for arguments in [(v, w, u), (u, v, w), (v, v, w), (w, w, u), (v, w, v), (w, v, v), (v, v, v), (u, u, u)]:
        before = {id(each): each.numpy() for each in (v, w, u)}
        a, b, c = map(id, arguments)
        before[a] = before[a] + before[b]
        before[c] = before[c] + before[a]
        np.testing.assert_array_equal(step(*arguments), before[a] + before[b] + before[c])
        for each in (v, w, u):
            np.testing.assert_array_equal(each, before[id(each)])
        counts.append(step.experimental_get_tracing_count())
    assert counts == [1, 1, 2, 2, 3, 4, 5, 5]


def test_an_argument_that_the_function_uses_by_itself_too_keeps_its_order():
    v, w, _ = _variables()

    @tf.function
    def step(a):
        a.assign_add([1.0, 1.0])
        return v * 1.0

    assert step(w).numpy().tolist() == [1, 2]
    assert step(v).numpy().tolist() == [2, 3]


def test_gradients_are_those_of_the_variable_given():
    v, w, _ = _variables()
    square = tf.function(lambda a: tf.reduce_sum(a * a))
    for each in (v, w):
        with tf.GradientTape() as tape:
            result = square(each)
        assert tape.watched_variables() == (each,)
        np.testing.assert_array_equal(tape.gradient(result, each), 2 * each.numpy())


def test_a_function_called_while_tracing_is_traced_once():
    v, w, u = _variables()
    triple = tf.function(lambda a: a * 3.0)
    both = tf.function(lambda a, b: triple(a) + triple(b))
    assert both(v, w).numpy().tolist() == [33, 66]
    assert both(w, u).numpy().tolist() == [330, 660]
    assert (both.experimental_get_tracing_count(), triple.experimental_get_tracing_count()) == (1, 1)


def test_variables_in_structures():
    v, w, u = _variables()
    difference = tf.function(lambda d: d["a"] - d["b"][0])
    assert difference({"a": v, "b": [w]}).numpy().tolist() == [-9, -18]
    assert difference({"a": u, "b": [v]}).numpy().tolist() == [99, 198]
    assert difference.experimental_get_tracing_count() == 1


def test_a_concrete_function_takes_other_variables():
    v, w, _ = _variables()
    concrete = tf.function(lambda a, b: a - b).get_concrete_function(v, w)
    assert concrete(v, w).numpy().tolist() == [-9, -18]
    assert concrete(w, v).numpy().tolist() == [9, 18]
    assert [each.name for each in concrete.variables] == [v.name, w.name]


def test_a_concrete_function_refuses_variables_of_another_kind():
    concrete = tf.function(lambda a: a * 2.0).get_concrete_function(tf.Variable([1.0, 2.0]))
    with pytest.raises(TypeError, match="was traced with the variable"):
        concrete(tf.Variable([1, 2]))


def test_a_concrete_function_refuses_one_variable_in_the_place_of_two():
    v, w, _ = _variables()
    concrete = tf.function(lambda a, b: a - b).get_concrete_function(v, w)
    with pytest.raises(ValueError, match="different variables when the function was traced"):
        concrete(v, v)
