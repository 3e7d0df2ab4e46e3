"""Ops on variables: make a handle, read, assign, count, gather.

A handle is a resource tensor that holds an `engine.resources.State`. Kernels only call its `read()` and `assign()`,
so the same body runs eagerly and, on a traced stand-in, inside a compiled program. Updates of single rows and
slices are in `variables.resource_scatter_ops`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import OpDef, op
from penstock.engine.execute import execute
from penstock.engine.index_range import PLACES, ROWS
from penstock.engine.resources import HandleData, State
from penstock.engine.shape_rules import ShapeCall, no_outputs, scalar
from penstock.engine.sharding import ShardedState, copied
from penstock.engine.xla import jnp
from penstock.types import dtypes, errors
from penstock.types.dtypes import as_dtype
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor


def handle_data(handle: Any) -> HandleData | None:
    """What is known of the value behind a handle; None where it comes from an unknown place."""
    if isinstance(handle, EagerTensor):
        return getattr(handle.host(), "handle_data", None)
    if handle.handle_data is None:
        operation = handle.op
        if operation.type == "VarHandleOp":
            handle.handle_data = HandleData(
                TensorShape(operation.attrs["shape"]), as_dtype(operation.attrs["dtype"])
            )
        elif operation.type == "Identity":
            handle.handle_data = handle_data(operation.inputs[0])
    return handle.handle_data


def value_shape(handle: Any) -> TensorShape:
    """The shape of the value behind a handle, as far as it is known."""
    data = handle_data(handle)
    return TensorShape(None) if data is None else data.shape


def in_place(value: Any) -> Any:
    """An array as eager kernels on state want it: on the host, unless data lives on an accelerator."""
    if isinstance(value, np.ndarray) or process.accelerator:
        return value
    return np.asarray(value)


def unshared(value: Any) -> Any:
    """`value` as something that a state and a program may both keep.

    Compiled programs write into the buffers of states. A NumPy view keeps JAX from doing that; on an accelerator a
    copy is needed.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return value
    return copied(value) if process.accelerator else np.asarray(value)


def on_state(definition: OpDef) -> Callable[[Callable], OpDef]:
    """Decorates `body(xp, value, handle, *inputs, **attrs)`, the kernel of an op whose first input is a handle."""

    def attach(body: Callable) -> OpDef:
        def eager(handle: Any, *inputs: Any, **attrs: Any) -> Any:
            if handle.elsewhere is not None:
                return handle.elsewhere(definition.type, (handle, *inputs), attrs)
            with process.state_lock:
                value = in_place(handle.read())
                xp = np if isinstance(value, np.ndarray) else jnp
                return body(xp, value, handle, *(in_place(each) for each in inputs), **attrs)

        definition.numpy(eager)
        definition.xla(lambda handle, *inputs, **attrs: body(jnp, handle.read(), handle, *inputs, **attrs))
        return definition

    return attach


# Handles.


def _find_state(*, container: str, shared_name: str, dtype: Any, shape: Any, **_: Any) -> State:
    """The state of a variable of a graph: that of the session's container, or a new one where none is running."""
    resources = thread.resources
    key = f"{container}/{shared_name}" if container else shared_name
    found = None if resources is None else resources.get(key)
    if found is None:
        found = State(None, shared_name, TensorShape(shape), as_dtype(dtype))
        if resources is not None and shared_name:
            resources[key] = found
    return found


op(
    "VarHandleOp(; container='', shared_name='', debug_name='', dtype, shape, allowed_devices=[])"
    " -> resource: resource",
    numpy=_find_state,
    shape=scalar,
    gradient=lambda op, dy: [],
    stateful=True,
)

op(
    "VarIsInitializedOp(resource: resource) -> is_initialized: bool",
    numpy=lambda handle: np.bool_(handle.is_initialized),
    shape=scalar,
    stateful=True,
)

op(
    "DestroyResourceOp(resource: resource; ignore_lookup_error=True) -> ()",
    numpy=lambda handle, *, ignore_lookup_error: handle.assign(None),
    shape=no_outputs,
    writes=True,
)

