"""Microseconds for each element of input pipelines.

    python input_pipelines.py [memory|records|generator|text|next ...]              # TensorFlow
    penstock run input_pipelines.py [memory|records|generator|text|next ...]        # Penstock

`memory` shuffles, normalizes and batches 60,000 digits; `records` parses, decodes, resizes and flips JPEG images of
256x256 from a TFRecord file; `generator` batches what a Python generator yields; `text` parses CSV lines; `next` asks an
in-memory dataset for batches that are there already. Prints one JSON line.
"""

import json
import os
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf
from jpeg_codec import jpegs

AUTOTUNE = tf.data.AUTOTUNE
random = np.random.default_rng(0)


def microseconds(dataset, elements):
    """The best of three runs over a dataset."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in dataset:
            pass
        best = min(best, time.perf_counter() - start)
    return round(best / elements * 1e6, 2)


def memory():
    images, labels = random.integers(0, 255, (60000, 28, 28), np.uint8), random.integers(0, 10, 60000)

    def normalized(image, label):
        return tf.cast(image, tf.float32) / 255.0, label

    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(10000)
    dataset = dataset.map(normalized, num_parallel_calls=AUTOTUNE).batch(32).prefetch(AUTOTUNE)
    return microseconds(dataset, 60000)


def write_records(path, count):
    with tf.io.TFRecordWriter(path) as writer:
        for i, image in enumerate(jpegs(count)):
            features = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[i % 10])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def records():
    path = os.path.join(tempfile.mkdtemp(), "images.tfrecord")
    write_records(path, 2000)
    features = {"image": tf.io.FixedLenFeature((), tf.string), "label": tf.io.FixedLenFeature((), tf.int64)}

    def parse(record):
        example = tf.io.parse_single_example(record, features)
        image = tf.image.resize(tf.io.decode_jpeg(example["image"], channels=3), (128, 128)) / 255.0
        return tf.image.random_flip_left_right(image), example["label"]

    dataset = tf.data.TFRecordDataset(path).map(parse, num_parallel_calls=AUTOTUNE)
    return microseconds(dataset.shuffle(500).batch(32).prefetch(AUTOTUNE), 2000)


def generator():
    def rows():
        for i in range(20000):
            yield np.full((16,), i, np.float32), i % 10

    signature = (tf.TensorSpec((16,), tf.float32), tf.TensorSpec((), tf.int32))
    dataset = tf.data.Dataset.from_generator(rows, output_signature=signature)
    return microseconds(dataset.batch(32).prefetch(2), 20000)


def text():
    path = os.path.join(tempfile.mkdtemp(), "lines.csv")
    with open(path, "w") as file:
        file.writelines(f"{i},{i * 0.5},{i % 7},word{i % 100}\n" for i in range(100000))

    def parse(line):
        a, b, c, word = tf.io.decode_csv(line, [[0], [0.0], [0], [""]])
        return {"a": a, "b": b, "word": word}, c

    dataset = tf.data.TextLineDataset(path).map(parse, num_parallel_calls=AUTOTUNE)
    return microseconds(dataset.batch(128).prefetch(2), 100000)


def next_():
    batches = np.zeros((2000, 32, 28, 28), np.uint8), np.zeros((2000, 32), np.int64)
    return microseconds(tf.data.Dataset.from_tensor_slices(batches), 2000)


PIPELINES = {"memory": memory, "records": records, "generator": generator, "text": text, "next": next_}


def main():
    print(json.dumps({f"{name}_us": PIPELINES[name]() for name in sys.argv[1:] or PIPELINES}))


if __name__ == "__main__":
    main()
