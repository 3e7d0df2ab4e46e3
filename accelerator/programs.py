"""Small programs of every kind. Each function returns numbers, which are the same wherever it runs.

A program that says `@on_device` ends with tensors that live on the accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import penstock as tf

PROGRAMS: dict[str, Callable[[], Any]] = {}


def program(function: Callable[[], Any]) -> Callable[[], Any]:
    """Adds a program to the table."""
    PROGRAMS[function.__name__] = function
    return function


def data(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """The same numbers each time."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def trained(step: Callable, arguments: tuple, times: int = 3) -> list[Any]:
    """What a compiled step returns each time, and what its variables are in the end."""
    compiled = tf.function(step)
    losses = [compiled(*arguments) for _ in range(times)]
    return [losses, list(compiled.get_concrete_function(*arguments).variables)]


def descend(variables: list[Any], gradients: list[Any], rate: float = 0.1) -> None:
    """One step of gradient descent."""
    for variable, gradient in zip(variables, gradients):
        if isinstance(gradient, tf.IndexedSlices):
            variable.scatter_sub(tf.IndexedSlices(rate * gradient.values, gradient.indices))
        else:
            variable.assign_sub(rate * gradient)


@program
def perceptron() -> Any:
    """Matrix products, activations, a loss by labels."""
    weights = [tf.Variable(data(20, 200)), tf.Variable(tf.zeros(200)), tf.Variable(data(200, 5, seed=1))]
    x, labels = tf.constant(data(64, 20, seed=2)), tf.constant(np.arange(64) % 5)

    def step(x: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            hidden = tf.nn.gelu(x @ weights[0] + weights[1])
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, hidden @ weights[2]))
        descend(weights, tape.gradient(loss, weights), 0.01)
        return loss

    return trained(step, (x, labels))


@program
def convolutions() -> Any:
    """Convolutions, pools and batch normalization."""
    filters = [tf.Variable(data(3, 3, 3, 8) * 0.1), tf.Variable(data(3, 3, 8, 8, seed=1) * 0.1)]
    scale, offset = tf.Variable(tf.ones(8)), tf.Variable(tf.zeros(8))
    images = tf.constant(data(4, 16, 16, 3, seed=2))

    def step(images: Any) -> Any:
        with tf.GradientTape() as tape:
            x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(images, filters[0], 1, "SAME")), 2, 2, "SAME")
            x, _, _ = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, is_training=True)
            x = tf.nn.avg_pool2d(tf.nn.conv2d(x, filters[1], 2, "VALID"), 2, 1, "VALID")
            loss = tf.reduce_mean(tf.square(x))
        variables = [*filters, scale, offset]
        descend(variables, tape.gradient(loss, variables))
        return loss

    return trained(step, (images,))


@program
def other_convolutions() -> Any:
    """One and three dimensions, depthwise, transposed, dilated."""
    line, volume, plane = data(2, 16, 3), data(1, 6, 6, 6, 2), data(2, 8, 8, 4)

    @tf.function
    def run(line: Any, volume: Any, plane: Any) -> list[Any]:
        return [
            tf.nn.conv1d(line, data(3, 3, 5), 1, "SAME"),
            tf.nn.conv3d(volume, data(2, 2, 2, 2, 3), [1, 1, 1, 1, 1], "VALID"),
            tf.nn.depthwise_conv2d(plane, data(3, 3, 4, 2), [1, 1, 1, 1], "SAME"),
            tf.nn.conv2d_transpose(plane, data(3, 3, 5, 4), [2, 16, 16, 5], 2),
            tf.nn.atrous_conv2d(plane, data(3, 3, 4, 2), 2, "SAME"),
        ]

    return run(line, volume, plane)


@program
def attention() -> Any:
    """A block of a transformer: layer normalization, attention, a softmax."""
    size = 32
    weights = [tf.Variable(data(size, size, seed=i) * 0.2) for i in range(4)]
    gamma, beta = tf.Variable(tf.ones(size)), tf.Variable(tf.zeros(size))
    x = tf.constant(data(2, 10, size))

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            mean, variance = tf.nn.moments(x, -1, keepdims=True)
            normal = tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)
            q, k, v = (tf.einsum("bti,ij->btj", normal, each) for each in weights[:3])
            scores = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / size**0.5)
            loss = tf.reduce_mean(tf.square(tf.einsum("bti,ij->btj", scores @ v, weights[3]) - x))
        variables = [*weights, gamma, beta]
        descend(variables, tape.gradient(loss, variables))
        return loss

    return trained(step, (x,))


