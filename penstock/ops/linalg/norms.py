"""Norms of vectors and matrices: `tf.norm` and `tf.linalg.normalize`, made of other ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, name_scope
from penstock.ops.linalg.eigenvalues import svd
from penstock.ops.reshaping import one_of, squeeze, transpose
from penstock.types.tensors import Tensor

_MATRIX_ORDERS = ("euclidean", "fro", 1, 2, np.inf)


def _axes(axis: Any) -> tuple[int, int] | None:
    """The two axes of matrices, or None where vectors are meant."""
    if not isinstance(axis, (tuple, list)):
        return None
    if len(axis) != 2 or axis[0] == axis[1]:
        raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
    return int(axis[0]), int(axis[1])


def _check_order(order: Any, of_matrices: bool) -> None:
    if of_matrices:
        if order not in _MATRIX_ORDERS:
            raise ValueError(
                f"'ord' must be a supported matrix norm in ['euclidean', 'fro', 1, 2, inf], got {order}"
            )
    elif order != "euclidean" and (isinstance(order, str) or not np.isreal(order) or order <= 0):
        raise ValueError(f"'ord' must be a supported vector norm, got {order}")


def _reduce(op_type: str, x: Tensor, axis: Any) -> Tensor:
    axes = range(x.shape.rank) if axis is None and x.shape.rank is not None else axis
    if axes is None:
        rank = execute("Rank", (x,))
        vector = execute("Range", (convert_to_tensor(0), rank, convert_to_tensor(1)))
    else:
        vector = index_vector(list(axes) if isinstance(axes, (range, tuple)) else axes)
    return execute(op_type, (x, vector), {"keep_dims": True})


def _magnitude(x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        return execute("ComplexAbs", (x,), {"Tout": x.dtype.real_dtype})
    return execute("Abs", (x,))


def _norm(x: Tensor, order: Any, axis: Any, axes: tuple[int, int] | None) -> Tensor:
    """The norm with the reduced dimensions kept."""
    if axes is not None and order == 2:
        return _spectral_norm(x, axes)
    if order in ("fro", "euclidean", 2):
        conjugate = execute("Conj", (x,)) if x.dtype.is_complex else x
        return execute("Sqrt", (_reduce("Sum", x * conjugate, axes or axis),))
    size = _magnitude(x)
    if order == 1:
        total = _reduce("Sum", size, axis if axes is None else axes[0])
        return total if axes is None else _reduce("Max", total, axes[1])
    if order == np.inf:
        rows = size if axes is None else _reduce("Sum", size, axes[1])
        return _reduce("Max", rows, axis if axes is None else axes[0])
    power = convert_to_tensor(order, size.dtype)
    return execute("Pow", (_reduce("Sum", execute("Pow", (size, power)), axis), 1 / power))


def _spectral_norm(x: Tensor, axes: tuple[int, int]) -> Tensor:
    """The greatest singular value of the matrices that two axes span."""
    rank = x.shape.rank
    if rank is None:
        raise ValueError("the spectral norm needs a tensor of known rank")
    matrix = [axis % rank for axis in axes]
    order = [i for i in range(rank) if i not in matrix] + matrix
    values = svd(transpose(x, order), compute_uv=False)
    largest = _reduce("Max", values, -1)  # [..., 1]
    kept = execute("ExpandDims", (largest, convert_to_tensor(-1)))
    return transpose(kept, np.argsort(order).tolist())


@export("norm", "linalg.norm", v1=[])
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """The norm of vectors or matrices.

    Args:
      tensor: a floating or complex tensor.
      ord: for vectors "euclidean", `np.inf`, or a positive number p: `sum(|x|^p) ^ (1/p)`. For matrices "euclidean" or
        "fro" (all elements), 2 (the greatest singular value), 1 (the greatest column sum), `np.inf` (row sum).
      axis: an int, the axis of vectors; a pair, the axes of matrices; None takes the whole tensor as one vector.
      keepdims: keep the reduced dimensions with size 1.

    Raises:
      ValueError: the order or the axis is not supported.

    Example:
      >>> import penstock as tf
      >>> float(tf.norm([3.0, 4.0]))
      5.0
    """
    axes = _axes(axis)
    _check_order(ord, axes is not None)
    if isinstance(axis, Tensor):
        axis = int(axis)
    with name_scope(name, "norm"):
        result = _norm(convert_to_tensor(tensor), ord, axis, axes)
        if keepdims:
            return result
        if axis is None:
            result = squeeze(result)
            result.set_shape([])
            return result
        return squeeze(result, axis if axes is None else axes)


@export(v1=["norm", "linalg.norm"])
def norm_v1(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """TF 1's `norm`; `keep_dims` is the old name of `keepdims`."""
    return norm(tensor, ord, axis, one_of("keepdims", keepdims, "keep_dims", keep_dims), name)


@export("linalg.normalize")
def normalize(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """A tensor divided by its norm along axes.

    Args:
      tensor: a floating or complex tensor.
      ord, axis: as in `tf.norm`.

    Returns:
      `(normalized, norm)`; the norm has size 1 in the reduced dimensions.

    Raises:
      ValueError: the order or the axis is not supported.

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.linalg.normalize([3.0, 4.0])]
      [[0.6000000238418579, 0.800000011920929], [5.0]]
    """
    x = convert_to_tensor(tensor)
    size = norm(x, ord, axis, keepdims=True)
    if size.dtype != x.dtype:
        size = execute("Cast", (size,), {"DstT": x.dtype})
    return execute("RealDiv", (x, size), None, name), size
