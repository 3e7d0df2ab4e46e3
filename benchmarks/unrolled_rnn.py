"""Training of a recurrent network that TensorFlow 1 unrolls: an LSTM over the 28 rows of a digit's image.

    penstock run unrolled_rnn.py 1

The argument is the number of layers. Prints one JSON line: the seconds of the first step, which includes tracing and
compiling or placing, and the milliseconds of a later one.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
ROWS, UNITS, BATCH_SIZE, STEPS = 28, 128, 128, 30


def cell(x, state, weights, bias):
    """An LSTM's next state (c, h)."""
    c, h = state
    i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), weights) + bias, 4, 1)
    c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
    return c, tf.tanh(c) * tf.sigmoid(o)


images = v1.placeholder(tf.float32, [None, ROWS, ROWS])
labels = v1.placeholder(tf.int32, [None])
sequence = tf.unstack(images, ROWS, 1)
for layer in range(int(sys.argv[1])):
    weights = v1.get_variable(f"weights_{layer}", [sequence[0].shape[1] + UNITS, 4 * UNITS])
    bias = v1.get_variable(f"bias_{layer}", [4 * UNITS], initializer=v1.zeros_initializer())
    state = (tf.zeros([tf.shape(images)[0], UNITS]),) * 2
    outputs = []
    for x in sequence:
        state = cell(x, state, weights, bias)
        outputs.append(state[1])
    sequence = outputs
logits = tf.matmul(sequence[-1], v1.get_variable("logits", [UNITS, 10]))
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
train = v1.train.AdamOptimizer().minimize(loss)

rng = np.random.default_rng(0)
feed = {
    images: rng.normal(size=(BATCH_SIZE, ROWS, ROWS)).astype(np.float32),
    labels: rng.integers(0, 10, BATCH_SIZE),
}
with v1.Session() as session:
    session.run(v1.global_variables_initializer())
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        session.run(train, feed)
        times.append(time.perf_counter() - start)
print(json.dumps({"first_step_s": round(times[0], 3), "step_ms": round(1000 * min(times), 2)}))
