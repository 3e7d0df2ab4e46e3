"""`contrib.seq2seq`'s monotonic attention: over a memory that is read from its beginning to its end, never back.

At each step the reading goes on from where it stopped, and at each position it stops with a probability. Raffel et al.,
"Online and Linear-Time Attention by Enforcing Monotonic Alignments", 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.ops.variables.scope import get_variable
from penstock.v1.api import tf
from penstock.v1.contrib.seq2seq_attention import BahdanauAttention, LuongAttention


@export(v1=["contrib.seq2seq.safe_cumprod"])
def safe_cumprod(x: Any, *args: Any, **kwargs: Any) -> Any:
    """`tf.cumprod` of numbers between 0 and 1, as the exponential of a sum of logarithms, with a gradient at zeros too.

    Args:
      x: such numbers. *args, **kwargs: as of `tf.cumsum`.
    """
    x = tf.convert_to_tensor(x)
    least = np.finfo(x.dtype.as_numpy_dtype).tiny
    return tf.exp(tf.cumsum(tf.log(tf.clip_by_value(x, least, 1)), *args, **kwargs))


def _after_each(p: Any, before: Any) -> Any:
    """The recursion `q[j] = (1 - p[j-1]) * q[j-1] + before[j]`, which the probabilities are `p * q` of."""
    gone_on = tf.concat([tf.ones_like(p[:, :1]), 1 - p[:, :-1]], 1)
    steps = (tf.transpose(gone_on), tf.transpose(before))
    return tf.transpose(tf.scan(lambda q, each: each[0] * q + each[1], steps, tf.zeros_like(p[:, 0])))


@export(v1=["contrib.seq2seq.monotonic_attention"])
def monotonic_attention(p_choose_i: Any, previous_attention: Any, mode: str) -> Any:
    """The probabilities of stopping at each position, for a reading that goes on from where it stopped.

    Args:
      p_choose_i: `[batch, time]`, the probability of stopping at a position once it is reached.
      previous_attention: `[batch, time]`, the probabilities of where it stopped before.
      mode: "recursive" (exact, position by position), "parallel" (all at once; less exact where products are small), or
        "hard" (both arguments are zeros and ones).

    Returns:
      `[batch, time]`; a row sums up to less than 1 where the reading may go past the end.

    Raises:
      ValueError: there is no such mode.
    """
    p, before = tf.convert_to_tensor(p_choose_i), tf.convert_to_tensor(previous_attention)
    if mode == "recursive":
        return p * _after_each(p, before)
    if mode == "parallel":
        gone_on = safe_cumprod(1 - p, axis=1, exclusive=True)
        return p * gone_on * tf.cumsum(before / tf.clip_by_value(gone_on, 1e-10, 1.0), axis=1)
    if mode == "hard":
        p = p * tf.cumsum(before, axis=1)
        return p * tf.cumprod(1 - p, axis=1, exclusive=True)
    raise ValueError("mode must be 'recursive', 'parallel', or 'hard'.")


class _Monotonic:
    """What makes a mechanism monotonic; comes before it among the bases."""

    _noise: float
    _noise_seed: int | None
    _bias_init: float
    _mode: str

    def _set(self, noise: float, seed: int | None, bias_init: float, mode: str) -> None:
        self._noise, self._noise_seed, self._bias_init, self._mode = noise, seed, bias_init, mode

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """The reading begins at the first position."""
        return tf.one_hot(tf.zeros([batch_size], tf.int32), self._alignments_size, dtype=dtype)  # type: ignore[attr-defined]

    initial_state = initial_alignments

    def _score(self, query: Any) -> Any:
        score = super()._score(query)  # type: ignore[misc]
        initializer = tf.constant_initializer(self._bias_init)
        return score + get_variable("attention_score_bias", [], query.dtype, initializer)

    def _probabilities(self, score: Any, state: Any) -> Any:
        if self._noise > 0:
            score = score + self._noise * tf.random_normal(
                tf.shape(score), 0, 1, score.dtype, self._noise_seed
            )
        p = tf.cast(score > 0, score.dtype) if self._mode == "hard" else tf.sigmoid(score)
        return monotonic_attention(p, state, self._mode)


@export(v1=["contrib.seq2seq.BahdanauMonotonicAttention"])
class BahdanauMonotonicAttention(_Monotonic, BahdanauAttention):
    """Monotonic attention with additive scores.

    Args:
      num_units, memory, memory_sequence_length, normalize, score_mask_value, dtype, name: see `BahdanauAttention`.
      sigmoid_noise, sigmoid_noise_seed: the deviation and seed of noise added to scores, so that probabilities become
        sharp in training. score_bias_init: where a trained number begins that is added to scores; below zero it makes the
        reading go on at first. mode: see `monotonic_attention`; "hard" after training.
    """

    _scope = "bahdanau_monotonic_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        score_mask_value: float | None = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "BahdanauMonotonicAttention",
    ):
        super().__init__(
            num_units, memory, memory_sequence_length, normalize, None, score_mask_value, dtype, name=name
        )
        self._set(sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode)


@export(v1=["contrib.seq2seq.LuongMonotonicAttention"])
class LuongMonotonicAttention(_Monotonic, LuongAttention):
    """Monotonic attention with multiplicative scores.

    Args:
      num_units, memory, memory_sequence_length, scale, score_mask_value, dtype, name: see `LuongAttention`.
      sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode: see `BahdanauMonotonicAttention`.
    """

    _scope = "luong_monotonic_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        score_mask_value: float | None = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "LuongMonotonicAttention",
    ):
        super().__init__(
            num_units, memory, memory_sequence_length, scale, None, score_mask_value, dtype, name=name
        )
        self._set(sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode)
