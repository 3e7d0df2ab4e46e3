"""Graphs that TensorFlow wrote with gradients of TF 1's loops: they compute here what they computed there."""

import gzip
import pathlib

import numpy as np
import pytest

import penstock as tf

tf1 = tf.compat.v1
FIXTURES = pathlib.Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", ["power", "branches", "nested", "scan", "rnn"])
def test_gradients_of_loops_are_those_of_tensorflow(name):
    path = FIXTURES / f"loop_gradient_{name}"
    message = tf1.GraphDef.FromString(gzip.decompress(path.with_suffix(".pb.gz").read_bytes()))
    held = dict(np.load(path.with_suffix(".npz")))
    feeds = {f"{key.removeprefix('fed_')}:0": held.pop(key) for key in list(held) if key.startswith("fed_")}
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        tf1.import_graph_def(message, name="")
        if "init" in [each.name for each in graph.get_operations()]:
            session.run("init")
        found = session.run({key: f"{key}:0" for key in held}, feeds)
    for key, expected in held.items():
        np.testing.assert_allclose(found[key], expected, rtol=1e-4, atol=1e-6, err_msg=key)


def test_a_step_has_stacks_of_its_own():
    path = FIXTURES / "loop_gradient_power.pb.gz"
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.import_graph_def(tf1.GraphDef.FromString(gzip.decompress(path.read_bytes())), name="")
        first, second = (session.run("gx:0", {"x:0": [1.5, -0.5]}) for _ in range(2))
    np.testing.assert_array_equal(first, second)
