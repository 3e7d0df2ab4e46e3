import gzip
import threading

import numpy as np
import pytest

import penstock as tf
from tests.data.pipelines import plain

Dataset = tf.data.Dataset
experimental = tf.data.experimental


def _flat(dataset):
    return [part for row in plain(dataset) for part in row]


@pytest.fixture
def records(tmp_path):
    """Three files of four records; the names of the files."""
    names = [str(tmp_path / f"{i}.tfrecord") for i in range(3)]
    for i, name in enumerate(names):
        with tf.io.TFRecordWriter(name) as writer:
            for j in range(4):
                writer.write(f"{i}{j}".encode())
    return names


def test_records(records):
    expected = [f"{i}{j}".encode() for i in range(3) for j in range(4)]
    assert _flat(tf.data.TFRecordDataset(records)) == expected
    assert _flat(tf.data.TFRecordDataset(Dataset.from_tensor_slices(records))) == expected
    assert _flat(Dataset.from_tensor_slices(records).flat_map(tf.data.TFRecordDataset)) == expected
    assert _flat(tf.data.TFRecordDataset(records[:2], num_parallel_reads=2))[:4] == [
        b"00",
        b"10",
        b"01",
        b"11",
    ]


def test_lines(tmp_path):
    (tmp_path / "a").write_bytes(b"one\r\ntwo\n\nthree")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"four\n"))
    assert _flat(tf.data.TextLineDataset(str(tmp_path / "a"), buffer_size=5)) == [
        b"one",
        b"two",
        b"",
        b"three",
    ]
    assert _flat(tf.data.TextLineDataset([tmp_path / "b.gz"], compression_type="GZIP")) == [b"four"]


def test_fixed_length_records(tmp_path):
    (tmp_path / "a").write_bytes(b"HHaabbccF")
    name = str(tmp_path / "a")
    dataset = tf.data.FixedLengthRecordDataset(name, 2, header_bytes=2, footer_bytes=1)
    assert _flat(dataset) == [b"aa", b"bb", b"cc"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Excess bytes of 1"):
        list(tf.data.FixedLengthRecordDataset(name, 2, header_bytes=2))


def test_list_files(tmp_path):
    for name in "cab":
        (tmp_path / name).touch()
    pattern = str(tmp_path / "*")
    names = [str(tmp_path / name).encode() for name in "abc"]
    assert _flat(Dataset.list_files(pattern, shuffle=False)) == names
    assert sorted(_flat(Dataset.list_files(pattern))) == names
    with pytest.raises(tf.errors.InvalidArgumentError, match="No files matched"):
        Dataset.list_files(str(tmp_path / "none*"))


def test_a_file_is_listed_for_each_pattern_that_it_matches_hidden_ones_too(tmp_path):
    for name in ("a.txt", ".b.txt"):
        (tmp_path / name).touch()
    found = Dataset.list_files([f"{tmp_path}/a*", f"{tmp_path}/*"], shuffle=False)
    assert _flat(found) == [f"{tmp_path}/{name}".encode() for name in (".b.txt", "a.txt", "a.txt")]


def test_csv(tmp_path):
    (tmp_path / "a.csv").write_text('n,x,text\n1,2.5,"a, ""b"""\n2,,c\n')
    name = str(tmp_path / "a.csv")
    dataset = experimental.CsvDataset(name, [tf.int32, -1.0, tf.string], header=True)
    assert plain(dataset) == [[1, 2.5, b'a, "b"'], [2, -1.0, b"c"]]
    assert plain(experimental.CsvDataset(name, [tf.string], header=True, select_cols=[2])) == [
        [b'a, "b"'],
        [b"c"],
    ]
    required = experimental.CsvDataset(name, [tf.int32, tf.float32, tf.string], header=True)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="a.csv: Field 1 is required but missing in record 2"
    ):
        list(required)
    assert len(plain(required.ignore_errors())) == 1


