"""Which processes and devices `tf.experimental.dtensor` works with.

One process is the only client, unless TensorFlow's environment variables (`DTENSOR_CLIENT_ID`, `DTENSOR_NUM_CLIENTS`,
`DTENSOR_JOBS`, `DTENSOR_JOB_NAME`) or a started `jax.distributed` say otherwise.
"""

from __future__ import annotations

import os
from typing import Any

from penstock.distribute.layout import Mesh, create_distributed_mesh
from penstock.engine.context import process
from penstock.engine.export import export
from penstock.engine.xla import is_loaded, jax
from penstock.types.device_spec import DeviceSpec

_KINDS = ("CPU", "GPU", "TPU")


@export("experimental.dtensor.client_id", v1=[])
def client_id() -> int:
    """The number of this process among the clients."""
    default = jax.process_index() if is_loaded() else 0
    return int(os.environ.get("DTENSOR_CLIENT_ID", default))


@export("experimental.dtensor.num_clients", v1=[])
def num_clients() -> int:
    """How many processes there are."""
    default = jax.process_count() if is_loaded() else 1
    return int(os.environ.get("DTENSOR_NUM_CLIENTS", default))


@export("experimental.dtensor.jobs", v1=[])
def jobs() -> list[str]:
    """The addresses of the clients; none where there is only this process."""
    given = os.environ.get("DTENSOR_JOBS")
    return given.split(",") if given else []


@export("experimental.dtensor.job_name", v1=[])
def job_name() -> str:
    """The name of the clients' job."""
    return os.environ.get("DTENSOR_JOB_NAME", "localhost" if num_clients() == 1 else "worker")


@export("experimental.dtensor.full_job_name", v1=[])
def full_job_name(task_id: int | None = None) -> str:
    """The job, replica and task of a client, by default this one.

    Raises:
      ValueError: there is only one client and `task_id` is not its number.
    """
    task = client_id() if task_id is None else task_id
    if num_clients() == 1 and task != 0:
        raise ValueError(f"Unexpected task ID when there are no jobs. Expected 0, got {task}.")
    return f"{job_name()}/replica:0/task:{task}"


@export("experimental.dtensor.preferred_device_type", v1=[])
def preferred_device_type() -> str:
    """The best kind of device that there is: "TPU", "GPU" or "CPU"."""
    from penstock.runtime.devices import list_logical_devices

    return next((kind for kind in ("TPU", "GPU") if list_logical_devices(kind)), "CPU")


def _check(device_type: str) -> str:
    if device_type.upper() not in _KINDS:
        raise ValueError(f"Device type {device_type} is not CPU, GPU, or TPU.")
    return device_type.upper()


@export("experimental.dtensor.num_local_devices", v1=[])
def num_local_devices(device_type: str) -> int:
    """How many devices of a kind this process has.

    Raises:
      ValueError: there is no such kind.
    """
    return len(local_devices(device_type))


@export("experimental.dtensor.num_global_devices", v1=[])
def num_global_devices(device_type: str) -> int:
    """How many devices of a kind all clients have."""
    return num_local_devices(device_type) * num_clients()


@export("experimental.dtensor.local_devices", v1=[])
def local_devices(device_type: str, for_client_id: int | None = None) -> list[Any]:
    """The devices of a kind that a client has, by default this one, as `tf.DeviceSpec`s.

    Raises:
      ValueError: there is no such kind.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.dtensor.local_devices("CPU")[0].to_string()
      '/job:localhost/replica:0/task:0/device:CPU:0'
    """
    from penstock.runtime.devices import list_logical_devices

    kind = _check(device_type)
    where = "/job:" + full_job_name(client_id() if for_client_id is None else for_client_id)
    return [
        DeviceSpec.from_string(f"{where}/device:{kind}:{i}") for i in range(len(list_logical_devices(kind)))
    ]


@export("experimental.dtensor.device_name", v1=[])
def device_name() -> str:
    """The name of the device that stands for all meshes in TensorFlow."""
    return f"/job:{full_job_name()}/device:CUSTOM:0"


@export("experimental.dtensor.heartbeat_enabled", v1=[])
def heartbeat_enabled() -> bool:
    """Whether clients watch each other: `jax.distributed` does."""
    return os.environ.get("DTENSOR_ENABLE_HEARTBEAT", "true").lower() in ("true", "1")


