"""Adam's update and sums of rows by native kernels give what the operations give one by one."""

from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native
from penstock.ops.variables import native_updates
from penstock.runtime import fusion

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)


def adam_step(p, m, v, gradient, squares):
    """As Keras writes it."""
    m.assign_add((gradient - m) * 0.1)
    v.assign_add((squares - v) * 0.001)
    p.assign_sub(m * 0.01 / (tf.sqrt(v) + 1e-7))


def variables(shape):
    random = np.random.default_rng(0)
    return [tf.Variable(np.abs(random.standard_normal(shape)).astype("f")) for _ in range(3)]


def run(shape, sparse):
    """The variables after two steps, and which fusions were found."""
    own = variables(shape)
    gradient = tf.constant(np.random.default_rng(1).standard_normal(shape), tf.float32)
    found = []
    find = fusion.find

    @tf.function
    def step(gradient):
        adam_step(*own, gradient, gradient * 3.0 if sparse else tf.square(gradient))

    def note(operations, leaving):
        patterns = find(operations, leaving)
        found.extend(each.type for each in operations if id(each) in patterns)
        return patterns

    with mock.patch.object(fusion, "find", note):
        step(gradient)
        step(gradient)
    return [each.numpy() for each in own], found


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("shape", [(64, 65), (5000,), (7,)])
def test_adam(shape, sparse):
    ours, found = run(shape, sparse)
    assert found == ["AssignSubVariableOp"]
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs, _ = run(shape, sparse)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def check_step(step, *arguments):
    """A step gives the same with the kernels as without. Returns the kernels that it called."""

    def run():
        own = variables((40, 48))
        with mock.patch.object(native, "call", wraps=native.call) as call:
            function = tf.function(lambda *each: step(own, *each))
            function(*arguments)
            function(*arguments)
        return [each.numpy() for each in own], {each.args[0] for each in call.call_args_list}

    ours, called = run()
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs, _ = run()
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    return called


@pytest.mark.parametrize("shape", [(1,), (30,), (7, 9)])
def test_adam_of_rows(shape, monkeypatch):
    """As Keras updates the table of an embedding; ids repeat, and negative ones are nothing."""
    monkeypatch.setattr(native_updates, "_LEAST", 1)
    random = np.random.default_rng(2)
    rows = tf.constant(random.standard_normal((*shape, 48)), tf.float32)
    ids = tf.constant(random.integers(-2, 40, shape))

    def step(own, rows, ids):
        sums, squares = (tf.math.unsorted_segment_sum(each, ids, 40) for each in (rows, tf.square(rows)))
        adam_step(*own, sums, squares)

    assert check_step(step, rows, ids) == {"adam_rows", "sum_rows"}


@pytest.mark.parametrize("batch", [1, 5, 32, 65])
def test_adam_of_a_product(batch, monkeypatch):
    monkeypatch.setattr(native_updates, "_LEAST", 1)
    random = np.random.default_rng(3)
    inputs, gradients = (tf.constant(random.standard_normal((batch, n)), tf.float32) for n in (40, 48))

    def step(own, inputs, gradients):
        gradient = tf.matmul(inputs, gradients, transpose_a=True)
        adam_step(*own, gradient, tf.square(gradient))

    products = {"product"} if batch > 1 else set()
    assert check_step(step, inputs, gradients) == {"adam_product" if batch <= 64 else "adam"} | products
    own = variables((40, 48))
    compiled = tf.function(lambda *each: step(own, *each), jit_compile=True)
    program = compiled.experimental_get_compiler_ir(inputs, gradients)("optimized_hlo")
    assert ("penstock.product" in program) == (batch > 64)  # otherwise XLA drops it, as nothing uses it


def test_moments_of_weights_that_no_longer_change_become_zero():
    """Numbers below the smallest normal one would take a hundred times as long."""
    tf.random.uniform([100_000])  # may start the threads, from one that keeps such numbers
    shape = (2000, 1000)  # more than one thread's share
    p, m, v = (tf.Variable(tf.fill(shape, value)) for value in (1.0, 1e-39, 1.0))

    @tf.function
    def step(gradient):
        adam_step(p, m, v, gradient, tf.square(gradient))

    step(tf.zeros(shape))
    assert not m.numpy().any()


def test_a_variable_that_is_assigned_twice_is_left_alone():
    own = variables((64, 65))

    @tf.function
    def step(gradient):
        adam_step(*own, gradient, tf.square(gradient))
        own[1].assign_add(gradient)

    graph = step.get_concrete_function(tf.TensorSpec((64, 65))).graph
    assert fusion.find(graph.get_operations(), graph.outputs) == {}


@pytest.mark.parametrize("width", [1, 3, 128])
@pytest.mark.parametrize("ids_dtype", [np.int32, np.int64])
def test_sum_rows(width, ids_dtype):
    random = np.random.default_rng(0)
    data = tf.constant(random.standard_normal((50, width)), tf.float32)
    ids = tf.constant(random.integers(-2, 6000, (50,)).astype(ids_dtype) // 10)
    function = tf.function(lambda data, ids: tf.math.unsorted_segment_sum(data, ids, 5000))
    ours = function(data, ids)
    expected = np.zeros((5000, width), "f")
    for row, place in zip(data.numpy(), ids.numpy()):
        if place >= 0:
            expected[place] += row
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
