"""Training with variables on servers gives the numbers of training without, and moves no more rows than it uses."""

import contextlib
import functools
import gc
import threading

import numpy as np
import pytest

import penstock as tf
from penstock.engine.resources import State
from tests.parameter_server.local_servers import local_strategy

ROWS, WIDTH = 20, 3
FIXED = tf.distribute.experimental.partitioners.FixedShardsPartitioner


def _table():
    return np.linspace(-1, 1, ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH)


def _network():
    """A lookup, a dense layer, and their variables."""
    table = tf.Variable(_table(), name="table")
    kernel = tf.Variable(np.linspace(0, 1, WIDTH, dtype=np.float32)[:, None])
    steps = tf.Variable(0, dtype=tf.int64, trainable=False)
    return table, kernel, steps


def _loss(table, kernel, ids):
    rows = tf.nn.embedding_lookup(table, ids)
    return tf.reduce_mean((tf.matmul(tf.reduce_sum(rows, 1), kernel) - 1.0) ** 2)


def _batches(count=10):
    return [np.random.RandomState(i).randint(0, ROWS, (4, 2)) for i in range(count)]


def _train(optimizer, network, strategy=None):
    """The losses of some steps."""
    table, kernel, steps = network
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        optimizer.build([table, kernel])

    @tf.function
    def step(ids):
        def one(ids):
            with tf.GradientTape() as tape:
                loss = _loss(table, kernel, ids)
            gradients = tape.gradient(loss, [table, kernel])
            optimizer.apply_gradients(zip(gradients, [table, kernel]))
            steps.assign_add(1)
            return loss

        return one(ids) if strategy is None else strategy.run(one, args=(ids,))

    return [step(tf.constant(each)).numpy() for each in _batches()]


@functools.cache
def _trained_here(name):
    """The losses without servers, and the variables after them."""
    network = _network()
    return _train(OPTIMIZERS[name](), network), network


OPTIMIZERS = {
    "sgd": lambda: tf.keras.optimizers.SGD(0.1),
    "adagrad": lambda: tf.keras.optimizers.Adagrad(0.1),
    "adam": lambda: tf.keras.optimizers.Adam(0.1),
    "ftrl": lambda: tf.keras.optimizers.Ftrl(0.1),
}


@pytest.mark.parametrize(
    ("name", "shards"), [("sgd", None), ("adam", None), ("sgd", 2), ("adagrad", 2), ("adam", 2), ("ftrl", 2)]
)
def test_losses_are_those_of_one_device(name, shards):
    expected, network = _trained_here(name)
    strategy = local_strategy(2, shards and FIXED(shards))
    with strategy.scope():
        there = _network()
        optimizer = OPTIMIZERS[name]()
    found = _train(optimizer, there, strategy)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for mine, theirs in zip(network, there):
        np.testing.assert_allclose(theirs.numpy(), mine.numpy(), rtol=1e-5, atol=1e-6)


def test_slots_are_beside_their_variables():
    strategy = local_strategy(3, FIXED(2))
    with strategy.scope():
        table, kernel, _ = _network()
        optimizer = tf.keras.optimizers.Adam()
        optimizer.build([table, kernel])
    for variable in optimizer.variables:
        slot = variable.value
        if tuple(slot.shape) == (ROWS, WIDTH):
            assert [each.device for each in slot.variables] == [each.device for each in table.variables]
        elif tuple(slot.shape) == (WIDTH, 1):
            assert slot.device == kernel.device


def test_a_step_moves_only_the_rows_it_uses():
    strategy = local_strategy(2, FIXED(2))
    with strategy.scope():
        table = tf.Variable(np.zeros((1000, 16), np.float32))

    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(tf.convert_to_tensor(table), ids))
        table.scatter_sub(tape.gradient(loss, table))

    link = strategy._cluster.connection
    step(tf.constant([3, 700, 3, 999]))
    row = 16 * 4
    assert link.received == 4 * row
    assert link.sent <= 4 * (row + 16)  # gradients and ids, and ids of the lookup
    np.testing.assert_array_equal(np.flatnonzero(table.numpy()[:, 0]), [3, 700, 999])


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "RMSprop", "Nadam"])
def test_an_update_of_an_optimizer_moves_only_the_rows_of_the_gradient(name):
    """Adam changes every row, as with TensorFlow, but where the table is."""
    strategy = local_strategy(2, FIXED(2))
    with strategy.scope():
        table = tf.Variable(np.ones((1000, 16), np.float32))
        optimizer = getattr(tf.keras.optimizers, name)(0.1)
        optimizer.build([table])

    @tf.function
    def step(ids):
        def one(ids):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.nn.embedding_lookup(table, ids) ** 2)
            optimizer.apply_gradients([(tape.gradient(loss, table), table)])

        strategy.run(one, args=(ids,))

    ids = tf.constant([3, 700, 3, 999])
    step(ids)
    link = strategy._cluster.connection
    before = link.received, link.sent
    step(ids)
    row, counters = 16 * 4, 64
    assert link.received - before[0] <= 4 * row + counters
    assert link.sent - before[1] <= 4 * (row + 16) + counters


