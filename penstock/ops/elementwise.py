"""Ops of one number: exponentials, roots, trigonometry, sigmoids, signs and rounding.

One row of `_OPS` holds all that is known about an op. A derivative is a function of the op's input x and output y;
the gradient rule multiplies the incoming gradient with its conjugate, which for real tensors is itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.engine.xla import lax
from penstock.ops.arguments import name_scope
from penstock.ops.arithmetic import conj
from penstock.ops.dtype_sets import FLOATS, INEXACT, SIGNED, UNSIGNED
from penstock.ops.op_functions import unary_function
from penstock.ops.trigonometry import XLA_BODIES
from penstock.types.tensors import Tensor


def unary_gradient(derivative: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    """A gradient rule from `derivative(x, y)`, the derivative of the output y by the input x."""

    def rule(call: Any, dy: Tensor) -> Tensor:
        return dy * conj(derivative(call.inputs[0], call.outputs[0]))

    return rule


def call_op(op_type: str, *inputs: Tensor) -> Tensor:
    """An op's output, for gradient rules."""
    return execute(op_type, inputs)


def _reciprocal(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "i":
        if xp is np and not np.all(x):
            raise ValueError("Integer division by zero")
        return xp.where(abs(x) == 1, x, xp.zeros_like(x))
    return xp.divide(xp.ones((), x.dtype), x)


def _sigmoid(xp: Any, x: Any) -> Any:
    if xp is not np:
        return lax.logistic(x)
    one = x.dtype.type(1)
    return one / (one + np.exp(-x))


def _softplus(xp: Any, x: Any) -> Any:
    return xp.maximum(x, xp.zeros((), x.dtype)) + xp.log1p(xp.exp(-abs(x)))


def _rsqrt(xp: Any, x: Any) -> Any:
    return xp.divide(xp.ones((), x.dtype), xp.sqrt(x)) if xp is np else lax.rsqrt(x)


def _round(xp: Any, x: Any) -> Any:
    return x if x.dtype.kind == "i" else xp.rint(x)


def _square_gradient(call: Any, dy: Tensor) -> Tensor:
    x = call.inputs[0]
    return dy * (conj(x) + conj(x))


def _sign_gradient(call: Any, dy: Tensor) -> Tensor:
    """Zero for real numbers. For complex ones y = x / |x| turns with x: only the tangential part of dy counts."""
    if not dy.dtype.is_complex:
        return call_op("ZerosLike", dy)
    x, y = call.inputs[0], call.outputs[0]
    length = call_op(
        "SelectV2", call_op("Equal", x, call_op("ZerosLike", x)), call_op("OnesLike", x), x * conj(y)
    )
    along = conj(y) * dy
    return y * (along - conj(along)) / (length + length)


def _no_nan_gradient(derivative: Callable) -> Callable:
    """No gradient arrives, none leaves, even where the derivative is infinite: as in `tf.where(x > 0, tf.sqrt(x), 0)`."""
    return lambda call, dy: call_op("MulNoNan", conj(derivative(call.inputs[0], call.outputs[0])), dy)


_ALL = INEXACT | SIGNED
_Kernel = Callable[..., Any]

# Op type, argument -> output names, kernel, derivative by (x, y) or None for no gradient, dtypes.
_OPS: tuple[tuple[str, str, _Kernel, Callable | None, frozenset], ...] = (
    ("Neg", "x y", lambda xp, x: xp.negative(x), None, _ALL),
    ("Abs", "x y", lambda xp, x: xp.abs(x), lambda x, y: call_op("Sign", x), FLOATS | SIGNED),
    ("Sign", "x y", lambda xp, x: xp.sign(x), None, _ALL),
    ("Square", "x y", lambda xp, x: xp.square(x), None, _ALL | UNSIGNED),
    ("Reciprocal", "x y", _reciprocal, None, _ALL),
    ("Inv", "x y", _reciprocal, None, _ALL),
    ("Sqrt", "x y", lambda xp, x: xp.sqrt(x), None, INEXACT),
    ("Rsqrt", "x y", _rsqrt, None, INEXACT),
    ("Exp", "x y", lambda xp, x: xp.exp(x), lambda x, y: y, INEXACT),
    ("Expm1", "x y", lambda xp, x: xp.expm1(x), lambda x, y: call_op("Exp", x), INEXACT),
    ("Log", "x y", lambda xp, x: xp.log(x), lambda x, y: call_op("Reciprocal", x), INEXACT),
    ("Log1p", "x y", lambda xp, x: xp.log1p(x), lambda x, y: call_op("Reciprocal", 1 + x), INEXACT),
    # Trigonometric and hyperbolic functions.
    ("Sin", "x y", lambda xp, x: xp.sin(x), lambda x, y: call_op("Cos", x), INEXACT),
    ("Cos", "x y", lambda xp, x: xp.cos(x), lambda x, y: -call_op("Sin", x), INEXACT),
    ("Tan", "x y", lambda xp, x: xp.tan(x), lambda x, y: 1 + y * y, INEXACT),
    ("Asin", "x y", lambda xp, x: xp.arcsin(x), lambda x, y: call_op("Rsqrt", 1 - x * x), INEXACT),
    ("Acos", "x y", lambda xp, x: xp.arccos(x), lambda x, y: -call_op("Rsqrt", 1 - x * x), INEXACT),
    ("Atan", "x y", lambda xp, x: xp.arctan(x), lambda x, y: call_op("Reciprocal", 1 + x * x), INEXACT),
    ("Sinh", "x y", lambda xp, x: xp.sinh(x), lambda x, y: call_op("Cosh", x), INEXACT),
    ("Cosh", "x y", lambda xp, x: xp.cosh(x), lambda x, y: call_op("Sinh", x), INEXACT),
    ("Tanh", "x y", lambda xp, x: xp.tanh(x), lambda x, y: 1 - y * y, INEXACT),
    ("Asinh", "x y", lambda xp, x: xp.arcsinh(x), lambda x, y: call_op("Reciprocal", call_op("Cosh", y)), INEXACT),
    ("Acosh", "x y", lambda xp, x: xp.arccosh(x), lambda x, y: call_op("Reciprocal", call_op("Sinh", y)), INEXACT),
    ("Atanh", "x y", lambda xp, x: xp.arctanh(x), lambda x, y: call_op("Reciprocal", 1 - x * x), INEXACT),
    # Sigmoids.
    ("Sigmoid", "x y", _sigmoid, lambda x, y: y * (1 - y), INEXACT),
    ("Softplus", "features activations", _softplus, lambda x, y: call_op("Sigmoid", x), FLOATS),
    ("Softsign", "features activations", lambda xp, x: x / (xp.ones((), x.dtype) + xp.abs(x)),
     lambda x, y: call_op("Reciprocal", call_op("Square", 1 + call_op("Abs", x))), FLOATS),
    # Rounding.
    ("Floor", "x y", lambda xp, x: xp.floor(x), None, FLOATS),
    ("Ceil", "x y", lambda xp, x: xp.ceil(x), None, FLOATS),
    ("Rint", "x y", lambda xp, x: xp.rint(x), None, FLOATS),
    ("Round", "x y", _round, None, _ALL),
)  # fmt: skip

# Gradients that are no plain product with a derivative.
_GRADIENTS: dict[str, Callable] = {
    "Neg": lambda call, dy: -dy,
    "Sign": _sign_gradient,
    "Square": _square_gradient,
    "Reciprocal": _no_nan_gradient(lambda x, y: -y * y),
    "Inv": _no_nan_gradient(lambda x, y: -y * y),
    "Sqrt": _no_nan_gradient(lambda x, y: 0.5 / y),
    "Rsqrt": _no_nan_gradient(lambda x, y: -0.5 * y * y * y),
}

for _type, _names, _kernel, _derivative, _dtypes in _OPS:
    _argument, _output = _names.split()
    op(
        f"{_type}({_argument}: T) -> {_output}: T",
        _kernel,
        xla=XLA_BODIES.get(_type),
        shape=unchanged,
        gradient=unary_gradient(_derivative) if _derivative else _GRADIENTS.get(_type, stops),
        types={"T": _dtypes},
        large=1 << 18 if _type == "Sigmoid" else None,  # NumPy's makes several passes
    )


# Public functions: op type, names, summary, example arguments, printed result.
_FUNCTIONS: tuple[tuple[str, str, str, str, str], ...] = (
    ("Neg", "negative math.negative", "-x.", "[1, -2]", "[-1  2]"),
    ("Sign", "sign math.sign", "-1, 0 or 1 as x is negative, zero or positive; x / |x| for complex x.",
     "[-5.0, 0.0, 2.0]", "[-1.  0.  1.]"),
    ("Square", "square math.square", "x * x.", "[-3, 4]", "[ 9 16]"),
    ("Reciprocal", "math.reciprocal", "1 / x.", "[2.0, 4.0]", "[0.5  0.25]"),
    ("Sqrt", "sqrt math.sqrt", "The square root of x.", "[4.0, 9.0]", "[2. 3.]"),
    ("Rsqrt", "math.rsqrt", "1 / sqrt(x).", "[4.0, 0.25]", "[0.5 2. ]"),
    ("Exp", "exp math.exp", "e to the power of x.", "[0.0, 1.0]", "[1.     2.7183]"),
    ("Expm1", "math.expm1", "exp(x) - 1, exact for small x.", "[0.0, 1.0]", "[0.     1.7183]"),
    ("Log", "math.log", "The natural logarithm of x.", "[1.0, 10.0]", "[0.     2.3026]"),
    ("Log1p", "math.log1p", "log(1 + x), exact for small x.", "[0.0, 1.0]", "[0.     0.6931]"),
    ("Sin", "sin math.sin", "The sine of x radians.", "[0.0, 1.0]", "[0.     0.8415]"),
    ("Cos", "cos math.cos", "The cosine of x radians.", "[0.0, 1.0]", "[1.     0.5403]"),
    ("Tan", "tan math.tan", "The tangent of x radians.", "[0.0, 1.0]", "[0.     1.5574]"),
    ("Asin", "asin math.asin", "The angle in [-pi/2, pi/2] whose sine is x.", "[0.0, 1.0]", "[0.     1.5708]"),
    ("Acos", "acos math.acos", "The angle in [0, pi] whose cosine is x.", "[0.0, 1.0]", "[1.5708 0.    ]"),
    ("Atan", "atan math.atan", "The angle in (-pi/2, pi/2) whose tangent is x.", "[0.0, 1.0]",
     "[0.     0.7854]"),
    ("Sinh", "sinh math.sinh", "(exp(x) - exp(-x)) / 2.", "[0.0, 1.0]", "[0.     1.1752]"),
    ("Cosh", "cosh math.cosh", "(exp(x) + exp(-x)) / 2.", "[0.0, 1.0]", "[1.     1.5431]"),
    ("Tanh", "tanh math.tanh nn.tanh", "The hyperbolic tangent, sinh(x) / cosh(x).", "[0.0, 1.0]",
     "[0.     0.7616]"),
    ("Asinh", "asinh math.asinh", "The number whose sinh is x.", "[0.0, 1.0]", "[0.     0.8814]"),
    ("Acosh", "acosh math.acosh", "The number >= 0 whose cosh is x.", "[1.0, 2.0]", "[0.    1.317]"),
    ("Atanh", "atanh math.atanh", "The number whose tanh is x.", "[0.0, 0.5]", "[0.     0.5493]"),
    ("Sigmoid", "sigmoid math.sigmoid nn.sigmoid", "1 / (1 + exp(-x)).", "[0.0, 1.0]", "[0.5    0.7311]"),
    ("Floor", "floor math.floor", "The largest integer not above x.", "[-1.5, 1.5]", "[-2.  1.]"),
    ("Ceil", "math.ceil", "The smallest integer not below x.", "[-1.5, 1.5]", "[-1.  2.]"),
    ("Rint", "math.rint", "The nearest integer; halves go to the even one.", "[0.5, 1.5, 1.6]", "[0. 2. 2.]"),
)  # fmt: skip

_ALSO_IN_V1 = {"Reciprocal", "Rsqrt", "Expm1", "Log", "Log1p", "Ceil", "Rint"}  # at top level there

__test__: dict[str, Callable] = {}
for _type, _names, _summary, _arguments, _result in _FUNCTIONS:
    _v1 = [*_names.split(), _names.rpartition(".")[2]] if _type in _ALSO_IN_V1 else None
    _made = unary_function(_type, _names, _summary, (_arguments, _result), v1=_v1)
    __test__[_made.__name__] = _made


@export("abs", "math.abs")
def abs_(x: Any, name: str | None = None) -> Tensor:
    """|x|, elementwise; the modulus of complex numbers, in the real dtype of their parts.

    Args:
      x: a tensor of numbers.
      name: the node's name in a graph.

    Returns:
      A tensor of the same shape, never complex.

    Example:
      >>> import penstock as tf
      >>> tf.abs([-1.5, 2.0]).numpy()
      array([1.5, 2. ], dtype=float32)
      >>> tf.abs(3.0 + 4.0j).numpy()
      np.float64(5.0)
    """
    x = convert_to_tensor(x)
    if x.dtype.is_complex:
        return execute("ComplexAbs", (x,), {"Tout": x.dtype.real_dtype}, name)
    return execute("Abs", (x,), None, name)


@export("round", "math.round")
def round_(x: Any, name: str | None = None) -> Tensor:
    """The nearest integer in the dtype of x; halves go to the even one.

    Example:
      >>> import penstock as tf
      >>> tf.round([0.5, 1.5, 2.5, -0.7]).numpy()
      array([ 0.,  2.,  2., -1.], dtype=float32)
    """
    x = convert_to_tensor(x)
    return x if x.dtype.is_integer else execute("Round", (x,), None, name)


@export("math.softplus", "nn.softplus")
def softplus(features: Any, name: str | None = None) -> Tensor:
    """log(1 + exp(x)), a smooth version of relu.

    Example:
      >>> import penstock as tf
      >>> tf.math.softplus([0.0, 100.0]).numpy().round(4)
      array([  0.6931, 100.    ], dtype=float32)
    """
    return execute("Softplus", (convert_to_tensor(features),), None, name)


@export("math.softsign", "nn.softsign")
def softsign(features: Any, name: str | None = None) -> Tensor:
    """x / (1 + |x|).

    Example:
      >>> import penstock as tf
      >>> tf.math.softsign([-1.0, 3.0]).numpy()
      array([-0.5 ,  0.75], dtype=float32)
    """
    return execute("Softsign", (convert_to_tensor(features),), None, name)


@export("math.log_sigmoid", v1=["math.log_sigmoid", "log_sigmoid"])
def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """log(sigmoid(x)), which is -softplus(-x).

    Example:
      >>> import penstock as tf
      >>> tf.math.log_sigmoid([0.0, -100.0]).numpy().round(4)
      array([  -0.6931, -100.    ], dtype=float32)
    """
    with name_scope(name, "LogSigmoid") as scope:
        return execute("Neg", (execute("Softplus", (-convert_to_tensor(x),)),), None, scope)
