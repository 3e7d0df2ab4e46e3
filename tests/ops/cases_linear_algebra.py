"""Cases of the linear algebra files: factors, solvers, eigenvalues, inverses, functions, tridiagonal matrices."""

import numpy as np

from tests.ops.op_cases import Case, complexes, floats, positive


def definite(*shape, dtype=np.float32):
    """Hermitian positive definite matrices whose eigenvalues lie apart."""
    return lambda rng: _conjugated(rng, shape, np.arange(1, shape[-1] + 1), dtype)


def regular(*shape, dtype=np.float32):
    """Invertible matrices of good condition."""
    return lambda rng: (
        _conjugated(rng, shape, np.arange(2, shape[-1] + 2), dtype) + _normal(rng, shape, dtype) / 4
    ).astype(dtype)


def _normal(rng, shape, dtype):
    real = rng.standard_normal(shape)
    return real + 1j * rng.standard_normal(shape) if np.issubdtype(dtype, np.complexfloating) else real


def _conjugated(rng, shape, values, dtype):
    q = np.linalg.qr(_normal(rng, shape, dtype))[0]
    return ((q * values) @ np.conj(np.swapaxes(q, -1, -2))).astype(dtype)


NOT_SQUARE = floats(2, 3)
SINGULAR = np.zeros((2, 2), np.float32)
LOOSE = {"rtol": 2e-4, "atol": 2e-5}
COMPLEX = np.complex64

