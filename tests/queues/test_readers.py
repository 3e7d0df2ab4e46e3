"""TF 1's readers: keys and values, counts, state, and the end of the queue."""

from __future__ import annotations

import zlib

import lmdb
import pytest

import penstock as tf

v1 = tf.compat.v1
E = tf.errors


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as session:
        yield session


def names(session, *paths):
    """A closed queue of file names."""
    queue = tf.queue.FIFOQueue(10, tf.string, shapes=[[]])
    session.run(queue.enqueue_many([[str(path) for path in paths]]))
    session.run(queue.close())
    return queue


def drain(session, fetch):
    found = []
    with pytest.raises(E.OutOfRangeError):
        while True:
            found.append(tuple(session.run(fetch)))
    return found


def keyed(path, *pairs):
    return [(f"{path}:{key}".encode(), value) for key, value in pairs]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a"


def test_lines(session, path):
    path.write_bytes(b"head\none\r\n\ntwo")
    reader = v1.TextLineReader(skip_header_lines=1)
    fetch = reader.read(names(session, path))
    assert drain(session, fetch) == keyed(path, (2, b"one"), (3, b""), (4, b"two"))
    assert session.run(reader.num_records_produced()) == 3
    assert session.run(reader.num_work_units_completed()) == 1


def test_two_files_and_an_empty_one(session, path):
    other = path.with_name("b")
    empty = path.with_name("c")
    path.write_text("1\n")
    other.write_text("2\n")
    empty.write_text("")
    fetch = v1.TextLineReader().read(names(session, path, empty, other))
    assert [value for _, value in drain(session, fetch)] == [b"1", b"2"]


@pytest.mark.parametrize("kind", ["", "GZIP"])
def test_records(session, path, kind):
    options = tf.io.TFRecordOptions(kind)
    with tf.io.TFRecordWriter(str(path), options) as writer:
        writer.write(b"one")
        writer.write(b"three")
    fetch = v1.TFRecordReader(options=options).read(names(session, path))
    assert drain(session, fetch) == keyed(path, (0, b"one"), (19, b"three"))


@pytest.mark.parametrize(
    "content, arguments, values",
    [
        (b"aabbcc", {}, [b"aa", b"bb", b"cc"]),
        (b"HaabbFF", {"header_bytes": 1, "footer_bytes": 2}, [b"aa", b"bb"]),
        (b"abcd", {"hop_bytes": 1}, [b"ab", b"bc", b"cd"]),
        (b"ab..cd.", {"hop_bytes": 4}, [b"ab", b"cd"]),
        (b"Haab", {"header_bytes": 1}, [b"aa"]),
        (zlib.compress(b"aabb"), {"encoding": "ZLIB"}, [b"aa", b"bb"]),
        (b"", {}, []),
    ],
)
def test_records_of_one_size(session, path, content, arguments, values):
    path.write_bytes(content)
    fetch = v1.FixedLengthRecordReader(2, **arguments).read(names(session, path))
    assert drain(session, fetch) == keyed(path, *enumerate(values))


def test_whole_files_and_names(session, path):
    path.write_text("text")
    assert drain(session, v1.WholeFileReader().read(names(session, path))) == [(str(path).encode(), b"text")]
    assert drain(session, v1.IdentityReader().read(names(session, "x"))) == [(b"x", b"x")]


def test_reading_several(session, path):
    path.write_text("1\n2\n3\n")
    reader = v1.TextLineReader()
    keys, values = session.run(reader.read_up_to(names(session, path), 2))
    assert keys.tolist() == [f"{path}:1".encode(), f"{path}:2".encode()]
    assert values.tolist() == [b"1", b"2"]


def test_state(session):
    reader = v1.IdentityReader()
    assert reader.supports_serialize
    queue = names(session, "x", "y")
    fetch = reader.read(queue)
    session.run(fetch)
    state = session.run(reader.serialize_state())
    session.run(fetch)
    assert session.run(reader.num_records_produced()) == 2
    session.run(reader.restore_state(state))
    assert session.run(reader.num_records_produced()) == 1
    session.run(reader.reset())
    assert session.run(reader.num_records_produced()) == 0
    with pytest.raises(E.InvalidArgumentError, match="Could not parse state"):
        session.run(reader.restore_state(b"\xff"))


def test_state_in_the_middle_of_a_file(session):
    with pytest.raises(E.UnimplementedError, match="TextLineReader"):
        session.run(v1.TextLineReader().serialize_state())


def test_a_missing_file(session, path):
    with pytest.raises(E.NotFoundError, match="No such file"):
        session.run(v1.TextLineReader().read(names(session, path)))


def test_damaged_records(session, path):
    path.write_bytes(b"no records, but more bytes than a header has")
    with pytest.raises(E.DataLossError, match="corrupted record at 0"):
        session.run(v1.TFRecordReader().read(names(session, path)))


def test_a_program_with_queue_runners(path):
    path.write_text("1,2\n3,4\n")
    with tf.Graph().as_default(), v1.Session() as session:
        queue = v1.train.string_input_producer([str(path)], num_epochs=1, shuffle=False)
        _, line = v1.TextLineReader().read(queue)
        left, right = v1.decode_csv(line, [[0], [0]])
        session.run(v1.local_variables_initializer())
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        assert session.run([left, right]) == [1, 2]
        assert session.run([left, right]) == [3, 4]
        with pytest.raises(E.OutOfRangeError):
            session.run([left, right])
        coordinator.request_stop()
        coordinator.join(threads)


@pytest.mark.parametrize("folder", [True, False])
def test_lmdb(session, path, folder):
    with lmdb.open(str(path), subdir=folder) as database, database.begin(write=True) as transaction:
        transaction.put(b"b", b"2")
        transaction.put(b"a", b"1")
    reader = v1.LMDBReader()
    fetch = reader.read(names(session, path, path))
    assert drain(session, fetch) == [(b"a", b"1"), (b"b", b"2")] * 2
    assert session.run(reader.num_work_units_completed()) == 2


def test_lmdb_says_what_is_no_database(session, path):
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(E.DataLossError, match=str(path)):
        session.run(v1.LMDBReader().read(names(session, path)))
    with pytest.raises(E.NotFoundError, match="missing"):
        session.run(v1.LMDBReader().read(names(session, path.with_name("missing"))))
