"""`tensorflow.examples.tutorials.mnist.mnist`: the network of the tutorial, which `fully_connected_feed.py` imports."""

from __future__ import annotations

import math
from typing import Any

import penstock

tf = penstock.compat.v1

NUM_CLASSES = 10
IMAGE_SIZE = 28
IMAGE_PIXELS = IMAGE_SIZE * IMAGE_SIZE


def _linear(inputs: Any, size: int) -> Any:
    """A layer with weights and biases of the current name scope."""
    given = inputs.shape.as_list()[-1]
    weights = tf.Variable(
        tf.truncated_normal([given, size], stddev=1.0 / math.sqrt(float(given))), name="weights"
    )
    biases = tf.Variable(tf.zeros([size]), name="biases")
    return tf.matmul(inputs, weights) + biases


def inference(images: Any, hidden1_units: int, hidden2_units: int) -> Any:
    """The logits for images `[batch, 784]`, by two hidden layers: `[batch, 10]`."""
    with tf.name_scope("hidden1"):
        hidden = tf.nn.relu(_linear(images, hidden1_units))
    with tf.name_scope("hidden2"):
        hidden = tf.nn.relu(_linear(hidden, hidden2_units))
    with tf.name_scope("softmax_linear"):
        return _linear(hidden, NUM_CLASSES)


def loss(logits: Any, labels: Any) -> Any:
    """The mean cross entropy of logits and digits."""
    return tf.losses.sparse_softmax_cross_entropy(labels=tf.cast(labels, tf.int64), logits=logits)


def training(loss: Any, learning_rate: float) -> Any:
    """A step of gradient descent; counts in the variable "global_step", and writes the loss as a summary."""
    tf.summary.scalar("loss", loss)
    global_step = tf.Variable(0, name="global_step", trainable=False)
    return tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, global_step=global_step)


def evaluation(logits: Any, labels: Any) -> Any:
    """How many digits are found, an int32."""
    return tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.int32))
