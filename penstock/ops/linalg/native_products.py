"""Products of matrices, of batches of them, and attention by native kernels; None where XLA's own are used.

A product is said by labels, as in an einsum: each dimension is one of a batch (in both operands and the result), of the rows
(in the first and the result), of the columns (in the second and the result), or is summed over (in both operands). The
kernel takes strides, so nothing is transposed in memory before or after.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from penstock.engine import native
from penstock.engine.xla import jax, jnp

Labels = Sequence[Hashable]

# Multiplications and additions; below that XLA's kernel, in the program itself, takes less time.
LEAST_WORK = 2e7

# The same for sums down the columns of the first operand: XLA has machine code for them made when a process first needs it,
# which takes 27 ms.
_LEAST_WORK_ACROSS = 1e4

# Numbers in a matrix that is worth a call of its own for its product with a vector.
_LEAST_MATRIX = 1 << 17


def product(a: Any, b: Any, a_labels: Labels, b_labels: Labels, labels: Labels, body: Callable) -> Any | None:
    """The product of two arrays in a program that is being traced.

    Args:
      a, b: arrays. a_labels, b_labels, labels: one label for each of their dimensions, and of the result's.
      body: (a, b) -> the same by XLA, which takes the place of the kernel where the product is vectorized.
    """
    arrangement = _arranged(a.shape, b.shape, tuple(a_labels), tuple(b_labels), tuple(labels))
    if arrangement is None or not native.takes(a, b):
        return None
    shape, attributes, swapped = arrangement
    least = _LEAST_WORK_ACROSS if a_labels[-1] in labels else LEAST_WORK
    if 2.0 * math.prod(attributes["sizes"]) < least:
        return None

    def kernel(a: Any, b: Any) -> Any:
        operands = (b, a) if swapped else (a, b)
        return native.call("product", [shape], *operands, **attributes)[0]

    return vectorizable(kernel, body)(a, b)


def vectorizable(kernel: Callable, body: Callable) -> Callable:
    """A kernel of some arrays, whose place `body` takes where it is vectorized."""

    @jax.custom_batching.custom_vmap
    def call(*arrays: Any) -> Any:
        return kernel(*arrays)

    @call.def_vmap
    def _(axis_size: int, batched: Sequence[bool], *arrays: Any) -> tuple[Any, Any]:
        axes = tuple(0 if each else None for each in batched)
        results = jax.vmap(body, axes, axis_size=axis_size)(*arrays)
        return results, jax.tree.map(lambda _: True, results)

    return call


def matrix_product(a: Any, b: Any, transpose_a: bool, transpose_b: bool, body: Callable) -> Any | None:
    """The product of matrices, or of batches of them with the same leading dimensions; a matrix `b` serves a whole batch."""
    if b.ndim not in (2, a.ndim) or a.ndim < 2:
        return None
    batch = tuple(range(a.ndim - 2))
    a_labels = (*batch, "k", "m") if transpose_a else (*batch, "m", "k")
    b_labels = ("n", "k") if transpose_b else ("k", "n")
    if b.ndim > 2:  # otherwise the batch's dimensions are those of rows
        b_labels = (*batch, *b_labels)
    return product(a, b, a_labels, b_labels, (*batch, "m", "n"), body)


def vector_product(a: Any, b: Any, transpose_a: bool, transpose_b: bool, body: Callable) -> Any | None:
    """The product of two matrices of which one has a single row or column: what a network computes for one example."""
    (k, m), (n, _) = a.shape[:: 1 if transpose_a else -1], b.shape[:: 1 if transpose_b else -1]
    if (m == 1) == (n == 1) or m * n * k < _LEAST_MATRIX or not native.takes(a, b, bfloat16=False):
        return None
    # Whether each number of the result is a row of the matrix times the vector.
    from_right = transpose_b if m == 1 else not transpose_a

    def kernel(a: Any, b: Any) -> Any:
        matrix, vector = (b, a) if m == 1 else (a, b)
        shape, vector = (n if m == 1 else m,), vector.reshape(-1)
        result = native.call("vector_product", [shape], matrix, vector, from_right=from_right, relu=False)
        return result[0].reshape(m, n)

    return vectorizable(kernel, body)(a, b)


def layer_of_row(x: Any, w: Any, bias: Any, relu: bool, transpose_b: bool) -> Any | None:
    """relu(x w + bias) for a single row `x` [1, inputs], the first where it is asked for.

    However small the matrix is: a program of native kernels alone runs at once where it is called, while JAX hands one with
    products of XLA's to another thread, which takes longer than a small layer.
    """
    if x.shape[0] != 1 or bias.shape != (w.shape[int(not transpose_b)],):
        return None
    if x.shape[1] != w.shape[int(transpose_b)] or not native.takes(x, w, bias, bfloat16=False):
        return None

    def kernel(x: Any, w: Any, bias: Any) -> Any:
        vector, attributes = x.reshape(-1), {"from_right": transpose_b, "relu": relu}
        result = native.call("vector_product", [bias.shape], w, vector, bias, **attributes)
        return result[0].reshape(1, -1)

    def body(x: Any, w: Any, bias: Any) -> Any:
        y = x @ (w.T if transpose_b else w) + bias
        return jnp.maximum(y, 0) if relu else y

    return vectorizable(kernel, body)(x, w, bias)


def attention(q: Any, k: Any, v: Any, scale: Any) -> Any | None:
    """softmax(scale q k^T) v for each head.

    Args:
      q: `[batch, queries, heads, width]`. k, v: `[batch, keys, heads, width]`. scale: a number.

    Returns:
      An array like `q`.
    """
    operands = _attention_operands(q, k, v, scale)
    return None if operands is None else native.call("attention", [q.shape], *operands)[0]


def attention_gradient(q: Any, k: Any, v: Any, scale: Any, dy: Any) -> Sequence[Any] | None:
    """The gradients of `attention` with respect to q, k and v, for the gradient `dy` with respect to its result."""
    operands = _attention_operands(q, k, v, scale)
    if operands is None or dy.shape != q.shape or dy.dtype != q.dtype:
        return None
    return native.call("attention_gradient", [q.shape, k.shape, v.shape], *operands, dy)


def _attention_operands(q: Any, k: Any, v: Any, scale: Any) -> list[Any] | None:
    if k.shape != v.shape or (q.shape[0], *q.shape[2:]) != (k.shape[0], *k.shape[2:]):
        return None
    if not native.takes(q, k, v, bfloat16=False) or 2.0 * math.prod(q.shape) * k.shape[1] < LEAST_WORK:
        return None
    return [q, k, v, jnp.asarray(scale, q.dtype)]


def _arranged(
    a_shape: Sequence[int], b_shape: Sequence[int], a_labels: tuple, b_labels: tuple, labels: tuple
) -> tuple[tuple[int, ...], dict[str, Any], bool] | None:
    """The shape of the result, the kernel's attributes, and whether operands change places; None: the kernel cannot."""
    sizes: dict[Hashable, int] = {}
    for label, size in itertools.chain(zip(a_labels, a_shape), zip(b_labels, b_shape)):
        if sizes.setdefault(label, size) != size:
            return None
    if any(len(set(each)) != len(each) for each in (a_labels, b_labels, labels)) or 0 in sizes.values():
        return None
    batch = [x for x in labels if x in a_labels and x in b_labels]
    rows = [x for x in labels if x not in b_labels]
    columns = [x for x in labels if x not in a_labels]
    summed = [x for x in a_labels if x not in labels]
    if set(summed) != {x for x in b_labels if x not in labels}:
        return None  # a dimension of one operand is summed by itself
    strides = [_strides(each, sizes) for each in (a_labels, b_labels, labels)]
    if _merged(columns, sizes, strides[2]) != 1:  # the kernel writes rows
        a_labels, b_labels, rows, columns = b_labels, a_labels, columns, rows
        strides[:2] = strides[1::-1]
        swapped = True
    else:
        swapped = False
    found = []
    for of_array, (first, second) in zip(strides, ((rows, summed), (summed, columns), (rows, columns))):
        steps = [_merged(each, sizes, of_array) for each in (first, second)]
        if None in steps or 1 not in steps:
            return None
        found.append([*(of_array[x] for x in batch), *steps])
    if found[2][-1] != 1:
        return None
    dims = [math.prod(sizes[x] for x in each) for each in (rows, columns, summed)]
    if 1 in dims:  # no product of matrices: XLA reads what is left once, and oneDNN fails at some of these
        return None
    attributes: dict[str, Any] = {"sizes": [*(sizes[x] for x in batch), *dims]}
    attributes |= dict(zip(("a_strides", "b_strides", "y_strides"), found))
    return tuple(sizes[x] for x in labels), attributes, swapped


def _strides(labels: tuple, sizes: dict[Hashable, int]) -> dict[Hashable, int]:
    """How far apart neighbours are along each dimension of a row-major array."""
    after = itertools.accumulate((sizes[x] for x in reversed(labels)), initial=1, func=lambda a, b: a * b)
    return dict(zip(reversed(labels), after))


def _merged(
    labels: Sequence[Hashable], sizes: dict[Hashable, int], strides: dict[Hashable, int]
) -> int | None:
    """How far apart neighbours are along dimensions that are taken as one; None where that is not one number."""
    if not labels:
        return None
    for outer, inner in itertools.pairwise(labels):
        if strides[outer] != strides[inner] * sizes[inner]:
            return None
    return strides[labels[-1]]
