"""Prints the graphs of objects that Keras's layers, optimizers and models give a checkpoint.

Runs unchanged under TensorFlow and under `penstock run`; both must print the same.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

ROWS, IMAGES = np.ones((2, 4, 6), np.float32), np.ones((2, 8, 8, 3), np.float32)
TEXTS = tf.constant(["a b", "b"])


class Subclassed(keras.Model):
    """A model that holds layers, weights and metrics in attributes and containers."""

    def __init__(self):
        super().__init__()
        self.first, self.metric = layers.Dense(2), keras.metrics.Mean()
        self.seed_generator, self.weight = keras.random.SeedGenerator(1), self.add_weight(shape=(2,))
        self.rows, self.named, self.pair = [layers.Dense(1)], {"k": layers.Dense(1)}, (layers.Dense(1),)
        self.variable = tf.Variable(1.0)

    def call(self, x):
        """Uses all of them."""
        return self.rows[0](self.named["k"](self.pair[0](self.first(x)))) + self.weight


def functional():
    """A functional model with a shared layer and two outputs, after a step."""
    inputs, shared = keras.Input((4, 6)), layers.Dense(3)
    first = shared(inputs)
    outputs = {"a": layers.Concatenate()([first, shared(inputs)]), "b": first}
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"], "b": ["mse"]})
    model.fit(ROWS, {"a": np.ones((2, 4, 6)), "b": np.ones((2, 4, 3))}, verbose=0)
    return model


def nested():
    """A model in a model, after a step."""
    inner = keras.Sequential([layers.Dense(3), layers.ReLU()])
    model = keras.Sequential([keras.Input((6,)), inner, layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(ROWS[:, 0], np.ones((2, 1)), verbose=0)
    return model


LAYERS = (
    (layers.MultiHeadAttention(2, 3), (ROWS, ROWS)),
    (layers.GRU(3), (ROWS,)),
    (layers.Bidirectional(layers.LSTM(2)), (ROWS,)),
    (layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)]), (ROWS,)),
    (layers.TimeDistributed(layers.Dense(2)), (ROWS,)),
    (layers.SeparableConv2D(2, 3), (IMAGES,)),
    (layers.BatchNormalization(), (IMAGES,)),
    (layers.SpectralNormalization(layers.Dense(2)), (ROWS,)),
    (layers.Dropout(0.5), (ROWS,)),
    (layers.RandomFlip(seed=1), (IMAGES,)),
    (layers.Embedding(5, 2), (np.ones((1, 2)),)),
    (layers.StringLookup(vocabulary=["a", "b"]), (TEXTS,)),
    (layers.IntegerLookup(vocabulary=[1, 2]), (tf.constant([1]),)),
    (layers.TextVectorization(vocabulary=["a", "b"]), (TEXTS,)),
    (layers.Discretization(bin_boundaries=[0.0, 1.0]), (ROWS,)),
    (layers.Hashing(3), (TEXTS,)),
    (Subclassed(), (ROWS,)),
)
OPTIMIZERS = "SGD RMSprop Adam AdamW Adagrad Adadelta Adamax Nadam Ftrl Lion Adafactor Lamb Muon".split()


def built(optimizer):
    """An optimizer with its variables."""
    optimizer.build([keras.Variable(np.ones((2, 3)), name="v")])
    return optimizer


def things():
    """Everything whose graph is printed."""
    for layer, arguments in LAYERS:
        layer(*arguments)
        yield layer
    for name in OPTIMIZERS:
        yield built(getattr(keras.optimizers, name)())
    yield built(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))
    yield built(keras.optimizers.SGD(use_ema=True, gradient_accumulation_steps=2))
    yield built(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)))
    yield functional()
    yield nested()


def show(root):
    """Prints each object that the root leads to: its path, the names that it holds, and those of its values."""
    seen, waiting = {id(root)}, [(root, "")]
    print(f"# {type(root).__name__}")
    for thing, path in waiting:
        children = thing._trackable_children()
        try:
            names = sorted(thing._serialize_to_tensors())
        except NotImplementedError:
            names = []
        print(f"{path or '/'} {list(children)} {names}")
        for name, child in children.items():
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append((child, f"{path}/{name}"))


if __name__ == "__main__":
    for each in things():
        show(each)
