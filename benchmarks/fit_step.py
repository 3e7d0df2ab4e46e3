"""Milliseconds for a training step of a small model under Keras `fit`, batch 32, synthetic data.

    KERAS_BACKEND=tensorflow python fit_step.py cnn        # TensorFlow
    KERAS_BACKEND=jax        python fit_step.py cnn        # Keras on JAX
    penstock run             fit_step.py cnn               # Penstock

Prints one JSON line: import_s, first_epoch_s, step_ms (best and median of 5 epochs), cpu_ms (of all threads), and the
process's peak memory.
"""

import json
import resource
import sys
import time

start = time.perf_counter()
import keras
import numpy as np
from keras import layers

import_s = time.perf_counter() - start

BATCH_SIZE = 32

random = np.random.default_rng(0)


def mlp():
    network = [
        layers.Input((784,)),
        layers.Dense(1024, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
    return network, random.random((6400, 784), np.float32)


def cnn():
    network = [
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
    return network, random.random((6400, 28, 28, 1), np.float32)


def conv1d():
    network = [
        layers.Input((100, 1)),
        layers.Conv1D(64, 3, activation="relu"),
        layers.Conv1D(64, 3, activation="relu"),
        layers.MaxPool1D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
    return network, random.random((6400, 100, 1), np.float32)


def cnn100():
    network = [
        layers.Input((100, 100, 3)),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
    return network, random.random((320, 100, 100, 3), np.float32)


def lstm():
    network = [
        layers.Input((100,)),
        layers.Embedding(20000, 128),
        layers.LSTM(100),
        layers.Dense(10, activation="softmax"),
    ]
    return network, random.integers(0, 20000, (3200, 100))


MODELS = {"mlp": mlp, "cnn": cnn, "conv1d": conv1d, "cnn100": cnn100, "lstm": lstm}


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    name = sys.argv[1]
    network, x = MODELS[name]()
    y = random.integers(0, 10, len(x))
    model = keras.Sequential(network)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    def epoch_seconds():
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, verbose=0)
        return time.perf_counter() - start

    first_epoch = epoch_seconds()
    count = len(x) // BATCH_SIZE
    before = cpu_seconds()
    steps = sorted(epoch_seconds() / count * 1e3 for _ in range(5))
    cpu = (cpu_seconds() - before) / (5 * count) * 1e3
    result = {
        "import_s": round(import_s, 2),
        "first_epoch_s": round(first_epoch, 2),
        "step_ms": round(steps[0], 3),
        "step_ms_median": round(steps[2], 3),
        "cpu_ms": round(cpu, 3),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
