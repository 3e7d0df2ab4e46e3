"""TF 1's first checkpoint format: round trips and damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.io.tensor_slice import TensorSlice
from penstock.saving.checkpoint_v1 import CheckpointV1Reader, write_checkpoint_v1
from penstock.types import dtypes, errors

KINDS = (
    "float32 float64 int32 int64 int16 int8 uint8 uint16 bool complex64 complex128 float16 bfloat16".split()
)


@pytest.mark.parametrize("name", KINDS)
def test_round_trip_of_a_dtype(tmp_path, name):
    value = np.array([[1, 0, 1]]).astype(getattr(dtypes, name).np_dtype)
    write_checkpoint_v1(tmp_path / "model", [("x", value.shape, None, value)])
    reader = CheckpointV1Reader(tmp_path / "model")
    assert (reader.dtype("x").name, reader.shape("x")) == (name, (1, 3))
    np.testing.assert_array_equal(reader.read("x"), value)


def test_slices_make_the_whole(tmp_path):
    whole = np.arange(12.0).reshape(4, 3)
    pieces = [TensorSlice.parse("0,1:-"), TensorSlice.parse("1,3:-")]
    rows = [("x", whole.shape, piece, whole[piece.within(whole.shape)]) for piece in pieces]
    write_checkpoint_v1(tmp_path / "model", rows)
    reader = CheckpointV1Reader(tmp_path / "model")
    np.testing.assert_array_equal(reader.read("x"), whole)
    np.testing.assert_array_equal(reader.read_slice("x", TensorSlice.parse("0,2:1,2")), whole[:2, 1:])


def test_several_files_are_one_checkpoint(tmp_path):
    for index in range(2):
        value = np.float32(index)
        write_checkpoint_v1(tmp_path / f"model-0000{index}-of-00002", [(f"v{index}", (), None, value)])
    assert CheckpointV1Reader(tmp_path / "model-?????-of-00002").names() == ["v0", "v1"]


def test_a_dtype_without_a_place_is_refused(tmp_path):
    value = np.zeros(1, dtypes.float8_e5m2.np_dtype)
    with pytest.raises(errors.InvalidArgumentError, match="x: .* cannot hold the dtype float8_e5m2"):
        write_checkpoint_v1(tmp_path / "model", [("x", (1,), None, value)])


VALUES = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.array([b"one", b""], object)}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "model"
    write_checkpoint_v1(path, [(name, value.shape, None, value) for name, value in VALUES.items()])
    return path, path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_byte_never_gives_a_wrong_value(sound, data):
    path, contents = sound
    place = data.draw(st.integers(0, len(contents) - 1))
    changed = bytearray(contents)
    changed[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(changed))
    try:
        with CheckpointV1Reader(path) as reader:
            assert reader.names() == ["a", "b"]
            for name, value in VALUES.items():
                np.testing.assert_array_equal(reader.read(name), value)
    except errors.DataLossError as error:
        assert "model" in error.message
