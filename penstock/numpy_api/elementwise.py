"""NumPy's elementwise functions: two tables of rows over TensorFlow's ops, and the few that need a formula."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.numpy_api.arrays import (
    asarray,
    converted,
    documented,
    inexact,
    numpy_function,
    promoted,
    promoted_pair,
)
from penstock.ops.arithmetic_functions import add as added
from penstock.ops.arithmetic_functions import truediv
from penstock.ops.casting import cast
from penstock.ops.clipping import clip_by_value
from penstock.ops.complex_numbers import angle as complex_angle
from penstock.ops.complex_numbers import conj as conjugated
from penstock.ops.complex_numbers import imag as imaginary
from penstock.ops.complex_numbers import real as real_part
from penstock.ops.creation import ones_like, zeros_like
from penstock.ops.elementwise import abs_, call_op, round_
from penstock.ops.reduce_functions import reduce
from penstock.ops.replication import broadcast_to
from penstock.ops.selection import where as choose
from penstock.ops.shapes_of_tensors import broadcast_dynamic_shape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.while_loop import while_loop
from penstock.types import dtypes
from penstock.types.tensors import Tensor

Function = Callable[..., Any]


def _function(row: str | Function) -> Function:
    """A function of tensors: that of an op, or the function itself."""
    return functools.partial(call_op, row) if isinstance(row, str) else row


def _scalar(x: Tensor, number: Any) -> Tensor:
    """A number in the dtype of `x`."""
    return converted(number, x.dtype)


# Functions of one argument.


def _exp2(x: Tensor) -> Tensor:
    return call_op("Pow", _scalar(x, 2), x)


def _cbrt(x: Tensor) -> Tensor:
    root = call_op("Pow", abs_(x), _scalar(x, 1 / 3))
    return choose(x < _scalar(x, 0), -root, root)


def _fix(x: Tensor) -> Tensor:
    return choose(x < _scalar(x, 0), call_op("Ceil", x), call_op("Floor", x))


def _sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0; the division is kept away from 0 so that the gradient stays finite."""
    zero = call_op("Equal", x, _scalar(x, 0))
    angle = choose(zero, ones_like(x), x) * _scalar(x, np.pi)
    return choose(zero, ones_like(x), call_op("Sin", angle) / angle)


def _signbit(x: Tensor) -> Tensor:
    return zeros_like(x) if x.dtype == dtypes.bool else x < _scalar(x, 0)


def _bitwise_not(x: Tensor) -> Tensor:
    return call_op("LogicalNot" if x.dtype == dtypes.bool else "Invert", x)


def _equals(number: float) -> Function:
    def compare(x: Tensor) -> Tensor:
        return call_op("Equal", x, _scalar(x, number))

    return compare


def _scaled(factor: float) -> Function:
    return lambda x: x * _scalar(x, factor)


def _log_of_base(base: float) -> Function:
    return lambda x: call_op("Log", x) / _scalar(x, np.log(base))


_ANY, _INEXACT = asarray, inexact

# NumPy's name -> how the argument is converted (`inexact` makes floats of integers), and the function.
_UNARY: dict[str, tuple[Function, str | Function]] = {
    "abs": (_ANY, abs_), "absolute": (_ANY, abs_), "fabs": (_ANY, abs_),
    "arccos": (_INEXACT, "Acos"), "arccosh": (_INEXACT, "Acosh"),
    "arcsin": (_INEXACT, "Asin"), "arcsinh": (_INEXACT, "Asinh"),
    "arctan": (_INEXACT, "Atan"), "arctanh": (_INEXACT, "Atanh"),
    "bitwise_not": (_ANY, _bitwise_not),
    "cbrt": (_INEXACT, _cbrt), "ceil": (_INEXACT, "Ceil"),
    "conj": (_ANY, conjugated), "conjugate": (_ANY, conjugated),
    "cos": (_INEXACT, "Cos"), "cosh": (_INEXACT, "Cosh"),
    "deg2rad": (_INEXACT, _scaled(np.pi / 180)),
    "exp": (_INEXACT, "Exp"), "exp2": (_INEXACT, _exp2), "expm1": (_INEXACT, "Expm1"),
    "fix": (_INEXACT, _fix), "floor": (_INEXACT, "Floor"),
    "imag": (_ANY, imaginary),
    "isfinite": (_INEXACT, "IsFinite"), "isinf": (_INEXACT, "IsInf"),
    "isnan": (_INEXACT, "IsNan"),
    "isneginf": (_INEXACT, _equals(-np.inf)), "isposinf": (_INEXACT, _equals(np.inf)),
    "log": (_INEXACT, "Log"), "log10": (_INEXACT, _log_of_base(10)),
    "log1p": (_INEXACT, "Log1p"), "log2": (_INEXACT, _log_of_base(2)),
    "negative": (_ANY, "Neg"), "positive": (_ANY, lambda x: x),
    "rad2deg": (_INEXACT, _scaled(180 / np.pi)), "real": (_ANY, real_part),
    "reciprocal": (_ANY, "Reciprocal"), "signbit": (_ANY, _signbit),
    "sin": (_INEXACT, "Sin"), "sinc": (_INEXACT, _sinc), "sinh": (_INEXACT, "Sinh"),
    "sqrt": (_INEXACT, "Sqrt"), "square": (_ANY, "Square"),
    "tan": (_INEXACT, "Tan"), "tanh": (_INEXACT, "Tanh"),
}  # fmt: skip


