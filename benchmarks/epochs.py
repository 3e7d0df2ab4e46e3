"""What the training programs share: synthetic data for each model, and how epochs are timed and printed."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable

import numpy as np

BATCH_SIZE = 32

# model -> number of examples, shape of one; the LSTM's examples are numbers of words.
EXAMPLES = {
    "mlp": (6400, (784,)),
    "cnn": (6400, (28, 28, 1)),
    "conv1d": (6400, (100, 1)),
    "cnn100": (320, (100, 100, 3)),
    "lstm": (3200, (100,)),
}
WORDS, CLASSES = 20_000, 10


def data(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Examples and their classes."""
    random = np.random.default_rng(0)
    count, shape = EXAMPLES[model]
    x = (
        random.integers(0, WORDS, (count, *shape))
        if model == "lstm"
        else random.random((count, *shape), np.float32)
    )
    return x, random.integers(0, CLASSES, count)


def cpu_seconds() -> float:
    """Processor time of all threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(epoch: Callable[[], object], steps: int, **more: float) -> None:
    """Runs an epoch once to compile and five times to measure, and prints one JSON line."""

    def seconds() -> float:
        start = time.perf_counter()
        epoch()
        return time.perf_counter() - start

    first = seconds()
    before = cpu_seconds()
    taken = sorted(seconds() / steps * 1e3 for _ in range(5))
    cpu = (cpu_seconds() - before) / (5 * steps) * 1e3
    result = {
        **more,
        "first_epoch_s": round(first, 2),
        "step_ms": round(taken[0], 3),
        "step_ms_median": round(taken[2], 3),
        "cpu_ms": round(cpu, 3),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result))
