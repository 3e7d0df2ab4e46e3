import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import penstock as tf
from penstock.data import element_files
from penstock.data.position_bytes import from_bytes, to_bytes
from tests.data.pipelines import plain

Dataset = tf.data.Dataset


def _structured():
    rows = tf.ragged.constant([[1], [2, 3], []])
    return Dataset.from_tensor_slices({"x": np.arange(3, dtype=np.float32), "y": (["a", "bb", ""], rows)})


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_saved_datasets_load(tmp_path, compression):
    dataset = _structured()
    dataset.save(str(tmp_path / "d"), compression=compression)
    loaded = Dataset.load(str(tmp_path / "d"), compression=compression)
    assert loaded.element_spec == dataset.element_spec
    assert plain(loaded) == plain(dataset)
    assert int(loaded.cardinality()) == 3


def test_shards(tmp_path):
    path = str(tmp_path / "d")
    Dataset.range(6).save(path, shard_func=lambda x: x % 2)
    assert plain(Dataset.load(path)) == [[0], [1], [2], [3], [4], [5]]
    one_by_one = Dataset.load(path, reader_func=lambda shards: shards.flat_map(lambda shard: shard))
    assert plain(one_by_one) == [[0], [2], [4], [1], [3], [5]]


def test_a_second_save_replaces_the_first(tmp_path):
    for count in (3, 2):
        Dataset.range(count).save(str(tmp_path / "d"))
    assert len(plain(Dataset.load(str(tmp_path / "d")))) == 2
    assert len(list((tmp_path / "d").glob("*/*.shard"))) == 1


def test_nothing_is_there_to_load(tmp_path):
    with pytest.raises(tf.errors.NotFoundError):
        Dataset.load(str(tmp_path / "none"))


class _Counted:
    """A generator that counts how often it was asked for all elements."""

    def __init__(self):
        self.runs = 0

    def __call__(self):
        self.runs += 1
        yield from range(4)


KEEPERS = {
    "cache": lambda dataset, path: dataset.cache(f"{path}/kept"),
    "snapshot": lambda dataset, path: dataset.snapshot(f"{path}/kept"),
}


@pytest.mark.parametrize("keep", KEEPERS)
def test_the_second_iteration_reads_what_the_first_wrote(tmp_path, keep):
    source = _Counted()
    generated = Dataset.from_generator(source, output_signature=tf.TensorSpec([], tf.int64))
    for runs in (1, 1):
        assert plain(KEEPERS[keep](generated, tmp_path)) == [[0], [1], [2], [3]]
        assert source.runs == runs


@pytest.mark.parametrize("keep", KEEPERS)
def test_an_iteration_that_stops_half_way_leaves_nothing(tmp_path, keep):
    source = _Counted()
    generated = Dataset.from_generator(source, output_signature=tf.TensorSpec([], tf.int64))
    dataset = KEEPERS[keep](generated, tmp_path)
    iterator = iter(dataset)
    next(iterator), next(iterator)
    del iterator
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
    assert plain(dataset) == [[0], [1], [2], [3]]
    assert source.runs == 2


@pytest.mark.parametrize("keep", ["cache", "snapshot", "save"])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, keep, monkeypatch):
    write = element_files.ElementWriter.write

    def full(self, flat):
        if self.elements == 2:
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
        write(self, flat)

    monkeypatch.setattr(element_files.ElementWriter, "write", full)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
        if keep == "save":
            Dataset.range(4).save(str(tmp_path / "d"))
        else:
            list(KEEPERS[keep](Dataset.range(4), tmp_path))
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
    monkeypatch.undo()
    if keep == "save":
        with pytest.raises(tf.errors.NotFoundError):
            Dataset.load(str(tmp_path / "d"))
    else:
        assert len(plain(KEEPERS[keep](Dataset.range(4), tmp_path))) == 4


