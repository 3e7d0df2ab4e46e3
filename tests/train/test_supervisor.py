"""`Supervisor` and `SessionManager`."""

from __future__ import annotations

import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train


class Saver:
    """Stands for a saver: notes that it is called."""

    def __init__(self):
        self.saved = 0

    def save(self, session, path, global_step=None):
        self.saved += 1

    def restore(self, session, path):
        pass


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def advance():
    return train.get_or_create_global_step().assign_add(1)


def test_a_managed_session_is_ready_and_ends():
    step = advance()
    supervisor = train.Supervisor(saver=None)
    with supervisor.managed_session() as session:
        while not supervisor.should_stop():
            if session.run(step) == 3:
                supervisor.request_stop()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(step)


def test_an_error_is_raised_at_the_end():
    supervisor = train.Supervisor(saver=None)
    with pytest.raises(ValueError, match="broken"), supervisor.managed_session():
        raise ValueError("broken")


def test_the_end_of_the_input_is_no_error():
    supervisor = train.Supervisor(saver=None)
    with supervisor.managed_session():
        raise tf.errors.OutOfRangeError(None, None, "end")


def test_services_write_to_the_directory(tmp_path):
    step, saver = advance(), Saver()
    v1.summary.scalar("x", 1.0)
    supervisor = train.Supervisor(
        logdir=str(tmp_path), saver=saver, save_summaries_secs=1000, save_model_secs=1000
    )
    with supervisor.managed_session() as session:
        session.run(step)
        assert len(supervisor.coord._threads) == 3
        while not saver.saved:  # its thread saves at once
            session.run(step)
    (file,) = tmp_path.glob("*tfevents*")
    kinds = [each.WhichOneof("what") for each in train.summary_iterator(str(file))]
    assert {"graph_def", "session_log", "summary"} <= set(kinds)
    assert (tmp_path / "graph.pbtxt").exists()


def test_summaries_of_the_program(tmp_path):
    step, summary = advance(), v1.summary.scalar("x", 5.0)
    supervisor = train.Supervisor(logdir=str(tmp_path), saver=None, summary_op=None, save_summaries_secs=0)
    with supervisor.managed_session() as session:
        session.run(step)
        supervisor.summary_computed(session, session.run(summary))
    (file,) = tmp_path.glob("*tfevents*")
    (event,) = [each for each in train.summary_iterator(str(file)) if each.HasField("summary")]
    assert (event.step, event.summary.value[0].simple_value) == (1, 5.0)


def test_a_loop_beside_the_training():
    supervisor, calls = train.Supervisor(saver=None), []

    def work():
        calls.append(1)
        supervisor.request_stop()

    with supervisor.managed_session():
        supervisor.loop(1000, work)
        supervisor.wait_for_stop()
    assert calls == [1]


def test_only_the_chief_writes():
    supervisor = train.Supervisor(is_chief=False, saver=None)
    with v1.Session() as session, pytest.raises(RuntimeError, match="Only chief"):
        supervisor.start_standard_services(session)


def test_queues_are_filled():
    number = train.range_input_producer(3, num_epochs=1, shuffle=False).dequeue()
    supervisor, found = train.Supervisor(saver=None), []
    with supervisor.managed_session() as session:
        while not supervisor.should_stop():
            found.append(int(session.run(number)))
    assert found == [0, 1, 2]


def test_a_basic_loop_begins_again_after_an_aborted_step():
    supervisor, calls = train.Supervisor(saver=None), []

    def step(session, last):
        calls.append(session)
        if len(calls) == 1:
            raise tf.errors.AbortedError(None, None, "lost")
        if len(calls) == last:
            supervisor.request_stop()

    train.basic_train_loop(supervisor, step, args=(3,))
    assert len(calls) == 3 and calls[0] is not calls[1] and calls[1] is calls[2]


def test_a_manager_initializes():
    v = v1.get_variable("v", initializer=2.0)
    manager = train.SessionManager(ready_op=v1.report_uninitialized_variables())
    session = manager.prepare_session("", init_op=v1.global_variables_initializer())
    assert session.run(v) == 2.0


def test_a_manager_needs_something_to_initialize_with():
    with pytest.raises(RuntimeError, match="no init_op"):
        train.SessionManager().prepare_session("")


def test_a_manager_says_what_is_missing():
    v1.get_variable("v", initializer=2.0)
    manager = train.SessionManager(ready_op=v1.report_uninitialized_variables())
    with pytest.raises(RuntimeError, match="Variables not initialized: v"):
        manager.prepare_session("", init_fn=lambda session: None)


def test_nothing_to_recover_from():
    v1.get_variable("v", initializer=2.0)
    session, restored = train.SessionManager().recover_session("", Saver(), "nowhere")
    assert not restored and session.graph is v1.get_default_graph()


def test_one_checkpoint_or_a_directory():
    with pytest.raises(ValueError, match="both"):
        train.SessionManager().recover_session("", Saver(), "a", "b")
