"""tf.linalg: decompositions, solvers, inverses, functions of matrices, norms, tridiagonal matrices."""

import numpy as np
import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

L = tf.linalg
INVALID = tf.errors.InvalidArgumentError
RNG = np.random.default_rng(0)
SQUARE = RNG.standard_normal([2, 3, 3])
TALL = RNG.standard_normal([2, 4, 3])
DEFINITE = SQUARE @ np.swapaxes(SQUARE, -1, -2) + np.eye(3)
COMPLEX = SQUARE + 1j * RNG.standard_normal([2, 3, 3])
RIGHT = RNG.standard_normal([2, 3, 2])


def close(got, expected, tolerance=1e-9):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "x", [DEFINITE, COMPLEX @ COMPLEX.conj().swapaxes(-1, -2) + np.eye(3)], ids=["real", "complex"]
)
def test_cholesky(x):
    factor = L.cholesky(x)
    close(L.matmul(factor, factor, adjoint_b=True), x)
    close(L.band_part(factor, -1, 0), factor)
    close(L.cholesky_solve(factor, tf.cast(RIGHT, factor.dtype)), np.linalg.solve(x, RIGHT))
    close(L.logdet(x), np.linalg.slogdet(x)[1])


def test_cholesky_of_what_is_not_positive_definite_is_nan():
    factor = L.cholesky(np.stack([np.eye(2), -np.eye(2)])).numpy()
    close(factor[0], np.eye(2))
    assert np.isnan(factor[1][np.tril_indices(2)]).all()


@pytest.mark.parametrize(
    "x", [SQUARE, TALL, TALL.swapaxes(-1, -2), COMPLEX], ids=["square", "tall", "wide", "complex"]
)
@pytest.mark.parametrize("full", [False, True])
def test_qr(x, full):
    q, r = L.qr(x, full_matrices=full)
    close(q @ r, x)
    close(L.matmul(q, q, adjoint_a=True), np.broadcast_to(np.eye(q.shape[-1]), [2, q.shape[-1], q.shape[-1]]))
    close(L.band_part(r, 0, -1), r)


@pytest.mark.parametrize(
    "x", [SQUARE, TALL, TALL.swapaxes(-1, -2), COMPLEX], ids=["square", "tall", "wide", "complex"]
)
@pytest.mark.parametrize("full", [False, True])
def test_svd(x, full):
    s, u, v = L.svd(x, full_matrices=full)
    rank = s.shape[-1]
    assert not s.dtype.is_complex
    scaled = u[..., :rank] * tf.cast(s, u.dtype)[..., None, :]
    close(L.matmul(scaled, v[..., :rank], adjoint_b=True), x)
    close(L.svd(x, compute_uv=False), np.linalg.svd(x, compute_uv=False))


def test_eigh_reads_the_lower_triangle():
    values, vectors = L.eigh(np.tril(DEFINITE) + 99 * np.triu(np.ones([3, 3]), 1))
    close(values, np.linalg.eigvalsh(DEFINITE))
    close(vectors * values[..., None, :], DEFINITE @ vectors.numpy())
    close(L.eigvalsh(DEFINITE), values)


def test_eig_is_complex():
    values, vectors = L.eig(SQUARE)
    assert values.dtype == tf.complex128
    assert L.eig(SQUARE.astype(np.float32))[0].dtype == tf.complex64
    close(vectors * values[..., None, :], SQUARE @ vectors.numpy())
    close(np.sort_complex(L.eigvals(SQUARE)), np.sort_complex(values))


