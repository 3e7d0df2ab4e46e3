"""Memory of a pipeline over many large files: it must not grow with the data.

    python input_memory.py [GIGABYTES] [FILES]              # TensorFlow
    penstock run input_memory.py [GIGABYTES] [FILES]        # Penstock

Writes record files (4 GB in 64 files unless said otherwise; they are removed in the end), and reads them interleaved,
mapped, shuffled and batched, as a training program would. Prints one JSON line: the memory of the process (RSS, in MB) after each
quarter of the data, and how many MB it read in a second.
"""

import json
import os
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf

AUTOTUNE = tf.data.AUTOTUNE
RECORD = 64 << 10  # bytes


def resident():
    """The memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def write(folder, files, records):
    noise = np.random.default_rng(0).integers(0, 256, RECORD, np.uint8).tobytes()
    paths = []
    for number in range(files):
        paths.append(os.path.join(folder, f"{number:04d}.tfrecord"))
        with tf.io.TFRecordWriter(paths[-1]) as writer:
            for _ in range(records):
                writer.write(noise)
    return paths


def main():
    gigabytes, files = (float(sys.argv[1]) if sys.argv[1:] else 4.0), int((sys.argv[2:] or [64])[0])
    records = max(1, round(gigabytes * (1 << 30) / RECORD / files))
    with tempfile.TemporaryDirectory() as folder:
        paths = write(folder, files, records)
        dataset = tf.data.Dataset.from_tensor_slices(paths)
        dataset = dataset.interleave(tf.data.TFRecordDataset, cycle_length=16, num_parallel_calls=AUTOTUNE)
        dataset = dataset.map(lambda record: tf.io.decode_raw(record, tf.uint8), AUTOTUNE)
        dataset = dataset.shuffle(256).batch(32).prefetch(AUTOTUNE)
        quarter = -(-files * records // 32) // 4
        seen, started = [resident()], time.perf_counter()
        for number, _ in enumerate(dataset, 1):
            if number % quarter == 0:
                seen.append(resident())
        seconds = time.perf_counter() - started
    rate = files * records * RECORD / seconds / 1e6
    print(json.dumps({"before_mb": seen[0], "quarters_mb": seen[1:5], "mb_per_s": round(rate)}))


if __name__ == "__main__":
    main()
