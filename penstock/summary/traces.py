"""`tf.summary.trace_on`, `trace_export`, `trace_off`: the graphs of the functions that run, and a profile of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.engine.context import process, thread
from penstock.engine.export import export
from penstock.ops.creation import constant
from penstock.platform.tf_logging import warn
from penstock.profiler import sessions
from penstock.summary.values import write
from penstock.summary.writers import summary_scope
from penstock.types import dtypes, errors

_KEY = "summary_trace"


class _Trace(NamedTuple):
    """The trace that is on: the graphs that ran, in order and by their ids, and whether there is a profile too."""

    graphs: dict[int, Any] | None
    profiler: bool


def _note(trace: _Trace) -> Any:
    def observe(graph: Any) -> None:
        assert trace.graphs is not None
        trace.graphs.setdefault(id(graph), graph)

    return observe


@export("summary.trace_on", v1=[])
def trace_on(graph: bool = True, profiler: bool = False, profiler_outdir: str | None = None) -> None:
    """Begins to collect the graphs of the functions that run, for `trace_export`.

    Args:
      graph: whether to collect graphs.
      profiler: whether to record a profile too.
      profiler_outdir: where the profile goes; without it none is recorded.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> @tf.function
      ... def square(x):
      ...     return x * x
      >>> tf.summary.trace_on(graph=True)
      >>> _ = square(tf.constant(3.0))
      >>> with tf.summary.create_file_writer(tempfile.mkdtemp()).as_default():
      ...     tf.summary.trace_export("square", step=0)
    """
    if thread.graph is not None:
        inside = thread.graph.building_function
        warn("Cannot enable trace inside a tf.function." if inside else "Must enable trace in eager mode.")
        return
    with process.lock:
        if process.registry.get(_KEY) is not None:
            warn("Trace already enabled")
            return
        if profiler and profiler_outdir is None:
            warn("No `profiler_outdir` passed to trace_on(). Profiler won't be enabled.")
        elif profiler:
            sessions.start(profiler_outdir)
        trace = _Trace({} if graph else None, profiler and profiler_outdir is not None)
        process.registry[_KEY] = trace
        if graph:
            process.graph_observer = _note(trace)


@export("summary.trace_export", v1=[])
def trace_export(name: str, step: Any = None, profiler_outdir: str | None = None) -> None:
    """Writes what was collected since `trace_on` to the default writer, and ends the collection.

    Args:
      name: its name in TensorBoard.
      step: an integer; by default `tf.summary.experimental.get_step()`.
      profiler_outdir: give it to `trace_on` instead.

    Raises:
      ValueError: there was no `trace_on`.
    """
    if thread.graph is not None:
        inside = thread.graph.building_function
        warn(
            "Cannot export trace inside a tf.function."
            if inside
            else "Can only export trace while executing eagerly."
        )
        return
    trace = process.registry.get(_KEY)
    if trace is None:
        raise ValueError("Must enable trace before export through tf.summary.trace_on.")
    if trace.graphs is not None:
        _write_graphs(name, list(trace.graphs.values()), step)
    if trace.profiler and profiler_outdir:
        warn("Ignoring `profiler_outdir` passed to trace_export(). Please pass it to trace_on() instead.")
    trace_off()


def _write_graphs(name: str, graphs: list[Any], step: Any) -> None:
    from tensorboard.compat.proto import config_pb2, summary_pb2

    run = config_pb2.RunMetadata()
    for graph in graphs:
        definition = graph.as_graph_def(add_shapes=True)
        function = run.function_graphs.add()
        for each in (function.pre_optimization_graph, function.post_optimization_graph):
            each.CopyFrom(definition)
        function.partition_graphs.add().CopyFrom(definition)
        run.partition_graphs.add().CopyFrom(definition)
    metadata = summary_pb2.SummaryMetadata()
    metadata.plugin_data.plugin_name = "graph_run_metadata_graph"
    metadata.plugin_data.content = b"1"
    with summary_scope(name, "graph_run_metadata_graph_summary") as (tag, _):
        write(tag, constant(run.SerializeToString(), dtypes.string), step, metadata)


@export("summary.trace_off", v1=[])
def trace_off() -> None:
    """Ends the collection; what was collected is dropped. A profile is ended and kept."""
    with process.lock:
        trace = process.registry.pop(_KEY, None)
        process.graph_observer = None
    if trace is not None and trace.profiler:
        try:
            sessions.stop()
        except errors.UnavailableError as error:  # the program has ended it
            warn("Error while stopping profiler: %s", error)
