import collections

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_feeds_and_nested_fetches(graph):
    x = v1.placeholder(tf.float32, [None], name="x")
    y, z = x * 2.0, tf.reduce_sum(x)
    Pair = collections.namedtuple("Pair", "a b")
    with v1.Session() as session:
        out = session.run({"y": y, "more": [z, Pair(x, z)]}, {x: [1, 2]})
    assert out["y"].tolist() == [2.0, 4.0]
    assert out["more"][0] == 3.0
    assert out["more"][1].b == 3.0
    assert isinstance(out["more"][1], Pair)


def test_any_tensor_may_be_fed(graph):
    a = tf.constant(1.0)
    b = a + 1.0
    c = b * 10.0
    with v1.Session() as session:
        assert session.run(c) == 20.0
        assert session.run(c, {b: 5.0}) == 50.0
        assert session.run([b, c], {b: 5.0}) == [5.0, 50.0]


@pytest.mark.parametrize("condition", [True, False])
def test_a_condition_chooses_between_strings(graph, condition):
    chosen = v1.cond(
        v1.placeholder_with_default(condition, []), lambda: tf.constant("a"), lambda: tf.constant("b")
    )
    with v1.Session() as session:
        assert session.run([chosen, tf.add(1, 2)]) == [b"a" if condition else b"b", 3]


def test_only_what_is_needed_runs(graph):
    x = v1.placeholder(tf.float32)
    unused = x * 2.0
    with v1.Session() as session:
        assert session.run(tf.constant(1.0)) == 1.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="You must feed a value for placeholder"):
            session.run(unused)


def test_names_and_operations(graph):
    v = v1.Variable(1.0, name="v")
    assign = v.assign(3.0)
    with v1.Session() as session:
        assert session.run(v.initializer) is None
        assert session.run("v/Read/ReadVariableOp:0") == 1.0
        assert session.run(assign.op) is None
        assert session.run(v) == 3.0


def test_each_session_has_its_own_values(graph):
    v = v1.Variable(1.0)
    bump = v1.assign_add(v, 1.0)
    init = v1.global_variables_initializer()
    first, second = v1.Session(), v1.Session()
    for session in (first, second):
        session.run(init)
    first.run(bump)
    assert (first.run(v), second.run(v)) == (2.0, 1.0)


def test_uninitialized_variables(graph):
    v = v1.Variable(1.0, name="weights")
    with v1.Session() as session, pytest.raises(tf.errors.FailedPreconditionError, match="weights"):
        session.run(v)


def test_wrong_feeds(graph):
    x = v1.placeholder(tf.float32, [None, 2])
    with v1.Session() as session:
        with pytest.raises(ValueError, match="Cannot feed value of shape"):
            session.run(x, {x: [1.0, 2.0, 3.0]})
        with pytest.raises(TypeError, match="feed_dict key"):
            session.run(x, {"nowhere:0": 1.0})
        with pytest.raises(TypeError):
            session.run(x, {x: tf.constant([[1.0, 2.0]])})


def test_bad_fetches(graph):
    with v1.Session() as session:
        with pytest.raises(ValueError, match="cannot be interpreted as a Tensor"):
            session.run("nowhere:0")
        with pytest.raises(TypeError):
            session.run(None)
        session.close()
        with pytest.raises(RuntimeError, match="closed"):
            session.run(tf.constant(1))


def test_control_dependencies_run_first(graph):
    v = v1.Variable(0.0)
    with tf.control_dependencies([v1.assign(v, 5.0)]):
        read = tf.identity(v.read_value())
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(read) == 5.0


def test_default_session_and_eval(graph):
    c = tf.constant([1, 2])
    with v1.Session() as session:
        assert v1.get_default_session() is session
        assert c.eval().tolist() == [1, 2]
    assert v1.get_default_session() is None
    with pytest.raises(ValueError, match="No default session"):
        c.eval()


def test_interactive_session():
    graph = tf.Graph()
    session = v1.InteractiveSession(graph=graph)
    try:
        assert tf.constant(2.0).eval() == 2.0
    finally:
        session.close()
    assert tf.executing_eagerly()


def test_strings_and_control_flow(graph):
    x = v1.placeholder(tf.string, [])
    n = v1.placeholder(tf.int32, [])
    y = tf.while_loop(lambda i: i < n, lambda i: i * 2, [tf.constant(1)])
    with v1.Session() as session:
        assert session.run([x, y], {x: "hello", n: 100}) == [b"hello", [128]]


def test_make_callable(graph):
    x = v1.placeholder(tf.float32)
    with v1.Session() as session:
        double = session.make_callable(x * 2.0, [x])
        assert double(4.0) == 8.0


def test_placeholders_meet_eager_variables():
    w = tf.Variable([2.0])
    x = v1.placeholder(tf.float32)
    y = w * x
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(session.run(y, {x: [3.0]}), [6.0])
        w.assign([5.0])
        np.testing.assert_array_equal(session.run(y, {x: [3.0]}), [15.0])


def test_eager_values_are_fetched_as_they_are():
    with v1.Session() as session:
        assert session.run(tf.constant(3)) == 3


def test_random_ops_draw_anew_on_each_run(graph):
    x = tf.random.uniform([4], seed=1)
    with v1.Session() as session:
        a, b = session.run(x), session.run(x)
    assert not np.array_equal(a, b)


def test_the_name_of_a_variable_fetches_its_value():
    with tf.Graph().as_default() as graph:
        w = v1.get_variable("w", initializer=[1.0, 2.0])
        with v1.Session() as session:
            session.run(w.initializer)
            assert session.run("w:0").tolist() == [1.0, 2.0]
            before = session.run(graph.get_tensor_by_name("w:0"))
            session.run(w.assign_add([1.0, 1.0]))
            assert before.tolist() == [1.0, 2.0] and session.run("w:0").tolist() == [2.0, 3.0]


def test_an_eager_variable_has_its_value_inside_a_session():
    x = v1.placeholder(tf.float32, [])
    w = tf.Variable(1.0)
    assigned = w.assign(x * 2.0)
    with v1.Session() as session:
        session.run(assigned, {x: 3.0})
        assert w.numpy() == 6.0


def test_who_feeds_a_variable_means_every_read_of_it():
    with tf.Graph().as_default(), v1.Session() as session:
        weight = v1.get_variable("w", initializer=3.0)
        doubled = weight * 2.0
        session.run(v1.global_variables_initializer())
        assert session.run([weight, doubled], {weight: 10.0}) == [10.0, 20.0]
        assert session.run(weight) == 3.0


def test_tensors_of_two_graphs_do_not_meet():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32)
    with tf.Graph().as_default(), pytest.raises(ValueError, match="same graph"):
        tf.constant(1.0) + x
    with pytest.raises(ValueError, match="appears to refer to a Tensor"):
        x.graph.get_operation_by_name("Placeholder:0")
