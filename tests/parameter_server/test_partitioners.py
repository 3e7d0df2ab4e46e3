"""How variables are cut: TensorFlow's numbers."""

import functools

import numpy as np
import pytest

import penstock as tf
from penstock.parameter_server.partitioners import offsets_of
from tests.parameter_server.local_servers import local_strategy

P = tf.distribute.experimental.partitioners

# partitioner, shape, dtype -> parts (TensorFlow's answers)
CASES = [
    (P.FixedShardsPartitioner(2), [6, 1], tf.float32, [2, 1]),
    (P.FixedShardsPartitioner(9), [6, 1], tf.float32, [6, 1]),
    (P.MinSizePartitioner(4, 2), [6, 1], tf.float32, [2, 1]),
    (P.MinSizePartitioner(100, 10), [10, 3], tf.float32, [2, 1]),
    (P.MinSizePartitioner(100, 10), [7], tf.string, [2]),
    (P.MaxSizePartitioner(4), [6, 1], tf.float32, [6, 1]),
    (P.MaxSizePartitioner(10), [6, 1], tf.float32, [3, 1]),
    (P.MaxSizePartitioner(100, 2), [1000, 16], tf.int64, [2, 1]),
    (P.MaxSizePartitioner(1024), [6, 1], tf.float32, [1, 1]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case[0]).__name__}-{case[1]}-{case[3]}")
def test_numbers_of_parts(case):
    partitioner, shape, dtype, parts = case
    assert list(partitioner(tf.TensorShape(shape), dtype)) == parts


@pytest.mark.parametrize(
    "make",
    [
        lambda: P.MinSizePartitioner(min_shard_bytes=0),
        lambda: P.MinSizePartitioner(max_shards=0),
        lambda: P.MaxSizePartitioner(max_shard_bytes=0),
        lambda: P.MaxSizePartitioner(10, max_shards=-1),
    ],
)
def test_sizes_must_be_positive(make):
    with pytest.raises(ValueError, match="must be positive"):
        make()


def test_the_first_shards_have_one_row_more():
    assert offsets_of(P.FixedShardsPartitioner(5), tf.TensorShape([13]), tf.float32) == [0, 3, 6, 9, 11, 13]


def test_only_the_first_axis_is_cut():
    with pytest.raises(ValueError, match="at most one non-one element"):
        offsets_of(lambda shape, dtype: [1, 2], tf.TensorShape([4, 4]), tf.float32)


def test_shards_are_variables_on_different_servers():
    strategy = local_strategy(2, P.FixedShardsPartitioner(2))
    with strategy.scope():
        table = tf.Variable(np.arange(10.0).reshape(5, 2), name="table")
    assert [each.shape.as_list() for each in table.variables] == [[3, 2], [2, 2]]
    assert [each.name for each in table.variables] == ["table/part_0:0", "table/part_1:0"]
    assert [each.device[:25] for each in table.variables] == [
        "/job:ps/replica:0/task:0/",
        "/job:ps/replica:0/task:1/",
    ]


def test_initializers_make_the_shards_one_by_one():
    strategy = local_strategy(2, P.FixedShardsPartitioner(2))
    asked = []

    def initial_value(shape, dtype, partition_shape=None, partition_offset=None):
        asked.append((tuple(partition_shape), tuple(partition_offset)))
        return tf.ones(partition_shape, dtype)

    with strategy.scope():
        tf.Variable(functools.partial(initial_value, shape=(4, 3), dtype=tf.float32), dtype=tf.float32)
    assert asked == [((2, 3), (0, 0)), ((2, 3), (2, 0))]


def test_a_sharded_variable_reads_and_writes_as_one():
    strategy = local_strategy(2, P.FixedShardsPartitioner(2))
    value = np.arange(12.0).reshape(6, 2)
    with strategy.scope():
        table = tf.Variable(value)
    table.assign_add(np.ones_like(value))
    table.scatter_update(tf.IndexedSlices([[0.0, 0.0], [9.0, 9.0]], [5, 0]))
    value = value + 1
    value[5], value[0] = 0, 9
    np.testing.assert_array_equal(table.numpy(), value)
    np.testing.assert_array_equal(
        tf.nn.embedding_lookup(table, [[5, 1], [3, 3]]).numpy(), value[[[5, 1], [3, 3]]]
    )
    assert float(tf.reduce_sum(table * 2.0)) == 2 * value.sum()


def test_a_sharded_variable_is_one_tensor_in_a_checkpoint(tmp_path):
    value = np.arange(12.0, dtype=np.float32).reshape(6, 2)
    strategy = local_strategy(2, P.FixedShardsPartitioner(2))
    with strategy.scope():
        table = tf.Variable(value)
    path = tf.train.Checkpoint(v=table).write(str(tmp_path / "c"))
    plain = tf.Variable(np.zeros_like(value))
    tf.train.Checkpoint(v=plain).read(path).assert_consumed()
    np.testing.assert_array_equal(plain.numpy(), value)
    table.assign(-value)
    tf.train.Checkpoint(v=table).read(path)
    np.testing.assert_array_equal(table.numpy(), value)


def test_ops_that_have_no_rule_for_shards_are_refused():
    strategy = local_strategy(2, P.FixedShardsPartitioner(2))
    with strategy.scope():
        table = tf.Variable(np.zeros((4, 2), np.float32))
    with pytest.raises(tf.errors.UnimplementedError, match="cut into shards"):
        table.scatter_nd_update([[0, 0]], [1.0])


def test_shards_have_their_parts_of_gradients():
    strategy = local_strategy(2, P.FixedShardsPartitioner(2))
    with strategy.scope():
        table = tf.Variable(np.zeros((4, 1), np.float32))

    @tf.function
    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            rows = tf.reduce_sum(tf.nn.embedding_lookup(table, [3, 0, 3]))
            whole = tf.reduce_sum(table * [[1.0], [2.0], [3.0], [4.0]])
        sparse = tape.gradient(rows, table.variables)
        return [tf.convert_to_tensor(each) for each in sparse], tape.gradient(whole, table.variables)

    sparse, dense = gradients()
    assert [each.numpy().ravel().tolist() for each in sparse] == [[1, 0], [0, 2]]
    assert [each.numpy().ravel().tolist() for each in dense] == [[1, 2], [3, 4]]
