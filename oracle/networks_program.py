"""TF 1's networks as a TensorFlow program: it writes every number, and the names of every variable, to a file.

Runs unchanged under TensorFlow (where `tf_keras` gives `layers` and `rnn_cell` back) and under `penstock run`:
`networks_program.py FILE.npz`.
"""

import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
RNG = np.random.RandomState(0)
found = {}


def draw(*shape):
    """Normally distributed float32 numbers."""
    return RNG.randn(*shape).astype(np.float32)


def sines(shape, dtype=None, partition_info=None):
    """An initializer whose numbers are all different and known."""
    dims = [int(each) for each in shape]
    return tf.constant(np.sin(np.arange(np.prod(dims))).reshape(dims) * 0.3, dtype or tf.float32)


def note(case, values):
    """Keeps the values of a case."""
    for index, value in enumerate(values):
        found[f"{case}/{index}"] = np.asarray(value)


def note_names(case):
    """Keeps the names and shapes of the variables of the current graph."""
    variables = [*v1.global_variables(), *v1.local_variables()]
    found[f"{case}/names"] = np.array([f"{each.name} {each.shape.as_list()}" for each in variables])


def losses():
    """Every loss with every reduction."""
    y, p, bits = (
        tf.constant(draw(5, 4)),
        tf.constant(draw(5, 4)),
        tf.constant(np.float32(RNG.rand(5, 4) > 0.5)),
    )
    weights, classes = tf.constant([[1.0], [0.0], [2.0], [1.0], [0.5]]), tf.constant([0, 2, 1, 3, 3])
    results = []
    for weight in (1.0, 0.0, weights):
        for reduction in v1.losses.Reduction.all():
            given = {"weights": weight, "reduction": reduction}
            results += [
                v1.losses.absolute_difference(y, p, **given),
                v1.losses.mean_squared_error(y, p, **given),
                v1.losses.huber_loss(y, p, delta=0.5, **given),
                v1.losses.hinge_loss(bits, p, **given),
                v1.losses.log_loss(bits, tf.sigmoid(p), **given),
                v1.losses.cosine_distance(y, p, axis=1, **given),
                v1.losses.sigmoid_cross_entropy(bits, p, label_smoothing=0.1, **given),
            ]
    vector = tf.squeeze(weights, [1])
    for reduction in v1.losses.Reduction.all():
        results.append(v1.losses.softmax_cross_entropy(tf.nn.softmax(y), p, vector, 0.2, reduction=reduction))
        results.append(v1.losses.sparse_softmax_cross_entropy(classes, p, vector, reduction=reduction))
    results += [v1.losses.mean_pairwise_squared_error(y, p, weights), v1.losses.get_regularization_loss()]
    with v1.Session() as session:
        note("losses", session.run(results))


def metrics():
    """Every metric over three batches."""
    m, feeds = v1.metrics, []
    b, s = v1.placeholder(tf.float32, [None, 4]), v1.placeholder(tf.float32, [None, 4])
    c, weight = v1.placeholder(tf.int64, [None]), v1.placeholder(tf.float32, [None, 1])
    pairs, thresholds, sets = [], [0.2, 0.5, 0.7], tf.stack([c, (c + 1) % 4], 1)
    for w in (None, weight):
        pairs += [
            m.mean(s, w), m.accuracy(b, tf.round(s), w), m.mean_absolute_error(b, s, w), m.mean_squared_error(b, s, w),
            m.root_mean_squared_error(b, s, w), m.mean_relative_error(b, s, s + 1, w),
            m.mean_cosine_distance(b, s, 1, w), m.percentage_below(s, 0.3, w), m.precision(b, s > 0.5, w),
            m.recall(b, s > 0.5, w), m.true_positives(b, s > 0.5, w), m.false_negatives(b, s > 0.5, w),
            m.precision_at_thresholds(b, s, thresholds, w), m.recall_at_thresholds(b, s, thresholds, w),
            m.true_negatives_at_thresholds(b, s, thresholds, w), m.sensitivity_at_specificity(b, s, 0.4, w),
            m.specificity_at_sensitivity(b, s, 0.6, w),
        ]  # fmt: skip
        for curve in ("ROC", "PR"):
            for method in ("trapezoidal", "careful_interpolation", "minoring", "majoring"):
                pairs.append(m.auc(b, s, w, curve=curve, summation_method=method))
    pairs += [m.mean_iou(c, tf.argmax(s, 1), 5), m.mean_per_class_accuracy(c, tf.argmax(s, 1), 5)]
    for class_id in (None, 1):
        pairs += [m.recall_at_k(sets, s, 2, class_id), m.precision_at_k(sets, s, 2, class_id)]
    note_names("metrics")
    pairs.append(m.average_precision_at_k(sets, s, 3))
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        for _ in range(3):
            feeds = {
                b: RNG.rand(5, 4) > 0.5, s: RNG.rand(5, 4), c: RNG.randint(0, 4, 5), weight: RNG.randint(0, 3, (5, 1))
            }  # fmt: skip
            session.run([update for _, update in pairs], feeds)
        note("metrics", session.run([value for value, _ in pairs]))


