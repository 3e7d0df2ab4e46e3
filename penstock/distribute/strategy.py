"""`tf.distribute.Strategy`: how a program is spread over devices, and the strategies with one replica.

Every program runs under some strategy; the default one has one replica and adds nothing. Code runs either once for all
replicas ("cross-replica context") or as one of them (inside `strategy.run`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from penstock.distribute.current import (
    context_of,
    default_strategy,
    making_variables,
)
from penstock.distribute.extended import StrategyExtended, reduced
from penstock.distribute.layout import full_device_name
from penstock.distribute.reduction import (
    ReduceOp,
    as_value,
    check_gather,
    joined,
    reduction,
    total_along,
)
from penstock.distribute.replica_context import InputContext, ValueContext
from penstock.distribute.strategy_v1 import StrategyV1Methods
from penstock.distribute.values import DistributedValues, PerReplica, is_distributed
from penstock.distribute.variables import make_variable
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.types import nest


@export("distribute.Strategy", v1=["distribute.Strategy"])
class Strategy(StrategyV1Methods):
    """How computations are spread over devices. This one, and the default, use one device.

    Args:
      device: its name.
    """

    _should_use_with_coordinator = False  # whether steps are given to a coordinator; Keras asks

    def __init__(self, device: str = "/device:CPU:0"):
        self.extended: StrategyExtended = StrategyExtended(self, (device,))

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas work on one step."""
        return self._local_replicas

    @property
    def _local_replicas(self) -> int:
        """How many of them this process has."""
        return len(self.extended.worker_devices)

    @property
    def cluster_resolver(self) -> Any:
        """The description of the cluster; None on one machine."""
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Makes this the current strategy; variables made inside belong to it.

        Raises:
          RuntimeError: another strategy is the current one, or a replica calls this.
        """
        if thread.strategies and thread.strategies[-1][0] is not self and self is not default_strategy():
            raise RuntimeError(
                "Trying to run functions that require cross-replica context under another `tf.distribute.Strategy`: "
                f"the current strategy is {thread.strategies[-1][0]!r}, and {self!r} cannot be entered inside of it."
            )
        if thread.strategies and thread.strategies[-1][1] == "replica":
            raise RuntimeError(f"a replica cannot enter the scope of its strategy, {self!r}")
        with self._variables_made_here(), context_of(self, "cross"):
            yield self

    _makes_variables = False  # whether variables are of a kind of their own
    _place = (1, 0)  # among how many processes the replicas are spread, and which of them this is

    def _variables_made_here(self) -> contextlib.AbstractContextManager:
        return making_variables(self._creator) if self._makes_variables else contextlib.nullcontext()

    def _creator(self, next_creator: Callable, **arguments: Any) -> Any:
        return make_variable(self, arguments)

    def run(self, fn: Callable, args: tuple = (), kwargs: dict | None = None, options: Any = None) -> Any:
        """Calls `fn` on every replica.

        Args:
          fn: a function, or a `tf.function`.
          args, kwargs: structures in which each `PerReplica` (an element of a distributed dataset) gives every replica
            its own part; all else is the same for all.
          options: a `tf.distribute.RunOptions`; hints.

        Returns:
          What `fn` returns, with a `PerReplica` for each tensor where there are several replicas.

        Raises:
          ValueError: `args` is no list or tuple.
          RuntimeError: called by a replica.

        Example:
          >>> import penstock as tf
          >>> tf.distribute.get_strategy().run(lambda x: x + 1, args=(tf.constant(2),)).numpy()
          np.int32(3)
        """
        if not isinstance(args, (list, tuple)):
            raise ValueError(f"positional args must be a list or tuple, got {type(args)}")
        if thread.strategies and thread.strategies[-1] == (self, "replica"):
            raise RuntimeError(
                "Method requires being in cross-replica context, use get_replica_context().merge_call()"
            )
        with self._variables_made_here():
            return self._run(fn, tuple(args), kwargs or {})

    def _run(self, fn: Callable, args: tuple, kwargs: dict) -> Any:
        with context_of(self, "replica"):
            return fn(*args, **kwargs)

    def _merge_call(self, merge_fn: Callable, args: tuple, kwargs: dict) -> Any:
        with context_of(self, "cross"):
            return merge_fn(self, *args, **kwargs)

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """The values of all replicas combined, and along `axis` where one is given.

        Args:
          reduce_op: a `tf.distribute.ReduceOp`, or its name.
          value: a structure that `run` has returned.
          axis: also reduced, one or several; the mean is over all elements along it, of all replicas together.

        Raises:
          ValueError: a value that is no distributed one should be summed without an axis: it is not clear how often.
          TypeError: `axis` is no integer.
          InvalidArgumentError: the values cannot be added.
        """
        kind = reduction(reduce_op)

        if axis is None:
            return nest.pack_sequence_as(value, self._reduce_all(kind, nest.flatten(value)))

        def combine(each: Any) -> Any:
            parts = [as_value(part) for part in self.experimental_local_results(each)]
            if not is_distributed(each):  # each replica has the value
                parts *= self._local_replicas
            return total_along(parts, kind, axis)

        return nest.map_structure(combine, value)

    def _reduce_all(self, kind: ReduceOp, values: list[Any]) -> list[Any]:
        return [reduced(kind, each, self._local_replicas) for each in values]

    def gather(self, value: Any, axis: int) -> Any:
        """The values of all replicas joined along an axis, along which their sizes may differ.

        Args:
          value: a structure of distributed values; what is none comes back as it is.
          axis: the axis.

        Raises:
          ValueError: the axis is out of range. NotImplementedError: a value is `IndexedSlices`.
        """

        def join(each: Any) -> Any:
            if not is_distributed(each):
                return each
            parts = [as_value(part) for part in each.values]
            for part in parts:
                check_gather(part, axis)
            return joined(parts, axis)

        return nest.map_structure(join, value)

    def experimental_local_results(self, value: Any) -> tuple:
        """The value of each local replica; of a structure, the structure for each."""
        if isinstance(value, DistributedValues):
            return value.values
        if not any(isinstance(each, PerReplica) for each in nest.flatten(value)):
            return (value,)
        return tuple(
            nest.map_structure(lambda each: each.values[i] if isinstance(each, PerReplica) else each, value)
            for i in range(self._local_replicas)
        )

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """The dataset with each element split over the replicas: with one replica, the dataset."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """The dataset that `dataset_fn(input_context)` makes, whose elements go to one replica after the other."""
        return dataset_fn(InputContext(num_replicas_in_sync=self.num_replicas_in_sync))

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def experimental_distribute_values_from_function(self, value_fn: Callable) -> Any:
        """The values that `value_fn(context)` makes for the replicas."""
        values = [
            value_fn(ValueContext(each, self.num_replicas_in_sync))
            for each in range(self.num_replicas_in_sync)
        ]
        return PerReplica(values) if self._makes_variables else values[0]

    def __deepcopy__(self, memo: dict) -> Strategy:
        return self


@export("distribute.OneDeviceStrategy")
class OneDeviceStrategy(Strategy):
    """All on one device.

    Args:
      device: such as `"/gpu:0"`.

    Example:
      >>> import penstock as tf
      >>> strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
      >>> strategy.extended.worker_devices
      ('/job:localhost/replica:0/task:0/device:CPU:0',)
    """

    def __init__(self, device: str):
        super().__init__(full_device_name(device))

    def _run(self, fn: Callable, args: tuple, kwargs: dict) -> Any:
        outer, thread.device = thread.device, self.extended.worker_devices[0]
        try:
            return super()._run(fn, args, kwargs)
        finally:
            thread.device = outer

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """The dataset, as one that is distributed to one replica."""
        from penstock.distribute.input import distribute

        return distribute(dataset, 1, options)

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """The dataset that `dataset_fn(input_context)` makes."""
        from penstock.distribute.input import distribute_function

        return distribute_function(dataset_fn, InputContext(), 1, options)

    experimental_distribute_datasets_from_function = distribute_datasets_from_function
