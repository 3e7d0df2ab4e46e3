"""Ops of two numbers: sums, products, quotients, powers, the larger and the smaller; their broadcasting gradients.

The public functions over them, and the division variants that choose an op by dtype, are in `arithmetic_functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import NEVER_LARGE, OpDef, op, stops
from penstock.engine.execute import execute
from penstock.engine.shape_rules import broadcast, merged
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.dtype_sets import COMPLEX, FLOATS, INEXACT, NUMBERS, REAL, SIGNED
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def conj(x: Tensor) -> Tensor:
    """The complex conjugate; a real tensor is its own."""
    return execute("Conj", (x,)) if x._dtype.is_complex else x


def binary_gradient(
    partials: Callable[[Tensor, Tensor, Tensor, Tensor], tuple],
) -> Callable[[Any, Tensor], list]:
    """A gradient rule from `partials(x, y, z, dz)`: both gradients in the broadcast shape (None: no gradient)."""

    def rule(call: Any, dz: Tensor) -> list[Tensor | None]:
        x, y = call.inputs
        return sum_to_operands(x, y, *partials(x, y, call.outputs[0], dz))

    return rule


def zeros_like(x: Tensor) -> Tensor:
    """Zeros with the shape and dtype of `x`."""
    return execute("ZerosLike", (x,))


def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`x` where `condition` holds, else `y`; all three broadcast."""
    return execute("SelectV2", (condition, x, y))


# Kernels that need more than a function of the array namespace.