def test_the_gradient_of_eig_does_not_depend_on_the_phase_of_the_vectors():
    x = tf.constant(SQUARE[0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        values, vectors = L.eig(x)
        back = L.matmul(vectors * values[None, :], L.inv(vectors))
        y = tf.reduce_sum(tf.math.real(back) * tf.constant(TALL[0, :3]))
    close(tape.gradient(y, x), TALL[0, :3])


def test_lu():
    factors, order = L.lu(SQUARE)
    close(L.lu_reconstruct(factors, order), SQUARE)
    close(L.lu_solve(factors, order, RIGHT), np.linalg.solve(SQUARE, RIGHT))
    close(L.lu_matrix_inverse(factors, order), np.linalg.inv(SQUARE))
    assert L.lu(SQUARE, output_idx_type=tf.int64).p.dtype == tf.int64


def test_lu_of_one_matrix_solves_for_a_batch():
    factors, order = L.lu(SQUARE[0])
    close(L.lu_solve(factors, order, RIGHT), np.linalg.solve(SQUARE[0], RIGHT))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: L.solve(SQUARE, RIGHT), np.linalg.solve(SQUARE, RIGHT)),
        (
            lambda: L.solve(COMPLEX, COMPLEX, adjoint=True),
            np.linalg.solve(COMPLEX.conj().swapaxes(-1, -2), COMPLEX),
        ),
        (lambda: L.triangular_solve(SQUARE, RIGHT), np.linalg.solve(np.tril(SQUARE), RIGHT)),
        (lambda: L.triangular_solve(SQUARE, RIGHT, lower=False), np.linalg.solve(np.triu(SQUARE), RIGHT)),
        (
            lambda: L.triangular_solve(SQUARE, RIGHT, adjoint=True),
            np.linalg.solve(np.tril(SQUARE).swapaxes(-1, -2), RIGHT),
        ),
        (lambda: L.triangular_solve(SQUARE, RIGHT[0]), np.linalg.solve(np.tril(SQUARE), RIGHT[:1])),
        (lambda: L.inv(SQUARE), np.linalg.inv(SQUARE)),
        (lambda: L.inv(COMPLEX, adjoint=True), np.linalg.inv(COMPLEX).conj().swapaxes(-1, -2)),
        (lambda: L.det(SQUARE), np.linalg.det(SQUARE)),
        (lambda: L.slogdet(SQUARE).sign, np.linalg.slogdet(SQUARE)[0]),
        (lambda: L.slogdet(COMPLEX).log_abs_determinant, np.linalg.slogdet(COMPLEX)[1]),
        (lambda: L.pinv(TALL), np.linalg.pinv(TALL)),
        (lambda: L.pinv(np.zeros([3, 2])), np.zeros([2, 3])),
        (lambda: L.matrix_rank(TALL), [3, 3]),
        (lambda: L.matrix_rank(np.ones([3, 3])), 1),
        (lambda: L.lstsq(TALL, TALL[..., :1], fast=False), np.linalg.pinv(TALL) @ TALL[..., :1]),
        (
            lambda: L.lstsq(TALL, SQUARE[..., :1].repeat(2, 1)[:, :4]),
            np.linalg.pinv(TALL) @ SQUARE[..., :1].repeat(2, 1)[:, :4],
        ),
        (lambda: L.lstsq(TALL.swapaxes(-1, -2), RIGHT), np.linalg.pinv(TALL.swapaxes(-1, -2)) @ RIGHT),
    ],
)
def test_values(call, expected):
    close(call(), expected)


def test_lstsq_regularizes():
    x = L.lstsq([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], [[1.0], [2.0], [3.0]], l2_regularizer=0.5)
    close(x, [[0.1509434], [0.33962265]], 1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: L.cholesky(TALL),
        lambda: L.lu(TALL),
        lambda: L.lu(np.zeros([2, 2])),
        lambda: L.solve(np.zeros([2, 2]), np.ones([2, 1])),
        lambda: L.solve(SQUARE, RIGHT[0]),
        lambda: L.inv(np.zeros([2, 2])),
        lambda: L.inv(TALL),
        lambda: L.det(TALL),
        lambda: L.eig(TALL),
        lambda: L.logm(SQUARE),
        lambda: L.expm(TALL),
    ],
)
def test_errors(call):
    with pytest.raises(INVALID):
        call()


def test_a_zero_on_the_diagonal_of_a_triangle_gives_infinities():
    assert np.isinf(L.triangular_solve(np.zeros([2, 2]), np.ones([2, 1]))[0, 0])


def test_functions_of_matrices():
    close(L.expm([[0.0, 1.0], [0.0, 0.0]]), [[1, 1], [0, 1]])
    close(L.expm(np.diag([1.0, 20.0])), np.diag(np.exp([1.0, 20.0])))
    close(L.logm(L.expm(COMPLEX / 4)), COMPLEX / 4)
    root = L.sqrtm(DEFINITE)
    close(root @ root, DEFINITE)
    assert np.isnan(L.sqrtm([[-1.0]])).all()


A = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("order", "axis", "expected"),
    [
        ("euclidean", None, 5.477226),
        (1, None, 10.0),
        (np.inf, None, 4.0),
        (1, 0, [4.0, 6.0]),
        (3, 1, [2.0800838, 4.4979415]),
        (2, [0, 1], 5.464986),
        ("fro", [0, 1], 5.477226),
        (1, [-2, -1], 6.0),
        (np.inf, (-2, -1), 7.0),
    ],
)
def test_norm(order, axis, expected):
    close(tf.norm(A, order, axis), expected, 1e-6)
    assert tf.norm(A, order, axis, keepdims=True).shape.rank == 2


@pytest.mark.parametrize(
    ("order", "axis"), [("x", None), (0, None), (-1, None), (3, [0, 1]), ("fro", 0), (1, [0, 0])]
)
def test_norm_refuses(order, axis):
    with pytest.raises(ValueError):
        tf.norm(A, order, axis)


def test_norm_of_complex_numbers_and_the_old_name_of_keepdims():
    close(tf.norm([3j, 4 + 0j]), 5)
    assert tf.compat.v1.norm(A, keep_dims=True).shape == [1, 1]