def test_csv_records_before_a_wrong_one_come_first_and_those_behind_it_after(tmp_path):
    name = str(tmp_path / "a.csv")
    lines = [f"{i},{i}.5" for i in range(300)]
    lines[3], lines[200], lines[250] = "3", "x,1", '"7"7,1'
    (tmp_path / "a.csv").write_text("\n".join(lines))
    dataset = experimental.CsvDataset(name, [tf.int32, tf.float32])
    iterator, first, messages = iter(dataset), [], []
    while len(messages) < 3:
        try:
            first.append(int(next(iterator)[0]))
        except tf.errors.InvalidArgumentError as error:
            messages.append(error.message.removeprefix(f"{name}: "))
    assert first == [i for i in range(250) if i not in (3, 200)]
    assert messages == [
        "Expect 2 fields but have 1 in record 4",
        "Field 0 in record 201 is not a valid int32: x",
        "line 251: ',' expected after '\"'",
    ]
    assert [int(each) for each, _ in dataset.ignore_errors()] == [
        i for i in range(300) if i not in (3, 200, 250)
    ]


def test_make_csv_dataset(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,c\n1,2.5,x\n3,,y\n")
    dataset = experimental.make_csv_dataset(
        str(tmp_path / "*.csv"), 2, label_name="a", num_epochs=1, shuffle=False
    )
    ((features, labels),) = list(dataset)
    assert labels.numpy().tolist() == [1, 3]
    assert {name: each.numpy().tolist() for name, each in features.items()} == {
        "b": [2.5, 0],
        "c": [b"x", b"y"],
    }


def test_sql(tmp_path):
    import sqlite3

    name = str(tmp_path / "db")
    with sqlite3.connect(name) as connection:
        connection.execute("create table t (n integer, x real, name text)")
        connection.executemany("insert into t values (?, ?, ?)", [(1, 0.5, "a"), (2, None, "b")])
    connection.close()
    types = (tf.int32, tf.float64, tf.string)
    dataset = experimental.SqlDataset("sqlite", name, "select * from t order by n", types)
    assert plain(dataset) == [[1, 0.5, b"a"], [2, 0.0, b"b"]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no such table"):
        list(experimental.SqlDataset("sqlite", name, "select * from u", types))


def test_examples(tmp_path):
    name = str(tmp_path / "a")
    with tf.io.TFRecordWriter(name) as writer:
        for i in range(4):
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))
            features = tf.train.Features(feature={"n": feature, "label": feature})
            writer.write(tf.train.Example(features=features).SerializeToString())
    spec = {key: tf.io.FixedLenFeature([], tf.int64) for key in ("n", "label")}
    dataset = experimental.make_batched_features_dataset(
        name, 2, spec, label_key="label", num_epochs=1, shuffle=False
    )
    assert [(x["n"].numpy().tolist(), y.numpy().tolist()) for x, y in dataset] == [
        ([0, 1], [0, 1]),
        ([2, 3], [2, 3]),
    ]


def test_writing_records(tmp_path):
    name = str(tmp_path / "a")
    experimental.TFRecordWriter(name).write(Dataset.from_tensor_slices(["x", "y"]))
    assert _flat(tf.data.TFRecordDataset(name)) == [b"x", b"y"]


# Bad files.


def test_missing_files():
    for dataset in (tf.data.TFRecordDataset("/no/such"), tf.data.TextLineDataset("/no/such")):
        with pytest.raises(tf.errors.NotFoundError, match="/no/such; No such file or directory"):
            list(dataset)


@pytest.mark.parametrize("damage", ["cut off", "flipped"])
def test_ignore_errors_goes_on_after_a_damaged_file(records, damage):
    with open(records[1], "rb") as file:
        data = bytearray(file.read())
    data = data[:-3] if damage == "cut off" else data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    with open(records[1], "wb") as file:
        file.write(data)
    dataset = tf.data.TFRecordDataset(records)
    with pytest.raises(tf.errors.DataLossError, match=records[1]):
        list(dataset)
    left = [b"00", b"01", b"02", b"03", b"10", b"11", b"12", b"20", b"21", b"22", b"23"]
    assert _flat(dataset.ignore_errors()) == left
    assert _flat(dataset.prefetch(2).ignore_errors()) == left


def test_an_iterator_goes_on_after_an_error(records):
    iterator = iter(tf.data.TFRecordDataset([records[0], "/no/such", records[2]]))
    for _ in range(4):
        next(iterator)
    with pytest.raises(tf.errors.NotFoundError):
        next(iterator)
    assert next(iterator).numpy() == b"20"


# Large inputs.


def test_a_thousand_files_interleave(tmp_path):
    names = []
    for i in range(1000):
        names.append(str(tmp_path / str(i)))
        with open(names[-1], "w") as file:
            file.write(f"{i} a\n{i} b\n")
    dataset = Dataset.from_tensor_slices(names).interleave(tf.data.TextLineDataset, cycle_length=1000)
    lines = _flat(dataset)
    assert len(lines) == 2000
    assert lines[:2] == [b"0 a", b"1 a"]
    assert lines[1000] == b"0 b"


