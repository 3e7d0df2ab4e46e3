"""`tf.math.confusion_matrix`."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import name_scope
from penstock.ops.reduce_functions import reduce
from penstock.types import dtypes, errors
from penstock.types.tensors import EagerTensor, Tensor


def _check(holds: Tensor, message: str) -> Any:
    """Raises InvalidArgumentError unless all of `holds`; in a graph, an operation that does when it runs."""
    condition = reduce("All", holds, None, False, None)
    if isinstance(condition, EagerTensor):
        if not condition:
            raise errors.InvalidArgumentError(None, None, message)
        return None
    return execute("Assert", (condition, [convert_to_tensor(message)]), {"summarize": 3})


def _same_rank(labels: Tensor, predictions: Tensor) -> tuple[Tensor, Tensor]:
    """Drops a last dimension of size 1 from the one that has a dimension more."""
    ranks = labels.shape.rank, predictions.shape.rank
    if None in ranks:
        return labels, predictions
    squeeze = {"squeeze_dims": [-1]}
    if ranks[0] - ranks[1] == 1 and labels.shape[-1] in (1, None):
        labels = execute("Squeeze", (labels,), squeeze)
    elif ranks[1] - ranks[0] == 1 and predictions.shape[-1] in (1, None):
        predictions = execute("Squeeze", (predictions,), squeeze)
    return labels, predictions


@export("math.confusion_matrix", v1=[])
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    weights: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """How often each class was predicted for each true class.

    Args:
      labels: the true class ids, a vector.
      predictions: the predicted class ids, a vector of the same length.
      num_classes: the number of classes; by default one more than the largest id.
      weights: what each example counts; 1 by default.
      dtype: the dtype of the result.
      name: the node's name in a graph.

    Returns:
      A matrix of shape [classes, classes]: rows are true classes, columns predicted ones.

    Raises:
      InvalidArgumentError: an id is negative, or not below `num_classes`.
      ValueError: the shapes of predictions and weights are not compatible.

    Example:
      >>> import penstock as tf
      >>> tf.math.confusion_matrix([1, 2, 2], [2, 2, 2]).numpy()
      array([[0, 0, 0],
             [0, 0, 1],
             [0, 0, 2]], dtype=int32)
    """
    with name_scope(name, "confusion_matrix"):
        predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
        labels, predictions = _same_rank(labels, predictions)
        ids = {"labels": labels, "predictions": predictions}
        ids = {key: execute("Cast", (value,), {"DstT": dtypes.int64}) for key, value in ids.items()}
        zero, one = (convert_to_tensor(np.int64(each)) for each in (0, 1))
        checks = [_check(ids[key] >= zero, f"`{key}` contains negative values.") for key in ids]
        if num_classes is None:
            largest = [reduce("Max", value, None, False, None) for value in ids.values()]
            classes = execute("Maximum", tuple(largest)) + one
        else:
            classes = execute("Cast", (convert_to_tensor(num_classes),), {"DstT": dtypes.int64})
            checks += [_check(value < classes, f"`{key}` out of bound") for key, value in ids.items()]
        target = dtypes.as_dtype(dtype)
        if weights is None:
            counts = execute("Cast", (execute("OnesLike", (ids["predictions"],)),), {"DstT": target})
        else:
            weights = convert_to_tensor(weights)
            predictions.shape.assert_is_compatible_with(weights.shape)
            counts = execute("Cast", (weights,), {"DstT": target})
        pending = [each for each in checks if each is not None]
        graph = thread.graph
        with (
            graph.control_dependencies(pending) if graph is not None and pending else contextlib.nullcontext()
        ):
            places = execute("Pack", ([ids["labels"], ids["predictions"]],), {"axis": 1})
            shape = execute("Pack", ([classes, classes],), {"axis": 0})
            return execute("ScatterNd", (places, counts, shape))


@export(v1=["math.confusion_matrix", "confusion_matrix"])
def confusion_matrix_v1(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """TF 1's signature of `tf.math.confusion_matrix`."""
    return confusion_matrix(labels, predictions, num_classes, weights, dtype, name)
