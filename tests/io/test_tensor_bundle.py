"""TensorFlow's checkpoint files: what is written is read, and damage is found."""

import contextlib
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock.io.sorted_table import write_table
from penstock.io.tensor_bundle import BundleReader, data_path, index_path, messages
from penstock.io.tensor_bundle_writer import BundleWriter, merge_bundles
from penstock.io.tensor_slice import TensorSlice, slice_key
from penstock.types import dtypes, errors

WHOLE = np.arange(60, dtype=np.float32).reshape(10, 6)


def _write(prefix, **values):
    with BundleWriter(prefix) as writer:
        for name, value in values.items():
            writer.add(name, value)


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model")


@pytest.mark.parametrize("dtype", sorted(dtypes.TF_VALUE_DTYPES, key=int), ids=lambda each: each.name)
def test_every_dtype(prefix, dtype):
    if dtype is dtypes.string:
        value = np.array([[b"a", b""], [b"\0x" * 200, b"\xff"]], object)
    else:
        value = np.array([[1, 0, 1]]).astype(dtype.np_dtype)
    with BundleWriter(prefix) as writer:
        writer.add("x", value, dtype)
    reader = BundleReader(prefix)
    assert reader.dtype("x") is dtype
    np.testing.assert_array_equal(reader.read("x"), value)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 2, 3)])
@pytest.mark.parametrize("kind", [np.float32, object])
def test_every_shape(prefix, shape, kind):
    value = np.full(shape, b"text" if kind is object else 2.5, kind)
    _write(prefix, x=value)
    found = BundleReader(prefix).read("x")
    assert found.shape == shape
    np.testing.assert_array_equal(found, value)


def test_many_names_share_prefixes_over_blocks(prefix):
    values = {f"layer_{index:05d}/kernel": np.float32(index) for index in range(5000)}
    _write(prefix, **values)
    reader = BundleReader(prefix)
    assert reader.names() == sorted(values)
    assert reader.read("layer_04321/kernel") == 4321


def test_the_value_is_an_array_of_its_own(prefix):
    _write(prefix, x=np.zeros(3))
    with BundleReader(prefix) as reader:
        reader.read("x")[:] = 1
        np.testing.assert_array_equal(reader.read("x"), np.zeros(3))


def test_slices_make_the_whole(prefix):
    with BundleWriter(prefix) as writer:
        for text in ("0,4:-", "4,6:-"):
            piece = TensorSlice.parse(text)
            writer.add_slice("x", WHOLE.shape, piece, WHOLE[piece.within(WHOLE.shape)])
    reader = BundleReader(prefix)
    assert reader.names() == ["x"]
    np.testing.assert_array_equal(reader.read("x"), WHOLE)


@pytest.mark.parametrize("text", ["0,4:-", "4,6:-", "2,5:1,2", "-:-"])
def test_any_slice_is_read(prefix, text):
    with BundleWriter(prefix) as writer:
        for part in ("0,4:-", "4,6:-"):
            piece = TensorSlice.parse(part)
            writer.add_slice("x", WHOLE.shape, piece, WHOLE[piece.within(WHOLE.shape)])
    piece = TensorSlice.parse(text)
    np.testing.assert_array_equal(
        BundleReader(prefix).read_slice("x", piece), WHOLE[piece.within(WHOLE.shape)]
    )


def test_slices_that_do_not_cover_the_tensor_are_damage(prefix):
    piece = TensorSlice.parse("0,4:-")
    with BundleWriter(prefix) as writer:
        writer.add_slice("x", WHOLE.shape, piece, WHOLE[:4])
    with pytest.raises(errors.DataLossError, match="'x': its slices do not cover it"):
        BundleReader(prefix).read("x")


def test_a_slice_outside_the_tensor_is_refused(prefix):
    _write(prefix, x=WHOLE)
    with pytest.raises(errors.InvalidArgumentError, match="beyond the shape"):
        BundleReader(prefix).read_slice("x", TensorSlice.parse("8,4:-"))


