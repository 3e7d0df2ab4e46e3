"""`contrib.predictor` and `contrib.slim.model_analyzer`."""

from __future__ import annotations

import pytest

import penstock as tf

tf1 = tf.compat.v1


@pytest.fixture
def saved(tmp_path):
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None], name="x")
        w = tf1.get_variable("w", initializer=2.0)
        session.run(w.initializer)
        tf1.saved_model.simple_save(
            session, str(tmp_path / "model"), {"in": x}, {"out": tf.multiply(x, w, "y")}
        )
    return str(tmp_path / "model")


def test_a_predictor_computes_the_outputs_of_the_signature(saved):
    predict = tf1.contrib.predictor.from_saved_model(saved)
    assert predict({"in": [1.0, 2.0]})["out"].tolist() == [2.0, 4.0]
    assert list(predict.feed_tensors) == ["in"]
    with pytest.raises(ValueError, match="unexpected keys"):
        predict({"inn": [1.0]})


def test_a_predictor_takes_names_of_tensors(saved):
    predict = tf1.contrib.predictor.from_saved_model(
        saved, input_names={"a": "x:0"}, output_names={"b": "y:0"}
    )
    assert predict({"a": [3.0]})["b"].tolist() == [6.0]


def test_an_unknown_signature_is_refused(saved):
    with pytest.raises(ValueError, match="possible values are"):
        tf1.contrib.predictor.from_saved_model(saved, signature_def_key="classify")


def test_the_analyzer_adds_up_sizes(capsys):
    analyzer = tf1.contrib.slim.model_analyzer
    with tf.Graph().as_default() as graph:
        weights = tf1.get_variable("weights", [3, 4])
        assert analyzer.analyze_vars([weights], print_info=True) == (12, 48)
        assert "weights:0 (float32" in capsys.readouterr().out
    with tf.Graph().as_default() as graph:
        tf.square(tf1.placeholder(tf.float32, [2, 5]))
        assert analyzer.analyze_ops(graph) == 20
