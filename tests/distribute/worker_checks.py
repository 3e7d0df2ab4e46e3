"""What a worker of `test_multi_worker` does: each function gives something that can be written as JSON."""

import json
import os
import signal
import sys
from unittest import mock

import numpy as np

import penstock as tf
from penstock.engine import native

if "DEVICES" in os.environ:  # CPUs in the place of a worker's GPUs
    from penstock.distribute import cluster_start, multi_worker

    count = int(os.environ["DEVICES"])
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    cluster_start._used_devices = list
    multi_worker._local_devices = lambda: [f"/device:CPU:{i}" for i in range(count)]
strategy = tf.distribute.MultiWorkerMirroredStrategy()
worker, workers = strategy._place[1], strategy._place[0]


def replica_id():
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def place():
    return [
        strategy.num_replicas_in_sync,
        strategy.extended.should_checkpoint,
        strategy.extended.worker_devices,
    ]


def variable_of_the_chief():
    """A small one, and a large one that was computed by XLA."""
    with strategy.scope():
        v = tf.Variable([float(worker + 7)])
        large = tf.Variable(lambda: tf.fill([1000, 1000], 1.0) * (worker + 7))
    return [*v.numpy().tolist(), float(large.numpy().mean())]


def collectives(traced):
    """[replica's number, sum, mean, gathered, assigned mean, on-read sum, merged sum]."""
    with strategy.scope():
        mean = tf.Variable(0.0, aggregation=tf.VariableAggregation.MEAN)
        first = tf.Variable(0.0, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        seen = tf.Variable(
            0.0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
        )

    def step(x):
        context = tf.distribute.get_replica_context()
        mean.assign(x)
        first.assign(x)
        seen.assign_add(x)
        merged = context.merge_call(lambda strategy, y: strategy.reduce("SUM", y, axis=None), args=(x,))
        rows = context.all_gather(tf.fill([worker + 1], x), axis=0) if not traced else tf.zeros([0])
        return replica_id() + 0, context.all_reduce("SUM", x), context.all_reduce("MEAN", x), rows, merged

    call = lambda x: strategy.run(step, args=(x,))
    results = (tf.function(call) if traced else call)(tf.constant(1.0 + worker))
    flat = [np.asarray(each).tolist() for each in results]
    return [*flat, float(mean.numpy()), float(first.numpy()), float(seen.numpy())]


def reductions():
    x = tf.constant([1.0, 2.0, 3.0][: worker + 2])
    return [
        float(strategy.reduce("SUM", tf.constant(1.0 + worker), axis=None)),
        float(strategy.reduce("MEAN", x, axis=0)),
        strategy.gather(x, axis=0).numpy().tolist(),
        float(tf.function(lambda: strategy.reduce("SUM", tf.constant(1.0 + worker), axis=None))()),
    ]


def gradient_of_all_reduce():
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.distribute.get_replica_context().all_reduce("SUM", x * x) * x
        return tape.gradient(y, x)

    return float(tf.function(lambda x: strategy.run(step, args=(x,)))(tf.constant(2.0 + worker)))


def host_op():
    def step(x):
        seen = tf.numpy_function(lambda value: np.float32(value * 10), [x], tf.float32)
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.reshape(seen, []))

    return float(tf.function(lambda x: strategy.run(step, args=(x,)))(tf.constant(1.0 + worker)))


def random_numbers():
    return tf.function(lambda: strategy.run(lambda: tf.random.uniform([3])))().numpy().tolist()


def elements(dataset):
    return [each.numpy().tolist() for each in dataset]


def with_policy(dataset, policy):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policy
    return strategy.experimental_distribute_dataset(dataset.with_options(options))


def batches():
    policies = tf.data.experimental.AutoShardPolicy
    numbers = tf.data.Dataset.range(7).batch(4)
    hinted = tf.data.Dataset.range(8).shard(tf.data.experimental.SHARD_HINT, tf.data.experimental.SHARD_HINT)
    return {
        "AUTO": elements(strategy.experimental_distribute_dataset(numbers)),
        "OFF": elements(with_policy(numbers, policies.OFF)),
        "HINT": elements(with_policy(hinted.batch(4), policies.HINT)),
        "fixed": elements(strategy.experimental_distribute_dataset(tf.data.Dataset.range(9).batch(4, True))),
    }


def files():
    folder = sys.argv[2]
    names = [os.path.join(folder, f"{i}.txt") for i in range(3)]
    if worker == 0:
        for i, name in enumerate(names):
            with open(name, "w") as file:
                file.writelines(f"{i}{line}\n" for line in range(2))
    strategy.reduce("SUM", tf.constant(0.0), axis=None)  # the files are there
    lines = tf.data.TextLineDataset(names).batch(2)
    return [
        [text.decode() for text in batch]
        for batch in elements(strategy.experimental_distribute_dataset(lines))
    ]


def from_function():
    def make(context):
        rows = tf.data.Dataset.range(context.input_pipeline_id * 10, context.input_pipeline_id * 10 + 3)
        return rows.batch(context.get_per_replica_batch_size(4))

    return elements(strategy.distribute_datasets_from_function(make))


