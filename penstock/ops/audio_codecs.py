"""`tf.audio`: sound as WAV files. The codec is `penstock.io.wav`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, scalar
from penstock.io import wav
from penstock.ops.strings.kernels import as_array
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


class DecodeWav(NamedTuple):
    """What `tf.audio.decode_wav` gives: float32 [samples, channels] in [-1, 1), and the samples in a second, int32."""

    audio: Tensor
    sample_rate: Tensor


def _decode(contents: Any, *, desired_channels: int, desired_samples: int) -> tuple[np.ndarray, np.ndarray]:
    data = as_array(contents)
    if data.ndim:
        raise ValueError(f"contents must be scalar, got shape {list(data.shape)}")
    sound = wav.decode_wav(data.item(), desired_channels, desired_samples)
    return sound.samples, np.array(sound.rate).astype(np.int32)


def _decoded_shapes(call: ShapeCall) -> list[TensorShape]:
    samples, channels = call.attrs["desired_samples"], call.attrs["desired_channels"]
    return [
        TensorShape([samples if samples >= 0 else None, channels if channels > 0 else None]),
        TensorShape([]),
    ]


def _encode(audio: Any, sample_rate: Any) -> bytes:
    audio, rate = np.asarray(audio), np.asarray(sample_rate)
    if audio.ndim != 2:
        raise ValueError(f"audio must be 2-dimensional, got {list(audio.shape)}")
    if rate.ndim:
        raise ValueError(f"Input sample_rate should be a scalar tensor, got {list(rate.shape)} instead.")
    return wav.encode_wav(audio, int(rate))


op(
    "DecodeWav(contents: string; desired_channels=-1, desired_samples=-1) -> (audio: float32, sample_rate: int32)",
    numpy=_decode,
    shape=_decoded_shapes,
    gradient=stops,
)
op(
    "EncodeWav(audio: float32, sample_rate: int32) -> contents: string",
    numpy=_encode,
    shape=scalar,
    gradient=stops,
)


@export("audio.decode_wav")
def decode_wav(
    contents: Any, desired_channels: int = -1, desired_samples: int = -1, name: str | None = None
) -> DecodeWav:
    """The samples of a WAV file with 16 bits.

    Args:
      contents: a string scalar, the file.
      desired_channels: how many there are to be: more than in the file repeat its last one, fewer are the first.
      desired_samples: how many there are to be: the rest is cut off, or filled with zeros.
      name: the node's name in a graph.

    Returns:
      `audio`, float32 [samples, channels] in [-1, 1), and `sample_rate`, an int32 scalar.

    Raises:
      InvalidArgumentError: the data is damaged, or of another kind.

    Example:
      >>> import penstock as tf
      >>> data = tf.audio.encode_wav([[0.5], [-1.0]], 8000)
      >>> tf.audio.decode_wav(data).audio.numpy().tolist()
      [[0.5], [-1.0]]
    """
    attrs = {"desired_channels": desired_channels, "desired_samples": desired_samples}
    return DecodeWav(*execute("DecodeWav", (convert_to_tensor(contents, dtypes.string),), attrs, name))


@export("audio.encode_wav")
def encode_wav(audio: Any, sample_rate: Any, name: str | None = None) -> Tensor:
    """A WAV file with 16 bits, a string scalar.

    Args:
      audio: float32 [samples, channels]; what is outside of [-1, 1) is clipped.
      sample_rate: samples in a second, an int32 scalar.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the audio has another rank or no channels, or the rate is not positive.

    Example:
      >>> import penstock as tf
      >>> tf.audio.encode_wav(tf.zeros([100, 2]), 44100).numpy()[:4]
      b'RIFF'
    """
    tensors = (convert_to_tensor(audio, dtypes.float32), convert_to_tensor(sample_rate, dtypes.int32))
    return execute("EncodeWav", tensors, None, name)
