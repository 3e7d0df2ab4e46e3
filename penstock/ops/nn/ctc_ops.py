"""Connectionist temporal classification (CTC) loss: the ops CTCLoss, CTCLossV2 (sparse labels) and CTCLossDense.

Graves et al., "Connectionist Temporal Classification", 2006. The ops give the loss of each sequence and its gradient
with respect to the logits, from one forward recursion over time and its transpose. CTCLossDense is not in TensorFlow's
registry, where dense labels are handled by a loop of some fifty ops.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jax, jit, jnp, lax
from penstock.ops.dtype_sets import WIDE_FLOATS
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_NEVER = -1e30  # stands for log(0); finite, so that gradients of paths that nobody takes are 0 and not NaN
# TensorFlow lets dense labels end in a wrong state with this probability: impossible labels have a large, finite loss.
_LOG_ALMOST_ZERO = float(np.log(1e-307))


def _log_add(*terms: Any) -> Any:
    return functools.reduce(jnp.logaddexp, terms)


def _log_likelihood(
    logits: Any, labels: Any, label_length: Any, times: Any, blank: Any, merge_repeated: bool, soft_ends: bool
) -> Any:
    """The log-probability of each label sequence.

    Args:
      logits: [time, batch, classes]. labels: [batch, L]; only the first `label_length` of a row count.
      times: how many steps of each sequence count. blank: the class between labels.
      merge_repeated: equal labels that follow each other without a blank are one label.
      soft_ends: paths that end in a wrong state are nearly, not wholly, impossible.
    """
    batch, longest = labels.shape
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    # States: blank, label 1, blank, label 2, ..., blank.
    states = 2 * longest + 1
    extended = jnp.full((batch, states), blank, labels.dtype).at[:, 1::2].set(labels)
    observed = jnp.take_along_axis(log_probs, jnp.clip(extended, 0, logits.shape[-1] - 1)[None], axis=2)
    is_label = np.arange(states) % 2 == 1
    two_before = jnp.pad(extended, ((0, 0), (2, 0)), constant_values=-1)[:, :states]
    may_skip = is_label & (np.arange(states) > 1)
    if merge_repeated:
        may_skip = may_skip & (extended != two_before)
    may_stay = jnp.asarray(True) if merge_repeated else jnp.asarray(~is_label)

    def behind(alpha: Any, steps: int) -> Any:
        return jnp.pad(alpha, ((0, 0), (steps, 0)), constant_values=_NEVER)[:, :states]

    def step(alpha: Any, at_time: tuple) -> tuple[Any, None]:
        seen, running = at_time
        stayed = jnp.where(may_stay, alpha, _NEVER)
        skipped = jnp.where(may_skip, behind(alpha, 2), _NEVER)
        moved = _log_add(stayed, behind(alpha, 1), skipped) + seen
        return jnp.where(running[:, None], moved, alpha), None

    starts = np.arange(states) < 2
    first = jnp.where(starts, observed[0], jnp.asarray(_NEVER, logits.dtype))
    running = jnp.arange(1, logits.shape[0])[:, None] < times[None, :]
    alpha, _ = lax.scan(step, first, (observed[1:], running))
    last = 2 * label_length[:, None]
    ends = (jnp.arange(states) == last) | ((jnp.arange(states) == last - 1) & (last > 0))
    elsewhere = alpha + _LOG_ALMOST_ZERO if soft_ends else _NEVER
    total = jax.nn.logsumexp(jnp.where(ends, alpha, elsewhere), axis=-1)
    nothing = jnp.where(label_length == 0, 0.0, _LOG_ALMOST_ZERO if soft_ends else _NEVER).astype(
        logits.dtype
    )
    return jnp.where(times > 0, total, nothing)


def _loss_and_gradient(
    logits: Any, labels: Any, label_length: Any, times: Any, blank: Any, **options: Any
) -> tuple:
    def likelihood(x: Any) -> Any:
        return _log_likelihood(x, labels, label_length, times, blank, **options)

    log_likelihood, transpose = jax.vjp(likelihood, logits)
    (gradient,) = transpose(-jnp.ones_like(log_likelihood))
    return -log_likelihood, gradient


# Sparse labels.


def _packed(xp: Any, rows: Any, values: Any, batch: int, longest: int) -> tuple[Any, Any]:
    """Labels [batch, longest] and their number in each row, from the values in row order."""
    counts = xp.sum(rows[None, :] == np.arange(batch)[:, None], axis=1).astype(np.int32)
    columns = np.arange(rows.shape[0]) - (xp.cumsum(counts) - counts)[rows]
    if xp is np:
        labels = np.zeros((batch, longest), np.int32)
        labels[rows, columns] = values
        return labels, counts
    labels = jnp.zeros((batch, longest), jnp.int32).at[rows, columns].set(values, mode="drop")
    return labels, counts


def _collapsed(labels: Any, counts: Any) -> tuple[Any, Any]:
    """Labels with those that repeat their predecessor left out."""
    longest = labels.shape[1]
    inside = jnp.arange(longest) < counts[:, None]
    before = jnp.pad(labels, ((0, 0), (1, 0)), constant_values=-1)[:, :longest]
    kept = inside & (labels != before)
    columns = jnp.where(kept, jnp.cumsum(kept, axis=1) - 1, longest)
    rows = jnp.arange(labels.shape[0])[:, None]
    packed = jnp.zeros_like(labels).at[rows, columns].set(labels, mode="drop")
    return packed, kept.sum(1).astype(counts.dtype)


def _sparse_core(
    logits: Any, labels: Any, counts: Any, times: Any, blank: int, collapse: bool, merge_repeated: bool
) -> tuple[Any, Any]:
    enough = counts <= times  # else the caller has said that such sequences count for nothing
    if collapse:
        labels, counts = _collapsed(labels, counts)
    blank %= logits.shape[-1]
    loss, gradient = _loss_and_gradient(
        logits, labels, counts, times, blank, merge_repeated=merge_repeated, soft_ends=False
    )
    # No path: the loss is infinite, and the gradient that of the softmax alone.
    possible = loss < -_NEVER / 2
    inside = jnp.arange(logits.shape[0])[:, None] < times[None, :]
    softmax = jnp.where(inside[..., None], jax.nn.softmax(logits, axis=-1), 0)
    loss = jnp.where(possible, loss, jnp.inf)
    gradient = jnp.where(possible[None, :, None], gradient, softmax)
    counted = enough & (times > 0)
    return jnp.where(counted, loss, 0), jnp.where(counted[None, :, None], gradient, 0)


@functools.cache
def _compiled_core() -> Any:
    return jit(_sparse_core, static_argnames=("blank", "collapse", "merge_repeated"))


def _check_sparse(
    logits: np.ndarray, rows: np.ndarray, values: np.ndarray, times: np.ndarray, ignore_longer: bool
) -> None:
    steps, batch, classes = logits.shape
    counts = np.bincount(rows, minlength=batch)
    if (times > steps).any():
        raise ValueError(f"sequence_length must be <= {steps}, got {times.tolist()}")
    if (counts == 0).any():
        raise ValueError(f"Labels length is zero in batch {int(np.argmin(counts))}")
    if (values < 0).any():
        raise ValueError(f"All labels must be nonnegative integers, got {int(values.min())}")
    if (values >= classes).any():
        raise ValueError(
            f"labels must be smaller than the number of classes, {classes}: got {int(values.max())}"
        )
    if not ignore_longer and (counts > times).any():
        row = int(np.argmax(counts > times))
        raise ValueError(
            f"Not enough time for target transition sequence (required: {counts[row]}, available: {times[row]}): "
            "ignore_longer_outputs_than_inputs=True leaves such sequences out"
        )


def _check_ranks(logits: Any, indices: Any, values: Any, times: Any) -> None:
    if logits.ndim != 3:
        raise ValueError(f"inputs must have rank 3, got {list(logits.shape)}")
    if indices.ndim != 2 or values.shape != indices.shape[:1] or times.shape != logits.shape[1:2]:
        raise ValueError(
            f"labels_indices {list(indices.shape)}, labels_values {list(values.shape)} and sequence_length "
            f"{list(times.shape)} do not fit inputs {list(logits.shape)}"
        )


def _sparse_on_host(
    blank: int, logits: np.ndarray, indices: np.ndarray, values: np.ndarray, times: np.ndarray, *,
    preprocess_collapse_repeated: bool, ctc_merge_repeated: bool, ignore_longer_outputs_than_inputs: bool,
) -> tuple:  # fmt: skip
    """Checks what a compiled program cannot, then runs it with room for the longest labels (a multiple of 8)."""
    _check_ranks(logits, indices, values, times)
    rows = indices[:, 0]
    _check_sparse(logits, rows, values, times, ignore_longer_outputs_than_inputs)
    longest = int(np.bincount(rows, minlength=1).max(initial=0))
    labels, counts = _packed(np, rows, values, logits.shape[1], -(-longest // 8) * 8)
    return _compiled_core()(
        logits,
        labels,
        counts,
        times,
        blank=blank,
        collapse=preprocess_collapse_repeated,
        merge_repeated=ctc_merge_repeated,
    )


def _sparse_in_program(
    blank: int, logits: Any, indices: Any, values: Any, times: Any, *,
    preprocess_collapse_repeated: bool, ctc_merge_repeated: bool, ignore_longer_outputs_than_inputs: bool,
) -> tuple:  # fmt: skip
    _check_ranks(logits, indices, values, times)
    # Labels longer than the time have no path anyway.
    longest = min(indices.shape[0], logits.shape[0])
    labels, counts = _packed(jnp, indices[:, 0], values, logits.shape[1], longest)
    return _sparse_core(
        logits, labels, counts, times, blank, preprocess_collapse_repeated, ctc_merge_repeated
    )


def _dense(logits: Any, labels: Any, label_length: Any, logit_length: Any, *, blank_index: int) -> tuple:
    if logits.ndim != 3 or labels.ndim != 2 or labels.shape[0] != logits.shape[1]:
        raise ValueError(
            f"expected logits [time, batch, classes] and labels [batch, length], got {list(logits.shape)} and "
            f"{list(labels.shape)}"
        )
    return _loss_and_gradient(
        logits, labels, label_length, logit_length, blank_index, merge_repeated=True, soft_ends=True
    )


def _shapes(call: ShapeCall) -> list[TensorShape]:
    logits = call.shape(0)
    if logits.rank not in (None, 3):
        raise call.error("the logits must have rank 3")
    logits = logits.with_rank(3)
    return [logits[1:2], logits]


def _gradient(op: Any, d_loss: Tensor | None, d_gradient: Tensor | None) -> list:
    """The gradient output is not differentiated again."""
    if d_gradient is not None:
        raise LookupError(f"{op.type}: gradients of its gradient are not defined")
    if d_loss is None:
        return [None] * len(op.inputs)
    per_sequence = execute("Reshape", (d_loss, convert_to_tensor([1, -1, 1])))
    return [per_sequence * op.outputs[1], *[None] * (len(op.inputs) - 1)]


_gradient.accepts_none = True  # type: ignore[attr-defined]

_SPARSE = (
    "labels_indices: int64, labels_values: int32, sequence_length: int32; preprocess_collapse_repeated=False, "
    "ctc_merge_repeated=True, ignore_longer_outputs_than_inputs=False"
)

# The blank is the last class of the first version, the first class of the second.
op(
    f"CTCLoss(inputs: T, {_SPARSE}) -> (loss: T, gradient: T)",
    numpy=functools.partial(_sparse_on_host, -1),
    xla=functools.partial(_sparse_in_program, -1),
    shape=_shapes,
    gradient=_gradient,
    types={"T": WIDE_FLOATS},
)
op(
    f"CTCLossV2(inputs: float32, {_SPARSE}) -> (loss: float32, gradient: float32)",
    numpy=functools.partial(_sparse_on_host, 0),
    xla=functools.partial(_sparse_in_program, 0),
    shape=_shapes,
    gradient=_gradient,
)
op(
    "CTCLossDense(logits: T, labels: int32, label_length: int32, logit_length: int32; blank_index) "
    "-> (loss: T, gradient: T)",
    xla=_dense,
    shape=_shapes,
    gradient=_gradient,
    types={"T": WIDE_FLOATS},
)
