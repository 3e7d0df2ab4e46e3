"""Hooks of monitored sessions: when they act, and what they do."""

from __future__ import annotations

import json
import logging
import os

import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train


class Graph:
    """A global step, an operation that advances it, and a loss that can be fed."""

    def __init__(self):
        self.step = train.get_or_create_global_step()
        self.advance = self.step.assign_add(1)
        self.loss = v1.placeholder_with_default(2.0, [], name="loss")


@pytest.fixture
def graph():
    with tf.Graph().as_default():
        yield Graph()


@pytest.fixture
def log(caplog):
    logger = tf.get_logger()
    outer = logger.level
    logger.setLevel(logging.INFO)
    logger.propagate = True
    yield caplog
    logger.setLevel(outer)


def session(*hooks):
    return train.SingularMonitoredSession(hooks, scaffold=train.Scaffold(saver=Saver()))


class Saver:
    """Stands for a saver: notes when it is called."""

    def __init__(self):
        self.steps = []

    def save(self, session, path, global_step, write_meta_graph=True):
        self.steps.append(int(global_step))


def events(folder):
    """(kind, step) of all events in a folder."""
    v1.summary.FileWriterCache.clear()
    return [
        (event.WhichOneof("what"), event.step)
        for name in os.listdir(folder)
        if "tfevents" in name
        for event in train.summary_iterator(os.path.join(folder, name))
    ]


# Timers.


def test_a_timer_triggers_at_the_first_step_and_then_every_few():
    timer = train.SecondOrStepTimer(every_steps=3)
    assert timer.should_trigger_for_step(1)
    assert timer.update_last_triggered_step(1) == (None, None)
    assert [timer.should_trigger_for_step(step) for step in (1, 2, 3, 4)] == [False, False, False, True]
    assert timer.update_last_triggered_step(5)[1] == 4
    timer.reset()
    assert timer.last_triggered_step() is None


def test_a_timer_of_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("penstock.train.hook_timer.time.monotonic", lambda: now[0])
    timer = train.SecondOrStepTimer(every_secs=2.0)
    timer.update_last_triggered_step(1)
    assert not timer.should_trigger_for_step(2)
    now[0] = 2.0
    assert timer.should_trigger_for_step(2)


@pytest.mark.parametrize("arguments", [{}, {"every_secs": 1.0, "every_steps": 1}])
def test_a_timer_needs_one_setting(arguments):
    with pytest.raises(ValueError):
        train.SecondOrStepTimer(**arguments)


# The end.


@pytest.mark.parametrize(("arguments", "last"), [({"num_steps": 3}, 3), ({"last_step": 2}, 2)])
def test_the_end_at_a_step(graph, arguments, last):
    with session(train.StopAtStepHook(**arguments)) as running:
        while not running.should_stop():
            step = running.run(graph.advance)
    assert step == last


def test_the_last_step_is_given_once():
    with pytest.raises(ValueError):
        train.StopAtStepHook()
    with pytest.raises(ValueError):
        train.StopAtStepHook(num_steps=1, last_step=1)


def test_there_must_be_a_global_step():
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="Global step should be created"):
        session(train.StopAtStepHook(num_steps=1))


def test_a_loss_that_is_no_number(graph):
    with pytest.raises(train.NanLossDuringTrainingError, match="NaN loss"):
        with session(train.NanTensorHook(graph.loss)) as running:
            running.run(graph.advance, {graph.loss: float("nan")})


def test_such_a_loss_may_end_the_training(graph):
    with session(train.NanTensorHook(graph.loss, fail_on_nan_loss=False)) as running:
        running.run(graph.advance)
        assert not running.should_stop()
        running.run(graph.advance, {graph.loss: float("nan")})
        assert running.should_stop()


def test_what_is_evaluated_at_the_end(graph):
    hook = train.FinalOpsHook([graph.step, graph.loss], {graph.loss: 7.0})
    with session(hook) as running:
        running.run(graph.advance)
    assert hook.final_ops_values == [1, 7.0]


# Feeds and logs.


def test_a_hook_feeds(graph):
    with session(train.FeedFnHook(lambda: {graph.loss: 5.0})) as running:
        assert running.run(graph.loss) == 5.0
        with pytest.raises(RuntimeError, match="fed by a SessionRunHook and user"):
            running.run(graph.loss, {graph.loss: 1.0})


