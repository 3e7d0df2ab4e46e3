"""`RaggedTensorValue`: what `Session.run` returns for a RaggedTensor; and how ragged values are written as text."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.export import export


@export(v1=["ragged.RaggedTensorValue"])
class RaggedTensorValue:
    """A RaggedTensor's value, as `Session.run` returns it: arrays instead of tensors.

    Attributes:
      values: an array, or another RaggedTensorValue. row_splits: an int32 or int64 array.
    """

    __slots__ = ("values", "row_splits")

    def __init__(self, values: Any, row_splits: Any):
        if not isinstance(row_splits, (np.ndarray, np.generic)) or row_splits.dtype not in (
            np.int32,
            np.int64,
        ):
            raise TypeError(f"row_splits must be a numpy array with dtype int32 or int64, got {row_splits!r}")
        if not isinstance(values, (np.ndarray, np.generic, RaggedTensorValue)):
            raise TypeError(f"values must be a numpy array or a RaggedTensorValue, got {values!r}")
        self.values: Any = values
        self.row_splits: Any = row_splits

    @property
    def flat_values(self) -> Any:
        """The innermost values."""
        return self.values.flat_values if isinstance(self.values, RaggedTensorValue) else self.values

    @property
    def nested_row_splits(self) -> tuple:
        """The row splits of all ragged dimensions, outermost first."""
        inner = self.values.nested_row_splits if isinstance(self.values, RaggedTensorValue) else ()
        return (self.row_splits, *inner)

    @property
    def ragged_rank(self) -> int:
        """The number of row partitions."""
        return len(self.nested_row_splits)

    @property
    def dtype(self) -> Any:
        """The NumPy dtype of the values."""
        return self.flat_values.dtype

    @property
    def shape(self) -> tuple:
        """The shape, with None for ragged dimensions."""
        return (len(self.row_splits) - 1, *(None,) * self.ragged_rank, *self.flat_values.shape[1:])

    def to_list(self) -> list:
        """Nested Python lists."""
        values = self.values.to_list() if isinstance(self.values, RaggedTensorValue) else self.values.tolist()
        return [values[begin:end] for begin, end in zip(self.row_splits[:-1], self.row_splits[1:])]

    def __repr__(self) -> str:
        return f"tf.RaggedTensorValue(values={self.values!r}, row_splits={self.row_splits!r})"

    __str__ = __repr__


def nested_text(value: Any, indent: str = " ") -> str:
    """Nested lists as text; the innermost dense parts as NumPy writes them."""
    if not isinstance(value, RaggedTensorValue):
        return np.array2string(
            value, separator=", ", formatter={"object": repr} if value.dtype.kind == "O" else None
        )
    rows = []
    for begin, end in zip(value.row_splits[:-1], value.row_splits[1:]):
        inner = value.values
        if isinstance(inner, RaggedTensorValue):
            row: Any = RaggedTensorValue(inner.values, inner.row_splits[begin : end + 1])
        else:
            row = inner[begin:end]
        rows.append(nested_text(row, indent + " ").replace("\n", "\n "))
    return "[" + ", ".join(rows) + "]"
