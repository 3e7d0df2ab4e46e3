"""Milliseconds for operations on large tensors, called one at a time without `tf.function`, and for loops in functions.

    python large_ops.py products              # TensorFlow
    penstock run large_ops.py products        # Penstock

Prints one JSON line. Arguments are groups, or names of single ones; without any, all are measured.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf

MILLION = 1_000_000
generator = np.random.default_rng(0)


def floats(*shape):
    return tf.constant(generator.standard_normal(shape, dtype=np.float32))


def integers(high, *shape, dtype=np.int32):
    return tf.constant(generator.integers(0, high, shape).astype(dtype))


def milliseconds(call):
    """The best of several calls, each until its result is a NumPy array, after two to warm up."""
    best, spent = float("inf"), 0.0
    for number in range(40):
        start = time.perf_counter()
        for each in tf.nest.flatten(call()):
            each.numpy() if hasattr(each, "numpy") else each
        taken = time.perf_counter() - start
        if number >= 2:
            best, spent = min(best, taken), spent + taken
        if spent > 0.5 and number > 4:
            break
    return round(best * 1e3, 3)


def elementwise():
    a, b, large = floats(MILLION), floats(MILLION), floats(10 * MILLION)
    rows, matrix = floats(1000), floats(1000, 1000)
    positive = tf.abs(a) + 1
    yield "add", lambda: a + b
    yield "add 10M", lambda: large + large
    yield "add a row", lambda: matrix + rows
    yield "tanh", lambda: tf.tanh(a)
    yield "exp 10M", lambda: tf.exp(large)
    yield "log", lambda: tf.math.log(positive)
    yield "pow", lambda: positive**1.7
    yield "sigmoid", lambda: tf.sigmoid(a)
    yield "erf", lambda: tf.math.erf(a)
    yield "chain of five", lambda: tf.nn.relu(tf.tanh(a * b + 1.0) - 0.5)
    yield "where", lambda: tf.where(a > 0, a, b)
    yield "cast to int32", lambda: tf.cast(a, tf.int32)
    yield "floor division of integers", lambda x=integers(1000, MILLION): x // 7
    yield "clip", lambda: tf.clip_by_value(a, -1.0, 1.0)
    yield "softmax of rows", lambda: tf.nn.softmax(matrix)
    yield "gelu", lambda: tf.nn.gelu(a)


def reductions():
    a, matrix = floats(MILLION), floats(1000, 1000)
    large = floats(10 * MILLION)
    yield "reduce_sum 10M", lambda: tf.reduce_sum(large)
    yield "reduce_sum of rows", lambda: tf.reduce_sum(matrix, axis=1)
    yield "reduce_sum of columns", lambda: tf.reduce_sum(matrix, axis=0)
    yield "reduce_max", lambda: tf.reduce_max(a)
    yield "reduce_std", lambda: tf.math.reduce_std(matrix, axis=0)
    yield "reduce_logsumexp", lambda: tf.reduce_logsumexp(matrix, axis=1)
    yield "moments", lambda: tf.nn.moments(matrix, axes=[0])
    yield "argmax of rows", lambda: tf.argmax(matrix, axis=1)
    yield "argmax of columns", lambda: tf.argmax(matrix, axis=0)
    yield "cumsum", lambda: tf.cumsum(a)
    yield "cumsum of columns", lambda: tf.cumsum(matrix, axis=0)
    yield "norm", lambda: tf.norm(a)
    yield "global_norm", lambda: tf.linalg.global_norm([a, matrix])


def order():
    a, numbers = floats(MILLION), integers(1000, MILLION)
    matrix = floats(1000, 1000)
    yield "sort", lambda: tf.sort(a)
    yield "argsort", lambda: tf.argsort(a)
    yield "sort of rows", lambda: tf.sort(matrix, axis=1)
    yield "top_k", lambda: tf.math.top_k(a, 100)
    yield "top_k of rows", lambda: tf.math.top_k(matrix, 10)
    yield "unique", lambda: tf.unique(numbers)
    yield "unique of many", lambda x=integers(MILLION, MILLION): tf.unique(x)
    yield "bincount", lambda: tf.math.bincount(numbers, minlength=1000)
    yield "searchsorted", lambda s=tf.sort(floats(1000)): tf.searchsorted(s, a)
    yield "in_top_k", lambda y=integers(1000, 1000): tf.math.in_top_k(y, matrix, 5)


def indexing():
    a, mask = floats(MILLION), tf.constant(generator.random(MILLION) > 0.5)
    table, ids = floats(10_000, 64), integers(10_000, 20_000)
    sorted_ids, rows = tf.sort(integers(1000, MILLION)), floats(20_000, 64)
    at, groups = integers(MILLION, MILLION), integers(1000, MILLION)
    image = floats(32, 100, 100, 32)
    yield "gather of numbers", lambda: tf.gather(a, at)
    yield "gather of rows", lambda: tf.gather(table, ids)
    yield "gather_nd", lambda x=integers(100, 100_000, 2), m=floats(100, 100): tf.gather_nd(m, x)
    yield "scatter_nd of rows", lambda: tf.scatter_nd(ids[:, None], rows, (10_000, 64))
    yield "tensor_scatter_nd_update", lambda: tf.tensor_scatter_nd_update(table, ids[:, None], rows)
    yield "segment_sum", lambda: tf.math.segment_sum(a, sorted_ids)
    yield "unsorted_segment_sum", lambda: tf.math.unsorted_segment_sum(rows, ids, 10_000)
    yield "unsorted_segment_max", lambda: tf.math.unsorted_segment_max(a, groups, 1000)
    yield "one_hot", lambda x=integers(100, 20_000): tf.one_hot(x, 100)
    yield "boolean_mask", lambda: tf.boolean_mask(a, mask)
    yield "where of indices", lambda: tf.where(mask)
    yield "transpose", lambda m=floats(1000, 1000): tf.transpose(m)
    yield "transpose of images", lambda: tf.transpose(image, [0, 3, 1, 2])
    yield "concat", lambda: tf.concat([table, rows], 0)
    yield "stack", lambda: tf.stack([a, a, a], axis=1)
    yield "pad", lambda: tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
    yield "tile", lambda: tf.tile(table, [2, 2])
    yield "slice", lambda: image[:, 1:-1, 1:-1]
    yield "strided slice", lambda: image[:, ::2, ::2]
    yield "reverse", lambda: tf.reverse(a, [0])
    yield "roll", lambda: tf.roll(a, 1000, 0)
    yield (
        "reverse_sequence",
        lambda x=floats(100, 100, 64), n=integers(100, 100): tf.reverse_sequence(x, n, 1),
    )
    yield "dynamic_partition", lambda x=integers(4, MILLION): tf.dynamic_partition(a, x, 4)
    yield "depth_to_space", lambda: tf.nn.depth_to_space(image, 2)


def products():
    small, matrix, batch = floats(100, 100), floats(1000, 1000), floats(64, 128, 128)
    vector, image, filters = floats(1000, 1), floats(8, 64, 64, 32), floats(3, 3, 32, 64)
    yield "matmul 100", lambda: small @ small
    yield "matmul 1000", lambda: matrix @ matrix
    yield "matmul with a column", lambda: matrix @ vector
    yield "matmul of batches", lambda: batch @ batch
    yield "matmul float64", lambda m=tf.cast(matrix, tf.float64): m @ m
    yield "matmul bfloat16", lambda m=tf.cast(matrix, tf.bfloat16): tf.cast(m @ m, tf.float32)
    yield "einsum", lambda: tf.einsum("bij,bkj->bik", batch, batch)
    yield "einsum of three", lambda: tf.einsum("bij,bjk,bkl->bil", batch, batch, batch)
    yield "tensordot", lambda: tf.tensordot(batch, small[:, :1] + tf.zeros((100, 128)), [[2], [1]])
    yield "conv2d", lambda: tf.nn.conv2d(image, filters, 1, "SAME")
    yield "depthwise_conv2d", lambda f=floats(3, 3, 32, 1): tf.nn.depthwise_conv2d(image, f, [1] * 4, "SAME")
    yield (
        "conv2d_transpose",
        lambda f=floats(3, 3, 16, 32): tf.nn.conv2d_transpose(image, f, [8, 128, 128, 16], 2),
    )
    yield "max_pool2d", lambda: tf.nn.max_pool2d(image, 2, 2, "VALID")
    yield "avg_pool2d", lambda: tf.nn.avg_pool2d(image, 3, 1, "SAME")


def algebra():
    m = generator.standard_normal((500, 500), dtype=np.float32)
    a, definite = tf.constant(m), tf.constant(m @ m.T + 500 * np.eye(500, dtype=np.float32))
    right, batch = floats(500, 10), floats(100, 20, 20)
    yield "inv", lambda: tf.linalg.inv(a)
    yield "solve", lambda: tf.linalg.solve(a, right)
    yield "cholesky", lambda: tf.linalg.cholesky(definite)
    yield "triangular_solve", lambda: tf.linalg.triangular_solve(definite, right)
    yield "qr", lambda: tf.linalg.qr(a)
    yield "svd", lambda: tf.linalg.svd(a)
    yield "eigh", lambda: tf.linalg.eigh(definite)
    yield "det", lambda: tf.linalg.det(a / 20)
    yield "lstsq", lambda: tf.linalg.lstsq(a[:, :50], right)
    yield "solve of batches", lambda: tf.linalg.solve(batch, batch[:, :, :1])
    yield "inv of batches", lambda: tf.linalg.inv(batch)
    yield (
        "cholesky of batches",
        lambda s=batch @ tf.transpose(batch, [0, 2, 1]) + tf.eye(20): tf.linalg.cholesky(s),
    )
    yield "svd of batches", lambda: tf.linalg.svd(batch)
    yield "fft", lambda x=tf.complex(floats(2**20), floats(2**20)): tf.signal.fft(x)
    yield "rfft of rows", lambda x=floats(1000, 1024): tf.signal.rfft(x)
    yield "fft2d", lambda x=tf.complex(floats(512, 512), floats(512, 512)): tf.signal.fft2d(x)
    yield "stft", lambda x=floats(160_000): tf.signal.stft(x, 400, 160)
    yield "band_part", lambda: tf.linalg.band_part(a, 0, -1)


def others():
    image, words = floats(8, 128, 128, 3), tf.strings.as_string(integers(1000, 20_000))
    sentences = tf.strings.reduce_join(tf.reshape(words, (2000, 10)), axis=1, separator=" ")
    ragged = tf.RaggedTensor.from_row_lengths(floats(50_000), np.full(5000, 10))
    table = floats(10_000, 64)
    yield "random.normal", lambda: tf.random.normal((MILLION,))
    yield "random.uniform", lambda: tf.random.uniform((MILLION,))
    yield "random.truncated_normal", lambda: tf.random.truncated_normal((MILLION,))
    yield "random.stateless_normal", lambda: tf.random.stateless_normal((MILLION,), [1, 2])
    yield "random.shuffle", lambda x=floats(100_000): tf.random.shuffle(x)
    yield "random.categorical", lambda x=floats(1000, 100): tf.random.categorical(x, 10)
    yield "random.gamma", lambda: tf.random.gamma((100_000,), 2.0)
    yield "dropout", lambda x=floats(MILLION): tf.nn.dropout(x, 0.3)
    yield "image.resize", lambda: tf.image.resize(image, (224, 224))
    yield "image.resize nearest", lambda: tf.image.resize(image, (224, 224), "nearest")
    yield "image.resize bicubic", lambda: tf.image.resize(image, (224, 224), "bicubic")
    yield "image.adjust_hue", lambda: tf.image.adjust_hue(tf.abs(image), 0.1)
    yield "non_max_suppression", lambda b=boxes(1000), s=floats(1000): tf.image.non_max_suppression(b, s, 100)
    yield "strings.split", lambda: tf.strings.split(sentences).values
    yield "strings.lower", lambda: tf.strings.lower(words)
    yield "strings.regex_replace", lambda: tf.strings.regex_replace(sentences, "[0-4]+", "x")
    yield "strings.to_number", lambda: tf.strings.to_number(words)
    yield "strings.to_hash_bucket_fast", lambda: tf.strings.to_hash_bucket_fast(words, 1000)
    yield "strings.length", lambda: tf.strings.length(sentences)
    yield "strings.substr", lambda: tf.strings.substr(sentences, 0, 5)
    yield "strings.join", lambda: tf.strings.join([words, words], "-")
    yield "ragged reduce_sum", lambda: tf.reduce_sum(ragged, axis=1)
    yield "ragged add", lambda: (ragged + 1.0).values
    yield "ragged to_tensor", lambda: ragged.to_tensor()
    yield "sparse_dense_matmul", lambda s=sparse(): tf.sparse.sparse_dense_matmul(s, table)
    yield (
        "sigmoid cross entropy",
        lambda x=floats(MILLION), y=floats(MILLION): tf.nn.sigmoid_cross_entropy_with_logits(y, x),
    )
    yield (
        "sparse softmax cross entropy",
        lambda x=floats(10_000, 100), y=integers(100, 10_000): tf.nn.sparse_softmax_cross_entropy_with_logits(
            y, x
        ),
    )
    yield (
        "ctc_loss",
        lambda x=floats(50, 16, 30), y=integers(28, 16, 10): tf.nn.ctc_loss(
            y + 1, x, [10] * 16, [50] * 16, blank_index=0
        ),
    )
    yield (
        "lookup in a hash table",
        lambda t=hash_table(), x=integers(1000, 20_000, dtype=np.int64): t.lookup(x),
    )


def boxes(count):
    corners = generator.random((count, 2), dtype=np.float32)
    return tf.constant(np.concatenate([corners, corners + 0.1], 1))


def sparse():
    flat = np.sort(generator.choice(10_000 * 1000, 50_000, replace=False))
    indices = np.stack([flat // 10_000, flat % 10_000], 1)
    return tf.SparseTensor(indices, floats(50_000), (1000, 10_000))


def hash_table():
    keys, values = tf.range(1000, dtype=tf.int64), tf.range(1000, dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)


def loops():
    cell, x = floats(64, 64) / 8, floats(32, 64)
    rows, variables = floats(1000, 16), [tf.Variable(floats(10)) for _ in range(200)]

    @tf.function
    def count():
        return tf.while_loop(
            lambda i, s: i < 1000, lambda i, s: (i + 1, s + tf.cast(i, tf.float32)), (0, 0.0)
        )

    @tf.function
    def recurrent():
        return tf.while_loop(lambda i, h: i < 1000, lambda i, h: (i + 1, tf.tanh(h @ cell)), (0, x))[1]

    @tf.function
    def array():
        written = tf.TensorArray(tf.float32, 1000)
        for i in tf.range(1000):
            written = written.write(i, rows[i] * 2)
        return written.stack()

    @tf.function
    def branches():
        total = 0.0
        for i in tf.range(1000):
            if i % 3 == 0:
                total += rows[i, 0]
            else:
                total -= 1.0
        return total

    @tf.function
    def sum_of_variables():
        return tf.add_n(variables)

    @tf.function
    def structure(arguments):
        return {name: [value + 1, value] for name, value in arguments.items()}

    @tf.function
    def mapped():
        return tf.map_fn(lambda row: tf.reduce_sum(row) * row, rows)

    @tf.function
    def scanned():
        return tf.scan(lambda total, row: total + row, rows)

    yield "while_loop 1000", count
    yield "while_loop of products", recurrent
    yield "TensorArray loop", array
    yield "loop with a branch", branches
    yield "map_fn in a function", mapped
    yield "map_fn", lambda: tf.map_fn(lambda row: tf.reduce_sum(row) * row, rows[:100])
    yield "vectorized_map", lambda: tf.vectorized_map(lambda row: tf.reduce_sum(row) * row, rows)
    yield "scan in a function", scanned
    yield "function with 200 variables", sum_of_variables
    arguments = {str(i): floats(4) for i in range(20)}
    yield "function of a structure", lambda: structure(arguments)
    yield "eager while_loop", lambda: tf.while_loop(lambda i: i < 200, lambda i: (i + 1,), (tf.constant(0),))


def steps():
    """Training steps by hand, without `tf.function`."""
    filters, dense = tf.Variable(floats(3, 3, 3, 16) / 5), tf.Variable(floats(15 * 15 * 16, 10) / 60)
    images, labels = floats(32, 32, 32, 3), integers(10, 32)
    kernel, sequence = tf.Variable(floats(32 + 64, 4 * 64) / 10), floats(32, 20, 32)

    def network():
        with tf.GradientTape() as tape:
            y = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(images, filters, 1, "VALID")), 2, 2, "VALID")
            logits = tf.reshape(y, (32, -1)) @ dense
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        for variable, gradient in zip((filters, dense), tape.gradient(loss, [filters, dense])):
            variable.assign_sub(0.001 * gradient)
        return loss

    def recurrent():
        with tf.GradientTape() as tape:
            h = c = tf.zeros((32, 64))
            for x in tf.unstack(sequence, axis=1):
                i, f, g, o = tf.split(tf.concat([x, h], 1) @ kernel, 4, 1)
                c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
                h = tf.sigmoid(o) * tf.tanh(c)
            loss = tf.reduce_mean(h**2)
        kernel.assign_sub(0.001 * tape.gradient(loss, kernel))
        return loss

    lengths = iter(range(1, 10_000))

    @tf.function(reduce_retracing=True)
    def of_any_length(x):
        return tf.reduce_sum(tf.tanh(x @ cell), 0)

    cell = floats(64, 64)
    yield "eager step of a CNN", network
    yield "eager step of an LSTM", recurrent
    yield "function, each call another shape", lambda: of_any_length(tf.ones((next(lengths), 64)))


GROUPS = (elementwise, reductions, order, indexing, products, algebra, others, loops, steps)


def main():
    wanted = set(sys.argv[1:])
    found = {}
    for group in GROUPS:
        for name, call in group():
            if not wanted or name in wanted or group.__name__ in wanted:
                found[name] = milliseconds(call)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
