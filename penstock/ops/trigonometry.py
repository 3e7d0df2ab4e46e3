"""Sine, cosine, tangent and their inverses in compiled programs on the CPU.

XLA calls the C library for them, number by number. Short polynomials in float64 become vector instructions, eight
times as fast, and are nearer to the true numbers: rounded once to float32, they are right to 0.6 units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp, lax

_NARROW = ("float32", "float16", "bfloat16")

# x = n pi/2 + y with |y| <= pi/4. The first part of pi/2 has 29 bits, so that its product with n < 2**20 is exact.
_MOST = np.float32(2.0**20)
_HALF_PI = float.fromhex("0x1.921fb54p0"), float.fromhex("0x1.10b4611a62633p-30")
# In y**2, Taylor's series but for the last digits: the largest error in [0, pi/4] is the least possible.
_SIN = tuple(map(float.fromhex, ("-0x1.555545995a603p-3", "0x1.1107605230bc4p-7", "-0x1.994eb3774cf24p-13")))
_COS = tuple(
    map(
        float.fromhex,
        ("-0x1.ffffffd0c621cp-2", "0x1.55553e1068f19p-5", "-0x1.6c087e89a359dp-10", "0x1.99343027bf8c3p-16"),
    )
)
# atan(z) / z, in [0, 1] interpolated in Chebyshev's points: right to 1e-11.
_ATAN = (
    0.9999999999982, -0.3333333326254, 0.1999999534278, -0.1428559243348, 0.1110942871868,
    -0.09076800844841, 0.07614257331298, -0.0636610967335, 0.05045586936116, -0.03526805434948,
    0.01993769723257, -0.008242022819884, 0.002162828043635, -0.0002666058550988,
)  # fmt: skip


def _polynomial(x: Any, coefficients: Any) -> Any:
    """`c[0] + c[1] x + c[2] x**2 + ...`"""
    result = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        result = result * x + coefficient
    return result


def _turned(x: Any) -> tuple[Any, Any, Any]:
    """The number n of quarter turns in x, and the sine and cosine of what is left: int32, float64, float64."""
    x = x.astype(jnp.float64)
    turns = jnp.floor(x * (2 / np.pi) + 0.5)
    y = (x - turns * _HALF_PI[0]) - turns * _HALF_PI[1]
    square = y * y
    return turns.astype(jnp.int32), y * _polynomial(square, (1.0, *_SIN)), _polynomial(square, (1.0, *_COS))


def _wave(x: Any, quarters: int) -> Any:
    turns, sine, cosine = _turned(x)
    turns = turns + quarters
    wave = jnp.where((turns & 1) != 0, cosine, sine)
    return jnp.where((turns & 2) != 0, -wave, wave)


def _tan(x: Any) -> Any:
    turns, sine, cosine = _turned(x)
    odd = (turns & 1) != 0
    return jnp.where(odd, -cosine, sine) / jnp.where(odd, sine, cosine)


def _atan(x: Any) -> Any:
    size = jnp.abs(x)
    steep = size > 1
    z = jnp.where(steep, 1 / size, size)
    angle = z * _polynomial(z * z, _ATAN)
    return jnp.copysign(jnp.where(steep, np.pi / 2 - angle, angle), x)


def _asin(x: Any) -> Any:
    return _atan(x / jnp.sqrt((1 - x) * (1 + x)))


def _of_small(exact: Callable, quick: Callable) -> Callable:
    """The function by `quick`; all by `exact` where one number is so large that `quick` loses digits."""

    def function(x: Any) -> Any:
        if not _is_quicker(x):
            return exact(x)
        too_large = jnp.any(jnp.abs(x) > _MOST)
        return lax.cond(too_large, exact, lambda x: quick(x).astype(x.dtype), x)

    return function


def _of_all(exact: Callable, quick: Callable) -> Callable:
    """The function by `quick`, which takes float64."""
    return lambda x: quick(x.astype(jnp.float64)).astype(x.dtype) if _is_quicker(x) else exact(x)


def _is_quicker(x: Any) -> bool:
    return native.is_for_one_cpu() and str(x.dtype) in _NARROW


XLA_BODIES: dict[str, Callable] = {
    "Sin": _of_small(lambda x: jnp.sin(x), lambda x: _wave(x, 0)),
    "Cos": _of_small(lambda x: jnp.cos(x), lambda x: _wave(x, 1)),
    "Tan": _of_small(lambda x: jnp.tan(x), _tan),
    "Atan": _of_all(lambda x: jnp.arctan(x), _atan),
    "Asin": _of_all(lambda x: jnp.arcsin(x), _asin),
    "Acos": _of_all(lambda x: jnp.arccos(x), lambda x: np.pi / 2 - _asin(x)),
}
