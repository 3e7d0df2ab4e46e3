"""Gradients and losses of the symbolic tensors of functional models, and the attributes of their layers."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import backend as K  # noqa: E402
from keras.layers import Dense, Input, Lambda  # noqa: E402
from keras.models import Model, Sequential  # noqa: E402

X = np.arange(8.0, dtype="float32").reshape(2, 4)


@pytest.fixture
def model():
    inputs = Input((4,))
    hidden = Dense(3, name="hidden", kernel_initializer="ones")(inputs)
    return Model(inputs, Dense(2, kernel_initializer="ones", activation="tanh")(hidden))


def test_gradients_by_a_layers_output_are_tensors_of_the_model(model):
    hidden = model.get_layer("hidden").output
    gradients = K.gradients(model.output[:, 0], hidden)[0]
    got, values = K.function([model.input], [gradients, hidden])([X / 100])
    expected = 1 - np.tanh(values.sum(-1, keepdims=True)) ** 2
    np.testing.assert_allclose(got, expected * np.ones((1, 3)), rtol=1e-4)


def test_gradients_by_the_input(model):
    gradients = K.gradients(K.sum(model.output), model.input)[0]
    (got,) = K.function([model.input], [K.l2_normalize(gradients, axis=-1)])([X / 100])
    np.testing.assert_allclose(got, np.full((2, 4), 0.5), rtol=1e-4)


def test_gradients_by_weights(model):
    kernel = model.get_layer("hidden").kernel
    (got,) = K.function([model.input], K.gradients(K.sum(model.get_layer("hidden").output), [kernel]))([X])
    np.testing.assert_allclose(got, X.sum(0)[:, None] * np.ones((1, 3)))


def test_a_symbolic_loss_is_trained_on():
    inputs = Input((4,))
    mean, spread = Dense(2)(inputs), Dense(2)(inputs)

    def sample(args):
        mean, spread = args
        return mean + K.exp(spread) * K.random_normal((K.shape(mean)[0], 2))

    outputs = Dense(4)(Lambda(sample, output_shape=(2,))([mean, spread]))
    model = Model(inputs, outputs)
    divergence = -0.5 * K.sum(1 + spread - K.square(mean) - K.exp(spread), axis=-1)
    model.add_loss(K.mean(4 * keras.losses.mean_squared_error(inputs, outputs) + divergence))
    model.compile("adam")
    losses = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[0] > 0


def test_shapes_of_a_layer(model):
    layer = model.get_layer("hidden")
    assert layer.input_shape == (None, 4) and layer.output_shape == (None, 3)
    assert layer.get_output_at(0) is layer.output and layer.get_input_at(0) is model.input
    assert not hasattr(Dense(1), "output_shape")


def test_a_layer_may_have_such_an_attribute_of_its_own():
    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.output_shape = (7,)

    assert Own().output_shape == (7,)


def test_a_sequential_model_has_its_input_and_output():
    model = Sequential([Dense(3, input_shape=(4,)), Dense(1)])
    assert K.int_shape(model.input) == (None, 4) and K.int_shape(model.output) == (None, 1)
    assert Model(model.input, model.layers[0].output)(X).shape == (2, 3)


def test_the_backend_takes_the_variables_of_layers():
    layer = Dense(2)
    layer.build((None, 3))
    K.set_value(layer.kernel, np.ones((3, 2)))
    K.update_add(layer.kernel, K.ones((3, 2)))
    assert K.dtype(layer.kernel) == "float32"
    assert float(K.mean(layer.kernel)) == 2.0


def test_add_weight_takes_its_name_first():
    class Scale(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

        def call(self, x):
            return x * self.scale

    layer = Scale()
    np.testing.assert_allclose(layer(X), X)
    assert layer.scale.name == "scale"


def test_arguments_of_a_layer_that_are_no_tensors_may_go_by_position():
    class Scale(keras.layers.Layer):
        def call(self, x, training, factor, offset=None):
            return x * factor + offset if training else x

    np.testing.assert_allclose(Scale()(X, True, 2.0, keras.ops.ones(4)), X * 2 + 1)
    np.testing.assert_allclose(Scale()(X, False, 2.0), X)


def test_keras_itself_refuses_as_before():
    names = {"keras": keras, "__name__": "keras.src.layers.some_test"}
    with pytest.raises(ValueError, match="must be passed as a keyword"):
        exec("keras.layers.Layer().add_weight('w', (1,))", names)


def test_compile_takes_metrics_in_third_place():
    model = Sequential([Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse", ["mae"])
    assert "mae" in model.fit(X, np.ones((2, 1)), verbose=0).history


def test_metrics_have_reset_states():
    metric = keras.metrics.Mean()
    metric.update_state([2.0])
    metric.reset_states()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_legacy_optimizers_are_the_optimizers(name):
    made = getattr(tf.keras.optimizers.legacy, name)(lr=0.5)
    assert isinstance(made, getattr(keras.optimizers, name))


def test_callbacks_take_the_old_arguments(tmp_path):
    keras.callbacks.TensorBoard(log_dir=str(tmp_path), batch_size=32, write_grads=False)
    assert keras.callbacks.ReduceLROnPlateau(epsilon=0.25).min_delta == 0.25


def test_time_distributed_follows_a_recurrent_layer():
    model = Sequential([keras.layers.LSTM(3, return_sequences=True, input_shape=(2, 4))])
    model.add(keras.layers.TimeDistributed(Dense(5)))
    model.compile("sgd", "mse")
    model.fit(np.ones((3, 2, 4)), np.ones((3, 2, 5)), verbose=0)
    assert model.predict(np.ones((3, 2, 4)), verbose=0).shape == (3, 2, 5)
