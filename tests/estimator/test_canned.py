"""Ready-made estimators: their variables, metrics and predictions."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
column = tf.feature_column
X = np.linspace(-1, 1, 32, dtype=np.float32)
WORDS = np.array(["a", "b", "c", "d"] * 8)


def data(labels, epochs=1, **features):
    features = {"x": X, "w": WORDS, **features}
    return tf.estimator.inputs.numpy_input_fn(features, labels, 16, epochs, shuffle=False)


WORD = column.categorical_column_with_vocabulary_list("w", ["a", "b", "c", "d"])
LINEAR = [column.numeric_column("x"), WORD]
DEEP = [column.numeric_column("x"), column.embedding_column(WORD, 2)]
ONE = {"linear_feature_columns": LINEAR, "dnn_feature_columns": DEEP, "dnn_hidden_units": [4]}
CONFIG = tf.estimator.RunConfig(tf_random_seed=3)


@pytest.mark.parametrize(
    ("name", "arguments", "variables"),
    [
        ("Linear", {"feature_columns": LINEAR}, {"linear/linear_model/x/weights", "linear/linear_model/bias_weights"}),
        ("DNN", {"feature_columns": DEEP, "hidden_units": [4], "batch_norm": True, "dropout": 0.1},
         {"dnn/hiddenlayer_0/kernel", "dnn/logits/bias", "dnn/hiddenlayer_0/batchnorm_0/moving_mean",
          "dnn/input_from_feature_columns/input_layer/w_embedding/embedding_weights"}),
        ("DNNLinearCombined", ONE, {"dnn/hiddenlayer_0/bias", "linear/linear_model/w/weights"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
def test_each_kind(name, arguments, variables, kind):
    labels, more = (np.digitize(X, [-0.3, 0.3]), {"n_classes": 3}) if kind == "Classifier" else (2 * X, {})
    model = getattr(v1.estimator, name + kind)(**arguments, **more, config=CONFIG)
    model.train(data(labels, None), steps=2)
    assert variables <= set(model.get_variable_names())
    found = model.evaluate(data(labels))
    assert found["global_step"] == 2
    # 16 examples in a batch, whose losses are summed in TensorFlow 1
    assert found["loss"] == pytest.approx(16 * found["average_loss"], rel=1e-5)


def test_two_classes():
    model = tf.estimator.LinearClassifier([column.numeric_column("x")], optimizer="Adam", config=CONFIG)
    labels = (X > 0).astype(int)
    found = model.train(data(labels, None), steps=40).evaluate(data(labels))
    assert found["loss"] == pytest.approx(found["average_loss"], rel=1e-5)
    assert (
        sorted(found)
        == (
            "accuracy accuracy_baseline auc auc_precision_recall average_loss global_step label/mean loss precision "
            "prediction/mean recall"
        ).split()
    )
    assert (
        found["auc"] == pytest.approx(1, abs=1e-3)
        and found["label/mean"] == found["accuracy_baseline"] == 0.5
    )
    first = next(model.predict(data(None)))
    assert first["class_ids"].tolist() == [0] and first["classes"].tolist() == [b"0"]
    assert first["probabilities"].sum() == pytest.approx(1) and first["logistic"] == first["probabilities"][1]


def test_labels_may_be_truth_values():
    model = tf.estimator.LinearClassifier([column.numeric_column("x")], config=CONFIG)
    model.train(data(X > 0, None), steps=1)
    assert model.get_variable_value("linear/linear_model/x/weights") > 0


def test_classes_by_name():
    names = np.array(["low", "high", "top"])[np.digitize(X, [-0.3, 0.3])]
    model = tf.estimator.DNNClassifier(
        [16], [column.numeric_column("x")], n_classes=3, label_vocabulary=["low", "high", "top"],
        optimizer=lambda: v1.train.AdamOptimizer(0.05), config=CONFIG,
    )  # fmt: skip
    found = model.train(data(names, None), steps=80).evaluate(data(names))
    assert found["accuracy"] > 0.8
    assert {bytes(each["classes"][0]) for each in model.predict(data(None))} == {b"low", b"high", b"top"}


def test_weights_of_examples():
    """Examples of no weight do not count."""
    weight = np.where(X > 0, 1.0, 0.0).astype(np.float32)
    model = tf.estimator.LinearRegressor([column.numeric_column("x")], weight_column="weight")
    found = model.evaluate(data(np.where(X > 0, 1.0, 100.0).astype(np.float32), weight=weight))
    assert found["average_loss"] == 1 and found["label/mean"] == 1


def test_export_with_a_parser(tmp_path):
    columns = [column.numeric_column("x")]
    model = tf.estimator.LinearRegressor(columns, config=CONFIG).train(data(2 * X, None), steps=2)
    receiver = tf.estimator.export.build_parsing_serving_input_receiver_fn(
        column.make_parse_example_spec(columns)
    )
    path = model.export_saved_model(str(tmp_path), receiver).decode()
    example = tf.train.Example(
        features=tf.train.Features(
            feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))}
        )
    )
    served = tf.saved_model.load(path).signatures["regression"](tf.constant([example.SerializeToString()]))
    expected = next(
        model.predict(tf.estimator.inputs.numpy_input_fn({"x": np.ones(1, np.float32)}, shuffle=False))
    )
    np.testing.assert_allclose(served["outputs"].numpy()[0], expected["predictions"], rtol=1e-6)


def test_labels_that_are_no_classes():
    model = tf.estimator.LinearClassifier([column.numeric_column("x")], n_classes=3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="n_classes=3"):
        model.train(data(np.full(32, 5)), steps=1)
    with pytest.raises(ValueError, match="at least 2"):
        tf.estimator.LinearClassifier([], n_classes=1)


def test_unknown_optimizers():
    model = tf.estimator.LinearRegressor([column.numeric_column("x")], optimizer="Magic")
    with pytest.raises(ValueError, match="Magic"):
        model.train(data(X), steps=1)
