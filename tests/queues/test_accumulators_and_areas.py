"""Conditional accumulators, barriers and staging areas."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import penstock as tf
from penstock.queues.barriers import Barrier
from penstock.queues.staging import MapStagingArea, StagingArea

v1 = tf.compat.v1


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as session:
        yield session


def in_thread(session, fetch):
    """Starts a step; `.finish()` of what this gives waits for its result."""
    found = {}

    def run():
        found["result"] = session.run(fetch)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def finish():
        thread.join(30)
        return found["result"]

    return finish


# Accumulators.


@pytest.mark.parametrize(("reduction", "expected"), [("MEAN", [2.0, 3.0]), ("SUM", [4.0, 6.0])])
def test_gradients_are_averaged_or_summed(session, reduction, expected):
    accumulator = v1.ConditionalAccumulator(tf.float32, [2], reduction_type=reduction)
    for gradient in ([1.0, 2.0], [3.0, 4.0]):
        session.run(accumulator.apply_grad(gradient))
    assert session.run(accumulator.num_accumulated()) == 2
    np.testing.assert_array_equal(session.run(accumulator.take_grad(2)), expected)
    assert session.run(accumulator.num_accumulated()) == 0


def test_gradients_of_earlier_steps_are_dropped(session):
    accumulator = v1.ConditionalAccumulator(tf.float32, [])
    session.run(accumulator.set_global_step(3))
    session.run(accumulator.apply_grad(1.0, local_step=2))
    assert session.run(accumulator.num_accumulated()) == 0
    session.run(accumulator.apply_grad(5.0, local_step=3))
    assert session.run(accumulator.take_grad(1)) == 5.0
    session.run(accumulator.apply_grad(1.0, local_step=3))  # taking has advanced the step
    assert session.run(accumulator.num_accumulated()) == 0


def test_taking_waits_for_enough_gradients(session):
    accumulator = v1.ConditionalAccumulator(tf.float32, [])
    take, apply = accumulator.take_grad(2), accumulator.apply_grad(4.0)
    session.run(apply)
    finish = in_thread(session, take)
    session.run(apply)
    assert finish() == 4.0


def test_shapes_of_gradients(session):
    accumulator = v1.ConditionalAccumulator(tf.float32, [2])
    with pytest.raises(ValueError, match="incompatible"):
        accumulator.apply_grad([1.0, 2.0, 3.0])
    fed = v1.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Shape mismatch"):
        session.run(accumulator.apply_grad(fed), {fed: [1.0]})


@pytest.mark.parametrize(
    ("reduction", "expected"), [("MEAN", [[1.0, 2.0], [2.0, 3.0]]), ("SUM", [[1.0, 2.0], [4.0, 6.0]])]
)
def test_sparse_gradients_row_by_row(session, reduction, expected):
    accumulator = v1.SparseConditionalAccumulator(tf.float32, [None, 2], reduction_type=reduction)
    session.run(accumulator.apply_grad([0, 3], [[1.0, 2.0], [1.0, 2.0]]))
    slices = tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([3]), tf.constant([5, 2]))
    session.run(accumulator.apply_indexed_slices_grad(slices))
    found = session.run(accumulator.take_indexed_slices_grad(2))
    assert found.indices.tolist() == [0, 3] and found.dense_shape.tolist() == [5, 2]
    np.testing.assert_array_equal(found.values, expected)


# Barriers.


def test_elements_become_complete(session):
    barrier = Barrier([tf.string, tf.int32], shapes=[[], []])
    session.run(barrier.insert_many(0, ["k1", "k2"], ["a", "b"]))
    session.run(barrier.insert_many(0, ["k3"], ["c"]))
    session.run(barrier.insert_many(1, ["k3"], [3]))
    session.run(barrier.insert_many(1, ["k2"], [2]))
    assert session.run([barrier.ready_size(), barrier.incomplete_size()]) == [2, 1]
    indices, keys, (texts, numbers) = session.run(barrier.take_many(2))
    assert indices.tolist() == [-(2**63), -(2**63) + 1]  # k2 came first, though k3 was complete before
    assert keys.tolist() == [b"k2", b"k3"]
    assert texts.tolist() == [b"b", b"c"] and numbers.tolist() == [2, 3]


def test_a_component_is_given_once(session):
    barrier = Barrier([tf.int32, tf.int32])
    insert = barrier.insert_many(0, ["k"], [1])
    session.run(insert)
    with pytest.raises(tf.errors.InvalidArgumentError, match="already has a value"):
        session.run(insert)


def test_a_closed_barrier(session):
    barrier = Barrier([tf.int32, tf.int32], shapes=[[], []])
    session.run(barrier.insert_many(0, ["a", "b"], [1, 2]))
    session.run(barrier.close())
    with pytest.raises(tf.errors.CancelledError, match="brand new key"):
        session.run(barrier.insert_many(0, ["c"], [3]))
    session.run(barrier.insert_many(1, ["a", "b"], [10, 20]))
    with pytest.raises(tf.errors.OutOfRangeError):
        session.run(barrier.take_many(3)[1])
    assert session.run(barrier.take_many(3, allow_small_batch=True)[1]).tolist() == [b"a", b"b"]


# Staging areas.


def test_elements_in_order(session):
    area = StagingArea([tf.int32, tf.string], shapes=[[], []])
    first, second = area.put([1, "a"]), area.put([2, "b"])
    session.run(first)
    session.run(second)
    assert session.run(area.size()) == 2
    assert session.run(area.peek(1)) == [2, b"b"]
    assert session.run(area.get()) == [1, b"a"]
    session.run(area.clear())
    assert session.run(area.size()) == 0


def test_a_full_area_waits(session):
    area = StagingArea([tf.int32], capacity=1)
    put, get = area.put([7]), area.get()
    session.run(put)
    finish = in_thread(session, put)
    assert session.run(get) == [7]
    finish()
    assert session.run(area.size()) == 1


def test_an_element_that_is_too_large(session):
    area = StagingArea([tf.float32], memory_limit=8)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        session.run(area.put([tf.zeros([3])]))


def test_elements_with_names(session):
    area = StagingArea([tf.int32, tf.int32], names=["x", "y"])
    session.run(area.put({"x": 1, "y": 2}))
    assert session.run(area.get()) == {"x": 1, "y": 2}
    with pytest.raises(ValueError, match="must enqueue a dictionary"):
        area.put([1, 2])


@pytest.mark.parametrize(("ordered", "expected"), [(False, [5, 3]), (True, [3, 5])])
def test_elements_by_key(session, ordered, expected):
    area = MapStagingArea([tf.int32, tf.string], names=["i", "s"], ordered=ordered)
    session.run(area.put(5, {"i": 50, "s": "five"}))
    session.run(area.put(3, {"s": "three"}))
    assert session.run([area.size(), area.incomplete_size()]) == [1, 1]
    session.run(area.put(3, {"i": 30}))
    assert session.run(area.peek(3)) == {"i": 30, "s": b"three"}
    keys = [session.run(area.get()[0]) for _ in range(2)]
    assert keys == expected


def test_components_may_be_taken_one_by_one(session):
    area = MapStagingArea([tf.int32, tf.string], names=["i", "s"])
    session.run(area.put(1, {"i": 10, "s": "one"}))
    assert session.run(area.get(1, ["s"])) == (1, {"s": b"one"})
    assert session.run(area.size()) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="already been removed"):
        session.run(area.get(1, ["s"]))
    assert session.run(area.get(1, ["i"]))[1] == {"i": 10}
    assert session.run(area.size()) == 0


def test_keys_are_used_once(session):
    area = MapStagingArea([tf.int32])
    put = area.put(1, [10], [0])
    session.run(put)
    with pytest.raises(tf.errors.InvalidArgumentError, match="already contains"):
        session.run(put)
