"""Eigenvalues and singular values: eigh, eig, svd."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.blas import on_one_thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp, lax
from penstock.ops import creation
from penstock.ops.linalg.band_part import band_part
from penstock.ops.linalg.diagonals import diag, diag_part, set_diag
from penstock.ops.linalg.linear_solvers import solve
from penstock.ops.linalg.matmul import matmul
from penstock.ops.linalg.matrix_factors import smaller
from penstock.ops.linalg.matrix_shapes import MATRIX_TYPES, check_square, matrix, square, widened
from penstock.ops.reshaping import adjoint
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_TYPES = {"T": MATRIX_TYPES}


def _inverse_differences(values: Tensor) -> Tensor:
    """`1 / (values[j] - values[i])`, and 0 where the two are equal: the matrix F of these gradients."""
    rows = execute("ExpandDims", (values, convert_to_tensor(-1)))
    columns = execute("ExpandDims", (values, convert_to_tensor(-2)))
    difference = columns - rows
    zero = creation.zeros_like(difference)
    equal = execute("Equal", (difference, zero), {"incompatible_shape_error": True})
    safe = execute("SelectV2", (equal, creation.ones_like(difference), difference))
    return execute("SelectV2", (equal, zero, execute("Reciprocal", (safe,))))


# SelfAdjointEigV2, which reads the lower triangle only.


@on_one_thread
def _eigh(x: np.ndarray, *, compute_v: bool) -> list[np.ndarray]:
    check_square(x)
    if not compute_v:
        return [np.linalg.eigvalsh(widened(x)).astype(x.dtype), np.zeros(0, x.dtype)]
    values, vectors = np.linalg.eigh(widened(x))
    return [values.astype(x.dtype), vectors.astype(x.dtype)]


def _eigh_xla(x: Any, *, compute_v: bool) -> list:
    check_square(x)
    vectors, values = lax.linalg.eigh(widened(x), lower=True, symmetrize_input=False)
    return [values.astype(x.dtype), vectors.astype(x.dtype) if compute_v else jnp.zeros(0, x.dtype)]


def _eigen_shapes(call: ShapeCall) -> list[TensorShape]:
    shape = square(call)
    values = shape if shape.rank is None else shape[:-1]
    return [values, shape if call.attrs["compute_v"] else TensorShape([0])]


def _eigh_gradient(op: Any, de: Any, dv: Any) -> Tensor:
    if op.attrs["compute_v"]:
        values, vectors = op.outputs
    else:
        values, vectors = execute("SelfAdjointEigV2", (op.inputs[0],), {"compute_v": True})
    inner = diag(convert_to_tensor(de))
    if op.attrs["compute_v"]:
        inner = inner + _inverse_differences(values) * matmul(vectors, convert_to_tensor(dv), adjoint_a=True)
    full = matmul(vectors, matmul(inner, vectors, adjoint_b=True))
    # Only the lower triangle is read, so it gets the gradient of both.
    lower = band_part(full + adjoint(full), -1, 0)
    return set_diag(lower, diag_part(lower) / 2)


op(
    "SelfAdjointEigV2(input: T; compute_v=True) -> (e: T, v: T)",
    numpy=_eigh,
    xla=_eigh_xla,
    shape=_eigen_shapes,
    gradient=_eigh_gradient,
    types=_TYPES,
)


@export("linalg.eigh", v1=["linalg.eigh", "self_adjoint_eig"])
def eigh(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of Hermitian matrices.

    Args:
      tensor: a tensor of shape [..., n, n], of which the lower triangle is read.

    Returns:
      `(e, v)`: the eigenvalues in ascending order, of shape [..., n], and the eigenvectors as columns.

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.eigh([[2.0, 0.0], [0.0, 1.0]])[0].numpy().tolist()
      [1.0, 2.0]
    """
    values, vectors = execute("SelfAdjointEigV2", (convert_to_tensor(tensor),), {"compute_v": True}, name)
    return values, vectors


