"""`tf.map_fn` over rows of sparse and ragged tensors, run eagerly and in graphs."""

import numpy as np
import pytest

import penstock as tf

MODES = {"eager": lambda function, *specs: function, "graph": lambda function, *specs: tf.function(function)}
MODES["unknown sizes"] = lambda function, *specs: tf.function(function, input_signature=specs)


@pytest.mark.parametrize("mode", MODES)
def test_map_over_a_sparse_and_a_dense_tensor(mode):
    def matmul(a, b):
        multiply = lambda row: tf.sparse.sparse_dense_matmul(row[0], row[1])
        return tf.map_fn(multiply, (a, b), fn_output_signature=tf.float32)

    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4) % 3
    b = np.arange(40, dtype=np.float32).reshape(2, 4, 5)
    specs = tf.SparseTensorSpec([None, 3, 4], tf.float32), tf.TensorSpec([None, 4, 5], tf.float32)
    product = MODES[mode](matmul, *specs)(tf.sparse.from_dense(a), b)
    np.testing.assert_allclose(product, a @ b)


@pytest.mark.parametrize("mode", MODES)
def test_map_over_a_ragged_tensor(mode):
    def sums(rows):
        return tf.map_fn(tf.reduce_sum, rows, fn_output_signature=tf.int32)

    found = MODES[mode](sums, tf.RaggedTensorSpec([None, None], tf.int32))(
        tf.ragged.constant([[1, 2], [3], []])
    )
    np.testing.assert_array_equal(found, [3, 3, 0])


def test_rows_of_a_ragged_tensor_stay_ragged_without_a_signature():
    rows = tf.ragged.constant([[3, 3, 1], [2]])
    assert tf.map_fn(lambda row: tf.unique(row)[0], rows).to_list() == [[3, 1], [2]]
    assert tf.map_fn(lambda row: row * 2, rows[1:]).to_list() == [[4]]


@pytest.mark.parametrize("mode", MODES)
def test_results_that_are_ragged(mode):
    def ranges(sizes):
        return tf.map_fn(tf.range, sizes, fn_output_signature=tf.RaggedTensorSpec([None], tf.int32))

    found = MODES[mode](ranges, tf.TensorSpec([None], tf.int32))(tf.constant([2, 0, 3]))
    assert found.to_list() == [[0, 1], [], [0, 1, 2]]


@pytest.mark.parametrize("mode", MODES)
def test_results_that_are_ragged_themselves(mode):
    def split(sizes):
        halves = lambda n: tf.RaggedTensor.from_row_lengths(tf.range(n), [n - 1, 1])
        spec = tf.RaggedTensorSpec([None, None], tf.int32)
        return tf.map_fn(halves, sizes, fn_output_signature=spec)

    found = MODES[mode](split, tf.TensorSpec([None], tf.int32))(tf.constant([2, 1, 3]))
    assert found.to_list() == [[[0], [1]], [[], [0]], [[0, 1], [2]]]


@pytest.mark.parametrize("mode", MODES)
def test_results_that_are_sparse(mode):
    rows = tf.sparse.from_dense([[1, 0, 2], [0, 0, 3]])
    double = MODES[mode](
        lambda rows: tf.map_fn(lambda row: row * 2, rows), tf.SparseTensorSpec([None, 3], tf.int32)
    )
    np.testing.assert_array_equal(tf.sparse.to_dense(double(rows)), [[2, 0, 4], [0, 0, 6]])


def test_gradient_through_ragged_results():
    @tf.function
    def squares(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            spec = tf.RaggedTensorSpec([None], tf.float32)
            rows = tf.map_fn(lambda v: tf.fill([tf.cast(v, tf.int32)], v * v), x, fn_output_signature=spec)
            total = tf.reduce_sum(rows)
        return tape.gradient(total, x)

    np.testing.assert_allclose(squares(tf.constant([1.0, 2.0, 3.0])), [2, 8, 18])


class Point(tf.experimental.BatchableExtensionType):
    x: tf.Tensor
    y: tf.Tensor


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_extension_types_are_mapped_over(mode):
    points = Point(tf.constant([1.0, 2.0]), tf.constant([[1.0], [3.0]]))
    moved = MODES[mode](lambda points: tf.map_fn(lambda p: Point(p.x + 1, p.y * 2), points))(points)
    np.testing.assert_array_equal(moved.x, [2, 3])
    np.testing.assert_array_equal(moved.y, [[2], [6]])
    norms = MODES[mode](lambda p: tf.map_fn(lambda p: p.x + p.y[0], p, fn_output_signature=tf.float32))(
        points
    )
    np.testing.assert_array_equal(norms, [2, 5])


@pytest.mark.parametrize("mode", MODES)
def test_no_rows(mode):
    found = MODES[mode](lambda x: tf.map_fn(lambda v: v * 2, x), tf.TensorSpec([None, 3]))(tf.zeros([0, 3]))
    assert found.shape == [0, 3]


@pytest.mark.parametrize("function", [tf.scan, tf.foldl, tf.foldr])
def test_gradients_of_folds_are_dense(function):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = function(lambda total, row: total * row, x)
    assert not isinstance(tape.gradient(total, x), tf.IndexedSlices)


@pytest.mark.parametrize("function", [tf.map_fn, tf.scan, tf.foldl, tf.foldr])
def test_elems_have_one_first_dimension(function):
    elems = (tf.zeros([1]), tf.zeros([2]))
    with pytest.raises(ValueError, match="Dimensions 1 and 2 are not compatible"):
        function((lambda x: x) if function is tf.map_fn else (lambda a, x: a), elems)


@pytest.mark.parametrize("function", [tf.scan, tf.foldl, tf.foldr])
def test_nothing_to_begin_with(function):
    with pytest.raises(tf.errors.OutOfRangeError):
        function(lambda a, x: a, tf.zeros([0]))
