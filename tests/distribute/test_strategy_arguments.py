"""What strategies refuse, with TensorFlow's classes of errors, and the options that they take."""

import numpy as np
import pytest

import penstock as tf

distribute = tf.distribute
Aggregation, Synchronization = tf.VariableAggregation, tf.VariableSynchronization


@pytest.fixture
def strategy():
    return distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def per_replica(strategy, make=lambda i: tf.constant(1.0 + i)):
    return strategy.experimental_distribute_values_from_function(
        lambda context: make(context.replica_id_in_sync_group)
    )


def in_replica(call):
    return lambda s: s.run(lambda: call(distribute.get_replica_context()))


REFUSED = {
    "a device twice": (AssertionError, lambda s: distribute.MirroredStrategy(["CPU:0", "CPU:0"])),
    "no device": (ValueError, lambda s: distribute.MirroredStrategy(["FOO:0"])),
    "another algorithm": (ValueError, lambda s: distribute.MirroredStrategy(cross_device_ops=3)),
    "negative packs": (ValueError, lambda s: distribute.NcclAllReduce(num_packs=-1)),
    "negative bytes": (ValueError, lambda s: distribute.experimental.CommunicationOptions(bytes_per_pack=-1)),
    "an implementation": (ValueError, lambda s: distribute.experimental.CommunicationOptions(implementation="X")),
    "no TPU": (ValueError, lambda s: distribute.TPUStrategy()),
    "no resolver": (AttributeError, lambda s: distribute.TPUStrategy(3)),
    "one device without a name": (TypeError, lambda s: distribute.OneDeviceStrategy()),
    "a reduction": (ValueError, lambda s: s.reduce("foo", per_replica(s), None)),
    "an axis": (TypeError, lambda s: s.reduce("SUM", per_replica(s), axis="a")),
    "the sum of one value for all": (ValueError, lambda s: s.reduce("SUM", 3.0, None)),
    "the sum of strings": (
        tf.errors.InvalidArgumentError,
        lambda s: s.reduce("SUM", per_replica(s, lambda i: tf.constant("a")), None),
    ),
    "args": (ValueError, lambda s: s.run(lambda x: x, args=3)),
    "a run in a run": (RuntimeError, lambda s: s.run(lambda: s.run(lambda: 1))),
    "another scope": (RuntimeError, lambda s: enter(s, distribute.MirroredStrategy(["CPU:0"]))),
    "all_reduce of strings": (
        tf.errors.InvalidArgumentError,
        in_replica(lambda context: context.all_reduce("SUM", tf.constant("a"))),
    ),
    "options of all_reduce": (
        AttributeError,
        in_replica(lambda context: context.all_reduce("SUM", tf.constant(1.0), options=3)),
    ),
    "all_gather of scalars": (ValueError, in_replica(lambda context: context.all_gather(tf.constant(1.0), 0))),
    "all_gather without an axis": (ValueError, in_replica(lambda context: context.all_gather(tf.ones([1]), None))),
    "all_gather of slices": (
        NotImplementedError,
        in_replica(lambda context: context.all_gather(tf.IndexedSlices(tf.ones([1, 1]), tf.constant([0])), 0)),
    ),
    "gather out of range": (ValueError, lambda s: s.gather(per_replica(s, lambda i: tf.ones([1])), axis=2)),
    "destinations": (ValueError, lambda s: s.extended.reduce_to("SUM", per_replica(s), 3)),
    "colocation outside": (RuntimeError, lambda s: s.extended.colocate_vars_with(None)),
    "a dataset": (AttributeError, lambda s: s.experimental_distribute_dataset([1, 2])),
    "scalars as elements": (IndexError, lambda s: s.experimental_distribute_dataset(tf.data.Dataset.range(4))),
    "input options": (
        AttributeError,
        lambda s: s.experimental_distribute_dataset(tf.data.Dataset.range(4).batch(2), 3),
    ),
    "a dataset for each replica": (
        NotImplementedError,
        lambda s: s.experimental_distribute_dataset(
            tf.data.Dataset.range(4).batch(2),
            distribute.InputOptions(experimental_replication_mode=distribute.InputReplicationMode.PER_REPLICA),
        ),
    ),
    "a part of a batch": (ValueError, lambda s: distribute.InputContext(2, 1, 4).get_per_replica_batch_size(9)),
}  # fmt: skip


