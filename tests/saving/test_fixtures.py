"""Checkpoints that TensorFlow 2.21 wrote (`make_fixtures.py`) give their values."""

import pathlib

import numpy as np
import pytest

import penstock as tf
from penstock.saving.checkpoint_v1 import open_checkpoint

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


class Epochs(tf.train.experimental.PythonState):
    text = ""

    def serialize(self):
        return self.text

    def deserialize(self, string_value):
        self.text = string_value.decode()


@pytest.fixture
def objects():
    """The objects of the fixture, with other values."""
    module = tf.Module()
    module.rows = [tf.Variable([0.0, 0.0]), (tf.Variable(0),)]
    module.named = {"a/b.c": tf.Variable([False, True])}
    module.half = tf.Variable([0, 0], dtype=tf.bfloat16)
    module.text = tf.Variable([b"", b"", b""])
    module.complex = tf.Variable(0, dtype=tf.complex128)
    module.generator = tf.random.Generator.from_seed(1)
    module.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    module.dense = tf.lookup.experimental.DenseHashTable(
        tf.int64, tf.float32, 0.0, -1, -2, initial_num_buckets=8
    )
    checkpoint = tf.train.Checkpoint(module=module, epochs=Epochs(), weight=tf.Variable([0.0, 0.0]))
    checkpoint.restore(str(FIXTURES / "objects-1")).assert_existing_objects_matched()
    return checkpoint


EXPECTED = {
    "a list": (lambda c: c.module.rows[0], [1.0, 2.0]),
    "a tuple in a list": (lambda c: c.module.rows[1][0], 3),
    "a dict": (lambda c: c.module.named["a/b.c"], [True, False]),
    "bfloat16": (lambda c: tf.cast(c.module.half, tf.float32), [0.5, -0.5]),
    "strings": (lambda c: c.module.text, [b"one", b"", b"three" * 50]),
    "complex128": (lambda c: c.module.complex, 1 + 2j),
    "the counter": (lambda c: c.save_counter, 1),
    "a table": (lambda c: c.module.table.lookup(tf.constant(["x", "y", "z"])), [1, 2, -1]),
    "a dense table": (lambda c: c.module.dense.lookup(tf.constant([3, 11, 4], tf.int64)), [0.25, 0.5, 0.0]),
}


@pytest.mark.parametrize("read, expected", EXPECTED.values(), ids=EXPECTED)
def test_objects(objects, read, expected):
    np.testing.assert_array_equal(read(objects).numpy(), expected)


def test_python_state(objects):
    assert objects.epochs.text == "three epochs"


def test_a_generator_goes_on_where_it_was(objects):
    expected = tf.random.Generator.from_seed(7).normal([3])
    np.testing.assert_array_equal(objects.module.generator.normal([3]), expected)


def test_a_keras_model_with_its_optimizer():
    keras = tf.keras
    with np.load(FIXTURES / "keras-1.npz") as file:
        expected = [file[name] for name in file.files]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    optimizer = keras.optimizers.Adam(0.5)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mse")
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.restore(str(FIXTURES / "keras-1")).expect_partial()
    found = [*model.get_weights(), *[each.numpy() for each in optimizer.variables]]
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("name", ["variables", "sharded", "first_format"])
def test_the_variables_of_a_saver(name):
    with open_checkpoint(FIXTURES / name) as reader:
        assert reader.names() == ["net/n", "net/rows", "net/w"]
        np.testing.assert_array_equal(reader.read("net/w"), WEIGHTS)
        np.testing.assert_array_equal(reader.read("net/rows"), np.ones((4, 2)))
        assert (reader.dtype("net/n"), reader.read("net/n").tolist()) == (tf.int64, [5, 6])


@pytest.mark.parametrize("name", ["variables", "sharded", "first_format"])
def test_a_saver_restores_variables(name):
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        with tf1.variable_scope("net"):
            w = tf1.get_variable("w", [2, 3])
            partitioner = tf1.fixed_size_partitioner(2)
            rows = tf1.get_variable(
                "rows", [4, 2], initializer=tf1.zeros_initializer(), partitioner=partitioner
            )
        tf1.train.Saver().restore(session, str(FIXTURES / name))
        np.testing.assert_array_equal(session.run(w), WEIGHTS)
        np.testing.assert_array_equal(session.run(tf.convert_to_tensor(rows)), np.ones((4, 2)))


FIRST_FORMAT = {
    "zeros": np.zeros(500, np.int32),
    "text": np.array([b"again and again " * 20], object),
    "flags": np.array([True, False]),
    "half": np.array([1.5], np.float16),
    "complex": np.array([1 + 2j], np.complex64),
}


@pytest.mark.parametrize("name", FIRST_FORMAT)
def test_dtypes_of_the_first_format(name):
    found = tf.train.load_variable(str(FIXTURES / "first_format_dtypes"), name)
    np.testing.assert_array_equal(found, FIRST_FORMAT[name])
    assert found.dtype == FIRST_FORMAT[name].dtype
