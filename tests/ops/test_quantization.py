"""Quantized dtypes and the ops that emulate them: values as TensorFlow gives them, and straight-through gradients."""

import numpy as np
import pytest

import penstock as tf

X = [-1.5, -1.0, -0.3, 0.0, 0.25, 0.5, 1.0, 2.7]


@pytest.mark.parametrize(
    ("dtype", "mode", "expected", "low"),
    [
        ("qint8", "MIN_COMBINED", [-128, -128, -39, -1, 31, 63, 127, 127], -1.0),
        ("qint8", "MIN_FIRST", [-128, -128, -38, 0, 32, 64, 127, 127], -1.0),
        ("qint8", "SCALED", [-128, -127, -38, 0, 32, 64, 127, 127], -1.007874),
        ("quint8", "MIN_COMBINED", [0, 0, 89, 128, 159, 191, 255, 255], -1.0),
        ("quint8", "SCALED", [0, 0, 0, 0, 64, 128, 255, 255], 0.0),
        ("qint16", "MIN_FIRST", [-32768, -32768, -9830, 0, 8192, 16384, 32767, 32767], -1.0),
        ("quint16", "MIN_COMBINED", [0, 0, 22937, 32768, 40959, 49151, 65535, 65535], -1.0),
        (
            "qint32",
            "MIN_FIRST",
            [-(2**31), -(2**31), -644245120, 0, 2**29, 2**30, 2147483520, 2147483520],
            -1.0,
        ),
    ],
)
def test_quantize(dtype, mode, expected, low):
    output, output_min, output_max = tf.quantization.quantize(X, -1.0, 1.0, tf.as_dtype(dtype), mode=mode)
    assert output.dtype == dtype
    assert output.numpy().tolist() == expected
    np.testing.assert_allclose([output_min, output_max], [low, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "mode", "values", "expected"),
    [
        ("qint8", "MIN_COMBINED", [-100, 0, 100], [-0.78039217, 0.00392163, 0.7882354]),
        ("qint8", "MIN_FIRST", [-100, 0, 100], [-0.77647066, 0.00784314, 0.79215693]),
        ("qint8", "SCALED", [-100, 0, 100], [-0.78740156, 0.0, 0.78740156]),
        ("quint8", "MIN_FIRST", [0, 100, 200], [-0.9960785, -0.2117647, 0.5725491]),
        ("quint16", "SCALED", [0, 100, 200], [0.0, 1.5259022e-03, 3.0518044e-03]),
        ("qint32", "MIN_FIRST", [-100, 0, 100], [-4.6566129e-08, 0.0, 4.6566129e-08]),
    ],
)
def test_dequantize(dtype, mode, values, expected):
    quantized = tf.cast(values, tf.as_dtype(dtype))
    np.testing.assert_allclose(
        tf.quantization.dequantize(quantized, -1.0, 1.0, mode=mode), expected, rtol=1e-5
    )


def test_quantize_with_a_range_for_each_slice():
    x = tf.reshape(tf.range(-3.0, 3.0, 0.5), [3, 4])
    result = tf.quantization.quantize(x, [-1.0, -2.0, -3.0], [1.0, 2.0, 3.0], tf.qint8, mode="SCALED", axis=0)
    assert result.output.numpy().tolist() == [[-128] * 4, [-64, -32, 0, 32], [42, 64, 85, 106]]
    np.testing.assert_allclose(result.output_min, [-1.007874, -2.015748, -3.023622], rtol=1e-6)


def test_a_narrow_range_is_widened():
    output, low, high = tf.quantization.quantize(X, 0.0, 0.0, tf.quint8)
    assert output.numpy().tolist() == [0, 0, 0, 0, 255, 255, 255, 255]
    np.testing.assert_allclose([low, high], [0.0, 0.01], rtol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"T": tf.float32},
        {"T": tf.quint8, "mode": "OTHER"},
        {"T": tf.quint8, "round_mode": "HALF_TO_EVEN"},
        {"T": tf.quint8, "min_range": 1.0, "max_range": -1.0},
    ],
    ids=lambda arguments: ",".join(arguments),
)
def test_quantize_refuses(arguments):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.quantization.quantize(X, **{"min_range": -1.0, "max_range": 1.0, **arguments})


