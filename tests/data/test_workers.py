import threading
import weakref

import pytest

from penstock.data.workers import Workers


@pytest.fixture
def workers(request):
    made = Workers(2, request.node.name)
    yield made
    made.end()


def threads_of(request):
    return [each for each in threading.enumerate() if each.name.startswith(request.node.name)]


def failing(message):
    raise ValueError(message)


def test_calls_run_beside_each_other(workers):
    both = threading.Barrier(2, timeout=30)
    workers.call([both.wait, both.wait]).wait()


def test_the_error_of_the_first_call_that_fails_is_raised_when_all_have_ended(workers):
    late, found = threading.Event(), []
    calls = [lambda: late.wait(30) and failing("first"), lambda: failing("second"), late.set]
    parts = workers.call([*calls, lambda: found.append(1)])
    with pytest.raises(ValueError, match="first"):
        parts.wait()
    assert found == [1]


def test_threads_end(workers, request):
    threads = threads_of(request)
    assert len(threads) == 2
    workers.end()
    for each in threads:
        each.join(30)
        assert not each.is_alive()


def test_a_thread_that_waits_keeps_nothing_alive(workers, request):
    class Call:
        def __call__(self):
            pass

    call = Call()
    known = weakref.ref(call)
    workers.call([call]).wait()
    del call
    threads = threads_of(request)
    workers.end()
    for each in threads:
        each.join(30)
    assert known() is None
