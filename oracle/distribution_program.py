"""Distributed programs, as TensorFlow's guides and tutorials show them, on logical devices: each function is one of them.

Runs unchanged under TensorFlow and under `penstock run`: `distribution_program.py FILE.npz [NAME ...]` writes the numbers
of each to a file, or the class of the error that it ends with.
"""

import os
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from program_results import outcome, write_results

(CPU,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 4)

TWO, FOUR = (["CPU:0", "CPU:1"], [f"CPU:{i}" for i in range(4)])


def _rng(seed=0):
    return np.random.default_rng(seed)


def _rows(count, width=4, seed=0):
    return _rng(seed).normal(size=(count, width)).astype(np.float32)


@keras.saving.register_keras_serializable()
def _sines(shape, dtype=None):
    """Initial values that are the same everywhere."""
    return tf.constant(np.sin(np.arange(np.prod(shape))).reshape(shape) * 0.3, dtype or tf.float32)


def _mirrored(devices):
    """TensorFlow's collectives of several groups of devices fail one another; this way it has none."""
    return tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())


def _dense(*units, inputs=4, activation="tanh"):
    layers = [keras.layers.Dense(n, activation, kernel_initializer=_sines) for n in units[:-1]]
    return keras.Sequential(
        [keras.Input((inputs,)), *layers, keras.layers.Dense(units[-1], kernel_initializer=_sines)]
    )


# tutorials/distribute/custom_training


def custom_training_loop():
    """A loop of one's own, whose last batch is uneven: losses by the global batch size, metrics, a checkpoint."""
    strategy = _mirrored(FOUR)
    x, y, batch = _rows(50), _rng(1).integers(0, 3, 50), 16
    train = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(batch))
    test = strategy.experimental_distribute_dataset(
        tf.data.Dataset.from_tensor_slices((x[:13], y[:13])).batch(batch)
    )
    with strategy.scope():
        loss_object = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
        test_loss = keras.metrics.Mean(name="test_loss")
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        model = _dense(8, 3)
        optimizer = keras.optimizers.Adam(learning_rate=0.05)
        optimizer.build(model.trainable_variables)
        checkpoint = tf.train.Checkpoint(optimizer=optimizer, model=model)

    def compute_loss(labels, predictions):
        return tf.nn.compute_average_loss(loss_object(labels, predictions), global_batch_size=batch)

    def train_step(inputs):
        images, labels = inputs
        with tf.GradientTape() as tape:
            predictions = model(images, training=True)
            loss = compute_loss(labels, predictions)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        )
        accuracy.update_state(labels, predictions)
        return loss

    def test_step(inputs):
        images, labels = inputs
        test_loss.update_state(loss_object(labels, model(images, training=False)))

    @tf.function
    def distributed_train_step(inputs):
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM, strategy.run(train_step, args=(inputs,)), axis=None
        )

    @tf.function
    def distributed_test_step(inputs):
        return strategy.run(test_step, args=(inputs,))

    found = []
    for _ in range(3):
        total, batches = 0.0, 0
        for each in train:
            total += distributed_train_step(each)
            batches += 1
        for each in test:
            distributed_test_step(each)
        found += [total / batches, accuracy.result(), test_loss.result()]
        test_loss.reset_state()
        accuracy.reset_state()
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint.save(os.path.join(folder, "ckpt"))
        fresh = _dense(8, 3)
        tf.train.Checkpoint(model=fresh).restore(path).expect_partial()
    return found, [np.asarray(each) for each in fresh.get_weights()]


def loop_inside_of_a_function():
    """The whole epoch in one function, over the dataset and over an iterator."""
    strategy = _mirrored(TWO)
    data = tf.data.Dataset.from_tensor_slices(_rows(24)).batch(8)
    with strategy.scope():
        w = tf.Variable(tf.ones([4, 1]), aggregation=tf.VariableAggregation.MEAN)
        seen = tf.Variable(
            0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
        )

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ w) ** 2)
        w.assign_sub(0.1 * tape.gradient(loss, w))
        seen.assign_add(tf.shape(x)[0])
        return loss

    @tf.function
    def epoch(dataset):
        total = 0.0
        for x in dataset:
            total += strategy.reduce("MEAN", strategy.run(step, args=(x,)), axis=None)
        return total

    @tf.function
    def two_steps(iterator):
        for _ in tf.range(2):
            losses = strategy.run(step, args=(next(iterator),))
        return strategy.experimental_local_results(losses)

    distributed = strategy.experimental_distribute_dataset(data)
    return epoch(distributed), epoch(distributed), two_steps(iter(distributed)), w, seen


