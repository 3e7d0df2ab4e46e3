"""`tf.io.decode_json_example`: Examples in the JSON form of protocol buffers to their serialized form."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.io.example_messages import messages
from penstock.ops.strings.kernels import map_strings
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _decode_one(text: bytes) -> bytes:
    from google.protobuf import json_format

    try:
        example = json_format.Parse(text, messages().Example())
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"Error while parsing JSON: {error}") from None
    return example.SerializeToString(deterministic=True)


def _decode(json_examples: Any) -> np.ndarray:
    return map_strings(_decode_one, json_examples)


op(
    "DecodeJSONExample(json_examples: string) -> binary_examples: string",
    numpy=_decode,
    shape=unchanged,
    gradient=stops,
)


@export("io.decode_json_example", v1=["io.decode_json_example", "decode_json_example"])
def decode_json_example(json_examples: Any, name: str | None = None) -> Tensor:
    """Serialized `tf.train.Example` messages from their JSON form.

    Args:
      json_examples: a string tensor, a JSON text in each element.
      name: the node's name in a graph.

    Returns:
      A string tensor of the same shape, for `tf.io.parse_example`.

    Raises:
      InvalidArgumentError: a text is no JSON, or not that of an Example.

    Example:
      >>> import penstock as tf
      >>> text = '{"features": {"feature": {"a": {"int64List": {"value": ["3"]}}}}}'
      >>> tf.train.Example.FromString(tf.io.decode_json_example(text).numpy()).features.feature["a"].int64_list.value
      [3]
    """
    return execute("DecodeJSONExample", (convert_to_tensor(json_examples, dtypes.string),), None, name)
