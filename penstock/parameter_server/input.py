"""Datasets for `Model.fit` under a `ParameterServerStrategy`: each worker has its own copy of the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.data.dataset import Dataset
from penstock.distribute.input import DistributedDataset
from penstock.distribute.replica_context import InputContext


class ServerDataset(DistributedDataset):
    """A dataset of which each worker iterates over its own copy.

    Args:
      make: makes the dataset of a worker from its `InputContext`.
      workers: how many there are.
    """

    def __init__(self, make: Callable[[InputContext], Dataset], workers: int):
        self._datasets = [make(InputContext(workers, worker, 1)) for worker in range(workers)]
        super().__init__(self._datasets[0])

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._datasets[0].element_spec

    def __iter__(self) -> ServerIterator:  # type: ignore[override]
        return ServerIterator(self._datasets)


class ServerIterator:
    """Iterates over the first worker's dataset here, and over each worker's there."""

    def __init__(self, datasets: list[Dataset]):
        self._datasets, self._here, self._there = datasets, None, None

    def __iter__(self) -> ServerIterator:
        return self

    def __next__(self) -> Any:
        if self._here is None:
            self._here = iter(self._datasets[0])
        return next(self._here)

    def on_workers(self, coordinator: Any) -> Any:
        """The per-worker iterator: an argument of scheduled functions."""
        if self._there is None:
            self._there = iter(coordinator.per_worker_dataset(self._datasets))
        return self._there
