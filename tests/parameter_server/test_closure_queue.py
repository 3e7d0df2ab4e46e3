"""The queue of scheduled functions: order, waiting, errors, what comes back from a lost worker."""

import threading

import pytest

import penstock as tf
from penstock.parameter_server.closure_queue import Closure, ClosureQueue
from penstock.parameter_server.remote_values import RemoteValue


def _closure():
    return Closure(None, [], RemoteValue(tuple))


def test_closures_come_in_order_and_are_counted():
    queue, closures = ClosureQueue(), [_closure(), _closure()]
    for each in closures:
        queue.put(each)
    assert [queue.get(), queue.get()] == closures
    assert queue.get(wait=False) is None
    assert not queue.done()
    for each in closures:
        queue.finished(each)
    assert queue.done() and queue.join()


def test_what_a_lost_worker_had_is_next():
    queue, first, second = ClosureQueue(), _closure(), _closure()
    queue.put(first)
    queue.put(second)
    queue.put_back(queue.get())
    assert queue.get() is first


def test_an_error_cancels_what_waits_and_is_raised_once():
    queue, fails, waits = ClosureQueue(), _closure(), _closure()
    queue.put(fails)
    queue.put(waits)
    queue.failed(queue.get(), ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        queue.join()
    assert queue.join()
    with pytest.raises(ValueError, match="no"):
        fails.result.fetch()
    with pytest.raises(tf.errors.CancelledError):
        waits.result.fetch()


def test_put_raises_the_error_of_a_closure_before():
    queue = ClosureQueue()
    queue.put(_closure())
    queue.failed(queue.get(), ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        queue.put(_closure())


def test_put_waits_while_the_queue_is_full():
    queue = ClosureQueue(most_waiting=1)
    queue.put(_closure())
    added = threading.Event()

    def put():
        queue.put(_closure())
        added.set()

    thread = threading.Thread(target=put)
    thread.start()
    assert not added.is_set()
    queue.get()
    thread.join(10)
    assert added.is_set()


def test_a_closed_queue_gives_nothing():
    queue, waits = ClosureQueue(), _closure()
    queue.put(waits)
    queue.close()
    assert queue.get() is None
    with pytest.raises(tf.errors.CancelledError):
        waits.result.get()


def test_nothing_is_put_where_no_worker_is_left():
    queue = ClosureQueue(workers=2)
    for worker in range(2):
        queue.put(_closure())
        queue.lost_worker(tf.errors.DeadlineExceededError(None, None, f"worker {worker} does not come back"))
        with pytest.raises(tf.errors.DeadlineExceededError, match=f"worker {worker}"):
            queue.join()
    with pytest.raises(tf.errors.UnavailableError, match="no worker is left"):
        queue.put(_closure())


def test_a_queue_that_is_closed_lets_those_go_who_wait_for_room():
    queue = ClosureQueue(most_waiting=0)
    queue.close()
    with pytest.raises(tf.errors.CancelledError):
        queue.put(_closure())
