"""The program of every task of a cluster with parameter servers: `python -m resilience.served_training FOLDER`.

The chief trains the model of `resilience.servers`, and tells how far it is, and the loss.
"""

import sys

import penstock as tf
from resilience.fitting import tell
from resilience.servers import train


def main(folder: str) -> None:
    """Serves, or trains with checkpoints in the folder, as TF_CONFIG says."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster = resolver.cluster_spec()
    if resolver.task_type in ("ps", "worker"):
        server = tf.distribute.Server(cluster, job_name=resolver.task_type, task_index=resolver.task_id)
        tell(serves=True)
        server.join()
        return
    partitioner = tf.distribute.experimental.partitioners.FixedShardsPartitioner(cluster.num_tasks("ps"))
    strategy = tf.distribute.ParameterServerStrategy(resolver, partitioner)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    tell(loss=train(strategy, coordinator, folder, lambda step: tell(step=step)))


if __name__ == "__main__":
    main(sys.argv[1])
