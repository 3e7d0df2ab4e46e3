"""`tf.audio`: WAV files; samples, bytes and errors are TensorFlow's."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.io import wav

E = tf.errors.InvalidArgumentError
SAMPLES = struct.pack("<6h", 0, 1, -1, 32767, -32768, 1000)
MONO = [[0.0], [2**-15], [-(2**-15)], [32767 / 32768], [-1.0], [1000 / 32768]]


def file(data=SAMPLES, bits=16, channels=1, kind=1, before=b"", size=None, more=b"", rate=8000):
    form = (
        struct.pack("<HHIIHH", kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
        + more
    )
    size = len(data) if size is None else size
    body = (
        b"WAVEfmt " + struct.pack("<I", len(form)) + form + before + b"data" + struct.pack("<I", size) + data
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data, options, expected",
    [
        (file(), {}, MONO),
        (file(channels=2), {}, [[MONO[i][0], MONO[i + 1][0]] for i in (0, 2, 4)]),
        (file(), {"desired_channels": 2}, [each * 2 for each in MONO]),
        (file(channels=2), {"desired_channels": 1}, MONO[::2]),
        (file(channels=2), {"desired_channels": 3}, [[MONO[i][0], *MONO[i + 1] * 2] for i in (0, 2, 4)]),
        (file(), {"desired_samples": 2}, MONO[:2]),
        (file(), {"desired_samples": 8}, [*MONO, [0.0], [0.0]]),
        (file(), {"desired_channels": 2, "desired_samples": 1}, [[0.0, 0.0]]),
        (file(before=b"LIST\4\0\0\0abcd"), {}, MONO),
        (file(before=b"LIST\3\0\0\0abc\0"), {}, MONO),
        (file(more=b"\0\0"), {}, MONO),
        (file(b""), {}, []),
    ],
)
def test_decoding(data, options, expected):
    sound = tf.audio.decode_wav(data, **options)
    assert sound.audio.numpy().tolist() == expected
    assert sound.sample_rate.numpy() == 8000


def test_encoding():
    audio = np.linspace(-1.2, 1.2, 1001, dtype=np.float32)[:, None]
    assert zlib.crc32(tf.audio.encode_wav(audio, 8000).numpy()) == 49343188
    special = tf.audio.encode_wav([[np.nan, np.inf]], 8000).numpy()
    assert special[44:] == b"\0\0\xff\x7f"


def test_shapes_in_a_graph():
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def decode(data):
        fixed = tf.audio.decode_wav(data, desired_channels=1, desired_samples=4)
        assert fixed.audio.shape.as_list() == [4, 1]
        free = tf.audio.decode_wav(data)
        assert free.audio.shape.as_list() == [None, None]
        return free.audio

    assert decode(file()).shape == [6, 1]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "Data too short"),
        (b"this is no wav file", "Expected RIFF but found 'this'"),
        (file(bits=8), "Can only read 16-bit WAV files, but received 8"),
        (file(kind=3, bits=32), r"Expected 1 \(PCM\), but got 3"),
        (file(more=b"\0" * 24), "Bad format chunk size"),
        (file(channels=0), "Bad number of channels"),
        (file()[:-3], "the chunk at byte 36 has 12 bytes, and 9 are left"),
        (file(size=100), "Data too short"),
        (file(size=0xFFFFFFFF), "too large"),
        (file()[:36], "No data chunk"),
        (file() + b"data\2\0\0\0\1\0", "More than one data chunk"),
        (file()[:28] + b"\7" + file()[29:], "Bad bytes per second"),
        (file()[:32] + b"\7" + file()[33:], "Bad bytes per sample"),
        ([file()], "scalar"),
    ],
)
def test_files_that_are_refused(data, message):
    with pytest.raises(E, match=message):
        tf.audio.decode_wav(data)


@pytest.mark.parametrize(
    "audio, rate, message",
    [
        ([0.0], 8000, "2-dimensional"),
        ([[0.0]], 0, "sample_rate must be in"),
        ([[0.0]], [8000], "scalar"),
        (np.zeros((3, 0), np.float32), 8000, "num_channels must be in"),
    ],
)
def test_sounds_that_are_refused(audio, rate, message):
    with pytest.raises(E, match=message):
        tf.audio.encode_wav(audio, rate)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_raise_value_errors_only(data):
    damaged = bytearray(file())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        wav.decode_wav(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    except ValueError:
        pass
