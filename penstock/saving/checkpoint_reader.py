"""Looking into checkpoints: `tf.train.load_checkpoint`, `load_variable`, `list_variables`."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.io.filesystem import files_of
from penstock.saving.checkpoint_state import latest_checkpoint
from penstock.saving.checkpoint_v1 import open_checkpoint
from penstock.types.dtypes import DType


def numpy_value(array: np.ndarray) -> Any:
    """A value as TensorFlow's reader gives it: a string scalar is `bytes`, a number a NumPy scalar."""
    return array[()] if array.ndim == 0 else array


class CheckpointReader:
    """What `tf.train.load_checkpoint` returns: the tensors of one checkpoint, each read when it is asked for."""

    def __init__(self, prefix: Any):
        self._reader = open_checkpoint(prefix)

    def get_tensor(self, tensor_str: str) -> Any:
        """The value of a tensor as a NumPy array.

        Raises:
          NotFoundError: the checkpoint has none of that name.
          DataLossError: it is damaged.
        """
        return numpy_value(self._reader.read(tensor_str))

    def has_tensor(self, tensor_str: str) -> bool:
        """Whether the checkpoint has a tensor."""
        return tensor_str in self._reader

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Name -> shape."""
        return {name: list(self._reader.shape(name)) for name in self._reader.names()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Name -> dtype."""
        return {name: self._reader.dtype(name) for name in self._reader.names()}

    def debug_string(self) -> bytes:
        """One line for each tensor: name, dtype and shape."""
        rows = (
            f"{name} ({_enum_name(self._reader.dtype(name))}) [{','.join(map(str, self._reader.shape(name)))}]\n"
            for name in self._reader.names()
        )
        return "".join(rows).encode()


def _enum_name(dtype: DType) -> str:
    from tensorboard.compat.proto import types_pb2

    return types_pb2.DataType.Name(dtype.as_datatype_enum)


@export(v1=["train.NewCheckpointReader"])
def new_checkpoint_reader(filepattern: Any) -> CheckpointReader:
    """Opens a checkpoint by its prefix.

    Raises:
      NotFoundError: there is none.
    """
    return CheckpointReader(filepattern)


@export("train.load_checkpoint")
def load_checkpoint(ckpt_dir_or_file: Any) -> CheckpointReader:
    """Opens a checkpoint by its prefix, or the newest one of a directory.

    Returns:
      A reader with `get_tensor(name)`, `has_tensor(name)`, `get_variable_to_shape_map()` and
      `get_variable_to_dtype_map()`.

    Raises:
      NotFoundError: there is none.
      ValueError: the directory has no checkpoint.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(os.path.join(tempfile.mkdtemp(), "model"))
      >>> tf.train.load_checkpoint(path).get_tensor("v/.ATTRIBUTES/VARIABLE_VALUE")
      array([1., 2.], dtype=float32)
    """
    files, path = files_of(ckpt_dir_or_file)
    if files.isdir(path):
        found = latest_checkpoint(path)
        if found is None:
            raise ValueError(
                f"Couldn't find 'checkpoint' file or checkpoints in given directory {ckpt_dir_or_file}"
            )
        path = found
    return CheckpointReader(path)


@export("train.load_variable")
def load_variable(ckpt_dir_or_file: Any, name: str) -> Any:
    """The value of one tensor of a checkpoint; `name` may end with `:0`.

    Raises:
      NotFoundError: there is no such checkpoint or tensor.
    """
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


@export("train.list_variables")
def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """(name, shape) of every tensor of a checkpoint, sorted by name."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())
