"""What is known of a result's shape while a graph is built."""

from __future__ import annotations

import penstock as tf


def traced_shape(function, *shapes, dtype=tf.float32):
    """The static shape, as a list, of `function(*placeholders)`; None for an unknown rank."""
    specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
    output = tf.function(function).get_concrete_function(*specs).outputs[0]
    return None if output.shape.rank is None else output.shape.as_list()
