"""`tf.distribute.StrategyExtended`: what libraries, more than programs, ask of a strategy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.distribute.current import context_of, default_strategy, get_strategy
from penstock.distribute.options import check_communication
from penstock.distribute.reduction import ReduceOp, as_value, reduction, total
from penstock.distribute.values import DistributedValues, MirroredValue, is_distributed, select
from penstock.engine.export import export
from penstock.ops.variables.variable import Variable
from penstock.types import nest
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import Tensor

if TYPE_CHECKING:
    from penstock.distribute.strategy import Strategy


@export("distribute.StrategyExtended")
class StrategyExtended:
    """What libraries ask of a strategy.

    Args:
      container_strategy: the strategy.
      devices: the devices that run replicas.
      parameter_devices: those that hold variables; by default the same.
    """

    def __init__(
        self,
        container_strategy: Strategy,
        devices: Sequence[str] = (),
        parameter_devices: Sequence[str] | None = None,
    ):
        self._strategy, self._devices = container_strategy, tuple(devices)
        self._parameter_devices = self._devices if parameter_devices is None else tuple(parameter_devices)

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The devices that run replicas."""
        return self._devices

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """The devices that hold variables."""
        return self._parameter_devices

    @property
    def should_checkpoint(self) -> bool:
        """Whether this process writes checkpoints."""
        return True

    @property
    def should_save_summary(self) -> bool:
        """Whether this process writes summaries."""
        return True

    @property
    def _global_batch_size(self) -> bool:
        """Whether a dataset's batches are those of all replicas together; Keras 2 asks."""
        return True

    @property
    def experimental_require_static_shapes(self) -> bool:
        """Whether all batches must have the same shape."""
        return False

    @property
    def experimental_between_graph(self) -> bool:
        """Whether each worker has a graph of its own."""
        return False

    @property
    def experimental_should_init(self) -> bool:
        """Whether this process initializes variables."""
        return True

    def _in_multi_worker_mode(self) -> bool:
        return False

    def update(
        self, var: Any, fn: Callable, args: tuple = (), kwargs: dict | None = None, group: bool = True
    ) -> Any:
        """Calls `fn(var, *args, **kwargs)` where the variable is; what it assigns holds on all replicas.

        Args:
          var: the variable.
          fn: called once; of distributed values among its arguments, which replicas have agreed on, it takes the first.
          group: False gives a tuple with the result for each replica.
        """
        with context_of(self._strategy, "cross"):
            result = fn(var, *select(0, tuple(args)), **select(0, dict(kwargs or {})))
        return result if group else (result,) * len(self._devices or (None,))

    def update_non_slot(
        self,
        colocate_with: Any,
        fn: Callable,
        args: tuple = (),
        kwargs: dict | None = None,
        group: bool = True,
    ) -> Any:
        """Calls `fn(*args, **kwargs)` where `colocate_with` is."""
        with context_of(self._strategy, "cross"):
            result = fn(*select(0, tuple(args)), **select(0, dict(kwargs or {})))
        return result if group else (result,)

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """The values of all replicas combined, at `destinations`.

        Args:
          reduce_op: a `tf.distribute.ReduceOp`, or its name.
          value: a distributed value; another one only for a mean.
          destinations: a device's name, a variable, or a distributed value.
          options: `tf.distribute.experimental.CommunicationOptions`; hints.

        Returns:
          A tensor; a `Mirrored` where the destinations are several devices.

        Raises:
          ValueError: `destinations` are none, or a value that is the same on all replicas should be summed.
        """
        return self.batch_reduce_to(reduce_op, [(value, destinations)], options)[0]

    def batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Any, options: Any = None) -> list[Any]:
        """`reduce_to` for several (value, destinations), which travel together."""
        check_communication(options)
        pairs = list(value_destination_pairs)
        totals = self._strategy._reduce_all(reduction(reduce_op), [value for value, _ in pairs])
        return [at_destinations(each, where) for each, (_, where) in zip(totals, pairs)]

    def broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        """The tensor where `destinations` are."""
        return at_destinations(tensor, destinations)

    def read_var(self, v: Any) -> Any:
        """The value of a variable outside of replicas."""
        return v.read_value()

    def value_container(self, value: Any) -> Any:
        """The distributed value that holds `value`."""
        return value

    def variable_created_in_scope(self, v: Any) -> bool:
        """Whether a variable was made under this strategy."""
        strategy = getattr(v, "distribute_strategy", None)
        return self._strategy is (default_strategy() if strategy is None else strategy)

    def colocate_vars_with(self, colocate_with_variable: Any) -> contextlib.AbstractContextManager:
        """Variables made inside go where another one is: where all variables of the strategy are.

        Raises:
          RuntimeError: not inside of the strategy's scope.
        """
        if self._strategy is not get_strategy():
            raise RuntimeError(f'Need to be inside "with strategy.scope()" for {self._strategy!r}')
        return contextlib.nullcontext()

    def non_slot_devices(self, var_list: Any) -> tuple[str, ...]:
        """Where state that belongs to no variable is kept."""
        return self._devices

    def call_for_each_replica(self, fn: Callable, args: tuple = (), kwargs: dict | None = None) -> Any:
        """The same as `strategy.run`."""
        return self._strategy.run(fn, args, kwargs)

    def experimental_make_numpy_dataset(self, numpy_input: Any, session: Any = None) -> Any:
        """A dataset of the rows of (nested) arrays."""
        from penstock.data.dataset import Dataset

        return Dataset.from_tensor_slices(numpy_input)

    def experimental_run_steps_on_iterator(
        self, fn: Callable, iterator: Any, iterations: int = 1, initial_loop_values: Any = None
    ) -> MultiStepContext:
        """Runs `fn(context, *inputs)` on so many elements of an iterator, one after the other.

        Returns:
          The context, whose `last_step_outputs` are what the last call set.
        """
        context = MultiStepContext(self._strategy)
        for _ in range(iterations):
            element = iterator.get_next()
            inputs = element if isinstance(element, tuple) else (element,)
            with context_of(self._strategy, "cross"):
                context.run_op = fn(context, *inputs)
        return context


