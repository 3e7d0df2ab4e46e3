import subprocess
import sys

import numpy as np
import pytest

import penstock as tf
from penstock.engine.execute import execute


def test_eager_values_run_at_once():
    assert execute("AddV2", (tf.constant(1.0), tf.constant(2.0))).numpy() == 3.0


def test_a_symbolic_input_makes_a_node_of_its_graph():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32)
    y = execute("AddV2", (x, tf.constant(2.0)))
    assert y.graph is graph
    assert graph.get_operations()[-1].type == "AddV2"


def test_dtypes_must_match():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"AddV2.*float.*int32"):
        execute("AddV2", (tf.constant(1.0), tf.constant(2)))


def test_dtypes_must_match_in_a_graph():
    with tf.Graph().as_default(), pytest.raises(TypeError, match="AddV2"):
        execute("AddV2", (tf.constant(1.0), tf.constant(2)))


def test_errors_say_op_shapes_and_line():
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        tf.matmul(tf.zeros((32, 64)), tf.zeros((32, 10)))
    assert "MatMul" in caught.value.message
    assert "[32, 64]" in caught.value.message
    assert "test_execute.py" in caught.value.message


def test_a_failing_function_names_the_users_line():
    @tf.function
    def f(x, shape):
        return tf.reshape(x, shape)

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_execute\.py"):
        f(tf.zeros((3,)), tf.constant([2, 2]))


def test_bodies_without_numpy_run_as_one_xla_call():
    x = tf.ones((1, 4, 4, 1))
    y = tf.nn.conv2d(x, tf.ones((2, 2, 1, 1)), 1, "VALID")
    np.testing.assert_array_equal(y[0, :, :, 0], np.full((3, 3), 4.0))


def test_infinities_are_values_without_warnings():
    code = "import penstock as tf; print((tf.constant(1.0) / tf.constant(0.0)).numpy())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("inf", "")


def test_threads_build_their_own_graphs():
    import threading

    graphs = []

    def build():
        with tf.Graph().as_default() as graph:
            tf.constant(1.0)
            graphs.append((graph, len(graph.get_operations())))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [count for _, count in graphs] == [1] * 4
    assert tf.executing_eagerly()