def test_a_name_is_written_once(prefix):
    with pytest.raises(errors.InvalidArgumentError, match="duplicate"), BundleWriter(prefix) as writer:
        writer.add("x", WHOLE)
        writer.add("x", WHOLE)


def test_missing_names_and_files_are_named(prefix):
    with pytest.raises(errors.NotFoundError, match="model"):
        BundleReader(prefix)
    _write(prefix, x=WHOLE)
    with pytest.raises(errors.NotFoundError, match="Key y not found in checkpoint"):
        BundleReader(prefix).read("y")
    os.remove(data_path(prefix, 0, 1))
    with pytest.raises(errors.NotFoundError, match="data-00000-of-00001"):
        BundleReader(prefix).read("x")


def test_an_error_while_writing_leaves_what_was_there(prefix):
    _write(prefix, x=np.float32(1))
    with pytest.raises(RuntimeError), BundleWriter(prefix) as writer:
        writer.add("x", np.float32(2))
        raise RuntimeError
    assert BundleReader(prefix).read("x") == 1
    assert len(os.listdir(os.path.dirname(prefix))) == 2


def test_a_new_data_file_under_an_old_index_is_found(prefix):
    _write(prefix, x=np.float32(1))
    with open(index_path(prefix), "rb") as file:
        old = file.read()
    _write(prefix, x=np.float32(2))
    with open(index_path(prefix), "wb") as file:
        file.write(old)
    with pytest.raises(errors.DataLossError, match="'x'"):
        BundleReader(prefix).read("x")


def test_merged_checkpoints_are_one(tmp_path):
    for part in ("0,4:-", "4,6:-"):
        piece = TensorSlice.parse(part)
        with BundleWriter(str(tmp_path / part[0])) as writer:
            writer.add_slice("x", WHOLE.shape, piece, WHOLE[piece.within(WHOLE.shape)])
            writer.add(f"only in {part}", np.array(part.encode(), object))
    merge_bundles([tmp_path / "0", tmp_path / "4"], tmp_path / "all")
    reader = BundleReader(tmp_path / "all")
    np.testing.assert_array_equal(reader.read("x"), WHOLE)
    assert reader.read("only in 4,6:-")[()] == b"4,6:-"
    assert sorted(os.listdir(tmp_path)) == [
        "all.data-00000-of-00002",
        "all.data-00001-of-00002",
        "all.index",
    ]


def test_merging_needs_checkpoints(tmp_path):
    with pytest.raises(errors.NotFoundError, match="At least one prefix"):
        merge_bundles([tmp_path / "a"], tmp_path / "all", allow_missing=True)


NAMES = st.text(st.characters(min_codepoint=1, codec="utf-8"), min_size=1)
ARRAYS = arrays.arrays(
    st.sampled_from([np.int64, np.bool_, np.complex64]), arrays.array_shapes(min_dims=0, max_side=4)
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, ARRAYS, max_size=5))
def test_round_trip_of_anything(tmp_path_factory, values):
    prefix = str(tmp_path_factory.mktemp("any") / "model")
    _write(prefix, **values)
    reader = BundleReader(prefix)
    assert sorted(reader.names(), key=str.encode) == sorted(values, key=str.encode)
    for name, value in values.items():
        np.testing.assert_array_equal(reader.read(name), value)


def test_a_name_that_is_no_utf_8_is_refused(tmp_path):
    with pytest.raises(errors.InvalidArgumentError, match="UTF-8"):
        _write(str(tmp_path / "model"), **{"\ud800": np.zeros(1)})


SMALL, ANY = st.integers(-2, 6), st.integers(-(2**63), 2**63 - 1)
EXTENTS = st.lists(st.tuples(SMALL, st.none() | SMALL), max_size=3)


