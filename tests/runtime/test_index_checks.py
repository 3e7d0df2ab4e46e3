"""Indices out of range in compiled programs: the error that TensorFlow raises on the CPU, and nothing half done."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.context import process
from penstock.engine.definition import REGISTRY
from penstock.runtime.failure import Failure
from penstock.runtime.intervals import ANY, interval

WIDE = np.arange(40_000, dtype=np.float32).reshape(20_000, 2)  # more than pieces on NumPy take


def wide():
    return tf.constant(WIDE)


# An op, as a function of indices that must be below 20,000; and how its error begins.
OPS = [
    ("gather", lambda i: tf.gather(wide(), i), r"GatherV2: indices\[1\] = 20000 is not in \[0, 20000\)"),
    (
        "gather of columns",
        lambda i: tf.gather(tf.transpose(wide()), i, axis=1),
        r"indices\[1\] = 20000 is not in",
    ),
    (
        "gather_nd",
        lambda i: tf.gather_nd(wide(), i[:, None]),
        r"indices\[1\] = \[20000\] does not index into",
    ),
    ("embedding_lookup", lambda i: tf.nn.embedding_lookup(wide(), i), r"indices\[1\] = 20000 is not in"),
    (
        "scatter_nd",
        lambda i: tf.scatter_nd(i[:, None], wide()[:2], [20_000, 2]),
        r"does not index into shape",
    ),
    (
        "tensor_scatter_nd_add",
        lambda i: tf.tensor_scatter_nd_add(wide(), i[:, None], wide()[:2]),
        r"TensorScatterAdd: indices\[1\] = \[20000\]",
    ),
    (
        "unsorted_segment_sum",
        lambda i: tf.math.unsorted_segment_sum(wide()[:2], i, 20_000),
        r"segment_ids\[1\] = 20000 is out of range \[0, 20000\)",
    ),
    (
        "sparse_softmax",
        lambda i: tf.nn.sparse_softmax_cross_entropy_with_logits(i, tf.reshape(wide(), [2, 20_000])),
        r"Received a label value of 20000 which is outside the valid range of \[0, 20000\)",
    ),
]

# How the function gets its indices, and whether the program is the one to find that they are bad.
WAYS = [
    ("argument", lambda i: i, False),
    ("floats", lambda i: tf.cast(tf.cast(i, tf.float32), tf.int32), False),
    ("shifted", lambda i: tf.concat([i[:1], i[1:] + 0], 0), False),
    ("computed", lambda i: tf.cast(tf.math.sqrt(tf.cast(i, tf.float64)) ** 2 + 0.1, tf.int32), True),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op[0])
def test_a_bad_index_is_an_error_in_a_function(op, way):
    _, apply, message = op
    _, indices, in_program = way
    function = tf.function(lambda i: apply(indices(i)))
    function(tf.constant([0, 19_999]))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        function(tf.constant([1, 20_000]))
    text = str(caught.value)
    assert "test_index_checks.py" in text
    assert "20000" in text
    if not in_program:
        caught.match(message)


@pytest.mark.parametrize("indices", [[1, -1], [-7, 2]])
def test_negative_indices_are_out_of_range(indices):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"= -\d is not in"):
        tf.function(lambda i: tf.gather(wide(), i))(tf.constant(indices))


def test_picking_by_a_tensor():
    picked = tf.function(lambda i: wide()[i] * 2)
    assert picked(tf.constant(-1)).numpy().tolist() == [79_996, 79_998]
    for bad in (20_000, -20_001):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=rf"slice index {bad} of dimension 0 out of bounds"
        ):
            picked(tf.constant(bad))


def test_blocks():
    block = tf.function(lambda i: tf.slice(wide(), tf.stack([i, 0]), [5, 2]) * 2)
    assert block(tf.constant(19_995)).shape == [5, 2]
    for bad in (19_996, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"begin\[0\].*{bad}"):
            block(tf.constant(bad))


@pytest.mark.parametrize("how", ["read", "write"])
def test_elements_of_tensor_arrays(how):
    @tf.function
    def use(i):
        array = tf.TensorArray(tf.float32, 3, clear_after_read=False).unstack([1.0, 2.0, 3.0])
        return array.read(i) if how == "read" else array.write(i, 5.0).stack()

    assert use(tf.constant(1)).numpy().max() == (2 if how == "read" else 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="element 7|index 7"):
        use(tf.constant(7))


def test_sizes_that_only_the_call_tells():
    spec = tf.TensorSpec([None, 2], tf.float32)
    picked = tf.function(
        lambda x, i: tf.gather(x, i) + 1, input_signature=[spec, tf.TensorSpec([None], tf.int32)]
    )
    put = tf.function(
        lambda n, i: tf.scatter_nd(i[:, None], tf.ones_like(i), tf.stack([n])),
        input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([None], tf.int32)],
    )
    assert picked(WIDE, [1]).numpy().tolist() == [[3, 4]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 20000 is not in \[0, 20000\)"):
        picked(WIDE, [1, 20_000])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"= -1 is not in \[0, 2\)"):
        picked(WIDE[:2], [-1])
    assert put(30_000, [1]).shape == [30_000]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = \[30000\]"):
        put(30_000, [30_000])


def test_negative_segments_are_left_out():
    total = tf.function(lambda i: tf.math.unsorted_segment_sum(wide()[:2], i, 20_000))
    assert total(tf.constant([-1, 1])).numpy()[:2].tolist() == [[0, 0], [2, 3]]


@pytest.mark.parametrize("kind", [tf.int16, tf.int32, tf.int64])
def test_negative_indices_of_every_dtype(kind):
    table = tf.zeros([70_000, 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = -1 is not in"):
        tf.function(lambda i: tf.gather(table, i))(tf.constant([-1], kind))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = -1 is not in"):
        tf.gather(table, tf.constant([-1], kind))


@pytest.mark.parametrize("in_program", [False, True])
def test_a_failing_step_leaves_variables_as_they_were(in_program):
    table, steps = tf.Variable(WIDE), tf.Variable(0)

    @tf.function
    def step(i):
        steps.assign_add(1)
        i = tf.cast(tf.math.sqrt(tf.cast(i, tf.float64)) ** 2 + 0.1, tf.int32) if in_program else i
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.nn.embedding_lookup(table, i) ** 2)
        gradient = tf.convert_to_tensor(tape.gradient(loss, table))
        table.assign_sub(0.5 * gradient)
        return loss

    step(tf.constant([0, 3]))
    before = table.numpy().copy()
    with pytest.raises(tf.errors.InvalidArgumentError, match="20001"):
        step(tf.constant([0, 20_001]))
    assert np.array_equal(table.numpy(), before)
    assert steps.numpy() == 1
    step(tf.constant([5, 5]))
    assert steps.numpy() == 2
    assert not np.array_equal(table.numpy(), before)


@pytest.mark.parametrize("op_type", ["scatter_update", "scatter_add"])
def test_rows_of_variables(op_type):
    table = tf.Variable(WIDE)

    @tf.function
    def put(i):
        getattr(table, op_type)(tf.IndexedSlices(tf.ones([2, 2]), i))

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 20000 is not in \[0, 20000\)"):
        put(tf.constant([1, 20_000]))
    assert np.array_equal(table.numpy(), WIDE)


def test_in_a_branch_only_what_runs_is_looked_at():
    @tf.function
    def pick(flag, i):
        return tf.cond(flag, lambda: tf.gather(wide(), i), lambda: tf.gather(wide(), 77_777))

    assert pick(tf.constant(True), tf.constant(2)).numpy().tolist() == [4, 5]
    with pytest.raises(tf.errors.InvalidArgumentError, match="20000"):
        pick(tf.constant(True), tf.constant(20_000))
    with pytest.raises(tf.errors.InvalidArgumentError, match="77777"):
        pick(tf.constant(False), tf.constant(2))


def test_in_a_loop():
    @tf.function
    def total(start, n):
        found = tf.zeros([2])
        for i in tf.range(n):
            found += tf.gather(wide(), start + i)
        return found

    assert total(tf.constant(0), tf.constant(3)).numpy().tolist() == [6, 9]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices = 20000 is not in \[0, 20000\)"):
        total(tf.constant(19_998), tf.constant(3))


def test_a_counter_with_a_known_limit_is_not_looked_at(monkeypatch):
    noted = []
    monkeypatch.setattr(Failure, "note_indices", lambda self, operation, *_: noted.append(operation.type))

    @tf.function
    def total():
        found = tf.zeros([2])
        for i in tf.range(3):
            found += wide()[i] + tf.gather(wide(), i)
        return found

    assert total().numpy().tolist() == [12, 18]
    assert not noted


@pytest.mark.parametrize("bad", [0, 2])
def test_in_a_vectorized_map(bad):
    picked = tf.function(lambda x: tf.vectorized_map(lambda i: tf.gather(wide(), i), x))
    assert picked(tf.constant([0, 1, 2])).shape == [3, 2]
    numbers = [0, 1, 2]
    numbers[bad] = -3
    with pytest.raises(tf.errors.InvalidArgumentError, match="-3"):
        picked(tf.constant(numbers))


def test_in_a_session():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        i = tf.compat.v1.placeholder(tf.int32, [None])
        picked = tf.gather(tf.constant(WIDE), i)
        assert session.run(picked, {i: [1]}).tolist() == [[2, 3]]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = 20000 is not in"):
            session.run(picked, {i: [20_000]})


def test_in_replicas():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    @tf.function
    def step(x):
        return strategy.run(lambda each: tf.gather(wide(), each), args=(x,))

    def split(a, b):
        values = [tf.constant(a), tf.constant(b)]
        return strategy.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group]
        )

    step(split([0], [1]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="20005"):
        step(split([0], [20_005]))


def test_with_jit_compile_a_bad_index_is_passed_over():
    picked = tf.function(lambda i: tf.gather(wide(), i), jit_compile=True)
    assert picked(tf.constant([1, 20_000])).shape == [2, 2]
    small = tf.function(lambda i: tf.gather(tf.constant([1.0, 2.0]), i), jit_compile=True)
    assert small(tf.constant([1, 7])).shape == [2]


def test_a_bad_axis_is_told_as_such():
    picked = tf.function(lambda axis: tf.gather(wide(), [1], axis=axis))
    with pytest.raises(tf.errors.InvalidArgumentError, match="axis"):
        picked(tf.constant(7))


def test_bad_indices_policy():
    picked = tf.function(lambda i: tf.gather_nd(wide(), i, bad_indices_policy="IGNORE"))
    assert picked(tf.constant([[1], [20_000]])).numpy().tolist() == [[2, 3], [0, 0]]


def test_large_eager_tables():
    table = tf.zeros([5_000_000])
    assert process.accelerator or table.shape[0] > 1 << 22
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = 5000000 is not in"):
        tf.gather(table, [5_000_000])


def test_ops_that_the_runtime_looks_at():
    assert {each for each, definition in REGISTRY.items() if definition.index_range} >= {
        "GatherV2", "GatherNd", "ResourceGather", "ResourceGatherNd", "ScatterNd", "TensorScatterUpdate",
        "ResourceScatterAdd", "ResourceScatterNdUpdate", "UnsortedSegmentMax", "SparseSoftmaxCrossEntropyWithLogits",
        "ResourceSparseApplyAdagradV2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: tf.argmax(x, 1), (0, 6)),
        (lambda x: tf.math.top_k(x, 2).indices[:, 0], (0, 6)),
        (lambda x: tf.cast(x, tf.int32) % 5, (0, 4)),
        (lambda x: tf.clip_by_value(tf.cast(x, tf.int32), 0, 9), (0, 9)),
        (lambda x: tf.maximum(tf.cast(x, tf.int32), 3), (3, float("inf"))),
        (lambda x: tf.argmin(x, 1) + 2, (2, 8)),
        (lambda x: 4 - tf.argmin(x, 1), (-2, 4)),
        (lambda x: tf.stack([tf.argmax(x, 1), tf.argmax(x, 1) + 10]), (0, 16)),
        (lambda x: tf.reshape(tf.cast(tf.range(4, 9), tf.int64), [1, 5]), (4, 8)),
        (lambda x: tf.cast(x, tf.int32), ANY),
        (lambda x: tf.cast(tf.argmax(x, 1), tf.int8) * 9, ANY),
    ],
)
def test_intervals(make, expected):
    graph = tf.function(make).get_concrete_function(tf.TensorSpec([None, 7])).graph
    assert interval(graph.outputs[0]) == expected
