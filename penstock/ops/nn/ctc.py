"""Public CTC losses: `tf.nn.ctc_loss` for dense and sparse labels, TF 1's `ctc_loss`; tools for label sequences."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.casting import cast
from penstock.types import dtypes
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def _transposed(logits: Tensor) -> Tensor:
    return execute("Transpose", (logits, convert_to_tensor([1, 0, 2])))


@export("nn.ctc_loss", v1=["nn.ctc_loss_v2"])
def ctc_loss(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: Any = None,
    name: str | None = None,
) -> Tensor:
    """The CTC loss: `-log P(labels | logits)`, summed over all alignments (Graves et al., 2006).

    Args:
      labels: `[batch, max_label_length]` integers, or a SparseTensor of them.
      logits: `[time, batch, classes]`, float32, bfloat16, float16 or float64.
      label_length: `[batch]`: the number of labels of each sequence; not used for sparse labels.
      logit_length: `[batch]`: the number of steps of each sequence.
      logits_time_major: False where logits are `[batch, time, classes]`.
      unique: what `ctc_unique_labels` returns; not needed here.
      blank_index: the class between labels, counted from the end if negative; 0 by default, required for sparse labels.

    Returns:
      The loss of each sequence, `[batch]`.

    Raises:
      ValueError: `blank_index` is missing or out of range.

    Example:
      >>> import penstock as tf
      >>> loss = tf.nn.ctc_loss(labels=[[1, 2]], logits=tf.zeros([3, 1, 3]), label_length=[2], logit_length=[3])
      >>> loss.numpy().round(4)
      array([1.6864], dtype=float32)
    """
    logits = convert_to_tensor(logits)
    if isinstance(labels, SparseTensor):
        if blank_index is None:
            raise ValueError("Argument `blank_index` must be provided when `labels` is a `SparseTensor`.")
        logits, labels = _blank_last(logits, labels, blank_index)
        return ctc_loss_v1(labels, logits, logit_length, time_major=logits_time_major)
    labels = cast(labels, dtypes.int32)
    if not logits_time_major:
        logits = _transposed(logits)
    blank = _positive_blank(0 if blank_index is None else blank_index, logits)
    wide = cast(logits, dtypes.float32) if logits.dtype in (dtypes.float16, dtypes.bfloat16) else logits
    lengths = cast(label_length, dtypes.int32), cast(logit_length, dtypes.int32)
    loss, _ = execute("CTCLossDense", (wide, labels, *lengths), {"blank_index": blank}, name)
    return cast(loss, logits.dtype)


def _positive_blank(blank_index: Any, logits: Tensor) -> int:
    known = constant_value(convert_to_tensor(blank_index))
    if known is None:
        raise ValueError("blank_index must be known while the graph is built")
    blank = int(known)
    classes = logits.shape[-1] if logits.shape.rank else None
    if blank < 0:
        if classes is None:
            raise ValueError("a negative blank_index needs a known number of classes")
        blank += classes
    if blank < 0 or (classes is not None and blank >= classes):
        raise ValueError(f"blank_index must be in [{-(classes or 0)}, {classes}), got {int(known)}")
    return blank


def _blank_last(logits: Tensor, labels: SparseTensor, blank_index: Any) -> tuple[Tensor, SparseTensor]:
    """Moves the blank class to the end, where the op for sparse labels has it."""
    blank = _positive_blank(blank_index, logits)
    if blank == logits.shape[-1] - 1:
        return logits, labels
    parts = [logits[:, :, :blank], logits[:, :, blank + 1 :], logits[:, :, blank : blank + 1]]
    moved = execute("ConcatV2", (parts, convert_to_tensor(2)))
    values = labels.values
    values = execute("SelectV2", (values < blank, values, values - 1))
    return moved, SparseTensor(labels.indices, values, labels.dense_shape)


@export(v1=["nn.ctc_loss"])
def ctc_loss_v1(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """TF 1's `nn.ctc_loss`: sparse labels, the blank is the last class.

    Args:
      labels: an int32 SparseTensor `[batch, max_label_length]`.
      inputs: `[time, batch, classes]` logits.
      sequence_length: `[batch]`: the number of steps of each sequence.
      preprocess_collapse_repeated: merges labels that repeat their predecessor.
      ctc_merge_repeated: False: frames of one label that follow each other count as several labels.
      ignore_longer_outputs_than_inputs: sequences with more labels than steps have loss 0; else they are an error.
      time_major: False where logits are `[batch, time, classes]`.
      logits: another name of `inputs`.

    Returns:
      The loss of each sequence, `[batch]`; infinite where no alignment exists.

    Raises:
      TypeError: `labels` is not sparse.
      InvalidArgumentError: a sequence has no labels, or more than steps.
    """
    if not isinstance(labels, SparseTensor):
        raise TypeError(
            f"Expected argument `labels` to be a SparseTensor. Received labels={labels} of type: {type(labels)}"
        )
    logits = convert_to_tensor(logits if inputs is None else inputs)
    if not time_major:
        logits = _transposed(logits)
    wide = cast(logits, dtypes.float32) if logits.dtype in (dtypes.float16, dtypes.bfloat16) else logits
    arguments = (wide, labels.indices, cast(labels.values, dtypes.int32), cast(sequence_length, dtypes.int32))
    attrs = {
        "preprocess_collapse_repeated": preprocess_collapse_repeated,
        "ctc_merge_repeated": ctc_merge_repeated,
        "ignore_longer_outputs_than_inputs": ignore_longer_outputs_than_inputs,
    }
    loss, _ = execute("CTCLoss", arguments, attrs)
    return cast(loss, logits.dtype)


def _sequence(count: Tensor) -> Tensor:
    return execute("Range", (convert_to_tensor(0), count, convert_to_tensor(1)))


def _places_of_kept(kept: Tensor) -> Tensor:
    """For each position of a boolean matrix, how many before it in its row are kept."""
    return execute("Cumsum", (cast(kept, dtypes.int32), convert_to_tensor(1)), {"exclusive": True})


def _scatter_rows(kept: Tensor, values: Tensor) -> Tensor:
    """The kept values of each row, moved to its front; zeros behind."""
    width = execute("Shape", (values,))[1]
    targets = execute("ExpandDims", (_sequence(width), convert_to_tensor(1)))
    places = execute("ExpandDims", (_places_of_kept(kept), convert_to_tensor(1)))
    chosen = execute("LogicalAnd", (execute("Equal", (places, targets)), kept[:, None, :]))
    zero = execute("ZerosLike", (values[:, None, :],))
    return execute("Sum", (execute("SelectV2", (chosen, values[:, None, :], zero)), convert_to_tensor([2])))


@export("nn.ctc_unique_labels")
def ctc_unique_labels(labels: Any, name: str | None = None) -> list[Tensor]:
    """The different labels of each sequence, and the place of each label among them.

    Args:
      labels: `[batch, max_label_length]` integers.

    Returns:
      The different labels in the order of their first appearance `[batch, max_label_length]` int64, padded with zeros;
      and for each label its index there, int32.

    Example:
      >>> import penstock as tf
      >>> different, index = tf.nn.ctc_unique_labels([[3, 4, 4, 3]])
      >>> different.numpy(), index.numpy()
      (array([[3, 4, 0, 0]]), array([[0, 1, 1, 0]], dtype=int32))
    """
    labels = cast(labels, dtypes.int64)
    same = cast(execute("Equal", (labels[:, :, None], labels[:, None, :])), dtypes.int32)
    first = execute("ArgMax", (same, convert_to_tensor(2)), {"output_type": dtypes.int32})
    here = _sequence(execute("Shape", (labels,))[1])
    kept = execute("Equal", (first, here))
    index = execute("GatherV2", (_places_of_kept(kept), first, convert_to_tensor(1)), {"batch_dims": 1})
    return [_scatter_rows(kept, labels), index]


@export("nn.collapse_repeated")
def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Merges labels that repeat their predecessor.

    Args:
      labels: `[batch, max_label_length]` integers. seq_length: `[batch]`: how many labels of each row count.

    Returns:
      The merged labels, padded with zeros to the longest of them, and their number in each row, int32.

    Example:
      >>> import penstock as tf
      >>> merged, length = tf.nn.collapse_repeated([[1, 1, 2, 2, 1]], [5])
      >>> merged.numpy(), length.numpy()
      (array([[1, 2, 1]], dtype=int32), array([3], dtype=int32))
    """
    labels = convert_to_tensor(labels)
    lengths = cast(seq_length, dtypes.int32)
    differs = execute("NotEqual", (labels[:, 1:], labels[:, :-1]))
    changed = execute(
        "ConcatV2", ([execute("OnesLike", (labels[:, :1],)) > 0, differs], convert_to_tensor(1))
    )
    inside = execute("Less", (_sequence(execute("Shape", (labels,))[1]), lengths[:, None]))
    kept = execute("LogicalAnd", (changed, inside))
    count = execute("Sum", (cast(kept, dtypes.int32), convert_to_tensor([1])))
    longest = execute("Max", (count, convert_to_tensor([0])))
    return _scatter_rows(kept, labels)[:, :longest], count
