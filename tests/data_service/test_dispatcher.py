import pytest

import penstock as tf
from penstock.data_service.configuration import ShardingPolicy
from penstock.data_service.dispatcher import Dispatcher, JobKey, Registered
from penstock.data_service.journal import Journal, user_key

DYNAMIC, OFF, DATA = (int(ShardingPolicy[name]) for name in ("DYNAMIC", "OFF", "DATA"))


def started(workers=2, splits=5, **settings):
    dispatcher = Dispatcher(**settings)
    for i in range(workers):
        dispatcher.add_worker(f"w{i}", f"localhost:{i}", "here")
    dispatcher.register("data", Registered(b"dataset", b"spec", splits, "", b"data"))
    return dispatcher


def job(dispatcher, policy=DYNAMIC, consumers=("c",), name="job", **more):
    key = JobKey(name, 0, "data", policy, **more)
    for each in consumers:
        dispatcher.join(key, each)
    return key


def views(dispatcher, key, consumer="c", lost=None):
    return dispatcher.tasks(key, consumer, lost or {})[0]


def test_each_worker_gets_a_task():
    dispatcher = started()
    assert [each.worker for each in views(dispatcher, job(dispatcher))] == ["w0", "w1"]


def test_a_worker_that_comes_later_takes_part():
    dispatcher = started(1)
    key = job(dispatcher)
    dispatcher.add_worker("late", "localhost:9", "here")
    assert [each.worker for each in views(dispatcher, key)] == ["w0", "late"]


def test_a_job_is_over_when_its_tasks_are():
    dispatcher = started()
    key = job(dispatcher)
    for each in views(dispatcher, key):
        assert not dispatcher.tasks(key, "c", {})[1]
        dispatcher.end_task(each.number, "c")
    assert dispatcher.tasks(key, "c", {})[1]
    dispatcher.add_worker("late", "localhost:9", "here")
    assert dispatcher.tasks(key, "c", {})[1]


def test_a_split_goes_to_one_task_and_to_whoever_takes_it_over():
    dispatcher = started()
    first, second = (each.number for each in views(dispatcher, job(dispatcher)))
    assert [dispatcher.next_split(*each) for each in [(first, 0, 0), (second, 0, 0), (first, 0, 1)]] == [
        0,
        1,
        2,
    ]
    assert [dispatcher.next_split(first, 0, i) for i in range(4)] == [0, 2, 3, 4]
    assert dispatcher.next_split(first, 0, 4) is None
    assert dispatcher.next_split(first, 1, 0) == 0  # `repeat` begins anew


def test_a_lost_task_goes_to_another_worker_with_what_was_received():
    dispatcher = started()
    key = job(dispatcher)
    lost, other = views(dispatcher, key)
    found = views(dispatcher, key, lost={lost[:2]: [(0, 3)]})
    assert [(each.worker, each.attempt, each.received) for each in found] == [
        ("w1", 1, [(0, 3)]),
        ("w1", 0, []),
    ]
    assert list(dispatcher.workers()) == ["w1"]
    again = views(dispatcher, key, lost={lost[:2]: [(0, 9)]})  # news of an earlier attempt changes nothing
    assert again[0].received == [(0, 3)] and other == again[1]


def test_a_lost_task_waits_for_what_all_consumers_received():
    dispatcher = started()
    key = job(dispatcher, consumers=("a", "b"))
    lost = views(dispatcher, key, "a")[0]
    assert views(dispatcher, key, "a", {lost[:2]: [(0, 2), (4, 5)]})[0].lost
    assert views(dispatcher, key, "b")[0].lost
    found = views(dispatcher, key, "b", {lost[:2]: [(2, 4)]})[0]
    assert (found.lost, found.attempt, found.received) == (False, 1, [(0, 5)])


