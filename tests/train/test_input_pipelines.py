"""Queue-based input pipelines of TF 1: producers, batches, and the threads that fill the queues."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


@contextlib.contextmanager
def running(limit_epochs=True):
    """A session whose queues are filled; made after the pipeline."""
    with v1.Session() as session:
        session.run([v1.local_variables_initializer(), v1.global_variables_initializer()])
        coordinator = tf.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        try:
            yield session
        finally:
            coordinator.request_stop()
            coordinator.join(threads)


def everything(session, fetch):
    """What a fetch gives until its input ends."""
    found = []
    with pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found.append(session.run(fetch))
    return found


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_strings_in_order():
    queue = v1.train.string_input_producer(["a", "b"], num_epochs=2, shuffle=False)
    name = queue.dequeue()
    with running() as session:
        assert everything(session, name) == [b"a", b"b", b"a", b"b"]


def test_there_must_be_strings():
    with pytest.raises(ValueError, match="non-null"):
        v1.train.string_input_producer([])


def test_epochs_are_shuffled():
    number = v1.train.range_input_producer(20, num_epochs=2, seed=1).dequeue()
    with running() as session:
        found = [int(each) for each in everything(session, number)]
    assert sorted(found[:20]) == sorted(found[20:]) == list(range(20))
    assert found[:20] != list(range(20))


def test_slices_stay_together():
    x, y = v1.train.slice_input_producer([[1, 2, 3], [10, 20, 30]], num_epochs=1)
    with running() as session:
        assert sorted(map(tuple, everything(session, [x, y]))) == [(1, 10), (2, 20), (3, 30)]


def test_an_epoch_limit_is_positive():
    with pytest.raises(ValueError, match="num_epochs"):
        v1.train.limit_epochs(tf.constant(1), 0)


def numbers(count=7, epochs=1):
    """An example in each step: a number and its square, in order."""
    number = v1.train.range_input_producer(count, num_epochs=epochs, shuffle=False).dequeue()
    return number, tf.cast(number * number, tf.float32)


def test_batches():
    x, y = v1.train.batch(numbers(), batch_size=3)
    assert x.shape == y.shape == [3]
    with running() as session:
        first, second = everything(session, [x, y])
    assert first[0].tolist() == [0, 1, 2] and second[0].tolist() == [3, 4, 5]
    assert second[1].tolist() == [9.0, 16.0, 25.0]


def test_the_last_batch_may_be_smaller():
    x, y = v1.train.batch(list(numbers()), 3, allow_smaller_final_batch=True)
    assert x.shape == [None]
    with running() as session:
        assert [each[0].tolist() for each in everything(session, [x, y])] == [[0, 1, 2], [3, 4, 5], [6]]


def test_dictionaries():
    x, y = numbers(4)
    batch = v1.train.batch({"y": y, "x": x}, 2)
    with running() as session:
        found = everything(session, batch)
    assert [sorted(each) for each in found] == [["x", "y"]] * 2
    assert found[1]["x"].tolist() == [2, 3]


def test_one_tensor_gives_one_tensor():
    batch = v1.train.batch([numbers()[0]], 2)
    with running() as session:
        assert session.run(batch).tolist() == [0, 1]


def test_rows_of_examples():
    rows = tf.reshape(tf.range(6), [6, 1]) * tf.ones([1, 2], tf.int32)
    batch = v1.train.batch([rows], 4, enqueue_many=True)
    with running() as session:
        assert session.run(batch).tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]


def test_padding():
    number = numbers(4)[0]
    batch = v1.train.batch([tf.range(number)], 4, dynamic_pad=True)
    with running() as session:
        assert session.run(batch).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 2]]


def test_only_what_is_kept():
    x, _ = numbers(10)
    batch = v1.train.maybe_batch([x], tf.equal(x % 2, 0), 2)
    with running() as session:
        assert [each.tolist() for each in everything(session, batch)] == [[0, 2], [4, 6]]


def test_only_the_rows_that_are_kept():
    rows = tf.range(6)
    batch = v1.train.maybe_batch([rows], tf.equal(rows % 2, 1), 3, enqueue_many=True)
    with running() as session:
        assert session.run(batch).tolist() == [1, 3, 5]


def test_several_sources():
    sources = [(tf.constant(1), tf.constant("a")), (tf.constant(2), tf.constant("b"))]
    x, y = v1.train.batch_join(sources, 8, capacity=2)
    with running() as session:
        for _ in range(3):
            found, texts = session.run([x, y])
            assert {(1, b"a"), (2, b"b")} >= set(zip(found.tolist(), texts.tolist()))


def test_shuffled_batches():
    x, y = v1.train.shuffle_batch(numbers(50), 10, capacity=60, min_after_dequeue=20, seed=3)
    with running() as session:
        found = everything(session, [x, y])
    order = np.concatenate([each[0] for each in found]).tolist()
    assert sorted(order) == list(range(50)) and order != sorted(order)
    np.testing.assert_array_equal(found[0][1], found[0][0].astype(np.float32) ** 2)


def test_shuffling_needs_room():
    with pytest.raises(ValueError, match="bigger than min_after_dequeue"):
        v1.train.shuffle_batch(numbers(), 2, capacity=5, min_after_dequeue=5)


def test_shuffled_batches_of_several_sources():
    sources = [[each] for each in (tf.constant(1), tf.constant(2))]
    batch = v1.train.shuffle_batch_join(sources, 4, capacity=20, min_after_dequeue=10)
    with running() as session:
        assert set(session.run(batch).tolist()) <= {1, 2}


def test_a_summary_tells_how_full_the_queue_is(graph):
    v1.train.batch(numbers(), 2, capacity=10, name="input")
    names = [each.op.name for each in graph.get_collection(v1.GraphKeys.SUMMARIES)]
    assert names[-1] == "input/fraction_of_10_full"


def test_file_names_are_found_at_the_start(tmp_path):
    names = v1.train.match_filenames_once(str(tmp_path / "*.txt"))
    (tmp_path / "a.txt").write_text("")
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        assert session.run(names).tolist() == [str(tmp_path / "a.txt").encode()]


def test_an_error_of_the_input_stops_the_program():
    bad = tf.debugging.check_numerics(tf.constant(np.nan), "bad input")
    batch = v1.train.batch([bad], 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad input"), running() as session:
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(batch)


def test_queue_runners_come_back_from_their_message(graph):
    v1.train.batch(numbers(), 2)
    runner = graph.get_collection(v1.GraphKeys.QUEUE_RUNNERS)[-1]
    copy = v1.train.QueueRunner.from_proto(runner.to_proto())
    assert copy.enqueue_ops == runner.enqueue_ops and copy.cancel_op is runner.cancel_op
    assert copy.queue_closed_exception_types == (tf.errors.OutOfRangeError,)


def test_runners_start_once(graph):
    v1.train.batch(numbers(epochs=None), 2)
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        coordinator = tf.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        assert len(threads) == 4
        assert len(v1.train.start_queue_runners(session, coordinator)) == 0
        coordinator.request_stop()
        coordinator.join(threads)


def test_start_needs_a_session():
    with pytest.raises(ValueError, match="No default session"):
        v1.train.start_queue_runners()
    with pytest.raises(TypeError, match="tf.Session"):
        v1.train.start_queue_runners("session")


def test_pipelines_of_programs_that_run_eagerly():
    from penstock.engine import context

    with context.building(None):
        batch = v1.train.batch([tf.constant([1, 2, 3])], 2, enqueue_many=True)
        with v1.Session(graph=batch.graph) as session:
            coordinator = tf.train.Coordinator()
            threads = v1.train.start_queue_runners(session, coordinator)
            assert session.run(batch).shape == (2,)
            coordinator.request_stop()
            coordinator.join(threads)


def test_sparse_examples():
    number = v1.train.range_input_producer(4, num_epochs=1, shuffle=False).dequeue()
    position = tf.cast(tf.reshape(number, [1, 1]), tf.int64)
    sparse = tf.SparseTensor(position, tf.reshape(number * 10, [1]), [5])
    batch, numbers = v1.train.batch([sparse, number], 4)
    with running() as session:
        found, plain = session.run([batch, numbers])
    assert plain.tolist() == [0, 1, 2, 3]
    assert found.dense_shape.tolist() == [4, 5]
    assert found.indices.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]] and found.values.tolist() == [
        0,
        10,
        20,
        30,
    ]
