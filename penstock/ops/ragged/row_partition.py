"""`RowPartition`: how a sequence of values is divided into rows, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import dtype_of
from penstock.ops.casting import cast
from penstock.ops.concatenation import concat
from penstock.ops.cumulative import cumsum
from penstock.ops.gathering import gather
from penstock.ops.ranges import range_
from penstock.types import dtypes, errors
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, Tensor
from penstock.types.type_spec import TypeSpec, register

_INTEGERS = (dtypes.int32, dtypes.int64)


def partition_tensor(value: Any, what: str, dtype: Any = None, dtype_hint: Any = None) -> Tensor:
    """An int32 or int64 tensor: int64 unless the value says otherwise.

    Raises:
      ValueError: it is of another dtype.
    """
    if isinstance(value, np.ndarray) and dtype is None and value.dtype in (np.int32, np.int64):
        dtype = as_dtype(value.dtype)
    if isinstance(value, (list, tuple)) and dtype is None:
        dtype = next((found for each in value if (found := dtype_of(each)) in _INTEGERS), None)
    if dtype is None and not isinstance(value, Tensor) and dtype_of(value) is None:
        array = np.asarray(value)
        if array.size and array.dtype.kind not in "iu":
            raise ValueError(f"Cannot convert {what} to an integer dtype: got {array.dtype}")
        dtype = as_dtype(dtype_hint or dtypes.int64)
    tensor = convert_to_tensor(value) if dtype is None else cast(convert_to_tensor(value), as_dtype(dtype))
    if tensor.dtype not in _INTEGERS:
        raise ValueError(f"{what} must have dtype int32 or int64, got {tensor.dtype.name}")
    return tensor


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise errors.InvalidArgumentError(None, None, message)


def _check_rank(tensor: Tensor, rank: int, what: str) -> None:
    _check(tensor.shape.rank in (None, rank), f"{what} must have rank {rank}, got shape {tensor.shape}")


def splits_from_lengths(lengths: Tensor) -> Tensor:
    """Row splits: the running sum of row lengths, with 0 before it."""
    zero = convert_to_tensor([0], lengths.dtype)
    return concat([zero, cumsum(lengths)], 0)


@export("experimental.RowPartition")
class RowPartition(CompositeTensor):
    """Divides `nvals` values into `nrows` rows. Made by one of its `from_...` methods.

    Example:
      >>> import penstock as tf
      >>> p = tf.experimental.RowPartition.from_row_lengths([2, 0, 3])
      >>> p.row_splits().numpy().tolist(), p.value_rowids().numpy().tolist()
      ([0, 2, 2, 5], [0, 0, 2, 2, 2])
    """

    def __init__(
        self,
        row_splits: Tensor,
        row_lengths: Tensor | None = None,
        value_rowids: Tensor | None = None,
        nrows: Tensor | None = None,
        uniform_row_length: Tensor | None = None,
        nvals: Tensor | None = None,
        internal: bool = False,
    ):
        if not internal:
            raise ValueError(
                "RowPartition constructor is private; please use one of the factory methods instead."
            )
        self._row_splits, self._row_lengths, self._value_rowids = row_splits, row_lengths, value_rowids
        self._nrows, self._uniform_row_length, self._nvals = nrows, uniform_row_length, nvals

    # Making it.

    @classmethod
    def from_row_splits(
        cls, row_splits: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Row i holds the values from `row_splits[i]` up to `row_splits[i + 1]`.

        Raises:
          InvalidArgumentError: they do not begin with 0, or decrease.
        """
        splits = partition_tensor(row_splits, "row_splits", dtype, dtype_hint)
        _check_rank(splits, 1, "row_splits")
        _check(splits.shape[0] != 0, "row_splits may not be empty: it begins with 0")
        known = constant_value(splits) if validate else None
        if known is not None:
            _check(
                known[0] == 0,
                f"Arguments to from_row_splits do not form a valid RaggedTensor: row_splits[0] is {known[0]}",
            )
            _check(
                bool((np.diff(known) >= 0).all()),
                f"Arguments to from_row_splits do not form a valid RaggedTensor: {known.tolist()} decreases",
            )
        return cls(splits, internal=True)

    @classmethod
    def from_row_lengths(
        cls, row_lengths: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Row i holds `row_lengths[i]` values.

        Raises:
          InvalidArgumentError: a length is negative.
        """
        lengths = partition_tensor(row_lengths, "row_lengths", dtype, dtype_hint)
        _check_rank(lengths, 1, "row_lengths")
        known = constant_value(lengths) if validate else None
        if known is not None:
            _check(
                bool((known >= 0).all()),
                f"Arguments to from_row_lengths do not form a valid RaggedTensor: {known.tolist()}",
            )
        return cls(splits_from_lengths(lengths), row_lengths=lengths, internal=True)

    @classmethod
    def from_row_starts(
        cls, row_starts: Any, nvals: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Row i begins with value `row_starts[i]`; the last row ends with value `nvals - 1`."""
        starts = partition_tensor(row_starts, "row_starts", dtype, dtype_hint)
        _check_rank(starts, 1, "row_starts")
        return cls.from_row_splits(concat([starts, _as_vector(nvals, starts.dtype)], 0), validate)

    @classmethod
    def from_row_limits(
        cls, row_limits: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Row i ends before value `row_limits[i]`."""
        limits = partition_tensor(row_limits, "row_limits", dtype, dtype_hint)
        _check_rank(limits, 1, "row_limits")
        return cls.from_row_splits(concat([convert_to_tensor([0], limits.dtype), limits], 0), validate)

    @classmethod
    def from_value_rowids(
        cls,
        value_rowids: Any,
        nrows: Any = None,
        validate: bool = True,
        dtype: Any = None,
        dtype_hint: Any = None,
    ) -> RowPartition:
        """Value j belongs to row `value_rowids[j]`, which must not decrease.

        Args:
          nrows: the number of rows; by default the last id plus one.

        Raises:
          InvalidArgumentError: ids decrease or are outside `[0, nrows)`.
        """
        ids = partition_tensor(value_rowids, "value_rowids", dtype, dtype_hint)
        _check_rank(ids, 1, "value_rowids")
        if nrows is None:
            last = concat([convert_to_tensor([-1], ids.dtype), ids], 0)[-1]
            rows = last + 1
        else:
            rows = partition_tensor(nrows, "nrows", ids.dtype)
            _check_rank(rows, 0, "nrows")
        known, known_rows = constant_value(ids), constant_value(rows)
        if validate and known is not None:
            _check(
                bool((np.diff(known) >= 0).all()),
                f"Arguments to from_value_rowids do not form a valid RaggedTensor: {known.tolist()}",
            )
            _check(
                not len(known) or known[0] >= 0,
                f"Arguments to from_value_rowids do not form a valid RaggedTensor: {known.tolist()}",
            )
            if known_rows is not None:
                if nrows is not None and known_rows < 0:
                    raise ValueError(f"Expected nrows >= 0; got {known_rows}")
                _check(
                    not len(known) or known[-1] < known_rows,
                    f"Arguments to from_value_rowids do not form a valid RaggedTensor: {known.tolist()} does not fit "
                    f"nrows {known_rows}",
                )
        if isinstance(ids, EagerTensor) and known is not None and known_rows is not None:
            # The search of sorted edges in sorted ids is short in NumPy, however many they are.
            found = np.searchsorted(known, np.arange(known_rows + 1, dtype=known.dtype))
            splits = convert_to_tensor(found.astype(known.dtype))
        else:
            edges = range_(rows + 1)
            splits = execute("LowerBound", (ids[None, :], edges[None, :]), {"out_type": ids.dtype})[0]
        return cls(splits, value_rowids=ids, nrows=rows, internal=True)

    @classmethod
    def from_uniform_row_length(
        cls,
        uniform_row_length: Any,
        nvals: Any = None,
        nrows: Any = None,
        validate: bool = True,
        dtype: Any = None,
        dtype_hint: Any = None,
    ) -> RowPartition:
        """Every row holds `uniform_row_length` values.

        Args:
          nvals: the number of values; nrows: the number of rows. One is needed, and `nrows` where the length is 0.

        Raises:
          ValueError: neither is given. InvalidArgumentError: they contradict each other.
        """
        if nvals is None and nrows is None:
            raise ValueError("At least one of nvals or nrows must be specified.")
        if dtype is None:
            dtype = next(
                (
                    found
                    for each in (uniform_row_length, nvals, nrows)
                    if (found := dtype_of(each)) in _INTEGERS
                ),
                None,
            )
        length = partition_tensor(uniform_row_length, "uniform_row_length", dtype, dtype_hint)
        _check_rank(length, 0, "uniform_row_length")
        known = constant_value(length)
        if known is not None and known < 0:
            raise errors.InvalidArgumentError(None, None, f"uniform_row_length must be >= 0, got {known}")
        if nrows is not None:
            rows = partition_tensor(nrows, "nrows", length.dtype)
        elif known == 0:
            rows = (
                convert_to_tensor(1, length.dtype)
                if constant_value(nvals) is None
                else convert_to_tensor(0, length.dtype)
            )
        else:
            rows = cast(convert_to_tensor(nvals), length.dtype) // length
        known_rows, known_values = constant_value(rows), None if nvals is None else constant_value(nvals)
        if validate and known is not None and known_rows is not None and known_values is not None:
            _check(
                known_rows * known == known_values,
                f"uniform_row_length {known} times nrows {known_rows} must be the number of values, {known_values}",
            )
        splits = range_(rows + 1) * length
        values = rows * length if nvals is None else cast(convert_to_tensor(nvals), length.dtype)
        return cls(splits, nrows=rows, uniform_row_length=length, nvals=values, internal=True)

    # What it says.

    @property
    def dtype(self) -> DType:
        """int32 or int64: that of everything it returns."""
        return self._row_splits.dtype

    def row_splits(self) -> Tensor:
        """Where rows begin and end: `nrows + 1` numbers."""
        return self._row_splits

    def row_starts(self) -> Tensor:
        """The first value of each row."""
        return self._row_splits[:-1]

    def row_limits(self) -> Tensor:
        """One past the last value of each row."""
        return self._row_splits[1:]

    def row_lengths(self) -> Tensor:
        """The number of values in each row."""
        if self._row_lengths is not None:
            return self._row_lengths
        found = self._row_splits[1:] - self._row_splits[:-1]
        if isinstance(found, EagerTensor):
            self._row_lengths = found
        return found

    def value_rowids(self) -> Tensor:
        """The row of each value."""
        if self._value_rowids is not None:
            return self._value_rowids
        places = range_(self.nvals())
        found = execute(
            "UpperBound", (self.row_limits()[None, :], places[None, :]), {"out_type": self.dtype}
        )[0]
        if isinstance(found, EagerTensor):
            self._value_rowids = found
        return found

    def nrows(self) -> Tensor:
        """The number of rows."""
        if self._nrows is not None:
            return self._nrows
        known = self._row_splits.shape[0]
        if known is not None:
            return convert_to_tensor(known - 1, self.dtype)
        return execute("Size", (self._row_splits,), {"out_type": self.dtype}) - 1

    def nvals(self) -> Tensor:
        """The number of values."""
        return self._row_splits[-1] if self._nvals is None else self._nvals

    def with_nvals(self, nvals: Any) -> RowPartition:
        """The same partition, which knows how many values there are (where that is known while a graph is built)."""
        if self._nvals is not None or nvals is None:
            return self
        count = convert_to_tensor(nvals, self.dtype)
        return RowPartition(
            self._row_splits,
            self._row_lengths,
            self._value_rowids,
            self._nrows,
            self._uniform_row_length,
            count,
            internal=True,
        )

    def uniform_row_length(self) -> Tensor | None:
        """The length of every row, where they were made equal; else None."""
        return self._uniform_row_length

    def offsets_in_rows(self) -> Tensor:
        """The position of each value in its row."""
        return range_(self.nvals()) - gather(self.row_starts(), self.value_rowids())

    def is_uniform(self) -> bool:
        """Whether the rows were made equal in length."""
        return self._uniform_row_length is not None

    @property
    def static_nrows(self) -> int | None:
        """The number of rows where it is known."""
        size = self._row_splits.shape[0] if self._row_splits.shape.rank is not None else None
        if size is not None:
            return size - 1
        known = None if self._nrows is None else constant_value(self._nrows)
        return None if known is None else int(known)

    @property
    def static_nvals(self) -> int | None:
        """The number of values where it is known."""
        known = constant_value(self.nvals())
        return None if known is None else int(known)

    @property
    def static_uniform_row_length(self) -> int | None:
        """The length of every row where it is known."""
        known = None if self._uniform_row_length is None else constant_value(self._uniform_row_length)
        return None if known is None else int(known)

    def with_dtype(self, dtype: Any) -> RowPartition:
        """The same partition in int32 or int64."""
        dtype = as_dtype(dtype)
        if dtype not in _INTEGERS:
            raise ValueError(f"Argument `dtype` must be int32 or int64. Received {dtype.name}.")
        if dtype is self.dtype:
            return self
        kept = (
            self._row_splits,
            self._row_lengths,
            self._value_rowids,
            self._nrows,
            self._uniform_row_length,
            self._nvals,
        )
        return RowPartition(*(None if each is None else cast(each, dtype) for each in kept), internal=True)

    @property
    def _type_spec(self) -> RowPartitionSpec:
        return RowPartitionSpec(
            self.static_nrows, self.static_nvals, self.static_uniform_row_length, self.dtype
        )

    def __repr__(self) -> str:
        if thread.graph is None and constant_value(self._row_splits) is not None:
            if self._uniform_row_length is not None:
                return f"tf.RowPartition(nrows={int(self.nrows())}, uniform_row_length={int(self._uniform_row_length)})"
            return f"tf.RowPartition(row_splits={constant_value(self._row_splits)})"
        return f"tf.RowPartition({self._row_splits})"


def _as_vector(value: Any, dtype: DType) -> Tensor:
    scalar = convert_to_tensor(value)
    return execute("Reshape", (cast(scalar, dtype), convert_to_tensor([1], dtypes.int32)))


@register("tf.RowPartitionSpec")
class RowPartitionSpec(TypeSpec):
    """The type of a `RowPartition`: how many rows and values it has and how long the rows are, where known."""

    __slots__ = ("_nrows", "_nvals", "_uniform_row_length", "_dtype")

    def __init__(
        self, nrows: int | None = None, nvals: int | None = None, uniform_row_length: int | None = None,
        dtype: Any = dtypes.int64,
    ):  # fmt: skip
        self._nrows, self._nvals = TensorShape([nrows]), TensorShape([nvals])
        self._uniform_row_length = TensorShape([uniform_row_length])
        self._dtype = as_dtype(dtype)

    @property
    def value_type(self) -> type:
        """The class of the values of this type."""
        return RowPartition

    @property
    def nrows(self) -> int | None:
        """The number of rows where it is known."""
        return self._nrows[0]

    @property
    def nvals(self) -> int | None:
        """The number of values where it is known."""
        return self._nvals[0]

    @property
    def uniform_row_length(self) -> int | None:
        """The length of every row where it is known."""
        return self._uniform_row_length[0]

    @property
    def dtype(self) -> DType:
        """int32 or int64."""
        return self._dtype

    def _serialize(self) -> tuple:
        return (self._nrows, self._nvals, self._uniform_row_length, self._dtype)

    @classmethod
    def _deserialize(cls, serialization: Any) -> RowPartitionSpec:
        nrows, nvals, length, dtype = serialization
        return cls(nrows[0], nvals[0], length[0], dtype)

    @property
    def _component_specs(self) -> TensorSpec:
        return TensorSpec([None if self.nrows is None else self.nrows + 1], self._dtype)

    def _to_components(self, value: RowPartition) -> Tensor:
        return value.row_splits()

    def _from_components(self, components: Any) -> RowPartition:
        partition = RowPartition.from_row_splits(components, validate=False)
        if self.uniform_row_length is not None:
            partition._uniform_row_length = convert_to_tensor(self.uniform_row_length, self._dtype)
        return partition


@export("ragged.row_splits_to_segment_ids")
def row_splits_to_segment_ids(splits: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The row of each value, from row splits.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.row_splits_to_segment_ids([0, 2, 2, 5]).numpy().tolist()
      [0, 0, 2, 2, 2]
    """
    splits = partition_tensor(splits, "splits")
    ids = RowPartition.from_row_splits(splits, validate=False).value_rowids()
    return ids if out_type is None else cast(ids, as_dtype(out_type))


@export("ragged.segment_ids_to_row_splits")
def segment_ids_to_row_splits(
    segment_ids: Any, num_segments: Any = None, out_type: Any = None, name: str | None = None
) -> Tensor:
    """Row splits, from the row of each value.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.segment_ids_to_row_splits([0, 0, 2, 2, 2]).numpy().tolist()
      [0, 2, 2, 5]
    """
    ids = partition_tensor(segment_ids, "segment_ids")
    splits = RowPartition.from_value_rowids(ids, num_segments, validate=False).row_splits()
    return splits if out_type is None else cast(splits, as_dtype(out_type))


# Ranges of several lengths: how rows are cut, gathered and reversed.


def _ragged_range(starts: Any, limits: Any, deltas: Any, *, Tsplits: DType) -> tuple[Any, Any]:
    starts, limits, deltas = np.broadcast_arrays(
        np.atleast_1d(starts), np.atleast_1d(limits), np.atleast_1d(deltas)
    )
    if (deltas == 0).any():
        raise ValueError("Requires delta != 0")
    if starts.dtype.kind == "f":
        counts = np.maximum(np.ceil((limits - starts) / deltas), 0).astype(np.int64)
    else:
        spread = limits.astype(np.int64) - starts
        counts = np.maximum(-(-spread // deltas.astype(np.int64)), 0)
    splits = np.concatenate([[0], np.cumsum(counts)])
    steps = np.arange(splits[-1]) - np.repeat(splits[:-1], counts)
    values = np.repeat(starts, counts) + steps.astype(starts.dtype) * np.repeat(deltas, counts)
    return splits.astype(Tsplits.as_numpy_dtype), values.astype(starts.dtype)


def _range_shapes(call: Any) -> list[TensorShape]:
    sizes = [call.shape(i)[0] for i in range(3) if call.shape(i).rank == 1]
    rows = sizes[0] if sizes else (1 if all(call.shape(i).rank == 0 for i in range(3)) else None)
    return [TensorShape([None if rows is None else rows + 1]), TensorShape([None])]


op(
    "RaggedRange(starts: T, limits: T, deltas: T; Tsplits=int64) -> (rt_nested_splits: Tsplits, rt_dense_values: T)",
    numpy=_ragged_range,
    shape=_range_shapes,
    gradient=stops,
)
