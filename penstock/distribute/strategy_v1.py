"""What strategies had in TensorFlow 1: `unwrap`, `group`, iterators that are initialized, and runs on an iterator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.data.iterator_v1 import make_initializable_iterator
from penstock.distribute.reduction import ReduceOp
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.types import nest


class StrategyV1Methods:
    """The part of `Strategy` that programs of TensorFlow 1 call."""

    extended: Any
    num_replicas_in_sync: int
    run: Any
    experimental_local_results: Any
    experimental_distribute_dataset: Any
    distribute_datasets_from_function: Any

    def unwrap(self, value: Any) -> tuple:
        """The value of each local replica; `experimental_local_results` of TensorFlow 2."""
        return self.experimental_local_results(value)

    def group(self, value: Any, name: str | None = None) -> Any:
        """One operation that computes the values of all replicas; eagerly they are computed, and it is None."""
        from penstock.ops.grouping import group

        parts = [each for part in self.experimental_local_results(value) for each in nest.flatten(part)]
        if thread.graph is None:
            return value if len(parts) == 1 else None
        return group(*parts, name=name)

    def make_dataset_iterator(self, dataset: Any) -> InputIterator:
        """An iterator of a dataset whose batches are split over the replicas."""
        return InputIterator(self.experimental_distribute_dataset(dataset))

    def make_input_fn_iterator(self, input_fn: Callable, replication_mode: Any = None) -> InputIterator:
        """An iterator of the dataset that `input_fn(input_context)` makes, an element for each replica."""
        from penstock.distribute.options import InputOptions

        options = None if replication_mode is None else InputOptions(
            experimental_replication_mode=replication_mode
        )  # fmt: skip
        return InputIterator(self.distribute_datasets_from_function(input_fn, options))

    def experimental_make_numpy_dataset(self, numpy_input: Any, session: Any = None) -> Any:
        """A dataset of the rows of (nested) arrays."""
        return self.extended.experimental_make_numpy_dataset(numpy_input, session)

    def experimental_run(self, fn: Callable, input_iterator: Any = None) -> Any:
        """Runs `fn` on every replica, with the next element of an iterator where one is given."""
        args = () if input_iterator is None else (input_iterator.get_next(),)
        return self.run(fn, args=args)

    def colocate_vars_with(self, colocate_with_variable: Any) -> Any:
        """Variables made inside go where another one is.

        Raises:
          RuntimeError: not inside of the strategy's scope.
        """
        return self.extended.colocate_vars_with(colocate_with_variable)

    def configure(
        self, session_config: Any = None, cluster_spec: Any = None, task_type: Any = None, task_id: Any = None
    ) -> None:
        """Nothing is left to configure on one machine.

        Raises:
          ValueError: a cluster is described, which this strategy does not span.
        """
        if cluster_spec:
            raise ValueError(
                f"{type(self).__name__} works on one machine and was given a cluster: use MultiWorkerMirroredStrategy"
            )

    def update_config_proto(self, config_proto: Any) -> Any:
        """The configuration of a session under this strategy: a copy, for XLA needs no other."""
        import copy

        return copy.deepcopy(config_proto)


class InputIterator:
    """An iterator of TensorFlow 1's strategies: `initialize()`, whose operation a session runs first, and `get_next()`."""

    def __init__(self, dataset: Any):
        self._dataset = dataset
        self._iterator = iter(dataset) if thread.graph is None else make_initializable_iterator(dataset)

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._dataset.element_spec

    def initialize(self) -> Any:
        """Starts from the first element; in a graph the list of operations that do so."""
        if thread.graph is None:
            self._iterator = iter(self._dataset)
            return None
        return [self._iterator.initializer]

    @property
    def initializer(self) -> Any:
        """As `initialize()`."""
        return self.initialize()

    def get_next(self, name: str | None = None) -> Any:
        """The next element, a `PerReplica` for each component.

        Raises:
          OutOfRangeError: there is none.
        """
        return self._iterator.get_next()


@export(v1=["distribute.get_loss_reduction"])
def get_loss_reduction() -> ReduceOp:
    """How losses of replicas are combined: summed. (Only inside of Estimators, which TensorFlow lost, as a mean.)"""
    return ReduceOp.SUM
