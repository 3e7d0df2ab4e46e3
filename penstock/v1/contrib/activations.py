"""`contrib.nn`, `contrib.sparsemax` and `contrib.resampler`: functions of single layers."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf

# The mean that a dropped unit of a self-normalizing network has: minus scale times alpha of `tf.nn.selu`.
_DROPPED = -1.7580993408473766


@export(v1=["contrib.nn.alpha_dropout"])
def alpha_dropout(
    x: Any, keep_prob: Any, noise_shape: Any = None, seed: int | None = None, name: str | None = None
) -> Any:
    """Dropout that keeps mean and variance of a self-normalizing network (Klambauer et al., 2017).

    Args:
      x: of mean 0 and variance 1. keep_prob: the part of elements that stay. noise_shape: of the choice, as of
        `tf.nn.dropout`. seed: of the choice.

    Raises:
      ValueError: `keep_prob` is not in (0, 1].
    """
    with tf.name_scope(name, "alpha_dropout", [x]):
        x = tf.convert_to_tensor(x)
        if isinstance(keep_prob, (int, float)) and not 0 < keep_prob <= 1.0:
            raise ValueError(
                f"keep_prob must be a scalar tensor or a float in the range (0, 1], got {keep_prob:g}"
            )
        keep = tf.cast(keep_prob, x.dtype)
        shape = tf.shape(x) if noise_shape is None else noise_shape
        kept = tf.floor(keep + tf.random_uniform(shape, seed=seed, dtype=x.dtype))
        scale = tf.rsqrt(keep + _DROPPED**2 * keep * (1 - keep))
        shift = -scale * (1 - keep) * _DROPPED
        made = scale * (x * kept + _DROPPED * (1 - kept)) + shift
        made.set_shape(x.shape)
        return made


@export(v1=["contrib.nn.scaled_softplus"])
def scaled_softplus(x: Any, alpha: Any, clip: Any = None, name: str | None = None) -> Any:
    """`alpha * softplus(x / alpha)`, which comes near relu as `alpha` gets small; at most `clip`, where it is given."""
    with tf.name_scope(name, "scaled_softplus", [x, alpha]):
        made = alpha * tf.nn.softplus(x / alpha)
        return made if clip is None else tf.minimum(made, clip)


@export(v1=["contrib.sparsemax.sparsemax"])
def sparsemax(logits: Any, name: str | None = None) -> Any:
    """The distribution nearest to logits `[batch, classes]`, many of whose entries are zero (Martins and Astudillo, 2016)."""
    with tf.name_scope(name, "sparsemax", [logits]):
        logits = tf.convert_to_tensor(logits)
        z = logits - tf.reduce_mean(logits, 1, keepdims=True)
        ordered = tf.nn.top_k(z, tf.shape(z)[1]).values
        ranks = tf.cast(tf.range(1, tf.shape(z)[1] + 1), z.dtype)
        sums = tf.cumsum(ordered, 1)
        size = tf.reduce_sum(tf.cast(1 + ranks * ordered > sums, z.dtype), 1, keepdims=True)
        inside = tf.reduce_sum(
            tf.where(tf.broadcast_to(ranks, tf.shape(z)) <= size, ordered, tf.zeros_like(z)), 1, keepdims=True
        )
        return tf.maximum(z - (inside - 1) / size, 0)


@export(v1=["contrib.sparsemax.sparsemax_loss"])
def sparsemax_loss(logits: Any, sparsemax: Any, labels: Any, name: str | None = None) -> Any:
    """The loss whose gradient by the logits is `sparsemax - labels`, for each example.

    Args:
      logits: `[batch, classes]`. sparsemax: of the logits. labels: distributions, `[batch, classes]`.
    """
    with tf.name_scope(name, "sparsemax_loss", [logits, sparsemax, labels]):
        chosen = tf.cast(sparsemax > 0, logits.dtype)
        shifted = logits - tf.reduce_mean(logits, 1, keepdims=True)
        # The threshold of an example: the same for each of the chosen classes.
        threshold = tf.reduce_sum((shifted - sparsemax) * chosen, 1, keepdims=True) / tf.reduce_sum(
            chosen, 1, keepdims=True
        )
        own = 0.5 * tf.reduce_sum((shifted**2 - threshold**2) * chosen, 1)
        return own + tf.reduce_sum(labels * (0.5 * labels - shifted), 1)


@export(v1=["contrib.resampler.resampler"])
def resampler(data: Any, warp: Any, name: str = "resampler") -> Any:
    """Images at other places, between four pixels each; zeros lie outside (Jaderberg et al., 2015).

    Args:
      data: `[batch, height, width, channels]`. warp: `[batch, ..., 2]`, for each result x (to the right) and y (down).

    Returns:
      `[batch, ..., channels]`.
    """
    with tf.name_scope(name):
        data, warp = tf.convert_to_tensor(data), tf.convert_to_tensor(warp)
        size = tf.cast(tf.shape(data)[1:3], warp.dtype)
        x, y = warp[..., 0], warp[..., 1]
        left, top = tf.floor(x), tf.floor(y)

        def part(column: Any, row: Any) -> Any:
            weight = (1 - tf.abs(x - column)) * (1 - tf.abs(y - row))
            inside = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
            rows = tf.cast(tf.clip_by_value(row, 0, size[0] - 1), tf.int32)
            columns = tf.cast(tf.clip_by_value(column, 0, size[1] - 1), tf.int32)
            pixels = tf.gather_nd(data, tf.stack([rows, columns], -1), batch_dims=1)
            return tf.expand_dims(weight * tf.cast(inside, weight.dtype), -1) * pixels

        return tf.add_n([part(left + i, top + j) for i in (0, 1) for j in (0, 1)])
