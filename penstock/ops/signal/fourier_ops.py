"""The discrete Fourier transforms as ops: of complex and of real signals, over the last 1 to 3 axes, or over any axes.

Transforms of real signals take the lengths to transform as an input; a longer signal is cropped. The public functions,
which also pad, are in `signal.fourier`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value, static_ints
from penstock.ops.complex_numbers import real
from penstock.ops.padding import pad
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_COMPLEX = frozenset({dtypes.complex64, dtypes.complex128})
_REAL = frozenset({dtypes.float32, dtypes.float64})


# Kernels.


def _last(rank: int, count: int) -> list[int]:
    if rank < count:
        raise ValueError(f"Input must have rank of at least {count}, but it has rank {rank}")
    return list(range(rank - count, rank))


def _normalized(axes: Any, rank: int) -> list[int]:
    found = static_ints(axes)
    for axis in found:
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} must be in [-{rank}, {rank})")
    positive = [axis % rank for axis in found]
    if len(set(positive)) != len(positive):
        raise ValueError(f"axes must be unique, got {list(found)}")
    return positive


def _lengths(fft_length: Any, axes: Sequence[int]) -> tuple[int, ...]:
    lengths = static_ints(fft_length)
    if len(lengths) != len(axes):
        raise ValueError(f"fft_length must have shape [{len(axes)}], got {list(lengths)}")
    if any(length < 0 for length in lengths):
        raise ValueError(f"fft_length must not be negative, got {list(lengths)}")
    return lengths


def _cropped(x: Any, axes: Sequence[int], lengths: Sequence[int]) -> Any:
    """`x` with the given lengths along axes."""
    index = [slice(None)] * x.ndim
    for axis, length in zip(axes, lengths):
        if x.shape[axis] < length:
            raise ValueError(
                f"Input dimension {axis} must have length of at least {length} but got: {x.shape[axis]}"
            )
        index[axis] = slice(length)
    return x[tuple(index)]


# SciPy transforms several rows at a time, in less than half of NumPy's time, but takes a while to import.
_WORTH_SCIPY = 1 << 16  # numbers


def _fourier(xp: Any, x: Any) -> Any:
    """The module with the transforms for `x`."""
    if xp is not np or x.size < _WORTH_SCIPY:
        return xp.fft
    import scipy.fft

    return scipy.fft


def _transform(xp: Any, x: Any, axes: Sequence[int], forward: bool) -> Any:
    if 0 in x.shape:
        return x
    fourier = _fourier(xp, x)
    if len(axes) <= 3:
        return (fourier.fftn if forward else fourier.ifftn)(x, axes=axes)
    for axis in axes:
        x = (fourier.fft if forward else fourier.ifft)(x, axis=axis)
    return x


def _of_real(xp: Any, x: Any, axes: Sequence[int], lengths: Sequence[int], out: Any) -> Any:
    x = _cropped(x, axes, lengths)
    if 0 in x.shape:
        shape = list(x.shape)
        shape[axes[-1]] = lengths[-1] // 2 + 1 if lengths[-1] else 0
        return xp.zeros(shape, out.as_numpy_dtype)
    x = _fourier(xp, x).rfft(x, axis=axes[-1])
    x = _transform(xp, x, axes[:-1], True) if axes[:-1] else x
    return x.astype(out.as_numpy_dtype, copy=False)


def _to_real(xp: Any, x: Any, axes: Sequence[int], lengths: Sequence[int], out: Any) -> Any:
    half = [*lengths[:-1], lengths[-1] // 2 + 1 if lengths[-1] else 0]
    x = _cropped(x, axes, half)
    if 0 in x.shape or not lengths[-1]:
        shape = list(x.shape)
        shape[axes[-1]] = lengths[-1]
        return xp.zeros(shape, out.as_numpy_dtype)
    if axes[:-1]:
        x = _transform(xp, x, axes[:-1], False)
    x = _fourier(xp, x).irfft(x, n=lengths[-1], axis=axes[-1])
    return x.astype(out.as_numpy_dtype, copy=False)


# Shapes.


def _lengths_shape(
    half: bool, axes_of: Callable[[ShapeCall, int], list[int] | None]
) -> Callable[[ShapeCall], Any]:
    """The rule of transforms with an `fft_length`: the axes get its entries, the last one half of its entry."""

    def rule(call: ShapeCall) -> TensorShape:
        rank = call.shape(0).rank
        if rank is None:
            return TensorShape(None)
        axes = axes_of(call, rank)
        if axes is None:
            return TensorShape([None] * rank)
        dims = call.shape(0).as_list()
        lengths = call.entries(1)
        if lengths is None:
            lengths = [None] * len(axes)
        if len(lengths) != len(axes):
            raise call.error(f"fft_length must have shape [{len(axes)}]")
        for axis, length in zip(axes, lengths):
            dims[axis] = length
        if half and axes and dims[axes[-1]]:
            dims[axes[-1]] = dims[axes[-1]] // 2 + 1
        return TensorShape(dims)

    return rule


def _last_axes(count: int) -> Callable[[ShapeCall, int], list[int]]:
    def axes_of(call: ShapeCall, rank: int) -> list[int]:
        if rank < count:
            raise call.error(f"the input must have a rank of at least {count}")
        return list(range(rank - count, rank))

    return axes_of


def _given_axes(call: ShapeCall, rank: int) -> list[int] | None:
    axes = call.value(2)
    if axes is None:
        return None
    if any(not -rank <= axis < rank for axis in axes.reshape(-1)):
        raise call.error(f"axes {axes.tolist()} must be in [-{rank}, {rank})")
    return [int(axis) % rank for axis in axes.reshape(-1)]


def _same(count: int) -> Callable[[ShapeCall], TensorShape]:
    def rule(call: ShapeCall) -> TensorShape:
        if call.shape(0).rank is not None and call.shape(0).rank < count:
            raise call.error(f"the input must have a rank of at least {count}")
        return call.shape(0)

    return rule


# Gradients. A transform is linear, so its gradient is its adjoint: for the DFT of N points, N times the inverse DFT.


def size_of(x: Tensor, axes: Sequence[int], dtype: Any) -> Tensor:
    """The number of elements along axes, as a scalar of `dtype`."""
    dims = [None] if x.shape.rank is None else [x.shape[axis] for axis in axes]
    if None not in dims:
        return convert_to_tensor(math.prod(dims), dtype)
    sizes = execute(
        "GatherV2", (execute("Shape", (x,)), convert_to_tensor(list(axes)), convert_to_tensor(0)), _GATHER
    )
    product = execute("Prod", (sizes, convert_to_tensor([0])))
    return execute("Cast", (product,), {"DstT": dtype})


_GATHER = {"batch_dims": 0}


def pad_along(x: Tensor, axes: Sequence[int], missing: Sequence[Any]) -> Tensor:
    """`x` with `missing[i]` (an int or a scalar tensor) zeros at the end of `axes[i]`."""
    if all(isinstance(count, int) and count == 0 for count in missing):
        return x
    counts: list[Any] = [0] * x.shape.rank
    for axis, count in zip(axes, missing):
        counts[axis] = count
    return pad(x, [[0, count] for count in counts])


def dim(x: Tensor, axis: int) -> Any:
    """The size of an axis: an int where it is known, else a scalar tensor."""
    size = None if x.shape.rank is None else x.shape[axis]
    return execute("Shape", (x,))[axis] if size is None else int(size)


def _known_rank(call: Any) -> int:
    rank = call.inputs[0].shape.rank
    if rank is None:
        raise ValueError(f"{call.type}: the gradient needs the rank of the input")
    return rank


def _complex_gradient(inverse: str, forward: bool, count: int) -> Callable[[Any, Tensor], Tensor]:
    def rule(call: Any, dy: Tensor) -> Tensor:
        axes = list(range(-count, 0))
        scale = size_of(dy, axes, dy.dtype)
        result = execute(inverse, (dy,))
        return result * scale if forward else result / scale

    return rule


def _axes_of_call(call: Any, count: int) -> list[int]:
    rank = _known_rank(call)
    if count:
        return list(range(rank - count, rank))
    axes = constant_value(call.inputs[2])
    if axes is None:
        raise ValueError(f"{call.type}: the gradient needs axes that are known")
    return [int(axis) % rank for axis in axes.reshape(-1)]


def _entries(lengths: Tensor, count: int) -> list[Any]:
    known = constant_value(lengths)
    return [lengths[i] for i in range(count)] if known is None else [int(each) for each in known]


def _complex_of(x: Tensor) -> Tensor:
    return execute("Complex", (x, execute("ZerosLike", (x,))), {"Tout": _complex_dtype(x.dtype)})


def _complex_dtype(dtype: Any) -> Any:
    return dtypes.complex64 if dtype is dtypes.float32 else dtypes.complex128


def _of_real_gradient(call: Any, dy: Tensor, count: int) -> list[Tensor | None]:
    axes = _axes_of_call(call, count)
    lengths = _entries(call.inputs[1], len(axes))
    full = pad_along(dy, axes[-1:], [lengths[-1] - dim(dy, axes[-1])])
    found = real(_inverse(full, axes, count)) * size_of(full, axes, dy.dtype.real_dtype)
    return [_uncropped(found, call.inputs[0], axes), *[None] * (len(call.inputs) - 1)]


def _to_real_gradient(call: Any, dx: Tensor, count: int) -> list[Tensor | None]:
    axes = _axes_of_call(call, count)
    lengths = _entries(call.inputs[1], len(axes))
    spectrum = _forward_real(dx, call.inputs[1], axes, count)
    # Every coefficient but the first, and the last of an even length, stands for its conjugate too.
    count = _int32(dim(spectrum, axes[-1]))
    places = execute("Range", (_int32(0), count, _int32(1)))
    first = execute("Equal", (places, _int32(0)))
    last = execute("Equal", (places * 2, _int32(lengths[-1])))
    single = execute("LogicalOr", (first, last))
    ones = execute("OnesLike", (execute("Cast", (places,), {"DstT": dx.dtype}),))
    weight = execute("SelectV2", (single, ones, ones + ones)) / size_of(dx, axes, dx.dtype)
    shape = [1] * spectrum.shape.rank
    shape[axes[-1]] = -1
    weight = execute("Reshape", (_complex_of(weight), convert_to_tensor(shape)))
    return [_uncropped(spectrum * weight, call.inputs[0], axes), *[None] * (len(call.inputs) - 1)]


def _int32(value: Any) -> Tensor:
    return convert_to_tensor(value, dtypes.int32)


def _uncropped(found: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """A gradient of the used part of `x` with zeros for the rest."""
    return pad_along(found, axes, [dim(x, axis) - dim(found, axis) for axis in axes])


_SUFFIX = {1: "", 2: "2D", 3: "3D"}


def _inverse(x: Tensor, axes: Sequence[int], count: int) -> Tensor:
    if count:
        return execute(f"IFFT{_SUFFIX[count]}", (x,))
    return execute("IFFTND", (x, lengths_of(x, axes), _int32(list(axes))))


def _forward_real(x: Tensor, lengths: Tensor, axes: Sequence[int], count: int) -> Tensor:
    attrs = {"Tcomplex": _complex_dtype(x.dtype)}
    if count:
        return execute(f"RFFT{_SUFFIX[count]}", (x, lengths), attrs)
    return execute("RFFTND", (x, lengths, _int32(list(axes))), attrs)


def lengths_of(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The sizes of axes as an int32 vector."""
    dims = [dim(x, axis) for axis in axes]
    if all(isinstance(each, int) for each in dims):
        return _int32(np.array(dims, np.int32))
    return execute("Pack", ([_int32(each) for each in dims],), {"axis": 0})


