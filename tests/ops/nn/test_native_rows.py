"""Native layer normalization and GELU give what the operations that they stand for give, on shapes of every kind."""

from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import penstock as tf
from penstock.engine import native
from penstock.engine.xla import jax, jit, jnp
from penstock.ops.nn import native_rows

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)

SHAPES = st.lists(st.integers(1, 5), min_size=0, max_size=2)
COLUMNS = st.sampled_from([1, 2, 15, 16, 17, 33, 256])
EPSILON = 1e-3


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """Small arrays go to the kernels too, and not to NumPy."""
    monkeypatch.setattr(native_rows, "_LEAST", 1)
    monkeypatch.setattr("penstock.runtime.executor._NUMPY_CALL", 1e6)


def arrays(*shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def normalized(x, gamma, beta):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * gamma + beta


def gradients_of(function):
    """As one program: compiled operation by operation it would take a minute."""
    return lambda dy, *inputs: jax.vjp(function, *inputs)[1](dy)


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


@settings(max_examples=12, deadline=None)
@given(SHAPES, COLUMNS)
def test_layer_normalization_and_its_gradients(before, columns):
    x, gamma, beta, dy = arrays((*before, columns), columns, columns, (*before, columns))
    y = jit(lambda *each: native_rows.layer_normalization(*each, EPSILON))(x, gamma, beta)
    assert_close([y], [jit(normalized)(x, gamma, beta)])
    ours = jit(lambda *each: native_rows.layer_normalization_gradient(*each, EPSILON))(x, gamma, dy)
    assert_close(ours, jit(gradients_of(normalized))(dy, x, gamma, beta))


@settings(max_examples=12, deadline=None)
@given(SHAPES, COLUMNS)
def test_gelu_and_its_gradients(before, columns):
    x, bias, dy = arrays((*before, columns), columns, (*before, columns))
    x *= 3

    def gelu(x, bias):
        return jax.nn.gelu(x + bias, approximate=False)

    assert_close([jit(native_rows.gelu)(x, bias)], [jit(gelu)(x, bias)])
    assert_close(jit(native_rows.gelu_gradient)(x, bias, dy), jit(gradients_of(gelu))(dy, x, bias))


def test_gelu_of_extreme_numbers():
    x = np.array([[np.nan, np.inf, -1e30, 1e30, 0.0, -0.0]], np.float32)
    np.testing.assert_allclose(jit(native_rows.gelu)(x), [[np.nan, np.inf, 0, 1e30, 0, 0]])


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_what_is_empty_is_left_to_xla(shape):
    x = jnp.zeros(shape, jnp.float32)
    assert native_rows.gelu(x) is None
    assert native_rows.layer_normalization(x, x[:0].sum(0), x[:0].sum(0), EPSILON) is None


# As Keras writes them.


def layer_normalization(x, gamma, beta):
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    shape = [1] * (x.shape.rank - 1) + [-1]
    scale = tf.math.rsqrt(variance + EPSILON) * tf.reshape(gamma, shape)
    return x * scale + (-mean * scale + tf.reshape(beta, shape))


def bias_and_gelu(x, gamma, beta):
    return tf.nn.gelu(tf.nn.bias_add(x, beta)) * gamma


def after_gelu(x, gamma, beta):
    return layer_normalization(tf.nn.gelu(x), gamma, beta)


def with_residual(x, gamma, beta):
    return x + layer_normalization(x, gamma, beta)


CASES = [
    (layer_normalization, ["layer_normalization", "layer_normalization_gradient"]),
    (with_residual, ["layer_normalization", "layer_normalization_gradient"]),
    (bias_and_gelu, ["gelu", "gelu_gradient"]),
    (after_gelu, ["gelu", "layer_normalization", "layer_normalization_gradient", "gelu_gradient"]),
]


@pytest.mark.parametrize("function, kernels", CASES)
@pytest.mark.parametrize("shape", [(6, 17), (2, 3, 16)])
def test_what_keras_writes_is_found(function, kernels, shape):
    tensors = [tf.constant(each) for each in arrays(shape, shape[-1], shape[-1])]

    def gradients(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = tf.reduce_sum(tf.sin(function(*tensors)))
        return [loss, *tape.gradient(loss, tensors)]

    expected = gradients(*tensors)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        computed = tf.function(gradients)(*tensors)
    assert [each.args[0] for each in call.call_args_list] == kernels
    assert_close(computed, expected)


def test_only_means_of_rows_are_taken():
    def by_batch(x, gamma, beta):
        mean, variance = tf.nn.moments(x, axes=[0], keepdims=True)
        scale = tf.math.rsqrt(variance + EPSILON) * gamma
        return x * scale + (-mean * scale + beta)

    tensors = [tf.constant(each) for each in arrays((4, 4), 4, 4)]
    with mock.patch.object(native, "call", wraps=native.call) as call:
        computed = tf.function(by_batch)(*tensors)
    assert not call.called
    assert_close([computed], [by_batch(*tensors)])
