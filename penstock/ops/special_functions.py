"""Special functions: error, gamma, zeta, beta and Bessel functions, and products that are 0 at 0.

NumPy kernels are SciPy's, XLA kernels those of `jax.scipy`; 16-bit floats are computed in float32. The Bessel functions
J, K and Y, Dawson's and Fresnel's integrals have no XLA form, so they run on the host inside compiled functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import broadcast, unchanged
from penstock.engine.xla import jax, jnp, lax
from penstock.ops.arguments import binary, matching, name_scope
from penstock.ops.arithmetic import binary_gradient, conj, where, zeros_like
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.dtype_sets import COMPLEX, FLOATS, WIDE_FLOATS
from penstock.ops.elementwise import call_op, unary_gradient
from penstock.ops.op_functions import unary_function
from penstock.types.tensors import Tensor


def _in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which takes float32 and float64, made to take 16-bit floats too."""

    def body(*values: Any) -> Any:
        dtype = values[0].dtype
        if dtype.itemsize > 2:
            result = function(*values)
            return result if result.dtype == dtype else result.astype(dtype)
        return function(*(each.astype(np.float32) for each in values)).astype(dtype)

    return body


def _scipy(name: str) -> Callable[..., Any]:
    """The function of that name in `scipy.special`, imported when it is first called."""

    def function(*values: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*values)

    return _in_float32(function)


def _jax(name: str) -> Callable[..., Any]:
    """The function of that name in `jax.scipy.special`."""
    return _in_float32(lambda *values: getattr(jax.scipy.special, name)(*values))


def _digamma_numpy(x: Any) -> Any:
    return np.where(x == 0, x.dtype.type(np.nan), _scipy("psi")(x))


def _expint_numpy(x: Any) -> Any:
    return np.where(x < 0, x.dtype.type(np.nan), _scipy("expi")(x))


def _expint_xla(x: Any) -> Any:
    return jnp.where(x < 0, jnp.asarray(np.nan, x.dtype), _jax("expi")(x))


def _from_zero(name: str, below: float) -> Callable[..., Any]:
    """A Bessel function of the second kind, which is given a value for numbers that are not positive."""
    return lambda x: np.where(x <= 0, x.dtype.type(below), _scipy(name)(x))


def _fresnel(index: int) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        import scipy.special

        return scipy.special.fresnel(x)[index]

    return _in_float32(function)


# Derivatives, as functions of the input x and the output y.


def _one(x: Tensor) -> Tensor:
    return execute("OnesLike", (x,))


def _over(numerator: Tensor, x: Tensor, at_zero: float) -> Tensor:
    """numerator / x, with a limit where x is 0."""
    zero = execute("Equal", (x, zeros_like(x)))
    return where(zero, zeros_like(x) + at_zero, numerator / where(zero, _one(x), x))


def _gaussian(x: Tensor) -> Tensor:
    return call_op("Exp", -x * x)


def _i1e_derivative(x: Tensor, y: Tensor) -> Tensor:
    zero = execute("Equal", (x, zeros_like(x)))
    safe = where(zero, _one(x), x)
    slope = call_op("BesselI0e", safe) - call_op("BesselI1e", safe) * (call_op("Sign", safe) + 1 / safe)
    return where(zero, zeros_like(x) + 0.5, slope)


def _i1_derivative(x: Tensor, y: Tensor) -> Tensor:
    # The limit of y / x at 0 is 1/2, so the derivative I0 - y / x is too.
    return call_op("BesselI0", x) - _over(y, x, 0.5)


def _spence_derivative(x: Tensor, y: Tensor) -> Tensor:
    at_one = execute("Equal", (x, _one(x)))
    safe = where(at_one, _one(x) + 1, x)
    return where(at_one, -_one(x), call_op("Log", safe) / (1 - safe))


_PI = np.pi
_UNARY: tuple[tuple[str, Callable, Callable | None, Callable], ...] = (
    # Error functions.
    ("Erf", _scipy("erf"), _jax("erf"), lambda x, y: 2 / np.sqrt(_PI) * _gaussian(x)),
    ("Erfc", _scipy("erfc"), _jax("erfc"), lambda x, y: -2 / np.sqrt(_PI) * _gaussian(x)),
    ("Erfinv", _scipy("erfinv"), _jax("erfinv"), lambda x, y: np.sqrt(_PI) / 2 * call_op("Exp", y * y)),
    ("Ndtri", _scipy("ndtri"), _jax("ndtri"), lambda x, y: np.sqrt(2 * _PI) * call_op("Exp", y * y / 2)),
    ("Dawsn", _scipy("dawsn"), None, lambda x, y: 1 - 2 * x * y),
    ("FresnelCos", _fresnel(1), None, lambda x, y: call_op("Cos", _PI / 2 * x * x)),
    ("FresnelSin", _fresnel(0), None, lambda x, y: call_op("Sin", _PI / 2 * x * x)),
    # Gamma functions and integrals of the exponential and the logarithm.
    ("Lgamma", _scipy("gammaln"), _jax("gammaln"), lambda x, y: call_op("Digamma", x)),
    ("Digamma", _digamma_numpy, _jax("digamma"), lambda x, y: call_op("Polygamma", _one(x), x)),
    ("Expint", _expint_numpy, _expint_xla, lambda x, y: call_op("Exp", x) / x),
    ("Spence", _scipy("spence"), _jax("spence"), _spence_derivative),
    # Bessel functions.
    ("BesselI0", _scipy("i0"), _jax("i0"), lambda x, y: call_op("BesselI1", x)),
    ("BesselI0e", _scipy("i0e"), _jax("i0e"), lambda x, y: call_op("BesselI1e", x) - call_op("Sign", x) * y),
    ("BesselI1", _scipy("i1"), _jax("i1"), _i1_derivative),
    ("BesselI1e", _scipy("i1e"), _jax("i1e"), _i1e_derivative),
    ("BesselJ0", _scipy("j0"), None, lambda x, y: -call_op("BesselJ1", x)),
    ("BesselJ1", _scipy("j1"), None, lambda x, y: call_op("BesselJ0", x) - _over(y, x, 0.5)),
    ("BesselK0", _from_zero("k0", np.inf), None, lambda x, y: -call_op("BesselK1", x)),
    ("BesselK0e", _from_zero("k0e", np.inf), None, lambda x, y: y - call_op("BesselK1e", x)),
    ("BesselK1", _from_zero("k1", np.inf), None, lambda x, y: -call_op("BesselK0", x) - y / x),
    ("BesselK1e", _from_zero("k1e", np.inf), None, lambda x, y: y * (1 - 1 / x) - call_op("BesselK0e", x)),
    ("BesselY0", _from_zero("y0", -np.inf), None, lambda x, y: -call_op("BesselY1", x)),
    ("BesselY1", _from_zero("y1", -np.inf), None, lambda x, y: call_op("BesselY0", x) - y / x),
)  # fmt: skip

for _type, _numpy, _xla, _derivative in _UNARY:
    op(
        f"{_type}(x: T) -> y: T",
        numpy=_numpy,
        xla=_xla,
        shape=unchanged,
        gradient=unary_gradient(_derivative),
        types={"T": FLOATS},
        large=None if _xla is None else 1 << 15,
    )


# Functions of two numbers.


def _zero_times(function: Callable[[Any, Any], Any], safe: float) -> Callable[..., Any]:
    """x * function(y), and 0 where x is 0, whatever y is. `safe` is a y at which the function is finite."""

    def kernel(xp: Any, x: Any, y: Any) -> Any:
        zero = x == 0
        value = function(xp, xp.where(zero, y.dtype.type(safe), y))
        return xp.where(zero, x.dtype.type(0), x * value)

    return kernel


def _not_zero(x: Tensor) -> Tensor:
    """1 where x is not 0, else 0."""
    return execute("Cast", (execute("NotEqual", (x, zeros_like(x))),), {"DstT": x.dtype.base_dtype})


