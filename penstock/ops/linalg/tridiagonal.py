"""Tridiagonal matrices, given by their three diagonals: products, systems, eigenvalues."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp, lax
from penstock.ops import concatenation
from penstock.ops.dtype_sets import COMPLEX, WIDE_FLOATS
from penstock.ops.linalg.diagonals import diag, diag_part
from penstock.ops.linalg.eigenvalues import eigh
from penstock.ops.linalg.matrix_shapes import matrix
from penstock.ops.padding import pad
from penstock.ops.reshaping import matrix_transpose
from penstock.ops.selection import boolean_mask
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_TYPES = {"T": WIDE_FLOATS | COMPLEX}

# TridiagonalMatMul.


def _shifted(xp: Any, x: Any, by: int) -> Any:
    """Rows moved down (`by` 1) or up (-1), with a row of zeros where one is missing."""
    zero = xp.zeros((*x.shape[:-2], 1, x.shape[-1]), x.dtype)
    return xp.concatenate([zero, x[..., :-1, :]] if by == 1 else [x[..., 1:, :], zero], -2)


def _tridiagonal_matmul(xp: Any, above: Any, main: Any, below: Any, rhs: Any) -> Any:
    rows = rhs.shape[-2]
    for name, each in (("superdiag", above), ("maindiag", main), ("subdiag", below)):
        if each.shape != (*rhs.shape[:-2], 1, rows):
            raise ValueError(f"{name} must have shape {[*rhs.shape[:-2], 1, rows]}, got {list(each.shape)}")
    if not rows:
        return rhs
    above, main, below = (xp.swapaxes(each, -1, -2) for each in (above, main, below))
    return above * _shifted(xp, rhs, -1) + main * rhs + below * _shifted(xp, rhs, 1)


def _conj(x: Tensor) -> Tensor:
    return execute("Conj", (x,)) if x.dtype.is_complex else x


def _moved(x: Tensor, by: int) -> Tensor:
    """As `_shifted`, of a tensor of known rank."""
    if x.shape.rank is None:
        raise ValueError("the gradient of a tridiagonal product needs a known rank")
    margins = [[0, 0]] * (x.shape.rank - 2)
    if by == 1:
        return pad(x[..., :-1, :], [*margins, [1, 0], [0, 0]])
    return pad(x[..., 1:, :], [*margins, [0, 1], [0, 0]])


def _tridiagonal_matmul_gradient(op: Any, dy: Any) -> list:
    above, main, below, rhs = (_conj(each) for each in op.inputs)
    dy = convert_to_tensor(dy)

    def of_diagonal(x: Tensor) -> Tensor:
        total = execute("Sum", (x * dy, convert_to_tensor([-1])), {"keep_dims": True})
        return matrix_transpose(total)

    above, main, below = (matrix_transpose(each) for each in (above, main, below))
    of_rhs = main * dy + _moved(above * dy, 1) + _moved(below * dy, -1)
    return [of_diagonal(_moved(rhs, -1)), of_diagonal(rhs), of_diagonal(_moved(rhs, 1)), of_rhs]


op(
    "TridiagonalMatMul(superdiag: T, maindiag: T, subdiag: T, rhs: T) -> output: T",
    _tridiagonal_matmul,
    shape=lambda call: matrix(call, 3),
    gradient=_tridiagonal_matmul_gradient,
    types=_TYPES,
)

# TridiagonalSolve.


def _tridiagonal_solve(diagonals: Any, rhs: Any, *, partial_pivoting: bool, perturb_singular: bool) -> Any:
    rows = rhs.shape[-2]
    if diagonals.shape != (*rhs.shape[:-2], 3, rows):
        raise ValueError(
            f"diagonals must have shape {[*rhs.shape[:-2], 3, rows]}, got {list(diagonals.shape)}"
        )
    if 0 in rhs.shape:
        return jnp.zeros_like(rhs)
    above, main, below = (diagonals[..., i, :] for i in range(3))
    if rows < 3:  # the kernel wants three rows: more of them, which say x = 0
        more = 3 - rows
        lead = [(0, 0)] * (rhs.ndim - 2)
        above, below = (jnp.pad(each, [*lead, (0, more)]) for each in (above.at[..., -1].set(0), below))
        main = jnp.pad(main, [*lead, (0, more)], constant_values=1)
        rhs = jnp.pad(rhs, [*lead, (0, more), (0, 0)])
    found = lax.linalg.tridiagonal_solve(below.at[..., 0].set(0), main, above.at[..., -1].set(0), rhs)
    return found[..., :rows, :]


def _tridiagonal_solve_shape(call: ShapeCall) -> TensorShape:
    diagonals, rhs = matrix(call, 0), matrix(call, 1)
    if diagonals.rank is None or rhs.rank is None:
        return rhs
    try:
        lead = diagonals[:-2].merge_with(rhs[:-2])
        rows = diagonals[-1:].merge_with(rhs[-2:-1])
        diagonals[-2:-1].merge_with([3])
    except ValueError:
        raise call.error("diagonals must have shape [..., 3, n] where rhs has [..., n, k]") from None
    return lead.concatenate(rows).concatenate(rhs[-1:])


def _tridiagonal_solve_gradient(op: Any, dx: Any) -> list:
    """The adjoint system is tridiagonal too: its diagonals are those of the conjugate, the outer two exchanged."""
    diagonals, x = _conj(op.inputs[0]), _conj(op.outputs[0])
    names = ("partial_pivoting", "perturb_singular")
    above, main, below = (diagonals[..., i : i + 1, :] for i in range(3))
    last, row = convert_to_tensor(-1), convert_to_tensor(-2)
    zero = execute("ZerosLike", (above[..., :1],))
    flipped = execute("ConcatV2", ([
        execute("ConcatV2", ([below[..., 1:], zero], last)), main, execute("ConcatV2", ([zero, above[..., :-1]], last)),
    ], row))  # fmt: skip
    attrs = {name: op.attrs[name] for name in names}
    of_rhs = execute("TridiagonalSolve", (flipped, convert_to_tensor(dx)), attrs)

    def of_diagonal(y: Tensor) -> Tensor:
        return matrix_transpose(execute("Sum", (of_rhs * y, convert_to_tensor([-1])), {"keep_dims": True}))

    parts = [of_diagonal(_moved(x, -1)), of_diagonal(x), of_diagonal(_moved(x, 1))]
    return [-execute("ConcatV2", (parts, row)), of_rhs]


op(
    "TridiagonalSolve(diagonals: T, rhs: T; partial_pivoting=True, perturb_singular=False) -> output: T",
    xla=_tridiagonal_solve,
    shape=_tridiagonal_solve_shape,
    gradient=_tridiagonal_solve_gradient,
    types=_TYPES,
)

# Public functions. "compact" is one tensor [..., 3, n], "sequence" three vectors, "matrix" the whole matrix.


def _three_diagonals(diagonals: Any, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """The diagonals (above, main, below), each of shape [..., n]; the ends that are not read are zeros."""
    if form == "compact":
        compact = convert_to_tensor(diagonals)
        if compact.shape.rank is not None and (compact.shape.rank < 2 or compact.shape[-2] not in (None, 3)):
            raise ValueError(f"Expected diagonals to have shape [..., 3, n], got {compact.shape}")
        return compact[..., 0, :], compact[..., 1, :], compact[..., 2, :]
    if form == "sequence":
        if not isinstance(diagonals, (tuple, list)) or len(diagonals) != 3:
            raise ValueError("Expected diagonals to be a sequence of length 3.")
        above, main, below = (convert_to_tensor(each) for each in diagonals)
        return _completed(above, main, after=True), main, _completed(below, main, after=False)
    if form == "matrix":
        whole = convert_to_tensor(diagonals)
        rows, columns = whole.shape[-2:].as_list()
        if rows != columns and None not in (rows, columns):
            raise ValueError(
                f"Expected last two dimensions of diagonals to be same, got {rows} and {columns}"
            )
        packed = diag_part(whole, k=(-1, 1), align="LEFT_RIGHT")
        return packed[..., 0, :], packed[..., 1, :], packed[..., 2, :]
    raise ValueError(f"Unrecognized diagonals_format: {form}")


def _completed(outer: Tensor, main: Tensor, after: bool) -> Tensor:
    """A diagonal beside the main one with a zero added, unless it has the length of the main one already."""
    have, want = outer.shape[-1], main.shape[-1]
    if have is None or want is None:
        raise ValueError("tridiagonal matrices given as a sequence need a known size")
    if have == want:
        return outer
    if have != want - 1:
        raise ValueError(
            f"a diagonal beside the main one must have {want - 1} or {want} elements, got {have}"
        )
    margins = [[0, 0]] * (outer.shape.rank - 1)
    return pad(outer, [*margins, [0, 1] if after else [1, 0]])


@export("linalg.tridiagonal_matmul")
def tridiagonal_matmul(
    diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None
) -> Tensor:
    """The product of tridiagonal matrices and matrices.

    Args:
      diagonals: "compact": a tensor of shape [..., 3, n], the diagonals above, on and below the main one (the last
        element of the first and the first of the last are not read). "sequence": three tensors of shape [..., n], of
        which the outer ones may be one shorter. "matrix": a tensor of shape [..., n, n].
      rhs: a tensor of shape [..., n, k].
      diagonals_format: "compact", "sequence" or "matrix".

    Raises:
      ValueError: the format is unknown, or `diagonals` does not fit it.

    Example:
      >>> import penstock as tf
      >>> diagonals = tf.constant([[1.0, 0.0], [2.0, 2.0], [0.0, 1.0]])
      >>> tf.linalg.tridiagonal_matmul(diagonals, [[1.0], [2.0]]).numpy().tolist()
      [[4.0], [5.0]]
    """
    parts = [
        execute("ExpandDims", (each, convert_to_tensor(-2)))
        for each in _three_diagonals(diagonals, diagonals_format)
    ]
    rhs = convert_to_tensor(rhs, parts[0].dtype)
    return execute("TridiagonalMatMul", (*parts, rhs), None, name)


@export("linalg.tridiagonal_solve")
def tridiagonal_solve(
    diagonals: Any,
    rhs: Any,
    diagonals_format: str = "compact",
    transpose_rhs: bool = False,
    conjugate_rhs: bool = False,
    name: str | None = None,
    partial_pivoting: bool = True,
    perturb_singular: bool = False,
) -> Tensor:
    """The x with `matrix @ x = rhs` for tridiagonal matrices.

    Args:
      diagonals: as in `tridiagonal_matmul`.
      rhs: a tensor of shape [..., n] or [..., n, k].
      diagonals_format: "compact", "sequence" or "matrix".
      transpose_rhs: `rhs` has shape [..., k, n].
      conjugate_rhs: take the conjugate of `rhs`.
      partial_pivoting, perturb_singular: accepted; the solver always pivots as its platform does.

    Returns:
      A tensor of the shape of `rhs` (transposed, where `transpose_rhs`).

    Raises:
      ValueError: the format is unknown, or `diagonals` does not fit it.

    Example:
      >>> import penstock as tf
      >>> diagonals = tf.constant([[0.0, 0.0, 0.0], [2.0, 4.0, 8.0], [0.0, 0.0, 0.0]])
      >>> tf.linalg.tridiagonal_solve(diagonals, tf.constant([2.0, 4.0, 8.0])).numpy().tolist()
      [1.0, 1.0, 1.0]
    """
    parts = _three_diagonals(diagonals, diagonals_format)
    packed = concatenation.stack(list(parts), -2)
    rhs = convert_to_tensor(rhs, packed.dtype)
    is_vector = (
        rhs.shape.rank is not None
        and packed.shape.rank is not None
        and rhs.shape.rank == packed.shape.rank - 1
    )
    if conjugate_rhs:
        rhs = _conj(rhs)
    if is_vector:
        rhs = execute("ExpandDims", (rhs, convert_to_tensor(-1)))
    elif transpose_rhs:
        rhs = matrix_transpose(rhs)
    attrs = {"partial_pivoting": bool(partial_pivoting), "perturb_singular": bool(perturb_singular)}
    found = execute("TridiagonalSolve", (packed, rhs), attrs, name)
    if is_vector:
        return execute("Squeeze", (found,), {"squeeze_dims": [-1]})
    return matrix_transpose(found) if transpose_rhs else found


@export("linalg.eigh_tridiagonal")
def eigh_tridiagonal(
    alpha: Any,
    beta: Any,
    eigvals_only: bool = True,
    select: str = "a",
    select_range: Any = None,
    tol: Any = None,
    name: str | None = None,
) -> Any:
    """Eigenvalues, and eigenvectors, of Hermitian tridiagonal matrices.

    Args:
      alpha: a vector of n numbers, the diagonal.
      beta: a vector of n - 1 numbers, the diagonal above it.
      eigvals_only: whether the eigenvectors are left out.
      select: "a" for all, "i" for those from index `select_range[0]` to `select_range[1]`, both included, "v" for
        those in the interval `(select_range[0], select_range[1]]`.
      select_range: a pair of numbers.
      tol: accepted; the result has the full precision.

    Returns:
      The eigenvalues in ascending order, or `(eigenvalues, eigenvectors)`.

    Raises:
      ValueError: `select` or its range is wrong.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.eigh_tridiagonal([1.0, 2.0], [0.0]).numpy().tolist()
      [1.0, 2.0]
    """
    if select not in ("a", "i", "v"):
        raise ValueError(f"'select must have values in {{'i', 'v', 'a'}}, got {select!r}")
    if select != "a" and (
        select_range is None or len(select_range) != 2 or select_range[0] > select_range[1]
    ):
        raise ValueError(
            f"select_range must be a pair of ascending numbers where select is {select!r}, got {select_range}"
        )
    alpha, beta = convert_to_tensor(alpha), convert_to_tensor(beta)
    if alpha.dtype != beta.dtype:
        raise TypeError(
            f"'alpha' and 'beta' must have the same type, got {alpha.dtype.name} and {beta.dtype.name}"
        )
    if alpha.dtype.is_complex:
        real = execute("Real", (alpha,), {"Tout": alpha.dtype.real_dtype})
        alpha = execute("Cast", (real,), {"DstT": beta.dtype})
    values, vectors = eigh(diag(alpha) + diag(beta, k=1) + diag(_conj(beta), k=-1))
    if values.dtype.is_complex:
        values = execute("Real", (values,), {"Tout": values.dtype.real_dtype})
    if select == "i":
        first, last = (int(each) for each in select_range)
        values, vectors = values[first : last + 1], vectors[:, first : last + 1]
    elif select == "v":
        low, high = (convert_to_tensor(each, values.dtype) for each in select_range)
        inside = execute("LogicalAnd", (values > low, values <= high))
        values, vectors = boolean_mask(values, inside), boolean_mask(vectors, inside, axis=1)
    return values if eigvals_only else (values, vectors)
