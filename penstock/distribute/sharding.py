"""Which part of a dataset a worker reads: `tf.data.experimental.AutoShardPolicy` on the nodes of a pipeline."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.interleaving import FlatMap, Interleave
from penstock.data.options import AutoShardPolicy
from penstock.data.ordering import SHARD_HINT, Shard
from penstock.data.readers import Files
from penstock.data.shuffling import Shuffle
from penstock.types import errors


def policy_of(dataset: Dataset, workers: int) -> AutoShardPolicy:
    """The policy that the options of a dataset ask for; AUTO becomes FILE where there are files enough, else DATA."""
    policy = AutoShardPolicy(dataset.options().experimental_distribute.auto_shard_policy or 0)
    if policy is not AutoShardPolicy.AUTO:
        return policy
    sources = _file_names(dataset)
    enough = bool(sources) and all(_has_at_least(each, workers) for each in sources)
    return AutoShardPolicy.FILE if enough else AutoShardPolicy.DATA


def shard_files(dataset: Dataset, workers: int, index: int) -> Dataset:
    """The dataset with every `workers`-th file from `index` on.

    Raises:
      NotFoundError: it reads no files. InvalidArgumentError: there are fewer files than workers.
    """
    sources = _file_names(dataset)
    if not sources:
        raise errors.NotFoundError(
            None, None, "Found an unshardable source dataset: AutoShardPolicy.FILE needs a dataset of files. Choose DATA or "
            "OFF with options.experimental_distribute.auto_shard_policy.",
        )  # fmt: skip
    for each in sources:
        if not _has_at_least(each, workers):
            raise errors.InvalidArgumentError(
                None, None, f"The dataset reads fewer files than there are workers ({workers}), which each need one: consider "
                "the auto sharding policy DATA or OFF.",
            )  # fmt: skip
    places = {id(each) for each in sources}
    return _replaced(
        dataset, lambda node: _sharded_names(node, workers, index) if id(node) in places else None
    )


def shard_hinted(dataset: Dataset, workers: int, index: int) -> Dataset:
    """The dataset with `shard(SHARD_HINT, SHARD_HINT)` filled in."""

    def fill(node: Dataset) -> Dataset | None:
        if isinstance(node, Shard) and node._shards == SHARD_HINT:
            return Shard(node._parents[0], workers, index)
        return None

    return _replaced(dataset, fill)


def _file_names(dataset: Dataset) -> list[Dataset]:
    """The datasets of file names that a pipeline starts from."""
    found: dict[int, Dataset] = {}

    def look(node: Dataset) -> None:
        if isinstance(node, Files):
            found[id(node._parents[0])] = node._parents[0]
        elif isinstance(node, (Interleave, FlatMap)) and _reads_files(node._function.result):
            found[id(node._parents[0])] = node._parents[0]
        else:
            for each in node._parents:
                look(each)

    look(dataset)
    return list(found.values())


def _reads_files(made: Any) -> bool:
    return isinstance(made, Files) or any(_reads_files(each) for each in getattr(made, "_parents", ()))


def _has_at_least(names: Dataset, count: int) -> bool:
    return len(list(itertools.islice(iter(names), count))) == count


def _sharded_names(names: Dataset, workers: int, index: int) -> Dataset:
    """File names are divided before they are shuffled, so that no two workers read the same."""
    if isinstance(names, Shuffle):
        other = copy.copy(names)
        other._parents = (_sharded_names(names._parents[0], workers, index),)
        return other
    return Shard(names, workers, index)


def _replaced(node: Dataset, replace: Any) -> Dataset:
    """The pipeline with each node for which `replace(node)` gives another one replaced by that."""
    found = replace(node)
    if found is not None:
        return found
    parents = tuple(_replaced(each, replace) for each in node._parents)
    if all(new is old for new, old in zip(parents, node._parents)):
        return node
    other = copy.copy(node)
    other._parents = parents
    other.__dict__.pop("_plan", None)
    return other
