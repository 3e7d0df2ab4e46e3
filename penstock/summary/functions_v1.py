"""`tf.compat.v1.summary.scalar` and its family: nodes that give serialized `Summary` messages.

A node's tag is its name, so it is unique in its graph; `merge_all` finds the nodes in the collection `SUMMARIES`.
Eagerly, and in functions that
are called eagerly, they write to the default writer of `tf.summary`, if there are one and a step.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.lifting import outermost_graph
from penstock.ops.graph_collections import GraphKeys
from penstock.platform import tf_logging
from penstock.summary import values as v2
from penstock.summary.summary_ops import BAD_COLOR
from penstock.summary.writers import get_step, state
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_ILLEGAL = re.compile(r"[^-/\w\.]")


def _clean(name: str | None) -> str | None:
    """A name without the characters that names of nodes cannot have."""
    if name is None:
        return None
    cleaned = _ILLEGAL.sub("_", name).lstrip("/")
    if cleaned != name:
        tf_logging.info("Summary name %s is illegal; using %s instead.", name, cleaned)
    return cleaned


@contextlib.contextmanager
def _scope(name: str, family: str | None) -> Iterator[tuple[str, str]]:
    """The scope of a summary: its tag, and the name of its node."""
    name, family = _clean(name) or "", _clean(family)
    base = name if family is None else f"{family}/{name}"
    with tf.compat.v1.name_scope(base) as scope:
        unique = scope.rstrip("/")
        yield (unique if family is None else f"{family}/{unique}"), scope


def _collected(summary: Tensor, collections: Sequence[Any] | None) -> Tensor:
    if thread.graph is not None or not hasattr(summary, "numpy"):
        for key in [GraphKeys.SUMMARIES] if collections is None else collections:
            summary.graph.add_to_collection(key, summary)
    return summary


def _step() -> Any:
    step = get_step()
    return tf.compat.v1.train.get_global_step() if step is None else step


def _summary(
    kind: str,
    name: str,
    tensor: Any,
    collections: Sequence[Any] | None,
    family: str | None,
    write: Callable[[str, Any], Any],
    **attrs: Any,
) -> Tensor:
    if outermost_graph() is None and state().writer is not None and (step := _step()) is not None:
        tag = _clean(name) or ""
        write(tag if family is None else f"{_clean(family)}/{tag}", step)
        return tf.constant(b"")
    tensor = convert_to_tensor(tensor)
    graph = thread.graph if thread.graph is not None else getattr(tensor, "graph", None)
    with context.building(graph) if graph is not None else contextlib.nullcontext():
        with _scope(name, family) as (tag, scope):
            inputs = (convert_to_tensor(tag, dtypes.string), tensor, *attrs.pop("more", ()))
            summary = execute(kind, inputs, attrs, scope)
        return _collected(summary, collections) if graph is not None else summary


@export(v1=["summary.scalar"])
def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of a number.

    Args:
      name: the name of the node, which is the tag too.
      tensor: a real scalar.
      collections: the collections that the node is added to, `[GraphKeys.SUMMARIES]` by default.
      family: what stands before the name; TensorBoard groups by it.

    Returns:
      A string scalar: a serialized `Summary` message.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     loss = tf.compat.v1.summary.scalar("loss", tf.constant(0.5))
      ...     tf.compat.v1.Summary.FromString(session.run(loss)).value[0].simple_value
      0.5
    """
    return _summary(
        "ScalarSummary",
        name,
        tensor,
        collections,
        family,
        lambda tag, step: v2.scalar(tag, tensor, step),
    )


