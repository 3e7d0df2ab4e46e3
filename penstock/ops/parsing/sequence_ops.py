"""The ops that parse serialized SequenceExamples: ParseSequenceExample, ParseSequenceExampleV2, ParseSingleSequenceExample.

`penstock.io.sequence_batches` does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import ShapeCall
from penstock.io.example_batches import Dense, Wanted
from penstock.io.sequence_batches import ParsedLists, parse_sequence_examples
from penstock.ops.parsing.ops import (
    checked_dtypes,
    dense_features,
    feature_shapes,
    keys_of,
    listed_features,
    outputs_of,
    prefix_of,
    same_length,
    strings_and_names,
)
from penstock.ops.strings.kernels import as_array
from penstock.types.shapes import TensorShape


def _dense_lists(keys: Any, types: Sequence[Any], shapes: Sequence[Any]) -> list[Dense]:
    names, kinds = keys_of(keys), checked_dtypes(types, "feature_list_dense_types")
    same_length(names, kinds, "feature_list_dense_types")
    same_length(names, shapes, "feature_list_dense_shapes")
    found = []
    for name, kind, shape in zip(names, kinds, map(TensorShape, shapes)):
        if not shape.is_fully_defined():
            raise ValueError(
                f"the shape of feature list {name.decode('utf-8', 'replace')} is not known: {shape}"
            )
        found.append(Dense(name, kind, tuple(shape.as_list()), None))
    return found


def _outputs(parsed: Any, lists: ParsedLists, single: bool, lengths: bool) -> list[np.ndarray]:
    """The arrays in the order of the outputs; for a single Example without its batch dimension."""
    if single:
        lists.sparse_indices = [each[:, 1:] for each in lists.sparse_indices]
        lists.sparse_shapes = [each[1:] for each in lists.sparse_shapes]
        lists.dense_values = [each[0] for each in lists.dense_values]
        lists.dense_lengths = [each[0] for each in lists.dense_lengths]
        lists.ragged_outer = [each[:0] for each in lists.ragged_outer]
    return [
        *outputs_of(parsed, single),
        *lists.sparse_indices, *lists.sparse_values, *lists.sparse_shapes, *lists.dense_values,
        *(lists.dense_lengths if lengths else ()), *lists.ragged_values, *lists.ragged_outer, *lists.ragged_inner,
    ]  # fmt: skip


def _parse_v2(
    serialized: Any, debug_name: Any, context_sparse_keys: Any, context_dense_keys: Any, context_ragged_keys: Any,
    feature_list_sparse_keys: Any, feature_list_dense_keys: Any, feature_list_ragged_keys: Any,
    feature_list_dense_missing_assumed_empty: Any, context_dense_defaults: Any, **attrs: Any,
) -> list[np.ndarray]:  # fmt: skip
    examples, named, single = strings_and_names(serialized, debug_name)
    context = Wanted(
        listed_features(context_sparse_keys, attrs["context_sparse_types"], "context_sparse_types"),
        dense_features(context_dense_keys, context_dense_defaults, attrs["context_dense_shapes"]),
        listed_features(
            context_ragged_keys, attrs["context_ragged_value_types"], "context_ragged_value_types",
            attrs["context_ragged_split_types"],
        ),
    )  # fmt: skip
    lists = Wanted(
        listed_features(feature_list_sparse_keys, attrs["feature_list_sparse_types"], "feature_list_sparse_types"),
        _dense_lists(feature_list_dense_keys, attrs["feature_list_dense_types"], attrs["feature_list_dense_shapes"]),
        listed_features(
            feature_list_ragged_keys, attrs["feature_list_ragged_value_types"], "feature_list_ragged_value_types",
            attrs["feature_list_ragged_split_types"],
        ),
    )  # fmt: skip
    may_miss = as_array(feature_list_dense_missing_assumed_empty).reshape(-1).tolist()
    same_length([each.key for each in lists.dense], may_miss, "feature_list_dense_missing_assumed_empty")
    optional = frozenset(each.key for each, allowed in zip(lists.dense, may_miss) if allowed)
    parsed = parse_sequence_examples(examples, context, lists, optional, named)
    return _outputs(*parsed, single, lengths=True)


def _wanted(keys: dict[str, Any], defaults: Any, attrs: dict) -> tuple[Wanted, Wanted]:
    """The features of the two older ops."""
    context = Wanted(
        listed_features(keys["context_sparse"], attrs["context_sparse_types"], "context_sparse_types"),
        dense_features(keys["context_dense"], defaults, attrs["context_dense_shapes"]),
    )
    lists = Wanted(
        listed_features(
            keys["feature_list_sparse"], attrs["feature_list_sparse_types"], "feature_list_sparse_types"
        ),
        _dense_lists(
            keys["feature_list_dense"], attrs["feature_list_dense_types"], attrs["feature_list_dense_shapes"]
        ),
    )
    return context, lists


def _parse_v1(
    serialized: Any, debug_name: Any, context_dense_defaults: Any, **attrs: Any
) -> list[np.ndarray]:
    examples, named, single = strings_and_names(serialized, debug_name)
    if single:
        raise ValueError("Expected serialized to be a vector, got shape: []")
    kinds = ("context_sparse", "context_dense", "feature_list_sparse", "feature_list_dense")
    keys = {kind: attrs[f"{kind}_keys"] for kind in kinds}
    context, lists = _wanted(keys, context_dense_defaults, attrs)
    optional = frozenset(keys_of(attrs["feature_list_dense_missing_assumed_empty"]))
    parsed = parse_sequence_examples(examples, context, lists, optional, named)
    return _outputs(*parsed, single, lengths=True)


def _parse_single(
    serialized: Any, feature_list_dense_missing_assumed_empty: Any, context_sparse_keys: Any, context_dense_keys: Any,
    feature_list_sparse_keys: Any, feature_list_dense_keys: Any, context_dense_defaults: Any, debug_name: Any,
    **attrs: Any,
) -> list[np.ndarray]:  # fmt: skip
    examples, named, single = strings_and_names(serialized, debug_name)
    if not single:
        raise ValueError("Expected serialized to be a scalar")
    keys = {
        "context_sparse": context_sparse_keys,
        "context_dense": context_dense_keys,
        "feature_list_sparse": feature_list_sparse_keys,
        "feature_list_dense": feature_list_dense_keys,
    }
    context, lists = _wanted(keys, context_dense_defaults, attrs)
    optional = frozenset(keys_of(as_array(feature_list_dense_missing_assumed_empty)))
    parsed = parse_sequence_examples(examples, context, lists, optional, named)
    return _outputs(*parsed, single, lengths=False)


def _shapes(call: ShapeCall, lengths: bool = True) -> list[TensorShape]:
    attrs, prefix = call.attrs, prefix_of(call)
    context = feature_shapes(
        prefix, len(attrs["context_sparse_types"]), attrs["context_dense_shapes"],
        len(attrs.get("context_ragged_value_types", ())),
    )  # fmt: skip
    sparse, dense = len(attrs["feature_list_sparse_types"]), attrs["feature_list_dense_shapes"]
    ragged = len(attrs.get("feature_list_ragged_value_types", ()))
    lists = feature_shapes(None if prefix is None else [*prefix, None], sparse, dense, ragged)
    batch = TensorShape(prefix)
    inside = len(lists) - 2 * ragged
    return [
        *context, *lists[:inside], *([batch] * len(dense) if lengths else ()), *lists[inside:],
        *[TensorShape([None])] * ragged,
    ]  # fmt: skip


op(
    "ParseSequenceExampleV2(serialized: string, debug_name: string, context_sparse_keys: string, "
    "context_dense_keys: string, context_ragged_keys: string, feature_list_sparse_keys: string, "
    "feature_list_dense_keys: string, feature_list_ragged_keys: string, "
    "feature_list_dense_missing_assumed_empty: bool, context_dense_defaults: *Tcontext_dense; Ncontext_sparse=0, "
    "context_sparse_types=[], context_ragged_value_types=[], context_ragged_split_types=[], context_dense_shapes=[], "
    "Nfeature_list_sparse=0, Nfeature_list_dense=0, feature_list_dense_types=[], feature_list_sparse_types=[], "
    "feature_list_ragged_value_types=[], feature_list_ragged_split_types=[], feature_list_dense_shapes=[]) -> "
    "(context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: *context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: *Tcontext_dense, "
    "context_ragged_values: *context_ragged_value_types, context_ragged_row_splits: *context_ragged_split_types, "
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, feature_list_sparse_values: *feature_list_sparse_types, "
    "feature_list_sparse_shapes: Nfeature_list_sparse*int64, feature_list_dense_values: *feature_list_dense_types, "
    "feature_list_dense_lengths: Nfeature_list_dense*int64, "
    "feature_list_ragged_values: *feature_list_ragged_value_types, "
    "feature_list_ragged_outer_splits: *feature_list_ragged_split_types, "
    "feature_list_ragged_inner_splits: *feature_list_ragged_split_types)",
    numpy=_parse_v2,
    shape=_shapes,
    gradient=stops,
)
op(
    "ParseSequenceExample(serialized: string, debug_name: string, context_dense_defaults: *Tcontext_dense; "
    "feature_list_dense_missing_assumed_empty, context_sparse_keys, context_dense_keys, feature_list_sparse_keys, "
    "feature_list_dense_keys, Ncontext_sparse=0, Ncontext_dense=0, Nfeature_list_sparse=0, Nfeature_list_dense=0, "
    "context_sparse_types=[], feature_list_dense_types=[], context_dense_shapes=[], feature_list_sparse_types=[], "
    "feature_list_dense_shapes=[]) -> "
    "(context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: *context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: *Tcontext_dense, "
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, feature_list_sparse_values: *feature_list_sparse_types, "
    "feature_list_sparse_shapes: Nfeature_list_sparse*int64, feature_list_dense_values: *feature_list_dense_types, "
    "feature_list_dense_lengths: Nfeature_list_dense*int64)",
    numpy=_parse_v1,
    shape=_shapes,
    gradient=stops,
)
op(
    "ParseSingleSequenceExample(serialized: string, feature_list_dense_missing_assumed_empty: string, "
    "context_sparse_keys: Ncontext_sparse*string, context_dense_keys: Ncontext_dense*string, "
    "feature_list_sparse_keys: Nfeature_list_sparse*string, feature_list_dense_keys: Nfeature_list_dense*string, "
    "context_dense_defaults: *Tcontext_dense, debug_name: string; context_sparse_types=[], "
    "feature_list_dense_types=[], context_dense_shapes=[], feature_list_sparse_types=[], "
    "feature_list_dense_shapes=[]) -> "
    "(context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: *context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: *Tcontext_dense, "
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, feature_list_sparse_values: *feature_list_sparse_types, "
    "feature_list_sparse_shapes: Nfeature_list_sparse*int64, feature_list_dense_values: *feature_list_dense_types)",
    numpy=_parse_single,
    shape=lambda call: _shapes(call, lengths=False),
    gradient=stops,
)