def test_normalize():
    unit, length = L.normalize(A, axis=1)
    close(unit, [[0.4472136, 0.8944272], [0.6, 0.8]], 1e-6)
    close(length, [[2.236068], [5.0]], 1e-6)


DENSE = np.array([[4.0, 1.0, 0.0], [3.0, 4.0, 2.0], [0.0, 4.0, 4.0]])
FORMS = {
    "compact": np.array([[1.0, 2.0, 0.0], [4.0, 4.0, 4.0], [0.0, 3.0, 4.0]]),
    "sequence": [[1.0, 2.0], [4.0, 4.0, 4.0], [3.0, 4.0]],
    "matrix": DENSE,
}


@pytest.mark.parametrize("form", FORMS)
def test_tridiagonal(form):
    diagonals = [tf.constant(each, tf.float64) for each in FORMS[form]] if form == "sequence" else FORMS[form]
    right = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    close(L.tridiagonal_matmul(diagonals, right, form), DENSE @ right)
    close(L.tridiagonal_solve(diagonals, right, form), np.linalg.solve(DENSE, right))
    close(L.tridiagonal_solve(diagonals, right.T, form, transpose_rhs=True), np.linalg.solve(DENSE, right).T)
    close(L.tridiagonal_solve(diagonals, right[:, 0], form), np.linalg.solve(DENSE, right[:, 0]))


def test_tridiagonal_refuses_other_forms():
    with pytest.raises(ValueError, match="diagonals_format"):
        L.tridiagonal_matmul(DENSE, DENSE, "other")


@pytest.mark.parametrize(
    ("select", "span", "expected"),
    [
        ("a", None, [0.78868246, 2.145189, 3.0661285]),
        ("i", (0, 1), [0.78868246, 2.145189]),
        ("v", (1.5, 3.0), [2.145189]),
    ],
)
def test_eigh_tridiagonal(select, span, expected):
    alpha, beta = [1.0, 2.0, 3.0], [0.5, 0.25]
    close(L.eigh_tridiagonal(alpha, beta, select=select, select_range=span), expected, 1e-6)
    values, vectors = L.eigh_tridiagonal(alpha, beta, eigvals_only=False, select=select, select_range=span)
    dense = np.diag(alpha) + np.diag(beta, 1) + np.diag(beta, -1)
    close(dense @ vectors.numpy(), vectors * values, 1e-5)


def test_banded_triangular_solve():
    bands = np.array([[2.0, 3.0, 4.0], [99.0, 2.0, 3.0]])
    lower = np.array([[2.0, 0, 0], [2, 3, 0], [0, 3, 4]])
    right = np.ones([3, 1])
    close(L.banded_triangular_solve(bands, right), np.linalg.solve(lower, right))
    upper = np.array([[4.0, 2, 0], [0, 5, 3], [0, 0, 6]])
    bands = np.array([[2.0, 3.0, 99.0], [4.0, 5.0, 6.0]])
    close(L.banded_triangular_solve(bands, right, lower=False), np.linalg.solve(upper, right))


@pytest.mark.parametrize("traced", [False, True])
def test_conjugate_gradient(traced):
    class Operator:
        """A Hermitian positive definite matrix."""

        is_self_adjoint = is_positive_definite = True

        def matvec(self, x):
            return L.matvec(DEFINITE[0], x)

    def solve(right):
        return L.experimental.conjugate_gradient(Operator(), right, tol=1e-12)

    state = (tf.function(solve) if traced else solve)(tf.constant(RIGHT[0, :, 0]))
    close(state.x, np.linalg.solve(DEFINITE[0], RIGHT[0, :, 0]))
    assert int(state.i) <= 4


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (L.cholesky, [None, 3, 3], [None, 3, 3]),
        (L.cholesky, [2, None, 3], [2, 3, 3]),
        (lambda x: L.qr(x).q, [None, 4, 3], [None, 4, 3]),
        (lambda x: L.qr(x, full_matrices=True).q, [None, 4, 3], [None, 4, 4]),
        (lambda x: L.svd(x)[0], [None, 4, 3], [None, 3]),
        (lambda x: L.svd(x, full_matrices=True)[1], [None, 4, 3], [None, 4, 4]),
        (lambda x: L.eigh(x)[0], [None, 3, 3], [None, 3]),
        (lambda x: L.lu(x).p, [None, 3, 3], [None, 3]),
        (lambda x: L.solve(x, x[..., :1]), [None, 3, 3], [None, 3, 1]),
        (lambda x: L.triangular_solve(x, tf.zeros([3, 2])), [None, 3, 3], [None, 3, 2]),
        (L.inv, [None, 3, 3], [None, 3, 3]),
        (L.det, [None, 3, 3], [None]),
        (L.expm, [None, 3, 3], [None, 3, 3]),
        (lambda x: tf.norm(x, axis=-1), [None, 3, 4], [None, 3]),
        (lambda x: tf.norm(x, 2, axis=[-2, -1], keepdims=True), [None, 3, 4], [None, 1, 1]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected
