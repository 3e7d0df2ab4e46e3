"""`RaggedTensor`: a tensor with dimensions whose slices have different lengths, as values and row partitions.

Construction from rows and views of the structure are methods here; conversion to dense and sparse tensors is in
`ragged.conversion`, slicing in `ragged.getitem`, operators in `ragged.operators`, the TypeSpec in `ragged.spec`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.gathering import gather
from penstock.ops.ragged.row_partition import RowPartition
from penstock.ops.ragged.value import RaggedTensorValue, nested_text
from penstock.types import dtypes, errors
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor


def is_ragged(value: Any) -> bool:
    """Whether `value` is a RaggedTensor or a RaggedTensorValue."""
    return isinstance(value, (RaggedTensor, RaggedTensorValue))


@export("RaggedTensor")
class RaggedTensor(CompositeTensor):
    """A tensor some of whose dimensions have slices of different lengths.

    `values` (a tensor, or another RaggedTensor) holds all rows, one after the other; a row partition says where they
    begin and end. Made by `tf.ragged.constant` or by one of the `from_...` methods.

    Example:
      >>> import penstock as tf
      >>> tf.RaggedTensor.from_row_splits([3, 1, 4, 1, 5], [0, 2, 2, 5])
      <tf.RaggedTensor [[3, 1], [], [4, 1, 5]]>
    """

    __array_priority__ = 200  # tensors and variables defer to it
    spec_class: type  # RaggedTensorSpec, set by `ragged.spec`
    __getitem__: Callable[..., Any]  # set by `ragged.getitem`

    def __init__(self, values: Any, row_partition: RowPartition, internal: bool = False):
        if not internal:
            raise ValueError(
                "RaggedTensor constructor is private; please use one of the factory methods instead (e.g., "
                "RaggedTensor.from_row_lengths())"
            )
        self._values, self._row_partition = values, row_partition

    # Making it.

    @classmethod
    def _from_row_partition(
        cls, values: Any, row_partition: RowPartition, validate: bool = True
    ) -> RaggedTensor:
        if not isinstance(row_partition, RowPartition):
            raise TypeError(f"Argument `row_partition` must be a RowPartition. Received {row_partition}.")
        values = _as_values(values)
        if isinstance(values, RaggedTensor) and values.row_splits.dtype is not row_partition.dtype:
            values = values.with_row_splits_dtype(dtypes.int64)
            row_partition = row_partition.with_dtype(dtypes.int64)
        rows = _static_rows(values)
        if rows is not None:
            if validate and row_partition.static_nvals not in (None, rows):
                raise errors.InvalidArgumentError(
                    None, None, "Arguments to _from_row_partition do not form a valid RaggedTensor: the partition is "
                    f"of {row_partition.static_nvals} values, and there are {rows}"
                )  # fmt: skip
            row_partition = row_partition.with_nvals(rows)
        return cls(values, row_partition, internal=True)

    @classmethod
    def from_value_rowids(
        cls, values: Any, value_rowids: Any, nrows: Any = None, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Value j belongs to row `value_rowids[j]`; the ids must not decrease.

        Example:
          >>> import penstock as tf
          >>> tf.RaggedTensor.from_value_rowids([3, 1, 4], [0, 0, 2])
          <tf.RaggedTensor [[3, 1], [], [4]]>
        """
        if not isinstance(validate, bool):
            raise TypeError(f"Argument `validate` must have type bool. Received {validate}.")
        values = _as_values(values)
        partition = RowPartition.from_value_rowids(value_rowids, nrows, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i is `values[row_splits[i]:row_splits[i + 1]]`.

        Raises:
          InvalidArgumentError: the splits do not begin with 0, decrease, or do not end with the number of values.

        Example:
          >>> import penstock as tf
          >>> tf.RaggedTensor.from_row_splits([3, 1, 4], [0, 2, 3])
          <tf.RaggedTensor [[3, 1], [4]]>
        """
        values = _as_values(values)
        partition = RowPartition.from_row_splits(row_splits, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i holds the next `row_lengths[i]` values.

        Example:
          >>> import penstock as tf
          >>> tf.RaggedTensor.from_row_lengths([3, 1, 4], [2, 0, 1])
          <tf.RaggedTensor [[3, 1], [], [4]]>
        """
        values = _as_values(values)
        partition = RowPartition.from_row_lengths(row_lengths, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i begins with `values[row_starts[i]]`."""
        values = _as_values(values)
        partition = RowPartition.from_row_starts(
            row_starts, _nvals(values), validate, dtype_hint=_hint(values)
        )
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_limits(
        cls, values: Any, row_limits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i ends before `values[row_limits[i]]`."""
        values = _as_values(values)
        partition = RowPartition.from_row_limits(row_limits, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_uniform_row_length(
        cls,
        values: Any,
        uniform_row_length: Any,
        nrows: Any = None,
        validate: bool = True,
        name: str | None = None,
    ) -> RaggedTensor:
        """Every row holds `uniform_row_length` values; `nrows` is needed where that is 0.

        Example:
          >>> import penstock as tf
          >>> tf.RaggedTensor.from_uniform_row_length([3, 1, 4, 1], 2).shape
          TensorShape([2, 2])
        """
        values = _as_values(values)
        partition = RowPartition.from_uniform_row_length(
            uniform_row_length, _nvals(values), nrows, validate, dtype_hint=_hint(values)
        )
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_nested_value_rowids(
        cls, flat_values: Any, nested_value_rowids: Sequence[Any], nested_nrows: Sequence[Any] | None = None,
        name: str | None = None, validate: bool = True,
    ) -> RaggedTensor:  # fmt: skip
        """As `from_value_rowids` for several ragged dimensions, outermost first."""
        _check_list(nested_value_rowids, "nested_value_rowids")
        if nested_nrows is None:
            nested_nrows = [None] * len(nested_value_rowids)
        _check_list(nested_nrows, "nested_nrows")
        if len(nested_nrows) != len(nested_value_rowids):
            raise ValueError(
                "Argument `nested_nrows` must have the same length as argument `nested_value_rowids`."
            )
        result = flat_values
        for ids, rows in reversed(list(zip(nested_value_rowids, nested_nrows))):
            result = cls.from_value_rowids(result, ids, rows, validate=validate)
        return result

    @classmethod
    def from_nested_row_splits(
        cls,
        flat_values: Any,
        nested_row_splits: Sequence[Any],
        name: str | None = None,
        validate: bool = True,
    ) -> RaggedTensor:
        """As `from_row_splits` for several ragged dimensions, outermost first."""
        _check_list(nested_row_splits, "nested_row_splits")
        result = flat_values
        for splits in reversed(nested_row_splits):
            result = cls.from_row_splits(result, splits, validate=validate)
        return result

    @classmethod
    def from_nested_row_lengths(
        cls,
        flat_values: Any,
        nested_row_lengths: Sequence[Any],
        name: str | None = None,
        validate: bool = True,
    ) -> RaggedTensor:
        """As `from_row_lengths` for several ragged dimensions, outermost first."""
        _check_list(nested_row_lengths, "nested_row_lengths")
        result = flat_values
        for lengths in reversed(nested_row_lengths):
            result = cls.from_row_lengths(result, lengths, validate=validate)
        return result

    @classmethod
    def _from_nested_row_partitions(
        cls,
        flat_values: Any,
        nested_row_partitions: Sequence[RowPartition],
        name: str | None = None,
        validate: bool = True,
    ) -> RaggedTensor:
        result = flat_values
        for partition in reversed(nested_row_partitions):
            result = cls._from_row_partition(result, partition, validate)
        return result

    # What it is.

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._values.dtype

    @property
    def shape(self) -> TensorShape:
        """The shape, with None for ragged dimensions and for what is not known."""
        outer = [self._row_partition.static_nrows, self._row_partition.static_uniform_row_length]
        return TensorShape(outer).concatenate(self._values.shape[1:])

    def get_shape(self) -> TensorShape:
        """The shape; same as `.shape`."""
        return self.shape

    def _set_shape(self, shape: Any) -> None:
        """Adds what the caller knows: sizes of uniform dimensions."""
        shape = TensorShape(shape)
        if shape.rank is None:
            return
        dims = shape.as_list()
        if len(dims) > 1 and dims[1] is not None and self._row_partition._uniform_row_length is None:
            length = convert_to_tensor(dims[1], self._row_partition.dtype)
            old = self._row_partition
            self._row_partition = RowPartition(
                old._row_splits,
                old._row_lengths,
                old._value_rowids,
                old._nrows,
                length,
                old._nvals,
                internal=True,
            )
        if dims[0] is not None and self._row_partition._row_splits.shape[0] is None:
            self._row_partition._row_splits.set_shape([dims[0] + 1])
        if isinstance(self._values, RaggedTensor):
            self._values._set_shape([None, *dims[2:]])
        elif thread.graph is not None and len(dims) > 1:
            self._values.set_shape([None, *dims[2:]])

    @property
    def ragged_rank(self) -> int:
        """The number of row partitions."""
        return 1 + (self._values.ragged_rank if isinstance(self._values, RaggedTensor) else 0)

    @property
    def values(self) -> Any:
        """All rows joined: a tensor, or a RaggedTensor."""
        return self._values

    @property
    def flat_values(self) -> Tensor:
        """The innermost values, a tensor."""
        values = self._values
        while isinstance(values, RaggedTensor):
            values = values._values
        return values

    @property
    def row_splits(self) -> Tensor:
        """Where rows begin and end in `values`."""
        return self._row_partition.row_splits()

    @property
    def uniform_row_length(self) -> Tensor | None:
        """The length of every row where they were made equal; else None."""
        return self._row_partition.uniform_row_length()

    @property
    def nested_row_splits(self) -> tuple:
        """The row splits of all partitions, outermost first."""
        return tuple(each.row_splits() for each in self._nested_row_partitions)

    @property
    def _nested_row_partitions(self) -> tuple:
        inner = self._values._nested_row_partitions if isinstance(self._values, RaggedTensor) else ()
        return (self._row_partition, *inner)

    def value_rowids(self, name: str | None = None) -> Tensor:
        """The row of each value."""
        return self._row_partition.value_rowids()

    def nested_value_rowids(self, name: str | None = None) -> tuple:
        """The rows of values for all partitions, outermost first."""
        return tuple(each.value_rowids() for each in self._nested_row_partitions)

    def nrows(self, out_type: Any = None, name: str | None = None) -> Tensor:
        """The number of rows."""
        rows = self._row_partition.nrows()
        return rows if out_type is None else cast(rows, out_type)

    def row_starts(self, name: str | None = None) -> Tensor:
        """Where each row begins in `values`."""
        return self._row_partition.row_starts()

    def row_limits(self, name: str | None = None) -> Tensor:
        """Where each row ends in `values`."""
        return self._row_partition.row_limits()

    def row_lengths(self, axis: int = 1, name: str | None = None) -> Any:
        """The lengths of the slices of dimension `axis`, one for each slice of the dimensions before it."""
        if axis == 0:
            return self.nrows()
        if axis == 1:
            return self._row_partition.row_lengths()
        if isinstance(self._values, RaggedTensor):
            return self.with_values(self._values.row_lengths(axis - 1))
        shape = execute("Shape", (self._values,), {"out_type": self._row_partition.dtype})
        lengths = execute("Fill", (shape[: axis - 1], shape[axis - 1]))
        return self.with_values(lengths)

    def nested_row_lengths(self, name: str | None = None) -> tuple:
        """The row lengths of all partitions, outermost first."""
        return tuple(each.row_lengths() for each in self._nested_row_partitions)

    def bounding_shape(self, axis: Any = None, name: str | None = None, out_type: Any = None) -> Tensor:
        """The smallest dense shape that holds the tensor, or its sizes along `axis`."""
        out_type = self._row_partition.dtype if out_type is None else as_dtype(out_type)
        if isinstance(axis, int):
            if axis == 0:
                return cast(self.nrows(), out_type)
            if axis == 1:
                return cast(self._longest(self._row_partition), out_type)
        sizes = [self.nrows(), *(self._longest(each) for each in self._nested_row_partitions)]
        outer = execute("Pack", ([cast(each, out_type) for each in sizes],), {"axis": 0})
        inner = execute("Shape", (self.flat_values,), {"out_type": out_type})[1:]
        whole = execute("ConcatV2", ([outer, inner], convert_to_tensor(0)))
        if axis is None:
            return whole
        if isinstance(axis, int):
            return whole[axis]
        return gather(whole, convert_to_tensor(axis))

    @staticmethod
    def _longest(partition: RowPartition) -> Tensor:
        known = partition.uniform_row_length()
        if known is not None:
            return known
        lengths = partition.row_lengths()
        padded = execute("ConcatV2", ([convert_to_tensor([0], lengths.dtype), lengths], convert_to_tensor(0)))
        return execute("Max", (padded, convert_to_tensor([0])), {"keep_dims": False})

    # With other parts.

    def with_values(self, new_values: Any) -> RaggedTensor:
        """The same rows with other values (one for each old one)."""
        new_values = _as_values(new_values)
        new_values.shape.with_rank_at_least(1)
        if isinstance(new_values, RaggedTensor) and new_values.row_splits.dtype is not self.row_splits.dtype:
            new_values = new_values.with_row_splits_dtype(dtypes.int64)
            return self.with_row_splits_dtype(dtypes.int64).with_values(new_values)
        if not new_values.shape[:1].is_compatible_with(self._values.shape[:1]):
            raise ValueError(f"Values must have {self._values.shape[0]} rows, got shape {new_values.shape}")
        return RaggedTensor(new_values, self._row_partition, internal=True)

    def with_flat_values(self, new_values: Any) -> RaggedTensor:
        """The same structure with other innermost values."""
        if isinstance(self._values, RaggedTensor):
            return self.with_values(self._values.with_flat_values(new_values))
        return self.with_values(new_values)

    def with_row_splits_dtype(self, dtype: Any) -> RaggedTensor:
        """The same tensor with row splits of int32 or int64."""
        dtype = as_dtype(dtype)
        if dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"Argument `row_splits` dtype must be int32 or int64. Received {dtype.name}.")
        if self._row_partition.dtype is dtype:
            return self
        values = self._values
        if isinstance(values, RaggedTensor):
            values = values.with_row_splits_dtype(dtype)
        return RaggedTensor(values, self._row_partition.with_dtype(dtype), internal=True)

    def merge_dims(self, outer_axis: int, inner_axis: int) -> Any:
        """Joins the dimensions from `outer_axis` to `inner_axis` into one.

        Example:
          >>> import penstock as tf
          >>> tf.ragged.constant([[[1, 2], [3]], [[4]]]).merge_dims(1, 2)
          <tf.RaggedTensor [[1, 2, 3], [4]]>
        """
        rank = self.shape.rank
        outer, inner = (axis + rank if axis < 0 else axis for axis in (outer_axis, inner_axis))
        if not 0 <= outer <= inner < rank:
            raise ValueError(
                f"Expected outer_axis ({outer_axis}) to be less than or equal to inner_axis ({inner_axis})"
            )
        from penstock.ops.ragged.structure import merge_dims

        return merge_dims(self, outer, inner)

    # Values.

    def numpy(self) -> np.ndarray:
        """A NumPy array: of objects, one array for each row, where rows have different lengths.

        Raises:
          ValueError: the tensor belongs to a graph.
        """
        if not self._is_eager():
            raise ValueError("RaggedTensor.numpy() is only supported in eager mode.")
        values = self._values.numpy()
        splits = self.row_splits.numpy()
        rows = np.split(values, splits[1:-1])
        if not rows:
            return np.array([], dtype=values.dtype)
        if len(splits) == 1:
            return np.zeros((0, 0, *values.shape[1:]), dtype=values.dtype)
        if all(len(row) == len(rows[0]) for row in rows):
            return np.stack(rows)
        out = np.empty(len(rows), object)
        for index, row in enumerate(rows):
            out[index] = row
        return out

    def to_list(self) -> list:
        """Nested Python lists.

        Raises:
          ValueError: the tensor belongs to a graph.
        """
        if not self._is_eager():
            raise ValueError("to_list can only be used in eager mode.")
        return self._eager_value().to_list()

    def _eager_value(self) -> RaggedTensorValue:
        values = (
            self._values._eager_value() if isinstance(self._values, RaggedTensor) else self._values.numpy()
        )
        return RaggedTensorValue(values, self.row_splits.numpy())

    @staticmethod
    def _from_session_values(values: list[Any]) -> RaggedTensorValue:
        """What `Session.run` returns for a RaggedTensor."""
        result, *nested_splits = values
        for splits in reversed(nested_splits):
            result = RaggedTensorValue(result, splits)
        return result

    def _is_eager(self) -> bool:
        return isinstance(self.flat_values, EagerTensor) and all(
            isinstance(each, EagerTensor) for each in self.nested_row_splits
        )

    def __len__(self) -> int:
        raise TypeError("object of type 'RaggedTensor' has no len()")

    def __iter__(self) -> Iterator[Any]:
        rows = self._row_partition.static_nrows
        if rows is None:
            raise TypeError("Cannot iterate over a RaggedTensor whose number of rows is not known.")
        return (self[index] for index in range(rows))

    def __bool__(self) -> bool:
        raise TypeError("RaggedTensor may not be used as a boolean.")

    __nonzero__ = __bool__

    def __repr__(self) -> str:
        if self._is_eager():
            return f"<tf.RaggedTensor {nested_text(self._eager_value())}>"
        return f"tf.RaggedTensor(values={self._values}, row_splits={self.row_splits})"

    def _as_graph_element(self) -> Any:
        values = self._values
        while not isinstance(values, Tensor):
            values = values.values
        return values

    def consumers(self) -> list:
        """The operations that take one of its tensors."""
        return self._as_graph_element().consumers()

    @property
    def _type_spec(self) -> Any:
        return RaggedTensor.spec_class(self.shape, self.dtype, self.ragged_rank, self.row_splits.dtype)

    def _shape_invariant_to_type_spec(self, shape: Any) -> Any:
        return RaggedTensor.spec_class(shape, self.dtype, self.ragged_rank, self.row_splits.dtype)


def _check_list(value: Any, what: str) -> None:
    if isinstance(value, Tensor):
        raise TypeError(f"Argument `{what}` must be a list of Tensors. Received {value}.")


def _hint(values: Any) -> DType | None:
    return values._row_partition.dtype if isinstance(values, RaggedTensor) else None


def _as_values(values: Any) -> Any:
    if isinstance(values, RaggedTensor):
        return values
    if isinstance(values, RaggedTensorValue):
        return from_ragged_value(values)
    if isinstance(values, (list, tuple)) and not values:
        values = np.zeros([0], np.float32)
    tensor = convert_to_tensor(values)
    if tensor.shape.rank == 0:
        raise errors.InvalidArgumentError(
            None, None, f"values must have rank 1 or more, got the scalar {tensor}"
        )
    return tensor


def _static_rows(values: Any) -> int | None:
    if isinstance(values, RaggedTensor):
        return values._row_partition.static_nrows
    return values.shape[0] if values.shape.rank is not None else None


def _nvals(values: Any) -> Tensor:
    """The number of rows of values, as a tensor."""
    if isinstance(values, RaggedTensor):
        return values.nrows()
    known = _static_rows(values)
    if known is not None:
        return convert_to_tensor(known, dtypes.int64)
    return execute("Shape", (values,), {"out_type": dtypes.int64})[0]


def from_ragged_value(value: RaggedTensorValue) -> RaggedTensor:
    """A RaggedTensor of a RaggedTensorValue."""
    values = (
        from_ragged_value(value.values)
        if isinstance(value.values, RaggedTensorValue)
        else convert_to_tensor(value.values)
    )
    return RaggedTensor.from_row_splits(values, value.row_splits, validate=False)
