"""`MirroredStrategy`: several replicas give what one gives, eagerly, traced, on a mesh and on one device."""

import contextlib
import io
import subprocess
import sys
import textwrap
from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native

DEVICES = ["CPU:0", "CPU:1"]


@pytest.fixture
def strategy():
    return tf.distribute.MirroredStrategy(DEVICES)


def per_replica(strategy, make):
    return strategy.experimental_distribute_values_from_function(
        lambda ctx: make(ctx.replica_id_in_sync_group)
    )


def run(strategy, traced, fn, *args):
    """`strategy.run`, eagerly or in a function."""
    call = lambda *args: strategy.run(fn, args=args)
    return (tf.function(call) if traced else call)(*args)


both = pytest.mark.parametrize("traced", [False, True])


@both
def test_each_replica_sees_its_own_part(strategy, traced):
    x = per_replica(strategy, lambda i: tf.fill([2], float(i)))
    result = run(strategy, traced, lambda x: x + 1, x)
    assert isinstance(result, tf.distribute.DistributedValues)
    np.testing.assert_array_equal([each.numpy() for each in result.values], [[1, 1], [2, 2]])


@both
def test_replicas_know_their_number(strategy, traced):
    number = run(
        strategy,
        traced,
        lambda: tf.distribute.get_replica_context().replica_id_in_sync_group + tf.constant(0),
    )
    assert [int(each) for each in number.values] == [0, 1]


@both
@pytest.mark.parametrize(("kind", "expected"), [("SUM", 5.0), ("MEAN", 2.5)])
def test_all_reduce(strategy, traced, kind, expected):
    x = per_replica(strategy, lambda i: tf.constant(2.0 + i))
    result = run(strategy, traced, lambda x: tf.distribute.get_replica_context().all_reduce(kind, x), x)
    assert [float(each) for each in result.values] == [expected] * 2


@both
def test_the_gradient_of_an_all_reduce_sums_over_replicas(strategy, traced):
    x = per_replica(strategy, lambda i: tf.constant(2.0 + i))

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.distribute.get_replica_context().all_reduce("SUM", x * x) * x
        return tape.gradient(y, x)

    first, second = run(strategy, traced, step, x).values  # s = 4 + 9; d(s x)/dx = s + 2 x (2 + 3)
    assert (float(first), float(second)) == (33.0, 43.0)


@both
def test_all_reduce_of_slices_joins_rows(strategy, traced):
    x = per_replica(strategy, lambda i: tf.constant([float(i)]))
    slices = lambda x: tf.IndexedSlices(x, tf.cast(x, tf.int32), tf.constant([4]))
    reduce = lambda x: tf.distribute.get_replica_context().all_reduce("SUM", slices(x)).values
    assert run(strategy, traced, reduce, x).values[0].numpy().tolist() == [0.0, 1.0]


@both
def test_all_gather_joins_parts_of_different_sizes(strategy, traced):
    x = per_replica(strategy, lambda i: tf.range(i + 1))
    gather = lambda x: tf.distribute.get_replica_context().all_gather(x, axis=0)
    for each in run(strategy, traced, gather, x).values:
        assert each.numpy().tolist() == [0, 0, 1]


@both
@pytest.mark.parametrize(
    ("aggregation", "expected"), [("SUM", 4.0), ("MEAN", 2.5), ("ONLY_FIRST_REPLICA", 2.0)]
)
def test_replicas_agree_on_what_they_assign(strategy, traced, aggregation, expected):
    with strategy.scope():
        v = tf.Variable(1.0, aggregation=tf.VariableAggregation[aggregation])
    run(
        strategy,
        traced,
        lambda x: v.assign_add(x).read_value(),
        per_replica(strategy, lambda i: tf.constant(1.0 + i)),
    )
    assert v.numpy() == expected


@both
@pytest.mark.parametrize(
    ("aggregation", "expected"), [("SUM", 5.0), ("MEAN", 2.5), ("ONLY_FIRST_REPLICA", 2.0)]
)
def test_values_synchronized_on_reading_are_each_replicas_own(strategy, traced, aggregation, expected):
    with strategy.scope():
        v = tf.Variable(
            0.0,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation[aggregation],
        )

    def step(x):
        v.assign_add(x)
        v.assign_add(1.0)
        return v.read_value()

    own = run(strategy, traced, step, per_replica(strategy, lambda i: tf.constant(1.0 + i)))
    assert [float(each) for each in own.values] == [2.0, 3.0]
    assert v.numpy() == expected
    v.assign(8.0)
    assert v.numpy() == 8.0


def test_a_summed_variable_is_not_added_to_from_outside(strategy):
    with strategy.scope():
        v = tf.Variable(
            0.0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
        )
    with pytest.raises(ValueError, match="cross-replica context"):
        v.assign_add(1.0)


