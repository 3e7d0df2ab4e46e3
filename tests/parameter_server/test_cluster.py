"""Servers and workers as actors of Ray: closures, datasets, errors, and what happens when processes are killed."""

import os
import signal

import numpy as np
import pytest

import penstock as tf
from penstock.cluster import ray_session
from penstock.engine.context import process


@pytest.fixture(scope="module")
def cluster():
    """A strategy with two servers and two workers, its coordinator, and a variable."""
    tasks = {"worker": ["localhost:1", "localhost:2"], "ps": ["localhost:3", "localhost:4"]}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec(tasks))
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    link, run_placed = process.registry["parameter_servers"], process.run_placed
    listener = process.registry["checkpoint_written"]

    def restored():  # what the fixture of the folder clears after each test
        process.registry["parameter_servers"], process.run_placed = link, run_placed
        process.registry["checkpoint_written"] = listener

    yield strategy, coordinator, restored
    coordinator._queue.close()
    for name in strategy._cluster.names:  # Ray goes on for the tests of other files
        ray_session.ray().kill(strategy._cluster.actor(name))


@pytest.fixture
def parts(cluster):
    strategy, coordinator, restored = cluster
    restored()
    return strategy, coordinator


def _kill(strategy, task):
    os.kill(strategy._cluster.about(task)["pid"], signal.SIGKILL)


def test_training_with_workers_own_datasets(parts):
    strategy, coordinator = parts
    with strategy.scope():
        weights, steps = tf.Variable(tf.zeros([4, 1])), tf.Variable(0, dtype=tf.int64)

    def dataset_fn():
        x = np.random.RandomState(0).rand(32, 4).astype(np.float32)
        y = x @ np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
        return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(32).batch(8).repeat()

    @tf.function
    def step(iterator):
        def one(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((tf.matmul(x, weights) - y) ** 2)
            weights.assign_sub(0.3 * tape.gradient(loss, weights))
            steps.assign_add(1)
            return loss

        return strategy.reduce("SUM", strategy.run(one, args=next(iterator)), axis=None)

    iterator = iter(coordinator.create_per_worker_dataset(dataset_fn))
    losses = [coordinator.schedule(step, args=(iterator,)) for _ in range(60)]
    coordinator.join()
    assert coordinator.done()
    assert steps.numpy() == 60
    assert losses[-1].fetch() < 0.1 * losses[0].fetch()
    assert coordinator.fetch([losses[0], 7])[1] == 7


def test_a_server_whose_actor_is_killed_ends_with_an_error(parts):
    server = tf.distribute.Server({"ps": ["a:1"], "worker": ["b:1"]}, "ps", 0)
    os.kill(ray_session.ray().get(server._actor.about.remote())["pid"], signal.SIGKILL)
    with pytest.raises(tf.errors.UnavailableError, match="the actor of ps 0 has ended"):
        server.join()


def test_an_error_comes_up_once_and_cancels_what_waits(parts):
    strategy, coordinator = parts
    with strategy.scope():
        v = tf.Variable(1.0)

    @tf.function
    def fails():
        tf.debugging.Assert(v < 0.0, ["not so"])

    coordinator.schedule(fails)
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed"):
        coordinator.join()
    coordinator.join()
    assert coordinator.schedule(tf.function(lambda: v + 1.0)).fetch() == 2.0


def test_the_end_of_a_dataset_is_an_error(parts):
    _, coordinator = parts
    iterator = iter(coordinator.create_per_worker_dataset(tf.data.Dataset.range(1)))
    function = tf.function(lambda it: next(it))
    for _ in range(3):
        coordinator.schedule(function, args=(iterator,))
    with pytest.raises(tf.errors.OutOfRangeError):
        coordinator.join()


def test_variables_of_other_scopes_are_refused(parts):
    _, coordinator = parts
    local = tf.Variable(1.0, name="local")
    with pytest.raises(ValueError, match="local.*not made under the ParameterServerStrategy"):
        coordinator.schedule(tf.function(lambda: local + 1.0))


def test_lost_workers_and_servers(parts, tmp_path):
    strategy, coordinator = parts
    with strategy.scope():
        variables = [tf.Variable(0.0), tf.Variable(0.0)]  # one on each server
    add = tf.function(lambda: [each.assign_add(1.0).read_value() for each in variables])
    for _ in range(10):
        coordinator.schedule(add)
    coordinator.join()
    tf.train.Checkpoint(variables=variables).write(str(tmp_path / "saved"))
    for _ in range(20):
        coordinator.schedule(add)
    _kill(strategy, "worker/0")
    coordinator.join()
    assert variables[0].numpy() >= 30.0  # what the worker had not reported may have run twice
    _kill(strategy, variables[0]._server)
    for _ in range(5):
        coordinator.schedule(add)
    coordinator.join()
    assert 15.0 <= variables[0].numpy() <= 15.0 + 2 * 2
    assert variables[1].numpy() >= 35.0
