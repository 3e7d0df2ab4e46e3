"""`tf.lookup`: tables eagerly, in functions, in datasets and in sessions."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

L = tf.lookup
v1 = tf.compat.v1
Mutable, Dense = L.experimental.MutableHashTable, L.experimental.DenseHashTable
Index = L.TextFileIndex


def int64(values):
    return tf.constant(values, tf.int64)


def static(keys=("a", "b"), values=(1, 2), default=-1, **options):
    return L.StaticHashTable(L.KeyValueTensorInitializer(list(keys), list(values), **options), default)


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_text("emerson\nlake\npalmer\n")
    return str(path)


def from_file(
    path, key_index=Index.WHOLE_LINE, value_index=Index.LINE_NUMBER, key=tf.string, value=tf.int64, **options
):
    default = -1 if value is tf.int64 else "?"
    return L.StaticHashTable(
        L.TextFileInitializer(path, key, key_index, value, value_index, **options), default
    )


# Static tables.


def test_lookup_of_tensors_and_composites():
    table = static()
    assert table.lookup(tf.constant([["a"], ["z"]])).numpy().tolist() == [[1], [-1]]
    assert table[tf.constant("b")].numpy() == 2
    assert table.lookup(tf.ragged.constant([["a"], ["b", "c"]])).to_list() == [[1], [2, -1]]
    sparse = table.lookup(tf.sparse.from_dense([["a", ""], ["", "q"]]))
    assert sparse.values.numpy().tolist() == [1, -1]


def test_properties_of_a_static_table():
    table = static()
    assert (table.key_dtype, table.value_dtype, table.size().numpy()) == (tf.string, tf.int32, 2)
    assert table.resource_handle.dtype == tf.resource
    keys, values = table.export()
    assert (keys.numpy().tolist(), values.numpy().tolist()) == ([b"a", b"b"], [1, 2])


@pytest.mark.parametrize(
    ("keys", "values", "default", "asked", "expected"),
    [
        ([1, 2], ["x", "y"], "d", [2, 5], [b"y", b"d"]),
        (["a"], [1.5], 0.5, ["a", "q"], [1.5, 0.5]),
        (["a"], [True], False, ["a", "q"], [True, False]),
        ([1.5], [3], 0, [1.5, 2.5], [3, 0]),
        ([b"a\0"], [1], 0, [b"a", b"a\0"], [0, 1]),
    ],
)
def test_dtypes(keys, values, default, asked, expected):
    assert static(keys, values, default).lookup(tf.constant(asked)).numpy().tolist() == expected


REFUSED = [
    (lambda: static(["a", "a"], [1, 2]), tf.errors.FailedPreconditionError),
    (lambda: static(["a"], [1, 2]), tf.errors.InvalidArgumentError),
    (lambda: static(default=[0, 1]), ValueError),
    (lambda: static(default="x"), TypeError),
    (lambda: static().lookup(tf.constant([1])), TypeError),
    (lambda: L.TextFileInitializer("", tf.string, 0, tf.int64, 1), ValueError),
    (lambda: L.TextFileInitializer("f", tf.string, Index.LINE_NUMBER, tf.int64, 0), ValueError),
    (lambda: L.TextFileInitializer("f", tf.string, -3, tf.int64, 0), ValueError),
    (lambda: L.TextFileInitializer("f", tf.string, 0, tf.int64, 1, vocab_size=0), ValueError),
    (lambda: L.TextFileInitializer("f", tf.float32, Index.WHOLE_LINE, tf.int64, 1), ValueError),
    (lambda: from_file("/no/such/file"), tf.errors.NotFoundError),
    (lambda: L.StaticVocabularyTable(L.KeyValueTensorInitializer(["a"], int64([0])), 0), ValueError),
    (lambda: L.StaticVocabularyTable(L.KeyValueTensorInitializer(["a"], [0]), 1), TypeError),
    (lambda: Mutable(tf.string, tf.int64, -1).insert(["a", "b"], [1]), tf.errors.InvalidArgumentError),
    (lambda: Mutable(tf.string, tf.int64, -1).insert(["a"], [1.5]), TypeError),
    (lambda: Dense(tf.int64, tf.int64, -1, empty_key=0, deleted_key=0), tf.errors.InvalidArgumentError),
    (
        lambda: Dense(tf.int64, tf.int64, -1, empty_key=0, deleted_key=-1).insert([0], [1]),
        tf.errors.InvalidArgumentError,
    ),
    (
        lambda: Dense(tf.int64, tf.int64, -1, empty_key=0, deleted_key=-1)[int64([-1])],
        tf.errors.InvalidArgumentError,
    ),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()


def test_a_key_twice_with_one_value_counts_once():
    assert static(["a", "a"], [1, 1]).size().numpy() == 1


# Files.


def test_lines_to_numbers_and_back(vocabulary):
    assert from_file(vocabulary).lookup(tf.constant(["lake", "x"])).numpy().tolist() == [1, -1]
    names = from_file(vocabulary, Index.LINE_NUMBER, Index.WHOLE_LINE, tf.int64, tf.string)
    assert names.lookup(int64([2, 9])).numpy().tolist() == [b"palmer", b"?"]


def test_columns_of_a_file(tmp_path):
    path = tmp_path / "pairs"
    path.write_bytes(b"a,1\r\nb,2\r\n")
    table = from_file(str(path), 0, 1, delimiter=",")
    assert table.lookup(tf.constant(["b", "a"])).numpy().tolist() == [2, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected at least 6 got 2"):
        from_file(str(path), 0, 5, delimiter=",")


def test_vocabulary_size_and_offset(vocabulary):
    assert from_file(vocabulary, vocab_size=2).size().numpy() == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected 9 but got 3"):
        from_file(vocabulary, vocab_size=9)
    assert from_file(vocabulary, value_index_offset=5).lookup(tf.constant("lake")).numpy() == 6


# Vocabularies.


def test_vocabulary_with_buckets():
    table = L.StaticVocabularyTable(L.KeyValueTensorInitializer(["a", "b"], int64([0, 1])), 3)
    assert table.lookup(tf.constant(["a", "b", "c", "d", "e"])).numpy().tolist() == [0, 1, 3, 4, 3]
    assert table.size().numpy() == 5


def test_vocabulary_of_integers():
    table = L.StaticVocabularyTable(L.KeyValueTensorInitializer(int64([10, 20]), int64([0, 1])), 3, tf.int32)
    assert table.lookup(tf.constant([10, 30, 40])).numpy().tolist() == [0, 4, 3]


def test_buckets_only():
    table = L.StaticVocabularyTable(None, 3)
    assert table.lookup(tf.constant(["a", "b", "c"])).numpy().tolist() == [0, 1, 1]
    assert table.size().numpy() == 3


# Mutable tables.


def test_mutable_table():
    table = Mutable(tf.string, tf.int64, -1)
    table.insert(tf.constant(["a", "b"]), int64([1, 2]))
    table.insert(["b", "c"], [20, 3])
    assert table.lookup(tf.constant(["a", "b", "z"])).numpy().tolist() == [1, 20, -1]
    table.remove(tf.constant(["a", "q"]))
    assert table.size().numpy() == 2
    keys, values = table.export()
    assert dict(zip(keys.numpy(), values.numpy())) == {b"b": 20, b"c": 3}


@pytest.mark.parametrize("default", [[7, 8], 9])
def test_default_values_of_one_lookup(default):
    table = Mutable(tf.string, tf.int64, -1)
    table.insert(["a"], [1])
    found = table.lookup(tf.constant(["a", "z"]), dynamic_default_values=int64(default)).numpy().tolist()
    assert found == [1, 8 if isinstance(default, list) else 9]


def test_values_that_are_vectors():
    table = Mutable(tf.int64, tf.float32, [0.0, 0.5])
    table.insert([1, 2], [[1.0, 2.0], [3.0, 4.0]])
    assert table.lookup(int64([[2], [5]])).numpy().tolist() == [[[3.0, 4.0]], [[0.0, 0.5]]]
    assert table.export()[1].shape == (2, 2)


def test_dense_table():
    table = Dense(tf.int64, tf.int64, default_value=-1, empty_key=0, deleted_key=-1)
    table.insert(int64([1, 2]), int64([10, 20]))
    table.erase(int64([2]))
    assert table.lookup(int64([1, 2])).numpy().tolist() == [10, -1]


def test_keys_that_are_vectors():
    table = Dense(tf.int64, tf.string, default_value="?", empty_key=[0, 0], deleted_key=[1, 1])
    table.insert([[1, 2], [3, 4]], ["x", "y"])
    assert table.lookup(int64([[3, 4], [4, 3]])).numpy().tolist() == [b"y", b"?"]


def test_entries_survive_a_checkpoint():
    table, other = Mutable(tf.string, tf.int64, -1), Mutable(tf.string, tf.int64, -1)
    table.insert(["a", "b"], [1, 2])
    other.insert(["z"], [9])
    other._restore_from_tensors(table._serialize_to_tensors())
    assert other.lookup(tf.constant(["a", "z"])).numpy().tolist() == [1, -1]


# In graphs.


def test_tables_in_a_function_keep_program_order():
    table, names = Mutable(tf.string, tf.int64, -1), static()

    @tf.function
    def f(key, value):
        before = table.lookup(key)
        table.insert(key, value)
        return before, table.lookup(key), table.size(), names.lookup(key)

    first = [each.numpy().tolist() for each in f(tf.constant(["a"]), int64([5]))]
    second = [each.numpy().tolist() for each in f(tf.constant(["a"]), int64([6]))]
    assert (first, second) == ([[-1], [5], 1, [1]], [[5], [6], 1, [1]])


def test_a_table_made_in_a_function_is_made_once():
    made = []

    @tf.function
    def f(x):
        if not made:
            made.append(static())
        return made[0].lookup(x)

    assert f(tf.constant("a")).numpy() == 1
    assert f(tf.constant("b")).numpy() == 2


def test_shapes_are_known():
    table, vectors = static(), Mutable(tf.string, tf.float32, [0.0, 0.0])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.string)])
    def f(x):
        assert table.lookup(x).shape.as_list() == [None, 3]
        assert vectors.lookup(x).shape.as_list() == [None, 3, 2]
        return x

    f(tf.constant([["a", "b", "c"]]))


def test_in_a_dataset():
    table = static()
    dataset = tf.data.Dataset.from_tensor_slices(["a", "b", "c"]).map(table.lookup)
    assert [int(each) for each in dataset] == [1, 2, -1]


def test_session_fills_tables_and_owns_them():
    with tf.Graph().as_default():
        table = v1.lookup.StaticHashTable(L.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1)
        mutable = Mutable(tf.string, tf.int64, -1)
        x = v1.placeholder(tf.string, [None])
        found, size = table.lookup(x), mutable.size()
        insert = mutable.insert(x, tf.ones_like(x, tf.int64))
        assert v1.get_collection(v1.GraphKeys.TABLE_INITIALIZERS) == [table.initializer]
        with v1.Session() as session:
            with pytest.raises(tf.errors.FailedPreconditionError, match="not initialized"):
                session.run(found, {x: ["a"]})
            session.run(v1.tables_initializer())
            session.run(v1.tables_initializer())
            assert session.run(found, {x: ["a", "z"]}).tolist() == [1, -1]
            session.run(insert, {x: ["a", "b"]})
            assert session.run(size) == 2
        with v1.Session() as session:
            assert session.run(size) == 0


def test_trackable_resource():
    class Counts(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    counts = Counts()
    assert counts.resource_handle is counts.resource_handle
    holder = tf.Module()
    holder.counts = counts
    assert "counts" in holder._trackable_children()


def test_numpy_values_do_not_alias():
    values = np.array([1, 2], np.int64)
    table = L.StaticHashTable(L.KeyValueTensorInitializer(["a", "b"], values), -1)
    values[0] = 50
    assert table.lookup(tf.constant("a")).numpy() == 1
