"""keras_tuner: a random search over the width of a network."""

import tempfile

import keras
import keras_tuner
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 4))
y = x.sum(axis=1)


def build(hp):
    model = keras.Sequential(
        [keras.layers.Dense(hp.Int("units", 4, 16, step=4), "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(hp.Choice("rate", [1e-2, 1e-3])), "mse")
    return model


with tempfile.TemporaryDirectory() as folder:
    tuner = keras_tuner.RandomSearch(build, objective="val_loss", max_trials=3, directory=folder, seed=1)
    tuner.search(x, y, epochs=2, validation_split=0.25, verbose=0)
    best = tuner.get_best_hyperparameters(1)[0]
    assert best.get("units") in (4, 8, 12, 16)
    assert tuner.get_best_models(1)[0].predict(x[:2], verbose=0).shape == (2, 1)
