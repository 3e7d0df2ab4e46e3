"""Batch normalization in inference, found behind a convolution that nothing else uses, in a compiled piece.

    convolution(x, w) * scale + shift          then Relu, Relu6, or neither

Scale and shift have one number for each channel. The scale becomes a part of the filter, the shift the kernel's bias, and
the kernel applies the activation function: what would be two passes over the result is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.engine.xla import jnp
from penstock.runtime.fused_convolutions import biased_convolution

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses

_LIMITS = {"Relu": 0.0, "Relu6": 6.0}  # 0 for none

_LEAST = 4  # numbers of the result for each of the filter: to scale a larger filter takes longer than what it saves

BATCH_NORMALIZATIONS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")

# (x, w, bias, relu, scale=, limit=, **attrs) -> the result; None where there is no kernel
Convolutions = dict[str, Callable[..., Any]]


@dataclass(frozen=True, eq=False, slots=True)
class _Scaled:
    """convolution (+ bias) * scale + shift.

    Attributes:
      convolved: what is scaled: the result of the convolution and bias, perhaps in another shape.
      convolution: the operation. bias: the tensor that is added before, or None.
      factors: from the values so far, scale and shift.
    """

    convolved: Any
    convolution: Any
    bias: Any | None
    factors: Callable[[dict[int, Any]], tuple[Any, Any]]


def scaled(operation: Any, uses: Uses, convolutions: Convolutions) -> Compute | None:
    """How to compute an AddV2, or a FusedBatchNorm, that scales and shifts what a convolution gives."""
    found = _find(operation, uses, convolutions)
    if found is None:
        return None

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        y = _compute(found, values, convolutions, relu=False)
        if y is None or operation.type == "AddV2":
            return None if y is None else [y]
        statistics = [values[id(each)] for each in operation.inputs[3:]]
        return [y, *statistics, *statistics, jnp.zeros((), np.float32)][: len(operation.outputs)]

    return compute


def activated(operation: Any, uses: Uses, convolutions: Convolutions) -> Compute | None:
    """How to compute Relu or Relu6 of such a result."""
    before = uses.sole_producer(operation.inputs[0], ("AddV2", *BATCH_NORMALIZATIONS))
    found = None if before is None else _find(before, uses, convolutions)
    if found is None:
        return None

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        y = _compute(found, values, convolutions, relu=True, limit=_LIMITS[operation.type])
        return None if y is None else [y]

    return compute


def _find(operation: Any, uses: Uses, convolutions: Convolutions) -> _Scaled | None:
    if operation.type in BATCH_NORMALIZATIONS:
        return _of_fused_op(operation, uses, convolutions)
    for product, shift in _both_orders(operation):
        product = uses.sole_producer(product, ("Mul",))
        for convolved, scale in () if product is None else _both_orders(product):
            found = _convolution(convolved, uses, convolutions)
            if found is not None:
                return _Scaled(convolved, *found, lambda values: (values[id(scale)], values[id(shift)]))
    return None


def _of_fused_op(operation: Any, uses: Uses, convolutions: Convolutions) -> _Scaled | None:
    if operation.attrs["is_training"] or operation.attrs["data_format"] != "NHWC":
        return None
    found = _convolution(operation.inputs[0], uses, convolutions)
    if found is None:
        return None

    def factors(values: dict[int, Any]) -> tuple[Any, Any]:
        scale, offset, mean, variance = (jnp.asarray(values[id(each)]) for each in operation.inputs[1:])
        scale = scale / jnp.sqrt(variance + np.float32(operation.attrs["epsilon"]))
        return scale, offset - mean * scale

    return _Scaled(operation.inputs[0], *found, factors)


def _both_orders(operation: Any) -> Sequence[tuple[Any, Any]]:
    one, other = operation.inputs
    return [(one, other), (other, one)]


def _convolution(tensor: Any, uses: Uses, convolutions: Convolutions) -> tuple[Any, Any | None] | None:
    """The convolution, and the bias or None, whose result is used for nothing but what `tensor` is used for."""
    biased = uses.sole_producer(tensor, ("BiasAdd",))
    if biased is not None:
        found = biased_convolution(biased, uses, convolutions)
        return None if found is None else (found, biased.inputs[1])
    found = uses.sole_producer(tensor, convolutions)
    return (found, None) if found is not None and found.attrs["data_format"].endswith("C") else None


def _compute(
    found: _Scaled, values: dict[int, Any], convolutions: Convolutions, relu: bool, limit: float = 0.0
) -> Any | None:
    x, w = (values[id(each)] for each in found.convolution.inputs)
    shape = values[id(found.convolved)].shape
    scale, shift = (jnp.asarray(each) for each in found.factors(values))
    if not all(_is_of_channels(each, shape) for each in (scale, shift)):
        return None
    if math.prod(shape) < _LEAST * math.prod(w.shape):
        return None
    scale, shift = scale.reshape(-1), shift.reshape(-1)
    if found.bias is not None:
        shift = shift + values[id(found.bias)] * scale
    attrs = found.convolution.definition.attrs_for_kernel(found.convolution.attrs)
    y = convolutions[found.convolution.type](x, w, shift, relu, scale=scale, limit=limit, **attrs)
    return None if y is None else y.reshape(shape)


def _is_of_channels(factor: Any, shape: Sequence[int]) -> bool:
    """Whether there is one float32 for each channel, which stands for it wherever it is broadcast."""
    channels = tuple(shape[-1:])
    return (
        factor.dtype == np.float32
        and factor.ndim <= len(shape)
        and factor.shape[-1:] == channels
        and factor.size == channels[0]
    )