@export(v1=["summary.histogram"])
def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of how often values lie where.

    Args: as for `scalar`, with `values` of any shape.

    Raises (when run):
      InvalidArgumentError: a value is not finite.
    """
    return _summary(
        "HistogramSummary",
        name,
        values,
        collections,
        family,
        lambda tag, step: v2.histogram(tag, values, step),
    )


@export(v1=["summary.image"])
def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Tensor:
    """A summary of pictures.

    Args: as for `scalar`; besides
      tensor: `[batch, height, width, channels]` with 1, 3 or 4 channels. Floats are scaled, each picture for itself, to
        0...255, or, where there are negative values, so that 0 becomes 128.
      max_outputs: how many of the batch are kept. The tags are `name/image/0`, ...
    """
    return _summary(
        "ImageSummary",
        name,
        tensor,
        collections,
        family,
        lambda tag, step: v2.image(tag, tensor, step, max_outputs),
        max_images=max_outputs,
        bad_color=BAD_COLOR,
    )


@export(v1=["summary.audio"])
def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Any = None,
    family: str | None = None,
) -> Tensor:
    """A summary of sounds.

    Args: as for `scalar`; besides
      tensor: `[batch, frames, channels]` or `[batch, frames]`, float32 in -1...1.
      sample_rate: in hertz, a float32 scalar.
      max_outputs: how many of the batch are kept. The tags are `name/audio/0`, ...
    """

    def write(tag: str, step: Any) -> None:
        sounds = convert_to_tensor(tensor)
        sounds = tf.expand_dims(sounds, -1) if sounds.shape.rank == 2 else sounds
        v2.audio(tag, sounds, tf.cast(sample_rate, tf.int32), step, max_outputs)

    return _summary(
        "AudioSummaryV2",
        name,
        tensor,
        collections,
        family,
        write,
        more=(convert_to_tensor(sample_rate, dtypes.float32),),
        max_outputs=max_outputs,
    )


@export(v1=["summary.text"])
def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """A summary of strings, which TensorBoard shows as Markdown.

    Args: as for `scalar`, with `tensor` of strings, of any shape.

    Raises:
      ValueError: `tensor` holds something else.
    """
    tensor = convert_to_tensor(tensor)
    if tensor.dtype != dtypes.string:
        raise ValueError(f"Expected tensor {tensor.name} to have dtype string, got {tensor.dtype}")
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "text"
    return tensor_summary(name, tensor, collections=collections, summary_metadata=metadata)


@export(v1=["summary.tensor_summary"])
def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: str | None = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """A summary of any tensor.

    Args: as for `scalar`; besides
      summary_description, display_name: text for TensorBoard.
      summary_metadata: a `SummaryMetadata` message that says which plugin shows it.
    """
    metadata = tf.compat.v1.SummaryMetadata()
    if summary_metadata is not None:
        metadata.CopyFrom(summary_metadata)
    if summary_description is not None:
        metadata.summary_description = summary_description
    if display_name is not None:
        metadata.display_name = display_name
    return _summary(
        "TensorSummaryV2",
        name,
        tensor,
        collections,
        family,
        lambda tag, step: v2.write(tag, tensor, step, metadata),
        more=(convert_to_tensor(metadata.SerializeToString(), dtypes.string),),
    )


@export(v1=["summary.merge"])
def merge(inputs: Sequence[Any], collections: Any = None, name: str | None = None) -> Tensor:
    """One summary with the values of several.

    Args:
      inputs: string tensors that hold serialized `Summary` messages.
      collections: the collections that the node is added to; none by default.
      name: its name.

    Raises:
      RuntimeError: outside of a graph.
      InvalidArgumentError (when run): a tag appears twice.
    """
    tensors = [convert_to_tensor(each, dtypes.string) for each in inputs]
    graph = thread.graph or next((each.graph for each in tensors if not hasattr(each, "numpy")), None)
    if graph is None:
        raise RuntimeError(
            "Merging tf.summary.* ops is not compatible with eager execution. Use tf.contrib.summary instead."
        )
    with context.building(graph), tf.compat.v1.name_scope(_clean(name) or "Merge"):
        return _collected(
            execute("MergeSummary", (tensors,), None, name or "MergeSummary"), collections or []
        )


@export(v1=["summary.merge_all"])
def merge_all(key: Any = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None) -> Any:
    """One summary with the values of all summaries of the graph; None where there are none.

    Args:
      key: the collection that they are in.
      scope: only those whose names begin with a match of this regular expression.
      name: the name of the node.
    """
    found = current_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


@export(v1=["summary.get_summary_description"])
def get_summary_description(node_def: Any) -> Any:
    """The `SummaryDescription` message that a node of type TensorSummary holds.

    Raises:
      ValueError: it is of another type.
    """
    from google.protobuf import json_format

    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    description = tf.compat.v1.summary.SummaryDescription()
    json_format.Parse(node_def.attr["description"].s.decode(), description)
    return description
