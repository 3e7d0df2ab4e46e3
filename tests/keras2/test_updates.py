"""Updates of `K.function`: assignments, and optimizers' steps on symbolic losses."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
from keras import backend as K  # noqa: E402
from keras.layers import Dense  # noqa: E402
from keras.models import Sequential  # noqa: E402


@pytest.mark.parametrize("arguments", [lambda w, loss: (w, [], loss), lambda w, loss: (loss, w)])
def test_a_function_trains_by_an_optimizers_updates(arguments):
    model = Sequential([Dense(2, activation="softmax", input_dim=3)])
    chosen = K.placeholder(shape=(None, 2))
    loss = -K.sum(K.log(K.sum(chosen * model.output, axis=1)))
    updates = keras.optimizers.Adam(lr=0.1).get_updates(*arguments(model.trainable_weights, loss))
    train = K.function([model.input, chosen], [loss], updates=updates)
    values = [np.ones((4, 3)), np.tile([[1.0, 0.0]], (4, 1))]
    losses = [train(values)[0] for _ in range(10)]
    assert losses[-1] < losses[0] / 2


def test_pairs_and_updates_assign_after_the_outputs():
    x = K.placeholder((None, 3))
    total, count = K.variable(np.zeros(3)), K.variable(0.0)
    run = K.function(
        [x], [K.sum(x)], updates=[(total, total + K.sum(x, axis=0)), K.update_add(count, K.sum(x))]
    )
    assert [run([np.ones((2, 3))])[0] for _ in range(2)] == [6.0, 6.0]
    np.testing.assert_array_equal(K.get_value(total), [4.0, 4.0, 4.0])
    assert K.get_value(count) == 12.0


def test_updates_of_values_assign_at_once():
    variable = K.variable(1.0)
    K.update(variable, 3.0)
    K.moving_average_update(variable, 1.0, 0.5)
    assert K.get_value(variable) == 2.0


def test_another_update_is_refused():
    x = K.placeholder((None, 3))
    with pytest.raises(TypeError, match="expected a pair"):
        K.function([x], [x], updates=[1.0])
