"""The dense convolution ops (Conv2D, Conv3D, Conv) and their gradients with respect to input and filter.

Native kernels do the work where there are some, otherwise XLA does: then the gradient ops are the linear transposes of
the forward convolution, which JAX writes as convolutions again; a filter with fewer input channels than the image has
makes a grouped convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.definition import op, wants
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.engine.xla import jax, lax
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import FLOATS, INDICES
from penstock.ops.nn import native_small_images, native_windows
from penstock.ops.windows import CHANNELS_FIRST, CHANNELS_LAST, Layout, Windows, layout, spatial_windows
from penstock.types import dtypes
from penstock.types.shapes import TensorShape

_ATTRS_2D = "strides, use_cudnn_on_gpu=True, padding, explicit_paddings=[], data_format='NHWC', dilations=[1, 1, 1, 1]"
_ATTRS_3D = "strides, padding, data_format='NDHWC', dilations=[1, 1, 1, 1, 1]"

# XLA names: batch N, channels C, spatial dimensions by digits; filters are [space..., I, O].
_XLA_SPACE = "0123456789"


def dimension_numbers(form: Layout) -> tuple[str, str, str]:
    """JAX's names for the dimensions of input, filter and output."""
    space = _XLA_SPACE[: len(form.spatial)]
    image = "".join(form.arrange("N", space, "C"))
    return image, space + "IO", image


def convolve(x: Any, w: Any, form: Layout, window: Windows) -> Any:
    """The convolution of an image batch with a filter [space..., in / groups, out]."""
    return lax.conv_general_dilated(
        x,
        w,
        window.strides,
        window.pads([x.shape[i] for i in form.spatial]),
        rhs_dilation=window.dilations,
        dimension_numbers=dimension_numbers(form),
        feature_group_count=x.shape[form.channel] // w.shape[-2],
    )


