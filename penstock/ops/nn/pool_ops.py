"""Max and average pooling ops with their gradients, over images (MaxPool, AvgPool) and volumes (MaxPool3D, AvgPool3D).

Native kernels do the work where there are some, otherwise XLA does. Windows that overlap are then reduced one
dimension at a time, which does fewer steps. The gradient of max pooling looks at the input once for each element of
the window and adds what the window's maximum sends there: a few fused passes, where XLA's select-and-scatter is 10 to
30 times slower on a CPU. Of equal entries the first in row-major order is the maximum, as in TensorFlow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall, like_input
from penstock.engine.static_value import static
from penstock.engine.xla import jax, jnp, lax
from penstock.ops.dtype_sets import FLOATS, REAL
from penstock.ops.nn import native_windows
from penstock.ops.nn.conv_ops import known_dims
from penstock.ops.windows import Windows, full_windows, layout
from penstock.types import dtypes
from penstock.types.shapes import TensorShape

_LARGEST_UNROLLED = 64  # elements of a window; the gradient's program grows with each


def pool_windows(rank: int, attrs: dict) -> Windows:
    """The windows that a pooling op's attributes describe, for an input of `rank` dimensions."""
    form = layout(attrs["data_format"])
    if rank != form.rank:
        raise ValueError(f"input must have rank {form.rank}, got {rank}")
    return full_windows(attrs, attrs["ksize"], form)


def pool_shape(call: ShapeCall) -> TensorShape:
    """The rule of the pooling ops."""
    rank = layout(call.attrs["data_format"]).rank
    dims = known_dims(call.shape(0), rank)
    return TensorShape(pool_windows(len(dims), call.attrs).output_sizes(dims))


