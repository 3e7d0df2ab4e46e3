"""A TensorFlow program that saves a checkpoint of everything, or restores one and says whether every value came back.

Runs unchanged under TensorFlow and under `penstock run`: `checkpoint_program.py save|restore PREFIX`.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
NAMES = "float32 float64 int32 int64 int16 int8 uint8 uint16 bool complex64 complex128 float16 bfloat16 string".split()


class Note(tf.train.experimental.PythonState):
    """Python state."""

    def __init__(self, text):
        self.text = text

    def serialize(self):
        """The text."""
        return self.text

    def deserialize(self, string_value):
        """Takes the text back."""
        self.text = string_value.decode()


def variables(filled):
    """A variable of each dtype; of other values where not `filled`."""
    found = {}
    for name in NAMES:
        value = [b"text", b""] if name == "string" else [1, 0]
        if not filled:
            value = value[::-1]
        found[name] = tf.Variable(tf.constant(value) if name == "string" else tf.cast(value, name))
    return found


def objects(filled):
    """Everything that an object-based checkpoint keeps."""
    keras.utils.set_random_seed(1 if filled else 2)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.Adam(0.01 if filled else 0.5), "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0, epochs=1 if filled else 2)
    inputs = keras.Input((6,))
    hidden = keras.layers.Embedding(10, 4)(inputs)
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(3))(hidden)
    functional = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    functional.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    functional.fit(np.ones((4, 6)), np.ones((4, 2)), verbose=0, epochs=1 if filled else 2)
    module = tf.Module()
    module.variables_of_each_dtype = variables(filled)
    module.rows = [tf.Variable(1.0 if filled else 0.0), (tf.Variable(2 if filled else 0), 3)]
    module.named = {"a/b.c": tf.Variable(4.0 if filled else 0.0)}
    module.generator = tf.random.Generator.from_seed(1 if filled else 2)
    module.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, -1.0)
    module.dense = tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, -7, -2)
    module.vectors = tf.lookup.experimental.DenseHashTable(
        tf.string, tf.float32, [0.0, 0.0], "", "-", initial_num_buckets=4
    )
    if filled:
        module.table.insert(["a", "b"], [0.5, 0.25])
        module.dense.insert(tf.constant([1, 131073, 2], tf.int64), tf.constant([3, 4, 5], tf.int64))
        module.vectors.insert(["p", "q", "r", "s"], tf.reshape(tf.range(8.0), [4, 2]))
    optimizers = {"model": model.optimizer, "functional": functional.optimizer}
    weight = tf.Variable([1.0, 2.0] if filled else [0.0, 0.0])
    adam = tf1.train.AdamOptimizer(0.5)
    adam.minimize(lambda: tf.reduce_sum(weight * weight), var_list=[weight])
    module.weight = weight
    note = Note("saved" if filled else "other")
    return {
        "model": model,
        "functional": functional,
        "optimizers": optimizers,
        "module": module,
        "note": note,
        "adam": adam,
    }


def _texts(value):
    """The elements as text, which is the same for every dtype."""
    return np.array([str(each) for each in np.asarray(value).reshape(-1)])


def values(held):
    """Every value that the checkpoint keeps, as NumPy arrays."""
    module = held["module"]
    found = [*held["model"].get_weights(), *held["functional"].get_weights()]
    found += [each.numpy() for name in held["optimizers"] for each in held["optimizers"][name].variables]
    found += [each.numpy() for _, each in sorted(module.variables_of_each_dtype.items())]
    found += [each.numpy() for each in (module.rows[0], module.rows[1][0], module.named["a/b.c"])]
    found += [module.generator.state.numpy(), np.array(held["note"].text)]
    adam = held["adam"]
    found += [module.weight.numpy()] + [adam.get_slot(module.weight, name).numpy() for name in ("m", "v")]
    found += [
        module.table.lookup(tf.constant(["a", "b", "c"])).numpy(),
        module.dense.lookup(tf.constant([1, 2, 131073, 3], tf.int64)).numpy(),
        module.vectors.lookup(tf.constant(["p", "q", "r", "s", "t"])).numpy(),
    ]
    return [_texts(each) for each in found]


def graph(filled):
    """A graph of TF 1 with a plain and a partitioned variable."""
    with tf1.variable_scope("net"):
        whole = np.arange(6, dtype=np.float32).reshape(2, 3) if filled else np.zeros((2, 3), np.float32)
        plain = tf1.get_variable("plain", initializer=whole)
        rows = tf1.get_variable(
            "rows", [10, 4], initializer=tf1.constant_initializer(7.0 if filled else 0.0),
            partitioner=tf1.fixed_size_partitioner(3),
        )  # fmt: skip
    return [plain, tf.convert_to_tensor(rows)]


def named(mode, prefix, **options):
    """Saves or restores by name; returns the values."""
    with tf.Graph().as_default(), tf1.Session() as session:
        fetches = graph(mode == "save")
        saver = tf1.train.Saver(**options)
        session.run(tf1.global_variables_initializer())
        if mode == "save":
            saver.save(session, prefix, write_meta_graph=False, write_state=False)
        else:
            saver.restore(session, prefix)
        return [_texts(each) for each in session.run(fetches)]


FORMATS = {
    "plain": {},
    "sharded": {"sharded": True},
    "first": {"write_version": tf1.train.SaverDef.V1},
}


def main(mode, prefix):
    """Saves to, or restores from, paths that begin with `prefix`."""
    held = objects(mode == "save")
    checkpoint = tf.train.Checkpoint(**held)
    if mode == "save":
        checkpoint.write(f"{prefix}-objects")
    else:
        checkpoint.read(f"{prefix}-objects").assert_consumed()
    found = values(held)
    for name, options in FORMATS.items():
        found += named(mode, f"{prefix}-{name}", **options)
    if mode == "save":
        np.savez(f"{prefix}.npz", *found)
        return
    with np.load(f"{prefix}.npz") as file:
        expected = [file[name] for name in file.files]
    assert len(found) == len(expected)
    for number, (value, wanted) in enumerate(zip(found, expected)):
        np.testing.assert_array_equal(value, wanted, err_msg=f"value {number}")
    print(f"{len(found)} values restored")


if __name__ == "__main__":
    main(*sys.argv[1:])
