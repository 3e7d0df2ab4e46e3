"""Dense layers for one example, found among the operations of a compiled piece: product, bias and Relu in one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.ops.linalg import native_products
from penstock.runtime import fused_convolutions

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses


def dense(biased: Any, uses: Uses, relu: bool) -> Compute | None:
    """BiasAdd(MatMul(x, w), bias), or Relu of it; the kernel is for an `x` of one row."""
    product = uses.sole_producer(biased.inputs[0], ("MatMul",))
    if product is None or product.attrs["transpose_a"]:
        return None
    rows = product.inputs[0].shape.rank and product.inputs[0].shape[0]
    if rows not in (1, None):
        return None

    behind_pool = fused_convolutions.layer_behind(product, biased, uses, relu)

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        if behind_pool is not None and (made := behind_pool(values)) is not None:
            return made
        x, w, bias = (values[id(each)] for each in (*product.inputs, biased.inputs[1]))
        found = native_products.layer_of_row(x, w, bias, relu, product.attrs["transpose_b"])
        return None if found is None else [found]

    return compute
