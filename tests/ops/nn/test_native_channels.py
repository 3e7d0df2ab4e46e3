"""Native reductions of batch normalization give what the operations that they stand for give, on shapes of every kind."""

from unittest import mock

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

import penstock as tf
from penstock.engine import native
from penstock.engine.xla import jit, jnp
from penstock.ops.nn import native_channels

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4)
CHANNELS = st.sampled_from([1, 3, 15, 16, 17, 64, 700])
DTYPES = st.sampled_from([np.float32, ml_dtypes.bfloat16])
EPSILON = 1e-3


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """Small arrays go to the kernels too, and not to NumPy."""
    monkeypatch.setattr(native_channels, "_LEAST", 1)
    monkeypatch.setattr("penstock.runtime.executor._NUMPY_CALL", 1e6)


def arrays(*shapes, dtype=np.float32):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(np.float32).astype(dtype) for shape in shapes]


def assert_close(ours, theirs, tolerance=2e-4):
    for one, other in zip(ours, theirs, strict=True):
        limit = tolerance * (1 + np.abs(np.asarray(other, "f")).max(initial=0))
        np.testing.assert_allclose(np.asarray(one, "f"), np.asarray(other, "f"), rtol=tolerance, atol=limit)


@settings(max_examples=20, deadline=None)
@given(SHAPES, CHANNELS, DTYPES)
def test_moments(before, channels, dtype):
    (x,) = arrays((*before, channels), dtype=dtype)
    mean, variance = jit(native_channels.moments)(x)
    assert mean.dtype == variance.dtype == np.float32
    rows = x.astype(np.float64).reshape(-1, channels)
    assert_close([mean, variance], [rows.mean(0), rows.var(0)], 1e-5)


def test_a_large_mean_costs_no_digits_of_the_variance():
    (x,) = arrays((5000, 3))
    x = x * 0.01 + 1000
    _, variance = jit(native_channels.moments)(x)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(0), rtol=1e-3)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_channel(number):
    (x,) = arrays((300, 20))
    x[7, 4] = number
    mean, variance = jit(native_channels.moments)(x)
    assert np.isfinite(mean).sum() == np.isfinite(variance).sum() == 19
    assert np.isnan(variance[4])


@settings(max_examples=20, deadline=None)
@given(SHAPES, CHANNELS, st.tuples(DTYPES, DTYPES), st.sampled_from([None, 0.0, 0.5]), st.booleans())
def test_sums(before, channels, dtypes, limit, is_centred):
    x, dy, features = (
        each.astype(kind)
        for each, kind in zip(arrays(*[(*before, channels)] * 3), (*dtypes, dtypes[1]), strict=True)
    )
    centre = arrays(channels)[0] if is_centred else None
    others = () if limit is None else (features,)
    computed = jit(
        lambda x, dy, centre, *others: native_channels.sums(x, dy, centre, *others, limit=limit or 0.0)
    )(x, dy, centre, *others)
    wide_x, wide_dy = x.astype(np.float64), dy.astype(np.float64)
    if limit is not None:
        wide_dy = np.where((features > 0) & ((features < limit) if limit else True), wide_dy, 0)
    centred = wide_x - (0 if centre is None else centre)
    expected = [each.reshape(-1, channels).sum(0) for each in (wide_dy, wide_dy * centred)]
    assert_close(computed, expected, 1e-5)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (4,)])
def test_what_has_no_rows_or_channels_is_left_to_xla(shape):
    x = jnp.zeros(shape, jnp.float32)
    assert native_channels.moments(x) is None
    assert native_channels.sums(x, x) is None


# As Keras writes them.


def normalized(x, gamma, beta):
    mean, variance = tf.nn.moments(x, axes=list(range(x.shape.rank - 1)))
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)


def and_relu(x, gamma, beta):
    return tf.nn.relu(normalized(x, gamma, beta))


def and_relu6(x, gamma, beta):
    return tf.nn.relu6(normalized(4 * x, gamma * 4, beta))


