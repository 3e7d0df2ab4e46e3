"""`keras.backend` has the functions of Keras 2, and they take symbolic tensors."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import backend as K  # noqa: E402

X = np.arange(6.0, dtype="float32").reshape(2, 3)


@pytest.fixture
def model():
    inputs = keras.Input((3,))
    dropped = keras.layers.Dropout(0.5, seed=1)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, kernel_initializer="ones", name="last")(dropped))


OPERATIONS = {
    "sum": (lambda x: K.sum(x, axis=-1), X.sum(-1)),
    "mean": (lambda x: K.mean(K.square(x), axis=1, keepdims=True), np.square(X).mean(1, keepdims=True)),
    "exp": (lambda x: K.exp(-x), np.exp(-X)),
    "dot": (lambda x: K.dot(x, K.ones((3, 2))), X @ np.ones((3, 2))),
    "concatenate": (lambda x: K.concatenate([x, x]), np.concatenate([X, X], 1)),
    "expand_dims": (lambda x: K.squeeze(K.expand_dims(x, 1), 1), X),
    "clip": (lambda x: K.clip(x, 1, 3), X.clip(1, 3)),
    "shape": (lambda x: K.zeros((K.shape(x)[0],)), np.zeros(2)),
    "permute": (lambda x: K.permute_dimensions(K.reshape(x, (-1, 3, 1)), (0, 2, 1)), X[:, None]),
    "logsumexp": (lambda x: K.logsumexp(x, axis=-1), np.log(np.exp(X).sum(-1))),
    "identity": (K.identity, X),
    "relu": (lambda x: K.relu(x - 2), np.maximum(X - 2, 0)),
    "max": (lambda x: K.max(x, axis=0), X.max(0)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_on_values(name):
    operation, expected = OPERATIONS[name]
    np.testing.assert_allclose(operation(K.constant(X)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"shape", "max"}))
def test_an_operation_on_symbolic_tensors_is_part_of_the_model(name):
    operation, expected = OPERATIONS[name]
    inputs = keras.Input((3,))
    model = keras.Model(inputs, operation(inputs))
    np.testing.assert_allclose(model(X), expected, rtol=1e-6)


def test_a_function_gives_what_a_layer_computes(model):
    look = K.function([model.layers[0].input], [model.get_layer("last").output, model.output])
    first, second = look([X])
    assert isinstance(first, np.ndarray)
    np.testing.assert_allclose(first, X @ np.ones((3, 2)))
    np.testing.assert_allclose(second, first)


def test_a_function_follows_the_learning_phase(model):
    look = K.function([model.input, K.learning_phase()], [model.output])
    assert not np.allclose(look([X, 1])[0], look([X, 0])[0])


def test_a_function_refuses_a_wrong_number_of_values(model):
    with pytest.raises(ValueError, match="got 2 values for 1 inputs"):
        K.function([model.input], [model.output])([X, X])


def test_the_learning_phase_is_set_and_read():
    assert K.learning_phase() == 0
    with K.learning_phase_scope(1):
        assert K.learning_phase() == 1
        assert K.in_train_phase(lambda: "train", "test") == "train"
    assert K.in_test_phase(1, 2) == 1
    with pytest.raises(ValueError, match="expected 0 or 1"):
        K.set_learning_phase(2)


def test_in_train_phase_takes_a_tensor():
    assert float(K.in_train_phase(1.0, 2.0, training=tf.constant(True))) == 1.0


def test_the_session_runs_values_of_the_backend():
    session = tf.compat.v1.Session()
    K.set_session(session)
    assert K.get_session() is session
    assert session.run(K.sum(K.constant(X))) == 15.0
    K.set_session(None)


def test_the_old_module_is_the_backend():
    from keras.backend.tensorflow_backend import set_session

    assert set_session is K.set_session and K.tensorflow_backend.get_session is K.get_session


def test_a_placeholder_is_an_input():
    x = K.placeholder(shape=(None, 3))
    assert K.int_shape(x) == (None, 3) and K.ndim(x) == 2 and K.is_placeholder(x)
    np.testing.assert_allclose(K.function([x], [K.sum(x)])([X]), [15.0])
    with pytest.raises(ValueError, match="expected shape or ndim"):
        K.placeholder()


def test_variables_are_read_and_set():
    variable = K.variable(X)
    K.set_value(variable, X + 1)
    np.testing.assert_allclose(K.get_value(variable), X + 1)


def test_a_batch_is_normalized_by_itself():
    normal, mean, variance = K.normalize_batch_in_training(
        K.constant(X), K.ones((3,)), K.zeros((3,)), [0], epsilon=0.0
    )
    np.testing.assert_allclose(normal, [[-1] * 3, [1] * 3], rtol=1e-6)
    np.testing.assert_allclose(mean, X.mean(0))
    np.testing.assert_allclose(variance, X.var(0))


def test_a_binomial_is_zeros_and_ones():
    assert set(np.unique(K.random_binomial((50,), p=0.5, seed=1))) == {0.0, 1.0}


def test_print_tensor_gives_the_tensor(capfd):
    np.testing.assert_allclose(K.print_tensor(K.constant(X), "x is"), X)
    assert "x is" in capfd.readouterr().err


def test_the_data_format_by_its_oldest_name():
    assert K.image_dim_ordering() == "tf"
    K.set_image_dim_ordering("th")
    assert K.image_data_format() == "channels_first"
    K.set_image_dim_ordering("tf")


def test_a_loss_written_with_the_backend_trains():
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", loss=lambda y, p: K.mean(K.square(y - p), axis=-1), metrics=[lambda y, p: K.max(p)])
    assert np.isfinite(model.fit(X, np.ones((2, 1)), verbose=0).history["loss"][0])
