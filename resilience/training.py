"""The program of a worker that is going to be killed: `training.py FOLDER STEPS`.

It trains a small model on data that depends on the number of the step alone, so that the final loss of a run with kills
is that of a run without. Every fifth step is saved; each line that it prints is JSON.
"""

import json
import os
import sys
import time

import numpy as np

import penstock as tf

SAVE_EVERY = 5


def tell(**facts: object) -> None:
    """Prints facts for who started this process."""
    print(json.dumps(facts), flush=True)


def main(folder: str, steps: int) -> None:
    """Trains up to a step, from the latest checkpoint in the folder on."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        hidden = tf.Variable(np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32))
        out = tf.Variable(np.random.default_rng(1).normal(size=(32, 1)).astype(np.float32) / 6)
        done = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    checkpoint = tf.train.Checkpoint(hidden=hidden, out=out, done=done)
    is_chief = strategy.extended.should_checkpoint
    own = folder if is_chief else os.path.join(folder, f"workertemp_{strategy.cluster_resolver.task_id}")
    tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2).restore_or_initialize()
    manager = tf.train.CheckpointManager(checkpoint, own, max_to_keep=2)
    tell(resumed=int(done.numpy()))

    def replica_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.tanh(x @ hidden) @ out - y) ** 2)
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce("MEAN", tape.gradient(loss, [hidden, out]))

        def update(strategy: tf.distribute.Strategy, *values: tf.Tensor) -> None:
            for variable, value in zip((hidden, out), values):
                strategy.extended.update(variable, lambda v, g: v.assign_sub(0.05 * g), args=(value,))

        context.merge_call(update, args=tuple(gradients))
        return loss

    @tf.function
    def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return strategy.reduce("MEAN", strategy.run(replica_step, args=(x, y)), axis=None)

    while (step := int(done.numpy())) < steps:
        rng = np.random.default_rng([step, strategy.cluster_resolver.task_id or 0])
        x = rng.normal(size=(8, 16)).astype(np.float32)
        loss = train_step(x, np.sin(x[:, :1]))
        done.assign_add(1)
        if (step + 1) % SAVE_EVERY == 0:
            begun = time.perf_counter()
            manager.save()
            tell(saved=step + 1, seconds=time.perf_counter() - begun)
        tell(step=step + 1, loss=float(loss))
    tell(weights=float(tf.reduce_sum(tf.abs(hidden)) + tf.reduce_sum(tf.abs(out))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
