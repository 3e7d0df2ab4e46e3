"""The ops of TF 1's readers: make one, read, count, save and restore. They run on the host and may wait for a queue."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.shape_rules import ShapeCall, no_outputs, scalar
from penstock.ops.strings.kernels import as_array, string_array, text_attr
from penstock.queues import reader_state as kinds
from penstock.queues.queue_ops import shared
from penstock.queues.reader_state import ReaderState, Records
from penstock.types.shapes import TensorShape


def _maker(
    kind: str, records: Callable[[dict], Callable[[bytes], Records]], serializable: bool = False
) -> Callable:
    def make(*, container: Any, shared_name: Any, **attrs: Any) -> ReaderState:
        return shared(
            "reader", container, shared_name, lambda name: ReaderState(kind, records(attrs), serializable)
        )

    return make


def _tfrecord(attrs: dict) -> Callable[[bytes], Records]:
    return functools.partial(kinds.records_of_tfrecord, compression=text_attr(attrs["compression_type"]))


def _lines(attrs: dict) -> Callable[[bytes], Records]:
    return functools.partial(kinds.lines, skipped=attrs["skip_header_lines"])


def _fixed(attrs: dict) -> Callable[[bytes], Records]:
    header, record, footer, hop = (attrs[f"{name}_bytes"] for name in ("header", "record", "footer", "hop"))
    if record < 1 or min(header, footer, hop) < 0:
        raise ValueError(
            f"record_bytes must be > 0, and header_bytes, footer_bytes and hop_bytes >= 0, got {attrs}"
        )
    encoding = text_attr(attrs["encoding"])
    if encoding not in ("", "ZLIB", "GZIP"):
        raise ValueError(f"encoding must be '', 'ZLIB' or 'GZIP', got {encoding!r}")
    return lambda path: kinds.fixed_length_records(path, header, record, footer, hop, encoding)


_SHARED = "container='', shared_name=''"
for _type, _attrs, _records, _serializable in (
    ("WholeFileReaderV2", _SHARED, lambda attrs: kinds.whole_file, True),
    ("IdentityReaderV2", _SHARED, lambda attrs: kinds.identity, True),
    ("TFRecordReaderV2", f"{_SHARED}, compression_type=''", _tfrecord, False),
    ("LMDBReader", _SHARED, lambda attrs: kinds.records_of_lmdb, False),
    ("TextLineReaderV2", f"skip_header_lines=0, {_SHARED}", _lines, False),
    (
        "FixedLengthRecordReaderV2",
        f"header_bytes=0, record_bytes, footer_bytes=0, hop_bytes=0, {_SHARED}, encoding=''",
        _fixed,
        False,
    ),
):
    op(
        f"{_type}(; {_attrs}) -> reader_handle: resource",
        numpy=_maker(_type.removesuffix("V2"), _records, _serializable),
        shape=scalar,
        gradient=lambda call, dy: [],
        stateful=True,
    )


def _read(reader: ReaderState, queue: Any) -> tuple[bytes, bytes]:
    return reader.read(queue)


def _read_up_to(reader: ReaderState, queue: Any, count: Any) -> tuple[np.ndarray, np.ndarray]:
    found = reader.read_up_to(queue, int(count))
    keys, values = zip(*found)
    return string_array(keys, (len(found),)), string_array(values, (len(found),))


def _vectors(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([None])] * 2


op(
    "ReaderReadV2(reader_handle: resource, queue_handle: resource) -> (key: string, value: string)",
    numpy=_read,
    shape=scalar,
    stateful=True,
)
op(
    "ReaderReadUpToV2(reader_handle: resource, queue_handle: resource, num_records: int64) -> "
    "(keys: string, values: string)",
    numpy=_read_up_to,
    shape=_vectors,
    stateful=True,
)
op(
    "ReaderNumRecordsProducedV2(reader_handle: resource) -> records_produced: int64",
    numpy=lambda reader: np.int64(reader.produced),
    shape=scalar,
    stateful=True,
)
op(
    "ReaderNumWorkUnitsCompletedV2(reader_handle: resource) -> units_completed: int64",
    numpy=lambda reader: np.int64(reader.completed),
    shape=scalar,
    stateful=True,
)
op(
    "ReaderSerializeStateV2(reader_handle: resource) -> state: string",
    numpy=lambda reader: reader.serialize(),
    shape=scalar,
    stateful=True,
)
op(
    "ReaderRestoreStateV2(reader_handle: resource, state: string) -> ()",
    numpy=lambda reader, state: reader.restore(as_array(state)[()]),
    shape=no_outputs,
    stateful=True,
)
op(
    "ReaderResetV2(reader_handle: resource) -> ()",
    numpy=lambda reader: reader.reset(),
    shape=no_outputs,
    stateful=True,
)
