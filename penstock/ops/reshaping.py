"""Other shapes over the same elements: reshape, expand_dims, squeeze, ensure_shape, transpose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value, static_int, static_ints
from penstock.ops.arguments import index_vector
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import EagerTensor, Tensor


def shape_vector(x: Any) -> Tensor:
    """The shape of `x` as an int32 vector: known dimensions fold away."""
    return execute("Shape", (x,), {"out_type": dtypes.int32})


# Reshape.


def _reshape(xp: Any, x: Any, shape: Any) -> Any:
    dims = static_ints(shape)
    if min(dims, default=0) < -1 or dims.count(-1) > 1:
        raise ValueError(f"shape {list(dims)} may hold sizes, and -1 once")
    if 0 in dims and -1 in dims:  # sizes of 0 do not count on either side: [0, 3] as [0, -1] is [0, 3]
        rest = math.prod(filter(None, x.shape)) // math.prod(dim for dim in dims if dim > 0)
        dims = tuple(rest if dim == -1 else dim for dim in dims)
    try:
        return x.reshape(dims)
    except (ValueError, TypeError):
        size = math.prod(x.shape)
        known = math.prod(dim for dim in dims if dim != -1)
        wanted = f"requires a multiple of {known}" if -1 in dims else f"has {known}"
        raise ValueError(
            f"Input to reshape is a tensor with {size} values, but the requested shape {wanted}"
        ) from None


def _reshape_shape(call: ShapeCall) -> TensorShape:
    if call.shape(1).rank not in (None, 0, 1):
        raise call.error("shape must be a vector")
    entries = call.entries(1)
    if entries is None:
        return TensorShape(None)
    dims = [None if dim is None or dim < 0 else dim for dim in entries]
    given = call.shape(0)
    if dims.count(None) > 1 or given.rank is None:
        return TensorShape(dims)
    known = math.prod(dim for dim in dims if dim is not None)
    total = given.num_elements()
    if total is None and 0 in given.as_list():
        total = 0
    if None not in dims:
        if total is not None and total != known:
            raise call.error(
                f"Cannot reshape a tensor with {total} elements to shape {dims} ({known} elements)"
            )
        return TensorShape(dims)
    if total is None or known == 0:
        return TensorShape(dims)
    if total % known:
        raise call.error(f"Dimension size must be evenly divisible by {known} but is {total}")
    return TensorShape([total // known if dim is None else dim for dim in dims])


op(
    "Reshape(tensor: T, shape: Tshape) -> output: T",
    _reshape,
    shape=_reshape_shape,
    gradient=lambda op, dy: [execute("Reshape", (convert_to_tensor(dy), shape_vector(op.inputs[0]))), None],
    view=True,
)


@export("reshape", v1=["reshape", "manip.reshape"])
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """Gives a tensor another shape; its elements stay in row-major order.

    Args:
      tensor: a tensor.
      shape: an int32 or int64 vector with the sizes; one of them may be -1: what is left.

    Returns:
      A tensor with the same elements.

    Raises:
      InvalidArgumentError: the numbers of elements differ, or several sizes are -1.

    Example:
      >>> import penstock as tf
      >>> tf.reshape([1, 2, 3, 4, 5, 6], [2, -1]).numpy().tolist()
      [[1, 2, 3], [4, 5, 6]]
    """
    if type(tensor) is not EagerTensor:
        tensor = convert_to_tensor(tensor)
    return execute("Reshape", (tensor, index_vector(shape)), None, name)


# ExpandDims and Squeeze.


def _expand_dims(xp: Any, x: Any, dim: Any) -> Any:
    if np.size(dim) != 1:
        raise ValueError("'dim' must be a tensor with a single value")
    axis, rank = static_int(dim), np.ndim(x)
    if not -rank - 1 <= axis <= rank:
        raise ValueError(f"Tried to expand dim index {axis} for tensor with {rank} dimensions.")
    shape = list(np.shape(x))
    shape.insert(axis if axis >= 0 else axis + rank + 1, 1)
    return x.reshape(shape)


def _expand_dims_shape(call: ShapeCall) -> TensorShape:
    entries, given = call.entries(1), call.shape(0)
    if given.rank is None:
        return TensorShape(None)
    if entries is None or entries[0] is None:
        return unknown_shape(given.rank + 1)
    axis = entries[0]
    if not -given.rank - 1 <= axis <= given.rank:
        raise call.error(f"dim {axis} not in the interval [{-given.rank - 1}, {given.rank}]")
    dims = given.as_list()
    dims.insert(axis if axis >= 0 else axis + given.rank + 1, 1)
    return TensorShape(dims)


op(
    "ExpandDims(input: T, dim: Tdim) -> output: T",
    _expand_dims,
    shape=_expand_dims_shape,
    gradient=lambda op, dy: [reshape(dy, shape_vector(op.inputs[0])), None],
    view=True,
)


@export("expand_dims", v1=[])
def expand_dims(input: Any, axis: Any, name: str | None = None) -> Tensor:
    """Adds a dimension of size 1.

    Args:
      input: a tensor of rank r.
      axis: the position of the new dimension in the result, in [-r - 1, r].

    Raises:
      InvalidArgumentError: `axis` is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.expand_dims([1, 2], 0).shape
      TensorShape([1, 2])
    """
    if type(input) is not EagerTensor:
        input = convert_to_tensor(input)
    return execute("ExpandDims", (input, index_vector(axis)), None, name)


@export(v1=["expand_dims"])
def expand_dims_v1(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """TF 1's `expand_dims`; `dim` is the old name of `axis`."""
    axis = one_of("axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    return expand_dims(input, axis, name)


def one_of(name: str, value: Any, old_name: str, old_value: Any) -> Any:
    """The value of an argument that also has an old name.

    Raises:
      ValueError: both are given.
    """
    if old_value is None:
        return value
    if value is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{name}'.")
    return old_value


def _squeeze(xp: Any, x: Any, *, squeeze_dims: list[int]) -> Any:
    shape, rank = np.shape(x), np.ndim(x)
    for axis in squeeze_dims:
        if not -rank <= axis < rank:
            raise ValueError(f"Tried to squeeze dim index {axis} for tensor with {rank} dimensions.")
        if shape[axis] != 1:
            raise ValueError(f"Can not squeeze dim[{axis}], expected a dimension of 1, got {shape[axis]}")
    if not squeeze_dims and not all(isinstance(size, int) for size in shape):
        raise ValueError("a dimension that is not known may be 1 or not")
    gone = {axis % rank for axis in squeeze_dims}
    kept = [size for axis, size in enumerate(shape) if (axis not in gone if gone else size != 1)]
    return x.reshape(kept)


def _squeeze_shape(call: ShapeCall) -> TensorShape:
    given, axes = call.shape(0), call.attrs["squeeze_dims"]
    if given.rank is None:
        return TensorShape(None)
    dims = given.as_list()
    if not axes:
        return TensorShape(None) if None in dims else TensorShape([dim for dim in dims if dim != 1])
    gone = set()
    for axis in axes:
        if not -given.rank <= axis < given.rank:
            raise call.error(f"squeeze dim {axis} not in [{-given.rank}, {given.rank})")
        if dims[axis] not in (None, 1):
            raise call.error(f"Can not squeeze dim[{axis}], expected a dimension of 1, got {dims[axis]}")
        gone.add(axis % given.rank)
    return TensorShape([dim for axis, dim in enumerate(dims) if axis not in gone])


op(
    "Squeeze(input: T; squeeze_dims=[]) -> output: T",
    _squeeze,
    shape=_squeeze_shape,
    gradient=lambda op, dy: reshape(dy, shape_vector(op.inputs[0])),
    view=True,
)


@export("squeeze", v1=[])
def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """Removes dimensions of size 1.

    Args:
      input: a tensor.
      axis: an int or list of ints: the dimensions to remove; by default all that have size 1.

    Raises:
      InvalidArgumentError: a dimension that `axis` names is not 1.

    Example:
      >>> import penstock as tf
      >>> tf.squeeze(tf.zeros([1, 2, 1]), [2]).shape
      TensorShape([1, 2])
    """
    if type(input) is not EagerTensor:
        input = convert_to_tensor(input)
    if axis is None:
        axes = []
    else:
        axes = [int(each) for each in np.atleast_1d(axis)]
    return execute("Squeeze", (input,), {"squeeze_dims": axes}, name)


@export(v1=["squeeze"])
def squeeze_v1(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """TF 1's `squeeze`; `squeeze_dims` is the old name of `axis`."""
    return squeeze(input, one_of("axis", axis, "squeeze_dims", squeeze_dims), name)


# EnsureShape.


def _ensure_shape(xp: Any, x: Any, *, shape: TensorShape) -> Any:
    if not TensorShape(np.shape(x)).is_compatible_with(shape):
        raise ValueError(
            f"Shape of tensor input {list(np.shape(x))} is not compatible with expected shape {shape}."
        )
    return x


def _ensure_shape_shape(call: ShapeCall) -> TensorShape:
    try:
        return call.shape(0).merge_with(call.attrs["shape"])
    except ValueError:
        raise call.error(f"the shape is not compatible with expected shape {call.attrs['shape']}") from None


op(
    "EnsureShape(input: T; shape) -> output: T",
    _ensure_shape,
    shape=_ensure_shape_shape,
    gradient=lambda op, dy: dy,
    view=True,
)


@export("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """Passes a tensor on after checking its shape; the result's static shape knows what `shape` knows.

    Args:
      x: a tensor.
      shape: a shape that may be partly known.

    Raises:
      InvalidArgumentError: the value does not have the shape.

    Example:
      >>> import penstock as tf
      >>> tf.ensure_shape([[1, 2]], [None, 2]).shape
      TensorShape([1, 2])
    """
    return execute("EnsureShape", (convert_to_tensor(x),), {"shape": TensorShape(shape)}, name)


# Transpose.


def _permutation(x: Any, perm: Any) -> tuple[int, ...]:
    axes, rank = static_ints(perm), np.ndim(x)
    if len(axes) != rank:
        raise ValueError(
            f"transpose expects a vector of size {rank}. But input(1) is a vector of size {len(axes)}"
        )
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"{axis} is out of range [0 .. {rank})")
    if len({axis % rank for axis in axes}) != rank:
        raise ValueError(f"{list(axes)} is no permutation: each of 0 .. {rank - 1} must come once")
    return axes


def _transpose_shape(call: ShapeCall) -> TensorShape:
    given, axes = call.shape(0), call.entries(1)
    rank = given.rank if given.rank is not None else None if axes is None else len(axes)
    if rank is None:
        return TensorShape(None)
    if axes is None or None in axes:
        return unknown_shape(rank)
    if len(axes) != rank:
        raise call.error(f"perm {axes} must have {rank} entries")
    if sorted(axis % rank for axis in axes) != list(range(rank)) or any(
        not -rank <= axis < rank for axis in axes
    ):
        raise call.error(f"perm {axes} must hold each of 0 .. {rank - 1} once")
    return (
        unknown_shape(rank) if given.rank is None else TensorShape([given.as_list()[axis] for axis in axes])
    )


def _inverse(perm: Tensor) -> Tensor:
    known = constant_value(perm)
    if known is None:
        return execute("InvertPermutation", (perm,))
    return index_vector(np.argsort(known % len(known)).tolist() if len(known) else known)


op(
    "Transpose(x: T, perm: Tperm) -> y: T",
    lambda xp, x, perm: xp.transpose(x, _permutation(x, perm)),
    shape=_transpose_shape,
    gradient=lambda op, dy: [execute("Transpose", (convert_to_tensor(dy), _inverse(op.inputs[1]))), None],
    view=True,
)
op(
    "ConjugateTranspose(x: T, perm: Tperm) -> y: T",
    lambda xp, x, perm: xp.conj(xp.transpose(x, _permutation(x, perm))),
    shape=_transpose_shape,
    gradient=lambda op, dy: [
        execute("ConjugateTranspose", (convert_to_tensor(dy), _inverse(op.inputs[1]))),
        None,
    ],
)


@export("transpose", v1=[])
def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str | None = "transpose") -> Tensor:
    """Permutes the dimensions: dimension i of the result is dimension `perm[i]` of `a`.

    Args:
      a: a tensor.
      perm: an integer vector; by default the dimensions are reversed.
      conjugate: also take the complex conjugate.

    Raises:
      InvalidArgumentError: `perm` is no permutation of the dimensions.

    Example:
      >>> import penstock as tf
      >>> tf.transpose([[1, 2, 3], [4, 5, 6]]).numpy().tolist()
      [[1, 4], [2, 5], [3, 6]]
    """
    if type(a) is not EagerTensor:
        a = convert_to_tensor(a)
    op_type = "ConjugateTranspose" if conjugate and a.dtype.is_complex else "Transpose"
    if perm is None:
        rank = a._np.ndim if type(a) is EagerTensor and a._np is not None else a.shape.rank
        perm = _descending(execute("Rank", (a,))) if rank is None else list(range(rank - 1, -1, -1))
    return execute(op_type, (a, index_vector(perm)), None, name)


def _descending(rank: Tensor) -> Tensor:
    one, minus_one = convert_to_tensor(1), convert_to_tensor(-1)
    return execute("Range", (execute("Sub", (rank, one)), minus_one, minus_one))


@export(v1=["transpose"])
def transpose_v1(a: Any, perm: Any = None, name: str | None = "transpose", conjugate: bool = False) -> Tensor:
    """TF 1's `transpose`; as `tf.transpose`."""
    return transpose(a, perm, conjugate, name)


@export("linalg.matrix_transpose", v1=["linalg.matrix_transpose", "linalg.transpose", "matrix_transpose"])
def matrix_transpose(a: Any, name: str | None = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """Swaps the last two dimensions.

    Args:
      a: a tensor of rank 2 or more.
      conjugate: also take the complex conjugate.

    Raises:
      ValueError: `a` has a lower rank.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.matrix_transpose(tf.zeros([5, 2, 3])).shape
      TensorShape([5, 3, 2])
    """
    a = convert_to_tensor(a)
    rank = a.shape.rank
    if rank is not None and rank < 2:
        raise ValueError(
            f"Argument `a` should be a (batch) matrix with rank >= 2. Received `a` with shape: {a.shape}"
        )
    if rank is not None:
        return transpose(a, [*range(rank - 2), rank - 1, rank - 2], conjugate, name)
    dynamic = execute("Rank", (a,))
    lead = execute("Range", (convert_to_tensor(0), _minus(dynamic, 2), convert_to_tensor(1)))
    last = [execute("Reshape", (_minus(dynamic, k), index_vector([1]))) for k in (1, 2)]
    return transpose(a, execute("ConcatV2", ([lead, *last], convert_to_tensor(0))), conjugate, name)


def _minus(x: Tensor, number: int) -> Tensor:
    return execute("Sub", (x, convert_to_tensor(number)))


@export("linalg.adjoint")
def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """The conjugate transpose of the last two dimensions.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.adjoint([[1 + 2j, 3.0]]).numpy().tolist()
      [[(1-2j)], [(3-0j)]]
    """
    return matrix_transpose(matrix, name or "adjoint", conjugate=True)
