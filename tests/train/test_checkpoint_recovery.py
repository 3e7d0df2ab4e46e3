"""Training that was stopped goes on where its last checkpoint was: monitored sessions and the supervisor."""

from __future__ import annotations

import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train


def build():
    """A weight that grows by one in each step."""
    step = train.get_or_create_global_step()
    weight = v1.get_variable("weight", initializer=0.0)
    return weight, tf.group(weight.assign_add(1.0), step.assign_add(1))


def train_until(folder, last):
    with tf.Graph().as_default():
        weight, advance = build()
        hooks = [train.StopAtStepHook(last_step=last)]
        with train.MonitoredTrainingSession(
            checkpoint_dir=folder, hooks=hooks, save_checkpoint_steps=100
        ) as session:
            start = session.run(weight)
            while not session.should_stop():
                session.run(advance)
    return start


def test_a_monitored_session_goes_on(tmp_path):
    assert train_until(str(tmp_path), 3) == 0.0
    assert train_until(str(tmp_path), 5) == 3.0
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-5")


def test_a_singular_session_from_one_checkpoint(tmp_path):
    train_until(str(tmp_path), 3)
    with tf.Graph().as_default():
        weight, _ = build()
        path = str(tmp_path / "model.ckpt-3")
        with train.SingularMonitoredSession(checkpoint_filename_with_path=path) as session:
            assert session.run(weight) == 3.0


@pytest.mark.parametrize("start", [0.0, 2.0])
def test_a_supervisor_goes_on(tmp_path, start):
    if start:
        train_until(str(tmp_path), int(start))
    with tf.Graph().as_default():
        weight, advance = build()
        supervisor = train.Supervisor(logdir=str(tmp_path), save_model_secs=0, save_summaries_secs=0)
        with supervisor.managed_session() as session:
            assert session.run(weight) == start
            session.run(advance)
            supervisor.saver.save(session, supervisor.save_path, global_step=supervisor.global_step)
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith(f"model.ckpt-{int(start) + 1}")
