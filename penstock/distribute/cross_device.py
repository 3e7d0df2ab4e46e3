"""`tf.distribute.CrossDeviceOps` and its kinds: how TensorFlow's programs choose the algorithm of a reduction.

Inside of a compiled step XLA chooses how devices exchange what they sum, so the kinds differ in nothing but their
arguments there. Called by themselves, on values that are at hand, they reduce with the accumulation that they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.distribute.extended import at_destinations, reduced
from penstock.distribute.options import check_communication
from penstock.distribute.reduction import ReduceOp, as_value, reduction
from penstock.distribute.values import PerReplica, is_distributed
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.types.indexed_slices import IndexedSlices


@export("distribute.CrossDeviceOps")
class CrossDeviceOps:
    """Reduces and copies values between devices."""

    def reduce(self, reduce_op: Any, per_replica_value: Any, destinations: Any, options: Any = None) -> Any:
        """The sum or mean of a `PerReplica`.

        Args:
          reduce_op: a `tf.distribute.ReduceOp`, or its name.
          per_replica_value: the value; a single tensor is that of a single replica.
          destinations: where the result goes: a device's name, a variable, a tensor, or a distributed value.
          options: `tf.distribute.experimental.CommunicationOptions`; hints.

        Returns:
          A tensor; a `Mirrored` where the destinations are several devices.

        Raises:
          ValueError: an argument is not of its kind.

        Example:
          >>> import penstock as tf
          >>> strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
          >>> value = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(2.0))
          >>> tf.distribute.ReductionToOneDevice().reduce("SUM", value, "CPU:0").numpy()
          np.float32(4.0)
        """
        check_communication(options)
        if not is_distributed(per_replica_value):
            per_replica_value = PerReplica((as_value(per_replica_value),))
        return at_destinations(self._total(reduction(reduce_op), per_replica_value), destinations)

    def _total(self, kind: ReduceOp, value: Any) -> Any:
        return reduced(kind, value, len(value.values))

    def batch_reduce(
        self, reduce_op: Any, value_destination_pairs: Sequence[tuple[Any, Any]], options: Any = None
    ) -> list[Any]:
        """`reduce` for several (value, destinations)."""
        return [self.reduce(reduce_op, value, where, options) for value, where in value_destination_pairs]

    def broadcast(self, tensor: Any, destinations: Any) -> Any:
        """The tensor at `destinations`."""
        return at_destinations(convert_to_tensor(tensor), destinations)


@export("distribute.ReductionToOneDevice")
class ReductionToOneDevice(CrossDeviceOps):
    """Values come together on one device, and the result goes back.

    Args:
      reduce_to_device: the device; by default the first one. A hint inside of compiled steps.
      accumulation_fn: what adds a list of tensors; by default `tf.add_n`. It is used where `reduce` is called directly.
    """

    def __init__(self, reduce_to_device: str | None = None, accumulation_fn: Callable | None = None):
        self.reduce_to_device, self.accumulation_fn = reduce_to_device, accumulation_fn

    def _total(self, kind: ReduceOp, value: Any) -> Any:
        values = [as_value(each) for each in value.values]
        if self.accumulation_fn is None or isinstance(values[0], IndexedSlices):
            return super()._total(kind, value)
        result = convert_to_tensor(self.accumulation_fn(values))
        return result / convert_to_tensor(len(values), result.dtype) if kind is ReduceOp.MEAN else result


class _Packed(CrossDeviceOps):
    _label = ""

    def __init__(self, num_packs: int = 1):
        if num_packs < 0:
            raise ValueError(f"{self._label} requires num_packs >= 0, but {num_packs} is specified")
        self.num_packs = num_packs


@export("distribute.NcclAllReduce")
class NcclAllReduce(_Packed):
    """All-reduce with NCCL, which is what XLA uses between GPUs.

    Args:
      num_packs: into how many messages gradients should be packed. A hint: XLA packs by its own rules.

    Raises:
      ValueError: `num_packs` is negative.
    """

    _label = "NCCL all-reduce"


@export("distribute.HierarchicalCopyAllReduce")
class HierarchicalCopyAllReduce(_Packed):
    """Reduction within groups of devices, then between the groups.

    Args:
      num_packs: into how many messages gradients should be packed. A hint, as all of this inside of compiled steps.

    Raises:
      ValueError: `num_packs` is negative.
    """

    _label = "HierarchicalCopy"


def check_cross_device_ops(given: Any) -> None:
    """Raises ValueError where a strategy is given an algorithm that XLA would not follow."""
    if given is not None and type(given) not in (
        CrossDeviceOps, ReductionToOneDevice, NcclAllReduce, HierarchicalCopyAllReduce,
    ):  # fmt: skip
        raise ValueError(
            "cross_device_ops must be None or one of NcclAllReduce, HierarchicalCopyAllReduce, ReductionToOneDevice "
            f"(XLA does the reductions of a step), got {given!r}"
        )
