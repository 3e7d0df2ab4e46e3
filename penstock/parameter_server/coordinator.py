"""`tf.distribute.coordinator.ClusterCoordinator`: sends functions to the workers of a `ParameterServerStrategy`."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import Dataset
from penstock.data.iterator import OwnedIterator
from penstock.engine.context import process, thread
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import scalar
from penstock.graph.pickling import to_bytes
from penstock.parameter_server.closure_queue import Closure, ClosureQueue
from penstock.parameter_server.input import ServerDataset
from penstock.parameter_server.remote_values import PerWorkerValues, RemoteValue
from penstock.parameter_server.shipped_functions import ShippedFunction, plain
from penstock.parameter_server.strategy import ParameterServerStrategyV2
from penstock.parameter_server.worker_task import OfWorker
from penstock.parameter_server.worker_threads import WorkerThread
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.tracing.function import Function, function
from penstock.types import dtypes, nest
from penstock.types.tensors import EagerTensor

_numbers = itertools.count()


@export("distribute.coordinator.ClusterCoordinator", "distribute.experimental.coordinator.ClusterCoordinator")
class ClusterCoordinator:
    """Schedules functions on the workers of a cluster. A strategy has one: making another gives the same.

    A function is traced once, here, and its graph is sent to each worker once. Its ops on variables run on the parameter
    servers that hold them, all else is compiled on the worker. What a lost worker had not finished is run by another; a
    lost server comes back with the values of the last `tf.train.Checkpoint`.

    Args:
      strategy: the `ParameterServerStrategy`.

    Raises:
      ValueError: it is another strategy.
    """

    _making = threading.Lock()

    def __new__(cls, strategy: Any) -> ClusterCoordinator:
        with cls._making:
            found = strategy._coordinator if isinstance(strategy, ParameterServerStrategyV2) else None
            if found is None:
                found = super().__new__(cls)
                found._begin(strategy)
            return found

    def _begin(self, strategy: Any) -> None:
        if not isinstance(strategy, ParameterServerStrategyV2):
            raise ValueError(
                "Only `tf.distribute.experimental.ParameterServerStrategy` or `tf.distribute.ParameterServerStrategy` is "
                f"supported to work with `ClusterCoordinator` currently, got {strategy!r}."
            )
        self._strategy = strategy
        strategy._coordinator = self
        self._queue = ClosureQueue(workers=strategy._cluster.workers)
        self._shipped: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._datasets: dict[
            str, list[bytes]
        ] = {}  # key of a per-worker iterator -> the dataset of each worker
        cluster = strategy._cluster
        self._threads = [
            WorkerThread(
                f"worker/{i}",
                cluster,
                self._queue,
                strategy._recovery,
                lambda key, i=i: self._datasets[key][i],
            )
            for i in range(cluster.workers)
        ]
        for each in self._threads:
            each.start()
        # `tf.experimental.async_wait`-like calls, as Keras makes at the end of an epoch, wait for what was scheduled.
        process.registry.setdefault("async_waits", []).append(self.join)

    @property
    def strategy(self) -> Any:
        """The strategy."""
        return self._strategy

    def schedule(self, fn: Callable, args: Any = None, kwargs: Any = None) -> RemoteValue:
        """Has some worker run a function. Returns at once, or, where very many functions wait, when there is room.

        A function may run more than once where a worker is lost, and its updates of variables may then count twice.

        Args:
          fn: a `tf.function`, a concrete function, or a function that can be traced.
          args, kwargs: structures of tensors, per-worker values (the iterators of `create_per_worker_dataset`), and
            Python values.

        Returns:
          A `RemoteValue` for what it returns.

        Raises:
          ValueError: `fn` cannot be called, or uses a variable that was not made under the strategy.
          what a function that was scheduled before raised. UnavailableError: no worker is left.
        """
        if not callable(fn):
            raise ValueError("Function passed to `ClusterCoordinator.schedule` must be a callable object.")
        args, kwargs = nest.map_structure(_stand_in, (tuple(args or ()), dict(kwargs or {})))
        with self._strategy.scope():
            concrete, flat = self._traced(fn, args, kwargs)
            shipped = self._shipped.get(concrete)
            if shipped is None:
                shipped = self._shipped[concrete] = ShippedFunction(concrete)
        arguments = [plain(each) for each in flat]
        result = RemoteValue(shipped.pack)
        self._queue.put(Closure(shipped, arguments, result))
        return result

    def _traced(self, fn: Callable, args: tuple, kwargs: dict) -> tuple[ConcreteFunction, list[Any]]:
        if isinstance(fn, ConcreteFunction):
            return fn._bound(args, kwargs)
        if not isinstance(fn, Function):
            known = self._functions.get(fn)
            if known is None:
                known = self._functions[fn] = function(fn)
            fn = known
        return fn._lookup(args, kwargs)

    def join(self) -> None:
        """Waits until all scheduled functions are finished.

        Raises:
          what one of them raised; those that had not started are cancelled then. UnavailableError: a parameter server was
          lost and cannot be brought back.
        """
        self._queue.join()

    def done(self) -> bool:
        """Whether all scheduled functions are finished.

        Raises:
          what one of them raised.
        """
        return self._queue.done()

    def fetch(self, val: Any) -> Any:
        """The results of `RemoteValue`s, with NumPy arrays for tensors; waits for them.

        Args:
          val: a structure of `RemoteValue`s; all else in it comes back as it is.

        Raises:
          what a function raised.
        """
        return nest.map_structure(lambda each: each.fetch() if isinstance(each, RemoteValue) else each, val)

    def create_per_worker_dataset(self, dataset_fn: Any) -> PerWorkerDataset:
        """A dataset of which each worker has its own copy, and iterators that scheduled functions take as arguments.

        Args:
          dataset_fn: a function that returns a dataset, called once for each worker, or a dataset. Inside,
            `strategy.distribute_datasets_from_function(fn)` calls `fn` with the `InputContext` of the worker.

        Raises:
          TypeError: something in the pipeline cannot be sent to workers.
        """
        make = (
            getattr(dataset_fn, "python_function", dataset_fn) if callable(dataset_fn) else lambda: dataset_fn
        )
        datasets = []
        with self._strategy.scope():
            for worker in range(self._strategy._cluster.workers):
                outer = process.registry.get("worker_being_made")
                process.registry["worker_being_made"] = worker
                try:
                    made = make()
                    datasets.append(made._datasets[worker] if isinstance(made, ServerDataset) else made)
                finally:
                    process.registry["worker_being_made"] = outer or 0
        return self.per_worker_dataset(datasets)

    def per_worker_dataset(self, datasets: list[Dataset]) -> PerWorkerDataset:
        """The datasets of all workers as one value."""
        return PerWorkerDataset(self, datasets)


class PerWorkerDataset:
    """The datasets of all workers. `iter` gives an iterator for scheduled functions, not for the coordinator."""

    def __init__(self, coordinator: ClusterCoordinator, datasets: list[Dataset]):
        self._coordinator, self._spec = coordinator, datasets[0].element_spec
        self._pickles = [to_bytes(each) for each in datasets]

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._spec

    def __iter__(self) -> Iterator[Any]:
        key = f"{process.registry['program']}/iterator/{next(_numbers)}"
        self._coordinator._datasets[key] = self._pickles
        return PerWorkerIterator(key, self._spec, len(self._pickles))


class PerWorkerIterator(PerWorkerValues):
    """An iterator of which each worker has its own."""

    def __init__(self, key: str, element_spec: Any, workers: int):
        handle = EagerTensor(OfWorker(key), dtypes.resource)
        super().__init__([OfWorker(key)] * workers, OwnedIterator(handle, element_spec))

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._stand_in.element_spec

    def __iter__(self) -> PerWorkerIterator:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError(
            "Iterating over a per-worker iterator is not supported on the coordinator: pass it to a scheduled function, "
            "and call `next` or `get_next` there."
        )


def _stand_in(value: Any) -> Any:
    return value._stand_in if isinstance(value, PerWorkerValues) else value


op(
    "WorkerIndex() -> index: int64",
    numpy=lambda: np.int64(process.registry.get("worker_index", -1)),
    shape=scalar,
    stateful=True,
)


@export("distribute.coordinator.experimental_get_current_worker_index")
def get_current_worker_index() -> Any:
    """The number of the worker that runs the scheduled function in which this is called, an int64 scalar.

    Raises:
      RuntimeError: not in a function that is being traced for a `ClusterCoordinator`.
    """
    if thread.graph is None:
        raise RuntimeError("Cannot retrieve the worker index: this is not called in a scheduled function.")
    return execute("WorkerIndex", (), None)
