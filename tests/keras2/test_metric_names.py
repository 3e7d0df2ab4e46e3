"""An accuracy answers to `acc` and `accuracy`: in histories, logs, names of files, and monitors."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402
from keras.layers import Dense  # noqa: E402
from keras.models import Sequential  # noqa: E402

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


def _fit(metrics="accuracy", **kwargs):
    model = Sequential([Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=[metrics])
    return model.fit(X, Y, verbose=0, epochs=2, validation_data=(X, Y), **kwargs)


@pytest.mark.parametrize("metrics, other", [("accuracy", "acc"), ("acc", "accuracy")])
def test_a_history_answers_to_both_names(metrics, other):
    history = _fit(metrics).history
    assert set(history) == {"loss", "val_loss", metrics, f"val_{metrics}"}
    assert history[other] == history[metrics]
    assert history[f"val_{other}"] == history[f"val_{metrics}"]
    assert "val_auc" not in history
    with pytest.raises(KeyError):
        history["val_auc"]


def test_a_callback_sees_both_names_and_the_file_of_logs_holds_one(tmp_path):
    seen = []

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs={}):
            seen.append((logs.get("acc"), logs["val_accuracy"]))
            if logs.get("acc") >= 0.0:
                self.model.stop_training = True

    _fit(callbacks=[Stop(), keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))])
    assert len(seen) == 1
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == "epoch,accuracy,loss,val_accuracy,val_loss"


def test_a_checkpoint_monitors_and_names_its_file_by_the_old_name(tmp_path):
    path = str(tmp_path / "weights-{epoch:02d}-{val_acc:.2f}.hdf5")
    _fit(callbacks=[keras.callbacks.ModelCheckpoint(path, monitor="val_acc", save_best_only=True)])
    assert "weights-01" in {each.name[:10] for each in tmp_path.iterdir()}


def test_early_stopping_maximizes_the_accuracy_of_either_name():
    stop = keras.callbacks.EarlyStopping(monitor="val_acc", patience=0)
    _fit(callbacks=[stop])
    assert stop.monitor_op is keras.ops.greater


def test_another_unknown_monitor_is_refused():
    with pytest.raises(ValueError, match="val_auc"):
        _fit(callbacks=[keras.callbacks.EarlyStopping(monitor="val_auc")])


def test_a_scheduled_rate_may_be_a_tensor():
    import tensorflow as tf

    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * tf.math.exp(-0.1))
    assert _fit(callbacks=[schedule]).model.optimizer.lr < 0.01
