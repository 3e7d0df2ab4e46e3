"""Ops that update rows, elements and slices of variables.

NumPy bodies update what the state says is `writable()`: a copy, but for states that nobody else reads. XLA updates in
place when the buffer is donated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.definition import REGISTRY, op
from penstock.engine.index_range import PLACES, ROWS
from penstock.engine.shape_rules import no_outputs
from penstock.ops.variables.resource_variable_ops import on_state

# How an op combines old and new elements: suffix of the op type -> (NumPy function, method of JAX's `.at[]`).
# NumPy's function is None where new elements replace old ones.
_COMBINE: dict[str, tuple[Any, str]] = {
    "Update": (None, "set"),
    "Add": (np.add, "add"),
    "Sub": (np.subtract, "subtract"),
    "Mul": (np.multiply, "multiply"),
    "Div": (np.divide, "divide"),
    "Min": (np.minimum, "min"),
    "Max": (np.maximum, "max"),
}


def combine_at(xp: Any, value: Any, index: Any, updates: Any, how: str) -> Any:
    """`value` with `updates` combined into `value[index]`; an index that comes several times combines each time.

    An array of NumPy is changed in place.
    """
    function, method = _COMBINE[how]
    if xp is not np:
        # As in TensorFlow's own XLA kernels, updates outside the array are dropped.
        return getattr(value.at[index], method)(updates, mode="drop", wrap_negative_indices=False)
    if function is None:
        value[index] = updates
    elif function is np.divide and value.dtype.kind in "iu":
        np.floor_divide.at(value, index, updates)
    else:
        function.at(value, index, updates)
    return value


def _scatter(how: str) -> None:
    @on_state(
        op(
            f"ResourceScatter{how}(resource: resource, indices: Tindices, updates: dtype) -> ()",
            shape=no_outputs,
            writes=True,
            index_range=ROWS,
        )
    )
    def _(xp: Any, value: Any, handle: Any, indices: Any, updates: Any) -> None:
        if np.ndim(updates) and np.shape(updates) != (*np.shape(indices), *np.shape(value)[1:]):
            raise ValueError(
                "updates.shape must be indices.shape + params.shape[1:], or a scalar: got updates.shape "
                f"{list(np.shape(updates))}, indices.shape {list(np.shape(indices))}, params.shape "
                f"{list(np.shape(value))}"
            )
        if xp is np:
            ROWS.require(np.asarray(indices), np.shape(value)[:1])
        handle.assign(combine_at(xp, handle.writable() if xp is np else value, indices, updates, how))


for _how in _COMBINE:
    _scatter(_how)


def _scatter_nd(how: str) -> None:
    @on_state(
        op(
            f"ResourceScatterNd{how}(ref: resource, indices: Tindices, updates: T; use_locking=True,"
            " bad_indices_policy='') -> ()",
            shape=no_outputs,
            writes=True,
            index_range=PLACES,
        )
    )
    def _(xp: Any, value: Any, handle: Any, indices: Any, updates: Any, **_: Any) -> None:
        depth = np.shape(indices)[-1]
        expected = (*np.shape(indices)[:-1], *np.shape(value)[depth:])
        if np.shape(updates) != expected:
            raise ValueError(
                f"updates must have shape {list(expected)}, that of indices {list(np.shape(indices))} without its last "
                f"dimension and of the {list(np.shape(value))} variable's slices; got {list(np.shape(updates))}"
            )
        if xp is np:
            PLACES.require(indices, np.shape(value)[:depth])
        columns = tuple(indices[..., axis] for axis in range(depth))
        handle.assign(combine_at(xp, handle.writable() if xp is np else value, columns, updates, how))


for _how in ("Update", "Add", "Sub", "Min", "Max"):
    _scatter_nd(_how)


@on_state(
    op(
        "ResourceStridedSliceAssign(ref: resource, begin: Index, end: Index, strides: Index, value: T; begin_mask=0,"
        " end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0) -> ()",
        shape=no_outputs,
        writes=True,
    )
)
def _(xp: Any, value: Any, handle: Any, *bounds_and_new: Any, **masks: int) -> None:
    update = REGISTRY["TensorStridedSliceUpdate"]
    handle.assign((update.numpy_body if xp is np else update.xla_body)(value, *bounds_and_new, **masks))
