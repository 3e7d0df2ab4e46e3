"""Arrays as bytes and back, for messages between tasks: a line of JSON that says dtypes and shapes, then the data."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from penstock.types.dtypes import as_dtype


def to_bytes(arrays: Sequence[np.ndarray]) -> bytes:
    """The arrays in one piece; those of `object` hold bytes (strings).

    Example:
      >>> [each.tolist() for each in from_bytes(to_bytes([np.arange(3), np.array([b"x"], object)]))]
      [[0, 1, 2], [b'x']]
    """
    heads, parts = [], []
    for each in arrays:
        each = np.asarray(each)
        if each.dtype == object:
            texts = [bytes(text) for text in each.ravel()]
            heads.append(["string", each.shape, [len(text) for text in texts]])
            parts += texts
        else:
            heads.append([as_dtype(each.dtype).name, each.shape])
            parts.append(each.tobytes())
    return json.dumps(heads).encode() + b"\n" + b"".join(parts)


def from_bytes(data: bytes) -> list[np.ndarray]:
    """What `to_bytes` was given."""
    head, _, rest = data.partition(b"\n")
    arrays, position = [], 0
    for name, shape, *lengths in json.loads(head):
        if lengths:
            texts = np.empty(len(lengths[0]), object)
            for i, length in enumerate(lengths[0]):
                texts[i] = rest[position : position + length]
                position += length
            arrays.append(texts.reshape(shape))
            continue
        dtype = np.dtype(as_dtype(name).as_numpy_dtype)
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(rest, dtype, count, position).reshape(shape).copy())
        position += count * dtype.itemsize
    return arrays
