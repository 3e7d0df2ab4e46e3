"""Slices put in place by index: scatter_nd and the tensor_scatter_nd family.

As with the gathers, the NumPy kernels refuse an index that is out of range, and a compiled program passes over it; on the
CPU the runtime raises the error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine import index_range
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static_ints
from penstock.engine.xla import jnp
from penstock.ops.arguments import dtype_of, index_vector, matching
from penstock.ops.gathering import bad_index, check_index_depth, out_of_range, wanted_policy
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _check_updates(shape: tuple, indices: tuple, updates: tuple) -> int:
    """The depth of the indices; the updates must have one slice for each index."""
    depth = check_index_depth(shape, indices)
    if not updates and indices[:-1]:
        raise ValueError(f"Updates shape must have rank at least one. Found:{list(updates)}")
    if indices[:-1] + shape[depth:] != updates:
        raise ValueError(
            f"updates of shape {list(updates)} must have shape indices.shape[:-1] + shape[indices.shape[-1]:], which "
            f"is {list(indices[:-1] + shape[depth:])}"
        )
    return depth


def _scatter_into(out: np.ndarray, indices: Any, updates: Any, write: Callable, policy: Any) -> np.ndarray:
    """Writes into `out`, which is new, and returns it."""
    depth = _check_updates(out.shape, indices.shape, np.shape(updates))
    bad = out_of_range(indices, out.shape)
    if bad is not None:
        if wanted_policy(policy):
            raise bad_index(indices, bad, out.shape, "shape")
        indices, updates = indices[~bad], np.asarray(updates)[~bad]
    if depth:
        write(out, tuple(np.moveaxis(indices, -1, 0)), updates)
    else:
        for update in np.reshape(updates, (-1, *out.shape)):
            write(out, ..., update)
    return out


def _assign(out: np.ndarray, index: Any, updates: Any) -> None:
    out[index] = updates


def _accumulate(function: np.ufunc) -> Callable:
    """Repeated indices count each time, which plain indexed assignment would not do."""

    def write(out: np.ndarray, index: Any, updates: Any) -> None:
        if out.dtype.kind in "fiucb":
            function.at(out, index, updates)
        else:  # bfloat16 and the like, which `ufunc.at` does not take
            flat = (
                np.ravel_multi_index(index, out.shape[: len(index)]).reshape(-1) if index is not ... else [0]
            )
            rows = out.reshape((-1, *out.shape[len(index) :])) if index is not ... else out[None]
            for row, update in zip(flat, np.reshape(updates, (len(flat), *rows.shape[1:])), strict=True):
                rows[row] = function(rows[row], update)

    return write


def _scatter_xla(out: Any, indices: Any, updates: Any, method: str) -> Any:
    depth = _check_updates(np.shape(out), np.shape(indices), np.shape(updates))
    index = tuple(indices[..., i] for i in range(depth)) if depth else (...,)
    if 0 in np.shape(indices)[:-1] or 0 in np.shape(out)[:depth]:
        return jnp.asarray(out)
    if not depth:
        updates = jnp.reshape(updates, (-1, *np.shape(out)))
        folded = {
            "set": lambda: updates[-1],
            "add": lambda: updates.sum(0),
            "subtract": lambda: updates.sum(0),
        }
        folded |= {"min": lambda: updates.min(0), "max": lambda: updates.max(0)}
        return getattr(jnp.asarray(out).at[...], method)(folded[method]().astype(out.dtype))
    place = jnp.asarray(out).at[index]
    return getattr(place, method)(updates, mode="drop", wrap_negative_indices=False)


# ScatterNd.


def _scatter_nd(indices: Any, updates: Any, shape: Any, *, bad_indices_policy: Any) -> np.ndarray:
    dims = static_ints(shape)
    if updates.dtype == object:
        out = np.full(dims, b"", object)
    else:
        out = np.zeros(dims, updates.dtype)
    write = _accumulate(np.logical_or if updates.dtype == bool else np.add)
    if updates.dtype == object:
        write = _append
    return _scatter_into(out, np.asarray(indices), updates, write, bad_indices_policy)


def _append(out: np.ndarray, index: Any, updates: Any) -> None:
    np.add.at(out, index, updates)


def _scatter_nd_xla(indices: Any, updates: Any, shape: Any, *, bad_indices_policy: Any) -> Any:
    out = jnp.zeros(static_ints(shape), updates.dtype)
    if updates.dtype == bool:
        return _scatter_xla(out, indices, updates, "max")
    return _scatter_xla(out, indices, updates, "add")


def _scatter_nd_shape(call: ShapeCall) -> TensorShape:
    shape = call.shape_from(2)
    _check_partial(call, shape, call.shape(0), call.shape(1))
    return shape


def _check_partial(call: ShapeCall, shape: TensorShape, indices: TensorShape, updates: TensorShape) -> None:
    """Refuses updates that cannot fit, as far as the shapes are known."""
    if indices.rank == 0:
        raise call.error("indices must be at least a vector")
    if shape.rank is None or indices.rank is None or indices[-1] is None:
        return
    if indices[-1] > shape.rank:
        raise call.error(f"the last dimension of indices must be at most {shape.rank}")
    wanted = indices[:-1].concatenate(shape[indices[-1] :])
    if not wanted.is_compatible_with(updates):
        raise call.error(f"updates must have shape {wanted}: one slice for each index")


op(
    "ScatterNd(indices: Tindices, updates: T, shape: Tindices; bad_indices_policy='') -> output: T",
    numpy=_scatter_nd,
    xla=_scatter_nd_xla,
    large=1 << 17,
    shape=_scatter_nd_shape,
    gradient=lambda op, dy: [None, _picked(op, dy, op.inputs[0]), None],
    index_range=index_range.into_shape(2),
)


def _picked(op: Any, dy: Any, indices: Tensor) -> Tensor:
    """The gradient of what was put at `indices`."""
    attrs = {"bad_indices_policy": op.attrs["bad_indices_policy"]}
    return execute("GatherNd", (convert_to_tensor(dy), indices), attrs)


@export("scatter_nd", v1=["scatter_nd", "manip.scatter_nd"])
def scatter_nd(
    indices: Any, updates: Any, shape: Any, bad_indices_policy: str = "", name: str | None = None
) -> Tensor:
    """A tensor of zeros into which slices are added at given indices.

    Args:
      indices: an integer tensor; its last dimension holds indices into the first dimensions of the result.
      updates: a tensor of shape `indices.shape[:-1] + shape[indices.shape[-1]:]`. Slices of equal index add up.
      shape: an integer vector: the shape of the result.
      bad_indices_policy: "IGNORE" passes over an index that is out of range instead of raising an error.

    Raises:
      InvalidArgumentError: an index is out of range, or the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.scatter_nd([[1], [3], [1]], [1, 2, 3], [5]).numpy().tolist()
      [0, 4, 0, 2, 0]
    """
    places = index_vector(indices)
    dims = index_vector(shape, None if dtype_of(shape) is not None else places.dtype)
    if places.dtype != dims.dtype and dtype_of(indices) is None:
        places = convert_to_tensor(indices, dims.dtype)
    attrs = {"bad_indices_policy": bad_indices_policy}
    return execute("ScatterNd", (places, convert_to_tensor(updates), dims), attrs, name)


# TensorScatterUpdate and its siblings: (op type, how NumPy writes, JAX's method, rule for the gradient).


def _update_gradient(op: Any, dy: Any) -> list:
    _, indices, updates = op.inputs
    hole = execute("ZerosLike", (updates,))
    attrs = {"bad_indices_policy": op.attrs["bad_indices_policy"]}
    kept = execute("TensorScatterUpdate", (convert_to_tensor(dy), indices, hole), attrs)
    return [kept, None, _picked(op, dy, indices)]


def _extremum_gradient(op: Any, dy: Any) -> list:
    """The gradient goes to every candidate that has the extreme value."""
    tensor, indices, updates = op.inputs
    dy, result = convert_to_tensor(dy), op.outputs[0]
    zero = convert_to_tensor(np.zeros((), dy.dtype.np_dtype), dy.dtype)
    attrs = {"incompatible_shape_error": True}
    of_tensor = execute("SelectV2", (execute("Equal", (result, tensor), attrs), dy, zero))
    chosen = execute("Equal", (_picked(op, result, indices), updates), attrs)
    return [of_tensor, None, execute("SelectV2", (chosen, _picked(op, dy, indices), zero))]


_FAMILY = {
    "Update": (_assign, "set", _update_gradient),
    "Add": (_accumulate(np.add), "add", lambda op, dy: [dy, None, _picked(op, dy, op.inputs[1])]),
    "Sub": (
        _accumulate(np.subtract),
        "subtract",
        lambda op, dy: [dy, None, execute("Neg", (_picked(op, dy, op.inputs[1]),))],
    ),
    "Min": (_accumulate(np.minimum), "min", _extremum_gradient),
    "Max": (_accumulate(np.maximum), "max", _extremum_gradient),
}


def _tensor_scatter_shape(call: ShapeCall) -> TensorShape:
    _check_partial(call, call.shape(0), call.shape(1), call.shape(2))
    return call.shape(0)


def _define(kind: str) -> None:
    write, method, gradient = _FAMILY[kind]
    op(
        f"TensorScatter{kind}(tensor: T, indices: Tindices, updates: T; bad_indices_policy='') -> output: T",
        numpy=lambda x, indices, updates, *, bad_indices_policy: _scatter_into(
            np.array(x), np.asarray(indices), updates, write, bad_indices_policy
        ),
        xla=lambda x, indices, updates, *, bad_indices_policy: _scatter_xla(x, indices, updates, method),
        shape=_tensor_scatter_shape,
        gradient=gradient,
        index_range=index_range.PLACES,
    )


for _kind in _FAMILY:
    _define(_kind)

op(
    "ScatterNdNonAliasingAdd(input: T, indices: Tindices, updates: T; bad_indices_policy='') -> output: T",
    numpy=lambda x, indices, updates, *, bad_indices_policy: _scatter_into(
        np.array(x), np.asarray(indices), updates, _accumulate(np.add), bad_indices_policy
    ),
    xla=lambda x, indices, updates, *, bad_indices_policy: _scatter_xla(x, indices, updates, "add"),
    shape=_tensor_scatter_shape,
    gradient=lambda op, dy: [dy, None, _picked(op, dy, op.inputs[1])],
    index_range=index_range.PLACES,
)


def _tensor_scatter(
    kind: str, tensor: Any, indices: Any, updates: Any, policy: str, name: str | None
) -> Tensor:
    tensor, updates = matching(tensor, updates)
    attrs = {"bad_indices_policy": policy}
    return execute(f"TensorScatter{kind}", (tensor, index_vector(indices), updates), attrs, name)


@export("tensor_scatter_nd_update")
def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """A copy of a tensor in which the slices at given indices are replaced.

    Args:
      tensor: a tensor.
      indices: an integer tensor; its last dimension holds indices into the first dimensions of `tensor`.
      updates: a tensor of shape `indices.shape[:-1] + tensor.shape[indices.shape[-1]:]`.

    Raises:
      InvalidArgumentError: an index is out of range, or the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.tensor_scatter_nd_update([0, 0, 0, 0], [[1], [3]], [5, 6]).numpy().tolist()
      [0, 5, 0, 6]
    """
    return _tensor_scatter("Update", tensor, indices, updates, "", name)


export(v1=["tensor_scatter_update"])(tensor_scatter_nd_update)

_DOC = """A copy of a tensor in which the slices at given indices are {done}.

    Args:
      tensor: a tensor.
      indices: an integer tensor; its last dimension holds indices into the first dimensions of `tensor`.
      updates: a tensor of shape `indices.shape[:-1] + tensor.shape[indices.shape[-1]:]`.
      bad_indices_policy: "IGNORE" passes over an index that is out of range instead of raising an error.

    Raises:
      InvalidArgumentError: an index is out of range, or the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.tensor_scatter_nd_{name}([5, 5, 5], [[0], [2]], [1, 9]).numpy().tolist()
      {result}
    """


def _public(kind: str, done: str, result: list[int], v1: list[str]) -> Callable:
    name = f"tensor_scatter_nd_{kind.lower()}"

    def scatter(
        tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
    ) -> Tensor:
        return _tensor_scatter(kind, tensor, indices, updates, bad_indices_policy, name)

    scatter.__name__ = scatter.__qualname__ = name
    scatter.__doc__ = _DOC.format(done=done, name=kind.lower(), result=result)
    return export(name, v1=[name, *v1])(scatter)


tensor_scatter_nd_add = _public("Add", "added to", [6, 5, 14], ["tensor_scatter_add"])
tensor_scatter_nd_sub = _public("Sub", "subtracted from", [4, 5, -4], ["tensor_scatter_sub"])
tensor_scatter_nd_min = _public("Min", "replaced where the update is smaller", [1, 5, 5], [])
tensor_scatter_nd_max = _public("Max", "replaced where the update is larger", [5, 5, 9], [])
