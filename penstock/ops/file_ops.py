"""Files as ops: `tf.io.read_file`, `tf.io.write_file`, `tf.io.matching_files`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import no_outputs, scalar
from penstock.ops import gfile
from penstock.ops.strings.kernels import as_array, string_array
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _scalar(value: Any, what: str) -> Any:
    array = as_array(value)
    if array.ndim:
        raise ValueError(f"Input {what} tensor must be scalar, but had shape: {list(array.shape)}")
    return array[()]


def _read(filename: Any) -> bytes:
    path = _scalar(filename, "filename")
    with gfile.GFile(path, "rb") as file:
        return file.read()


def _write(filename: Any, contents: Any) -> tuple:
    path = _scalar(filename, "filename").decode()
    directory = os.path.dirname(path)
    if directory:
        gfile.makedirs(directory)
    with gfile.replacing(path) as file:
        file.write(_scalar(contents, "contents"))
    return ()


def _matching(pattern: Any) -> np.ndarray:
    patterns = as_array(pattern)
    if patterns.ndim > 1:
        raise ValueError(
            f"Input patterns tensor must be scalar or vector, but had shape: {list(patterns.shape)}"
        )
    found = gfile.matching([each.decode() for each in patterns.reshape(-1)])
    return string_array((path.encode() for path in found), (len(found),))


op("ReadFile(filename: string) -> contents: string", numpy=_read, shape=scalar, gradient=stops, stateful=True)
op("WriteFile(filename: string, contents: string) -> ()", numpy=_write, shape=no_outputs, stateful=True)
op(
    "MatchingFiles(pattern: string) -> filenames: string",
    numpy=_matching,
    shape=lambda call: TensorShape([None]),
    gradient=stops,
    stateful=True,
)


@export("io.read_file", v1=["io.read_file", "read_file"])
def read_file(filename: Any, name: str | None = None) -> Tensor:
    """The contents of a file as a string scalar.

    Raises:
      NotFoundError: there is no such file.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
      >>> tf.io.write_file(path, "text")
      >>> tf.io.read_file(path).numpy()
      b'text'
    """
    return execute("ReadFile", (convert_to_tensor(filename, dtypes.string),), None, name)


@export("io.write_file", v1=["io.write_file", "write_file"])
def write_file(filename: Any, contents: Any, name: str | None = None) -> Any:
    """Writes a string scalar to a file, which appears at once; its directories are made.

    Returns:
      In a graph the `Operation`; None when run eagerly.
    """
    tensors = (convert_to_tensor(filename, dtypes.string), convert_to_tensor(contents, dtypes.string))
    return execute("WriteFile", tensors, None, name)


@export("io.matching_files", v1=["io.matching_files", "matching_files"])
def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The paths that match a pattern, or one of a vector of patterns (`*`, `?`, `[...]`), sorted."""
    return execute("MatchingFiles", (convert_to_tensor(pattern, dtypes.string),), None, name)
