"""Seconds from the start of the program to: the module imported, the first eager op, the first trained step.

    python startup.py              # TensorFlow
    penstock run startup.py        # Penstock

Prints one JSON line, with the process's peak memory in MB.
"""

import json
import resource
import time

start = time.perf_counter()
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
