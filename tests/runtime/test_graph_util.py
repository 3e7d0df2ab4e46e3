import pathlib

import numpy as np
import pytest

import penstock as tf

graph_util = tf.compat.v1.graph_util


@pytest.fixture
def program():
    """(graph, session) of `y = (x * v + gathered rows of a table) under a cond`, with its variables initialized."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
        v = tf.Variable([2.0, 3.0], name="v")
        rows = tf.Variable([[1.0, 1.0], [5.0, 5.0]], name="rows")
        y = tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * v, lambda: x - v)
        tf.add(y, tf.nn.embedding_lookup(rows, 1), name="y")
        v.assign_add([1.0, 1.0], name="more")
        session.run(tf.compat.v1.global_variables_initializer())
        yield graph, session


def _run(message, value):
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(message, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        return session.run("y:0", {"x:0": value})


@pytest.mark.parametrize("value", [[1.0, 2.0], [-1.0, -2.0]])
def test_variables_become_constants_inside_branches_too(program, value):
    graph, session = program
    frozen = graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
    np.testing.assert_array_equal(_run(frozen, value), session.run("y:0", {"x:0": value}))
    nodes = [*frozen.node, *(node for function in frozen.library.function for node in function.node_def)]
    assert not {node.op for node in nodes} & {"VarHandleOp", "ReadVariableOp", "ResourceGather"}
    assert {"v", "rows"} <= {node.name for node in frozen.node if node.op == "Const"}


def test_chosen_variables_only(program):
    graph, session = program
    message = graph.as_graph_def()
    frozen = graph_util.convert_variables_to_constants(
        session, message, ["y"], variable_names_blacklist=["v"]
    )
    assert [node.name for node in frozen.node if node.op == "VarHandleOp"] == ["v"]
    frozen = graph_util.convert_variables_to_constants(
        session, message, ["y"], variable_names_whitelist=["v"]
    )
    assert [node.name for node in frozen.node if node.op == "VarHandleOp"] == ["rows"]


def test_without_a_session_variables_have_their_initial_values(program):
    graph, session = program
    session.run("more")
    with graph.as_default():
        frozen = graph_util.convert_variables_to_constants(None, graph.as_graph_def(), ["y"])
    np.testing.assert_array_equal(_run(frozen, [1.0, 1.0]), [7.0, 8.0])


def test_a_changed_variable_cannot_become_a_constant():
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        v = tf.Variable(1.0, name="v")
        with tf.control_dependencies([v.assign_add(1.0)]):
            tf.identity(v.read_value(), name="y")
        session.run(v.initializer)
        with pytest.raises(ValueError, match=r"changes the variable 'v'"):
            graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])


def test_variables_without_values_are_named():
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.square(tf.Variable(1.0, name="v"), name="y")
        with pytest.raises(tf.errors.FailedPreconditionError, match="'v'"):
            graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])


def test_sub_graphs_hold_what_nodes_depend_on(program):
    graph, _ = program
    names = [node.name for node in graph_util.extract_sub_graph(graph.as_graph_def(), ["v/Assign"]).node]
    assert "v" in names and "y" not in names and "x" not in names


def test_sub_graphs_of_unknown_nodes_are_refused(program):
    graph, _ = program
    with pytest.raises(AssertionError, match="nothing is not in graph"):
        graph_util.extract_sub_graph(graph.as_graph_def(), ["nothing"])
    with pytest.raises(TypeError, match="string"):
        graph_util.extract_sub_graph(graph.as_graph_def(), "y")


def test_training_nodes_are_removed():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [], name="x")
        checked = tf.debugging.check_numerics(x, "x", name="checked")
        kept = tf.identity(checked, name="kept")
        tf.square(tf.identity(kept), name="y")
    smaller = graph_util.remove_training_nodes(graph.as_graph_def(), protected_nodes=["kept"])
    assert [(node.name, list(node.input)) for node in smaller.node] == [
        ("x", []),
        ("kept", ["x"]),
        ("y", ["kept"]),
    ]


def test_hosts_and_shapes(program):
    graph, _ = program
    with graph.as_default():
        assert graph_util.must_run_on_cpu(tf.constant(1).op)
        assert not graph_util.must_run_on_cpu(tf.constant(1.0).op)
        assert graph_util.must_run_on_cpu(graph.get_operation_by_name("v"), pin_variables_on_cpu=True)
    assert graph_util.tensor_shape_from_node_def_name(graph, "x").as_list() == [2]


@pytest.mark.parametrize("as_text", [True, False])
def test_written_graphs_are_read_again(program, tmp_path, as_text):
    from google.protobuf import text_format

    graph, _ = program
    path = tf.io.write_graph(graph, str(tmp_path / "new"), "graph.pb", as_text=as_text)
    message = tf.compat.v1.GraphDef()
    data = pathlib.Path(path).read_bytes()
    text_format.Parse(data.decode(), message) if as_text else message.ParseFromString(data)
    assert message == graph.as_graph_def()


def test_input_maps_must_name_inputs(program):
    graph, _ = program
    with tf.Graph().as_default(), pytest.raises(ValueError, match="nothing"):
        tf.graph_util.import_graph_def(graph.as_graph_def(), input_map={"nothing:0": tf.constant(1.0)})


def test_unknown_attributes_are_refused_unless_the_producer_has_them_by_default(program):
    from tensorboard.compat.proto import op_def_pb2

    with tf.Graph().as_default() as graph:
        tf.square(tf.compat.v1.placeholder(tf.float32, [], name="x"), name="y")
    message = graph.as_graph_def()
    message.node[-1].attr["novelty"].i = 3
    with tf.Graph().as_default(), pytest.raises(ValueError, match="novelty"):
        tf.graph_util.import_graph_def(message)
    ops = op_def_pb2.OpList()
    ops.op.add(name="Square").attr.add(name="novelty", type="int").default_value.i = 3
    with tf.Graph().as_default():
        tf.graph_util.import_graph_def(message, producer_op_list=ops)