@program
def recurrent_cell() -> Any:
    """A loop over time with its gradient, as `dynamic_rnn` and Keras make it."""
    kernel, recurrent = tf.Variable(data(4, 16) * 0.3), tf.Variable(data(16, 16, seed=1) * 0.2)
    sequence = tf.constant(data(7, 3, 4))

    def step(sequence: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = tf.TensorArray(tf.float32, 7)
            _, _, outputs = tf.while_loop(
                lambda i, h, outputs: i < 7,
                lambda i, h, outputs: (
                    i + 1,
                    (new := tf.tanh(sequence[i] @ kernel + h @ recurrent)),
                    outputs.write(i, new),
                ),
                (0, tf.zeros([3, 16]), outputs),
            )
            loss = tf.reduce_sum(tf.square(outputs.stack()))
        descend([kernel, recurrent], tape.gradient(loss, [kernel, recurrent]), 0.01)
        return loss

    return trained(step, (sequence,))


@program
def lstm() -> Any:
    """Keras's layer, whose loop is one kernel of the vendor's beside an NVIDIA GPU."""
    tf.keras.utils.set_random_seed(0)
    layer = tf.keras.layers.LSTM(8, return_sequences=True)
    layer.build((3, 7, 4))

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x)))
        descend(layer.trainable_variables, tape.gradient(loss, layer.trainable_variables))
        return loss

    return trained(step, (tf.constant(data(3, 7, 4)),))


@program
def embeddings() -> Any:
    """Rows of a table, sparse gradients, segments."""
    table = tf.Variable(data(50, 8))
    ids = tf.constant([[3, 7, 3], [49, 0, 1]])

    def step(ids: Any) -> Any:
        with tf.GradientTape() as tape:
            rows = tf.nn.embedding_lookup(table, ids)
            loss = tf.reduce_sum(tf.math.unsorted_segment_sum(rows, ids, 50) ** 2)
        descend([table], tape.gradient(loss, [table]), 0.01)
        return loss

    return trained(step, (ids,))


@program
def branches() -> Any:
    """AutoGraph: a loop that the data ends, a branch, a second derivative."""

    @tf.function
    def run(x: Any) -> Any:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = x
                while tf.reduce_max(y) < 100.0:
                    y = y * y + x if tf.reduce_sum(y) > 0 else y * 3.0
                loss = tf.reduce_sum(y)
            gradient = inner.gradient(loss, x)
        return loss, gradient, outer.gradient(gradient, x)

    return run(tf.constant([1.1, 1.2, 0.5]))


@program
def random_numbers() -> Any:
    """Equal seeds give equal numbers, in functions too."""
    tf.random.set_seed(5)
    generator = tf.random.Generator.from_seed(3)

    @tf.function
    def run() -> list[Any]:
        return [
            tf.random.uniform([300]),
            generator.normal([200]),
            tf.random.stateless_uniform([4], [1, 2], maxval=9, dtype=tf.int32),
            tf.nn.dropout(tf.ones([64]), 0.5, seed=1),
        ]

    return [run(), run(), generator.uniform([5])]


@program
def linear_algebra() -> Any:
    """Decompositions and solutions."""

    @tf.function
    def run(a: Any) -> list[Any]:
        positive = a @ tf.linalg.matrix_transpose(a) + 3.0 * tf.eye(6)
        q, r = tf.linalg.qr(a)
        values, vectors = tf.linalg.eigh(positive)
        s, u, v = tf.linalg.svd(a)
        return [
            tf.linalg.cholesky(positive), tf.linalg.inv(positive), tf.linalg.solve(positive, a), tf.linalg.det(a), q @ r, values,
            vectors @ tf.linalg.diag(values) @ tf.linalg.matrix_transpose(vectors), s,
            u @ tf.linalg.diag(s) @ tf.linalg.matrix_transpose(v), tf.linalg.expm(a / 10.0),
        ]  # fmt: skip

    return run(tf.constant(data(2, 6, 6)))


