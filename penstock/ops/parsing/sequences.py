"""`tf.io.parse_sequence_example`, `tf.io.parse_single_sequence_example`: serialized SequenceExamples to tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.parsing.examples import composed, parsed_parts, string_vector
from penstock.ops.parsing.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    Request,
    VarLenFeature,
)
from penstock.ops.parsing.partitions import ragged_from_parts
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.types import dtypes
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

_CONTEXT_KINDS = (VarLenFeature, FixedLenFeature, RaggedFeature)
_LIST_KINDS = (VarLenFeature, FixedLenSequenceFeature, RaggedFeature)


@export("io.parse_sequence_example")
def parse_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """The tensors of a batch of serialized `tf.train.SequenceExample` messages.

    Args:
      serialized: a string vector, one message in each element; or a scalar, for one message without a batch dimension.
      context_features: name -> `FixedLenFeature`, `VarLenFeature` or `RaggedFeature`.
      sequence_features: name -> `FixedLenSequenceFeature` (whose shape is that of a step), `VarLenFeature` or
        `RaggedFeature`.
      example_names: names of the Examples for messages of errors.
      name: the node's name in a graph.

    Returns:
      The context by name; the sequences by name, with a dimension of steps behind that of the batch; and for each
      `FixedLenSequenceFeature` how many steps the Examples have.

    Raises:
      ValueError: both kinds of features are None, or a feature is incomplete.
      InvalidArgumentError: an Example is malformed, lacks a required feature, or has values of another type or number.

    Example:
      >>> import penstock as tf
      >>> step = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
      >>> lists = tf.train.FeatureLists(feature_list={"a": tf.train.FeatureList(feature=[step, step])})
      >>> data = tf.train.SequenceExample(feature_lists=lists).SerializeToString()
      >>> features = {"a": tf.io.FixedLenSequenceFeature([2], tf.int64)}
      >>> tf.io.parse_sequence_example([data], sequence_features=features)[1]["a"].numpy().tolist()
      [[[1, 2], [1, 2]]]
    """
    if not (context_features or sequence_features):
        raise ValueError(
            "Both `context_features` and `sequence_features` argument are None, but at least one should have values."
        )
    context_features, sequence_features = context_features or {}, sequence_features or {}
    context = Request(context_features, _CONTEXT_KINDS)
    lists = Request(sequence_features, _LIST_KINDS)
    for key, feature in sequence_features.items():
        if isinstance(feature, FixedLenSequenceFeature) and feature.default_value is not None:
            raise ValueError(f"Value feature_list.dense_defaults[{key}] must be None")
    tensor = convert_to_tensor(serialized, dtypes.string, name="serialized")
    if (context.ragged or lists.ragged) and tensor.shape.rank is None:
        raise ValueError("serialized must have statically-known rank to parse ragged features.")
    optional = np.array([key in lists.missing_allowed for key in lists.dense], bool)
    inputs = (
        tensor, string_vector(example_names), string_vector(context.sparse), string_vector(context.dense),
        string_vector(context.ragged), string_vector(lists.sparse), string_vector(lists.dense),
        string_vector(lists.ragged), convert_to_tensor(optional), [context.defaults[key] for key in context.dense],
    )  # fmt: skip
    attrs = {
        "Ncontext_sparse": len(context.sparse),
        "context_sparse_types": list(context.sparse.values()),
        "context_ragged_value_types": list(context.ragged.values()),
        "context_ragged_split_types": list(context.splits.values()),
        "context_dense_shapes": [context.shapes[key] for key in context.dense],
        "Nfeature_list_sparse": len(lists.sparse),
        "Nfeature_list_dense": len(lists.dense),
        "feature_list_dense_types": list(lists.dense.values()),
        "feature_list_sparse_types": list(lists.sparse.values()),
        "feature_list_ragged_value_types": list(lists.ragged.values()),
        "feature_list_ragged_split_types": list(lists.splits.values()),
        "feature_list_dense_shapes": [lists.shapes[key][1:] for key in lists.dense],
    }
    outputs = iter(execute("ParseSequenceExampleV2", inputs, attrs, name))
    batched = tensor.shape.rank != 0
    found = composed(context_features, context, parsed_parts(outputs, context), batched)
    return found, *_lists(sequence_features, lists, outputs, batched)


def _lists(
    features: Mapping[str, Any], request: Request, outputs: Any, batched: bool
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The feature lists by name, and the numbers of steps of the dense ones."""

    def take(keys: Any) -> list[Any]:
        return [next(outputs) for _ in keys]

    indices, values, shapes = take(request.sparse), take(request.sparse), take(request.sparse)
    result: dict[str, Any] = dict(zip(request.sparse, map(SparseTensor, indices, values, shapes)))
    result |= zip(request.dense, take(request.dense))
    lengths = dict(zip(request.dense, take(request.dense)))
    values, outer, inner = take(request.ragged), take(request.ragged), take(request.ragged)
    parts = dict(zip(request.ragged, zip(values, inner)))
    steps = dict(zip(request.ragged, outer))
    for key in sorted(features):
        feature = features[key]
        if isinstance(feature, RaggedFeature):
            ragged = ragged_from_parts(
                key, feature, parts, batched=True
            )  # a step is to it what an Example is elsewhere
            if batched:
                splits = steps[key if feature.value_key is None else feature.value_key]
                ragged = RaggedTensor.from_row_splits(ragged, splits, validate=feature.validate)
            result[key] = ragged
    return result, lengths


@export(
    "io.parse_single_sequence_example",
    v1=["io.parse_single_sequence_example", "parse_single_sequence_example"],
)
def parse_single_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of one serialized `tf.train.SequenceExample`, without a batch dimension.

    Args:
      serialized: a string scalar.
      context_features, sequence_features: as for `parse_sequence_example`.
      example_name: the name of the Example for messages of errors, a scalar.
      name: the node's name in a graph.

    Returns:
      The context by name, and the sequences by name.

    Raises:
      ValueError: `serialized` is no scalar; else as `parse_sequence_example`.

    Example:
      >>> import penstock as tf
      >>> context = tf.train.Features(feature={"n": tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))})
      >>> data = tf.train.SequenceExample(context=context).SerializeToString()
      >>> tf.io.parse_single_sequence_example(data, {"n": tf.io.FixedLenFeature([], tf.int64)})[0]["n"].numpy()
      np.int64(3)
    """
    tensor = convert_to_tensor(serialized, dtypes.string, name="serialized")
    if tensor.shape.rank:
        raise ValueError(f"Input serialized must be a scalar, and its shape is {tensor.shape}")
    if tensor.shape.rank is None:
        tensor = execute("Reshape", (tensor, convert_to_tensor(np.zeros(0, np.int32))))
    context, sequences, _ = parse_sequence_example(
        tensor, context_features, sequence_features, example_name, name
    )
    return context, sequences
