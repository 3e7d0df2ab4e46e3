"""`tf.keras.layers.DenseFeatures`: a model over feature columns trains, in both of Keras's forms."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import tensorflow as tf  # noqa: E402

fc = tf.feature_column
AGES = np.array([10.0, 30.0, 50.0, 20.0], "float32")
KINDS = np.array(["a", "b", "b", "z"])


@pytest.fixture
def columns():
    age = fc.numeric_column("age")
    kind = fc.categorical_column_with_vocabulary_list("kind", ["a", "b"])
    return [age, fc.bucketized_column(age, [20, 40]), fc.indicator_column(kind), fc.embedding_column(kind, 3)]


def test_columns_stand_in_the_order_of_their_names(columns):
    layer = tf.keras.layers.DenseFeatures(columns[:3])
    made = layer({"age": AGES, "kind": KINDS})
    assert made.numpy().tolist() == [
        [10, 1, 0, 0, 1, 0],
        [30, 0, 1, 0, 0, 1],
        [50, 0, 0, 1, 0, 1],
        [20, 0, 1, 0, 0, 0],
    ]


def test_a_sequential_model_trains_its_embeddings(columns):
    layer = tf.keras.layers.DenseFeatures(columns)
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1)])
    model.compile("adam", "mse")
    data = tf.data.Dataset.from_tensor_slices(({"age": AGES, "kind": KINDS}, AGES)).batch(2)
    before = None
    model(next(iter(data))[0])
    before = layer.trainable_weights[0].numpy()
    model.fit(data, epochs=2, verbose=0)
    assert before.shape == (2, 3)
    assert np.any(layer.trainable_weights[0].numpy() != before)


def test_a_functional_model_takes_inputs_by_name(columns):
    inputs = {
        "age": tf.keras.Input((1,), name="age"),
        "kind": tf.keras.Input((1,), name="kind", dtype="string"),
    }
    outputs = tf.keras.layers.Dense(2)(tf.keras.layers.DenseFeatures(columns)(inputs))
    model = tf.keras.Model(inputs, outputs)
    assert model({"age": tf.constant(AGES[:, None]), "kind": tf.constant(KINDS[:, None])}).shape == (4, 2)


def test_a_categorical_column_is_refused():
    with pytest.raises(ValueError, match="must be a DenseColumn"):
        tf.keras.layers.DenseFeatures([fc.categorical_column_with_identity("a", 3)])
