"""`tf.edit_distance`: how many insertions, deletions and substitutions turn one sequence into another (Levenshtein)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def levenshtein(first: Sequence[Any], second: Sequence[Any]) -> int:
    """The edit distance of two sequences.

    >>> levenshtein("kitten", "sitting")
    3
    """
    row = list(range(len(second) + 1))
    for count, each in enumerate(first, 1):
        diagonal, row[0] = row[0], count
        for index, other in enumerate(second, 1):
            best = min(row[index] + 1, row[index - 1] + 1, diagonal + (each != other))
            diagonal, row[index] = row[index], best
    return row[-1]


def _groups(indices: np.ndarray, values: np.ndarray) -> dict[tuple[int, ...], list]:
    """The values of each row: index of the row -> values in order."""
    groups: dict[tuple[int, ...], list] = {}
    for place, value in zip(indices.tolist(), np.asarray(values).tolist()):
        groups.setdefault(tuple(place[:-1]), []).append(value)
    return groups


def _distances(
    hypothesis_indices: Any,
    hypothesis_values: Any,
    hypothesis_shape: Any,
    truth_indices: Any,
    truth_values: Any,
    truth_shape: Any,
    *,
    normalize: bool,
) -> np.ndarray:
    for name, shape in (("truth_shape", truth_shape), ("hypothesis_shape", hypothesis_shape)):
        if len(shape) < 2:
            raise ValueError(
                f"Input SparseTensors must have rank at least 2, but {name} rank is: {len(shape)}"
            )
    if len(truth_shape) != len(hypothesis_shape):
        raise ValueError(
            "Expected hypothesis_shape and truth_shape to have the same number of elements: "
            f"{list(hypothesis_shape)} vs. {list(truth_shape)}"
        )
    shape = np.maximum(truth_shape, hypothesis_shape)[:-1]
    hypotheses = _groups(hypothesis_indices, hypothesis_values)
    truths = _groups(truth_indices, truth_values)
    out = np.zeros(shape, np.float32)
    for place in {*hypotheses, *truths}:
        truth = truths.get(place, [])
        distance: float = levenshtein(hypotheses.get(place, []), truth)
        if normalize:
            distance = distance / len(truth) if truth else math.inf
        out[place] = distance
    return out


def _shape(call: ShapeCall) -> TensorShape:
    first, second = call.value(2), call.value(5)
    if first is None or second is None or first.shape != second.shape:
        return TensorShape(None)
    return TensorShape(np.maximum(first, second)[:-1].tolist())


op(
    "EditDistance(hypothesis_indices: int64, hypothesis_values: T, hypothesis_shape: int64, truth_indices: int64,"
    " truth_values: T, truth_shape: int64; normalize=True) -> output: float32",
    numpy=_distances,
    shape=_shape,
    gradient=stops,
)


@export("edit_distance")
def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Tensor:
    """The Levenshtein distance of sequences, which are the rows of sparse tensors.

    Args:
      hypothesis, truth: `SparseTensor`s of one dtype and one rank of at least 2; their last dimension is the sequence.
      normalize: whether distances are divided by the length of the truth (infinite where that is 0).
      name: the node's name in a graph.

    Returns:
      A float32 tensor of the first dimensions.

    Raises:
      TypeError: an argument is no `SparseTensor`.

    Example:
      >>> import penstock as tf
      >>> said = tf.sparse.from_dense([[1, 2, 3]])
      >>> meant = tf.sparse.from_dense([[1, 3, 4]])
      >>> tf.edit_distance(said, meant, normalize=False).numpy()
      array([2.], dtype=float32)
    """
    inputs: list[Tensor] = []
    for role, value in (("Hypothesis", hypothesis), ("Truth", truth)):
        if not isinstance(value, SparseTensor) and type(value).__name__ != "SparseTensorValue":
            raise TypeError(f"{role} must be a SparseTensor.")
        sparse = SparseTensor.from_value(value)
        inputs += [sparse.indices, sparse.values, sparse.dense_shape]
    return execute("EditDistance", inputs, {"normalize": normalize}, name)