def test_files_stream(tmp_path):
    import tracemalloc

    name = str(tmp_path / "large")
    with open(name, "wb") as file:
        for _ in range(64):
            file.write(b"x" * 2**19 + b"\n")  # 32 MB
    dataset = tf.data.TextLineDataset(name).map(tf.strings.length).batch(4).prefetch(2)
    list(dataset.take(1))
    tracemalloc.start()
    try:
        assert sum(int(each.numpy().sum()) for each in dataset) == 64 * 2**19
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()


def test_a_large_shuffle_buffer_costs_what_its_elements_cost():
    table = np.zeros((1_000_000,), np.int8)
    iterator = iter(Dataset.from_tensor_slices(table).shuffle(1_000_000).batch(100))
    assert next(iterator).shape == (100,)


def test_threads_end_when_an_iterator_is_dropped():
    import gc

    def count():
        return sum(each.name.startswith("tf_data") for each in threading.enumerate())

    gc.collect()
    before = count()
    iterator = iter(
        Dataset.counter()
        .map(lambda x: x + 1, num_parallel_calls=2)
        .prefetch(2)
        .interleave(lambda x: Dataset.from_tensors(x).repeat(), 2, num_parallel_calls=2)
        .prefetch(2)
    )
    for _ in range(20):
        next(iterator)
    during = [each for each in threading.enumerate() if each.name.startswith("tf_data")]
    assert len(during) > before
    del iterator
    gc.collect()
    for each in during:
        each.join(5)
        assert not each.is_alive()


def test_parquet(tmp_path):
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"n": np.arange(5), "x": np.arange(5, dtype=np.float32) / 2, "name": list("abcde")})
    names = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    for name in names:
        parquet.write_table(table, name, row_group_size=2)
    dataset = experimental.ParquetDataset(names, ["name", "n"])
    assert dataset.element_spec == {"n": tf.TensorSpec([], tf.int64), "name": tf.TensorSpec([], tf.string)}
    assert [row["n"].numpy() for row in dataset] == [*range(5), *range(5)]
    iterator = iter(dataset)
    for _ in range(6):
        next(iterator)
    restored = iter(dataset)
    restored.restore_position(iterator.save_position())
    assert next(restored)["name"].numpy() == b"b"
    with pytest.raises(ValueError, match="no columns"):
        experimental.ParquetDataset(names, ["y"])
    (tmp_path / "c").write_text("not one")
    with pytest.raises(tf.errors.InvalidArgumentError, match="c: "):
        experimental.ParquetDataset(str(tmp_path / "c"))


def test_lists_in_parquet_are_vectors(tmp_path):
    import pyarrow
    from pyarrow import parquet

    columns = {
        "ids": [[1, 2], [], [3]],
        "pair": pyarrow.array([[1.0, 2.0]] * 3, pyarrow.list_(pyarrow.float32(), 2)),
        "tags": [["a"], ["b", "c"], []],
    }
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    dataset = experimental.ParquetDataset(path)
    assert dataset.element_spec == {
        "ids": tf.TensorSpec([None], tf.int64),
        "pair": tf.TensorSpec([2], tf.float32),
        "tags": tf.TensorSpec([None], tf.string),
    }
    assert [row["ids"].numpy().tolist() for row in dataset] == [[1, 2], [], [3]]
    assert [row["tags"].numpy().tolist() for row in dataset] == [[b"a"], [b"b", b"c"], []]
    parquet.write_table(pyarrow.table({"a": [[1, None]]}), path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="missing values in its lists"):
        list(experimental.ParquetDataset(path))
    parquet.write_table(pyarrow.table({"a": [[[1]]]}), path)
    with pytest.raises(TypeError, match="Column 'a' is list"):
        experimental.ParquetDataset(path)


def test_a_program_ends_quietly_with_iterators_open():
    import subprocess
    import sys

    program = """
import penstock as tf
dataset = tf.data.Dataset.counter().map(lambda x: x + 1, 2).prefetch(2)
iterators = [iter(dataset), iter(dataset.interleave(lambda n: tf.data.Dataset.range(n), 2, num_parallel_calls=2))]
for each in iterators:
    next(each), next(each)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
