"""`tf.signal.frame` cuts a signal into overlapping frames, `overlap_and_add` puts frames together again."""

from __future__ import annotations

import math
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.gathering import gather
from penstock.ops.padding import pad
from penstock.ops.ranges import range_
from penstock.ops.reduce_functions import reduce_sum
from penstock.ops.reshaping import expand_dims, reshape, transpose
from penstock.ops.signal.fourier_ops import dim
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _size(value: Any, name: str) -> Any:
    """An integer scalar: an int where it is known, else a tensor."""
    tensor = convert_to_tensor(value)
    if tensor.shape.rank not in (0, None):
        raise ValueError(f"Shape {tensor.shape} must have rank 0: {name} must be a scalar")
    if not tensor.dtype.is_integer:
        raise ValueError(f"{name} must be an integer. Got {tensor.dtype}")
    known = constant_value(tensor)
    return execute("Cast", (tensor,), {"DstT": dtypes.int32}) if known is None else int(known)


def _at_least_zero(value: Any) -> Any:
    return max(0, value) if isinstance(value, int) else execute("Maximum", (value, convert_to_tensor(0)))


def _shape_vector(dims: list[Any]) -> Tensor:
    if all(isinstance(each, int) for each in dims):
        return convert_to_tensor(dims, dtypes.int32)
    return execute("Pack", ([convert_to_tensor(each, dtypes.int32) for each in dims],), {"axis": 0})


@export("signal.frame")
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: Any = -1,
    name: str | None = None,
) -> Tensor:
    """Cuts an axis of a signal into frames that may overlap.

    Args:
      signal: a tensor of a rank of at least 1.
      frame_length: the samples of a frame.
      frame_step: the samples between the starts of two frames.
      pad_end: whether the last frames, for which there are too few samples, are filled up instead of left out.
      pad_value: what they are filled with.
      axis: the axis of the samples.
      name: the scope of the nodes in a graph.

    Returns:
      A tensor in which the axis is replaced by two: `[..., frames, frame_length, ...]`.

    Raises:
      ValueError: an argument is no integer scalar, or the signal is a scalar.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.frame(tf.range(7), 4, 2, pad_end=True).numpy())
      [[0 1 2 3]
       [2 3 4 5]
       [4 5 6 0]
       [6 0 0 0]]
    """
    with name_scope(name, "frame"):
        signal = convert_to_tensor(signal)
        rank = signal.shape.rank
        if rank is None:
            raise ValueError("frame: the rank of the signal must be known")
        if rank < 1:
            raise ValueError(f"Shape {signal.shape} must have rank at least 1")
        axis = int(constant_value(convert_to_tensor(axis)))
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} must be in [-{rank}, {rank})")
        axis %= rank
        length, step = _size(frame_length, "frame_length"), _size(frame_step, "frame_step")
        if isinstance(step, int) and step == 0:
            raise_division_by_zero()
        samples = dim(signal, axis)
        if pad_end:
            frames = _at_least_zero(-(-samples // step))
            missing = _at_least_zero(length + step * (frames - 1) - samples)
            if not (isinstance(missing, int) and missing == 0):
                paddings: list[Any] = [[0, 0]] * rank
                paddings[axis] = [0, missing]
                signal = pad(signal, paddings, constant_values=convert_to_tensor(pad_value, signal.dtype))
        else:
            frames = _at_least_zero(1 + (samples - length) // step)
        return _cut(signal, axis, frames, length, step)


def raise_division_by_zero() -> None:
    """Raises what an integer division by a `frame_step` of 0 does in TensorFlow."""
    from penstock.types import errors

    raise errors.InvalidArgumentError(None, None, "frame: frame_step must not be 0: Integer division by zero")


def _cut(signal: Tensor, axis: int, frames: Any, length: Any, step: Any) -> Tensor:
    """The frames of an axis, gathered in the largest blocks of which length and step are multiples."""
    block = math.gcd(length, step) if isinstance(length, int) and isinstance(step, int) else 1
    shape = [dim(signal, each) for each in range(signal.shape.rank)]
    outer, inner = shape[:axis], shape[axis + 1 :]
    if block > 1:
        blocks = shape[axis] // block
        used = signal if isinstance(blocks, int) and blocks * block == shape[axis] else None
        if used is None:
            keep = [slice(None)] * axis + [slice(0, blocks * block)]
            used = signal[tuple(keep)]
        signal = reshape(used, _shape_vector([*outer, blocks, block, *inner]))
    starts = expand_dims(range_(frames), 1) * (step // block if isinstance(step, int) else step)
    offsets = expand_dims(range_(length // block if block > 1 else length), 0)
    found = gather(signal, starts + offsets, axis=axis)
    if block > 1:
        found = reshape(found, _shape_vector([*outer, frames, length, *inner]))
    return found


@export("signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """Puts overlapping frames together: where they overlap, they are added.

    Args:
      signal: `[..., frames, frame_length]`.
      frame_step: the samples between the starts of two frames, an integer scalar.
      name: the scope of the nodes in a graph.

    Returns:
      `[..., (frames - 1) * frame_step + frame_length]`.

    Raises:
      ValueError: the signal has no rank of at least 2, or `frame_step` is no integer scalar.

    Example:
      >>> import penstock as tf
      >>> tf.signal.overlap_and_add([[1, 1, 1, 1], [2, 2, 2, 2]], 2).numpy()
      array([1, 1, 3, 3, 2, 2], dtype=int32)
    """
    with name_scope(name, "overlap_and_add"):
        signal = convert_to_tensor(signal)
        rank = signal.shape.rank
        if rank is None:
            raise ValueError("overlap_and_add: the rank of the signal must be known")
        if rank < 2:
            raise ValueError(f"Shape {signal.shape} must have rank at least 2")
        step = _size(frame_step, "frame_step")
        outer = [dim(signal, axis) for axis in range(rank - 2)]
        frames, length = dim(signal, rank - 2), dim(signal, rank - 1)
        if isinstance(step, int) and isinstance(length, int) and step == length:
            return reshape(signal, _shape_vector([*outer, frames * length]))
        # Each frame is cut into `parts` of one step. Row j of part i belongs at step i + j of the result: with the
        # parts laid out one after the other, each followed by empty rows, rows of one step stand below each other.
        parts = -(-length // step)
        paddings: list[Any] = [[0, 0]] * (rank - 2) + [[0, parts], [0, parts * step - length]]
        padded = reshape(pad(signal, paddings), _shape_vector([*outer, frames + parts, parts, step]))
        order = [*range(rank - 2), rank - 1, rank - 2, rank]
        rows = reshape(transpose(padded, order), _shape_vector([*outer, parts * (frames + parts), step]))
        rows = rows[(..., slice(0, parts * (frames + parts - 1)), slice(None))]
        rows = reshape(rows, _shape_vector([*outer, parts, frames + parts - 1, step]))
        result = reshape(reduce_sum(rows, axis=-3), _shape_vector([*outer, (frames + parts - 1) * step]))
        return result[(..., slice(0, (frames - 1) * step + length))]
