"""Diagonals of matrices: build a matrix from them, read them, replace them.

A range of diagonals `k = (lower, upper)` is packed into rows, the uppermost first, each aligned to one side and padded.
All ops are one gather along an index map that follows from the sizes alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static_int, static_ints
from penstock.ops.arguments import index_vector, matching
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import Tensor

_ALIGNMENTS = ("LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT")


class Band(NamedTuple):
    """The diagonals from `lower` to `upper` of a matrix of `rows` by `columns`, packed under an alignment."""

    rows: int
    columns: int
    lower: int
    upper: int
    align: str

    def length(self, diagonal: int) -> int:
        """How many elements a diagonal has."""
        return min(self.rows + min(diagonal, 0), self.columns - max(diagonal, 0))

    @property
    def longest(self) -> int:
        """The length of the packed rows."""
        return min(self.rows + min(self.upper, 0), self.columns - max(self.lower, 0))

    def offset(self, diagonal: int) -> int:
        """Where a diagonal begins in its packed row."""
        above, below = self.align.split("_")
        left = (diagonal >= 0 and above == "LEFT") or (diagonal <= 0 and below == "LEFT")
        return 0 if left else self.longest - self.length(diagonal)

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """For each entry of the packed rows its flat position in the matrix, and whether there is one."""
        count = self.upper - self.lower + 1
        flat = np.zeros((count, self.longest), np.int64)
        inside = np.zeros((count, self.longest), bool)
        for row, diagonal in enumerate(range(self.upper, self.lower - 1, -1)):
            steps = np.arange(self.length(diagonal))
            places = slice(self.offset(diagonal), self.offset(diagonal) + len(steps))
            flat[row, places] = (steps + max(-diagonal, 0)) * self.columns + steps + max(diagonal, 0)
            inside[row, places] = True
        return flat, inside

    def sources(self) -> tuple[np.ndarray, np.ndarray]:
        """For each entry of the matrix its flat position in the packed rows, and whether there is one."""
        packed, inside = self.positions()
        flat = np.zeros(self.rows * self.columns, np.int64)
        found = np.zeros(self.rows * self.columns, bool)
        flat[packed[inside]] = np.flatnonzero(inside)
        found[packed[inside]] = True
        return flat.reshape(self.rows, self.columns), found.reshape(self.rows, self.columns)


def _bounds(k: Any) -> tuple[int, int]:
    values = static_ints(k)
    if len(values) not in (1, 2):
        raise ValueError(f"diag_index must have only one or two elements, received {len(values)} elements.")
    lower, upper = values[0], values[-1]
    if lower > upper:
        raise ValueError(f"lower_diag_index must not be larger than upper_diag_index: {lower} > {upper}")
    return lower, upper


def _alignment(align: Any) -> str:
    align = align.decode() if isinstance(align, bytes) else align
    if align not in _ALIGNMENTS:
        raise ValueError(f"align must be one of {', '.join(_ALIGNMENTS)}, got {align!r}")
    return align


def _band(rows: int, columns: int, k: Any, align: Any) -> Band:
    lower, upper = _bounds(k)
    for name, diagonal in (("lower", lower), ("upper", upper)):
        if not -rows < diagonal < columns and not (diagonal == 0):
            raise ValueError(
                f"{name}_diag_index is out of bound: {diagonal}. It must be between {-rows} and {columns}"
            )
    return Band(rows, columns, lower, upper, _alignment(align))


def _matrix_size(longest: int, lower: int, upper: int, rows: int, columns: int) -> tuple[int, int]:
    """The size of the matrix that packed rows of a length make; -1 stands for the least that fits."""
    least_rows, least_columns = longest - min(upper, 0), longest + max(lower, 0)
    if rows == columns == -1:
        rows = columns = max(least_rows, least_columns)
    rows = least_rows if rows == -1 else rows
    columns = least_columns if columns == -1 else columns
    if rows < least_rows:
        raise ValueError("The number of rows is too small.")
    if columns < least_columns:
        raise ValueError("The number of columns is too small.")
    if rows != least_rows and columns != least_columns:
        raise ValueError(
            "The number of rows or columns is not consistent with the specified d_lower, d_upper, and diagonal."
        )
    return rows, columns


def _packed_shape(shape: tuple, lower: int, upper: int) -> tuple[tuple, int]:
    """The leading dimensions and the row length of packed diagonals."""
    if lower == upper:
        if not shape:
            raise ValueError("diagonal must be at least 1-dim")
        return shape[:-1], shape[-1]
    if len(shape) < 2 or shape[-2] != upper - lower + 1:
        raise ValueError(
            "The number of diagonals provided in the input does not match the lower_diag_index and upper_diag_index "
            "range."
        )
    return shape[:-2], shape[-1]


# MatrixDiag: packed rows -> matrix.


def _matrix_diag(
    xp: Any, diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding: Any, *, align: Any
) -> Any:
    lower, upper = _bounds(k)
    lead, longest = _packed_shape(np.shape(diagonal), lower, upper)
    rows, columns = _matrix_size(longest, lower, upper, static_int(num_rows), static_int(num_cols))
    return place(xp, diagonal, lead, Band(rows, columns, lower, upper, _alignment(align)), padding)


def place(xp: Any, diagonal: Any, lead: tuple, band: Band, rest: Any) -> Any:
    """A matrix with the packed diagonals in place, and `rest` elsewhere."""
    flat, found = band.sources()
    if not band.longest:
        return xp.broadcast_to(rest, (*lead, band.rows, band.columns))
    packed = xp.reshape(diagonal, (*lead, (band.upper - band.lower + 1) * band.longest))
    return xp.where(found, packed[..., flat], rest)


def _matrix_diag_shape(call: ShapeCall) -> TensorShape:
    given, bounds, rows, columns = call.shape(0), call.entries(1), call.entries(2), call.entries(3)
    if given.rank is None or bounds is None or None in bounds or rows is None or columns is None:
        return TensorShape(None)
    lower, upper = bounds[0], bounds[-1]
    rank = 1 if lower == upper else 2
    if given.rank < rank:
        raise call.error(f"diagonal must be at least {rank}-dim")
    if rank == 2 and given[-2] not in (None, upper - lower + 1):
        raise call.error(f"there must be {upper - lower + 1} diagonals")
    if None in (rows[0], columns[0]):
        return given[:-rank].concatenate(unknown_shape(2))
    if given[-1] is None:
        sizes = [None if size == -1 else size for size in (rows[0], columns[0])]
        return given[:-rank].concatenate(sizes)
    try:
        return given[:-rank].concatenate(_matrix_size(given[-1], lower, upper, rows[0], columns[0]))
    except ValueError as error:
        raise call.error(str(error)) from None


def _matrix_diag_gradient(op: Any, dy: Any) -> list:
    dy = convert_to_tensor(dy)
    attrs = {"align": op.attrs.get("align", "LEFT_LEFT")}
    found = execute("MatrixDiagPartV3", (dy, op.inputs[1], _zero(dy)), attrs)
    return [found, None, None, None, None]


def _zero(like: Tensor) -> Tensor:
    return convert_to_tensor(np.zeros((), like.dtype.np_dtype), like.dtype)


op(
    "MatrixDiagV3(diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T; align='RIGHT_LEFT') "
    "-> output: T",
    _matrix_diag,
    shape=_matrix_diag_shape,
    gradient=_matrix_diag_gradient,
)
op(
    "MatrixDiagV2(diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T) -> output: T",
    lambda xp, *inputs: _matrix_diag(xp, *inputs, align="LEFT_LEFT"),
    shape=_matrix_diag_shape,
    gradient=_matrix_diag_gradient,
)
op(
    "MatrixDiag(diagonal: T) -> output: T",
    lambda xp, diagonal: _matrix_diag(
        xp, diagonal, 0, -1, -1, xp.zeros((), diagonal.dtype), align="LEFT_LEFT"
    ),
    shape=lambda call: call.shape(0).concatenate(call.shape(0)[-1:]),
    gradient=lambda op, dy: execute("MatrixDiagPart", (convert_to_tensor(dy),)),
)


# MatrixDiagPart: matrix -> packed rows.


def _matrix_diag_part(xp: Any, x: Any, k: Any, padding: Any, *, align: Any) -> Any:
    if np.ndim(x) < 2:
        raise ValueError(f"input must be at least 2-dim, received shape: {list(np.shape(x))}")
    *lead, rows, columns = np.shape(x)
    band = _band(rows, columns, k, align)
    flat, inside = band.positions()
    if band.lower == band.upper:
        flat, inside = flat[0], inside[0]
    if not rows * columns:
        return xp.broadcast_to(padding, (*lead, *flat.shape))
    found = xp.reshape(x, (*lead, rows * columns))[..., flat]
    return found if inside.all() else xp.where(inside, found, padding)


def _matrix_diag_part_shape(call: ShapeCall) -> TensorShape:
    given, bounds = call.shape(0), call.entries(1)
    if given.rank is None or bounds is None or None in bounds:
        return TensorShape(None)
    if given.rank < 2:
        raise call.error("input must be at least 2-dim")
    lower, upper = bounds[0], bounds[-1]
    if lower > upper:
        raise call.error(f"lower_diag_index must not be larger than upper_diag_index: {lower} > {upper}")
    rows, columns = given[-2:].as_list()
    longest = None if None in (rows, columns) else Band(rows, columns, lower, upper, "LEFT_LEFT").longest
    if longest is not None and longest < 0:
        raise call.error(f"the diagonals from {lower} to {upper} do not exist")
    count = [] if lower == upper else [upper - lower + 1]
    return given[:-2].concatenate([*count, longest])


def _matrix_diag_part_gradient(op: Any, dy: Any) -> list:
    x, k = op.inputs[0], op.inputs[1]
    dy, attrs = convert_to_tensor(dy), {"align": op.attrs.get("align", "LEFT_LEFT")}
    rows, columns = x.shape[-2:].as_list() if x.shape.rank is not None else (None, None)
    if rows is None or columns is None:
        return [execute("MatrixSetDiagV3", (execute("ZerosLike", (x,)), dy, k), attrs), None, None]
    sizes = [convert_to_tensor(size) for size in (rows, columns)]
    return [execute("MatrixDiagV3", (dy, k, *sizes, _zero(dy)), attrs), None, None]


op(
    "MatrixDiagPartV3(input: T, k: int32, padding_value: T; align='RIGHT_LEFT') -> diagonal: T",
    _matrix_diag_part,
    shape=_matrix_diag_part_shape,
    gradient=_matrix_diag_part_gradient,
)
op(
    "MatrixDiagPartV2(input: T, k: int32, padding_value: T) -> diagonal: T",
    lambda xp, *inputs: _matrix_diag_part(xp, *inputs, align="LEFT_LEFT"),
    shape=_matrix_diag_part_shape,
    gradient=_matrix_diag_part_gradient,
)


def _main_diagonal_shape(call: ShapeCall) -> TensorShape:
    given = call.shape(0)
    if given.rank is None:
        return given
    if given.rank < 2:
        raise call.error("input must be at least 2-dim")
    sizes = given[-2:].as_list()
    return given[:-2].concatenate([None if None in sizes else min(sizes)])


op(
    "MatrixDiagPart(input: T) -> diagonal: T",
    lambda xp, x: _matrix_diag_part(xp, x, 0, None, align="LEFT_LEFT"),
    shape=_main_diagonal_shape,
    gradient=lambda op, dy: execute(
        "MatrixSetDiag", (execute("ZerosLike", (op.inputs[0],)), convert_to_tensor(dy))
    ),
)


# MatrixSetDiag: replaces diagonals.


def _matrix_set_diag(xp: Any, x: Any, diagonal: Any, k: Any, *, align: Any) -> Any:
    if np.ndim(x) < 2:
        raise ValueError(f"input must be at least 2-dim, received shape: {list(np.shape(x))}")
    *lead, rows, columns = np.shape(x)
    band = _band(rows, columns, k, align)
    wanted = (*lead, *([] if band.lower == band.upper else [band.upper - band.lower + 1]), band.longest)
    if np.shape(diagonal) != wanted:
        raise ValueError(
            "Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[:-1] is not equal to "
            f"the longests diagonal in range [lower_diag_index:upper_diag_index]: it must be {list(wanted)}"
        )
    return place(xp, diagonal, tuple(lead), band, x)


def _matrix_set_diag_shape(call: ShapeCall) -> TensorShape:
    given, diagonal = call.shape(0), call.shape(1)
    if given.rank is not None and given.rank < 2:
        raise call.error("input must be at least 2-dim")
    bounds = call.entries(2) if len(call.inputs) == 3 else [0]
    if given.rank is None and diagonal.rank is not None and bounds is not None and None not in bounds:
        given = unknown_shape(diagonal.rank + (bounds[0] == bounds[-1]))
    if given.rank is None or diagonal.rank is None or bounds is None or None in bounds:
        return given
    lead = given.rank - 2
    if diagonal.rank != lead + 1 + (bounds[0] != bounds[-1]):
        raise call.error("the rank of diagonal does not fit")
    try:
        return given[:lead].merge_with(diagonal[:lead]).concatenate(given[lead:])
    except ValueError:
        raise call.error("the first dimensions of input and diagonal must agree") from None


def _matrix_set_diag_gradient(op: Any, dy: Any) -> list:
    _, diagonal, k = op.inputs
    dy, attrs = convert_to_tensor(dy), {"align": op.attrs.get("align", "LEFT_LEFT")}
    kept = execute("MatrixSetDiagV3", (dy, execute("ZerosLike", (diagonal,)), k), attrs)
    return [kept, execute("MatrixDiagPartV3", (dy, k, _zero(dy)), attrs), None]


op(
    "MatrixSetDiagV3(input: T, diagonal: T, k: int32; align='RIGHT_LEFT') -> output: T",
    _matrix_set_diag,
    shape=_matrix_set_diag_shape,
    gradient=_matrix_set_diag_gradient,
)
op(
    "MatrixSetDiagV2(input: T, diagonal: T, k: int32) -> output: T",
    lambda xp, *inputs: _matrix_set_diag(xp, *inputs, align="LEFT_LEFT"),
    shape=_matrix_set_diag_shape,
    gradient=_matrix_set_diag_gradient,
)


def _plain_set_diag_gradient(op: Any, dy: Any) -> list:
    dy = convert_to_tensor(dy)
    kept = execute("MatrixSetDiag", (dy, execute("ZerosLike", (op.inputs[1],))))
    return [kept, execute("MatrixDiagPart", (dy,))]


op(
    "MatrixSetDiag(input: T, diagonal: T) -> output: T",
    lambda xp, x, diagonal: _matrix_set_diag(xp, x, diagonal, 0, align="LEFT_LEFT"),
    shape=_matrix_set_diag_shape,
    gradient=_plain_set_diag_gradient,
)


@export("linalg.diag", v1=["linalg.diag", "matrix_diag"])
def diag(
    diagonal: Any,
    name: str | None = "diag",
    k: Any = 0,
    num_rows: Any = -1,
    num_cols: Any = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Tensor:
    """Matrices with given diagonals.

    Args:
      diagonal: a tensor of shape [..., n], one diagonal; or [..., m, n], m diagonals from the uppermost down.
      k: which diagonal (0 the main one, positive above it), or a pair (lowest, uppermost).
      num_rows, num_cols: the size of the matrices; by default the least that fits, and square.
      padding_value: what stands elsewhere.
      align: the side to which diagonals above, and below, the main one are aligned where they are shorter.

    Raises:
      InvalidArgumentError: the diagonals do not fit the size.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.diag([1, 2]).numpy().tolist()
      [[1, 0], [0, 2]]
    """
    diagonal = convert_to_tensor(diagonal)
    padding = _padding(padding_value, diagonal)
    inputs = (diagonal, index_vector(k), index_vector(num_rows), index_vector(num_cols), padding)
    return execute("MatrixDiagV3", inputs, {"align": align}, name)


def _padding(value: Any, like: Tensor) -> Tensor:
    if like.dtype.is_bool and not isinstance(value, Tensor):
        value = bool(value)
    return matching(like, value)[1]


@export("linalg.diag_part", v1=["linalg.diag_part", "matrix_diag_part"])
def diag_part(
    input: Any, name: str | None = "diag_part", k: Any = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """The diagonals of matrices.

    Args:
      input: a tensor of shape [..., rows, columns].
      k: which diagonal, or a pair (lowest, uppermost).
      padding_value: fills diagonals that are shorter than others.
      align: the side to which diagonals above, and below, the main one are aligned.

    Returns:
      A tensor of shape [..., n], or [..., m, n] for m diagonals, from the uppermost down.

    Raises:
      InvalidArgumentError: there is no such diagonal.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.diag_part([[1, 2], [3, 4]]).numpy().tolist()
      [1, 4]
    """
    x = convert_to_tensor(input)
    return execute(
        "MatrixDiagPartV3", (x, index_vector(k), _padding(padding_value, x)), {"align": align}, name
    )


@export("linalg.set_diag", v1=["linalg.set_diag", "matrix_set_diag"])
def set_diag(
    input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """Matrices with some diagonals replaced.

    Args:
      input: a tensor of shape [..., rows, columns].
      diagonal: what `diag_part` would give.
      k: which diagonal, or a pair (lowest, uppermost).
      align: as in `diag_part`.

    Raises:
      InvalidArgumentError: the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.set_diag([[1, 2], [3, 4]], [8, 9]).numpy().tolist()
      [[8, 2], [3, 9]]
    """
    x, diagonal = matching(input, diagonal)
    return execute("MatrixSetDiagV3", (x, diagonal, index_vector(k)), {"align": align}, name)
