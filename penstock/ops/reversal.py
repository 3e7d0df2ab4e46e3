"""Ops that change the order of elements along a dimension: reverse, reverse_sequence, roll."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.engine.static_value import static, static_ints
from penstock.ops.arguments import index_vector
from penstock.ops.reshaping import one_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# ReverseV2.


def _reverse(xp: Any, x: Any, axis: Any) -> Any:
    rank, seen = np.ndim(x), set()
    for i, each in enumerate(static_ints(axis)):
        if not -rank <= each < rank:
            raise ValueError(f"'axis'[{i}] = {each} is out of valid range [0, {rank - 1}]")
        if each % rank in seen:
            raise ValueError(f"axis {each % rank} specified more than once.")
        seen.add(each % rank)
    if not seen:
        return x
    return x[tuple(slice(None, None, -1 if i in seen else None) for i in range(rank))]


def _reverse_shape(call: ShapeCall) -> TensorShape:
    given, axes = call.shape(0), call.entries(1)
    if given.rank is not None and axes is not None and None not in axes:
        if any(not -given.rank <= axis < given.rank for axis in axes):
            raise call.error(f"axis {axes} must be in [{-given.rank}, {given.rank})")
        if len({axis % given.rank for axis in axes}) < len(axes):
            raise call.error(f"axis {axes} must not name a dimension twice")
    return given


op(
    "ReverseV2(tensor: T, axis: Tidx) -> output: T",
    _reverse,
    shape=_reverse_shape,
    gradient=lambda op, dy: [execute("ReverseV2", (convert_to_tensor(dy), op.inputs[1])), None],
    view=True,
)
op(
    "Reverse(tensor: T, dims: bool) -> output: T",
    lambda xp, x, dims: _reverse(xp, x, np.flatnonzero(static(dims))),
    shape=unchanged,
    gradient=lambda op, dy: [execute("Reverse", (convert_to_tensor(dy), op.inputs[1])), None],
    view=True,
)


@export("reverse", v1=["reverse", "reverse_v2", "manip.reverse"])
def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """Reverses a tensor along some dimensions.

    Args:
      tensor: a tensor.
      axis: an integer vector: the dimensions.

    Raises:
      InvalidArgumentError: a dimension is out of range, or comes twice.

    Example:
      >>> import penstock as tf
      >>> tf.reverse([[1, 2], [3, 4]], [1]).numpy().tolist()
      [[2, 1], [4, 3]]
    """
    return execute("ReverseV2", (convert_to_tensor(tensor), index_vector(axis)), None, name)


# ReverseSequence.


def _reverse_sequence(xp: Any, x: Any, seq_lengths: Any, *, seq_dim: int, batch_dim: int) -> Any:
    rank, shape = np.ndim(x), np.shape(x)
    if not -rank <= seq_dim < rank or not -rank <= batch_dim < rank or (seq_dim - batch_dim) % rank == 0:
        raise ValueError(
            f"seq_dim {seq_dim} and batch_dim {batch_dim} must be two dimensions of a tensor of rank {rank}"
        )
    seq_dim, batch_dim = seq_dim % rank, batch_dim % rank
    if np.shape(seq_lengths) != (shape[batch_dim],):
        raise ValueError(
            f"Length of seq_lens != input.dims({batch_dim}), ({np.shape(seq_lengths)} vs. {shape[batch_dim]})"
        )
    if xp is np and seq_lengths.size:
        for i, length in enumerate(seq_lengths.tolist()):
            if length < 0 or length > shape[seq_dim]:
                raise ValueError(f"seq_lens({i}) {'< 0' if length < 0 else f'> input.dims({seq_dim})'}")
    positions = np.arange(shape[seq_dim])
    lengths = xp.reshape(seq_lengths, (-1, 1))
    sources = xp.where(positions < lengths, lengths - 1 - positions, positions)  # [batch, time]
    spread = [1] * rank
    spread[batch_dim], spread[seq_dim] = shape[batch_dim], shape[seq_dim]
    ordered = sources if batch_dim < seq_dim else xp.transpose(sources)
    return xp.take_along_axis(x, xp.reshape(ordered, spread), seq_dim)


def _reverse_sequence_shape(call: ShapeCall) -> TensorShape:
    given, lengths, batch = call.shape(0), call.shape(1), call.attrs["batch_dim"]
    if lengths.rank not in (None, 1):
        raise call.error("seq_lengths must be a vector")
    if (
        given.rank is not None
        and lengths.rank is not None
        and not given[batch : batch + 1 or None].is_compatible_with(lengths)
    ):
        raise call.error(f"seq_lengths must have one entry for each of dimension {batch}")
    return given


def _reverse_sequence_gradient(op: Any, dy: Any) -> list:
    attrs = {name: op.attrs[name] for name in ("seq_dim", "batch_dim")}
    return [execute("ReverseSequence", (convert_to_tensor(dy), op.inputs[1]), attrs), None]


op(
    "ReverseSequence(input: T, seq_lengths: Tlen; seq_dim, batch_dim=0) -> output: T",
    _reverse_sequence,
    shape=_reverse_sequence_shape,
    gradient=_reverse_sequence_gradient,
)


@export("reverse_sequence", v1=[])
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Reverses the first `seq_lengths[i]` elements of each sequence i; the rest stays.

    Args:
      input: a tensor.
      seq_lengths: an integer vector with one length for each batch entry.
      seq_axis: the dimension to reverse.
      batch_axis: the dimension of the sequences; 0 by default.

    Raises:
      InvalidArgumentError: a length is larger than the dimension.

    Example:
      >>> import penstock as tf
      >>> tf.reverse_sequence([[1, 2, 3], [4, 5, 6]], [2, 3], seq_axis=1).numpy().tolist()
      [[2, 1, 3], [6, 5, 4]]
    """
    if seq_axis is None:
        raise ValueError("Missing seq_axis: the dimension to reverse")
    attrs = {"seq_dim": int(seq_axis), "batch_dim": int(batch_axis or 0)}
    return execute("ReverseSequence", (convert_to_tensor(input), index_vector(seq_lengths)), attrs, name)


