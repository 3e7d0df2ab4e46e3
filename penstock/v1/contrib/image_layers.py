"""`contrib.layers` of images: the expected positions of features, and images as sequences of columns."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.initializers_v1 import OnesV1
from penstock.ops.variables.scope import get_variable, variable_scope
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import add_arg_scope
from penstock.v1.contrib.layer_variables import collections_of, names


@export(v1=names("spatial_softmax"))
@add_arg_scope
def spatial_softmax(
    features: Any,
    temperature: Any = None,
    name: str | None = None,
    variables_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
) -> Any:
    """Where each feature is, by a softmax over space (Levine et al., 2015).

    Args:
      features: `[batch, height, width, channels]`, or `[batch, channels, height, width]`; the size must be known.
      temperature: of the softmax, a number or tensor; None: a variable that begins with one.
      name: of the scope, "spatial_softmax" by default.
      variables_collections, trainable: of that variable.
      data_format: "NHWC" or "NCHW".

    Returns:
      `[batch, 2 * channels]`: for each channel y and x, both from -1 to 1, weighted by the softmax.

    Raises:
      ValueError: `data_format` is another.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format has to be either NCHW or NHWC, got {data_format!r}.")
    with variable_scope(name, "spatial_softmax", [features]):
        features = tf.convert_to_tensor(features)
        if data_format == "NHWC":
            features = tf.transpose(features, [0, 3, 1, 2])
        channels, height, width = features.shape.as_list()[1:]
        if temperature is None:
            held = collections_of(variables_collections, "temperature")
            temperature = get_variable(
                "temperature", [], tf.float32, OnesV1(), trainable=trainable, collections=held
            )
        rows, columns = tf.meshgrid(
            tf.linspace(-1.0, 1.0, height), tf.linspace(-1.0, 1.0, width), indexing="ij"
        )
        weights = tf.nn.softmax(tf.reshape(features, [-1, height * width]) / temperature)
        positions = [
            tf.reduce_sum(weights * tf.reshape(each, [-1]), 1, keepdims=True) for each in (rows, columns)
        ]
        return tf.reshape(tf.concat(positions, 1), [-1, channels * 2])


@export(v1=names("images_to_sequence"))
@add_arg_scope
def images_to_sequence(
    inputs: Any, data_format: str = "NHWC", outputs_collections: Any = None, scope: Any = None
) -> Any:
    """Images `[batch, height, width, channels]` as sequences `[width, batch * height, channels]`."""
    with variable_scope(scope, "ImagesToSequence", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        if data_format == "NCHW":
            inputs = tf.transpose(inputs, [0, 2, 3, 1])
        _, _, width, channels = inputs.shape.as_list()
        rows = tf.reshape(inputs, [-1, tf.shape(inputs)[2] if width is None else width, channels])
        outputs = tf.transpose(rows, [1, 0, 2])
        tf.add_to_collections(outputs_collections or [], outputs)
        return outputs


@export(v1=names("sequence_to_images"))
@add_arg_scope
def sequence_to_images(
    inputs: Any, height: int, output_data_format: str = "channels_last", outputs_collections: Any = None,
    scope: Any = None,
) -> Any:  # fmt: skip
    """Sequences `[width, batch * height, channels]` as images `[batch, height, width, channels]`."""
    with variable_scope(scope, "SequenceToImages", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        width, _, channels = inputs.shape.as_list()
        rows = tf.transpose(inputs, [1, 0, 2])
        outputs = tf.reshape(rows, [-1, height, tf.shape(inputs)[0] if width is None else width, channels])
        if output_data_format == "channels_first":
            outputs = tf.transpose(outputs, [0, 3, 1, 2])
        tf.add_to_collections(outputs_collections or [], outputs)
        return outputs
