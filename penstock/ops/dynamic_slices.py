"""XlaDynamicSlice and XlaDynamicUpdateSlice: a block whose place is known only at run time, but whose size is fixed.

As in XLA, a block that would reach over the edge is moved inside. Keras's `slice_update` is built on the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static_ints
from penstock.engine.xla import lax
from penstock.ops.arithmetic import zeros_like
from penstock.types.shapes import TensorShape


def _starts(shape: tuple[int, ...], sizes: tuple[int, ...], indices: Any) -> list:
    """The block's first corner, one entry for each dimension; sizes and indices must fit `shape`."""
    if np.shape(indices) != (len(shape),):
        raise ValueError(
            f"the indices must be a vector of {len(shape)} entries, got shape {list(np.shape(indices))}"
        )
    if len(sizes) != len(shape) or any(size > dim for size, dim in zip(sizes, shape, strict=True)):
        raise ValueError(f"a block of size {list(sizes)} does not fit into shape {list(shape)}")
    return [indices[i] for i in range(len(shape))]


def _window(shape: tuple[int, ...], sizes: tuple[int, ...], indices: np.ndarray) -> tuple[slice, ...]:
    starts = np.clip(_starts(shape, sizes, indices), 0, np.subtract(shape, sizes))
    return tuple(slice(int(start), int(start) + size) for start, size in zip(starts, sizes, strict=True))


def _update_numpy(input: np.ndarray, update: np.ndarray, indices: np.ndarray) -> np.ndarray:
    output = input.copy()
    output[_window(input.shape, update.shape, indices)] = update
    return output


def _update_xla(input: Any, update: Any, indices: Any) -> Any:
    starts = _starts(input.shape, update.shape, indices)
    # Negative starts count from the end in JAX, while XLA moves them to the edge.
    return lax.dynamic_update_slice(input, update, [lax.max(start, start.dtype.type(0)) for start in starts])


def _update_shape(call: ShapeCall) -> TensorShape:
    input, update = call.shape(0), call.shape(1)
    if input.rank is not None and update.rank is not None:
        fits = input.rank == update.rank and all(
            dim is None or size is None or size <= dim
            for size, dim in zip(update.as_list(), input.as_list(), strict=True)
        )
        if not fits:
            raise call.error("the update does not fit into the input")
    indices = call.shape(2)
    if input.rank is not None and not indices.is_compatible_with([input.rank]):
        raise call.error(f"the indices must be a vector of {input.rank} entries")
    return input


def _update_gradient(call: Any, dy: Any) -> list:
    _, update, indices = call.inputs
    dy = convert_to_tensor(dy)
    sizes = execute("Shape", (update,), {"out_type": indices.dtype})
    return [
        execute("XlaDynamicUpdateSlice", (dy, zeros_like(update), indices)),
        execute("XlaDynamicSlice", (dy, indices, sizes)),
        None,
    ]


op(
    "XlaDynamicUpdateSlice(input: T, update: T, indices: Tindices) -> output: T",
    numpy=_update_numpy,
    xla=_update_xla,
    shape=_update_shape,
    gradient=_update_gradient,
)


def _slice_numpy(input: np.ndarray, start_indices: np.ndarray, size_indices: np.ndarray) -> np.ndarray:
    return input[_window(input.shape, static_ints(size_indices), start_indices)]


def _slice_xla(input: Any, start_indices: Any, size_indices: Any) -> Any:
    sizes = static_ints(size_indices)
    starts = _starts(input.shape, sizes, start_indices)
    return lax.dynamic_slice(input, [lax.max(start, start.dtype.type(0)) for start in starts], sizes)


def _slice_shape(call: ShapeCall) -> TensorShape:
    sizes, rank = call.shape_from(2), call.shape(0).rank
    if rank is not None and sizes.rank not in (None, rank):
        raise call.error(f"the sizes must be a vector of {rank} entries")
    return sizes


def _slice_gradient(call: Any, dy: Any) -> list:
    input, start, _ = call.inputs
    return [execute("XlaDynamicUpdateSlice", (zeros_like(input), convert_to_tensor(dy), start)), None, None]


op(
    "XlaDynamicSlice(input: T, start_indices: Tindices, size_indices: Tindices) -> output: T",
    numpy=_slice_numpy,
    xla=_slice_xla,
    shape=_slice_shape,
    gradient=_slice_gradient,
)
