"""Models and weights are saved to the paths of Keras 2, and loaded from them."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras.callbacks import ModelCheckpoint  # noqa: E402
from keras.layers import Dense  # noqa: E402
from keras.models import Sequential, load_model, save_model  # noqa: E402

X = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")


def new_model():
    model = Sequential([Dense(3, input_shape=(2,), activation="relu"), Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def model():
    model = new_model()
    model.fit(X, np.ones((2, 1)), verbose=0)
    return model


def test_a_directory_is_a_saved_model(model, tmp_path):
    model.save(tmp_path / "model")
    signature = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    (output,) = signature(tf.constant(X)).values()
    np.testing.assert_allclose(output, model(X), rtol=1e-6)


@pytest.mark.parametrize("name", ["model", "model-0.25", "model.keras", "model.h5", "model.hdf5"])
def test_a_loaded_model_computes_and_trains_on(model, tmp_path, name):
    save_model(model, str(tmp_path / name))
    loaded = load_model(str(tmp_path / name))
    np.testing.assert_allclose(loaded(X), model(X), rtol=1e-6)
    assert int(loaded.optimizer.iterations) == 1
    loaded.fit(X, np.ones((2, 1)), verbose=0)


def test_a_directory_is_overwritten(model, tmp_path):
    model.save(tmp_path / "model")
    model.save(tmp_path / "model", save_format="tf")
    with pytest.raises(FileExistsError, match="overwrite is False"):
        model.save(tmp_path / "model", overwrite=False)


def test_a_format_is_chosen_whatever_the_name(model, tmp_path):
    model.save(tmp_path / "model.bin", save_format="h5")
    assert (tmp_path / "model.bin").read_bytes().startswith(b"\x89HDF")


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5", "w.hdf5", "w", "w.ckpt"])
def test_weights_go_to_any_path(model, tmp_path, name):
    model.save_weights(str(tmp_path / name))
    other = new_model()
    other.load_weights(str(tmp_path / name))
    np.testing.assert_allclose(other(X), model(X), rtol=1e-6)


def test_an_unknown_extension_is_refused_unless_the_format_is_given(model, tmp_path):
    with pytest.raises(ValueError, match="Invalid filepath extension"):
        model.save(tmp_path / "model.bin")
    model.save(tmp_path / "model.bin", save_format="tf")
    assert (tmp_path / "model.bin" / "saved_model.pb").exists()


def test_weights_of_hdf5_load_under_any_name(model, tmp_path):
    model.save_weights(str(tmp_path / "weights"), save_format="h5")
    other = new_model()
    other.load_weights(str(tmp_path / "weights"), by_name=False)
    np.testing.assert_allclose(other(X), model(X), rtol=1e-6)


def test_the_newest_checkpoint_is_found(model, tmp_path):
    model.save_weights(str(tmp_path / "cp-0001.ckpt"))
    model.save_weights(str(tmp_path / "cp-0002.ckpt"))
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("cp-0002.ckpt")


@pytest.mark.parametrize(
    ("name", "arguments", "written"),
    [
        ("best.hdf5", {"save_best_only": True, "monitor": "loss"}, {"best.hdf5"}),
        ("w.{epoch:02d}.h5", {"save_weights_only": True, "period": 2}, {"w.02.h5", "w.04.h5"}),
        (
            "cp.ckpt",
            {"save_weights_only": True},
            {"cp.ckpt.index", "cp.ckpt.data-00000-of-00001", "checkpoint"},
        ),
        ("model-{epoch}", {"period": 4}, {"model-4"}),
    ],
)
def test_a_callback_saves_to_any_path(tmp_path, name, arguments, written):
    callback = ModelCheckpoint(str(tmp_path / name), **arguments)
    new_model().fit(X, np.ones((2, 1)), epochs=4, verbose=0, callbacks=[callback])
    assert {path.name for path in tmp_path.iterdir()} == written


def test_keras_refuses_what_is_no_model(tmp_path):
    with pytest.raises(ValueError, match="File format not supported"):
        load_model(str(tmp_path))


def test_keras_is_the_same_in_both_layouts():
    assert keras.models.load_model is tf.keras.models.load_model is keras.saving.load_model


def test_a_directory_with_an_unknown_class_predicts(tmp_path):
    class Doubling(keras.Model):
        def call(self, inputs):
            return inputs * 2.0

    model, x = Doubling(), np.ones((3, 2), np.float32)
    model(x)
    model.save(str(tmp_path / "model"), save_format="tf")
    with pytest.warns(UserWarning, match="cannot be trained"):
        again = keras.models.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(x, verbose=0), x * 2)


def test_operations_between_layers_load_from_hdf5(tmp_path):
    words, others = keras.Input((4,)), keras.Input((3,))
    masked = keras.layers.Embedding(10, 4, mask_zero=True)(words)
    hidden = keras.layers.add([keras.layers.LSTM(3)(masked), others])
    model = keras.Model([words, others], keras.ops.concatenate([hidden + others, hidden], axis=-1))
    model.save(tmp_path / "model.h5")
    inputs = [np.array([[1, 2, 0, 0]]), np.ones((1, 3))]
    loaded = keras.models.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(loaded(inputs), model(inputs), rtol=1e-5)
