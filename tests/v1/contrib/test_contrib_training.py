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


def test_slim_trains_and_saves(tmp_path):
    slim = v1.contrib.slim
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=1.0)
        loss = w * w
        train_op = slim.learning.create_train_op(loss, v1.train.GradientDescentOptimizer(0.1))
        last = slim.learning.train(train_op, str(tmp_path), number_of_steps=5)
        assert last == pytest.approx(0.64**4)
        assert v1.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-5")
        again = slim.learning.train(train_op, str(tmp_path), number_of_steps=6)
        assert again == pytest.approx(0.64**5)
