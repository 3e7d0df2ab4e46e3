"""`tf.io.compress` and `tf.io.decompress`: strings, and tensors of any dtype, as GZIP or ZLIB streams.

TensorFlow has the second half only, `tf.io.decode_compressed`; programs write the first half as if it were there.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.io.compressed import WINDOW_BITS
from penstock.ops.strings.byte_strings import decode_compressed
from penstock.ops.strings.kernels import map_strings, one_of, text_attr
from penstock.ops.tensor_protos import parse_tensor, serialize_tensor
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor


def _compress(input: Any, *, compression_type: Any, level: int) -> np.ndarray:
    kind = one_of(text_attr(compression_type), "compression_type", tuple(WINDOW_BITS))
    if not -1 <= level <= 9:
        raise ValueError(f"level must be in [-1,9], got {level}")

    def compress_one(data: bytes) -> bytes:
        stream = zlib.compressobj(level, zlib.DEFLATED, WINDOW_BITS[kind])
        return stream.compress(data) + stream.flush()

    return map_strings(compress_one, input)


op(
    "CompressStrings(input: string; compression_type='GZIP', level=-1) -> output: string",
    numpy=_compress,
    shape=unchanged,
    gradient=stops,
)


@export("io.compress")
def compress(input: Any, compression_type: str = "GZIP", level: int = -1, name: str | None = None) -> Tensor:
    """Strings compressed one by one; a tensor of another dtype as one compressed string.

    Args:
      input: a tensor. Numbers are serialized as `tf.io.serialize_tensor` does it.
      compression_type: "GZIP" or "ZLIB".
      level: 0 (none) to 9 (best), or -1 for zlib's default.
      name: the node's name in a graph.

    Returns:
      A string tensor of the shape of `input` where that holds strings; else a string scalar.

    Raises:
      InvalidArgumentError: there is no such compression type or level.

    Example:
      >>> import penstock as tf
      >>> packed = tf.io.compress(tf.zeros([100, 100]))
      >>> packed.dtype, tf.strings.length(packed).numpy() < 1000
      (tf.string, np.True_)
      >>> tf.io.decompress(packed, out_type=tf.float32).shape
      TensorShape([100, 100])
    """
    tensor = convert_to_tensor(input)
    if tensor.dtype is not dtypes.string:
        tensor = serialize_tensor(tensor)
    attrs = {"compression_type": compression_type, "level": level}
    return execute("CompressStrings", (tensor,), attrs, name)


@export("io.decompress")
def decompress(
    input: Any, compression_type: str = "GZIP", out_type: Any = dtypes.string, name: str | None = None
) -> Tensor:
    """What `tf.io.compress` was given.

    Args:
      input: a string tensor; a scalar for another `out_type` than string.
      compression_type: "GZIP" or "ZLIB".
      out_type: the dtype of the tensor that was compressed.
      name: the node's name in a graph.

    Raises:
      DataLossError: a string is damaged.
      InvalidArgumentError: the tensor was of another dtype.

    Example:
      >>> import penstock as tf
      >>> tf.io.decompress(tf.io.compress(["a", "b"], "ZLIB"), "ZLIB").numpy().tolist()
      [b'a', b'b']
    """
    strings = decode_compressed(input, compression_type, name=name)
    dtype = as_dtype(out_type)
    return strings if dtype is dtypes.string else parse_tensor(strings, dtype)
