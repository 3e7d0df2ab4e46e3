"""What is known of a tensor's value before anything runs.

Shape rules ask `constant_value` and `constant_shape` while graphs are built; kernels ask `static` for arguments that
must be known to compile (shapes, axes, sizes).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.xla import is_loaded, jax
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

_UNKNOWN = object()
_LARGEST_FOLDED = 4096  # elements; shape arithmetic is small, and data should not be computed at build time


class NotStaticError(Exception):
    """A kernel needs the value of an argument that is only known when the program runs.

    The executor answers by running the op on the host, between compiled pieces.
    """

    def __init__(self, value: Any):
        super().__init__("the value is only known when the program runs")
        self.value = value


def is_static(value: Any) -> bool:
    """True where a kernel's argument is a known value rather than a traced one."""
    return isinstance(value, (np.ndarray, np.generic, int, float, bool))


def static(value: Any) -> np.ndarray:
    """The known value of a kernel's argument.

    Raises:
      NotStaticError: the value is being traced.
    """
    if is_static(value) or _is_computed(value):
        return np.asarray(value)
    raise NotStaticError(value)


def _is_computed(value: Any) -> bool:
    """Whether a value is an array of JAX's that is there: what eager kernels get beside an accelerator."""
    return is_loaded() and isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)


def static_ints(value: Any) -> tuple[int, ...]:
    """The known integers in a kernel's shape, axes or sizes argument (a scalar counts as a vector of one).

    Raises:
      NotStaticError: the value is being traced.
      ValueError: it holds no integers, or is no scalar or vector.
    """
    if type(value) is not np.ndarray:
        value = static(value)
    if value.ndim > 1:
        raise ValueError(f"expected a vector of integers, got one of shape {list(value.shape)}")
    if value.dtype.kind not in "iu":
        raise ValueError(f"expected integers, got {value.dtype}")
    return tuple(value.reshape(-1).tolist())


def static_int(value: Any) -> int:
    """The known integer in a kernel's scalar argument; errors as `static_ints`."""
    found = static_ints(value)
    if len(found) != 1:
        raise ValueError(f"expected one integer, got {len(found)}")
    return found[0]


def constant_value(tensor: Any) -> Any:
    """The value of `tensor`, as a NumPy array or scalar, if it can be computed without running the graph, else None."""
    if isinstance(tensor, EagerTensor):
        value = tensor.host()
        return value if isinstance(value, np.generic) else np.asarray(value)
    if not isinstance(tensor, SymbolicTensor):
        return np.asarray(tensor) if not isinstance(tensor, Tensor) and tensor is not None else None
    if tensor._constant is None:
        tensor._constant = _UNKNOWN  # also ends recursion
        value = _fold(tensor)
        if value is not None:
            tensor._constant = value
    return None if tensor._constant is _UNKNOWN else tensor._constant


_FROM_PARTIAL = frozenset({"StridedSlice", "Slice", "GatherV2", "Prod"})


def _fold(tensor: SymbolicTensor) -> np.ndarray | None:
    op = tensor.op
    if op.type == "Const":
        return op.attrs["value"]
    if op.type in ("Shape", "Size"):
        shape = op.inputs[0].shape
        if not shape.is_fully_defined():
            return None
        out = op.attrs["out_type"].as_numpy_dtype
        return np.array(shape.as_list(), out) if op.type == "Shape" else np.array(shape.num_elements(), out)
    if op.type == "Rank":
        rank = op.inputs[0].shape.rank
        return None if rank is None else np.array(rank, np.int32)
    if (
        op.type in _FROM_PARTIAL
        and tensor.dtype.is_integer
        and (entries := constant_entries(tensor)) is not None
    ):
        if None not in entries:  # a known part of a partly known shape
            return np.array(entries, tensor.dtype.np_dtype).reshape([] if tensor.shape.rank == 0 else [-1])
    definition = op.definition
    if definition.stateful or definition.numpy_body is None or definition.nested or not op.inputs:
        return None
    if tensor.shape.rank is None or (tensor.shape.num_elements() or _LARGEST_FOLDED + 1) > _LARGEST_FOLDED:
        if tensor.shape.num_elements() != 0:
            return None
    values = []
    for each in op.inputs:
        value = constant_value(each)
        if value is None or value.dtype == object or value.size > _LARGEST_FOLDED:
            return None
        values.append(value)
    try:
        results = definition.numpy_body(
            *definition.group(values, op.attrs), **definition.attrs_for_kernel(op.attrs)
        )
    except Exception:  # a bad program fails when it runs, with the op's own message
        return None
    result = results if definition.signature.single_output else results[tensor.value_index]
    return np.asarray(result)


