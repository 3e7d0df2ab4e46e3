"""Window functions: `tf.signal.hann_window`, `hamming_window`, `kaiser_window`, `vorbis_window`, ..."""

from __future__ import annotations

import math
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.cumulative import cumsum
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.tensors import Tensor


def scalar_length(value: Any, name: str) -> Tensor:
    """An int32 scalar tensor of a length.

    Raises:
      ValueError: it is no scalar.
    """
    tensor = convert_to_tensor(value, dtype_hint=dtypes.int32)
    if tensor.shape.rank not in (0, None):
        raise ValueError(f"{name}: expected a scalar, got shape {tensor.shape}")
    if not tensor.dtype.is_integer:
        raise TypeError(f"{name}: expected an integer, got {tensor.dtype.name}")
    return tensor if tensor.dtype is dtypes.int32 else execute("Cast", (tensor,), {"DstT": dtypes.int32})


def floating(dtype: Any) -> DType:
    """`dtype`, if it is a floating one; ValueError otherwise."""
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"dtype must be a floating point type. Found {dtype}")
    return dtype


def _cast(x: Any, dtype: DType) -> Tensor:
    return execute("Cast", (convert_to_tensor(x),), {"DstT": dtype})


def _indices(length: Tensor, dtype: DType) -> Tensor:
    zero, one = convert_to_tensor(0), convert_to_tensor(1)
    return _cast(execute("Range", (zero, length, one)), dtype)


@export("signal.hann_window")
def hann_window(
    window_length: Any, periodic: bool = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """The Hann window, `0.5 - 0.5 cos(2 pi i / n)`.

    Args:
      window_length: how many values, an int32 scalar.
      periodic: True for spectral analysis: a window of one value more, without its last; False: symmetric.
      dtype: a floating dtype.
      name: the scope of the nodes in a graph.

    Raises:
      ValueError: `dtype` is not floating, or the length is no scalar.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.hann_window(4).numpy().round(3))
      [0.  0.5 1.  0.5]
    """
    return _raised_cosine(name, "hann_window", window_length, periodic, dtype, 0.5, 0.5)


@export("signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: bool = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """The Hamming window, `0.54 - 0.46 cos(2 pi i / n)`; arguments as for `tf.signal.hann_window`.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.hamming_window(4).numpy().round(3))
      [0.08 0.54 1.   0.54]
    """
    return _raised_cosine(name, "hamming_window", window_length, periodic, dtype, 0.54, 0.46)


def _raised_cosine(
    name: str | None, scope: str, window_length: Any, periodic: Any, dtype: Any, a: float, b: float
) -> Tensor:
    with name_scope(name, scope):
        dtype = floating(dtype)
        length = scalar_length(window_length, "window_length")
        one = convert_to_tensor(1)
        known = constant_value(length)
        if known is not None and int(known) == 1:
            return convert_to_tensor([1.0], dtype)
        if known is not None and int(known) < 1:
            return convert_to_tensor([], dtype)
        whole = _cast(convert_to_tensor(periodic, dtype_hint=dtypes.bool), dtypes.bool)
        even = one - execute("FloorMod", (length, convert_to_tensor(2)))
        period = _cast(length + _cast(whole, dtypes.int32) * even - one, dtype)
        count = _indices(length, dtype)
        # A window of one value has the period 0: its value is 1.
        safe = execute("Maximum", (period, convert_to_tensor(1.0, dtype)))
        angle = convert_to_tensor(2 * math.pi, dtype) * count / safe
        window = convert_to_tensor(a, dtype) - convert_to_tensor(b, dtype) * execute("Cos", (angle,))
        if known is not None:
            return window
        single = execute("Equal", (length, one))
        return execute("SelectV2", (single, execute("OnesLike", (window,)), window))


@export("signal.kaiser_window")
def kaiser_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """The Kaiser window, `I0(beta sqrt(1 - (2 i / (n - 1) - 1)^2)) / I0(beta)`.

    Args:
      window_length: how many values, an int32 scalar.
      beta: the shape: the larger, the lower the side lobes and the wider the main lobe.
      dtype: a floating dtype.
      name: the scope of the nodes in a graph.

    Raises:
      ValueError: `dtype` is not floating, or the length is no scalar.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.kaiser_window(5, beta=4.0).numpy().round(3))
      [0.088 0.633 1.    0.633 0.088]
    """
    with name_scope(name, "kaiser_window"):
        dtype = floating(dtype)
        length = scalar_length(window_length, "window_length")
        known = constant_value(length)
        if known is not None and int(known) == 1:
            return convert_to_tensor([1.0], dtype)
        one = convert_to_tensor(1.0, dtype)
        half = execute("Maximum", ((_cast(length, dtype) - one) / convert_to_tensor(2.0, dtype), one * 0.5))
        argument = (_indices(length, dtype) - half) / half
        beta = convert_to_tensor(beta, dtype)
        root = execute("Maximum", (one - argument * argument, one - one))
        inner = beta * execute("Sqrt", (root,))
        # I0 overflows early: the exponential that I0e leaves out is put back as a difference.
        window = execute("Exp", (abs(inner) - abs(beta),))
        window = window * execute("BesselI0e", (inner,)) / execute("BesselI0e", (beta,))
        if known is not None:
            return window
        single = execute("Equal", (length, convert_to_tensor(1)))
        return execute("SelectV2", (single, execute("OnesLike", (window,)), window))


@export("signal.kaiser_bessel_derived_window")
def kaiser_bessel_derived_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """The window whose squares, half a window apart, sum to 1 (for the MDCT), made from the Kaiser window.

    Args:
      window_length: how many values, an even int32 scalar.
      beta: the shape; see `tf.signal.kaiser_window`.
      dtype: a floating dtype.
      name: the scope of the nodes in a graph.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.kaiser_bessel_derived_window(4).numpy().round(3))
      [0.007 1.    1.    0.007]
    """
    with name_scope(name, "kaiser_bessel_derived_window"):
        dtype = floating(dtype)
        half = execute("FloorDiv", (scalar_length(window_length, "window_length"), convert_to_tensor(2)))
        sums = cumsum(kaiser_window(half + convert_to_tensor(1), beta, dtype), axis=0)
        rising = execute("Sqrt", (sums[:-1] / sums[-1],))
        falling = execute("ReverseV2", (rising, convert_to_tensor([0])))
        return execute("ConcatV2", ([rising, falling], convert_to_tensor(0)))


@export("signal.vorbis_window")
def vorbis_window(window_length: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """The window of Ogg Vorbis, `sin(pi/2 sin^2(pi (i + 0.5) / n))`.

    Args:
      window_length: how many values, an int32 scalar.
      dtype: a floating dtype.
      name: the scope of the nodes in a graph.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.vorbis_window(4).numpy().round(3))
      [0.228 0.974 0.974 0.228]
    """
    with name_scope(name, "vorbis_window"):
        dtype = floating(dtype)
        length = scalar_length(window_length, "window_length")
        half, pi = convert_to_tensor(0.5, dtype), convert_to_tensor(math.pi, dtype)
        inner = execute("Sin", (pi / _cast(length, dtype) * (_indices(length, dtype) + half),))
        return execute("Sin", (pi * half * inner * inner,))
