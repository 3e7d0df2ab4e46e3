"""Fits a line the way TensorFlow 1 did: placeholders, an optimizer's training op, and a Session that runs it; draws it.

Written for TensorFlow 1, unchanged since: Penstock sees that `tf.placeholder` and `tf.Session` are names of that era.

    penstock run examples/linear_regression_v1.py
"""

import os

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "linear_regression_v1.png")
STEPS = 300
TRUE_SLOPE, TRUE_OFFSET = 2.0, -1.0

random = np.random.RandomState(0)
x_data = random.uniform(-1, 1, size=(200, 1)).astype("float32")
y_data = (TRUE_SLOPE * x_data + TRUE_OFFSET + random.normal(0, 0.05, x_data.shape)).astype("float32")

x = tf.placeholder(tf.float32, shape=[None, 1], name="x")
y = tf.placeholder(tf.float32, shape=[None, 1], name="y")

with tf.variable_scope("line"):
    slope = tf.get_variable("slope", shape=[1, 1], initializer=tf.zeros_initializer())
    offset = tf.get_variable("offset", shape=[1], initializer=tf.zeros_initializer())

prediction = tf.matmul(x, slope) + offset
loss = tf.reduce_mean(tf.square(prediction - y))
train = tf.train.GradientDescentOptimizer(learning_rate=0.1).minimize(loss)

losses = []
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for step in range(STEPS + 1):
        _, current = session.run([train, loss], feed_dict={x: x_data, y: y_data})
        losses.append(current)
        if step % 50 == 0:
            print(f"step {step:3}: loss {current:.5f}")
    found_slope, found_offset = session.run([slope, offset])

print(f"y = {found_slope.item():.3f} x + {found_offset.item():.3f} (true: {TRUE_SLOPE} x + {TRUE_OFFSET})")

figure, (line, curve) = plt.subplots(1, 2, figsize=(9, 3.5))
line.scatter(x_data, y_data, s=4, color="tab:gray", label="data")
line.plot(
    [-1, 1], [found_offset.item() - found_slope.item(), found_offset.item() + found_slope.item()], label="fit"
)
line.legend()
curve.semilogy(losses)
curve.set(xlabel="step", ylabel="loss")
figure.tight_layout()
figure.savefig(PICTURE, dpi=90)
print(f"Picture: {PICTURE}")
