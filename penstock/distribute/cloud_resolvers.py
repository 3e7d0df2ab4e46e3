"""Cluster resolvers that ask a service: Kubernetes for pods, Google Compute Engine for the machines of a group."""

from __future__ import annotations

import enum
from typing import Any

from penstock.distribute.resolvers import ClusterResolver
from penstock.engine.export import export
from penstock.train.cluster_spec import ClusterSpec


@export("distribute.cluster_resolver.KubernetesExecutableLocation")
class KubernetesExecutableLocation(enum.Enum):
    """Whether the program runs in a pod of the cluster, or outside."""

    WITHIN_CLUSTER = 0
    OFF_CLUSTER = 1


@export("distribute.cluster_resolver.KubernetesClusterResolver")
class KubernetesClusterResolver(ClusterResolver):
    """The running pods that have certain labels. The program sets `task_type` and `task_id`.

    Args:
      job_to_label_mapping: the label selectors of each job's pods; by default `{"worker": ["job-name=tensorflow"]}`.
      tf_server_port: the port of every task.
      rpc_layer: put before addresses.
      override_client: a `kubernetes.client.CoreV1Api`, or what has its `list_pod_for_all_namespaces`; by default one that
        is configured as `executable_location` says.
      executable_location: a `KubernetesExecutableLocation`.

    Raises:
      ImportError: the package kubernetes is not installed, and no client is given.
      ValueError: `executable_location` is none.
    """

    def __init__(
        self,
        job_to_label_mapping: dict[str, list[str]] | None = None,
        tf_server_port: int = 8470,
        rpc_layer: str | None = "grpc",
        override_client: Any = None,
        executable_location: KubernetesExecutableLocation = KubernetesExecutableLocation.WITHIN_CLUSTER,
    ):
        self._labels = job_to_label_mapping or {"worker": ["job-name=tensorflow"]}
        self._port, self.rpc_layer = tf_server_port, rpc_layer
        self._client = override_client or _kubernetes_client(executable_location)

    def cluster_spec(self) -> ClusterSpec:
        """The addresses of the pods, in the order of their names.

        Raises:
          RuntimeError: one of them is not running.
        """
        return ClusterSpec(
            {job: [a for label in labels for a in self._pods(label)] for job, labels in self._labels.items()}
        )

    def _pods(self, label: str) -> list[str]:
        found = self._client.list_pod_for_all_namespaces(label_selector=label).items
        for pod in found:
            if pod.status.phase != "Running":
                raise RuntimeError(f'Pod "{pod.metadata.name}" is not running; phase: "{pod.status.phase}"')
        return [
            f"{pod.status.host_ip}:{self._port}" for pod in sorted(found, key=lambda pod: pod.metadata.name)
        ]

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of a task, by default the one that the program has set; empty where it has not."""
        return self._address(task_type, task_id, rpc_layer) or ""


def _kubernetes_client(location: KubernetesExecutableLocation) -> Any:
    try:
        from kubernetes import client, config
    except ImportError:
        raise ImportError(
            "The Kubernetes Python client must be installed before using the Kubernetes Cluster Resolver. To install "
            "the Kubernetes Python client, run `pip install kubernetes` on your command line."
        ) from None
    if location is KubernetesExecutableLocation.OFF_CLUSTER:
        config.load_kube_config()
    elif location is KubernetesExecutableLocation.WITHIN_CLUSTER:
        config.load_incluster_config()
    else:
        raise ValueError(f"The executable location provided is invalid: {location!r}")
    return client.CoreV1Api()


@export("distribute.cluster_resolver.GCEClusterResolver")
class GCEClusterResolver(ClusterResolver):
    """The running machines of an instance group of Google Compute Engine.

    Args:
      project, zone, instance_group: which group.
      port: the port of every task.
      task_type, task_id: which task this process is.
      rpc_layer: put before addresses.
      credentials: of google-auth; by default those of the environment.
      service: the service object of `googleapiclient.discovery.build("compute", "v1")`; by default made so.

    Raises:
      ImportError: the package google-api-python-client is not installed, and no service is given.
    """

    def __init__(
        self,
        project: str,
        zone: str,
        instance_group: str,
        port: int,
        task_type: str = "worker",
        task_id: int = 0,
        rpc_layer: str | None = "grpc",
        credentials: Any = "default",
        service: Any = None,
    ):
        self._where = {"project": project, "zone": zone}
        self._group, self._port = instance_group, port
        self._task_type, self.task_id, self.rpc_layer = task_type, task_id, rpc_layer
        self._service = service or _compute_engine(credentials)

    @property  # type: ignore[override]
    def task_type(self) -> str:
        """The job of this process; fixed."""
        return self._task_type

    @task_type.setter
    def task_type(self, value: str) -> None:
        raise RuntimeError(
            "You cannot reset the task_type of the GCEClusterResolver after it has been created."
        )

    def cluster_spec(self) -> ClusterSpec:
        """The internal addresses of the group's running machines, sorted."""
        groups, instances = self._service.instanceGroups(), self._service.instances()
        request = groups.listInstances(
            **self._where, instanceGroup=self._group, body={"instanceState": "RUNNING"}, orderBy="name"
        )
        found = []
        while request is not None:
            response = request.execute()
            for each in response.get("items", ()):
                name = each["instance"].rpartition("/")[2]
                details = instances.get(**self._where, instance=name).execute()
                found.append(f"{details['networkInterfaces'][0]['networkIP']}:{self._port}")
            request = groups.listInstances_next(previous_request=request, previous_response=response)
        return ClusterSpec({self._task_type: sorted(found)})

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of a task, by default this one."""
        return self._address(task_type, task_id, rpc_layer) or ""


def _compute_engine(credentials: Any) -> Any:
    try:
        from googleapiclient import discovery
    except ImportError:
        raise ImportError(
            "googleapiclient must be installed before using the GCE cluster resolver: "
            "`pip install google-api-python-client`, or give `service`."
        ) from None
    return discovery.build("compute", "v1", credentials=None if credentials == "default" else credentials)