def constant_shape(tensor: Any) -> TensorShape:
    """The shape that the integer vector `tensor` stands for; entries that are not known, or -1, become None."""
    value = constant_value(tensor)
    if value is not None:
        if value.ndim == 0:
            return TensorShape(None)
        return TensorShape([None if dim < 0 else int(dim) for dim in value])
    entries = constant_entries(tensor)
    if entries is None:
        return TensorShape(None)
    return TensorShape([None if dim is None or dim < 0 else dim for dim in entries])


def constant_entries(tensor: Any) -> list[int | None] | None:
    """The entries of an integer vector (None for the unknown ones), or None where not even the length is known.

    A scalar counts as a vector of one.
    """
    value = constant_value(tensor)
    if value is not None:
        return [int(entry) for entry in np.atleast_1d(value)] if value.ndim < 2 else None
    if tensor.shape.rank not in (0, 1):
        return None
    op = tensor.op
    rule = _ENTRIES.get(op.type)
    entries = rule(op) if rule is not None else None
    if entries is not None:
        return entries
    length = 1 if tensor.shape.rank == 0 else tensor.shape[0]
    return None if length is None else [None] * length


def _shape_entries(op: Any) -> list[int | None] | None:
    shape = op.inputs[0].shape
    return None if shape.rank is None else shape.as_list()


def _pack_entries(op: Any) -> list[int | None] | None:
    entries = [constant_entries(each) for each in op.inputs]
    return [each[0] if each is not None and len(each) == 1 else None for each in entries]


def _concat_entries(op: Any) -> list[int | None] | None:
    parts = [constant_entries(each) for each in op.inputs[:-1]]
    if any(part is None for part in parts):
        return None
    return [entry for part in parts for entry in part]


def _strided_slice_entries(op: Any) -> list[int | None] | None:
    if op.attrs["ellipsis_mask"] or op.attrs["new_axis_mask"]:
        return None
    whole = constant_entries(op.inputs[0])
    bounds = [constant_value(each) for each in op.inputs[1:4]]
    if whole is None or any(each is None or each.size != 1 for each in bounds):
        return None
    begin, end, stride = (int(each[0]) for each in bounds)
    if op.attrs["shrink_axis_mask"]:
        return [whole[begin]] if -len(whole) <= begin < len(whole) else None
    return whole[None if op.attrs["begin_mask"] else begin : None if op.attrs["end_mask"] else end : stride]


def _slice_entries(op: Any) -> list[int | None] | None:
    whole = constant_entries(op.inputs[0])
    bounds = [constant_value(each) for each in op.inputs[1:3]]
    if whole is None or any(each is None or each.size != 1 for each in bounds):
        return None
    begin, size = (int(each[0]) for each in bounds)
    return whole[begin:] if size < 0 else whole[begin : begin + size]


def _gather_entries(op: Any) -> list[int | None] | None:
    whole, indices = constant_entries(op.inputs[0]), constant_value(op.inputs[1])
    if whole is None or indices is None or op.inputs[0].shape.rank != 1:
        return None
    return [whole[index] if 0 <= index < len(whole) else None for index in indices.reshape(-1).tolist()]


def _prod_entries(op: Any) -> list[int | None] | None:
    whole = constant_entries(op.inputs[0])
    if whole is None or None in whole:
        return [0] if whole and 0 in whole else None
    return [math.prod(whole)]


def _arithmetic_entries(op: Any) -> list[int | None] | None:
    left, right = constant_entries(op.inputs[0]), constant_entries(op.inputs[1])
    if left is None or right is None:
        return None
    size = len(right) if len(left) == 1 else len(left)
    left, right = (each * size if len(each) == 1 else each for each in (left, right))
    if len(left) != len(right):
        return None
    compute = _SCALAR_ARITHMETIC[op.type]
    return [None if a is None or b is None else compute(a, b) for a, b in zip(left, right, strict=True)]


def _same_entries(op: Any) -> list[int | None] | None:
    return constant_entries(op.inputs[0])


_SCALAR_ARITHMETIC = {
    "AddV2": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "FloorDiv": lambda a, b: a // b if b else None,
    "Maximum": max,
    "Minimum": min,
}


# How the entries of an op's output follow from those of its inputs (rank 0 or 1, integers).
_ENTRIES = {
    "Shape": _shape_entries,
    "Pack": _pack_entries,
    "ConcatV2": _concat_entries,
    "StridedSlice": _strided_slice_entries,
    "Slice": _slice_entries,
    "GatherV2": _gather_entries,
    "Prod": _prod_entries,
    **dict.fromkeys(("Cast", "Identity", "StopGradient", "Reshape", "ExpandDims", "Squeeze"), _same_entries),
    **dict.fromkeys(_SCALAR_ARITHMETIC, _arithmetic_entries),
}


Tensor._as_shape = (
    constant_shape  # for composites, which hold shapes as tensors; types know nothing of values
)