def and_residual(x, gamma, beta):
    return tf.nn.relu(normalized(x, gamma, beta) + tf.sin(x)) * x


def without_scale(x, gamma, beta):
    return normalized(x, None, beta) * gamma


def in_half_precision(x, gamma, beta):
    """A layer under `mixed_bfloat16`."""
    narrow = tf.cast(tf.sin(x), tf.bfloat16)
    wide = normalized(tf.cast(narrow, tf.float32), gamma, beta)
    return tf.cast(tf.nn.relu(tf.cast(wide, tf.bfloat16)), tf.float32)


def loss_and_gradients(function):
    def gradients(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = tf.reduce_sum(tf.sin(function(*tensors)))
        return [loss, *tape.gradient(loss, tensors)]

    return gradients


@pytest.mark.parametrize(
    "function", [normalized, and_relu, and_relu6, and_residual, without_scale, in_half_precision]
)
@pytest.mark.parametrize("shape", [(6, 17), (2, 3, 4, 16)])
def test_what_keras_writes_is_found(function, shape):
    tensors = [tf.constant(each) for each in arrays(shape, shape[-1], shape[-1])]
    gradients = loss_and_gradients(function)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        computed = tf.function(gradients)(*tensors)
    kernels = [each.args[0] for each in call.call_args_list]
    assert kernels[:2] == ["channel_moments", "channel_sums"]
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        expected = tf.function(gradients)(*tensors)
    assert_close(computed, expected)


def test_half_precision_is_read_as_it_is():
    tensors = [tf.constant(each) for each in arrays((8, 16), 16, 16)]
    with mock.patch.object(native, "call", wraps=native.call) as call:
        tf.function(loss_and_gradients(in_half_precision))(*tensors)
    of_moments, of_sums = (each.args[2:] for each in call.call_args_list[:2])
    assert str(of_moments[0].dtype) == "bfloat16"
    assert [str(each.dtype) for each in of_sums] == ["bfloat16", "bfloat16", "float32", "bfloat16"]


def test_what_was_cast_on_the_host_is_read_as_it_comes():
    def function(x):
        text = tf.strings.as_string(tf.cast(tf.reduce_sum(x), tf.int32))  # the rest is another piece
        wide = tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
        shift = tf.strings.to_number(tf.strings.join([text, "0"])) * 0.0
        return [*tf.nn.moments(wide + shift, [0]), *tf.nn.moments(wide, [0])]

    (x,) = (tf.constant(each) for each in arrays((9, 16)))
    assert_close(tf.function(function)(x), function(x))


def test_moments_of_other_dimensions_are_not_taken():
    def of_rows(x):
        mean, variance = tf.nn.moments(x, axes=[1], keepdims=True)
        return (x - mean) / tf.sqrt(variance + EPSILON)

    (x,) = (tf.constant(each) for each in arrays((4, 5)))
    with mock.patch.object(native, "call", wraps=native.call) as call:
        computed = tf.function(of_rows)(x)
    assert not call.called
    assert_close([computed], [of_rows(x)])


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_the_fused_op_uses_them(dtype):
    x, scale, offset = (tf.constant(each) for each in arrays((3, 4, 5, 17), 17, 17))
    x = tf.cast(x, dtype)

    def gradients(x, scale, offset):
        with tf.GradientTape() as tape:
            tape.watch((x, scale, offset))
            y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset)
            loss = tf.reduce_sum(tf.sin(tf.cast(y, tf.float32)))
        return [y, mean, variance, *tape.gradient(loss, (x, scale, offset))]

    with mock.patch.object(native, "call", wraps=native.call) as call:
        computed = tf.function(gradients)(x, scale, offset)
    assert [each.args[0] for each in call.call_args_list] == ["channel_moments", "channel_sums"]
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        expected = tf.function(gradients)(x, scale, offset)
    assert [each.dtype for each in computed] == [each.dtype for each in expected]
    assert_close(computed, expected, 2e-4 if dtype is tf.float32 else 0.01)
