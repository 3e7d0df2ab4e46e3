"""`contrib.layers`' normalizers: `batch_norm`, `layer_norm`, `instance_norm`, `group_norm`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.variables.scope import variable_scope
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import add_arg_scope
from penstock.v1.contrib.framework import model_variable
from penstock.v1.contrib.layer_variables import collect_variable, collections_of, finished, renaming_getter
from penstock.v1.contrib.layer_variables import names as _names
from penstock.v1.layers_batch_normalization import BatchNormalization


class _Updating(BatchNormalization):
    """Batch normalization that knows the updates of its last call, instead of collecting them."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.made: list[Any] = []

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        made = updates() if callable(updates) else updates
        self.made.append(getattr(made, "op", made))


@export(v1=_names("batch_norm"))
@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: Any = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Callable | None = None,
    param_initializers: dict[str, Any] | None = None,
    param_regularizers: dict[str, Any] | None = None,
    updates_collections: str | None = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: dict[str, Any] | None = None,
    renorm_decay: Any = 0.99,
    adjustment: Callable | None = None,
) -> Any:
    """Batch normalization (Ioffe and Szegedy, 2015).

    Args:
      inputs: of rank 2 or more; the channels are the last axis, or the second where `data_format` starts with "NC".
      decay: of the moving averages. center, scale: whether there is a `beta`, and a `gamma`.
      epsilon: added to the variance.
      activation_fn: applied last.
      param_initializers, param_regularizers: dictionaries for "beta", "gamma", "moving_mean", "moving_variance".
      updates_collections: the collection of the operations that move the averages; None: they run with the layer.
      is_training: whether the batch's statistics are used: a bool or a boolean tensor.
      reuse, variables_collections, outputs_collections, trainable, scope: see `fully_connected`; "BatchNorm" by default.
      fused, renorm, renorm_clipping, renorm_decay, adjustment: see `tf.layers.BatchNormalization`.

    Raises:
      ValueError: `batch_weights` or `zero_debias_moving_mean` is given, which are not supported.
    """
    if batch_weights is not None or zero_debias_moving_mean:
        raise ValueError("batch_norm: batch_weights and zero_debias_moving_mean are not supported.")
    initializers = {"beta": tf.zeros_initializer(), "gamma": tf.ones_initializer()}
    initializers |= {"moving_mean": tf.zeros_initializer(), "moving_variance": tf.ones_initializer()}
    initializers |= param_initializers or {}
    regularizers = param_regularizers or {}
    with variable_scope(
        scope, "BatchNorm", [inputs], reuse=reuse, custom_getter=renaming_getter()
    ) as entered:
        inputs = tf.convert_to_tensor(inputs)
        layer = _Updating(
            axis=1 if data_format.startswith("NC") and inputs.shape.rank > 2 else -1,
            momentum=decay,
            epsilon=epsilon,
            center=center,
            scale=scale,
            **{f"{name}_initializer": each for name, each in initializers.items()},
            beta_regularizer=regularizers.get("beta"),
            gamma_regularizer=regularizers.get("gamma"),
            trainable=trainable,
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            renorm_momentum=renorm_decay,
            adjustment=adjustment,
            fused=fused,
            name=entered.name,
            _scope=entered,
            _reuse=reuse,
        )
        outputs = layer(inputs, training=is_training)
        kinds = {"beta": layer.beta, "gamma": layer.gamma}
        kinds |= {"moving_mean": layer.moving_mean, "moving_variance": layer.moving_variance}
        for kind, variable in kinds.items():
            if variable is not None:
                collect_variable(variable, variables_collections, kind)
        if updates_collections is None:
            if layer.made:
                with tf.control_dependencies(layer.made):
                    outputs = tf.identity(outputs)
        else:
            for update in layer.made:
                tf.add_to_collections([updates_collections], update)
        return finished(outputs, entered, None, None, activation_fn, outputs_collections)


def _parameter(
    name: str,
    wanted: bool,
    shape: list[int],
    dtype: Any,
    initializer: Any,
    variables_collections: Any,
    trainable: bool,
) -> Any:
    if not wanted:
        return None
    return model_variable(
        name,
        shape,
        dtype,
        initializer,
        trainable=trainable,
        collections=collections_of(variables_collections, name),
    )


