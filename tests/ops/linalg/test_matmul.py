"""Products of matrices: the ways to ask for them, and what is refused."""

from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine.xla import jnp, wide_types
from penstock.ops.linalg.einsum import _joined_einsum

A = tf.constant([[1.0, 2.0], [3.0, 4.0]])
C = tf.constant([[1 + 1j, 2.0], [3.0, 4j]])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tf.matmul(A, A), [[7.0, 10.0], [15.0, 22.0]]),
        (lambda: A @ A, [[7.0, 10.0], [15.0, 22.0]]),
        (lambda: tf.matmul(A, [[1, 2], [3, 4]]), [[7.0, 10.0], [15.0, 22.0]]),
        (lambda: tf.matmul(A, A, transpose_a=True), [[10.0, 14.0], [14.0, 20.0]]),
        (lambda: tf.matmul(A, A, a_is_sparse=True), [[7.0, 10.0], [15.0, 22.0]]),
        (lambda: tf.matmul(C, C, adjoint_a=True), [[11, 2 + 10j], [2 - 10j, 20]]),
        (lambda: tf.matmul(C, C, transpose_b=True), [[4 + 2j, 3 + 11j], [3 + 11j, -7]]),
        (lambda: tf.linalg.matvec(A, [1.0, 2.0]), [5.0, 11.0]),
        (lambda: tf.linalg.matvec(A, [1.0, 2.0], transpose_a=True), [7.0, 10.0]),
    ],
)
def test_products(call, expected):
    np.testing.assert_allclose(call(), expected, rtol=1e-6)


def test_integers_that_would_overflow_take_an_output_type():
    a = tf.constant([[1, 2], [3, 100]], tf.int8)
    product = tf.matmul(a, a, output_type=tf.int32)
    assert product.dtype == tf.int32
    assert product.numpy().tolist() == [[7, 202], [303, 10006]]


def test_batches_broadcast():
    assert tf.matmul(tf.zeros([1, 2, 3]), tf.zeros([7, 1, 3, 4])).shape == [7, 1, 2, 4]


@pytest.mark.parametrize("flag", ["a", "b"])
def test_transposed_and_adjoint_at_once_is_refused(flag):
    with pytest.raises(ValueError, match=f"transpose_{flag}"):
        tf.matmul(A, A, **{f"transpose_{flag}": True, f"adjoint_{flag}": True})


def test_a_mismatch_says_what_would_help():
    with pytest.raises(tf.errors.InvalidArgumentError, match="transpose_a=True would make them agree"):
        tf.matmul(tf.zeros([64, 32]), tf.zeros([64, 10]))


def test_unknown_batch_size_keeps_the_rest():
    product = tf.function(tf.matmul).get_concrete_function(tf.TensorSpec([None, 3]), tf.TensorSpec([3, 4]))
    assert product.outputs[0].shape.as_list() == [None, 4]


def test_sparse_product_of_bfloat16_is_float32():
    a = tf.cast(A, tf.bfloat16)
    result = tf.raw_ops.SparseMatMul(a=a, b=A)
    assert result.dtype == tf.float32
    assert result.numpy().tolist() == [[7.0, 10.0], [15.0, 22.0]]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows", [1 << 15, (1 << 15) + 1])
def test_one_row_times_a_large_matrix(rows, transposed):
    random = np.random.default_rng(0)
    row = random.standard_normal((1, rows), np.float32)
    matrix = random.standard_normal((rows, 65), np.float32)
    times = tf.function(lambda a, b: tf.matmul(a, b, transpose_a=transposed))
    expected = row.astype(np.float64) @ matrix
    np.testing.assert_allclose(times(row.T if transposed else row, matrix), expected, atol=1e-3)


