"""Writes the SavedModels in `fixtures/` with Keras 2 (the package tf_keras) on TensorFlow 2.21.

TF_USE_LEGACY_KERAS=1 python tests/keras2/make_fixtures.py   (with an interpreter that has TensorFlow and tf_keras)
"""

import io
import pathlib
import shutil
import tarfile
import tempfile

import numpy as np

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
X = np.linspace(-1, 1, 12).reshape(3, 4).astype("float32")
IDS = np.arange(9).reshape(3, 3) % 7


def sequential(keras):
    """A model with weights that are not trained, and that has been trained."""
    layers = keras.layers
    first = layers.Dense(3, activation="relu", input_shape=(4,))
    model = keras.Sequential([first, layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, np.ones((3, 2)), epochs=2, verbose=0)
    return model, {"x": X}


def functional(keras):
    """A model of two inputs."""
    layers = keras.layers
    ids, more = keras.Input((3,), dtype="int32", name="ids"), keras.Input((4,), name="more")
    hidden = layers.SimpleRNN(3)(layers.Embedding(7, 2)(ids))
    out = layers.Dense(1, activation="sigmoid")(layers.concatenate([hidden, more]))
    return keras.Model([ids, more], out), {"ids": IDS, "more": X}


def subclassed(keras):
    """A model of a class that the reader does not know."""

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.out = keras.layers.Dense(2)

        def call(self, x, training=False):
            return self.out(x) if not training else self.out(x) * 0.0

    model = Own()
    model(X)
    return model, {"x": X}


def main():
    import tensorflow as tf

    for make in (sequential, functional, subclassed):
        model, inputs = make(tf.keras)
        folder = tempfile.mkdtemp()
        given = list(inputs.values()) if len(inputs) > 1 else X
        outputs = model.predict(given, verbose=0)
        model.save(folder, save_format="tf")
        np.savez_compressed(FIXTURES / f"{make.__name__}.npz", **inputs, y=outputs)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as archive:
            archive.add(folder, make.__name__)
        (FIXTURES / f"{make.__name__}.tar.gz").write_bytes(buffer.getvalue())
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
