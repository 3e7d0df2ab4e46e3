"""`contrib.summary`, which is also TensorFlow's private `tensorflow.python.ops.summary_ops_v2`.

They write in TF 1's forms (`simple_value`, `histo`, ...) to the default writer, where `record_if` and its kin say so; the
step is the global step unless another is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS, export
from penstock.ops.grouping import smart_cond
from penstock.summary.event_file import EventFile as EventFileWriter
from penstock.summary.file_writer import FileWriter, FileWriterCache
from penstock.summary.functions_v1 import _scope
from penstock.summary.summary_ops import BAD_COLOR
from penstock.summary.values import write
from penstock.summary.writers import (
    INITIALIZERS,
    SummaryWriter,
    create_file_writer,
    get_step,
    record_if,
    set_step,
    should_record_summaries,
    state,
    step_tensor,
    summary_scope,
)
from penstock.v1.api import tf

__all__ = [
    "EventFileWriter", "FileWriter", "FileWriterCache", "SummaryWriter", "get_step", "set_step", "summary_scope",
]  # fmt: skip

create_file_writer_v2 = create_file_writer
SummaryWriterCache = FileWriterCache

for _name in ("create_file_writer", "should_record_summaries", "flush"):
    export(v1=[f"contrib.summary.{_name}"])(EXPORTS["v2"][f"summary.{_name}"])
for _name, _given in {"initialize": "initialize", "all_v2_summary_ops": "all_summary_ops"}.items():
    export(v1=[f"contrib.summary.{_given}"])(EXPORTS["v1"][f"summary.{_name}"])


def has_default_writer() -> bool:
    """Whether there is a default writer."""
    return state().writer is not None


@export(v1=["contrib.summary.always_record_summaries"])
def always_record_summaries() -> Any:
    """A context in which all summaries are written."""
    return record_if(True)


@export(v1=["contrib.summary.never_record_summaries"])
def never_record_summaries() -> Any:
    """A context in which no summary is written."""
    return record_if(False)


@export(v1=["contrib.summary.record_summaries_every_n_global_steps"])
def record_summaries_every_n_global_steps(n: int, global_step: Any = None) -> Any:
    """A context in which summaries are written in every n-th step."""
    if global_step is None:
        global_step = tf.train.get_or_create_global_step()

    def due() -> Any:
        return tf.equal(tf.convert_to_tensor(global_step) % n, 0)

    return record_if(due if thread.graph is None else due())


@export(v1=["contrib.summary.summary_writer_initializer_op"])
def summary_writer_initializer_op() -> list:
    """The operations that give the writers of a graph their files.

    Raises:
      RuntimeError: outside of a graph.
    """
    if thread.graph is None:
        raise RuntimeError(
            "tf.contrib.summary.summary_writer_initializer_op is only supported in graph mode."
        )
    return thread.graph.get_collection(INITIALIZERS)


def _write(
    op_type: str,
    name: str,
    family: str | None,
    step: Any,
    inputs: Callable[[], tuple],
    attrs: dict | None = None,
) -> Any:
    """Calls an op `(writer, step, tag, *inputs)`, if summaries are recorded; by default none are, as in `tf.contrib`."""
    if state().writer is None or state().recording is None:
        return tf.no_op()
    step = tf.train.get_or_create_global_step() if step is None else step

    def record() -> Any:
        with _scope(name, family) as (tag, scope):
            arguments = (state().writer._resource, step_tensor(step), tf.constant(tag), *inputs())  # type: ignore[union-attr]
            operation = execute(op_type, arguments, attrs, scope)
            with tf.control_dependencies([] if operation is None else [operation]):
                return tf.constant(True)

    written = smart_cond(should_record_summaries(), record, lambda: tf.constant(False))
    if thread.graph is not None:
        thread.graph.add_to_collection("_SUMMARY_V2", written)
    return written


@export(v1=["contrib.summary.scalar"])
def scalar(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes a number."""
    return _write("WriteScalarSummary", name, family, step, lambda: (convert_to_tensor(tensor),))


@export(v1=["contrib.summary.histogram"])
def histogram(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes how often values lie where."""
    return _write("WriteHistogramSummary", name, family, step, lambda: (convert_to_tensor(tensor),))


@export(v1=["contrib.summary.image"])
def image(
    name: str,
    tensor: Any,
    bad_color: Any = None,
    max_images: int = 3,
    family: str | None = None,
    step: Any = None,
) -> Any:
    """Writes pictures."""
    color = BAD_COLOR if bad_color is None else bad_color

    def inputs() -> tuple:
        return convert_to_tensor(tensor), convert_to_tensor(color, tf.uint8)

    return _write("WriteImageSummary", name, family, step, inputs, {"max_images": max_images})


@export(v1=["contrib.summary.audio"])
def audio(
    name: str, tensor: Any, sample_rate: Any, max_outputs: int, family: str | None = None, step: Any = None
) -> Any:
    """Writes sounds."""

    def inputs() -> tuple:
        return convert_to_tensor(tensor), convert_to_tensor(sample_rate, tf.float32)

    return _write("WriteAudioSummary", name, family, step, inputs, {"max_outputs": max_outputs})


@export(v1=["contrib.summary.generic"])
def generic(name: str, tensor: Any, metadata: Any = None, family: str | None = None, step: Any = None) -> Any:
    """Writes a tensor."""
    if state().writer is None or state().recording is None:
        return tf.no_op()
    step = tf.train.get_or_create_global_step() if step is None else step
    tag = name if family is None else f"{family}/{name}"
    return write(tag, convert_to_tensor(tensor), step, metadata)