# Reading.


def _read(handle: Any, *, dtype: Any) -> Any:
    value = handle.read()
    if isinstance(value, np.ndarray):
        return value
    with process.state_lock:  # no program may take the buffer before there is a view of it
        return copied(handle.read()) if isinstance(handle, ShardedState) else unshared(handle.read())


op(
    "ReadVariableOp(resource: resource; dtype) -> value: dtype",
    numpy=_read,
    xla=lambda handle, *, dtype: handle.read(),
    shape=lambda call: value_shape(call.inputs[0]),
    gradient=lambda op, dy: [dy],
    stateful=True,
)

_shape_of_value = lambda handle, *, out_type: np.array(np.shape(handle.read()), out_type.as_numpy_dtype)  # noqa: E731

op(
    "VariableShape(input: resource; out_type=int32) -> output: out_type",
    numpy=_shape_of_value,
    xla=_shape_of_value,
    shape=lambda call: TensorShape([value_shape(call.inputs[0]).rank]),
    stateful=True,
)


def shape_tensor(handle: Any, out_type: Any = dtypes.int32) -> Tensor:
    """The shape of the value behind a handle as a vector: a constant where it is known."""
    shape = value_shape(handle)
    if shape.is_fully_defined():
        return convert_to_tensor(shape.as_list(), out_type)
    return execute("VariableShape", (handle,), {"out_type": out_type})


# Assigning.


def _check_shape(handle: Any, value: Any, validate_shape: bool) -> None:
    if validate_shape and not handle.handle_data.shape.is_compatible_with(np.shape(value)):
        raise ValueError(
            f"Assign requires shapes of both tensors to match: the variable {handle.name!r} is "
            f"{handle.handle_data.shape}, the value {list(np.shape(value))}"
        )


_assign_op = op(
    "AssignVariableOp(resource: resource, value: dtype; validate_shape=False) -> ()",
    shape=no_outputs,
    writes=True,
)


@_assign_op.numpy
def _(handle: Any, value: Any, *, validate_shape: bool) -> None:
    _check_shape(handle, value, validate_shape)
    if handle.elsewhere is not None and not isinstance(handle, ShardedState):
        handle.assign(value)  # elsewhere another lock is taken
        return
    value = value if isinstance(handle, ShardedState) else unshared(value)
    with process.state_lock:
        handle.assign(value)


@_assign_op.xla
def _(handle: Any, value: Any, *, validate_shape: bool) -> None:
    _check_shape(handle, value, validate_shape)
    handle.assign(value)


def _update(op_type: str, combine: Callable) -> None:
    """Defines an op that combines the value with another of the same shape."""

    @on_state(op(f"{op_type}(resource: resource, value: dtype) -> ()", shape=no_outputs, writes=True))
    def _(xp: Any, value: Any, handle: Any, delta: Any) -> None:
        if value.shape != delta.shape:
            raise ValueError(
                f"Cannot update variable with shape {list(value.shape)} using a Tensor with shape {list(delta.shape)}, "
                "shapes must be equal."
            )
        handle.assign(combine(value, delta))


_update("AssignAddVariableOp", lambda value, delta: value + delta)
_update("AssignSubVariableOp", lambda value, delta: value - delta)


def _count_up_to(handle: Any, *, limit: int, **attrs: Any) -> Any:
    if handle.elsewhere is not None:
        return handle.elsewhere("ResourceCountUpTo", (handle,), {"limit": limit, **attrs})
    with process.state_lock:  # threads that fill a queue count together
        value = np.asarray(handle.read())
        if value >= limit:
            raise errors.OutOfRangeError(None, None, f"Reached limit of {limit}")
        handle.assign(value + np.asarray(1, value.dtype))
    return value


op(
    "ResourceCountUpTo(resource: resource; limit, T) -> output: T",
    numpy=_count_up_to,
    shape=scalar,
    writes=True,
)

# Gathering rows.


