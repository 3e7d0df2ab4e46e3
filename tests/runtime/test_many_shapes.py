"""Functions that are called with arguments of many shapes."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.context import process
from penstock.runtime.determinism import disable_op_determinism
from penstock.runtime.executor import executor_of
from penstock.runtime.many_shapes import PieceOfManyShapes


def piece_of(function, *specs):
    """The only piece of a function's concrete function for arguments like these."""
    (piece,) = executor_of(function.get_concrete_function(*specs).graph).steps
    return piece


@pytest.fixture(autouse=True)
def no_meshes(monkeypatch):
    """Without those of other tests: with a mesh every shape is compiled."""
    monkeypatch.setattr(process, "meshes", {})


@pytest.fixture
def trained():
    """A variable, and a function that trains it on rows of any number."""
    variable = tf.Variable(tf.ones((64, 64)))

    @tf.function(input_signature=[tf.TensorSpec((None, 64))])
    def train(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.tanh(x @ variable) ** 2)
        variable.assign_sub(0.1 * tape.gradient(loss, variable))
        return loss

    return variable, train


def test_every_shape_gives_what_the_compiled_program_gives(trained):
    variable, train = trained
    losses = [float(train(tf.fill((rows, 64), 0.01 * rows))) for rows in range(1, 12)]
    after = variable.numpy()
    variable.assign(tf.ones((64, 64)))
    tf.config.run_functions_eagerly(True)
    try:
        expected = [float(train(tf.fill((rows, 64), 0.01 * rows))) for rows in range(1, 12)]
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_allclose(after, variable.numpy(), rtol=1e-4, atol=1e-6)


def test_the_first_shapes_are_compiled_and_new_ones_run_on_numpy(trained):
    _, train = trained
    for rows in range(1, 9):
        train(tf.ones((rows, 64)))
    piece = piece_of(train)
    assert type(piece) is PieceOfManyShapes
    assert piece._compiled == {((rows, 64),) for rows in range(1, 1 + PieceOfManyShapes._COMPILED_AT_ONCE)}


def test_every_shape_is_compiled_where_results_are_to_be_the_same_in_every_run(trained):
    _, train = trained
    tf.config.experimental.enable_op_determinism()
    try:
        for rows in range(1, 9):
            train(tf.ones((rows, 64)))
    finally:
        disable_op_determinism()
    assert not piece_of(train)._spent_s


def test_a_shape_that_has_taken_as_long_as_compiling_is_compiled(trained):
    _, train = trained
    for rows in range(1, 6):
        train(tf.ones((rows, 64)))
    piece = piece_of(train)
    assert ((5, 64),) not in piece._compiled
    piece._compiling_s = 0.0
    train(tf.ones((5, 64)))
    assert ((5, 64),) in piece._compiled


def test_known_shapes_and_operations_without_numpy_are_compiled_at_once():
    known = tf.function(lambda x: x @ x, input_signature=[tf.TensorSpec((200, 200))])
    random = tf.function(
        lambda x: x @ x + tf.random.normal(tf.shape(x)), input_signature=[tf.TensorSpec((None, None))]
    )
    assert not any(isinstance(piece_of(each), PieceOfManyShapes) for each in (known, random))


def test_an_index_out_of_range_is_an_error_for_every_shape():
    table = tf.ones((300, 64))
    rows = tf.function(
        lambda ids: tf.reduce_sum(tf.gather(table, ids) @ tf.transpose(table)),
        input_signature=[tf.TensorSpec((None,), tf.int32)],
    )
    for count in range(1, 7):
        assert float(rows(tf.zeros(count, tf.int32))) == 300 * 64 * count
        with pytest.raises(tf.errors.InvalidArgumentError):
            rows(tf.fill((count,), 300))


@pytest.mark.parametrize("compiled_at_once", [1, 100])
def test_lists_and_rows_of_variables_run_on_numpy_too(compiled_at_once, monkeypatch):
    monkeypatch.setattr(PieceOfManyShapes, "_COMPILED_AT_ONCE", compiled_at_once)
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        words = v1.placeholder(tf.int32, [None])
        table = tf.Variable(np.linspace(0, 1, 400, dtype="f").reshape(50, 8))
        rows = tf.nn.embedding_lookup(table, words)
        left, right = tf.split(tf.concat([rows, 2.0 * rows], 1), 2, axis=1)
        loss = tf.reduce_sum(left * right)
        train = v1.train.AdagradOptimizer(0.1).minimize(loss)
        session.run(v1.global_variables_initializer())
        losses = [session.run([loss, train], {words: np.arange(n) % 7})[0] for n in range(2, 9)]
        (piece,) = [
            each for each in session._plan([loss, train], [words]).executor.steps if hasattr(each, "_on_host")
        ]
        assert len(piece._compiled) == min(compiled_at_once, 7)
    expected = [0.015578, 0.039286, 0.076775, 0.12748, 0.1942, 0.28017, 0.032153]  # TensorFlow's
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
