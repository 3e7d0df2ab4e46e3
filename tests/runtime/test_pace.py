"""Long calls wait for each other, short ones do not."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.context import process
from penstock.runtime import pace as module
from penstock.runtime.pace import Pace


class Result:
    """Stands for an array that takes a while to compute."""

    def __init__(self, clock, seconds):
        self._clock, self._seconds, self.waited = clock, seconds, 0

    def is_ready(self):
        return False

    def block_until_ready(self):
        self.waited += 1
        self._clock.now += self._seconds


class Clock:
    """Time that passes when it is told to."""

    now = 1.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(process, "accelerator", False)
    monkeypatch.setattr(module, "place_of_next", lambda size, place: 1)
    return clock


@pytest.mark.parametrize("seconds, waits", [(0.2, 10), (0.001, 3)])
def test_only_long_calls_wait(clock, seconds, waits):
    pace, result = Pace(), Result(clock, seconds)
    for _ in range(10):
        pace.note_start()
        pace.before_call(result, None)
    assert result.waited == waits


def test_nothing_waits_before_the_first_call_or_for_a_value_of_numpy(clock):
    pace, result = Pace(), Result(clock, 1.0)
    pace.before_call(result, None)
    pace.note_start()
    pace.before_call(3.0, None)
    assert result.waited == 0


def test_a_program_is_compiled_once(clock):
    pace, compiled = Pace(), []
    for _ in range(3):
        pace.before_call(Result(clock, 1.0), lambda: compiled.append(1) or 0)
        pace.note_start()
    assert compiled == [1]


def test_memory_that_is_freed_late_is_waited_for(monkeypatch, clock):
    in_use = []
    monkeypatch.setattr(module, "bytes_in_use", lambda: in_use.pop(0) if len(in_use) > 1 else in_use[0])
    pace, result, size = Pace(), Result(clock, 0.5), 10 * Pace._MUCH
    in_use[:] = [0]
    pace.before_call(result, lambda: size)
    pace.note_start()
    in_use[:] = [size, size, size, 0]  # the thread that frees it is late
    before = clock.now
    pace.before_call(result, None)
    assert in_use == [0]
    assert clock.now - before == pytest.approx(0.5 + 3e-4)


def test_memory_that_stays_in_use_is_not_waited_for_without_end(monkeypatch, clock):
    monkeypatch.setattr(module, "bytes_in_use", iter([0, *[10 * Pace._MUCH] * 10_000]).__next__)
    pace = Pace()
    pace.before_call(None, lambda: 10 * Pace._MUCH)
    pace.note_start()
    before = clock.now
    pace.before_call(Result(clock, 0.5), None)
    assert clock.now - before == pytest.approx(0.5 + Pace._LONGEST, abs=1e-3)


def test_a_program_whose_memory_moves_at_each_call_gives_the_old_one_back_seldom(monkeypatch, clock):
    monkeypatch.setattr(module, "bytes_in_use", lambda: 0)
    looks = []
    monkeypatch.setattr(module, "place_of_next", lambda size, place: looks.append(size) or len(looks))
    pace = Pace()
    for _ in range(5 * Pace._FIRST):
        pace.before_call(Result(clock, 0.5), lambda: Pace._MUCH)
        pace.note_start()
    assert len(looks) == Pace._FIRST + 2


def test_several_blocks_are_left_where_they_are(monkeypatch, clock):
    monkeypatch.setattr(module, "bytes_in_use", lambda: 0)
    monkeypatch.setattr(module, "place_of_next", lambda size, place: pytest.fail("looked for a place"))
    pace = Pace(one_block=False)
    for _ in range(3):
        pace.before_call(Result(clock, 0.5), lambda: Pace._MUCH)
        pace.note_start()


def test_memory_in_use_grows_with_what_is_allocated():
    from penstock.engine.memory import bytes_in_use

    before = bytes_in_use()
    if not before:
        pytest.skip("malloc of this system does not say what is in use")
    block = bytearray(1 << 24)
    assert bytes_in_use() - before >= len(block)


def test_large_variables_are_copied_while_their_program_is_compiled():
    start = np.random.default_rng(0).standard_normal((1 << 11, 1 << 12)).astype(np.float32)
    weights, moments, few = tf.Variable(start), tf.Variable(tf.zeros(start.shape)), tf.Variable(1.0)

    @tf.function
    def step():
        moments.assign_add(2 * weights)
        weights.assign_sub(moments)
        return few.assign_add(1.0)

    assert [float(step()) for _ in range(2)] == [2, 3]
    np.testing.assert_array_equal(weights, -start)
    np.testing.assert_array_equal(moments, 0 * start)
