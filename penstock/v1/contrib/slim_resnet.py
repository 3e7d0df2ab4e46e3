"""`contrib.slim.nets.resnet_v1`, `resnet_v2` and `resnet_utils`: residual networks (He et al., 2015 and 2016)."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import add_arg_scope, arg_scope
from penstock.v1.contrib.layer_variables import collect_named_outputs, convert_collection_to_dict
from penstock.v1.contrib.layers import conv2d, max_pool2d, softmax
from penstock.v1.contrib.normalization import batch_norm
from penstock.v1.contrib.slim_nets import names
from penstock.v1.contrib.weights import l2_regularizer, variance_scaling_initializer


@export(v1=names("resnet_utils.Block"))
class Block(collections.namedtuple("Block", ["scope", "unit_fn", "args"])):
    """A part of a residual network: units `unit_fn(net, rate=rate, **args[i])` in a scope."""

    __slots__ = ()


@export(v1=names("resnet_utils.subsample"))
def subsample(inputs: Any, factor: int, scope: str | None = None) -> Any:
    """Every `factor`-th pixel of images."""
    return inputs if factor == 1 else max_pool2d(inputs, [1, 1], stride=factor, scope=scope)


@export(v1=names("resnet_utils.conv2d_same"))
def conv2d_same(
    inputs: Any, num_outputs: int, kernel_size: int, stride: int, rate: int = 1, scope: Any = None
) -> Any:
    """A convolution whose padding depends on the kernel alone: with a stride it takes the pixels that `subsample` takes."""
    if stride == 1:
        return conv2d(inputs, num_outputs, kernel_size, stride=1, rate=rate, padding="SAME", scope=scope)
    padding = kernel_size + (kernel_size - 1) * (rate - 1) - 1
    around = [padding // 2, padding - padding // 2]
    inputs = tf.pad(inputs, [[0, 0], around, around, [0, 0]])
    return conv2d(inputs, num_outputs, kernel_size, stride=stride, rate=rate, padding="VALID", scope=scope)


@export(v1=names("resnet_utils.stack_blocks_dense"))
@add_arg_scope
def stack_blocks_dense(
    net: Any, blocks: Sequence[Block], output_stride: int | None = None, outputs_collections: Any = None
) -> Any:
    """Applies blocks one after the other.

    Args:
      net: the input, `[batch, height, width, channels]`.
      blocks: the blocks.
      output_stride: how much smaller the output is than `net`, at most; from there on strides become dilations.
      outputs_collections: collections of the blocks' outputs.

    Raises:
      ValueError: the strides do not make `output_stride`.
    """
    stride = rate = 1
    for block in blocks:
        with tf.variable_scope(block.scope, "block", [net]) as entered:
            for number, unit in enumerate(block.args, 1):
                if output_stride is not None and stride > output_stride:
                    raise ValueError("The target output_stride cannot be reached.")
                with tf.variable_scope(f"unit_{number}", values=[net]):
                    if output_stride is not None and stride == output_stride:
                        net = block.unit_fn(net, rate=rate, **{**unit, "stride": 1})
                        rate *= unit.get("stride", 1)
                    else:
                        net = block.unit_fn(net, rate=1, **unit)
                        stride *= unit.get("stride", 1)
            net = collect_named_outputs(outputs_collections, entered.name, net)
    if output_stride is not None and stride != output_stride:
        raise ValueError("The target output_stride cannot be reached.")
    return net


@export(v1=names("resnet_utils.resnet_arg_scope", "resnet_v1.resnet_arg_scope", "resnet_v2.resnet_arg_scope"))
def resnet_arg_scope(
    weight_decay: float = 0.0001,
    batch_norm_decay: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
    batch_norm_scale: bool = True,
) -> Any:
    """The scope of arguments for residual networks."""
    normalization = {
        "decay": batch_norm_decay,
        "epsilon": batch_norm_epsilon,
        "scale": batch_norm_scale,
        "updates_collections": tf.GraphKeys.UPDATE_OPS,
    }
    with (
        arg_scope(
            [conv2d],
            weights_regularizer=l2_regularizer(weight_decay),
            weights_initializer=variance_scaling_initializer(),
            activation_fn=tf.nn.relu,
            normalizer_fn=batch_norm,
            normalizer_params=normalization,
        ),
        arg_scope([batch_norm], **normalization),
        arg_scope([max_pool2d], padding="SAME") as found,
    ):
        return found


@export(v1=names("resnet_v1.bottleneck"))
@add_arg_scope
def bottleneck_v1(
    inputs: Any, depth: int, depth_bottleneck: int, stride: int, rate: int = 1, outputs_collections: Any = None,
    scope: Any = None,
) -> Any:  # fmt: skip
    """A unit of three convolutions whose result is added to its input, before the activation."""
    with tf.variable_scope(scope, "bottleneck_v1", [inputs]) as entered:
        if inputs.shape.as_list()[-1] == depth:
            shortcut = subsample(inputs, stride, "shortcut")
        else:
            shortcut = conv2d(inputs, depth, [1, 1], stride=stride, activation_fn=None, scope="shortcut")
        residual = conv2d(inputs, depth_bottleneck, [1, 1], stride=1, scope="conv1")
        residual = conv2d_same(residual, depth_bottleneck, 3, stride, rate=rate, scope="conv2")
        residual = conv2d(residual, depth, [1, 1], stride=1, activation_fn=None, scope="conv3")
        return collect_named_outputs(outputs_collections, entered.name, tf.nn.relu(shortcut + residual))


@export(v1=names("resnet_v2.bottleneck"))
@add_arg_scope
def bottleneck_v2(
    inputs: Any, depth: int, depth_bottleneck: int, stride: int, rate: int = 1, outputs_collections: Any = None,
    scope: Any = None,
) -> Any:  # fmt: skip
    """A unit of three convolutions whose result is added to its input; normalization and activation come first."""
    with tf.variable_scope(scope, "bottleneck_v2", [inputs]) as entered:
        before = batch_norm(inputs, activation_fn=tf.nn.relu, scope="preact")
        plain = {"normalizer_fn": None, "activation_fn": None}
        if inputs.shape.as_list()[-1] == depth:
            shortcut = subsample(inputs, stride, "shortcut")
        else:
            shortcut = conv2d(before, depth, [1, 1], stride=stride, scope="shortcut", **plain)
        residual = conv2d(before, depth_bottleneck, [1, 1], stride=1, scope="conv1")
        residual = conv2d_same(residual, depth_bottleneck, 3, stride, rate=rate, scope="conv2")
        residual = conv2d(residual, depth, [1, 1], stride=1, scope="conv3", **plain)
        return collect_named_outputs(outputs_collections, entered.name, shortcut + residual)


_UNITS = {1: bottleneck_v1, 2: bottleneck_v2}


def _block(version: int) -> Callable:
    def block(scope: str, base_depth: int, num_units: int, stride: int) -> Block:
        unit = {"depth": base_depth * 4, "depth_bottleneck": base_depth}
        units = [{**unit, "stride": 1}] * (num_units - 1) + [{**unit, "stride": stride}]
        return Block(scope, _UNITS[version], units)

    block.__name__ = block.__qualname__ = f"resnet_v{version}_block"
    block.__doc__ = (
        "A block of bottleneck units of `4 * base_depth` channels, of which the last one has the stride."
    )
    return export(v1=names(f"resnet_v{version}.{block.__name__}"))(block)


resnet_v1_block, resnet_v2_block = _block(1), _block(2)


def _builder(version: int) -> Callable:
    def resnet(
        inputs: Any,
        blocks: Sequence[Block],
        num_classes: int | None = None,
        is_training: Any = True,
        global_pool: bool = True,
        output_stride: int | None = None,
        include_root_block: bool = True,
        reuse: Any = None,
        scope: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        with tf.variable_scope(scope, resnet.__name__, [inputs], reuse=reuse) as entered:
            collection = entered.original_name_scope + "_end_points"
            collecting = [conv2d, _UNITS[version], stack_blocks_dense]
            with (
                arg_scope(collecting, outputs_collections=collection),
                arg_scope([batch_norm], is_training=is_training),
            ):
                net = inputs
                if include_root_block:
                    if output_stride is not None:
                        if output_stride % 4:
                            raise ValueError("The output_stride needs to be a multiple of 4.")
                        output_stride //= 4
                    net = _root(net, version)
                net = stack_blocks_dense(net, blocks, output_stride)
                if version == 2:
                    net = batch_norm(net, activation_fn=tf.nn.relu, scope="postnorm")
                if global_pool:
                    net = tf.reduce_mean(net, [1, 2], name="pool5", keepdims=True)
                if num_classes is not None:
                    net = conv2d(
                        net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="logits"
                    )
                end_points = convert_collection_to_dict(collection)
                if num_classes is not None:
                    end_points["predictions"] = softmax(net, scope="predictions")
                return net, end_points

    resnet.__name__ = resnet.__qualname__ = f"resnet_v{version}"
    resnet.__doc__ = """A residual network.

    Args:
      inputs: images `[batch, height, width, channels]`.
      blocks: its blocks.
      num_classes: how many logits there are; None ends with the features.
      is_training: whether batch normalization takes the batch's own statistics.
      global_pool: whether features are averaged over space.
      output_stride: how much smaller than the images the features are, at most (a multiple of 4); None: what blocks say.
      include_root_block: whether a convolution and a pool, of stride 2 each, come first.
      reuse, scope: of the variables.

    Returns:
      The logits `[batch, height, width, num_classes]`, or the features, and the outputs of layers and blocks by name.
    """
    return export(v1=names(f"resnet_v{version}.resnet_v{version}"))(resnet)


def _root(net: Any, version: int) -> Any:
    plain = {"activation_fn": None, "normalizer_fn": None} if version == 2 else {}
    with arg_scope([conv2d], **plain):
        net = conv2d_same(net, 64, 7, stride=2, scope="conv1")
    return max_pool2d(net, [3, 3], stride=2, scope="pool1")


resnet_v1, resnet_v2 = _builder(1), _builder(2)

# The number of layers -> the units of the four blocks.
_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}


def _of_depth(version: int, depth: int) -> Callable:
    name = f"resnet_v{version}_{depth}"
    block, build = (resnet_v1_block, resnet_v1) if version == 1 else (resnet_v2_block, resnet_v2)

    def network(
        inputs: Any,
        num_classes: int | None = None,
        is_training: Any = True,
        global_pool: bool = True,
        output_stride: int | None = None,
        reuse: Any = None,
        scope: Any = name,
    ) -> tuple[Any, dict[str, Any]]:
        strides = (2, 2, 2, 1)
        blocks = [
            block(f"block{i + 1}", 64 * 2**i, units, strides[i]) for i, units in enumerate(_DEPTHS[depth])
        ]
        return build(
            inputs, blocks, num_classes, is_training, global_pool, output_stride, reuse=reuse, scope=scope
        )

    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"The residual network of {depth} layers; `resnet_v{version}` has the arguments."
    network.default_image_size = 224  # type: ignore[attr-defined]
    return export(v1=names(f"resnet_v{version}.{name}"))(network)


for _version in (1, 2):
    for _depth in _DEPTHS:
        globals()[f"resnet_v{_version}_{_depth}"] = _of_depth(_version, _depth)