def test_a_lost_task_does_not_wait_for_a_consumer_that_has_gone(tmp_path):
    dispatcher = started(work_dir=str(tmp_path))
    key = job(dispatcher, consumers=("a", "b"))
    lost = views(dispatcher, key, "a")[0]
    assert views(dispatcher, key, "a", {lost[:2]: [(0, 2)]})[0].lost
    dispatcher._jobs[key].consumers["b"] -= 100  # seconds
    found = views(dispatcher, key, "a")[0]
    assert (found.lost, found.attempt, found.worker) == (False, 1, "w1")
    assert views(Dispatcher(work_dir=str(tmp_path)), key, "a")[0] == found  # although b may be there again


def test_what_is_said_of_a_forgotten_task_is_passed_over():
    dispatcher = started()
    key, other = job(dispatcher), job(dispatcher, name="anonymous 2")
    gone = views(dispatcher, other)[0]
    dispatcher.leave(other, "c")
    assert not any(each.lost for each in views(dispatcher, key, lost={gone[:2]: [(0, 1)]}))


def test_without_workers_a_lost_task_waits_for_one():
    dispatcher = started(1)
    key = job(dispatcher)
    (lost,) = views(dispatcher, key)
    assert views(dispatcher, key, lost={lost[:2]: []})[0].worker == ""
    dispatcher.add_worker("late", "localhost:9", "here")
    assert [each.worker for each in views(dispatcher, key)] == ["late"]


def test_a_lost_worker_that_went_through_everything_is_not_replaced():
    dispatcher = started()
    key = job(dispatcher, OFF)
    lost = views(dispatcher, key)[0]
    assert [each.worker for each in views(dispatcher, key, lost={lost[:2]: [(0, 1)]})] == ["w1"]


def test_static_parts_belong_to_addresses():
    dispatcher = started(1, worker_addresses=["localhost:0", "localhost:1"])
    key = job(dispatcher, DATA)
    assert [(each.index, each.parts, each.worker) for each in views(dispatcher, key)] == [
        (0, 2, "w0"),
        (1, 2, ""),
    ]
    dispatcher.add_worker("w1", "localhost:1", "here")
    assert [each.worker for each in views(dispatcher, key)] == ["w0", "w1"]
    with pytest.raises(tf.errors.FailedPreconditionError, match="worker_addresses"):
        dispatcher.add_worker("w2", "localhost:2", "here")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda d: d.join(JobKey("job", 0, "none", OFF), "c"), tf.errors.NotFoundError, "'none'"),
        (lambda d: job(d, DATA), tf.errors.InvalidArgumentError, "worker_addresses"),
        (lambda d: [job(d, OFF), job(d, DYNAMIC)], tf.errors.InvalidArgumentError, "is another one"),
        (
            lambda d: d.register("data", Registered(b"", b"other", 1, "", b"other")),
            tf.errors.InvalidArgumentError,
            "elements are others",
        ),
    ],
)
def test_what_cannot_be_is_refused(ask, error, message):
    with pytest.raises(error, match=message):
        ask(started())


def test_a_dataset_without_splits_is_refused_where_they_are_needed():
    dispatcher = started()
    dispatcher.register("other", Registered(b"", b"", None, "it cannot be split", b"other"))
    dispatcher.join(JobKey("whole", 0, "other", OFF), "c")
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be split"):
        dispatcher.join(JobKey("parts", 0, "other", DYNAMIC), "c")


def test_equal_datasets_have_one_id():
    dispatcher = started()
    first = dispatcher.register(None, Registered(b"a", b"s", 1, "", b"1"))
    assert first == dispatcher.register(None, Registered(b"with other seeds", b"s", 1, "", b"1"))
    assert first != dispatcher.register(None, Registered(b"b", b"s", 1, "", b"2"))


def test_a_job_without_a_name_is_forgotten_with_its_consumer():
    dispatcher = started()
    key = job(dispatcher, name="anonymous 1")
    dispatcher.leave(key, "c")
    assert dispatcher.tasks(key, "c", {}) == ([], True)


def test_a_job_that_nobody_reads_is_forgotten_after_a_while():
    dispatcher = started(job_timeout=-1.0)
    key = job(dispatcher)
    dispatcher.leave(key, "c")
    assert dispatcher.tasks(key, "c", {}) == ([], True)


