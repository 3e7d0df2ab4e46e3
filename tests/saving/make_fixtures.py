"""Writes the checkpoints in `fixtures/` with TensorFlow 2.21; run it with an interpreter that has TensorFlow.

python tests/saving/make_fixtures.py
"""

import pathlib
import shutil
import sys

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def objects(tf):
    """`tf.train.Checkpoint` of variables of many dtypes, containers, a generator, tables and Python state."""

    class Epochs(tf.train.experimental.PythonState):
        def serialize(self):
            return "three epochs"

        def deserialize(self, string_value):
            raise AssertionError

    module = tf.Module()
    module.rows = [tf.Variable([1.0, 2.0], name="first"), (tf.Variable(3),)]
    module.named = {"a/b.c": tf.Variable([True, False])}
    module.half = tf.Variable([0.5, -0.5], dtype=tf.bfloat16)
    module.text = tf.Variable([b"one", b"", b"three" * 50])
    module.complex = tf.Variable(1 + 2j, dtype=tf.complex128)
    module.generator = tf.random.Generator.from_seed(7)
    module.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    module.table.insert(["x", "y"], tf.constant([1, 2], tf.int64))
    module.dense = tf.lookup.experimental.DenseHashTable(
        tf.int64, tf.float32, 0.0, -1, -2, initial_num_buckets=8
    )
    module.dense.insert(tf.constant([3, 11], tf.int64), [0.25, 0.5])
    weight = tf.Variable([1.0, 1.0], name="weight")
    optimizer = tf.compat.v1.train.AdamOptimizer(0.5)
    optimizer.minimize(lambda: weight * weight, var_list=[weight])
    checkpoint = tf.train.Checkpoint(module=module, epochs=Epochs(), weight=weight, optimizer=optimizer)
    checkpoint.save(str(FIXTURES / "objects"))


def keras_model(tf):
    """A Keras 3 model with its optimizer, after one step."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    path = checkpoint.save(str(FIXTURES / "keras"))
    np.savez(f"{path}.npz", *model.get_weights(), *[each.numpy() for each in model.optimizer.variables])


def variables(tf):
    """`Saver`: a variable, a partitioned one, and an integer; in one file, in shards, and in the first format."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        with tf1.variable_scope("net"):
            tf1.get_variable("w", initializer=tf.reshape(tf.range(6.0), [2, 3]))
            tf1.get_variable("n", initializer=tf.constant([5, 6], tf.int64))
            tf1.get_variable(
                "rows", [4, 2], initializer=tf1.ones_initializer(), partitioner=tf1.fixed_size_partitioner(2)
            )
        session.run(tf1.global_variables_initializer())
        for name, options in (
            ("variables", {}),
            ("sharded", {"sharded": True}),
            ("first_format", {"write_version": tf1.train.SaverDef.V1}),
        ):
            tf1.train.Saver(**options).save(
                session, str(FIXTURES / name), write_meta_graph=False, write_state=False
            )


def first_format_dtypes(tf):
    """The first format with the dtypes that it has places of their own for."""
    tf.raw_ops.SaveSlices(
        filename=str(FIXTURES / "first_format_dtypes"),
        tensor_names=["zeros", "text", "flags", "half", "complex"],
        shapes_and_slices=["", "", "", "", ""],
        data=[
            tf.zeros([500], tf.int32),
            tf.constant([b"again and again " * 20]),
            tf.constant([True, False]),
            tf.constant([1.5], tf.float16),
            tf.constant([1 + 2j], tf.complex64),
        ],
    )


def main():
    import tensorflow as tf

    shutil.rmtree(FIXTURES, ignore_errors=True)
    FIXTURES.mkdir()
    for make in (objects, keras_model, variables, first_format_dtypes):
        make(tf)
    (FIXTURES / "checkpoint").unlink()


if __name__ == "__main__":
    sys.exit(main())
