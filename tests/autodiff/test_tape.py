import numpy as np
import pytest

import penstock as tf


def _gradient(function, *values):
    xs = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(xs)
        y = function(*xs)
    return [None if g is None else g.numpy() for g in tape.gradient(y, xs)]


def test_product_rule():
    assert _gradient(lambda x, y: x * y + x, 3.0, 4.0) == [5.0, 3.0]


def test_unwatched_and_unconnected():
    x, y = tf.constant(1.0), tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = x * y
    assert tape.gradient(z, y) is None
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        z = x * 2.0
    assert tape.gradient(z, y, unconnected_gradients="zero").numpy() == 0.0


def test_a_tape_is_used_once():
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="non-persistent"):
        tape.gradient(y, x)


def test_persistent_tapes_and_structures():
    x = tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, z = x * x, x * x * x
    found = tape.gradient(z, {"x": x})
    assert tape.gradient(y, x).numpy() == 6.0
    assert found["x"].numpy() == 27.0


def test_output_gradients():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert tape.gradient(y, x, output_gradients=tf.constant([1.0, 10.0])).numpy().tolist() == [2.0, 40.0]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_nested_to_any_order(order):
    x = tf.constant(2.0)

    def derivative(n):
        if n == 0:
            return x**4
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = derivative(n - 1)
        return tape.gradient(y, x)

    expected = {1: 32.0, 2: 48.0, 3: 48.0, 4: 24.0}[order]
    assert derivative(order).numpy() == pytest.approx(expected)


def test_second_order_with_one_persistent_tape():
    x = tf.constant(2.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x**3
        first = tape.gradient(y, x)
    assert tape.gradient(first, x).numpy() == 12.0


def test_stop_recording_and_reset():
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        with tape.stop_recording():
            hidden = x * x
        y = hidden * x
    assert tape.gradient(y, x).numpy() == 4.0
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        tape.reset()
        tape.watch(x)
        z = x * 3.0
    assert tape.gradient(z, x).numpy() == 3.0


def test_variables_are_watched_by_themselves():
    v, w = tf.Variable(2.0), tf.Variable(3.0, trainable=False)
    with tf.GradientTape() as tape:
        y = v * v * w
    assert tape.watched_variables() == (v,)
    assert tape.gradient(y, [v, w])[0].numpy() == 12.0
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        y = v * v
    assert tape.gradient(y, v) is None


def test_gathers_give_indexed_slices():
    table = tf.Variable(np.arange(6.0).reshape(3, 2))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.gather(table, [0, 2, 0]) * 2.0)
    gradient = tape.gradient(y, table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert tf.convert_to_tensor(gradient).numpy().tolist() == [[4.0, 4.0], [0.0, 0.0], [2.0, 2.0]]


def test_jacobian_and_batch_jacobian():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x * tf.reduce_sum(x, axis=1, keepdims=True)
    full = tape.jacobian(y, x).numpy()
    batch = tape.batch_jacobian(y, x).numpy()
    assert full.shape == (2, 2, 2, 2)
    for b in range(2):
        np.testing.assert_allclose(full[b, :, b, :], batch[b])
        np.testing.assert_allclose(full[b, :, 1 - b, :], 0.0)
    np.testing.assert_allclose(batch[0], [[7.0, 1.0], [4.0, 16.0]])


def test_jacobians_inside_a_function():
    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.stack([x[0] * x[1], x[0] + x[1]])
        return tape.jacobian(y, x)

    np.testing.assert_allclose(f(tf.constant([3.0, 4.0])), [[4.0, 3.0], [1.0, 1.0]])


def test_ops_without_a_gradient_say_so():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.raw_ops.PreventGradient(input=x)
    with pytest.raises(LookupError, match="PreventGradient"):
        tape.gradient(y, x)


def test_not_a_tensor():
    with tf.GradientTape() as tape, pytest.raises(ValueError, match="not tf.Tensor"):
        tape.watch(3.0)


def test_gradients_in_a_graph():
    with tf.Graph().as_default():
        x = tf.constant(3.0)
        y = x * x
        z = y * y
        (dx,) = tf.gradients(z, x)
        (stopped,) = tf.gradients(z, x, stop_gradients=[y])
        (scaled,) = tf.gradients(z, x, grad_ys=tf.constant(2.0))
        (zero,) = tf.gradients(z, tf.constant(1.0), unconnected_gradients="zero")
        assert stopped is None
        with tf.compat.v1.Session() as session:
            assert session.run([dx, scaled, zero]) == [108.0, 216.0, 0.0]


def test_gradients_of_eager_tensors_are_refused():
    x = tf.constant(1.0)
    with pytest.raises(RuntimeError, match="GradientTape"):
        tf.gradients(x * 2.0, x)


def test_hessians():
    with tf.Graph().as_default():
        x = tf.constant([1.0, 2.0])
        (h,) = tf.hessians(tf.reduce_sum(x * x * x), x)
        with tf.compat.v1.Session() as session:
            np.testing.assert_allclose(session.run(h), [[6.0, 0.0], [0.0, 12.0]])


def test_a_source_may_be_where_gradients_stop():
    @tf.function
    def f(x):
        y = x * x
        return tf.gradients(y * x, [x, y], stop_gradients=[y])

    np.testing.assert_array_equal(f(tf.constant(3.0)), [9, 3])


_X = tf.constant([1.0, 2.0, 3.0])  # so small that functions hold it as a constant

_CLOSURES = {
    "directly": (lambda: _X * _X, [2.0, 4.0, 6.0]),
    "in a branch": (lambda: tf.cond(_X[0] > 0, lambda: _X * _X, lambda: _X), [2.0, 4.0, 6.0]),
    "in a loop": (
        lambda: tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y * _X), (0, _X))[1],
        [3.0, 12.0, 27.0],
    ),
    "in a map": (lambda: tf.map_fn(lambda x: x * _X[0], _X), [7.0, 1.0, 1.0]),
}


@pytest.mark.parametrize("name", _CLOSURES)
def test_a_small_tensor_that_a_function_closes_over(name):
    function, expected = _CLOSURES[name]

    def gradient(call):
        with tf.GradientTape() as tape:
            tape.watch(_X)
            y = call()
        return tape.gradient(y, _X)

    traced = tf.function(function)
    traced()  # before any tape watches
    outer = tf.function(lambda: traced() * 1.0)
    for found in (
        gradient(traced),
        gradient(outer),
        tf.function(gradient)(traced),
        tf.function(gradient)(function),
    ):
        np.testing.assert_allclose(found, expected)


def test_a_tensor_that_was_computed_under_the_tape_and_is_closed_over():
    with tf.GradientTape() as tape, tf.autodiff.ForwardAccumulator(_X, tf.ones(3)) as forward:
        tape.watch(_X)
        y = _X * 2.0
        z = tf.function(lambda: y * y)()
    np.testing.assert_allclose(tape.gradient(z, _X), [8.0, 16.0, 24.0])
    np.testing.assert_allclose(forward.jvp(z), [8.0, 16.0, 24.0])


def test_a_ragged_source_has_a_ragged_gradient():
    source = tf.RaggedTensor.from_row_splits(_X, [0, 1, 3])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(source)
        y = source * source
    assert tape.gradient(y, source).to_list() == [[2.0], [4.0, 6.0]]
    assert tape.gradient(tf.constant(1.0), source) is None
