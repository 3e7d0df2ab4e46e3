"""tf_keras: a functional model with TensorFlow's functions between its layers trains, is saved and loaded."""

import os
import tempfile

import numpy as np
import tensorflow as tf
import tf_keras as keras

rng = np.random.default_rng(0)
x = rng.normal(size=(256, 8)).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype("int32")

inputs = keras.Input((8,))
hidden = keras.layers.Dense(16, activation="relu")(inputs)
hidden = tf.concat([hidden, tf.nn.tanh(inputs) * 0.5], axis=-1)[:, 1:]
outputs = keras.layers.Dense(2)(keras.layers.BatchNormalization()(hidden))
model = keras.Model(inputs, outputs)
model.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(x, y, epochs=8, verbose=0).history
assert history["accuracy"][-1] > 0.8, history
with tempfile.TemporaryDirectory() as folder:
    for name in ("model.h5", "model.keras"):
        model.save(os.path.join(folder, name))
        again = keras.models.load_model(os.path.join(folder, name))
        np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)

sequence = keras.Sequential(
    [keras.layers.Embedding(20, 8), keras.layers.LSTM(8, return_sequences=True), keras.layers.GRU(8), keras.layers.Dense(1)]
)  # fmt: skip
sequence.compile("rmsprop", "mse")
words = rng.integers(0, 20, size=(64, 6))
losses = sequence.fit(words, words.mean(axis=1) / 20, epochs=5, verbose=0).history["loss"]
assert losses[-1] < losses[0]
