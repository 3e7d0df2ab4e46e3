"""`tf.compat.v1.summary.FileWriter`: events of a TF 1 program, written to a file; and reading them again."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import penstock as tf
from penstock.engine.context import process
from penstock.engine.export import export
from penstock.graph.graph import Graph
from penstock.io.records import read_records
from penstock.summary.event_file import EventFile


@export(v1=["summary.FileWriter", "train.SummaryWriter"])
class FileWriter:
    """Writes summaries, graphs and other events to a file for TensorBoard.

    Args:
      logdir: the directory, which is made where it does not exist.
      graph: a graph to write at once.
      max_queue: how many events wait at most before they are written.
      flush_secs: how long they wait at most while others come.
      graph_def: a GraphDef to write at once, for old programs.
      filename_suffix: the end of the file's name.
      session: accepted: writers of one program never share a file.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
      ...     loss = tf.compat.v1.summary.scalar("loss", 0.5)
      ...     with tf.compat.v1.summary.FileWriter(tempfile.mkdtemp(), graph) as writer:
      ...         writer.add_summary(session.run(loss), global_step=1)
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ):
        self._events = EventFile(os.fspath(logdir), max_queue, int(flush_secs * 1000), filename_suffix or "")
        self._closed = False
        self._described: set[str] = set()  # tags whose metadata have been written
        self._run_tags: set[str] = set()
        if graph is not None or graph_def is not None:
            self.add_graph(graph, graph_def=graph_def)
            if isinstance(graph, Graph):
                self._add_meta_graph_of(graph)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The directory."""
        return self._events.logdir

    def _add(self, step: Any, **fields: Any) -> None:
        if step is not None:
            fields["step"] = int(step)
        self.add_event(tf.compat.v1.Event(wall_time=time.time(), **fields))

    def add_event(self, event: Any) -> None:
        """Writes an `Event` message."""
        if self._closed:
            warnings.warn(
                "Attempting to use a closed FileWriter. The operation will be a noop unless the FileWriter is explicitly "
                "reopened.",
                stacklevel=3,
            )
            return
        self._events.add(event.SerializeToString())

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Writes a summary.

        Args:
          summary: a `Summary` message, or the bytes of one, as a session gives them.
          global_step: the step of the training.
        """
        if isinstance(summary, bytes):
            summary = tf.compat.v1.Summary.FromString(summary)
        for value in summary.value:
            if not value.HasField("metadata"):
                continue
            if value.tag in self._described:
                value.ClearField("metadata")  # once is enough, and they can be long
            self._described.add(value.tag)
        self._add(global_step, summary=summary)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Writes a `SessionLog` message."""
        self._add(global_step, session_log=session_log)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Writes a graph.

        Args:
          graph: a `tf.Graph` (or, in old programs, a GraphDef).
          global_step: the step of the training.
          graph_def: a GraphDef, instead of `graph`.

        Raises:
          ValueError: both are given.
          TypeError: neither is a graph.
        """
        if graph is not None and graph_def is not None:
            raise ValueError("Please pass only graph, or graph_def (deprecated), but not both.")
        given = graph if graph_def is None else graph_def
        message = given.as_graph_def(add_shapes=True) if isinstance(given, Graph) else given
        if not hasattr(message, "SerializeToString"):
            raise TypeError(
                "The passed graph must be an instance of `Graph` or the deprecated `GraphDef`, got "
                f"{type(given).__name__}"
            )
        self._add(global_step, graph_def=message.SerializeToString())

    def _add_meta_graph_of(self, graph: Graph) -> None:
        self.add_meta_graph(tf.compat.v1.train.export_meta_graph(graph=graph))

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Writes a `MetaGraphDef` message.

        Raises:
          TypeError: it is something else.
        """
        if type(meta_graph_def).__name__ != "MetaGraphDef":
            raise TypeError(
                f"meta_graph_def must be type MetaGraphDef, saw type: {type(meta_graph_def).__name__}"
            )
        self._add(global_step, meta_graph_def=meta_graph_def.SerializeToString())

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Writes a `RunMetadata` message.

        Raises:
          ValueError: there was one with this tag.
        """
        if tag in self._run_tags:
            raise ValueError("The provided tag was already used for this event type")
        self._run_tags.add(tag)
        tagged = tf.compat.v1.summary.TaggedRunMetadata(
            tag=tag, run_metadata=run_metadata.SerializeToString()
        )
        self._add(global_step, tagged_run_metadata=tagged)

    def flush(self) -> None:
        """Hands all events to the operating system."""
        if not self._closed:
            self._events.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._events.close()
        self._closed = True

    def reopen(self) -> None:
        """Makes a closed writer usable again; it begins another file in the same directory."""
        self._closed = False


@export(v1=["summary.FileWriterCache"])
class FileWriterCache:
    """One writer for each directory, for all parts of a program."""

    _lock = threading.RLock()

    @staticmethod
    def _writers() -> dict[str, FileWriter]:
        return process.registry.setdefault("file_writers", {})

    @staticmethod
    def get(logdir: str) -> FileWriter:
        """The writer of a directory."""
        with FileWriterCache._lock:
            writers = FileWriterCache._writers()
            if logdir not in writers:
                writers[logdir] = FileWriter(logdir)
            return writers[logdir]

    @staticmethod
    def clear() -> None:
        """Closes all writers and forgets them."""
        with FileWriterCache._lock:
            for writer in FileWriterCache._writers().values():
                writer.close()
            FileWriterCache._writers().clear()


@export(v1=["train.summary_iterator"])
def summary_iterator(path: Any) -> Iterator[Any]:
    """The `Event` messages of an event file, in order.

    Args:
      path: the file.

    Raises:
      DataLossError: the file is damaged.
    """
    for record in read_records(os.fspath(path)):
        yield tf.compat.v1.Event.FromString(record)
