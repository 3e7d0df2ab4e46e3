"""What `MirroredStrategy` costs: one model, one global batch, the same cores, split over 1, 2, 4 logical devices.

    penstock run benchmarks/scaling.py [cnn100 | mlp | ...] [--devices 1 2 4] [--rounds N] [--record]

Each number of devices runs in a process of its own, in turn, `--rounds` times. The work is the same, so a ratio to one
device above 1 is what distribution costs. Printed for each: milliseconds of a step (the best epoch), milliseconds of all
threads' CPU time for a step, which does not depend on what else the machine does, and the loss after the last epoch.
"""

import argparse
import json
import os
import subprocess
import sys
import time

from scaling_page import record, table

EPOCHS, STEPS, BATCH_SIZE = 4, {"mlp": 64, "cnn100": 6}, 32


def measure(name: str, devices: int) -> dict[str, float]:
    """Trains in this process."""
    import numpy as np
    import tensorflow as tf

    if devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    import keras
    from epochs import WORKLOADS, data
    from fit_step import MODELS

    keras.utils.set_random_seed(0)
    x, y = data(name)
    count = STEPS.get(name, 32) * BATCH_SIZE
    x, y = np.resize(x, (count, *x.shape[1:])), np.resize(y, (count, *y.shape[1:]))
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)]) if devices else None
    with strategy.scope() if strategy else tf.distribute.get_strategy().scope():
        layers = [each for each in MODELS[name]() if not isinstance(each, keras.layers.Dropout)]
        model = keras.Sequential([keras.layers.Input(WORKLOADS[name].shape), *layers])
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, verbose=0)
    walls, cpus, loss = [], [], 0.0
    for _ in range(EPOCHS):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, verbose=0).history["loss"][0]
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    steps = count // BATCH_SIZE
    return {"step_ms": 1000 * min(walls) / steps, "cpu_ms": 1000 * min(cpus) / steps, "loss": loss}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="cnn100")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4], help="0: without a strategy")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--record", action="store_true", help="write docs/scaling.md")
    parser.add_argument("--here", action="store_true", help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.model, options.devices[0])))
        return
    best: dict[int, dict[str, float]] = {}
    for _ in range(options.rounds):
        for devices in options.devices:
            command = [
                sys.executable,
                "-m",
                "penstock_command",
                "run",
                os.path.abspath(__file__),
                options.model,
            ]
            command += ["--here", "--devices", str(devices)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            found, before = json.loads(done.stdout.splitlines()[-1]), best.get(devices, {})
            best[devices] = {key: min(value, before.get(key, value)) for key, value in found.items()}
    print(f"{options.model}:\n{table('devices', best)}")
    if options.record:
        record("devices", options.model, best)


if __name__ == "__main__":
    main()