@program
def signals_and_images() -> Any:
    """Fourier transforms; resizing."""

    @tf.function
    def run(signal: Any, images: Any) -> list[Any]:
        return [
            tf.abs(tf.signal.stft(signal, 32, 8)),
            tf.math.real(tf.signal.ifft(tf.signal.fft(tf.cast(signal, tf.complex64)))),
            tf.signal.irfft2d(tf.signal.rfft2d(images[..., 0])),
            tf.image.resize(images, [9, 13]),
            tf.image.resize(images, [9, 13], "bicubic", antialias=True),
            tf.image.adjust_hue(tf.sigmoid(images), 0.2),
        ]

    return run(data(2, 128), data(2, 8, 8, 3))


@program
def host_between() -> Any:
    """A function in pieces: a Python function and data-dependent shapes stand between two compiled programs."""
    total = tf.Variable(tf.zeros(200))

    @tf.function
    def run(x: Any) -> Any:
        total.assign_add(tf.exp(x))
        doubled = tf.numpy_function(lambda each: each * 2, [x], tf.float32)
        doubled.set_shape(x.shape)
        positive = tf.boolean_mask(doubled, doubled > 0)
        text = tf.strings.as_string(tf.size(positive))
        tf.debugging.assert_greater(tf.size(positive), 0)
        total.assign_add(doubled)
        return tf.reduce_sum(positive), tf.strings.to_number(text), total.read_value()

    return [run(tf.constant(data(200))), run(tf.constant(data(200, seed=1)))]


@program
def states() -> Any:
    """Eager and compiled updates of one variable, of 64-bit numbers too; values that were read stay what they were."""
    results = []
    for kind in (np.float32, np.float64, np.int64):
        variable = tf.Variable((data(150, 150) * 10).astype(kind))

        @tf.function
        def step(variable: Any = variable) -> Any:
            variable.assign_add(tf.ones_like(variable))
            return variable.read_value()

        before = step()
        first = variable.read_value()
        step()
        variable.scatter_nd_add([[0, 0]], [5])
        variable[1, :2].assign([7, 8])
        variable.assign_add(tf.ones_like(variable))
        copied = tf.Variable(variable)
        step()
        assert variable.dtype == tf.as_dtype(kind) and variable.numpy().dtype == kind
        results += [before, first, variable, copied]
    return results


@program
def pipelines() -> Any:
    """A dataset's elements, made on the host, feed a compiled step."""
    weights = tf.Variable(tf.zeros(4))
    dataset = tf.data.Dataset.from_tensor_slices(data(40, 4)).map(tf.math.tanh).batch(8)

    @tf.function
    def step(batch: Any) -> Any:
        weights.assign_add(tf.reduce_mean(batch, 0))
        return weights.read_value()

    return [step(batch) for batch in dataset]


@program
def sessions() -> Any:
    """TF 1: a graph with placeholders, trained in a session."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        weights = v1.get_variable("w", initializer=data(3, 2))
        loss = tf.reduce_mean(tf.square(x @ weights - 1.0))
        train = v1.train.AdamOptimizer(0.1).minimize(loss)
        session.run(v1.global_variables_initializer())
        losses = [session.run([loss, train], {x: data(5, 3)})[0] for _ in range(3)]
        return [losses, session.run(weights)]


@program
def eager_arithmetic() -> Any:
    """Op by op, small and large, across devices."""
    small, large = tf.constant(data(3, 3)), tf.constant(data(200, 200))
    with tf.device("/CPU:0"):
        on_host = tf.constant(data(3, 3, seed=1)) + 1.0
    with tf.GradientTape() as tape:
        tape.watch(large)
        loss = tf.reduce_sum(tf.nn.softmax(large @ large)) + tf.reduce_sum(small @ on_host)
    return [loss, tape.gradient(loss, large), small[1:, ::2], tf.where(small > 0), tf.unique([3, 1, 3])[0]]