@export(v1=["reverse_sequence"])
def reverse_sequence_v1(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """TF 1's `reverse_sequence`; `seq_dim` and `batch_dim` are the old names of the axes."""
    seq_axis = one_of("seq_axis", seq_axis, "seq_dim", seq_dim)
    return reverse_sequence(
        input, seq_lengths, seq_axis, one_of("batch_axis", batch_axis, "batch_dim", batch_dim), name
    )


# Roll.


def _roll(xp: Any, x: Any, shift: Any, axis: Any) -> Any:
    axes, rank = static_ints(axis), np.ndim(x)
    if np.shape(shift) != np.shape(axis):
        raise ValueError("shift and axis must have the same size")
    for each in axes:
        if not -rank <= each < rank:
            raise ValueError(f"axis {each} is out of range")
    shifts = xp.reshape(shift, (-1,))
    for i, each in enumerate(axes):
        x = xp.roll(x, shifts[i], each)
    return x


def _roll_shape(call: ShapeCall) -> TensorShape:
    given, axes = call.shape(0), call.entries(2)
    if given.rank == 0:
        raise call.error("input must be 1-D or higher")
    if given.rank is not None and axes is not None:
        if any(axis is not None and not -given.rank <= axis < given.rank for axis in axes):
            raise call.error(f"axis {axes} is out of range")
    return given


op(
    "Roll(input: T, shift: Tshift, axis: Taxis) -> output: T",
    _roll,
    shape=_roll_shape,
    gradient=lambda op, dy: [
        execute("Roll", (convert_to_tensor(dy), execute("Neg", (op.inputs[1],)), op.inputs[2])),
        None,
        None,
    ],
)


@export("roll", v1=["roll", "manip.roll"])
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """Moves elements along dimensions; what leaves at the end comes in at the start.

    Args:
      input: a tensor.
      shift: an integer, or one for each entry of `axis`: by how many places.
      axis: an integer or a vector: the dimensions.

    Raises:
      InvalidArgumentError: a dimension is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.roll([1, 2, 3, 4], 1, 0).numpy().tolist()
      [4, 1, 2, 3]
    """
    return execute("Roll", (convert_to_tensor(input), index_vector(shift), index_vector(axis)), None, name)
