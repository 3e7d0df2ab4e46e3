"""Ops that order elements: ArgMax, TopKV2, NthElement, LowerBound, InTopKV2, InvertPermutation.

The public functions over them (`sort`, `top_k`, `searchsorted`, ...) are in `ordering`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import NEVER_LARGE, op, stops
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall, like_input, normalize_axis, unchanged
from penstock.engine.static_value import static
from penstock.engine.xla import jax, jnp, lax
from penstock.ops import native_ordering
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import BOOL, FLOATS, INDICES, REAL
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# Where the largest or the smallest element is.


def _arg_extreme(largest: bool) -> Callable:
    def kernel(xp: Any, x: Any, dimension: Any, *, output_type: DType) -> Any:
        axis, rank = int(static(dimension)), np.ndim(x)
        if not -rank <= axis < max(rank, 1):
            raise ValueError(f"Expected dimension in the range [{-rank}, {rank}), but got {axis}")
        if rank and not x.shape[axis]:
            raise ValueError(f"Reduction axis {axis % rank} is empty in shape {list(x.shape)}")
        if xp is np and rank > 1 and axis % rank != rank - 1:
            found = native_ordering.largest_rows(x, axis, not largest)
            if found is not None:
                return found.astype(output_type.np_dtype, copy=False)
        if x.dtype.kind not in "iub":
            # NaN never wins, except over nothing but NaN.
            missing = xp.isnan(x)
            if xp is not np or missing.any():
                x = xp.where(missing, x.dtype.type(-np.inf if largest else np.inf), x)
        found = xp.argmax(x, axis) if largest else xp.argmin(x, axis)
        return found.astype(output_type.np_dtype)

    return kernel


def _arg_shape(call: ShapeCall) -> TensorShape:
    shape, axis = call.shape(0), call.value(1)
    if shape.rank is None:
        return TensorShape(None)
    if axis is None:
        return TensorShape([None] * max(shape.rank - 1, 0))
    gone = normalize_axis(call, int(axis), shape.rank)
    return TensorShape([size for i, size in enumerate(shape.as_list()) if i != gone])


for _type, _largest in (("ArgMax", True), ("ArgMin", False)):
    op(
        f"{_type}(input: T, dimension: Tidx; output_type=int64) -> output: output_type",
        _arg_extreme(_largest),
        shape=_arg_shape,
        gradient=stops,
        types={"T": REAL | BOOL, "Tidx": INDICES | {dtypes.int16}},
        large=NEVER_LARGE,
    )

# The k largest elements of each row. Equal ones come in the order of their indices.


def _top_k_numpy(x: np.ndarray, k: Any, *, sorted: bool, index_type: DType) -> tuple[np.ndarray, np.ndarray]:
    k, length = _top_k_sizes(x, k)
    indices = native_ordering.k_largest(x, k)
    if indices is None:
        indices = _indices_of_largest(x, k, length)
    return np.take_along_axis(x, indices, -1), indices.astype(index_type.np_dtype)


def _indices_of_largest(x: np.ndarray, k: int, length: int) -> np.ndarray:
    if k == 1 and length and x.dtype.kind in "iub":
        return np.argmax(x, -1, keepdims=True)
    key = x if x.dtype.kind in "iub" else np.where(np.isnan(x), x.dtype.type(-np.inf), x)
    return _few_largest(key, k) if 0 < k < length // 8 else _descending(key)[..., :k]


def _descending(key: np.ndarray) -> np.ndarray:
    """The stable descending order of each row: the reverse of a stable ascending order of the reversed row."""
    ascending = np.argsort(np.flip(key, -1), -1, kind="stable")
    return key.shape[-1] - 1 - np.flip(ascending, -1)


def _few_largest(key: np.ndarray, k: int) -> np.ndarray:
    """The first `k` of `_descending`, without sorting the rest."""
    wide = key.astype(np.float32) if key.dtype.kind == "V" else key
    place = wide.shape[-1] - k
    least = np.partition(wide, place, -1)[..., place, None]
    taken, equal = wide > least, wide == least
    missing = k - taken.sum(-1, keepdims=True)
    if (equal.sum(-1, keepdims=True) > missing).any():
        equal &= equal.cumsum(-1) <= missing  # the first ones
    taken |= equal
    found = np.nonzero(taken)[-1].reshape(*wide.shape[:-1], k)
    return np.take_along_axis(found, _descending(np.take_along_axis(wide, found, -1)), -1)


def _top_k_xla(x: Any, k: Any, *, sorted: bool, index_type: DType) -> tuple[Any, Any]:
    k, _ = _top_k_sizes(x, k)
    if x.dtype.kind in "iub":
        values, indices = lax.top_k(x, k)
    else:
        _, indices = lax.top_k(jnp.where(jnp.isnan(x), x.dtype.type(-np.inf), x), k)
        values = jnp.take_along_axis(x, indices, -1)
    return values, indices.astype(index_type.np_dtype)


def _top_k_sizes(x: Any, k: Any) -> tuple[int, int]:
    k = int(static(k))
    if np.ndim(x) < 1:
        raise ValueError(f"input must be >= 1-D, got shape {list(np.shape(x))}")
    if k < 0:
        raise ValueError(f"Need k >= 0, got {k}")
    if x.shape[-1] < k:
        raise ValueError(f"input must have at least k columns. Had {x.shape[-1]}, needed {k}")
    return k, x.shape[-1]


def _rows_and(call: ShapeCall, last: Any) -> TensorShape:
    """The input's shape with another last dimension."""
    shape = call.shape(0)
    if shape.rank is None:
        return TensorShape(None)
    if shape.rank == 0:
        raise call.error("the input must have at least one dimension")
    dims = shape.as_list()
    if last is not None and dims[-1] is not None and last > dims[-1]:
        raise call.error(f"the input must have at least k columns: has {dims[-1]}, needed {last}")
    return TensorShape([*dims[:-1], last])


