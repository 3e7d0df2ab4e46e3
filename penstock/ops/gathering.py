"""Slices picked by index: gather, batch_gather, gather_nd. Their gradients are the scatters of `scattering`.

The NumPy kernels refuse an index that is out of range. A compiled program cannot stop in the middle: it gives zeros
there, as TensorFlow does on accelerators; on the CPU the runtime raises the error (`runtime/index_checks.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine import index_range
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, normalize_axis
from penstock.engine.static_value import constant_value, static_int
from penstock.engine.xla import jnp
from penstock.ops import concatenation, reshaping
from penstock.ops.arguments import dtype_of, index_vector
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import EagerTensor, Tensor

_INDICES = frozenset({dtypes.int16, dtypes.int32, dtypes.int64})
_ALONG_AXIS = index_range.along(axis_input=2)


def _normalized(params: Any, indices: Any, axis: Any, batch_dims: int) -> tuple[int, int]:
    """Axis and batch_dims counted from the front, checked."""
    rank, index_rank = np.ndim(params), np.ndim(indices)
    batch = batch_dims + index_rank if batch_dims < 0 else batch_dims
    position = static_int(axis)
    position = position + rank if position < 0 else position
    if not 0 <= position < rank:
        raise ValueError(f"axis {static_int(axis)} must be in [{-rank}, {rank})")
    if not 0 <= batch <= min(position, index_rank):
        raise ValueError(
            f"batch_dims ({batch}) must be at most the axis ({position}) and the rank of indices"
        )
    if batch and np.shape(params)[:batch] != np.shape(indices)[:batch]:
        raise ValueError(
            f"the first {batch} dimensions must agree: params is {list(np.shape(params))}, indices is "
            f"{list(np.shape(indices))}"
        )
    return position, batch


def _gather(params: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    position, batch = _normalized(params, indices, axis, batch_dims)
    _ALONG_AXIS.require(np.asarray(indices), (params.shape[position],))
    if batch == 0:
        return params.take(indices, position)
    return params[_batched_index(np, params.shape, indices, position, batch)]


def _gather_xla(params: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    position, batch = _normalized(params, indices, axis, batch_dims)
    index = _batched_index(jnp, np.shape(params), indices, position, batch)
    if params.size == 0:
        return jnp.zeros(_gathered(np.shape(params), np.shape(indices), position, batch), params.dtype)
    return jnp.asarray(params).at[index].get(mode="fill", fill_value=0, wrap_negative_indices=False)


def _batched_index(xp: Any, shape: tuple, indices: Any, axis: int, batch: int) -> tuple:
    """The advanced index that gathers along `axis`, each batch entry by its own indices.

    All dimensions up to `axis` are indexed, so that the results of the indices come first and in order.
    """
    if batch == axis == 0:
        return (indices,)
    inner = np.ndim(indices) - batch
    total = axis + inner  # dimensions of the result before params[axis + 1:]
    index = []
    for dim in range(axis):
        index.append(np.arange(shape[dim]).reshape([-1 if i == dim else 1 for i in range(total)]))
    spread = (*np.shape(indices)[:batch], *(1,) * (axis - batch), *np.shape(indices)[batch:])
    return (*index, xp.reshape(indices, spread))


def _gathered(params: tuple, indices: tuple, axis: int, batch: int) -> tuple:
    return params[:axis] + indices[batch:] + params[axis + 1 :]


def _gather_shape(call: ShapeCall) -> TensorShape:
    params, indices, axis = call.shape(0), call.shape(1), call.entries(2)
    if params.rank is None or indices.rank is None or axis is None:
        return TensorShape(None)
    batch = call.attrs["batch_dims"]
    batch = batch + indices.rank if batch < 0 else batch
    if axis[0] is None:
        return unknown_shape(params.rank - 1 + indices.rank - batch)
    position = normalize_axis(call, axis[0], params.rank)
    if not 0 <= batch <= min(position, indices.rank):
        raise call.error(f"batch_dims {batch} must be at most the axis {position} and the rank of indices")
    try:
        lead = params[:batch].merge_with(indices[:batch])
    except ValueError:
        raise call.error(f"the first {batch} dimensions must agree") from None
    return TensorShape([*lead, *params[batch:position], *indices[batch:], *params[position + 1 :]])


def _gather_gradient(op: Any, dy: Any) -> list:
    params, indices, axis = op.inputs
    return [
        _params_gradient(params, indices, axis, op.attrs["batch_dims"], convert_to_tensor(dy)),
        None,
        None,
    ]


def _params_gradient(params: Tensor, indices: Tensor, axis: Tensor, batch_dims: int, dy: Tensor) -> Any:
    known, rank = constant_value(axis), params.shape.rank
    position = None if known is None else int(known.reshape(()))
    shape = execute("Shape", (params,), {"out_type": dtypes.int32})
    if batch_dims == 0 and (position == 0 or rank is not None and position == -rank):
        rows = reshaping.reshape(indices, [-1])
        values = reshaping.reshape(dy, concatenation.concat([[-1], shape[1:]], 0))
        if indices.shape.num_elements() == 0 or params.shape.num_elements() == 0:
            count = execute("Size", (indices,), {"out_type": dtypes.int32})
            values = reshaping.reshape(dy, concatenation.concat([[count], shape[1:]], 0))
        return IndexedSlices(values, rows, shape)
    if rank is None or indices.shape.rank is None or position is None:
        raise ValueError(
            "the gradient of a gather needs its axis and the ranks of params and indices to be known"
        )
    batch = batch_dims + indices.shape.rank if batch_dims < 0 else batch_dims
    position %= rank
    inner = indices.shape.rank - batch
    # To [batch, indices, params before the axis, params after it], scatter rows of that, and back.
    outer = [*range(batch), *range(position, position + inner), *range(batch, position)]
    moved = reshaping.transpose(dy, [*outer, *range(position + inner, rank - 1 + inner)])
    order = [*range(batch), position, *range(batch, position), *range(position + 1, rank)]
    sizes = gather(execute("Shape", (params,), {"out_type": indices.dtype}), order)
    scattered = execute("ScatterNd", (_full_index(indices, batch), moved, sizes))
    return reshaping.transpose(scattered, np.argsort(order).tolist())


def _full_index(indices: Tensor, batch: int) -> Tensor:
    """`indices` with the number of the batch entry in front of each, as the n-d ops want them."""
    rank, kind = indices.shape.rank, indices.dtype
    last = execute("ExpandDims", (indices, convert_to_tensor(-1)))
    if batch == 0:
        return last
    sizes = execute("Shape", (indices,), {"out_type": kind})
    zero, one = convert_to_tensor(0, kind), convert_to_tensor(1, kind)
    columns = []
    for dim in range(batch):
        line = execute("Range", (zero, sizes[dim], one))
        grid = reshaping.reshape(line, [-1 if i == dim else 1 for i in range(rank)])
        columns.append(execute("BroadcastTo", (grid, sizes)))
    return concatenation.concat([concatenation.stack(columns, -1), last], -1)


op(
    "GatherV2(params: Tparams, indices: Tindices, axis: Taxis; batch_dims=0) -> output: Tparams",
    numpy=_gather,
    xla=_gather_xla,
    shape=_gather_shape,
    gradient=_gather_gradient,
    types={"Tindices": _INDICES},
    index_range=_ALONG_AXIS,
)
op(
    "Gather(params: Tparams, indices: Tindices; validate_indices=True) -> output: Tparams",
    numpy=lambda params, indices, *, validate_indices: _gather(params, indices, 0, batch_dims=0),
    xla=lambda params, indices, *, validate_indices: _gather_xla(params, indices, 0, batch_dims=0),
    shape=lambda call: call.shape(1).concatenate(call.shape(0)[1:]),
    gradient=lambda op, dy: [
        _params_gradient(op.inputs[0], op.inputs[1], convert_to_tensor(0), 0, convert_to_tensor(dy)),
        None,
    ],
    index_range=index_range.ROWS,
)


@export("gather", v1=[])
def gather(
    params: Any,
    indices: Any,
    validate_indices: bool | None = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Tensor:
    """Slices of a tensor along an axis, picked by index.

    Args:
      params: a tensor.
      indices: an integer tensor with values in [0, size of the axis).
      validate_indices: not used.
      axis: the axis; by default the first after the batch dimensions.
      batch_dims: how many leading dimensions `params` and `indices` have in common.

    Returns:
      A tensor of shape `params.shape[:axis] + indices.shape[batch_dims:] + params.shape[axis + 1:]`.

    Raises:
      InvalidArgumentError: an index is out of range (on accelerators, the result has zeros there).

    Example:
      >>> import penstock as tf
      >>> tf.gather([10, 20, 30], [2, 0]).numpy().tolist()
      [30, 10]
      >>> tf.gather([[1, 2], [3, 4]], [[1], [0]], batch_dims=1).numpy().tolist()
      [[2], [3]]
    """
    if axis is None:
        axis = batch_dims
    read = getattr(params, "sparse_read", None)
    if read is not None and batch_dims == 0 and type(axis) is int and axis == 0:
        return read(index_vector(indices), name=name)
    if type(params) is not EagerTensor:
        params = convert_to_tensor(params)
    if type(indices) is not EagerTensor:
        indices = _index_tensor(indices)
    return execute("GatherV2", (params, indices, index_vector(axis)), {"batch_dims": batch_dims}, name)


def _index_tensor(indices: Any) -> Tensor:
    """Converts indices as they are; an empty list counts as integers."""
    if dtype_of(indices) is None and np.size(indices) == 0:
        return convert_to_tensor(np.zeros(np.shape(indices), np.int32))
    return convert_to_tensor(indices)


@export(v1=["gather"])
def gather_v1(
    params: Any,
    indices: Any,
    validate_indices: bool | None = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """TF 1's `gather`; as `tf.gather`."""
    return gather(params, indices, validate_indices, axis, batch_dims, name)


