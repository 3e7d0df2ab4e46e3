"""Initializers of both eras make the values that TensorFlow 2.21 makes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1

# (initializer, shape, the first three numbers after tf.random.set_seed(1))
SEEDED = [
    (lambda: v1.random_uniform_initializer(seed=2), [3], [0.406396746, 0.857599616, 0.055395841]),
    (lambda: v1.random_normal_initializer(seed=2), [3], [-1.046779274, 0.839704573, 1.235836386]),
    (lambda: v1.truncated_normal_initializer(seed=2), [3], [-1.046779274, 0.839704573, 1.235836386]),
    (lambda: v1.uniform_unit_scaling_initializer(seed=2), [3, 4], [-0.187206506, 0.715199232, -0.889208316]),
    (lambda: v1.variance_scaling_initializer(seed=2), [3, 4], [-0.687063097, 0.551147699, 0.811152458]),
    (
        lambda: v1.variance_scaling_initializer(2.0, "fan_avg", "uniform", seed=2),
        [3, 3, 4, 5],
        [-0.072055816, 0.275280326, -0.342256426],
    ),
    (
        lambda: v1.variance_scaling_initializer(2.0, "fan_out", "untruncated_normal", seed=2),
        [4, 5],
        [-0.662041366, 0.531075775, 0.781611561],
    ),
    (lambda: v1.glorot_uniform_initializer(seed=2), [3, 4], [-0.173319578, 0.662145853, -0.823246955]),
    (lambda: v1.glorot_normal_initializer(seed=2), [3, 4], [-0.636096835, 0.510263621, 0.750981211]),
    (lambda: v1.initializers.lecun_normal(seed=2), [3, 4], [-0.687063097, 0.551147699, 0.811152458]),
    (lambda: v1.initializers.lecun_uniform(seed=2), [3, 4], [-0.187206506, 0.715199232, -0.889208316]),
    (lambda: v1.initializers.he_normal(seed=2), [3, 4], [-0.971653938, 0.779440581, 1.147142767]),
    (lambda: v1.initializers.he_uniform(seed=2), [3, 4], [-0.264750003, 1.011444449, -1.257530450]),
    (lambda: v1.orthogonal_initializer(seed=2), [3, 2], [-0.635252356, 0.726242601, 0.749984383]),
    (lambda: v1.orthogonal_initializer(seed=2), [2, 3], [-0.635252356, 0.749984383, 0.184330448]),
    (lambda: tf.random_uniform_initializer(seed=3), [3], [-0.03040872, 0.04393453, 0.00322752]),
    (lambda: tf.random_normal_initializer(seed=3), [3], [-0.03357924, 0.08380252, -0.04721227]),
]


@pytest.mark.parametrize(("make", "shape", "expected"), SEEDED)
def test_values_are_those_of_tensorflow(make, shape, expected):
    tf.random.set_seed(1)
    for given in (shape, tuple(shape), tf.TensorShape(shape)):
        tf.random.set_seed(1)
        value = make()(given)
        assert value.shape == shape
        np.testing.assert_allclose(value.numpy().reshape(-1)[:3], expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("make", [tf.random_uniform_initializer, tf.random_normal_initializer])
def test_a_seeded_v2_initializer_repeats_itself(make):
    seeded, free = make(seed=1), make()
    np.testing.assert_array_equal(seeded([4]), seeded([4]))
    assert np.any(free([4]).numpy() != free([4]).numpy())


def test_constants():
    assert tf.zeros_initializer()([2, 2], tf.bool).numpy().tolist() == [[False] * 2] * 2
    assert tf.ones_initializer()([2], tf.int32).numpy().tolist() == [1, 1]
    assert tf.constant_initializer([1, 2])([2]).dtype == tf.int32
    assert tf.constant_initializer(3)([2], tf.float32).numpy().tolist() == [3.0, 3.0]
    assert v1.zeros_initializer()([1], tf.int64).dtype == tf.int64
    assert v1.ones_initializer(tf.int32)([2]).numpy().tolist() == [1, 1]
    assert v1.constant_initializer([1, 2])([2, 2]).numpy().tolist() == [[1.0, 2.0], [2.0, 2.0]]
    assert v1.initializers.identity(2.0)([2, 3]).numpy().tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]


def test_integers_can_be_drawn():
    drawn = tf.random_uniform_initializer(0, 5, seed=3)([3], tf.int32)
    assert drawn.numpy().tolist() == [3, 2, 2]


def test_parts_of_split_variables():
    part = tf.random_normal_initializer()([30, 4], partition_shape=(10, 4), partition_offset=(20, 0))
    assert part.shape == [10, 4]
    info = SimpleNamespace(full_shape=[4, 4], var_offset=[2, 0])
    assert v1.initializers.identity()([2, 4], partition_info=info).numpy().tolist() == [
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    ]
    bound = float(
        tf.reduce_max(tf.abs(v1.glorot_uniform_initializer(seed=1)([1000, 2], partition_info=info)))
    )
    assert 0.8 < bound < np.sqrt(6 / 8)


CONFIGS = [
    (tf.random_normal_initializer(1.0, 2.0), {"mean": 1.0, "stddev": 2.0, "seed": None}),
    (tf.random_uniform_initializer(seed=4), {"minval": -0.05, "maxval": 0.05, "seed": 4}),
    (tf.constant_initializer(3), {"value": 3}),
    (tf.zeros_initializer(), {}),
    (v1.zeros_initializer(), {"dtype": "float32"}),
    (v1.constant_initializer(2.0), {"value": 2.0, "dtype": "float32"}),
    (v1.random_uniform_initializer(), {"minval": 0.0, "maxval": None, "seed": None, "dtype": "float32"}),
    (v1.uniform_unit_scaling_initializer(), {"factor": 1.0, "seed": None, "dtype": "float32"}),
    (v1.glorot_uniform_initializer(seed=2), {"seed": 2, "dtype": "float32"}),
    (v1.orthogonal_initializer(), {"gain": 1.0, "seed": None, "dtype": "float32"}),
    (
        v1.initializers.he_normal(seed=2),
        {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal", "seed": 2, "dtype": "float32"},
    ),
]


@pytest.mark.parametrize(("initializer", "config"), CONFIGS)
def test_configs(initializer, config):
    assert initializer.get_config() == config
    assert type(initializer).from_config(config).get_config() == config


ERRORS = [
    (lambda: tf.zeros_initializer()([2], tf.string), ValueError, "numeric or boolean"),
    (lambda: tf.constant_initializer(tf.zeros(2)), TypeError, "Invalid type for initial value"),
    (lambda: tf.constant_initializer([1, 2])([3]), TypeError, "2 elements"),
    (lambda: tf.random_normal_initializer()([3], tf.int32), ValueError, "floating point"),
    (lambda: tf.random_normal_initializer()([3], foo=1), TypeError, "Keyword argument should be one of"),
    (lambda: tf.constant_initializer(1)([3], partition_shape=(1,)), ValueError, "partition-related"),
    (lambda: v1.random_normal_initializer(dtype=tf.int32), ValueError, "floating point"),
    (lambda: v1.variance_scaling_initializer(-1), ValueError, "must be a positive float"),
    (lambda: v1.variance_scaling_initializer(mode="x"), ValueError, "Argument `mode`"),
    (lambda: v1.variance_scaling_initializer(distribution="x"), ValueError, "Argument `distribution`"),
    (lambda: v1.orthogonal_initializer()([2]), ValueError, "at least two-dimensional"),
    (lambda: v1.initializers.identity()([2]), ValueError, "at least two-dimensional"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
