"""Isotonic regression: the nearest monotone sequence, by pooling adjacent violators on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.ops.dtype_sets import REAL
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _decreasing_fit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The decreasing sequence nearest to `values` in squared distance, and the number of each element's segment."""
    sums: list[float] = []
    counts: list[int] = []
    for value in values:
        sums.append(float(value))
        counts.append(1)
        # A segment that is larger than the one before it is merged with it.
        while len(sums) > 1 and sums[-1] * counts[-2] > sums[-2] * counts[-1]:
            last_sum, last_count = sums.pop(), counts.pop()
            sums[-1] += last_sum
            counts[-1] += last_count
    means = np.array(sums) / np.array(counts)
    return np.repeat(means, counts), np.repeat(np.arange(len(counts)), counts)


def _regress(x: np.ndarray, *, output_dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    fitted = np.empty(x.shape, output_dtype.as_numpy_dtype)
    segments = np.empty(x.shape, np.int32)
    rows = x.reshape(-1, x.shape[-1]) if x.size else x.reshape(0, 1)
    for row, fit, segment in zip(rows, fitted.reshape(rows.shape), segments.reshape(rows.shape)):
        fit[:], segment[:] = _decreasing_fit(row)
    return fitted, segments


def _gradient(op: Any, dy: Tensor, _: Any) -> Tensor:
    """Every element of a segment gets the mean of the segment's gradients."""
    segments = op.outputs[1]
    shape = execute("Shape", (segments,))
    width = shape[-1]
    flat = execute("Reshape", (dy, execute("Pack", ([convert_to_tensor(-1), width],))))
    rows = execute("Shape", (flat,))[0]
    # Segments of different rows get different numbers.
    offsets = execute("Range", (convert_to_tensor(0), rows, convert_to_tensor(1))) * width
    ids = execute("Reshape", (segments, execute("Shape", (flat,)))) + execute(
        "ExpandDims", (offsets, convert_to_tensor(1))
    )
    ids = execute("Reshape", (ids, convert_to_tensor([-1])))
    values = execute("Reshape", (dy, convert_to_tensor([-1])))
    total = rows * width
    sums = execute("UnsortedSegmentSum", (values, ids, total))
    counts = execute("UnsortedSegmentSum", (execute("OnesLike", (values,)), ids, total))
    means = execute("GatherV2", (execute("DivNoNan", (sums, counts)), ids, convert_to_tensor(0)))
    result = execute("Reshape", (means, shape))
    return execute("Cast", (result,), {"DstT": op.inputs[0].dtype})


op(
    "IsotonicRegression(input: T; output_dtype=float32) -> (output: output_dtype, segments: int32)",
    numpy=_regress,
    shape=unchanged,
    gradient=_gradient,
    types={"T": REAL},
)


@export("nn.isotonic_regression", v1=[])
def isotonic_regression(inputs: Any, decreasing: bool = True, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The monotone sequences nearest to the given ones in squared distance.

    Args:
      inputs: a tensor of a real dtype.
      decreasing: False for increasing sequences.
      axis: the axis of the sequences.

    Returns:
      The monotone sequences, and for each element the number of its segment of equal values, int32.

    Example:
      >>> import penstock as tf
      >>> tf.nn.isotonic_regression([3.0, 1.0, 2.0, 0.0])[0].numpy()
      array([3. , 1.5, 1.5, 0. ], dtype=float32)
    """
    x = convert_to_tensor(inputs)
    kind = x.dtype if x.dtype.is_floating else (dtypes.float32 if x.dtype.size <= 2 else dtypes.float64)

    order = list(range(x.shape.rank or 1))
    order[axis], order[-1] = order[-1], order[axis]
    permutation = convert_to_tensor(order)
    swapped = order != sorted(order)

    def swap(value: Tensor) -> Tensor:
        return execute("Transpose", (value, permutation)) if swapped else value

    def directed(value: Tensor) -> Tensor:
        return value if decreasing else execute("Neg", (value,))

    fitted, segments = execute("IsotonicRegression", (directed(swap(x)),), {"output_dtype": kind})
    return swap(directed(fitted)), swap(segments)
