"""Short-time transforms: `tf.signal.stft`, `inverse_stft`, `inverse_stft_window_fn`, `mdct`, `inverse_mdct`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.concatenation import concat, split
from penstock.ops.reduce_functions import reduce_sum
from penstock.ops.replication import tile
from penstock.ops.reshaping import reshape
from penstock.ops.reversal import reverse
from penstock.ops.signal.cosine import dct
from penstock.ops.signal.fourier import irfft, rfft
from penstock.ops.signal.fourier_ops import dim, pad_along
from penstock.ops.signal.framing import frame, overlap_and_add
from penstock.ops.signal.windows import hann_window, scalar_length, vorbis_window
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _known(value: Any, name: str) -> Any:
    """An integer scalar: an int where it is known, else a tensor."""
    tensor = scalar_length(value, name)
    known = constant_value(tensor)
    return tensor if known is None else int(known)


def _enclosing_power_of_two(value: Any) -> Any:
    if isinstance(value, int):
        return 1 << (value - 1).bit_length() if value > 0 else 1
    real = execute("Cast", (value,), {"DstT": dtypes.float32})
    power = execute("Ceil", (execute("Log", (real,)) / math.log(2.0),))
    return execute("Cast", (execute("Pow", (convert_to_tensor(2.0), power)),), {"DstT": dtypes.int32})


@export("signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The short-time Fourier transform: the spectra of windowed frames of a signal.

    Args:
      signals: `[..., samples]`, float32 or float64.
      frame_length: the samples of a frame.
      frame_step: the samples between the starts of two frames.
      fft_length: the length of the transforms; the smallest power of 2 that holds a frame by default.
      window_fn: `f(length, dtype=dtype)` gives the window; None for none.
      pad_end: whether the signal is padded with zeros, so that every sample is in a frame.
      name: the scope of the nodes in a graph.

    Returns:
      `[..., frames, fft_length // 2 + 1]`, complex.

    Example:
      >>> import penstock as tf
      >>> tf.signal.stft(tf.zeros([2, 100]), frame_length=16, frame_step=8).shape
      TensorShape([2, 11, 9])
    """
    with name_scope(name, "stft"):
        signals = convert_to_tensor(signals)
        if signals.shape.rank is not None and signals.shape.rank < 1:
            raise ValueError(f"Shape {signals.shape} must have rank at least 1")
        length, step = _known(frame_length, "frame_length"), _known(frame_step, "frame_step")
        transformed = (
            _enclosing_power_of_two(length) if fft_length is None else _known(fft_length, "fft_length")
        )
        framed = frame(signals, length, step, pad_end=pad_end)
        if window_fn is not None:
            framed = framed * window_fn(length, dtype=framed.dtype)
        return rfft(framed, _as_vector(transformed))


def _as_vector(length: Any) -> Tensor:
    if isinstance(length, int):
        return convert_to_tensor([length])
    return execute("Pack", ([length],), {"axis": 0})


@export("signal.inverse_stft")
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable | None = hann_window,
    name: str | None = None,
) -> Tensor:
    """The signal of short-time spectra: their inverse transforms, windowed, overlapped and added.

    `tf.signal.inverse_stft_window_fn` gives the window with which the inverse of `tf.signal.stft` is exact.

    Args:
      stfts: `[..., frames, fft_length // 2 + 1]`, complex.
      frame_length, frame_step, fft_length: as they were for `tf.signal.stft`.
      window_fn: `f(length, dtype=dtype)` gives the window; None for none.
      name: the scope of the nodes in a graph.

    Returns:
      `[..., (frames - 1) * frame_step + frame_length]`, real.

    Example:
      >>> import penstock as tf
      >>> x = tf.range(32.0)
      >>> spectra = tf.signal.stft(x, 8, 4)
      >>> y = tf.signal.inverse_stft(spectra, 8, 4, window_fn=tf.signal.inverse_stft_window_fn(4))
      >>> print(y[4:28].numpy().round(3).tolist() == x[4:28].numpy().tolist())
      True
    """
    with name_scope(name, "inverse_stft"):
        stfts = convert_to_tensor(stfts)
        if stfts.shape.rank is not None and stfts.shape.rank < 2:
            raise ValueError(f"Shape {stfts.shape} must have rank at least 2")
        length, step = _known(frame_length, "frame_length"), _known(frame_step, "frame_step")
        transformed = (
            _enclosing_power_of_two(length) if fft_length is None else _known(fft_length, "fft_length")
        )
        frames = irfft(stfts, _as_vector(transformed))
        if isinstance(length, int) and isinstance(transformed, int):
            if length > transformed:
                frames = pad_along(frames, [frames.shape.rank - 1], [length - transformed])
            elif length < transformed:
                frames = frames[(..., slice(0, length))]
        else:
            missing = execute("Maximum", (convert_to_tensor(length - transformed), convert_to_tensor(0)))
            frames = pad_along(frames, [frames.shape.rank - 1], [missing])[(..., slice(0, length))]
        if window_fn is not None:
            frames = frames * window_fn(length, dtype=frames.dtype)
        return overlap_and_add(frames, step)