@export(v1=_names("layer_norm"))
@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Callable | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Any:
    """Layer normalization (Ba et al., 2016): each example by its own mean and variance.

    Args:
      begin_norm_axis: the first axis of those that are normalized together.
      begin_params_axis: the first axis of those for which `beta` and `gamma` have numbers of their own.
      inputs, center, scale, ...: see `batch_norm`; the variable scope is "LayerNorm" by default.

    Raises:
      ValueError: an axis is out of range, or the sizes of the parameters are unknown.
    """
    with variable_scope(scope, "LayerNorm", [inputs], reuse=reuse) as entered:
        inputs = tf.convert_to_tensor(inputs)
        rank, dtype = inputs.shape.rank, inputs.dtype.base_dtype
        if rank is None:
            raise ValueError(f"Inputs {inputs.name} has undefined rank.")
        if begin_params_axis >= rank or begin_norm_axis >= rank:
            raise ValueError(
                f"begin_params_axis ({begin_params_axis}) and begin_norm_axis ({begin_norm_axis}) must be < rank(inputs) "
                f"({rank})"
            )
        shape = inputs.shape.as_list()[begin_params_axis % rank :]
        if None in shape:
            raise ValueError(
                f"Inputs {inputs.name}: shape(inputs)[{begin_params_axis}:] is not fully defined: {shape}"
            )
        beta = _parameter(
            "beta", center, shape, dtype, tf.zeros_initializer(), variables_collections, trainable
        )
        gamma = _parameter(
            "gamma", scale, shape, dtype, tf.ones_initializer(), variables_collections, trainable
        )
        axes = list(range(begin_norm_axis % rank, rank))
        mean, variance = tf.nn.moments(inputs, axes, keep_dims=True)
        epsilon = 1e-12 if dtype != tf.float16 else 1e-3
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        outputs.set_shape(inputs.shape)
        return finished(outputs, entered, None, None, activation_fn, outputs_collections)


@export(v1=_names("instance_norm"))
@add_arg_scope
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Callable | None = None,
    param_initializers: dict[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """Instance normalization (Ulyanov et al., 2016): each channel of each example by its own mean and variance."""
    with variable_scope(scope, "InstanceNorm", [inputs], reuse=reuse) as entered:
        inputs = tf.convert_to_tensor(inputs)
        rank, dtype = inputs.shape.rank, inputs.dtype.base_dtype
        axis = 1 if data_format == "NCHW" else rank - 1
        channels = inputs.shape.as_list()[axis]
        given = param_initializers or {}
        shape = [channels if each == axis else 1 for each in range(rank)]
        beta = _parameter(
            "beta",
            center,
            [channels],
            dtype,
            given.get("beta", tf.zeros_initializer()),
            variables_collections,
            trainable,
        )
        gamma = _parameter(
            "gamma",
            scale,
            [channels],
            dtype,
            given.get("gamma", tf.ones_initializer()),
            variables_collections,
            trainable,
        )
        beta, gamma = (None if each is None else tf.reshape(each, shape) for each in (beta, gamma))
        axes = [each for each in range(1, rank) if each != axis]
        mean, variance = tf.nn.moments(inputs, axes, keep_dims=True)
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        outputs.set_shape(inputs.shape)
        return finished(outputs, entered, None, None, activation_fn, outputs_collections)


@export(v1=_names("group_norm"))
@add_arg_scope
def group_norm(
    inputs: Any,
    groups: int = 32,
    channels_axis: int = -1,
    reduction_axes: Any = (-3, -2),
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Callable | None = None,
    param_initializers: dict[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    mean_close_to_zero: bool = False,
) -> Any:
    """Group normalization (Wu and He, 2018): groups of channels of each example by their own mean and variance.

    Args:
      groups: how many groups the channels make.
      channels_axis: the axis of the channels. reduction_axes: the axes that are normalized together with a group.
      inputs, center, scale, ...: see `batch_norm`; the variable scope is "GroupNorm" by default.

    Raises:
      ValueError: the number of channels is no multiple of `groups`.
    """
    with variable_scope(scope, "GroupNorm", [inputs], reuse=reuse) as entered:
        inputs = tf.convert_to_tensor(inputs)
        rank, dtype = inputs.shape.rank, inputs.dtype.base_dtype
        axis = channels_axis % rank
        channels = inputs.shape.as_list()[axis]
        if channels % groups:
            raise ValueError(f"Invalid groups {groups} for {channels} channels.")
        given = param_initializers or {}
        beta = _parameter(
            "beta",
            center,
            [channels],
            dtype,
            given.get("beta", tf.zeros_initializer()),
            variables_collections,
            trainable,
        )
        gamma = _parameter(
            "gamma",
            scale,
            [channels],
            dtype,
            given.get("gamma", tf.ones_initializer()),
            variables_collections,
            trainable,
        )
        dims = tf.shape(inputs)
        split = tf.concat([dims[:axis], [groups, channels // groups], dims[axis + 1 :]], 0)
        x = tf.reshape(inputs, split)
        reduced = [each % rank for each in reduction_axes]
        axes = [each + (each > axis) for each in reduced] + [axis + 1]
        mean, variance = tf.nn.moments(x, axes, keep_dims=True)
        aligned = [1] * (rank + 1)
        aligned[axis], aligned[axis + 1] = groups, channels // groups
        beta, gamma = (None if each is None else tf.reshape(each, aligned) for each in (beta, gamma))
        outputs = tf.reshape(tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon), dims)
        outputs.set_shape(inputs.shape)
        return finished(outputs, entered, None, None, activation_fn, outputs_collections)
