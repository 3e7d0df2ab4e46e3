"""BiasAdd: one number for each channel added to an image batch, and its gradient ops."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import matching
from penstock.ops.dtype_sets import NUMBERS
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _channel(data_format: str, rank: int) -> int:
    return 1 if data_format.startswith("NC") else rank - 1


def _bias_add_shape(call: ShapeCall) -> TensorShape:
    value, bias = call.shape(0), call.shape(1)
    if bias.rank not in (None, 1):
        raise call.error("biases must be 1D")
    if value.rank is None:
        return value
    if value.rank < 2:
        raise call.error("value must have rank 2 or more")
    channel = _channel(call.attrs.get("data_format", "NHWC"), value.rank)
    dims = value.as_list()
    count = bias.as_list()[0] if bias.rank == 1 else None
    if dims[channel] is None:
        dims[channel] = count
    elif count is not None and count != dims[channel]:
        raise call.error(f"must provide as many biases as there are channels: {dims[channel]}")
    return TensorShape(dims)


def _bias_add(xp: Any, value: Any, bias: Any, data_format: str = "NHWC") -> Any:
    channel = _channel(data_format, value.ndim)
    if value.ndim < 2 or bias.shape != value.shape[channel : channel + 1]:
        raise ValueError(
            f"value of shape {list(value.shape)} does not take biases of shape {list(bias.shape)}"
        )
    if channel != value.ndim - 1:
        bias = bias.reshape(-1, *[1] * (value.ndim - channel - 1))
    return xp.add(value, bias)


def _bias_add_gradient(op: Any, dy: Tensor) -> list[Tensor]:
    return [dy, execute("BiasAddGrad", (dy,), {"data_format": op.attrs.get("data_format", "NHWC")})]


def _sum_but_channel(xp: Any, dy: Any, data_format: str) -> Any:
    channel = _channel(data_format, dy.ndim)
    return xp.sum(dy, axis=tuple(i for i in range(dy.ndim) if i != channel), dtype=dy.dtype)


def _sum_shape(call: ShapeCall) -> TensorShape:
    shape = call.shape(0)
    if shape.rank is None:
        return TensorShape([None])
    if shape.rank < 2:
        raise call.error("out_backprop must have rank 2 or more")
    return TensorShape([shape.as_list()[_channel(call.attrs["data_format"], shape.rank)]])


def _sum_gradient(op: Any, db: Tensor) -> Tensor:
    """Every element of a channel gets the gradient of its sum."""
    (dy,) = op.inputs
    if op.attrs["data_format"].startswith("NC") and dy.shape.rank != 2:
        trailing = [1] * ((dy.shape.rank or 4) - 2)
        db = execute("Reshape", (db, convert_to_tensor([-1, *trailing])))
    return execute("BroadcastTo", (db, execute("Shape", (dy,))))


op(
    "BiasAdd(value: T, bias: T; data_format='NHWC') -> output: T",
    _bias_add, shape=_bias_add_shape, gradient=_bias_add_gradient, types={"T": NUMBERS},
)  # fmt: skip
op(
    "BiasAddV1(value: T, bias: T) -> output: T",
    _bias_add, shape=_bias_add_shape, gradient=_bias_add_gradient, types={"T": NUMBERS},
)  # fmt: skip
op(
    "BiasAddGrad(out_backprop: T; data_format='NHWC') -> output: T",
    _sum_but_channel, shape=_sum_shape, gradient=_sum_gradient, types={"T": NUMBERS},
)  # fmt: skip


@export("nn.bias_add")
def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """Adds one number to each channel.

    Args:
      value: a tensor of rank 2 or more.
      bias: a vector with one entry for each channel, of the dtype of `value`.
      data_format: "N...C" (the default: the last dimension holds the channels) or "NC...".

    Returns:
      A tensor of the shape and dtype of `value`.

    Raises:
      ValueError: `data_format` is another one.
      InvalidArgumentError: the length of `bias` does not fit.

    Example:
      >>> import penstock as tf
      >>> tf.nn.bias_add([[1.0, 2.0], [3.0, 4.0]], [10.0, 20.0]).numpy()
      array([[11., 22.],
             [13., 24.]], dtype=float32)
    """
    if data_format is None:
        data_format = "NHWC"
    elif data_format.startswith("NC"):
        data_format = "NCHW"
    elif data_format.startswith("N") and data_format.endswith("C"):
        data_format = "NHWC"
    else:
        raise ValueError(
            f"`data_format` must be of the form `N...C` or `NC...`. Received: data_format={data_format}"
        )
    value, bias = matching(value, bias)
    return execute("BiasAdd", (value, bias), {"data_format": data_format}, name)
