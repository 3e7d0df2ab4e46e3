"""`tf.train.Coordinator` and `LooperThread`."""

from __future__ import annotations

import threading

import pytest

import penstock as tf

v1 = tf.compat.v1
Coordinator = tf.train.Coordinator


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_threads_see_the_request():
    coordinator = Coordinator()
    seen = []
    thread = start(lambda: seen.append(coordinator.wait_for_stop()))
    coordinator.request_stop()
    coordinator.join([thread])
    assert seen == [True] and coordinator.should_stop() and coordinator.joined


def test_the_first_error_is_raised():
    coordinator = Coordinator()
    coordinator.request_stop(ValueError("first"))
    coordinator.request_stop(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        coordinator.raise_requested_exception()
    with pytest.raises(ValueError, match="first"):
        coordinator.join()


def test_the_end_of_the_input_is_no_error():
    coordinator = Coordinator()
    coordinator.request_stop(tf.errors.OutOfRangeError(None, None, "end"))
    coordinator.join()


def test_other_clean_ends():
    coordinator = Coordinator(clean_stop_exception_types=(KeyError,))
    coordinator.request_stop(KeyError("done"))
    coordinator.join()


def test_errors_after_join_are_raised_at_once():
    coordinator = Coordinator()
    coordinator.join()
    with pytest.raises(ValueError, match="late"):
        coordinator.request_stop(ValueError("late"))


def test_stragglers():
    coordinator, go_on = Coordinator(), threading.Event()
    coordinator.register_thread(start(go_on.wait))
    coordinator.request_stop()
    try:
        with pytest.raises(RuntimeError, match="still running"):
            coordinator.join(stop_grace_period_secs=0)
    finally:
        go_on.set()


def test_it_can_begin_again():
    coordinator = Coordinator()
    coordinator.request_stop(ValueError())
    coordinator.clear_stop()
    assert not coordinator.should_stop()
    coordinator.join()


@pytest.mark.parametrize("interval", [None, 0.001])
def test_a_looper_runs_until_the_stop(interval):
    coordinator, count = Coordinator(), []

    def work(last):
        count.append(1)
        if len(count) == last:
            coordinator.request_stop()

    v1.train.LooperThread.loop(coordinator, interval, work, args=(3,))
    coordinator.join()
    assert len(count) == 3


def test_an_error_in_a_looper_stops_all():
    coordinator = Coordinator()

    def work():
        raise ValueError("broken")

    v1.train.LooperThread.loop(coordinator, 0.001, work)
    with pytest.raises(ValueError, match="broken"):
        coordinator.join()


def test_a_looper_needs_a_coordinator():
    with pytest.raises(ValueError, match="Coordinator"):
        v1.train.LooperThread(None, 1)
