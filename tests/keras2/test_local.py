"""Locally connected layers: convolutions with a kernel of its own at each place."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
from keras.layers.local import LocallyConnected1D, LocallyConnected2D  # noqa: E402


def test_a_place_has_its_own_kernel():
    x = np.arange(10.0, dtype="float32").reshape(1, 5, 2)
    layer = LocallyConnected1D(3, 2, strides=1)
    y = np.asarray(layer(x))
    kernel = np.asarray(layer.kernel)
    for place in range(4):
        np.testing.assert_allclose(
            y[0, place], x[0, place : place + 2].reshape(-1) @ kernel[place], rtol=1e-5
        )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_equal_kernels_are_a_convolution(data_format):
    x = np.random.default_rng(0).random((2, 5, 6, 3)).astype("float32")
    layer = LocallyConnected2D(4, (3, 2), strides=(2, 1), data_format=data_format, activation="relu")
    moved = x if data_format == "channels_last" else x.transpose(0, 3, 1, 2)
    layer.build(moved.shape)
    kernel = np.random.default_rng(1).normal(size=(3, 2, 3, 4)).astype("float32")
    layer.kernel.assign(np.broadcast_to(kernel.reshape(18, 4), layer.kernel.shape))
    y = np.asarray(layer(moved))
    assert y.shape == layer.compute_output_shape(moved.shape)
    expected = keras.ops.conv(x, kernel, strides=(2, 1), padding="valid", data_format="channels_last")
    y = y if data_format == "channels_last" else y.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(y, np.maximum(expected, 0), rtol=1e-4, atol=1e-5)


def test_a_model_with_one_trains_and_is_saved(tmp_path):
    model = keras.Sequential([LocallyConnected1D(2, 3, input_shape=(8, 2)), keras.layers.Flatten()])
    model.compile("sgd", "mse")
    x = np.ones((4, 8, 2), "float32")
    model.fit(x, np.ones((4, 12)), verbose=0)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), model(x), rtol=1e-6)


def test_a_layer_is_made_again_from_its_configuration():
    layer = LocallyConnected2D(2, 3, kernel_regularizer="l2", bias_initializer="ones", activation="relu")
    assert LocallyConnected2D.from_config(layer.get_config()).get_config() == layer.get_config()


def test_another_padding_is_refused():
    with pytest.raises(ValueError, match="expected 'valid'"):
        LocallyConnected1D(2, 3, padding="same")
