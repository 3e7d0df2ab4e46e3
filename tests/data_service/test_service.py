"""The whole service: actors of Ray on this machine. What each part does has tests of its own, without Ray."""

import collections
import threading

import pytest

import penstock as tf

SERVICE = tf.data.experimental.service
Dataset = tf.data.Dataset


@pytest.fixture(scope="module")
def dispatcher():
    server = SERVICE.DispatchServer(SERVICE.DispatcherConfig(worker_timeout_ms=500))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def workers(dispatcher):
    """Starts workers until there are two; others were ended by a test before."""
    running = []

    def start():
        running[:] = [each for each in running if each._actor is not None]
        while len(running) < 2:
            running.append(SERVICE.WorkerServer(SERVICE.WorkerConfig(dispatcher._address)))
        return running

    yield start
    for each in running:
        each.stop()


def numbers(elements):
    return sorted(int(each) for each in elements)


def busy(x):
    """x, after some milliseconds."""
    return x + tf.cast(tf.reduce_sum(tf.random.normal([100000])) * 0, tf.int64)


def test_each_element_comes_once(dispatcher, workers):
    workers()
    dataset = Dataset.range(500).map(lambda x: x * 2).shuffle(50).batch(8)
    batches = list(dataset.apply(SERVICE.distribute("distributed_epoch", dispatcher.target)))
    assert numbers(each for batch in batches for each in batch) == list(range(0, 1000, 2))


def test_each_worker_goes_through_the_whole(dispatcher, workers):
    count = len(workers())
    dataset = Dataset.range(50).apply(SERVICE.distribute("parallel_epochs", dispatcher.target))
    assert collections.Counter(numbers(dataset)) == dict.fromkeys(range(50), count)


def test_each_element_comes_once_although_a_worker_is_killed(dispatcher, workers):
    running = workers()
    dataset = Dataset.range(200).map(busy).shuffle(20)
    elements = iter(dataset.apply(SERVICE.distribute("distributed_epoch", dispatcher.target)))
    found = [next(elements) for _ in range(30)]
    running[0].stop()  # Ray ends an actor with SIGKILL
    assert numbers([*found, *elements]) == list(range(200))


def test_consumers_of_a_named_job_share_its_elements_although_a_worker_is_killed(dispatcher, workers):
    running, found = workers(), [[], []]
    begun = threading.Barrier(3)

    def read(place):
        dataset = Dataset.range(200).map(busy)
        elements = iter(
            dataset.apply(SERVICE.distribute("distributed_epoch", dispatcher.target, job_name="one"))
        )
        found[place].append(next(elements))
        begun.wait()
        found[place].extend(elements)

    threads = [threading.Thread(target=read, args=[i]) for i in range(2)]
    for each in threads:
        each.start()
    begun.wait()
    running[1].stop()
    for each in threads:
        each.join()
    assert numbers(found[0] + found[1]) == list(range(200))


def test_a_registered_dataset_is_read_by_its_id(dispatcher, workers):
    workers()
    dataset = Dataset.from_tensor_slices({"text": ["a", "b"], "number": [1.5, 2.5]})
    known = SERVICE.register_dataset(dispatcher.target, dataset, dataset_id="letters")
    found = SERVICE.from_dataset_id("distributed_epoch", dispatcher.target, known)
    assert found.element_spec == dataset.element_spec
    rows = {each["text"].numpy(): float(each["number"]) for each in found}
    assert rows == {b"a": 1.5, b"b": 2.5}
    with pytest.raises(tf.errors.NotFoundError, match="'none'"):
        SERVICE.from_dataset_id("distributed_epoch", dispatcher.target, "none")


def test_consumers_read_in_turns(dispatcher, workers):
    workers()
    found = [[], []]

    def read(place):
        mode = SERVICE.distribute(
            "parallel_epochs", dispatcher.target, "turns", consumer_index=place, num_consumers=2
        )
        found[place] = [int(each) for each in Dataset.range(1000).repeat().apply(mode).take(12)]

    threads = [threading.Thread(target=read, args=[i]) for i in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [a + 1 for a in found[0]] == found[1]


def test_an_error_in_the_pipeline_reaches_the_consumer_and_the_rest_comes(dispatcher, workers):
    workers()
    dataset = Dataset.range(9).map(
        lambda x: tf.debugging.check_numerics(1.0 / tf.cast(x - 4, tf.float32), "one")
    )
    dataset = dataset.apply(SERVICE.distribute("distributed_epoch", dispatcher.target))
    with pytest.raises(tf.errors.InvalidArgumentError, match="one : Tensor had Inf"):
        list(dataset)
    assert len(list(dataset.ignore_errors())) == 8


def test_without_workers_the_wait_ends_with_an_error(dispatcher, workers):
    for each in workers():
        each.stop()
    with pytest.raises(tf.errors.UnavailableError, match="there was no worker"):
        list(Dataset.range(3).apply(SERVICE.distribute("distributed_epoch", dispatcher.target)))


def test_without_the_dispatcher_reading_ends_with_an_error(dispatcher, workers):
    server = SERVICE.DispatchServer()
    worker = SERVICE.WorkerServer(SERVICE.WorkerConfig(server._address))
    elements = iter(
        Dataset.range(10**6).batch(10).apply(SERVICE.distribute("distributed_epoch", server.target))
    )
    next(elements)
    server.stop()
    with pytest.raises(tf.errors.UnavailableError, match="is gone"):
        list(elements)
    worker.stop()


def test_a_dispatcher_that_is_killed_goes_on_from_its_journal(workers, dispatcher, tmp_path):
    server = SERVICE.DispatchServer(
        SERVICE.DispatcherConfig(fault_tolerant_mode=True, work_dir=str(tmp_path))
    )
    worker = SERVICE.WorkerServer(SERVICE.WorkerConfig(server._address))
    elements = iter(
        Dataset.range(300).map(busy).apply(SERVICE.distribute("distributed_epoch", server.target))
    )
    found = [next(elements) for _ in range(5)]
    import ray

    ray.kill(server._actor, no_restart=False)
    assert numbers([*found, *elements]) == list(range(300))
    worker.stop()
    server.stop()
