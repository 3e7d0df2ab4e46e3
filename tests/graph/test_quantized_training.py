"""Graphs that train with rounded values: where nodes are put, what they compute, what the saver keeps."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
rewrite = v1.train.do_quantize_training_on_graphdef
ACTIVATIONS = {
    "relu": (tf.nn.relu, False, None),
    "relu6": (tf.nn.relu6, False, (0.0, 6.0)),
    "sigmoid": (tf.sigmoid, False, (0.0, 1.0)),
    "tanh": (tf.tanh, True, (-1.0, 1.0)),
    "pooled": (lambda x: tf.nn.max_pool2d(tf.nn.relu6(x), 1, 1, "SAME"), False, (0.0, 6.0)),
}


def _graph(build):
    with tf.Graph().as_default() as graph:
        build()
    return graph.as_graph_def()


def _nodes(graph_def):
    return {node.name: node for node in graph_def.node}


def _product(name="product"):
    x = v1.placeholder(tf.float32, [2, 2], name="x")
    tf.matmul(x, tf.constant([[1.0, 2.0], [3.0, 4.0]], name="weights"), name=name)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_bounds_follow_from_the_op_that_makes_the_input(kind):
    activation, signed, bounds = ACTIVATIONS[kind]

    def build():
        x = activation(v1.placeholder(tf.float32, [1, 3, 3, 1], name="x"))
        tf.nn.conv2d(tf.identity(x, name="input"), tf.ones([1, 1, 1, 1]), 1, "SAME", name="conv")

    nodes = _nodes(rewrite(_graph(build), 6))
    rounding = nodes["input/QuantizeAndDequantizeV2"]
    assert nodes["conv"].input[0] == rounding.name
    assert (rounding.attr["signed_input"].b, rounding.attr["num_bits"].i) == (signed, 6)
    if bounds is None:
        assert list(rounding.input) == ["input", "input/Min/AssignValue", "input/Max/AssignValue"]
    else:
        limits = [float(tf.make_ndarray(nodes[each].attr["value"].tensor)) for each in rounding.input[1:]]
        assert limits == list(bounds)


def test_values_are_rounded_within_averages_that_start_at_the_first_run():
    changed = rewrite(_graph(_product), 4)
    with tf.Graph().as_default(), v1.Session() as session:
        tf.graph_util.import_graph_def(changed, name="")
        weights = tf.quantization.quantize_and_dequantize_v2(
            [[1.0, 2.0], [3.0, 4.0]], 1.0, 4.0, num_bits=4, range_given=True
        )
        low, high = 0.0, 3.0
        for scale in (1.0, 2.0):
            x = np.float32([[0, 1], [2.2, 3]]) * scale
            low, high = low - low * 0.001, high - (high - x.max()) * (1 - 0.999)
            rounded = tf.quantization.quantize_and_dequantize_v2(x, low, high, num_bits=4, range_given=True)
            found = session.run("product:0", {"x:0": x})
            np.testing.assert_allclose(found, session.run(tf.matmul(rounded, weights)), rtol=1e-6)
        np.testing.assert_allclose(session.run("x/Max/Variable:0"), high)


def test_an_input_of_several_nodes_is_rounded_once_and_gradients_are_left_alone():
    def build():
        _product()
        x = v1.get_default_graph().get_tensor_by_name("x:0")
        with tf.control_dependencies([tf.constant(1, name="first")]):
            tf.matmul(x, x, name="square")
        tf.matmul(x, x, name="gradients/square")

    changed = rewrite(_graph(build), 8)
    nodes = _nodes(changed)
    assert list(nodes["square"].input) == ["x/QuantizeAndDequantizeV2"] * 2 + ["^first"]
    assert list(nodes["gradients/square"].input) == ["x", "x"]
    assert len(nodes) == len(changed.node)


def test_each_output_of_a_node_is_rounded_by_itself():
    def build():
        parts = tf.split(v1.placeholder(tf.float32, [2, 4]), 2, axis=1, name="parts")
        tf.matmul(parts[0], parts[1], name="product")

    roundings = _nodes(rewrite(_graph(build), 8))["product"].input
    assert [str(each) for each in roundings] == [
        "parts/QuantizeAndDequantizeV2",
        "parts/output_1/QuantizeAndDequantizeV2",
    ]


def test_the_saver_keeps_the_ranges(tmp_path):
    def build():
        x = v1.placeholder(tf.float32, [1, 2], name="x")
        tf.matmul(x, v1.get_variable("w", [2, 1], initializer=v1.ones_initializer()), name="product")
        v1.global_variables_initializer()
        v1.train.Saver()

    changed, path = rewrite(_graph(build), 8), str(tmp_path / "model")
    for feed in ([[1.0, 5.0]], [[7.0, 9.0]]):
        with tf.Graph().as_default(), v1.Session() as session:
            tf.graph_util.import_graph_def(changed, name="")
            if feed == [[1.0, 5.0]]:
                session.run("init")
                session.run("product:0", {"x:0": feed})
                session.run("save/control_dependency:0", {"save/Const:0": path})
            else:
                session.run("save/restore_all", {"save/Const:0": path})
            assert session.run(["x/Min/Variable:0", "x/Max/Variable:0"]) == [1.0, 5.0]
    assert {"w", "x/Min/Variable", "w/Max/Variable"} < {
        name.replace("MatMul/ReadVariableOp", "w").replace("product/ReadVariableOp", "w")
        for name, _ in tf.train.list_variables(path)
    }


@pytest.mark.parametrize("bits", [0, 64])
def test_number_of_bits_is_checked(bits):
    with pytest.raises(IndexError, match=rf"should be in range \[1, 63\] but is: {bits}"):
        rewrite(_graph(_product), bits)


def test_a_third_input_of_unknown_range_is_refused():
    def build():
        x, y, z = (tf.square(v1.placeholder(tf.float32, [2, 2]), name=name) for name in "xyz")
        tf.matmul(tf.matmul(x, y), tf.constant([[1.0]] * 2))
        tf.matmul(z, tf.constant([[1.0]] * 2))

    with pytest.raises(NotImplementedError, match="Found an unknown op: MatMul with type: MatMul"):
        rewrite(_graph(build), 8)


def test_a_graph_that_saves_and_does_not_restore_is_refused():
    changed = _graph(lambda: (_product(), tf.raw_ops.SaveV2(
        prefix="p", tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)])))  # fmt: skip
    with pytest.raises(ValueError, match="no restore_all"):
        rewrite(changed, 8)
