"""Requests and answers as lines of JSON, which both interpreters read: arrays of any dtype, dtypes, and lists of these.

One line for each case, written when the case is done, so that answers survive a crash of the process that gives them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np


def encode(value: Any) -> Any:
    """`value` as JSON."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OSU":
            value = value.astype(object)
            data: Any = [
                _text(each if isinstance(each, bytes) else each.encode()) for each in value.reshape(-1)
            ]
        else:
            data = _text(np.ascontiguousarray(value).tobytes())
        return {"array": value.dtype.name, "shape": list(value.shape), "data": data}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"dtype": np.dtype(value).name}
    if isinstance(value, dict):
        return {"dict": {name: encode(each) for name, each in value.items()}}
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    return value


def decode(value: Any) -> Any:
    """What `encode` was given; dtypes as `np.dtype`."""
    if isinstance(value, list):
        return [decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {name: decode(each) for name, each in value["dict"].items()}
    if "dtype" in value:
        return _dtype(value["dtype"])
    dtype, shape, data = _dtype(value["array"]), value["shape"], value["data"]
    if dtype.kind == "O":
        array = np.empty(len(data), object)
        array[:] = [base64.b64decode(each) for each in data]
        return array.reshape(shape)
    return np.frombuffer(base64.b64decode(data), dtype).reshape(shape)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name, name))


def append(path: Path, record: dict[str, Any]) -> None:
    """Writes one more line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(encode(record)) + "\n")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield decode(json.loads(line))
