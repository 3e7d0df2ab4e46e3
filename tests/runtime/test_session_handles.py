"""Values that stay in a session between its steps."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as session:
        yield session


def test_a_value_stays(session):
    handle = session.run(v1.get_session_handle(tf.constant([1.0, 2.0]) * 2.0))
    assert handle.eval().tolist() == [2.0, 4.0]
    place, value = v1.get_session_tensor(handle.handle, tf.float32)
    np.testing.assert_array_equal(session.run(value + 1.0, {place: handle.handle}), [3.0, 5.0])


def test_a_handle_may_be_fed_as_its_value(session):
    handle = session.run(v1.get_session_handle(tf.constant([1.0, 2.0])))
    x = v1.placeholder(tf.float32, [2])
    np.testing.assert_array_equal(session.run(x * 3.0, {x: handle}), [3.0, 6.0])


@pytest.mark.parametrize("by_operation", [True, False])
def test_a_value_is_dropped(session, by_operation):
    handle = session.run(v1.get_session_handle(tf.constant(1.0)))
    if by_operation:
        place, drop = v1.delete_session_tensor(handle.handle)
        session.run(drop, {place: handle.handle})
    else:
        handle.delete()
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in the session store"):
        handle.eval()


def test_the_dtype_is_checked(session):
    handle = session.run(v1.get_session_handle(tf.constant(1.0)))
    place, value = v1.get_session_tensor(handle.handle, tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected int32"):
        session.run(value, {place: handle.handle})
