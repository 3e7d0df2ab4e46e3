"""`tf.distribute.MirroredStrategy`: one program for all replicas, variables equal on all of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from penstock.distribute import replicated_call as _replicated_call  # noqa: F401 - defines the op
from penstock.distribute.cross_device import check_cross_device_ops
from penstock.distribute.current import context_of
from penstock.distribute.divided_states import divided_positions
from penstock.distribute.extended import StrategyExtended
from penstock.distribute.input import DistributedDataset, distribute, distribute_function
from penstock.distribute.layout import full_device_name
from penstock.distribute.reduction import ReduceOp
from penstock.distribute.replica_context import InputContext, reduced_over_replicas
from penstock.distribute.replica_threads import run_replicas
from penstock.distribute.strategy import Strategy
from penstock.distribute.values import PerReplica, regroup, select
from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.graph.graph import Operation
from penstock.ops.collectives import Replica
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("distribute.MirroredStrategy")
class MirroredStrategy(Strategy):
    """Copies of a model on several devices of this machine, kept equal.

    In a `tf.function`, `run` traces the step once, and all replicas run it as one SPMD program: a mesh of the devices
    where each has one of its own, otherwise batched on the device that there is. Eager steps run the replicas in turn.

    Args:
      devices: their names; by default all GPUs, else all logical CPUs.
      cross_device_ops: a `NcclAllReduce`, `HierarchicalCopyAllReduce` or `ReductionToOneDevice`. A hint: XLA chooses
        how to reduce.

    Raises:
      AssertionError: a device is named twice.
      ValueError: a name is no device's, or `cross_device_ops` is of another kind.

    Example:
      >>> import penstock as tf
      >>> strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
      >>> with strategy.scope():
      ...     v = tf.Variable(1.0, aggregation=tf.VariableAggregation.MEAN)
      >>> def step():
      ...     v.assign_add(float(tf.distribute.get_replica_context().replica_id_in_sync_group))
      ...     return v.read_value()
      >>> strategy.reduce("SUM", strategy.run(step), axis=None).numpy()
      np.float32(3.0)
    """

    _makes_variables = True

    def __init__(self, devices: Sequence[str] | str | None = None, cross_device_ops: Any = None):
        from penstock.runtime.devices import list_logical_devices

        check_cross_device_ops(cross_device_ops)
        if not devices:
            devices = [each.name for each in list_logical_devices("GPU") or list_logical_devices("CPU")]
        names = [full_device_name(each) for each in ([devices] if isinstance(devices, str) else devices)]
        if len(set(names)) < len(names):
            raise AssertionError(f"No duplicates allowed in `devices` argument: {tuple(names)}")
        self.extended = StrategyExtended(self, names)
        self._functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def _run(self, fn: Callable, args: tuple, kwargs: dict) -> Any:
        if _is_traced():  # in a merge call: the trace stands for all replicas already
            return super()._run(fn, args, kwargs)
        if thread.graph is not None:
            return self._trace(getattr(fn, "python_function", fn), args, kwargs)
        if hasattr(fn, "python_function"):
            return self._function_of(fn)(args, kwargs)

        def one(replica: int) -> Any:
            with context_of(self, "replica"):
                return fn(*select(replica, args), **select(replica, kwargs))

        return regroup(run_replicas(self._local_replicas, one, *self._place))

    def _function_of(self, fn: Any) -> Any:
        """The function that runs a `tf.function` on all replicas."""
        from penstock.tracing.function import function

        found = self._functions.get(fn)
        if found is None:
            python_function = fn.python_function

            def on_replicas(args: tuple, kwargs: dict) -> Any:
                return self._trace(python_function, args, kwargs)

            on_replicas.stands_for = python_function  # type: ignore[attr-defined]  # who retraces is this one
            found = self._functions[fn] = function(on_replicas)
        return found

    def _trace(self, fn: Callable, args: tuple, kwargs: dict) -> Any:
        """Adds a `ReplicatedCall` of `fn` to the graph that is being built."""
        from penstock.tracing.autograph import control_status_ctx, tf_convert

        count = self._local_replicas
        body = FuncGraph("replica")
        replica = Replica(count, body=body, stacked=set(), workers=self._place[0])
        split: list[list[Tensor]] = [[] for _ in range(count)]
        given = nest.map_structure(lambda each: _placeholders(each, body, split), (args, kwargs))
        with context.building(body), _replica(replica), context_of(self, "replica"):
            result = tf_convert(fn, control_status_ctx())(*given[0], **given[1])
            set_outputs(body, result)
        effects = [isinstance(each, Operation) for each in nest.flatten(result, expand_composites=True)]
        captured = body.external_captures
        stacked = tuple(i for i, each in enumerate(captured) if id(each) in replica.stacked)
        devices = self._mesh_devices()
        outputs = execute(
            "ReplicatedCall",
            ([each for row in split for each in row], captured),
            {
                "f": body,
                "replicas": count,
                "workers": self._place[0],
                "stacked": stacked,
                "divided": divided_positions(body, count, stacked)
                if devices and process.workers is None
                else (),
                "devices": devices,
                "Tout": [each.dtype for each in body.outputs] * count,
            },
        )
        # In the graph of a session, what stands for an operation of the replicas is the call.
        call = None if thread.graph.building_function else thread.graph.get_operations()[-1]
        width = len(body.outputs)
        rows = [
            nest.pack_sequence_as(
                body.structured_outputs,
                _filled(
                    body,
                    outputs[each * width : (each + 1) * width],
                    [call if is_effect else None for is_effect in effects],
                ),
                expand_composites=True,
            )
            for each in range(count)
        ]
        return regroup(rows)

    def _mesh_devices(self) -> tuple | None:
        """The JAX devices, where there is one for each replica."""
        from penstock.runtime.placement import jax_device

        if self._local_replicas == 1:
            return None
        try:
            found = tuple(jax_device(each) for each in self.extended.worker_devices)
        except ValueError:
            return None
        return found if len(set(found)) == len(found) else None

    def _merge_call(self, merge_fn: Callable, args: tuple, kwargs: dict) -> Any:
        replica = thread.replica
        if replica is None or replica.exchange is None:  # a trace stands for all replicas already
            return super()._merge_call(merge_fn, args, kwargs)

        def merge(rows: list) -> Any:
            outer, thread.replica = thread.replica, None
            try:
                with context_of(self, "cross"):
                    all_args, all_kwargs = regroup(rows)
                    return merge_fn(self, *all_args, **all_kwargs)
            finally:
                thread.replica = outer

        result = replica.exchange("merge_call", replica.id, (args, kwargs), merge)
        return select(replica.id, result)

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """As `Strategy.reduce`; in a merge call of a traced step, an all-reduce.

        Raises:
          ValueError: in a traced step, and an axis is given.
        """
        if axis is not None and _is_traced():
            raise ValueError("strategy.reduce inside a merge call takes no axis")
        return super().reduce(reduce_op, value, axis)

    def _reduce_all(self, kind: ReduceOp, values: list[Any]) -> list[Any]:
        if not _is_traced():
            return super()._reduce_all(kind, values)
        return reduced_over_replicas(kind, values)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> DistributedDataset:
        """The dataset with each batch split over the replicas: `ceil(n / replicas)` rows for each, the last less."""
        return distribute(dataset, self.num_replicas_in_sync, options)

    def distribute_datasets_from_function(
        self, dataset_fn: Callable, options: Any = None
    ) -> DistributedDataset:
        """The dataset that `dataset_fn(input_context)` makes, whose elements go to one replica after the other.

        With `tf.distribute.InputOptions` that replicate the input, each replica has a dataset of its own.
        """
        count = self.num_replicas_in_sync
        return distribute_function(dataset_fn, InputContext(num_replicas_in_sync=count), count, options)

    experimental_distribute_datasets_from_function = distribute_datasets_from_function


def _is_traced() -> bool:
    """Whether the code that runs is a trace that stands for all replicas."""
    return thread.replica is not None and thread.replica.body is not None


class _replica:  # noqa: N801 - a context manager
    """Sets the replica for which code runs."""

    def __init__(self, replica: Replica):
        self._replica = replica

    def __enter__(self) -> None:
        self._outer, thread.replica = thread.replica, self._replica

    def __exit__(self, *problem: Any) -> None:
        thread.replica = self._outer


def _placeholders(value: Any, body: FuncGraph, split: list[list[Tensor]]) -> Any:
    """What the trace gets for an argument: placeholders for a distributed value, which goes to `split`."""
    if not isinstance(value, PerReplica):
        return value
    rows = [
        [convert_to_tensor(each) for each in nest.flatten(part, expand_composites=True)]
        for part in value.values
    ]
    inside = []
    for column in zip(*rows):
        inside.append(body.add_input(column[0].dtype, _common([each.shape for each in column]), "split"))
    for row, own in zip(split, rows):
        row.extend(own)
    with context.building(body):
        return nest.pack_sequence_as(_common_structure(value.values), inside, expand_composites=True)


def _common_structure(parts: Sequence[Any]) -> Any:
    """What the parts of all replicas look like: composites may differ in their numbers of rows."""

    def common(*values: Any) -> Any:
        if not isinstance(values[0], CompositeTensor):
            return values[0]
        first, *rest = (each._type_spec for each in values)
        return first.most_specific_common_supertype(rest)

    return nest.map_structure(common, *parts)


def _common(shapes: list[TensorShape]) -> TensorShape:
    found = shapes[0]
    for each in shapes[1:]:
        found = found.most_specific_compatible_shape(each)
    return found


def _filled(body: FuncGraph, outputs: Sequence[Tensor], instead: Sequence[Any]) -> list[Any]:
    """The outputs of one replica; where the function returned no tensor, what stands there instead."""
    rest = iter(outputs)
    return [
        other if each is None else next(rest)
        for each, other in zip(
            nest.flatten(body.structured_outputs, expand_composites=True), instead, strict=True
        )
    ]