def enter(outer, inner):
    with outer.scope(), inner.scope():
        pass


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(strategy, name):
    error, call = REFUSED[name]
    with pytest.raises(error):
        call(strategy)


VARIABLES = {
    "NONE": (ValueError, {"synchronization": Synchronization.NONE}, None),
    "a mean of integers": (ValueError, {"initial_value": 1, "aggregation": Aggregation.MEAN}, None),
    "a number summed over replicas": (ValueError, {"aggregation": Aggregation.SUM}, lambda v: v.assign(2.0)),
    "the smallest of a mean": (
        NotImplementedError,
        {"initial_value": [1.0], "aggregation": Aggregation.MEAN},
        lambda v: v.scatter_min(tf.IndexedSlices([0.0], [0])),
    ),
    "rows of a value that is synchronized on reading": (
        NotImplementedError,
        {"initial_value": [1.0], "synchronization": Synchronization.ON_READ},
        lambda v: v.scatter_add(tf.IndexedSlices([0.0], [0])),
    ),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_refuse(strategy, name):
    error, arguments, call = VARIABLES[name]
    with pytest.raises(error):
        with strategy.scope():
            variable = tf.Variable(**{"initial_value": 1.0, **arguments})
        strategy.run(lambda: call(variable))


def test_a_value_synchronized_on_reading_without_an_aggregation_is_read_by_replicas_only(strategy):
    with strategy.scope():
        variable = tf.Variable(1.0, synchronization=Synchronization.ON_READ)
    assert [float(each) for each in strategy.run(lambda: variable.read_value()).values] == [1.0, 1.0]
    with pytest.raises(ValueError, match="Could not convert"):
        variable.read_value()


def test_distributed_variables_show_their_replicas(strategy):
    with strategy.scope():
        variable = tf.Variable(1.0)
    assert repr(variable).splitlines() == [
        "MirroredVariable:{",
        "  0: <tf.Variable 'Variable:0' shape=() dtype=float32, numpy=1.0>,",
        "  1: <tf.Variable 'Variable/replica_1:0' shape=() dtype=float32, numpy=1.0>",
        "}",
    ]
    assert isinstance(variable, tf.types.experimental.distributed.Mirrored)


def test_variables_that_replicas_make_belong_to_the_strategy(strategy):
    made = strategy.run(lambda: tf.Variable(1.0))
    assert strategy.extended.variable_created_in_scope(made)


def test_reduce_along_axes(strategy):
    rows = per_replica(strategy, lambda i: tf.constant([[1.0 + i, 2.0]]))
    assert strategy.reduce("SUM", rows, axis=(0, 1)).numpy() == 7.0
    assert strategy.reduce("MEAN", rows, axis=1).numpy().tolist() == [1.75]
    assert strategy.reduce("SUM", tf.constant([3.0, 1.0]), axis=0).numpy() == 8.0  # each replica has it


def test_reduce_of_slices_joins_rows(strategy):
    slices = strategy.run(lambda: tf.IndexedSlices(tf.ones([1, 1]), tf.constant([0])))
    assert strategy.reduce("MEAN", slices, axis=None).values.numpy().tolist() == [[0.5], [0.5]]


def test_reduction_to_several_devices_gives_a_value_for_each(strategy):
    value = per_replica(strategy)
    result = strategy.extended.reduce_to("SUM", value, value)
    assert [float(each) for each in result.values] == [3.0, 3.0]
    assert float(result + 1.0) == 4.0
    assert float(strategy.extended.reduce_to("MEAN", value, "CPU:0")) == 1.5


@pytest.mark.parametrize(
    "algorithm",
    [
        distribute.ReductionToOneDevice(),
        distribute.ReductionToOneDevice("CPU:0", tf.add_n),
        distribute.NcclAllReduce(),
        distribute.HierarchicalCopyAllReduce(num_packs=2),
    ],
)
def test_cross_device_ops_reduce_by_themselves(strategy, algorithm):
    value = per_replica(strategy)
    assert algorithm.reduce("SUM", value, "CPU:0").numpy() == 3.0
    assert [float(each) for each in algorithm.reduce("MEAN", value, value).values] == [1.5, 1.5]
    assert [float(each) for each in algorithm.batch_reduce("SUM", [(value, "CPU:0")] * 2)] == [3.0, 3.0]
    assert len(algorithm.broadcast(tf.constant(1.0), value).values) == 2


def test_options_say_what_they_hold():
    options = distribute.experimental.CommunicationOptions(timeout_seconds=1.0, implementation="nccl")
    assert options.implementation is distribute.experimental.CommunicationImplementation.NCCL
    assert (options.bytes_per_pack, options.timeout_seconds) == (0, 1.0)
    assert distribute.experimental.CollectiveHints(bytes_per_pack=5).bytes_per_pack == 5
    assert (
        str(distribute.InputContext(2, 1, 4)) == "tf.distribute.InputContext(input pipeline id 1, total: 2)"
    )


def test_uneven_elements_of_a_function_go_to_the_replicas_in_turn(strategy):
    data = strategy.distribute_datasets_from_function(lambda context: tf.data.Dataset.range(5).batch(2))
    parts = [[each.numpy().tolist() for each in batch.values] for batch in data]
    assert parts == [[[0, 1], [2, 3]], [[4], []]]


def test_each_replica_may_have_a_dataset_of_its_own(strategy):
    options = distribute.InputOptions(
        experimental_replication_mode=distribute.InputReplicationMode.PER_REPLICA
    )
    data = strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.range(4).batch(2), options
    )
    parts = [[each.numpy().tolist() for each in batch.values] for batch in data]
    assert parts == [[[0, 1], [0, 1]], [[2, 3], [2, 3]]]