@export("experimental.dtensor.barrier", v1=[])
def barrier(mesh: Mesh, barrier_name: str | None = None, timeout_in_ms: int | None = None) -> None:
    """Waits until all devices of a mesh have done what was begun, and all clients have come here.

    Args:
      mesh: the mesh. barrier_name: for messages. timeout_in_ms: kept for TensorFlow's signature; `jax.distributed` has
        a timeout of its own.
    """
    from penstock.distribute.layout import Layout
    from penstock.dtensor.placement import copy_to_mesh
    from penstock.engine.convert import convert_to_tensor

    token = copy_to_mesh(convert_to_tensor(0.0), Layout.replicated(mesh, 0))
    token.device_value().block_until_ready()
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(barrier_name or "dtensor barrier")


@export(
    "experimental.dtensor.initialize_accelerator_system",
    "experimental.dtensor.initialize_multi_client",
    "experimental.dtensor.initialize_tpu_system",
    v1=[],
)
def initialize_accelerator_system(
    device_type: str | None = None,
    enable_coordination_service: bool | None = True,
    num_logical_cpu_devices: int | None = None,
    experimental_reset_context: bool | None = False,
    experimental_enable_megcore: bool | None = False,
) -> str:
    """Prepares the devices; to be called before anything has used them.

    Args:
      device_type: "CPU", "GPU" or "TPU"; by default the best that there is.
      num_logical_cpu_devices: into how many logical devices the CPU is split; by default
        `DTENSOR_NUM_LOGICAL_CPU_DEVICES`, or as many as there are.
      enable_coordination_service, experimental_reset_context, experimental_enable_megcore: kept for TensorFlow's
        signature; JAX does what they ask for, or has nothing to reset.

    Returns:
      The kind of device.

    Raises:
      ValueError: the devices are in use already, there are none of this kind, or a kind other than the CPU should be
        split.
    """
    from penstock.runtime.devices import (
        LogicalDeviceConfiguration,
        list_physical_devices,
        set_logical_device_configuration,
    )

    if is_loaded() and not experimental_reset_context:
        raise ValueError(
            "TensorFlow has already been initialized. tf.experimental.dtensor.initialize_accelerator_system() must be "
            "called before TensorFlow is initialized."
        )
    kind = preferred_device_type() if device_type is None else _check(device_type)
    if not list_physical_devices(kind):
        raise ValueError(f"DTensor requires at least one {kind} device.")
    count = num_logical_cpu_devices or int(os.environ.get("DTENSOR_NUM_LOGICAL_CPU_DEVICES", 0))
    if count:
        cpu = list_physical_devices("CPU")[0]
        set_logical_device_configuration(cpu, [LogicalDeviceConfiguration()] * count)
    process.registry["accelerator_system"] = kind
    return kind


@export("experimental.dtensor.shutdown_accelerator_system", "experimental.dtensor.shutdown_tpu_system", v1=[])
def shutdown_accelerator_system() -> None:
    """Ends what `initialize_accelerator_system` began.

    Raises:
      ValueError: it was not called.
    """
    if process.registry.pop("accelerator_system", None) is None:
        raise ValueError(
            "Accelerator system is not initialized. Call tf.experimental.dtensor.initialize_accelerator_system first."
        )


@export("experimental.dtensor.create_tpu_mesh", v1=[])
def create_tpu_mesh(
    mesh_dim_names: list[str],
    mesh_shape: list[int],
    mesh_name: str,
    ring_dims: int | None = None,
    ring_axes: list[str] | None = None,
    ring_bounds: list[int] | None = None,
    can_split_host_across_rings: bool = True,
    build_ring_across_rings: bool = False,
    rotate_ring_across_rings: bool = False,
    use_xla_spmd: bool = False,
) -> Mesh:
    """A mesh over the TPU cores of all processes.

    Args:
      mesh_dim_names, mesh_shape: the dimensions. mesh_name: a name for the whole.
      All others say in which order TensorFlow's all-reduces visit the cores. Hints: XLA knows the TPU's network.

    Raises:
      ValueError: there are not so many TPU cores.
    """
    return create_distributed_mesh(list(zip(mesh_dim_names, mesh_shape)), mesh_name, device_type="TPU")
