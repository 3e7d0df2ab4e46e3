"""Methods of Keras 2's models that Keras 3 dropped: `fit_generator` and its kin, `predict_classes`, `reset_states`.

`METHODS` and `SEQUENTIAL_METHODS` are added to `keras.Model` and `keras.Sequential` by `enable`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.keras2.modules import source


def fit_generator(
    self: Any,
    generator: Any,
    steps_per_epoch: float | None = None,
    epochs: int = 1,
    verbose: Any = 1,
    callbacks: Any = None,
    validation_data: Any = None,
    validation_steps: float | None = None,
    validation_freq: Any = 1,
    class_weight: Any = None,
    max_queue_size: int = 10,
    workers: int = 1,
    use_multiprocessing: bool = False,
    shuffle: bool = True,
    initial_epoch: int = 0,
) -> Any:
    """Trains on batches from a generator or a `keras.utils.Sequence`; returns the History.

    Args:
      generator: yields `(inputs, targets)` or `(inputs, targets, sample_weights)`, without end if it is a generator.
      steps_per_epoch: batches in an epoch; may be omitted for a Sequence, which may also be shorter than that.
      validation_data: a generator, a Sequence, or a tuple of arrays; `validation_steps` are its batches.
      max_queue_size, workers, use_multiprocessing: accepted; Keras 3 chooses itself.
      epochs, verbose, callbacks, validation_freq, class_weight, shuffle, initial_epoch: as for `fit`.
    """
    steps, validation_steps = _whole(steps_per_epoch), _whole(validation_steps)
    if validation_data is not None and not isinstance(validation_data, tuple | list):
        validation_data = _batches(validation_data, validation_steps)
    return self.fit(
        _batches(generator, steps),
        steps_per_epoch=steps,
        epochs=epochs,
        verbose=verbose,
        callbacks=callbacks,
        validation_data=validation_data,
        validation_steps=validation_steps,
        validation_freq=validation_freq,
        class_weight=class_weight,
        shuffle=shuffle,
        initial_epoch=initial_epoch,
    )


def evaluate_generator(
    self: Any,
    generator: Any,
    steps: float | None = None,
    callbacks: Any = None,
    max_queue_size: int = 10,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: Any = 0,
) -> Any:
    """The loss and the metrics on `steps` batches of a generator; arguments as for `fit_generator`."""
    steps = _whole(steps)
    return self.evaluate(_batches(generator, steps), steps=steps, callbacks=callbacks, verbose=verbose)


def predict_generator(
    self: Any,
    generator: Any,
    steps: float | None = None,
    callbacks: Any = None,
    max_queue_size: int = 10,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: Any = 0,
) -> Any:
    """Predictions for `steps` batches of a generator of inputs or of `(inputs, targets)`."""
    steps = _whole(steps)
    return self.predict(_batches(generator, steps), steps=steps, callbacks=callbacks, verbose=verbose)


def predict_proba(self: Any, x: Any, batch_size: int | None = None, verbose: Any = 0) -> np.ndarray:
    """What `predict` gives, for a model whose outputs are probabilities."""
    return self.predict(x, batch_size=batch_size, verbose=verbose)


def predict_classes(self: Any, x: Any, batch_size: int | None = None, verbose: Any = 0) -> np.ndarray:
    """The class of each example: the most probable one, or, with one output, 1 where it exceeds a half.

    Returns:
      int64 of shape [examples], or int32 of shape [examples, 1] with one output.
    """
    probabilities = self.predict(x, batch_size=batch_size, verbose=verbose)
    if probabilities.shape[-1] > 1:
        return probabilities.argmax(axis=-1)
    return (probabilities > 0.5).astype("int32")


def reset_states(self: Any) -> None:
    """Sets the states of stateful recurrent layers, also of those in nested models, to zero."""
    for layer in self._flatten_layers(include_self=False):
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
            layer.reset_state()


def compiled_loss(
    model: Any, y: Any, y_pred: Any, sample_weight: Any = None, regularization_losses: Any = None
) -> Any:
    """The loss of a `train_step` of the program's own, which also counts for the mean that is shown as "loss".

    Keras 3 leaves the mean out, and takes it for one of the metrics that `compiled_metrics` updates. The losses of layers
    are added in any case: `regularization_losses` is not used.
    """
    loss = model.compute_loss(x=None, y=y, y_pred=y_pred, sample_weight=sample_weight)
    model._loss_tracker.update_state(loss, sample_weight=_size(y_pred))
    return loss


def _compiled_metrics_update_state(model: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
    if model._compile_metrics is not None:
        model._compile_metrics.update_state(y, y_pred, sample_weight=sample_weight)


METHODS = {
    each.__name__: each
    for each in (
        compiled_loss, _compiled_metrics_update_state, fit_generator, evaluate_generator, predict_generator, reset_states,
    )
}  # fmt: skip
SEQUENTIAL_METHODS = {each.__name__: each for each in (predict_classes, predict_proba)}


def _size(batch: Any) -> Any:
    return source("ops").shape(source("tree").flatten(batch)[0])[0]


def _whole(steps: float | None) -> int | None:
    """Programs write `len(x) / batch_size`; the last, smaller batch counts."""
    return None if steps is None else math.ceil(steps)


def _batches(generator: Any, steps: int | None) -> Any:
    """What Keras 3's `fit` takes for a generator or Sequence of Keras 2."""
    if hasattr(generator, "__getitem__") and hasattr(generator, "__len__"):
        return generator if steps is None or steps <= len(generator) else _endless(generator)
    return _generator(generator) if hasattr(generator, "__next__") else generator


def _generator(batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        yield _as_tuples(batch)


def _endless(sequence: Any) -> Iterator[Any]:
    """The batches of a Sequence over and over."""
    while True:
        for index in range(len(sequence)):
            yield _as_tuples(sequence[index])
        if hasattr(sequence, "on_epoch_end"):
            sequence.on_epoch_end()


def _as_tuples(batch: Any) -> Any:
    """Keras 2 wrote several inputs as a list; in a dataset a list is one tensor."""
    if isinstance(batch, tuple):
        return tuple(tuple(part) if isinstance(part, list) else part for part in batch)
    return batch