@both
def test_merge_call_sees_the_values_of_all(strategy, traced):
    def merge(strategy, x):
        assert tf.distribute.in_cross_replica_context()
        return strategy.reduce("SUM", x, axis=None)

    step = lambda x: tf.distribute.get_replica_context().merge_call(merge, args=(x,))
    result = run(strategy, traced, step, per_replica(strategy, lambda i: tf.constant(1.0 + i)))
    assert [float(each) for each in strategy.experimental_local_results(result)][-1] == 3.0


def test_replicas_that_meet_in_different_places_are_told(strategy):
    def step():
        context = tf.distribute.get_replica_context()
        if context.replica_id_in_sync_group == 0:
            context.all_gather(tf.constant([1.0]), axis=0)

    with pytest.raises(RuntimeError, match="another one does not come"):
        strategy.run(step)


def test_the_error_of_a_replica_is_raised(strategy):
    def step():
        context = tf.distribute.get_replica_context()
        if context.replica_id_in_sync_group == 1:
            raise KeyError("mine")
        context.all_reduce("SUM", tf.constant(1.0) * 2)

    with pytest.raises(KeyError, match="mine"):
        strategy.run(step)


def test_an_index_that_one_replica_computes_out_of_range_is_an_error(strategy):
    with strategy.scope():
        table, steps = tf.Variable(tf.ones([10, 2])), tf.Variable(0)

    def step(ids):
        steps.assign_add(1)
        return tf.gather(table, ids * ids // tf.maximum(ids, 1))

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 99 is not in \[0, 10\)"):
        run(strategy, True, step, per_replica(strategy, lambda i: tf.constant([1, 99 if i == 1 else 2])))
    assert steps.numpy() == 0


@both
def test_a_function_with_host_ops_runs_on_each_replica(strategy, traced):
    with strategy.scope():
        total = tf.Variable(0.0, aggregation=tf.VariableAggregation.SUM)

    def step(x):
        seen = tf.numpy_function(lambda value: np.float32(value * 10), [x], tf.float32)
        total.assign(tf.reshape(seen, []))
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.reshape(seen, []))

    result = run(strategy, traced, step, per_replica(strategy, lambda i: tf.constant(1.0 + i)))
    assert [float(each) for each in result.values] == [30.0, 30.0]
    assert total.numpy() == 30.0


def test_replicas_draw_different_random_numbers(strategy):
    first, second = run(strategy, True, lambda: tf.random.uniform([4])).values
    assert not np.array_equal(first, second)


@both
def test_variables_are_made_once(strategy, traced):
    made = []

    def step():
        if not made:
            made.append(tf.Variable(2.0))
        return made[0] * 3.0

    with strategy.scope():
        result = run(strategy, traced, step)
    assert [float(each) for each in result.values] == [6.0, 6.0]
    assert len(made) == 1


def test_batches_are_split_and_the_last_one_is_uneven(strategy):
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.range(9).batch(6))
    parts = [[each.numpy().tolist() for each in batch.values] for batch in data]
    assert parts == [[[0, 1, 2], [3, 4, 5]], [[6, 7], [8]]]
    assert data.element_spec.value_type.__name__ == "PerReplica"


def test_loops_over_distributed_datasets_are_loops_of_the_graph(strategy):
    batches = strategy.experimental_distribute_dataset(tf.data.Dataset.range(22).batch(8))
    traced = []

    def added(batch):
        traced.append(batch)
        return strategy.reduce("SUM", strategy.run(tf.reduce_sum, args=(batch,)), axis=None)

    @tf.function
    def of_the_dataset():
        total = tf.constant(0, tf.int64)
        for batch in batches:
            total += added(batch)
        return total

    @tf.function
    def of_an_iterator(iterator):
        total = added(next(iterator))
        for batch in iterator:
            total += added(batch)
            if total > 40:
                break
        return total

    assert int(of_the_dataset()) == sum(range(22))
    iterator = iter(batches)
    assert int(of_an_iterator(iterator)) == sum(range(16))
    assert int(strategy.reduce("SUM", next(iterator), axis=0)) == sum(range(16, 22))
    assert len(traced) == 3


def test_datasets_from_a_function_give_an_element_to_each_replica(strategy):
    make = lambda context: tf.data.Dataset.range(8).batch(context.get_per_replica_batch_size(4))
    parts = [
        [each.numpy().tolist() for each in batch.values]
        for batch in strategy.distribute_datasets_from_function(make)
    ]
    assert parts == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_one_replica_gets_plain_elements():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    for data in (
        strategy.experimental_distribute_dataset(tf.data.Dataset.range(4).batch(2)),
        strategy.distribute_datasets_from_function(lambda context: tf.data.Dataset.range(4).batch(2)),
    ):
        assert data.element_spec == tf.TensorSpec([None], tf.int64)
        assert [batch.numpy().tolist() for batch in data] == [[0, 1], [2, 3]]


