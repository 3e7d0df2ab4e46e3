"""TF 1's convolution layers: plain, separable and transposed, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.nn.bias import bias_add
from penstock.ops.nn.conv import conv1d, conv2d, conv3d
from penstock.ops.nn.conv_transpose import conv2d_transpose as nn_conv2d_transpose
from penstock.ops.nn.conv_transpose import conv3d_transpose as nn_conv3d_transpose
from penstock.ops.nn.depthwise import separable_conv2d as nn_separable_conv2d
from penstock.ops.reshaping import expand_dims, squeeze
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.variables.initializers_v1 import ZerosV1
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.v1.layer import InputSpec, Layer, functional_form, named_activation

_CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
_CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
_CONVOLUTION = {1: conv1d, 2: conv2d, 3: conv3d}


def sizes(value: Any, rank: int, what: str) -> tuple[int, ...]:
    """An int, or a sequence of `rank` ints, as a tuple.

    Raises:
      ValueError: it is neither.
    """
    if isinstance(value, int) or getattr(value, "ndim", None) == 0:
        return (int(value),) * rank
    found = tuple(value) if isinstance(value, Sequence) or hasattr(value, "__iter__") else ()
    if len(found) != rank:
        raise ValueError(f"The `{what}` argument must be a tuple of {rank} integers. Received: {value}")
    return tuple(int(each) for each in found)


def channels_first(data_format: str) -> bool:
    """Whether `data_format` is "channels_first".

    Raises:
      ValueError: it is neither that nor "channels_last".
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "The `data_format` argument must be one of 'channels_first', 'channels_last'. "
            f"Received: {data_format}"
        )
    return data_format == "channels_first"


class _Convolution(Layer):
    """What all convolutions share: arguments, the bias and the activation. `rank` is the number of space dimensions."""

    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        bias_constraint: Any,
        trainable: bool,
        name: str | None,
        **kwargs: Any,
    ):
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.filters = int(filters)
        self.kernel_size = sizes(kernel_size, self.rank, "kernel_size")
        self.strides = sizes(strides, self.rank, "strides")
        self.dilation_rate = sizes(dilation_rate, self.rank, "dilation_rate")
        self.padding, self.data_format = padding.lower(), data_format
        if self.padding not in ("valid", "same"):
            raise ValueError(f"The `padding` argument must be one of 'valid', 'same'. Received: {padding}")
        self._channels_first = channels_first(data_format)
        self._layout = (_CHANNELS_FIRST if self._channels_first else _CHANNELS_LAST)[self.rank]
        self.activation, self.use_bias = named_activation(activation), use_bias
        self.bias_initializer, self.bias_regularizer = bias_initializer, bias_regularizer
        self.bias_constraint = bias_constraint
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _channels(self, input_shape: Any) -> int:
        """The number of channels of the input, which from now on must stay that."""
        axis = 1 if self._channels_first else -1
        found = TensorShape(input_shape).as_list()[axis]
        if found is None:
            raise ValueError(
                "The channel dimension of the inputs should be defined. Found None. "
                f"Full input shape received: {input_shape}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: found})
        return found

    def _add_bias_weight(self) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.filters],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _finished(self, outputs: Any) -> Any:
        """With bias and activation."""
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias, "NCHW" if self._channels_first else "NHWC")
        return outputs if self.activation is None else self.activation(outputs)


class _Conv(_Convolution):
    """A plain convolution."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZerosV1(),
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias_initializer,
            bias_regularizer, activity_regularizer, bias_constraint, trainable, name, **kwargs,
        )  # fmt: skip
        self.kernel_initializer, self.kernel_regularizer = kernel_initializer, kernel_regularizer
        self.kernel_constraint = kernel_constraint

    def build(self, input_shape: Any) -> None:
        """Makes the kernel `[space..., in, out]` and the bias."""
        self.kernel = self.add_weight(
            "kernel",
            [*self.kernel_size, self._channels(input_shape), self.filters],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._add_bias_weight()
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The convolution, with bias and activation."""
        convolve: Any = _CONVOLUTION[self.rank]
        steps, rates = (
            (each[0] if self.rank == 1 else list(each)) for each in (self.strides, self.dilation_rate)
        )
        if self.rank == 3:
            around = (lambda each: [1, 1, *each]) if self._channels_first else (lambda each: [1, *each, 1])
            steps, rates = around(steps), around(rates)
        return self._finished(convolve(inputs, self.kernel, steps, self.padding.upper(), self._layout, rates))


@export(v1=["layers.Conv1D"])
class Conv1D(_Conv):
    """Convolution over one dimension, as time. The arguments: see `Conv2D`."""

    rank = 1


@export(v1=["layers.Conv2D"])
class Conv2D(_Conv):
    """Convolution over two dimensions: of images.

    Args:
      filters: the number of output channels.
      kernel_size, strides, dilation_rate: an int, or one for each space dimension.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      activation: a function of the output, or its name.
      use_bias: whether a bias is added.
      kernel_initializer, bias_initializer, kernel_regularizer, ...: see `Dense`.
    """

    rank = 2


@export(v1=["layers.Conv3D"])
class Conv3D(_Conv):
    """Convolution over three dimensions. The arguments: see `Conv2D`."""

    rank = 3


