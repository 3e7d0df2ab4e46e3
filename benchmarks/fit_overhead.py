"""What `fit` costs for a step whose arithmetic is next to nothing: iterator, call, metrics, callbacks.

    penstock run fit_overhead.py

Prints one JSON line: microseconds for a step, one at a time and ten in one call of the compiled program.
"""

import json
import time

import keras
import numpy as np

STEPS = 1000


def step_us(steps_per_execution):
    """Microseconds for a step: the best of five epochs after the first."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"], steps_per_execution=steps_per_execution)
    x, y = np.zeros((STEPS * 8, 4), np.float32), np.zeros((STEPS * 8, 1), np.float32)

    def epoch():
        start = time.perf_counter()
        model.fit(x, y, batch_size=8, epochs=1, verbose=0)
        return (time.perf_counter() - start) / STEPS * 1e6

    epoch()
    return round(min(epoch() for _ in range(5)), 1)


print(json.dumps({"step_us": step_us(1), "step_us_of_ten_in_one_call": step_us(10)}))
