"""The mel scale: `tf.signal.linear_to_mel_weight_matrix`, `tf.signal.mfccs_from_log_mel_spectrograms`."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.ranges import linspace
from penstock.ops.signal.cosine import dct
from penstock.ops.signal.fourier_ops import dim
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor

# The mel scale of HTK: mel = 1127 ln(1 + f / 700).
_BREAK_FREQUENCY_HERTZ = 700.0
_HIGH_FREQUENCY_Q = 1127.0


def _hertz_to_mel(frequencies: Tensor) -> Tensor:
    scaled = frequencies / convert_to_tensor(_BREAK_FREQUENCY_HERTZ, frequencies.dtype)
    return execute("Log", (scaled + convert_to_tensor(1.0, scaled.dtype),)) * _HIGH_FREQUENCY_Q


@export("signal.linear_to_mel_weight_matrix")
def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: Any = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """The matrix that sums the bins of a linear spectrogram into triangular bands of the mel scale.

    Args:
      num_mel_bins: the bands.
      num_spectrogram_bins: the bins of the spectrogram, `fft_length // 2 + 1`.
      sample_rate: the samples per second of the signal.
      lower_edge_hertz, upper_edge_hertz: the range of the bands.
      dtype: a floating dtype.
      name: the scope of the nodes in a graph.

    Returns:
      `[num_spectrogram_bins, num_mel_bins]`; multiply a spectrogram by it from the right.

    Raises:
      ValueError: the bands are not positive in number, the range is empty, or above half the sample rate.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.linear_to_mel_weight_matrix(2, 5).numpy().round(2))
      [[0.   0.  ]
       [0.72 0.28]
       [0.   0.9 ]
       [0.   0.35]
       [0.   0.  ]]
    """
    dtype = as_dtype(dtype)
    rate = constant_value(convert_to_tensor(sample_rate))
    _check(num_mel_bins, None if rate is None else rate[()], lower_edge_hertz, upper_edge_hertz, dtype)
    with name_scope(name, "linear_to_mel_weight_matrix"):
        nyquist = execute("Cast", (convert_to_tensor(sample_rate),), {"DstT": dtype}) / convert_to_tensor(
            2.0, dtype
        )
        bins = convert_to_tensor(num_spectrogram_bins, dtypes.int32)
        # The bin of frequency 0 belongs to no band.
        frequencies = linspace(convert_to_tensor(0.0, dtype), nyquist, bins)[1:]
        mels = execute("ExpandDims", (_hertz_to_mel(frequencies), convert_to_tensor(1)))
        edges = linspace(
            _hertz_to_mel(convert_to_tensor(lower_edge_hertz, dtype)),
            _hertz_to_mel(convert_to_tensor(upper_edge_hertz, dtype)),
            num_mel_bins + 2,
        )
        lower, center, upper = (
            execute("Reshape", (each, convert_to_tensor([1, num_mel_bins])))
            for each in (edges[:-2], edges[1:-1], edges[2:])
        )
        rising = (mels - lower) / (center - lower)
        falling = (upper - mels) / (upper - center)
        weights = execute("Maximum", (convert_to_tensor(0.0, dtype), execute("Minimum", (rising, falling))))
        return execute("Pad", (weights, convert_to_tensor([[1, 0], [0, 0]])))


def _check(bins: int, rate: Any, lower: float, upper: float, dtype: Any) -> None:
    if bins <= 0:
        raise ValueError(f"num_mel_bins must be positive. Got: {bins}")
    if lower < 0.0:
        raise ValueError(f"lower_edge_hertz must be non-negative. Got: {lower}")
    if lower >= upper:
        raise ValueError(f"lower_edge_hertz {lower:.1f} >= upper_edge_hertz {upper:.1f}")
    if rate is not None:
        if rate <= 0.0:
            raise ValueError(f"sample_rate must be positive. Got: {rate}")
        if upper > rate / 2:
            raise ValueError(
                "upper_edge_hertz must not be larger than the Nyquist frequency (sample_rate / 2). "
                f"Got {upper} for sample_rate: {rate}"
            )
    if not dtype.is_floating:
        raise ValueError(f"dtype must be a floating point type. Got: {dtype}")


@export("signal.mfccs_from_log_mel_spectrograms")
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """The mel-frequency cepstral coefficients: an orthonormal type II DCT over the last axis.

    Args:
      log_mel_spectrograms: `[..., num_mel_bins]`, floating.
      name: the scope of the nodes in a graph.

    Returns:
      A tensor of the same shape.

    Raises:
      ValueError: there are no bins.
    """
    with name_scope(name, "mfccs_from_log_mel_spectrograms"):
        x = convert_to_tensor(log_mel_spectrograms)
        bins = dim(x, -1)
        if isinstance(bins, int):
            if bins == 0:
                raise ValueError(f"num_mel_bins must be positive. Got: {log_mel_spectrograms}")
            return dct(x, type=2) * convert_to_tensor(1.0 / np.sqrt(2.0 * bins), x.dtype)
        scale = execute("Rsqrt", (execute("Cast", (bins,), {"DstT": x.dtype}) * 2.0,))
        return dct(x, type=2) * scale
