"""`contrib.slim.nets`: what its networks share, and those that are one layer after the other: VGG, AlexNet, OverFeat.

A network is a table of layers. Names of scopes, and so of variables, are those of TensorFlow 1, whose checkpoints load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import arg_scope
from penstock.v1.contrib.layer_variables import convert_collection_to_dict
from penstock.v1.contrib.layers import conv2d, dropout, fully_connected, max_pool2d, repeat
from penstock.v1.contrib.weights import l2_regularizer


def names(*found: str) -> list[str]:
    """The public names of `module.function`."""
    return [f"contrib.slim.{place}nets.{name}" for name in found for place in ("", "python.slim.")]


def squeezed(net: Any, name: str) -> Any:
    """Without the two space dimensions, of one element each."""
    return tf.squeeze(net, [1, 2], name=name)


# (scope, repetitions, filters) of the convolutions of VGG between two pools, without the repetitions.
_VGG_FILTERS = (64, 128, 256, 512, 512)

Layer = tuple[str, int, int, int, str]
"""The scope, filters (0: a pool), kernel size, stride and padding of a layer."""

_ALEXNET: tuple[Layer, ...] = (
    ("conv1", 64, 11, 4, "VALID"),
    ("pool1", 0, 3, 2, "VALID"),
    ("conv2", 192, 5, 1, "SAME"),
    ("pool2", 0, 3, 2, "VALID"),
    ("conv3", 384, 3, 1, "SAME"),
    ("conv4", 384, 3, 1, "SAME"),
    ("conv5", 256, 3, 1, "SAME"),
    ("pool5", 0, 3, 2, "VALID"),
)
_OVERFEAT: tuple[Layer, ...] = (
    ("conv1", 64, 11, 4, "VALID"),
    ("pool1", 0, 2, 2, "VALID"),
    ("conv2", 256, 5, 1, "VALID"),
    ("pool2", 0, 2, 2, "VALID"),
    ("conv3", 512, 3, 1, "SAME"),
    ("conv4", 1024, 3, 1, "SAME"),
    ("conv5", 1024, 3, 1, "SAME"),
    ("pool5", 0, 2, 2, "VALID"),
)


def _stacked(net: Any, layers: Sequence[Layer]) -> Any:
    for scope, filters, size, stride, padding in layers:
        if filters:
            net = conv2d(net, filters, [size, size], stride=stride, padding=padding, scope=scope)
        else:
            net = max_pool2d(net, [size, size], stride=stride, padding=padding, scope=scope)
    return net


def _classified(
    net: Any, first: tuple[int, int], num_classes: int, is_training: Any, keep_prob: float, **last: Any
) -> Any:
    """The three fully connected layers, as convolutions; `first` is filters and kernel size of the first one."""
    filters, size = first
    net = conv2d(net, filters, [size, size], padding="VALID", scope="fc6")
    net = dropout(net, keep_prob, is_training=is_training, scope="dropout6")
    net = conv2d(net, 4096, [1, 1], scope="fc7")
    net = dropout(net, keep_prob, is_training=is_training, scope="dropout7")
    return conv2d(net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="fc8", **last)


def _network(
    name: str, module: str, image_size: int, features: Callable, first: tuple[int, int], wide: bool
) -> Callable:
    """A network that is features and three fully connected layers; `wide` are those that begin from small weights."""

    def network(
        inputs: Any,
        num_classes: int = 1000,
        is_training: Any = True,
        dropout_keep_prob: float = 0.5,
        spatial_squeeze: bool = True,
        scope: Any = name,
    ) -> tuple[Any, dict[str, Any]]:
        with tf.variable_scope(scope, name, [inputs]) as entered:
            collection = entered.name + "_end_points"
            with arg_scope([conv2d, fully_connected, max_pool2d], outputs_collections=collection):
                net = features(inputs)
                if wide:
                    small = tf.truncated_normal_initializer(0.0, 0.005)
                    constant = tf.constant_initializer(0.1)
                    with arg_scope([conv2d], weights_initializer=small, biases_initializer=constant):
                        net = _classified(
                            net, first, num_classes, is_training, dropout_keep_prob,
                            biases_initializer=tf.zeros_initializer(),
                        )  # fmt: skip
                else:
                    net = _classified(net, first, num_classes, is_training, dropout_keep_prob)
            end_points = convert_collection_to_dict(collection)
            if spatial_squeeze:
                net = squeezed(net, "fc8/squeezed")
                end_points[entered.name + "/fc8"] = net
            return net, end_points

    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"""The network {name}, for images of {image_size} by {image_size}, or larger without `spatial_squeeze`.

    Args:
      inputs: images `[batch, height, width, channels]`.
      num_classes: how many logits there are.
      is_training: whether dropout is applied.
      dropout_keep_prob: the part of the elements that it keeps.
      spatial_squeeze: gives logits `[batch, num_classes]` instead of `[batch, height, width, num_classes]`.
      scope: of the variables.

    Returns:
      The logits, and the outputs of the layers by name.
    """
    network.default_image_size = image_size  # type: ignore[attr-defined]
    return export(v1=names(f"{module}.{name}"))(network)


def _vgg_features(repetitions: Sequence[int]) -> Callable:
    def features(net: Any) -> Any:
        for block, (times, filters) in enumerate(zip(repetitions, _VGG_FILTERS, strict=True), 1):
            net = repeat(net, times, conv2d, filters, [3, 3], scope=f"conv{block}")
            net = max_pool2d(net, [2, 2], scope=f"pool{block}")
        return net

    return features


vgg_a = _network("vgg_a", "vgg", 224, _vgg_features((1, 1, 2, 2, 2)), (4096, 7), False)
vgg_16 = vgg_d = _network("vgg_16", "vgg", 224, _vgg_features((2, 2, 3, 3, 3)), (4096, 7), False)
vgg_19 = vgg_e = _network("vgg_19", "vgg", 224, _vgg_features((2, 2, 4, 4, 4)), (4096, 7), False)
export(v1=names("vgg.vgg_d"))(vgg_d)
export(v1=names("vgg.vgg_e"))(vgg_e)
alexnet_v2 = _network("alexnet_v2", "alexnet", 224, lambda net: _stacked(net, _ALEXNET), (4096, 5), True)
overfeat = _network("overfeat", "overfeat", 231, lambda net: _stacked(net, _OVERFEAT), (3072, 6), True)


def _scope_of(name: str, module: str, bias: float, pool_padding: str | None) -> Callable:
    def scope(weight_decay: float = 0.0005) -> Any:
        with arg_scope(
            [conv2d, fully_connected],
            activation_fn=tf.nn.relu,
            weights_regularizer=l2_regularizer(weight_decay),
            biases_initializer=tf.constant_initializer(bias) if bias else tf.zeros_initializer(),
        ), arg_scope([conv2d], padding="SAME") as found:  # fmt: skip
            if pool_padding is None:
                return found
            with arg_scope([max_pool2d], padding=pool_padding) as found:
                return found

    scope.__name__ = scope.__qualname__ = name
    scope.__doc__ = (
        f"The scope of arguments for the networks of `{module}`, with L2 regularization by `weight_decay`."
    )
    return export(v1=names(f"{module}.{name}"))(scope)


vgg_arg_scope = _scope_of("vgg_arg_scope", "vgg", 0.0, None)
alexnet_v2_arg_scope = _scope_of("alexnet_v2_arg_scope", "alexnet", 0.1, "VALID")
overfeat_arg_scope = _scope_of("overfeat_arg_scope", "overfeat", 0.0, "VALID")
