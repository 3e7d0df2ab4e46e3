"""Arguments and methods of Keras 2's layers, optimizers and models."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
from keras.layers import LSTM, Dense, Embedding, Flatten, Input, concatenate  # noqa: E402
from keras.models import Model, Sequential  # noqa: E402


def batches(inputs=2, size=4):
    while True:
        yield np.ones((size, inputs), "float32"), np.ones((size, 1), "float32")


@pytest.fixture(scope="module")
def line():
    model = Sequential([Dense(1, input_shape=(2,), kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl"])
def test_lr_is_the_learning_rate(name):
    optimizer = getattr(keras.optimizers, name)(lr=0.25)
    assert float(optimizer.learning_rate) == 0.25 == float(optimizer.lr)
    optimizer.lr = 0.5
    assert float(optimizer.learning_rate) == 0.5


def test_an_epsilon_of_none_is_the_default():
    assert keras.optimizers.Adam(lr=1, epsilon=None, decay=0.0).epsilon == 1e-7


def test_decay_divides_the_learning_rate():
    optimizer = keras.optimizers.SGD(lr=1.0, decay=0.5)
    variable = keras.Variable([0.0])
    values = []
    for _ in range(3):
        optimizer.apply([np.ones(1, "float32")], [variable])
        values.append(float(variable[0]))
    np.testing.assert_allclose(-np.diff([0, *values]), [1, 1 / 1.5, 1 / 2], rtol=1e-6)


def test_a_rate_that_decays_can_be_set_and_saved():
    optimizer = keras.optimizers.Adam(lr=1.0, decay=0.5)
    optimizer.lr = 0.25
    again = type(optimizer).from_config(optimizer.get_config())
    assert (float(again.lr), again.decay) == (0.25, 0.5)


@pytest.mark.parametrize("as_function", [False, True])
def test_minimize(as_function):
    v = penstock.Variable(3.0)
    optimizer = keras.optimizers.SGD(0.25)
    variables = (lambda: [v]) if as_function else [v]
    optimizer.minimize(lambda: v**2, var_list=variables)
    assert v.numpy() == 1.5
    with penstock.GradientTape() as tape:
        loss = v**2
    optimizer.minimize(loss, [v], tape=tape)
    assert v.numpy() == 0.75
    with pytest.raises(ValueError, match="`tape` is required"):
        optimizer.minimize(loss, [v])


def test_a_train_step_with_compiled_loss_and_metrics():
    class Line(Model):
        def train_step(self, data):
            x, y = data
            loss = self.compiled_loss(y, self(x), regularization_losses=self.losses)
            self.compiled_metrics.update_state(y, self(x))
            return {each.name: each.result() for each in self.metrics} | {"last": loss}

    inputs = Input((1,))
    model = Line(inputs, keras.layers.Rescaling(1.0)(inputs))
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.array([[1.0], [2.0], [3.0]], "float32")
    history = model.fit(x, 0 * x, batch_size=2, shuffle=False, verbose=0).history
    assert history["last"] == [9.0]
    np.testing.assert_allclose([history["loss"][0], history["mae"][0]], [14 / 3, 2], rtol=1e-6)


def test_weights_of_an_optimizer_are_kept_as_arrays():
    v = keras.Variable([1.0])
    first, second = (keras.optimizers.SGD(0.5, momentum=0.5) for _ in range(2))
    first.apply([np.ones(1, "float32")], [v])
    second.build([v])
    second.set_weights(first.get_weights())
    assert [each.tolist() for each in second.get_weights()] == [each.tolist() for each in first.get_weights()]


def test_an_unknown_argument_is_refused_as_before():
    with pytest.raises(ValueError, match="not recognized"):
        keras.optimizers.Adam(no_such_argument=1)


def test_input_length_builds_the_model():
    model = Sequential()
    model.add(Embedding(10, 4, input_length=5))
    model.add(Flatten())
    model.add(Dense(1))
    assert model.input_shape == (None, 5) and model.output_shape == (None, 1)
    assert model.count_params() == 40 + 21


def test_batch_input_shape_sets_the_size_of_the_batch():
    model = Sequential([LSTM(3, batch_input_shape=(4, 6, 2), stateful=True), Dense(2)])
    assert model.input_shape == (4, 6, 2)


def test_reset_states_zeroes_the_states():
    model = Sequential([LSTM(3, batch_input_shape=(1, 2, 1), stateful=True)])
    first = model.predict_on_batch(np.ones((1, 2, 1)))
    assert not np.allclose(first, model.predict_on_batch(np.ones((1, 2, 1))))
    model.reset_states()
    np.testing.assert_allclose(model.predict_on_batch(np.ones((1, 2, 1))), first)


def test_layers_have_their_configuration_as_before():
    layer = Embedding(10, 4, input_length=5)
    assert Embedding.from_config(layer.get_config()).output_dim == 4


def test_fit_generator_trains_on_a_generator(line):
    history = line.fit_generator(
        batches(),
        steps_per_epoch=2.5,
        epochs=2,
        validation_data=batches(),
        validation_steps=1,
        verbose=0,
        workers=4,
    )
    assert len(history.history["val_loss"]) == 2 and history.params["steps"] == 3


def test_fit_generator_takes_lists_of_inputs():
    first, second = Input((2,)), Input((3,))
    model = Model(inputs=[first, second], outputs=Dense(1)(concatenate([first, second])))
    model.compile("sgd", "mse")

    def pairs():
        while True:
            yield [np.ones((4, 2)), np.ones((4, 3))], np.ones((4, 1))

    assert len(model.fit_generator(pairs(), steps_per_epoch=2, verbose=0).history["loss"]) == 1


def test_fit_generator_begins_a_sequence_again_where_the_epoch_is_longer(line):
    class Batches(keras.utils.Sequence):
        read = 0

        def __len__(self):
            return 2

        def __getitem__(self, index):
            self.read += 1
            return np.ones((4, 2)), np.ones((4, 1))

    data = Batches()
    line.fit_generator(data, steps_per_epoch=5, verbose=0)
    assert data.read >= 5


def test_evaluate_generator_and_predict_generator_take_steps(line):
    assert np.isscalar(line.evaluate_generator(batches(), steps=2))
    assert line.predict_generator(batches(), steps=3).shape == (12, 1)


def test_fit_takes_the_old_arguments(line):
    line.fit(np.ones((4, 2)), np.ones((4, 1)), nb_epoch=2, verbose=0, workers=2, use_multiprocessing=False)
    assert line.history.epoch == [0, 1]


def test_predict_classes_of_one_output_is_a_threshold():
    model = Sequential([Dense(1, input_shape=(1,), kernel_initializer="ones")])
    classes = model.predict_classes(np.array([[0.2], [0.7]]))
    assert classes.tolist() == [[0], [1]] and classes.dtype == np.int32


def test_predict_classes_of_many_outputs_is_the_most_probable():
    model = Sequential([keras.layers.Activation("softmax", input_shape=(3,))])
    x = np.array([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    assert model.predict_classes(x).tolist() == [1, 0]
    np.testing.assert_allclose(model.predict_proba(x).sum(-1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["GradientDescentOptimizer", "AdamOptimizer", "MomentumOptimizer"])
def test_optimizers_of_tf1_train_a_model(name):
    train = penstock.compat.v1.train
    arguments = (0.1, 0.9) if name == "MomentumOptimizer" else (0.1,)
    optimizer = getattr(train, name)(*arguments)
    model = Sequential([Input((2,)), Dense(1, kernel_initializer="ones")])
    step = penstock.Variable(0, dtype="int64")
    with penstock.GradientTape() as tape:
        loss = penstock.reduce_sum(model(np.ones((1, 2), "float32")) * 1.0)
    pairs = zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    optimizer.apply_gradients(pairs, global_step=step)
    np.testing.assert_allclose(model.layers[0].get_weights()[0], [[0.9], [0.9]], rtol=1e-5)
    optimizer.minimize(lambda: model(np.ones((1, 2), "float32")), step, model.trainable_variables)
    assert float(model.layers[0].get_weights()[0][0, 0]) < 0.85
    assert int(step) == 2
    if name == "MomentumOptimizer":
        slot = optimizer.get_slot(model.trainable_variables[0], "momentum")
        np.testing.assert_allclose(slot.numpy(), [[1.9], [1.9]], rtol=1e-6)