def test_a_job_whose_consumers_went_without_a_word_is_forgotten_after_a_while():
    dispatcher = started(job_timeout=60.0)
    first, second = (job(dispatcher, name=name) for name in ("first", "second"))
    tasks = [each.number for key in (first, second) for each in views(dispatcher, key)]
    assert dispatcher.over(tasks) == []
    dispatcher._jobs[first].consumers["c"] -= 100  # seconds
    assert dispatcher.over(tasks) == tasks[:2]
    assert dispatcher.tasks(second, "c", {})[0]


def test_a_dispatcher_that_is_started_again_knows_what_it_knew(tmp_path):
    dispatcher = started(work_dir=str(tmp_path))
    key = job(dispatcher)
    lost = views(dispatcher, key)[0]
    dispatcher.next_split(lost.number, 0, 0)
    expected = views(dispatcher, key, lost={lost[:2]: [(0, 1)]})
    with open(tmp_path / "journal", "ab") as journal:
        journal.write(b"half a call")  # killed while it wrote
    again = Dispatcher(work_dir=str(tmp_path))
    assert views(again, key) == expected
    assert again.next_split(expected[0].number, 0, 1) == 1
    assert Dispatcher(work_dir=str(tmp_path)).next_split(expected[0].number, 0, 1) == 1


@pytest.mark.parametrize("at", [0, 20, 60])
def test_a_journal_that_was_changed_is_refused(tmp_path, at):
    started(work_dir=str(tmp_path), key=b"k")
    path = tmp_path / "journal"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(tf.errors.DataLossError, match="byte 0 of the journal .* is damaged"):
        Dispatcher(work_dir=str(tmp_path), key=b"k")


def test_a_journal_of_another_user_is_refused(tmp_path):
    started(work_dir=str(tmp_path), key=b"theirs")
    with pytest.raises(tf.errors.DataLossError, match="another user"):
        Dispatcher(work_dir=str(tmp_path), key=b"mine")


@pytest.mark.parametrize("kept", [1, 39, 41, -1])
def test_a_journal_that_was_cut_off_goes_on_after_its_last_whole_call(tmp_path, kept):
    path = tmp_path / "journal"
    journal = Journal(str(path), b"k")
    journal.add("first", ())
    first = path.stat().st_size
    journal.add("second", (1,))
    second = path.read_bytes()[first:]
    path.write_bytes(path.read_bytes()[:first] + second[:kept])
    again = Journal(str(path), b"k")
    assert list(again.calls()) == [("first", ())]
    again.add("third", (2,))
    assert list(Journal(str(path), b"k").calls()) == [("first", ()), ("third", (2,))]


def test_a_call_cannot_be_taken_out_of_a_journal(tmp_path):
    journal = Journal(str(tmp_path / "journal"), b"k")
    ends = []
    for i in range(3):
        journal.add("call", (i,))
        ends.append((tmp_path / "journal").stat().st_size)
    content = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(content[: ends[0]] + content[ends[1] :])
    with pytest.raises(tf.errors.DataLossError):
        list(Journal(str(tmp_path / "journal"), b"k").calls())


def test_the_key_of_a_user_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / "cache"))
    assert user_key() == user_key()
    assert (tmp_path / "cache" / "journal.key").stat().st_mode & 0o777 == 0o600


def test_a_task_is_over_when_all_consumers_have_had_its_end():
    dispatcher = started(1)
    key = job(dispatcher, consumers=("a", "b"))
    (task,) = views(dispatcher, key, "a")
    dispatcher.end_task(task.number, "a")
    assert not dispatcher.tasks(key, "a", {})[1]
    found = views(dispatcher, key, "b", {task[:2]: []})[
        0
    ]  # what was on its way to it is lost with the worker
    assert found.lost and not found.done
    again = views(dispatcher, key, "a", {task[:2]: [(0, 9)]})[0]
    assert (again.attempt, again.received, again.done) == (1, [(0, 9)], False)
    dispatcher.end_task(task.number, "a")
    dispatcher.leave(key, "b")
    assert dispatcher.tasks(key, "a", {})[1]
