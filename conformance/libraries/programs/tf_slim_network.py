"""tf_slim: a network under arg_scope trains in a graph."""

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

tf.disable_v2_behavior()
rng = np.random.default_rng(0)
images, labels = rng.normal(size=(32, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 32)
x, y = tf.placeholder(tf.float32, [None, 8, 8, 1]), tf.placeholder(tf.int64, [None])
with slim.arg_scope([slim.conv2d, slim.fully_connected], weights_regularizer=slim.l2_regularizer(1e-4)):
    net = slim.conv2d(x, 8, [3, 3], normalizer_fn=slim.batch_norm, scope="conv")
    net = slim.max_pool2d(net, [2, 2])
    logits = slim.fully_connected(slim.flatten(net), 3, activation_fn=None, scope="logits")
slim.losses.sparse_softmax_cross_entropy(logits, y) if hasattr(
    slim, "losses"
) else tf.losses.sparse_softmax_cross_entropy(y, logits)
loss = tf.losses.get_total_loss()
train = (
    slim.learning.create_train_op(loss, tf.train.AdamOptimizer(0.01))
    if hasattr(slim, "learning")
    else slim.training.create_train_op(loss, tf.train.AdamOptimizer(0.01))
)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    losses = [session.run(train, {x: images, y: labels}) for _ in range(20)]
assert losses[-1] < losses[0], losses
assert {v.op.name for v in slim.get_model_variables("logits")} == {"logits/weights", "logits/biases"}