def _geometry(
    x_shape: Sequence[int | None], w_shape: Sequence[int | None], attrs: dict
) -> tuple[Layout, Windows]:
    """Layout and windows of a convolution of partly known shapes; ValueError where they do not fit."""
    form = layout(attrs["data_format"])
    if len(x_shape) != form.rank or len(w_shape) != form.rank:
        raise ValueError(
            f"input and filter must have rank {form.rank}, got {len(x_shape)} and {len(w_shape)}"
        )
    window = spatial_windows(attrs, w_shape[:-2], form)
    channels, taken, made = x_shape[form.channel], w_shape[-2], w_shape[-1]
    if taken == 0:
        raise ValueError("the filter must take at least one channel")
    if channels is not None and taken is not None:
        if channels % taken:
            raise ValueError(f"input depth must be evenly divisible by filter depth: {channels} vs {taken}")
        if made is not None and made % max(channels // taken, 1):
            raise ValueError(
                f"the {made} output channels must be a multiple of the {channels // taken} groups"
            )
    window.output_sizes([x_shape[i] for i in form.spatial])
    return form, window


def known_dims(shape: TensorShape, rank: int) -> list[int | None]:
    """The dimensions of a shape that has `rank` dimensions if it is known at all."""
    return [None] * rank if shape.rank is None else shape.as_list()


def convolution_shape(call: ShapeCall) -> TensorShape:
    """The rule of the convolution ops."""
    rank = layout(call.attrs["data_format"]).rank
    x, w = known_dims(call.shape(0), rank), known_dims(call.shape(1), rank)
    form, window = _geometry(x, w, call.attrs)
    return TensorShape(form.arrange(x[0], window.output_sizes(form.take_spatial(x)), w[-1]))


def convolution_of(x: Any, w: Any, **attrs: Any) -> Any:
    """The body of the convolution ops."""
    form, window = _geometry(x.shape, w.shape, attrs)
    found = native_windows.convolution(x, w, form, window)
    return convolve(x, w, form, window) if found is None else found


def biased_convolution_of(
    x: Any, w: Any, bias: Any, relu: bool, scale: Any = None, limit: float = 0.0, **attrs: Any
) -> Any | None:
    """relu(convolution * scale + bias) by one native kernel; None where there is none for these arrays."""
    return native_windows.convolution(x, w, *_geometry(x.shape, w.shape, attrs), bias, relu, scale, limit)


def pooled_convolution_of(
    x: Any, w: Any, bias: Any, relu: bool, pool: Windows, to_image: bool, **attrs: Any
) -> Sequence[Any] | None:
    """The max pool of relu(convolution + bias) by one native kernel, and what `all_gradients_of` needs of it."""
    form, window = _geometry(x.shape, w.shape, attrs)
    return native_small_images.convolution(x, w, form, window, bias, relu, pool, to_image)


def maxima_of_convolution_of(
    x: Any, w: Any, bias: Any, relu: bool, pool: Windows, **attrs: Any
) -> Any | None:
    """The same max pool alone, where no gradient goes through it."""
    return native_windows.convolution(x, w, *_geometry(x.shape, w.shape, attrs), bias, relu, pool=pool)


def layer_of_convolution_of(
    x: Any, w: Any, bias: Any, relu: bool, pool: Windows, layer: tuple[Any, Any, bool], **attrs: Any
) -> Any | None:
    """The same max pool of one image, flattened, in a dense layer: `layer` is (matrix, bias, whether Relu follows)."""
    return native_windows.layer_of_convolution(
        x, w, *_geometry(x.shape, w.shape, attrs), bias, relu, pool, layer
    )


def all_gradients_of(
    x: Any, sizes: list[int], dy: Any, w: Any, relu: bool, pool: tuple[Windows, Any] | None, **attrs: Any
) -> Sequence[Any] | None:
    """The gradients with respect to filter, bias, and image where w is given; None without a native kernel."""
    form, window = _geometry(x.shape, sizes, attrs)
    return native_small_images.gradients(x, sizes, dy, form, window, w, relu, pool)


def filter_and_bias_gradients_of(x: Any, sizes: list[int], dy: Any, **attrs: Any) -> Sequence[Any] | None:
    """The first two of these, for images of any size."""
    form, window = _geometry(x.shape, sizes, attrs)
    return native_windows.filter_gradient(x, sizes, dy, form, window, bias=True)


def transposed(function: Callable, shape: Sequence[int], dy: Any, what: str) -> Any:
    """The linear transpose of `function`, whose argument has a known shape, at the cotangent `dy`."""
    argument = jax.ShapeDtypeStruct(tuple(int(each) for each in shape), dy.dtype)
    expected = jax.eval_shape(function, argument).shape
    if expected != dy.shape:
        raise ValueError(
            f"out_backprop has shape {list(dy.shape)}, but {what} {list(shape)} gives {list(expected)}"
        )
    return jax.linear_transpose(function, argument)(dy)[0]


def _input_geometry(sizes: Any, w: Any, dy: Any, attrs: dict) -> tuple[list[int], Layout, Windows]:
    form = layout(attrs["data_format"])
    sizes = [int(each) for each in static(sizes)]
    if len(sizes) == len(form.spatial):  # only height and width, as TensorFlow also accepts
        sizes = form.arrange(dy.shape[0], sizes, w.shape[-2])
    return sizes, *_geometry(sizes, w.shape, attrs)


def input_gradient_of(sizes: Any, w: Any, dy: Any, **attrs: Any) -> Any:
    """The gradient of a convolution with respect to its input, of the known shape `sizes`."""
    sizes, form, window = _input_geometry(sizes, w, dy, attrs)
    found = native_windows.input_gradient(sizes, w, dy, form, window)
    if found is not None:
        return found
    return transposed(lambda x: convolve(x, w, form, window), sizes, dy, "an input of")


def relu_and_input_gradient_of(sizes: Any, w: Any, dy: Any, features: Any, **attrs: Any) -> Any | None:
    """The same with respect to what Relu before the convolution got or gave; None without a native kernel."""
    sizes, form, window = _input_geometry(sizes, w, dy, attrs)
    return native_windows.input_gradient(sizes, w, dy, form, window, features.reshape(sizes))


def filter_gradient_of(x: Any, sizes: Any, dy: Any, **attrs: Any) -> Any:
    """The gradient of a convolution with respect to its filter, of the known shape `sizes`."""
    sizes = [int(each) for each in static(sizes)]
    form, window = _geometry(x.shape, sizes, attrs)
    found = native_windows.filter_gradient(x, sizes, dy, form, window)
    if found is not None:
        return found[0]
    return transposed(lambda w: convolve(x, w, form, window), sizes, dy, "a filter of")


def shape_from_sizes(index: int) -> Callable[[ShapeCall], TensorShape]:
    """The output of a gradient op has the shape that the integer vector at `index` gives; its rank is always known."""

    def rule(call: ShapeCall) -> TensorShape:
        shape = call.shape_from(index)
        rank = layout(call.attrs["data_format"]).rank
        if shape.rank is not None and shape.rank != rank:
            return TensorShape([None] * rank)
        return shape.with_rank(rank)

    return rule


def gradient_rules(forward: str, to_input: str, to_filter: str) -> tuple[Callable, Callable, Callable]:
    """The rules of the three ops: each is linear in both of its tensors, and the others are its transposes."""

    def of_forward(op: Any, dy: Any) -> list:
        x, w = op.inputs
        return [
            execute(to_input, (shape_of(x), w, dy), op.attrs) if wants(op, 0) else None,
            execute(to_filter, (x, shape_of(w), dy), op.attrs) if wants(op, 1) else None,
        ]

    def of_input_gradient(op: Any, ddx: Any) -> list:
        _, w, dy = op.inputs
        return [
            None,
            execute(to_filter, (ddx, shape_of(w), dy), op.attrs) if wants(op, 1) else None,
            execute(forward, (ddx, w), op.attrs) if wants(op, 2) else None,
        ]

    def of_filter_gradient(op: Any, ddw: Any) -> list:
        x, _, dy = op.inputs
        return [
            execute(to_input, (shape_of(x), ddw, dy), op.attrs) if wants(op, 0) else None,
            None,
            execute(forward, (x, ddw), op.attrs) if wants(op, 2) else None,
        ]

    return of_forward, of_input_gradient, of_filter_gradient


def _define(forward: str, to_input: str, to_filter: str, attrs: str, sizes: str, types: dict) -> None:
    of_forward, of_input_gradient, of_filter_gradient = gradient_rules(forward, to_input, to_filter)
    op(
        f"{forward}(input: T, filter: T; {attrs}) -> output: T",
        xla=convolution_of, shape=convolution_shape, gradient=of_forward, types={"T": types["T"]},
    )  # fmt: skip
    op(
        f"{to_input}(input_sizes: {sizes}, filter: T, out_backprop: T; {attrs}) -> output: T",
        xla=input_gradient_of, shape=shape_from_sizes(0), gradient=of_input_gradient, types=types,
    )  # fmt: skip
    op(
        f"{to_filter}(input: T, filter_sizes: int32, out_backprop: T; {attrs}) -> output: T",
        xla=filter_gradient_of, shape=shape_from_sizes(1), gradient=of_filter_gradient, types={"T": FLOATS},
    )  # fmt: skip


_define(
    "Conv2D",
    "Conv2DBackpropInput",
    "Conv2DBackpropFilter",
    _ATTRS_2D,
    "int32",
    {"T": FLOATS | {dtypes.int32}},
)
_define(
    "Conv3D",
    "Conv3DBackpropInputV2",
    "Conv3DBackpropFilterV2",
    _ATTRS_3D,
    "Tshape",
    {"T": FLOATS, "Tshape": INDICES},
)


# `Conv` is the newer op of any rank, with named groups.


def _as_conv_attrs(rank: int, attrs: dict) -> dict:
    formats = CHANNELS_LAST if attrs["data_format"] == "CHANNELS_LAST" else CHANNELS_FIRST
    dilations = list(attrs["dilations"]) or [1] * rank
    return {**attrs, "data_format": formats[rank - 2], "dilations": dilations}


def _conv_shape(call: ShapeCall) -> TensorShape:
    rank = call.shape(1).rank or call.shape(0).rank
    if rank is None:
        return TensorShape(None)
    return convolution_shape(ShapeCall(call.definition, call.inputs, _as_conv_attrs(rank, call.attrs)))


op(
    "Conv(input: T, filter: T; strides, padding, explicit_paddings=[], data_format='CHANNELS_LAST', dilations=[], "
    "batch_dims=1, groups=1) -> output: T",
    xla=lambda x, w, **attrs: convolution_of(x, w, **_as_conv_attrs(x.ndim, attrs)),
    shape=_conv_shape,
    types={"T": FLOATS | {dtypes.int32}},
)
