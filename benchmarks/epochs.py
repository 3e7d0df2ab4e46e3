"""What the training programs share: synthetic data for each model, and how epochs are timed and printed."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BATCH_SIZE = 32
WORDS, CLASSES = 20_000, 10


class Workload(NamedTuple):
    """What a model is trained on.

    Attributes:
      count, shape: how many examples there are, and the shape of one.
      words: where the examples are words, how many different ones.
      batch_size: examples in a step.
      epochs: how many epochs are measured, after a first one that compiles.
    """

    count: int
    shape: tuple[int, ...]
    words: int = 0
    batch_size: int = BATCH_SIZE
    epochs: int = 5


WORKLOADS = {
    "mlp": Workload(6400, (784,)),
    "cnn": Workload(6400, (28, 28, 1)),
    "conv1d": Workload(6400, (100, 1)),
    "cnn100": Workload(320, (100, 100, 3)),
    "lstm": Workload(3200, (100,), words=WORDS),
    "resnet50": Workload(32, (224, 224, 3), batch_size=16, epochs=2),
    "mobilenet_v2": Workload(64, (224, 224, 3), batch_size=16, epochs=2),
    "transformer": Workload(128, (128,), words=WORDS, epochs=2),
}


def data(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Examples and their classes."""
    random, load = np.random.default_rng(0), WORKLOADS[model]
    shape = (load.count, *load.shape)
    x = random.integers(0, load.words, shape) if load.words else random.random(shape, np.float32)
    return x, random.integers(0, CLASSES, load.count)


def cpu_seconds() -> float:
    """Processor time of all threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(epoch: Callable[[], object], model: str, **more: float) -> None:
    """Runs an epoch once to compile and some more times to measure, and prints one JSON line."""
    load = WORKLOADS[model]
    steps = load.count // load.batch_size

    def seconds() -> float:
        start = time.perf_counter()
        epoch()
        return time.perf_counter() - start

    first = seconds()
    before = cpu_seconds()
    taken = sorted(seconds() / steps * 1e3 for _ in range(load.epochs))
    cpu = (cpu_seconds() - before) / (load.epochs * steps) * 1e3
    result = {
        **more,
        "first_epoch_s": round(first, 2),
        "step_ms": round(taken[0], 3),
        "step_ms_median": round(taken[len(taken) // 2], 3),
        "cpu_ms": round(cpu, 3),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result))
