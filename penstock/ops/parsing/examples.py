"""`tf.io.parse_example`, `tf.io.parse_single_example`: serialized Examples to tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.parsing.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    Request,
    SparseFeature,
    VarLenFeature,
    index_keys,
)
from penstock.ops.parsing.partitions import ragged_from_parts
from penstock.ops.sparse.conversion import reorder
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

KINDS = (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature, RaggedFeature)


def string_vector(values: Any) -> Tensor:
    """Names as a string vector, perhaps empty."""
    if values is None or (isinstance(values, list | tuple | dict) and not values):
        return convert_to_tensor(np.zeros(0, object), dtypes.string)
    return convert_to_tensor(list(values) if isinstance(values, dict) else values, dtypes.string)


@export("io.parse_example", v1=[])
def parse_example(
    serialized: Any, features: Mapping[str, Any], example_names: Any = None, name: str | None = None
) -> dict[str, Any]:
    """The tensors of a batch of serialized `tf.train.Example` messages.

    Args:
      serialized: a string vector, one message in each element; or a scalar, for one message without a batch dimension.
      features: name -> `FixedLenFeature`, `FixedLenSequenceFeature`, `VarLenFeature`, `SparseFeature` or
        `RaggedFeature`.
      example_names: names of the Examples for messages of errors, a vector as long as `serialized`.
      name: the node's name in a graph.

    Returns:
      For each feature a `Tensor` [batch, *shape], a `SparseTensor` or a `RaggedTensor`.

    Raises:
      ValueError: `features` is empty, or a feature is incomplete.
      InvalidArgumentError: an Example is malformed, lacks a required feature, or has values of another type or number.

    Example:
      >>> import penstock as tf
      >>> feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
      >>> example = tf.train.Example(features=tf.train.Features(feature={"a": feature}))
      >>> parsed = tf.io.parse_example([example.SerializeToString()], {"a": tf.io.FixedLenFeature([2], tf.int64)})
      >>> parsed["a"].numpy()
      array([[1, 2]])
    """
    if not features:
        raise ValueError(f"Argument `features` cannot be None or falsy. Got {features}")
    for feature in features.values():
        if isinstance(feature, FixedLenSequenceFeature) and not feature.allow_missing:
            raise ValueError("Unsupported: FixedLenSequenceFeature requires allow_missing to be True.")
    request = Request(features, KINDS)
    tensor = convert_to_tensor(serialized, dtypes.string, name="serialized")
    if request.ragged and tensor.shape.rank is None:
        raise ValueError("serialized must have statically-known rank to parse ragged features.")
    inputs = (
        tensor, string_vector(example_names), string_vector(request.sparse), string_vector(request.dense),
        string_vector(request.ragged), [request.defaults[key] for key in request.dense],
    )  # fmt: skip
    attrs = {
        "num_sparse": len(request.sparse),
        "sparse_types": list(request.sparse.values()),
        "ragged_value_types": list(request.ragged.values()),
        "ragged_split_types": list(request.splits.values()),
        "dense_shapes": [request.shapes[key] for key in request.dense],
    }
    outputs = iter(execute("ParseExampleV2", inputs, attrs, name))
    return composed(features, request, parsed_parts(outputs, request), batched=tensor.shape.rank != 0)


@export("io.parse_single_example", v1=[])
def parse_single_example(
    serialized: Any, features: Mapping[str, Any], example_names: Any = None, name: str | None = None
) -> dict[str, Any]:
    """The tensors of one serialized `tf.train.Example`: `tf.io.parse_example` without a batch dimension.

    Args:
      serialized: a string scalar.
      features: as for `parse_example`.
      example_names: a scalar, the name of the Example for messages of errors.
      name: the node's name in a graph.

    Raises:
      ValueError: `serialized` is no scalar; else as `parse_example`.

    Example:
      >>> import penstock as tf
      >>> feature = tf.train.Feature(float_list=tf.train.FloatList(value=[0.5]))
      >>> example = tf.train.Example(features=tf.train.Features(feature={"a": feature})).SerializeToString()
      >>> tf.io.parse_single_example(example, {"a": tf.io.FixedLenFeature([], tf.float32)})["a"].numpy()
      np.float32(0.5)
    """
    if not features:
        raise ValueError(f"Invalid argument: features cannot be {'None' if features is None else 'empty'}.")
    tensor = convert_to_tensor(serialized, dtypes.string, name="serialized")
    if tensor.shape.rank is None:
        raise ValueError(
            "Input serialized must be a scalar, and its rank is unknown: use tf.ensure_shape(x, [])"
        )
    if tensor.shape.rank:
        raise ValueError(f"Input serialized must be a scalar, and its shape is {tensor.shape}")
    return parse_example(tensor, features, example_names, name)


@export(v1=["io.parse_example", "parse_example"])
def parse_example_v1(
    serialized: Any, features: Mapping[str, Any], name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """TF 1's order of the arguments of `tf.io.parse_example`."""
    return parse_example(serialized, features, example_names, name)


