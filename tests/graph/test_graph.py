import pytest

import penstock as tf


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_operations_are_in_the_order_of_their_creation(graph):
    tf.add(tf.constant(1), tf.constant(2))
    assert [op.type for op in graph.get_operations()] == ["Const", "Const", "AddV2"]


def test_names_are_unique(graph):
    names = [tf.constant(1, name="c").op.name for _ in range(3)]
    assert names == ["c", "c_1", "c_2"]


def test_name_scopes(graph):
    with tf.name_scope("a") as scope:
        assert scope == "a/"
        with tf.name_scope("b"):
            assert tf.constant(1, name="c").name == "a/b/c:0"
    with tf.name_scope("a"):
        assert tf.constant(1, name="c").name == "a_1/c:0"
    with tf.name_scope("a/"):
        assert tf.constant(1, name="d").name == "a/d:0"


def test_lookup_by_name(graph):
    c = tf.constant(1, name="c")
    assert graph.get_tensor_by_name("c:0") is c
    assert graph.get_operation_by_name("c") is c.op
    assert graph.as_graph_element("c:0") is c
    with pytest.raises(KeyError):
        graph.get_tensor_by_name("d:0")
    with pytest.raises(ValueError):
        graph.get_tensor_by_name("c")


def test_control_dependencies(graph):
    a = tf.constant(1)
    with tf.control_dependencies([a]):
        b = tf.constant(2)
        with tf.control_dependencies(None):
            c = tf.constant(3)
    assert b.op.control_inputs == [a.op]
    assert c.op.control_inputs == []


def test_collections(graph):
    graph.add_to_collection("things", 1)
    graph.add_to_collection("things", 2)
    assert graph.get_collection("things") == [1, 2]
    graph.get_collection("things").append(3)
    assert graph.get_collection("things") == [1, 2]


def test_finalized_graphs_do_not_change(graph):
    graph.finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(1)


def test_tensors_of_other_graphs_are_refused(graph):
    with tf.Graph().as_default():
        other = tf.constant(1)
    with pytest.raises(ValueError, match="same graph"):
        tf.identity(other)


def test_devices(graph):
    with tf.device("/GPU:0"):
        assert tf.constant(1).op.device == "/GPU:0"


def test_operations_know_the_users_line(graph):
    assert str(tf.constant(1).op.line).startswith("test_graph.py:")


def test_symbolic_tensors_are_not_bools_or_arrays(graph):
    import numpy as np

    x = tf.compat.v1.placeholder(tf.bool)
    with pytest.raises(TypeError, match="not allowed"):
        bool(x)
    with pytest.raises(NotImplementedError, match="symbolic"):
        np.asarray(x)
    assert not hasattr(x, "numpy")


def test_the_name_of_a_variable_is_its_value_in_a_program_of_tf1(monkeypatch):
    from penstock.engine.context import process

    with tf.Graph().as_default() as graph:
        tf.compat.v1.get_variable("w", initializer=[1.0, 2.0])
        assert graph.get_tensor_by_name("w:0").dtype == tf.resource
        monkeypatch.setattr(process, "v2_behavior", False)
        value = graph.get_tensor_by_name("w:0")
        assert value.dtype == tf.float32 and value.shape == [2]
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            assert session.run(value * 2.0).tolist() == [2.0, 4.0]


def test_a_scope_in_a_scope_may_begin_with_an_underscore():
    with tf.Graph().as_default():
        with tf.name_scope("outer"), tf.name_scope("_inner") as scope:
            assert scope == "outer/_inner/"
        with pytest.raises(ValueError, match="not a valid scope name"), tf.compat.v1.name_scope("_outer"):
            pass
