"""Monitored sessions: initialization, hooks, recovery, and how they end."""

from __future__ import annotations

import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train


class Saver:
    """Stands for a saver: restores a variable to 10."""

    def __init__(self, variable=None):
        self.variable, self.saved = variable, []

    def restore(self, session, path):
        self.variable.load(10.0, session)

    def save(self, session, path, global_step=None, write_meta_graph=True):
        self.saved.append(int(global_step))

    def recover_last_checkpoints(self, paths):
        pass


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def scaffold(**arguments):
    return train.Scaffold(saver=Saver(), **arguments)


def test_variables_are_initialized():
    v, local = v1.get_variable("v", initializer=3.0), v1.Variable(4.0, collections=["local_variables"])
    with train.MonitoredSession(train.ChiefSessionCreator(scaffold())) as session:
        assert session.run([v, local]) == [3.0, 4.0]


def test_the_graph_is_read_only_meanwhile(graph):
    with train.SingularMonitoredSession(scaffold=scaffold()):
        assert graph.finalized
        with pytest.raises(RuntimeError, match="finalized"):
            tf.constant(1.0)
    assert not graph.finalized


def test_an_initializer_that_leaves_something_out():
    v1.get_variable("v", initializer=3.0)
    with pytest.raises(RuntimeError, match="Variables not initialized: v"):
        train.SingularMonitoredSession(scaffold=scaffold(init_op=tf.no_op()))


def test_init_fn_gets_scaffold_and_session():
    v = v1.get_variable("v", initializer=3.0)
    given = scaffold(init_op=tf.no_op(), init_fn=lambda scaffold, session: v.load(5.0, session))
    with train.SingularMonitoredSession(scaffold=given) as session:
        assert session.run(v) == 5.0


def test_init_feed_dict():
    fed = v1.placeholder(tf.float32, [])
    v = v1.get_variable("v", initializer=fed)
    with train.SingularMonitoredSession(scaffold=scaffold(init_feed_dict={fed: 6.0})) as session:
        assert session.run(v) == 6.0


def test_a_scaffold_from_another():
    first = train.Scaffold(init_op=tf.no_op(), saver=Saver())
    second = train.Scaffold(ready_op=tf.no_op(), copy_from_scaffold=first)
    assert second.init_op is first.init_op and second.saver is first.saver
    with pytest.raises(TypeError, match="not a Scaffold"):
        train.Scaffold(copy_from_scaffold=1)


def test_what_a_scaffold_makes_is_in_the_collections(graph):
    summary = v1.summary.scalar("x", 1.0)
    found = scaffold().finalize()
    assert graph.get_collection(v1.GraphKeys.INIT_OP) == [found.init_op]
    assert graph.get_collection(v1.GraphKeys.SUMMARY_OP) == [found.summary_op]
    assert found.summary_op.op.inputs[0] is summary


def test_two_items_in_a_collection(graph):
    graph.add_to_collection("it", 1)
    graph.add_to_collection("it", 2)
    with pytest.raises(RuntimeError, match="More than one item"):
        train.Scaffold.get_or_default("it", "it", lambda: 3)


class Recorder(train.SessionRunHook):
    """Writes down what is called."""

    def __init__(self, fetches=None, fails_once=False):
        self.calls, self.results = [], []
        self.fetches, self.fails = fetches, fails_once

    def begin(self):
        self.calls.append("begin")

    def after_create_session(self, session, coord):
        self.calls.append("session")

    def before_run(self, run_context):
        self.calls.append("before")
        assert run_context.original_args.fetches is not None
        return None if self.fetches is None else train.SessionRunArgs(self.fetches)

    def after_run(self, run_context, run_values):
        self.calls.append("after")
        self.results.append(run_values.results)
        if self.fails:
            self.fails = False
            raise tf.errors.AbortedError(None, None, "lost")

    def end(self, session):
        self.calls.append("end")


def test_hooks_are_called_in_order():
    x = tf.constant(2.0)
    hook = Recorder({"double": x * 2})
    with train.SingularMonitoredSession([hook], scaffold=scaffold()) as session:
        assert session.run(x) == 2.0
    assert hook.calls == ["begin", "session", "before", "after", "end"]
    assert hook.results == [{"double": 4.0}]


