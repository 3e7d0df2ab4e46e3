"""NumPy's indexing of tensors: index arrays and masks among slices, as `experimental_enable_numpy_behavior` installs it.

Slices and numbers are cut first, by the usual slicing; index arrays then gather from the axes that they stand at. Their
result stands where they stood, if they were neighbours, and in front otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.numpy_api.arrays import asarray, broadcasted, converted, promoted
from penstock.ops.casting import cast
from penstock.ops.concatenation import stack
from penstock.ops.gathering import gather_nd
from penstock.ops.indexing import slice_tensor
from penstock.ops.reshaping import reshape, transpose
from penstock.ops.selection import boolean_mask, where
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_EXPECTED = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid"
    " indices"
)


def getitem(tensor: Any, key: Any) -> Tensor:
    """`tensor[key]` under NumPy's rules.

    Raises:
      IndexError: the key is none of integers, slices, `...`, None, and integer or boolean arrays.
    """
    if isinstance(key, (bool, np.bool_)) or getattr(key, "dtype", None) in (dtypes.bool, np.bool_):
        return boolean_mask(tensor, key)
    basic, arrays = [], {}
    for each in _keys(key):
        if isinstance(each, slice) or each is ... or each is None:
            basic.append(each)
            continue
        index = _index(each)
        if isinstance(index, Tensor) and index.shape.rank != 0:
            arrays[len(basic)] = index
            index = slice(None)
        basic.append(index)
    cut = slice_tensor(tensor, tuple(basic)) if basic else tensor
    return (
        _gathered(cut, {_axis(basic, place, cut): index for place, index in arrays.items()})
        if arrays
        else cut
    )


def _keys(key: Any) -> tuple:
    """The key as a tuple; a list is one index array, unless it holds slices, lists or arrays."""
    if isinstance(key, tuple):
        return key
    if isinstance(key, list):
        for each in key:
            if (
                each is None
                or each is ...
                or isinstance(each, (list, tuple, slice))
                or getattr(each, "ndim", 0) != 0
            ):
                return tuple(key)
    return (key,)


def _index(key: Any) -> Any:
    """An int, or an index tensor of int32 or int64."""
    if isinstance(key, (int, np.integer)):
        return int(key)
    index = asarray(key)
    if index.dtype == dtypes.bool:
        if index.shape.rank != 1:
            raise NotImplementedError(
                f"A mask beside other indices must be a vector, got shape {index.shape}"
            )
        return reshape(where(index), [-1])
    if not index.dtype.is_integer or index.dtype == dtypes.uint64:
        raise IndexError(f"{_EXPECTED}, got {key!r}")
    if index.dtype in (dtypes.int32, dtypes.int64):
        return index
    return cast(index, dtypes.int64 if index.dtype == dtypes.uint32 else dtypes.int32)


def _axis(basic: list, place: int, cut: Tensor) -> int:
    """The axis of the cut tensor that the slice at `place` of the key left; numbers left none."""

    def stays(each: Any) -> bool:
        return isinstance(each, slice) or each is None

    if ... in [each for each in basic[:place] if not isinstance(each, Tensor)]:
        return len(cut.shape) - sum(map(stays, basic[place:]))
    return sum(map(stays, basic[:place]))


def _gathered(tensor: Tensor, indices: dict[int, Tensor]) -> Tensor:
    axes = sorted(indices)
    rank = len(tensor.shape)
    vectors = broadcasted(*promoted(*(indices[axis] for axis in axes)))
    moved = transpose(tensor, axes + [axis for axis in range(rank) if axis not in axes])
    points = stack(vectors, -1)
    sizes = cast(shape_of(moved)[: len(axes)], points.dtype)
    points = where(points < converted(0, points.dtype), points + sizes, points)
    found = gather_nd(moved, points)
    neighbours = axes == [*range(axes[0], axes[-1] + 1)]
    if not neighbours or axes[0] == 0:
        return found
    width = len(points.shape) - 1  # the dimensions of the indices, which go behind those before them
    order = [*range(width, width + axes[0]), *range(width), *range(width + axes[0], len(found.shape))]
    return transpose(found, order)