# tutorials/distribute/input


def distributed_input():
    """Batches of replicas, of a function and of a dataset, with specs, and what is left over."""
    strategy = _mirrored(TWO)

    def dataset_fn(context):
        batch = context.get_per_replica_batch_size(8)
        data = tf.data.Dataset.from_tensor_slices(np.arange(20)).repeat(1).batch(batch)
        data = data.shard(context.num_input_pipelines, context.input_pipeline_id)
        return data.prefetch(2)

    local = strategy.experimental_local_results
    of_function = strategy.distribute_datasets_from_function(dataset_fn)
    of_dataset = strategy.experimental_distribute_dataset(
        tf.data.Dataset.from_tensor_slices({"a": np.arange(11), "b": _rows(11, 2)}).batch(4)
    )
    spec = of_dataset.element_spec
    iterator = iter(of_dataset)
    first = iterator.get_next()
    optional = iterator.get_next_as_optional()
    return {
        "function": [local(each) for each in of_function],
        "dataset": [[local(each["a"]), local(each["b"])] for each in of_dataset],
        "spec": [type(spec["a"]).__name__, str(iterator.element_spec["b"])],
        "first": local(first["a"]),
        "optional": [optional.has_value(), local(optional.get_value()["a"])],
    }


def values_from_functions():
    """`experimental_distribute_values_from_function`, gather, and values that are looked at."""
    strategy = _mirrored(FOUR)

    def value_fn(context):
        return tf.constant([[context.replica_id_in_sync_group * 1.0, context.num_replicas_in_sync]])

    values = strategy.experimental_distribute_values_from_function(value_fn)
    ragged = strategy.experimental_distribute_values_from_function(
        lambda context: tf.fill([context.replica_id_in_sync_group + 1, 2], context.replica_id_in_sync_group)
    )
    mean = strategy.reduce("MEAN", values, axis=0)
    run = strategy.run(lambda x: x * 2, args=(values,))
    return [
        strategy.experimental_local_results(values),
        strategy.experimental_local_results(run),
        strategy.gather(values, axis=0),
        strategy.gather(values, axis=1),
        strategy.gather(ragged, axis=0),
        strategy.reduce("SUM", ragged, axis=0),
        strategy.reduce("MEAN", ragged, axis=0),
        mean,
        type(values).__name__,
    ]


def ragged_and_sparse_input():
    """Rows of different lengths, and sparse rows, over replicas."""
    strategy = _mirrored(TWO)
    ragged = tf.ragged.constant([[1], [2, 3], [], [4, 5, 6], [7], [8, 9]])
    sparse = tf.sparse.from_dense(np.eye(6, 3))
    data = tf.data.Dataset.from_tensor_slices((ragged, sparse)).batch(4)

    @tf.function
    def step(inputs):
        def replica(pair):
            return tf.reduce_sum(pair[0]), tf.reduce_sum(tf.sparse.to_dense(pair[1]), axis=0)

        return strategy.run(replica, args=(inputs,))

    found = []
    for each in strategy.experimental_distribute_dataset(data):
        found += [strategy.experimental_local_results(part) for part in step(each)]
    return found


# guide/distributed_training, guide/keras


