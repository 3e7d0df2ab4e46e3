"""Datasets and traced functions as pickles for other processes of the same program."""

import pickle
import subprocess
import sys

import pytest

import penstock as tf
from penstock.graph.pickling import to_bytes


def _table():
    keys, values = tf.constant(["a", "b"]), tf.constant([1, 2])
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), 0)


def _count():
    yield from range(3)


DATASETS = {
    "map": lambda: tf.data.Dataset.range(3).map(lambda x: x * 2),
    "batches": lambda: tf.data.Dataset.range(5).batch(2).repeat(2),
    "interleave": lambda: tf.data.Dataset.range(3).interleave(lambda n: tf.data.Dataset.range(n)),
    "strings": lambda: tf.data.Dataset.from_tensor_slices({"x": ["a", "bc"]}).map(lambda e: e["x"] + "!"),
    "table": lambda: tf.data.Dataset.from_tensor_slices(["b", "a", "c"]).map(_table().lookup),
    "generator": lambda: tf.data.Dataset.from_generator(_count, output_signature=tf.TensorSpec([], tf.int32)),
    "branches": lambda: tf.data.Dataset.range(4).map(lambda x: tf.cond(x > 1, lambda: x, lambda: -x)),
    "ragged": lambda: tf.data.Dataset.range(3).map(
        lambda n: tf.RaggedTensor.from_row_lengths(tf.range(n), [n])
    ),
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_survives(name):
    dataset = DATASETS[name]()
    again = pickle.loads(to_bytes(dataset))
    assert again.element_spec == dataset.element_spec
    assert [str(each) for each in again] == [str(each) for each in dataset]


def test_a_dataset_that_was_iterated_survives():
    dataset = tf.data.Dataset.range(3)
    next(iter(dataset))
    assert [int(each) for each in pickle.loads(to_bytes(dataset))] == [0, 1, 2]


def test_another_process_reads_it():
    data = to_bytes(tf.data.Dataset.range(4).map(lambda x: x * x))
    code = "import pickle, sys; print([int(x) for x in pickle.loads(sys.stdin.buffer.read())])"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.strip() == b"[0, 1, 4, 9]"


def test_what_cannot_leave_the_process_is_refused():
    with open(__file__) as file, pytest.raises((TypeError, pickle.PicklingError)):
        to_bytes({"file": file, "lock": __import__("threading").Lock()})
