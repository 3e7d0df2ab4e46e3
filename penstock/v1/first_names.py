"""What TensorFlow called things before its version 1.0: `tf.mul`, `tf.pack`, `tf.scalar_summary`, `tf.nn.rnn`, ...

Programs of 2015 and 2016 use them. Where only the name changed, a row says the later one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export, export_on_demand
from penstock.ops.graph_collections import GraphKeys
from penstock.v1.api import tf

# First name -> later name.
_LATER = {
    "batch_cholesky": "linalg.cholesky",
    "batch_cholesky_solve": "linalg.cholesky_solve",
    "batch_fft": "fft",
    "batch_fft2d": "fft2d",
    "batch_ifft": "ifft",
    "batch_matrix_band_part": "matrix_band_part",
    "batch_matrix_determinant": "matrix_determinant",
    "batch_matrix_diag": "matrix_diag",
    "batch_matrix_diag_part": "matrix_diag_part",
    "batch_matrix_inverse": "matrix_inverse",
    "batch_matrix_solve": "matrix_solve",
    "batch_matrix_transpose": "matrix_transpose",
    "batch_self_adjoint_eig": "self_adjoint_eig",
    "batch_svd": "svd",
    "complex_abs": "abs",
    "inv": "reciprocal",
    "listdiff": "setdiff1d",
    "merge_all_summaries": "summary.merge_all",
    "mul": "multiply",
    "neg": "negative",
    "nn.bidirectional_rnn": "nn.static_bidirectional_rnn",
    "nn.rnn": "nn.static_rnn",
    "nn.state_saving_rnn": "nn.static_state_saving_rnn",
    "pack": "stack",
    "select": "where",
    "sub": "subtract",
    "unpack": "unstack",
}


def _found(name: str) -> Any:
    found: Any = tf
    for part in name.split("."):
        found = getattr(found, part)
    return found


for _first, _later in _LATER.items():
    export_on_demand(v1=[_first])(lambda later=_later: _found(later))
for _name in (
    "attention_decoder basic_rnn_seq2seq embedding_attention_decoder embedding_attention_seq2seq embedding_rnn_decoder "
    "embedding_rnn_seq2seq model_with_buckets rnn_decoder sequence_loss sequence_loss_by_example tied_rnn_seq2seq"
).split():
    export_on_demand(v1=[f"nn.seq2seq.{_name}"])(lambda name=_name: getattr(tf.contrib.legacy_seq2seq, name))


@export(v1=["batch_matmul"])
def batch_matmul(x: Any, y: Any, adj_x: bool = False, adj_y: bool = False, name: str | None = None) -> Any:
    """`tf.matmul` of matrices in their last two axes.

    Args:
      x, y: `[..., rows, columns]`. adj_x, adj_y: whether the adjoint is taken of one.
    """
    return tf.matmul(x, y, adjoint_a=adj_x, adjoint_b=adj_y, name=name)


# Summaries had the tags that they were given, whatever the scope.


def _tagged(name: str) -> list[str]:
    return [name, f"contrib.deprecated.{name}"]


def _collected(summary: Any, collections: Sequence[str] | None) -> Any:
    for each in [GraphKeys.SUMMARIES] if collections is None else collections:
        tf.add_to_collection(each, summary)
    return summary


def _op(op_type: str) -> Callable:
    import penstock

    return getattr(penstock.raw_ops, op_type)


@export(v1=_tagged("scalar_summary"))
def scalar_summary(
    tags: Any, values: Any, collections: Sequence[str] | None = None, name: str | None = None
) -> Any:
    """A summary of numbers: one with its tag, or as many of both."""
    return _collected(_op("ScalarSummary")(tags=tags, values=values, name=name), collections)


@export(v1=_tagged("histogram_summary"))
def histogram_summary(
    tag: Any, values: Any, collections: Sequence[str] | None = None, name: str | None = None
) -> Any:
    """A summary of how often values lie where."""
    return _collected(_op("HistogramSummary")(tag=tag, values=values, name=name), collections)


@export(v1=_tagged("image_summary"))
def image_summary(
    tag: Any,
    tensor: Any,
    max_images: int = 3,
    collections: Sequence[str] | None = None,
    name: str | None = None,
) -> Any:
    """A summary of pictures, `[batch, height, width, channels]`."""
    made = _op("ImageSummary")(tag=tag, tensor=tensor, max_images=max_images, name=name)
    return _collected(made, collections)


@export(v1=_tagged("audio_summary"))
def audio_summary(
    tag: Any, tensor: Any, sample_rate: float, max_outputs: int = 3, collections: Sequence[str] | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """A summary of sounds, `[batch, samples]` or `[batch, samples, channels]`."""
    made = _op("AudioSummaryV2")(
        tag=tag, tensor=tensor, sample_rate=sample_rate, max_outputs=max_outputs, name=name
    )
    return _collected(made, collections)


@export(v1=["merge_summary", "contrib.deprecated.merge_summary"])
def merge_summary(
    inputs: Sequence[Any], collections: Sequence[str] | None = None, name: str | None = None
) -> Any:
    """One summary of several; in the collections, if any."""
    return tf.summary.merge(inputs, collections, name)


export_on_demand(v1=["contrib.deprecated.merge_all_summaries"])(lambda: tf.summary.merge_all)
