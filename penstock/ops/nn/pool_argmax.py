"""MaxPoolWithArgmax: max pooling that also says where in the flattened image each maximum stands; its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, like_input
from penstock.engine.xla import jnp, lax
from penstock.ops.arguments import renamed
from penstock.ops.dtype_sets import INDICES, REAL
from penstock.ops.nn.pool_ops import attrs_of, first_maxima, pool_shape, pool_windows, reduce_windows
from penstock.ops.windows import layout, padding_attrs, sequence_for
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _lowest(dtype: Any) -> Any:
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(dtype).min


def _pool(x: Any, *, Targmax: Any, include_batch_in_index: bool, **attrs: Any) -> tuple:
    windows = pool_windows(x.ndim, {**attrs, "data_format": "NHWC"})
    pads = windows.pads(x.shape)
    y = reduce_windows(x, np.asarray(_lowest(x.dtype), x.dtype), lax.max, windows, pads)
    kind = Targmax.as_numpy_dtype
    strides = np.cumprod([1, *x.shape[:0:-1]])[::-1].copy()
    if not include_batch_in_index:
        strides[0] = 0
    argmax = jnp.zeros(y.shape, kind)
    for place, here in first_maxima(x, y, windows):
        index = np.zeros((), kind)
        for axis, (each, (before, _)) in enumerate(zip(place, pads)):
            along = (np.arange(each.start, each.stop, each.step) - before) * strides[axis]
            index = index + along.astype(kind).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        argmax = jnp.where(here, jnp.asarray(index), argmax)
    return y, argmax


def _flat_indices(argmax: Any, shape: tuple[int, ...], include_batch_in_index: bool) -> Any:
    """Indices into the whole flattened input."""
    if include_batch_in_index:
        return argmax.reshape(-1)
    per_image = int(np.prod(shape[1:]))
    offsets = np.arange(shape[0]) * per_image
    return (argmax.astype(jnp.int64) + offsets.reshape(-1, 1, 1, 1)).reshape(-1)


def _gradient(x: Any, dy: Any, argmax: Any, *, include_batch_in_index: bool, **attrs: Any) -> Any:
    indices = _flat_indices(argmax, x.shape, include_batch_in_index)
    return jnp.zeros(x.size, dy.dtype).at[indices].add(dy.reshape(-1)).reshape(x.shape)


def _second_gradient(x: Any, ddx: Any, argmax: Any, *, include_batch_in_index: bool, **attrs: Any) -> Any:
    indices = _flat_indices(argmax, x.shape, include_batch_in_index)
    return jnp.take(ddx.reshape(-1), indices, mode="clip").reshape(argmax.shape)


def _pool_shapes(call: ShapeCall) -> TensorShape:
    return pool_shape(ShapeCall(call.definition, call.inputs, {**call.attrs, "data_format": "NHWC"}))


_WINDOW = ("ksize", "strides", "padding", "include_batch_in_index")
_TYPES = {"T": REAL, "Targmax": INDICES}


def _of_pool(op: Any, dy: Any, _: Any) -> Any:
    return execute("MaxPoolGradWithArgmax", (op.inputs[0], dy, op.outputs[1]), attrs_of(op, *_WINDOW))


def _of_gradient(op: Any, ddx: Any) -> list:
    x, _, argmax = op.inputs
    second = execute("MaxPoolGradGradWithArgmax", (x, ddx, argmax), attrs_of(op, *_WINDOW))
    return [execute("ZerosLike", (x,)), second, None]


def _of_second_gradient(op: Any, dddy: Any) -> list:
    x, _, argmax = op.inputs
    return [
        execute("ZerosLike", (x,)),
        execute("MaxPoolGradWithArgmax", (x, dddy, argmax), attrs_of(op, *_WINDOW)),
        None,
    ]


op(
    "MaxPoolWithArgmax(input: T; ksize, strides, Targmax=int64, padding, include_batch_in_index=False) "
    "-> (output: T, argmax: Targmax)",
    xla=_pool, shape=_pool_shapes, gradient=_of_pool, types={"T": REAL},
)  # fmt: skip
op(
    "MaxPoolGradWithArgmax(input: T, grad: T, argmax: Targmax; ksize, strides, padding, include_batch_in_index=False) "
    "-> output: T",
    xla=_gradient, shape=like_input(0), gradient=_of_gradient, types=_TYPES,
)  # fmt: skip
op(
    "MaxPoolGradGradWithArgmax(input: T, grad: T, argmax: Targmax; ksize, strides, padding, "
    "include_batch_in_index=False) -> output: T",
    xla=_second_gradient, shape=like_input(2), gradient=_of_second_gradient, types=_TYPES,
)  # fmt: skip


@export("nn.max_pool_with_argmax", v1=[])
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    output_dtype: Any = dtypes.int64,
    include_batch_in_index: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Max pooling, and where each maximum stands: `(y * width + x) * channels + c`.

    Args:
      input: `[batch, height, width, channels]` of a real dtype.
      ksize, strides: an int, or a list of 1, 2 or 4 ints: size and steps of the window.
      padding: "SAME" or "VALID".
      data_format: "NHWC".
      output_dtype: the dtype of the indices, int32 or int64.
      include_batch_in_index: the index counts through the whole batch: `((b * height + y) * width + x) * channels + c`.

    Returns:
      The maxima and their indices, both `[batch, out_height, out_width, channels]`.

    Raises:
      ValueError: `data_format` is another one.

    Example:
      >>> import penstock as tf
      >>> image = tf.constant([[[[1.0], [5.0]], [[3.0], [2.0]]]])
      >>> [each.numpy().item() for each in tf.nn.max_pool_with_argmax(image, 2, 2, "VALID")]
      [5.0, 1]
    """
    if data_format != "NHWC":
        raise ValueError(f"`data_format` values other than 'NHWC' are not supported. Received: {data_format}")
    form = layout("NHWC")
    attrs = {
        "ksize": sequence_for(ksize, form, "ksize"),
        "strides": sequence_for(strides, form, "strides"),
        "Targmax": as_dtype(output_dtype),
        "include_batch_in_index": include_batch_in_index,
        **padding_attrs(padding, form),
    }
    pooled, argmax = execute("MaxPoolWithArgmax", (convert_to_tensor(input),), attrs, name)
    return pooled, argmax


@export(v1=["nn.max_pool_with_argmax"])
def max_pool_with_argmax_v1(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> tuple[Tensor, Tensor]:
    """TF 1's form: the dtype of the indices is named `Targmax` or `output_dtype`."""
    output_dtype = renamed(output_dtype, Targmax, "Targmax and output_dtype") or dtypes.int64
    return max_pool_with_argmax(
        input, ksize, strides, padding, data_format, output_dtype, include_batch_in_index, name
    )
