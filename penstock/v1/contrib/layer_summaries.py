"""`contrib.layers`: summaries of what layers compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf


def _names(name: str) -> list[str]:
    return [f"contrib.layers.{name}", f"contrib.layers.summaries.{name}"]


@export(v1=_names("summarize_tensor"))
def summarize_tensor(tensor: Any, tag: str | None = None) -> Any:
    """A summary of a tensor: its value where it is a scalar, else a histogram, under `tag` or the tensor's name."""
    if tensor.shape.rank == 0:
        return tf.summary.scalar(tag or f"{tensor.op.name}_summary", tensor)
    return tf.summary.histogram(tag or f"{tensor.op.name}_summary", tensor)


@export(v1=_names("summarize_activation"))
def summarize_activation(op: Any) -> Any:
    """A histogram of a layer's output and, where it is cut off at zero, the part that is zero."""
    if op.op.type in ("Relu", "Softplus", "Relu6"):
        tf.summary.scalar(f"{op.op.name}_activation/zeros", tf.nn.zero_fraction(op))
    if op.op.type == "Relu6":
        at_six = tf.reduce_mean(tf.cast(tf.equal(op, 6.0), tf.float32))
        tf.summary.scalar(f"{op.op.name}_activation/sixes", at_six)
    return tf.summary.histogram(f"{op.op.name}_activation", op)


@export(v1=_names("summarize_tensors"))
def summarize_tensors(tensors: Iterable[Any], summarizer: Callable = summarize_tensor) -> list[Any]:
    """The summaries that `summarizer` gives of tensors."""
    return [summarizer(each) for each in tensors]


@export(v1=_names("summarize_collection"))
def summarize_collection(
    collection: str, name_filter: str | None = None, summarizer: Callable = summarize_tensor
) -> list[Any]:
    """The summaries of the tensors of a collection whose names begin as the regular expression `name_filter` says."""
    return summarize_tensors(tf.get_collection(collection, name_filter), summarizer)


@export(v1=_names("summarize_activations"))
def summarize_activations(
    name_filter: str | None = None, summarizer: Callable = summarize_activation
) -> list[Any]:
    """The summaries of the tensors in the collection "activations"."""
    return summarize_collection(tf.GraphKeys.ACTIVATIONS, name_filter, summarizer)