def test_reduce_and_gather_of_results(strategy):
    values = per_replica(strategy, lambda i: tf.constant([1.0, 2.0, 3.0][: i + 2]))
    assert strategy.reduce("SUM", values, axis=0).numpy() == 9.0
    assert strategy.reduce("MEAN", values, axis=0).numpy() == pytest.approx(9 / 5)
    assert strategy.gather(values, axis=0).numpy().tolist() == [1.0, 2.0, 1.0, 2.0, 3.0]


_TRAIN = """
import penstock as tf
import numpy as np
count = {count}
if {mesh}:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
strategy = tf.distribute.MirroredStrategy(["CPU:" + str(i) for i in range(count)])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(50 * 12 + 7, 5)).astype(np.float32), rng.normal(size=(50 * 12 + 7, 1)).astype(np.float32)
with strategy.scope():
    w = tf.Variable(rng.normal(size=(5, 1)).astype(np.float32))
    seen = tf.Variable(0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM)
data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(12))
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((tf.tanh(x @ w) - y) ** 2) / 12
    context = tf.distribute.get_replica_context()
    gradient = context.all_reduce("SUM", tape.gradient(loss, w))
    update = lambda strategy, g: strategy.extended.update(w, lambda v, g: v.assign_sub(0.1 * g), args=(g,))
    context.merge_call(update, args=(gradient,))
    seen.assign_add(tf.shape(x)[0])
    return loss
@tf.function
def train(iterator):
    return strategy.reduce("SUM", strategy.run(step, args=next(iterator)), axis=None)
iterator = iter(data)
print(*[train(iterator).numpy() for _ in range(51)], seen.numpy())
"""


def train(count, mesh):
    """The losses, and how many rows were seen; on a mesh in a process that has logical devices."""
    program = textwrap.dedent(_TRAIN).format(count=count, mesh=mesh)
    if mesh:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return np.array(done.stdout.split(), float)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(program, {})
    return np.array(printed.getvalue().split(), float)


@pytest.fixture(scope="module")
def one_device():
    return train(1, False)


@pytest.mark.parametrize(("count", "mesh"), [(2, True), (3, False)])
def test_training_goes_as_on_one_device(one_device, count, mesh):
    """50 full batches and an uneven last one."""
    assert one_device[-1] == 607
    np.testing.assert_allclose(train(count, mesh), one_device, rtol=1e-5, atol=1e-6)


_COLLECTIVES = """
import re
import penstock as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from penstock.runtime.compiled_piece import CompiledPiece
programs, pieces = [], []
call = CompiledPiece.__call__
def noting(piece, env):
    if piece not in pieces:
        pieces.append(piece)
        programs.append(piece.lower(env))
    return call(piece, env)
CompiledPiece.__call__ = noting
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    variables = [tf.Variable(tf.ones([32, 32])) for _ in range(3)]
def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(x @ variables[0] @ variables[1] @ variables[2])
    context = tf.distribute.get_replica_context()
    gradients = context.all_reduce("SUM", tape.gradient(loss, variables))
    def update(strategy, gradients):
        for v, g in zip(variables, gradients):
            strategy.extended.update(v, lambda v, g: v.assign_sub(0.1 * g), args=(g,))
    context.merge_call(update, args=(gradients,))
    return loss
data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(tf.ones([8, 32])))
train = tf.function(lambda x: strategy.reduce("SUM", strategy.run(step, args=(x,)), axis=None))
batch = next(iter(data))
train(batch), train(batch)
text = max((each.compile().as_text() for each in programs), key=len)
names = "all-reduce|all-gather|all-to-all|collective-permute"
print(sorted(re.findall(rf" ({names})\\(", text)), text.count("may-alias"))
print(max(each._binding.program.program._cache_size() for each in pieces))
"""


def test_a_step_exchanges_gradients_once():
    """One all-reduce for all gradients, one gather for what the replicas return; states are updated in place.

    The program is compiled once, though the states are on one device before the first step.
    """
    program = textwrap.dedent(_COLLECTIVES)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['all-gather', 'all-reduce'] 3\n1"


