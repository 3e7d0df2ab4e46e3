"""Fits a line the way TensorFlow 1 did: placeholders, an optimizer's training op, and a Session that runs it.

Written for TensorFlow 1, unchanged since: Penstock sees that `tf.placeholder` and `tf.Session` are names of that era.

    penstock run examples/linear_regression_v1.py
"""

import numpy as np
import tensorflow as tf

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

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for step in range(STEPS + 1):
        _, current = session.run([train, loss], feed_dict={x: x_data, y: y_data})
        if step % 50 == 0:
            print(f"step {step:3}: loss {current:.5f}")
    found_slope, found_offset = session.run([slope, offset])

print(f"y = {found_slope.item():.3f} x + {found_offset.item():.3f} (true: {TRUE_SLOPE} x + {TRUE_OFFSET})")
