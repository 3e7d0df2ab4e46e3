import numpy as np
import pytest

import penstock as tf
from penstock.tracing.freezing import convert_variables_to_constants_v2, function_from_graph_def


def test_frozen_functions_keep_their_values_and_signature():
    weights = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function
    def program(x, steps):
        for _ in tf.range(steps):
            x = tf.where(tf.reduce_sum(x) > 0.0, x @ weights, x - weights[0])
        return {"x": x, "rows": tf.gather(weights, [1])}

    concrete = program.get_concrete_function(tf.TensorSpec([1, 2], tf.float32), tf.TensorSpec([], tf.int32))
    expected = program(tf.constant([[1.0, -0.5]]), tf.constant(2))
    frozen = convert_variables_to_constants_v2(concrete)
    weights.assign(tf.zeros([2, 2]))
    assert not frozen.captured_inputs
    assert [each.name for each in frozen.inputs] == [each.name for each in concrete.graph.arguments]
    flat = frozen(tf.constant([[1.0, -0.5]]), tf.constant(2))
    for got, want in zip(flat, tf.nest.flatten(expected)):
        np.testing.assert_array_equal(got, want)
    nodes = frozen.graph.as_graph_def()
    types = {node.op for node in nodes.node} | {n.op for f in nodes.library.function for n in f.node_def}
    assert "ReadVariableOp" not in types


def test_functions_that_change_variables_are_refused():
    v = tf.Variable(1.0)
    concrete = tf.function(lambda: v.assign_add(1.0)).get_concrete_function()
    with pytest.raises(ValueError, match="cannot become a constant"):
        convert_variables_to_constants_v2(concrete)


def test_gradients_of_functions_from_graph_defs():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [], name="x")
        tf.multiply(x, x, name="y")
    square = function_from_graph_def(graph.as_graph_def(), "x:0", "y:0")
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = square(x)
    assert tape.gradient(y, x).numpy() == 6.0