def _top_k_shape(call: ShapeCall) -> list[TensorShape]:
    k = call.attrs["k"] if "k" in call.definition.signature.attrs else call.value(1)
    return [_rows_and(call, None if k is None else int(k))] * 2


def scatter_to_rows(x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """A tensor like `x` with `updates` at `indices` of its last dimension, zero elsewhere."""
    shape = _long(shape_of(x))
    columns = shape[-1:]
    flat_size = execute("Prod", (shape, convert_to_tensor([0])), {"keep_dims": True})
    row_count = execute("Prod", (shape[:-1], convert_to_tensor([0])), {"keep_dims": True})
    picked_shape = execute("ConcatV2", ([row_count, _long(shape_of(indices)[-1:])], _scalar(0)))
    picked = execute("Reshape", (_long(indices), picked_shape))
    zero, one = convert_to_tensor(0, dtypes.int64), convert_to_tensor(1, dtypes.int64)
    rows = execute("Range", (zero, row_count[0], one))
    places = picked + execute("ExpandDims", (rows, _scalar(1))) * columns
    scattered = execute(
        "ScatterNd",
        (
            execute("Reshape", (places, _vector([-1, 1]))),
            execute("Reshape", (updates, _vector([-1]))),
            flat_size,
        ),
    )
    return execute("Reshape", (scattered, shape))


def _long(values: Tensor) -> Tensor:
    return execute("Cast", (values,), {"DstT": dtypes.int64})


def _vector(values: list[int]) -> Tensor:
    return convert_to_tensor(np.array(values, np.int32))


def _scalar(value: int) -> Tensor:
    return convert_to_tensor(value, dtypes.int32)


def _top_k_gradient(call: Any, dvalues: Tensor, dindices: Tensor | None) -> list[Tensor | None]:
    gradient = scatter_to_rows(call.inputs[0], call.outputs[1], dvalues)
    return [gradient, *[None] * (len(call.inputs) - 1)]


op(
    "TopKV2(input: T, k: Tk; sorted=True, index_type=int32) -> (values: T, indices: index_type)",
    numpy=_top_k_numpy,
    xla=_top_k_xla,
    shape=_top_k_shape,
    gradient=_top_k_gradient,
    types={"T": REAL, "Tk": INDICES | {dtypes.int16}},
)
op(
    "TopK(input: T; k, sorted=True) -> (values: T, indices: int32)",
    numpy=lambda x, k, sorted: _top_k_numpy(x, k, sorted=sorted, index_type=dtypes.int32),
    xla=lambda x, k, sorted: _top_k_xla(x, k, sorted=sorted, index_type=dtypes.int32),
    shape=_top_k_shape,
    gradient=_top_k_gradient,
    types={"T": REAL},
)

# The approximate top k is exact here; XLA has a faster one on TPUs.


def _approx_numpy(
    x: Any, *, k: int, reduction_dimension: int, is_max_k: bool, **hints: Any
) -> tuple[Any, Any]:
    moved = np.moveaxis(x, reduction_dimension, -1)
    key = moved if is_max_k else -moved
    _, indices = _top_k_numpy(key, k, sorted=True, index_type=dtypes.int32)
    values = np.take_along_axis(moved, indices, -1)
    return np.moveaxis(values, -1, reduction_dimension), np.moveaxis(indices, -1, reduction_dimension)


def _approx_xla(x: Any, *, k: int, reduction_dimension: int, is_max_k: bool, **hints: Any) -> tuple[Any, Any]:
    function = lax.approx_max_k if is_max_k else lax.approx_min_k
    values, indices = function(x, k, reduction_dimension=reduction_dimension, **hints)
    return values, indices.astype(np.int32)


def _approx_shape(call: ShapeCall) -> list[TensorShape]:
    shape = call.shape(0)
    if shape.rank is None:
        return [TensorShape(None)] * 2
    dims = shape.as_list()
    dims[normalize_axis(call, call.attrs["reduction_dimension"], shape.rank)] = call.attrs["k"]
    return [TensorShape(dims)] * 2


def _approx_gradient(call: Any, dvalues: Tensor, dindices: Tensor | None) -> Tensor:
    """Scattered along the reduced dimension, which is brought to the end for it."""
    x, rank = call.inputs[0], call.inputs[0].shape.rank
    axis = call.attrs["reduction_dimension"] % rank
    order = [i for i in range(rank) if i != axis] + [axis]

    def transpose(tensor: Tensor, permutation: list[int]) -> Tensor:
        return execute("Transpose", (tensor, convert_to_tensor(permutation)))

    moved = scatter_to_rows(transpose(x, order), transpose(call.outputs[1], order), transpose(dvalues, order))
    return transpose(moved, np.argsort(order).tolist())


op(
    "ApproxTopK(input: T; k, reduction_dimension=-1, recall_target=0.95, is_max_k=True, "
    "reduction_input_size_override=-1, aggregate_to_topk=True) -> (values: T, indices: int32)",
    numpy=_approx_numpy,
    xla=_approx_xla,
    shape=_approx_shape,
    gradient=_approx_gradient,
    types={"T": FLOATS},
)

# The n-th smallest element of each row.


def _nth(xp: Any, x: Any, n: Any, *, reverse: bool) -> Any:
    n = int(static(n))
    if np.ndim(x) < 1:
        raise ValueError(f"Input must be >= 1-D, got shape {list(np.shape(x))}")
    if not 0 <= n < x.shape[-1]:
        raise ValueError(f"Input must have last dimension > n = {n}")
    place = x.shape[-1] - 1 - n if reverse else n
    return (np.partition(x, place, -1) if xp is np and x.dtype.kind != "V" else xp.sort(x, -1))[..., place]


def _nth_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    x, last = call.inputs[0], convert_to_tensor(-1)
    chosen = execute("Equal", (execute("ExpandDims", (call.outputs[0], last)), x))
    share = execute("Cast", (chosen,), {"DstT": dy.dtype.base_dtype})
    ties = execute("Sum", (share, last), {"keep_dims": True})
    return [share / ties * execute("ExpandDims", (dy, last)), None]


op(
    "NthElement(input: T, n: int32; reverse=False) -> values: T",
    _nth,
    shape=lambda call: _rows_and(call, None)[:-1] if call.shape(0).rank is not None else TensorShape(None),
    gradient=_nth_gradient,
    types={"T": REAL},
)

# Where values would be inserted in sorted rows.


def _bound_numpy(side: str) -> Callable:
    def body(sequences: np.ndarray, values: np.ndarray, *, out_type: DType) -> np.ndarray:
        _check_bounds(sequences, values)
        out = np.empty(values.shape, out_type.np_dtype)
        for row in range(len(sequences)):
            out[row] = np.searchsorted(sequences[row], values[row], side)
        return out

    return body


def _bound_xla(side: str) -> Callable:
    def body(sequences: Any, values: Any, *, out_type: DType) -> Any:
        _check_bounds(sequences, values)
        found = jax.vmap(lambda sequence, value: jnp.searchsorted(sequence, value, side=side))(
            sequences, values
        )
        return found.astype(out_type.np_dtype)

    return body


def _check_bounds(sequences: Any, values: Any) -> None:
    if np.ndim(sequences) != 2 or np.ndim(values) != 2:
        raise ValueError(
            f"sorted_inputs and values must be 2-D, got {np.ndim(sequences)}-D and {np.ndim(values)}-D"
        )
    if sequences.shape[0] != values.shape[0]:
        raise ValueError("Leading dim_size of both tensors must match.")


for _type, _side in (("LowerBound", "left"), ("UpperBound", "right")):
    op(
        f"{_type}(sorted_inputs: T, values: T; out_type=int32) -> output: out_type",
        numpy=_bound_numpy(_side),
        xla=_bound_xla(_side),
        large=1 << 17,
        shape=like_input(1),
        gradient=stops,
    )


# Whether the target class is among the k most probable ones.


def _in_top_k(xp: Any, predictions: Any, targets: Any, k: Any) -> Any:
    rows, classes = predictions.shape
    k = xp.asarray(k)
    valid = (targets >= 0) & (targets < classes)
    safe = xp.where(valid, targets, xp.zeros_like(targets))
    target = (
        xp.take_along_axis(predictions, safe[:, None], 1)
        if classes
        else xp.zeros((rows, 1), predictions.dtype)
    )
    few = native_ordering.few_above(predictions, target, int(k)) if xp is np else None
    if few is not None:
        return valid & few
    above = xp.sum(predictions > target, 1)
    return valid & xp.all(xp.isfinite(predictions), 1) & (above < k)


def _in_top_k_shape(call: ShapeCall) -> TensorShape:
    predictions, targets = call.shape(0).with_rank(2), call.shape(1).with_rank(1)
    return targets.merge_with(predictions[:1])


op(
    "InTopKV2(predictions: float32, targets: T, k: T) -> precision: bool",
    _in_top_k,
    shape=_in_top_k_shape,
    gradient=stops,
    types={"T": INDICES},
)
op(
    "InTopK(predictions: float32, targets: T; k) -> precision: bool",
    _in_top_k,
    shape=_in_top_k_shape,
    gradient=stops,
    types={"T": INDICES},
)


# Permutations.


def _invert_numpy(x: np.ndarray) -> np.ndarray:
    if x.ndim != 1:
        raise ValueError(f"invert_permutation expects a 1D vector, got shape {list(x.shape)}")
    outside = x[(x < 0) | (x >= len(x))]
    if len(outside):
        raise ValueError(f"{outside[0]} is not between 0 and {len(x)}")
    values, counts = np.unique(x, return_counts=True)
    if len(values) < len(x):
        raise ValueError(f"{values[counts > 1][0]} is duplicated in the input.")
    out = np.empty_like(x)
    out[x] = np.arange(len(x), dtype=x.dtype)
    return out


op(
    "InvertPermutation(x: T) -> y: T",
    numpy=_invert_numpy,
    xla=lambda x: jnp.zeros_like(x).at[x].set(jnp.arange(x.shape[0], dtype=x.dtype)),
    shape=unchanged,
    gradient=stops,
    types={"T": INDICES},
)
