"""`contrib.slim.nets.inception`: Inception v1, v2 and v3 (Szegedy et al., 2014 and 2015; Ioffe and Szegedy, 2015).

A mixed block is a row of branches, a branch a row of layers, written `scope:filters:kernel[:stride]`. Kernel `3` is 3 by
3, `1x7` as it says; a scope that begins with Max or Avg is a pool. `a|b` are two layers whose outputs are concatenated.
Scopes are those of the published checkpoints, odd ones too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import arg_scope
from penstock.v1.contrib.layers import (
    avg_pool2d,
    conv2d,
    dropout,
    fully_connected,
    max_pool2d,
    separable_conv2d,
    softmax,
)
from penstock.v1.contrib.normalization import batch_norm
from penstock.v1.contrib.slim_nets import names, squeezed
from penstock.v1.contrib.weights import l2_regularizer, variance_scaling_initializer

Layers = str | tuple[str, ...]


def _mixed_v1(filters: tuple[int, ...], third: str = "0b") -> tuple[str, ...]:
    a, b, c, d, e, f = filters
    return (
        f"Conv2d_0a_1x1:{a}:1",
        f"Conv2d_0a_1x1:{b}:1 Conv2d_0b_3x3:{c}:3",
        f"Conv2d_0a_1x1:{d}:1 Conv2d_{third}_3x3:{e}:3",
        f"MaxPool_0a_3x3:0:3 Conv2d_0b_1x1:{f}:1",
    )


V1: dict[str, Layers] = {
    "Conv2d_1a_7x7": "64:7:2",
    "MaxPool_2a_3x3": "0:3:2",
    "Conv2d_2b_1x1": "64:1",
    "Conv2d_2c_3x3": "192:3",
    "MaxPool_3a_3x3": "0:3:2",
    "Mixed_3b": _mixed_v1((64, 96, 128, 16, 32, 32)),
    "Mixed_3c": _mixed_v1((128, 128, 192, 32, 96, 64)),
    "MaxPool_4a_3x3": "0:3:2",
    "Mixed_4b": _mixed_v1((192, 96, 208, 16, 48, 64)),
    "Mixed_4c": _mixed_v1((160, 112, 224, 24, 64, 64)),
    "Mixed_4d": _mixed_v1((128, 128, 256, 24, 64, 64)),
    "Mixed_4e": _mixed_v1((112, 144, 288, 32, 64, 64)),
    "Mixed_4f": _mixed_v1((256, 160, 320, 32, 128, 128)),
    "MaxPool_5a_2x2": "0:2:2",
    "Mixed_5b": _mixed_v1((256, 160, 320, 32, 128, 128), third="0a"),
    "Mixed_5c": _mixed_v1((384, 192, 384, 48, 128, 128)),
}


def _mixed_v2(filters: tuple[int, ...], pool: str = "Avg") -> tuple[str, ...]:
    a, b, c, d, e, f = filters
    return (
        f"Conv2d_0a_1x1:{a}:1",
        f"Conv2d_0a_1x1:{b}:1 Conv2d_0b_3x3:{c}:3",
        f"Conv2d_0a_1x1:{d}:1 Conv2d_0b_3x3:{e}:3 Conv2d_0c_3x3:{e}:3",
        f"{pool}Pool_0a_3x3:0:3 Conv2d_0b_1x1:{f}:1",
    )


def _smaller_v2(a: int, b: int, c: int, d: int) -> tuple[str, ...]:
    return (
        f"Conv2d_0a_1x1:{a}:1 Conv2d_1a_3x3:{b}:3:2",
        f"Conv2d_0a_1x1:{c}:1 Conv2d_0b_3x3:{d}:3 Conv2d_1a_3x3:{d}:3:2",
        "MaxPool_1a_3x3:0:3:2",
    )


V2: dict[str, Layers] = {
    "Conv2d_1a_7x7": "separable",
    "MaxPool_2a_3x3": "0:3:2",
    "Conv2d_2b_1x1": "64:1",
    "Conv2d_2c_3x3": "192:3",
    "MaxPool_3a_3x3": "0:3:2",
    "Mixed_3b": _mixed_v2((64, 64, 64, 64, 96, 32)),
    "Mixed_3c": _mixed_v2((64, 64, 96, 64, 96, 64)),
    "Mixed_4a": _smaller_v2(128, 160, 64, 96),
    "Mixed_4b": _mixed_v2((224, 64, 96, 96, 128, 128)),
    "Mixed_4c": _mixed_v2((192, 96, 128, 96, 128, 128)),
    "Mixed_4d": _mixed_v2((160, 128, 160, 128, 160, 96)),
    "Mixed_4e": _mixed_v2((96, 128, 192, 160, 192, 96)),
    "Mixed_5a": _smaller_v2(128, 192, 192, 256),
    "Mixed_5b": _mixed_v2((352, 192, 320, 160, 224, 128)),
    "Mixed_5c": _mixed_v2((352, 192, 320, 192, 224, 128), "Max"),
}


def _mixed_35(pool: int, second: str = "Conv2d_0a_1x1:48:1 Conv2d_0b_5x5:64:5") -> tuple[str, ...]:
    return (
        "Conv2d_0a_1x1:64:1",
        second,
        "Conv2d_0a_1x1:64:1 Conv2d_0b_3x3:96:3 Conv2d_0c_3x3:96:3",
        f"AvgPool_0a_3x3:0:3 Conv2d_0b_1x1:{pool}:1",
    )


def _mixed_17(n: int) -> tuple[str, ...]:
    return (
        "Conv2d_0a_1x1:192:1",
        f"Conv2d_0a_1x1:{n}:1 Conv2d_0b_1x7:{n}:1x7 Conv2d_0c_7x1:192:7x1",
        f"Conv2d_0a_1x1:{n}:1 Conv2d_0b_7x1:{n}:7x1 Conv2d_0c_1x7:{n}:1x7 Conv2d_0d_7x1:{n}:7x1 Conv2d_0e_1x7:192:1x7",
        "AvgPool_0a_3x3:0:3 Conv2d_0b_1x1:192:1",
    )


def _mixed_8(second: str) -> tuple[str, ...]:
    return (
        "Conv2d_0a_1x1:320:1",
        f"Conv2d_0a_1x1:384:1 Conv2d_0b_1x3:384:1x3|{second}:384:3x1",
        "Conv2d_0a_1x1:448:1 Conv2d_0b_3x3:384:3 Conv2d_0c_1x3:384:1x3|Conv2d_0d_3x1:384:3x1",
        "AvgPool_0a_3x3:0:3 Conv2d_0b_1x1:192:1",
    )


# A layer that makes images smaller pads nothing in v3.
V3: dict[str, Layers] = {
    "Conv2d_1a_3x3": "32:3:2",
    "Conv2d_2a_3x3": "32:3:1:VALID",
    "Conv2d_2b_3x3": "64:3",
    "MaxPool_3a_3x3": "0:3:2",
    "Conv2d_3b_1x1": "80:1:1:VALID",
    "Conv2d_4a_3x3": "192:3:1:VALID",
    "MaxPool_5a_3x3": "0:3:2",
    "Mixed_5b": _mixed_35(32),
    "Mixed_5c": _mixed_35(64, "Conv2d_0b_1x1:48:1 Conv_1_0c_5x5:64:5"),
    "Mixed_5d": _mixed_35(64),
    "Mixed_6a": (
        "Conv2d_1a_1x1:384:3:2",
        "Conv2d_0a_1x1:64:1 Conv2d_0b_3x3:96:3 Conv2d_1a_1x1:96:3:2",
        "MaxPool_1a_3x3:0:3:2",
    ),
    "Mixed_6b": _mixed_17(128),
    "Mixed_6c": _mixed_17(160),
    "Mixed_6d": _mixed_17(160),
    "Mixed_6e": _mixed_17(192),
    "Mixed_7a": (
        "Conv2d_0a_1x1:192:1 Conv2d_1a_3x3:320:3:2",
        "Conv2d_0a_1x1:192:1 Conv2d_0b_1x7:192:1x7 Conv2d_0c_7x1:192:7x1 Conv2d_1a_3x3:192:3:2",
        "MaxPool_1a_3x3:0:3:2",
    ),
    "Mixed_7b": _mixed_8("Conv2d_0b_3x1"),
    "Mixed_7c": _mixed_8("Conv2d_0c_3x1"),
}


class _Builder:
    """Applies the rows of a table.

    Args:
      strided: the padding of layers with a stride.
      depth: the number of channels to use for one of the table.
    """

    def __init__(self, strided: str, depth: Callable[[int], int]):
        self.strided, self.depth = strided, depth

    def row(self, net: Any, name: str, layers: Layers) -> Any:
        """A layer, or a mixed block."""
        if layers == "separable":
            multiplier = min(self.depth(64) // 3, 8)
            return separable_conv2d(
                net, self.depth(64), [7, 7], depth_multiplier=multiplier, stride=2, padding="SAME", scope=name,
                weights_initializer=tf.truncated_normal_initializer(0.0, 1.0),
            )  # fmt: skip
        if isinstance(layers, str):
            return self.layer(net, f"{name}:{layers}")
        with tf.variable_scope(name):
            outputs = []
            for number, branch in enumerate(layers):
                with tf.variable_scope(f"Branch_{number}"):
                    output = net
                    for each in branch.split():
                        parts = [self.layer(output, part) for part in each.split("|")]
                        output = parts[0] if len(parts) == 1 else tf.concat(parts, 3)
                    outputs.append(output)
            return tf.concat(outputs, 3)

    def layer(self, net: Any, text: str) -> Any:
        """A convolution or a pool."""
        scope, filters, kernel, *rest = text.split(":")
        stride = int(rest[0]) if rest else 1
        padding = rest[1] if len(rest) > 1 else (self.strided if stride > 1 else "SAME")
        sizes = [int(each) for each in kernel.split("x")] if "x" in kernel else [int(kernel)] * 2
        if int(filters):
            return conv2d(net, self.depth(int(filters)), sizes, stride=stride, padding=padding, scope=scope)
        pool = avg_pool2d if scope.startswith("Avg") else max_pool2d
        return pool(net, sizes, stride=stride, padding=padding, scope=scope)


_TABLES: dict[int, tuple[dict[str, Layers], str, str]] = {
    # version: its table, the padding of layers with a stride, the last row
    1: (V1, "SAME", "Mixed_5c"),
    2: (V2, "SAME", "Mixed_5c"),
    3: (V3, "VALID", "Mixed_7c"),
}


def _features(
    version: int, inputs: Any, final_endpoint: str, min_depth: int, depth_multiplier: float, scope: Any
) -> tuple[Any, dict[str, Any]]:
    table, strided, _ = _TABLES[version]
    if depth_multiplier <= 0:
        raise ValueError("depth_multiplier is not greater than zero.")
    if final_endpoint not in table:
        raise ValueError(f"Unknown final endpoint {final_endpoint}")
    builder = _Builder(strided, lambda depth: max(int(depth * depth_multiplier), min_depth))
    end_points: dict[str, Any] = {}
    initial = {"weights_initializer": tf.truncated_normal_initializer(0.0, 0.01)} if version == 1 else {}
    net = inputs
    with (
        tf.variable_scope(scope, f"InceptionV{version}", [inputs]),
        arg_scope([conv2d, fully_connected], **initial),
    ):
        for name, layers in table.items():
            net = end_points[name] = builder.row(net, name, layers)
            if name == final_endpoint:
                break
    return net, end_points


@export(v1=names("inception.inception_v1_base", "inception_v1.inception_v1_base"))
def inception_v1_base(
    inputs: Any, final_endpoint: str = "Mixed_5c", scope: Any = "InceptionV1"
) -> tuple[Any, dict[str, Any]]:
    """The layers of Inception v1 up to `final_endpoint`; see `inception_v2_base`."""
    return _features(1, inputs, final_endpoint, 1, 1.0, scope)


def _base(version: int) -> Callable:
    def base(
        inputs: Any,
        final_endpoint: str = _TABLES[version][2],
        min_depth: int = 16,
        depth_multiplier: float = 1.0,
        scope: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        return _features(version, inputs, final_endpoint, min_depth, depth_multiplier, scope)

    base.__name__ = base.__qualname__ = f"inception_v{version}_base"
    base.__doc__ = f"""The layers of Inception v{version} up to `final_endpoint`.

    Returns:
      The output of that layer, and those of all layers up to it by name.

    Raises:
      ValueError: there is no such layer, or `depth_multiplier` is not positive.
    """
    return export(v1=names(f"inception.{base.__name__}", f"inception_v{version}.{base.__name__}"))(base)


inception_v2_base, inception_v3_base = _base(2), _base(3)


def _kernel_for(net: Any, size: int) -> list[int]:
    """The window of a pool, no larger than the images are."""
    height, width = net.shape.as_list()[1:3]
    return [size, size] if height is None or width is None else [min(height, size), min(width, size)]


def _logits(net: Any, version: int, num_classes: int, keep_prob: float, end_points: dict[str, Any]) -> Any:
    step = "0" if version == 1 else "1"
    window = [7, 7] if version == 1 else _kernel_for(net, 8 if version == 3 else 7)
    pool = f"{'MaxPool_0a' if version == 1 else 'AvgPool_1a'}_{window[0]}x{window[1]}"
    net = avg_pool2d(net, window, stride=1, padding="VALID", scope=pool)
    net = end_points["PreLogits"] = dropout(net, keep_prob, scope=f"Dropout_{step}b")
    return conv2d(
        net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope=f"Conv2d_{step}c_1x1"
    )


def _auxiliary_logits(net: Any, num_classes: int, depth: Callable[[int], int]) -> Any:
    def normal(deviation: float) -> Any:
        return tf.truncated_normal_initializer(0.0, deviation)

    net = avg_pool2d(net, [5, 5], stride=3, padding="VALID", scope="AvgPool_1a_5x5")
    net = conv2d(net, depth(128), [1, 1], scope="Conv2d_1b_1x1")
    size = _kernel_for(net, 5)
    scope = f"Conv2d_2a_{size[0]}x{size[1]}"
    net = conv2d(net, depth(768), size, padding="VALID", weights_initializer=normal(0.01), scope=scope)
    return conv2d(
        net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, weights_initializer=normal(0.001),
        scope="Conv2d_2b_1x1",
    )  # fmt: skip


def _classifier(
    version: int, inputs: Any, num_classes: int, is_training: Any, keep_prob: float, min_depth: int,
    depth_multiplier: float, prediction_fn: Callable, squeeze: bool, reuse: Any, scope: Any, auxiliary: bool = False,
) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    with (
        tf.variable_scope(scope, f"InceptionV{version}", [inputs, num_classes], reuse=reuse) as entered,
        arg_scope([batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = _features(
            version, inputs, _TABLES[version][2], min_depth, depth_multiplier, entered
        )
        if auxiliary:
            with tf.variable_scope("AuxLogits"):
                found = _auxiliary_logits(
                    end_points["Mixed_6e"], num_classes, lambda n: max(int(n * depth_multiplier), min_depth)
                )
                end_points["AuxLogits"] = squeezed(found, "SpatialSqueeze") if squeeze else found
        with tf.variable_scope("Logits"):
            logits = _logits(net, version, num_classes, keep_prob, end_points)
            if squeeze:
                logits = squeezed(logits, "SpatialSqueeze")
        end_points["Logits"] = logits
        end_points["Predictions"] = prediction_fn(logits, scope="Predictions")
        return logits, end_points


@export(v1=names("inception.inception_v1", "inception_v1.inception_v1"))
def inception_v1(
    inputs: Any,
    num_classes: int = 1000,
    is_training: Any = True,
    dropout_keep_prob: float = 0.8,
    prediction_fn: Callable = softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    scope: Any = "InceptionV1",
) -> tuple[Any, dict[str, Any]]:
    """Inception v1 (GoogLeNet), for images of 224 by 224; `inception_v3` has the arguments."""
    return _classifier(
        1, inputs, num_classes, is_training, dropout_keep_prob, 1, 1.0, prediction_fn, spatial_squeeze, reuse, scope
    )  # fmt: skip


@export(v1=names("inception.inception_v2", "inception_v2.inception_v2"))
def inception_v2(
    inputs: Any,
    num_classes: int = 1000,
    is_training: Any = True,
    dropout_keep_prob: float = 0.8,
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    prediction_fn: Callable = softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    scope: Any = "InceptionV2",
) -> tuple[Any, dict[str, Any]]:
    """Inception v2, for images of 224 by 224; `inception_v3` has the arguments."""
    return _classifier(
        2, inputs, num_classes, is_training, dropout_keep_prob, min_depth, depth_multiplier, prediction_fn,
        spatial_squeeze, reuse, scope,
    )  # fmt: skip


@export(v1=names("inception.inception_v3", "inception_v3.inception_v3"))
def inception_v3(
    inputs: Any,
    num_classes: int = 1000,
    is_training: Any = True,
    dropout_keep_prob: float = 0.8,
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    prediction_fn: Callable = softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    create_aux_logits: bool = True,
    scope: Any = "InceptionV3",
) -> tuple[Any, dict[str, Any]]:
    """Inception v3, for images of 299 by 299.

    Args:
      inputs: images `[batch, height, width, channels]`.
      num_classes: how many logits there are.
      is_training: whether dropout is applied, and batch normalization takes the batch's own statistics.
      dropout_keep_prob: the part of the elements that dropout keeps.
      min_depth, depth_multiplier: every layer has `depth_multiplier` times the channels, and `min_depth` at least.
      prediction_fn: from logits to predictions.
      spatial_squeeze: gives logits `[batch, num_classes]` instead of `[batch, 1, 1, num_classes]`.
      reuse, scope: of the variables.
      create_aux_logits: adds a second classifier in the middle, in `end_points["AuxLogits"]`.

    Returns:
      The logits, and the outputs of the layers by name.
    """
    return _classifier(
        3, inputs, num_classes, is_training, dropout_keep_prob, min_depth, depth_multiplier, prediction_fn,
        spatial_squeeze, reuse, scope, create_aux_logits,
    )  # fmt: skip


for _function, _size in ((inception_v1, 224), (inception_v2, 224), (inception_v3, 299)):
    _function.default_image_size = _size  # type: ignore[attr-defined]

_VERSIONS = (1, 2, 3)


@export(
    v1=names(
        *(f"inception.inception_v{version}_arg_scope" for version in _VERSIONS),
        *(f"inception_v{version}.inception_v{version}_arg_scope" for version in _VERSIONS),
    )
)
def inception_arg_scope(
    weight_decay: float = 0.00004,
    batch_norm_var_collection: str = "moving_vars",
    batch_norm_decay: float = 0.9997,
    batch_norm_epsilon: float = 0.001,
    updates_collections: Any = "update_ops",
    use_fused_batchnorm: bool = True,
) -> Any:
    """The scope of arguments for Inception networks: L2 regularization and batch normalization."""
    moving = [batch_norm_var_collection]
    normalization = {
        "decay": batch_norm_decay,
        "epsilon": batch_norm_epsilon,
        "updates_collections": updates_collections,
        "fused": use_fused_batchnorm,
        "variables_collections": {"moving_mean": moving, "moving_variance": moving},
    }
    with (
        arg_scope([conv2d, fully_connected], weights_regularizer=l2_regularizer(weight_decay)),
        arg_scope(
            [conv2d],
            weights_initializer=variance_scaling_initializer(),
            activation_fn=tf.nn.relu,
            normalizer_fn=batch_norm,
            normalizer_params=normalization,
        ) as found,
    ):
        return found
