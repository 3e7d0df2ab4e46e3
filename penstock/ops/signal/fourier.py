"""`tf.signal.fft` and its relatives, `tf.signal.fftshift` and `ifftshift`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.reversal import roll
from penstock.ops.signal.fourier_ops import dim, lengths_of, pad_along, size_of
from penstock.types import dtypes, errors
from penstock.types.tensors import Tensor

_COMPLEX_DOC = """The {inverse}discrete Fourier transform over the last {axes} of a complex tensor.

    {formula}

    Args:
      input: a complex tensor of a rank of at least {count}.
      name: the node's name in a graph.

    Returns:
      A tensor of the same dtype and shape.

    Raises:
      InvalidArgumentError: the dtype is not complex, or the rank too small.

    Example:
      >>> import penstock as tf
      >>> print(tf.signal.{name}({example}).numpy().round(3))
      {result}
    """
_REAL_DOC = """The discrete Fourier transform over the last {axes} of a real tensor, without the redundant half.

    Args:
      input_tensor: a float32 or float64 tensor of a rank of at least {count}.
      fft_length: the lengths to transform, {count} of them; the signal is cropped, or padded with zeros at its end.
      name: the node's name in a graph.

    Returns:
      A complex tensor; the last axis has `fft_length // 2 + 1` coefficients.

    Raises:
      InvalidArgumentError: the dtype is not real, or the rank too small.
    """
_INVERSE_REAL_DOC = """The inverse of `tf.signal.{forward}`: the real signal that has the given coefficients.

    Args:
      input_tensor: a complex tensor; the last axis has `fft_length // 2 + 1` coefficients.
      fft_length: the lengths of the signal, {count} of them. By default the last one is even, `2 * (n - 1)`.
      name: the node's name in a graph.

    Returns:
      A real tensor.

    Raises:
      InvalidArgumentError: the dtype is not complex, or the rank too small.
    """
_EXAMPLES = {
    1: "[1.0 + 0j, 2.0, 3.0, 2.0]",
    2: "[[1.0 + 0j, 2.0], [3.0, 2.0]]",
    3: "[[[1.0 + 0j, 2.0], [3.0, 2.0]]]",
}
_RESULTS = {
    "fft": "[ 8.+0.j -2.+0.j  0.+0.j -2.+0.j]",
    "ifft": "[ 2. +0.j -0.5+0.j  0. +0.j -0.5+0.j]",
    "fft2d": "[[ 8.+0.j  0.+0.j]\n       [-2.+0.j -2.+0.j]]",
    "ifft2d": "[[ 2. +0.j  0. +0.j]\n       [-0.5+0.j -0.5+0.j]]",
    "fft3d": "[[[ 8.+0.j  0.+0.j]\n        [-2.+0.j -2.+0.j]]]",
    "ifft3d": "[[[ 2. +0.j  0. +0.j]\n        [-0.5+0.j -0.5+0.j]]]",
}
_AXES = {1: "axis", 2: "2 axes", 3: "3 axes"}
_SUFFIX = {1: ("", ""), 2: ("2d", "2D"), 3: ("3d", "3D")}


def _complex_function(op_type: str, count: int, inverse: bool) -> None:
    name = ("ifft" if inverse else "fft") + _SUFFIX[count][0]
    scope = op_type

    def function(input: Any, name: str | None = None) -> Tensor:
        return execute(scope, (convert_to_tensor(input, dtype_hint=dtypes.complex64),), None, name)

    sign = "+" if inverse else "-"
    formula = f"`y[k] = {'1/n ' if inverse else ''}sum_j x[j] exp({sign}2 pi i j k / n)`" + (
        "" if count == 1 else ", over one axis after the other."
    )
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _COMPLEX_DOC.format(
        inverse="inverse " if inverse else "", axes=_AXES[count], count=count, formula=formula, name=name,
        example=_EXAMPLES[count], result=_RESULTS[name],
    )  # fmt: skip
    v1 = [f"signal.{name}", f"spectral.{name}", name]
    __test__[name] = export(f"signal.{name}", v1=v1)(function)


def _fitted(x: Tensor, axes: Sequence[int], lengths: Tensor) -> Tensor:
    """`x` padded with zeros where it is shorter than `lengths` along axes; an op crops what is longer."""
    known = constant_value(lengths)
    missing: list[Any] = []
    for index, axis in enumerate(axes):
        length = lengths[index] if known is None else int(known.reshape(-1)[index])
        size = dim(x, axis)
        if isinstance(length, int) and isinstance(size, int):
            missing.append(max(0, length - size))
        else:
            difference = convert_to_tensor(length - size, dtypes.int32)
            missing.append(execute("Maximum", (difference, convert_to_tensor(0))))
    return x if x.shape.rank is None else pad_along(x, [axis % x.shape.rank for axis in axes], missing)


def _half(x: Tensor, axes: Sequence[int], lengths: Tensor) -> Tensor:
    """`x`, the coefficients of a real signal of the given lengths, padded where there are too few."""
    known = constant_value(lengths)
    if known is not None:
        known = known.reshape(-1).copy()
        known[-1] = known[-1] // 2 + 1
        return _fitted(x, axes, convert_to_tensor(known, dtypes.int32))
    count = len(axes)
    halves = convert_to_tensor([1] * (count - 1) + [2], dtypes.int32)
    extra = convert_to_tensor([0] * (count - 1) + [1], dtypes.int32)
    return _fitted(x, axes, execute("FloorDiv", (lengths, halves)) + extra)


def _signal_lengths(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The lengths of the real signal whose coefficients `x` are, if the last one is even."""
    last = dim(x, axes[-1])
    if isinstance(last, int):
        last = max(0, 2 * (last - 1))
    else:
        last = execute("Maximum", (convert_to_tensor(2 * (last - 1), dtypes.int32), convert_to_tensor(0)))
    dims = [*(dim(x, axis) for axis in axes[:-1]), last]
    if all(isinstance(each, int) for each in dims):
        return convert_to_tensor(np.array(dims, np.int32))
    return execute("Pack", ([convert_to_tensor(each, dtypes.int32) for each in dims],), {"axis": 0})


