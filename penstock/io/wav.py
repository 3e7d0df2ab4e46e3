"""WAV files with 16 bits for a sample (linear PCM), which are the ones that TensorFlow reads and writes."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

_FORMAT = struct.Struct(
    "<HHIIHH"
)  # kind, channels, sample rate, bytes per second, bytes of all channels, bits
_SCALE = 1 << 15
_LARGEST = (1 << 31) - 1


class Sound(NamedTuple):
    """The samples of a WAV file, float32 [samples, channels] in [-1, 1), and how many there are in a second."""

    samples: np.ndarray
    rate: int


class _Layout(NamedTuple):
    channels: int
    rate: int


def decode_wav(data: bytes, channels: int = -1, samples: int = -1) -> Sound:
    """The samples of a WAV file.

    Args:
      data: the file.
      channels: how many there are to be: more than in the file repeat its last one, fewer are the first; -1: all.
      samples: how many there are to be: the rest is cut off, or filled with zeros; -1: all.

    Raises:
      ValueError: the data is damaged, or of another kind than linear PCM with 16 bits.

    Example:
      >>> import numpy as np
      >>> from penstock.io.wav import decode_wav, encode_wav
      >>> decode_wav(encode_wav(np.array([[0.5], [-1.0]], np.float32), 8000)).samples.tolist()
      [[0.5], [-1.0]]
    """
    _expect(data, 0, b"RIFF")
    _expect(data, 8, b"WAVE")
    _expect(data, 12, b"fmt ")
    layout, at = _layout(data, 16)
    found: np.ndarray | None = None
    while at < len(data):
        kind, size, start = _chunk(data, at)
        if kind == b"data":
            if found is not None:
                raise ValueError("More than one data chunk found in WAV")
            found = _samples(data, start, size, layout.channels)
        at = start + size
        if (
            size % 2 and data[at : at + 1] == b"\0"
        ):  # chunks of an odd size are padded, though not by all writers
            at += 1
    if found is None:
        raise ValueError("No data chunk found in WAV")
    return Sound(_fitted(found, channels, samples), layout.rate)


def _expect(data: bytes, at: int, wanted: bytes) -> None:
    found = data[at : at + len(wanted)]
    if len(found) < len(wanted):
        raise ValueError(f"Data too short when trying to read string: a WAV file has {wanted!r} at byte {at}")
    if found != wanted:
        raise ValueError(
            f"Header mismatch: Expected {wanted.decode()} but found {found.decode('latin-1')!r} at byte {at}"
        )


def _layout(data: bytes, at: int) -> tuple[_Layout, int]:
    """What the format chunk says, and where the next chunk begins."""
    if len(data) < at + 4 + _FORMAT.size:
        raise ValueError(f"Data too short when trying to read string: the WAV file has {len(data)} bytes")
    (size,) = struct.unpack_from("<I", data, at)
    if size not in (16, 18):
        raise ValueError(f"Bad format chunk size for WAV: Expected 16 or 18, but got {size}")
    kind, channels, rate, per_second, per_sample, bits = _FORMAT.unpack_from(data, at + 4)
    if kind != 1:
        raise ValueError(f"Bad audio format for WAV: Expected 1 (PCM), but got {kind}")
    if channels < 1:
        raise ValueError("Bad number of channels for WAV: Expected at least 1, but got 0")
    if bits != 16:
        raise ValueError(f"Can only read 16-bit WAV files, but received {bits}")
    if per_sample != channels * 2:
        raise ValueError(f"Bad bytes per sample in WAV header: Expected {channels * 2} but got {per_sample}")
    if per_second != per_sample * rate:
        raise ValueError(
            f"Bad bytes per second in WAV header: Expected {per_sample * rate} but got {per_second} "
            f"(sample_rate={rate}, bytes_per_sample={per_sample})"
        )
    return _Layout(channels, rate), at + 4 + size


def _chunk(data: bytes, at: int) -> tuple[bytes, int, int]:
    """Name and size of a chunk, and where its contents begin."""
    if at + 8 > len(data):
        raise ValueError(
            f"Data too short when trying to read string: a chunk begins at byte {at} of {len(data)}"
        )
    kind = data[at : at + 4]
    (size,) = struct.unpack_from("<I", data, at + 4)
    if size > _LARGEST:
        raise ValueError(
            f"WAV data chunk '{kind.decode('latin-1')}' is too large: {size} bytes, but the limit is {_LARGEST}"
        )
    if at + 8 + size > len(data):
        raise ValueError(
            f"Data too short when trying to read string: the chunk at byte {at} has {size} bytes, and "
            f"{len(data) - at - 8} are left"
        )
    return kind, size, at + 8


def _samples(data: bytes, start: int, size: int, channels: int) -> np.ndarray:
    count = size // (2 * channels)
    raw = np.frombuffer(data, "<i2", count * channels, start).reshape(count, channels)
    return raw.astype(np.float32) / np.float32(_SCALE)


def _fitted(found: np.ndarray, channels: int, samples: int) -> np.ndarray:
    """Samples of as many channels and moments as are wanted."""
    if channels > 0 and channels != found.shape[1]:
        found = found[:, np.minimum(np.arange(channels), found.shape[1] - 1)]
    if samples > len(found):
        return np.concatenate([found, np.zeros((samples - len(found), found.shape[1]), np.float32)])
    return found[:samples] if samples >= 0 else found


def encode_wav(audio: np.ndarray, rate: int) -> bytes:
    """A WAV file.

    Args:
      audio: float32 [samples, channels]; what is outside of [-1, 1) is clipped.
      rate: samples in a second.

    Raises:
      ValueError: there are no channels or too many, or the rate is not positive.
    """
    count, channels = audio.shape
    if not 0 < channels < 1 << 16:
        raise ValueError(f"num_channels must be in (0, 2^16), got: {channels}")
    if not 0 < rate < 1 << 32:
        raise ValueError(f"sample_rate must be in (0, 2^32), got: {rate}")
    size = count * channels * 2
    if 36 + size >= 1 << 32:
        raise ValueError(f"a WAV file has room for 4 GiB, and the audio is {list(audio.shape)}")
    header = _FORMAT.pack(1, channels, rate, rate * channels * 2, channels * 2, 16)
    scaled = np.nan_to_num(audio * np.float32(_SCALE), nan=0.0)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    samples = np.clip(rounded, -_SCALE, _SCALE - 1).astype("<i2").tobytes()
    return b"".join(
        [
            b"RIFF", struct.pack("<I", 36 + size), b"WAVE", b"fmt ", struct.pack("<I", 16), header,
            b"data", struct.pack("<I", size), samples,
        ]
    )  # fmt: skip