def fit_evaluate_predict():
    """Keras under a strategy: uneven batches, callbacks, metrics, class weights, validation, several steps in one call."""
    strategy = _mirrored(TWO)
    x, y = _rows(44), (_rows(44)[:, 0] > 0).astype(np.int64)
    with strategy.scope():
        model = _dense(6, 2)
        model.compile(
            keras.optimizers.SGD(0.1, momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            steps_per_execution=2,
        )
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = model.fit(
        x, y, batch_size=12, epochs=3, shuffle=False, class_weight={0: 1.0, 1: 2.0}, callbacks=[rate],
        validation_data=(x[:10], y[:10]), verbose=0,
    )  # fmt: skip
    return {
        "history": {name: history.history[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")},
        "evaluate": model.evaluate(x, y, batch_size=10, verbose=0),
        "predict": model.predict(x[:9], batch_size=4, verbose=0),
        "weights": model.get_weights(),
    }


def callbacks_and_saving():
    """Checkpoints, backups and whole models under a strategy, loaded inside and outside of one."""
    x, y = _rows(32), _rows(32, 1, 1)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        strategy = _mirrored(TWO)
        with strategy.scope():
            model = _dense(5, 1)
            model.compile("adam", "mse")
        callbacks = [
            keras.callbacks.ModelCheckpoint(
                os.path.join(folder, "{epoch}.weights.h5"), save_weights_only=True
            ),
            keras.callbacks.BackupAndRestore(os.path.join(folder, "backup")),
            keras.callbacks.EarlyStopping("loss", patience=1),
        ]
        history = model.fit(x, y, epochs=3, batch_size=8, shuffle=False, callbacks=callbacks, verbose=0)
        found += [history.history["loss"], sorted(each for each in os.listdir(folder) if each.endswith("h5"))]
        path = os.path.join(folder, "model.keras")
        model.save(path)
        found.append(keras.models.load_model(path).predict(x, verbose=0))
        with _mirrored(FOUR).scope():
            again = keras.models.load_model(path)
        found.append(again.predict(x, verbose=0))
        found.append(again.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"])
        exported = os.path.join(folder, "exported")
        model.export(exported, verbose=False)
        loaded = tf.saved_model.load(exported)
        found.append(loaded.serve(x))
    return found


def save_and_load():
    """tutorials/distribute/save_and_load: `tf.saved_model` under strategies."""
    x = _rows(12)
    with tempfile.TemporaryDirectory() as folder:
        strategy = _mirrored(TWO)
        with strategy.scope():

            class Model(tf.Module):
                def __init__(self):
                    self.w = tf.Variable(_sines((4, 2)))
                    self.calls = tf.Variable(0, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

                @tf.function(input_signature=[tf.TensorSpec([None, 4])])
                def __call__(self, x):
                    return x @ self.w

            model = Model()
        model.w.assign_add(tf.ones([4, 2]))
        tf.saved_model.save(model, folder)
        another = _mirrored(FOUR)
        with another.scope():
            loaded = tf.saved_model.load(folder)
        data = another.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(x).batch(8))
        found = [
            another.gather(another.run(tf.function(lambda x: loaded(x)), args=(each,)), axis=0)
            for each in data
        ]
        plain = tf.saved_model.load(folder)
        return found, plain(x), plain.w, plain.calls, type(loaded.w).__name__


def mixed_precision():
    """float16 with a loss scale that adapts, under a strategy."""
    strategy = _mirrored(TWO)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        with strategy.scope():
            model = _dense(8, 1)
            optimizer = keras.mixed_precision.LossScaleOptimizer(
                keras.optimizers.SGD(0.05), initial_scale=1024.0
            )
            model.compile(optimizer, "mse")
        history = model.fit(_rows(32), _rows(32, 1, 1), batch_size=8, epochs=2, shuffle=False, verbose=0)
        return history.history["loss"], optimizer.dynamic_scale, str(model.layers[0].compute_dtype)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def synchronized_batch_normalization():
    """Moments over the batches of all replicas, and of each."""
    found = []
    for synchronized in (True, False):
        strategy = _mirrored(TWO)
        with strategy.scope():
            layer = keras.layers.BatchNormalization(momentum=0.5, synchronized=synchronized)
            layer.build((None, 3))
        data = strategy.experimental_distribute_dataset(
            tf.data.Dataset.from_tensor_slices(_rows(16, 3)).batch(8)
        )

        @tf.function
        def step(x, layer=layer, strategy=strategy):
            return strategy.run(lambda x: layer(x, training=True), args=(x,))

        found += [strategy.gather(step(each), axis=0) for each in data]
        found += [layer.moving_mean, layer.moving_variance]
    return found


def gradient_accumulation():
    """Gradients of several batches before an update."""
    strategy = _mirrored(TWO)
    with strategy.scope():
        w = tf.Variable(_sines((4, 1)))
        sums = tf.Variable(
            tf.zeros([4, 1]), trainable=False, synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )  # fmt: skip

    def accumulate(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(x @ w))
        sums.assign_add(tape.gradient(loss, w))

    def apply():
        context = tf.distribute.get_replica_context()
        total = context.all_reduce(tf.distribute.ReduceOp.MEAN, sums.read_value() * 1.0)
        sums.assign(tf.zeros_like(sums))
        return total

    @tf.function
    def train(iterator):
        for _ in range(2):
            strategy.run(accumulate, args=(next(iterator),))
        return strategy.run(apply)

    iterator = iter(
        strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(_rows(48)).batch(8))
    )
    return strategy.experimental_local_results(train(iterator)), sums


# guides of variables and replica contexts


def variables_of_all_kinds():
    """What synchronization and aggregation mean, read in and outside of replicas."""
    strategy = _mirrored(TWO)
    sync, kinds = tf.VariableSynchronization, tf.VariableAggregation
    found = {}
    for synchronization in (sync.ON_WRITE, sync.ON_READ, sync.AUTO):
        for aggregation in (kinds.SUM, kinds.MEAN, kinds.ONLY_FIRST_REPLICA):

            def use(synchronization=synchronization, aggregation=aggregation):
                with strategy.scope():
                    v = tf.Variable(1.0, synchronization=synchronization, aggregation=aggregation)

                def step():
                    i = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
                    v.assign_add(i + 1.0)
                    return v.read_value() * 10.0

                results = strategy.run(tf.function(step))
                outside = v.read_value()
                v.assign(6.0)
                return strategy.experimental_local_results(results), outside, v.read_value(), type(v).__name__

            found[f"{synchronization.name} {aggregation.name}"] = outcome(use)
    return found


def replica_contexts():
    """all_reduce, all_gather, merge_call, nests, and gradients through them."""
    strategy = _mirrored(FOUR)
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([context.replica_id_in_sync_group + 1.0])
    )

    def step(x):
        context = tf.distribute.get_replica_context()
        nest = context.all_reduce(tf.distribute.ReduceOp.SUM, {"a": x, "b": [x * 2, x * x]})
        gathered = context.all_gather(tf.stack([x, -x], axis=1), axis=0)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            total = context.all_reduce("SUM", x * x)
            rows = context.all_gather(x * x, axis=0)
        gradients = [tape.gradient(total, x), tape.gradient(rows, x)]

        def merge(strategy, y, factor):
            return strategy.extended.reduce_to("SUM", y, destinations=y), strategy.extended.worker_devices[0][
                -6:
            ]

        merged, _ = context.merge_call(merge, args=(x,), kwargs={"factor": 2})
        return nest, gathered, gradients, merged

    results = strategy.run(tf.function(step), args=(values,))
    return tf.nest.map_structure(strategy.experimental_local_results, results)


def updates_in_cross_replica_context():
    """An optimizer of one's own: gradients are reduced in a merge_call, variables updated by the strategy."""
    strategy = _mirrored(TWO)
    with strategy.scope():
        w = tf.Variable([[2.0], [1.0]])
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(_rows(16, 2)).batch(8))

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ w) ** 2)
        gradient = tape.gradient(loss, w)

        def apply(strategy, gradient):
            (total,) = strategy.extended.batch_reduce_to("MEAN", [(gradient, w)])
            return strategy.extended.update(w, lambda v, g: v.assign_sub(0.1 * g), args=(total,), group=True)

        tf.distribute.get_replica_context().merge_call(apply, args=(gradient,))
        return loss

    losses = [strategy.reduce("MEAN", strategy.run(tf.function(step), args=(x,)), axis=None) for x in data]
    return losses, w, [v.numpy() for v in strategy.experimental_local_results(w)], w.values[1]