def _unary(name: str, convert: Function, row: str | Function) -> Function:
    function = _function(row)

    def call(x: Any) -> Tensor:
        return function(convert(x))

    return documented(call, name)


UNARY = {name: _unary(name, *row) for name, row in _UNARY.items()}


# Functions of two arguments.


def _of_bools(function: str | Function, of_bools: str) -> Function:
    """`of_bools` where both arguments are truth values."""

    def call(x1: Tensor, x2: Tensor) -> Tensor:
        return _function(of_bools if x1.dtype == dtypes.bool else function)(x1, x2)

    return call


def _bools_as(dtype: dtypes.DType, function: str | Function) -> Function:
    """Truth values are counted in `dtype`."""

    def call(x1: Tensor, x2: Tensor) -> Tensor:
        if x1.dtype == dtypes.bool:
            x1, x2 = cast(x1, dtype), cast(x2, dtype)
        return _function(function)(x1, x2)

    return call


def _heaviside(x1: Tensor, x2: Tensor) -> Tensor:
    zero, one = _scalar(x1, 0), _scalar(x1, 1)
    return inexact(choose(x1 < zero, zero, choose(x1 > zero, one, x2)))


def _gcd(x1: Tensor, x2: Tensor) -> Tensor:
    """Euclid's algorithm on all elements at once; a divisor of 0 stands for one that is done."""
    if not (x1.dtype.is_integer and x2.dtype.is_integer):
        raise ValueError(f"gcd: arguments must be integers, got {x1.dtype.name} and {x2.dtype.name}")
    shape = broadcast_dynamic_shape(shape_of(x1), shape_of(x2))
    zero, one = _scalar(x1, 0), _scalar(x1, 1)

    def unfinished(_: Tensor, divisor: Tensor) -> Tensor:
        return reduce("Any", call_op("NotEqual", divisor, zero), None, False, None)

    def step(number: Tensor, divisor: Tensor) -> tuple:
        going = call_op("NotEqual", divisor, zero)
        rest = call_op("FloorMod", number, choose(going, divisor, one))
        return choose(going, divisor, number), choose(going, rest, zero)

    start = [abs_(broadcast_to(each, shape)) for each in (x1, x2)]
    return while_loop(unfinished, step, start)[0]


def _lcm(x1: Tensor, x2: Tensor) -> Tensor:
    divisor = _gcd(x1, x2)
    zero = _scalar(x1, 0)
    none = call_op("Equal", divisor, zero)
    safe = choose(none, _scalar(x1, 1), divisor)
    return choose(none, zero, abs_(x1) * call_op("FloorDiv", abs_(x2), safe))


def _hypot(x1: Tensor, x2: Tensor) -> Tensor:
    return call_op("Sqrt", inexact(call_op("Square", x1) + call_op("Square", x2)))


def _log_of_sum(exponential: Function, unit: float) -> Function:
    """log(b ** x1 + b ** x2) in base b, where `exponential` is b ** x and `unit` the natural logarithm of b."""

    def call(x1: Tensor, x2: Tensor) -> Tensor:
        x1, x2 = inexact(x1), inexact(x2)
        difference = x1 - x2
        smaller = call_op("Log1p", exponential(-abs_(difference))) / _scalar(x1, unit)
        # Infinities of one sign have no difference.
        return choose(call_op("IsNan", difference), x1 + x2, call_op("Maximum", x1, x2) + smaller)

    return call


# NumPy's name -> the function of two tensors of one dtype.
_BINARY: dict[str, str | Function] = {
    "add": _of_bools(added, "LogicalOr"),
    "arctan2": lambda x1, x2: call_op("Atan2", inexact(x1), inexact(x2)),
    "bitwise_and": _of_bools("BitwiseAnd", "LogicalAnd"),
    "bitwise_or": _of_bools("BitwiseOr", "LogicalOr"),
    "bitwise_xor": _of_bools("BitwiseXor", "NotEqual"),
    "divide": _bools_as(dtypes.float64, truediv),
    "float_power": "Pow",
    "floor_divide": _bools_as(dtypes.int8, "FloorDiv"),
    "gcd": _gcd,
    "heaviside": _heaviside,
    "hypot": _hypot,
    "lcm": _lcm,
    "logaddexp": _log_of_sum(_function("Exp"), 1.0),
    "logaddexp2": _log_of_sum(_exp2, np.log(2)),
    "maximum": _of_bools("Maximum", "LogicalOr"),
    "minimum": _of_bools("Minimum", "LogicalAnd"),
    "mod": _bools_as(dtypes.int8, "FloorMod"),
    "multiply": _of_bools("Mul", "LogicalAnd"),
    "nextafter": "NextAfter",
    "power": "Pow",
    "remainder": _bools_as(dtypes.int8, "FloorMod"),
    "subtract": "Sub",
    "true_divide": _bools_as(dtypes.float64, truediv),
}  # fmt: skip

