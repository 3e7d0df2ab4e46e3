"""`tf.summary`'s writers and what decides whether something is written: the default writer, the step, the condition."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.graph.graph import current_graph
from penstock.graph.lifting import init_scope
from penstock.graph.scopes import get_current_name_scope, name_scope
from penstock.ops.comparison import equal, logical_and
from penstock.ops.creation import constant
from penstock.ops.grouping import no_op
from penstock.types import dtypes
from penstock.types.tensors import SymbolicTensor, Tensor

# The collection of the operations that give a graph's writers their files.
INITIALIZERS = "_SUMMARY_WRITER_V2"

_DEFAULTS: dict[str, Any] = {"max_queue": 10, "flush_millis": 2 * 60 * 1000, "filename_suffix": ".v2"}


class SummaryState:
    """What summaries of one thread go by.

    Attributes:
      writer: the default writer. step: the default step. recording: the condition of `record_if`; None for always.
    """

    def __init__(self) -> None:
        self.writer: SummaryWriter | None = None
        self.step: Any = None
        self.recording: Any = None


def state() -> SummaryState:
    """That of this thread."""
    found = thread.summary
    if found is None:
        found = thread.summary = SummaryState()
    return found


class _AsDefault:
    """A context in which a writer, and perhaps a step, is the default; what is written is flushed at its end."""

    def __init__(self, writer: SummaryWriter, step: Any):
        self._writer, self._step = writer, step

    def __enter__(self) -> SummaryWriter:
        now = state()
        self._outer_writer, self._outer_step = now.writer, now.step
        now.writer = self._writer
        if self._step is not None:
            now.step = self._step
        return self._writer

    def __exit__(self, *error: Any) -> None:
        now = state()
        self._writer.flush()
        now.writer = self._outer_writer
        if self._step is not None:
            now.step = self._outer_step


@export("summary.SummaryWriter", v1=[])
class SummaryWriter:
    """Where summaries are written to; `tf.summary.create_file_writer` makes one."""

    def as_default(self, step: Any = None) -> Any:
        """A context manager in which this is the default writer, and `step`, if given, the default step."""
        return _AsDefault(self, step)

    def set_as_default(self, step: Any = None) -> None:
        """Makes this the default writer from now on."""
        self.as_default(step).__enter__()

    def init(self) -> Any:
        """In a graph, the operation that gives the writer its file."""
        raise TypeError(f"{type(self).__name__} does not define init()")

    def flush(self) -> Any:
        """Hands what has been written to the operating system."""
        raise TypeError(f"{type(self).__name__} does not define flush()")

    def close(self) -> Any:
        """Flushes and closes."""
        raise TypeError(f"{type(self).__name__} does not define close()")


class FileWriter(SummaryWriter):
    """A writer of an event file, which the resource `_resource` stands for."""

    def __init__(self, resource: Tensor, init_op: Any):
        self._resource, self._init_op = resource, init_op
        self._closed = False

    def _check_open(self) -> None:
        if thread.graph is None and self._closed:
            raise RuntimeError(f"SummaryWriter {self!r} is already closed")

    def as_default(self, step: Any = None) -> Any:
        """A context manager in which this is the default writer.

        Raises:
          RuntimeError: it is closed.
        """
        self._check_open()
        return super().as_default(step)

    def init(self) -> Any:
        """In a graph the operation that gives the writer its file; None eagerly."""
        self._check_open()
        return self._init_op

    def flush(self) -> Any:
        """Hands what has been written to the operating system; in a graph, the operation that does."""
        if thread.graph is None and self._closed:
            return None
        return execute("FlushSummaryWriter", (self._resource,))

    def close(self) -> Any:
        """Flushes and closes the file; in a graph, the operation that does. A second call does nothing."""
        if thread.graph is None and self._closed:
            return None
        done = execute("CloseSummaryWriter", (self._resource,))
        self._closed = thread.graph is None
        return done


class _NoWriter(SummaryWriter):
    """A writer that writes nothing and leaves the default writer as it is."""

    def as_default(self, step: Any = None) -> Any:
        return contextlib.nullcontext()

    def set_as_default(self, step: Any = None) -> None:
        pass

    def init(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@export("summary.create_noop_writer", v1=[])
def create_noop_writer() -> SummaryWriter:
    """A writer that writes nothing: for code that always uses one."""
    return _NoWriter()


@export("summary.create_file_writer", v1=[])
def create_file_writer(
    logdir: Any,
    max_queue: Any = None,
    flush_millis: Any = None,
    filename_suffix: Any = None,
    name: str | None = None,
    experimental_trackable: bool = False,
    experimental_mesh: Any = None,
) -> SummaryWriter:
    """A writer of an event file for TensorBoard.

    Args:
      logdir: the directory, a string or string scalar; it is made where it does not exist.
      max_queue: how many events wait at most before they are written, 10 by default.
      flush_millis: how long they wait at most while others come, two minutes by default.
      filename_suffix: the end of the file's name, ".v2" by default.
      name: the name of the writer in a graph.
      experimental_trackable: accepted.
      experimental_mesh: accepted.

    Raises:
      ValueError: `logdir` is None, or an argument is a tensor of a graph while the writer is made eagerly.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> folder = tempfile.mkdtemp()
      >>> writer = tf.summary.create_file_writer(folder)
      >>> with writer.as_default():
      ...     for step in range(3):
      ...         _ = tf.summary.scalar("loss", 1.0 / (step + 1), step=step)
      >>> writer.close()
      >>> len(os.listdir(folder))
      1
    """
    if logdir is None:
        raise ValueError("Argument `logdir` cannot be None")
    given = {"max_queue": max_queue, "flush_millis": flush_millis, "filename_suffix": filename_suffix}
    settings = {key: _DEFAULTS[key] if value is None else value for key, value in given.items()}
    inside_function = thread.graph is not None and thread.graph.building_function
    with name_scope(name or "create_file_writer") as scope, init_scope():
        if thread.graph is None:
            _refuse_symbolic({"logdir": logdir, **settings}, inside_function)
        arguments = (
            convert_to_tensor(logdir, dtypes.string),
            convert_to_tensor(settings["max_queue"], dtypes.int32),
            convert_to_tensor(settings["flush_millis"], dtypes.int32),
            convert_to_tensor(settings["filename_suffix"], dtypes.string),
        )
        shared_name = "" if thread.graph is None else scope.rstrip("/")
        resource = execute("SummaryWriter", (), {"shared_name": shared_name}, name)
        init_op = execute("CreateSummaryFileWriter", (resource, *arguments))
        if thread.graph is not None:
            thread.graph.add_to_collection(INITIALIZERS, init_op)
    return FileWriter(resource, init_op)


def _refuse_symbolic(arguments: dict[str, Any], inside_function: bool) -> None:
    for name, value in arguments.items():
        if not isinstance(value, SymbolicTensor):
            continue
        if inside_function:
            raise ValueError(
                f"Invalid graph Tensor argument '{name}={value}' to create_file_writer() inside an @tf.function. The "
                "create call will be lifted into the outer eager execution context, so it cannot consume graph tensors "
                "defined inside the function body."
            )
        raise ValueError(
            f"Invalid graph Tensor argument '{name}={value}' to eagerly executed create_file_writer()."
        )


@export("summary.flush", v1=[])
def flush(writer: SummaryWriter | None = None, name: str | None = None) -> Any:
    """Hands what a writer (by default the default one) has written to the operating system.

    Raises:
      ValueError: `writer` is none.
    """
    writer = state().writer if writer is None else writer
    if writer is None:
        return no_op()
    if isinstance(writer, SummaryWriter):
        return writer.flush()
    raise ValueError(f"Invalid argument to flush(): {writer!r}")


# Step and condition.


@export("summary.experimental.get_step", v1=[])
def get_step() -> Any:
    """The default step of this thread; None where none was set."""
    return state().step


@export("summary.experimental.set_step", v1=[])
def set_step(step: Any) -> None:
    """Sets the default step of this thread.

    A `tf.Variable` keeps its meaning inside a `tf.function`; a Python number is fixed when the function is traced.

    Args:
      step: an integer, a variable, a function without arguments, or None.
    """
    state().step = step


def step_tensor(step: Any) -> Tensor:
    """A step as an int64 scalar.

    Raises:
      ValueError: it has more than one element, or there is none.
    """
    if step is None:
        raise ValueError(
            "No step set. Please specify one either through the `step` argument or through "
            "tf.summary.experimental.set_step()"
        )
    tensor = convert_to_tensor(step() if callable(step) else step)
    if tensor.dtype != dtypes.int64:
        tensor = execute("Cast", (tensor,), {"DstT": dtypes.int64})
    if tensor.shape.num_elements() not in (1, None):
        raise ValueError(f"Argument `step` must be a scalar. Received step with shape {tensor.shape}.")
    return tensor


@export("summary.record_if", v1=[])
@contextlib.contextmanager
def record_if(condition: Any) -> Iterator[None]:
    """Summaries inside are written only where `condition` holds.

    Args:
      condition: a bool, a boolean tensor, or a function without arguments that returns one; a function is asked at
        each summary.

    Example:
      >>> import penstock as tf
      >>> with tf.summary.record_if(False):
      ...     bool(tf.summary.should_record_summaries())
      False
    """
    now = state()
    outer, now.recording = now.recording, condition
    try:
        yield
    finally:
        now.recording = outer


@export("summary.should_record_summaries", v1=[])
def should_record_summaries() -> Tensor:
    """Whether a summary would be written here: a boolean scalar; False where there is no default writer."""
    now = state()
    if now.writer is None:
        return constant(False)
    condition = now.recording
    if condition is None:
        condition = True
    elif callable(condition):
        condition = condition()
    elif constant_value(convert_to_tensor(condition)) is False:
        return constant(False)
    return logical_and(_is_first_replica(), convert_to_tensor(condition, dtypes.bool))


def _is_first_replica() -> Any:
    """Whether this is the replica that writes: each of several would write the same."""
    if not thread.strategies:
        return True
    from penstock import distribute

    replica = distribute.get_replica_context()
    if replica is None or distribute.get_strategy().num_replicas_in_sync == 1:
        return True
    return equal(replica.replica_id_in_sync_group, 0)


# Names.

_NOT_IN_SCOPES = re.compile(r"[^-_/.A-Za-z0-9]")


@export("summary.experimental.summary_scope", v1=[])
@contextlib.contextmanager
def summary_scope(name: str | None, default_name: str = "summary", values: Any = None) -> Iterator[tuple]:
    """A scope for the ops of one summary.

    Args:
      name: the name of the summary. default_name: that of one without.
      values: accepted.

    Returns:
      (tag, scope): the name with the scopes around it, as it is, and the name scope of the ops.
    """
    name = name or default_name
    around = get_current_name_scope()
    tag = f"{around}/{name}" if around else name
    with name_scope(_NOT_IN_SCOPES.sub("", name) or default_name) as scope:
        yield tag, scope


# Graphs of TensorFlow 1.


@export(v1=["summary.all_v2_summary_ops"])
def all_v2_summary_ops() -> list | None:
    """The operations of the graph that write summaries by `tf.summary` of TensorFlow 2; None when eager."""
    if thread.graph is None:
        return None
    return current_graph().get_collection("_SUMMARY_V2")


@export(v1=["summary.initialize"])
def initialize(graph: Any = None, session: Any = None) -> None:
    """Gives the writers of the graph their files, in a session; nothing when eager.

    Args:
      graph: a graph to write to the default writer.
      session: the default session where it is left out.

    Raises:
      RuntimeError: there is no default writer.
      ValueError: there is no session.
    """
    if thread.graph is None:
        return
    writer = state().writer
    if writer is None:
        raise RuntimeError("No default tf.contrib.summary.SummaryWriter found")
    session = session or (thread.sessions[-1] if thread.sessions else None)
    if session is None:
        raise ValueError("Argument `session must be passed if no default session exists")
    session.run(thread.graph.get_collection(INITIALIZERS))
    if graph is not None:
        data = constant(serialized_graph(graph), dtypes.string)
        session.run(execute("WriteGraphSummary", (writer._resource, constant(0, dtypes.int64), data)))  # type: ignore[attr-defined]


def serialized_graph(graph: Any) -> bytes:
    """A graph, or a GraphDef, as bytes.

    Raises:
      ValueError: it is neither.
    """
    if hasattr(graph, "as_graph_def"):
        graph = graph.as_graph_def(add_shapes=True)
    if not hasattr(graph, "SerializeToString"):
        raise ValueError(
            "Argument 'graph_data' is not tf.Graph or tf.compat.v1.GraphDef. Received "
            f"graph_data={graph} of type {type(graph).__name__}."
        )
    return graph.SerializeToString()
