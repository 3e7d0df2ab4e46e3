"""`contrib.tpu`'s estimator: sizes of batches, specs with functions in them, configurations."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
tpu = v1.contrib.tpu
SEEN: list = []


def _model(features, labels, mode, params):
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    predictions = {"y": w * features}
    if mode == v1.estimator.ModeKeys.PREDICT:
        return tpu.TPUEstimatorSpec(mode, predictions)
    loss = tf.reduce_mean((predictions["y"] - labels) ** 2)
    step = v1.train.get_global_step()
    train_op = tpu.CrossShardOptimizer(v1.train.GradientDescentOptimizer(0.01)).minimize(loss, step)
    return tpu.TPUEstimatorSpec(
        mode, loss=loss, train_op=train_op,
        eval_metrics=(lambda y, given: {"error": v1.metrics.mean_absolute_error(given, y)}, [predictions["y"], labels]),
        host_call=(lambda step: v1.py_func(SEEN.append, [step], []), {"step": step}),
        scaffold_fn=v1.train.Scaffold,
    )  # fmt: skip


def _input(params):
    x = tf.range(8.0)
    return tf.data.Dataset.from_tensor_slices((x, 3.0 * x)).batch(params["batch_size"])


def test_a_program_in_the_way_of_bert(tmp_path):
    config = tpu.RunConfig(
        cluster=None, model_dir=str(tmp_path), save_checkpoints_steps=100,
        tpu_config=tpu.TPUConfig(iterations_per_loop=7, per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2),
    )  # fmt: skip
    estimator = tpu.TPUEstimator(
        _model, config=config, use_tpu=False, train_batch_size=4, eval_batch_size=8, predict_batch_size=2
    )
    assert estimator.config.tpu_config.iterations_per_loop == 7
    SEEN.clear()
    estimator.train(lambda params: _input(params).repeat(), max_steps=30)
    assert len(SEEN) == 30
    results = estimator.evaluate(_input, steps=1)
    assert results["error"] < 0.01 and results["global_step"] == 30
    found = [each["y"] for each in estimator.predict(_input)]
    np.testing.assert_allclose(found, 3 * np.arange(8), atol=0.05)


def test_sizes_belong_to_the_estimator():
    with pytest.raises(ValueError, match="batch_size are reserved keys"):
        tpu.TPUEstimator(_model, params={"batch_size": 3})


def test_metrics_are_a_function_and_its_tensors():
    with pytest.raises(ValueError, match="eval_metrics should be a tuple"):
        tpu.TPUEstimatorSpec("eval", loss=tf.constant(1.0), eval_metrics={"accuracy": 1})
    with pytest.raises(ValueError, match="Unsupported reduction: none"):
        tpu.CrossShardOptimizer(v1.train.GradientDescentOptimizer(0.1), "none")
