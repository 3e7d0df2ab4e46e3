"""Small models of the usual kinds, with data and first weights that do not depend on the engine."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers

BATCH = 16


def _dense() -> keras.Model:
    return keras.Sequential(
        [keras.Input((12,)), layers.Dense(16, activation="relu"), layers.Dense(4, activation="softmax")]
    )


def _convolutional() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((10, 10, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(8, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def _recurrent(layer: Any) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(20, 8, mask_zero=True),
            layer(8, return_sequences=True),
            layer(6),
            layers.Dense(4, activation="softmax"),
        ]
    )


def _attention() -> keras.Model:
    inputs = keras.Input((6, 8))
    x = layers.LayerNormalization()(inputs)
    x = layers.Add()([layers.MultiHeadAttention(2, 4)(x, value=x), inputs])
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def _normalization() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layers.BatchNormalization(),
            layers.Conv2D(6, 3),
            layers.GroupNormalization(groups=3),
            layers.UnitNormalization(),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )


# Name -> a function that builds the model.
MODELS = {
    "dense": _dense,
    "convolutional": _convolutional,
    "lstm": lambda: _recurrent(layers.LSTM),
    "gru": lambda: _recurrent(layers.GRU),
    "attention": _attention,
    "normalization": _normalization,
}

# Name -> a function that makes the optimizer.
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "sgd_momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adam_amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True, clipnorm=1.0),
    "adamw": lambda: keras.optimizers.AdamW(0.01),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "ftrl": lambda: keras.optimizers.Ftrl(0.05),
    "lion": lambda: keras.optimizers.Lion(0.003),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
    "adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "schedule_free_adamw": lambda: keras.optimizers.ScheduleFreeAdamW(0.01, warmup_steps=3),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
    "multi": lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1), {".*kernel": keras.optimizers.Adam(0.01)})
    ),
    "accumulated": lambda: keras.optimizers.Adam(
        0.01, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=3
    ),
}


def untried() -> set[str]:
    """The optimizers that Keras has and that `OPTIMIZERS` lacks."""
    classes = {each.__name__ for each in vars(keras.optimizers).values() if isinstance(each, type)}
    return classes - {type(make()).__name__ for make in OPTIMIZERS.values()} - {"Optimizer", "OptimizerMap"}


def make(name: str) -> keras.Model:
    """The model with its first weights."""
    model = MODELS[name]()
    rng = np.random.default_rng(3)
    weights = []
    for each in model.get_weights():
        scale = 1 / math.sqrt(max(each.shape[:-1], default=1) * 2) if each.ndim > 1 else 0.1
        value = rng.normal(0, scale, each.shape).astype(each.dtype)
        weights.append(value if each.ndim > 1 else np.abs(value) + 0.5)  # variances and scales are positive
    model.set_weights(weights)
    return model


def batches(model: keras.Model, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """`count` batches of inputs and labels."""
    rng = np.random.default_rng(5)
    shape = (BATCH, *model.input_shape[1:])
    is_text = model.inputs[0].dtype == "int32"
    return [
        (
            rng.integers(0, 20, shape).astype(np.int32)
            if is_text
            else rng.normal(0, 1, shape).astype(np.float32),
            rng.integers(0, 4, BATCH),
        )
        for _ in range(count)
    ]
