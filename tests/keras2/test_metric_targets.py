"""Functions as metrics get floating targets, as in Keras 2."""

from __future__ import annotations

import numpy as np

import penstock

penstock.install()

from keras import backend as K  # noqa: E402
from keras.layers import Dense  # noqa: E402
from keras.models import Sequential  # noqa: E402


def test_class_numbers_are_multiplied_with_predictions():
    def found(y_true, y_pred):
        return K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))

    model = Sequential([Dense(1, activation="sigmoid", input_dim=2)])
    model.compile("sgd", "binary_crossentropy", metrics=[found])
    y = np.array([[0], [1], [1]])
    assert model.evaluate(np.zeros((3, 2)), y, verbose=0)[1] == 0.0