def test_what_a_killed_process_left_is_not_taken_for_whole(tmp_path):
    program = f"""
        import os, signal
        import penstock as tf
        D = tf.data.Dataset
        for keep in (lambda d: d.cache({str(tmp_path)!r} + "/cache"), lambda d: d.snapshot({str(tmp_path)!r} + "/snap")):
            iterator = iter(keep(D.range(1000)))
            for _ in range(500):
                next(iterator)
            globals().setdefault("kept", []).append(iterator)
        def die():
            yield from range(500)
            os.kill(os.getpid(), signal.SIGKILL)
        D.from_generator(die, output_signature=tf.TensorSpec([], tf.int64)).save({str(tmp_path)!r} + "/saved")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)])
    assert done.returncode == -signal.SIGKILL
    assert len(plain(Dataset.range(1000).cache(f"{tmp_path}/cache"))) == 1000
    assert len(plain(Dataset.range(1000).snapshot(f"{tmp_path}/snap"))) == 1000
    with pytest.raises(tf.errors.NotFoundError):
        Dataset.load(f"{tmp_path}/saved")
    Dataset.range(3).save(f"{tmp_path}/saved")
    assert len(plain(Dataset.load(f"{tmp_path}/saved"))) == 3
    left = [name for _, folders, _ in os.walk(tmp_path) for name in folders if "writing" in name]
    assert left == []


def test_a_cache_that_lost_elements_says_so(tmp_path):
    dataset = Dataset.range(4).cache(str(tmp_path / "c"))
    list(dataset)
    data = (tmp_path / "c.data").read_bytes()
    (tmp_path / "c.data").write_bytes(data[: len(data) // 2])
    with pytest.raises(tf.errors.DataLossError, match=r"c\.data"):
        list(dataset)


def test_datasets_inside_elements_cannot_be_saved(tmp_path):
    with pytest.raises((tf.errors.UnimplementedError, TypeError)):
        Dataset.range(4).window(2).save(str(tmp_path / "d"))


POSITIONS = [
    {"round": 2, "buffer": [np.int64(3), None, "text", b"bytes"]},
    {"arrays": [np.zeros((2, 0)), np.array([b"a", b"bc"], object), np.float16(1)]},
]


@pytest.mark.parametrize("position", POSITIONS)
def test_positions_as_bytes(position):
    assert repr(from_bytes(to_bytes(position))) == repr(position)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"x" + data, lambda data: data[:30]])
def test_damaged_positions_are_refused(damage):
    with pytest.raises(tf.errors.DataLossError):
        from_bytes(damage(to_bytes({"a": np.arange(3)})))


def test_positions_of_other_pipelines_are_refused():
    position = iter(Dataset.range(3).take(2)).save_position()
    with pytest.raises(tf.errors.InvalidArgumentError, match="same pipeline"):
        iter(Dataset.range(3).skip(2)).restore_position(position)


def test_checkpoints_hold_positions(tmp_path):
    def make():
        return iter(Dataset.range(40).shuffle(15, seed=2).map(lambda x: x * 2, 2).batch(3).prefetch(2))

    tf.random.set_seed(1)
    iterator = make()
    for _ in range(4):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "checkpoint"))
    tf.random.set_seed(1)
    restored = make()
    tf.train.Checkpoint(iterator=restored).restore(path)
    assert plain(restored) == plain(iterator)


# Generators that do not keep their word.

BAD = {
    "shape": (lambda: iter([[1, 2]]), tf.errors.InvalidArgumentError),
    "dtype": (lambda: iter(["text"]), tf.errors.InvalidArgumentError),
    "structure": (lambda: iter([(1, 2)]), tf.errors.InvalidArgumentError),
}


@pytest.mark.parametrize("name", BAD)
def test_generators_are_held_to_their_signature(name):
    make, expected = BAD[name]
    dataset = Dataset.from_generator(make, output_signature=tf.TensorSpec([], tf.int32))
    with pytest.raises(expected, match="generator"):
        list(dataset)


def test_numbers_from_generators_are_cast():
    dataset = Dataset.from_generator(
        lambda: iter([1.5, np.int64(3)]), output_signature=tf.TensorSpec([], tf.int32)
    )
    assert plain(dataset) == [[1], [3]]


def test_a_generator_goes_on_after_an_element_that_was_not_as_promised():
    started = []

    def rows():
        started.append(1)
        yield from ([1], [1, 2], [3])

    dataset = Dataset.from_generator(rows, output_signature=tf.TensorSpec([1], tf.int32))
    assert plain(dataset.map(lambda x: x + 1).prefetch(1).ignore_errors()) == [[[2]], [[4]]]
    assert len(started) == 1


def test_a_shuffle_loses_nothing_to_errors():
    values = Dataset.from_tensor_slices([1.0, 2.0, 0.0, 4.0, 0.0, 5.0])
    failing = values.map(lambda x: tf.debugging.check_numerics(1 / x, "x") * 0 + x)
    for size in (2, 4, 10):
        assert sorted(plain(failing.shuffle(size, seed=1).ignore_errors())) == [[1], [2], [4], [5]]


def test_ignore_errors_ends_with_a_generator_that_raised():
    def numbers():
        yield 1
        yield 2
        raise RuntimeError("no more")

    dataset = Dataset.from_generator(numbers, output_signature=tf.TensorSpec([], tf.int32))
    assert plain(dataset.ignore_errors()) == [[1], [2]]
