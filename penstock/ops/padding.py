"""Padding: pad with a constant, by reflection, and by symmetry."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value, static
from penstock.engine.xla import jnp, lax
from penstock.ops.arguments import index_vector
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import Tensor


def _pairs(x: Any, paddings: Any) -> list[tuple[int, int]]:
    """(before, after) for each dimension of `x`, checked."""
    matrix = static(paddings)
    if matrix.ndim != 2 or matrix.shape[1] != 2:
        raise ValueError(f"paddings must be a matrix with 2 columns: {list(matrix.shape)}")
    if matrix.shape[0] != np.ndim(x):
        raise ValueError(
            f"The first dimension of paddings must be the rank of inputs: {list(matrix.shape)}, {list(np.shape(x))}"
        )
    pairs = [(before, after) for before, after in matrix.tolist()]
    for before, after in pairs:
        if before < 0 or after < 0:
            raise ValueError(f"Paddings must be non-negative: {before} {after}")
    return pairs


# Pad and PadV2.


def _pad(x: np.ndarray, paddings: Any, value: Any) -> np.ndarray:
    pairs = _pairs(x, paddings)
    if np.ndim(value):
        raise ValueError(f"constant_values must be a scalar, got shape {list(np.shape(value))}")
    out = np.full([size + sum(pair) for size, pair in zip(np.shape(x), pairs, strict=True)], value, x.dtype)
    out[tuple(slice(before, before + size) for size, (before, _) in zip(np.shape(x), pairs, strict=True))] = x
    return out


def _pad_xla(x: Any, paddings: Any, value: Any) -> Any:
    return lax.pad(jnp.asarray(x), jnp.asarray(value, x.dtype), [(*pair, 0) for pair in _pairs(x, paddings)])


def _pad_shape(call: ShapeCall) -> TensorShape:
    given, matrix = call.shape(0), call.shape(1)
    if matrix.rank not in (None, 2) or (matrix.rank == 2 and matrix[1] not in (None, 2)):
        raise call.error("paddings must be a matrix with 2 columns")
    rank = given.rank if given.rank is not None else matrix[0] if matrix.rank is not None else None
    if rank is None:
        return TensorShape(None)
    if matrix.rank is not None and matrix[0] not in (None, rank):
        raise call.error(f"paddings must have one row for each of the {rank} dimensions")
    pairs = padding_entries(call.inputs[1])
    if pairs is None or given.rank is None:
        return unknown_shape(rank)
    if any(each is not None and each < 0 for pair in pairs for each in pair):
        raise call.error(f"Paddings must be non-negative: {pairs}")
    dims = zip(given.as_list(), pairs, strict=True)
    return TensorShape([None if size is None or None in pair else size + sum(pair) for size, pair in dims])


def padding_entries(paddings: Tensor) -> list[list[int | None]] | None:
    """The rows of a matrix of paddings, None for the entries that are not known; None where not even its size is."""
    known = constant_value(paddings)
    if known is not None:
        return known.tolist()
    if paddings.op.type == "Pack" and paddings.op.attrs["axis"] == 0:
        from penstock.engine.static_value import constant_entries

        rows = [constant_entries(row) for row in paddings.op.inputs]
        if all(row is not None and len(row) == 2 for row in rows):
            return rows
    return None


def _unpadded(op: Any, dy: Any) -> Tensor:
    """The part of `dy` that stands for the input."""
    x, paddings = op.inputs[0], op.inputs[1]
    known = constant_value(paddings)
    if known is not None and x.shape.is_fully_defined():
        begin, size = index_vector(known[:, 0].tolist()), index_vector(x.shape.as_list())
        return execute("Slice", (convert_to_tensor(dy), begin, size))
    rank = x.shape.rank
    column = execute("Slice", (paddings, *_same(paddings, [0, 0], [-1 if rank is None else rank, 1])))
    begin = execute("Reshape", (column, convert_to_tensor([-1])))
    return execute("Slice", (convert_to_tensor(dy), begin, execute("Shape", (x,), {"out_type": begin.dtype})))


def _same(like: Tensor, *values: list[int]) -> list[Tensor]:
    return [
        convert_to_tensor(each, like.dtype if like.dtype is dtypes.int64 else dtypes.int32) for each in values
    ]


def _zero_of(x: Any) -> Any:
    return b"" if x.dtype == object else np.zeros((), x.dtype)


def _value_gradient(op: Any, dy: Any) -> Tensor:
    """The gradient of the constant: what of `dy` lies outside the input."""
    dy = convert_to_tensor(dy)
    axes = execute("Range", (convert_to_tensor(0), execute("Rank", (dy,)), convert_to_tensor(1)))
    whole, inner = (execute("Sum", (each, axes), {"keep_dims": False}) for each in (dy, _unpadded(op, dy)))
    return whole - inner


op(
    "Pad(input: T, paddings: Tpaddings) -> output: T",
    numpy=lambda x, paddings: _pad(x, paddings, _zero_of(x)),
    xla=lambda x, paddings: _pad_xla(x, paddings, 0),
    shape=_pad_shape,
    gradient=lambda op, dy: [_unpadded(op, dy), None],
)
op(
    "PadV2(input: T, paddings: Tpaddings, constant_values: T) -> output: T",
    numpy=_pad,
    xla=_pad_xla,
    shape=_pad_shape,
    gradient=lambda op, dy: [_unpadded(op, dy), None, _value_gradient(op, dy)],
)


# MirrorPad and MirrorPadGrad. The offset is 1 where the edge itself is not repeated (REFLECT), else 0 (SYMMETRIC).


def _offset(mode: Any) -> int:
    mode = mode.decode() if isinstance(mode, bytes) else mode
    if mode not in ("REFLECT", "SYMMETRIC"):
        raise ValueError(f"mode must be either REFLECT or SYMMETRIC, got {mode!r}")
    return int(mode == "REFLECT")


def _mirror_pad(xp: Any, x: Any, paddings: Any, *, mode: Any) -> Any:
    offset, pairs = _offset(mode), _pairs(x, paddings)
    for size, (before, after) in zip(np.shape(x), pairs, strict=True):
        if before > size - offset or after > size - offset:
            limit = "less than" if offset else "no greater than"
            raise ValueError(
                f"paddings must be {limit} the dimension size: {before}, {after} not {limit} {size}"
            )
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            size = np.shape(x)[axis]
            lead = (slice(None),) * axis
            left = xp.flip(x[(*lead, slice(offset, offset + before))], axis)
            right = xp.flip(x[(*lead, slice(size - offset - after, size - offset))], axis)
            x = xp.concatenate([left, x, right], axis)
    return x


def _mirror_pad_grad(xp: Any, dy: Any, paddings: Any, *, mode: Any) -> Any:
    """Folds the margins back onto what they mirrored."""
    offset = _offset(mode)
    for axis, (before, after) in reversed(list(enumerate(_pairs(dy, paddings)))):
        size = np.shape(dy)[axis] - before - after
        lead = (slice(None),) * axis
        inner = dy[(*lead, slice(before, before + size))]
        before_part, after_part = dy[(*lead, slice(0, before))], dy[(*lead, slice(before + size, None))]
        margins = ((before_part, offset, before), (after_part, size - offset - after, after))
        for part, start, length in margins:
            if length:
                widths = [(0, 0)] * np.ndim(dy)
                widths[axis] = (start, size - start - length)
                inner = inner + xp.pad(xp.flip(part, axis), widths)
        dy = inner
    return dy


def _mirror_pad_grad_shape(call: ShapeCall) -> TensorShape:
    given, pairs = call.shape(0), padding_entries(call.inputs[1])
    if given.rank is None or pairs is None:
        return unknown_shape(given.rank)
    dims = zip(given.as_list(), pairs, strict=True)
    return TensorShape([None if size is None or None in pair else size - sum(pair) for size, pair in dims])


def _mirrored(op_type: str) -> Any:
    return lambda op, dy: [
        execute(op_type, (convert_to_tensor(dy), op.inputs[1]), {"mode": op.attrs["mode"]}),
        None,
    ]


op(
    "MirrorPad(input: T, paddings: Tpaddings; mode) -> output: T",
    _mirror_pad,
    shape=_pad_shape,
    gradient=_mirrored("MirrorPadGrad"),
)
op(
    "MirrorPadGrad(input: T, paddings: Tpaddings; mode) -> output: T",
    _mirror_pad_grad,
    shape=_mirror_pad_grad_shape,
    gradient=_mirrored("MirrorPad"),
)


@export("pad", v1=[])
def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, name: str | None = None
) -> Tensor:
    """Makes a tensor larger at its edges.

    Args:
      tensor: a tensor of rank r.
      paddings: an integer matrix of shape [r, 2]: how much to add before and after, for each dimension.
      mode: "CONSTANT"; "REFLECT" mirrors without repeating the edge; "SYMMETRIC" mirrors and repeats it.
      constant_values: a scalar of the tensor's dtype, for the mode "CONSTANT".

    Raises:
      ValueError: the mode is unknown.
      InvalidArgumentError: a padding is negative, or larger than what can be mirrored.

    Example:
      >>> import penstock as tf
      >>> tf.pad([1, 2, 3], [[1, 2]], "REFLECT").numpy().tolist()
      [2, 1, 2, 3, 2, 1]
    """
    tensor = convert_to_tensor(tensor)
    widths = _paddings_matrix(paddings)
    kind = mode.upper()
    if kind in ("REFLECT", "SYMMETRIC"):
        return execute("MirrorPad", (tensor, widths), {"mode": kind}, name)
    if kind != "CONSTANT":
        raise ValueError(
            'Value of argument `mode` expected to be one of "CONSTANT", "REFLECT", or "SYMMETRIC". '
            f"Received `mode` = {mode}"
        )
    if not isinstance(constant_values, Tensor) and np.ndim(constant_values) == 0 and constant_values == 0:
        return execute("Pad", (tensor, widths), None, name)
    value = convert_to_tensor(constant_values, None if isinstance(constant_values, Tensor) else tensor.dtype)
    return execute("PadV2", (tensor, widths, value), None, name)


def _paddings_matrix(paddings: Any) -> Tensor:
    if isinstance(paddings, (list, tuple)) and not paddings:
        return convert_to_tensor(np.zeros((0, 2), np.int32))
    return index_vector(paddings)


@export(v1=["pad"])
def pad_v1(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """TF 1's `pad`; as `tf.pad`."""
    return pad(tensor, paddings, mode, constant_values, name)
