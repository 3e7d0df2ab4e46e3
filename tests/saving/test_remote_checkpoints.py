"""Checkpoints on a file system that is not the local one (fsspec's `memory://`)."""

import itertools

import numpy as np
import pytest

import penstock as tf

_NUMBERS = itertools.count()


@pytest.fixture
def folder():
    pytest.importorskip("fsspec")
    return f"memory://checkpoints{next(_NUMBERS)}/inner"


def test_objects(folder):
    checkpoint = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0]), empty=tf.Variable(tf.zeros([0])))
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
    for _ in range(3):
        manager.save()
    assert sorted(tf.io.gfile.listdir(folder)) == sorted(
        ["checkpoint"]
        + [f"ckpt-{number}.{suffix}" for number in (2, 3) for suffix in ("data-00000-of-00001", "index")]
    )
    assert tf.train.latest_checkpoint(folder) == f"{folder}/ckpt-3"
    checkpoint.v.assign([0.0, 0.0])
    checkpoint.restore(tf.train.latest_checkpoint(folder)).assert_consumed()
    assert checkpoint.v.numpy().tolist() == [1.0, 2.0]


def test_shards(folder):
    value = np.arange(24, dtype=np.float32)
    checkpoint = tf.train.Checkpoint(v=tf.Variable(value))
    policy = tf.train.experimental.MaxShardSizePolicy(max_shard_size=32)
    path = checkpoint.save(
        f"{folder}/model", tf.train.CheckpointOptions(experimental_sharding_callback=policy)
    )
    np.testing.assert_array_equal(tf.train.load_variable(path, "v/.ATTRIBUTES/VARIABLE_VALUE"), value)


@pytest.mark.parametrize("version", [1, 2])
def test_variables(folder, version):
    variable = tf.Variable([1.0, 2.0], name="v")
    saver = tf.compat.v1.train.Saver([variable], write_version=version, max_to_keep=1)
    for step in range(2):
        path = saver.save(None, f"{folder}/model", global_step=step)
    assert not tf.compat.v1.train.checkpoint_exists(f"{folder}/model-0")
    variable.assign([0.0, 0.0])
    saver.restore(None, path)
    assert variable.numpy().tolist() == [1.0, 2.0]


def test_damage(folder):
    path = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(f"{folder}/model")
    data = f"{path}.data-00000-of-00001"
    contents = tf.io.gfile.GFile(data, "rb").read()
    tf.io.write_file(data, b"\xff" + contents[1:])
    with pytest.raises(tf.errors.DataLossError, match="data-00000-of-00001"):
        tf.train.load_variable(path, "v/.ATTRIBUTES/VARIABLE_VALUE")
