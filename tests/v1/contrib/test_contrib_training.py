import pytest

import penstock as tf

v1 = tf.compat.v1
HParams = v1.contrib.training.HParams


def test_hparams_keep_their_types():
    hparams = HParams(rate=0.1, layers=[64, 32], name="a", deep=True)
    hparams.parse("rate=1,layers=[16,8],name=b c,deep=false")
    assert hparams.values() == {"rate": 1.0, "layers": [16, 8], "name": "b c", "deep": False}
    hparams.parse("layers[1]=4")
    assert hparams.layers == [16, 4]
    hparams.override_from_dict({"rate": 2})
    assert hparams.rate == 2.0 and "rate" in hparams and hparams.get("other", 5) == 5
    assert HParams(rate=0.0).parse_json('{"rate": 3}').rate == 3.0
    assert hparams.to_json() == '{"rate": 2.0, "layers": [16, 4], "name": "b c", "deep": false}'


@pytest.mark.parametrize(
    "text, message",
    [
        ("other=1", "Unknown"),
        ("layers=x", "Could not parse"),
        ("rate", "Malformed"),
        ("deep=maybe", "truth value"),
    ],
)
def test_hparams_refuse(text, message):
    with pytest.raises(ValueError, match=message):
        HParams(rate=0.1, layers=[1], deep=True).parse(text)


def _slim_training(logdir, **kwargs):
    """A training of `w * w` from 1 by factors of 0.8, in a graph of its own."""
    slim = v1.contrib.slim
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=1.0)
        v1.summary.scalar("w", w)
        train_op = slim.learning.create_train_op(w * w, v1.train.GradientDescentOptimizer(0.1))
        return slim.learning.train(train_op, logdir, **kwargs)


def test_slim_trains_and_goes_on_from_what_it_saved(tmp_path):
    assert _slim_training(str(tmp_path), number_of_steps=5) == pytest.approx(0.64**4)
    assert v1.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-5")
    assert _slim_training(str(tmp_path), number_of_steps=6, trace_every_n_steps=5) == pytest.approx(0.64**5)
    names = {path.name for path in tmp_path.iterdir()}
    assert all(any(part in name for name in names) for part in ("tf_trace-", "tfevents", "graph.pbtxt"))


def test_slim_steps_may_be_a_programs_own():
    seen = []

    def step(session, train_op, global_step, arguments):
        loss, _ = v1.contrib.slim.learning.train_step(session, train_op, global_step, {})
        seen.append(loss)
        return loss, len(seen) == arguments["most"]

    last = _slim_training(None, train_step_fn=step, train_step_kwargs={"most": 3})
    assert last == seen[-1] == pytest.approx(0.64**2) and len(seen) == 3


def test_slim_training_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="because logdir=None"):
        _slim_training(None, trace_every_n_steps=1)
    with pytest.raises(ValueError, match="None or a positive number"):
        _slim_training(None, number_of_steps=0)