@export(v1=["io.parse_single_example", "parse_single_example"])
def parse_single_example_v1(
    serialized: Any, features: Mapping[str, Any], name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """TF 1's order of the arguments of `tf.io.parse_single_example`."""
    return parse_single_example(serialized, features, example_names, name)


def parsed_parts(outputs: Any, request: Request) -> dict[str, Any]:
    """What an op gives for the features of a request: sparse tensors, tensors, and pairs (values, row splits).

    Args:
      outputs: an iterator over the op's outputs.
      request: what it was asked for.
    """

    def take(keys: Any) -> list[Any]:
        return [next(outputs) for _ in keys]

    indices, values, shapes = take(request.sparse), take(request.sparse), take(request.sparse)
    parts: dict[str, Any] = dict(zip(request.sparse, map(SparseTensor, indices, values, shapes)))
    parts |= zip(request.dense, take(request.dense))
    values, splits = take(request.ragged), take(request.ragged)
    return parts | dict(zip(request.ragged, zip(values, splits)))


def composed(
    features: Mapping[str, Any], request: Request, parts: dict[str, Any], batched: bool
) -> dict[str, Any]:
    """What the program asked for, made of what the op gives.

    Args:
      features: name -> feature.
      request: the same for the op.
      parts: see `parsed_parts`.
      batched: whether there is a batch dimension.
    """
    result = {key: part for key, part in parts.items() if key in features and not isinstance(part, tuple)}
    for key in sorted(features):
        feature = features[key]
        if isinstance(feature, SparseFeature):
            result[key] = _sparse(feature, parts)
        elif isinstance(feature, RaggedFeature):
            result[key] = ragged_from_parts(key, feature, parts, batched)
    return result


def _sparse(feature: SparseFeature, parts: dict[str, Any]) -> SparseTensor:
    """The sparse tensor whose indices are values of other features."""
    values = parts[feature.value_key]
    sizes = [feature.size] if isinstance(feature.index_key, str) else list(feature.size)
    columns = [parts[key].values for key in index_keys(feature)]
    if len(sizes) != len(columns):
        raise ValueError(f"a SparseFeature has {len(columns)} index keys and {len(sizes)} sizes: {feature}")
    for size in sizes:
        if not isinstance(size, int | np.integer | Tensor):
            raise TypeError(f"the size of a SparseFeature is an int, not {type(size).__name__}: {feature}")
        if isinstance(size, int) and size < 0:
            raise ValueError(f"the size of a SparseFeature is {size}, and must not be negative")
    axis = convert_to_tensor(1)
    indices = [values.indices[:, :-1], *(column[:, None] for column in columns)]
    shape = [values.dense_shape[:-1], *(convert_to_tensor([size], dtypes.int64) for size in sizes)]
    result = SparseTensor(
        execute("ConcatV2", (indices, axis)),
        values.values,
        execute("ConcatV2", (shape, convert_to_tensor(0))),
    )
    batch = values.shape.as_list()[:-1]
    result.set_shape(TensorShape([*batch, *(size if isinstance(size, int) else None for size in sizes)]))
    return result if feature.already_sorted else reorder(result)