def test_gradient_of_the_sparse_product():
    a = tf.cast(A, tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch([a, A])
        y = tf.reduce_sum(tf.raw_ops.SparseMatMul(a=a, b=A, transpose_b=True))
    of_a, of_b = tape.gradient(y, [a, A])
    assert of_a.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(of_a, tf.float32), [[4.0, 6.0], [4.0, 6.0]])
    np.testing.assert_allclose(of_b, [[4.0, 6.0], [4.0, 6.0]])


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (1, [[7.0, 10.0], [15.0, 22.0]]),
        (2, 30.0),
        ([[0, 1], [1, 0]], 29.0),
        ([1, 0], [[7.0, 10.0], [15.0, 22.0]]),
        ([[-1], [-1]], [[5.0, 11.0], [11.0, 25.0]]),
    ],
)
def test_tensordot(axes, expected):
    np.testing.assert_allclose(tf.tensordot(A, A, axes), expected)


@pytest.mark.parametrize("axes", [3, -1, [[0], [0, 1]], [[2], [0]], [0, 1, 2]])
def test_tensordot_refuses_axes_that_do_not_fit(axes):
    with pytest.raises(ValueError):
        tf.tensordot(A, A, axes)


@pytest.mark.parametrize(
    ("equation", "count", "error"),
    [
        ("ij,jk->iz", 2, ValueError),
        ("i->ii", 1, ValueError),
        ("ij,jk", 1, ValueError),
        ("i.j->ij", 1, ValueError),
        ("ijk->i", 1, tf.errors.InvalidArgumentError),
        ("...->", 1, tf.errors.InvalidArgumentError),
    ],
)
def test_einsum_refuses(equation, count, error):
    with pytest.raises(error):
        tf.einsum(equation, *[A] * count)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
        ("...ab,...bc,cd->...ad", [(6, 2, 3), (1, 3, 4), (4, 5)]),
        ("a,b,c", [(2,), (3,), (4,)]),
        ("ab,ab,ab->", [(2, 3)] * 3),
        ("ii,ij,jk,kl->il", [(3, 3), (3, 2), (2, 5), (5, 2)]),
    ],
)
def test_einsum_of_many_goes_in_pairs_in_graphs(equation, shapes, hidden):
    """TensorFlow's op takes two operands at most, and graphs interchange."""
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    signature = [
        tf.TensorSpec([None] * array.ndim if hidden else array.shape, tf.float64) for array in arrays
    ]
    f = tf.function(lambda *xs: tf.einsum(equation, *xs), input_signature=signature)
    nodes = [each for each in f.get_concrete_function().graph.get_operations() if each.type == "Einsum"]
    assert {len(each.inputs) for each in nodes} == {2}
    np.testing.assert_allclose(f(*arrays), np.einsum(equation, *arrays))


def test_einsum_keeps_an_unknown_batch_size():
    f = tf.function(lambda x: tf.einsum("...ij,jk->...ik", x, tf.zeros([3, 5])))
    assert f.get_concrete_function(tf.TensorSpec([None, 7, 3])).outputs[0].shape.as_list() == [None, 7, 5]


@pytest.mark.parametrize(
    "equation, shapes, joined",
    [
        ("abc,abd->cd", [(2, 3, 4), (2, 3, 5)], "6,4 6,5"),
        ("abc,cde->abde", [(2, 3, 4), (4, 5, 6)], "6,4 4,30"),
        ("abcd,abcd->", [(2, 1, 3, 2), (2, 1, 3, 2)], "12 12"),
        ("ab,ba->ab", [(2, 3), (3, 2)], "2,3 3,2"),
        ("aab,ab->b", [(2, 2, 3), (2, 3)], "2,2,3 2,3"),
    ],
)
def test_einsum_joins_dimensions_that_stay_together(equation, shapes, joined):
    operands = [np.random.default_rng(0).standard_normal(shape) for shape in shapes]
    parts, output = equation.split("->")
    with mock.patch("penstock.ops.linalg.einsum.jnp.einsum", wraps=jnp.einsum) as used, wide_types():
        found = _joined_einsum(parts.split(","), output, operands)
    assert " ".join(",".join(map(str, each.shape)) for each in used.call_args.args[1:]) == joined
    np.testing.assert_allclose(found, np.einsum(equation, *operands))
