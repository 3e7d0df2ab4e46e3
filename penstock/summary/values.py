"""`tf.summary.scalar`, `image`, `audio`, `histogram`, `text`, `write`, `graph`: values for TensorBoard.

The metadata of each kind are those of TensorBoard's own plugins, which show them. What has to be computed for a summary
(buckets, PNG files) is computed only where one is written.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import penstock as tf
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.scopes import control_dependencies, name_scope
from penstock.ops.creation import constant
from penstock.ops.grouping import smart_cond
from penstock.summary.writers import (
    serialized_graph,
    should_record_summaries,
    state,
    step_tensor,
    summary_scope,
)
from penstock.types import dtypes
from penstock.types.tensors import Tensor


@export("summary.write", v1=[])
def write(tag: Any, tensor: Any, step: Any = None, metadata: Any = None, name: str | None = None) -> Tensor:
    """Writes a tensor to the default writer.

    Args:
      tag: its name in TensorBoard.
      tensor: a tensor, or a function without arguments that returns one, called only where it is written.
      step: an integer that grows over time; by default `tf.summary.experimental.get_step()`.
      metadata: a `SummaryMetadata` message, or the bytes of one: which of TensorBoard's plugins shows the tensor.
      name: the scope of the nodes in a graph.

    Returns:
      A boolean scalar: whether it was written. False without a default writer, or where `record_if` says so.

    Raises:
      ValueError: there is no step.
    """
    with name_scope(name or "write_summary"):
        if state().writer is None:
            return constant(False)
        serialized = (
            metadata.SerializeToString() if hasattr(metadata, "SerializeToString") else metadata or b""
        )

        def arguments() -> tuple:
            value = tensor() if callable(tensor) else convert_to_tensor(tensor)
            label = convert_to_tensor(tag, dtypes.string)
            return value, label, constant(serialized, dtypes.string)

        return _recorded("WriteSummary", step, arguments)


@export("summary.experimental.write_raw_pb", v1=[])
def write_raw_pb(tensor: Any, step: Any = None, name: str | None = None) -> Tensor:
    """Writes serialized `Summary` messages to the default writer.

    Args:
      tensor: a string tensor, one message in each element.
      step, name: as for `tf.summary.write`, which has the same result and errors.
    """
    with name_scope(name or "write_raw_pb"):
        if state().writer is None:
            return constant(False)
        return _recorded("WriteRawProtoSummary", step, lambda: (convert_to_tensor(tensor, dtypes.string),))


def _recorded(op_type: str, step: Any, arguments: Callable[[], tuple]) -> Tensor:
    """Calls a writing op with the default writer and a step, if summaries are recorded now."""
    step = state().step if step is None else step

    def record() -> Tensor:
        operation = execute(op_type, (state().writer._resource, step_tensor(step), *arguments()))  # type: ignore[union-attr]
        with control_dependencies([] if operation is None else [operation]):
            return constant(True)

    written = smart_cond(should_record_summaries(), record, lambda: constant(False), name="summary_cond")
    if thread.graph is not None:
        thread.graph.add_to_collection("_SUMMARY_V2", written)
    return written


def _metadata(plugin: str, description: str | None, **more: Any) -> Any:
    found = importlib.import_module(f"tensorboard.plugins.{plugin}.metadata")
    return found.create_summary_metadata(display_name=None, description=description, **more)


@export("summary.scalar", v1=[])
def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> Tensor:
    """Writes a number.

    Args:
      name: its name in TensorBoard, under the name scopes around it.
      data: a real scalar; it is written as float32.
      step: an integer that grows over time; by default `tf.summary.experimental.get_step()`.
      description: text for TensorBoard, in Markdown.

    Returns:
      A boolean scalar: whether it was written.

    Raises:
      ValueError: `data` is no scalar, or there is no step.
    """
    with summary_scope(name, "scalar_summary") as (tag, _):
        tf.debugging.assert_scalar(data)
        value = execute("Cast", (convert_to_tensor(data),), {"DstT": dtypes.float32})
        return write(tag, value, step, _metadata("scalar", description))


@export("summary.text", v1=[])
def text(name: str, data: Any, step: Any = None, description: str | None = None) -> Tensor:
    """Writes strings, which TensorBoard shows as Markdown; a vector or matrix as a table.

    Args: as for `tf.summary.scalar`, with `data` a string tensor of any shape.

    Raises:
      TypeError: `data` is no string tensor.
    """
    with summary_scope(name, "text_summary") as (tag, _):
        tensor = convert_to_tensor(data)
        tf.debugging.assert_type(tensor, dtypes.string)
        return write(tag, tensor, step, _metadata("text", description))


@export("summary.histogram", v1=[])
def histogram(
    name: str, data: Any, step: Any = None, buckets: Any = None, description: str | None = None
) -> Tensor:
    """Writes how often values lie where: `[buckets, 3]` with left edge, right edge and count in each row.

    Args:
      name, step, description: as for `tf.summary.scalar`.
      data: a tensor of any shape, cast to float64.
      buckets: how many, 30 by default. Where all values are equal they are all in the last one.

    Returns:
      A boolean scalar: whether it was written.
    """
    with summary_scope(name, "histogram_summary") as (tag, _):
        count = 30 if buckets is None else buckets
        return write(tag, lambda: _buckets(data, count), step, _metadata("histogram", description))


def _buckets(data: Any, count: Any) -> Tensor:
    values = tf.cast(tf.reshape(tf.stop_gradient(data), [-1]), tf.float64)
    count = tf.convert_to_tensor(count, tf.int32)
    is_empty = tf.equal(tf.size(values), 0)
    low = tf.where(is_empty, tf.zeros([], tf.float64), tf.reduce_min(values))
    high = tf.where(is_empty, tf.zeros([], tf.float64), tf.reduce_max(values))
    width = (high - low) / tf.cast(tf.maximum(count, 1), tf.float64)
    last = tf.fill(tf.shape(values), count - 1)
    places = tf.cast(tf.floor(tf.math.divide_no_nan(values - low, width)), tf.int32)
    places = tf.where(tf.equal(width, 0), last, tf.minimum(places, last))
    counts = tf.math.unsorted_segment_sum(tf.ones_like(values), places, count)
    edges = tf.concat([tf.linspace(low, high, tf.maximum(count, 1) + 1)[:count], [high]], 0)
    return tf.stack([edges[:-1], edges[1:], counts], axis=1)


@export("summary.image", v1=[])
def image(
    name: str, data: Any, step: Any = None, max_outputs: Any = 3, description: str | None = None
) -> Tensor:
    """Writes pictures.

    Args:
      name, step, description: as for `tf.summary.scalar`.
      data: `[count, height, width, channels]` with 1 to 4 channels: floats in 0...1, or uint8; other integers are scaled
        as by `tf.image.convert_image_dtype`.
      max_outputs: how many of them are written at most.

    Returns:
      A boolean scalar: whether they were written.
    """

    def encoded() -> Tensor:
        tf.debugging.assert_rank(data, 4)
        tf.debugging.assert_non_negative(max_outputs)
        pictures = tf.image.convert_image_dtype(data, tf.uint8, saturate=True)
        size = tf.strings.as_string(tf.shape(pictures))
        return tf.concat([[size[2], size[1]], tf.io.encode_png(pictures[:max_outputs])], axis=0)

    with summary_scope(name, "image_summary") as (tag, _):
        return write(tag, encoded, step, _metadata("image", description))


@export("summary.audio", v1=[])
def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: Any = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> Tensor:
    """Writes sounds.

    Args:
      name, step, description: as for `tf.summary.scalar`.
      data: `[count, frames, channels]` float32 in -1...1.
      sample_rate: in hertz, a positive int32 scalar.
      max_outputs: how many of them are written at most.
      encoding: "wav".

    Returns:
      A boolean scalar: whether they were written.

    Raises:
      ValueError: another encoding.
    """
    if encoding not in (None, "wav"):
        raise ValueError(f"Unknown encoding: {encoding!r}")

    def encoded() -> Tensor:
        tf.debugging.assert_rank(data, 3)
        tf.debugging.assert_non_negative(max_outputs)
        sounds = tf.convert_to_tensor(data, tf.float32)[:max_outputs]
        rate = tf.convert_to_tensor(sample_rate, tf.int32)
        files = tf.map_fn(
            lambda sound: execute("EncodeWav", (sound, rate)),
            sounds,
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        return tf.stack([files, tf.fill(tf.shape(files), "")], axis=1)

    with summary_scope(name, "audio_summary") as (tag, _):
        wav = importlib.import_module("tensorboard.plugins.audio.metadata").Encoding.Value("WAV")
        return write(tag, encoded, step, _metadata("audio", description, encoding=wav))


@export("summary.graph", v1=[])
def graph(graph_data: Any) -> Tensor:
    """Writes a graph to the default writer, for TensorBoard's graph page.

    Args:
      graph_data: a `tf.Graph` or a `GraphDef` message.

    Returns:
      A boolean scalar: whether it was written.

    Raises:
      ValueError: inside a graph, or for anything else.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> f = tf.function(lambda x: x + 1.0).get_concrete_function(tf.TensorSpec([], tf.float32))
      >>> with tf.summary.create_file_writer(tempfile.mkdtemp()).as_default():
      ...     bool(tf.summary.graph(f.graph))
      True
    """
    if thread.graph is not None:
        raise ValueError("graph() cannot be invoked inside a graph context.")
    writer = state().writer
    if writer is None or not should_record_summaries():
        return constant(False)
    data = constant(serialized_graph(graph_data), dtypes.string)
    execute("WriteGraphSummary", (writer._resource, constant(0, dtypes.int64), data))  # type: ignore[attr-defined]
    return constant(True)
