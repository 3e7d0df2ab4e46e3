"""What programs import from `tensorflow.python.ops.linalg.sparse.sparse_csr_matrix_ops`: products of sparse matrices.

TensorFlow keeps such a matrix in a variant tensor; here it is the three tensors of a `SparseTensor`, and the product is
written in public ops, so that it works in functions and has a gradient.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import penstock as tf


class CSRSparseMatrix(NamedTuple):
    """A matrix, or a batch of matrices: `indices` int64 [n, 2 or 3] in lexicographic order, `values` [n]."""

    indices: Any
    values: Any
    dense_shape: Any


def sparse_tensor_to_csr_sparse_matrix(
    indices: Any, values: Any, dense_shape: Any, name: str | None = None
) -> CSRSparseMatrix:
    """The matrix with the given entries, in any order."""
    ordered = tf.sparse.reorder(tf.SparseTensor(indices, values, dense_shape))
    return CSRSparseMatrix(ordered.indices, ordered.values, ordered.dense_shape)


def csr_sparse_matrix_to_sparse_tensor(
    sparse_matrix: CSRSparseMatrix, type: Any, name: str | None = None
) -> CSRSparseMatrix:
    """The matrix's indices, values and dense shape, as a tuple that has these names."""
    return sparse_matrix._replace(values=tf.cast(sparse_matrix.values, type))


def sparse_matrix_sparse_mat_mul(
    a: CSRSparseMatrix, b: CSRSparseMatrix, type: Any, name: str | None = None
) -> CSRSparseMatrix:
    """The matrix product `a @ b`, batch by batch.

    Every entry (i, k) of `a` meets the entries (k, j) of `b`, which lie side by side since `b` is ordered; their
    products are summed by (i, j).

    Args:
      a: matrices of shape [..., m, k].
      b: matrices of shape [..., k, n].
      type: the dtype of the product.

    Example:
      >>> a = CSRSparseMatrix([[0, 1], [1, 0]], [2.0, 3.0], [2, 2])
      >>> product = sparse_matrix_sparse_mat_mul(a, a, tf.float32)
      >>> product.indices.numpy().tolist(), product.values.numpy().tolist()
      ([[0, 0], [1, 1]], [6.0, 6.0])
    """
    a = CSRSparseMatrix(*map(tf.convert_to_tensor, (tf.cast(a.indices, tf.int64), a.values, a.dense_shape)))
    b = CSRSparseMatrix(*map(tf.convert_to_tensor, (tf.cast(b.indices, tf.int64), b.values, b.dense_shape)))
    a_shape, b_shape = tf.cast(a.dense_shape, tf.int64), tf.cast(b.dense_shape, tf.int64)
    rows, inner, columns = a_shape[-2], a_shape[-1], b_shape[-1]
    batched = a.indices.shape[1] == 3
    a_batch = a.indices[:, 0] if batched else tf.zeros_like(a.indices[:, 0])
    b_batch = b.indices[:, 0] if batched else tf.zeros_like(b.indices[:, 0])

    # Which entries meet: those of b whose (batch, row) is the (batch, column) of the entry of a.
    wanted, present = a_batch * inner + a.indices[:, -1], b_batch * inner + b.indices[:, -2]
    first = tf.searchsorted(present, wanted, side="left", out_type=tf.int64)
    partners = tf.searchsorted(present, wanted, side="right", out_type=tf.int64) - first
    from_a = tf.repeat(tf.range(tf.size(wanted, tf.int64)), partners)
    position = tf.range(tf.reduce_sum(partners)) - tf.gather(tf.cumsum(partners, exclusive=True), from_a)
    from_b = tf.gather(first, from_a) + position

    products = tf.cast(tf.gather(a.values, from_a), type) * tf.cast(tf.gather(b.values, from_b), type)
    row = tf.gather(a_batch * rows + a.indices[:, -2], from_a)
    place = row * columns + tf.gather(b.indices[:, -1], from_b)
    places, which = tf.unique(place, tf.int64)
    order = tf.argsort(places)
    sums = tf.gather(tf.math.unsorted_segment_sum(products, which, tf.size(places)), order)

    places = tf.gather(places, order)
    entries = [places // columns % rows, places % columns]
    if batched:
        entries.insert(0, places // columns // rows)
    shape = tf.concat([a_shape[:-1], b_shape[-1:]], 0)
    return CSRSparseMatrix(tf.stack(entries, 1), sums, shape)


class SparseMatrix:
    """`tensorflow.python.ops.linalg.sparse.sparse.CSRSparseMatrix`: a matrix, or a batch of them, as an object.

    Args:
      value: a SparseTensor, or a dense tensor, whose zeros are left out.
      indices: the places in a dense tensor that are kept, instead of those that are not zero.
    """

    def __init__(self, value: Any, indices: Any = None, name: str | None = None):
        if not isinstance(value, tf.SparseTensor):
            value = tf.convert_to_tensor(value)
            if indices is None:
                value = tf.sparse.from_dense(value)
            else:
                value = tf.SparseTensor(indices, tf.gather_nd(value, indices), tf.shape(value, tf.int64))
        self._value = value
        self.dtype, self.shape = value.dtype, value.shape

    def to_sparse_tensor(self) -> Any:
        """The matrix as a SparseTensor."""
        return self._value

    def to_dense(self) -> Any:
        """The matrix with its zeros."""
        return tf.sparse.to_dense(self._value)


def _adjusted(matrix: Any, transpose: bool, adjoint: bool) -> Any:
    """A SparseTensor or tensor, transposed over its last two dimensions where that is asked for."""
    value = matrix.to_sparse_tensor() if isinstance(matrix, SparseMatrix) else tf.convert_to_tensor(matrix)
    if not transpose and not adjoint:
        return value
    if not isinstance(value, tf.SparseTensor):
        return tf.linalg.matrix_transpose(value, conjugate=adjoint)
    rank = value.shape.rank
    value = tf.sparse.transpose(value, [*range(rank - 2), rank - 1, rank - 2])
    return value.with_values(tf.math.conj(value.values)) if adjoint else value


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False, adjoint_b: bool = False,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The product of two matrices, each a `SparseMatrix` or a dense tensor; sparse where both are.

    Example:
      >>> a = SparseMatrix([[0.0, 2.0], [3.0, 0.0]])
      >>> matmul(a, a).to_dense().numpy().tolist(), matmul(a, [[1.0], [2.0]]).numpy().tolist()
      ([[6.0, 0.0], [0.0, 6.0]], [[4.0], [3.0]])
    """
    left, right = _adjusted(a, transpose_a, adjoint_a), _adjusted(b, transpose_b, adjoint_b)
    if not isinstance(left, tf.SparseTensor) and not isinstance(right, tf.SparseTensor):
        return tf.matmul(left, right)
    if isinstance(left, tf.SparseTensor) and isinstance(right, tf.SparseTensor):
        first = sparse_tensor_to_csr_sparse_matrix(left.indices, left.values, left.dense_shape)
        second = sparse_tensor_to_csr_sparse_matrix(right.indices, right.values, right.dense_shape)
        return SparseMatrix(tf.SparseTensor(*sparse_matrix_sparse_mat_mul(first, second, left.dtype)))
    if left.shape.rank == 2:
        if isinstance(left, tf.SparseTensor):
            return tf.sparse.sparse_dense_matmul(left, right)
        product = tf.sparse.sparse_dense_matmul(tf.sparse.transpose(right), tf.transpose(left))
        return tf.transpose(product)
    return tf.matmul(
        *(tf.sparse.to_dense(each) if isinstance(each, tf.SparseTensor) else each for each in (left, right))
    )