@export("signal.inverse_stft_window_fn")
def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: Callable = hann_window, name: str | None = None
) -> Callable[..., Tensor]:
    """The window function for `tf.signal.inverse_stft` that makes it undo `tf.signal.stft`.

    It divides the forward window by the sum of the squares of all windows that reach a sample.

    Args:
      frame_step: the samples between the starts of two frames.
      forward_window_fn: the window function that `tf.signal.stft` was given.
      name: the scope of the nodes in a graph.

    Returns:
      `f(frame_length, dtype)`.
    """

    def window(frame_length: Any, dtype: Any) -> Tensor:
        with name_scope(name, "inverse_stft_window_fn"):
            step, length = _known(frame_step, "frame_step"), _known(frame_length, "frame_length")
            forward = forward_window_fn(length, dtype=dtype)
            overlaps = -(-length // step)
            squares = pad_along(forward * forward, [0], [overlaps * step - length])
            sums = reduce_sum(reshape(squares, [overlaps, step]), 0, keepdims=True)
            return forward / reshape(tile(sums, [overlaps, 1]), [-1])[:length]

    return window


def _mdct_window(window_fn: Callable | None, length: Any, dtype: Any) -> Tensor:
    if window_fn is None:  # a constant whose squares, half a frame apart, sum to 1
        return convert_to_tensor(math.sqrt(0.5), dtype)
    return window_fn(length, dtype=dtype)


@export("signal.mdct")
def mdct(
    signals: Any,
    frame_length: Any,
    window_fn: Callable | None = vorbis_window,
    pad_end: bool = False,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The modified discrete cosine transform: frames that overlap by half, with as many coefficients as samples.

    Args:
      signals: `[..., samples]`, floating.
      frame_length: the samples of a frame, a multiple of 4.
      window_fn: `f(length, dtype=dtype)` gives the window, whose squares half a frame apart sum to 1.
      pad_end: whether the signal is padded with zeros, so that every sample is in a frame.
      norm: None or "ortho".
      name: the scope of the nodes in a graph.

    Returns:
      `[..., frames, frame_length // 2]`.

    Raises:
      ValueError: `frame_length` is no multiple of 4.

    Example:
      >>> import penstock as tf
      >>> tf.signal.mdct(tf.zeros([32]), 8).shape
      TensorShape([7, 4])
    """
    with name_scope(name, "mdct"):
        signals = convert_to_tensor(signals)
        length = _known(frame_length, "frame_length")
        if isinstance(length, int) and length % 4:
            raise ValueError("The frame length must be a multiple of 4.")
        frames = frame(signals, length, length // 2, pad_end=pad_end)
        frames = frames * _mdct_window(window_fn, length, frames.dtype)
        # The frame is folded to half its length, as its time-domain aliases are, and a type IV DCT does the rest.
        a, b, c, d = split(frames, 4, axis=-1)
        last = [frames.shape.rank - 1]
        folded = concat([-reverse(c, last) - d, a - reverse(b, last)], axis=-1)
        return dct(folded, type=4, norm=norm)


@export("signal.inverse_mdct")
def inverse_mdct(
    mdcts: Any, window_fn: Callable | None = vorbis_window, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The signal of an MDCT. What only one frame covers, at both ends, keeps its alias.

    Args:
      mdcts: `[..., frames, frame_length // 2]`.
      window_fn, norm: as they were for `tf.signal.mdct`.
      name: the scope of the nodes in a graph.

    Returns:
      `[..., (frames + 1) * frame_length // 2]`.

    Example:
      >>> import penstock as tf
      >>> x = tf.range(24.0)
      >>> y = tf.signal.inverse_mdct(tf.signal.mdct(x, 8))
      >>> print(y[4:20].numpy().round(3).tolist() == x[4:20].numpy().tolist())
      True
    """
    with name_scope(name, "inverse_mdct"):
        mdcts = convert_to_tensor(mdcts)
        half = dim(mdcts, mdcts.shape.rank - 1)
        if norm is None:
            scale = 0.5 / (half if isinstance(half, int) else execute("Cast", (half,), {"DstT": mdcts.dtype}))
            folded = dct(mdcts, type=4) * scale
        elif norm == "ortho":
            folded = dct(mdcts, type=4, norm="ortho")
        else:
            raise ValueError(f"Unknown normalization. Expected None or 'ortho', got: {norm}")
        first, second = split(folded, 2, axis=-1)
        last = [mdcts.shape.rank - 1]
        frames = concat([second, -reverse(second, last), -reverse(first, last), -first], axis=-1)
        return overlap_and_add(frames * _mdct_window(window_fn, half * 2, mdcts.dtype), half)
