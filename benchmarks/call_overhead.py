"""Microseconds for each of the engine's small calls; the work itself is small, so this is what a call costs.

    python call_overhead.py              # TensorFlow
    penstock run call_overhead.py        # Penstock

Prints one JSON line.
"""

import json
import time

import numpy as np
import tensorflow as tf


def microseconds(call, repeats):
    """The best of five means over `repeats` calls, after five calls to warm up."""
    for _ in range(5):
        call()
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        best = min(best, (time.perf_counter() - start) / repeats * 1e6)
    return round(best, 2)


def measure_eager_ops(a, b):
    return {
        "add": microseconds(lambda: a + b, 2000),
        "matmul": microseconds(lambda: tf.matmul(a, b, transpose_b=True), 2000),
        "tanh": microseconds(lambda: tf.tanh(a), 2000),
        "reduce_mean": microseconds(lambda: tf.reduce_mean(a), 2000),
    }


def measure_tape(a, b):
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(a)
            y = tf.reduce_sum(tf.tanh(tf.matmul(a, b, transpose_b=True)))
        return tape.gradient(y, a)

    return {"tape": microseconds(gradient, 300)}


def measure_functions(a, b):
    add = tf.function(lambda a, b: a + b)
    variables = [tf.Variable(tf.ones((32, 64))) for _ in range(40)]

    @tf.function
    def assign_all():
        for variable in variables:
            variable.assign_add(tf.ones((32, 64)))

    return {
        "function": microseconds(lambda: add(a, b), 2000),
        "function_40_assigns": microseconds(assign_all, 300),
    }


def measure_session():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, (32, 64))
        y = x + 1.0
        session = tf.compat.v1.Session()
    value = np.ones((32, 64), "f")
    return {"session_run": microseconds(lambda: session.run(y, {x: value}), 1000)}


def main():
    a, b = tf.ones((32, 64)), tf.ones((32, 64))
    print(
        json.dumps(measure_eager_ops(a, b) | measure_tape(a, b) | measure_functions(a, b) | measure_session())
    )


if __name__ == "__main__":
    main()
