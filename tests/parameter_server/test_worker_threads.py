"""What a coordinator does with one worker: an error on the way to it, or of what it was told before, ends the closure."""

from types import SimpleNamespace

import pytest

from penstock.cluster import ray_session
from penstock.parameter_server.closure_queue import Closure, ClosureQueue
from penstock.parameter_server.outcomes import Outcome
from penstock.parameter_server.remote_values import RemoteValue
from penstock.parameter_server.worker_threads import WorkerThread


def _run(monkeypatch, **methods):
    """What comes of a closure whose worker answers each call with what a function of that name gives."""
    actor = SimpleNamespace(**{name: SimpleNamespace(remote=answer) for name, answer in methods.items()})
    cluster = SimpleNamespace(actor=lambda name: actor, full_name=lambda name: name)
    monkeypatch.setattr(ray_session, "result", lambda reference, actor, name: reference)
    monkeypatch.setattr(ray_session, "is_lost", lambda error: False)
    queue = ClosureQueue()
    closure = Closure(SimpleNamespace(key="f", message=b""), [], RemoteValue(tuple))
    queue.put(closure)
    worker = WorkerThread("worker/0", cluster, queue, None, None)
    worker.start()
    try:
        queue.join()
        return closure.result.get()
    finally:
        queue.close()
        worker.join()


def test_results_come_back(monkeypatch):
    found = _run(monkeypatch, learn=lambda *args: Outcome(), run=lambda *args: Outcome([7]))
    assert found == (7,)


def test_what_cannot_be_sent_fails(monkeypatch):
    def refuse(*args):
        raise TypeError("cannot pickle this")

    with pytest.raises(TypeError, match="cannot pickle this"):
        _run(monkeypatch, learn=lambda *args: Outcome(), run=refuse)


def test_a_function_that_a_worker_could_not_learn_says_why(monkeypatch):
    failed = Outcome(error="ValueError", message="no such op")
    with pytest.raises(ValueError, match=r"no such op \[on worker/0\]"):
        _run(
            monkeypatch,
            learn=lambda *args: failed,
            run=lambda *args: Outcome(error="UnknownFunction", message="f"),
        )


def test_results_that_do_not_fit_fail(monkeypatch):
    with pytest.raises(TypeError):
        _run(monkeypatch, learn=lambda *args: Outcome(), run=lambda *args: Outcome(7))
