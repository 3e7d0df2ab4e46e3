"""Milliseconds for a training step of a model under Keras `fit`, with synthetic data.

    KERAS_BACKEND=tensorflow python fit_step.py cnn        # TensorFlow
    KERAS_BACKEND=jax        python fit_step.py cnn        # Keras on JAX
    penstock run             fit_step.py cnn               # Penstock

Prints one JSON line: import_s, first_epoch_s, step_ms (of the best and of the median epoch), cpu_ms (of all threads), and the
process's peak memory.
"""

import sys
import time

start = time.perf_counter()
import keras
from epochs import CLASSES, WORDS, WORKLOADS, data, report
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


def resnet50():
    return [keras.applications.ResNet50(weights=None, classes=CLASSES)]


def mobilenet_v2():
    return [keras.applications.MobileNetV2(weights=None, classes=CLASSES)]


def transformer():
    x = words = layers.Input(WORKLOADS["transformer"].shape, dtype="int32")
    x = layers.Embedding(WORDS, 256)(x)
    for _ in range(6):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(8, 32)(x, x))
        inner = layers.Dense(1024, activation="gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(256)(inner))
    x = layers.GlobalAveragePooling1D()(x)
    return [keras.Model(words, layers.Dense(CLASSES, activation="softmax")(x))]


MODELS = {
    each.__name__: each for each in (mlp, cnn, conv1d, cnn100, lstm, resnet50, mobilenet_v2, transformer)
}


def make(name):
    """The model of that name, compiled."""
    model = keras.Sequential([layers.Input(WORKLOADS[name].shape), *MODELS[name]()])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    name = sys.argv[1]
    x, y = data(name)
    model = make(name)

    def epoch():
        model.fit(x, y, batch_size=WORKLOADS[name].batch_size, epochs=1, verbose=0)

    report(epoch, name, import_s=round(import_s, 2))


if __name__ == "__main__":
    main()
