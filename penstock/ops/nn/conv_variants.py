"""Convolution ops that graphs hold and no public function makes: gradients that take a tensor in place of its shape,
and convolutions fused with padding and resizing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import REGISTRY, op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import like_input
from penstock.engine.static_value import static
from penstock.engine.xla import jnp
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.nn.conv_ops import convolution_of, filter_gradient_of, input_gradient_of

_ATTRS_2D = "strides, use_cudnn_on_gpu=True, padding, explicit_paddings=[], data_format='NHWC', dilations=[1, 1, 1, 1]"
_ATTRS_3D = "strides, padding, dilations=[1, 1, 1, 1, 1]"


def _to_input(x: Any, w: Any, dy: Any, *, data_format: str = "NDHWC", **attrs: Any) -> Any:
    return input_gradient_of(np.array(x.shape), w, dy, data_format=data_format, **attrs)


def _to_filter(x: Any, w: Any, dy: Any, *, data_format: str = "NDHWC", **attrs: Any) -> Any:
    return filter_gradient_of(x, np.array(w.shape), dy, data_format=data_format, **attrs)


class _ByShape:
    """A call of such an op, seen as one of the op that takes the shape."""

    def __init__(self, call: Any, lent: int):
        x, w, dy = call.inputs
        self.inputs = (shape_of(x), w, dy) if lent == 0 else (x, shape_of(w), dy)
        self.attrs = call.attrs


def _rule(of: Callable[..., list], lent: int) -> Callable:
    """That op's gradient, with zeros for the tensor which only lent its shape."""

    def rule(op: Any, dd: Any) -> list:
        found = of(_ByShape(op, lent), dd)
        found[lent] = execute("ZerosLike", (op.inputs[lent],))
        return found

    return rule


def _define(name: str, base: str, body: Callable, lent: int, attrs: str) -> None:
    of = REGISTRY[base].gradient_rule
    op(
        f"{name}(input: T, filter: T, out_backprop: T; {attrs}) -> output: T",
        xla=body,
        shape=like_input(lent),
        gradient=_rule(of, lent),
        types={"T": FLOATS},
    )


_define("Conv2DBackpropInputV2", "Conv2DBackpropInput", _to_input, 0, _ATTRS_2D)
_define("Conv2DBackpropFilterV2", "Conv2DBackpropFilter", _to_filter, 1, _ATTRS_2D)
_define("Conv3DBackpropInput", "Conv3DBackpropInputV2", _to_input, 0, _ATTRS_3D)
_define("Conv3DBackpropFilter", "Conv3DBackpropFilterV2", _to_filter, 1, _ATTRS_3D)


def _padded_convolution(x: Any, paddings: Any, w: Any, mode: str, strides: Any, padding: str) -> Any:
    pairs = [tuple(int(each) for each in pair) for pair in static(paddings)]
    mode = mode.decode() if isinstance(mode, bytes) else mode
    padded = jnp.pad(x, pairs, mode={"REFLECT": "reflect", "SYMMETRIC": "symmetric"}[mode])
    return convolution_of(
        padded,
        w,
        strides=strides,
        padding=padding,
        data_format="NHWC",
        dilations=[1, 1, 1, 1],
        explicit_paddings=[],
    )


def _pad_then_convolve(x: Any, paddings: Any, w: Any, *, mode: str, strides: Any, padding: str) -> Any:
    return _padded_convolution(x, paddings, w, mode, strides, padding)


def _resize_pad_then_convolve(
    x: Any,
    size: Any,
    paddings: Any,
    w: Any,
    *,
    resize_align_corners: bool,
    mode: str,
    strides: Any,
    padding: str,
) -> Any:
    resize = REGISTRY["ResizeBilinear"].xla_body
    resized = resize(x, size, align_corners=resize_align_corners, half_pixel_centers=False).astype(x.dtype)
    return _padded_convolution(resized, paddings, w, mode, strides, padding)


op(
    "FusedPadConv2D(input: T, paddings: int32, filter: T; mode, strides, padding) -> output: T",
    xla=_pad_then_convolve, types={"T": FLOATS},
)  # fmt: skip
op(
    "FusedResizeAndPadConv2D(input: T, size: int32, paddings: int32, filter: T; resize_align_corners=False, mode, "
    "strides, padding) -> output: T",
    xla=_resize_pad_then_convolve, types={"T": FLOATS},
)  # fmt: skip
