"""`contrib.learn`: estimators with `fit`, metrics by spec, experiments, monitors."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
learn, layers = v1.contrib.learn, v1.contrib.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 2))
Y = (X[:, 0] > X[:, 1]).astype(int)
TARGETS = X @ [1.0, -2.0] + 0.5
CONFIG = {"save_checkpoints_steps": 20, "tf_random_seed": 1}


def _linear(features, targets, mode, params):
    predictions = tf.squeeze(v1.layers.dense(features, 1, name="dense"), -1)
    if mode == learn.ModeKeys.INFER:
        return learn.ModelFnOps(mode, {"sum": predictions, "double": 2 * predictions})
    loss = v1.losses.mean_squared_error(targets, predictions)
    train_op = layers.optimize_loss(loss, v1.train.get_global_step(), params["rate"], "SGD")
    return learn.ModelFnOps(mode, {"sum": predictions, "double": 2 * predictions}, loss, train_op)


def _linear_model(**kwargs):
    return learn.Estimator(_linear, params={"rate": 0.2}, config=learn.RunConfig(**CONFIG), **kwargs)


def test_an_estimator_of_a_model_function():
    estimator = _linear_model().fit(X, TARGETS, steps=100, batch_size=32)
    np.testing.assert_allclose(estimator.get_variable_value("dense/kernel")[:, 0], [1, -2], atol=0.02)
    names = {"error": learn.MetricSpec(v1.contrib.metrics.streaming_mean_absolute_error, "sum")}
    more = {("double", "double"): lambda predictions, labels: v1.metrics.mean(predictions - 2 * labels)}
    results = estimator.evaluate(X, TARGETS, batch_size=16, metrics=names | more)
    assert results["error"] < 0.02 and abs(results["double"]) < 0.02 and results["global_step"] == 100
    assert set(estimator.evaluate(X, TARGETS)) == {"loss", "global_step"}
    first = next(estimator.predict(X, outputs=["double"]))
    np.testing.assert_allclose(first["double"], 2 * TARGETS[0], atol=0.1)
    assert estimator.predict(X, as_iterable=False)["sum"].shape == (64,)


def test_model_functions_may_return_three_things_and_features_be_engineered():
    def model(features, labels):
        predictions = features["x"] * v1.get_variable("w", [], initializer=v1.ones_initializer())
        loss = tf.reduce_mean((predictions - labels) ** 2)
        return (
            predictions,
            loss,
            v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step()),
        )

    def engineered(features, labels):
        return {"x": features["x"] - 1}, labels

    estimator = learn.Estimator(model, feature_engineering_fn=engineered)
    estimator.fit({"x": np.arange(3.0)}, np.arange(3.0) - 1, steps=2)
    assert estimator.get_variable_value("w") == 1 and estimator.evaluate({"x": [5.0]}, [4.0])["loss"] == 0


def test_a_network_classifies():
    columns = learn.infer_real_valued_columns_from_input(X)
    classifier = learn.DNNClassifier(
        [16], columns, n_classes=2, gradient_clip_norm=0.5, config=learn.RunConfig(**CONFIG)
    )
    classifier.fit(X, Y, steps=200)
    accuracy = learn.MetricSpec(v1.contrib.metrics.streaming_accuracy, prediction_key="classes")
    results = classifier.evaluate(X, Y, metrics={"right": accuracy})
    assert results["accuracy"] > 0.9 and results["right"] == results["accuracy"]
    assert [int(each) for each in classifier.predict(np.array([[3.0, -3], [-3, 3]]))] == [1, 0]
    probabilities = classifier.predict_proba(X, as_iterable=False)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_wide_and_deep_with_columns_of_contrib_layers():
    words = layers.sparse_column_with_hash_bucket("word", 100)
    kinds = layers.sparse_column_with_keys("kind", ["a", "b"])
    number = layers.real_valued_column("number")
    features = {
        "word": np.array([["x"], ["y"]] * 8),
        "kind": np.array([["a"], ["b"]] * 8),
        "number": np.ones([16, 1]),
    }
    model = learn.DNNLinearCombinedClassifier(
        linear_feature_columns=[words, layers.crossed_column([words, kinds], 50), layers.bucketized_column(number, [0.0])],
        dnn_feature_columns=[layers.embedding_column(words, 4), layers.one_hot_column(kinds), number],
        dnn_hidden_units=[8], linear_optimizer=v1.train.FtrlOptimizer(0.5), dnn_optimizer=v1.train.AdagradOptimizer(0.3),
    )  # fmt: skip
    model.fit(features, np.array([0, 1] * 8), steps=15)
    assert list(map(int, model.predict(features)))[:4] == [0, 1, 0, 1]


def test_regressors_and_scikit_learns_signatures():
    columns = learn.infer_real_valued_columns_from_input_fn(
        lambda: tf.data.Dataset.from_tensors((X.astype(np.float32), TARGETS))
    )
    model = learn.SKCompat(learn.LinearRegressor(columns, optimizer=v1.train.FtrlOptimizer(2.0)))
    model.fit(X, TARGETS, batch_size=64, steps=200)
    assert model.score(X, TARGETS)["loss"] < 0.1
    assert model.predict(X[:5])["scores"].shape == (5,)
    compatible = learn.SKCompat(_linear_model())
    assert compatible.fit(X, TARGETS, steps=2).predict(X[:3], outputs=["sum"])["sum"].shape == (3,)


def test_an_experiment_is_run_by_its_schedule(tmp_path):
    data = learn.io.numpy_input_fn({"x": X.astype(np.float32)}, TARGETS.astype(np.float32), 64, None, False)
    columns = [v1.feature_column.numeric_column("x", [2])]

    def experiment(run_config, hparams):
        estimator = learn.LinearRegressor(
            columns, config=run_config, optimizer=v1.train.FtrlOptimizer(hparams.rate)
        )
        return learn.Experiment(estimator, data, data, train_steps=20, eval_steps=1, min_eval_frequency=10)

    config = learn.RunConfig(model_dir=str(tmp_path), **CONFIG)
    results, _ = learn.learn_runner.run(
        experiment, run_config=config, hparams=v1.contrib.training.HParams(rate=0.5)
    )
    assert results["global_step"] == 20
    with pytest.raises(ValueError, match="one of output_dir and run_config"):
        learn.learn_runner.run(experiment)
    with pytest.raises(ValueError, match="non-existent task fly"):
        learn.learn_runner.run(
            experiment, schedule="fly", run_config=config, hparams=v1.contrib.training.HParams(rate=1.0)
        )


def test_a_monitor_stops_what_does_not_get_better():
    monitor = learn.monitors.ValidationMonitor(X, TARGETS + 100, every_n_steps=20, early_stopping_rounds=40)
    estimator = learn.Estimator(_linear, params={"rate": 1e-9}, config=learn.RunConfig(**CONFIG))
    estimator.fit(X, TARGETS - 100, steps=400, monitors=[monitor])
    assert monitor.early_stopped and monitor.best_value is not None
    assert int(estimator.get_variable_value("global_step")) < 400


def test_what_is_given_twice_or_not_at_all():
    estimator = _linear_model()
    with pytest.raises(ValueError, match="Only one of"):
        estimator.fit(X, TARGETS, input_fn=lambda: None, steps=1)
    with pytest.raises(ValueError, match="steps or max_steps"):
        estimator.fit(X, TARGETS)
    with pytest.raises(ValueError, match="Either x or input_fn"):
        estimator.predict()
    with pytest.raises(ValueError, match="runs in its own process"):
        learn.RunConfig(master="grpc://elsewhere:1")