def embedding_gradients():
    """Sparse gradients of an embedding, with an optimizer of Keras and by hand."""
    strategy = _mirrored(TWO)
    with strategy.scope():
        table = tf.Variable(_sines((10, 3)))
        optimizer = keras.optimizers.Adagrad(0.5)
        optimizer.build([table])
    ids = strategy.experimental_distribute_dataset(
        tf.data.Dataset.from_tensor_slices([1, 2, 2, 7, 9, 1]).batch(4)
    )

    @tf.function
    def step(ids):
        def replica(ids):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.nn.embedding_lookup(table, ids) ** 2)
            optimizer.apply_gradients([(tape.gradient(loss, table), table)])
            return loss

        return strategy.reduce("SUM", strategy.run(replica, args=(ids,)), axis=None)

    return [step(each) for each in ids], table


def other_strategies():
    """The default strategy, OneDeviceStrategy and CentralStorageStrategy do the same steps."""
    found = []
    for strategy in (
        tf.distribute.get_strategy(),
        tf.distribute.OneDeviceStrategy("/cpu:1"),
        tf.distribute.experimental.CentralStorageStrategy(["CPU:0", "CPU:1"], "CPU:0"),
        tf.distribute.MirroredStrategy(["/cpu:0"]),
    ):
        with strategy.scope():
            v = tf.Variable(1.0)
            inside = tf.distribute.get_strategy() is strategy, tf.distribute.in_cross_replica_context()
        data = strategy.experimental_distribute_dataset(
            tf.data.Dataset.from_tensor_slices(np.float32([1, 2, 3, 4])).batch(2)
        )
        results = [strategy.reduce("SUM", strategy.run(lambda x: x * v, args=(x,)), axis=0) for x in data]
        found += [inside, results, strategy.num_replicas_in_sync, v]
    found += [tf.distribute.has_strategy(), tf.distribute.in_cross_replica_context()]
    return found