def test_an_optional_of_a_distributed_iterator(strategy):
    iterator = iter(strategy.experimental_distribute_dataset(tf.data.Dataset.range(3).batch(3)))
    first, second = iterator.get_next_as_optional(), iterator.get_next_as_optional()
    assert isinstance(first, tf.experimental.Optional)
    assert [each.numpy().tolist() for each in first.get_value().values] == [[0, 1], [2]]
    assert not second.has_value()


def test_an_iterator_goes_on_where_it_was_saved(strategy, tmp_path):
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.range(8).batch(2))
    iterator = iter(data)
    next(iterator)
    position = iterator._wrapped.save_position()
    expected = next(iterator).values[0].numpy()
    iterator._wrapped.restore_position(position)
    np.testing.assert_array_equal(next(iterator).values[0], expected)


def test_strings_come_back_from_replicas(strategy):
    result = strategy.run(tf.function(lambda: (tf.constant(1), None, "a")))
    assert [each.numpy() for each in result[2].values] == [b"a", b"a"]


def test_central_storage_computes_on_several_devices():
    strategy = distribute.experimental.CentralStorageStrategy(["CPU:0", "CPU:1"], "CPU:0")
    with strategy.scope():
        v = tf.Variable(1.0, aggregation=Aggregation.SUM)
    replica = lambda: tf.cast(distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
    strategy.run(tf.function(lambda: v.assign_add(replica() + 1.0)))
    assert v.numpy() == 4.0
    assert [
        len(each) for each in (strategy.extended.worker_devices, strategy.extended.parameter_devices)
    ] == [2, 1]


def test_one_device_distributes_to_itself():
    strategy = distribute.OneDeviceStrategy("/cpu:0")
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.range(4).batch(2))
    assert isinstance(data, distribute.DistributedDataset)
    assert [int(strategy.run(tf.reduce_sum, args=(each,))) for each in data] == [1, 5]
