"""`compat.v1.train.init_from_checkpoint`: variables whose initial values come from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.variables.partitioned_variables import PartitionedVariable
from penstock.ops.variables.scope import default_variable_store
from penstock.saving.checkpoint_reader import CheckpointReader, load_checkpoint
from penstock.saving.saver_variables import name_of
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape


@export(v1=["train.init_from_checkpoint"])
def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Any) -> None:
    """Makes variables take their initial values from a checkpoint: in a graph, when they are initialized.

    Args:
      ckpt_dir_or_file: the path of a checkpoint, or a directory whose newest one it is.
      assignment_map: a dict, or pairs, from names in the checkpoint to variables:

        * `"scope_there/": "scope_here/"` takes all variables of a scope of this program; `"/"` is the outermost scope,
        * `"scope_there/name": "scope_here/name"` takes the variable of a name,
        * `"scope_there/name": variable`, or a list of the parts of a partitioned variable.

    Raises:
      ValueError: the checkpoint lacks a tensor, or its shape is another.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> tf1 = tf.compat.v1
      >>> path = tf1.train.Saver({"there/w": tf.Variable(3.0)}).save(None, os.path.join(tempfile.mkdtemp(), "model"))
      >>> with tf.Graph().as_default(), tf1.Session() as session:
      ...     with tf1.variable_scope("here"):
      ...         w = tf1.get_variable("w", [])
      ...     tf1.train.init_from_checkpoint(path, {"there/": "here/"})
      ...     session.run(tf1.global_variables_initializer())
      ...     session.run(w)
      np.float32(3.0)
    """
    reader = load_checkpoint(ckpt_dir_or_file)
    pairs = assignment_map.items() if isinstance(assignment_map, Mapping) else assignment_map
    for name, target in sorted(pairs, key=lambda pair: pair[0]):
        for tensor_name, parts in _resolved(name, target, reader, ckpt_dir_or_file):
            _check_shape(tensor_name, parts, reader)
            for variable in parts:
                initialize_from(variable, reader, tensor_name)


def _resolved(
    name: str, target: Any, reader: CheckpointReader, where: Any
) -> Iterable[tuple[str, list[Any]]]:
    """Pairs of a name in the checkpoint and the variable, in parts, that a pair of the map means."""
    parts = _parts(target) if not isinstance(target, str) else _variable_named(target)
    if parts is not None:
        if not reader.has_tensor(name):
            raise ValueError(f"Tensor {name} is not found in {where} checkpoint {_shapes(reader)}")
        return [(name, parts)]
    if not name.endswith("/"):
        raise ValueError(
            f"Assignment map with scope only name {name} should map to scope only {target}. Should be 'scope/': "
            "'other_scope/'."
        )
    scope = target.rpartition("/")[0]
    found = []
    for full_name in _names_in(scope):
        tensor_name = (name if name != "/" else "") + full_name.removeprefix(f"{scope}/" if scope else "")
        if not reader.has_tensor(tensor_name):
            raise ValueError(
                f"Tensor {tensor_name} ({full_name} in {target}) is not found in {where} checkpoint"
            )
        found.append((tensor_name, _variable_named(full_name) or []))
    return found


def _parts(target: Any) -> list[Any]:
    return [*target] if isinstance(target, (list, tuple, PartitionedVariable)) else [target]


def _variable_named(name: str) -> list[Any] | None:
    store = default_variable_store()
    if name in store.partitioned:
        return list(store.partitioned[name])
    found = store.variables.get(name)
    return None if found is None else [found]


def _names_in(scope: str) -> list[str]:
    """The names of the variables of a scope; a partitioned variable has one."""
    names = {
        name_of(each) if "/part_" in name else name
        for name, each in default_variable_store().variables.items()
    }
    return sorted(name for name in names if not scope or name.startswith(f"{scope}/"))


def _shapes(reader: CheckpointReader) -> dict[str, list[int]]:
    return reader.get_variable_to_shape_map()


def _check_shape(name: str, parts: list[Any], reader: CheckpointReader) -> None:
    part = getattr(parts[0], "_save_slice_info", None)
    shape = TensorShape(part.full_shape) if part is not None else parts[0].shape
    stored = reader._reader.shape(name)
    if not shape.is_compatible_with(stored):
        raise ValueError(
            f"Shape of variable {name_of(parts[0])} ({shape}) doesn't match with shape of tensor {name} ({list(stored)}) "
            "from checkpoint reader."
        )


def initialize_from(variable: Any, reader: CheckpointReader, name: str) -> None:
    """Makes a variable, or a part of one, take its initial value from a checkpoint.

    Raises:
      InvalidArgumentError: the dtype differs.
    """
    part = getattr(variable, "_save_slice_info", None)
    stored, dtype = reader._reader.dtype(name), variable.dtype.base_dtype
    if stored is not dtype:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"tensor_name = {name}; expected dtype {dtype.name} does not equal original dtype {stored.name}",
        )
    with context.building(variable.graph if variable._in_graph_mode else None):
        strings = [
            convert_to_tensor(each, dtypes.string)
            for each in (reader._reader.prefix, [name], [part.spec if part is not None else ""])
        ]
        (value,) = execute("RestoreV2", strings, {"dtypes": [dtype]}, "checkpoint_initializer")
        initialize_with(variable, value)


def initialize_with(variable: Any, value: Any) -> None:
    """Makes a tensor the initial value of a variable; an eager variable gets it at once."""
    if not variable._in_graph_mode:
        variable.assign(value)
        return
    value.set_shape(variable.shape)
    variable._initial_value = value
    variable._initializer_op = variable.assign(value, read_value=False)
