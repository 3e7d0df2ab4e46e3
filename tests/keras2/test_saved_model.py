"""SavedModels that Keras 2 wrote: they load as models that compute the same, and train on where their class is known."""

from __future__ import annotations

import pathlib
import tarfile

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


@pytest.fixture
def saved(tmp_path):
    """From a name to the directory of the model, its inputs, and its outputs."""

    def unpack(name):
        with tarfile.open(FIXTURES / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
        held = dict(np.load(FIXTURES / f"{name}.npz"))
        outputs = held.pop("y")
        return str(tmp_path / name), list(held.values()), outputs

    return unpack


@pytest.mark.parametrize("name", ["sequential", "functional", "subclassed"])
def test_a_model_computes_the_same(saved, name):
    path, inputs, outputs = saved(name)
    model = keras.models.load_model(path)
    inputs = inputs if len(inputs) > 1 else inputs[0]
    np.testing.assert_allclose(model.predict(inputs, verbose=0), outputs, rtol=1e-5, atol=1e-6)


def test_a_model_is_compiled_as_it_was_and_trains_on(saved):
    path, (x,), _ = saved("sequential")
    model = tf.keras.models.load_model(path)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.loss is tf.keras.losses.mean_squared_error
    assert len(model.non_trainable_weights) == 2
    losses = model.fit(x, np.ones((3, 2)), epochs=3, verbose=0).history
    assert {"loss", "mae"} <= set(losses)
    assert getattr(keras.models.load_model(path, compile=False), "optimizer", None) is None


def test_signatures_are_functions(saved):
    path, (x,), outputs = saved("sequential")
    restored = tf.saved_model.load(path)
    (found,) = restored.signatures["serving_default"](tf.constant(x)).values()
    np.testing.assert_allclose(found, outputs, rtol=1e-5, atol=1e-6)
    layer = keras.layers.TFSMLayer(path, call_endpoint="serving_default")
    np.testing.assert_allclose(next(iter(layer(x).values())), outputs, rtol=1e-5, atol=1e-6)


def test_a_directory_without_keras_is_refused_as_before(tmp_path):
    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "module"))
    with pytest.raises(ValueError, match="not supported"):
        keras.models.load_model(str(tmp_path / "module"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.LSTM(2, time_major=False),
        lambda: keras.layers.DepthwiseConv2D(3, groups=1),
        lambda: keras.layers.BatchNormalization(axis=[3]),
    ],
)
def test_arguments_of_saved_configurations_that_mean_nothing_are_taken(make):
    make()


def test_an_argument_that_means_something_is_refused():
    with pytest.raises(ValueError, match="time_major"):
        keras.layers.LSTM(2, time_major=True)
