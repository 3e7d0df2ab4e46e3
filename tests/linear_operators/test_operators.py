"""Every linear operator does what its dense matrix does: products, systems, numbers, related operators, specs."""

import numpy as np
import pytest

import penstock as tf

linalg = tf.linalg
_rng = np.random.default_rng(0)


def reals(*shape):
    return _rng.uniform(-1, 1, shape).astype(np.float32)


def complexes(*shape):
    return (reals(*shape) + 1j * reals(*shape)).astype(np.complex64)


def near_identity(n, make=reals):
    return make(n, n) + 3 * np.eye(n, dtype=np.float32)


def positive_definite(n):
    a = reals(n, n)
    return a @ a.T + n * np.eye(n, dtype=np.float32)


PROMISED = {"is_positive_definite": True, "is_self_adjoint": True}
FULL = linalg.LinearOperatorFullMatrix(near_identity(3))
SPD = linalg.LinearOperatorFullMatrix(positive_definite(3), **PROMISED)
SMALL = linalg.LinearOperatorFullMatrix(positive_definite(2), **PROMISED)
DIAG = linalg.LinearOperatorDiag(np.abs(reals(2, 3)) + 0.5)
LOWER = linalg.LinearOperatorLowerTriangular(np.tril(near_identity(3)))

OPERATORS = {
    "full": FULL,
    "full, promised": SPD,
    "full, complex": linalg.LinearOperatorFullMatrix(near_identity(3, complexes)),
    "diag": DIAG,
    "diag, complex": linalg.LinearOperatorDiag(complexes(3)),
    "identity": linalg.LinearOperatorIdentity(3),
    "identity, batch": linalg.LinearOperatorIdentity(3, batch_shape=[2]),
    "scaled": linalg.LinearOperatorScaledIdentity(3, 2.5, is_positive_definite=True),
    "scaled, batch": linalg.LinearOperatorScaledIdentity(3, np.float32([1.5, 2])),
    "lower": linalg.LinearOperatorLowerTriangular(np.tril(reals(2, 3, 3)) + 2 * np.eye(3, dtype=np.float32)),
    "householder": linalg.LinearOperatorHouseholder(reals(2, 3)),
    "householder, complex": linalg.LinearOperatorHouseholder(complexes(3)),
    "permutation": linalg.LinearOperatorPermutation([2, 0, 1]),
    "permutation, batch": linalg.LinearOperatorPermutation([[2, 1, 0], [0, 1, 2]]),
    "adjoint": linalg.LinearOperatorAdjoint(FULL),
    "adjoint, complex": linalg.LinearOperatorAdjoint(
        linalg.LinearOperatorFullMatrix(near_identity(3, complexes))
    ),
    "inversion": linalg.LinearOperatorInversion(FULL),
    "composition": linalg.LinearOperatorComposition([FULL, DIAG]),
    "composition, symmetric": linalg.LinearOperatorComposition([LOWER, LOWER.H], is_non_singular=True),
    "kronecker": linalg.LinearOperatorKronecker([FULL, SMALL, DIAG]),
    "kronecker, promised": linalg.LinearOperatorKronecker([SPD, SMALL]),
    "low rank, promised": linalg.LinearOperatorLowRankUpdate(
        linalg.LinearOperatorDiag([1.0, 2, 3], is_positive_definite=True), reals(3, 2), [1.0, 2],
        is_diag_update_positive=True,
    ),
    "low rank": linalg.LinearOperatorLowRankUpdate(FULL, reals(2, 3, 2), [0.5, -0.5], reals(3, 2)),
    "low rank, complex": linalg.LinearOperatorLowRankUpdate(
        linalg.LinearOperatorDiag(complexes(3) + 2), complexes(3, 2), complexes(2), complexes(3, 2)
    ),
    "toeplitz": linalg.LinearOperatorToeplitz([3.0, 1, 2], [3.0, -1, 0.5]),
    "toeplitz, complex": linalg.LinearOperatorToeplitz(complexes(3) + 3, complexes(3)),
    "tridiag": linalg.LinearOperatorTridiag([[1.0, 2, 9], [4, 5, 6], [9, 1, -1]]),
    "tridiag, sequence": linalg.LinearOperatorTridiag([[1.0, 2, 9], [4.0, 5, 6], [9.0, 1, -1]], "sequence"),
    "tridiag, matrix": linalg.LinearOperatorTridiag([[4.0, 1, 0], [1, 5, 2], [0, -1, 6]], "matrix"),
    "tridiag, complex": linalg.LinearOperatorTridiag(complexes(3, 3) + np.complex64([[0], [4], [0]])),
    "circulant": linalg.LinearOperatorCirculant(complexes(2, 3) + 2),
    "circulant, real": linalg.LinearOperatorCirculant([2.0, 3, 3], tf.float32, is_positive_definite=True),
    "circulant 2d": linalg.LinearOperatorCirculant2D(complexes(2, 3) + 2),
    "circulant 3d": linalg.LinearOperatorCirculant3D(complexes(2, 1, 3) + 2),
    "block diagonal": linalg.LinearOperatorBlockDiag([FULL, DIAG, SMALL]),
    "block diagonal, promised": linalg.LinearOperatorBlockDiag([SPD, SMALL]),
    "block triangle": linalg.LinearOperatorBlockLowerTriangular(
        [[FULL], [linalg.LinearOperatorFullMatrix(reals(2, 3)), SMALL]]
    ),
}  # fmt: skip

