"""The symbolic tensors of models in sessions, and in TensorFlow 1's functions."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras.layers import Dense, Input  # noqa: E402
from keras.models import Model  # noqa: E402

v1 = tf.compat.v1
X = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)


@pytest.fixture(autouse=True)
def default_graph():
    v1.reset_default_graph()
    yield
    v1.reset_default_graph()


@pytest.fixture
def model():
    inputs = Input((4,))
    return Model(inputs, Dense(2, activation="tanh")(Dense(3, name="hidden")(inputs)))


def test_a_session_feeds_inputs_and_fetches_outputs(model):
    with v1.Session() as session:
        found, hidden = session.run([model.output, model.get_layer("hidden").output], {model.input: X})
    np.testing.assert_allclose(found, model.predict(X, verbose=0), rtol=1e-5)
    assert hidden.shape == (2, 3)


def test_a_tensor_between_layers_may_be_fed(model):
    hidden = model.get_layer("hidden").output
    with v1.Session() as session:
        found = session.run(model.output, {hidden: np.zeros((5, 3))})
    np.testing.assert_allclose(found, np.zeros((5, 2)), atol=1e-6)


def test_gradients_by_weights_are_weighted_by_a_placeholder(model):
    weights = v1.placeholder(tf.float32, [None, 2])
    gradients = tf.gradients(model.output, model.trainable_weights, -weights)
    with v1.Session() as session:
        found = session.run(gradients, {model.input: X, weights: np.ones((2, 2))})
    with tf.GradientTape() as tape:
        loss = -tf.reduce_sum(model(X))
    for got, expected in zip(found, tape.gradient(loss, model.trainable_weights), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_gradients_by_inputs(model):
    with v1.Session() as session:
        (found,) = session.run(tf.gradients(model.output, model.input), {model.input: X})
    assert found.shape == X.shape and found.any()


def test_an_optimizer_of_tensorflow_1_trains_on_a_symbolic_loss(model):
    targets = v1.placeholder(tf.float32, [None, 2])
    loss = v1.losses.mean_squared_error(targets, model.output)
    step = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
    feeds = {model.input: X, targets: np.full((2, 2), 0.5)}
    with v1.Session() as session:
        first = session.run(loss, feeds)
        for _ in range(20):
            session.run(step, feeds)
        assert session.run(loss, feeds) < first / 2


def test_an_optimizer_of_keras_trains_on_a_symbolic_loss(model):
    targets = v1.placeholder(tf.float32, [None, 2])
    loss = tf.reduce_mean(tf.square(targets - model.output))
    step = keras.optimizers.Adam(0.1).minimize(loss, model.trainable_variables)
    feeds = {model.input: X, targets: np.full((2, 2), 0.5)}
    with v1.Session() as session:
        first = session.run(loss, feeds)
        for _ in range(20):
            session.run(step, feeds)
        assert session.run(loss, feeds) < first / 2


@pytest.mark.parametrize("make", [v1.train.AdamOptimizer, v1.train.GradientDescentOptimizer])
def test_a_model_is_compiled_with_an_optimizer_of_tensorflow_1(model, make):
    model.compile(make(0.1), "mse", metrics=["acc"])
    losses = model.fit(X, np.full((2, 2), 0.5), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2 and int(model.optimizer.iterations) == 20


def test_names_of_layers_count_from_the_start_in_each_graph():
    for _ in range(2):
        with tf.Graph().as_default():
            assert [Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