@export(v1=["batch_gather"])
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Gathers along the last dimension of `indices`; all dimensions before it are batch dimensions."""
    indices = convert_to_tensor(indices)
    if indices.shape.rank is None:
        raise ValueError("batch_gather does not allow indices with unknown shape.")
    return gather(params, indices, batch_dims=indices.shape.rank - 1, axis=indices.shape.rank - 1, name=name)


# GatherNd.


def wanted_policy(policy: Any) -> bool:
    """Whether an index that is out of range is an error; else it is passed over.

    Raises:
      ValueError: there is no such policy.
    """
    policy = policy.decode() if isinstance(policy, bytes) else policy
    if policy not in ("", "DEFAULT", "ERROR", "IGNORE"):
        raise ValueError(f"bad_indices_policy must be 'ERROR' or 'IGNORE', got {policy!r}")
    return policy != "IGNORE"


def check_index_depth(params: tuple, indices: tuple) -> int:
    """How many dimensions of `params` an index speaks of: the size of the last dimension of `indices`."""
    if not indices:
        raise ValueError("indices must be at least a vector")
    if indices[-1] > len(params):
        raise ValueError(
            f"index innermost dimension length must be <= params rank; saw: {indices[-1]} vs. {len(params)}"
        )
    return indices[-1]


def out_of_range(indices: np.ndarray, shape: tuple) -> np.ndarray | None:
    """A mask of the index vectors that do not lie in `shape`; None where all do."""
    depth = indices.shape[-1]
    if not indices.size:
        return None
    flat = indices.reshape(-1, depth)
    # Column by column: a reduction over rows as short as these takes ten times as long.
    if all(column.min() >= 0 and column.max() < size for column, size in zip(flat.T, shape, strict=False)):
        return None
    return np.any((indices < 0) | (indices >= np.array(shape[:depth])), -1)


def bad_index(indices: np.ndarray, bad: np.ndarray, shape: tuple, what: str) -> ValueError:
    """The error for the first index that does not lie in `shape`."""
    first = np.flatnonzero(bad)[0]
    place = ",".join(str(i) for i in np.unravel_index(first, bad.shape))
    value = indices.reshape(-1, indices.shape[-1])[first].tolist()
    return ValueError(
        f"indices[{place}] = {value} does not index into {what} {str(list(shape)).replace(' ', '')}"
    )


def _gather_nd(params: Any, indices: Any, *, bad_indices_policy: Any) -> Any:
    shape = params.shape
    depth = check_index_depth(shape, indices.shape)
    bad = out_of_range(indices, shape)
    if bad is None and not depth:
        return np.broadcast_to(params, indices.shape[:-1] + shape)
    if bad is None:
        index = indices[..., 0].astype(np.intp)
        for position in range(1, depth):
            index *= shape[position]
            index += indices[..., position]
        return params.reshape(math.prod(shape[:depth]), *shape[depth:]).take(index, 0)
    if wanted_policy(bad_indices_policy):
        raise bad_index(indices, bad, shape, "param shape")
    if 0 in shape[:depth]:
        return np.zeros(indices.shape[:-1] + shape[depth:], params.dtype)
    safe = np.where(bad[..., None], 0, indices)
    found = params[tuple(np.moveaxis(safe, -1, 0))].copy()
    found[bad] = np.zeros((), params.dtype)
    return found


def _gather_nd_xla(params: Any, indices: Any, *, bad_indices_policy: Any) -> Any:
    shape = np.shape(params)
    depth = check_index_depth(shape, np.shape(indices))
    if depth == 0 or math.prod(shape[:depth]) == 0:
        target = np.shape(indices)[:-1] + shape[depth:]
        return jnp.broadcast_to(params, target) if depth == 0 else jnp.zeros(target, params.dtype)
    index = tuple(indices[..., i] for i in range(depth))
    return jnp.asarray(params).at[index].get(mode="fill", fill_value=0, wrap_negative_indices=False)


def _gather_nd_shape(call: ShapeCall) -> TensorShape:
    params, indices = call.shape(0), call.shape(1)
    if indices.rank == 0:
        raise call.error("indices must be at least a vector")
    if params.rank is None or indices.rank is None or indices[-1] is None:
        return TensorShape(None)
    if indices[-1] > params.rank:
        raise call.error(f"the last dimension of indices must be at most {params.rank}")
    return indices[:-1].concatenate(params[indices[-1] :])


def _gather_nd_gradient(op: Any, dy: Any) -> list:
    params, indices = op.inputs
    dy = convert_to_tensor(dy)
    shape = execute("Shape", (params,), {"out_type": indices.dtype})
    if indices.shape.rank == 2 and indices.shape[-1] == 1 and wanted_policy(op.attrs["bad_indices_policy"]):
        return [IndexedSlices(dy, reshaping.squeeze(indices, -1), shape), None]
    attrs = {"bad_indices_policy": op.attrs["bad_indices_policy"]}
    return [execute("ScatterNd", (indices, dy, shape), attrs), None]


op(
    "GatherNd(params: Tparams, indices: Tindices; bad_indices_policy='') -> output: Tparams",
    numpy=_gather_nd,
    xla=_gather_nd_xla,
    shape=_gather_nd_shape,
    gradient=_gather_nd_gradient,
    types={"Tindices": _INDICES},
    index_range=index_range.into(what="param shape"),
)


@export("gather_nd", v1=[])
def gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: str | None = None, bad_indices_policy: str = ""
) -> Tensor:
    """Elements or slices of a tensor, each picked by a vector of indices.

    Args:
      params: a tensor.
      indices: an integer tensor; its last dimension holds indices into the first dimensions of `params`.
      batch_dims: how many leading dimensions the two have in common.
      bad_indices_policy: "IGNORE" gives zeros for an index that is out of range instead of an error.

    Returns:
      A tensor of shape `indices.shape[:-1] + params.shape[indices.shape[-1]:]`.

    Raises:
      InvalidArgumentError: an index is out of range (on accelerators, the result has zeros there).

    Example:
      >>> import penstock as tf
      >>> tf.gather_nd([[1, 2], [3, 4]], [[0, 0], [1, 1]]).numpy().tolist()
      [1, 4]
    """
    batch_dims = int(batch_dims)
    read = getattr(params, "gather_nd", None)
    if read is not None and batch_dims == 0 and not bad_indices_policy:
        return read(convert_to_tensor(indices), name=name)
    params, indices = convert_to_tensor(params), _index_tensor(indices)
    if batch_dims:
        rank = indices.shape.rank
        if rank is None:
            raise ValueError("gather_nd does not allow indices with unknown shape.")
        if not 0 < batch_dims < rank:
            raise ValueError(f"batch_dims = {batch_dims} must be less than rank(indices) = {rank}")
        indices = _with_batch_numbers(indices, batch_dims)
    return execute("GatherNd", (params, indices), {"bad_indices_policy": bad_indices_policy}, name)


def _with_batch_numbers(indices: Tensor, batch: int) -> Tensor:
    """Puts the number of the batch entry in front of each index vector."""
    kind, rank = indices.dtype, indices.shape.rank
    sizes = execute("Shape", (indices,), {"out_type": kind})
    target = concatenation.concat([sizes[:-1], [1]], 0)
    zero, one = convert_to_tensor(0, kind), convert_to_tensor(1, kind)
    columns = []
    for dim in range(batch):
        line = execute("Range", (zero, sizes[dim], one))
        grid = reshaping.reshape(line, [-1 if i == dim else 1 for i in range(rank)])
        columns.append(execute("BroadcastTo", (grid, target)))
    return concatenation.concat([*columns, indices], -1)


@export(v1=["gather_nd", "manip.gather_nd"])
def gather_nd_v1(
    params: Any, indices: Any, name: str | None = None, batch_dims: int = 0, bad_indices_policy: str = ""
) -> Tensor:
    """TF 1's `gather_nd`; as `tf.gather_nd`."""
    return gather_nd(params, indices, batch_dims, name, bad_indices_policy)
