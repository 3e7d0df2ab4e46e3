"""`compat.v1.train.warm_start`: variables that begin with the values of an earlier model, also with another vocabulary."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.io.filesystem import open_to_read, os_errors
from penstock.ops.variables.variable_initializers import global_variables, trainable_variables
from penstock.saving.checkpoint_reader import CheckpointReader, load_checkpoint
from penstock.saving.init_from_checkpoint import init_from_checkpoint, initialize_with
from penstock.saving.saver_variables import name_of


@export(v1=["train.VocabInfo"])
class VocabInfo(NamedTuple):
    """How the rows or columns of a variable follow from those of an earlier model, by their words.

    Attributes:
      new_vocab, old_vocab: text files with a word in each line.
      new_vocab_size, old_vocab_size: how many of the lines count; -1 for all of the old ones.
      num_oov_buckets: how many rows (columns) follow those of the words.
      backup_initializer: gives the values of words that are new; zeros by default.
      axis: 0 where rows are words, 1 where columns are.
    """

    new_vocab: Any
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: Any
    old_vocab_size: int = -1
    backup_initializer: Callable | None = None
    axis: int = 0


@export(v1=["train.warm_start"])
def warm_start(
    ckpt_to_initialize_from: Any,
    vars_to_warm_start: Any = ".*",
    var_name_to_vocab_info: Mapping[str, VocabInfo] | None = None,
    var_name_to_prev_var_name: Mapping[str, str] | None = None,
) -> None:
    """Makes variables take their initial values from a checkpoint of an earlier model.

    Args:
      ckpt_to_initialize_from: the path of a checkpoint, or a directory whose newest one it is.
      vars_to_warm_start: a regular expression of the names of trainable variables; or a list of those for all
        variables, or of variables; None for those in `var_name_to_vocab_info` only.
      var_name_to_vocab_info: a `VocabInfo` for variables whose vocabulary is another.
      var_name_to_prev_var_name: the name in the checkpoint where it is another.

    Raises:
      ValueError: the checkpoint lacks a variable, or a name in one of the dicts is not used.
    """
    vocabularies, earlier = dict(var_name_to_vocab_info or {}), dict(var_name_to_prev_var_name or {})
    plain: dict[str, Any] = {}
    reader = load_checkpoint(ckpt_to_initialize_from)
    unused = {*vocabularies, *earlier}
    for name, parts in _chosen(vars_to_warm_start).items():
        stored_name = earlier.get(name, name)
        if name in vocabularies:
            _remap(parts, reader, stored_name, vocabularies[name])
        elif vars_to_warm_start is not None:
            plain[stored_name] = parts
        else:
            continue
        unused.discard(name)
    if unused:
        raise ValueError(f"These names of variables to warm-start are not used: {sorted(unused)}")
    init_from_checkpoint(ckpt_to_initialize_from, plain)


def _chosen(wanted: Any) -> dict[str, list[Any]]:
    """Name -> the parts of each variable that is asked for."""
    if wanted is None or isinstance(wanted, str):
        found = [each for each in trainable_variables() if re.match(wanted or ".*", each.name)]
    elif all(isinstance(each, str) for each in wanted):
        found = [each for pattern in wanted for each in global_variables() if re.match(pattern, each.name)]
    elif all(hasattr(each, "_shared_name") for each in wanted):
        found = list(wanted)
    else:
        raise ValueError(
            "If `vars_to_warm_start` is a list, it must be all `Variable` or all `str`. "
            f"Given types are {sorted({type(each).__name__ for each in wanted})}"
        )
    named: dict[str, list[Any]] = {}
    for variable in found:
        parts = named.setdefault(name_of(variable), [])
        if all(variable is not each for each in parts):
            parts.append(variable)
    return named


def _words(path: Any, count: int) -> list[str]:
    with os_errors(path), open_to_read(path) as file:
        lines = file.read().decode("utf-8").splitlines()
    if count > len(lines):
        raise ValueError(f"{path} has {len(lines)} words, and {count} are asked for")
    return lines if count < 0 else lines[:count]


def _remap(parts: list[Any], reader: CheckpointReader, name: str, info: VocabInfo) -> None:
    """Takes the rows (columns) of words that the earlier model knew, and new values for the others."""
    if not reader.has_tensor(name):
        raise ValueError(f"Tensor {name} is not found in the checkpoint")
    places = {word: place for place, word in enumerate(_words(info.old_vocab, info.old_vocab_size))}
    rows = [places.get(word) for word in _words(info.new_vocab, info.new_vocab_size)]
    rows += [None] * info.num_oov_buckets
    old = np.moveaxis(np.atleast_2d(reader.get_tensor(name)), info.axis, 0)
    shape = _whole_shape(parts)
    known = np.array([row is not None for row in rows])
    if shape[info.axis] != len(rows):
        raise ValueError(
            f"{name_of(parts[0])} has {shape[info.axis]} entries along axis {info.axis}, and its vocabulary {len(rows)}"
        )
    for variable in parts:
        with context.building(variable.graph if variable._in_graph_mode else None):
            initialize_with(variable, _mixed(variable, shape, info, known, rows, old))


def _whole_shape(parts: list[Any]) -> list[int]:
    part = getattr(parts[0], "_save_slice_info", None)
    return list(part.full_shape) if part is not None else parts[0].shape.as_list()


def _mixed(
    variable: Any,
    shape: list[int],
    info: VocabInfo,
    known: np.ndarray,
    rows: list[int | None],
    old: np.ndarray,
) -> Any:
    """The value of a variable, or a part of one: old entries where the word is known, else new ones."""
    from penstock.ops.selection import where

    whole = np.zeros([len(rows), *np.delete(shape, info.axis)], old.dtype)
    whole[known] = old[[row for row in rows if row is not None]]
    whole = np.moveaxis(whole, 0, info.axis)
    mask = known.reshape([-1 if axis == info.axis else 1 for axis in range(len(shape))])
    mask = np.broadcast_to(mask, shape)
    part = getattr(variable, "_save_slice_info", None)
    if part is not None:
        index = tuple(slice(start, start + size) for start, size in zip(part.var_offset, part.var_shape))
        whole, mask = whole[index], mask[index]
    kept = convert_to_tensor(whole, variable.dtype.base_dtype)
    if info.backup_initializer is None:
        return kept
    fresh = info.backup_initializer(whole.shape, dtype=variable.dtype.base_dtype)
    return where(convert_to_tensor(mask), kept, fresh)
