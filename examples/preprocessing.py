"""A pipeline of the size that companies have, in small: sharded files of JPEGs, read, decoded and augmented in parallel.

Writes 10,000 labelled JPEGs (digits, rotated and scaled) to eight compressed TFRecord files, then reads them in the
order that training wants: interleaved, shuffled, parsed, decoded, augmented, batched, and the second time from a cache.

    penstock run examples/preprocessing.py
"""

import os
import tempfile
import time

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

COUNT, SHARDS, SIZE, BATCH = 10_000, 8, 96, 64
PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preprocessing.png")
FEATURES = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}


def write_shards(folder):
    """`SHARDS` files of Examples; returns their size in bytes."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for shard in range(SHARDS):
        with tf.io.TFRecordWriter(
            f"{folder}/part-{shard:05d}-of-{SHARDS:05d}.tfrecord.gz", options
        ) as writer:
            for index in rng.integers(0, len(digits.target), COUNT // SHARDS):
                pixels = np.kron(digits.images[index] / 16, np.ones((SIZE // 8, SIZE // 8)))
                color = rng.uniform(0.3, 1.0, 3)
                image = (pixels[..., np.newaxis] * color * 255).astype(np.uint8)
                example = tf.train.Example(
                    features=tf.train.Features(
                        feature={
                            "image": tf.train.Feature(
                                bytes_list=tf.train.BytesList(value=[tf.io.encode_jpeg(image).numpy()])
                            ),
                            "label": tf.train.Feature(
                                int64_list=tf.train.Int64List(value=[digits.target[index]])
                            ),
                        }
                    )
                )
                writer.write(example.SerializeToString())
    return sum(os.path.getsize(os.path.join(folder, each)) for each in os.listdir(folder))


def decode(record):
    """An image [SIZE, SIZE, 3] in 0..1 and its label."""
    example = tf.io.parse_single_example(record, FEATURES)
    image = tf.io.decode_jpeg(example["image"], channels=3)
    return tf.image.convert_image_dtype(image, tf.float32), example["label"]


def augment(image, label):
    """The image flipped, brighter or darker, and cut at random."""
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, 0.2)
    image = tf.image.random_crop(image, [SIZE - 16, SIZE - 16, 3])
    return tf.clip_by_value(image, 0.0, 1.0), label


def build_pipeline(folder):
    """Batches of images and labels."""
    files = tf.data.Dataset.list_files(f"{folder}/*.tfrecord.gz", seed=1)
    records = files.interleave(
        lambda file: tf.data.TFRecordDataset(file, compression_type="GZIP"),
        cycle_length=4,
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return (
        records.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .cache()
        .shuffle(2000, seed=1)
        .map(augment, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def draw(images, labels, speeds):
    """Writes a batch, and how fast each epoch was, to `PICTURE`."""
    figure = plt.figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2)
    for image, label, axes in zip(images, labels, left.subplots(3, 6).flat):
        axes.imshow(image)
        axes.set(title=label, xticks=[], yticks=[])
    axes = right.subplots()
    axes.bar(range(1, len(speeds) + 1), speeds)
    axes.set(
        xlabel="epoch",
        ylabel="images per second",
        title="Read, decoded, augmented",
        xticks=range(1, len(speeds) + 1),
    )
    figure.savefig(PICTURE, dpi=120)


def main():
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        size = write_shards(folder)
        print(
            f"{COUNT} JPEGs in {SHARDS} files, {size / 1e6:.1f} MB, written in {time.perf_counter() - started:.1f} s"
        )
        pipeline = build_pipeline(folder)
        speeds = []
        for epoch in range(3):
            started, seen = time.perf_counter(), 0
            for images, labels in pipeline:  # noqa: B007 - the last batch is drawn
                seen += images.shape[0]
            speeds.append(seen / (time.perf_counter() - started))
            kind = "from the files" if epoch == 0 else "from the cache"
            print(f"epoch {epoch + 1}: {seen} images, {speeds[-1]:,.0f} images/s ({kind})")
        draw(images.numpy(), labels.numpy(), speeds)
    print(f"Picture: {PICTURE}")


if __name__ == "__main__":
    main()
