"""Convolutions with bias, Relu and max pool, and their gradients, are what the same operations are without kernels."""

from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import penstock as tf
from penstock.engine import native
from penstock.ops.nn import native_small_images

pytestmark = pytest.mark.skipif(
    native.library() is None or not native.has_wide_vectors(), reason="there are no such kernels here"
)


def random_array(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@st.composite
def layers(draw):
    """(x, w, bias, settings): images of a few channels, filters with strides or dilations, pools of any kind or none."""
    to_image = draw(st.booleans())  # whether the gradient of images is wanted too
    channels = draw(st.sampled_from([16, 32] if to_image else [1, 3, 16]))
    outputs = draw(st.sampled_from([16, 48, 64, 80]))
    height, width = draw(st.sampled_from([(3, 3), (1, 3), (2, 1), (2, 3)]))
    spread = draw(st.sampled_from(["strides", "dilations"]))
    by = [1, draw(st.integers(1, 2)), draw(st.integers(1, 2)), 1]
    sizes = [draw(st.integers((k - 1) * d + 1, 9)) for k, d in zip((height, width), by[1:])]
    pool = draw(st.sampled_from([None, "SAME", "VALID"]))
    given = {
        "convolution": {
            "strides": 1,
            spread: by[1:3],
            "padding": draw(st.sampled_from(["SAME", "VALID"])),
        },
        "relu": draw(st.booleans()),
        "pool": pool
        and {
            "ksize": [draw(st.integers(1, 3)) for _ in range(2)],
            "strides": [draw(st.integers(1, 3)) for _ in range(2)],
            "padding": pool,
        },
        "to_image": to_image,
    }
    batch = draw(st.sampled_from([1, 2, 5]))
    arrays = (
        random_array(batch, *sizes, channels),
        random_array(height, width, channels, outputs, seed=1),
        random_array(outputs, seed=2),
    )
    return *arrays, given


def step(given):
    """A compiled function: the result of a layer, and the gradients of its square."""

    @tf.function(jit_compile=True)
    def run(x, w, bias):
        with tf.GradientTape() as tape:
            tape.watch([x, w, bias])
            images = tf.nn.relu(x) if given["to_image"] else x
            y = tf.nn.bias_add(tf.nn.conv2d(images, w, **given["convolution"]), bias)
            y = tf.nn.relu(y) if given["relu"] else y
            y = tf.nn.max_pool2d(y, **given["pool"]) if given["pool"] else y
            total = tf.reduce_sum(y * y)
        wanted = [x, w, bias] if given["to_image"] else [w, bias]
        return [y, *tape.gradient(total, wanted)]

    return run


def check(x, w, bias, given):
    """The kernels are asked, and give what there is without them."""
    with mock.patch.object(native_small_images, "gradients", wraps=native_small_images.gradients) as used:
        ours = step(given)(x, w, bias)
    assert used.called or 0 in ours[0].shape
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = step(given)(x, w, bias)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * (1 + np.abs(other).max(initial=0)))


@settings(max_examples=15, deadline=None)
@given(layers())
def test_layer(case):
    check(*case)


@st.composite
def layers_for_winograd(draw):
    """The same with filters that are 3 wide, and with many channels: Winograd's algorithm along the rows."""
    rows, spread = draw(st.integers(1, 3)), draw(st.sampled_from(["strides", "dilations"]))
    by = [draw(st.integers(1, 2)), 1]
    height = draw(st.integers((rows - 1) * by[0] + 1, 7))
    width = draw(st.sampled_from([6, 9, 10, 13, 22]))
    window = draw(st.sampled_from([None, (1, 2), (2, 2), (2, 3)]))
    given = {
        "convolution": {"strides": 1, spread: by, "padding": draw(st.sampled_from(["SAME", "VALID"]))},
        "relu": draw(st.booleans()),
        "pool": window and {"ksize": window, "strides": window, "padding": "SAME"},
        "to_image": draw(st.booleans()),
    }
    channels, outputs = draw(st.sampled_from([32, 48, 112])), draw(st.sampled_from([32, 80]))
    arrays = (
        random_array(draw(st.sampled_from([1, 16, 33])), height, width, channels),
        random_array(rows, 3, channels, outputs, seed=1) / 16,
        random_array(outputs, seed=2),
    )
    return *arrays, given


