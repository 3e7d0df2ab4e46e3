"""Strategies that are `MirroredStrategy` over other devices: `CentralStorageStrategy` and `TPUStrategy`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.distribute.extended import StrategyExtended
from penstock.distribute.layout import full_device_name
from penstock.distribute.mirrored import MirroredStrategy
from penstock.engine.export import export


@export("distribute.experimental.CentralStorageStrategy")
class CentralStorageStrategy(MirroredStrategy):
    """Variables live in one place; several devices compute with them.

    A variable has one state, and what replicas assign is brought together by its aggregation, as in `MirroredStrategy`.
    Each step copies to the devices what they read.

    Args:
      compute_devices: the devices that run replicas; by default all GPUs, else the first CPU.
      parameter_device: the device that holds variables; by default the CPU.

    Example:
      >>> import penstock as tf
      >>> strategy = tf.distribute.experimental.CentralStorageStrategy(["CPU:0", "CPU:1"], "CPU:0")
      >>> strategy.num_replicas_in_sync, strategy.extended.parameter_devices
      (2, ('/job:localhost/replica:0/task:0/device:CPU:0',))
    """

    def __init__(self, compute_devices: Sequence[str] | None = None, parameter_device: str | None = None):
        from penstock.runtime.devices import list_logical_devices

        if not compute_devices:
            compute_devices = [each.name for each in list_logical_devices("GPU")] or ["CPU:0"]
        super().__init__(compute_devices)
        where = full_device_name(parameter_device or "CPU:0")
        self.extended = StrategyExtended(self, self.extended.worker_devices, (where,))


@export("distribute.TPUStrategy")
class TPUStrategy(MirroredStrategy):
    """Copies of a model on all cores of a TPU machine, kept equal: `MirroredStrategy` over its TPU devices.

    Args:
      tpu_cluster_resolver: what describes the TPU; by default that of this machine.
      experimental_device_assignment: a subset of the cores is not supported: must be None.
      experimental_spmd_xla_partitioning: True splits tensors by `experimental_assign_to_logical_device` and its like;
        with one core for each replica, which is what this strategy has, there is nothing to split.

    Raises:
      ValueError: the machine has no TPU, or a device assignment is given.
      AttributeError: the resolver is none.
    """

    def __init__(
        self,
        tpu_cluster_resolver: Any = None,
        experimental_device_assignment: Any = None,
        experimental_spmd_xla_partitioning: bool = False,
    ):
        from penstock.runtime.devices import list_logical_devices

        if tpu_cluster_resolver is not None and not hasattr(tpu_cluster_resolver, "cluster_spec"):
            raise AttributeError(
                f"expected a TPUClusterResolver, got {type(tpu_cluster_resolver).__name__!r} object"
            )
        if experimental_device_assignment is not None:
            raise ValueError(
                "TPUStrategy: a device assignment is not supported: it uses all cores of the machine"
            )
        devices = list_logical_devices("TPU")
        if not devices:
            raise ValueError("Please provide a TPU Name to connect to: this machine has no TPU.")
        super().__init__([each.name for each in devices])
        self._resolver = tpu_cluster_resolver

    @property
    def cluster_resolver(self) -> Any:
        """What the strategy was given."""
        return self._resolver

    def experimental_assign_to_logical_device(self, tensor: Any, logical_device_id: int) -> Any:
        """The tensor, computed on one of the logical devices of its replica: there is one.

        Raises:
          ValueError: there is no such logical device.
        """
        if logical_device_id != 0:
            raise ValueError(
                f"logical_core_id to assign must be 0 with one core for a replica, got {logical_device_id}"
            )
        return tensor

    def experimental_split_to_logical_devices(self, tensor: Any, partition_dimensions: Sequence[int]) -> Any:
        """The tensor, split over the logical devices of its replica: there is one.

        Raises:
          ValueError: the dimensions do not fit the tensor or the number of logical devices.
        """
        if len(partition_dimensions) != len(tensor.shape) or any(each != 1 for each in partition_dimensions):
            raise ValueError(
                f"partition_dimensions must be {[1] * len(tensor.shape)} for a tensor of shape {tensor.shape} with one core "
                f"for a replica, got {list(partition_dimensions)}"
            )
        return tensor

    def experimental_replicate_to_logical_devices(self, tensor: Any) -> Any:
        """The tensor, copied to all logical devices of its replica: there is one."""
        return tensor


@export("distribute.experimental.TPUStrategy")
class ExperimentalTPUStrategy(TPUStrategy):
    """`TPUStrategy` by its older name and arguments."""

    def __init__(self, tpu_cluster_resolver: Any = None, device_assignment: Any = None):
        super().__init__(tpu_cluster_resolver, device_assignment)