def test_hooks_do_not_end_after_an_error():
    hook = Recorder()
    with pytest.raises(ValueError):
        with train.SingularMonitoredSession([hook], scaffold=scaffold()):
            raise ValueError
    assert "end" not in hook.calls


@pytest.mark.parametrize("error", [tf.errors.OutOfRangeError(None, None, "end"), StopIteration()])
def test_the_end_of_the_input_is_a_normal_end(error):
    hook = Recorder()
    with train.SingularMonitoredSession([hook], scaffold=scaffold()):
        raise error
    assert hook.calls[-1] == "end"


def test_a_lost_session_is_made_again():
    v = v1.get_variable("v", initializer=0.0)
    add, hook = v.assign_add(1.0), Recorder(fails_once=True)
    with train.MonitoredSession(train.ChiefSessionCreator(scaffold()), [hook]) as session:
        assert session.run(add) == 1.0  # again from the initial value
    assert hook.calls.count("session") == 2


def test_a_singular_session_is_not():
    x, hook = tf.constant(1.0), Recorder(fails_once=True)
    with pytest.raises(tf.errors.AbortedError):
        with train.SingularMonitoredSession([hook], scaffold=scaffold()) as session:
            session.run(x)


def test_after_the_end_nothing_runs():
    x = tf.constant(1.0)

    class Stop(train.SessionRunHook):
        def after_run(self, run_context, run_values):
            run_context.request_stop()

    session = train.SingularMonitoredSession([Stop()], scaffold=scaffold())
    session.run(x)
    assert session.should_stop()
    with pytest.raises(RuntimeError, match="after should_stop"):
        session.run(x)
    session.close()
    assert session.should_stop()
    with pytest.raises(RuntimeError, match="already closed"):
        session.close()


def test_step_functions():
    x, hook = tf.constant(1.0), Recorder()

    def step(step_context):
        step_context.session.run(x)
        return step_context.run_with_hooks(x)

    with train.SingularMonitoredSession([hook], scaffold=scaffold()) as session:
        assert session.run_step_fn(step) == 1.0
        with pytest.raises(ValueError, match="step_context"):
            session.run_step_fn(lambda context: None)
        session.run_step_fn(lambda step_context: step_context.request_stop())
    assert hook.calls.count("before") == 1


def test_queues_are_filled():
    queue = train.range_input_producer(3, num_epochs=1, shuffle=False)
    number, found = queue.dequeue(), []
    with train.MonitoredSession(train.ChiefSessionCreator(scaffold())) as session:
        while not session.should_stop():
            found.append(int(session.run(number)))
    assert found == [0, 1, 2]


def test_an_error_of_a_thread_is_raised():
    bad = tf.debugging.check_numerics(tf.constant(float("nan")), "bad input")
    batch = train.batch([bad], 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad input"):
        with train.MonitoredSession(train.ChiefSessionCreator(scaffold())) as session:
            session.run(batch)


def test_training_writes_summaries_and_checkpoints(tmp_path):
    step = train.get_or_create_global_step()
    advance, saver = step.assign_add(1), Saver()
    v1.summary.scalar("x", 1.0)
    with train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path),
        scaffold=train.Scaffold(saver=saver),
        save_checkpoint_steps=2,
        save_summaries_steps=1,
        hooks=[train.StopAtStepHook(3)],
    ) as session:
        while not session.should_stop():
            session.run(advance)
    v1.summary.FileWriterCache.clear()
    (file,) = tmp_path.glob("*tfevents*")
    steps = [each.step for each in train.summary_iterator(str(file)) if each.HasField("summary")]
    assert steps == [1, 2, 3] and saver.saved == [0, 2, 3]


def test_a_worker_waits_until_the_chief_has_initialized():
    v1.get_variable("v", initializer=3.0)
    creator = train.WorkerSessionCreator(scaffold(), max_wait_secs=0)
    with pytest.raises(tf.errors.DeadlineExceededError):
        creator.create_session()
