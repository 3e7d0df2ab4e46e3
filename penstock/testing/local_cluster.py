"""`tf.test.create_local_cluster`: parameter servers and workers of a cluster, in this process."""

from __future__ import annotations

from typing import Any

from penstock.cluster.ports import free_ports
from penstock.engine.export import export
from penstock.parameter_server.server import Server


@export("test.create_local_cluster")
def create_local_cluster(
    num_workers: int, num_ps: int, protocol: str = "grpc", worker_config: Any = None, ps_config: Any = None
) -> tuple[list[Server], list[Server]]:
    """Starts the servers of a cluster of jobs `worker` and `ps` at free ports of this machine.

    Args:
      num_workers, num_ps: how many tasks each job has.
      protocol: the beginning of the servers' targets.
      worker_config, ps_config: `ConfigProto`s of the servers; see `tf.distribute.Server`.

    Returns:
      A pair of lists: the servers of the workers, and those of the parameter servers.

    In a program of TensorFlow 1 sessions with the targets of the workers share what is placed on `/job:ps`:

        workers, _ = tf.test.create_local_cluster(num_workers=2, num_ps=1)
        with tf.device("/job:ps/task:0"):
            step = tf.get_variable("step", [], tf.int32)
        sessions = [tf.Session(each.target) for each in workers]
    """
    ports = free_ports(num_workers + num_ps)
    addresses = [f"localhost:{port}" for port in ports]
    cluster = {"worker": addresses[:num_workers], "ps": addresses[num_workers:]}
    cluster = {job: tasks for job, tasks in cluster.items() if tasks}

    def started(job: str, count: int, config: Any) -> list[Server]:
        return [Server(cluster, job, index, protocol, config) for index in range(count)]

    servers = started("ps", num_ps, ps_config)
    return started("worker", num_workers, worker_config), servers
