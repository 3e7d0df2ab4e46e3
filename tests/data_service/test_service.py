"""The whole service: actors of Ray on this machine. What each part does has tests of its own, without Ray."""

import collections
import concurrent.futures
import threading

import pytest

import penstock as tf

SERVICE = tf.data.experimental.service
Dataset = tf.data.Dataset


class Servers:
    """A dispatcher and up to two workers: those that run when a test is over serve the next one, too.

    Args:
      folder: of the dispatcher's journal.
    """

    addresses = ("first:1", "second:1")

    def __init__(self, folder):
        self._folder = folder
        self._dispatcher = None
        self._workers = {}

    @property
    def dispatcher(self):
        """The dispatcher; started where there is none."""
        if self._dispatcher is None or self._dispatcher._actor is None:
            config = SERVICE.DispatcherConfig(
                fault_tolerant_mode=True,
                work_dir=str(self._folder / f"{len(list(self._folder.iterdir()))}"),
                worker_addresses=list(self.addresses),
                worker_timeout_ms=500,
            )
            self._dispatcher = SERVICE.DispatchServer(config)
        return self._dispatcher

    def workers(self, count):
        """So many workers, those that are missing are started."""
        missing = [each for each in self.addresses[:count] if not self._runs(each)]
        at = self.dispatcher._address
        configs = [SERVICE.WorkerConfig(at, worker_address=address) for address in missing]
        with concurrent.futures.ThreadPoolExecutor() as threads:
            self._workers.update(zip(missing, threads.map(SERVICE.WorkerServer, configs)))
        return [self._workers[each] for each in self.addresses[:count]]

    def _runs(self, address):
        return address in self._workers and self._workers[address]._actor is not None

    def distributed(self, dataset, mode="distributed_epoch", workers=1, **arguments):
        """A dataset as the workers make it."""
        self.workers(workers)
        return dataset.apply(SERVICE.distribute(mode, self.dispatcher.target, **arguments))

    def stop_workers(self):
        for each in self._workers.values():
            each.stop()

    def stop(self):
        self.stop_workers()
        if self._dispatcher is not None:
            self._dispatcher.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    found = Servers(tmp_path_factory.mktemp("journals"))
    yield found
    found.stop()


def numbers(elements):
    return sorted(int(each) for each in elements)


def busy(x):
    """x, after some milliseconds."""
    return x + tf.cast(tf.reduce_sum(tf.random.normal([100000])) * 0, tf.int64)


def test_without_workers_the_wait_ends_with_an_error(servers):
    servers.stop_workers()
    with pytest.raises(tf.errors.UnavailableError, match="there was no worker"):
        list(servers.distributed(Dataset.range(3), workers=0))


def test_each_element_comes_once(servers):
    dataset = Dataset.range(500).map(lambda x: x * 2).shuffle(50).batch(8)
    batches = list(servers.distributed(dataset, workers=2))
    assert numbers(each for batch in batches for each in batch) == list(range(0, 1000, 2))


def test_each_worker_goes_through_the_whole(servers):
    found = servers.distributed(Dataset.range(50), "parallel_epochs", workers=2)
    assert collections.Counter(numbers(found)) == dict.fromkeys(range(50), 2)


def lines(folder):
    """The numbers below 40, in four files."""
    for i in range(4):
        (folder / f"{i}.txt").write_text("".join(f"{n}\n" for n in range(10 * i, 10 * i + 10)))
    files = tf.data.TextLineDataset([str(folder / f"{i}.txt") for i in range(4)])
    return files.map(lambda line: tf.strings.to_number(line, tf.int64))


def hinted(folder):
    return Dataset.range(40).shard(tf.data.experimental.SHARD_HINT, tf.data.experimental.SHARD_HINT)


@pytest.mark.parametrize(
    ("policy", "make"),
    [
        ("FILE", lines),
        ("DATA", lambda folder: Dataset.range(40)),
        ("FILE_OR_DATA", lines),
        ("FILE_OR_DATA", lambda folder: Dataset.range(40)),
        ("HINT", hinted),
    ],
    ids=["file", "data", "file_or_data_files", "file_or_data_numbers", "hint"],
)
def test_with_a_static_policy_each_worker_has_its_part(servers, tmp_path, policy, make):
    dataset = make(tmp_path).map(lambda x: x + 100)
    found = servers.distributed(dataset, SERVICE.ShardingPolicy[policy], workers=2)
    assert numbers(found) == list(range(100, 140))