def _nd_gradient(inverse: str, forward: bool) -> Callable[[Any, Tensor], list]:
    def rule(call: Any, dy: Tensor) -> list[Tensor | None]:
        axes = _axes_of_call(call, 0)
        scale = size_of(dy, axes, dy.dtype)
        result = execute(inverse, (dy, call.inputs[1], call.inputs[2]))
        return [_uncropped(result * scale if forward else result / scale, call.inputs[0], axes), None, None]

    return rule


# The ops.

for _count, _suffix in _SUFFIX.items():
    for _type, _inverse_type, _forward in (("FFT", "IFFT", True), ("IFFT", "FFT", False)):
        op(
            f"{_type}{_suffix}(input: Tcomplex) -> output: Tcomplex",
            lambda xp, x, forward=_forward, count=_count: _transform(xp, x, _last(x.ndim, count), forward),
            shape=_same(_count),
            gradient=_complex_gradient(f"{_inverse_type}{_suffix}", _forward, _count),
            types={"Tcomplex": _COMPLEX},
        )

    def _rfft(xp: Any, x: Any, fft_length: Any, *, Tcomplex: Any, count: int = _count) -> Any:
        axes = _last(x.ndim, count)
        return _of_real(xp, x, axes, _lengths(fft_length, axes), Tcomplex)

    def _irfft(xp: Any, x: Any, fft_length: Any, *, Treal: Any, count: int = _count) -> Any:
        axes = _last(x.ndim, count)
        return _to_real(xp, x, axes, _lengths(fft_length, axes), Treal)

    op(
        f"RFFT{_suffix}(input: Treal, fft_length: int32; Tcomplex=complex64) -> output: Tcomplex",
        _rfft,
        shape=_lengths_shape(True, _last_axes(_count)),
        gradient=lambda call, dy, count=_count: _of_real_gradient(call, dy, count),
        types={"Treal": _REAL},
    )
    op(
        f"IRFFT{_suffix}(input: Tcomplex, fft_length: int32; Treal=float32) -> output: Treal",
        _irfft,
        shape=_lengths_shape(False, _last_axes(_count)),
        gradient=lambda call, dy, count=_count: _to_real_gradient(call, dy, count),
        types={"Tcomplex": _COMPLEX},
    )


