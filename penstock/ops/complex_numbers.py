"""Complex numbers: their parts, modulus, angle and conjugate, and making them."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import broadcast, unchanged
from penstock.engine.xla import jnp, lax
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.dtype_sets import COMPLEX, WIDE_FLOATS
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.tensors import Tensor


def _part(op_type: str, x: Tensor) -> Tensor:
    return execute(op_type, (x,), {"Tout": x.dtype.real_dtype})


def _complex(x: Tensor, y: Tensor) -> Tensor:
    kind = dtypes.complex64 if x.dtype.base_dtype is dtypes.float32 else dtypes.complex128
    return execute("Complex", (x, y), {"Tout": kind})


def _imaginary(y: Tensor) -> Tensor:
    """i * y of a real tensor."""
    return _complex(execute("ZerosLike", (y,)), y)


def _make_numpy(real: Any, imag: Any, *, Tout: DType) -> np.ndarray:
    out = np.empty(np.broadcast_shapes(np.shape(real), np.shape(imag)), Tout.np_dtype)
    out.real, out.imag = real, imag
    return out


def _make_xla(real: Any, imag: Any, *, Tout: DType) -> Any:
    return lax.complex(*jnp.broadcast_arrays(real, imag))


def _make_gradient(call: Any, dz: Tensor) -> list[Tensor | None]:
    real, imag = call.inputs
    return sum_to_operands(real, imag, _part("Real", dz), _part("Imag", dz))


def _modulus_gradient(call: Any, dy: Tensor) -> Tensor:
    return _complex(dy, execute("ZerosLike", (dy,))) * execute("Sign", call.inputs)


def _angle_gradient(call: Any, dy: Tensor) -> Tensor:
    """d angle = Im(conj(z) dz) / |z|^2, so the gradient is i z dy / |z|^2, which is i dy / conj(z)."""
    return execute("DivNoNan", (_imaginary(dy), execute("Conj", call.inputs)))


op(
    "Complex(real: T, imag: T; Tout=complex64) -> out: Tout",
    numpy=_make_numpy,
    xla=_make_xla,
    shape=broadcast,
    gradient=_make_gradient,
    types={"T": WIDE_FLOATS},
)

# Op type, input -> output, kernel, gradient; the outputs are real.
_PARTS = (
    ("Real", "input output", lambda xp, x, Tout: xp.real(x),
     lambda call, dy: _complex(dy, execute("ZerosLike", (dy,)))),
    ("Imag", "input output", lambda xp, x, Tout: xp.imag(x), lambda call, dy: _imaginary(dy)),
    ("ComplexAbs", "x y", lambda xp, x, Tout: xp.abs(x), _modulus_gradient),
    ("Angle", "input output", lambda xp, x, Tout: xp.angle(x), _angle_gradient),
)  # fmt: skip

for _type, _names, _kernel, _gradient in _PARTS:
    _input, _output = _names.split()
    op(
        f"{_type}({_input}: T; Tout=float32) -> {_output}: Tout",
        _kernel,
        shape=unchanged,
        gradient=_gradient,
        types={"T": COMPLEX},
    )

op(
    "Conj(input: T) -> output: T",
    lambda xp, x: xp.conj(x),
    shape=unchanged,
    gradient=lambda call, dy: execute("Conj", (dy,)),
    types={"T": COMPLEX},
)


@export("complex", "dtypes.complex")
def complex_(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """real + i imag.

    Args:
      real: a float32 or float64 tensor.
      imag: a tensor of the same dtype; the shapes broadcast.
      name: the node's name in a graph.

    Returns:
      A complex64 or complex128 tensor.

    Raises:
      TypeError: the dtypes differ or are others.

    Example:
      >>> import penstock as tf
      >>> tf.complex([2.25, 3.25], [4.75, 5.75]).numpy()
      array([2.25+4.75j, 3.25+5.75j], dtype=complex64)
    """
    real, imag = convert_to_tensor(real, name="real"), convert_to_tensor(imag, name="imag")
    kinds = {dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128}
    if real.dtype.base_dtype != imag.dtype.base_dtype or real.dtype.base_dtype not in kinds:
        raise TypeError(
            f"The `real` and `imag` components have incorrect types: {real.dtype.name} {imag.dtype.name}. They must be "
            "consistent, and one of (tf.float32, tf.float64)."
        )
    return execute("Complex", (real, imag), {"Tout": kinds[real.dtype.base_dtype]}, name)


def _numeric(x: Any, function: str) -> Tensor:
    x = convert_to_tensor(x)
    if not (x.dtype.is_numeric or x.dtype.is_complex):
        raise TypeError(f"tf.math.{function} expects a tensor of numbers, but got {x.dtype!r}")
    return x


@export("math.real", v1=["math.real", "real"])
def real(input: Any, name: str | None = None) -> Tensor:
    """The real part; a real tensor is its own.

    Raises:
      TypeError: the input is not numeric.

    Example:
      >>> import penstock as tf
      >>> tf.math.real(tf.constant([-2.25 + 4.75j])).numpy()
      array([-2.25])
    """
    input = _numeric(input, "real")
    return (
        execute("Real", (input,), {"Tout": input.dtype.real_dtype}, name) if input.dtype.is_complex else input
    )


@export("math.imag", v1=["math.imag", "imag"])
def imag(input: Any, name: str | None = None) -> Tensor:
    """The imaginary part; zeros for a real tensor.

    Example:
      >>> import penstock as tf
      >>> tf.math.imag(tf.constant([-2.25 + 4.75j])).numpy()
      array([4.75])
    """
    input = convert_to_tensor(input)
    if input.dtype.is_complex:
        return execute("Imag", (input,), {"Tout": input.dtype.real_dtype}, name)
    return execute("ZerosLike", (input,), None, name)


@export("math.angle", v1=["math.angle", "angle"])
def angle(input: Any, name: str | None = None) -> Tensor:
    """The angle of complex numbers, in (-pi, pi]; for real ones 0 or, where they are negative, pi.

    Example:
      >>> import penstock as tf
      >>> tf.math.angle(tf.constant([1j, -1.0 + 0j])).numpy()
      array([1.57079633, 3.14159265])
    """
    input = convert_to_tensor(input)
    if input.dtype.is_complex:
        return execute("Angle", (input,), {"Tout": input.dtype.real_dtype}, name)
    zeros = execute("ZerosLike", (input,))
    return execute("SelectV2", (execute("Less", (input, zeros)), zeros + np.pi, zeros), None, name)


@export("math.conj", v1=["math.conj", "conj"])
def conj(x: Any, name: str | None = None) -> Tensor:
    """The complex conjugate; a real tensor is its own.

    Raises:
      TypeError: the input is not numeric.

    Example:
      >>> import penstock as tf
      >>> tf.math.conj(tf.constant([-2.25 + 4.75j])).numpy()
      array([-2.25-4.75j])
    """
    x = _numeric(x, "conj")
    return execute("Conj", (x,), None, name) if x.dtype.is_complex else x
