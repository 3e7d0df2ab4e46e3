"""Sparse matrices as objects, and their products with matrices of either kind."""

import numpy as np
import pytest

import penstock as tf
from penstock.standin.sparse_csr import SparseMatrix, matmul

A = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 1.0]], np.float32)
B = np.array([[1.0, 0.0], [0.0, 4.0], [5.0, 0.0]], np.float32)


@pytest.mark.parametrize("left", [SparseMatrix, tf.constant])
@pytest.mark.parametrize("right", [SparseMatrix, tf.constant])
@pytest.mark.parametrize("batched", [False, True])
def test_products(left, right, batched):
    a, b = (np.stack([A, 2 * A]), np.stack([B, B])) if batched else (A, B)
    product = matmul(left(a), right(b))
    found = product.to_dense() if isinstance(product, SparseMatrix) else product
    np.testing.assert_allclose(found, a @ b)


def test_transposed_operands():
    found = matmul(SparseMatrix(A), SparseMatrix(A), transpose_b=True)
    np.testing.assert_allclose(found.to_dense(), A @ A.T)
    np.testing.assert_allclose(matmul(SparseMatrix(A), B, transpose_a=True, transpose_b=True), A.T @ B.T)
