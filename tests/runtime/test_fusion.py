"""Patterns that one native kernel computes are found, and compute what their operations compute one by one."""

from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native
from penstock.runtime import fusion

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)


def names_of(function, *arguments):
    """The fusions that are found in a function's graph."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    found = fusion.find(graph.get_operations(), graph.outputs)
    kinds = {kind: each.name for each in fusion.FUSIONS for kind in each.last}
    return [kinds[each.type] for each in graph.get_operations() if id(each) in found]


def random_tensors(*shapes):
    random = np.random.default_rng(0)
    return [tf.constant(random.standard_normal(shape), tf.float32) for shape in shapes]


def convolve(x, w, b):
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), b))


def convolve_sequence(x, w, b):
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv1d(x, w, 1, "SAME"), b))


def convolve_by_channel(x, w, b):
    return tf.nn.relu(tf.nn.bias_add(tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"), b))


CASES = [
    (convolve, [(2, 6, 5, 3), (3, 3, 3, 4), (4,)]),
    (convolve_sequence, [(2, 7, 3), (3, 3, 4), (4,)]),
    (convolve_by_channel, [(2, 6, 5, 3), (3, 3, 3, 2), (6,)]),
]


@pytest.mark.parametrize("function, shapes", CASES)
def test_convolution_bias_relu(function, shapes):
    arguments = random_tensors(*shapes)
    assert names_of(function, *arguments) == ["convolution-bias", "convolution-bias-relu"]
    np.testing.assert_allclose(tf.function(function)(*arguments), function(*arguments), atol=1e-5)


def test_gradients_of_pool_and_relu():
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.max_pool(tf.nn.relu(x), 2, 2, "VALID")
            loss = tf.reduce_sum(y * y)
        return tape.gradient(loss, x)

    (x,) = random_tensors((2, 6, 7, 3))
    assert names_of(gradient, x) == ["relu-gradient"]
    np.testing.assert_allclose(tf.function(gradient)(x), gradient(x), atol=1e-5)


@pytest.mark.parametrize("uses_more", [False, True])
@pytest.mark.parametrize("shape", [(2, 6, 8, 16), (1, 4, 4, 48), (2, 6, 7, 16), (2, 6, 8, 3)])
def test_the_gradient_of_a_pool_takes_the_place_of_what_nothing_else_needs(shape, uses_more):
    @tf.function(jit_compile=True)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            kept = tf.nn.relu(x * 2)
            y = tf.nn.max_pool(kept, 2, 2, "VALID")
            loss = tf.reduce_sum(y * y)
        found = tape.gradient(loss, x)
        return (found, kept) if uses_more else (found,)

    (x,) = random_tensors(shape)
    program = gradient.experimental_get_compiler_ir(x)("hlo")
    (call,) = [line for line in program.splitlines() if "penstock.max_pool_gradient" in line]
    divided = shape[2] % 2 == 0 and shape[3] % 16 == 0 and native.has_wide_vectors()
    assert ("output_to_operand_aliasing" in call) == (divided and not uses_more)
    for found, expected in zip(gradient(x), gradient.python_function(x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("channels, outputs, size", [(3, 4, 3), (32, 48, 3), (5, 6, 2)])
def test_gradients_of_convolution_and_relu(channels, outputs, size):
    def gradient(x, w):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.nn.conv2d(tf.nn.relu(x), w, 1, "SAME") ** 2.0)
        return tape.gradient(loss, x)

    x, w = random_tensors((2, 7, 6, channels), (size, size, channels, outputs))
    w /= channels**0.5
    assert names_of(gradient, x, w) == ["convolution-gradients", "relu-gradient"]
    np.testing.assert_allclose(tf.function(gradient)(x, w), gradient(x, w), atol=1e-3)


def test_a_value_that_something_else_uses_is_not_fused():
    def function(x, w, b):
        convolved = tf.nn.conv2d(x, w, 1, "SAME")
        return tf.nn.bias_add(convolved, b), convolved

    assert names_of(function, *random_tensors((1, 4, 4, 3), (3, 3, 3, 4), (4,))) == []


def test_other_pools_gradients_are_not_fused():
    def gradient(x, other):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.max_pool(x, 2, 2, "VALID")
        return tf.raw_ops.ReluGrad(gradients=tape.gradient(y, x), features=other)

    assert names_of(gradient, *random_tensors((2, 6, 6, 3), (2, 6, 6, 3))) == []


def test_without_a_kernel_the_operations_compute():
    arguments = random_tensors(*CASES[0][1])
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        result = tf.function(convolve)(*arguments)
    np.testing.assert_allclose(result, convolve(*arguments), atol=1e-5)
