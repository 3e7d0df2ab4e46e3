"""Programs as they were written for TF 1, run as `penstock run` runs them."""

import subprocess
import sys
import textwrap

import pytest

SOFTMAX = """
    import tensorflow as tf
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = digits.data / 16.0, digits.target
    x = tf.placeholder(tf.float32, [None, 64])
    y_ = tf.placeholder(tf.int64, [None])
    W = tf.Variable(tf.zeros([64, 10]))
    b = tf.Variable(tf.zeros([10]))
    y = tf.matmul(x, W) + b
    cross_entropy = tf.losses.sparse_softmax_cross_entropy(labels=y_, logits=y)
    train_step = tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)
    sess = tf.InteractiveSession()
    tf.global_variables_initializer().run()
    for i in range(150):
        begin = i * 100 % 1500
        sess.run(train_step, feed_dict={x: images[begin : begin + 100], y_: labels[begin : begin + 100]})
    correct = tf.equal(tf.argmax(y, 1), y_)
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    print("result", accuracy.eval(feed_dict={x: images[1500:], y_: labels[1500:]}) > 0.85)
"""

CONVOLUTION = """
    import numpy as np
    import tensorflow as tf
    import tensorflow.contrib.slim as slim
    from tensorflow.contrib.layers import fully_connected
    from tensorflow.python.layers.core import Dense
    from tensorflow.python.training.moving_averages import assign_moving_average

    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, 256)
    images = rng.randn(256, 8, 8, 1) + labels[:, None, None, None] * np.eye(8)[None, :, :, None] * 2

    def model(x, is_training):
        with slim.arg_scope([slim.conv2d], weights_regularizer=slim.l2_regularizer(1e-4)):
            net = slim.conv2d(x, 8, [3, 3], scope="conv1")
            net = tf.layers.conv2d(net, 8, 3, padding="same", use_bias=False, name="conv2")
            net = tf.nn.relu(tf.layers.batch_normalization(net, momentum=0.8, training=is_training))
            net = slim.max_pool2d(net, [2, 2])
        net = slim.dropout(slim.flatten(net), 0.8, is_training=is_training)
        return fully_connected(net, 2, activation_fn=None, scope="logits")

    x, y = tf.placeholder(tf.float32, [None, 8, 8, 1]), tf.placeholder(tf.int64, [None])
    is_training = tf.placeholder_with_default(False, [])
    logits = model(x, is_training)
    loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
    total_loss = tf.losses.get_total_loss()
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.01, step, 20, 0.9, staircase=True)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = tf.train.AdamOptimizer(rate).minimize(total_loss, global_step=step)
    value, update = tf.metrics.accuracy(y, tf.argmax(logits, 1))
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        for i in range(30):
            at = rng.randint(0, 200, 32)
            sess.run(train, {x: images[at], y: labels[at], is_training: True})
        sess.run(update, {x: images[200:], y: labels[200:]})
        mean = sess.run("batch_normalization/moving_mean:0")
        print("result", sess.run(value) > 0.85, sess.run(step) == 30, abs(mean).max() > 0)
"""

LANGUAGE_MODEL = """
    import numpy as np
    import tensorflow as tf

    BATCH, STEPS, HIDDEN, VOCABULARY = 8, 10, 24, 12
    text = np.tile(np.arange(VOCABULARY), 100)[: BATCH * STEPS * 5 + BATCH].reshape(BATCH, -1)

    class Model(object):
        def __init__(self, is_training):
            self.inputs = tf.placeholder(tf.int32, [BATCH, STEPS])
            self.targets = tf.placeholder(tf.int32, [BATCH, STEPS])

            def cell():
                lstm = tf.nn.rnn_cell.BasicLSTMCell(HIDDEN, forget_bias=1.0, state_is_tuple=True)
                return tf.nn.rnn_cell.DropoutWrapper(lstm, output_keep_prob=0.95) if is_training else lstm

            stacked = tf.nn.rnn_cell.MultiRNNCell([cell() for _ in range(2)], state_is_tuple=True)
            self.initial_state = stacked.zero_state(BATCH, tf.float32)
            embedding = tf.get_variable("embedding", [VOCABULARY, HIDDEN])
            embedded = tf.nn.embedding_lookup(embedding, self.inputs)
            outputs, self.final_state = tf.nn.dynamic_rnn(stacked, embedded, initial_state=self.initial_state)
            w = tf.get_variable("softmax_w", [HIDDEN, VOCABULARY])
            b = tf.get_variable("softmax_b", [VOCABULARY], initializer=tf.zeros_initializer())
            logits = tf.nn.xw_plus_b(tf.reshape(outputs, [-1, HIDDEN]), w, b)
            loss = tf.contrib.legacy_seq2seq.sequence_loss_by_example(
                [logits], [tf.reshape(self.targets, [-1])], [tf.ones([BATCH * STEPS])]
            )
            self.cost = tf.reduce_sum(loss) / BATCH / STEPS
            if is_training:
                variables = tf.trainable_variables()
                gradients, _ = tf.clip_by_global_norm(tf.gradients(self.cost, variables), 5)
                self.train_op = tf.train.AdamOptimizer(0.02).apply_gradients(zip(gradients, variables))

    with tf.Graph().as_default():
        initializer = tf.random_uniform_initializer(-0.1, 0.1)
        with tf.name_scope("Train"), tf.variable_scope("Model", reuse=None, initializer=initializer):
            training = Model(True)
        with tf.name_scope("Valid"), tf.variable_scope("Model", reuse=True, initializer=initializer):
            validation = Model(False)
        assert len(tf.trainable_variables()) == 7
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())

            def epoch(model, *operations):
                costs, state = [], session.run(model.initial_state)
                for at in range(0, text.shape[1] - STEPS, STEPS):
                    feed = {model.inputs: text[:, at : at + STEPS], model.targets: text[:, at + 1 : at + STEPS + 1]}
                    for layer, (c, h) in enumerate(model.initial_state):
                        feed[c], feed[h] = state[layer].c, state[layer].h
                    cost, state = session.run([model.cost, model.final_state, *operations], feed)[:2]
                    costs.append(cost)
                return np.exp(np.mean(costs))

            before = epoch(validation)
            for _ in range(12):
                epoch(training, training.train_op)
            print("result", abs(before - VOCABULARY) < 1, epoch(validation) < 3)
"""

SCRIPTS = {"softmax": SOFTMAX, "convolution": CONVOLUTION, "language model": LANGUAGE_MODEL}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_and_learn(name, tmp_path):
    if name == "softmax":
        pytest.importorskip("sklearn")
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPTS[name]))
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = next(line for line in done.stdout.splitlines() if line.startswith("result"))
    assert result.split()[1:] and set(result.split()[1:]) == {"True"}, done.stdout