every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def close(got, wanted):
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=2e-3, atol=2e-4)


def argument(operator, columns=2):
    make = complexes if operator.dtype.is_complex else reals
    return make(operator.domain_dimension.value, columns)


@every_operator
def test_products(operator):
    dense, x = operator.to_dense().numpy(), argument(operator)
    assert dense.shape == tuple(operator.shape) == tuple(operator.shape_tensor())
    close(operator.matmul(x), dense @ x)
    close(operator @ tf.constant(x), dense @ x)
    close(operator.matmul(x, adjoint=True), adjoint(dense) @ x)
    close(operator.matmul(adjoint(x), adjoint_arg=True), dense @ x)
    close(operator.matmul(adjoint(x), adjoint=True, adjoint_arg=True), adjoint(dense) @ x)
    close(operator.matvec(x[:, 0]), dense @ x[:, 0])


@every_operator
def test_systems(operator):
    dense, x = operator.to_dense().numpy(), argument(operator)
    wanted, wanted_adjoint = np.linalg.solve(dense, x), np.linalg.solve(adjoint(dense), x)
    close(operator.solve(x), wanted)
    close(operator.solve(x, adjoint=True), wanted_adjoint)
    close(operator.solve(adjoint(x), adjoint_arg=True), wanted)
    close(operator.solvevec(x[:, 0]), wanted[..., 0])
    close(operator.solvevec(x[:, 0], adjoint=True), wanted_adjoint[..., 0])


@every_operator
def test_numbers(operator):
    dense = operator.to_dense().numpy()
    close(operator.diag_part(), np.diagonal(dense, axis1=-2, axis2=-1))
    close(operator.trace(), np.trace(dense, axis1=-2, axis2=-1))
    close(operator.determinant(), np.linalg.det(dense))
    close(operator.log_abs_determinant(), np.log(np.abs(np.linalg.det(dense))))
    close(operator.cond(), np.linalg.cond(dense))
    close(operator.add_to_tensor(dense), dense + dense)
    if operator.is_self_adjoint:
        close(np.sort(np.real(operator.eigvals()), -1), np.linalg.eigvalsh(dense))
        operator.assert_self_adjoint()
    operator.assert_non_singular()


@every_operator
def test_related_operators(operator):
    dense = operator.to_dense().numpy()
    close(operator.adjoint().to_dense(), adjoint(dense))
    close(operator.H.H.to_dense(), dense)
    close(operator.inverse().to_dense(), np.linalg.inv(dense))
    if operator.is_positive_definite and operator.is_self_adjoint:
        factor = operator.cholesky().to_dense().numpy()
        close(factor @ adjoint(factor), dense)
        operator.assert_positive_definite()
    else:
        with pytest.raises(ValueError, match="Not a positive definite"):
            operator.cholesky()


@every_operator
def test_an_operator_is_a_composite(operator):
    parts = tf.nest.flatten(operator, expand_composites=True)
    again = tf.nest.pack_sequence_as(operator, parts, expand_composites=True)
    assert type(again) is type(operator)
    assert again._type_spec == operator._type_spec
    dense = tf.function(lambda each: each.to_dense())(operator)
    close(dense, operator.to_dense())


PAIRS = [
    "full",
    "diag",
    "identity",
    "scaled",
    "scaled, batch",
    "lower",
    "inversion",
    "circulant, real",
    "householder",
]


@pytest.mark.parametrize("left", PAIRS)
@pytest.mark.parametrize("right", PAIRS)
def test_operators_of_operators(left, right):
    left, right = OPERATORS[left], OPERATORS[right]
    close(left.matmul(right).to_dense(), left.to_dense().numpy() @ right.to_dense().numpy())
    close(left.solve(right).to_dense(), np.linalg.solve(left.to_dense(), right.to_dense()))


