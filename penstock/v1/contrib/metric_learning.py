"""`contrib.losses.metric_learning`: losses of embeddings, by which examples are of one class."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf

_NONE = -1e30  # the logarithm of what is not there, with a gradient


def _names(name: str) -> list[str]:
    return [f"contrib.losses.metric_learning.{name}"]


@export(v1=_names("pairwise_distance"))
def pairwise_distance(feature: Any, squared: bool = False) -> Any:
    """The distances of the rows of a matrix, `[rows, rows]`; exact zeros on the diagonal, with a gradient everywhere."""
    feature = tf.convert_to_tensor(feature)
    squares = tf.reduce_sum(tf.square(feature), 1)
    found = squares[:, None] + squares - 2.0 * tf.matmul(feature, feature, transpose_b=True)
    apart = tf.cast(found > 0.0, found.dtype)
    distances = (
        tf.maximum(found, 0.0) if squared else tf.sqrt(tf.maximum(found, 0.0) + (1 - apart) * 1e-16) * apart
    )
    return distances * (1 - tf.eye(tf.shape(feature)[0], dtype=found.dtype))


def _same_class(labels: Any, dtype: Any) -> tuple[Any, Any]:
    """Which pairs are of one class and two examples, and which are of two classes: zeros and ones."""
    labels = tf.reshape(labels, [-1, 1])
    same = tf.cast(tf.equal(labels, tf.transpose(labels)), dtype)
    return same - tf.eye(tf.shape(same)[0], dtype=dtype), 1 - same


@export(v1=_names("contrastive_loss"))
def contrastive_loss(
    labels: Any, embeddings_anchor: Any, embeddings_positive: Any, margin: float = 1.0
) -> Any:
    """The mean of `d ** 2` where a pair belongs together (label 1), of `max(margin - d, 0) ** 2` where it does not.

    Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", 2006.
    """
    squared = tf.reduce_sum(tf.square(embeddings_anchor - embeddings_positive), 1)
    distances = tf.sqrt(squared)
    labels = tf.cast(labels, squared.dtype)
    away = tf.square(tf.maximum(margin - distances, 0.0))
    return tf.reduce_mean(labels * squared + (1 - labels) * away, name="contrastive_loss")


@export(v1=_names("triplet_semihard_loss"))
def triplet_semihard_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Any:
    """`max(d(a, p) - d(a, n) + margin, 0)`, for pairs of one class, with the semi-hard negative of each.

    That is the nearest example of another class that is farther away than the positive; where there is none, the farthest.
    Distances are squared. Schroff et al., "FaceNet", 2015.

    Args:
      labels: `[batch]`, integers. embeddings: `[batch, size]`, of length one.
    """
    d = pairwise_distance(embeddings, squared=True)
    positive, negative = _same_class(labels, d.dtype)
    farther = (d[:, None, :] > d[:, :, None]) & tf.cast(negative, tf.bool)[:, None, :]
    candidates = tf.where(
        farther, tf.broadcast_to(d[:, None, :], tf.shape(farther)), tf.fill(tf.shape(farther), -_NONE)
    )
    nearest = tf.reduce_min(candidates, 2)
    farthest = tf.reduce_max(d * negative, 1, keepdims=True) * tf.ones_like(d)
    chosen = tf.where(tf.reduce_any(farther, 2), nearest, farthest)
    losses = tf.maximum((margin + d - chosen) * positive, 0.0)
    return tf.div(tf.reduce_sum(losses), tf.reduce_sum(positive), name="triplet_semihard_loss")


@export(v1=_names("lifted_struct_loss"))
def lifted_struct_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Any:
    """The lifted structured loss: each pair of one class against all negatives of both (Song et al., 2016).

    Args:
      labels: `[batch]`, integers. embeddings: `[batch, size]`, not normalized.
    """
    d = pairwise_distance(embeddings)
    positive, negative = _same_class(labels, d.dtype)
    near = tf.reduce_logsumexp(
        tf.where(tf.cast(negative, tf.bool), margin - d, tf.fill(tf.shape(d), _NONE)), 1
    )
    both = tf.reduce_logsumexp(tf.stack([near[:, None] + tf.zeros_like(d), near + tf.zeros_like(d)]), 0)
    losses = tf.square(tf.maximum((both + d) * positive, 0.0))
    return tf.div(0.25 * tf.reduce_sum(losses), tf.reduce_sum(positive) / 2.0, name="liftedstruct_loss")


@export(v1=_names("npairs_loss"))
def npairs_loss(
    labels: Any, embeddings_anchor: Any, embeddings_positive: Any, reg_lambda: float = 0.002, print_losses: bool = False
) -> Any:  # fmt: skip
    """The cross entropy of which positive belongs to which anchor, and a penalty of their lengths (Sohn, 2016).

    Args:
      labels: `[batch]`, integers; each class comes about twice, once among anchors and once among positives.
      reg_lambda: how strong the penalty is. print_losses: whether both parts are printed with each run.
    """
    lengths = [
        tf.reduce_mean(tf.reduce_sum(tf.square(each), 1)) for each in (embeddings_anchor, embeddings_positive)
    ]
    penalty = tf.multiply(0.25 * reg_lambda, tf.add(*lengths), name="l2loss")
    similarity = tf.matmul(embeddings_anchor, embeddings_positive, transpose_b=True)
    labels = tf.reshape(labels, [-1, 1])
    same = tf.cast(tf.equal(labels, tf.transpose(labels)), similarity.dtype)
    targets = same / tf.reduce_sum(same, 1, keepdims=True)
    entropy = tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=similarity), name="xentropy"
    )
    if print_losses:
        entropy = tf.Print(entropy, ["cross entropy:", entropy, "l2loss:", penalty])
    return penalty + entropy
