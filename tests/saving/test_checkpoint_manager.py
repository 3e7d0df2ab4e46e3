"""`tf.train.CheckpointManager`: which checkpoints it keeps, and how it takes up an earlier run."""

import os

import pytest

import penstock as tf


@pytest.fixture
def checkpoint():
    return tf.train.Checkpoint(v=tf.Variable(1.0), step=tf.Variable(0))


def _names(paths):
    return [os.path.basename(path) for path in paths]


def _on_disk(directory):
    return sorted(name.removesuffix(".index") for name in os.listdir(directory) if name.endswith(".index"))


def test_the_newest_are_kept(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=2)
    for _ in range(4):
        manager.save()
    assert _names(manager.checkpoints) == _on_disk(tmp_path) == ["ckpt-3", "ckpt-4"]
    assert manager.latest_checkpoint == str(tmp_path / "ckpt-4")
    state = tf.train.get_checkpoint_state(tmp_path)
    assert _names(state.all_model_checkpoint_paths) == ["ckpt-3", "ckpt-4"]
    assert len(state.all_model_checkpoint_timestamps) == 2


def test_all_are_kept(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=None)
    for _ in range(3):
        manager.save()
    assert _on_disk(tmp_path) == ["ckpt-1", "ckpt-2", "ckpt-3"]


def test_one_of_each_interval_is_kept_for_good(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(
        checkpoint, tmp_path, max_to_keep=1, keep_checkpoint_every_n_hours=1e-12
    )
    for _ in range(3):
        manager.save()
    assert _names(manager.checkpoints) == ["ckpt-3"]
    assert _on_disk(tmp_path) == ["ckpt-1", "ckpt-2", "ckpt-3"]


def test_a_thread_may_write(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1)
    for _ in range(3):
        manager.save(options=tf.train.CheckpointOptions(enable_async=True))
    manager.sync()
    assert _names(manager.checkpoints) == _on_disk(tmp_path) == ["ckpt-3"]


def test_in_a_session(tmp_path):
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        variable = tf1.get_variable("v", initializer=1.0)
        checkpoint = tf1.train.Checkpoint(v=variable)
        session.run(variable.initializer)
        manager = tf1.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1)
        manager.save()
        assert manager.save() == str(tmp_path / "ckpt-2")
    assert _on_disk(tmp_path) == ["ckpt-2"]


def test_an_earlier_run_is_taken_up(checkpoint, tmp_path):
    tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=2).save()
    again = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=2)
    assert _names(again.checkpoints) == ["ckpt-1"]
    checkpoint.v.assign(5.0)
    assert again.restore_or_initialize() == str(tmp_path / "ckpt-1")
    assert checkpoint.v.numpy() == 1.0


def test_a_directory_that_moved_is_still_right(checkpoint, tmp_path):
    tf.train.CheckpointManager(checkpoint, tmp_path / "old", max_to_keep=2).save()
    os.rename(tmp_path / "old", tmp_path / "new")
    assert tf.train.latest_checkpoint(tmp_path / "new") == str(tmp_path / "new" / "ckpt-1")


def test_a_newest_checkpoint_that_is_gone_is_an_error(checkpoint, tmp_path):
    path = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=2).save()
    os.remove(f"{path}.index")
    again = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=2)
    with pytest.raises(tf.errors.NotFoundError, match="ckpt-1"):
        again.restore_or_initialize()


def test_the_first_run_is_initialized(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(
        checkpoint, tmp_path, max_to_keep=1, init_fn=lambda: checkpoint.v.assign(9.0)
    )
    assert manager.restore_or_initialize() is None
    assert checkpoint.v.numpy() == 9.0


def test_steps_between_checkpoints(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(
        checkpoint, tmp_path, max_to_keep=5, step_counter=checkpoint.step, checkpoint_interval=3
    )
    saved = []
    for _ in range(7):
        saved.append(manager.save() is not None)
        checkpoint.step.assign_add(1)
    assert saved == [True, False, False, True, False, False, True]
    assert manager.save(check_interval=False) is not None


def test_a_number_and_a_name_of_ones_own(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1, checkpoint_name="model")
    assert manager.save(checkpoint_number=1000) == str(tmp_path / "model-1000")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"max_to_keep": 0}, "positive integer"),
        ({"max_to_keep": 1, "checkpoint_interval": 2}, "step_counter"),
    ],
)
def test_bad_arguments(checkpoint, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        tf.train.CheckpointManager(checkpoint, tmp_path, **arguments)


def test_checkpoints_are_given_as_they_appear(checkpoint, tmp_path):
    manager = tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1)
    found = tf.train.checkpoints_iterator(tmp_path, timeout=0)
    manager.save()
    assert next(found) == str(tmp_path / "ckpt-1")
    manager.save()
    assert next(found) == str(tmp_path / "ckpt-2")
    assert list(found) == []


def test_views(checkpoint, tmp_path):
    path = checkpoint.write(tmp_path / "model")
    view = tf.train.CheckpointView(path)
    assert view.children(0) == {"step": 1, "v": 2}
    assert view.descendants() == [0, 1, 2]
    other = tf.train.Checkpoint(v=checkpoint.v, new=tf.Variable(1))
    matched, only_there, only_here = view.diff(other)
    assert matched == {0: other, 2: checkpoint.v}
    assert (only_there, [id(each) for each in only_here]) == ([1], [id(other.new)])


def test_a_view_of_names_is_refused(tmp_path):
    tf.compat.v1.train.Saver([tf.Variable(1.0)]).save(None, str(tmp_path / "model"))
    with pytest.raises(tf.errors.NotFoundError, match="object-based"):
        tf.train.CheckpointView(tmp_path / "model")
