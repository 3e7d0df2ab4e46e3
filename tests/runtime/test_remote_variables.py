"""Sessions whose variables are in the process of another task."""

import socket
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import penstock as tf
from penstock.runtime.remote_variables import StateService

v1 = tf.compat.v1


def free_port():
    with socket.socket() as each:
        each.bind(("localhost", 0))
        return each.getsockname()[1]


@pytest.fixture
def task():
    """A task's address and its states."""
    address, resources = f"localhost:{free_port()}", {}
    StateService(address, resources, {"ps": {0: address}})
    with tf.Graph().as_default():
        yield f"grpc://{address}", resources


def test_variables_are_where_the_target_is(task):
    target, resources = task
    v = v1.Variable([1.0, 2.0], name="v")
    with v1.Session(target) as session:
        assert session.run(v1.report_uninitialized_variables()).tolist() == [b"v"]
        with pytest.raises(tf.errors.FailedPreconditionError, match="v"):
            session.run(v)
        session.run(v1.global_variables_initializer())
        assert session.run(v.assign_add([1.0, 1.0])).tolist() == [2.0, 3.0]
    assert resources["v"].value.tolist() == [2.0, 3.0]
    with v1.Session(target) as session:
        assert session.run(tf.reduce_sum(v * 2.0)) == 10.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: v1.train.GradientDescentOptimizer(0.1),
        lambda: v1.train.MomentumOptimizer(0.1, 0.9),
        lambda: v1.train.AdamOptimizer(0.1),
        lambda: v1.train.AdagradOptimizer(0.1),
    ],
    ids=["sgd", "momentum", "adam", "adagrad"],
)
def test_training_goes_as_in_one_process(task, make):
    table = v1.get_variable("table", initializer=np.ones([5, 2], np.float32))
    loss = tf.reduce_sum(tf.nn.embedding_lookup(table, [1, 3]) ** 2) + tf.reduce_sum(table)
    train = make().minimize(loss, global_step=v1.train.get_or_create_global_step())
    found = []
    for target in ("", task[0]):
        with v1.Session(target) as session:
            session.run(v1.global_variables_initializer())
            found.append([session.run([train, loss])[1] for _ in range(4)])
            found.append(session.run(table).ravel().tolist())
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6)
    np.testing.assert_allclose(found[3], found[1], rtol=1e-6)


def test_workers_step_together_by_the_mean_of_their_gradients(task):
    w, x = v1.get_variable("w", initializer=[0.0]), v1.placeholder(tf.float32, [])
    steps = v1.train.get_or_create_global_step()
    optimizer = v1.train.SyncReplicasOptimizer(
        v1.train.GradientDescentOptimizer(1.0), 2, total_num_replicas=2
    )
    train = optimizer.minimize(tf.reduce_sum(w * x), global_step=steps)

    def work(gradient):
        for _ in range(5):
            session.run(train, {x: gradient})

    with v1.Session(task[0]) as session:
        session.run(v1.global_variables_initializer())
        workers = [threading.Thread(target=work, args=(each,), daemon=True) for each in (1.0, 3.0)]
        for each in workers:
            each.start()
        for each in workers:
            each.join(60)
        assert session.run([w, steps]) == [[-10.0], 5]


def test_only_operations_on_variables_are_answered(task):
    from penstock.runtime.remote_variables import RemoteTask

    other = RemoteTask(task[0].removeprefix("grpc://"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="ReadFile is no operation on variables"):
        other.call("ReadFile", (np.array(b"/etc/hostname", object),), {})
    v1.Variable(1.0, name="v")
    with v1.Session(task[0]) as session:
        session.run(v1.global_variables_initializer())
    with tf.Graph().as_default(), v1.Session(task[0]) as session:
        v = v1.Variable(1, name="v")
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected dtype float32, got int32"):
            session.run(v.initializer)


def test_device_functions_place_variables_and_slots_beside_them():
    with tf.Graph().as_default(), v1.device(v1.train.replica_device_setter(ps_tasks=2)):
        variables = [v1.get_variable(name, [2]) for name in "abc"]
        optimizer = v1.train.AdamOptimizer()
        optimizer.minimize(tf.add_n([tf.reduce_sum(each) for each in variables]))
        slots = [optimizer.get_slot(each, "m") for each in variables]
    assert [each.device for each in variables] == [f"/job:ps/task:{i}" for i in (0, 1, 0)]
    assert [each.device for each in slots] == [each.device for each in variables]


_TASK = """
import sys
import tensorflow as tf
tf.compat.v1.disable_v2_behavior()
tf = tf.compat.v1
job, *addresses = sys.argv[1:]
cluster = tf.train.ClusterSpec({"ps": addresses[:1], "worker": addresses[1:]})
server = tf.train.Server(cluster, job_name=job, task_index=0)
if job == "ps":
    server.join()
with tf.device(tf.train.replica_device_setter(cluster=cluster)):
    w = tf.get_variable("w", initializer=4.0)
    step = tf.train.get_or_create_global_step()
    train = tf.train.GradientDescentOptimizer(0.25).minimize(w * w, global_step=step)
hooks = [tf.train.StopAtStepHook(last_step=3)]
with tf.train.MonitoredTrainingSession(master=server.target, hooks=hooks) as session:
    while not session.should_stop():
        session.run(train)
with tf.Session("grpc://" + addresses[0]) as session:
    print(*session.run([w, step]), w.device)
"""


def test_a_program_with_a_parameter_server(tmp_path):
    script = tmp_path / "task.py"
    script.write_text(textwrap.dedent(_TASK))
    addresses = [f"localhost:{free_port()}" for _ in range(2)]
    command = [sys.executable, "-m", "penstock", "run", str(script)]
    server = subprocess.Popen([*command, "ps", *addresses])
    try:
        done = subprocess.run([*command, "worker", *addresses], capture_output=True, text=True, timeout=120)
    finally:
        server.kill()
        server.wait()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0.5", "3", "/job:ps/task:0"]
