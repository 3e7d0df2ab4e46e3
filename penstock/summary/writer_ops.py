"""Summary writers as resources, and the ops that write with them.

A writer is made empty and then given its file by `CreateSummaryFileWriter`; in a graph it is found by its shared name
among the resources of the session that runs. What is written keeps the order of the program, since each op has the
writer as its first input.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.definition import op
from penstock.engine.shape_rules import no_outputs, scalar
from penstock.ops.dtype_sets import REAL
from penstock.ops.strings.kernels import as_array, text_attr
from penstock.summary import protos
from penstock.summary.event_file import EventFile
from penstock.summary.summary_ops import IMAGES
from penstock.types import dtypes, errors

_open_writers: weakref.WeakSet[WriterState] = weakref.WeakSet()
_flushes_at_exit = threading.Event()


class WriterState:
    """What a writer's resource tensor holds.

    Attributes:
      events: the file; None before `CreateSummaryFileWriter` and after `CloseSummaryWriter`.
    """

    handle_data = None

    def __init__(self, name: str):
        self.name = name
        self.events: EventFile | None = None
        self._lock = threading.Lock()

    def create(self, make: Callable[[], EventFile]) -> None:
        """Gives the writer its file; nothing where it has one."""
        with self._lock:
            if self.events is None:
                self.events = make()
                _open_writers.add(self)
                _flush_at_exit()

    def file(self) -> EventFile:
        """The file.

        Raises:
          NotFoundError: there is none yet, or no more.
        """
        events = self.events
        if events is None:
            raise errors.NotFoundError(
                None,
                None,
                f"Summary writer {self.name!r} does not exist: it has been closed, or its initializer has not run "
                "(writer.init() in a session).",
            )
        return events

    def close(self) -> None:
        """Writes what waits, and lets go of the file."""
        with self._lock:
            if self.events is not None:
                self.events.close()
            self.events = None

    def __repr__(self) -> str:
        return f"<summary writer {self.name!r}>"


def _flush_all() -> None:
    for writer in list(_open_writers):
        if writer.events is not None:
            writer.events.flush()


def _flush_at_exit() -> None:
    """Writes what still waits when the program ends without closing its writers."""
    import atexit

    if not _flushes_at_exit.is_set():
        _flushes_at_exit.set()
        atexit.register(_flush_all)


def _writer(*, shared_name: Any, container: Any) -> WriterState:
    name = text_attr(shared_name)
    resources = thread.resources
    if resources is None:
        return WriterState(name)
    return resources.setdefault(f"summary_writer/{text_attr(container)}/{name}", WriterState(name))


def _text(value: Any) -> str:
    return os.fsdecode(_bytes(value))


def _create(writer: WriterState, logdir: Any, max_queue: Any, flush_millis: Any, suffix: Any) -> None:
    writer.create(lambda: EventFile(_text(logdir), int(max_queue), int(flush_millis), _text(suffix)))


def _bytes(value: Any) -> bytes:
    return as_array(value).item()


def _write(writer: WriterState, step: Any, tensor: Any, tag: Any, summary_metadata: Any) -> None:
    summary = protos.tensor_summary(_text(tag), as_array(tensor), _bytes(summary_metadata))
    writer.file().add_message(step=int(step), summary=summary)


def _write_graph(writer: WriterState, step: Any, tensor: Any) -> None:
    writer.file().add_message(step=int(step), graph_def=_bytes(tensor))


def _write_raw(writer: WriterState, step: Any, tensor: Any) -> None:
    from tensorboard.compat.proto import summary_pb2

    for each in as_array(tensor).reshape(-1):
        writer.file().add_message(step=int(step), summary=summary_pb2.Summary.FromString(each))


def _as_event(make: Callable) -> Callable:
    """A kernel that writes the summary which `make(tag, *values, **attrs)` returns."""

    def kernel(writer: WriterState, step: Any, tag: Any, *values: Any, **attrs: Any) -> None:
        writer.file().add_message(step=int(step), summary=make(_text(tag), *values, **attrs))

    return kernel


op(
    "SummaryWriter(; shared_name='', container='') -> writer: resource",
    numpy=_writer,
    shape=scalar,
    gradient=lambda call, dy: [],
    stateful=True,
)


# Each returns nothing: signature, kernel, the dtypes of T.
_WRITING: tuple[tuple[str, Callable, frozenset | None], ...] = (
    (
        "CreateSummaryFileWriter(writer: resource, logdir: string, max_queue: int32, flush_millis: int32, "
        "filename_suffix: string)",
        _create,
        None,
    ),
    ("FlushSummaryWriter(writer: resource)", lambda writer: writer.file().flush(), None),
    ("CloseSummaryWriter(writer: resource)", lambda writer: writer.close(), None),
    (
        "WriteSummary(writer: resource, step: int64, tensor: T, tag: string, summary_metadata: string)",
        _write,
        None,
    ),
    (
        "ImportEvent(writer: resource, event: string)",
        lambda writer, event: writer.file().add(_bytes(event)),
        None,
    ),
    (
        "WriteScalarSummary(writer: resource, step: int64, tag: string, value: T)",
        _as_event(protos.scalar_summary),
        REAL,
    ),
    (
        "WriteHistogramSummary(writer: resource, step: int64, tag: string, values: T)",
        _as_event(protos.histogram_summary),
        REAL | {dtypes.bool},
    ),
    (
        "WriteImageSummary(writer: resource, step: int64, tag: string, tensor: T, bad_color: uint8; max_images=3)",
        _as_event(
            lambda tag, tensor, bad_color, *, max_images: protos.image_summary(
                tag, tensor, max_images, bad_color
            )
        ),
        IMAGES,
    ),
    (
        "WriteAudioSummary(writer: resource, step: int64, tag: string, tensor: float32, sample_rate: float32; "
        "max_outputs=3)",
        _as_event(
            lambda tag, tensor, sample_rate, *, max_outputs: protos.audio_summary(
                tag, tensor, float(sample_rate), max_outputs
            )
        ),
        None,
    ),
    ("WriteGraphSummary(writer: resource, step: int64, tensor: string)", _write_graph, None),
    ("WriteRawProtoSummary(writer: resource, step: int64, tensor: string)", _write_raw, None),
)

for _signature, _kernel, _kinds in _WRITING:
    op(
        f"{_signature} -> ()",
        numpy=_kernel,
        shape=no_outputs,
        stateful=True,
        types=None if _kinds is None else {"T": _kinds},
    )
