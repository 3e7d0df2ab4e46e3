"""Long calls wait for each other, short ones do not."""

import pytest

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


@pytest.mark.parametrize("seconds, waits", [(0.2, 10), (0.001, 3)])
def test_only_long_calls_wait(monkeypatch, seconds, waits):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(process, "accelerator", False)
    pace, result = Pace(), Result(clock, seconds)
    for _ in range(10):
        pace.note_start()
        pace.wait(result)
    assert result.waited == waits


def test_nothing_waits_before_the_first_call_or_for_a_value_of_numpy(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    pace, result = Pace(), Result(clock, 1.0)
    pace.wait(result)
    pace.note_start()
    pace.wait(3.0)
    assert result.waited == 0


def test_memory_that_is_freed_late_is_waited_for(monkeypatch):
    clock, in_use = Clock(), []
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "bytes_in_use", lambda: in_use.pop(0) if len(in_use) > 1 else in_use[0])
    monkeypatch.setattr(process, "accelerator", False)
    pace, result = Pace(), Result(clock, 0.5)
    # The first call shows how much comes free; then it does so after the third look.
    held, free = 10 * Pace._MUCH, Pace._MUCH
    for looks in ([held, free], [held, held, held, free]):
        in_use[:] = looks
        pace.note_start()
        before = clock.now
        pace.wait(result)
    assert in_use == [free]
    assert clock.now - before == pytest.approx(0.5 + 3e-4)


def test_memory_in_use_grows_with_what_is_allocated():
    from penstock.engine.memory import bytes_in_use

    before = bytes_in_use()
    if not before:
        pytest.skip("malloc of this system does not say what is in use")
    block = bytearray(1 << 24)
    assert bytes_in_use() - before >= len(block)