def random_numbers():
    """Generators of a strategy: one for each replica; stateless numbers by the replica's number."""
    strategy = _mirrored(TWO)
    with strategy.scope():
        generator = tf.random.Generator.from_seed(7)
    split = strategy.run(tf.function(lambda: generator.normal([3])))

    def stateless():
        i = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.stateless_uniform([2], seed=tf.stack([i, 3]))

    return [
        strategy.experimental_local_results(each) for each in (split, strategy.run(tf.function(stateless)))
    ]


def what_is_refused():
    """Errors that a program with a strategy meets."""
    strategy = _mirrored(TWO)
    with strategy.scope():
        v = tf.Variable(1.0)
    context = tf.distribute.get_replica_context()
    other = _mirrored(TWO)

    def nested():
        with strategy.scope(), other.scope():
            return tf.Variable(1.0)

    return {
        "reduce op": outcome(lambda: strategy.reduce("PRODUCT", 1.0, axis=None)),
        "assign": outcome(lambda: [strategy.run(lambda: v.assign(1.0)), v][1]),
        "nested": outcome(nested),
        "default context": context.all_reduce("SUM", tf.constant(2.0)),
        "scope in replica": outcome(lambda: strategy.run(lambda: strategy.scope().__enter__())),
        "run in replica": outcome(lambda: strategy.run(lambda: strategy.run(lambda: 1.0))),
        "gather scalar": outcome(lambda: strategy.gather(tf.constant(1.0), axis=0)),
        "dataset of numbers": outcome(lambda: strategy.experimental_distribute_dataset([1, 2])),
        "unknown device": outcome(lambda: tf.distribute.MirroredStrategy(["GPU:7"]).num_replicas_in_sync),
        "no devices": outcome(lambda: tf.distribute.MirroredStrategy([]).num_replicas_in_sync),
        "merge outside": outcome(lambda: tf.distribute.get_replica_context().merge_call(lambda s: 3)),
        "replica id outside": outcome(lambda: int(context.replica_id_in_sync_group)),
    }


# Version 1.


def version_1_loop():
    """A session's training under MirroredStrategy with an optimizer of TF 1."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        strategy = v1.distribute.MirroredStrategy(TWO)
        with strategy.scope():
            w = v1.get_variable("w", initializer=np.float32([[1.0], [2.0]]), use_resource=True)
            optimizer = v1.train.GradientDescentOptimizer(0.1)
            data = tf.data.Dataset.from_tensor_slices(_rows(16, 2)).batch(8, drop_remainder=True)
            iterator = strategy.make_dataset_iterator(data)

            def step(x):
                loss = tf.reduce_mean((x @ w) ** 2)
                with tf.control_dependencies([optimizer.minimize(loss)]):
                    return tf.identity(loss)

            losses = strategy.experimental_run(step, iterator)
            loss = strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                session.run(iterator.initialize())
                return [session.run(loss), session.run(loss), session.run(w)]


if __name__ == "__main__":
    write_results(globals())
