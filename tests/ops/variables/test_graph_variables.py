"""Variables of v1 graphs: nodes, collections, initializers, and their values in sessions."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.fixture
def graph():
    with tf.Graph().as_default() as built:
        yield built


def test_a_variable_is_a_handle_with_an_initializer(graph):
    variable = tf.Variable(3.0, name="w")
    again = tf.Variable(lambda: tf.constant(1.0), name="w")
    assert [operation.name for operation in graph.get_operations() if operation.type == "VarHandleOp"] == [
        "w",
        "w_1",
    ]
    assert variable.initializer.name == "w/Assign"
    assert variable.initial_value.op.name == "w/initial_value"
    assert again.initial_value.op.name == "w_1/Initializer/Const"
    assert repr(variable) == "<tf.Variable 'w:0' shape=() dtype=float32>"


def test_collections_hold_variables(graph):
    trained, fixed = v1.Variable(1.0, name="a"), v1.Variable(1.0, trainable=False, name="b")
    local = v1.Variable(1.0, collections=[v1.GraphKeys.LOCAL_VARIABLES], trainable=False, name="c")
    assert v1.global_variables() == [trained, fixed]
    assert v1.trainable_variables() == [trained]
    assert v1.local_variables() == [local]
    assert v1.global_variables("b") == [fixed]


def test_values_belong_to_the_session(graph):
    counter = v1.Variable(0)
    bump = v1.assign_add(counter, 1)
    with v1.Session() as first, v1.Session() as second:
        for session in (first, second):
            session.run(v1.global_variables_initializer())
        assert [first.run(bump), first.run(bump)] == [1, 2]
        assert second.run(counter) == 0


def test_an_uninitialized_variable_cannot_be_read(graph):
    variable = tf.Variable(1.0, name="w")
    other = tf.Variable(2.0, name="u")
    missing = v1.report_uninitialized_variables()
    with v1.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="w"):
            session.run(variable)
        session.run(other.initializer)
        assert session.run(missing).tolist() == [b"w"]
        assert not session.run(v1.is_variable_initialized(variable))
        assert session.run(variable.initialized_value()) == 1.0


def test_an_initial_value_may_use_another_variable(graph):
    first = v1.Variable(tf.ones([2]))
    second = v1.Variable(first * 2.0)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(second).tolist() == [2.0, 2.0]


def test_what_an_assignment_returns_is_read_after_it(graph):
    variable = v1.Variable(1.0)
    updated = variable.assign(5.0)
    doubled = updated * 2.0
    twice = updated.assign_add(1.0)
    with v1.Session() as session:
        session.run(variable.initializer)
        assert session.run(doubled) == 10.0
        assert session.run(twice) == 6.0
        assert session.run(updated.op) is None


def test_load_and_eval_use_the_default_session(graph):
    variable = v1.Variable([1.0, 2.0])
    with v1.Session():
        variable.initializer.run()
        variable.load([3.0, 4.0])
        assert variable.eval().tolist() == [3.0, 4.0]


def test_v1_update_functions(graph):
    variable = v1.Variable(np.zeros((3, 2), np.float32))
    updates = [
        v1.scatter_update(variable, [0], [[1.0, 1.0]]),
        v1.scatter_nd_add(variable, [[1, 1]], [5.0]),
        variable[2].assign([7.0, 8.0]),
    ]
    with v1.Session() as session:
        session.run(variable.initializer)
        for update in updates:
            session.run(update)
        assert session.run(variable).tolist() == [[1.0, 1.0], [0.0, 5.0], [7.0, 8.0]]


def test_equality_in_a_v1_graph_is_identity(graph):
    variable, other = v1.Variable(1.0), v1.Variable(1.0)
    assert variable == variable
    assert variable != other
    assert {variable: 1}[variable] == 1


def test_eager_variables_take_part_in_sessions():
    variable = v1.Variable(1.0, name="eager")
    assert any(variable is each for each in v1.global_variables())
    with v1.Session() as session:
        fed = v1.placeholder(tf.float32, [])
        product, update = variable * fed, variable.assign_add(fed)
        session.run(v1.global_variables_initializer())
        assert session.run(product, {fed: 3.0}) == 3.0
        assert session.run(update, {fed: 2.0}) == 3.0
        assert variable.numpy() == 3.0


def test_collections_of_a_graph_by_name(graph):
    v1.add_to_collections(["a", "b"], 1)
    v1.add_to_collection("a", 2)
    v1.get_collection_ref("b").append(3)
    assert v1.get_collection("a") == [1, 2]
    assert v1.get_collection("b") == [1, 3]
