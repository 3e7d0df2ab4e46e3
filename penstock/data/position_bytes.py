"""A saved position in a pipeline as bytes, and back: JSON for the structure, then the arrays as they lie in memory.

No code is stored, so reading a file that somebody else wrote is safe.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from penstock.data.windowing import Listed
from penstock.engine.xla import is_loaded, jax
from penstock.saving.structured_values import decode, encode
from penstock.types import errors
from penstock.types.dtypes import as_dtype

_MAGIC = b"penstock position 1\n"
_LENGTH = struct.Struct("<Q")


def to_bytes(position: Any) -> bytes:
    """The bytes of a structure of dicts (with text keys), lists, tuples, numbers, text, bytes, None, arrays,
    and of the datasets that `window` makes.

    Raises:
      UnimplementedError: there is something else in it.

    Example:
      >>> from_bytes(to_bytes({"round": 2, "buffer": [np.int64(3)]}))
      {'round': 2, 'buffer': [np.int64(3)]}
    """
    blobs: list[bytes] = []
    text = json.dumps(_plain(position, blobs)).encode()
    lengths = json.dumps([len(each) for each in blobs]).encode()
    return b"".join([_MAGIC, _LENGTH.pack(len(text)), text, _LENGTH.pack(len(lengths)), lengths, *blobs])


def from_bytes(data: bytes) -> Any:
    """What `to_bytes` was given (tuples have become lists).

    Raises:
      DataLossError: these are not such bytes, or some are missing.
    """
    try:
        if not data.startswith(_MAGIC):
            raise ValueError("it does not begin as one")
        at = len(_MAGIC)
        text, at = _part(data, at)
        lengths, at = _part(data, at)
        blobs = []
        for length in json.loads(lengths):
            blobs.append(data[at : at + length])
            at += length
        if at > len(data):
            raise ValueError(f"it ends after {len(data)} of {at} bytes")
        return _restored(json.loads(text), blobs)
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise errors.DataLossError(None, None, f"This is no saved position of a pipeline: {error}") from error


def _part(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(data, at)
    at += _LENGTH.size
    return data[at : at + length], at + length


def _plain(value: Any, blobs: list[bytes]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, dict):
        return {"dict": {key: _plain(each, blobs) for key, each in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_plain(each, blobs) for each in value]
    if isinstance(value, bytes):
        blobs.append(value)
        return {"bytes": len(blobs) - 1}
    if is_loaded() and isinstance(value, jax.Array):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return {"strings": [_plain(each, blobs) for each in value.ravel()], "shape": list(value.shape)}
    if isinstance(value, (np.ndarray, np.generic)):
        blobs.append(value.tobytes())
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: len(blobs) - 1, "dtype": as_dtype(value.dtype).name, "shape": list(np.shape(value))}
    if isinstance(value, Listed):
        spec = encode(value.element_spec).SerializeToString()
        return {"rows": _plain(value._rows, blobs), "spec": _plain(spec, blobs)}
    raise errors.UnimplementedError(
        None, None, f"The position of this iterator holds a {type(value).__name__} ({value!r}), which cannot be saved."
    )  # fmt: skip


def _restored(value: Any, blobs: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_restored(each, blobs) for each in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {key: _restored(each, blobs) for key, each in value["dict"].items()}
    if "bytes" in value:
        return blobs[value["bytes"]]
    if "rows" in value:
        from tensorboard.compat.proto import struct_pb2

        spec = struct_pb2.StructuredValue.FromString(_restored(value["spec"], blobs))
        return Listed(decode(spec), _restored(value["rows"], blobs))
    if "strings" in value:
        array = np.empty(len(value["strings"]), object)
        array[:] = [_restored(each, blobs) for each in value["strings"]]
        return array.reshape(value["shape"])
    index = value.get("array", value.get("scalar"))
    kind = as_dtype(value["dtype"]).as_numpy_dtype
    array = np.frombuffer(blobs[index], kind).reshape(value["shape"]).copy()
    return array if "array" in value else array[()]