@pytest.mark.parametrize("shape", [(0, 0, -1), (2**62, 0, 2**62)])
def test_a_shape_that_no_array_has_is_damage(prefix, shape):
    entry = messages().BundleEntryProto(dtype=1)
    for size in shape:
        entry.shape.dim.add(size=size)
    TensorSlice(((0, None),) * 3).fill(entry.slices.add())
    header = messages().BundleHeaderProto(num_shards=1)
    with open(index_path(prefix), "wb") as file:
        write_table(file, [(b"", header.SerializeToString()), (b"x", entry.SerializeToString())])
    with pytest.raises(errors.DataLossError, match="tensor 'x'"):
        BundleReader(prefix).read("x")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    prefix = str(tmp_path_factory.mktemp("made up") / "model")
    _write(prefix, x=np.arange(4, dtype=np.int8))
    return prefix


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_an_index_that_is_made_up_gives_errors_only(made_up, data):
    """Its checksums are right, and what it says is not."""
    prefix = made_up
    classes = messages()
    header = classes.BundleHeaderProto(num_shards=data.draw(st.integers(-1, 2)))
    entries = {}
    for key in data.draw(
        st.lists(st.sampled_from([b"x", b"y", b"\xff", slice_key("x", TensorSlice(((0, 2),)))]))
    ):
        entry = classes.BundleEntryProto(
            dtype=data.draw(st.integers(-1, 40)), shard_id=data.draw(SMALL), crc32c=data.draw(st.integers(0, 2**32 - 1)),
            offset=data.draw(SMALL | ANY), size=data.draw(SMALL | ANY),
        )  # fmt: skip
        for size in data.draw(st.lists(SMALL | ANY, max_size=3)):
            entry.shape.dim.add(size=size)
        for extents in data.draw(st.lists(EXTENTS, max_size=2)):
            TensorSlice(tuple(extents)).fill(entry.slices.add())
        entries[key] = entry.SerializeToString()
    with open(index_path(prefix), "wb") as file:
        write_table(file, [(b"", header.SerializeToString()), *sorted(entries.items())])
    try:
        reader = BundleReader(prefix)
        names = reader.names()
    except errors.OpError:
        return
    for name in names:
        with contextlib.suppress(errors.OpError):
            reader.read(name)


VALUES = {
    "b/numbers": np.arange(6, dtype=np.int32).reshape(2, 3),
    "b/texts": np.array([b"first", b"", b"third"], object),
    "a": np.float64(0.1),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The two files of a checkpoint with `VALUES`."""
    prefix = str(tmp_path_factory.mktemp("sound") / "model")
    _write(prefix, **VALUES)
    return {path: open(path, "rb").read() for path in (index_path(prefix), data_path(prefix, 0, 1))}


def _reads_right_or_finds_damage(files, changed):
    for path, data in files.items():
        with open(path, "wb") as file:
            file.write(changed.get(path, data))
    prefix = next(iter(files)).removesuffix(".index")
    try:
        reader = BundleReader(prefix)
    except errors.DataLossError as error:
        assert "model.index" in error.message
        return
    assert reader.names() == sorted(VALUES)
    for name, value in VALUES.items():
        try:
            found = reader.read(name)
        except errors.DataLossError as error:
            assert name in error.message and "model.data-00000-of-00001" in error.message
        else:
            np.testing.assert_array_equal(found, value)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_byte_never_gives_a_wrong_value(sound, data):
    path = data.draw(st.sampled_from(sorted(sound)))
    contents = bytearray(sound[path])
    place = data.draw(st.integers(0, len(contents) - 1))
    contents[place] ^= data.draw(st.integers(1, 255))
    _reads_right_or_finds_damage(sound, {path: bytes(contents)})


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_file_cut_off_never_gives_a_wrong_value(sound, data):
    path = data.draw(st.sampled_from(sorted(sound)))
    length = data.draw(st.integers(0, len(sound[path]) - 1))
    _reads_right_or_finds_damage(sound, {path: sound[path][:length]})
