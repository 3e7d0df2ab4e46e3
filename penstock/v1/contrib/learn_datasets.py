"""`contrib.learn.datasets`: tables of numbers in CSV files, and the digits of MNIST."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.export import export, export_on_demand
from penstock.v1.api import tf

_HOMES = (
    "learn.datasets",
    "learn.datasets.base",
    "learn.python.learn.datasets",
    "learn.python.learn.datasets.base",
)


def _names(name: str) -> list[str]:
    return [f"contrib.{home}.{name}" for home in _HOMES]


@export(v1=_names("Dataset"))
class Dataset(NamedTuple):
    """Examples and their targets."""

    data: Any
    target: Any


@export(v1=_names("Datasets"))
class Datasets(NamedTuple):
    """Examples for training, validation and test."""

    train: Any
    validation: Any
    test: Any


@export(v1=_names("load_csv_with_header"))
def load_csv_with_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """The rows of a CSV file, whose first row says how many rows and features there are.

    Args:
      filename: the file.
      target_dtype, features_dtype: dtypes of the two arrays, NumPy's or TensorFlow's.
      target_column: which column is the target.

    Raises:
      ValueError: a row has another number of features, or there are fewer rows.
    """
    with tf.gfile.Open(filename) as file:
        header, *rows = [row for row in csv.reader(file) if row]
    examples, features = int(header[0]), int(header[1])
    if len(rows) < examples:
        raise ValueError(f"{filename}: its first row says {examples} rows, there are {len(rows)}")
    found = _split(rows[:examples], target_dtype, features_dtype, target_column)
    if found.data.shape != (examples, features):
        raise ValueError(
            f"{filename}: its first row says {features} features, the others have {found.data.shape[1]}"
        )
    return found


@export(v1=_names("load_csv_without_header"))
def load_csv_without_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """The rows of a CSV file; see `load_csv_with_header`."""
    with tf.gfile.Open(filename) as file:
        rows = [row for row in csv.reader(file) if row]
    return _split(rows, target_dtype, features_dtype, target_column)


def _split(rows: list[list[str]], target_dtype: Any, features_dtype: Any, target_column: int) -> Dataset:
    targets = [row.pop(target_column) for row in rows]
    kinds = [getattr(each, "as_numpy_dtype", each) for each in (features_dtype, target_dtype)]
    return Dataset(data=np.array(rows).astype(kinds[0]), target=np.array(targets).astype(kinds[1]))


@export(v1=_names("load_iris"))
def load_iris(data_path: str | None = None) -> Dataset:
    """Fisher's irises (1936): 150 rows of four lengths in cm, and which of three kinds it is.

    Args:
      data_path: a CSV file instead of the one that comes with Penstock; see `load_csv_with_header`.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.contrib.learn.datasets.load_iris().data.shape
      (150, 4)
    """
    path = data_path or str(Path(__file__).with_name("iris.csv"))
    return load_csv_with_header(path, np.int64, np.float64)


@export(v1=_names("load_dataset"))
def load_dataset(name: str, size: str = "small", test_with_fake_data: bool = False) -> Any:
    """A set of data by its name: "iris", or "mnist" from its files in the directory MNIST-data.

    Args:
      name: which.
      size, test_with_fake_data: of TensorFlow's other sets.

    Raises:
      ValueError: another name: the other sets would have to be downloaded.
    """
    if name == "iris":
        return load_iris()
    if name == "mnist":
        return _mnist("load_mnist")()()
    raise ValueError(f"load_dataset: {name!r} is not here; 'iris' and 'mnist' are, and nothing is downloaded")


def _mnist(name: str) -> Any:
    def find() -> Any:
        from penstock.standin import mnist

        return getattr(mnist, name)

    return find


for _name in (
    "DataSet",
    "dense_to_one_hot",
    "extract_images",
    "extract_labels",
    "load_mnist",
    "read_data_sets",
):
    export_on_demand(
        v1=[f"contrib.{home}.mnist.{_name}" for home in ("learn.datasets", "learn.python.learn.datasets")]
    )(_mnist(_name))
