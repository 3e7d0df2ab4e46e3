"""Ops that answer yes or no: comparisons, logic, tests for NaN and infinity, and tests of order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, broadcast, merged, unchanged
from penstock.ops.arguments import matching
from penstock.ops.dtype_sets import FLOATS, NUMBERS, REAL
from penstock.ops.op_functions import binary_function, unary_function
from penstock.types import dtypes
from penstock.types.errors import ShapeError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# Order, logic and floating-point classes: op type, arguments, kernel, dtypes.
_TESTS: tuple[tuple[str, str, Callable, frozenset | None], ...] = (
    ("Less", "x: T, y: T", lambda xp, x, y: xp.less(x, y), REAL),
    ("LessEqual", "x: T, y: T", lambda xp, x, y: xp.less_equal(x, y), REAL),
    ("Greater", "x: T, y: T", lambda xp, x, y: xp.greater(x, y), REAL),
    ("GreaterEqual", "x: T, y: T", lambda xp, x, y: xp.greater_equal(x, y), REAL),
    ("LogicalAnd", "x: bool, y: bool", lambda xp, x, y: xp.logical_and(x, y), None),
    ("LogicalOr", "x: bool, y: bool", lambda xp, x, y: xp.logical_or(x, y), None),
    ("LogicalNot", "x: bool", lambda xp, x: xp.logical_not(x), None),
    ("IsNan", "x: T", lambda xp, x: xp.isnan(x), FLOATS),
    ("IsInf", "x: T", lambda xp, x: xp.isinf(x), FLOATS),
    ("IsFinite", "x: T", lambda xp, x: xp.isfinite(x), FLOATS),
)

for _type, _arguments, _kernel, _dtypes in _TESTS:
    _two = "," in _arguments
    op(
        f"{_type}({_arguments}) -> {'z' if _two else 'y'}: bool",
        _kernel,
        shape=broadcast if _two else unchanged,
        gradient=stops,
        types={"T": _dtypes} if _dtypes else None,
    )


# Equality compares any dtype, and may be asked to answer for shapes that do not fit.


def _equality_shape(call: ShapeCall) -> TensorShape:
    if call.attrs["incompatible_shape_error"]:
        return broadcast(call)
    try:
        shape = broadcast(call)
    except ShapeError:
        return TensorShape([])
    x, y = call.shape(0)._dims, call.shape(1)._dims
    if x is None or y is None:
        return TensorShape(None)
    # An unknown size that faces a known one may turn out not to fit: then the answer is a scalar.
    pairs = zip(reversed(x), reversed(y), strict=False)
    doubtful = any((a is None) != (b is None) and 1 not in (a, b) for a, b in pairs)
    return TensorShape(None) if doubtful else shape


def _equality_kernel(compare: str, unequal_shapes: bool) -> Callable:
    def kernel(xp: Any, x: Any, y: Any, *, incompatible_shape_error: bool) -> Any:
        if not incompatible_shape_error and np.shape(x) != np.shape(y):
            try:
                np.broadcast_shapes(np.shape(x), np.shape(y))
            except ValueError:
                return np.asarray(unequal_shapes)
        return getattr(xp, compare)(x, y)

    return kernel


for _type, _compare, _unequal in (("Equal", "equal", False), ("NotEqual", "not_equal", True)):
    op(
        f"{_type}(x: T, y: T; incompatible_shape_error=True) -> z: bool",
        _equality_kernel(_compare, _unequal),
        shape=_equality_shape,
        gradient=stops,
    )

op(
    "ApproximateEqual(x: T, y: T; tolerance=1e-5) -> z: bool",
    lambda xp, x, y, tolerance: xp.abs(xp.subtract(x, y)).astype(np.float64) < tolerance,
    shape=merged,
    gradient=stops,
    types={"T": NUMBERS},
)

_X, _Y = "[1, 2, 3]", "[3, 2, 1]"

less = binary_function(
    "Less", "math.less less", "x < y, elementwise.", (f"{_X}, {_Y}", "[ True False False]")
)
less_equal = binary_function(
    "LessEqual", "math.less_equal less_equal", "x <= y, elementwise.", (f"{_X}, {_Y}", "[ True  True False]")
)
greater = binary_function(
    "Greater", "math.greater greater", "x > y, elementwise.", (f"{_X}, {_Y}", "[False False  True]")
)
greater_equal = binary_function(
    "GreaterEqual",
    "math.greater_equal greater_equal",
    "x >= y, elementwise.",
    (f"{_X}, {_Y}", "[False  True  True]"),
)
equal = binary_function(
    "Equal", "math.equal equal", "x == y, elementwise.", (f"{_X}, {_Y}", "[False  True False]")
)
not_equal = binary_function(
    "NotEqual", "math.not_equal not_equal", "x != y, elementwise.", (f"{_X}, {_Y}", "[ True False  True]")
)
is_nan = unary_function(
    "IsNan",
    "math.is_nan",
    "Whether each element is NaN.",
    ("[1.0, float('nan')]", "[False  True]"),
    v1=["math.is_nan", "is_nan", "debugging.is_nan"],
)
is_inf = unary_function(
    "IsInf",
    "math.is_inf",
    "Whether each element is infinite.",
    ("[1.0, float('inf')]", "[False  True]"),
    v1=["math.is_inf", "is_inf", "debugging.is_inf"],
)
is_finite = unary_function(
    "IsFinite",
    "math.is_finite",
    "Whether each element is finite.",
    ("[1.0, float('inf')]", "[ True False]"),
    v1=["math.is_finite", "is_finite", "debugging.is_finite"],
)

__test__ = {
    each.__name__: each
    for each in (less, less_equal, greater, greater_equal, equal, not_equal, is_nan, is_inf, is_finite)
}


def _logical(op_type: str, x: Any, y: Any, name: str | None) -> Tensor:
    x, y = matching(x, y, dtype=dtypes.bool)
    return execute(op_type, (x, y), None, name)


@export("math.logical_and", "logical_and")
def logical_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x AND y, elementwise, of bool tensors that broadcast.

    Raises:
      TypeError: an argument is no truth value.

    Example:
      >>> import penstock as tf
      >>> tf.logical_and([True, True], [True, False]).numpy()
      array([ True, False])
    """
    return _logical("LogicalAnd", x, y, name)


