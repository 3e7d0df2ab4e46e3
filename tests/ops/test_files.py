"""`tf.io.gfile`, TF 1's `tf.gfile`, and the ops that read and write files."""

from __future__ import annotations

import os

import pytest

import penstock as tf

g = tf.io.gfile
old = tf.compat.v1.gfile
E = tf.errors


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_text("hello\nworld\n")
    return str(tmp_path)


def test_reading(folder):
    path = f"{folder}/a.txt"
    assert g.GFile(path).read() == "hello\nworld\n"
    assert g.GFile(path, "rb").read(3) == b"hel"
    assert list(g.GFile(path)) == g.GFile(path).readlines() == ["hello\n", "world\n"]
    assert g.GFile(f"file://{path}").size() == 12


def test_writing_and_appending(folder):
    path = f"{folder}/new.txt"
    with g.GFile(path, "w") as file:
        file.write("é")
        file.flush()
        assert g.GFile(path, "rb").read() == "é".encode()
    with g.GFile(path, "a") as file:
        file.write(b"!")
        assert file.tell() == 3
    assert g.GFile(path).read() == "é!"


def test_seeking(folder):
    with g.GFile(f"{folder}/a.txt") as file:
        file.seek(6)
        assert (file.read(2), file.tell()) == ("wo", 8)
        file.seek(offset=-3, whence=2)
        assert file.read() == "ld\n"
        with pytest.raises(E.OutOfRangeError):
            file.seek(100)


def test_an_empty_file_exists_after_close(folder):
    with g.GFile(f"{folder}/empty", "w"):
        pass
    assert g.stat(f"{folder}/empty").length == 0


def test_directories(folder):
    g.makedirs(f"{folder}/x/y")
    g.makedirs(f"{folder}/x/y")
    g.mkdir(f"{folder}/x")
    assert g.isdir(f"{folder}/x") and not g.isdir(f"{folder}/a.txt")
    assert sorted(g.listdir(folder)) == ["a.txt", "x"]
    assert [(os.path.relpath(top, folder), *names) for top, *names in g.walk(folder)] == [
        (".", ["x"], ["a.txt"]), ("x", ["y"], []), ("x/y", [], []),
    ]  # fmt: skip
    assert [os.path.relpath(top, folder) for top, *_ in g.walk(folder, topdown=False)] == ["x/y", "x", "."]
    g.rmtree(f"{folder}/x")
    assert not g.exists(f"{folder}/x")


def test_copy_and_rename(folder):
    g.copy(f"{folder}/a.txt", f"{folder}/b.txt")
    with pytest.raises(E.AlreadyExistsError):
        g.copy(f"{folder}/a.txt", f"{folder}/b.txt")
    g.copy(f"{folder}/a.txt", f"{folder}/b.txt", overwrite=True)
    g.rename(f"{folder}/b.txt", f"{folder}/c.txt")
    with pytest.raises(E.AlreadyExistsError):
        g.rename(f"{folder}/a.txt", f"{folder}/c.txt")
    assert sorted(os.listdir(folder)) == ["a.txt", "c.txt"]  # no temporary file is left


def test_glob(folder):
    assert g.glob(f"{folder}/*.txt") == [f"{folder}/a.txt"]
    assert g.glob([f"{folder}/n*", f"{folder}/a*"]) == [f"{folder}/a.txt"]


REFUSED = [
    (lambda d: g.GFile(f"{d}/none").read(), E.NotFoundError),
    (lambda d: g.GFile(f"{d}/none").size(), E.NotFoundError),
    (lambda d: g.GFile(f"{d}/a.txt", "z"), E.InvalidArgumentError),
    (lambda d: g.GFile(f"{d}/a.txt").write("x"), E.PermissionDeniedError),
    (lambda d: g.GFile(f"{d}/a.txt", "a").read(), E.PermissionDeniedError),
    (lambda d: g.listdir(f"{d}/none"), E.NotFoundError),
    (lambda d: g.mkdir(f"{d}/none/x"), E.NotFoundError),
    (lambda d: g.copy(f"{d}/none", f"{d}/c"), E.NotFoundError),
    (lambda d: g.rename(f"{d}/none", f"{d}/c"), E.NotFoundError),
    (lambda d: g.stat(f"{d}/none"), E.NotFoundError),
    (lambda d: g.remove(f"{d}/none"), E.NotFoundError),
    (lambda d: g.remove(d), E.FailedPreconditionError),
    (lambda d: g.rmtree(f"{d}/none"), E.NotFoundError),
    (lambda d: g.exists("gs://bucket/file"), E.UnimplementedError),
    (lambda d: tf.io.read_file(f"{d}/none"), E.NotFoundError),
    (lambda d: tf.io.read_file([f"{d}/a.txt"]), E.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error, folder):
    with pytest.raises(error):
        call(folder)


def test_join():
    assert [g.join("a", "b", "c"), g.join("a", "/b"), g.join("gs://a", "b")] == ["a/b/c", "/b", "gs://a/b"]


def test_tf1_names(folder):
    old.MakeDirs(f"{folder}/q/r")
    old.Copy(f"{folder}/a.txt", newpath=f"{folder}/q/b.txt")
    assert old.Exists(filename=f"{folder}/q/b.txt")
    assert sorted(old.ListDirectory(f"{folder}/q")) == ["b.txt", "r"]
    assert [top for top, _, _ in old.Walk(folder, in_order=False)][-1] == folder
    assert old.FastGFile(f"{folder}/q/b.txt").read() == "hello\nworld\n"
    old.DeleteRecursively(f"{folder}/q")
    assert not old.IsDirectory(f"{folder}/q")


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_ops(wrap, folder):
    def run(path):
        tf.io.write_file(path, "one")
        return tf.io.read_file(path), tf.io.matching_files(tf.strings.join([folder, "/p/*"]))

    contents, found = wrap(run)(tf.constant(f"{folder}/p/q.txt"))
    assert contents.numpy() == b"one"
    assert found.numpy().tolist() == [f"{folder}/p/q.txt".encode()]


def test_a_failed_write_leaves_the_old_file(folder):
    from penstock.ops.gfile import replacing

    with pytest.raises(RuntimeError), replacing(f"{folder}/a.txt") as file:
        file.write(b"half")
        raise RuntimeError
    assert g.GFile(f"{folder}/a.txt").read() == "hello\nworld\n"
    assert os.listdir(folder) == ["a.txt"]


def test_lines_have_no_carriage_returns(folder):
    with g.GFile(f"{folder}/dos.txt", "wb") as file:
        file.write(b"one\r\ntwo")
    assert g.GFile(f"{folder}/dos.txt").readlines() == list(g.GFile(f"{folder}/dos.txt")) == ["one\n", "two"]
    assert g.GFile(f"{folder}/dos.txt").read() == "one\r\ntwo"


def test_only_text_and_bytes_are_written(folder):
    with g.GFile(f"{folder}/number", "w") as file, pytest.raises(TypeError, match="got 5"):
        file.write(5)


def test_rmtree_of_a_file(folder):
    g.rmtree(f"{folder}/a.txt")
    assert not g.exists(f"{folder}/a.txt")