def gather_rows(xp: Any, value: Any, indices: Any, batch_dims: int = 0) -> Any:
    """`value[..., indices, ...]` over the first axis after `batch_dims` axes that indices and value share."""
    if xp is np:
        ROWS.require(np.asarray(indices), (np.shape(value)[batch_dims],))
    if not batch_dims:
        return value[indices] if xp is np else xp.take(value, indices, axis=0, mode="clip")
    grids = []
    for axis in range(batch_dims):
        shape = [1] * np.ndim(indices)
        shape[axis] = -1
        grids.append(np.arange(np.shape(indices)[axis]).reshape(shape))
    return value[(*grids, indices)]


def _gather_gradient(call: Any, dy: Any) -> list[Any]:
    handle, indices = call.inputs
    shape = shape_tensor(handle)
    rank = value_shape(handle).rank
    flat_indices = _reshape(indices, [-1])
    if rank is not None and value_shape(handle)[1:].is_fully_defined():
        values_shape = convert_to_tensor([-1, *value_shape(handle).as_list()[1:]], dtypes.int32)
    else:
        values_shape = execute("ConcatV2", ([_int32([-1]), _after_first(shape)], _int32(0)))
    return [IndexedSlices(execute("Reshape", (dy, values_shape)), flat_indices, shape), None]


def _int32(value: Any) -> Tensor:
    return convert_to_tensor(value, dtypes.int32)


def _reshape(x: Any, shape: list[int]) -> Tensor:
    return execute("Reshape", (x, _int32(shape)))


def _after_first(vector: Any) -> Tensor:
    attrs = {"end_mask": 1, "begin_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
    return execute("StridedSlice", (vector, _int32([1]), _int32([0]), _int32([1])), attrs)


def _gather_shape(call: ShapeCall) -> TensorShape:
    batch = call.attrs["batch_dims"]
    return call.shape(1).concatenate(value_shape(call.inputs[0])[batch + 1 :])


@on_state(
    op(
        "ResourceGather(resource: resource, indices: Tindices; batch_dims=0, validate_indices=True, dtype)"
        " -> output: dtype",
        shape=_gather_shape,
        gradient=_gather_gradient,
        stateful=True,
        index_range=ROWS,
    )
)
def _(xp: Any, value: Any, handle: Any, indices: Any, *, batch_dims: int, **_: Any) -> Any:
    return gather_rows(xp, value, indices, batch_dims)


def _gather_nd_gradient(call: Any, dy: Any) -> list[Any]:
    handle, indices = call.inputs
    shape = shape_tensor(handle, indices.dtype)
    if indices.shape.rank is not None and indices.shape[-1] == 1:
        return [IndexedSlices(dy, execute("Squeeze", (indices,), {"squeeze_dims": [-1]}), shape), None]
    return [execute("ScatterNd", (indices, dy, shape)), None]


def _gather_nd_shape(call: ShapeCall) -> TensorShape:
    indices, params = call.shape(1), value_shape(call.inputs[0])
    if indices.rank is None or params.rank is None or indices[-1] is None:
        return TensorShape(None)
    if indices[-1] > params.rank:
        raise call.error(f"indices.shape[-1] must be <= params.rank, but saw {indices[-1]} and {params.rank}")
    return indices[:-1].concatenate(params[indices[-1] :])


@on_state(
    op(
        "ResourceGatherNd(resource: resource, indices: Tindices; dtype) -> output: dtype",
        shape=_gather_nd_shape,
        gradient=_gather_nd_gradient,
        stateful=True,
        index_range=PLACES,
    )
)
def _(xp: Any, value: Any, handle: Any, indices: Any, *, dtype: Any) -> Any:
    columns = tuple(indices[..., axis] for axis in range(np.shape(indices)[-1]))
    if not columns:
        return xp.broadcast_to(value, (*np.shape(indices)[:-1], *np.shape(value)))
    if xp is np:
        PLACES.require(indices, np.shape(value)[: indices.shape[-1]])
    return value[columns]
