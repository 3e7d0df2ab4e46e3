"""Logarithm, sine and cosine of float32, bit for bit as the C library on Linux computes them.

TensorFlow's normal random numbers are made of `logf` and `sincosf`, so equal numbers need equal last bits. glibc's
functions (since 2.28, from ARM's Optimized Routines) evaluate short polynomials in float64 and round once; the same
coefficients in the same order give the same bits in NumPy and in XLA. Used by `random.distributions` only: elsewhere
`xp.log` and `xp.sin` are right, and quicker.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_hex = float.fromhex

# logf: log(x) = k ln 2 + log c + log1p(z / c - 1), with x = 2**k z, and c one of sixteen points near z.
_LOG_OFFSET = 0x3F330000  # bits of 0.7: z lies in [0.7, 1.4)
_LN2 = _hex("0x1.62e42fefa39efp-1")
_LOG1P = (_hex("-0x1.00ea348b88334p-2"), _hex("0x1.5575b0be00b6ap-2"), _hex("-0x1.ffffef20a4123p-2"))
_INVERSE_C, _LOG_C = np.array(
    [
        (_hex("0x1.661ec79f8f3bep+0"), _hex("-0x1.57bf7808caadep-2")),
        (_hex("0x1.571ed4aaf883dp+0"), _hex("-0x1.2bef0a7c06ddbp-2")),
        (_hex("0x1.49539f0f010bp+0"), _hex("-0x1.01eae7f513a67p-2")),
        (_hex("0x1.3c995b0b80385p+0"), _hex("-0x1.b31d8a68224e9p-3")),
        (_hex("0x1.30d190c8864a5p+0"), _hex("-0x1.6574f0ac07758p-3")),
        (_hex("0x1.25e227b0b8eap+0"), _hex("-0x1.1aa2bc79c81p-3")),
        (_hex("0x1.1bb4a4a1a343fp+0"), _hex("-0x1.a4e76ce8c0e5ep-4")),
        (_hex("0x1.12358f08ae5bap+0"), _hex("-0x1.1973c5a611cccp-4")),
        (_hex("0x1.0953f419900a7p+0"), _hex("-0x1.252f438e10c1ep-5")),
        (_hex("0x1p+0"), _hex("0x0p+0")),
        (_hex("0x1.e608cfd9a47acp-1"), _hex("0x1.aa5aa5df25984p-5")),
        (_hex("0x1.ca4b31f026aap-1"), _hex("0x1.c5e53aa362eb4p-4")),
        (_hex("0x1.b2036576afce6p-1"), _hex("0x1.526e57720db08p-3")),
        (_hex("0x1.9c2d163a1aa2dp-1"), _hex("0x1.bc2860d22477p-3")),
        (_hex("0x1.886e6037841edp-1"), _hex("0x1.1058bc8a07ee1p-2")),
        (_hex("0x1.767dcf5534862p-1"), _hex("0x1.4043057b6ee09p-2")),
    ]
).T

# sincosf: x = n pi/2 + y with |y| <= pi/4, then polynomials in y.
_TWO_OVER_PI_24 = _hex("0x1.45f306dc9c883p+23")  # 2/pi * 2**24: the quotient is rounded in fixed point
_HALF_PI = _hex("0x1.921fb54442d18p0")
_SIN = (_hex("-0x1.555545995a603p-3"), _hex("0x1.1107605230bc4p-7"), _hex("-0x1.994eb3774cf24p-13"))
_COS = (
    1.0,
    _hex("-0x1.ffffffd0c621cp-2"),
    _hex("0x1.55553e1068f19p-5"),
    _hex("-0x1.6c087e89a359dp-10"),
    _hex("0x1.99343027bf8c3p-16"),
)


def log(xp: Any, x: Any) -> Any:
    """`logf(x)` for an array of positive normal float32."""
    bits = x.view(xp.uint32)
    shifted = bits - np.uint32(_LOG_OFFSET)
    which = (shifted >> np.uint32(19) & np.uint32(15)).astype(xp.int32)
    exponent = shifted.view(xp.int32) >> np.int32(23)
    z = (bits - (shifted & np.uint32(0xFF800000))).view(xp.float32).astype(xp.float64)
    inverse_c, log_c = _look_up(xp, _INVERSE_C, which), _look_up(xp, _LOG_C, which)
    r = z * inverse_c - 1.0
    head = log_c + exponent.astype(xp.float64) * _LN2
    r2 = r * r
    y = _LOG1P[1] * r + _LOG1P[2]
    y = _LOG1P[0] * r2 + y
    return (y * r2 + (head + r)).astype(xp.float32)


def sin(xp: Any, x: Any, quarters: Any) -> Any:
    """The sine of `x + quarters * pi/2` as `sincosf(x)` gives it: 0 quarters are its sine, 1 its cosine.

    Args:
      xp: the array namespace.
      x: float32 array, `|x| < 120`.
      quarters: int32 array of 0 and 1 that broadcasts with `x`. The polynomials are evaluated at the shape of `x`.
    """
    x = x.astype(xp.float64)
    turns = ((x * _TWO_OVER_PI_24).astype(xp.int32) + np.int32(0x800000)) >> np.int32(24)
    y = x - turns.astype(xp.float64) * _HALF_PI
    y2 = y * y
    y3, y4 = y2 * y, y2 * y2
    sine = (y + y3 * _SIN[0]) + (y3 * y2) * (_SIN[1] + y2 * _SIN[2])
    cosine = ((_COS[0] + y2 * _COS[1]) + y4 * _COS[2]) + (y4 * y2) * (_COS[3] + y2 * _COS[4])
    turns = turns + quarters
    wave = xp.where((turns & 1) != 0, cosine.astype(xp.float32), sine.astype(xp.float32))
    return xp.where((turns & 2) != 0, -wave, wave)


def _look_up(xp: Any, table: np.ndarray, index: Any) -> Any:
    """`table[index]` for sixteen entries. On XLA a tree of selects, which vectorizes where a gather does not."""
    if xp is np:
        return table[index]
    level = list(table)
    for bit in range(4):
        odd = (index & (1 << bit)) != 0
        level = [xp.where(odd, right, left) for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]
