"""The discrete cosine transforms, types I to IV, by real Fourier transforms: `tf.signal.dct`, `tf.signal.idct`."""

from __future__ import annotations

import math
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import name_scope
from penstock.ops.complex_numbers import complex_ as make_complex
from penstock.ops.complex_numbers import real
from penstock.ops.concatenation import concat
from penstock.ops.reversal import reverse
from penstock.ops.signal.fourier import irfft, rfft
from penstock.ops.signal.fourier_ops import dim, pad_along
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _check(x: Tensor, kind: Any, n: Any, axis: Any, norm: Any) -> None:
    if axis != -1:
        raise NotImplementedError(f"axis must be -1. Got: {axis}")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError("n should be a positive integer or None")
    if kind not in (1, 2, 3, 4):
        raise ValueError("Types I, II, III and IV (I)DCT are supported.")
    if kind == 1:
        if norm == "ortho":
            raise ValueError("Normalization is not supported for the Type-I DCT.")
        if x.shape.rank and x.shape[-1] is not None and x.shape[-1] < 2:
            raise ValueError("Type-I DCT requires the dimension to be greater than one.")
    if norm not in (None, "ortho"):
        raise ValueError(f"Unknown normalization. Expected None or 'ortho', got: {norm}")


@export("signal.dct", v1=["signal.dct", "spectral.dct"])
def dct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The discrete cosine transform over the last axis.

    Type 2: `y[k] = 2 sum_j x[j] cos(pi k (2 j + 1) / (2 n))`; see `scipy.fft.dct` for the other types.

    Args:
      input: a float32 or float64 tensor.
      type: 1, 2, 3 or 4.
      n: how many samples to transform; the signal is cropped, or padded with zeros.
      axis: -1.
      norm: None, or "ortho" for an orthonormal transform.
      name: the scope of the nodes in a graph.

    Returns:
      A tensor of the same shape, but for the last axis, which has `n` entries where that is given.

    Raises:
      ValueError: there is no such type or norm, or `n` is not positive.
      NotImplementedError: `axis` is not -1.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.dct([1.0, 2.0, 3.0]).numpy().round(3))
      [12.    -3.464  0.   ]
    """
    with name_scope(name, "dct"):
        x = convert_to_tensor(input)
        _check(x, type, n, axis, norm)
        size = dim(x, -1)
        if n is not None:
            if isinstance(size, int):
                x = x[(..., slice(0, n))] if n < size else pad_along(x, [x.shape.rank - 1], [n - size])
            else:
                missing = execute("Maximum", (convert_to_tensor(n - size), convert_to_tensor(0)))
                x = pad_along(x, [x.shape.rank - 1], [missing])[(..., slice(0, n))]
            size = n
        return _KINDS[type](x, size, norm == "ortho")


def _number(value: Any, dtype: Any) -> Tensor:
    if isinstance(value, (int, float)):
        return convert_to_tensor(float(value), dtype)
    return execute("Cast", (value,), {"DstT": dtype})


def _phases(count: Any, angle_step: Any, offset: float, dtype: Any) -> Tensor:
    """`exp(i (k + offset) angle_step)` for k from 0 to count - 1."""
    places = execute(
        "Range", (convert_to_tensor(0), convert_to_tensor(count, dtypes.int32), convert_to_tensor(1))
    )
    angles = (execute("Cast", (places,), {"DstT": dtype}) + convert_to_tensor(offset, dtype)) * angle_step
    return make_complex(execute("Cos", (angles,)), execute("Sin", (angles,)))


def _angle(numerator: float, size: Any, dtype: Any) -> Tensor:
    return convert_to_tensor(numerator, dtype) / _number(size, dtype)


def _last_axis(x: Tensor) -> list[int]:
    return [x.shape.rank - 1]


def _vector(length: Any) -> Tensor:
    return (
        convert_to_tensor([length]) if isinstance(length, int) else execute("Pack", ([length],), {"axis": 0})
    )


def _dct1(x: Tensor, size: Any, ortho: bool) -> Tensor:
    mirrored = concat([x, reverse(x[..., 1:-1], _last_axis(x))], axis=-1)
    return real(rfft(mirrored))


def _dct2(x: Tensor, size: Any, ortho: bool) -> Tensor:
    spectrum = rfft(x, _vector(size * 2))[(..., slice(0, size))]
    y = 2 * real(spectrum * _phases(size, _angle(-0.5 * math.pi, size, x.dtype), 0.0, x.dtype))
    return y * _ortho_weights(size, x.dtype) if ortho else y


def _ortho_weights(size: Any, dtype: Any) -> Tensor:
    """`1/2 sqrt(2/n)` for all coefficients but the first, which gets `1/2 sqrt(1/n)`."""
    places = execute(
        "Range", (convert_to_tensor(0), convert_to_tensor(size, dtypes.int32), convert_to_tensor(1))
    )
    first = execute("Equal", (places, convert_to_tensor(0)))
    scale = execute("Rsqrt", (_number(size, dtype),))
    weights = (convert_to_tensor(0.5, dtype), convert_to_tensor(math.sqrt(0.5), dtype))
    return scale * execute("SelectV2", (first, *weights))


def _dct3(x: Tensor, size: Any, ortho: bool) -> Tensor:
    if ortho:
        places = execute(
            "Range", (convert_to_tensor(0), convert_to_tensor(size, dtypes.int32), convert_to_tensor(1))
        )
        first = execute("Equal", (places, convert_to_tensor(0)))
        root = execute("Rsqrt", (_number(size, x.dtype),))
        weights = (convert_to_tensor(1.0, x.dtype), convert_to_tensor(math.sqrt(0.5), x.dtype))
        x = x * (root * execute("SelectV2", (first, *weights)))
    phases = _phases(size, _angle(0.5 * math.pi, size, x.dtype), 0.0, x.dtype)
    scale = 2.0 * _number(size, x.dtype)
    spectrum = make_complex(x * scale, execute("ZerosLike", (x,))) * phases
    return irfft(spectrum, _vector(size * 2))[(..., slice(0, size))]


def _dct4(x: Tensor, size: Any, ortho: bool) -> Tensor:
    # A type II transform of twice the length, of which the odd coefficients count.
    y = _dct2(pad_along(x, _last_axis(x), [size]), size * 2, False)[..., 1::2]
    if ortho:
        y = y * (convert_to_tensor(math.sqrt(0.5), x.dtype) * execute("Rsqrt", (_number(size, x.dtype),)))
    return y


_KINDS = {1: _dct1, 2: _dct2, 3: _dct3, 4: _dct4}
_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


@export("signal.idct", v1=["signal.idct", "spectral.idct"])
def idct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The inverse discrete cosine transform over the last axis; without `norm="ortho"` but for a factor.

    Args:
      input, type, n, axis, norm, name: as for `tf.signal.dct`.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.idct(tf.signal.dct([1.0, 2.0, 3.0], norm="ortho"), norm="ortho").numpy().round(3))
      [1. 2. 3.]
    """
    with name_scope(name, "idct"):
        x = convert_to_tensor(input)
        _check(x, type, n, axis, norm)
        return dct(x, _INVERSE[type], n, axis, norm)