@pytest.mark.parametrize(
    "left, right, kind",
    [
        ("diag", "diag", "Diag"),
        ("diag", "scaled", "Diag"),
        ("scaled", "scaled", "ScaledIdentity"),
        ("diag", "lower", "LowerTriangular"),
        ("lower", "diag", "LowerTriangular"),
        ("identity", "full", "FullMatrix"),
        ("full", "identity", "FullMatrix"),
        ("circulant", "circulant", "Circulant"),
        ("block diagonal, promised", "block diagonal, promised", "BlockDiag"),
        ("full", "diag", "Composition"),
    ],
)
def test_structure_is_kept(left, right, kind):
    product = OPERATORS[left].matmul(OPERATORS[right])
    assert type(product).__name__ == f"LinearOperator{kind}"


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("det", np.linalg.det),
        ("inv", np.linalg.inv),
        ("cholesky", np.linalg.cholesky),
        ("logdet", lambda x: np.log(np.linalg.det(x))),
        ("trace", np.trace),
        ("diag_part", np.diagonal),
        ("adjoint", adjoint),
    ],
)
def test_functions_take_operators(name, wanted):
    found = getattr(tf.linalg, name)(SPD)
    close(
        found.to_dense() if isinstance(found, linalg.LinearOperator) else found,
        wanted(SPD.to_dense().numpy()),
    )


def test_matmul_and_solve_take_operators():
    dense, x = FULL.to_dense().numpy(), reals(3, 2)
    close(tf.linalg.matmul(FULL, x), dense @ x)
    close(tf.linalg.matmul(x, FULL, adjoint_a=True), x.T @ dense)
    close(tf.linalg.solve(FULL, x), np.linalg.solve(dense, x))
    with pytest.raises(ValueError, match="logdet|positive definite"):
        tf.linalg.logdet(FULL)


def test_blockwise_arguments():
    blocks = OPERATORS["block triangle"]
    dense = blocks.to_dense().numpy()
    parts = [reals(3), reals(2)]
    whole = np.concatenate(parts)
    close(tf.concat(blocks.matvec(parts), 0), dense @ whole)
    close(tf.concat(blocks.solvevec(parts, adjoint=True), 0), np.linalg.solve(dense.T, whole))
    columns = [part[:, None] for part in parts]
    close(
        tf.concat(OPERATORS["block diagonal, promised"].matmul(columns), 0),
        OPERATORS["block diagonal, promised"].matmul(whole[:, None]),
    )
    with pytest.raises(ValueError, match="dimension"):
        blocks.matvec([[1.0], [2.0, 3.0]])


def test_zeros():
    square, wide = (
        linalg.LinearOperatorZeros(2),
        linalg.LinearOperatorZeros(2, 3, is_square=False, is_self_adjoint=False),
    )
    close(square.matmul(np.ones([2, 4], np.float32)), np.zeros([2, 4]))
    close(wide.matvec(np.ones(3, np.float32)), np.zeros(2))
    close(wide.adjoint().to_dense(), np.zeros([3, 2]))
    close(square.determinant(), 0)
    assert square.matmul(linalg.LinearOperatorFullMatrix(np.eye(2))) is square
    with pytest.raises(tf.errors.InvalidArgumentError):
        square.assert_non_singular()


def test_rectangular_factors():
    factors = [reals(2, 3), reals(3, 2)]
    operator = linalg.LinearOperatorKronecker([linalg.LinearOperatorFullMatrix(each) for each in factors])
    dense, x = np.kron(*factors), reals(6, 2)
    close(operator.to_dense(), dense)
    close(operator.matmul(x), dense @ x)
    close(operator.matmul(x, adjoint=True), dense.T @ x)


def test_slices_of_the_batch():
    close(DIAG[1].to_dense(), DIAG.to_dense()[1])
    close(DIAG[:, None].to_dense(), DIAG.to_dense()[:, None])
    composed = linalg.LinearOperatorComposition([FULL, DIAG])
    close(composed[1].to_dense(), composed.to_dense()[1])
    assert linalg.LinearOperatorIdentity(2, batch_shape=[4, 3])[0].batch_shape == [3]
    with pytest.raises(tf.errors.InvalidArgumentError):
        FULL[0]


