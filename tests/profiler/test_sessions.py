"""`tf.profiler.experimental`: where profiles go, and what is refused."""

from __future__ import annotations

import os

import pytest

import penstock as tf

profiler = tf.profiler.experimental


def files(folder):
    return [name for _, _, names in os.walk(folder) for name in names]


def test_a_profile_lands_in_the_directory(tmp_path):
    with profiler.Profile(str(tmp_path)), profiler.Trace("step", step_num=1) as trace:
        trace.set_metadata(batch=3)
    assert any(name.endswith(".xplane.pb") for name in files(tmp_path / "plugins" / "profile"))


def test_a_profile_may_be_dropped(tmp_path):
    profiler.start(str(tmp_path))
    profiler.stop(save=False)
    assert files(tmp_path) == []


def test_one_profile_at_a_time(tmp_path):
    profiler.start(str(tmp_path))
    try:
        with pytest.raises(tf.errors.AlreadyExistsError):
            profiler.start(str(tmp_path))
    finally:
        profiler.stop(save=False)


def test_stop_needs_a_profile():
    with pytest.raises(tf.errors.UnavailableError):
        profiler.stop()


def test_a_trace_without_a_profile_does_nothing():
    with profiler.Trace("step") as trace:
        trace.set_metadata(batch=3)