class MultiStepContext:
    """What the calls of `experimental_run_steps_on_iterator` leave behind.

    Attributes:
      last_step_outputs: name -> value, set by `set_last_step_output`. run_op: what the last call returned.
    """

    def __init__(self, strategy: Strategy):
        self._strategy = strategy
        self.last_step_outputs: dict[str, Any] = {}
        self.non_tensor_outputs: dict[str, Any] = {}
        self.run_op: Any = None

    def set_last_step_output(self, name: str, output: Any, reduce_op: Any = None) -> None:
        """Keeps a value under a name: reduced over the replicas, where `reduce_op` is given."""
        if reduce_op is not None:
            output = self._strategy.reduce(reduce_op, output, axis=None)
        self.last_step_outputs[name] = output

    def set_non_tensor_output(self, name: str, output: Any) -> None:
        """Keeps any object under a name."""
        self.non_tensor_outputs[name] = output


def reduced(kind: ReduceOp, value: Any, count: int) -> Any:
    """A value of `count` replicas combined.

    Raises:
      ValueError: one value for all replicas should be summed, which could mean two things.
    """
    if is_distributed(value):
        return total([as_value(each) for each in value.values], kind)
    if kind is ReduceOp.SUM and count > 1 and not _is_zero(value):
        raise ValueError(
            f"A non-DistributedValues value {value} cannot be reduced with the given reduce op {kind}."
        )
    return value


def _is_zero(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == 0


def at_destinations(value: Any, destinations: Any) -> Any:
    """`value`, as a `Mirrored` where the destinations are several devices.

    Raises:
      ValueError: they are no destinations.
    """
    if isinstance(destinations, DistributedValues):
        count = len(destinations.values)
    elif isinstance(destinations, (str, Tensor, IndexedSlices, Variable)):
        count = 1
    else:
        raise ValueError(
            "destinations must be one of a `DistributedValues` object, a tf.Variable object, or a device string, "
            f"got {type(destinations).__name__}"
        )
    return value if count == 1 else nest.map_structure(lambda each: MirroredValue(each, count), value)
