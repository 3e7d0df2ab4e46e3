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
