"""The options of `tf.distribute`: of collectives, of input and of `run`.

XLA packs, orders and times collectives by itself, so the options of collectives are checked, kept, and hints only; what
they change is said in each docstring.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from penstock.engine.export import export


@export(
    "distribute.experimental.CommunicationImplementation",
    "distribute.experimental.CollectiveCommunication",
)
class CommunicationImplementation(enum.Enum):
    """What carries collectives between devices. A hint: XLA uses NCCL between GPUs and gloo between CPUs."""

    AUTO = "AUTO"
    RING = "RING"
    NCCL = "NCCL"


class _Checked(NamedTuple):
    bytes_per_pack: int
    timeout_seconds: float | None
    implementation: CommunicationImplementation


@export("distribute.experimental.CommunicationOptions")
class CommunicationOptions(_Checked):
    """Options of collectives.

    Args:
      bytes_per_pack: how many bytes one collective should carry; 0 leaves it to the system. A hint: XLA joins the
        all-reduces of one program by its own rules.
      timeout_seconds: after how long a collective between processes is given up. Kept for `MultiWorkerMirroredStrategy`.
      implementation: a `CommunicationImplementation`, or its name.

    Raises:
      ValueError: `bytes_per_pack` is negative, or the implementation is none.

    Example:
      >>> import penstock as tf
      >>> tf.distribute.experimental.CommunicationOptions(implementation="NCCL").implementation.value
      'NCCL'
    """

    __slots__ = ()

    def __new__(
        cls,
        bytes_per_pack: int = 0,
        timeout_seconds: float | None = None,
        implementation: Any = CommunicationImplementation.AUTO,
    ) -> CommunicationOptions:
        if bytes_per_pack < 0:
            raise ValueError(f"Argument `bytes_per_pack` must be >=0, Received {bytes_per_pack}.")
        return super().__new__(
            cls, bytes_per_pack, timeout_seconds, CommunicationImplementation(_value(implementation))
        )


def _value(implementation: Any) -> Any:
    return implementation.value if isinstance(implementation, enum.Enum) else str(implementation).upper()


@export("distribute.experimental.CollectiveHints")
class CollectiveHints(CommunicationOptions):
    """The older name of `CommunicationOptions`, without an implementation."""

    __slots__ = ()

    def __new__(cls, bytes_per_pack: int = 0, timeout_seconds: float | None = None) -> CollectiveHints:
        return super().__new__(cls, bytes_per_pack, timeout_seconds)  # type: ignore[return-value]


def check_communication(options: Any) -> None:
    """Raises AttributeError, as TensorFlow does, where `options` of a collective are not of their kind."""
    if options is not None and not isinstance(options, CommunicationOptions):
        raise AttributeError(
            f"options must be a tf.distribute.experimental.CommunicationOptions, got {type(options).__name__!r} object"
        )


@export("distribute.InputReplicationMode")
class InputReplicationMode(enum.Enum):
    """Whether an input function is called once for a worker, whose replicas share the dataset, or for each replica."""

    PER_WORKER = "PER_WORKER"
    PER_REPLICA = "PER_REPLICA"


@export("distribute.InputOptions", v1=[])
class InputOptions(NamedTuple):
    """How a dataset reaches the replicas.

    Attributes:
      experimental_fetch_to_device: whether batches are copied to the devices ahead. A hint: a batch goes to the devices
        with the step that uses it.
      experimental_replication_mode: see `InputReplicationMode`.
      experimental_place_dataset_on_device: whether the pipeline runs on the device. A hint: pipelines run on the host.
      experimental_per_replica_buffer_size: how many batches wait on a device. A hint.
    """

    experimental_fetch_to_device: bool = True
    experimental_replication_mode: InputReplicationMode = InputReplicationMode.PER_WORKER
    experimental_place_dataset_on_device: bool = False
    experimental_per_replica_buffer_size: int = 1


@export("distribute.RunOptions")
class RunOptions(NamedTuple):
    """Options of `run` on TPUs. Hints: XLA compiles for the shapes that come.

    Attributes:
      experimental_enable_dynamic_batch_size: whether batches may differ in size; they always may.
      experimental_bucketizing_dynamic_shape: whether sizes should be rounded up.
      experimental_xla_options: more for XLA.
    """

    experimental_enable_dynamic_batch_size: bool = True
    experimental_bucketizing_dynamic_shape: bool = False
    experimental_xla_options: Any = None


def replication_mode(options: Any) -> InputReplicationMode:
    """The mode that `options` (or None) ask for.

    Raises:
      AttributeError: they are no `tf.distribute.InputOptions`.
    """
    return InputReplicationMode.PER_WORKER if options is None else options.experimental_replication_mode
