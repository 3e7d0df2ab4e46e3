"""`tf.io.gfile`, records and file ops on a file system that is not the local one (fsspec's `memory://`)."""

from __future__ import annotations

import itertools
import sys

import pytest

import penstock as tf
from penstock.io.records import read_records

g, E = tf.io.gfile, tf.errors
_NUMBERS = itertools.count()


@pytest.fixture
def folder():
    pytest.importorskip("fsspec")
    path = f"memory://test{next(_NUMBERS)}"
    g.makedirs(path)
    return path


def write(path, text="text"):
    with g.GFile(path, "w") as file:
        file.write(text)


def test_files(folder):
    path = f"{folder}/a.txt"
    write(path, "first\nsecond\n")
    assert g.exists(path)
    assert g.GFile(path).readlines() == ["first\n", "second\n"]
    assert g.stat(path).length == g.GFile(path).size() == 13
    with g.GFile(path) as file:
        file.seek(6)
        assert file.read() == "second\n"
    g.remove(path)
    assert not g.exists(path)


def test_directories(folder):
    g.mkdir(f"{folder}/d")
    g.mkdir(f"{folder}/d")
    write(f"{folder}/d/a.txt")
    assert g.isdir(f"{folder}/d")
    assert g.listdir(folder) == ["d"]
    assert list(g.walk(folder)) == [
        (f"memory:///{folder[9:]}", ["d"], []),
        (f"memory:///{folder[9:]}/d", [], ["a.txt"]),
    ]
    assert [path.rpartition("/")[2] for path in g.glob(f"{folder}/d/*.txt")] == ["a.txt"]
    g.rmtree(f"{folder}/d")
    assert not g.exists(f"{folder}/d")


def test_copying_and_moving(folder, tmp_path):
    write(f"{folder}/a.txt")
    g.copy(f"{folder}/a.txt", str(tmp_path / "b.txt"))
    assert (tmp_path / "b.txt").read_text() == "text"
    g.copy(str(tmp_path / "b.txt"), f"{folder}/c.txt")
    with pytest.raises(E.AlreadyExistsError):
        g.copy(str(tmp_path / "b.txt"), f"{folder}/c.txt")
    g.rename(f"{folder}/c.txt", f"{folder}/d.txt")
    assert sorted(g.listdir(folder)) == ["a.txt", "d.txt"]
    with pytest.raises(E.UnimplementedError, match="different file systems"):
        g.rename(f"{folder}/d.txt", str(tmp_path / "d.txt"))


def test_ops(folder):
    tf.io.write_file(f"{folder}/new/a.txt", "text")
    assert tf.io.read_file(f"{folder}/new/a.txt").numpy() == b"text"
    assert len(tf.io.matching_files(f"{folder}/new/*").numpy()) == 1


@pytest.mark.parametrize("kind", ["", "GZIP"])
def test_records(folder, kind):
    path = f"{folder}/a.tfrecord"
    with tf.io.TFRecordWriter(path, kind) as writer:
        writer.write(b"one")
        writer.write(b"two")
    assert list(read_records(path, kind)) == [b"one", b"two"]
    assert list(read_records(path, kind, offset=19)) == [b"two"]


def test_errors(folder):
    with pytest.raises(E.NotFoundError, match=r"a\.txt"):
        g.GFile(f"{folder}/a.txt").read()
    with pytest.raises(E.NotFoundError):
        g.stat(f"{folder}/a.txt")
    with pytest.raises(E.NotFoundError):
        g.rmtree(f"{folder}/d")
    with pytest.raises(E.FailedPreconditionError, match="directory"):
        g.remove(folder)


def test_an_unknown_file_system():
    pytest.importorskip("fsspec")
    with pytest.raises(E.UnimplementedError, match="File system scheme 'nowhere' not implemented"):
        g.exists("nowhere://a")


def test_without_fsspec(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(E.UnimplementedError, match="pip install fsspec"):
        g.exists("gs://bucket/a")
    assert g.get_registered_schemes() == ["", "file"]


def test_schemes():
    pytest.importorskip("fsspec")
    assert {"", "file", "memory"} <= set(g.get_registered_schemes())


def test_datasets_find_files_by_their_patterns(folder):
    for i in range(2):
        g.GFile(f"{folder}/{i}.csv", "w").write(f"x,y\n{i},1.5\n")
    names = [each.numpy().decode() for each in tf.data.Dataset.list_files(f"{folder}/*.csv", shuffle=False)]
    assert [each.rpartition("/")[2] for each in names] == ["0.csv", "1.csv"]
    rows = tf.data.experimental.make_csv_dataset(f"{folder}/*.csv", 2, shuffle=False, num_epochs=1)
    assert [row["x"].numpy().tolist() for row in rows] == [[0, 1]]
