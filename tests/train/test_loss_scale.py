import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
precision = v1.mixed_precision


def test_a_dynamic_scale_doubles_and_halves():
    scale = precision.DynamicLossScale(initial_loss_scale=8.0, increment_period=2)
    found = []
    for gradient in (1.0, 1.0, np.inf, 1.0, np.nan):
        _, finite = scale.update([tf.constant([gradient])])
        found.append((float(scale()), bool(finite)))
    assert found == [(8.0, True), (16.0, True), (8.0, False), (8.0, True), (4.0, False)]


@pytest.mark.parametrize("loss_scale", [4.0, "dynamic"])
def test_steps_are_those_of_the_optimizer(loss_scale):
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=[1.0])
        optimizer = precision.MixedPrecisionLossScaleOptimizer(
            v1.train.MomentumOptimizer(0.1, 0.9), loss_scale
        )
        step = optimizer.minimize(tf.reduce_sum(w * w))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(2):
                session.run(step)
            assert session.run(w)[0] == pytest.approx(1 - 0.2 - (0.18 + 0.16), rel=1e-5)


def test_steps_that_are_not_finite_are_skipped():
    with tf.Graph().as_default():
        w, x = v1.get_variable("w", initializer=[1.0]), v1.placeholder(tf.float32, [])
        step_count = v1.train.get_or_create_global_step()
        optimizer = v1.train.experimental.enable_mixed_precision_graph_rewrite(v1.train.AdamOptimizer(0.1))
        step = optimizer.minimize(tf.reduce_sum(w * x), global_step=step_count)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(step, {x: np.inf})
            assert session.run([w, step_count]) == [1.0, 0]
            session.run(step, {x: 1.0})
            assert session.run(w)[0] == pytest.approx(0.9, rel=1e-4) and session.run(step_count) == 1


def test_errors():
    with pytest.raises(ValueError, match="at least 1"):
        precision.FixedLossScale(0.5)
    wrapped = precision.enable_mixed_precision_graph_rewrite(v1.train.GradientDescentOptimizer(0.1), 2.0)
    with pytest.raises(ValueError, match="already"):
        precision.enable_mixed_precision_graph_rewrite(wrapped)


def test_sync_replicas_steps_by_the_mean():
    with tf.Graph().as_default():
        w, x = v1.get_variable("w", initializer=[0.0]), v1.placeholder(tf.float32, [])
        step_count = v1.train.get_or_create_global_step()
        optimizer = v1.train.SyncReplicasOptimizer(
            v1.train.GradientDescentOptimizer(1.0), replicas_to_aggregate=2
        )
        step = optimizer.minimize(tf.reduce_sum(w * x), global_step=step_count)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            found = []
            for gradient in (1.0, 3.0, 5.0, 5.0):
                session.run(step, {x: gradient})
                found.append((float(session.run(w)[0]), int(session.run(step_count))))
            assert found == [(0.0, 0), (-2.0, 1), (-2.0, 1), (-7.0, 2)]
