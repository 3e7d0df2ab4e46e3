"""`Summary` messages of values, in the form that TensorFlow 1 writes them: numbers, histograms, pictures, sounds."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from penstock.engine.definition import REGISTRY
from penstock.graph.tensor_proto import tensor_proto
from penstock.types.dtypes import dtype_of_array

_LARGEST = float(np.finfo(np.float64).max)
_ALL_ZERO = 1e-6  # pictures whose values are smaller than this are black


def scalar_summary(tag: str, value: Any) -> Any:
    """The message of one number.

    Raises:
      ValueError: it is no scalar.
    """
    from tensorboard.compat.proto import summary_pb2

    if np.ndim(value):
        raise ValueError(f"the value of {tag!r} must be a scalar, got the shape {list(np.shape(value))}")
    summary = summary_pb2.Summary()
    summary.value.add(tag=tag, simple_value=float(value))
    return summary


# Histograms.


@functools.cache
def bucket_limits() -> np.ndarray:
    """The upper limits of the buckets of every histogram: 0, and powers of 1.1 between 1e-12 and 1e20 on both sides."""
    positive, limit = [], 1e-12
    while limit < 1e20:
        positive.append(limit)
        limit *= 1.1
    positive.append(_LARGEST)
    return np.array([*(-each for each in reversed(positive)), 0.0, *positive])


def histogram_summary(tag: str, values: Any) -> Any:
    """The message of a histogram of all values.

    Raises:
      ValueError: one of them is NaN or infinite.
    """
    from tensorboard.compat.proto import histogram_pb2, summary_pb2

    values = np.asarray(values).reshape(-1).astype(np.float64)
    for problem, bad in (("Nan", np.isnan(values)), ("Infinity", np.isinf(values))):
        if bad.any():
            raise ValueError(f"{problem} in summary histogram for: {tag}")
    limits = bucket_limits()
    places = np.minimum(np.searchsorted(limits, values, side="right"), limits.size - 1)
    counts = np.bincount(places, minlength=limits.size)
    # Neighbouring empty buckets are written as one.
    kept = [i for i in range(limits.size) if counts[i] or i + 1 == limits.size or counts[i + 1]]
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=tag,
        histo=histogram_pb2.HistogramProto(
            min=values.min() if values.size else _LARGEST,
            max=values.max() if values.size else -_LARGEST,
            num=values.size,
            sum=values.sum(),
            sum_squares=np.square(values).sum(),
            bucket_limit=limits[kept].tolist(),
            bucket=counts[kept].tolist(),
        ),
    )
    return summary


# Pictures.


def image_summary(tag: str, images: Any, max_images: int, bad_color: Any) -> Any:
    """The message of pictures as PNG files.

    Args:
      tag: the pictures are tagged `tag/image/0`, ...; just `tag/image` where `max_images` is 1.
      images: `[batch, height, width, channels]` with 1, 3 or 4 channels. Those of uint8 are taken as they are; others
        are scaled, each picture for itself: to 0...255, or, where there are negative values, so that 0 becomes 128.
      max_images: how many of the batch are written.
      bad_color: uint8 channels of a pixel that is not finite.

    Raises:
      ValueError: the shape is another one.
    """
    from tensorboard.compat.proto import summary_pb2

    images, bad_color = np.asarray(images), np.asarray(bad_color)
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise ValueError(f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(images.shape)}")
    _, height, width, channels = images.shape
    if bad_color.ndim != 1 or bad_color.size < channels:
        raise ValueError(
            f"expected depth to be at most the size of bad_color, got {channels} and {list(bad_color.shape)}"
        )
    summary = summary_pb2.Summary()
    for index, image in enumerate(images[:max_images]):
        pixels = image if image.dtype == np.uint8 else _scaled(image, bad_color[:channels])
        data = REGISTRY["EncodePng"].numpy_body(pixels, compression=-1)
        value = summary.value.add(tag=f"{tag}/image" if max_images == 1 else f"{tag}/image/{index}")
        value.image.height, value.image.width, value.image.colorspace = height, width, channels
        value.image.encoded_image_string = np.asarray(data, object)[()]
    return summary


def _scaled(image: np.ndarray, bad_color: np.ndarray) -> np.ndarray:
    image = image.astype(np.float64 if image.dtype == np.float64 else np.float32)
    good = np.isfinite(image).all(axis=-1)
    finite = image[good]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if low < 0:
        largest, levels, offset = max(abs(low), abs(high)), 127.0, 128.0
    else:
        largest, levels, offset = high, 255.0, 0.0
    scale = image.dtype.type(0.0 if largest < _ALL_ZERO else levels / largest)
    pixels = np.broadcast_to(bad_color.astype(np.uint8), image.shape).copy()
    pixels[good] = (finite * scale + image.dtype.type(offset)).astype(np.uint8)
    return pixels


# Sounds.


def audio_summary(tag: str, sounds: Any, sample_rate: float, max_outputs: int) -> Any:
    """The message of sounds as WAV files of 16 bits.

    Args:
      tag: the sounds are tagged `tag/audio/0`, ...; just `tag/audio` where `max_outputs` is 1.
      sounds: `[batch, frames, channels]` or `[batch, frames]`, values in -1...1.
      sample_rate: in hertz.
      max_outputs: how many of the batch are written.

    Raises:
      ValueError: the sample rate is not positive, or the shape is another one.
    """
    from tensorboard.compat.proto import summary_pb2

    sounds = np.asarray(sounds, np.float32)
    if sounds.ndim not in (2, 3):
        raise ValueError(f"Tensor must be 3-D or 2-D, got: {list(sounds.shape)}")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate must be positive, got {sample_rate}")
    sounds = sounds.reshape(*sounds.shape[:2], -1)
    _, frames, channels = sounds.shape
    summary = summary_pb2.Summary()
    for index, sound in enumerate(sounds[:max_outputs]):
        data = REGISTRY["EncodeWav"].numpy_body(sound, np.int32(sample_rate))
        value = summary.value.add(tag=f"{tag}/audio" if max_outputs == 1 else f"{tag}/audio/{index}")
        value.audio.sample_rate, value.audio.num_channels = sample_rate, channels
        value.audio.length_frames, value.audio.content_type = frames, "audio/wav"
        value.audio.encoded_audio_string = np.asarray(data, object)[()]
    return summary


def tensor_summary(tag: str, tensor: np.ndarray, metadata: bytes) -> Any:
    """The message of a tensor, with a serialized `SummaryMetadata` that says what it is."""
    from tensorboard.compat.proto import summary_pb2

    summary = summary_pb2.Summary()
    value = summary.value.add(tag=tag, tensor=tensor_proto(tensor, dtype_of_array(tensor)))
    if metadata:
        value.metadata.ParseFromString(metadata)
    return summary
