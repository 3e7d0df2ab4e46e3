"""Saving tensors with layouts: whole values in TensorFlow's files, put back where their layouts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.distribute.layout import Mesh
from penstock.dtensor.placement import fetch_layout, relayout
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.variables.variable import Variable
from penstock.saving.checkpoint import Checkpoint


@export("experimental.dtensor.DTensorCheckpoint", v1=[])
class DTensorCheckpoint(Checkpoint):
    """`tf.train.Checkpoint`, which saves and restores variables with layouts too.

    Args:
      mesh: kept for TensorFlow's signature; each variable knows its own.
      root, **kwargs: as those of `tf.train.Checkpoint`.
    """

    def __init__(self, mesh: Mesh, root: Any = None, **kwargs: Any):
        super().__init__(root, **kwargs)
        self._mesh = mesh


@export("experimental.dtensor.sharded_save", v1=[])
def sharded_save(
    mesh: Mesh, file_prefix: Any, tensor_names: Any, shape_and_slices: Any, tensors: Sequence[Any]
) -> None:
    """Saves tensors and variables with layouts in a checkpoint of TensorFlow's format.

    Args:
      mesh: their mesh.
      file_prefix: the name of the checkpoint.
      tensor_names: a name for each tensor.
      shape_and_slices: "" for each: whole tensors.
      tensors: the tensors.

    Raises:
      ValueError: there are not as many names as tensors.
    """
    names, slices = _strings(tensor_names), _strings(shape_and_slices)
    if not len(names) == len(slices) == len(tensors):
        raise ValueError(
            f"sharded_save: {len(names)} names and {len(slices)} slices for {len(tensors)} tensors"
        )
    values = [convert_to_tensor(np.asarray(_value(each).numpy())) for each in tensors]
    inputs = (convert_to_tensor(file_prefix), convert_to_tensor(names), convert_to_tensor(slices), values)
    execute("SaveV2", inputs)


def _strings(given: Any) -> list[Any]:
    return list(np.ravel(convert_to_tensor(given).numpy())) if len(np.shape(given)) else [given]


def _value(each: Any) -> Any:
    return each.read_value() if isinstance(each, Variable) else convert_to_tensor(each)


@export("experimental.dtensor.name_based_save", v1=[])
def name_based_save(mesh: Mesh, checkpoint_prefix: Any, name_tensor_dict: Mapping[str, Any]) -> None:
    """Saves tensors and variables by name.

    Raises:
      ValueError: there are none.
    """
    if not name_tensor_dict:
        raise ValueError("name_based_save: there is nothing to save")
    names = list(name_tensor_dict)
    sharded_save(mesh, checkpoint_prefix, names, [""] * len(names), list(name_tensor_dict.values()))


@export("experimental.dtensor.name_based_restore", v1=[])
def name_based_restore(
    mesh: Mesh, checkpoint_prefix: str, name_tensor_dict: Mapping[str, Any]
) -> dict[str, Any]:
    """The tensors of a checkpoint by name, with the layouts of those that are given.

    Args:
      mesh: their mesh.
      checkpoint_prefix: what `name_based_save` was given.
      name_tensor_dict: name -> a tensor or variable with the layout and dtype that the restored one gets.

    Raises:
      ValueError: no name is given.
      NotFoundError: the checkpoint has no tensor of a name.
    """
    if not name_tensor_dict:
        raise ValueError("name_based_restore: there is nothing to restore")
    names = list(name_tensor_dict)
    like = list(name_tensor_dict.values())
    inputs = (
        convert_to_tensor(checkpoint_prefix),
        convert_to_tensor(names),
        convert_to_tensor([""] * len(names)),
    )
    found = execute("RestoreV2", inputs, {"dtypes": [each.dtype for each in like]})
    return {name: relayout(value, fetch_layout(each)) for name, value, each in zip(names, found, like)}
