import operator

import numpy as np
import pytest

import penstock as tf
from penstock.v1.contrib import moved

v1 = tf.compat.v1
slim, contrib = v1.contrib.slim, v1.contrib


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _run(fetches):
    with v1.Session() as session:
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        return session.run(fetches)


def test_losses_have_predictions_first():
    assert _run(contrib.losses.log_loss([0.5], [1.0])) == pytest.approx(np.log(2), rel=1e-5)
    logits, classes = [[5.0, 0.0]], [0]
    a = slim.losses.sparse_softmax_cross_entropy(logits, classes)
    b = slim.losses.softmax_cross_entropy(logits=logits, onehot_labels=[[1.0, 0.0]])
    a, b, total = _run([a, b, slim.losses.get_total_loss()])
    assert a == pytest.approx(b) and total == pytest.approx(a + b + np.log(2), rel=1e-5)


def test_streaming_metrics_have_predictions_first():
    value, update = slim.metrics.aggregate_metric_map(
        {"precision": slim.metrics.streaming_precision([1, 1, 0], [1, 0, 0])}
    )
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        session.run(update)
        assert session.run(value) == {"precision": 0.5}
        assert session.run(contrib.metrics.accuracy([1, 2], [1, 3], weights=[1.0, 3.0])) == 0.25


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: contrib.opt.AdamWOptimizer(0.1, 0.01), 0.9 - 0.01),
        (lambda: contrib.opt.MomentumWOptimizer(0.1, 0.1, 0.9), 0.9 - 0.1 * 2),
        (lambda: contrib.opt.NadamOptimizer(0.01), 1 - 0.01 * 1.9),
        (lambda: contrib.opt.LazyAdamOptimizer(0.01), 1 - 0.01),
        (lambda: contrib.opt.AdaMaxOptimizer(0.01), 1 - 0.01),
        (lambda: contrib.opt.AddSignOptimizer(0.1), 1 - 0.1 * 2 * 2),
        (lambda: contrib.opt.PowerSignOptimizer(0.1, base=2.0), 1 - 0.1 * 2 * 2),
    ],
)
def test_first_steps_of_optimizers(make, expected):
    w = v1.get_variable("w", initializer=[1.0])
    step = make().minimize(tf.reduce_sum(w * w))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(step)
        assert session.run(w)[0] == pytest.approx(expected, rel=1e-4)


def test_weight_decay_of_chosen_variables():
    a, b = (v1.get_variable(name, initializer=[1.0]) for name in "ab")
    optimizer = contrib.opt.extend_with_decoupled_weight_decay(v1.train.GradientDescentOptimizer)(0.5, 0.1)
    step = optimizer.minimize(tf.reduce_sum(a + b), decay_var_list=[a])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(step)
        np.testing.assert_allclose(session.run([a, b]), [[0.4], [0.9]], rtol=1e-5)


def test_lazy_adam_leaves_other_rows_alone():
    table = v1.get_variable("table", initializer=np.ones([3, 2], np.float32))
    optimizer = contrib.opt.LazyAdamOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(tf.gather(table, [1, 1])))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(step)
        np.testing.assert_allclose(session.run(table), [[1, 1], [0.9, 0.9], [1, 1]], rtol=1e-4)
        assert session.run(optimizer.get_slot(table, "m"))[0].tolist() == [0, 0]


def test_moving_averages_are_saved_under_the_variables_names(tmp_path):
    w = v1.get_variable("w", initializer=[1.0])
    optimizer = contrib.opt.MovingAverageOptimizer(v1.train.GradientDescentOptimizer(0.5), 0.5)
    step = optimizer.minimize(tf.reduce_sum(w))
    saver = optimizer.swapping_saver()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(step)
        path = saver.save(session, str(tmp_path / "model"))
        assert session.run(w).tolist() == [0.5]
    assert v1.train.load_checkpoint(path).get_tensor("w").tolist() == [0.75]


@pytest.mark.parametrize(("namespace", "row"), moved._MOVED.items())
def test_rows_name_what_is_there(namespace, row):
    contrib = getattr(v1.contrib, namespace.partition(".")[2])
    home, _, names = row.partition(":")
    there = operator.attrgetter(home.strip())(v1) if home.strip() else v1
    for name in names.split():
        assert getattr(contrib, moved._FORMER_NAMES.get(name, name)) is getattr(there, name)