_DIVIDED = """
import numpy as np
import penstock as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
def train(count):
    strategy = tf.distribute.MirroredStrategy(["CPU:" + str(i) for i in range(count)])
    rng = np.random.default_rng(0)
    with strategy.scope():
        w = tf.Variable(rng.normal(size=(2048, 512), scale=0.02).astype(np.float32))
        m = tf.Variable(tf.zeros([2048, 512]))
        top = tf.Variable(rng.normal(size=(512, 1), scale=0.1).astype(np.float32))
    def update(strategy, gradients):
        m.assign(0.9 * m + gradients[0])
        w.assign_sub(0.1 * m / (tf.norm(m) + 1.0) + 0.001 * w)
        top.assign_sub(0.1 * gradients[1])
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((tf.tanh(tf.tanh(x) @ w) @ top - y) ** 2) / 12
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce("SUM", tape.gradient(loss, [w, top]))
        context.merge_call(update, args=(gradients,))
        return loss
    x, y = rng.normal(size=(67, 2048)).astype(np.float32), rng.normal(size=(67, 1)).astype(np.float32)
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(12))
    run = tf.function(lambda *batch: strategy.reduce("SUM", strategy.run(step, args=batch), axis=None))
    losses = [float(run(*batch)) for _ in range(3) for batch in data]
    wide = tf.function(lambda x: strategy.run(lambda: x @ w))(tf.ones([600, 2048]))
    own = strategy.experimental_local_results(wide)[-1]
    print(*losses, float(tf.reduce_sum(w * w)), float(tf.reduce_sum(m[-3:])), float(own[-1, -1]))
    return w._state.value, m._state.value
train(1)
print(*[each.addressable_data(0).shape for each in train(2)])
"""


def test_devices_keep_parts_of_large_matrices():
    """Weights and their moments are divided, and training goes as on one device: also where an update needs all of a
    matrix, with an uneven batch, and where a product's batch is larger than the matrix.
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_DIVIDED)], capture_output=True, text=True, check=True
    )
    one, two, shapes = done.stdout.splitlines()
    np.testing.assert_allclose(np.array(two.split(), float), np.array(one.split(), float), rtol=1e-4)
    assert shapes == "(1024, 512) (1024, 512)"


@pytest.mark.skipif(native.library() is None, reason="the native kernels could not be compiled here")
def test_patterns_inside_of_replicas_are_computed_by_one_kernel(strategy):
    x = per_replica(strategy, lambda i: tf.fill([1, 4, 4, 3], i + 1.0))
    w, b = tf.ones([3, 3, 3, 4]), tf.ones([4])
    layer = lambda x: tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), b))
    with mock.patch.object(native, "call", wraps=native.call) as call:
        result = run(strategy, True, layer, x)
    assert any(each.kwargs.get("relu") for each in call.call_args_list)
    assert [float(each[0, 1, 1, 0]) for each in result.values] == [28.0, 55.0]


def test_ragged_and_sparse_rows_are_split(strategy):
    ragged, sparse = tf.ragged.constant([[1], [2, 3], [], [4, 5, 6], [7]]), tf.sparse.from_dense(np.eye(5, 3))
    batches = tf.data.Dataset.from_tensor_slices((ragged, sparse)).batch(4)
    step = tf.function(
        lambda pair: strategy.run(
            lambda r, s: (tf.reduce_sum(r), tf.reduce_sum(tf.sparse.to_dense(s), 0)), args=pair
        )
    )
    found = [step(each) for each in strategy.experimental_distribute_dataset(batches)]
    assert [[int(each) for each in sums.values] for sums, _ in found] == [[6, 15], [7, 0]]
    rows = [[each.numpy().tolist() for each in sums.values] for _, sums in found]
    assert rows == [[[1, 1, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0]]]


@both
def test_a_merge_call_can_run_the_replicas_again(strategy, traced):
    """As Keras's optimizer does that scales the loss: in a branch of code that runs once for all."""
    with strategy.scope():
        w = tf.Variable(1.0, aggregation=tf.VariableAggregation.SUM)

    def add(x):
        w.assign_add(x)

    def merge(strategy, x):
        finite = strategy.experimental_local_results(strategy.run(tf.math.is_finite, args=(x,)))[0]
        tf.cond(finite, lambda: strategy.run(add, args=(x,)), lambda: None)

    def step(x):
        tf.distribute.get_replica_context().merge_call(merge, args=(x,))
        return x

    run(strategy, traced, step, per_replica(strategy, lambda i: tf.constant(i + 1.0)))
    assert float(w) == 4.0


@both
def test_generators_draw_other_numbers_in_each_replica(strategy, traced):
    """The numbers are TensorFlow's."""
    with strategy.scope():
        generator = tf.random.Generator.from_seed(7)
    drawn = run(strategy, traced, lambda: generator.normal([3])).values
    np.testing.assert_allclose(
        drawn, [[1.0358781, 1.7041482, -1.2807828], [-0.47951084, -0.39813325, 0.25555137]], rtol=1e-5
    )
    with strategy.scope():
        np.testing.assert_allclose(generator.normal([2]), [-1.2344412, 0.09916726], rtol=1e-5)  # after both


def test_a_replica_cannot_enter_the_scope(strategy):
    with pytest.raises(RuntimeError, match="a replica cannot enter the scope"):
        strategy.run(lambda: strategy.scope().__enter__())