def _add_strings(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind == "O":
        return np.asarray(np.add(x, y), object)  # of two scalars NumPy makes plain bytes
    return xp.add(x, y)


def _is_integer(x: Any) -> bool:
    return x.dtype.kind in "iu"


def _refuse_zero(xp: Any, y: Any) -> None:
    """Integer division by zero is an error where the values are at hand; XLA defines a result instead."""
    if xp is np and not np.all(y):
        raise ValueError("Integer division by zero")


def _real_divide(xp: Any, x: Any, y: Any) -> Any:
    return _truncate_divide(xp, x, y) if _is_integer(x) else xp.divide(x, y)


def _floor_divide(xp: Any, x: Any, y: Any) -> Any:
    if _is_integer(x):
        _refuse_zero(xp, y)
        return xp.floor_divide(x, y)
    return xp.floor(xp.divide(x, y))


def _truncate_divide(xp: Any, x: Any, y: Any) -> Any:
    if not _is_integer(x):
        return xp.trunc(xp.divide(x, y))
    _refuse_zero(xp, y)
    quotient = xp.floor_divide(x, y)
    if x.dtype.kind == "u":
        return quotient
    inexact = xp.not_equal(quotient * y, x)
    return quotient + (inexact & ((x < 0) != (y < 0))).astype(quotient.dtype)


def _floor_mod(xp: Any, x: Any, y: Any) -> Any:
    if _is_integer(x):
        _refuse_zero(xp, y)
    return xp.mod(x, y)


def _truncate_mod(xp: Any, x: Any, y: Any) -> Any:
    if _is_integer(x):
        _refuse_zero(xp, y)
    return xp.fmod(x, y)


def _divide_no_nan(xp: Any, x: Any, y: Any) -> Any:
    zero = y == 0
    return xp.where(zero, xp.zeros((), x.dtype), xp.divide(x, xp.where(zero, xp.ones((), y.dtype), y)))


def _multiply_no_nan(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(y == 0, xp.zeros((), x.dtype), xp.multiply(x, y))


def _squared_difference(xp: Any, x: Any, y: Any) -> Any:
    difference = xp.subtract(x, y)
    return difference * xp.conj(difference) if difference.dtype.kind == "c" else difference * difference


def _power(xp: Any, x: Any, y: Any) -> Any:
    if xp is np and y.dtype.kind == "i" and np.any(np.less(y, 0)):
        raise ValueError("Integers to negative integer powers are not allowed")
    return xp.power(x, y)


# Gradients. `x`, `y` are the operands, `z` the result, `dz` its gradient.


def _real_div_partials(x: Tensor, y: Tensor, z: Tensor, dz: Tensor) -> tuple:
    y = conj(y)
    return dz / y, -dz * (conj(x) / y / y)


def _no_nan_div_partials(x: Tensor, y: Tensor, z: Tensor, dz: Tensor) -> tuple:
    def divide(a: Tensor, b: Tensor) -> Tensor:
        return execute("DivNoNan", (a, b))

    y = conj(y)
    return divide(dz, y), dz * divide(divide(-conj(x), y), y)


def _power_partials(x: Tensor, y: Tensor, z: Tensor, dz: Tensor) -> tuple:
    x, y, z = conj(x), conj(y), conj(z)
    base = execute("NotEqual", (x, zeros_like(x))) if x._dtype.is_complex else x > 0
    logarithm = where(base, execute("Log", (where(base, x, execute("OnesLike", (x,))),)), zeros_like(x))
    return dz * y * execute("Pow", (x, y - 1)), dz * z * logarithm


def _chosen_partials(comparison: str) -> Callable:
    def partials(x: Tensor, y: Tensor, z: Tensor, dz: Tensor) -> tuple:
        first = execute(comparison, (x, y))
        zeros = zeros_like(dz)
        return where(first, dz, zeros), where(first, zeros, dz)

    return partials


def _no_nan_product_partials(x: Tensor, y: Tensor, z: Tensor, dz: Tensor) -> tuple:
    return execute("MulNoNan", (dz, conj(y))), execute("MulNoNan", (conj(x), dz))


def _squared_difference_partials(x: Tensor, y: Tensor, z: Tensor, dz: Tensor) -> tuple:
    # z is real: only the real part of its gradient counts (2 Re dz = dz + conj dz).
    scaled = (dz + conj(dz)) * (x - y)
    return scaled, -scaled


_DIVIDED = _real_div_partials
_STRING = frozenset({dtypes.string})

# Op type, kernel, partial derivatives as `f(x, y, z, dz)` (None: no gradient), dtypes.
_BINARY: tuple[tuple[str, Callable, Callable | None, frozenset], ...] = (
    ("Add", _add_strings, lambda x, y, z, dz: (dz, dz), NUMBERS | _STRING),
    ("AddV2", lambda xp, x, y: xp.add(x, y), lambda x, y, z, dz: (dz, dz), NUMBERS),
    ("Sub", lambda xp, x, y: xp.subtract(x, y), lambda x, y, z, dz: (dz, -dz), NUMBERS),
    ("Mul", lambda xp, x, y: xp.multiply(x, y), lambda x, y, z, dz: (dz * conj(y), conj(x) * dz), NUMBERS),
    ("MulNoNan", _multiply_no_nan, _no_nan_product_partials, INEXACT),
    ("RealDiv", _real_divide, _DIVIDED, NUMBERS),
    ("Div", _real_divide, _DIVIDED, NUMBERS),
    ("DivNoNan", _divide_no_nan, _no_nan_div_partials, INEXACT),
    ("FloorDiv", _floor_divide, None, REAL),
    ("TruncateDiv", _truncate_divide, None, REAL),
    ("FloorMod", _floor_mod, lambda x, y, z, dz: (dz, -dz * execute("FloorDiv", (x, y))), REAL),
    ("Mod", _truncate_mod, None, FLOATS | {dtypes.int32, dtypes.int64}),
    ("TruncateMod", _truncate_mod, lambda x, y, z, dz: (dz, -dz * execute("TruncateDiv", (x, y))),
     FLOATS | {dtypes.int32, dtypes.int64}),
    ("SquaredDifference", _squared_difference, _squared_difference_partials, INEXACT | {dtypes.int32, dtypes.int64}),
    ("Maximum", lambda xp, x, y: xp.maximum(x, y), _chosen_partials("GreaterEqual"), REAL),
    ("Minimum", lambda xp, x, y: xp.minimum(x, y), _chosen_partials("LessEqual"), REAL),
    ("Pow", _power, _power_partials, FLOATS | SIGNED | COMPLEX),
)  # fmt: skip

for _type, _kernel, _partials, _dtypes in _BINARY:
    op(
        f"{_type}(x: T, y: T) -> z: T",
        _kernel,
        shape=broadcast,
        gradient=binary_gradient(_partials) if _partials else stops,
        types={"T": _dtypes},
        large=NEVER_LARGE if _type == "Pow" else None,  # XLA calls the C library, number by number
    )


# Sums of many tensors of one shape.


def _sum_all(xp: Any, inputs: list, shape: Any = None) -> Any:
    if xp is np:
        for index, each in enumerate(inputs):
            if np.shape(each) != np.shape(inputs[0]):
                raise ValueError(
                    "Inputs to operation AddN must have the same size and shape: "
                    f"input 0 is {list(np.shape(inputs[0]))}, input {index} is {list(np.shape(each))}"
                )
    total = inputs[0]
    for each in inputs[1:]:
        total = total + each
    return total


def _sum_all_gradient(call: Any, dy: Tensor) -> list[Tensor]:
    return [dy] * len(call.inputs)


add_n_op: OpDef = op(
    "AddN(inputs: N*T) -> sum: T", _sum_all, shape=merged, gradient=_sum_all_gradient, types={"T": NUMBERS}
)
op(
    "AccumulateNV2(inputs: N*T; shape) -> sum: T",
    _sum_all,
    shape=merged,
    gradient=_sum_all_gradient,
    types={"T": NUMBERS},
)
