"""`PreemptionWatcher` notes SIGTERM, and leaves a program's own handler in place."""

import os
import signal

import pytest

import penstock as tf


@pytest.fixture
def calls():
    """The signals that the program's own handler got."""
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


def test_a_warning_is_noted_and_passed_on(calls):
    watcher = tf.distribute.experimental.PreemptionWatcher()
    assert watcher.preemption_message is None
    os.kill(os.getpid(), signal.SIGTERM)
    assert watcher.preemption_message == "SIGTERM"
    watcher.block_until_worker_exit()
    assert calls == [signal.SIGTERM]
