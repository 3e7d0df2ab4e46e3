"""Latency of one example: `model.predict` and a concrete function, for the models of fit_step.py.

    penstock run inference.py cnn

Prints one JSON line: the best of five series of calls, in milliseconds and microseconds.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf
from epochs import data
from fit_step import make

CALLS = 50


def best_ms(call):
    """Milliseconds for a call, after a first series that compiles."""

    def series():
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        return (time.perf_counter() - start) / CALLS * 1e3

    series()
    return min(series() for _ in range(5))


def main():
    name = sys.argv[1]
    model = make(name)
    x = data(name)[0][:1]
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec(x.shape, x.dtype)
    )
    tensor = tf.constant(x)
    np.testing.assert_allclose(model.predict(x, verbose=0), function(tensor), rtol=1e-4, atol=1e-5)
    result = {
        "predict_ms": round(best_ms(lambda: model.predict(x, verbose=0)), 3),
        "function_us": round(best_ms(lambda: function(tensor).numpy()) * 1e3, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
