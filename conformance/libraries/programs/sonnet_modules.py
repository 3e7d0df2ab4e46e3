"""dm-sonnet: modules, batch normalization, an unrolled LSTM, and Sonnet's Adam."""

import numpy as np
import sonnet as snt
import tensorflow as tf

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 6)).astype("float32")
y = (x[:, :1] > 0).astype("float32")


class Net(snt.Module):
    def __init__(self):
        super().__init__()
        self.norm = snt.BatchNorm(create_scale=True, create_offset=True)
        self.mlp = snt.nets.MLP([16, 1], activation=tf.nn.tanh)

    def __call__(self, inputs, is_training):
        return self.mlp(self.norm(inputs, is_training=is_training))


net, optimizer = Net(), snt.optimizers.Adam(0.05)


@tf.function
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=net(x, True)))
    optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
    return loss


losses = [float(step()) for _ in range(20)]
assert losses[-1] < losses[0] / 2, losses

core = snt.LSTM(8)
outputs, state = snt.dynamic_unroll(
    core, tf.constant(rng.normal(size=(5, 4, 3)), tf.float32), core.initial_state(4)
)
assert outputs.shape == (5, 4, 8) and state.hidden.shape == (4, 8)
images = snt.Conv2D(4, 3)(tf.zeros([2, 8, 8, 3]))
assert images.shape == (2, 8, 8, 4)
assert snt.Embed(10, 4)(tf.constant([1, 2])).shape == (2, 4)
