"""The slot variables of TF 1's optimizers in checkpoints of objects."""

import pathlib

import numpy as np
import pytest

import penstock as tf

tf1 = tf.compat.v1
FIXTURES = pathlib.Path(__file__).parent / "fixtures"


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model")


def _step(optimizer, weight):
    optimizer.minimize(lambda: weight * weight, var_list=[weight])


def _weight():
    return tf.Variable([1.0, 1.0])


def test_slots_are_found_by_variable_and_optimizer(prefix):
    weight, optimizer = _weight(), tf1.train.MomentumOptimizer(0.5, 0.9)
    _step(optimizer, weight)
    path = tf.train.Checkpoint(weight=weight, optimizer=optimizer).write(prefix)
    name = "weight/.OPTIMIZER_SLOT/optimizer/momentum/.ATTRIBUTES/VARIABLE_VALUE"
    np.testing.assert_array_equal(tf.train.load_variable(path, name), [2.0, 2.0])


@pytest.mark.parametrize("made", ["before", "after"])
def test_training_goes_on_where_it_was(prefix, made):
    weight, optimizer = _weight(), tf1.train.AdamOptimizer(0.5)
    _step(optimizer, weight)
    path = tf.train.Checkpoint(weight=weight, optimizer=optimizer).write(prefix)
    _step(optimizer, weight)
    again, other = _weight(), tf1.train.AdamOptimizer(0.5)
    if made == "before":
        _step(other, again)
    status = tf.train.Checkpoint(weight=again, optimizer=other).read(path)
    if made == "after":
        with pytest.raises(AssertionError, match="Unresolved"):
            status.assert_consumed()
    _step(other, again)
    status.assert_consumed()
    np.testing.assert_array_equal(again.numpy(), weight.numpy())


def test_slots_are_left_alone_where_that_is_asked_for(prefix):
    weight, optimizer = _weight(), tf1.train.MomentumOptimizer(0.5, 0.9)
    _step(optimizer, weight)
    options = tf.train.CheckpointOptions(experimental_skip_slot_variables=True)
    path = tf.train.Checkpoint(weight=weight, optimizer=optimizer).write(prefix, options)
    assert len(tf.train.list_variables(path)) == 2


def test_a_checkpoint_of_tensorflow():
    """One step of Adam before, another one now: that is two steps."""
    weight, optimizer = _weight(), tf1.train.AdamOptimizer(0.5)
    _step(optimizer, weight)
    _step(optimizer, weight)
    again, other = _weight(), tf1.train.AdamOptimizer(0.5)
    checkpoint = tf.train.Checkpoint(weight=again, optimizer=other)
    checkpoint.restore(str(FIXTURES / "objects-1")).expect_partial()
    _step(other, again)
    np.testing.assert_allclose(again.numpy(), weight.numpy(), rtol=1e-6)


def test_in_a_graph(prefix):
    with tf.Graph().as_default(), tf1.Session() as session:
        weight = tf1.get_variable("weight", initializer=[1.0, 1.0])
        optimizer = tf1.train.AdamOptimizer(0.5)
        step = optimizer.minimize(weight * weight)
        checkpoint = tf1.train.Checkpoint(weight=weight, optimizer=optimizer)
        session.run(tf1.global_variables_initializer())
        session.run(step)
        path = checkpoint.save(prefix)
        session.run(step)
        expected = session.run(optimizer.variables())
        checkpoint.restore(path).assert_consumed().run_restore_ops()
        session.run(step)
        for value, wanted in zip(session.run(optimizer.variables()), expected):
            np.testing.assert_array_equal(value, wanted)
