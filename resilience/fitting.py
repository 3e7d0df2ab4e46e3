"""The program of workers whose network fails: `python -m resilience.fitting FOLDER EPOCHS`.

Keras trains a small model with `BackupAndRestore`, on data without chance, so that the weights of an interrupted training
are in the end those of an undisturbed one.
"""

import json
import sys
from typing import Any

import numpy as np

import penstock as tf

STEPS = 10  # of an epoch; there is a backup after each
BATCH = 16


def tell(**facts: object) -> None:
    """Prints facts for who started this process."""
    print(json.dumps(facts), flush=True)


class Tell(tf.keras.callbacks.Callback):
    """Tells how far the training is; after the backup of an epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if "begin" not in vars(self):
            self.begin = epoch
            tell(resumed=epoch)
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        tell(step=self.epoch * STEPS + batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        tell(saved=epoch + 1, loss=logs["loss"])


def main(folder: str, epochs: int) -> None:
    """Trains for so many epochs, from the backup in the folder on."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    tf.keras.utils.set_random_seed(1)
    with strategy.scope():
        model = tf.keras.Sequential(
            [tf.keras.Input((16,)), tf.keras.layers.Dense(32, "tanh"), tf.keras.layers.Dense(1)]
        )
        model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    x = np.random.default_rng(0).normal(size=(STEPS * BATCH, 16)).astype(np.float32)
    data = (
        tf.data.Dataset.from_tensor_slices((x, np.sin(x[:, :1]))).batch(BATCH, drop_remainder=True).repeat()
    )
    callbacks = [tf.keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False), Tell()]
    model.fit(data, epochs=epochs, steps_per_epoch=STEPS, callbacks=callbacks, verbose=0)
    tell(weights=float(sum(np.abs(each).sum() for each in model.get_weights())))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
