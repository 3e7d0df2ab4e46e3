"""where, boolean_mask, gather, gather_nd, scatter_nd, tensor_scatter_nd_*, unique, setdiff1d, unravel_index."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.definition import REGISTRY
from penstock.engine.execute import run_xla
from tests.ops.traced_shapes import traced_shape

v1 = tf.compat.v1
X = tf.reshape(tf.range(24), [2, 3, 4])
V = tf.constant([5, 6, 7, 8, 9])
INVALID = tf.errors.InvalidArgumentError


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tf.where([True, False], [1, 2], [[3, 4], [5, 6]]), [[1, 4], [1, 6]]),
        (lambda: tf.where([True, False], 1.0, 2), [1.0, 2.0]),
        (lambda: tf.where([True, False], "a", "b"), [b"a", b"b"]),
        (lambda: tf.where([1, 0, 2]), [[0], [2]]),
        (lambda: tf.where([[True, False], [False, True]]), [[0, 0], [1, 1]]),
        (lambda: v1.where([True, False], [[1, 2], [3, 4]], [[5, 6], [7, 8]]), [[1, 2], [7, 8]]),
        (lambda: v1.where(True, [1, 2], [3, 4]), [1, 2]),
        (lambda: v1.where_v2([True, False], 1, 0), [1, 0]),
        (lambda: tf.boolean_mask([[1, 2], [3, 4]], [True, False]), [[1, 2]]),
        (lambda: tf.boolean_mask([1, 2, 3], [1, 0, 1]), [1, 3]),
        (lambda: tf.boolean_mask([[1, 2], [3, 4]], [[True, False], [True, True]]), [1, 3, 4]),
        (lambda: tf.boolean_mask([[1, 2], [3, 4]], [False, True], axis=1), [[2], [4]]),
        (lambda: v1.boolean_mask([[1, 2], [3, 4]], [False, True], axis=-1), [[2], [4]]),
        (lambda: tf.gather(V, [2, 0]), [7, 5]),
        (lambda: tf.gather(V, 1), 6),
        (lambda: tf.gather(V, []), []),
        (lambda: tf.gather([[1, 2], [3, 4]], [1], axis=1), [[2], [4]]),
        (lambda: tf.gather([[1, 2], [3, 4]], [[1], [0]], batch_dims=1), [[2], [3]]),
        (lambda: tf.gather(["a", "b"], [1]), [b"b"]),
        (lambda: v1.gather(V, [1], axis=0), [6]),
        (lambda: v1.batch_gather([[1, 2], [3, 4]], [[1], [0]]), [[2], [3]]),
        (lambda: tf.gather_nd([[1, 2], [3, 4]], [[0, 0], [1, 1]]), [1, 4]),
        (lambda: tf.gather_nd([[1, 2], [3, 4]], [[1], [0]], batch_dims=1), [2, 3]),
        (lambda: tf.gather_nd(V, [[1], [9]], bad_indices_policy="IGNORE"), [6, 0]),
        (lambda: tf.scatter_nd([[1], [3], [1]], [1, 2, 3], [5]), [0, 4, 0, 2, 0]),
        (lambda: tf.scatter_nd([[5], [0]], [1, 1], [3], bad_indices_policy="IGNORE"), [1, 0, 0]),
        (lambda: tf.scatter_nd([[1]], ["a"], [2]), [b"", b"a"]),
        (lambda: tf.tensor_scatter_nd_update(V, [[1], [1]], [0, 1]), [5, 1, 7, 8, 9]),
        (lambda: tf.tensor_scatter_nd_add(V, [[1], [1]], [10, 20]), [5, 36, 7, 8, 9]),
        (lambda: tf.tensor_scatter_nd_sub(V, [[1], [1]], [10, 20]), [5, -24, 7, 8, 9]),
        (lambda: tf.tensor_scatter_nd_max(V, [[1], [1]], [10, 20]), [5, 20, 7, 8, 9]),
        (lambda: tf.tensor_scatter_nd_min(V, [[1], [1]], [10, 0]), [5, 0, 7, 8, 9]),
        (lambda: v1.tensor_scatter_add(V, [[0]], [1]), [6, 6, 7, 8, 9]),
        (lambda: tf.unravel_index([7, 5], [3, 4]), [[1, 1], [3, 1]]),
    ],
)
def test_values(call, expected):
    assert call().numpy().tolist() == expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.where([True], 1), ValueError),
        (lambda: tf.where(True), INVALID),
        (lambda: tf.where([1.0, 0.0], 1, 2), TypeError),
        (lambda: tf.where([True, False], [1, 2, 3], 0), INVALID),
        (lambda: v1.where([True, False], 1, 0), INVALID),
        (lambda: tf.boolean_mask(X, True), ValueError),
        (lambda: tf.boolean_mask(X, [True, False, True]), ValueError),
        (lambda: tf.gather(V, [0, 5]), INVALID),
        (lambda: tf.gather(V, [-1]), INVALID),
        (lambda: tf.gather(V, 1.0), INVALID),
        (lambda: tf.gather(V, tf.constant([0], tf.uint8)), INVALID),
        (lambda: tf.gather(X, [0], axis=5), INVALID),
        (lambda: tf.gather_nd(X, [[0, 3]]), INVALID),
        (lambda: tf.gather_nd(X, [0, 1, 2, 3]), INVALID),
        (lambda: tf.scatter_nd([[5]], [1], [5]), INVALID),
        (lambda: tf.scatter_nd([[1]], [[1, 2]], [3, 3]), INVALID),
        (lambda: tf.tensor_scatter_nd_update(V, [[9]], [0]), INVALID),
        (lambda: tf.tensor_scatter_nd_update(V, [[-1]], [0]), INVALID),
        (lambda: tf.unique([[1]]), INVALID),
        (lambda: tf.unravel_index(20, [3, 4]), INVALID),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()


def test_unique_keeps_the_order_of_appearance():
    values, positions, counts = tf.unique_with_counts(["b", "a", "b"], out_idx=tf.int64)
    assert values.numpy().tolist() == [b"b", b"a"]
    assert positions.numpy().tolist() == [0, 1, 0]
    assert counts.numpy().tolist() == [2, 1]
    assert counts.dtype == tf.int64


def test_every_nan_is_unique():
    assert np.isnan(tf.unique([1.0, np.nan, np.nan]).y.numpy()).sum() == 2


def test_unique_rows():
    values, positions = tf.raw_ops.UniqueV2(x=[[1, 2], [1, 2], [0, 0]], axis=[0])
    assert values.numpy().tolist() == [[1, 2], [0, 0]]
    assert positions.numpy().tolist() == [0, 0, 1]


def test_setdiff1d():
    values, positions = v1.setdiff1d([1, 2, 3, 2], [2])
    assert values.numpy().tolist() == [1, 3]
    assert positions.numpy().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: tf.where(x > 0, x, 0.0), [None, 2], [None, 2]),
        (lambda x: tf.where(x), [None, 2], [None, 2]),
        (lambda x: tf.boolean_mask(x, x[:, 0] > 0), [None, 2], [None, 2]),
        (lambda x: tf.boolean_mask(x, x > 0), [None, 2], [None]),
        (lambda x: tf.gather(x, [0, 1], axis=1), [None, 4], [None, 2]),
        (lambda x: tf.gather(x, [[0, 1]]), [None, 4], [1, 2, 4]),
        (lambda x: tf.gather(x, tf.cast(x, tf.int32), batch_dims=1, axis=1), [None, 4], [None, 4]),
        (lambda x: tf.gather_nd(x, [[0, 1], [1, 1]]), [None, 4, 5], [2, 5]),
        (lambda x: tf.scatter_nd([[0]], x, [3, tf.shape(x)[1]]), [1, 4], [3, 4]),
        (lambda x: tf.tensor_scatter_nd_add(x, [[0]], [[1.0, 1.0]]), [None, 2], [None, 2]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected


@pytest.mark.parametrize(
    ("op_type", "inputs", "attrs", "expected"),
    [
        ("GatherV2", [[1, 2], [1, 5, -1], 0], {"batch_dims": 0}, [2, 0, 0]),
        ("GatherNd", [[1, 2], [[1], [5], [-1]]], {}, [2, 0, 0]),
        ("ScatterNd", [[[1], [5], [-1]], [7, 8, 9], [3]], {}, [0, 7, 0]),
        ("TensorScatterAdd", [[1, 2], [[1], [5], [-1]], [7, 8, 9]], {}, [1, 9]),
    ],
)
def test_a_compiled_program_passes_over_an_index_out_of_range(op_type, inputs, attrs, expected):
    definition = REGISTRY[op_type]
    tensors = [tf.constant(each) for each in inputs]
    assert np.asarray(run_xla(definition, tensors, definition.complete(attrs))).tolist() == expected


def test_the_gradient_of_gather_is_indexed_slices():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.gather(x, [2, 0, 2])
    gradient = tape.gradient(y, x)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.indices.numpy().tolist() == [2, 0, 2]
    assert tf.convert_to_tensor(gradient).numpy().tolist() == [[1, 1], [0, 0], [2, 2]]


def test_slices_become_dense_on_their_way_back():
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.gather(x * x, [2, 2])
    assert tape.gradient(y, x).numpy().tolist() == [0, 0, 12]
