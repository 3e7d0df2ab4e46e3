"""`contrib.lookup`: tables of vocabularies, in graphs and eagerly."""

from __future__ import annotations

import pytest

import penstock as tf

tf1 = tf.compat.v1
lookup = tf1.contrib.lookup


def _evaluated(make):
    """A tensor that needs tables, in a session."""
    with tf.Graph().as_default(), tf1.Session() as session:
        value = make()
        session.run(tf1.tables_initializer())
        return session.run(value).tolist()


def test_keys_are_their_places_and_others_the_default():
    assert _evaluated(
        lambda: lookup.index_table_from_tensor(tf.constant(["a", "b"]), default_value=7).lookup(
            tf.constant(["b", "z"])
        )
    ) == [1, 7]


def test_other_keys_go_into_buckets():
    table = lambda: lookup.index_table_from_tensor(["a", "b"], num_oov_buckets=1)
    assert _evaluated(lambda: table().lookup(tf.constant(["b", "z"]))) == [1, 2]
    assert _evaluated(lambda: table().size()) == 3


def test_keys_may_be_integers():
    made = lookup.index_table_from_tensor([10, 20], dtype=tf.int64)
    assert made.lookup(tf.constant([20, 5], tf.int64)).numpy().tolist() == [1, -1]


def test_files_of_lines(tmp_path):
    path = str(tmp_path / "words.txt")
    (tmp_path / "words.txt").write_text("a\nb\n")
    assert _evaluated(lambda: lookup.index_table_from_file(path, 1).lookup(tf.constant(["b", "q"]))) == [1, 2]
    strings = lambda: lookup.index_to_string_table_from_file(path)
    assert _evaluated(lambda: strings().lookup(tf.constant([1, 9], tf.int64))) == [b"b", b"UNK"]


def test_places_to_strings():
    table = lookup.index_to_string_table_from_tensor(["a", "b"], "?")
    assert table.lookup(tf.constant([1, 5], tf.int64)).numpy().tolist() == [b"b", b"?"]


def test_a_hash_table_under_its_first_name():
    def made():
        initializer = lookup.KeyValueTensorInitializer(tf.constant(["k"]), tf.constant([5], tf.int64))
        return lookup.HashTable(initializer, -1).lookup(tf.constant(["k", "n"]))

    assert _evaluated(made) == [5, -1]


@pytest.mark.parametrize("make", [lookup.index_table_from_tensor, lookup.index_table_from_file])
def test_bad_arguments_are_refused(make):
    with pytest.raises(ValueError, match="must be specified"):
        make(None)
    with pytest.raises(ValueError, match="num_oov_buckets"):
        make(["a"], num_oov_buckets=-1)
