"""Local response normalization (LRN) and its gradient op.

Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import merged, unchanged
from penstock.engine.xla import jnp, lax
from penstock.ops.dtype_sets import FLOATS
from penstock.types.tensors import Tensor

_ATTRS = "depth_radius=5, bias=1.0, alpha=1.0, beta=0.5"


def _wide(x: Any) -> Any:
    """Half precision is computed in float32."""
    if x.ndim != 4:
        raise ValueError(f"input must have rank 4, got {x.ndim}")
    return x.astype(jnp.float32) if x.dtype.itemsize == 2 else x


def _neighbour_sum(x: Any, radius: int) -> Any:
    window = (1, 1, 1, 2 * radius + 1)
    pads = [(0, 0)] * 3 + [(radius, radius)]
    return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, window, (1, 1, 1, 1), pads)


def _normalize(x: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    wide = _wide(x)
    norm = wide.dtype.type(bias) + wide.dtype.type(alpha) * _neighbour_sum(wide * wide, depth_radius)
    return (wide * norm ** wide.dtype.type(-beta)).astype(x.dtype)


def _gradient(dy: Any, x: Any, y: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    wide_dy, wide, wide_y = _wide(dy), _wide(x), _wide(y)
    number = wide.dtype.type
    norm = number(bias) + number(alpha) * _neighbour_sum(wide * wide, depth_radius)
    direct = wide_dy * norm ** number(-beta)
    through_neighbours = wide * _neighbour_sum(wide_dy * wide_y / norm, depth_radius)
    return (direct - number(2 * alpha * beta) * through_neighbours).astype(x.dtype)


op(
    f"LRN(input: T; {_ATTRS}) -> output: T",
    xla=_normalize,
    shape=unchanged,
    gradient=lambda op, dy: execute("LRNGrad", (dy, op.inputs[0], op.outputs[0]), op.attrs),
    types={"T": FLOATS},
)
op(
    f"LRNGrad(input_grads: T, input_image: T, output_image: T; {_ATTRS}) -> output: T",
    xla=_gradient,
    shape=merged,
    types={"T": FLOATS},
)


@export("nn.local_response_normalization", "nn.lrn")
def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1,
    alpha: float = 1,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """Each channel over a power of the sum of squares of its neighbours.

        output[b, i, j, c] = input[b, i, j, c] / (bias + alpha * sum(input[b, i, j, c - r : c + r + 1] ** 2)) ** beta

    Args:
      input: `[batch, height, width, channels]`, float16, bfloat16 or float32.
      depth_radius: `r`, how many channels on each side count.
      bias, alpha, beta: the numbers of the formula.

    Returns:
      A tensor of the dtype and shape of `input`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.lrn(tf.constant([[[[3.0]]]]), bias=7.0).numpy().item()
      0.75
    """
    attrs = {"depth_radius": depth_radius, "bias": float(bias), "alpha": float(alpha), "beta": float(beta)}
    return execute("LRN", (convert_to_tensor(input),), attrs, name)