def test_files_are_asked_for_where_they_are_divided(servers):
    with pytest.raises(tf.errors.OpError, match="file"):
        list(servers.distributed(Dataset.range(40), SERVICE.ShardingPolicy.FILE, workers=2))


def test_each_element_comes_once_although_a_worker_is_killed(servers):
    elements = iter(servers.distributed(Dataset.range(120).map(busy).shuffle(20), workers=2))
    found = [next(elements) for _ in range(30)]
    servers.workers(2)[0].stop()  # Ray ends an actor with SIGKILL
    assert numbers([*found, *elements]) == list(range(120))


def test_consumers_of_a_named_job_share_its_elements_although_a_worker_is_killed(servers):
    running, found = servers.workers(2), [[], []]
    begun = threading.Barrier(3)

    def read(place):
        dataset = Dataset.range(120).map(busy).shuffle(20)  # each consumer draws seeds of its own
        elements = iter(servers.distributed(dataset, job_name="one"))
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
    assert numbers(found[0] + found[1]) == list(range(120))


def test_a_registered_dataset_is_read_by_its_id(servers):
    servers.workers(1)
    target = servers.dispatcher.target
    dataset = Dataset.from_tensor_slices({"text": ["a", "b"], "number": [1.5, 2.5]})
    known = SERVICE.register_dataset(target, dataset, dataset_id="letters")
    found = SERVICE.from_dataset_id("distributed_epoch", target, known)
    assert found.element_spec == dataset.element_spec
    rows = {each["text"].numpy(): float(each["number"]) for each in found}
    assert rows == {b"a": 1.5, b"b": 2.5}
    with pytest.raises(tf.errors.NotFoundError, match="'none'"):
        SERVICE.from_dataset_id("distributed_epoch", target, "none")


def test_consumers_read_in_turns(servers):
    found = [[], []]

    def read(place):
        turns = servers.distributed(
            Dataset.range(1000).repeat(), "parallel_epochs", job_name="turns", consumer_index=place, num_consumers=2
        )  # fmt: skip
        found[place] = [int(each) for each in turns.take(12)]

    threads = [threading.Thread(target=read, args=[i]) for i in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [a + 1 for a in found[0]] == found[1]


def test_an_error_in_the_pipeline_reaches_the_consumer_and_the_rest_comes(servers):
    dataset = Dataset.range(9).map(
        lambda x: tf.debugging.check_numerics(1.0 / tf.cast(x - 4, tf.float32), "one")
    )
    dataset = servers.distributed(dataset)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one : Tensor had Inf"):
        list(dataset)
    assert len(list(dataset.ignore_errors())) == 8


def test_a_dataset_is_saved_beside_the_program(servers, tmp_path):
    servers.workers(1)
    path, save = str(tmp_path / "numbers"), tf.data.experimental.distributed_save
    save(Dataset.range(50).map(lambda x: x * 2), path, servers.dispatcher.target)
    assert numbers(Dataset.load(path, wait=True)) == list(range(0, 100, 2))
    with pytest.raises(tf.errors.AlreadyExistsError):
        save(Dataset.range(50), path, servers.dispatcher.target)
    failing = Dataset.range(3).map(lambda x: tf.debugging.check_numerics(1 / tf.cast(x, tf.float32), "no"))
    save(failing, path + "2", servers.dispatcher.target)
    with pytest.raises(tf.errors.DataLossError, match=r"not saved as a whole: .*no"):
        Dataset.load(path + "2", wait=True)


def test_a_dispatcher_that_is_killed_goes_on_from_its_journal(servers):
    elements = iter(servers.distributed(Dataset.range(150).map(busy)))
    found = [next(elements) for _ in range(5)]
    import ray

    ray.kill(servers.dispatcher._actor, no_restart=False)
    assert numbers([*found, *elements]) == list(range(150))


def test_without_the_dispatcher_reading_ends_with_an_error(servers):
    elements = iter(servers.distributed(Dataset.range(10**6).batch(10)))
    next(elements)
    servers.stop()
    with pytest.raises(tf.errors.UnavailableError, match="is gone"):
        list(elements)
