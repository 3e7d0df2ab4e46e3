"""Layers and models called on placeholders, in programs that never turned eager mode off."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import backend as K  # noqa: E402
from keras.layers import Dense, Dropout  # noqa: E402
from keras.models import Sequential  # noqa: E402

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def default_graph(monkeypatch):
    v1.reset_default_graph()
    monkeypatch.setattr("penstock.keras2.backend._state.learning_phase", None)
    yield
    v1.reset_default_graph()


def test_a_layer_follows_the_learning_phase_that_is_fed():
    x = v1.placeholder(tf.float32, [None, 100])
    dropped = Dropout(0.5)(x)
    ones = np.ones((1, 100))
    with v1.Session() as session:
        first, second = (session.run(dropped, {x: ones, K.learning_phase(): 1}) for _ in range(2))
        assert 20 < (first == 0).sum() < 80 and (first != second).any()  # each step draws anew
        np.testing.assert_array_equal(session.run(dropped, {x: ones, K.learning_phase(): 0}), ones)
        np.testing.assert_array_equal(session.run(dropped, {x: ones}), ones)


def test_a_phase_that_is_set_is_that_of_the_layer():
    x = v1.placeholder(tf.float32, [None, 100])
    K.set_learning_phase(1)
    dropped = Dropout(0.5)(x)
    with v1.Session() as session:
        assert (session.run(dropped, {x: np.ones((1, 100))}) == 0).any()


# Weights above 0, so that no result is the small difference of large numbers.
WEIGHTS = {
    name: keras.initializers.RandomUniform(0.1, 0.5, seed=seed)
    for seed, name in enumerate(["kernel_initializer", "recurrent_initializer"])
}


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(4, **WEIGHTS),
        keras.layers.GRU(4, dropout=0.5, **WEIGHTS),
        keras.layers.Bidirectional(keras.layers.SimpleRNN(2, **WEIGHTS)),
    ],
)
def test_recurrent_layers_agree_with_eager_calls(layer):
    x = v1.placeholder(tf.float32, [None, 5, 3])
    y = layer(x)
    sequences = np.linspace(0, 1, 30, dtype="float32").reshape(2, 5, 3)
    with v1.Session() as session:
        np.testing.assert_allclose(session.run(y, {x: sequences}), layer(sequences), rtol=1e-5)


def test_variables_stay_eager_and_are_trained():
    model = Sequential([Dense(3, activation="relu"), keras.layers.BatchNormalization(), Dense(1)])
    x = v1.placeholder(tf.float32, [None, 2])
    loss = tf.reduce_mean(tf.square(model(x) - 1.0))
    step = v1.train.AdamOptimizer(0.1).minimize(loss, var_list=model.trainable_variables)
    feeds = {x: [[1.0, 2.0], [0.5, -1.0]]}
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        first = session.run(loss, feeds)
        for _ in range(30):
            session.run(step, feeds)
        assert session.run(loss, feeds) < first
        np.testing.assert_allclose(
            session.run(model(x), feeds), model.predict(np.array(feeds[x]), verbose=0), atol=1e-5
        )
