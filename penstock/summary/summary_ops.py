"""TF 1's summary ops: each returns a serialized `Summary` message, which `FileWriter.add_summary` writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import scalar
from penstock.ops.dtype_sets import REAL
from penstock.ops.strings.kernels import as_array, text_attr
from penstock.summary import protos
from penstock.types import dtypes

IMAGES = frozenset({dtypes.uint8, dtypes.float16, dtypes.float32, dtypes.float64})
BAD_COLOR = np.array([255, 0, 0, 255], np.uint8)  # red: a pixel that is no number


def _serialized(message: Any) -> np.ndarray:
    return np.array(message.SerializeToString(), object)


def _tag(value: Any) -> str:
    array = as_array(value)
    if array.size != 1:
        raise ValueError(f"tags must be a scalar, got the shape {list(array.shape)}")
    return array.reshape(-1)[0].decode()


def _scalars(tags: Any, values: Any) -> np.ndarray:
    from tensorboard.compat.proto import summary_pb2

    tags, values = as_array(tags), np.asarray(values)
    if tags.shape != values.shape and not tags.size == values.size == 1:
        raise ValueError(
            f"tags and values are not the same shape: {list(tags.shape)} != {list(values.shape)}"
        )
    summary = summary_pb2.Summary()
    for tag, value in zip(tags.reshape(-1), values.reshape(-1)):
        summary.value.add(tag=tag.decode(), simple_value=float(value))
    return _serialized(summary)


def _merged(inputs: list) -> np.ndarray:
    from tensorboard.compat.proto import summary_pb2

    merged, seen = summary_pb2.Summary(), set()
    for each in inputs:
        for data in as_array(each).reshape(-1):
            part = summary_pb2.Summary.FromString(data)
            for value in part.value:
                if value.tag in seen:
                    raise ValueError(f"Duplicate tag {value.tag} found in summary inputs")
                seen.add(value.tag)
            merged.value.extend(part.value)
    return _serialized(merged)


def _tensor(tensor: Any, *, description: Any, labels: Any, display_name: Any) -> np.ndarray:
    from tensorboard.compat.proto import summary_pb2

    metadata = summary_pb2.SummaryMetadata(
        display_name=text_attr(display_name), summary_description=text_attr(description)
    )
    return _serialized(protos.tensor_summary("", as_array(tensor), metadata.SerializeToString()))


# Signature, kernel, the dtypes of T. Each gives a string scalar.
_OPS: tuple[tuple[str, Callable, frozenset | None], ...] = (
    ("ScalarSummary(tags: string, values: T)", _scalars, REAL),
    (
        "HistogramSummary(tag: string, values: T)",
        lambda tag, values: _serialized(protos.histogram_summary(_tag(tag), values)),
        REAL,
    ),
    (
        "ImageSummary(tag: string, tensor: T; max_images=3, bad_color=None)",
        lambda tag, tensor, *, max_images, bad_color: _serialized(
            protos.image_summary(_tag(tag), tensor, max_images, bad_color)
        ),
        IMAGES,
    ),
    (
        "AudioSummary(tag: string, tensor: float32; sample_rate, max_outputs=3)",
        lambda tag, tensor, *, sample_rate, max_outputs: _serialized(
            protos.audio_summary(_tag(tag), tensor, sample_rate, max_outputs)
        ),
        None,
    ),
    (
        "AudioSummaryV2(tag: string, tensor: float32, sample_rate: float32; max_outputs=3)",
        lambda tag, tensor, sample_rate, *, max_outputs: _serialized(
            protos.audio_summary(_tag(tag), tensor, float(sample_rate), max_outputs)
        ),
        None,
    ),
    ("MergeSummary(inputs: N*string)", _merged, None),
    ("TensorSummary(tensor: T; description='', labels=[], display_name='')", _tensor, None),
    (
        "TensorSummaryV2(tag: string, tensor: T, serialized_summary_metadata: string)",
        lambda tag, tensor, metadata: _serialized(
            protos.tensor_summary(_tag(tag), as_array(tensor), as_array(metadata).item())
        ),
        None,
    ),
)

for _signature, _kernel, _kinds in _OPS:
    _definition = op(
        f"{_signature} -> summary: string",
        numpy=_kernel,
        shape=scalar,
        gradient=stops,
        types=None if _kinds is None else {"T": _kinds},
    )
    if "bad_color" in _definition.defaults:  # a tensor cannot be written in a signature
        _definition.defaults["bad_color"] = _definition.signature.attrs["bad_color"] = BAD_COLOR
