"""A process that dies while it saves leaves a directory from which the next one goes on."""

import os

import pytest

import penstock as tf

tf1 = tf.compat.v1


class PowerLoss(BaseException):
    """What no program catches."""


@pytest.fixture
def dying(monkeypatch):
    """Lets the process die at the n-th call that changes what a directory holds."""

    def at(number):
        count = 0

        def counted(function):
            def call(*args, **kwargs):
                nonlocal count
                count += 1
                if count > number:
                    raise PowerLoss
                return function(*args, **kwargs)

            return call

        for name in ("replace", "remove", "unlink"):
            monkeypatch.setattr(os, name, counted(getattr(os, name)))

    yield at
    monkeypatch.undo()


@pytest.mark.parametrize("step", range(8))
def test_a_manager_goes_on(tmp_path, dying, monkeypatch, step):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1)
    manager.save()
    checkpoint.v.assign(2.0)
    dying(step)
    try:
        manager.save()
        finished = True
    except PowerLoss:
        finished = False
    monkeypatch.undo()
    again = tf.train.Checkpoint(v=tf.Variable(0.0))
    assert tf.train.CheckpointManager(again, tmp_path, max_to_keep=1).restore_or_initialize()
    assert again.v.numpy() == 2.0 if finished else again.v.numpy() in (1.0, 2.0)


@pytest.mark.parametrize("step", range(5))
def test_a_saver_goes_on(tmp_path, dying, monkeypatch, step):
    variable = tf.Variable(1.0, name="v")
    saver = tf1.train.Saver([variable], max_to_keep=1)
    saver.save(None, str(tmp_path / "model"), global_step=1)
    variable.assign(2.0)
    dying(step)
    with pytest.raises(PowerLoss):
        saver.save(None, str(tmp_path / "model"), global_step=2)
    monkeypatch.undo()
    saver.restore(None, tf.train.latest_checkpoint(tmp_path))
    assert variable.numpy() in (1.0, 2.0)


@pytest.mark.parametrize("step", range(3))
def test_a_checkpoint_that_is_written_again_is_the_old_one_or_damaged(tmp_path, dying, monkeypatch, step):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
    path = checkpoint.write(tmp_path / "model")
    checkpoint.v.assign(2.0)
    dying(step)
    try:
        checkpoint.write(tmp_path / "model")
    except PowerLoss:
        pass
    monkeypatch.undo()
    try:
        checkpoint.read(path)
    except tf.errors.DataLossError:
        return
    assert checkpoint.v.numpy() == (1.0 if step == 0 else 2.0)