# Those that compare truth values as 0 and 1.
_COMPARISONS: dict[str, str | Function] = {
    "equal": "Equal",
    "greater": _bools_as(dtypes.int32, "Greater"),
    "greater_equal": _bools_as(dtypes.int32, "GreaterEqual"),
    "less": _bools_as(dtypes.int32, "Less"),
    "less_equal": _bools_as(dtypes.int32, "LessEqual"),
    "not_equal": "NotEqual",
}

_LOGICAL: dict[str, str | Function] = {
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
    "logical_xor": "NotEqual",
}


def _binary(name: str, row: str | Function) -> Function:
    function = _function(row)

    def call(x1: Any, x2: Any) -> Tensor:
        return function(*promoted_pair(x1, x2))

    return documented(call, name)


def _logical(name: str, row: str | Function) -> Function:
    function = _function(row)

    def call(x1: Any, x2: Any) -> Tensor:
        return function(asarray(x1, bool), asarray(x2, bool))

    return documented(call, name)


BINARY = {name: _binary(name, row) for name, row in (_BINARY | _COMPARISONS).items()}
BINARY |= {name: _logical(name, row) for name, row in _LOGICAL.items()}


@numpy_function
def logical_not(x: Any) -> Tensor:
    """True where `x` is zero."""
    return call_op("LogicalNot", asarray(x, bool))


@numpy_function
def divmod_(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """The floored quotient and the remainder."""
    return BINARY["floor_divide"](x1, x2), BINARY["mod"](x1, x2)


@numpy_function
def angle(z: Any, deg: bool = False) -> Tensor:
    """The argument of complex numbers; of real numbers 0 or pi, in float32."""
    z = inexact(z)
    if z.dtype.is_complex:
        found = complex_angle(z)
    else:
        found = choose(z < _scalar(z, 0), np.float32(np.pi), np.float32(0))
    return UNARY["rad2deg"](found) if deg else found


@numpy_function
def sign(x: Any, out: Any = None, where: Any = None, **options: Any) -> Tensor:
    """-1, 0 or 1; x / |x| for complex numbers. `out`, `where` and other options are refused with a ValueError."""
    if out is not None or where is not None or options:
        raise ValueError(f"sign takes one argument, got out={out!r}, where={where!r} and {sorted(options)}")
    return call_op("Sign", asarray(x))


@numpy_function
def iscomplex(x: Any) -> Tensor:
    """Where the imaginary part is not 0."""
    part = imaginary(asarray(x))
    return call_op("NotEqual", part, _scalar(part, 0))


@numpy_function
def isreal(x: Any) -> Tensor:
    """Where the imaginary part is 0."""
    return call_op("LogicalNot", iscomplex(x))


@numpy_function
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return asarray(x).dtype.is_complex


@numpy_function
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


@numpy_function
def clip(a: Any, a_min: Any, a_max: Any) -> Tensor:
    """One of the two bounds may be None."""
    if a_min is None and a_max is None:
        raise ValueError("clip: a_min and a_max are both None; not more than one may be.")
    if a_min is None:
        return BINARY["minimum"](a, a_max)
    if a_max is None:
        return BINARY["maximum"](a, a_min)
    a, a_min, a_max = promoted(a, a_min, a_max)
    return clip_by_value(a, a_min, a_max)


@numpy_function
def around(a: Any, decimals: int = 0) -> Tensor:
    """Halves go to the even neighbour; a negative `decimals` rounds integers to tens, hundreds, ..."""
    a = asarray(a)
    working = inexact(a)
    factor = _scalar(working, 10.0**decimals)
    return cast(round_(working * factor) / factor, a.dtype)


export("experimental.numpy.round", v1=[])(around)


@numpy_function
def isclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """|a - b| <= atol + rtol |b|; integers are compared exactly."""
    a, b = promoted(a, b)
    if not (a.dtype.is_floating or a.dtype.is_complex):
        return call_op("Equal", a, b)
    size = abs_(b)
    close = abs_(a - b) <= _scalar(size, atol) + _scalar(size, rtol) * size
    if equal_nan:
        close = close | (call_op("IsNan", a) & call_op("IsNan", b))
    return close


@numpy_function
def allclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether `isclose` holds everywhere."""
    return reduce("All", isclose(a, b, rtol, atol, equal_nan), None, False, None)