@export("linalg.eigvalsh", v1=["linalg.eigvalsh", "self_adjoint_eigvals"])
def eigvalsh(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, in ascending order.

    Args:
      tensor: a tensor of shape [..., n, n], of which the lower triangle is read.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.eigvalsh([[2.0, 0.0], [0.0, 1.0]]).numpy().tolist()
      [1.0, 2.0]
    """
    return execute("SelfAdjointEigV2", (convert_to_tensor(tensor),), {"compute_v": False}, name)[0]


# Eig, which runs on the host: no accelerator has it.


@on_one_thread
def _eig(x: np.ndarray, *, compute_v: bool, Tout: DType) -> list[np.ndarray]:
    check_square(x)
    kind = Tout.np_dtype
    if not compute_v:
        return [np.linalg.eigvals(x).astype(kind), np.zeros(0, kind)]
    values, vectors = np.linalg.eig(x)
    return [values.astype(kind), vectors.astype(kind)]


def _eig_gradient(op: Any, de: Any, dv: Any) -> Tensor:
    """Boeddeker et al., "On the computation of complex-valued gradients" (2017); eigenvectors have norm 1."""
    x, kind = op.inputs[0], op.attrs["Tout"]
    if op.attrs["compute_v"]:
        values, vectors = op.outputs
    else:
        values, vectors = execute("Eig", (x,), {"compute_v": True, "Tout": kind})
    adjoint_vectors = adjoint(vectors)
    inner = diag(convert_to_tensor(de))
    if op.attrs["compute_v"]:
        along = matmul(adjoint_vectors, convert_to_tensor(dv))
        real = execute(
            "Cast", (execute("Real", (diag_part(along),), {"Tout": kind.real_dtype}),), {"DstT": kind}
        )
        gram = matmul(adjoint_vectors, vectors)
        factors = execute("Conj", (_inverse_differences(values),))
        inner = inner + factors * (along - gram * execute("ExpandDims", (real, convert_to_tensor(-2))))
    found = solve(adjoint_vectors, matmul(inner, adjoint_vectors))
    if x.dtype.is_complex:
        return found
    return execute("Cast", (execute("Real", (found,), {"Tout": kind.real_dtype}),), {"DstT": x.dtype})


op(
    "Eig(input: T; compute_v=True, Tout) -> (e: Tout, v: Tout)",
    numpy=_eig,
    shape=_eigen_shapes,
    gradient=_eig_gradient,
    types={"T": MATRIX_TYPES - {dtypes.float16}},
)


def _complex_of(tensor: Tensor) -> DType:
    if tensor.dtype.is_complex:
        return tensor.dtype
    return dtypes.complex64 if tensor.dtype == dtypes.float32 else dtypes.complex128


@export("linalg.eig", "eig", v1=[])
def eig(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of square matrices, as complex numbers.

    Args:
      tensor: a tensor of shape [..., n, n].

    Returns:
      `(e, v)`: the eigenvalues in no particular order, and the eigenvectors of norm 1 as columns.

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.eig([[2.0, 0.0], [0.0, 1.0]])[0].numpy().tolist()
      [(2+0j), (1+0j)]
    """
    tensor = convert_to_tensor(tensor)
    attrs = {"compute_v": True, "Tout": _complex_of(tensor)}
    values, vectors = execute("Eig", (tensor,), attrs, name)
    return values, vectors


@export("linalg.eigvals", "eigvals", v1=[])
def eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of square matrices, as complex numbers in no particular order.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.eigvals([[2.0, 0.0], [0.0, 1.0]]).numpy().tolist()
      [(2+0j), (1+0j)]
    """
    tensor = convert_to_tensor(tensor)
    return execute("Eig", (tensor,), {"compute_v": False, "Tout": _complex_of(tensor)}, name)[0]


# Svd.


@on_one_thread
def _svd(x: np.ndarray, *, compute_uv: bool, full_matrices: bool) -> list[np.ndarray]:
    if x.ndim < 2:
        raise ValueError(f"Input tensor must have rank >= 2, got shape {list(x.shape)}")
    if not compute_uv:
        values = np.linalg.svd(widened(x), compute_uv=False)
        return [values.astype(x.dtype), np.zeros(0, x.dtype), np.zeros(0, x.dtype)]
    u, s, vh = np.linalg.svd(widened(x), full_matrices=full_matrices)
    return [s.astype(x.dtype), u.astype(x.dtype), np.swapaxes(vh, -1, -2).conj().astype(x.dtype)]


def _svd_xla(x: Any, *, compute_uv: bool, full_matrices: bool) -> list:
    if x.ndim < 2:
        raise ValueError(f"Input tensor must have rank >= 2, got shape {list(x.shape)}")
    if not compute_uv:
        values = lax.linalg.svd(widened(x), full_matrices=False, compute_uv=False)
        return [values.astype(x.dtype), jnp.zeros(0, x.dtype), jnp.zeros(0, x.dtype)]
    u, s, vh = lax.linalg.svd(widened(x), full_matrices=full_matrices)
    return [s.astype(x.dtype), u.astype(x.dtype), jnp.swapaxes(vh, -1, -2).conj().astype(x.dtype)]


def _svd_shapes(call: ShapeCall) -> list[TensorShape]:
    shape = matrix(call)
    if shape.rank is None:
        return [shape] * 3 if call.attrs["compute_uv"] else [shape, TensorShape([0]), TensorShape([0])]
    lead = shape[:-2]
    rows, columns = shape[-2:].as_list()
    least = smaller(rows, columns)
    if not call.attrs["compute_uv"]:
        return [lead.concatenate([least]), TensorShape([0]), TensorShape([0])]
    full = call.attrs["full_matrices"]
    return [
        lead.concatenate([least]),
        lead.concatenate([rows, rows if full else least]),
        lead.concatenate([columns, columns if full else least]),
    ]


def _svd_gradient(op: Any, ds: Any, du: Any, dv: Any) -> Tensor:
    """The gradient of the thin decomposition; what full matrices have more follows from their orthogonality."""
    x, ds = op.inputs[0], convert_to_tensor(ds)
    if x.dtype.is_complex:  # singular values are real
        real = execute("Real", (ds,), {"Tout": x.dtype.real_dtype})
        ds = execute("Cast", (real,), {"DstT": x.dtype})
    if not op.attrs["compute_uv"]:
        s, u, v = execute("Svd", (x,), {"compute_uv": True, "full_matrices": False})
        return matmul(u * _row(ds), v, adjoint_b=True)
    s, u, v = op.outputs
    du, dv = convert_to_tensor(du), convert_to_tensor(dv)
    if op.attrs["full_matrices"]:
        rank = s.shape[-1]
        if rank is None:
            raise ValueError("the gradient of svd with full_matrices needs a known shape")
        u, du = _thin(u, du, rank)
        v, dv = _thin(v, dv, rank)
    factors = _inverse_differences(s * s)  # F[i, j] = 1 / (s[j]^2 - s[i]^2)
    from_u, from_v = (factors * matmul(side, dside, adjoint_a=True) for side, dside in ((u, du), (v, dv)))
    inner = diag(ds)
    inner = inner + (from_u + adjoint(from_u)) * _row(s) + _column(s) * (from_v + adjoint(from_v))
    zero = creation.zeros_like(s)
    empty = execute("Equal", (s, zero), {"incompatible_shape_error": True})
    inverse = execute(
        "SelectV2", (empty, zero, execute("Reciprocal", (execute("SelectV2", (empty, zero + 1, s)),)))
    )
    if x.dtype.is_complex:  # the phases of the columns of u and v turn together
        turn = diag_part(matmul(v, dv, adjoint_a=True))
        inner = inner + diag((execute("Conj", (turn,)) - turn) * inverse / 2)
    found = matmul(u, matmul(inner, v, adjoint_b=True))
    outside_u = du - matmul(u, matmul(u, du, adjoint_a=True))
    outside_v = dv - matmul(v, matmul(v, dv, adjoint_a=True))
    found = found + matmul(outside_u * _row(inverse), v, adjoint_b=True)
    return found + matmul(u * _row(inverse), outside_v, adjoint_b=True)


def _thin(side: Tensor, gradient: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The first columns, and their gradient: it includes that of the other columns, which stay orthogonal to them."""
    first, rest = side[..., :rank], side[..., rank:]
    through = matmul(rest, matmul(gradient[..., rank:], first, adjoint_a=True))
    return first, gradient[..., :rank] - through


def _row(values: Tensor) -> Tensor:
    return execute("ExpandDims", (values, convert_to_tensor(-2)))


def _column(values: Tensor) -> Tensor:
    return execute("ExpandDims", (values, convert_to_tensor(-1)))


op(
    "Svd(input: T; compute_uv=True, full_matrices=False) -> (s: T, u: T, v: T)",
    numpy=_svd,
    xla=_svd_xla,
    shape=_svd_shapes,
    gradient=_svd_gradient,
    types=_TYPES,
)


@export("linalg.svd", v1=["linalg.svd", "svd"])
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """The singular value decomposition of matrices: `tensor = u @ diag(s) @ v^H`.

    Args:
      tensor: a tensor of shape [..., m, n].
      full_matrices: whether u and v are square.
      compute_uv: whether u and v are wanted.

    Returns:
      `(s, u, v)`, the singular values in descending order and the vectors as columns; s alone without `compute_uv`.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False).numpy().tolist()
      [4.0, 3.0]
    """
    attrs = {"compute_uv": bool(compute_uv), "full_matrices": bool(full_matrices)}
    tensor = convert_to_tensor(tensor)
    s, u, v = execute("Svd", (tensor,), attrs, name)
    if tensor.dtype.is_complex:
        s = execute("Real", (s,), {"Tout": tensor.dtype.real_dtype})
    return (s, u, v) if compute_uv else s