def train():
    """Losses of 50 full batches and an uneven one."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(50 * 12 + 7, width)).astype(np.float32) for width in (5, 1))
    with strategy.scope():
        w = tf.Variable(rng.normal(size=(5, 1)).astype(np.float32))
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(12))

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((tf.tanh(x @ w) - y) ** 2) / 12
        context = tf.distribute.get_replica_context()
        gradient = context.all_reduce("SUM", tape.gradient(loss, w))
        update = lambda strategy, g: strategy.extended.update(
            w, lambda v, g: v.assign_sub(0.1 * g), args=(g,)
        )
        context.merge_call(update, args=(gradient,))
        return loss

    @tf.function
    def train_step(iterator):
        return strategy.reduce("SUM", strategy.run(step, args=next(iterator)), axis=None)

    iterator = iter(data)
    return [float(train_step(iterator)) for _ in range(51)]


def fit():
    """Losses and metrics of epochs, an evaluation, the sum of predictions, and that of weights."""
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    y = x[:, :1] * 2 + 1
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    history = model.fit(data, epochs=2, verbose=0).history
    found = model.evaluate(data, verbose=0)
    total = float(model.predict(x[:8], batch_size=4, verbose=0).sum())
    return [*history["loss"], *history["mae"], *found, total, float(model.get_weights()[0].sum())]


def train_and_lose_a_worker():
    """Worker 1 dies between two steps, after the training."""
    print(json.dumps(train()), flush=True)
    step = tf.function(lambda: strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None))
    step()
    if worker == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        while True:
            step()
    except tf.errors.UnavailableError as error:
        print("UnavailableError", error.message, flush=True)
        sys.exit(1)


def preempted(warned):
    """[runs and steps at the beginning], [steps in the end, sum of what they added]; who is warned does not come that far."""
    step, total = tf.Variable(0), tf.Variable(0.0)
    handler = tf.distribute.experimental.PreemptionCheckpointHandler(
        strategy.cluster_resolver,
        tf.train.Checkpoint(step=step, total=total),
        os.path.join(sys.argv[2], "checkpoints"),
    )
    begun = [handler.total_run_calls, int(step.numpy())]

    def run():
        total.assign_add(strategy.reduce("MEAN", tf.constant(1.0 + worker), axis=None))
        step.assign_add(1)

    while int(step.numpy()) < 8:
        if step.numpy() == 5 and worker == 1 and warned:
            os.kill(os.getpid(), signal.SIGTERM)
        handler.run(run)
    return [begun, [handler.total_run_calls, float(total.numpy())]]


def _dense_layer(rows):
    """A matrix with 512 columns and its moments, a data set, and a step of Adam on a batch of it that gives the loss."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(8, width)).astype(np.float32) for width in (rows, 512))
    first = rng.normal(size=(rows, 512)).astype(np.float32) / 32
    with strategy.scope():
        w, m, v = (tf.Variable(each) for each in (first, np.zeros_like(first), np.zeros_like(first)))
    data = strategy.experimental_distribute_dataset(
        tf.data.Dataset.from_tensors((x, y)).unbatch().batch(8).repeat()
    )

    def adam(strategy, g):
        m.assign_add((g - m) * 0.1)
        v.assign_add((tf.square(g) - v) * 0.001)
        w.assign_sub(m * 0.01 / (tf.sqrt(v) + 1e-3))

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((x @ w - y) ** 2) / 8
        context = tf.distribute.get_replica_context()
        context.merge_call(adam, args=(context.all_reduce("SUM", tape.gradient(loss, w)),))
        return loss

    @tf.function
    def train_step(*batch):
        return strategy.reduce("SUM", strategy.run(step, args=batch), axis=None)

    return (w, m, v), data, train_step


def large_update():
    """Losses of three steps of Adam with a matrix whose gradient is larger than its factors, and the kernels for it."""
    _, data, train_step = _dense_layer(2048)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        losses = [float(train_step(*batch)) for _, batch in zip(range(3), data)]
    kernels = {each.args[0] for each in call.call_args_list}
    return [losses, bool(kernels & {"adam_product", "exchange_adam", "exchange_adam_in_place"})]


def shared_matrix():
    """Of steps of Adam with a matrix that is read and assigned in between: losses, its norms, the sum of a moment, whether
    what was read stays as it was, and the kind of state.
    """
    (w, m, v), data, train_step = _dense_layer(2049)

    @tf.function
    def norm():
        return tf.reduce_sum(w * w)

    losses, norms, batches = [], [], iter(data)
    for i in range(6):
        losses.append(float(train_step(*next(batches))))
        norms.append(float(norm()))
        if i == 1:
            read = w.numpy()
            as_read = read.copy()
        if i == 2:
            w.assign(w * 0.5)
            m.assign(tf.zeros_like(m))
    return [losses, norms, float(v.numpy().sum()), bool((read == as_read).all()), type(w._state).__name__]


def alone():
    return {
        "train": train(), "fit": fit(), "large_update": large_update(), "shared_matrix": shared_matrix(),
    }  # fmt: skip


def over_sockets():
    """What workers do that share no memory."""
    return {"train": train(), "large_update": large_update(), "shared_matrix": shared_matrix()}


def train_and_resume():
    """Goes on from where `run_all` was warned."""
    return {"train": train(), "preempted": preempted(warned=False)}


def run_all():
    """What all checks give; in the end worker 1 is warned, and both end with status 42."""
    results = {"worker": worker}
    checks = [
        place, variable_of_the_chief, reductions, gradient_of_all_reduce, host_op, random_numbers, batches, files,
        from_function, train, fit, large_update, shared_matrix,
    ]  # fmt: skip
    for check in checks:
        results[check.__name__] = check()
    results["traced"], results["eager"] = collectives(True), collectives(False)
    print(json.dumps(results), flush=True)
    preempted(warned=True)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))
