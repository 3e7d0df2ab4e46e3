"""`contrib.slim`'s data: a description of a dataset, readers side by side that fill one queue, and the items of its records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf


def _names(file: str, name: str) -> list[str]:
    return [f"contrib.slim.{file}.{name}", f"contrib.slim.python.slim.data.{file}.{name}"]


@export(v1=_names("dataset", "Dataset"))
class Dataset:
    """Where records are, and how they are read and decoded.

    Args:
      data_sources: files, or patterns of their names. reader: the class of a reader, as `tf.TFRecordReader`.
      decoder: has `list_items()` and `decode(data, items)`. num_samples: how many records there are.
      items_to_descriptions: what the items are. **kwargs: more attributes, as `num_classes`.
    """

    def __init__(
        self, data_sources: Any, reader: Any, decoder: Any, num_samples: int | None, items_to_descriptions: Any, **kwargs: Any
    ):  # fmt: skip
        self.data_sources, self.reader, self.decoder = data_sources, reader, decoder
        self.num_samples, self.items_to_descriptions = num_samples, items_to_descriptions
        self.__dict__.update(kwargs)


@export(v1=_names("parallel_reader", "get_data_files"))
def get_data_files(data_sources: Any) -> list[str]:
    """The names of files, of names and patterns.

    Raises:
      ValueError: there are none.
    """
    if isinstance(data_sources, (list, tuple, set)):
        return [file for each in data_sources for file in get_data_files(each)]
    source = os.fspath(data_sources)
    files = tf.gfile.Glob(source) if any(sign in source for sign in "*?[") else [source]
    if not files:
        raise ValueError(f"No data files found in {source}")
    return files


@export(v1=_names("parallel_reader", "ParallelReader"))
class ParallelReader:
    """Readers that fill one queue, each in a thread of its own.

    Args:
      reader_class: the class of the readers. common_queue: a queue of keys and values. num_readers: how many.
      reader_kwargs: arguments of the class.
    """

    def __init__(
        self,
        reader_class: Any,
        common_queue: Any,
        num_readers: int = 4,
        reader_kwargs: dict[str, Any] | None = None,
    ):
        if len(common_queue.dtypes) != 2:
            raise TypeError(
                f"common_queue must have 2 components, a key and a value, it has {len(common_queue.dtypes)}"
            )
        self._readers = [reader_class(**(reader_kwargs or {})) for _ in range(num_readers)]
        self._queue = common_queue

    num_readers = property(lambda self: len(self._readers), doc="How many readers there are.")
    common_queue = property(lambda self: self._queue, doc="The queue.")

    def read(self, queue: Any, name: str | None = None) -> Any:
        """A key and a value, of the files whose names are in a queue."""
        fillings = [self._queue.enqueue(reader.read(queue)) for reader in self._readers]
        tf.train.add_queue_runner(tf.train.QueueRunner(self._queue, fillings))
        return self._queue.dequeue(name=name)


@export(v1=_names("parallel_reader", "parallel_read"))
def parallel_read(
    data_sources: Any, reader_class: Any, num_epochs: int | None = None, num_readers: int = 4,
    reader_kwargs: dict[str, Any] | None = None, shuffle: bool = True, dtypes: Sequence[Any] | None = None,
    capacity: int = 256, min_after_dequeue: int = 128, seed: int | None = None, scope: str | None = None,
) -> Any:  # fmt: skip
    """A key and a value of files, which several readers read at a time.

    Args:
      data_sources, reader_class, reader_kwargs: see `Dataset`. num_epochs: how often all is read; None: without end.
      num_readers: how many readers. shuffle: whether files and records come in an order of chance. dtypes: of key and value.
      capacity, min_after_dequeue: of the queue. seed: of the order. scope: of the names.
    """
    with tf.name_scope(scope, "parallel_read"):
        files = tf.train.string_input_producer(
            get_data_files(data_sources), num_epochs, shuffle, seed, name="filenames"
        )
        kinds = list(dtypes or [tf.string, tf.string])
        if shuffle:
            queue = tf.RandomShuffleQueue(capacity, min_after_dequeue, kinds, seed=seed, name="common_queue")
        else:
            queue = tf.FIFOQueue(capacity, kinds, name="common_queue")
        tf.summary.scalar("fraction_full", tf.to_float(queue.size()) / capacity)
        return ParallelReader(reader_class, queue, num_readers, reader_kwargs).read(files)


@export(v1=_names("parallel_reader", "single_pass_read"))
def single_pass_read(
    data_sources: Any,
    reader_class: Any,
    reader_kwargs: dict[str, Any] | None = None,
    scope: str | None = None,
) -> Any:
    """A key and a value of files, each read once, in order."""
    with tf.name_scope(scope, "single_pass_read"):
        files = tf.train.string_input_producer(get_data_files(data_sources), 1, shuffle=False, capacity=1)
        return reader_class(**(reader_kwargs or {})).read(files)


@export(v1=_names("data_provider", "DataProvider"))
class DataProvider:
    """Tensors by the names of items.

    Args:
      items_to_tensors: the tensors. num_samples: how many examples there are.
    """

    def __init__(self, items_to_tensors: dict[str, Any], num_samples: int | None):
        self._items, self._num_samples = items_to_tensors, num_samples

    def get(self, items: Sequence[str]) -> list[Any]:
        """The tensors of items.

        Raises:
          ValueError: there is no item of a name.
        """
        unknown = [item for item in items if item not in self._items]
        if unknown:
            raise ValueError(f"Items {unknown} are not among those of the data: {sorted(self._items)}")
        return [self._items[item] for item in items]

    def list_items(self) -> list[str]:
        """The names of the items."""
        return list(self._items)

    def num_samples(self) -> int | None:
        """How many examples there are."""
        return self._num_samples


@export(v1=_names("dataset_data_provider", "DatasetDataProvider"))
class DatasetDataProvider(DataProvider):
    """The items of a dataset's records, one record at a time.

    Args:
      dataset: a `Dataset`. num_readers, reader_kwargs, shuffle, num_epochs, seed, scope: see `parallel_read`.
      common_queue_capacity, common_queue_min: of the queue. record_key: the name of the records' keys among the items.
    """

    def __init__(
        self, dataset: Dataset, num_readers: int = 1, reader_kwargs: dict[str, Any] | None = None, shuffle: bool = True,
        num_epochs: int | None = None, common_queue_capacity: int = 256, common_queue_min: int = 128,
        record_key: str = "record_key", seed: int | None = None, scope: str | None = None,
    ):  # fmt: skip
        key, data = parallel_read(
            dataset.data_sources, dataset.reader, num_epochs, num_readers, reader_kwargs, shuffle, None,
            common_queue_capacity, common_queue_min, seed, scope,
        )  # fmt: skip
        items = dataset.decoder.list_items()
        if record_key in items:
            raise ValueError(
                f"The item name used for record_key cannot also be used for a dataset item: {record_key}"
            )
        found = dict(zip(items, dataset.decoder.decode(data, items)))
        super().__init__({**found, record_key: key}, dataset.num_samples)


@export(v1=["contrib.slim.queues.QueueRunners", "contrib.slim.python.slim.queues.QueueRunners"])
@contextlib.contextmanager
def QueueRunners(session: Any) -> Iterator[None]:
    """Runs the queue runners of a graph while the block runs."""
    coordinator = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(session, coordinator)
    try:
        yield
    finally:
        coordinator.request_stop()
        coordinator.join(threads, ignore_live_threads=True)
