"""`tensorflow.examples.tutorials.mnist.input_data`: the digits of MNIST from their four files, in batches.

The files are read from disk; nothing is downloaded.
"""

from __future__ import annotations

import gzip
import os
from typing import Any, NamedTuple

import numpy as np

from penstock.types import errors
from penstock.types.dtypes import as_dtype

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
NUM_CLASSES, IMAGE_SIZE, IMAGE_PIXELS = 10, 28, 28 * 28

_IMAGES_MAGIC, _LABELS_MAGIC = 2051, 2049


class Datasets(NamedTuple):
    """Training, validation and test digits."""

    train: DataSet
    validation: DataSet
    test: DataSet


def read_idx(path: str) -> np.ndarray:
    """The array of an IDX file of bytes, compressed or not.

    Raises:
      DataLossError: the file is no such file, or is cut off.
    """
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as file:
        data = file.read()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise errors.DataLossError(None, None, f"{path}: not an IDX file of unsigned bytes")
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4).astype(int) if len(data) >= 4 + 4 * rank else np.array([-1])
    values = np.frombuffer(data, np.uint8, offset=min(4 + 4 * rank, len(data)))
    if values.size != np.prod(shape):
        raise errors.DataLossError(
            None, None, f"{path}: expected {list(shape)} values, the file has {values.size}"
        )
    return values.reshape(shape)


def extract_images(f: Any) -> np.ndarray:
    """The pictures of an open compressed file: uint8 `[count, rows, columns, 1]`."""
    return _from_file(f, _IMAGES_MAGIC, 3)[..., np.newaxis]


def extract_labels(f: Any, one_hot: bool = False, num_classes: int = NUM_CLASSES) -> np.ndarray:
    """The labels of an open compressed file: uint8 `[count]`, or float64 `[count, num_classes]`."""
    labels = _from_file(f, _LABELS_MAGIC, 1)
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


def _from_file(file: Any, magic: int, rank: int) -> np.ndarray:
    data = gzip.decompress(file.read())
    found = int.from_bytes(data[:4], "big")
    if found != magic:
        raise ValueError(f"Invalid magic number {found} in MNIST file: {getattr(file, 'name', file)}")
    shape = np.frombuffer(data, ">u4", rank, 4).astype(int)
    return np.frombuffer(data, np.uint8, int(np.prod(shape)), 4 + 4 * rank).reshape(shape)


def dense_to_one_hot(labels_dense: np.ndarray, num_classes: int) -> np.ndarray:
    """Labels as rows with a one in the place of the class."""
    return np.eye(num_classes)[labels_dense]


class DataSet:
    """Pictures and labels, given in batches.

    Args:
      images: uint8 `[count, rows, columns, 1]`.
      labels: `[count]`, or `[count, classes]`.
      fake_data: one made-up picture instead, for tests.
      one_hot: whether made-up labels are rows.
      dtype: uint8 as they are; float32 scaled to 0...1.
      reshape: whether each picture becomes a row of pixels.
      seed: for the same order each time.

    Attributes:
      images, labels: all of them. num_examples: how many. epochs_completed: how often `next_batch` went through.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = "float32",
        reshape: bool = True,
        seed: int | None = None,
    ):
        kind = as_dtype(dtype).name
        if kind not in ("uint8", "float32"):
            raise TypeError(f"Invalid image dtype {dtype!r}, expected uint8 or float32")
        self.one_hot, self._fake = one_hot, fake_data
        self._random = np.random.RandomState(seed)
        self.epochs_completed = self._position = 0
        if fake_data:
            self.num_examples = 10000
            self.images, self.labels = images, labels
            return
        if images.shape[0] != labels.shape[0]:
            raise ValueError(f"images.shape: {images.shape} labels.shape: {labels.shape}")
        self.num_examples = images.shape[0]
        if reshape:
            images = images.reshape(self.num_examples, int(np.prod(images.shape[1:])))
        if kind == "float32":
            images = images.astype(np.float32) / np.float32(255.0)
        self.images, self.labels = images, labels

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """The next `batch_size` pictures and labels; a batch may go over the end of an epoch."""
        if fake_data or self._fake:
            label: Any = [1] + [0] * (NUM_CLASSES - 1) if self.one_hot else 0
            return [[1] * IMAGE_PIXELS] * batch_size, [label] * batch_size
        if self._position == 0 and self.epochs_completed == 0 and shuffle:
            self._shuffle()
        start, end = self._position, self._position + batch_size
        if end <= self.num_examples:
            self._position = end
            return self.images[start:end], self.labels[start:end]
        rest = self.images[start:], self.labels[start:]
        self.epochs_completed += 1
        if shuffle:
            self._shuffle()
        self._position = end - self.num_examples
        first = self.images[: self._position], self.labels[: self._position]
        return np.concatenate([rest[0], first[0]]), np.concatenate([rest[1], first[1]])

    def _shuffle(self) -> None:
        order = self._random.permutation(self.num_examples)
        self.images, self.labels = self.images[order], self.labels[order]


def _find(folder: str, name: str) -> str:
    """The path of one of the four files: compressed or not, and with either of the names that it goes by."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (f"{name}.gz", name, f"{dotted}.gz", dotted):
        path = os.path.join(folder, candidate)
        if os.path.exists(path):
            return path
    wanted = ", ".join(f"{each}.gz" for each in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS))
    raise errors.NotFoundError(
        None,
        None,
        f"{os.path.join(os.path.abspath(folder), name)}.gz is not there. Put the four files of MNIST ({wanted}; "
        f"unpacked files do as well) into {os.path.abspath(folder)}: they are not downloaded. They are at "
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = "float32",
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = "",
) -> Datasets:
    """The digits of MNIST.

    Args:
      train_dir: the directory with the four files.
      fake_data: made-up digits instead, for tests.
      one_hot: whether labels are rows with a one in the place of the class.
      dtype: uint8 as they are; float32 scaled to 0...1.
      reshape: whether each picture becomes a row of 784 pixels.
      validation_size: how many of the training digits are set aside.
      seed: for the same order each time.
      source_url: accepted: nothing is downloaded.

    Raises:
      NotFoundError: a file is not there; the message says where to put it.
      ValueError: `validation_size` is not between 0 and the number of training digits.
    """
    if fake_data:
        fake = DataSet(np.zeros([0]), np.zeros([0]), True, one_hot, dtype, seed=seed)
        return Datasets(fake, fake, fake)
    images, labels, test_images, test_labels = (
        read_idx(_find(train_dir, each)) for each in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    )
    if not 0 <= validation_size <= len(images):
        raise ValueError(
            f"Validation size should be between 0 and {len(images)}. Received: {validation_size}."
        )
    if one_hot:
        labels, test_labels = (dense_to_one_hot(each, NUM_CLASSES) for each in (labels, test_labels))

    def part(pictures: np.ndarray, classes: np.ndarray) -> DataSet:
        return DataSet(pictures[..., np.newaxis], classes, dtype=dtype, reshape=reshape, seed=seed)

    return Datasets(
        train=part(images[validation_size:], labels[validation_size:]),
        validation=part(images[:validation_size], labels[:validation_size]),
        test=part(test_images, test_labels),
    )


def load_mnist(train_dir: str = "MNIST-data") -> Datasets:
    """As `read_data_sets`."""
    return read_data_sets(train_dir)
