"""`keras.utils.experimental`: what Keras 2 had there for training with parameter servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class DatasetCreator:
    """`keras.utils.experimental.DatasetCreator`: a function that makes the dataset of each worker, for `Model.fit`.

    Args:
      dataset_fn: called with a `tf.distribute.InputContext`; returns a `tf.data.Dataset`.
      input_options: a `tf.distribute.InputOptions`; hints.

    Raises:
      TypeError: `dataset_fn` cannot be called.
    """

    def __init__(self, dataset_fn: Callable, input_options: Any = None):
        if not callable(dataset_fn):
            raise TypeError("`dataset_fn` for `DatasetCreator` must be a `callable`.")
        self.dataset_fn, self.input_options = dataset_fn, input_options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The dataset.

        Raises:
          TypeError: the function returns something else.
        """
        from penstock.data.dataset import Dataset

        dataset = self.dataset_fn(*args, **kwargs)
        if not isinstance(dataset, Dataset):
            raise TypeError("The `callable` provided must return a Dataset.")
        return dataset
