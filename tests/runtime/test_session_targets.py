"""Sessions with the target of a server in this process."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_variables_outlive_sessions_of_a_server(graph):
    server = v1.train.Server.create_local_server()
    v = v1.Variable(2.0, name="v")
    with v1.Session(server.target) as session:
        session.run(v.initializer)
    with v1.Session(server.target) as first, v1.Session(server.target) as second:
        first.run(v.assign_add(1.0))
        assert second.run(v) == 3.0
    v1.Session.reset(server.target)
    with v1.Session(server.target) as session, pytest.raises(tf.errors.FailedPreconditionError):
        session.run(v)


def test_servers_share_nothing(graph):
    v = v1.Variable(2.0, name="v")
    with v1.Session(v1.train.Server.create_local_server().target) as session:
        session.run(v.initializer)
    with v1.Session(v1.train.Server.create_local_server().target) as session:
        assert session.run(v1.report_uninitialized_variables()).tolist() == [b"v"]


def test_queues_and_random_numbers_begin_anew_after_the_last_session(graph):
    server = v1.train.Server.create_local_server()
    queue = v1.FIFOQueue(3, "int32", shared_name="q")
    numbers = v1.random_uniform([2], seed=1)
    with v1.Session(server.target) as session:
        session.run(queue.enqueue(1))
        before = session.run(numbers)
    with v1.Session(server.target) as session:
        assert session.run(queue.size()) == 0
        np.testing.assert_array_equal(session.run(numbers), before)


def test_only_servers_of_this_process_have_targets(graph):
    with pytest.raises(tf.errors.NotFoundError, match="no tf.compat.v1.train.Server"):
        v1.Session("grpc://nowhere:1")
    server = v1.train.Server({"local": ["a:1", "b:1"]}, "local", 0)
    with pytest.raises(tf.errors.UnimplementedError, match="not here: b:1"):
        v1.Session(server.target)
    other = v1.train.Server({"local": ["a:1", "b:1"]}, "local", 1)
    v = v1.Variable(2.0, name="v")
    with v1.Session(server.target) as first, v1.Session(other.target) as second:
        first.run(v.initializer)
        assert second.run(v) == 2.0


def test_monitored_training_on_a_server(graph):
    cluster = v1.train.ClusterSpec({"worker": ["localhost:2222"]})
    server = v1.train.Server(cluster, job_name="worker", task_index=0)
    with v1.device(v1.train.replica_device_setter(worker_device="/job:worker/task:0", cluster=cluster)):
        w = v1.Variable(4.0)
        step = v1.train.get_or_create_global_step()
        train = v1.train.GradientDescentOptimizer(0.25).minimize(w * w, global_step=step)
    stop = v1.train.StopAtStepHook(last_step=2)
    with v1.train.MonitoredTrainingSession(master=server.target, is_chief=True, hooks=[stop]) as session:
        assert session.run(step) == 0
        session.run(train)
        session.run(train)
        assert session.should_stop()
    with v1.Session(server.target) as session:
        assert session.run([w, step]) == [1.0, 2]