def _product_partials(op_type: str, by_y: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    return lambda x, y, z, dz: (conj(call_op(op_type, _not_zero(x), y)) * dz, conj(by_y(x, y)) * dz)


def _atan2_partials(y: Tensor, x: Tensor, z: Tensor, dz: Tensor) -> tuple:
    scaled = dz / (x * x + y * y)
    return x * scaled, -y * scaled


def _zeta_partials(x: Tensor, q: Tensor, z: Tensor, dz: Tensor) -> tuple:
    return None, -x * call_op("Zeta", x + 1, q) * dz


def _polygamma_partials(a: Tensor, x: Tensor, z: Tensor, dz: Tensor) -> tuple:
    return None, dz * call_op("Polygamma", a + 1, x)


def _igamma_density(a: Tensor, x: Tensor) -> Tensor:
    return call_op("Exp", -x + call_op("Xlogy", a - 1, x) - call_op("Lgamma", a))


def _polygamma_numpy(n: Any, x: Any) -> Any:
    import scipy.special

    n, x = np.broadcast_arrays(n, x)
    valid = (n >= 0) & (n == np.floor(n))
    found = scipy.special.polygamma(np.where(valid, n, 0).astype(np.int64), x.astype(np.float64))
    return np.where(valid, found, np.nan)


def _polygamma_xla(n: Any, x: Any) -> Any:
    n, x = jnp.broadcast_arrays(n, x)
    valid = (n >= 0) & (n == jnp.floor(n))
    return jnp.where(valid, lax.polygamma(jnp.where(valid, n, 0), x), jnp.asarray(np.nan, x.dtype))


_BINARY: tuple[tuple[str, str, str, Any, Callable, frozenset], ...] = (
    # Op type, inputs, output, bodies (one kernel, or NumPy's and XLA's), partial derivatives, dtypes.
    ("Atan2", "y x", "z", lambda xp, y, x: xp.arctan2(y, x), _atan2_partials, FLOATS),
    ("Xlogy", "x y", "z", _zero_times(lambda xp, y: xp.log(y), 1),
     _product_partials("Xlogy", lambda x, y: call_op("Xdivy", x, y)), FLOATS | COMPLEX),
    ("Xlog1py", "x y", "z", _zero_times(lambda xp, y: xp.log1p(y), 0),
     _product_partials("Xlog1py", lambda x, y: call_op("Xdivy", x, 1 + y)), FLOATS | COMPLEX),
    ("Xdivy", "x y", "z", _zero_times(lambda xp, y: xp.reciprocal(y), 1),
     _product_partials("Xdivy", lambda x, y: call_op("Xdivy", -x, y * y)), FLOATS | COMPLEX),
    ("NextAfter", "x1 x2", "output", lambda xp, x, y: xp.nextafter(x, y),
     lambda x, y, z, dz: (dz, call_op("ZerosLike", dz)), WIDE_FLOATS),
    ("Zeta", "x q", "z", (_scipy("zeta"), _jax("zeta")), _zeta_partials, WIDE_FLOATS),
    ("Polygamma", "a x", "z", (_in_float32(_polygamma_numpy), _polygamma_xla), _polygamma_partials, WIDE_FLOATS),
    ("Igamma", "a x", "z", (_scipy("gammainc"), _jax("gammainc")),
     lambda a, x, z, dz: (dz * call_op("IgammaGradA", a, x), dz * _igamma_density(a, x)), FLOATS),
    ("Igammac", "a x", "z", (_scipy("gammaincc"), _jax("gammaincc")),
     lambda a, x, z, dz: (-dz * call_op("IgammaGradA", a, x), -dz * _igamma_density(a, x)), FLOATS),
)  # fmt: skip

for _type, _names, _output, _bodies, _partials, _dtypes in _BINARY:
    _first, _second = _names.split()
    _pair = isinstance(_bodies, tuple)
    op(
        f"{_type}({_first}: T, {_second}: T) -> {_output}: T",
        None if _pair else _bodies,
        numpy=_bodies[0] if _pair else None,
        xla=_bodies[1] if _pair else None,
        shape=broadcast,
        gradient=binary_gradient(_partials),
        types={"T": _dtypes},
    )

op(
    "IgammaGradA(a: T, x: T) -> z: T",
    xla=lambda a, x: lax.igamma_grad_a(*jnp.broadcast_arrays(a, x)),
    shape=broadcast,
    types={"T": WIDE_FLOATS},
)


def _betainc_gradient(call: Any, dz: Tensor) -> list[Tensor | None]:
    """Only x has a gradient, the density of the beta distribution."""
    a, b, x = call.inputs
    log_beta = call_op("Lgamma", a) + call_op("Lgamma", b) - call_op("Lgamma", a + b)
    density = call_op("Exp", call_op("Xlog1py", b - 1, -x) + call_op("Xlogy", a - 1, x) - log_beta)
    return [None, None, sum_to_operands(call.outputs[0], x, None, density * dz)[1]]


op(
    "Betainc(a: T, b: T, x: T) -> z: T",
    numpy=_scipy("betainc"),
    xla=_jax("betainc"),
    shape=broadcast,
    gradient=_betainc_gradient,
    types={"T": WIDE_FLOATS},
)

# Public functions: op type, names, summary, example.
_FUNCTIONS: tuple[tuple[str, str, str, str, str], ...] = (
    ("Erf", "math.erf", "The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.", "[0.0, 1.0]",
     "[0.     0.8427]"),
    ("Erfc", "math.erfc", "1 - erf(x), exact for large x.", "[0.0, 1.0]", "[1.     0.1573]"),
    ("Erfinv", "math.erfinv", "The number whose error function is x.", "[0.0, 0.5]", "[0.     0.4769]"),
    ("Ndtri", "math.ndtri", "The quantile function of the normal distribution.", "[0.5, 0.9]",
     "[0.     1.2816]"),
    ("Lgamma", "math.lgamma", "log |gamma(x)|.", "[1.0, 4.0]", "[0.     1.7918]"),
    ("Digamma", "math.digamma", "The derivative of lgamma.", "[1.0, 2.0]", "[-0.5772  0.4228]"),
    ("BesselI0", "math.bessel_i0 math.special.bessel_i0", "The modified Bessel function of order 0.", "[0.0, 1.0]",
     "[1.     1.2661]"),
    ("BesselI0e", "math.bessel_i0e math.special.bessel_i0e", "exp(-|x|) bessel_i0(x).", "[0.0, 1.0]",
     "[1.     0.4658]"),
    ("BesselI1", "math.bessel_i1 math.special.bessel_i1", "The modified Bessel function of order 1.", "[0.0, 1.0]",
     "[0.     0.5652]"),
    ("BesselI1e", "math.bessel_i1e math.special.bessel_i1e", "exp(-|x|) bessel_i1(x).", "[0.0, 1.0]",
     "[0.     0.2079]"),
    ("BesselJ0", "math.special.bessel_j0", "The Bessel function of the first kind of order 0.", "[0.0, 1.0]",
     "[1.     0.7652]"),
    ("BesselJ1", "math.special.bessel_j1", "The Bessel function of the first kind of order 1.", "[0.0, 1.0]",
     "[0.     0.4401]"),
    ("BesselK0", "math.special.bessel_k0", "The modified Bessel function of the second kind of order 0.",
     "[1.0, 2.0]", "[0.421  0.1139]"),
    ("BesselK0e", "math.special.bessel_k0e", "exp(x) bessel_k0(x).", "[1.0, 2.0]", "[1.1445 0.8416]"),
    ("BesselK1", "math.special.bessel_k1", "The modified Bessel function of the second kind of order 1.",
     "[1.0, 2.0]", "[0.6019 0.1399]"),
    ("BesselK1e", "math.special.bessel_k1e", "exp(x) bessel_k1(x).", "[1.0, 2.0]", "[1.6362 1.0335]"),
    ("BesselY0", "math.special.bessel_y0", "The Bessel function of the second kind of order 0.", "[1.0, 2.0]",
     "[0.0883 0.5104]"),
    ("BesselY1", "math.special.bessel_y1", "The Bessel function of the second kind of order 1.", "[1.0, 2.0]",
     "[-0.7812 -0.107 ]"),
    ("Dawsn", "math.special.dawsn", "Dawson's integral, exp(-x^2) times the integral of exp(t^2) from 0 to x.",
     "[0.0, 1.0]", "[0.     0.5381]"),
    ("Expint", "math.special.expint", "The exponential integral Ei of positive x.", "[1.0, 2.0]",
     "[1.8951 4.9542]"),
    ("FresnelCos", "math.special.fresnel_cos", "The integral of cos(pi t^2 / 2) from 0 to x.", "[0.0, 1.0]",
     "[0.     0.7799]"),
    ("FresnelSin", "math.special.fresnel_sin", "The integral of sin(pi t^2 / 2) from 0 to x.", "[0.0, 1.0]",
     "[0.     0.4383]"),
    ("Spence", "math.special.spence", "Spence's integral, of log(t) / (1 - t) from 1 to x.", "[0.0, 2.0]",
     "[ 1.6449 -0.8225]"),
)  # fmt: skip

_ALSO_IN_V1 = {"Erf", "Erfc", "Lgamma", "Digamma"}  # at top level there

__test__: dict[str, Callable] = {}
for _type, _names, _summary, _arguments, _result in _FUNCTIONS:
    _v1 = [_names, _names.rpartition(".")[2]] if _type in _ALSO_IN_V1 else None
    _made = unary_function(_type, _names, _summary, (_arguments, _result), v1=_v1)
    __test__[_made.__name__] = _made


def _v1_names(name: str) -> list[str]:
    return [f"math.{name}", name]


@export("math.atan2", "atan2")
def atan2(y: Any, x: Any, name: str | None = None) -> Tensor:
    """The angle in (-pi, pi] of the point (x, y).

    Example:
      >>> import penstock as tf
      >>> tf.math.atan2([1.0, -1.0], [1.0, -1.0]).numpy().round(4)
      array([ 0.7854, -2.3562], dtype=float32)
    """
    return binary("Atan2", y, x, name)


@export("math.xlogy")
def xlogy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x log(y), and 0 where x is 0.

    Example:
      >>> import penstock as tf
      >>> tf.math.xlogy([0.0, 2.0], [0.0, 1.0]).numpy()
      array([0., 0.], dtype=float32)
    """
    return binary("Xlogy", x, y, name)


@export("math.xlog1py")
def xlog1py(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x log(1 + y), and 0 where x is 0.

    Example:
      >>> import penstock as tf
      >>> tf.math.xlog1py([0.0, 1.0], [-1.0, 0.0]).numpy()
      array([0., 0.], dtype=float32)
    """
    return binary("Xlog1py", x, y, name or "xlog1py")


@export("math.xdivy")
def xdivy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, and 0 where x is 0.

    Example:
      >>> import penstock as tf
      >>> tf.math.xdivy([0.0, 1.0], [0.0, 2.0]).numpy()
      array([0. , 0.5], dtype=float32)
    """
    return binary("Xdivy", x, y, name or "xdivy")


@export("math.nextafter")
def nextafter(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """The next representable number from x1 toward x2.

    Example:
      >>> import penstock as tf
      >>> tf.math.nextafter(tf.constant(1.0, tf.float64), 2.0).numpy()
      np.float64(1.0000000000000002)
    """
    return binary("NextAfter", x1, x2, name)


@export("math.zeta", v1=_v1_names("zeta"))
def zeta(x: Any, q: Any, name: str | None = None) -> Tensor:
    """Hurwitz's zeta function, the sum of (q + n)^-x over n >= 0.

    Example:
      >>> import penstock as tf
      >>> tf.math.zeta(2.0, 1.0).numpy().round(4)
      np.float32(1.6449)
    """
    return binary("Zeta", x, q, name)


@export("math.polygamma", v1=_v1_names("polygamma"))
def polygamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The a-th derivative of digamma at x; NaN where a is not a non-negative integer.

    Example:
      >>> import penstock as tf
      >>> tf.math.polygamma(1.0, 1.0).numpy().round(4)
      np.float32(1.6449)
    """
    return binary("Polygamma", a, x, name)


@export("math.igamma", v1=_v1_names("igamma"))
def igamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The regularized lower incomplete gamma function P(a, x).

    Example:
      >>> import penstock as tf
      >>> tf.math.igamma(1.0, 2.0).numpy().round(4)
      np.float32(0.8647)
    """
    return binary("Igamma", a, x, name)


@export("math.igammac", v1=_v1_names("igammac"))
def igammac(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The regularized upper incomplete gamma function, 1 - igamma(a, x).

    Example:
      >>> import penstock as tf
      >>> tf.math.igammac(1.0, 2.0).numpy().round(4)
      np.float32(0.1353)
    """
    return binary("Igammac", a, x, name)


@export("math.betainc", v1=_v1_names("betainc"))
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Tensor:
    """The regularized incomplete beta function I_x(a, b).

    Args:
      a, b: positive tensors. x: a tensor in [0, 1]. All of one dtype; the shapes broadcast.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.math.betainc(1.0, 2.0, 0.5).numpy()
      np.float32(0.75)
    """
    return execute("Betainc", matching(a, b, x), None, name)


@export("math.erfcinv")
def erfcinv(x: Any, name: str | None = None) -> Tensor:
    """The number whose complementary error function is x.

    Example:
      >>> import penstock as tf
      >>> tf.math.erfcinv([1.0, 0.5]).numpy().round(4)
      array([-0.    ,  0.4769], dtype=float32)
    """
    with name_scope(name, "erfcinv"):
        return -call_op("Ndtri", 0.5 * convert_to_tensor(x, name="start")) * np.sqrt(0.5)


@export("math.lbeta", v1=_v1_names("lbeta"))
def lbeta(x: Any, name: str | None = None) -> Tensor:
    """log |Beta(x)| along the last dimension: the sum of lgamma minus lgamma of the sum.

    Args:
      x: a floating tensor with at least one dimension.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.math.lbeta([[1.0, 2.0]]).numpy().round(4)
      array([-0.6931], dtype=float32)
    """
    with name_scope(name, "lbeta"):
        x, last = convert_to_tensor(x), convert_to_tensor([-1])
        total = execute("Sum", (x, last), {"keep_dims": False})
        logarithms = execute("Sum", (call_op("Lgamma", x), last), {"keep_dims": False})
        return logarithms - call_op("Lgamma", total)