def test_gradients_reach_variables():
    diagonal = tf.Variable([1.0, 2.0])
    operator = linalg.LinearOperatorDiag(diagonal)
    assert operator.trainable_variables == (diagonal,)
    with tf.GradientTape() as tape:
        loss = operator.log_abs_determinant()
    close(tape.gradient(loss, diagonal), [1, 0.5])


def test_unknown_shapes():
    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None])])
    def function(matrix, diagonal):
        operator = linalg.LinearOperatorBlockDiag(
            [linalg.LinearOperatorFullMatrix(matrix), linalg.LinearOperatorDiag(diagonal)]
        )
        assert operator.shape.as_list() == [None, None]
        return operator.to_dense(), operator.matvec(tf.ones([operator.domain_dimension_tensor()]))

    dense, product = function(np.float32([[1, 2], [3, 4]]), np.float32([5]))
    close(dense, [[1, 2, 0], [3, 4, 0], [0, 0, 5]])
    close(product, [3, 7, 5])


class Doubling(linalg.LinearOperator):
    """A program's own operator, with no more than what the base asks for."""

    def __init__(self, size):
        self._size = size
        super().__init__(tf.float32, is_square=True, parameters={"size": size})

    def _shape(self):
        return tf.TensorShape([self._size, self._size])

    def _shape_tensor(self):
        return tf.constant([self._size, self._size])

    def _matmul(self, x, adjoint=False, adjoint_arg=False):
        return 2.0 * (tf.linalg.adjoint(x) if adjoint_arg else x)


def test_a_program_may_derive_from_the_base():
    operator = Doubling(3)
    close(operator.to_dense(), 2 * np.eye(3))
    close(operator.solvevec([2.0, 4.0, 6.0]), [1, 2, 3])
    close(operator.matmul(DIAG).trace(), 2 * DIAG.trace().numpy())
    close(operator.determinant(), 8)


CONTRADICTIONS = [
    ("LinearOperatorDiag([1.0], is_self_adjoint=False)", ValueError),
    ("LinearOperatorDiag(1.0)", ValueError),
    ("LinearOperatorFullMatrix([1.0])", ValueError),
    ("LinearOperatorFullMatrix([[1]])", TypeError),
    ("LinearOperatorFullMatrix([[1.0]], is_positive_definite=True, is_non_singular=False)", ValueError),
    ("LinearOperatorIdentity(-1)", ValueError),
    ("LinearOperatorIdentity(2.0)", TypeError),
    ("LinearOperatorIdentity(2, is_square=False)", ValueError),
    ("LinearOperatorIdentity(tf.Variable(2))", TypeError),
    ("LinearOperatorZeros(2, 3)", ValueError),
    ("LinearOperatorComposition([])", ValueError),
    ("LinearOperatorPermutation([0, 0])", ValueError),
    ("LinearOperatorPermutation([0.0, 1.0])", TypeError),
    ("LinearOperatorHouseholder([1.0], is_positive_definite=True)", ValueError),
    ("LinearOperatorBlockLowerTriangular([[FULL], [FULL]])", ValueError),
    ("LinearOperatorTridiag([[1.0]], 'other')", ValueError),
    ("LinearOperatorToeplitz([1.0], [1.0, 2.0])", ValueError),
]


@pytest.mark.parametrize("expression, error", CONTRADICTIONS)
def test_contradictions_are_refused(expression, error):
    with pytest.raises(error):
        eval(f"linalg.{expression}")


@pytest.mark.parametrize(
    "use, error",
    [
        (lambda: FULL.matmul(np.ones([2, 2], np.float32)), ValueError),
        (lambda: FULL.matmul(np.ones([3, 2])), TypeError),
        (lambda: FULL.matmul(SMALL), ValueError),
        (lambda: linalg.LinearOperatorFullMatrix(reals(2, 3)).solve([[1.0], [2.0]]), NotImplementedError),
        (lambda: linalg.LinearOperatorFullMatrix(reals(2, 3)).inverse(), ValueError),
        (lambda: linalg.LinearOperatorFullMatrix(reals(2, 3)).determinant(), NotImplementedError),
        (lambda: FULL.eigvals(), NotImplementedError),
        (lambda: linalg.LinearOperatorDiag([1.0, 0.0]).assert_non_singular(), tf.errors.InvalidArgumentError),
        (
            lambda: linalg.LinearOperatorDiag([-1.0]).assert_positive_definite(),
            tf.errors.InvalidArgumentError,
        ),
        (lambda: linalg.LinearOperatorDiag([1j]).assert_self_adjoint(), tf.errors.InvalidArgumentError),
    ],
)
def test_bad_use_is_refused(use, error):
    with pytest.raises(error):
        use()
