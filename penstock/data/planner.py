"""The planner: arranges the nodes of a pipeline so that it runs faster and gives the same elements, order and errors.

It is a table of rules on small pieces of the tree, applied from the sources up until none fits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.data.batching import Batch
from penstock.data.buffering import Prefetch
from penstock.data.dataset import AUTOTUNE, Dataset
from penstock.data.fusion import fuse_map_and_filter, fuse_maps
from penstock.data.late_images import images_in_batches
from penstock.data.ordering import Repeat, Shard, Skip, Take, WithOptions
from penstock.data.per_element import Map
from penstock.data.planned_nodes import BatchedMap, BatchedRows, Indices, Rows
from penstock.data.shuffling import Shuffle
from penstock.data.sources import Slices
from penstock.data.vectorize import vectorized
from penstock.engine.context import process
from penstock.types.tensors import SymbolicTensor

# Nodes that never look into an element.
_ORDER = (Repeat, Shard, Shuffle, Skip, Take)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rearrangement.

    Attributes:
      name: for people. reason: one line. apply: node (whose inputs are planned) -> what stands for it, or None.
      option: the one of `OptimizationOptions` that turns it off.
    """

    name: str
    reason: str
    apply: Callable[[Any], Dataset | None]
    option: str = ""


def _with_input(node: Any, source: Dataset) -> Any:
    """The same transformation of another input; what the node keeps between iterations stays shared."""
    other = copy.copy(node)
    other._parents = (source, *node._parents[1:])
    return other


def _options_last(node: Any) -> Dataset | None:
    return node._parents[0] if isinstance(node, WithOptions) else None


def _table_as_indices(node: Any) -> Dataset | None:
    if not isinstance(node, Slices) or not node._plain or node._count < 0:
        return None
    if any(isinstance(each, SymbolicTensor) for each in node._columns):
        return None
    return Rows(node, Indices(node._count))


def _order_of_indices(node: Any) -> Dataset | None:
    if not isinstance(node, _ORDER) or not isinstance(node._parents[0], Rows):
        return None
    rows = node._parents[0]
    return _with_input(rows, _with_input(node, rows._parents[0]))


def _gather_batches(node: Any) -> Dataset | None:
    if (
        type(node) is not Batch
        or not isinstance(node._parents[0], Rows)
        or not isinstance(node._batch_size, int)
    ):
        return None
    return BatchedRows(node, node._parents[0])


def _map_of_batches(node: Any) -> Dataset | None:
    if type(node) is not Batch or type(node._parents[0]) is not Map or not isinstance(node._batch_size, int):
        return None
    mapping = node._parents[0]
    if mapping._ordered is False or not node._plain:
        return None
    source = mapping._parents[0]
    shapes = [each.shape for each in source._layout.flat_specs]
    if not shapes or not all(each.is_fully_defined() for each in shapes) or not source._layout._simple:
        return None
    graph = vectorized(mapping._function, shapes)
    if graph is None:
        return None
    inner = _plan_node(Batch(source, node._batch_size, False))
    return BatchedMap(node, inner, mapping._function, graph)


RULES = (
    Rule("options", "options were read while the pipeline was made", _options_last, "noop_elimination"),
    Rule("table as indices", "rows that are in memory need no copying to be put in order", _table_as_indices),
    Rule(
        "order of indices",
        "shuffle, repeat, take, skip, shard never look at elements",
        _order_of_indices,
        "shuffle_and_repeat_fusion",
    ),
    Rule("gather batches", "one gather for a batch instead of a copy for each row", _gather_batches),
    Rule("maps as one", "one call for an element instead of two", fuse_maps, "map_fusion"),
    Rule(
        "map and filter as one",
        "one call for an element instead of two",
        fuse_map_and_filter,
        "map_and_filter_fusion",
    ),
    Rule(
        "map of batches",
        "one call for a batch instead of one for each element",
        _map_of_batches,
        "map_and_batch_fusion",
    ),
    Rule(
        "images in batches",
        "images are decoded in their places in a batch, and a shuffle before it holds JPEGs",
        images_in_batches,
        "map_and_batch_fusion",
    ),
)


_AS_IT_IS = object()  # a plan: what refers to itself stays in memory until the garbage collector comes


def planned(dataset: Any) -> Any:
    """A pipeline that gives the same elements; made once for each dataset.

    A dataset whose options say `experimental_optimization.apply_default_optimizations = False` stays as it is.
    """
    wanted = dataset._options.experimental_optimization
    if wanted.apply_default_optimizations is False:
        return dataset
    if process.registry.get("data_debug_mode"):
        return dataset
    known = dataset.__dict__.get("_plan")
    if known is None:
        rules = tuple(each for each in RULES if getattr(wanted, each.option or "-", None) is not False)
        if wanted.map_parallelization:
            rules = (Rule("maps in parallel", "an option asks for it", _in_parallel), *rules)
        known = _plan(dataset, rules)
        if wanted.inject_prefetch and not isinstance(known, Prefetch):
            known = Prefetch(known, AUTOTUNE)
        dataset._plan = _AS_IT_IS if known is dataset else known
    return dataset if known is _AS_IT_IS else known


def _in_parallel(node: Any) -> Dataset | None:
    if type(node) is not Map or node._parallel is not None:
        return None
    if any(each.definition.stateful for each in node._function.graph.get_operations()):
        return None
    other = copy.copy(node)
    other._parallel = AUTOTUNE
    return other


def _plan(node: Any, rules: tuple[Rule, ...] = RULES) -> Any:
    parents = tuple(_plan(each, rules) for each in node._parents)
    if any(new is not old for new, old in zip(parents, node._parents)):
        node = copy.copy(node)
        node._parents = parents
    return _plan_node(node, rules)


def _plan_node(node: Any, rules: tuple[Rule, ...] = RULES) -> Any:
    for rule in rules:
        found = rule.apply(node)
        if found is not None:
            return _plan_node(found, rules)
    return node