def _unrolled(windows: Windows, shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """For each element of a window, in row-major order, the slices of the padded input that hold it in every window."""
    counts = windows.output_sizes(shape)
    for offsets in itertools.product(*(range(size) for size in windows.size)):
        yield tuple(
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(offsets, counts, windows.strides)
        )


def reduce_windows(
    x: Any, start: Any, combine: Callable, windows: Windows, pads: Sequence[tuple[int, int]]
) -> Any:
    """`lax.reduce_window`, one dimension at a time where windows overlap in more than one."""
    overlapping = sum(k > s for k, s in zip(windows.size, windows.strides))
    if overlapping < 2:
        return lax.reduce_window(x, start, combine, windows.size, windows.strides, pads)
    for axis, (size, stride, pad) in enumerate(zip(windows.size, windows.strides, pads)):
        if size == stride == 1 and pad == (0, 0):
            continue

        def only(value: Any, other: Any, axis: int = axis) -> list:
            return [value if i == axis else other for i in range(x.ndim)]

        x = lax.reduce_window(x, start, combine, only(size, 1), only(stride, 1), only(pad, (0, 0)))
    return x


def _lowest(dtype: Any) -> Any:
    """The identity of max."""
    if jnp.issubdtype(dtype, jnp.floating):
        return np.asarray(-np.inf, dtype)
    return np.asarray(np.iinfo(dtype).min, dtype)


# Max pooling.


def _max_pool(x: Any, **attrs: Any) -> Any:
    windows = pool_windows(x.ndim, attrs)
    windows.output_sizes(x.shape)
    found = native_windows.pool("max", x, windows)
    if found is not None:
        return found
    return reduce_windows(x, _lowest(x.dtype), lax.max, windows, windows.pads(x.shape))


def _padded(x: Any, value: Any, pads: Sequence[tuple[int, int]]) -> Any:
    return lax.pad(x, jnp.asarray(value, x.dtype), [(before, after, 0) for before, after in pads])


def first_maxima(x: Any, y: Any, windows: Windows) -> Iterator[tuple[tuple[slice, ...], Any]]:
    """For each element of the window: its slices of the padded input, and in which windows it is the first maximum."""
    padded = _padded(x, _lowest(x.dtype), windows.pads(x.shape))
    found = jnp.zeros(y.shape, bool)
    for place in _unrolled(windows, x.shape):
        here = (padded[place] == y) & ~found
        found = found | here
        yield place, here


def _check_pooled(x: Any, y: Any, windows: Windows) -> None:
    expected = tuple(windows.output_sizes(x.shape))
    if y.shape != expected:
        raise ValueError(
            f"orig_output must have the shape {list(expected)} of the pooled input, got {list(y.shape)}"
        )


def _max_pool_gradient(x: Any, y: Any, dy: Any, **attrs: Any) -> Any:
    windows = pool_windows(x.ndim, attrs)
    _check_pooled(x, y, windows)
    found = native_windows.max_pool_gradient(x, y, dy, windows)
    if found is not None:
        return found
    pads = windows.pads(x.shape)
    if np.prod(windows.size) > _LARGEST_UNROLLED or 0 in y.shape:
        pool = lambda x: lax.reduce_window(x, _lowest(x.dtype), lax.max, windows.size, windows.strides, pads)  # noqa: E731
        return jax.vjp(pool, x)[1](dy)[0] if 0 not in y.shape else jnp.zeros(x.shape, dy.dtype)
    zero = jnp.zeros((), dy.dtype)
    extents = [size + sum(pad) for size, pad in zip(x.shape, pads)]
    total = None
    for place, here in first_maxima(x, y, windows):
        sent = jnp.where(here, dy, zero)
        spread = [(each.start, size - each.stop, each.step - 1) for each, size in zip(place, extents)]
        spread_out = lax.pad(sent, zero, spread)
        total = spread_out if total is None else total + spread_out
    return total[tuple(slice(before, before + size) for (before, _), size in zip(pads, x.shape))]


def max_pool_and_relu_gradient_of(
    x: Any, y: Any, dy: Any, *, over_x: bool = False, **attrs: Any
) -> Any | None:
    """The gradient where `x` is the result of Relu, with respect to Relu's input; None without a native kernel.

    With `over_x` it may be written over `x`.
    """
    windows = pool_windows(x.ndim, attrs)
    _check_pooled(x, y, windows)
    return native_windows.max_pool_gradient(x, y, dy, windows, relu=True, over_x=over_x)


def _max_pool_second_gradient(x: Any, y: Any, ddx: Any, **attrs: Any) -> Any:
    """Takes from `ddx` what stands where each window has its maximum."""
    windows = pool_windows(x.ndim, _unhidden(attrs))
    _check_pooled(x, y, windows)
    padded = _padded(ddx, 0, windows.pads(x.shape))
    total = jnp.zeros(y.shape, ddx.dtype)
    for place, here in first_maxima(x, y, windows):
        total = jnp.where(here, padded[place], total)
    return total


def attrs_of(op: Any, *names: str) -> dict[str, Any]:
    """Some attributes of a call, to pass on."""
    return {name: op.attrs[name] for name in names if name in op.attrs}


_WINDOW = ("ksize", "strides", "padding", "data_format")


def _unhidden(attrs: dict[str, Any]) -> dict[str, Any]:
    """TensorFlow's second gradient knows no explicit paddings: there they are an attribute that only Penstock reads."""
    return {name.removeprefix("_"): value for name, value in attrs.items()}


def _max_rules(suffix: str) -> tuple[Callable, Callable, Callable]:
    def of_pool(op: Any, dy: Any) -> Any:
        attrs = attrs_of(op, *_WINDOW, "explicit_paddings")
        return execute(f"MaxPool{suffix}Grad", (op.inputs[0], op.outputs[0], dy), attrs)

    def of_gradient(op: Any, ddx: Any) -> list:
        x, y, _ = op.inputs
        attrs = attrs_of(op, *_WINDOW)
        if paddings := op.attrs.get("explicit_paddings"):
            attrs["_explicit_paddings"] = paddings
        zeros = [execute("ZerosLike", (each,)) for each in (x, y)]
        return [*zeros, execute(f"MaxPool{suffix}GradGrad", (x, y, ddx), attrs)]

    def of_second_gradient(op: Any, dddy: Any) -> list:
        x, y, _ = op.inputs
        attrs = _unhidden(attrs_of(op, *_WINDOW, "_explicit_paddings"))
        zeros = [execute("ZerosLike", (each,)) for each in (x, y)]
        return [*zeros, execute(f"MaxPool{suffix}Grad", (x, y, dddy), attrs)]

    return of_pool, of_gradient, of_second_gradient


def _define_max(suffix: str, attrs: str, types: frozenset) -> None:
    of_pool, of_gradient, of_second_gradient = _max_rules(suffix)
    op(
        f"MaxPool{suffix}(input: T; {attrs}) -> output: T",
        xla=_max_pool, shape=pool_shape, gradient=of_pool, types={"T": types},
    )  # fmt: skip
    hidden = attrs.replace("explicit_paddings", "_explicit_paddings")
    pooled = "TInput" if suffix == "3D" else "T"
    op(
        f"MaxPool{suffix}Grad(orig_input: {pooled}, orig_output: {pooled}, grad: T; {attrs}) -> output: T",
        xla=_max_pool_gradient, shape=like_input(0), gradient=of_gradient, types={"T": REAL, "TInput": FLOATS},
    )  # fmt: skip
    op(
        f"MaxPool{suffix}GradGrad(orig_input: T, orig_output: T, grad: T; {hidden}) -> output: T",
        xla=_max_pool_second_gradient, shape=like_input(1), gradient=of_second_gradient, types={"T": REAL},
    )  # fmt: skip


_ATTRS = "ksize, strides, padding, data_format='{}'"
_define_max("", "ksize, strides, padding, explicit_paddings=[], data_format='NHWC'", REAL | {dtypes.qint8})
_define_max("3D", _ATTRS.format("NDHWC"), FLOATS)


# Pooling whose window comes as tensors.


def _with_tensors(body: Callable, count: int) -> Callable:
    def kernel(*values: Any, **attrs: Any) -> Any:
        ksize, strides = ([int(each) for each in static(value)] for value in values[count:])
        return body(*values[:count], ksize=ksize, strides=strides, **attrs)

    return kernel


def _shape_with_tensors(call: ShapeCall) -> TensorShape:
    ksize, strides = call.value(1), call.value(2)
    rank = layout(call.attrs["data_format"]).rank
    if ksize is None or strides is None:
        return TensorShape([None] * rank)
    attrs = {**call.attrs, "ksize": ksize.tolist(), "strides": strides.tolist()}
    return pool_shape(ShapeCall(call.definition, call.inputs, attrs))


op(
    "MaxPoolV2(input: T, ksize: int32, strides: int32; padding, data_format='NHWC') -> output: T",
    xla=_with_tensors(_max_pool, 1),
    shape=_shape_with_tensors,
    gradient=lambda op, dy: [
        execute(
            "MaxPoolGradV2",
            (op.inputs[0], op.outputs[0], dy, *op.inputs[1:]),
            attrs_of(op, "padding", "data_format"),
        ),
        None,
        None,
    ],
    types={"T": REAL | {dtypes.qint8}},
)
op(
    "MaxPoolGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32; padding, data_format='NHWC') "
    "-> output: T",
    xla=_with_tensors(_max_pool_gradient, 3),
    shape=like_input(0),
    gradient=lambda op, ddx: [
        *(execute("ZerosLike", (each,)) for each in op.inputs[:2]),
        execute(
            "MaxPoolGradGradV2", (*op.inputs[:2], ddx, *op.inputs[3:]), attrs_of(op, "padding", "data_format")
        ),
        None,
        None,
    ],
    types={"T": REAL},
)
op(
    "MaxPoolGradGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32; padding, "
    "data_format='NHWC') -> output: T",
    xla=_with_tensors(_max_pool_second_gradient, 3),
    shape=like_input(1),
    gradient=lambda op, dddy: [
        *(execute("ZerosLike", (each,)) for each in op.inputs[:2]),
        execute(
            "MaxPoolGradV2", (*op.inputs[:2], dddy, *op.inputs[3:]), attrs_of(op, "padding", "data_format")
        ),
        None,
        None,
    ],
    types={"T": REAL},
)


# Average pooling: padding does not count.


def _counts(windows: Windows, shape: Sequence[int]) -> np.ndarray:
    """How many real elements each window covers, in a shape that broadcasts with the output."""
    total = np.ones((), np.int64)
    for axis, (size, stride, (before, _)) in enumerate(
        zip(windows.size, windows.strides, windows.pads(shape))
    ):
        starts = np.arange(windows.output_sizes(shape)[axis]) * stride - before
        covered = np.minimum(starts + size, shape[axis]) - np.maximum(starts, 0)
        total = total * covered.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return total


def _sums(x: Any, windows: Windows) -> Any:
    return reduce_windows(x, np.zeros((), x.dtype), lax.add, windows, windows.pads(x.shape))


def _wide(x: Any) -> Any:
    """Half-precision numbers are summed in float32."""
    return x.astype(jnp.float32) if x.dtype.itemsize == 2 else x


def _avg_pool(x: Any, **attrs: Any) -> Any:
    windows = pool_windows(x.ndim, attrs)
    found = native_windows.pool("average", x, windows)
    if found is not None:
        return found
    counts = _counts(windows, x.shape)
    sums = _sums(_wide(x), windows)
    return (sums / counts.astype(sums.dtype)).astype(x.dtype)


def _avg_pool_gradient(shape: Any, dy: Any, **attrs: Any) -> Any:
    shape = [int(each) for each in static(shape)]
    windows = pool_windows(len(shape), attrs)
    counts = _counts(windows, shape)
    if tuple(windows.output_sizes(shape)) != dy.shape:
        raise ValueError(
            f"grad has shape {list(dy.shape)}, but the pool of {shape} has {windows.output_sizes(shape)}"
        )
    found = native_windows.average_pool_gradient(shape, dy, windows)
    if found is not None:
        return found
    wide = _wide(dy)
    argument = jax.ShapeDtypeStruct(tuple(shape), wide.dtype)
    (dx,) = jax.linear_transpose(lambda x: _sums(x, windows), argument)(wide / counts.astype(wide.dtype))
    return dx.astype(dy.dtype)


def _define_avg(suffix: str, input_name: str, attrs: str) -> None:
    def of_pool(op: Any, dy: Any) -> Any:
        return execute(
            f"AvgPool{suffix}Grad", (execute("Shape", (op.inputs[0],)), dy), attrs_of(op, *_WINDOW)
        )

    def of_gradient(op: Any, ddx: Any) -> list:
        return [None, execute(f"AvgPool{suffix}", (ddx,), attrs_of(op, *_WINDOW))]

    def gradient_shape(call: ShapeCall) -> TensorShape:
        return call.shape_from(0).with_rank(layout(call.attrs["data_format"]).rank)

    op(
        f"AvgPool{suffix}({input_name}: T; {attrs}) -> output: T",
        xla=_avg_pool, shape=pool_shape, gradient=of_pool, types={"T": FLOATS},
    )  # fmt: skip
    op(
        f"AvgPool{suffix}Grad(orig_input_shape: int32, grad: T; {attrs}) -> output: T",
        xla=_avg_pool_gradient, shape=gradient_shape, gradient=of_gradient, types={"T": FLOATS},
    )  # fmt: skip


_define_avg("", "value", _ATTRS.format("NHWC"))
_define_avg("3D", "input", _ATTRS.format("NDHWC"))
