"""Milliseconds for a training step of a small model under Keras `fit`, batch 32, synthetic data.

    KERAS_BACKEND=tensorflow python fit_step.py cnn        # TensorFlow
    KERAS_BACKEND=jax        python fit_step.py cnn        # Keras on JAX
    penstock run             fit_step.py cnn               # Penstock

Prints one JSON line: import_s, first_epoch_s, step_ms (best and median of 5 epochs), cpu_ms (of all threads), and the
process's peak memory.
"""

import sys
import time

start = time.perf_counter()
import keras
from epochs import BATCH_SIZE, CLASSES, EXAMPLES, WORDS, data, report
from keras import layers

import_s = time.perf_counter() - start


def mlp():
    return [
        layers.Dense(1024, activation="relu"),
        layers.Dense(CLASSES, activation="softmax"),
    ]


def cnn():
    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(CLASSES, activation="softmax"),
    ]


def conv1d():
    return [
        layers.Conv1D(64, 3, activation="relu"),
        layers.Conv1D(64, 3, activation="relu"),
        layers.MaxPool1D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(CLASSES, activation="softmax"),
    ]


def cnn100():
    return [
        layers.Conv2D(64, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(CLASSES, activation="softmax"),
    ]


def lstm():
    return [
        layers.Embedding(WORDS, 128),
        layers.LSTM(100),
        layers.Dense(CLASSES, activation="softmax"),
    ]


MODELS = {"mlp": mlp, "cnn": cnn, "conv1d": conv1d, "cnn100": cnn100, "lstm": lstm}


def main():
    name = sys.argv[1]
    x, y = data(name)
    model = keras.Sequential([layers.Input(EXAMPLES[name][1]), *MODELS[name]()])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    report(
        lambda: model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, verbose=0),
        len(x) // BATCH_SIZE,
        import_s=round(import_s, 2),
    )


if __name__ == "__main__":
    main()
