"""zeros, ones, fill, eye, range, linspace, one_hot, sequence_mask, meshgrid, shape, size, rank."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.static_value import constant_value
from tests.ops.traced_shapes import traced_shape

v1 = tf.compat.v1


@pytest.mark.parametrize(
    ("call", "expected", "dtype"),
    [
        (lambda: tf.zeros(3), [0, 0, 0], "float32"),
        (lambda: tf.zeros([1, 2], tf.string), [[b"", b""]], "string"),
        (lambda: tf.zeros(tf.constant([2]), tf.bool), [False, False], "bool"),
        (lambda: tf.zeros(tf.TensorShape([1])), [0], "float32"),
        (lambda: tf.ones([2], tf.qint8), [1, 1], "qint8"),
        (lambda: tf.ones([tf.constant(2), 1], tf.complex64), [[1], [1]], "complex64"),
        (lambda: tf.fill([2], "a"), [b"a", b"a"], "string"),
        (lambda: tf.fill(2, 1), [1, 1], "int32"),
        (lambda: tf.zeros_like(["a"]), [b""], "string"),
        (lambda: tf.zeros_like([1.0], dtype=tf.int32), [0], "int32"),
        (lambda: tf.ones_like([[2]]), [[1]], "int32"),
        (lambda: v1.zeros_like([1.5], optimize=False), [0], "float32"),
        (lambda: tf.eye(2, 3), [[1, 0, 0], [0, 1, 0]], "float32"),
        (lambda: tf.eye(tf.constant(2), dtype=tf.bool), [[True, False], [False, True]], "bool"),
        (lambda: tf.eye(1, batch_shape=[2]), [[[1]], [[1]]], "float32"),
        (lambda: tf.range(5.0), [0, 1, 2, 3, 4], "float32"),
        (lambda: tf.range(tf.constant(3, tf.int64)), [0, 1, 2], "int64"),
        (lambda: tf.range(3, dtype=tf.float16), [0, 1, 2], "float16"),
        (lambda: tf.range(1, 2, 0.5), [1, 1.5], "float32"),
        (lambda: tf.range(3, 0, -1), [3, 2, 1], "int32"),
        (lambda: tf.linspace(0, 10, 5), [0, 2.5, 5, 7.5, 10], "float64"),
        (lambda: tf.linspace(0.0, 1.0, 1), [0], "float32"),
        (lambda: tf.linspace(0.0, 1.0, 0), [], "float32"),
        (lambda: tf.linspace([0.0, 5.0], [10.0, 40.0], 3, axis=-1), [[0, 5, 10], [5, 22.5, 40]], "float32"),
        (lambda: tf.linspace([0.0, 5.0], 10.0, 2), [[0, 5], [10, 10]], "float32"),
        (lambda: tf.one_hot([0, 2], 3), [[1, 0, 0], [0, 0, 1]], "float32"),
        (lambda: tf.one_hot([0], 3, on_value=5), [[5, 0, 0]], "int32"),
        (lambda: tf.one_hot([1], 2, on_value="a", off_value="b"), [[b"b", b"a"]], "string"),
        (lambda: tf.one_hot([0, 1], 3, axis=0), [[1, 0], [0, 1], [0, 0]], "float32"),
        (lambda: tf.one_hot([[0, 1, 5]], 2, 3, 2, axis=1), [[[3, 2, 2], [2, 3, 2]]], "int32"),
        (lambda: tf.one_hot(tf.constant([], tf.int32), 2, axis=0), [[], []], "float32"),
        (lambda: tf.one_hot(1, 2), [0, 1], "float32"),
        (lambda: tf.one_hot([-1, 9], 2, dtype=tf.bool), [[False, False], [False, False]], "bool"),
        (lambda: tf.sequence_mask([1, 3, 2]), [[1, 0, 0], [1, 1, 1], [1, 1, 0]], "bool"),
        (lambda: tf.sequence_mask([1], 2, dtype=tf.float32), [[1, 0]], "float32"),
        (lambda: tf.sequence_mask(2, 3), [True, True, False], "bool"),
        (lambda: tf.shape([[1, 2]]), [1, 2], "int32"),
        (lambda: tf.shape([[1, 2]], tf.int64), [1, 2], "int64"),
        (lambda: v1.shape([[1, 2]], out_type=tf.int64), [1, 2], "int64"),
        (lambda: tf.shape_n([[1], [2, 3]])[1], [2], "int32"),
        (lambda: tf.size([[1, 2]], tf.int64), 2, "int64"),
        (lambda: tf.rank(3), 0, "int32"),
        (lambda: tf.broadcast_dynamic_shape([1, 3], [2, 1]), [2, 3], "int32"),
    ],
)
def test_values(call, expected, dtype):
    result = call()
    assert result.dtype == dtype
    assert result.numpy().tolist() == expected


def test_meshgrid():
    rows, columns = tf.meshgrid([1, 2], [3, 4, 5], indexing="ij")
    assert rows.numpy().tolist() == [[1, 1, 1], [2, 2, 2]]
    assert columns.numpy().tolist() == [[3, 4, 5], [3, 4, 5]]
    assert tf.meshgrid() == []


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.zeros([-1]), tf.errors.InvalidArgumentError),
        (lambda: tf.ones([2], tf.string), TypeError),
        (lambda: tf.fill([2], [1]), tf.errors.InvalidArgumentError),
        (lambda: tf.eye(-1), tf.errors.InvalidArgumentError),
        (lambda: tf.range(0, 5, 0), tf.errors.InvalidArgumentError),
        (lambda: tf.range(5, 0), tf.errors.InvalidArgumentError),
        (lambda: tf.one_hot([0.0], 3), tf.errors.InvalidArgumentError),
        (lambda: tf.one_hot([0], 3, axis=3), tf.errors.InvalidArgumentError),
        (lambda: tf.one_hot([0], 3, on_value=1, off_value=0.0), TypeError),
        (lambda: tf.one_hot([0], 3, on_value=1.0, dtype=tf.int32), TypeError),
        (lambda: tf.sequence_mask([1], [2]), ValueError),
        (lambda: tf.meshgrid([1], indexing="zz"), ValueError),
        (lambda: tf.meshgrid([1], other=1), TypeError),
        (lambda: tf.broadcast_static_shape([2], [3]), ValueError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: tf.zeros([tf.shape(x)[0], 3]), [None, 2], [None, 3]),
        (lambda x: tf.zeros(tf.shape(x)), [None, 2], [None, 2]),
        (lambda x: tf.fill(tf.shape(x)[1:], 1.0), [None, 2], [2]),
        (lambda x: tf.ones_like(x), [None, 2], [None, 2]),
        (lambda x: tf.ones_like(x, tf.int32), [None, 2], [None, 2]),
        (lambda x: tf.eye(tf.shape(x)[1]), [None, 2], [2, 2]),
        (lambda x: tf.eye(3, batch_shape=tf.shape(x)[:1]), [None, 2], [None, 3, 3]),
        (lambda x: tf.range(tf.shape(x)[1]), [None, 2], [2]),
        (lambda x: tf.range(tf.shape(x)[0]), [None, 2], [None]),
        (lambda x: tf.one_hot(tf.cast(x, tf.int32), 5), [None, 2], [None, 2, 5]),
        (lambda x: tf.sequence_mask(tf.cast(x, tf.int32), 5), [None, 2], [None, 2, 5]),
        (lambda x: tf.meshgrid(x, [1.0, 2.0])[0], [None], [2, None]),
        (lambda x: tf.shape(x), [None, 2], [2]),
        (lambda x: tf.size(x), [None, 2], []),
        (lambda x: tf.rank(x), None, []),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected


def test_known_parts_of_shapes_are_constants():
    @tf.function
    def f(x):
        shape = tf.shape(x)
        assert constant_value(shape[1]) == 2
        assert constant_value(tf.rank(x)) == 3
        assert constant_value(tf.reduce_prod(shape[1:])) == 6
        assert constant_value(shape[0]) is None
        assert tf.get_static_value(tf.stack([shape[0], 5]), partial=True).tolist() == [None, 5]
        return x

    f.get_concrete_function(tf.TensorSpec([None, 2, 3]))


def test_is_tensor():
    graph = tf.Graph()
    with graph.as_default():
        symbolic = tf.constant(1)
    assert tf.is_tensor(tf.constant(1))
    assert tf.is_tensor(symbolic)
    assert tf.is_tensor(tf.Variable(1.0))
    assert tf.is_tensor(tf.IndexedSlices(tf.ones([1]), tf.constant([0])))
    assert not tf.is_tensor(np.ones(2))
    assert tf.is_symbolic_tensor(symbolic)
    assert not tf.is_symbolic_tensor(tf.constant(1))


def test_large_fills_of_a_graph_are_nodes_and_small_ones_constants():
    with tf.Graph().as_default() as graph:
        tf.zeros([2, 3])
        tf.zeros([100, 100])
    assert [op.type for op in graph.get_operations() if op.type != "Const"] == ["Fill"]


def test_linspace_has_a_gradient():
    start, stop = tf.constant(1.0), tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch([start, stop])
        y = tf.linspace(start, stop, 3)
    assert [float(each) for each in tape.gradient(y, [start, stop])] == [1.5, 1.5]
