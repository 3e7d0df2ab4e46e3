"""Sums of products: `dot`, `matmul`, `tensordot`, `inner`, `outer`, `kron`, `cross`, `vdot`, `einsum`, `polyval`."""

from __future__ import annotations

from typing import Any

from penstock.numpy_api.arrays import asarray, broadcasted, numpy_function, promoted
from penstock.numpy_api.creation import at_least
from penstock.numpy_api.shaping import moveaxis
from penstock.ops import arithmetic_functions
from penstock.ops.complex_numbers import conj
from penstock.ops.concatenation import unstack
from penstock.ops.elementwise import call_op
from penstock.ops.linalg import einsum as contractions
from penstock.ops.linalg import matmul as matrix_product
from penstock.ops.linalg.cross_product import cross as cross_product
from penstock.ops.padding import pad
from penstock.ops.reduce_functions import reduce
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.errors import InvalidArgumentError
from penstock.types.tensors import Tensor


@numpy_function
def dot(a: Any, b: Any) -> Tensor:
    """Over the last axis of `a` and the last but one of `b` (the last of a vector); a number scales."""
    a, b = promoted(a, b)
    if a.shape.rank == 0 or b.shape.rank == 0:
        return a * b
    return contractions.tensordot(a, b, [[-1], [-1 if b.shape.rank == 1 else -2]])


@numpy_function
def inner(a: Any, b: Any) -> Tensor:
    """Over the last axes of both."""
    a, b = promoted(a, b)
    if a.shape.rank == 0 or b.shape.rank == 0:
        return a * b
    return contractions.tensordot(a, b, [[-1], [-1]])


@numpy_function
def matmul(x1: Any, x2: Any) -> Tensor:
    """Of matrices in the last two axes, of vectors too; a ValueError says that sizes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.matmul([[1, 2]], [3, 4])
      <tf.Tensor: shape=(1,), dtype=int64, numpy=array([11])>
    """
    x1, x2 = promoted(x1, x2)
    try:
        if x2.shape.rank == 1:
            return contractions.tensordot(x1, x2, 1)
        if x1.shape.rank == 1:
            return contractions.tensordot(x1, x2, [[0], [-2]])
        return matrix_product.matmul(x1, x2)
    except InvalidArgumentError as error:
        raise ValueError(str(error)) from error


@numpy_function
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """Over the last `axes` of `a` and the first of `b`, or over two lists of axes."""
    a, b = promoted(a, b)
    return contractions.tensordot(a, b, axes)


@numpy_function
def outer(a: Any, b: Any) -> Tensor:
    """Every element of `a` times every element of `b`."""
    a, b = promoted(a, b)
    return reshape(a, [-1, 1]) * reshape(b, [-1])


@numpy_function
def vdot(a: Any, b: Any) -> Tensor:
    """Of the flattened arrays, the first conjugated."""
    a, b = (reshape(each, [-1]) for each in promoted(a, b))
    return dot(conj(a), b)


@numpy_function
def kron(a: Any, b: Any) -> Tensor:
    """A block `a[i] * b` for every element of `a`."""
    a, b = promoted(a, b)
    rank = max(len(a.shape), len(b.shape))
    a, b = at_least(rank, a), at_least(rank, b)
    sizes = shape_of(a) * shape_of(b)
    spread_a, spread_b = (
        reshape(each, [size for dim in unstack(shape_of(each), rank) for size in pair(dim)])
        for each, pair in ((a, lambda dim: (dim, 1)), (b, lambda dim: (1, dim)))
    )
    return reshape(spread_a * spread_b, sizes)


@numpy_function
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    """Of vectors of 2 or 3 components; of two plane vectors, the third component alone."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = promoted(a, b)
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    plane = a.shape[-1] == 2 and b.shape[-1] == 2
    a, b = (
        pad(each, [[0, 0]] * (len(each.shape) - 1) + [[0, 1]]) if each.shape[-1] == 2 else each
        for each in (a, b)
    )
    a, b = broadcasted(a, b)
    product = cross_product(a, b)
    return product[..., 2] if plane else moveaxis(product, -1, axisc)


@numpy_function
def einsum(subscripts: str, *operands: Any, **options: Any) -> Tensor:
    """`casting` "safe" promotes dtypes, "no" leaves them; `optimize` is True, False, "greedy" or "optimal"."""
    casting, optimize = options.get("casting", "safe"), options.get("optimize", False)
    if casting not in ("safe", "no"):
        raise ValueError(f"einsum: casting must be 'safe' or 'no', got {casting!r}")
    if optimize not in (True, False, "greedy", "optimal"):
        raise ValueError(f"einsum: optimize must be True, False, 'greedy' or 'optimal', got {optimize!r}")
    tensors = promoted(*map(asarray, operands)) if casting == "safe" else [asarray(each) for each in operands]
    return contractions.einsum(
        subscripts, *tensors, optimize="optimal" if optimize == "optimal" else "greedy"
    )


@numpy_function
def polyval(p: Any, x: Any) -> Tensor:
    """The polynomial with coefficients `p`, the highest power first, at `x`."""
    p, x = promoted(asarray(p), asarray(x))
    value = arithmetic_functions.polyval(unstack(at_least(1, p)), x)
    return broadcast_to(value, shape_of(x))


@numpy_function
def array_equal(a1: Any, a2: Any) -> Tensor:
    """Whether shapes and all elements are equal."""
    a1, a2 = promoted(asarray(a1), asarray(a2))
    if not a1.shape.is_compatible_with(a2.shape):
        return asarray(False)
    return reduce("All", call_op("Equal", a1, a2), None, False, None)
