"""The nodes that a `Saver` adds to a graph: one that saves, one that restores, and the path that is fed to both.

Their names and kinds are those that TensorFlow gives them, so that MetaGraphs with savers interchange.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.saving.saveable_object import SaveableObject
from penstock.types import dtypes
from penstock.types.shapes import TensorShape

V1, V2 = 1, 2


class SaverNodes(NamedTuple):
    """The names of the nodes, as a SaverDef has them."""

    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str


def build(
    saveables: Sequence[SaveableObject],
    name: str | None,
    filename: str | None,
    sharded: bool,
    reshape: bool,
    version: int,
    graph: Any,
) -> SaverNodes:
    """Adds the nodes to a graph."""
    with graph.name_scope(name or "save"):
        path = execute(
            "PlaceholderWithDefault", (_strings(filename or "model", "filename/input"),), {"shape": TensorShape([])}, "filename"
        )  # fmt: skip
        path = execute("PlaceholderWithDefault", (path,), {"shape": TensorShape([])}, "Const")
        groups = _by_device(saveables) if sharded else [list(saveables)]
        if not sharded or version == V1:
            saved = _save(path, [each for group in groups for each in group], version)
            with graph.control_dependencies([saved]):
                done = execute("Identity", (path,), None, "control_dependency")
        else:
            done = _save_sharded(path, groups)
        restored = [operation for group in groups for operation in _restore(path, group, reshape)]
        with graph.control_dependencies(restored):
            restore = execute("NoOp", (), None, "restore_all")
    return SaverNodes(path.name, done.name, restore.name)


def _strings(value: Any, name: str | None = None) -> Any:
    return convert_to_tensor(value, dtypes.string, name=name)


def _by_device(saveables: Sequence[SaveableObject]) -> list[list[SaveableObject]]:
    groups: dict[str, list[SaveableObject]] = {}
    for each in saveables:
        groups.setdefault(getattr(each.op, "device", None) or "", []).append(each)
    return [groups[device] for device in sorted(groups)]


def _names_and_slices(saveables: Sequence[SaveableObject]) -> tuple[Any, Any]:
    specs = [spec for each in saveables for spec in each.specs]
    names = np.array([spec.name.encode() for spec in specs], object)
    slices = np.array([spec.slice_spec.encode() for spec in specs], object)
    return names, slices


def _save(path: Any, saveables: Sequence[SaveableObject], version: int) -> Any:
    op_type = "SaveSlices" if version == V1 else "SaveV2"
    names, slices = _names_and_slices(saveables)
    tensors = [convert_to_tensor(spec.tensor) for each in saveables for spec in each.specs]
    inputs = (
        path,
        _strings(names, f"{op_type}/tensor_names"),
        _strings(slices, f"{op_type}/shape_and_slices"),
        tensors,
    )
    return execute(op_type, inputs, None, op_type)


def _save_sharded(path: Any, groups: Sequence[Sequence[SaveableObject]]) -> Any:
    """One part for each device, in a folder of their own; then they become one checkpoint."""
    graph = thread.graph
    folder = _strings(f"_temp_{uuid.uuid4().hex}/part")
    prefix = execute("StringJoin", ([path, folder],), {"separator": ""})
    count = convert_to_tensor(np.int32(len(groups)), name="num_shards")
    shards, saved = [], []
    for number, group in enumerate(groups):
        shard = convert_to_tensor(np.int32(number), name="ShardedFilename/shard")
        shards.append(execute("ShardedFilename", (prefix, shard, count)))
        saved.append(_save(shards[-1], group, V2))
    with graph.control_dependencies(saved):
        prefixes = execute("Pack", (shards,), {"axis": 0}, "MergeV2Checkpoints/checkpoint_prefixes")
        merged = execute("MergeV2Checkpoints", (prefixes, path), {"delete_old_dirs": True})
    with graph.control_dependencies([merged, *saved]):
        return execute("Identity", (path,))


def _restore(path: Any, saveables: Sequence[SaveableObject], reshape: bool) -> list[Any]:
    """The operations that assign the restored values."""
    names, slices = _names_and_slices(saveables)
    wanted = [spec.dtype.base_dtype for each in saveables for spec in each.specs]
    inputs = (path, _strings(names, "RestoreV2/tensor_names"), _strings(slices, "RestoreV2/shape_and_slices"))
    values = iter(execute("RestoreV2", inputs, {"dtypes": wanted}, "RestoreV2"))
    operations = []
    for each in saveables:
        mine = [next(values) for _ in each.specs]
        shape = getattr(each.op, "shape", None)
        known = isinstance(shape, TensorShape) and shape.is_fully_defined()
        if known and len(mine) == 1:
            if reshape:
                dims = convert_to_tensor(np.array(shape.as_list(), np.int32))
                mine = [execute("Reshape", (mine[0], dims))]
            else:
                mine = [execute("EnsureShape", (mine[0],), {"shape": shape})]
        done = each.restore(mine, None)
        operations.append(getattr(done, "op", done))
    return operations


def restored_tensors(graph: Any, restore_op_name: str) -> dict[str, Any]:
    """Name in the checkpoint -> the tensor that reads it, for all that a restore operation assigns."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    waiting = [graph.get_operation_by_name(restore_op_name)]
    while waiting:
        operation = waiting.pop()
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if operation.type == "RestoreV2":
            names = operation.inputs[1].op.get_attr("value")
            found |= {name.decode(): tensor for name, tensor in zip(_constant(names), operation.outputs)}
            continue
        waiting += operation.control_inputs
        waiting += [tensor.op for tensor in operation.inputs]
    return found


def _constant(value: Any) -> list[bytes]:
    """The strings of a Const node."""
    if hasattr(value, "string_val"):
        return list(value.string_val)
    return list(np.asarray(value, object).reshape(-1))