@settings(max_examples=10, deadline=None)
@given(layers_for_winograd())
def test_layer_by_winograd(case):
    check(*case)


def sequences(x, w, bias):
    """As Keras has a layer for sequences: everything between is reshaped."""
    with tf.GradientTape() as tape:
        tape.watch([w, bias])
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv1d(x, w, 1, "VALID"), bias))
        y = tf.squeeze(tf.nn.max_pool2d(y[:, None], [1, 2], [1, 2], "VALID"), 1)
        total = tf.reduce_sum(y * y)
    return tape.gradient(total, [w, bias])


def test_sequences():
    arrays = random_array(3, 11, 4), random_array(3, 4, 32, seed=1), random_array(32, seed=2)
    with mock.patch.object(native_small_images, "gradients", wraps=native_small_images.gradients) as used:
        ours = tf.function(sequences, jit_compile=True)(*arrays)
    assert used.called
    for one, other in zip(ours, sequences(*map(tf.constant, arrays)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_what_others_use_too_is_not_computed_twice():
    @tf.function(jit_compile=True)
    def both(x, w, bias):
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), bias))
        return y, tf.nn.max_pool2d(y, 2, 2, "VALID")

    arrays = random_array(2, 6, 5, 3), random_array(3, 3, 3, 16, seed=1), random_array(16, seed=2)
    program = both.experimental_get_compiler_ir(*arrays)("hlo")
    assert program.count("penstock.fused_convolution") == 1


