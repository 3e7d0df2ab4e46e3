"""TensorFlow's functions between the layers of functional models."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras.layers import Dense, Input  # noqa: E402
from keras.models import Model  # noqa: E402


@pytest.mark.parametrize(
    "call, shape",
    [
        (lambda x: tf.nn.relu(x), (None, 4)),
        (lambda x: tf.concat([x, x], axis=-1), (None, 8)),
        (lambda x: tf.stack([x, x], 1), (None, 2, 4)),
        (lambda x: tf.expand_dims(x, 1), (None, 1, 4)),
        (lambda x: tf.reduce_mean(x, axis=1, keepdims=True), (None, 1)),
        (lambda x: tf.reshape(x, [-1, 2, 2]), (None, 2, 2)),
        (lambda x: tf.split(x, 2, axis=1)[1], (None, 2)),
        (lambda x: tf.where(x > 0, x, tf.zeros_like(x)), (None, 4)),
        (lambda x: tf.cast(tf.argmax(x, 1), tf.float32), (None,)),
        (lambda x: tf.matmul(x, tf.ones([4, 3])), (None, 3)),
        (lambda x: x * tf.sigmoid(x) + 1, (None, 4)),
        (lambda x: tf.one_hot(tf.cast(x, tf.int32), 3)[:, :1], (None, 1, 3)),
        (lambda x: tf.einsum("bi,bj->bij", x, x), (None, 4, 4)),
        (lambda x: tf.compat.v1.nn.dropout(x, rate=0.0), (None, 4)),
    ],
)
def test_a_call_is_an_operation_of_the_model(call, shape):
    inputs = Input((4,))
    model = Model(inputs, call(inputs))
    assert model.output.shape == shape
    x = np.linspace(-1, 2, 12, dtype="float32").reshape(3, 4)
    np.testing.assert_allclose(model(x), call(tf.constant(x)), rtol=1e-6)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_model_with_calls_is_saved_and_trains(tmp_path, suffix):
    inputs, others = Input((4,)), Input((4,))
    outputs = Dense(1)(tf.concat([tf.nn.relu(Dense(3)(inputs)), others], axis=-1))
    model = Model([inputs, others], outputs)
    model.compile("sgd", "mse")
    x = [np.ones((8, 4)), np.zeros((8, 4))]
    model.fit(x, np.ones(8), verbose=0)
    model.save(tmp_path / f"model.{suffix}")
    loaded = keras.models.load_model(tmp_path / f"model.{suffix}")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


def test_what_makes_a_value_now_is_refused():
    with pytest.raises(ValueError, match="KerasTensor"):
        tf.convert_to_tensor(Input((4,)))


def test_an_error_of_other_arguments_is_that_of_the_function():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))
