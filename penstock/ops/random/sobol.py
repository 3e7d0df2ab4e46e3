"""Sobol's low-discrepancy sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.ops.arguments import index_vector
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_MAX_DIMENSION = 1111


def _sample(dim: Any, num_results: Any, skip: Any, *, dtype: DType) -> np.ndarray:
    dim, count, skip = (int(static(each)) for each in (dim, num_results, skip))
    if not 1 <= dim <= _MAX_DIMENSION:
        raise ValueError(f"dim must be at least one and at most {_MAX_DIMENSION}, got {dim}")
    if count < 1:
        raise ValueError(f"num_results must be at least one, got {count}")
    if skip < 0:
        raise ValueError(f"skip must be non-negative, got {skip}")
    from scipy.stats.qmc import Sobol

    sequence = Sobol(dim, scramble=False)
    sequence.fast_forward(skip + 1)  # the first point, zero, is not among TensorFlow's
    return sequence.random(count).astype(dtype.np_dtype)


def _shape(call: ShapeCall) -> TensorShape:
    dim, count = call.value(0), call.value(1)
    return TensorShape([None if each is None else int(each) for each in (count, dim)])


op(
    "SobolSample(dim: int32, num_results: int32, skip: int32; dtype=float32) -> samples: dtype",
    numpy=_sample,
    xla=_sample,
    shape=_shape,
    gradient=stops,
)


@export("math.sobol_sample")
def sobol_sample(
    dim: Any, num_results: Any, skip: Any = 0, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """Points of Sobol's sequence, which fill the unit cube evenly.

    Args:
      dim: the dimension of the points, at most 1111.
      num_results: how many points.
      skip: how many points at the beginning of the sequence to leave out.
      dtype: float32 or float64.
      name: the node's name in a graph.

    Returns:
      A tensor of shape [num_results, dim].

    Raises:
      InvalidArgumentError: an argument is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.math.sobol_sample(2, 2).numpy()
      array([[0.5 , 0.5 ],
             [0.75, 0.25]], dtype=float32)
    """
    inputs = tuple(index_vector(each) for each in (dim, num_results, skip))
    return execute("SobolSample", inputs, {"dtype": dtypes.as_dtype(dtype)}, name)