def _fftnd(xp: Any, x: Any, fft_length: Any, axes: Any, forward: bool) -> Any:
    axes = _normalized(axes, x.ndim)
    return _transform(xp, _cropped(x, axes, _lengths(fft_length, axes)), axes, forward)


for _type, _inverse_type, _forward in (("FFTND", "IFFTND", True), ("IFFTND", "FFTND", False)):
    op(
        f"{_type}(input: Tcomplex, fft_length: int32, axes: int32) -> output: Tcomplex",
        lambda xp, x, fft_length, axes, forward=_forward: _fftnd(xp, x, fft_length, axes, forward),
        shape=_lengths_shape(False, _given_axes),
        gradient=_nd_gradient(_inverse_type, _forward),
        types={"Tcomplex": _COMPLEX},
    )


def _rfftnd(xp: Any, x: Any, fft_length: Any, axes: Any, *, Tcomplex: Any) -> Any:
    axes = _normalized(axes, x.ndim)
    return _of_real(xp, x, axes, _lengths(fft_length, axes), Tcomplex)


def _irfftnd(xp: Any, x: Any, fft_length: Any, axes: Any, *, Treal: Any) -> Any:
    axes = _normalized(axes, x.ndim)
    return _to_real(xp, x, axes, _lengths(fft_length, axes), Treal)


op(
    "RFFTND(input: Treal, fft_length: int32, axes: int32; Tcomplex=complex64) -> output: Tcomplex",
    _rfftnd,
    shape=_lengths_shape(True, _given_axes),
    gradient=lambda call, dy: _of_real_gradient(call, dy, 0),
    types={"Treal": _REAL},
)
op(
    "IRFFTND(input: Tcomplex, fft_length: int32, axes: int32; Treal=float32) -> output: Treal",
    _irfftnd,
    shape=_lengths_shape(False, _given_axes),
    gradient=lambda call, dy: _to_real_gradient(call, dy, 0),
    types={"Tcomplex": _COMPLEX},
)