def _vector(fft_length: Any, count: int) -> Tensor:
    lengths = convert_to_tensor(fft_length, dtypes.int32)
    if lengths.shape.rank == 0 and count == 1:
        lengths = execute("Reshape", (lengths, convert_to_tensor([1])))
    return lengths


def _complex_dtype(x: Tensor) -> Any:
    return dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64


def _real_dtype(x: Tensor) -> Any:
    return dtypes.float64 if x.dtype is dtypes.complex128 else dtypes.float32


def _real_functions(count: int) -> None:
    suffix, op_suffix = _SUFFIX[count]
    axes = list(range(-count, 0))

    def forward(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        with name_scope(name, f"rfft{suffix}") as scope:
            x = convert_to_tensor(input_tensor, dtype_hint=dtypes.float32)
            if fft_length is None:
                lengths = lengths_of(x, axes)
            else:
                lengths = _vector(fft_length, count)
                x = _fitted(x, axes, lengths) if lengths.shape.num_elements() == count else x
            return execute(f"RFFT{op_suffix}", (x, lengths), {"Tcomplex": _complex_dtype(x)}, scope)

    def inverse(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        with name_scope(name, f"irfft{suffix}") as scope:
            x = convert_to_tensor(input_tensor, dtype_hint=dtypes.complex64)
            if fft_length is None:
                lengths = _signal_lengths(x, axes)
            else:
                lengths = _vector(fft_length, count)
                x = _half(x, axes, lengths) if lengths.shape.num_elements() == count else x
            return execute(f"IRFFT{op_suffix}", (x, lengths), {"Treal": _real_dtype(x)}, scope)

    forward.__name__ = forward.__qualname__ = f"rfft{suffix}"
    inverse.__name__ = inverse.__qualname__ = f"irfft{suffix}"
    forward.__doc__ = _REAL_DOC.format(axes=_AXES[count], count=count)
    inverse.__doc__ = _INVERSE_REAL_DOC.format(forward=f"rfft{suffix}", count=count)
    for function in (forward, inverse):
        name = function.__name__
        __test__[name] = export(f"signal.{name}", v1=[f"signal.{name}", f"spectral.{name}"])(function)


__test__: dict[str, Callable] = {}
for _count, (_, _op_suffix) in _SUFFIX.items():
    _complex_function(f"FFT{_op_suffix}", _count, False)
    _complex_function(f"IFFT{_op_suffix}", _count, True)
    _real_functions(_count)

rfft, irfft, fft, ifft = (__test__[name] for name in ("rfft", "irfft", "fft", "ifft"))


# Transforms over any axes.


def _axes(axes: Any, x: Tensor, fft_length: Any) -> list[int]:
    rank = x.shape.rank
    if rank is None:
        raise ValueError("a transform over any axes needs a tensor of known rank")
    if axes is None:
        if fft_length is None:
            return list(range(rank))
        count = convert_to_tensor(fft_length, dtypes.int32).shape.num_elements()
        return list(range(rank - count, rank))
    known = constant_value(convert_to_tensor(axes, dtypes.int32))
    if known is None:
        raise ValueError("axes must be known when the graph is built")
    for axis in known.reshape(-1):
        if not -rank <= axis < rank:
            raise errors.InvalidArgumentError(None, None, f"axis {axis} must be in [-{rank}, {rank})")
    return [int(axis) for axis in known.reshape(-1)]


def _normalize(y: Tensor, norm: str | None, forward: bool, count: Tensor) -> Tensor:
    """`y`, a transform with the usual factors (1, and 1/n for the inverse), with those of another convention.

    Raises:
      ValueError: there is no such convention.
    """
    if norm in (None, "backward"):
        return y
    if norm == "forward":
        return y / count if forward else y * count
    if norm == "ortho":
        root = execute("Sqrt", (count,))
        return y / root if forward else y * root
    raise ValueError(f"Invalid norm: {norm!r}; expected None, 'backward', 'forward' or 'ortho'")


def _lengths_and_axes(
    x: Tensor, fft_length: Any, axes: Any, coefficients: bool
) -> tuple[Tensor, Tensor, list[int]]:
    """`x` fitted to the lengths, the lengths, and the axes."""
    along = _axes(axes, x, fft_length)
    if fft_length is None:
        return x, (_signal_lengths if coefficients else lengths_of)(x, along), along
    lengths = _vector(fft_length, len(along))
    return (_half if coefficients else _fitted)(x, along, lengths), lengths, along


_ND_ARGUMENTS = """
    Args:
      input_tensor: a {dtype} tensor.
      fft_length: the length to transform along each axis; the input is cropped, or padded with zeros at its end.
      axes: the axes; by default the last ones, as many as `fft_length` has entries, or all.
      norm: where the factor 1/n stands: "backward" (the default: at the inverse), "forward", or "ortho" (its root at
        both).
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: an axis is not there, or appears twice.
      ValueError: the axes are not known when a graph is built, or there is no such `norm`.
    """


def _complex_nd(op_type: str, forward: bool) -> None:
    function_name = op_type.lower()

    def function(
        input_tensor: Any,
        fft_length: Any = None,
        axes: Any = None,
        norm: str | None = None,
        name: str | None = None,
    ) -> Tensor:
        with name_scope(name, function_name):
            x = convert_to_tensor(input_tensor, dtype_hint=dtypes.complex64)
            x, lengths, along = _lengths_and_axes(x, fft_length, axes, False)
            y = execute(op_type, (x, lengths, convert_to_tensor(along, dtypes.int32)))
            return _normalize(y, norm, forward, size_of(y, along, y.dtype))

    inverse = "" if forward else "inverse "
    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = (
        f"The {inverse}discrete Fourier transform of a complex tensor over any axes.\n"
        + _ND_ARGUMENTS.format(dtype="complex")
    )  # fmt: skip
    export(f"signal.{function_name}", function_name)(function)


_complex_nd("FFTND", True)
_complex_nd("IFFTND", False)


@export("signal.rfftnd", "rfftnd")
def rfftnd(
    input_tensor: Any,
    fft_length: Any = None,
    axes: Any = None,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The discrete Fourier transform of a real tensor over any axes, the last one without its redundant half."""
    with name_scope(name, "rfftnd"):
        x = convert_to_tensor(input_tensor, dtype_hint=dtypes.float32)
        x, lengths, along = _lengths_and_axes(x, fft_length, axes, False)
        inputs = (x, lengths, convert_to_tensor(along, dtypes.int32))
        y = execute("RFFTND", inputs, {"Tcomplex": _complex_dtype(x)})
        count = execute("Cast", (execute("Prod", (lengths, convert_to_tensor([0]))),), {"DstT": y.dtype})
        return _normalize(y, norm, True, count)


@export("signal.irfftnd", "irfftnd")
def irfftnd(
    input_tensor: Any,
    fft_length: Any = None,
    axes: Any = None,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The inverse of `tf.signal.rfftnd`: the real tensor that has the given coefficients."""
    with name_scope(name, "irfftnd"):
        x = convert_to_tensor(input_tensor, dtype_hint=dtypes.complex64)
        x, lengths, along = _lengths_and_axes(x, fft_length, axes, True)
        inputs = (x, lengths, convert_to_tensor(along, dtypes.int32))
        y = execute("IRFFTND", inputs, {"Treal": _real_dtype(x)})
        return _normalize(y, norm, False, size_of(y, along, y.dtype))


# Shifts.


def _shift(x: Any, axes: Any, name: str | None, scope: str, direction: int) -> Tensor:
    with name_scope(name, scope):
        x = convert_to_tensor(x)
        if axes is None:
            if x.shape.rank is None:
                axes = execute("Range", (convert_to_tensor(0), execute("Rank", (x,)), convert_to_tensor(1)))
                sizes = execute("Shape", (x,))
                halves = execute("FloorDiv", (sizes, convert_to_tensor(2)))
                return roll(x, halves if direction > 0 else -halves, axes)
            axes = list(range(x.shape.rank))
        elif isinstance(axes, int):
            axes = [axes]
        axes = list(axes)
        shifts: list[Any] = []
        for axis in axes:
            size = dim(x, axis)
            half = size // 2 if isinstance(size, int) else execute("FloorDiv", (size, convert_to_tensor(2)))
            shifts.append(half if direction > 0 else -half)
        if all(isinstance(each, int) for each in shifts):
            return roll(
                x, convert_to_tensor(np.array(shifts, np.int32)), convert_to_tensor(np.array(axes, np.int32))
            )
        packed = execute("Pack", ([convert_to_tensor(each, dtypes.int32) for each in shifts],), {"axis": 0})
        return roll(x, packed, convert_to_tensor(np.array(axes, np.int32)))


@export("signal.fftshift")
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Moves the coefficient of frequency zero to the middle.

    Args:
      x: a tensor.
      axes: the axis, or axes, to shift; all by default.
      name: the scope of the nodes in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.signal.fftshift([0.0, 1.0, 2.0, -2.0, -1.0]).numpy()
      array([-2., -1.,  0.,  1.,  2.], dtype=float32)
    """
    return _shift(x, axes, name, "fftshift", 1)


@export("signal.ifftshift")
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The inverse of `tf.signal.fftshift`.

    Example:
      >>> import penstock as tf
      >>> tf.signal.ifftshift([-2.0, -1.0, 0.0, 1.0, 2.0]).numpy()
      array([ 0.,  1.,  2., -2., -1.], dtype=float32)
    """
    return _shift(x, axes, name, "ifftshift", -1)
