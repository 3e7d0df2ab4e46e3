"""Losses over a sample of very many classes: noise-contrastive estimation and sampled softmax.

Gutmann and Hyvarinen, "Noise-contrastive estimation", 2010; Jean et al., "On Using Very Large Target Vocabulary for
Neural Machine Translation", 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.nn.candidate_sampling import log_uniform_candidate_sampler
from penstock.ops.nn.embedding import lookup
from penstock.ops.nn.losses import sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _vector(*values: int) -> Tensor:
    return convert_to_tensor(list(values), dtypes.int32)


def _reshape(x: Tensor, *shape: int) -> Tensor:
    return execute("Reshape", (x, _vector(*shape)))


def _sum_last(x: Tensor) -> Tensor:
    return execute("Sum", (x, _vector(-1)))


def _sampled_logits(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int, num_true: int,
    sampled_values: Any, remove_accidental_hits: bool, strategy: str, seed: int | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The logits of the true and of the sampled classes `[batch, num_true + num_sampled]`, and their labels.

    The logarithm of how often a class is expected in the sample is subtracted, so that the logits are those of the
    full softmax.
    """
    inputs = convert_to_tensor(inputs)
    labels = cast(labels, dtypes.int64)
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(
            labels, num_true, num_sampled, unique=True, range_max=num_classes, seed=seed
        )
    sampled, true_expected, sampled_expected = (execute("StopGradient", (each,)) for each in sampled_values)
    sampled = cast(sampled, dtypes.int64)
    flat_labels = _reshape(labels, -1)
    ids = execute("ConcatV2", ([flat_labels, sampled], convert_to_tensor(0)))
    rows = cast(lookup(weights, ids, strategy, None, None), inputs.dtype)
    offsets = cast(lookup(biases, ids, strategy, None, None), inputs.dtype)
    count = execute("Size", (flat_labels,))
    true_rows = execute("Reshape", (rows[:count], _true_shape(rows, num_true)))
    true_logits = _sum_last(execute("ExpandDims", (inputs, convert_to_tensor(1))) * true_rows)
    true_logits = true_logits + _reshape(offsets[:count], -1, num_true)
    products = execute("MatMul", (inputs, rows[count:]), {"transpose_b": True})
    sampled_logits = products + offsets[count:]
    if remove_accidental_hits:
        sampled_logits = sampled_logits + _accidental(labels, sampled, sampled_logits)
    true_logits = true_logits - execute("Log", (cast(true_expected, inputs.dtype),))
    sampled_logits = sampled_logits - execute("Log", (cast(sampled_expected, inputs.dtype),))
    ones = execute("OnesLike", (true_logits,)) / convert_to_tensor(num_true, inputs.dtype)
    zeros = execute("ZerosLike", (sampled_logits,))
    one = convert_to_tensor(1)
    logits = execute("ConcatV2", ([true_logits, sampled_logits], one))
    return logits, execute("ConcatV2", ([ones, zeros], one))


def _true_shape(rows: Tensor, num_true: int) -> Tensor:
    width = execute("Shape", (rows,))[1:]
    return execute("ConcatV2", ([_vector(-1, num_true), width], convert_to_tensor(0)))


def _accidental(labels: Tensor, sampled: Tensor, like: Tensor) -> Tensor:
    """The lowest number for each sampled class that is a true one, 0 for the others."""
    hits = execute("Equal", (execute("ExpandDims", (labels, convert_to_tensor(-1))), sampled))
    lowest = convert_to_tensor(-float(np.finfo(np.float32).max), like.dtype)
    hit = execute("Any", (hits, _vector(1)))
    return execute("SelectV2", (hit, lowest, convert_to_tensor(0, like.dtype)))


def _nce(weights: Any, biases: Any, labels: Any, inputs: Any, *rest: Any) -> Tensor:
    logits, targets = _sampled_logits(weights, biases, labels, inputs, *rest)
    return _sum_last(sigmoid_cross_entropy_with_logits(labels=targets, logits=logits))


def _sampled_softmax(weights: Any, biases: Any, labels: Any, inputs: Any, *rest: Any) -> Tensor:
    logits, targets = _sampled_logits(weights, biases, labels, inputs, *rest)
    return softmax_cross_entropy_with_logits(execute("StopGradient", (targets,)), logits)


@export("nn.nce_loss", v1=[])
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Sequence[Tensor] | None = None,
    remove_accidental_hits: bool = False,
    name: str = "nce_loss",
) -> Tensor:
    """Noise-contrastive estimation: each true class is told from `num_sampled` classes that are drawn at random.

    Args:
      weights: `[num_classes, dim]`: a tensor or variable, or a list of pieces of one.
      biases: `[num_classes]`.
      labels: `[batch, num_true]` int64: the true classes.
      inputs: `[batch, dim]`.
      num_sampled: how many classes are drawn for the whole batch.
      num_classes: how many classes there are.
      sampled_values: what a candidate sampler returned; by default that of `log_uniform_candidate_sampler`, which fits
        classes sorted by descending frequency.
      remove_accidental_hits: sampled classes that are true ones do not count.

    Returns:
      The loss of each example, `[batch]`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.nce_loss(tf.ones([50, 4]), tf.zeros([50]), [[1], [2]], tf.ones([2, 4]), 8, 50).shape
      TensorShape([2])
    """
    return _nce(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, "div", None,
    )  # fmt: skip


@export(v1=["nn.nce_loss"])
def nce_loss_v1(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Sequence[Tensor] | None = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """TF 1's `nn.nce_loss`: as `tf.nn.nce_loss`, with a choice of how a list of weights is cut."""
    return _nce(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, None,
    )  # fmt: skip


@export("nn.sampled_softmax_loss", v1=[])
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Sequence[Tensor] | None = None,
    remove_accidental_hits: bool = True,
    seed: int | None = None,
    name: str = "sampled_softmax_loss",
) -> Tensor:
    """The softmax cross entropy over the true classes and a random sample of the others.

    It underestimates the full loss, and is used for training only.

    Args:
      weights: `[num_classes, dim]`: a tensor or variable, or a list of pieces of one.
      biases: `[num_classes]`.
      labels: `[batch, num_true]` int64: the true classes.
      inputs: `[batch, dim]`.
      num_sampled: how many classes are drawn for the whole batch.
      num_classes: how many classes there are.
      sampled_values: what a candidate sampler returned; by default that of `log_uniform_candidate_sampler`.
      remove_accidental_hits: sampled classes that are true ones do not count.
      seed: makes the samples repeatable.

    Returns:
      The loss of each example, `[batch]`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.sampled_softmax_loss(tf.ones([50, 4]), tf.zeros([50]), [[1], [2]], tf.ones([2, 4]), 8, 50).shape
      TensorShape([2])
    """
    return _sampled_softmax(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, "div", seed,
    )  # fmt: skip


@export(v1=["nn.sampled_softmax_loss"])
def sampled_softmax_loss_v1(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Sequence[Tensor] | None = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """TF 1's `nn.sampled_softmax_loss`: as the TF 2 function, with a choice of how a list of weights is cut."""
    return _sampled_softmax(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed,
    )  # fmt: skip
