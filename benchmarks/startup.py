"""Seconds from the start of the process to: the module imported, the first eager op, the first trained step.

    python startup.py              # TensorFlow
    penstock run startup.py        # Penstock

Prints one JSON line, with the process's peak memory in MB. What runs before this file counts too (the interpreter, and
all that `penstock run` does), so it needs Linux, which knows when a process was created.
"""

import json
import os
import resource
import sys
import time

# Keras imports these where they are installed. The engines' environments differ in that, so no engine gets them.
sys.modules["sklearn"] = sys.modules["matplotlib"] = None


def seconds_since_process_start():
    with open("/proc/self/stat") as stat:
        created = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - created


start = time.perf_counter() - seconds_since_process_start()
import tensorflow as tf

imported = time.perf_counter()

x = tf.ones((4, 4)) @ tf.ones((4, 4))
x.numpy()
first_op = time.perf_counter()

model = tf.keras.Sequential(
    [tf.keras.Input((32,)), tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(10)]
)
model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(tf.random.normal((64, 32)), tf.zeros((64,), tf.int32), verbose=0)
first_fit = time.perf_counter()

print(
    json.dumps(
        {
            "import_s": round(imported - start, 3),
            "first_op_s": round(first_op - start, 3),
            "first_fit_s": round(first_fit - start, 3),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )
)
