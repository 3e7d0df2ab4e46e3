"""`tf.group`, `tf.tuple`, `tf.no_op`, `tf.timestamp` and `smart_cond`, eagerly and in graphs."""

from __future__ import annotations

import time

import pytest

import penstock as tf
from penstock.ops.grouping import with_dependencies

smart_cond = tf.__internal__.smart_cond.smart_cond


def test_eager_group_and_no_op_return_none():
    assert tf.group(tf.constant(1), [tf.Variable(1.0)]) is None
    assert tf.group() is None
    assert tf.no_op() is None


def test_group_runs_all_its_inputs():
    with tf.Graph().as_default():
        a, b = tf.compat.v1.Variable(1.0), tf.compat.v1.Variable(2.0)
        update = tf.group(a.assign(3.0), [b.assign(4.0)], name="update")
        assert (update.type, update.name) == ("NoOp", "update")
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            assert session.run(update) is None
            assert session.run([a, b]) == [3.0, 4.0]


def test_group_refuses_what_cannot_run():
    with tf.Graph().as_default(), pytest.raises(TypeError, match="nested"):
        tf.group(3)


def test_tuple():
    parts = [tf.constant(1), None, tf.constant(2)]
    assert tf.tuple(parts) is parts
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32)
        first, none, second = tf.tuple([x, None, x + 1.0])
        assert none is None
        assert first.op.control_inputs[0].type == "NoOp"
        with tf.compat.v1.Session() as session:
            assert session.run([first, second], {x: 1.0}) == [1.0, 2.0]
        with pytest.raises(ValueError, match="at least one"):
            tf.tuple([None])


def test_with_dependencies():
    with tf.Graph().as_default():
        v = tf.compat.v1.Variable(1.0)
        y = with_dependencies([v.assign(5.0)], tf.constant(2.0))
        with tf.compat.v1.Session() as session:
            session.run(v.initializer)
            assert session.run(y) == 2.0
            assert session.run(v) == 5.0


def test_timestamp_is_taken_when_the_op_runs():
    f = tf.function(lambda: tf.timestamp())
    before, first, second = time.time(), f().numpy(), f().numpy()
    assert before <= first <= second


@pytest.mark.parametrize(("predicate", "chosen"), [(True, 1), (0, 2), (tf.constant(True), 1)])
def test_smart_cond_with_a_known_predicate(predicate, chosen):
    assert smart_cond(predicate, lambda: 1, lambda: 2) == chosen


def test_smart_cond_with_an_unknown_predicate():
    f = tf.function(lambda p: smart_cond(p, lambda: tf.constant(1), lambda: tf.constant(2)))
    assert [f(tf.constant(each)).numpy() for each in (True, False)] == [1, 2]


@pytest.mark.parametrize(
    "arguments", [(2, lambda: 1, lambda: 2), (True, 1, lambda: 2), (True, lambda: 1, None)]
)
def test_smart_cond_refuses(arguments):
    with pytest.raises(TypeError):
        smart_cond(*arguments)
