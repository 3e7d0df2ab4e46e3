"""Strategies in the graphs of sessions; the numbers are those of TensorFlow."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
Aggregation, Synchronization = tf.VariableAggregation, tf.VariableSynchronization


@pytest.fixture
def strategy():
    with tf.Graph().as_default():
        yield v1.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def run(*fetches, before=()):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(list(before))
        return session.run(fetches)


def replica_number():
    return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)


def test_replicas_read_a_variable(strategy):
    with strategy.scope():
        v = v1.get_variable("w", initializer=2.0)
    tripled = strategy.run(lambda: v * 3.0)
    assert run(strategy.reduce("SUM", tripled, axis=None)) == (12.0,)
    assert (v.name, v.op.type) == ("w:0", "VarHandleOp")


def test_replicas_agree_on_an_assignment(strategy):
    with strategy.scope():
        v = v1.get_variable("w", initializer=2.0, aggregation=Aggregation.MEAN)
    update = strategy.group(strategy.run(lambda: v.assign_add(replica_number())))
    assert run(v, before=[update]) == (2.5,)


def test_each_replica_has_its_own_value_until_it_is_read(strategy):
    with strategy.scope():
        v = v1.get_variable(
            "w", initializer=2.0, synchronization=Synchronization.ON_READ, aggregation=Aggregation.SUM
        )
    update = strategy.group(strategy.run(lambda: v.assign_add(replica_number())))
    assert run(*strategy.experimental_local_results(v), strategy.extended.read_var(v), before=[update]) == (
        2.0,
        3.0,
        5.0,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.make_dataset_iterator(tf.data.Dataset.range(8).batch(4)),
        lambda s: s.make_input_fn_iterator(lambda context: tf.data.Dataset.range(8).batch(2)),
        lambda s: v1.data.make_initializable_iterator(
            s.experimental_distribute_dataset(tf.data.Dataset.range(8).batch(4))
        ),
    ],
)
def test_iterators_are_initialized_in_a_session(strategy, make):
    iterator = make(strategy)
    parts = strategy.experimental_local_results(iterator.get_next())
    with v1.Session() as session:
        session.run(iterator.initializer)
        rows = [[part.tolist() for part in session.run(parts)] for _ in range(2)]
        assert rows == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(parts)


def train(strategy, optimizer):
    """Four losses of a linear model, and the names of all variables."""
    data = np.arange(16, dtype=np.float32).reshape(8, 2)
    iterator = strategy.make_dataset_iterator(
        tf.data.Dataset.from_tensor_slices((data, data.sum(1))).batch(4).repeat()
    )

    def step(batch):
        x, y = batch
        w = v1.get_variable("w", [2, 1], initializer=v1.ones_initializer())
        loss = tf.reduce_mean((tf.matmul(x, w)[:, 0] - 2 * y) ** 2)
        with tf.control_dependencies([optimizer.minimize(loss, v1.train.get_or_create_global_step())]):
            return tf.identity(loss)

    with strategy.scope():
        loss = strategy.reduce("MEAN", strategy.experimental_run(step, iterator), axis=None)
    with v1.Session() as session:
        session.run([iterator.initialize(), v1.global_variables_initializer()])
        return [float(session.run(loss)) for _ in range(4)], sorted(
            each.name for each in v1.global_variables()
        )


def test_an_optimizer_sums_the_gradients_of_replicas(strategy):
    losses, names = train(strategy, v1.train.GradientDescentOptimizer(0.001))
    np.testing.assert_allclose(losses, [69.0, 407.3763, 0.5507, 2.9825], rtol=1e-4)
    assert names == ["global_step:0", "w:0"]


def test_an_optimizer_with_slots(strategy):
    losses, names = train(strategy, v1.train.AdamOptimizer(0.1))
    np.testing.assert_allclose(losses, [69.0, 444.69, 46.0583, 305.6476], rtol=1e-4)
    assert names == ["beta1_power:0", "beta2_power:0", "global_step:0", "w/Adam:0", "w/Adam_1:0", "w:0"]


def test_an_operation_of_the_replicas_is_run_as_one(strategy):
    with strategy.scope():
        v = v1.get_variable("w", initializer=2.0, aggregation=Aggregation.SUM)

        def step():
            return tf.group(v.assign(replica_number() + 1.0))

        operation = strategy.run(step)
    assert run(v, before=[strategy.group(operation)]) == (3.0,)


def test_methods_that_only_tf1_had(strategy):
    assert strategy.unwrap(3) == (3,)
    assert strategy.configure() is None
    config = v1.ConfigProto(allow_soft_placement=True)
    assert strategy.update_config_proto(config) == config
    assert v1.distribute.get_loss_reduction() is tf.distribute.ReduceOp.SUM
    assert strategy.extended.experimental_should_init
    dataset = strategy.experimental_make_numpy_dataset(np.arange(3))
    assert dataset.element_spec == tf.TensorSpec([], tf.int64)


def test_steps_on_an_iterator(strategy):
    iterator = strategy.make_dataset_iterator(tf.data.Dataset.range(8).batch(4))

    def step(context, batch):
        context.set_last_step_output("sum", strategy.run(tf.reduce_sum, args=(batch,)), "SUM")

    context = strategy.extended.experimental_run_steps_on_iterator(step, iterator, iterations=2)
    with v1.Session() as session:
        session.run(iterator.initialize())
        assert session.run(context.last_step_outputs["sum"]) in (6, 22)
