"""What a cluster is told to be, and how its tasks find each other."""

import socket

import pytest

import penstock as tf
from penstock.parameter_server import rendezvous
from penstock.parameter_server.outcomes import outcome_of
from penstock.parameter_server.tasks import Cluster, prefix_of


def _resolver(cluster, **arguments):
    return tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec(cluster), **arguments)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ({"worker": ["a:1"]}, "at least one ps"),
        ({"ps": ["a:1"]}, "at least one worker"),
        ({"ps": ["a:1"], "worker": ["b:1"], "client": ["c:1"]}, "client"),
    ],
)
def test_clusters_that_are_refused(cluster, message):
    with pytest.raises(ValueError, match=message):
        Cluster.of_resolver(_resolver(cluster))


def test_a_task_of_the_cluster_makes_no_strategy():
    with pytest.raises(ValueError, match="this process is a worker"):
        Cluster.of_resolver(_resolver({"ps": ["a:1"], "worker": ["b:1"]}, task_type="worker", task_id=0))


def test_all_tasks_find_the_same_names():
    with_chief = {"chief": ["c:1"], "worker": ["a:1"], "ps": ["b:1"]}
    assert prefix_of(with_chief) == prefix_of({"ps": ["b:1"], "worker": ["a:1"]})
    assert prefix_of(with_chief) != prefix_of({"ps": ["b:2"], "worker": ["a:1"]})


def test_the_chief_says_where_ray_is():
    with socket.create_server(("localhost", 0)) as free:
        address = f"localhost:{free.getsockname()[1]}"
    with rendezvous.serve(address, "10.0.0.1:6379"):
        assert rendezvous.ask(address, seconds=10) == "10.0.0.1:6379"


def test_a_chief_that_never_comes():
    with socket.create_server(("localhost", 0)) as free:
        address = f"localhost:{free.getsockname()[1]}"
    with pytest.raises(tf.errors.DeadlineExceededError, match=address):
        rendezvous.ask(address, seconds=0)


def _raise(error):
    raise error


def test_errors_travel_as_data():
    outcome = outcome_of(lambda: _raise(tf.errors.OutOfRangeError(None, None, "the end")))
    with pytest.raises(tf.errors.OutOfRangeError, match=r"the end \[on worker/1\]"):
        outcome.value("worker/1")
    with pytest.raises(ZeroDivisionError):
        outcome_of(lambda: 1 / 0).value("here")
    with pytest.raises(RuntimeError, match="Strange: what"):
        outcome_of(lambda: _raise(type("Strange", (Exception,), {})("what"))).value("here")
    assert outcome_of(lambda: [1]).value("here") == [1]


def test_server_needs_a_task():
    with pytest.raises(ValueError, match="job_name"):
        tf.distribute.Server({"ps": ["a:1"], "worker": ["b:1"]}, start=False)
    server = tf.distribute.Server({"ps": ["a:1"], "worker": ["b:1"]}, "ps", 0, start=False)
    assert server.target == "grpc://a:1"
    assert server.server_def.job_name == "ps"