@export("math.logical_or", "logical_or")
def logical_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x OR y, elementwise, of bool tensors that broadcast.

    Raises:
      TypeError: an argument is no truth value.

    Example:
      >>> import penstock as tf
      >>> tf.logical_or([False, True], [False, False]).numpy()
      array([False,  True])
    """
    return _logical("LogicalOr", x, y, name)


@export("math.logical_not", "logical_not")
def logical_not(x: Any, name: str | None = None) -> Tensor:
    """NOT x, elementwise, of a bool tensor.

    Raises:
      TypeError: the argument is no truth value.

    Example:
      >>> import penstock as tf
      >>> tf.logical_not([True, False]).numpy()
      array([False,  True])
    """
    return execute(
        "LogicalNot", (convert_to_tensor(x, None if isinstance(x, Tensor) else dtypes.bool),), None, name
    )


@export("math.logical_xor", v1=["math.logical_xor", "logical_xor"])
def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """(x OR y) AND NOT (x AND y), elementwise, of bool tensors that broadcast.

    Example:
      >>> import penstock as tf
      >>> tf.math.logical_xor([True, True], [True, False]).numpy()
      array([False,  True])
    """
    return logical_and(logical_or(x, y), logical_not(logical_and(x, y)), name)


def _steps(x: Any) -> Tensor:
    """Every element of the flattened x minus the one before it."""
    flat = execute("Reshape", (convert_to_tensor(x), convert_to_tensor([-1])))
    one = convert_to_tensor([1])
    length = execute("Size", (flat,), {"out_type": dtypes.int32})
    # Of no elements there are no steps either, so the sizes are kept from being negative.
    count = execute("Reshape", (execute("Maximum", (length - 1, convert_to_tensor(0))), one))
    start = execute("Reshape", (execute("Minimum", (length, convert_to_tensor(1))), one))
    later = execute("Slice", (flat, start, count))
    earlier = execute("Slice", (flat, convert_to_tensor([0]), count))
    return later - earlier


_ORDER_V1 = "debugging.{0} {0} math.{0}"


@export("math.is_non_decreasing", v1=_ORDER_V1.format("is_non_decreasing").split())
def is_non_decreasing(x: Any, name: str | None = None) -> Tensor:
    """Whether each element, in row-major order, is at least the one before it; a scalar bool.

    Example:
      >>> import penstock as tf
      >>> tf.math.is_non_decreasing([1, 1, 3]).numpy()
      np.True_
    """
    steps = _steps(x)
    holds = execute("LessEqual", (execute("ZerosLike", (steps,)), steps))
    return execute("All", (holds, convert_to_tensor([0])), {"keep_dims": False}, name)


@export("math.is_strictly_increasing", v1=_ORDER_V1.format("is_strictly_increasing").split())
def is_strictly_increasing(x: Any, name: str | None = None) -> Tensor:
    """Whether each element, in row-major order, is greater than the one before it; a scalar bool.

    Example:
      >>> import penstock as tf
      >>> tf.math.is_strictly_increasing([1, 1, 3]).numpy()
      np.False_
    """
    steps = _steps(x)
    holds = execute("Less", (execute("ZerosLike", (steps,)), steps))
    return execute("All", (holds, convert_to_tensor([0])), {"keep_dims": False}, name)
