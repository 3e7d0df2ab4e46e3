"""The warning about functions that are traced again and again."""

import logging

import pytest

import penstock as tf
from penstock.tracing.retracing import TracingHistory


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING, logger="tensorflow")
    return lambda: [each.getMessage() for each in caplog.records if "retracing" in each.getMessage()]


def test_python_numbers_that_change_are_warned_of_twice(warnings):
    square = tf.function(lambda x: x * x)
    for number in range(9):
        square(number)
    assert len(warnings()) == 2
    assert warnings()[0].startswith("5 out of the last 5 calls to <function ")
    assert "retracing" in warnings()[0]


def test_functions_made_in_a_loop_are_warned_of(warnings):
    for _ in range(6):
        tf.function(lambda x: x + 1)(tf.constant(1))
    assert warnings()


def test_tracings_among_many_calls_are_fine(warnings):
    square = tf.function(lambda x: x * x)
    for size in range(6):
        for _ in range(3):
            square(tf.ones([size]))
    assert not warnings()


def test_concrete_functions_are_fine(warnings):
    square = tf.function(lambda x: x * x)
    for size in range(9):
        square.get_concrete_function(tf.TensorSpec([size]))
    assert not warnings()


def test_tracings_long_ago_are_forgotten(warnings):
    history = TracingHistory()
    for call in range(30):
        history.calls += 1
        if call % 3 == 0:
            history.note_tracing(len)
    assert not warnings()
