"""`tf.experimental.DynamicRaggedShape`: the shape of a ragged tensor, which `tf.shape` returns for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.casting import cast
from penstock.ops.ragged.row_partition import RowPartition
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("experimental.DynamicRaggedShape")
class DynamicRaggedShape:
    """The row partitions of a ragged tensor, and the shape of its flat values.

    Indexing gives the sizes of uniform dimensions as scalars.

    Example:
      >>> import penstock as tf
      >>> tf.shape(tf.ragged.constant([[1, 2], [3]]))
      <DynamicRaggedShape lengths=[2, (2, 1)] num_row_partitions=1>
    """

    def __init__(
        self, row_partitions: Sequence[RowPartition], inner_shape: Any, dtype: Any = None, validate: bool = False,
        static_inner_shape: Any = None,
    ):  # fmt: skip
        self._row_partitions = tuple(row_partitions)
        kind = (
            as_dtype(dtype)
            if dtype is not None
            else self._row_partitions[0].dtype
            if row_partitions
            else dtypes.int64
        )
        self._inner_shape = cast(convert_to_tensor(inner_shape), kind)
        self._row_partitions = tuple(each.with_dtype(kind) for each in self._row_partitions)
        self._dtype = kind

    @classmethod
    def from_tensor(cls, t: Any, dtype: Any = None) -> DynamicRaggedShape:
        """The shape of a tensor or ragged tensor."""
        if isinstance(t, RaggedTensor):
            kind = as_dtype(dtype) if dtype is not None else t.row_splits.dtype
            inner = execute("Shape", (t.flat_values,), {"out_type": kind})
            return cls(t._nested_row_partitions, inner, kind)
        if isinstance(t, DynamicRaggedShape):
            return t
        kind = as_dtype(dtype) if dtype is not None else dtypes.int64
        return cls((), execute("Shape", (convert_to_tensor(t),), {"out_type": kind}), kind)

    @classmethod
    def from_lengths(
        cls, lengths: Sequence[Any], num_row_partitions: int | None = None, dtype: Any = dtypes.int64
    ) -> DynamicRaggedShape:
        """From a list with, for each dimension, its size or the lengths of its slices."""
        last = max((axis for axis, each in enumerate(lengths) if not isinstance(each, int)), default=0)
        depth = last if num_row_partitions is None else num_row_partitions
        partitions, count = [], lengths[0]
        for each in lengths[1 : depth + 1]:
            if isinstance(each, int):
                partitions.append(RowPartition.from_uniform_row_length(each, nrows=count, dtype=dtype))
                count = count * each
            else:
                partitions.append(RowPartition.from_row_lengths(list(each), dtype=dtype))
                count = sum(each)
        return cls(partitions, [count, *lengths[depth + 1 :]], dtype)

    @classmethod
    def from_row_partitions(
        cls, row_partitions: Sequence[RowPartition], dtype: Any = None
    ) -> DynamicRaggedShape:
        """From row partitions, outermost first; the flat values are a vector."""
        if not row_partitions:
            raise ValueError("row_partitions cannot be empty")
        return cls(row_partitions, row_partitions[-1].nvals()[None], dtype)

    @property
    def dtype(self) -> DType:
        """int32 or int64."""
        return self._dtype

    @property
    def row_partitions(self) -> tuple[RowPartition, ...]:
        """The row partitions, outermost first."""
        return self._row_partitions

    @property
    def num_row_partitions(self) -> int:
        """The number of row partitions."""
        return len(self._row_partitions)

    @property
    def inner_shape(self) -> Tensor:
        """The shape of the flat values."""
        return self._inner_shape

    @property
    def inner_rank(self) -> int | None:
        """The rank of the flat values."""
        return self._inner_shape.shape[0]

    @property
    def rank(self) -> int | None:
        """The number of dimensions."""
        return None if self.inner_rank is None else self.inner_rank + self.num_row_partitions

    def is_uniform(self, axis: int) -> bool:
        """Whether all slices of a dimension have the same length."""
        return not 0 < axis <= self.num_row_partitions or self._row_partitions[axis - 1].is_uniform()

    def with_dtype(self, dtype: Any) -> DynamicRaggedShape:
        """The same shape in int32 or int64."""
        return DynamicRaggedShape(self._row_partitions, self._inner_shape, dtype)

    def static_lengths(self, ragged_lengths: bool = True) -> list[Any]:
        """For each dimension its size, the lengths of its slices (a tuple), or None where they are not known."""
        if not self._row_partitions:
            return self._inner_shape._as_shape().as_list()
        found: list[Any] = [self._row_partitions[0].static_nrows]
        for partition in self._row_partitions:
            if partition.is_uniform():
                found.append(partition.static_uniform_row_length)
            elif ragged_lengths and constant_value(partition.row_splits()) is not None:
                found.append(tuple(constant_value(partition.row_lengths()).tolist()))
            else:
                found.append(None)
        return found + self._inner_shape._as_shape().as_list()[1:]

    def _to_tensor_shape(self) -> TensorShape:
        return TensorShape([each if isinstance(each, int) else None for each in self.static_lengths(False)])

    def __getitem__(self, index: Any) -> Any:
        """The size of a uniform dimension; a slice gives the shape of those dimensions.

        Raises:
          ValueError: the dimension is ragged.
        """
        if isinstance(index, slice):
            return self._slice(index)
        rank = self.rank
        if index < 0 and rank is not None:
            index += rank
        if rank is not None and not 0 <= index < rank:
            raise IndexError(f"Index must be in range [{-rank}, {rank})")
        if not self._row_partitions:
            return self._inner_shape[index]
        if index == 0:
            return self._row_partitions[0].nrows()
        if index <= self.num_row_partitions:
            if not self.is_uniform(index):
                raise ValueError(f"Index {index} is not uniform")
            return self._row_partitions[index - 1].uniform_row_length()
        return self._inner_shape[index - self.num_row_partitions]

    def _slice(self, index: slice) -> Any:
        if index.step not in (None, 1):
            raise IndexError("Cannot stride through a shape")
        start, stop, _ = index.indices(self.rank)
        if not self._row_partitions:
            return DynamicRaggedShape((), self._inner_shape[start:stop], self._dtype)
        if start == 0 and stop > self.num_row_partitions:
            return DynamicRaggedShape(
                self._row_partitions, self._inner_shape[: stop - self.num_row_partitions], self._dtype
            )
        sizes = [self[axis] for axis in range(start, stop)]
        stacked = execute("Pack", (sizes,), {"axis": 0}) if sizes else convert_to_tensor([], self._dtype)
        return DynamicRaggedShape((), stacked, self._dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DynamicRaggedShape) and self.static_lengths() == other.static_lengths()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        lengths = ", ".join("None" if each is None else str(each) for each in self.static_lengths())
        return f"<DynamicRaggedShape lengths=[{lengths}] num_row_partitions={self.num_row_partitions}>"
