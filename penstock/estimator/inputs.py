"""`tf.estimator.inputs`: input functions over arrays and tables; and what any input function's result is taken as."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.data.dataset import Dataset
from penstock.engine.export import export
from penstock.ops.graph_collections import GraphKeys
from penstock.v1.api import tf


def iterated(dataset: Any) -> Any:
    """The next element of a dataset, as tensors; a session's tables initializer starts the iterator."""
    iterator = tf.data.make_initializable_iterator(dataset)
    tf.add_to_collection(GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def features_and_labels(result: Any) -> tuple[Any, Any]:
    """What an input function returned - a dataset or tensors - as features and labels; labels may be None."""
    if isinstance(result, Dataset):
        result = iterated(result)
    if isinstance(result, (list, tuple)):
        if len(result) != 2:
            raise ValueError(
                f"input_fn should return (features, labels) as a len 2 tuple, got {len(result)} parts."
            )
        return tuple(result)
    return result, None


def call_with_known(function: Callable, *args: Any, **known: Any) -> Any:
    """Calls a function of a program's with those of the keyword arguments that it takes."""
    parameters = inspect.signature(function).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return function(
        *args, **{name: value for name, value in known.items() if takes_all or name in parameters}
    )


def _input_fn(
    features: Any, labels: Any, batch_size: int, num_epochs: int | None, shuffle: bool | None
) -> Callable[[], Any]:
    if not isinstance(shuffle, bool):
        raise ValueError(
            "shuffle must be provided and explicitly set as boolean (it is recommended to set it as True for training); "
            f"got {shuffle}"
        )
    parts = features if labels is None else (features, labels)
    sizes = {len(each) for each in _arrays(parts)}
    if len(sizes) != 1:
        raise ValueError(f"Length of tensors in x and y is mismatched: {sorted(sizes)}")
    (count,) = sizes

    def input_fn() -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(parts)
        if shuffle:
            dataset = dataset.shuffle(count)
        dataset = dataset.repeat(num_epochs).batch(batch_size)
        return iterated(dataset)

    return input_fn


def _arrays(parts: Any) -> list[np.ndarray]:
    if isinstance(parts, tuple):
        return [array for part in parts for array in _arrays(part)]
    return list(parts.values()) if isinstance(parts, dict) else [parts]


@export(
    "estimator.inputs.numpy_input_fn",
    v1=["estimator.inputs.numpy_input_fn", "contrib.learn.io.numpy_input_fn"],
)
def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """An input function over arrays.

    Args:
      x: the features: an array, or a dictionary of arrays of one length.
      y: the labels: None, an array or a dictionary of arrays.
      batch_size: the size of a batch; the last one may be smaller.
      num_epochs: how often the arrays are gone through; None: without end.
      shuffle: whether in random order.
      queue_capacity, num_threads: of TensorFlow's queues; batches come from a dataset here.

    Raises:
      ValueError: lengths differ, or `shuffle` is not given.
      TypeError: `x` is neither an array nor a dictionary.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> input_fn = tf.estimator.inputs.numpy_input_fn({"x": np.arange(3.0)}, batch_size=2, shuffle=False)
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     features = input_fn()
      ...     session.run(tf.compat.v1.tables_initializer())
      ...     session.run(features)["x"].tolist()
      [0.0, 1.0]
    """
    if not isinstance(x, (dict, np.ndarray)):
        raise TypeError(f"x must be a dict or array; got {type(x).__name__}")
    if isinstance(x, dict) and not x:
        raise ValueError("x cannot be an empty dict.")
    features = {name: np.asarray(each) for name, each in x.items()} if isinstance(x, dict) else x
    labels = {name: np.asarray(each) for name, each in y.items()} if isinstance(y, dict) else y
    labels = np.asarray(labels) if labels is not None and not isinstance(labels, dict) else labels
    return _input_fn(features, labels, batch_size, num_epochs, shuffle)


@export(
    "estimator.inputs.pandas_input_fn",
    v1=["estimator.inputs.pandas_input_fn", "contrib.learn.io.pandas_input_fn"],
)
def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """An input function over a table of pandas, whose columns are the features; see `numpy_input_fn`.

    Args:
      x: a DataFrame. y: a Series or a DataFrame with the same index, or None.
      target_column: of no effect on a Series, as in TensorFlow.

    Raises:
      ValueError: the indices differ, or `shuffle` is not given.
    """
    if y is not None and not np.array_equal(x.index, y.index):
        raise ValueError(
            f"Index for x and y are mismatched.\nIndex for x: {x.index}\nIndex for y: {y.index}\n"
        )
    labels: Any = y
    if hasattr(y, "columns"):
        labels = {name: y[name].to_numpy() for name in y.columns}
    elif y is not None:
        labels = y.to_numpy()
    return _input_fn(
        {name: x[name].to_numpy() for name in x.columns}, labels, batch_size, num_epochs, shuffle
    )
