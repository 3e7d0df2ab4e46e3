"""`tf.estimator.Estimator` with a model function of the program's own."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
est = tf.estimator
X = np.arange(8, dtype=np.float32)


def line(features, labels, mode, params):
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    predictions = {"y": w * features["x"], "x": features["x"]}
    if mode == est.ModeKeys.PREDICT:
        outputs = {"y": est.export.PredictOutput({"y": predictions["y"]})}
        return est.EstimatorSpec(mode, predictions, export_outputs=outputs)
    loss = v1.losses.mean_squared_error(labels, predictions["y"])
    if mode == est.ModeKeys.EVAL:
        error = v1.metrics.mean_absolute_error(labels, predictions["y"])
        return est.EstimatorSpec(mode, predictions, loss, eval_metric_ops={"error": error})
    step = v1.train.get_global_step()
    return est.EstimatorSpec(
        mode, loss=loss, train_op=v1.train.GradientDescentOptimizer(params["rate"]).minimize(loss, step)
    )


def data(epochs=1, batch=4):
    return est.inputs.numpy_input_fn({"x": X}, 3 * X, batch, epochs, shuffle=False)


@pytest.fixture
def model(tmp_path):
    return est.Estimator(line, str(tmp_path), params={"rate": 0.02})


def test_training_saves_and_goes_on(model):
    assert model.train(data(None), steps=5) is model
    model.train(data(None), steps=5)
    assert model.latest_checkpoint().endswith("model.ckpt-10")
    assert sorted(model.get_variable_names()) == ["global_step", "w"]
    assert model.get_variable_value("w") == pytest.approx(3, abs=0.1)


def test_training_to_the_end_of_the_input(model):
    model.train(data(3))
    assert model.get_variable_value("global_step") == 6


def test_max_steps_counts_what_was_trained_before(model):
    model.train(data(None), max_steps=4)
    model.train(data(None), max_steps=4)
    assert model.get_variable_value("global_step") == 4


def test_evaluation(model):
    model.train(data(None), steps=30)
    found = model.evaluate(data(), name="test")
    assert sorted(found) == ["error", "global_step", "loss"]
    assert found["global_step"] == 30 and found["error"] < 0.1 and found["loss"] < 0.1
    assert os.listdir(model.eval_dir("test"))


def test_evaluation_before_training_takes_initial_values(model):
    assert model.evaluate(data(), steps=1)["error"] == pytest.approx(np.mean(3 * X[:4]))


def test_predictions_come_one_by_one(model):
    model.train(data(None), steps=30)
    found = list(model.predict(data(), predict_keys=["y"]))
    assert [list(each) for each in found] == [["y"]] * 8
    np.testing.assert_allclose([each["y"] for each in found], 3 * X, rtol=0.05, atol=0.1)
    batches = list(model.predict(lambda: tf.data.Dataset.from_tensors({"x": X}), yield_single_examples=False))
    assert batches[0]["x"].shape == (8,)


def test_a_caller_builds_its_own_graph_between_predictions(model):
    with tf.Graph().as_default() as graph:
        for _ in model.predict(data()):
            assert v1.get_default_graph() is graph


def test_unknown_predictions(model):
    with pytest.raises(ValueError, match=r"\['x', 'y'\]"):
        next(model.predict(data(), predict_keys="z"))


def test_input_functions_get_what_they_ask_for(model):
    seen = {}

    def input_fn(mode, params, config):
        seen.update(mode=mode, params=params, config=config)
        return tf.data.Dataset.from_tensors(({"x": X}, X))

    model.train(input_fn)
    assert seen["mode"] == "train" and seen["params"] == {"rate": 0.02}
    assert seen["config"].model_dir == model.model_dir


def test_hooks_and_summaries(model):
    class Count(v1.train.SessionRunHook):
        runs = 0

        def after_run(self, run_context, run_values):
            self.runs += 1

    hook = Count()
    model.train(data(None), hooks=[hook], steps=3)
    assert hook.runs == 3
    (path,) = (
        os.path.join(model.model_dir, each) for each in os.listdir(model.model_dir) if "tfevents" in each
    )
    tags = {value.tag for event in v1.train.summary_iterator(path) for value in event.summary.value}
    assert "loss" in tags


def test_warm_start(model, tmp_path):
    model.train(data(None), steps=30)
    again = est.Estimator(line, str(tmp_path / "b"), params={"rate": 0.0}, warm_start_from=model.model_dir)
    again.train(data(None), steps=1)
    assert again.get_variable_value("w") == model.get_variable_value("w")


def test_export(model, tmp_path):
    model.train(data(None), steps=30)
    receiver = est.export.build_raw_serving_input_receiver_fn({"x": tf.zeros([1])})
    path = model.export_saved_model(str(tmp_path / "export"), receiver).decode()
    with tf.Graph().as_default(), v1.Session() as session:
        meta = v1.saved_model.load(session, ["serve"], path)
        signature = meta.signature_def["serving_default"]
        y = session.run(signature.outputs["y"].name, {signature.inputs["x"].name: [2.0]})
    np.testing.assert_allclose(y, [6], rtol=0.05)
    assert [os.path.join(tmp_path / "export", name) for name in os.listdir(tmp_path / "export")] == [path]


def test_an_export_appears_whole_or_not_at_all(model, tmp_path):
    model.train(data(None), steps=1)
    receiver = est.export.build_raw_serving_input_receiver_fn({"x": tf.zeros([1])})
    with pytest.raises(tf.errors.NotFoundError):
        model.export_saved_model(str(tmp_path), receiver, {"words.txt": str(tmp_path / "missing")})
    assert not [name for name in os.listdir(tmp_path) if name.isdigit()]
    (tmp_path / "words").write_text("a b")
    path = model.export_saved_model(str(tmp_path), receiver, {"words.txt": str(tmp_path / "words")}).decode()
    with open(os.path.join(path, "assets.extra", "words.txt")) as file:
        assert file.read() == "a b"


def test_train_and_evaluate(model, tmp_path):
    receiver = est.export.build_raw_serving_input_receiver_fn({"x": tf.zeros([1])})
    exporters = [est.FinalExporter("final", receiver), est.BestExporter(serving_input_receiver_fn=receiver)]
    spec = est.EvalSpec(data(), steps=None, exporters=exporters, throttle_secs=0)
    found, exports = est.train_and_evaluate(model, est.TrainSpec(data(None), max_steps=20), spec)
    assert found["global_step"] == 20 and found["error"] < 1
    assert len(exports) == 2 and os.path.isdir(exports[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "train", "loss": 1.0}, "train_op"),
        ({"mode": "train", "train_op": 1}, "loss"),
        ({"mode": "eval"}, "loss"),
        ({"mode": "infer"}, "predictions"),
        ({"mode": "eval", "loss": [1.0, 2.0]}, "scalar"),
    ],
)
def test_incomplete_specs(arguments, message):
    with pytest.raises(ValueError, match=message):
        est.EstimatorSpec(**arguments)


def test_what_excludes_each_other(model):
    with pytest.raises(ValueError, match="both steps and max_steps"):
        model.train(data(), steps=1, max_steps=1)
    with pytest.raises(ValueError, match="model_dir"):
        est.Estimator(line, "a", config=est.RunConfig("b"))
    with pytest.raises(ValueError, match="both set"):
        est.RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1)


def test_the_configuration():
    config = est.RunConfig(tf_random_seed=7).replace(save_checkpoints_steps=3)
    assert (config.tf_random_seed, config.save_checkpoints_steps, config.save_checkpoints_secs) == (
        7,
        3,
        None,
    )
    assert config.is_chief and config.task_type == "worker"
    with pytest.raises(ValueError, match="nothing"):
        config.replace(nothing=1)


def test_a_cluster_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    with pytest.raises(ValueError, match="one process"):
        est.RunConfig()


def test_tables_of_pandas(model):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": X})
    input_fn = est.inputs.pandas_input_fn(
        table, pandas.Series(3 * X), batch_size=8, num_epochs=None, shuffle=True
    )
    model.train(input_fn, steps=20)
    assert model.get_variable_value("w") == pytest.approx(3, abs=0.2)


def test_a_program_may_end_before_its_predictions(tmp_path):
    program = f"""
import numpy as np
import penstock as tf

v1 = tf.compat.v1

def line(features, labels, mode):
    return tf.estimator.EstimatorSpec(mode, {{"x": v1.get_variable("w", []) * features["x"]}})

inputs = tf.estimator.inputs.numpy_input_fn({{"x": np.ones(8, "f")}}, batch_size=4, shuffle=False)
predictions = tf.estimator.Estimator(line, {str(tmp_path)!r}).predict(inputs)
print(sorted(next(predictions)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.stdout == "['x']\n"
    assert "Exception" not in done.stderr and "Traceback" not in done.stderr
