"""Names of the nodes that arguments become, and of gradients: those of TensorFlow, which programs fetch by and count on."""

import numpy as np
import pytest

import penstock as tf

# What is called with `x`, a placeholder of shape [2, 3], and the names of the nodes that this adds.
CALLS = {
    "operators": (
        lambda x: [x + 1.0, 2.0 * x, x - 1.0, 1.0 - x, x / 2.0, x**2.0, x + 1.0],
        "add/y add mul/x mul sub/y sub sub_1/x sub_1 truediv/y truediv pow/y pow add_1/y add_1",
    ),
    "comparison": (lambda x: [x > 0.0, x <= 1.0], "Greater/y Greater LessEqual/y LessEqual"),
    "constants of the program keep their numbers": (
        lambda x: [tf.constant(1.0), x + 1.0, tf.constant(2.0), tf.convert_to_tensor([1.0]), x * 3.0],
        "Const add/y add Const_1 Const_2 mul/y mul",
    ),
    "reductions": (
        lambda x: [tf.reduce_sum(x), tf.reduce_mean(x, axis=1), tf.argmax(x, 1)],
        "Const Sum Mean/reduction_indices Mean ArgMax/dimension ArgMax",
    ),
    "shapes": (
        lambda x: [tf.reshape(x, [3, 2]), tf.transpose(x, [1, 0]), tf.expand_dims(x, 0), tf.tile(x, [2, 1])],
        "Reshape/shape Reshape transpose/perm transpose ExpandDims/dim ExpandDims Tile/multiples Tile",
    ),
    "lists": (lambda x: tf.concat([[[1.0, 2.0, 3.0]], x], 0), "concat/values_0 concat/axis concat"),
    "pieces": (lambda x: tf.split(x, [1, 2], 1), "Const split/split_dim split"),
    "slices": (
        lambda x: [x[0], x[:, 1]],
        "strided_slice/stack strided_slice/stack_1 strided_slice/stack_2 strided_slice "
        "strided_slice_1/stack strided_slice_1/stack_1 strided_slice_1/stack_2 strided_slice_1",
    ),
    "gathers": (
        lambda x: [tf.gather(x, [0, 1]), tf.gather_nd(x, [[0, 0]])],
        "GatherV2/indices GatherV2/axis GatherV2 GatherNd/indices GatherNd",
    ),
    "arrays": (lambda x: tf.matmul(x, np.ones((3, 2), np.float32)), "MatMul/b MatMul"),
    "filled": (
        lambda x: [tf.fill([2], 3.0), tf.range(1, 10, 2)],
        "Fill/dims Fill/value Fill range/start range/limit range/delta range",
    ),
    "bounds": (
        lambda x: tf.clip_by_value(x, 0.0, 1.0),
        "clip_by_value/Minimum/y clip_by_value/Minimum clip_by_value/y clip_by_value",
    ),
    "names": (lambda x: tf.add(x, 1.0, name="sum"), "sum/y sum"),
    "dropout": (
        lambda x: tf.nn.dropout(x, rate=0.5),
        "dropout/Const dropout/Mul dropout/Shape dropout/random_uniform/RandomUniform dropout/GreaterEqual/y "
        "dropout/GreaterEqual dropout/Const_1 dropout/SelectV2",
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_are_those_of_tensorflow(call):
    function, names = CALLS[call]
    with tf.Graph().as_default() as graph:
        function(tf.compat.v1.placeholder(tf.float32, (2, 3), "x"))
    assert [each.name for each in graph.get_operations()] == ["x", *names.split()]


def test_stand_in_the_scope_of_the_op():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, name="x")
        with tf.name_scope("a"), tf.name_scope("b"):
            x * 2.0
            tf.constant(1.0)
    assert [each.name for each in graph.get_operations()] == ["x", "a/b/mul/y", "a/b/mul", "a/b/Const"]


def test_are_found_by_name():
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, name="x") + 4.0
        with tf.compat.v1.Session() as session:
            assert session.run("add/y:0") == 4.0
    with pytest.raises(KeyError):
        graph.get_operation_by_name("Const")


@pytest.fixture
def graph():
    return tf.Graph()


def test_the_op_names_the_reads_of_its_variables(graph):
    with graph.as_default():
        w = tf.compat.v1.get_variable("w", [2, 3], initializer=tf.compat.v1.ones_initializer())
        b = tf.compat.v1.get_variable("b", [3], initializer=tf.compat.v1.ones_initializer())
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], "x")
        with tf.name_scope("dense"):
            tf.nn.bias_add(tf.matmul(x, w), b)
        tf.add(b, b, name="twice")
        _ = b * b
    reads = [each.name for each in graph.get_operations() if each.type == "ReadVariableOp"]
    assert reads == [
        "w/Read/ReadVariableOp", "b/Read/ReadVariableOp", "dense/MatMul/ReadVariableOp", "dense/BiasAdd/ReadVariableOp",
        "twice/ReadVariableOp", "twice/ReadVariableOp_1", "ReadVariableOp", "mul/ReadVariableOp",
    ]  # fmt: skip


def test_reads_in_functions():
    w = tf.Variable([[1.0]])
    graph = tf.function(lambda x: tf.matmul(x, w)).get_concrete_function(tf.TensorSpec([1, 1])).graph
    assert graph.get_tensor_by_name("MatMul/ReadVariableOp:0").shape == [1, 1]


def test_nodes_of_gradients_are_under_the_names_of_their_ops(graph):
    with graph.as_default():
        w = tf.compat.v1.get_variable("w", [2, 3], initializer=tf.compat.v1.ones_initializer())
        y = tf.nn.relu(tf.matmul(tf.compat.v1.placeholder(tf.float32, [None, 2]), w), "act")
        tf.gradients(y, [w])
    names = {each.name for each in graph.get_operations()}
    assert {"gradients/grad_ys_0", "gradients/act_grad/ReluGrad", "gradients/MatMul_grad/MatMul"} <= names


def test_tf1s_name_of_a_variables_value(graph):
    with graph.as_default(), tf.compat.v1.Session() as session:
        w = tf.compat.v1.get_variable("scope/w", initializer=[1.0, 2.0])
        session.run(w.initializer)
        assert session.run(graph.get_tensor_by_name("scope/w/read:0")).tolist() == [1, 2]
        assert session.run("scope/w/read:0").tolist() == [1, 2]
        with pytest.raises(KeyError, match="other/read"):
            graph.get_operation_by_name("other/read")
