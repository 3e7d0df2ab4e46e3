"""The fused cross entropies of softmax: SoftmaxCrossEntropyWithLogits and its sparse form.

Both return the loss of each row and, as TensorFlow's ops do, the gradient of that loss with respect to the logits;
what is not used is dropped by XLA. The gradient rules differentiate that second output too, for gradients of gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.index_range import IndexRange
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.dtype_sets import FLOATS, INDICES
from penstock.ops.nn import native_softmax
from penstock.ops.nn.softmax import shifted, sum_last
from penstock.types.shapes import TensorShape, broadcast_shape
from penstock.types.tensors import Tensor


def _dense_shape(call: ShapeCall) -> list[TensorShape]:
    try:
        shape = broadcast_shape(call.shape(0), call.shape(1))
    except ValueError:
        raise call.error("logits and labels must be broadcastable") from None
    if shape.rank is None:
        return [TensorShape([None]), TensorShape([None, None])]
    if shape.rank != 2:
        raise call.error("logits and labels must be matrices")
    return [shape[:1], shape]


def _dense(xp: Any, logits: Any, labels: Any) -> tuple:
    if logits.ndim != 2 or labels.ndim != 2:
        raise ValueError("logits and labels must be matrices")
    centred = shifted(xp, logits)
    exponentials = xp.exp(centred)
    total = xp.sum(exponentials, axis=-1, keepdims=True)
    return xp.sum(labels * (xp.log(total) - centred), axis=-1), exponentials / total - labels


def _sparse_shape(call: ShapeCall) -> list[TensorShape]:
    logits, labels = call.shape(0), call.shape(1)
    if logits.rank not in (None, 2):
        raise call.error("logits must be a matrix")
    if labels.rank not in (None, 1):
        raise call.error("labels must be a vector")
    rows = TensorShape([logits[0] if logits.rank else None])
    try:
        rows = rows.merge_with(labels)
    except ValueError:
        raise call.error("logits and labels must have the same first dimension") from None
    return [rows, rows.concatenate(logits[1:] if logits.rank else [None])]


def _check_sparse(logits: Any, labels: Any) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits of shape {list(logits.shape)} do not fit labels of shape {list(labels.shape)}"
        )


def _sparse_on_host(logits: np.ndarray, labels: np.ndarray) -> tuple:
    _check_sparse(logits, labels)
    classes = logits.shape[1]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        raise ValueError(
            f"Received a label value of {labels[wrong][0]} which is outside the valid range of [0, {classes}). "
            f"Label values: {' '.join(map(str, labels[:100]))}"
        )
    centred = shifted(np, logits)
    exponentials = np.exp(centred)
    total = exponentials.sum(-1, keepdims=True)
    rows = np.arange(len(labels))
    loss = np.log(total[:, 0]) - centred[rows, labels]
    backprop = exponentials / total
    backprop[rows, labels] -= np.ones((), logits.dtype)
    return loss.astype(logits.dtype, copy=False), backprop


def _sparse_compiled(logits: Any, labels: Any) -> tuple:
    """Comparing every class with the label costs nothing here: XLA fuses it into the pass that reads the logits.

    A program cannot raise by itself: rows with labels out of range are NaN, as on TensorFlow's GPUs.
    """
    _check_sparse(logits, labels)
    if (found := native_softmax.sparse_cross_entropy(logits, labels)) is not None:
        return found
    classes = logits.shape[1]
    centred = shifted(jnp, logits)
    exponentials = jnp.exp(centred)
    total = jnp.sum(exponentials, axis=-1, keepdims=True)
    chosen = jnp.arange(classes, dtype=labels.dtype)[None, :] == labels[:, None]
    loss = jnp.log(total[:, 0]) - jnp.sum(jnp.where(chosen, centred, 0), axis=-1)
    backprop = exponentials / total - chosen.astype(logits.dtype)
    inside = (labels >= 0) & (labels < classes)
    nan = jnp.asarray(jnp.nan, logits.dtype)
    return jnp.where(inside, loss, nan), jnp.where(inside[:, None], backprop, nan)


def _column(loss_gradient: Tensor) -> Tensor:
    return execute("ExpandDims", (loss_gradient, convert_to_tensor(-1)))


def _logits_gradient(op: Any, d_loss: Tensor | None, d_backprop: Tensor | None) -> Tensor:
    logits = op.inputs[0]
    total = None if d_loss is None else _column(d_loss) * op.outputs[1]
    if d_backprop is None:
        return total
    probabilities = execute("Softmax", (logits,))
    second = (d_backprop - sum_last(d_backprop * probabilities)) * probabilities
    return second if total is None else total + second


def _dense_gradient(op: Any, d_loss: Tensor | None, d_backprop: Tensor | None) -> list:
    logits, labels = op.inputs
    d_logits = _logits_gradient(op, d_loss, d_backprop)
    d_labels = None
    if d_loss is not None:
        d_labels = _column(d_loss) * -execute("LogSoftmax", (logits,))
    if d_backprop is not None:
        d_labels = -d_backprop if d_labels is None else d_labels - d_backprop
    return sum_to_operands(logits, labels, d_logits, d_labels)


def _sparse_gradient(op: Any, d_loss: Tensor | None, d_backprop: Tensor | None) -> list:
    return [_logits_gradient(op, d_loss, d_backprop), None]


# The walk would otherwise fill the gradient of `backprop`, which is rarely used, with zeros.
_dense_gradient.accepts_none = True  # type: ignore[attr-defined]
_sparse_gradient.accepts_none = True  # type: ignore[attr-defined]

_LABELS = IndexRange(
    1,
    lambda shape, value, attrs: [None if shape(0) is None else shape(0)[-1]],
    "Received a label value of {value} which is outside the valid range of [0, {size}). Label values: {values}",
)

op(
    "SoftmaxCrossEntropyWithLogits(features: T, labels: T) -> (loss: T, backprop: T)",
    _dense, shape=_dense_shape, gradient=_dense_gradient, types={"T": FLOATS},
)  # fmt: skip
op(
    "SparseSoftmaxCrossEntropyWithLogits(features: T, labels: Tlabels) -> (loss: T, backprop: T)",
    numpy=_sparse_on_host, xla=_sparse_compiled,
    shape=_sparse_shape, gradient=_sparse_gradient, types={"T": FLOATS, "Tlabels": INDICES},
    index_range=_LABELS,
)  # fmt: skip
