"""Where tasks of a cluster meet: what they bring goes to all, and who is missing is named."""

import concurrent.futures
import socket
import threading

import numpy as np
import pytest

from penstock.cluster.array_bytes import from_bytes, to_bytes
from penstock.cluster.messages import Connection
from penstock.cluster.rendezvous import Rendezvous
from penstock.types import errors


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def on_each(count, function):
    """`function(task)` on a thread for each task; their results, or errors."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(function, task) for task in range(count)]
        return [each.exception() or each.result() for each in waiting]


@pytest.fixture
def tasks():
    names, addresses = ["a 0", "a 1", "a 2"], [f"localhost:{free_port()}", "b:1", "c:1"]
    found = on_each(3, lambda task: Rendezvous(names, addresses, task, 30.0))
    yield found
    on_each(3, lambda task: found[task].leave(patience=5.0))


def test_all_get_what_all_bring(tasks):
    assert on_each(3, lambda task: tasks[task].meet("here", b"x" * task)) == [[b"", b"x", b"xx"]] * 3


def test_the_first_speaks_for_all(tasks):
    assert on_each(3, lambda task: tasks[task].first("here", bytes([task]))) == [b"\0"] * 3


def test_different_places_are_told(tasks):
    for error in on_each(3, lambda task: tasks[task].meet(f"place {task // 2}")):
        assert isinstance(error, errors.InternalError)
        assert "a 2: place 1" in error.message


def test_who_is_late_is_named(tasks):
    for error in on_each(2, lambda task: tasks[task].meet("here", timeout=0.1)):
        assert isinstance(error, errors.DeadlineExceededError)
        assert error.message == "a 2 did not come to here in time"


def test_who_is_lost_is_named_while_others_wait(tasks):
    def come(task):
        return tasks[task]._connection.close() if task == 2 else tasks[task].meet("here")

    for error in on_each(3, come)[:2]:
        assert isinstance(error, errors.UnavailableError)
        assert error.message.startswith("a 2 is gone: its connection ended")


def test_who_ended_early_is_named_with_the_reason(tasks):
    tasks[1].leave("its program ended with KeyError: 'x'")
    for error in on_each(1, lambda task: tasks[task].meet("here")):
        assert error.message == "a 1 is gone: its program ended with KeyError: 'x'"


def test_who_does_not_come_in_the_beginning_is_named():
    names, addresses = ["a 0", "a 1", "a 2"], [f"localhost:{free_port()}", "b:1", "c:1"]
    for error in on_each(2, lambda task: Rendezvous(names, addresses, task, 0.5)):
        assert isinstance(error, errors.DeadlineExceededError)
        assert "a 2 did not come" in error.message


def test_a_task_of_another_cluster_is_refused():
    address = f"localhost:{free_port()}"
    clusters = [["a 0", "a 1"], ["a 0", "a 1 (elsewhere)"]]
    found = on_each(2, lambda task: Rendezvous(clusters[task], [address, "b:1"], task, 1.0))
    assert isinstance(found[1], errors.InvalidArgumentError)
    assert "every task needs the same 'cluster'" in found[1].message


def test_a_silent_task_counts_as_lost():
    names, addresses = ["a 0", "a 1"], [f"localhost:{free_port()}", "b:1"]
    first, second = on_each(2, lambda task: Rendezvous(names, addresses, task, 30.0, 0.5))
    second._leaving = True  # no signs of life any more
    with pytest.raises(errors.UnavailableError, match="a 1 is gone: no sign of life"):
        first.meet("here")
    second.leave()
    first.leave()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.float32(2.5),
        np.zeros([0, 4], bool),
        np.array([[b"", b"two\nlines"]], object),
    ],
    ids=["matrix", "scalar", "empty", "strings"],
)
def test_arrays_come_back_from_bytes(array):
    first, second = from_bytes(to_bytes([array, np.int64(7)]))
    assert first.dtype == np.asarray(array).dtype and first.shape == np.shape(array)
    assert first.tolist() == np.asarray(array).tolist()
    assert second == 7


def test_parts_of_a_message_are_signs_of_life():
    with socket.create_server(("localhost", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        connection = Connection(listener.accept()[0], 60.0)
    before = connection.heard
    reader = threading.Thread(target=connection.receive)
    reader.start()
    sender.sendall(b"m")  # of a header
    while connection.heard == before:
        pass
    sender.close()
    reader.join()
    connection.close()
