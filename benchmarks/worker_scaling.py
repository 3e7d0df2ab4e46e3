"""What `MultiWorkerMirroredStrategy` costs: one model, one global batch, the same cores, in 1 and 2 processes.

    python benchmarks/worker_scaling.py [cnn100 | mlp | ...] [--workers 1 2] [--rounds N] [--record]

The clusters run in turn, `--rounds` times each; the work is the same. Printed for each: milliseconds of a step (the best
epoch), milliseconds of CPU time of all processes for a step, and the loss after the last epoch.
"""

import argparse
import json
import subprocess
import sys
import time

from scaling_page import record, table

EPOCHS, STEPS, BATCH_SIZE = 3, {"mlp": 64, "cnn100": 4}, 32


def measure(name: str) -> dict[str, float]:
    """Trains in this process, one of a cluster."""
    import numpy as np
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import keras
    from epochs import WORKLOADS, data
    from fit_step import MODELS

    keras.utils.set_random_seed(0)
    x, y = data(name)
    count = STEPS.get(name, 32) * BATCH_SIZE
    x, y = np.resize(x, (count, *x.shape[1:])), np.resize(y, (count, *y.shape[1:]))
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH_SIZE, drop_remainder=True)
    with strategy.scope():
        layers = [each for each in MODELS[name]() if not isinstance(each, keras.layers.Dropout)]
        model = keras.Sequential([keras.layers.Input(WORKLOADS[name].shape), *layers])
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(batches, epochs=1, verbose=0)
    walls, cpus, loss = [], [], 0.0
    for _ in range(EPOCHS):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = model.fit(batches, epochs=1, verbose=0).history["loss"][0]
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    steps = count // BATCH_SIZE
    together = float(strategy.reduce("SUM", tf.constant(min(cpus)), axis=None))
    return {"step_ms": 1000 * min(walls) / steps, "cpu_ms": 1000 * together / steps, "loss": loss}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="cnn100")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="write docs/scaling.md")
    parser.add_argument("--here", action="store_true", help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.here:
        print("measured", json.dumps(measure(options.model)))
        return
    best: dict[int, dict[str, float]] = {}
    for _ in range(options.rounds):
        for workers in options.workers:
            command = [sys.executable, "-m", "penstock", "launch", "--workers", str(workers), __file__]
            done = subprocess.run([*command, "--here", options.model], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            lines = [line for line in done.stdout.splitlines() if line.startswith("[worker 0] measured")]
            found, before = json.loads(lines[-1].partition("measured")[2]), best.get(workers, {})
            best[workers] = {key: min(value, before.get(key, value)) for key, value in found.items()}
    print(f"{options.model}:\n{table('workers', best)}")
    if options.record:
        record("workers", options.model, best)


if __name__ == "__main__":
    main()
