"""`contrib.layers`: dense and convolution layers with normalizers, and their variations."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import name_scope_v1
from penstock.ops.nn.activations import elu as nn_elu
from penstock.ops.nn.activations import relu as nn_relu
from penstock.ops.nn.activations import relu6 as nn_relu6
from penstock.ops.variables.initializers_v1 import ZerosV1
from penstock.ops.variables.scope import variable_scope
from penstock.v1 import layers_convolution as convolutions
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import add_arg_scope
from penstock.v1.contrib.layer_variables import (
    collect_named_outputs,
    collect_variable,
    finished,
    layer_getter,
    renaming_getter,
)
from penstock.v1.contrib.layer_variables import names as _names
from penstock.v1.contrib.weights import xavier_initializer
from penstock.v1.layers_core import Dense, Dropout, Flatten


@export(v1=_names("fully_connected"))
@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Callable | None = nn_relu,
    normalizer_fn: Callable | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = xavier_initializer(),
    weights_regularizer: Callable | None = None,
    biases_initializer: Any = ZerosV1(),
    biases_regularizer: Callable | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """A dense layer: `activation_fn(inputs @ weights + biases)`.

    Args:
      inputs: of rank 2 or more.
      num_outputs: the size of the last axis of the output.
      activation_fn: applied last; None for none.
      normalizer_fn, normalizer_params: used instead of biases, as `batch_norm` and its arguments.
      weights_initializer, weights_regularizer, biases_initializer, biases_regularizer: for the variables; no biases where
        `biases_initializer` is None.
      reuse, scope: of the variable scope, "fully_connected" by default.
      variables_collections: collections of the variables, or a dictionary with those of "weights" and "biases".
      outputs_collections: collections of the output.
      trainable: whether the variables are trained.

    Returns:
      The output.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default():
      ...     y = v1.contrib.layers.fully_connected(tf.ones([2, 3]), 4)
      ...     [v.name for v in v1.global_variables()]
      ['fully_connected/weights:0', 'fully_connected/biases:0']
    """
    with variable_scope(
        scope, "fully_connected", [inputs], reuse=reuse, custom_getter=layer_getter()
    ) as entered:
        inputs = tf.convert_to_tensor(inputs)
        layer = Dense(
            num_outputs,
            use_bias=not normalizer_fn and bool(biases_initializer),
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=entered.name,
            dtype=inputs.dtype.base_dtype,
            _scope=entered,
            _reuse=reuse,
        )
        outputs = layer(inputs)
        collect_variable(layer.kernel, variables_collections, "weights")
        if layer.bias is not None:
            collect_variable(layer.bias, variables_collections, "biases")
        return finished(
            outputs, entered, normalizer_fn, normalizer_params, activation_fn, outputs_collections
        )


def _layout(data_format: str | None) -> str:
    return "channels_first" if data_format is not None and data_format.startswith("NC") else "channels_last"


@export(v1=_names("convolution"))
@add_arg_scope
def convolution(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
    activation_fn: Callable | None = nn_relu,
    normalizer_fn: Callable | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = xavier_initializer(),
    weights_regularizer: Callable | None = None,
    biases_initializer: Any = ZerosV1(),
    biases_regularizer: Callable | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    conv_dims: int | None = None,
) -> Any:
    """A convolution layer, of as many dimensions as the input has.

    Args:
      inputs: `[batch, space..., channels]`, or `[batch, channels, space...]` where `data_format` starts with "NC".
      num_outputs: the number of output channels.
      kernel_size, stride, rate: an int, or one for each space dimension.
      padding: "SAME" or "VALID".
      conv_dims: how many space dimensions there must be.
      activation_fn, normalizer_fn, ...: see `fully_connected`; the variable scope is "Conv" by default.

    Raises:
      ValueError: the input's rank does not fit.
    """
    with variable_scope(scope, "Conv", [inputs], reuse=reuse, custom_getter=layer_getter()) as entered:
        inputs = tf.convert_to_tensor(inputs)
        rank = inputs.shape.rank
        classes: dict[Any, Any] = {3: convolutions.Conv1D, 4: convolutions.Conv2D, 5: convolutions.Conv3D}
        if rank not in classes or conv_dims not in (None, rank - 2):
            wanted = "3, 4 or 5" if conv_dims is None else conv_dims + 2
            raise ValueError(f"Convolution expects input with rank {wanted}, got {rank}")
        return _convolved(
            classes[rank], entered, inputs,
            {"filters": num_outputs, "kernel_size": kernel_size, "strides": stride, "padding": padding,
             "data_format": _layout(data_format), "dilation_rate": rate},
            normalizer_fn, normalizer_params, weights_initializer, weights_regularizer, biases_initializer,
            biases_regularizer, reuse, variables_collections, outputs_collections, trainable, activation_fn,
        )  # fmt: skip


def _convolved(
    layer_class: Any, scope: Any, inputs: Any, arguments: dict[str, Any], normalizer_fn: Any, normalizer_params: Any,
    weights_initializer: Any, weights_regularizer: Any, biases_initializer: Any, biases_regularizer: Any, reuse: Any,
    variables_collections: Any, outputs_collections: Any, trainable: bool, activation_fn: Any,
) -> Any:  # fmt: skip
    layer = layer_class(
        **arguments,
        use_bias=not normalizer_fn and bool(biases_initializer),
        kernel_initializer=weights_initializer,
        bias_initializer=biases_initializer,
        kernel_regularizer=weights_regularizer,
        bias_regularizer=biases_regularizer,
        trainable=trainable,
        name=scope.name,
        dtype=inputs.dtype.base_dtype,
        _scope=scope,
        _reuse=reuse,
    )
    outputs = layer(inputs)
    collect_variable(layer.kernel, variables_collections, "weights")
    if layer.bias is not None:
        collect_variable(layer.bias, variables_collections, "biases")
    return finished(outputs, scope, normalizer_fn, normalizer_params, activation_fn, outputs_collections)


def _of_dimensions(dims: int) -> Callable:
    """`convolution` for inputs of so many space dimensions, with scoped arguments of its own."""

    def function(*args: Any, **kwargs: Any) -> Any:
        return convolution(*args, **{"conv_dims": dims, **kwargs})

    function.__name__ = function.__qualname__ = f"conv{dims}d"
    function.__doc__ = f"`convolution` over {dims} dimension{'s' if dims > 1 else ''}."
    function.__signature__ = inspect.signature(convolution)  # type: ignore[attr-defined]
    return export(v1=_names(f"conv{dims}d", f"convolution{dims}d"))(add_arg_scope(function))


conv1d, conv2d, conv3d = map(_of_dimensions, (1, 2, 3))


def _transposed(name: str, layer_class: type, default_scope: str) -> Callable:
    def function(
        inputs: Any,
        num_outputs: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: str = "SAME",
        data_format: str | None = None,
        activation_fn: Callable | None = nn_relu,
        normalizer_fn: Callable | None = None,
        normalizer_params: dict[str, Any] | None = None,
        weights_initializer: Any = xavier_initializer(),
        weights_regularizer: Callable | None = None,
        biases_initializer: Any = ZerosV1(),
        biases_regularizer: Callable | None = None,
        reuse: Any = None,
        variables_collections: Any = None,
        outputs_collections: Any = None,
        trainable: bool = True,
        scope: Any = None,
    ) -> Any:
        with variable_scope(
            scope, default_scope, [inputs], reuse=reuse, custom_getter=layer_getter()
        ) as entered:
            return _convolved(
                layer_class, entered, tf.convert_to_tensor(inputs),
                {"filters": num_outputs, "kernel_size": kernel_size, "strides": stride, "padding": padding,
                 "data_format": _layout(data_format)},
                normalizer_fn, normalizer_params, weights_initializer, weights_regularizer, biases_initializer,
                biases_regularizer, reuse, variables_collections, outputs_collections, trainable, activation_fn,
            )  # fmt: skip

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The transpose of `convolution`, which see for the arguments."
    return export(v1=_names(name, name.replace("conv", "convolution")))(add_arg_scope(function))


conv2d_transpose = _transposed("conv2d_transpose", convolutions.Conv2DTranspose, "Conv2d_transpose")
conv3d_transpose = _transposed("conv3d_transpose", convolutions.Conv3DTranspose, "Conv3d_transpose")


@export(v1=_names("separable_conv2d", "separable_convolution2d"))
@add_arg_scope
def separable_conv2d(
    inputs: Any,
    num_outputs: int | None,
    kernel_size: Any,
    depth_multiplier: int = 1,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = "NHWC",
    rate: Any = 1,
    activation_fn: Callable | None = nn_relu,
    normalizer_fn: Callable | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = xavier_initializer(),
    pointwise_initializer: Any = None,
    weights_regularizer: Callable | None = None,
    biases_initializer: Any = ZerosV1(),
    biases_regularizer: Callable | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """A convolution of each channel alone, and then a mix of the channels.

    Args:
      num_outputs: the number of output channels; None leaves the mix out.
      depth_multiplier: how many channels the first step makes of each.
      pointwise_initializer: for the weights of the mix; by default `weights_initializer`.
      inputs, kernel_size, stride, ...: see `convolution`; the variable scope is "SeparableConv2d" by default.
    """
    rename = {
        "bias": "biases",
        "depthwise_kernel": "depthwise_weights",
        "pointwise_kernel": "pointwise_weights",
    }
    with variable_scope(
        scope, "SeparableConv2d", [inputs], reuse=reuse, custom_getter=renaming_getter(rename)
    ) as entered:
        inputs = tf.convert_to_tensor(inputs)
        use_bias = not normalizer_fn and bool(biases_initializer)
        if num_outputs is not None:
            layer = convolutions.SeparableConv2D(
                num_outputs, kernel_size, stride, padding, _layout(data_format), rate, depth_multiplier,
                use_bias=use_bias, depthwise_initializer=weights_initializer,
                pointwise_initializer=pointwise_initializer or weights_initializer, bias_initializer=biases_initializer,
                depthwise_regularizer=weights_regularizer, pointwise_regularizer=weights_regularizer,
                bias_regularizer=biases_regularizer, trainable=trainable, name=entered.name,
                dtype=inputs.dtype.base_dtype, _scope=entered, _reuse=reuse,
            )  # fmt: skip
            outputs = layer(inputs)
            collect_variable(layer.depthwise_kernel, variables_collections, "weights")
            collect_variable(layer.pointwise_kernel, variables_collections, "weights")
            biases = layer.bias
        else:
            outputs, biases = _depthwise(
                inputs, kernel_size, depth_multiplier, stride, padding, data_format, rate, weights_initializer,
                weights_regularizer, biases_initializer if use_bias else None, biases_regularizer, trainable,
                variables_collections,
            )  # fmt: skip
        if biases is not None:
            collect_variable(biases, variables_collections, "biases")
        return finished(
            outputs, entered, normalizer_fn, normalizer_params, activation_fn, outputs_collections
        )


def _depthwise(
    inputs: Any, kernel_size: Any, depth_multiplier: int, stride: Any, padding: str, data_format: str | None, rate: Any,
    weights_initializer: Any, weights_regularizer: Any, biases_initializer: Any, biases_regularizer: Any,
    trainable: bool, variables_collections: Any,
) -> tuple[Any, Any]:  # fmt: skip
    first = _layout(data_format) == "channels_first"
    channels = inputs.shape.as_list()[1 if first else 3]
    dtype = inputs.dtype.base_dtype
    steps, rates = convolutions.sizes(stride, 2, "stride"), convolutions.sizes(rate, 2, "rate")
    weights = tf.get_variable(
        "depthwise_weights",
        [*convolutions.sizes(kernel_size, 2, "kernel_size"), channels, depth_multiplier],
        dtype,
        weights_initializer,
        weights_regularizer,
        trainable=trainable,
    )
    collect_variable(weights, variables_collections, "weights")
    around = [1, 1, *steps] if first else [1, *steps, 1]
    layout = "NCHW" if first else "NHWC"
    outputs = tf.nn.depthwise_conv2d(inputs, weights, around, padding, rate=rates, data_format=layout)
    if biases_initializer is None:
        return outputs, None
    biases = tf.get_variable(
        "biases",
        [channels * depth_multiplier],
        dtype,
        biases_initializer,
        biases_regularizer,
        trainable=trainable,
    )
    return tf.nn.bias_add(outputs, biases, data_format=layout), biases


# Pooling.


def _pooling(kind: str, dims: int, default_scope: str) -> Callable:
    name = f"{kind}_pool{dims}d"

    def function(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str | None = None,
        outputs_collections: Any = None,
        scope: str | None = None,
    ) -> Any:
        with name_scope_v1(scope, default_scope, [inputs]) as entered:
            pool = getattr(tf.layers, f"{'average' if kind == 'avg' else kind}_pooling{dims}d")
            outputs = pool(tf.convert_to_tensor(inputs), kernel_size, stride, padding, _layout(data_format))
            return collect_named_outputs(outputs_collections, entered.rstrip("/"), outputs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The {'mean' if kind == 'avg' else 'maximum'} of windows over {dims} dimensions; `kernel_size` and `stride` are an "
        "int, or one for each."
    )
    return export(v1=_names(name))(add_arg_scope(function))


avg_pool2d, avg_pool3d = _pooling("avg", 2, "AvgPool2D"), _pooling("avg", 3, "AvgPool3D")
max_pool2d, max_pool3d = _pooling("max", 2, "MaxPool2D"), _pooling("max", 3, "MaxPool3D")


# Small layers.


@export(v1=_names("dropout"))
@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Any:
    """Keeps elements with a probability while training, and scales them up; see `tf.layers.dropout`."""
    with variable_scope(scope, "Dropout", [inputs]) as entered:
        layer = Dropout(1 - keep_prob, noise_shape, seed, name=entered.name, _scope=entered)
        outputs = layer(tf.convert_to_tensor(inputs), training=is_training)
        return collect_named_outputs(outputs_collections, entered.name, outputs)


@export(v1=_names("flatten"))
@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Any:
    """Makes each example of the batch a vector."""
    with name_scope_v1(scope, "Flatten", [inputs]) as entered:
        outputs = Flatten()(tf.convert_to_tensor(inputs))
        return collect_named_outputs(outputs_collections, entered.rstrip("/"), outputs)


@export(v1=_names("bias_add"))
@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Callable | None = None,
    initializer: Any = ZerosV1(),
    regularizer: Callable | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """Adds one number to each channel."""
    with variable_scope(scope, "BiasAdd", [inputs], reuse=reuse) as entered:
        inputs = tf.convert_to_tensor(inputs)
        size = inputs.shape.as_list()[1 if data_format == "NCHW" else -1]
        biases = tf.get_variable(
            "biases", [size], inputs.dtype.base_dtype, initializer, regularizer, trainable=trainable
        )
        collect_variable(biases, variables_collections, "biases")
        outputs = tf.nn.bias_add(inputs, biases, data_format=data_format)
        return finished(outputs, entered, None, None, activation_fn, outputs_collections)


@export(v1=_names("one_hot_encoding"))
@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """Integer labels as vectors with a one at their place."""
    with name_scope_v1(scope, "OneHotEncoding", [labels, num_classes]) as entered:
        labels = tf.convert_to_tensor(labels)
        if labels.dtype == tf.int32:
            labels = tf.cast(labels, tf.int64)
        outputs = tf.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return collect_named_outputs(outputs_collections, entered.rstrip("/"), outputs)


@export(v1=_names("softmax"))
@add_arg_scope
def softmax(logits: Any, scope: Any = None) -> Any:
    """Softmax over the last axis, for any rank."""
    with variable_scope(scope, "softmax", [logits]):
        return tf.nn.softmax(logits, name="Softmax")


@export(v1=_names("unit_norm"))
@add_arg_scope
def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: str | None = None) -> Any:
    """Scales vectors along an axis to length one."""
    with name_scope_v1(scope, "UnitNorm", [inputs]):
        return inputs / tf.sqrt(epsilon + tf.reduce_sum(tf.square(inputs), dim, keepdims=True))


@export(v1=_names("maxout"))
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: str | None = None) -> Any:
    """The maximum of each of `num_units` groups of channels (Goodfellow et al., 2013).

    Raises:
      ValueError: the number of channels is no multiple of `num_units`.
    """
    with name_scope_v1(scope, "MaxOut", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        channels = inputs.shape.as_list()[axis]
        if channels % num_units:
            raise ValueError(f"number of features({channels}) is not a multiple of num_units({num_units})")
        dims = [-1 if each is None else each for each in inputs.shape.as_list()]
        axis = axis % len(dims)
        grouped = tf.reshape(inputs, [*dims[:axis], num_units, channels // num_units, *dims[axis + 1 :]])
        return tf.reduce_max(grouped, axis + 1)


# Layers of layers.


@export(v1=_names("repeat"))
@add_arg_scope
def repeat(inputs: Any, repetitions: int, layer: Callable, *args: Any, **kwargs: Any) -> Any:
    """Applies a layer several times, in scopes `<name>/<name>_1`, `<name>/<name>_2`, ..."""
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Repeat", [inputs]):
        outputs = tf.convert_to_tensor(inputs)
        name = scope if scope is not None else getattr(layer, "__name__", None) or layer.func.__name__  # type: ignore[attr-defined]
        for index in range(repetitions):
            kwargs["scope"] = f"{getattr(name, 'name', name)}_{index + 1}"
            outputs = layer(outputs, *args, **kwargs)
        return outputs


@export(v1=_names("stack"))
def stack(inputs: Any, layer: Callable, stack_args: Sequence[Any], **kwargs: Any) -> Any:
    """Applies a layer once for each of `stack_args`, its next argument (or tuple of arguments)."""
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Stack", [inputs]):
        outputs = tf.convert_to_tensor(inputs)
        name = scope if scope is not None else getattr(layer, "__name__", None) or layer.func.__name__  # type: ignore[attr-defined]
        for index, given in enumerate(stack_args):
            kwargs["scope"] = f"{getattr(name, 'name', name)}_{index + 1}"
            outputs = layer(outputs, *(given if isinstance(given, (list, tuple)) else [given]), **kwargs)
        return outputs


elu = export(v1=_names("elu"))(functools.partial(fully_connected, activation_fn=nn_elu))
legacy_relu = relu = export(v1=_names("relu", "legacy_relu"))(
    functools.partial(fully_connected, activation_fn=nn_relu)
)
relu6 = export(v1=_names("relu6"))(functools.partial(fully_connected, activation_fn=nn_relu6))
linear = export(v1=_names("linear", "legacy_linear"))(functools.partial(fully_connected, activation_fn=None))
