"""The models of fit_step.py as one would write them in JAX without Keras: one jitted step with Optax's Adam.

    python loop_jax.py cnn

Data, batches and the printed line are those of fit_step.py.
"""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from epochs import BATCH_SIZE, CLASSES, WORDS, data, report
from jax import lax

KEYS = iter(jax.random.split(jax.random.key(0), 64))


def glorot(*shape):
    return jax.nn.initializers.glorot_uniform()(next(KEYS), shape)


def dense_weights(inputs, outputs):
    return {"w": glorot(inputs, outputs), "b": jnp.zeros(outputs)}


def conv_weights(*shape):
    return {"w": glorot(*shape), "b": jnp.zeros(shape[-1])}


def dense(x, p):
    return x @ p["w"] + p["b"]


def conv(x, p):
    layout = ("NHWC", "HWIO", "NHWC") if x.ndim == 4 else ("NWC", "WIO", "NWC")
    strides = (1,) * (x.ndim - 2)
    return jax.nn.relu(
        lax.conv_general_dilated(x, p["w"], strides, "VALID", dimension_numbers=layout) + p["b"]
    )


def max_pool(x):
    window = (1, *(2,) * (x.ndim - 2), 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def dropout(x, rate, key):
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def flat(x):
    return x.reshape(len(x), -1)


def mlp():
    def apply(p, x, key):
        return dense(jax.nn.relu(dense(x, p[0])), p[1])

    return [dense_weights(784, 1024), dense_weights(1024, CLASSES)], apply


def cnn():
    def apply(p, x, key):
        x = max_pool(conv(x, p[0]))
        x = max_pool(conv(x, p[1]))
        x = jax.nn.relu(dense(flat(conv(x, p[2])), p[3]))
        return dense(x, p[4])

    convolutions = [conv_weights(3, 3, 1, 32), conv_weights(3, 3, 32, 64), conv_weights(3, 3, 64, 64)]
    return [*convolutions, dense_weights(3 * 3 * 64, 64), dense_weights(64, CLASSES)], apply


def _two_convolutions(first, second, features):
    def apply(p, x, key):
        keys = jax.random.split(key)
        x = dropout(max_pool(conv(conv(x, p[0]), p[1])), 0.25, keys[0])
        x = dropout(jax.nn.relu(dense(flat(x), p[2])), 0.5, keys[1])
        return dense(x, p[3])

    return [first, second, dense_weights(features, 128), dense_weights(128, CLASSES)], apply


def conv1d():
    return _two_convolutions(conv_weights(3, 1, 64), conv_weights(3, 64, 64), 48 * 64)


def cnn100():
    return _two_convolutions(conv_weights(3, 3, 3, 64), conv_weights(3, 3, 64, 64), 48 * 48 * 64)


def lstm():
    units = 100
    cell = {"x": glorot(128, 4 * units), "h": glorot(units, 4 * units), "b": jnp.zeros(4 * units)}

    def apply(p, words, key):
        inputs = jnp.swapaxes(p["words"][words], 0, 1) @ p["cell"]["x"] + p["cell"]["b"]

        def step(state, x):
            h, c = state
            i, f, g, o = jnp.split(x + h @ p["cell"]["h"], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((len(words), units))
        (h, _), _ = lax.scan(step, (zeros, zeros), inputs)
        return dense(h, p["dense"])

    return {"words": glorot(WORDS, 128), "cell": cell, "dense": dense_weights(units, CLASSES)}, apply


MODELS = {"mlp": mlp, "cnn": cnn, "conv1d": conv1d, "cnn100": cnn100, "lstm": lstm}


def main():
    model = sys.argv[1]
    x, y = data(model)
    weights, apply = MODELS[model]()
    optimizer = optax.adam(1e-3)
    state = [weights, optimizer.init(weights), jax.random.key(1)]

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(weights, slots, key, x, y):
        key, used = jax.random.split(key)

        def loss(weights):
            logits = apply(weights, x, used)
            hits = jnp.mean(jnp.argmax(logits, axis=1) == y)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), hits

        (value, hits), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
        updates, slots = optimizer.update(gradients, slots)
        return optax.apply_updates(weights, updates), slots, key, value, hits

    def epoch():
        order = np.random.permutation(len(x))
        for rows in order.reshape(-1, BATCH_SIZE):
            *state[:], value, _ = step(*state, x[rows], y[rows])
        value.block_until_ready()

    report(epoch, model)


if __name__ == "__main__":
    main()
