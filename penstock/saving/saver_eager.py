"""How a `Saver` writes and restores eager variables, without a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.io.tensor_slice import parse_shape_and_slice
from penstock.saving.checkpoint_v1 import open_checkpoint, write_checkpoint_v1
from penstock.saving.object_values import SavedTensor, check_dtype
from penstock.saving.object_writer import on_host, write_tensors
from penstock.saving.saveable_object import SaveableObject
from penstock.saving.saver_graph import V1
from penstock.types.tensors import EagerTensor


def write(path: str, saveables: Sequence[SaveableObject], version: int) -> None:
    """Writes a checkpoint of the format `version`."""
    specs = [spec for each in saveables for spec in each.specs]
    tensors = on_host([SavedTensor(spec.name, spec.slice_spec, spec.tensor) for spec in specs])
    if version != V1:
        write_tensors(path, tensors)
        return
    rows = []
    for each in tensors:
        whole = (each.value.shape, None)
        shape, piece = parse_shape_and_slice(each.slice_spec) if each.slice_spec else whole
        rows.append((each.key, shape, piece, each.value))
    write_checkpoint_v1(path, rows)


def restore(
    path: str, saveables: Sequence[SaveableObject], reshape: bool, keys: Mapping[str, str] | None = None
) -> None:
    """Restores a checkpoint.

    Args:
      path: its path.
      saveables: what gets the values.
      reshape: whether values of another shape are reshaped.
      keys: where the checkpoint has other names than the saveables.
    """
    with open_checkpoint(path) as reader:
        for each in saveables:
            values = []
            for spec in each.specs:
                key = (keys or {}).get(spec.name, spec.name)
                stored = reader.dtype(key)
                check_dtype(each.op, key, stored)
                if spec.slice_spec:
                    _, piece = parse_shape_and_slice(spec.slice_spec)
                    values.append(EagerTensor(reader.read_slice(key, piece), stored))
                else:
                    values.append(EagerTensor(reader.read(key), stored))
            each.restore(values, [each.op.shape] if reshape and len(values) == 1 else None)