CASES = [
    Case("Cholesky", [definite(3, 3)], grad=True, hermitian=[0], **LOOSE),
    Case("Cholesky", [definite(2, 3, 3)], grad=True, hermitian=[0], **LOOSE),
    Case("Cholesky", [definite(3, 3, dtype=COMPLEX)], grad=True, hermitian=[0], **LOOSE),
    Case("Cholesky", [np.float32([[1, 0], [0, -1]])]),
    Case("Cholesky", [np.zeros((0, 0), np.float32)]),
    Case("Cholesky", [NOT_SQUARE], raises="InvalidArgumentError"),
    Case("Qr", [floats(3, 3)], grad=True, **LOOSE),
    Case("Qr", [floats(2, 4, 3)], grad=True, **LOOSE),
    Case("Qr", [floats(3, 5)], grad=True, **LOOSE),
    Case("Qr", [floats(3, 5)], {"full_matrices": True}, grad=True, **LOOSE),
    Case("Qr", [floats(4, 3)], {"full_matrices": True}, **LOOSE),
    Case("Qr", [complexes(4, 3)], grad=True, **LOOSE),
    Case("Qr", [floats(3)], raises="InvalidArgumentError"),
    Case("Lu", [regular(3, 3)], **LOOSE),
    Case("Lu", [floats(2, 4, 4)], {"output_idx_type": np.int64}, **LOOSE),
    Case("Lu", [SINGULAR], raises="InvalidArgumentError"),
    Case("Lu", [NOT_SQUARE], raises="InvalidArgumentError"),
    Case("MatrixSolve", [regular(3, 3), floats(3, 2)], grad=True, **LOOSE),
    Case("MatrixSolve", [regular(2, 3, 3), floats(2, 3, 1)], {"adjoint": True}, grad=True, **LOOSE),
    Case(
        "MatrixSolve", [regular(2, 2, dtype=COMPLEX), complexes(2, 2)], {"adjoint": True}, grad=True, **LOOSE
    ),
    Case("MatrixSolve", [SINGULAR, floats(2, 1)], raises="InvalidArgumentError"),
    Case("MatrixSolve", [regular(2, 2), floats(2)], raises="InvalidArgumentError"),
    Case("MatrixSolve", [regular(2, 2), floats(3, 1)], raises="InvalidArgumentError"),
    *(
        Case(
            "MatrixTriangularSolve",
            [regular(3, 3), floats(3, 2)],
            {"lower": lower, "adjoint": adjoint},
            grad=True,
            **LOOSE,
        )
        for lower in (True, False)
        for adjoint in (True, False)
    ),
    Case("MatrixTriangularSolve", [regular(2, 1, 3, 3), floats(4, 3, 2)], grad=True, **LOOSE),
    Case(
        "MatrixTriangularSolve",
        [regular(3, 3, dtype=COMPLEX), complexes(3, 1)],
        {"adjoint": True},
        grad=True,
        **LOOSE,
    ),
    Case("MatrixTriangularSolve", [regular(3, 3), floats(2, 2)], raises="InvalidArgumentError"),
    Case("BandedTriangularSolve", [positive(2, 4), floats(4, 2)], grad=True, **LOOSE),
    Case("BandedTriangularSolve", [positive(3, 4), floats(4, 2)], {"lower": False}, grad=True, **LOOSE),
    Case("BandedTriangularSolve", [positive(2, 2, 3), floats(3, 1)], {"adjoint": True}, grad=True, **LOOSE),
    Case("BandedTriangularSolve", [positive(1, 3), floats(3, 1)], grad=True, **LOOSE),
    Case("MatrixSolveLs", [floats(4, 2), floats(4, 3), np.float64(0)], grad=[0, 1], **LOOSE),
    Case("MatrixSolveLs", [floats(2, 2, 3), floats(2, 2, 1), np.float64(0.5)], grad=[0, 1], **LOOSE),
    Case("MatrixSolveLs", [complexes(4, 2), complexes(4, 1), np.float64(0.1)], grad=[0, 1], **LOOSE),
    Case("MatrixSolveLs", [floats(4, 2), floats(4, 1), np.float64(0)], {"fast": False}, rtol=1e-3, atol=1e-4),
    Case("MatrixSolveLs", [floats(4, 2), floats(3, 1), np.float64(0)], raises="InvalidArgumentError"),
    Case("SelfAdjointEigV2", [definite(3, 3)], grad=True, hermitian=[0], values=False),
    Case("SelfAdjointEigV2", [definite(2, 3, 3)], {"compute_v": False}, grad=True, hermitian=[0], **LOOSE),
    Case(
        "SelfAdjointEigV2",
        [definite(3, 3, dtype=COMPLEX)],
        {"compute_v": False},
        grad=True,
        hermitian=[0],
        **LOOSE,
    ),
    Case("SelfAdjointEigV2", [NOT_SQUARE], raises="InvalidArgumentError"),
    Case("Eig", [regular(3, 3)], {"compute_v": False, "Tout": COMPLEX}),
    Case("Eig", [regular(3, 3, dtype=COMPLEX)], {"compute_v": False, "Tout": np.complex128}, grad=True),
    Case("Eig", [NOT_SQUARE], {"Tout": COMPLEX}, raises="InvalidArgumentError"),
    Case("Svd", [floats(3, 3)], grad=True, values=False),
    Case("Svd", [floats(2, 4, 3)], grad=True, values=False),
    Case("Svd", [floats(2, 4)], grad=True, values=False),
    Case("Svd", [floats(4, 3)], {"full_matrices": True}, grad=True, values=False),
    Case("Svd", [floats(3, 5)], {"compute_uv": False}, grad=True, **LOOSE),
    Case("Svd", [complexes(3, 2)], {"compute_uv": False}, grad=True, **LOOSE),
    Case("Svd", [floats(3)], raises="InvalidArgumentError"),
    Case("MatrixInverse", [regular(3, 3)], grad=True, **LOOSE),
    Case("MatrixInverse", [regular(2, 2, 2)], {"adjoint": True}, grad=True, **LOOSE),
    Case("MatrixInverse", [regular(2, 2, dtype=COMPLEX)], {"adjoint": True}, grad=True, **LOOSE),
    Case("MatrixInverse", [SINGULAR], raises="InvalidArgumentError"),
    Case("MatrixInverse", [NOT_SQUARE], raises="InvalidArgumentError"),
    Case("MatrixDeterminant", [regular(3, 3)], grad=True, **LOOSE),
    Case("MatrixDeterminant", [regular(2, 2, 2, dtype=COMPLEX)], grad=True, **LOOSE),
    Case("MatrixDeterminant", [SINGULAR]),
    Case("MatrixDeterminant", [NOT_SQUARE], raises="InvalidArgumentError"),
    Case("LogMatrixDeterminant", [regular(2, 3, 3)], grad=True, **LOOSE),
    Case("LogMatrixDeterminant", [regular(3, 3, dtype=COMPLEX)], grad=True, **LOOSE),
    Case("MatrixExponential", [floats(3, 3)], grad=True, **LOOSE),
    Case("MatrixExponential", [floats(2, 2, 2, low=-9, high=9)], rtol=2e-3),
    Case("MatrixExponential", [complexes(2, 2)], grad=True, **LOOSE),
    Case("MatrixExponential", [np.zeros((0, 2, 2), np.float32)]),
    Case("MatrixExponential", [NOT_SQUARE], raises="InvalidArgumentError"),
    Case("MatrixLogarithm", [regular(2, 2, dtype=COMPLEX)]),
    Case("MatrixLogarithm", [regular(2, 2)], raises="InvalidArgumentError"),
    Case("MatrixSquareRoot", [definite(3, 3)], grad=True),
    Case("MatrixSquareRoot", [regular(2, 2, 2, dtype=COMPLEX)], grad=True),
    Case("TridiagonalMatMul", [floats(1, 4), floats(1, 4), floats(1, 4), floats(4, 2)], grad=True),
    Case(
        "TridiagonalMatMul",
        [complexes(2, 1, 3), complexes(2, 1, 3), complexes(2, 1, 3), complexes(2, 3, 1)],
        grad=True,
    ),
    Case(
        "TridiagonalMatMul",
        [floats(1, 3), floats(1, 4), floats(1, 4), floats(4, 2)],
        raises="InvalidArgumentError",
    ),
    Case("TridiagonalSolve", [positive(3, 4, low=1, high=1.5), floats(4, 2)], grad=True),
    Case("TridiagonalSolve", [positive(2, 3, 5, low=1, high=1.5), floats(2, 5, 1)], grad=True),
    Case("TridiagonalSolve", [positive(3, 2, low=1, high=1.5), floats(2, 1)], grad=True),
]