OPTIMIZERS = {
    "descent": lambda train, step: train.GradientDescentOptimizer(0.1),
    "momentum": lambda train, step: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adam": lambda train, step: train.AdamOptimizer(train.exponential_decay(0.1, step, 2, 0.5)),
    "adagrad": lambda train, step: train.AdagradOptimizer(0.1),
    "adadelta": lambda train, step: train.AdadeltaOptimizer(1.0),
    "rmsprop": lambda train, step: train.RMSPropOptimizer(0.01, momentum=0.5, centered=True),
    "ftrl": lambda train, step: train.FtrlOptimizer(0.1, -0.6, l1_regularization_strength=0.01, beta=0.3),
    "shrinkage": lambda train, step: train.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
    "proximal": lambda train, step: train.ProximalGradientDescentOptimizer(0.1, 0.1, 0.2),
    "proximal adagrad": lambda train, step: train.ProximalAdagradOptimizer(0.1, 0.1, 0.1, 0.2),
    "averaging": lambda train, step: train.AdagradDAOptimizer(0.1, step, l1_regularization_strength=0.01),
}


def optimizer(name):
    """Four steps of an optimizer, with a dense and a sparse gradient."""
    w = v1.get_variable("w", initializer=draw(4, 3))
    table = v1.get_variable("table", initializer=draw(6, 4))
    ids, step = v1.placeholder(tf.int32, [None]), v1.train.get_or_create_global_step()
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.nn.embedding_lookup(table, ids), w) - 1.0))
    with v1.name_scope("train"):
        update = OPTIMIZERS[name](v1.train, step).minimize(loss, global_step=step)
    note_names(name)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for each in ([0, 1, 1], [5, 0, 2], [3, 3, 3], [1, 2, 4]):
            session.run(update, {ids: each})
        note(name, session.run(v1.global_variables()))


def layers():
    """The layers, with batch normalization trained and tested."""
    x, training = v1.placeholder(tf.float32, [None, 8, 8, 3]), v1.placeholder(tf.bool, [])
    with v1.variable_scope("net", initializer=sines):
        h = v1.layers.conv2d(x, 4, 3, padding="same", activation=tf.nn.relu)
        h = v1.layers.batch_normalization(h, training=training)
        h = v1.layers.max_pooling2d(h, 2, 2)
        h = v1.layers.conv2d_transpose(h, 3, 3, strides=2)
        h = v1.layers.separable_conv2d(h, 6, 3, depth_multiplier=2)
        h = v1.layers.flatten(h)
        h = v1.layers.batch_normalization(h, training=training, renorm=True)
        h = v1.layers.dense(h, 2, tf.nn.tanh)
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    note_names("layers")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for phase in (True, True, False):
            results = session.run([h, *updates], {x: draw(4, 8, 8, 3), training: phase})
            note(f"layers {phase}", results[:1])
        note("layers", session.run(v1.global_variables()))


def cells():
    """Recurrent cells, forward and backward."""
    x, lengths, c = tf.constant(draw(3, 7, 3)), tf.constant([7, 2, 4]), v1.nn.rnn_cell
    results = []
    made = [
        c.BasicRNNCell(4), c.GRUCell(4), c.BasicLSTMCell(4), c.LSTMCell(4, use_peepholes=True, num_proj=3, cell_clip=0.5),
        c.MultiRNNCell([c.BasicLSTMCell(4), c.GRUCell(3)]), c.ResidualWrapper(c.GRUCell(3)),
    ]  # fmt: skip
    with v1.variable_scope("cells", initializer=sines):
        for index, cell in enumerate(made):
            with v1.variable_scope(f"cell{index}"):
                results += tf.nest.flatten(v1.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32))
        outputs = v1.nn.bidirectional_dynamic_rnn(c.LSTMCell(2), c.GRUCell(5), x, lengths, dtype=tf.float32)
        results += tf.nest.flatten(outputs)
    loss = tf.add_n([tf.reduce_sum(tf.square(each)) for each in results])
    gradients = tf.gradients(loss, v1.trainable_variables())
    note_names("cells")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        note("cells", session.run([*results, *gradients]))


for case in (losses, metrics, layers, cells):
    with tf.Graph().as_default():
        case()
for name in OPTIMIZERS:
    with tf.Graph().as_default():
        optimizer(name)
np.savez(sys.argv[1], **found)