def test_quantized_concat_brings_the_values_into_one_range():
    parts = [tf.cast([10, 20], tf.quint8), tf.cast([100], tf.quint8)]
    output, low, high = tf.quantization.quantized_concat(0, parts, [0.0, -1.0], [1.0, 2.0])
    assert output.dtype == tf.quint8
    assert output.numpy().tolist() == [88, 92, 100]
    assert (float(low), float(high)) == (-1.0, 2.0)


def test_quantized_dtypes_survive_ops_that_move_data():
    x = tf.zeros([2, 2], tf.qint8)
    for moved in (
        tf.identity(x),
        tf.reshape(x, [4]),
        tf.concat([x, x], 0),
        tf.split(x, 2)[0],
        x[0],
        tf.transpose(x),
    ):
        assert moved.dtype == tf.qint8


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"range_given": True}, [-1.007874, -1.0, -0.2992126, 0.0, 0.2519685, 0.503937, 1.0, 1.0]),
        ({}, [-1.5094488, -0.9992126, -0.2976378, 0.0, 0.2551181, 0.5102362, 0.9992126, 2.7]),
        ({"range_given": True, "num_bits": 3}, [-4 / 3, -1.0, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0, 1.0]),
    ],
)
def test_quantize_and_dequantize(options, expected):
    result = tf.quantization.quantize_and_dequantize_v2(X, -1.0, 1.0, **options)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tf.quantization.quantize_and_dequantize(x, -1.0, 1.0, range_given=True), [1] * 8),
        (
            lambda x: tf.quantization.quantize_and_dequantize_v2(x, -1.0, 1.0, range_given=True),
            [0, 1, 1, 1, 1, 1, 1, 0],
        ),
        (
            lambda x: tf.raw_ops.QuantizeAndDequantizeV3(input=x, input_min=-1.0, input_max=1.0, num_bits=4),
            [1] * 8,
        ),
        (
            lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1.0, 1.0, num_bits=3),
            [0, 0, 1, 1, 1, 1, 1, 0],
        ),
        (
            lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -1.0, 1.3, num_bits=4),
            [0, 1, 1, 1, 1, 1, 1, 0],
        ),
    ],
    ids=["v2", "v4", "v3", "args", "vars"],
)
def test_gradients_pass_as_if_nothing_was_rounded(function, expected):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    assert tape.gradient(y, x).numpy().tolist() == expected


def test_fake_quant_values():
    result = tf.quantization.fake_quant_with_min_max_args(X, -1.0, 1.0)
    expected = [-0.9960785, -0.9960785, -0.29803923, 0.0, 0.2509804, 0.5019608, 1.0039216, 1.0039216]
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_fake_quant_gradients_of_the_limits():
    x, low, high = tf.constant([[-3.0, 0.5], [0.2, 9.0]]), tf.constant([-1.0, -1.0]), tf.constant([1.0, 1.0])
    with tf.GradientTape() as tape:
        tape.watch([x, low, high])
        y = tf.quantization.fake_quant_with_min_max_vars_per_channel(x, low, high)
    of_x, of_low, of_high = tape.gradient(y, [x, low, high])
    assert of_x.numpy().tolist() == [[0, 1], [1, 0]]
    assert of_low.numpy().tolist() == [1, 0]
    assert of_high.numpy().tolist() == [0, 1]


def test_fake_quant_gradient_is_differentiable():
    gradients, x = tf.constant([1.0, 2.0, 3.0]), tf.constant([-3.0, 0.5, 9.0])
    with tf.GradientTape() as tape:
        tape.watch(gradients)
        of_x, of_low, of_high = tf.quantization.fake_quant_with_min_max_vars_gradient(gradients, x, -1.0, 1.0)
        total = tf.reduce_sum(of_x) + 10.0 * of_low + 100.0 * of_high
    assert tape.gradient(total, gradients).numpy().tolist() == [10.0, 1.0, 100.0]