def test_a_step_calls_each_server_twice():
    strategy = local_strategy(2)
    with strategy.scope():
        variables = [tf.Variable(float(i)) for i in range(8)]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.add_n([each * each for each in variables])
        for gradient, each in zip(tape.gradient(loss, variables), variables):
            each.assign_sub(0.5 * gradient)
        return loss

    calls = []
    link = strategy._cluster.connection
    send = link._send
    link._send = lambda server, method, *args: calls.append(method) or send(server, method, *args)
    assert step().numpy() == sum(i * i for i in range(8))
    assert calls.count("run") - calls.count("load") == 4
    assert [each.numpy() for each in variables] == [0.0] * 8


def test_updates_keep_the_order_of_the_program():
    strategy = local_strategy(1)
    with strategy.scope():
        v = tf.Variable([1.0, 2.0])

    @tf.function
    def program():
        before = v.read_value()
        v.assign_add([1.0, 1.0])
        between = v.read_value()
        v.scatter_update(tf.IndexedSlices([10.0], [0]))
        return before, between, v.read_value()

    assert [each.numpy().tolist() for each in program()] == [[1, 2], [2, 3], [10, 3]]


def test_branches_and_loops_on_variables():
    strategy = local_strategy(2)
    with strategy.scope():
        a, b = tf.Variable(0.0), tf.Variable(1.0)

    @tf.function
    def program(n):
        for _ in tf.range(n):
            a.assign_add(b)
            if a > 2.0:
                b.assign(0.0)
        return a + b

    assert program(tf.constant(5)).numpy() == 3.0
    assert (a.numpy(), b.numpy()) == (3.0, 0.0)


def test_a_lost_server_comes_back_with_the_last_checkpoint(tmp_path):
    strategy = local_strategy(2, FIXED(2))
    with strategy.scope():
        table, kernel, _ = _network()
    tf.train.Checkpoint(table=table, kernel=kernel).write(str(tmp_path / "ckpt"))
    table.assign(tf.zeros_like(table))
    strategy._cluster.kill("ps/1")
    found = table.numpy()
    np.testing.assert_array_equal(found[: ROWS // 2], 0)  # the other server was not lost
    np.testing.assert_array_equal(found[ROWS // 2 :], _table()[ROWS // 2 :])


@pytest.mark.parametrize("partitioner", [None, FIXED(2)])
def test_a_lost_server_comes_back_with_the_checkpoint_that_was_restored(partitioner, tmp_path):
    path = tf.train.Checkpoint(v=tf.Variable(_table())).write(str(tmp_path / "ckpt"))
    strategy = local_strategy(2, partitioner)
    with strategy.scope():
        v = tf.Variable(np.zeros_like(_table()))
    tf.train.Checkpoint(v=v).read(path)
    strategy._cluster.kill("ps/0")
    np.testing.assert_array_equal(v.numpy(), _table())


def test_a_lost_server_without_checkpoint_is_an_error():
    strategy = local_strategy(1)
    with strategy.scope():
        v = tf.Variable(1.0, name="unsaved")
    strategy._cluster.kill("ps/0")
    with pytest.raises(tf.errors.UnavailableError, match="no checkpoint has its variables unsaved"):
        v.numpy()


@pytest.mark.parametrize("partitioner", [None, FIXED(2)], ids=["whole", "shards"])
def test_a_variable_that_is_gone_is_gone_on_its_server(partitioner):
    strategy = local_strategy(2, partitioner)
    with strategy.scope():
        stays, goes = tf.Variable(1.0), tf.Variable(_table())
    assert goes.numpy().shape == (ROWS, WIDTH)
    goes.assign_add(_table())
    del goes
    gc.collect()
    assert stays.numpy() == 1.0
    servers = strategy._cluster.connection.servers.values()
    assert sum(len(each.keys()) for each in servers) == 1


def test_slots_elsewhere_are_refused():
    strategy = local_strategy(2)
    with strategy.scope():
        v, slot = tf.Variable([1.0]), tf.Variable([0.0])

    @tf.function
    def update():
        tf.raw_ops.ResourceApplyMomentum(
            var=v.handle, accum=slot.handle, lr=1.0, grad=tf.constant([1.0]), momentum=0.9
        )

    with pytest.raises(tf.errors.InvalidArgumentError, match="colocate_vars_with"):
        update()


def test_steps_leave_no_copies_of_tables_behind():
    strategy = local_strategy(2, FIXED(2))
    with strategy.scope():
        network, optimizer = _network(), tf.keras.optimizers.Adagrad(0.1)
    _train(optimizer, network, strategy)

    def states():
        return sum(isinstance(each, State) and each.value is not None for each in gc.get_objects())

    before = states()
    gc.disable()
    try:
        _train(optimizer, network, strategy)
        assert states() <= before
    finally:
        gc.enable()


class _Door:
    """A lock that knows how many have come to it."""

    def __init__(self):
        self._lock, self._changed, self._came = threading.Lock(), threading.Condition(), 0

    def __enter__(self):
        with self._changed:
            self._came += 1
            self._changed.notify_all()
        self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self._came == count, 60)


def test_threads_that_miss_a_server_wait_for_one_attempt_to_restore_it():
    strategy = local_strategy(1)
    door = strategy._recovery._lock = _Door()
    attempts, heard = [], []

    def never_back(server):
        attempts.append(server)
        door.wait_for(3)
        raise tf.errors.DeadlineExceededError(None, None, f"{server} does not come back")

    def ask():
        try:
            strategy._recovery.restore("ps/0")
        except tf.errors.DeadlineExceededError as error:
            heard.append(error.message)

    strategy._cluster.again = never_back
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert attempts == ["ps/0"]
    assert heard == ["ps/0 does not come back"] * 3