def test_maxima_that_are_nan_pass_no_gradient():
    x = random_array(1, 4, 5, 1)
    x[0, 0, 0, 0] = np.nan
    given = {"convolution": {"strides": 1, "padding": "VALID"}, "relu": True, "to_image": False}
    given["pool"] = {"ksize": 2, "strides": 2, "padding": "VALID"}
    y, _, db = step(given)(x, random_array(1, 2, 1, 16, seed=1), np.ones(16, np.float32))
    assert np.isnan(y[0, 0, 0]).all() and not np.isnan(y[0, 1:]).any()
    np.testing.assert_allclose(db, 2 * np.sum(np.nan_to_num(y), axis=(0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("size, padding", [((43, 41), "VALID"), ((39, 44), "SAME")])
def test_the_pool_of_large_images_comes_with_the_convolution(relu, size, padding):
    @tf.function(jit_compile=True)
    def predict(x, w, bias):
        y = tf.nn.bias_add(tf.nn.conv2d(x, w, 1, padding), bias)
        return tf.nn.max_pool2d(tf.nn.relu(y) if relu else y, 2, 2, "VALID")

    arrays = random_array(1, *size, 48), random_array(3, 3, 48, 64, seed=1) / 21, random_array(64, seed=2)
    program = predict.experimental_get_compiler_ir(*arrays)("hlo")
    assert "penstock.convolution" in program and "penstock.max_pool" not in program
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(predict.python_function, jit_compile=True)(*arrays)
    np.testing.assert_allclose(predict(*arrays), theirs, rtol=1e-4, atol=1e-5)


# Of a row of tiles, blocks of 8 tiles and less; rows and columns that no pool takes; nothing before the image, and zeros.
@pytest.mark.parametrize(
    "size, channels, outputs, columns, padding, relu",
    [
        ((34, 34), 64, 64, 128, "VALID", True),
        ((37, 41), 64, 64, 32, "SAME", False),
        ((30, 31), 64, 128, 64, "VALID", True),
        ((9, 80), 128, 64, 64, "SAME", True),
        ((38, 9), 32, 64, 128, "VALID", False),
    ],
)
def test_the_layer_behind_a_pool_comes_with_the_convolution(size, channels, outputs, columns, padding, relu):
    @tf.function(jit_compile=True)
    def predict(x, w, bias, matrix, layer_bias):
        y = tf.nn.bias_add(tf.nn.conv2d(x, w, 1, padding), bias)
        y = tf.nn.max_pool2d(tf.nn.relu(y) if relu else y, 2, 2, "VALID")
        y = tf.nn.bias_add(tf.reshape(y, [1, -1]) @ matrix, layer_bias)
        return y if relu else tf.nn.relu(y)

    height, width = (each if padding == "SAME" else each - 2 for each in size)
    flat = (height // 2) * (width // 2) * outputs
    arrays = [random_array(1, *size, channels), random_array(3, 3, channels, outputs, seed=1) / 21]
    arrays += [
        random_array(outputs, seed=2),
        random_array(flat, columns, seed=3),
        random_array(columns, seed=4),
    ]
    program = predict.experimental_get_compiler_ir(*arrays)("hlo")
    assert "penstock.convolution_and_layer" in program and "penstock.vector_product" not in program
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(predict.python_function, jit_compile=True)(*arrays).numpy()
    np.testing.assert_allclose(predict(*arrays), theirs, rtol=1e-4, atol=1e-6 * np.abs(theirs).max())


def test_a_layer_behind_a_pool_that_others_use_stands_alone():
    @tf.function(jit_compile=True)
    def predict(x, w, bias, matrix):
        y = tf.nn.max_pool2d(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "VALID"), bias), 2, 2, "VALID")
        return tf.nn.bias_add(tf.reshape(y, [1, -1]) @ matrix, bias), y

    arrays = [random_array(1, 34, 34, 64), random_array(3, 3, 64, 64, seed=1), random_array(64, seed=2)]
    arrays.append(random_array(16 * 16 * 64, 64, seed=3))
    assert "penstock.convolution_and_layer" not in predict.experimental_get_compiler_ir(*arrays)("hlo")


@pytest.mark.parametrize(
    "size, strides, padding",
    [((70, 75), 1, "VALID"), ((139, 150), 2, "VALID"), ((66, 68), 1, "SAME"), ((131, 131), (1, 2), "SAME")],
)
def test_rows_of_large_images_go_to_threads(size, strides, padding):
    @tf.function(jit_compile=True)
    def predict(x, w, bias):
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, strides, padding), bias))

    arrays = random_array(2, *size, 3), random_array(2, 3, 3, 48, seed=1), random_array(48, seed=2)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        ours = predict(*arrays)
    assert (call.call_args.args[0] == "fused_convolution") == (padding == "VALID")
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(predict.python_function, jit_compile=True)(*arrays)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_large_image_with_zeros_after_it():
    @tf.function(jit_compile=True)
    def predict(x, w, bias):
        return tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), bias)

    arrays = random_array(1, 65, 66, 1), random_array(2, 2, 1, 16, seed=1), random_array(16, seed=2)
    program = predict.experimental_get_compiler_ir(*arrays)("hlo")
    assert "penstock.fused_convolution" in program
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(predict.python_function, jit_compile=True)(*arrays)
    np.testing.assert_allclose(predict(*arrays), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "channels, outputs, pool, to_image, strides, padding",
    [
        (3, 64, None, False, 1, "VALID"),  # few channels: row by row
        (2, 16, None, False, 2, "SAME"),
        (32, 64, "VALID", True, 1, "VALID"),  # Winograd's algorithm, in large tiles and small ones
        (64, 160, None, True, 1, "SAME"),
        (16, 24, "VALID", True, 2, "SAME"),  # oneDNN's kernels
    ],
)
def test_gradients_of_large_images(channels, outputs, pool, to_image, strides, padding):
    """The bias gets its gradient together with the filter, and Relu before it is part of the gradient of images."""
    given = {
        "convolution": {"strides": strides, "padding": padding},
        "relu": True,
        "pool": pool and {"ksize": 2, "strides": 2, "padding": pool},
        "to_image": to_image,
    }
    arrays = [random_array(3, 70, 67, channels), random_array(3, 3, channels, outputs, seed=1) / 8]
    arrays.append(random_array(outputs, seed=2))
    with mock.patch.object(native, "call", wraps=native.call) as called:
        ours = step(given)(*arrays)
    shapes = {each.args[0]: each.args[1] for each in called.call_args_list}
    gradient = "fused_convolution_gradient" if channels < 16 else "convolution_filter_gradient"
    assert len(shapes[gradient]) == 2
    if to_image:
        inputs = [each.args for each in called.call_args_list if each.args[0] == "convolution_input_gradient"]
        assert any(len(each) == 5 for each in inputs)  # with the features
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = step(given)(*arrays)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * (1 + np.abs(other).max()))