def test_tensors_are_logged(graph, log):
    with session(train.LoggingTensorHook({"the loss": "loss"}, every_n_iter=2)) as running:
        for _ in range(3):
            running.run(graph.advance)
    lines = [each for each in log.messages if "the loss" in each]
    assert lines[0] == "the loss = 2.0"
    assert len(lines) == 2 and lines[1].endswith("sec)")


def test_tensors_are_logged_at_the_end_with_a_formatter(graph, log):
    hook = train.LoggingTensorHook(["loss:0"], at_end=True, formatter=lambda values: f"<{values['loss:0']}>")
    with session(hook) as running:
        running.run(graph.advance)
    assert log.messages.count("<2.0>") == 1


def test_it_must_be_clear_when_to_log():
    with pytest.raises(ValueError, match="exactly one"):
        train.LoggingTensorHook([])
    with pytest.raises(ValueError, match="every_n_iter=0"):
        train.LoggingTensorHook([], every_n_iter=0)


# Files.


def test_summaries_are_written_every_few_steps(graph, tmp_path):
    summary = v1.summary.scalar("the_loss", graph.loss)
    with session(train.SummarySaverHook(2, output_dir=str(tmp_path), summary_op=summary)) as running:
        for _ in range(5):
            running.run(graph.advance)
    assert events(tmp_path)[1:] == [("session_log", 1), ("summary", 1), ("summary", 3), ("summary", 5)]


def test_it_must_be_clear_what_to_write():
    with pytest.raises(ValueError, match="Exactly one"):
        train.SummarySaverHook(1)


def test_the_speed_is_written(graph, tmp_path, log):
    with session(train.StepCounterHook(2, output_dir=str(tmp_path))) as running:
        for _ in range(3):
            running.run(graph.advance)
    assert events(tmp_path)[1:] == [("summary", 3)]
    assert any(each.startswith("global_step/sec: ") for each in log.messages)


def test_a_step_that_does_not_grow_is_told(graph, log):
    with session(train.StepCounterHook(1)) as running:
        for _ in range(3):
            running.run(graph.loss)
    assert any("has not been increased" in each for each in log.messages)


class Listener(train.CheckpointSaverListener):
    def __init__(self):
        self.calls = []

    def begin(self):
        self.calls.append("begin")

    def before_save(self, session, global_step_value):
        self.calls.append(("before", int(global_step_value)))

    def after_save(self, session, global_step_value):
        self.calls.append(("after", int(global_step_value)))
        return global_step_value >= 4

    def end(self, session, global_step_value):
        self.calls.append(("end", int(global_step_value)))


def test_checkpoints_are_saved_at_the_start_every_few_steps_and_at_the_end(graph, tmp_path):
    saver = Saver()
    with session(train.CheckpointSaverHook(str(tmp_path), save_steps=2, saver=saver)) as running:
        for _ in range(5):
            running.run(graph.advance)
    assert saver.steps == [0, 2, 4, 5]
    assert [each[0] for each in events(tmp_path)].count("session_log") == 4
    assert (tmp_path / "graph.pbtxt").exists()


def test_listeners_are_called_around_checkpoints(graph, tmp_path):
    listener = Listener()
    hook = train.CheckpointSaverHook(str(tmp_path), save_steps=4, saver=Saver(), listeners=[listener])
    with session(hook) as running:
        while not running.should_stop():
            running.run(graph.advance)
    assert listener.calls == ["begin", ("before", 0), ("after", 0), ("before", 4), ("after", 4), ("end", 4)]


def test_a_saver_or_a_scaffold(tmp_path):
    with pytest.raises(ValueError, match="both saver and scaffold"):
        train.CheckpointSaverHook(str(tmp_path), save_steps=1, saver=Saver(), scaffold=train.Scaffold())


def test_the_times_of_a_step_are_written(graph, tmp_path):
    with session(train.ProfilerHook(save_steps=2, output_dir=str(tmp_path))) as running:
        for _ in range(4):
            running.run(graph.advance)
    traces = [each for each in os.listdir(tmp_path) if not each.startswith("events")]
    assert traces == ["timeline-3.json"]
    assert json.loads((tmp_path / traces[0]).read_text())["traceEvents"]


def test_waiting_for_a_step(graph, monkeypatch):
    hook = train.GlobalStepWaiterHook(2)
    monkeypatch.setattr("penstock.train.basic_hooks.time.sleep", lambda _: other.run(graph.advance))
    with session(hook) as running:
        other = running.raw_session()
        assert running.run(graph.step) == 2
