"""`bucket_by_sequence_length`: elements of similar length are batched together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.data.batching import Batch
from penstock.data.dataset import Dataset
from penstock.data.element import leaves
from penstock.data.grouping import GroupByWindow
from penstock.data.padding import PaddedBatch
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.types import dtypes
from penstock.types.shapes import TensorShape


def bucket_by_sequence_length(
    dataset: Dataset,
    length_of: Callable,
    boundaries: Any,
    batch_sizes: Any,
    padded_shapes: Any,
    padding_values: Any,
    pad_to_boundary: bool,
    no_padding: bool,
    drop_remainder: bool,
) -> Dataset:
    """See `Dataset.bucket_by_sequence_length`.

    Raises:
      ValueError: there is not one batch size more than there are boundaries.
    """
    boundaries, sizes = [int(each) for each in boundaries], np.asarray(batch_sizes, np.int64)
    if len(sizes) != len(boundaries) + 1:
        raise ValueError(
            "Invalid `bucket_batch_sizes`. The length of `bucket_batch_sizes` must equal that of `bucket_boundaries` plus "
            f"one, got {len(sizes)} and {len(boundaries)}."
        )
    limits = np.array([np.iinfo(np.int32).min, *boundaries, np.iinfo(np.int32).max], np.int32)

    def bucket(*element: Any) -> Any:
        length = execute("Cast", (convert_to_tensor(length_of(*element)),), {"DstT": dtypes.int32})
        above = execute("LessEqual", (convert_to_tensor(limits[:-1]), length))
        below = execute("Less", (length, convert_to_tensor(limits[1:])))
        inside = execute("Where", (execute("LogicalAnd", (above, below)),))
        return execute("Min", (inside, convert_to_tensor([0, 1])), {"keep_dims": False})

    def batch(number: Any, rows: Dataset) -> Dataset:
        size = execute("GatherV2", (convert_to_tensor(sizes), number, convert_to_tensor(0)))
        if no_padding:
            return Batch(rows, size, drop_remainder)
        shapes = padded_shapes
        if shapes is None:
            shapes = dataset._layout.fill([each.shape for each in leaves(dataset.element_spec)])
        if pad_to_boundary:
            # Lengths are below the boundary, so the longest is one less; there is none for the last bucket.
            widths = convert_to_tensor(np.array([each - 1 for each in boundaries], np.int64))
            last = execute("Less", (number, convert_to_tensor(np.int64(len(boundaries)))))
            text = "When pad_to_bucket_boundary=True, elements must have length < max(bucket_boundaries)."
            check = execute("Assert", (last, [convert_to_tensor(text)]))
            with number.graph.control_dependencies([check]):
                width = execute("GatherV2", (widths, number, convert_to_tensor(0)))
            filled = [_filled(TensorShape(each), width) for each in _shape_leaves(shapes)]
            shapes = dataset._layout.fill(filled)
        return PaddedBatch(rows, size, shapes, padding_values, drop_remainder)

    return GroupByWindow(
        dataset, bucket, batch, None, lambda number: execute("GatherV2", (convert_to_tensor(sizes), number, convert_to_tensor(0)))
    )  # fmt: skip


def _shape_leaves(shapes: Any) -> list:
    if isinstance(shapes, dict):
        return [each for key in sorted(shapes) for each in _shape_leaves(shapes[key])]
    if isinstance(shapes, tuple) and not all(each is None or isinstance(each, int) for each in shapes):
        return [each for inner in shapes for each in _shape_leaves(inner)]
    return [shapes]


def _filled(shape: TensorShape, width: Any) -> Any:
    """A shape as a tensor, with `width` for the dimensions that are not known."""
    dims = [width if dim is None else convert_to_tensor(np.int64(dim)) for dim in shape.as_list()]
    return execute("Pack", (dims,), {"axis": 0}) if dims else convert_to_tensor(np.zeros([0], np.int64))
