"""TF 1's training loops in programs that never turned eager execution off."""

from __future__ import annotations

import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train


def build():
    x = v1.placeholder(tf.float32, [None, 2])
    weight = tf.Variable([[1.0], [2.0]])
    loss = tf.reduce_mean(tf.square(tf.matmul(x, weight)))
    step = train.get_or_create_global_step()
    return x, weight, train.GradientDescentOptimizer(0.01).minimize(loss, global_step=step), loss


def test_a_monitored_session_trains_and_saves_eager_variables(tmp_path):
    x, weight, minimize, loss = build()
    v1.summary.scalar("loss", loss)
    hooks = [train.StopAtStepHook(last_step=3)]
    with train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), hooks=hooks) as session:
        while not session.should_stop():
            session.run(minimize, {x: [[1.0, 2.0]]})
    v1.summary.FileWriterCache.clear()
    assert weight.numpy()[0, 0] < 1.0
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-3")
    kinds = {name for name, _ in tf.train.list_variables(str(tmp_path))}
    assert kinds == {"global_step", "Variable"}


def test_a_supervisor_trains_eager_variables():
    x, weight, minimize, _ = build()
    supervisor = train.Supervisor(saver=None)
    with supervisor.managed_session() as session:
        while not supervisor.should_stop():
            session.run(minimize, {x: [[1.0, 2.0]]})
            if weight.numpy()[0, 0] < 0.9:
                supervisor.request_stop()


def test_a_pipeline_of_queues():
    name = train.string_input_producer(["a", "b"], shuffle=False).dequeue()
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        coordinator = tf.train.Coordinator()
        threads = train.start_queue_runners(session, coordinator)
        assert [session.run(name) for _ in range(3)] == [b"a", b"b", b"a"]
        coordinator.request_stop()
        coordinator.join(threads)


@pytest.mark.parametrize(
    "make",
    [
        lambda: v1.train.GradientDescentOptimizer(0.1),
        lambda: v1.train.MomentumOptimizer(0.1, 0.9),
        lambda: v1.train.AdagradOptimizer(0.5),
        lambda: v1.train.AdadeltaOptimizer(100.0),
        lambda: v1.train.AdamOptimizer(0.1),
        lambda: v1.train.FtrlOptimizer(0.5),
        lambda: v1.train.RMSPropOptimizer(0.1),
        lambda: v1.train.ProximalAdagradOptimizer(0.5),
    ],
)  # fmt: skip
def test_every_optimizer_trains_eager_variables_on_a_symbolic_loss(make):
    w = tf.Variable([1.0, 1.0])
    x = v1.placeholder(tf.float32, [2])
    loss = tf.reduce_sum(tf.square(w * x))
    train = make().minimize(loss)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        first = session.run(loss, {x: [1.0, 2.0]})
        for _ in range(3):
            session.run(train, {x: [1.0, 2.0]})
        assert session.run(loss, {x: [1.0, 2.0]}) < first