class _ConvTranspose(_Convolution):
    """The transpose of a convolution."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZerosV1(),
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, data_format, 1, activation, use_bias, bias_initializer,
            bias_regularizer, activity_regularizer, bias_constraint, trainable, name, **kwargs,
        )  # fmt: skip
        self.kernel_initializer, self.kernel_regularizer = kernel_initializer, kernel_regularizer
        self.kernel_constraint = kernel_constraint

    def build(self, input_shape: Any) -> None:
        """Makes the kernel `[space..., out, in]` and the bias."""
        self.kernel = self.add_weight(
            "kernel",
            [*self.kernel_size, self.filters, self._channels(input_shape)],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._add_bias_weight()
        self.built = True

    def _length(self, axis: int, size: Any) -> Any:
        """The size of a space dimension of the output, from that of the input: an int, a tensor, or None."""
        if size is None:
            return None
        size = size * self.strides[axis]
        return size + max(self.kernel_size[axis] - self.strides[axis], 0) if self.padding == "valid" else size

    def _arranged(self, batch: Any, space: list[Any]) -> list[Any]:
        return [batch, self.filters, *space] if self._channels_first else [batch, *space, self.filters]

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The output's shape."""
        dims = TensorShape(input_shape).as_list()
        space = dims[2:] if self._channels_first else dims[1:-1]
        return TensorShape(
            self._arranged(dims[0], [self._length(axis, each) for axis, each in enumerate(space)])
        )

    def call(self, inputs: Any) -> Any:
        """The transposed convolution, with bias and activation."""
        static, dynamic = inputs.shape.as_list(), shape_of(inputs)
        dims = [dynamic[axis] if size is None else size for axis, size in enumerate(static)]
        space = dims[2:] if self._channels_first else dims[1:-1]
        shape = self._arranged(dims[0], [self._length(axis, each) for axis, each in enumerate(space)])
        transpose: Any = nn_conv2d_transpose if self.rank == 2 else nn_conv3d_transpose
        outputs = transpose(
            inputs,
            self.kernel,
            convert_to_tensor(shape, dtypes.int32),
            list(self.strides),
            self.padding.upper(),
            self._layout,
        )
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return self._finished(outputs)


@export(v1=["layers.Conv2DTranspose"])
class Conv2DTranspose(_ConvTranspose):
    """The transpose of `Conv2D`: makes images larger. The arguments: see `Conv2D`."""

    rank = 2


@export(v1=["layers.Conv3DTranspose"])
class Conv3DTranspose(_ConvTranspose):
    """The transpose of `Conv3D`. The arguments: see `Conv2D`."""

    rank = 3


class _SeparableConv(_Convolution):
    """A convolution of each channel alone, then a mix of the channels."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = None,
        pointwise_initializer: Any = None,
        bias_initializer: Any = ZerosV1(),
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias_initializer,
            bias_regularizer, activity_regularizer, bias_constraint, trainable, name, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer, self.pointwise_initializer = depthwise_initializer, pointwise_initializer
        self.depthwise_regularizer, self.pointwise_regularizer = depthwise_regularizer, pointwise_regularizer
        self.depthwise_constraint, self.pointwise_constraint = depthwise_constraint, pointwise_constraint

    def build(self, input_shape: Any) -> None:
        """Makes the two kernels and the bias."""
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            [*self.kernel_size, channels, self.depth_multiplier],
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            [*[1] * self.rank, channels * self.depth_multiplier, self.filters],
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self._add_bias_weight()
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The separable convolution, with bias and activation."""
        first = 2 if self._channels_first else 1
        depthwise, pointwise = self.depthwise_kernel, self.pointwise_kernel
        steps, rates = list(self.strides), list(self.dilation_rate)
        if self.rank == 1:  # a second space dimension of size one
            inputs = expand_dims(inputs, first)
            depthwise, pointwise = expand_dims(depthwise, 0), expand_dims(pointwise, 0)
            steps, rates = steps * 2, [1, *rates]
        steps = [1, 1, *steps] if self._channels_first else [1, *steps, 1]
        outputs = nn_separable_conv2d(
            inputs,
            depthwise,
            pointwise,
            steps,
            self.padding.upper(),
            "NCHW" if self._channels_first else "NHWC",
            rates,
        )
        return self._finished(squeeze(outputs, [first]) if self.rank == 1 else outputs)


@export(v1=["layers.SeparableConv1D"])
class SeparableConv1D(_SeparableConv):
    """`SeparableConv2D` over one dimension."""

    rank = 1


@export(v1=["layers.SeparableConv2D"])
class SeparableConv2D(_SeparableConv):
    """A convolution of each channel alone, followed by a mix of the channels.

    Args:
      filters: the number of output channels.
      depth_multiplier: how many channels the first step makes of each.
      depthwise_initializer, pointwise_initializer, ...: for the kernels of the two steps.
      kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, ...: see `Conv2D`.
    """

    rank = 2


conv1d_layer = functional_form("conv1d", Conv1D, "Convolution over one dimension.")
conv2d_layer = functional_form("conv2d", Conv2D, "Convolution over two dimensions: of images.")
conv3d_layer = functional_form("conv3d", Conv3D, "Convolution over three dimensions.")
conv2d_transpose = functional_form("conv2d_transpose", Conv2DTranspose, "The transpose of `conv2d`.")
conv3d_transpose = functional_form("conv3d_transpose", Conv3DTranspose, "The transpose of `conv3d`.")
separable_conv1d = functional_form("separable_conv1d", SeparableConv1D, "A separable `conv1d`.")
separable_conv2d = functional_form("separable_conv2d", SeparableConv2D, "A separable `conv2d`.")
