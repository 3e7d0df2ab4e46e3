import pytest

import penstock as tf

v1 = tf.compat.v1


def test_shadows_follow_their_variables():
    with tf.Graph().as_default():
        w, t = v1.get_variable("w", initializer=1.0), v1.placeholder(tf.float32, [], name="t")
        ema = v1.train.ExponentialMovingAverage(0.9)
        update = ema.apply([w, t])
        assert [ema.average(each).name for each in (w, t)] == [
            "w/ExponentialMovingAverage:0", "t/ExponentialMovingAverage:0",
        ]  # fmt: skip
        assert v1.moving_average_variables() == [w]
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(v1.assign(w, 2.0))
            session.run(update, {t: 10.0})
            assert session.run([ema.average(w), ema.average(t)]) == pytest.approx([1.1, 1.0])


def test_the_decay_grows_with_the_number_of_updates():
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=0.0)
        ema = v1.train.ExponentialMovingAverage(0.99, num_updates=tf.constant(2))
        update = ema.apply([w])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(v1.assign(w, 1.0))
            session.run(update)
            assert session.run(ema.average(w)) == pytest.approx(1 - 3 / 12)


def test_averages_of_tensors_may_be_corrected_for_their_start():
    with tf.Graph().as_default():
        t = v1.placeholder(tf.float32, [], name="t")
        ema = v1.train.ExponentialMovingAverage(0.9, zero_debias=True)
        update = ema.apply([t])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(2):
                session.run(update, {t: 3.0})
            assert session.run(ema.average(t)) == pytest.approx(3.0)


def test_names_in_checkpoints():
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=1.0)
        step = v1.get_variable("step", initializer=0, trainable=False)
        ema = v1.train.ExponentialMovingAverage(0.9)
        assert ema.variables_to_restore() == {"w/ExponentialMovingAverage": w, "step": step}


def test_integers_are_refused():
    with pytest.raises(TypeError, match="half, float, or double"):
        tf.train.ExponentialMovingAverage(0.9).apply([tf.Variable(1)])
