"""Functions that TensorFlow has at its root under the plain names of ops: convolutions, `sparse_matmul`, `check_pinned`."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.ops.arguments import matching
from penstock.types.tensors import Tensor

op("CheckPinned(tensor: T) -> output: T", lambda xp, x: x, shape=unchanged, gradient=lambda op, dy: dy)


@export("check_pinned")
def check_pinned(tensor: Any, name: str | None = None) -> Tensor:
    """The tensor; on a CPU all memory is as good as pinned for the transfer to a device."""
    return execute("CheckPinned", (convert_to_tensor(tensor),), None, name)


@export(v1=["sparse_matmul"])
def sparse_matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The float32 product of two matrices of float32 or bfloat16; `*_is_sparse` are hints that change nothing.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.sparse_matmul([[1.0, 0.0]], [[2.0], [3.0]], a_is_sparse=True).numpy()
      array([[2.]], dtype=float32)
    """
    attrs = {
        "transpose_a": transpose_a, "transpose_b": transpose_b,
        "a_is_sparse": a_is_sparse, "b_is_sparse": b_is_sparse,
    }  # fmt: skip
    return execute("SparseMatMul", (convert_to_tensor(a), convert_to_tensor(b)), attrs, name)


@export("conv")
def conv(
    input: Any,
    filter: Any,
    strides: Any,
    padding: str,
    explicit_paddings: Any = (),
    data_format: str = "CHANNELS_LAST",
    dilations: Any = (),
    batch_dims: int = 1,
    groups: int = 1,
    name: str | None = None,
) -> Tensor:
    """A convolution over two or three axes.

    Args:
      input: `[*batch, *space, channels]`.
      filter: `[*window, channels / groups, out]`.
      strides: a stride for each axis of a batched input.
      padding: "SAME", "VALID" or "EXPLICIT".
      explicit_paddings: two numbers for each axis.
      data_format: "CHANNELS_LAST" or "CHANNELS_FIRST".
      dilations: a dilation for each axis.
      batch_dims: how many axes of the input are the batch.
      groups: into how many groups the channels are divided.

    Example:
      >>> import penstock as tf
      >>> tf.conv(tf.ones([1, 3, 3, 1]), tf.ones([2, 2, 1, 1]), [1, 1, 1, 1], "VALID").numpy().ravel()
      array([4., 4., 4., 4.], dtype=float32)
    """
    attrs = {
        "strides": list(strides), "padding": padding, "explicit_paddings": list(explicit_paddings),
        "data_format": data_format, "dilations": list(dilations), "batch_dims": batch_dims, "groups": groups,
    }  # fmt: skip
    return execute("Conv", tuple(matching(input, filter)), attrs, name)


def _gradient_attrs(
    strides: Any,
    padding: str,
    explicit_paddings: Any,
    data_format: str,
    dilations: Any,
    use_cudnn_on_gpu: bool,
) -> dict[str, Any]:
    return {
        "strides": list(strides), "padding": padding, "explicit_paddings": list(explicit_paddings),
        "data_format": data_format, "dilations": list(dilations), "use_cudnn_on_gpu": use_cudnn_on_gpu,
    }  # fmt: skip


@export("conv2d_backprop_filter_v2")
def conv2d_backprop_filter_v2(
    input: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    use_cudnn_on_gpu: bool = True,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `tf.nn.conv2d` by its filter; of `filter` only the shape matters."""
    attrs = _gradient_attrs(strides, padding, explicit_paddings, data_format, dilations, use_cudnn_on_gpu)
    return execute("Conv2DBackpropFilterV2", tuple(matching(input, filter, out_backprop)), attrs, name)


@export("conv2d_backprop_input_v2")
def conv2d_backprop_input_v2(
    input: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    use_cudnn_on_gpu: bool = True,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `tf.nn.conv2d` by its input; of `input` only the shape matters."""
    attrs = _gradient_attrs(strides, padding, explicit_paddings, data_format, dilations, use_cudnn_on_gpu)
    return execute("Conv2DBackpropInputV2", tuple(matching(input, filter, out_backprop)), attrs, name)
