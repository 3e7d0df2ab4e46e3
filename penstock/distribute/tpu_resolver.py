"""`TPUClusterResolver`: which TPUs a program trains on."""

from __future__ import annotations

import os
from typing import Any

from penstock.distribute.resolvers import ClusterResolver, with_layer
from penstock.engine.export import export
from penstock.train.cluster_spec import ClusterSpec

_ADDRESSES = "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS"  # set in the pods of Kubernetes on Google's cloud
_NAMES = "TPU_NAME"


@export("distribute.cluster_resolver.TPUClusterResolver")
class TPUClusterResolver(ClusterResolver):
    """The TPU of this machine, or the addresses of TPU workers.

    XLA drives TPUs from the machine that they are in, so `TPUStrategy` trains on those of this machine, which "local" stands
    for. With addresses the resolver says what the cluster is, as in TensorFlow; names of nodes are not looked up at Google's
    service.

    Args:
      tpu: "local", or addresses `grpc://host:port`, separated by commas. By default those of the environment variables
        `KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS` and `TPU_NAME`, and "local" where this machine has a TPU.
      zone, project, credentials, service, discovery_url: for looking up a name; must be left out.
      job_name: the job of the TPU workers.
      coordinator_name: the job of the coordinator; in the cluster only together with its address.
      coordinator_address: its address.

    Raises:
      ValueError: there is no TPU, or `tpu` is neither "local" nor addresses.

    Example:
      >>> import penstock as tf
      >>> resolver = tf.distribute.cluster_resolver.TPUClusterResolver("grpc://10.0.0.2:8470")
      >>> resolver.master(), resolver.cluster_spec().as_dict()
      ('grpc://10.0.0.2:8470', {'worker': ['10.0.0.2:8470']})
    """

    def __init__(
        self,
        tpu: str | None = None,
        zone: str | None = None,
        project: str | None = None,
        job_name: str = "worker",
        coordinator_name: str | None = None,
        coordinator_address: str | None = None,
        credentials: Any = "default",
        service: Any = None,
        discovery_url: str | None = None,
    ):
        if (
            any(each is not None for each in (zone, project, service, discovery_url))
            or credentials != "default"
        ):
            raise ValueError(
                "TPUClusterResolver looks up no names: give addresses (grpc://host:port) or 'local', and leave zone, "
                "project, credentials, service and discovery_url out"
            )
        if coordinator_name and not coordinator_address:
            raise ValueError(f"the coordinator {coordinator_name!r} needs a coordinator_address")
        found = tpu or os.environ.get(_ADDRESSES) or os.environ.get(_NAMES) or _local()
        self._tasks = [] if found == "local" else [_address(each) for each in found.split(",")]
        self.task_type, self.task_id = job_name, 0
        self._coordinator = (coordinator_name, coordinator_address) if coordinator_name else None

    @staticmethod
    def connect(
        tpu: str | None = None, zone: str | None = None, project: str | None = None
    ) -> TPUClusterResolver:
        """A resolver whose TPU is ready; arguments as those of the class.

        Raises:
          ValueError: the TPU is not in this machine.
        """
        resolver = TPUClusterResolver(tpu, zone, project)
        if resolver._tasks or not resolver.num_accelerators()["TPU"]:
            raise ValueError("TPUClusterResolver.connect: only a TPU of this machine can be used")
        return resolver

    def __enter__(self) -> TPUClusterResolver:
        return self

    def __exit__(self, *problem: Any) -> None:
        """Nothing ends here: what was resolved stays."""

    def cluster_spec(self) -> ClusterSpec:
        """The TPU workers, and the coordinator where it has an address; empty for the TPU of this machine."""
        if not self._tasks:
            return ClusterSpec({})
        coordinator = {} if self._coordinator is None else {self._coordinator[0]: [self._coordinator[1]]}
        return ClusterSpec({self.task_type: self._tasks, **coordinator})

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of a TPU worker, by default the first; empty for the TPU of this machine."""
        if not self._tasks:
            return ""
        if task_type is None or task_id is None:
            task_type, task_id = self.task_type, self.task_id
        return with_layer(self.cluster_spec().task_address(task_type, task_id), "grpc")

    def get_master(self) -> str:
        """As `master()`."""
        return self.master()

    def get_job_name(self) -> str:
        """The job of the TPU workers."""
        return self.task_type

    def get_coordination_service_leader(self) -> str:
        """The task that the others report to: the first TPU worker."""
        return f"/job:{self.task_type}/task:0"

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """{"TPU": the number of TPU cores of this machine}.

        Args:
          task_type, task_id, config_proto: kept for TensorFlow's signature.

        Raises:
          RuntimeError: the TPU is in other machines, which only they know.
        """
        if self._tasks:
            raise RuntimeError(f"the TPU cores of {self.master()} are known to that machine only")
        return {"TPU": _local_cores()}


def _local_cores() -> int:
    from penstock.runtime.devices import list_logical_devices

    return len(list_logical_devices("TPU"))


def _local() -> str:
    if not _local_cores():
        raise ValueError("Please provide a TPU Name to connect to: this machine has no TPU.")
    return "local"


def _address(text: str) -> str:
    address = text.strip().removeprefix("grpc://")
    if not address.rpartition(":")[2].isdigit():
        raise ValueError(f"TPUClusterResolver: expected 'local' or addresses grpc://host:port, got {text!r}")
    return address
