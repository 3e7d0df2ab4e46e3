"""How programs say what is in their Examples: `tf.io.FixedLenFeature` and its siblings, and what ops are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.reshaping import reshape
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.errors import ShapeError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("io.VarLenFeature", v1=["io.VarLenFeature", "VarLenFeature"])
class VarLenFeature(NamedTuple):
    """A feature with any number of values, parsed to a `SparseTensor`.

    Attributes:
      dtype: float32, int64 or string.

    Example:
      >>> import penstock as tf
      >>> tf.io.VarLenFeature(tf.int64)
      VarLenFeature(dtype=tf.int64)
    """

    dtype: Any


@export("io.FixedLenFeature", v1=["io.FixedLenFeature", "FixedLenFeature"])
class FixedLenFeature(NamedTuple):
    """A feature that fills a tensor of a known shape.

    Attributes:
      shape: the shape of one Example's values.
      dtype: float32, int64 or string.
      default_value: what stands in for a missing feature, of that shape. None: the feature is required.

    Example:
      >>> import penstock as tf
      >>> tf.io.FixedLenFeature([2], tf.float32)
      FixedLenFeature(shape=[2], dtype=tf.float32, default_value=None)
    """

    shape: Any
    dtype: Any
    default_value: Any = None


@export("io.FixedLenSequenceFeature", v1=["io.FixedLenSequenceFeature", "FixedLenSequenceFeature"])
class FixedLenSequenceFeature(NamedTuple):
    """A feature whose values are a sequence of tensors of a known shape, parsed to one tensor with padding.

    Attributes:
      shape: the shape of one step.
      dtype: float32, int64 or string.
      allow_missing: whether an Example may lack the feature; it then has no steps.
      default_value: the scalar that pads shorter sequences; 0 or "" for None.

    Example:
      >>> import penstock as tf
      >>> tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True).default_value
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class _SparseFeatureFields(NamedTuple):
    index_key: Any
    value_key: Any
    dtype: Any
    size: Any
    already_sorted: bool


@export("io.SparseFeature", v1=["io.SparseFeature", "SparseFeature"])
class SparseFeature(_SparseFeatureFields):
    """A `SparseTensor` whose indices and values are features of their own.

    Attributes:
      index_key: the name of the int64 feature with the indices, or a list of names, one for each dimension.
      value_key: the name of the feature with the values.
      dtype: that of the values.
      size: the size of the dimension, or a list of sizes.
      already_sorted: whether the indices are sorted in each Example.

    Example:
      >>> import penstock as tf
      >>> tf.io.SparseFeature("at", "value", tf.float32, 100).already_sorted
      False
    """

    __slots__ = ()

    def __new__(
        cls, index_key: Any, value_key: Any, dtype: Any, size: Any, already_sorted: bool = False
    ) -> SparseFeature:
        return super().__new__(cls, index_key, value_key, dtype, size, already_sorted)


class RowSplits(NamedTuple):
    """Where rows begin, and at the end where the last one ends, in a feature named `key`."""

    key: str


class RowLengths(NamedTuple):
    """How long the rows are, in a feature named `key`."""

    key: str


class RowStarts(NamedTuple):
    """Where rows begin, in a feature named `key`."""

    key: str


class RowLimits(NamedTuple):
    """Where rows end, in a feature named `key`."""

    key: str


class ValueRowIds(NamedTuple):
    """In which row each value is, in a feature named `key`."""

    key: str


class UniformRowLength(NamedTuple):
    """All rows have `length` values."""

    length: int


_PARTITIONS = (RowSplits, RowLengths, RowStarts, RowLimits, ValueRowIds, UniformRowLength)


class _RaggedFeatureFields(NamedTuple):
    dtype: Any
    value_key: Any
    partitions: Any
    row_splits_dtype: Any
    validate: bool


@export("io.RaggedFeature", v1=["io.RaggedFeature"])
class RaggedFeature(_RaggedFeatureFields):
    """A feature parsed to a `RaggedTensor`.

    Attributes:
      dtype: that of the values: float32, int64 or string.
      value_key: the name of the feature with the values; the key in `features` for None.
      partitions: how the values of one Example are divided into rows, from the outermost on: `RowLengths("n")`,
        `RowSplits`, `RowStarts`, `RowLimits`, `ValueRowIds` (their numbers are features too) or `UniformRowLength(3)`.
      row_splits_dtype: int32 or int64.
      validate: whether the partitions are checked.

    Raises:
      TypeError: `partitions` is not a list of partitions.
      ValueError: `row_splits_dtype` is another one.

    Example:
      >>> import penstock as tf
      >>> kind = tf.io.RaggedFeature
      >>> kind(tf.int64, value_key="v", partitions=[kind.RowLengths("n")]).partitions
      (RowLengths(key='n'),)
    """

    __slots__ = ()

    RowSplits = RowSplits
    RowLengths = RowLengths
    RowStarts = RowStarts
    RowLimits = RowLimits
    ValueRowIds = ValueRowIds
    UniformRowLength = UniformRowLength

    def __new__(
        cls,
        dtype: Any,
        value_key: Any = None,
        partitions: Any = (),
        row_splits_dtype: Any = dtypes.int32,
        validate: bool = False,
    ) -> RaggedFeature:
        dtype, splits = as_dtype(dtype), as_dtype(row_splits_dtype)
        if splits not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"Argument `row_splits_dtype` must be int32 or int64; got {splits!r}")
        if not isinstance(partitions, list | tuple):
            raise TypeError(
                f"Argument `partitions` must be a list or tuple. Received partitions={partitions} of type "
                f"{type(partitions).__name__}."
            )
        for each in partitions:
            if not isinstance(each, _PARTITIONS):
                raise TypeError(
                    f"Argument `partitions` has {each!r}, which is none of "
                    f"{', '.join(kind.__name__ for kind in _PARTITIONS)}"
                )
        if not isinstance(validate, bool):
            raise TypeError(
                f"Argument `validate` must be a bool. Received {validate} of type {type(validate).__name__}"
            )
        return super().__new__(cls, dtype, value_key, tuple(partitions), splits, validate)


class Request:
    """The features of a call by kind, in the form that the ops take them.

    Args:
      features: name -> feature. They are taken in the order of their names.
      kinds: the kinds of features that the call knows.

    Attributes:
      sparse, ragged: name in the Examples -> dtype.
      splits: name of a ragged one -> dtype of its row splits.
      dense: name -> dtype.
      defaults: name of a dense one -> what stands in for a missing one; an empty tensor where it is required.
      shapes: name of a dense one -> its shape; [None, ...] for a sequence.

    Raises:
      ValueError: a feature is incomplete, of a kind that is not known here, or contradicts another one.
    """

    def __init__(self, features: Mapping[str, Any], kinds: tuple[type, ...]) -> None:
        self.sparse: dict[str, DType] = {}
        self.ragged: dict[str, DType] = {}
        self.splits: dict[str, DType] = {}
        self.dense: dict[str, DType] = {}
        self.defaults: dict[str, Tensor] = {}
        self.shapes: dict[str, TensorShape] = {}
        self.missing_allowed: set[str] = set()
        for key in sorted(features):
            feature = features[key]
            if not isinstance(feature, kinds):
                raise ValueError(f"Unsupported {type(feature).__name__} {feature} for key {key!r}")
            if feature.dtype is None:
                raise ValueError(f"Missing type for feature {key}. Received feature={feature}.")
            self._take(key, feature)
        self._check_apart()

    def _take(self, key: str, feature: Any) -> None:
        if isinstance(feature, VarLenFeature):
            self._listed(self.sparse, key, as_dtype(feature.dtype))
        elif isinstance(feature, SparseFeature):
            self._sparse(feature)
        elif isinstance(feature, RaggedFeature):
            self._ragged(key, feature)
        elif isinstance(feature, FixedLenFeature):
            self._fixed(key, feature)
        else:
            self._sequence(key, feature)

    @staticmethod
    def _listed(known: dict[str, DType], key: str, dtype: DType, what: str = "type") -> None:
        if known.setdefault(key, dtype) is not dtype:
            raise ValueError(f"Conflicting {what} {known[key]!r} vs {dtype!r} for feature {key}.")

    def _sparse(self, feature: SparseFeature) -> None:
        if not feature.index_key:
            raise ValueError(f"Missing index_key for SparseFeature {feature}.")
        if not feature.value_key:
            raise ValueError(f"Missing value_key for SparseFeature {feature}.")
        for index_key in index_keys(feature):
            self._listed(self.sparse, index_key, dtypes.int64)
        self._listed(self.sparse, feature.value_key, as_dtype(feature.dtype))

    def _ragged(self, key: str, feature: RaggedFeature) -> None:
        wanted = [(key if feature.value_key is None else feature.value_key, feature.dtype)]
        wanted += [(each.key, dtypes.int64) for each in feature.partitions if hasattr(each, "key")]
        for name, dtype in wanted:
            self._listed(self.ragged, name, dtype)
            self._listed(self.splits, name, feature.row_splits_dtype, "partition type")

    def _fixed(self, key: str, feature: FixedLenFeature) -> None:
        if feature.shape is None:
            raise ValueError(f"Missing shape for feature {key}. Received feature={feature}.")
        shape = TensorShape(feature.shape)
        if shape.rank and shape[0] is None:
            raise ValueError(
                f"First dimension of shape for feature {key} unknown. Consider using FixedLenSequenceFeature. "
                f"Received feature={feature}."
            )
        if not shape.is_fully_defined():
            raise ValueError(
                f"All dimensions of shape for feature {key} need to be known but received {feature.shape!s}."
            )
        self.shapes[key] = shape
        self.dense[key] = dtype = as_dtype(feature.dtype)
        self.defaults[key] = _default(feature.default_value, dtype, shape, key)

    def _sequence(self, key: str, feature: FixedLenSequenceFeature) -> None:
        if feature.shape is None:
            raise ValueError(f"Missing shape for feature {key}. Received feature={feature}.")
        self.dense[key] = dtype = as_dtype(feature.dtype)
        self.shapes[key] = TensorShape([None]).concatenate(TensorShape(feature.shape))
        padding = feature.default_value
        if padding is None:
            padding = "" if dtype is dtypes.string else 0
        self.defaults[key] = _default(padding, dtype, TensorShape([]), key)
        if feature.allow_missing:
            self.missing_allowed.add(key)

    def _check_apart(self) -> None:
        kinds = {"dense": self.dense, "sparse": self.sparse, "ragged": self.ragged}
        for one, other in (("dense", "sparse"), ("dense", "ragged"), ("ragged", "sparse")):
            both = set(kinds[one]) & set(kinds[other])
            if both:
                raise ValueError(
                    f"{one.title()} and {other} keys must not intersect; {one}_keys: {list(kinds[one])}, "
                    f"{other}_keys: {list(kinds[other])}, intersection: {both}"
                )


def index_keys(feature: SparseFeature) -> Iterable[str]:
    """The names of the features with the indices."""
    return [feature.index_key] if isinstance(feature.index_key, str) else feature.index_key


def _default(value: Any, dtype: DType, shape: TensorShape, key: str) -> Tensor:
    """The default of a dense feature as a tensor of its shape; an empty one for None."""
    if value is None:
        return convert_to_tensor(np.zeros(0, dtype.as_numpy_dtype), dtype)
    tensor = convert_to_tensor(value, dtype, name=f"{key}_default")
    if tensor.shape.rank is not None and tensor.shape == shape:
        return tensor
    if tensor.shape.num_elements() == math.prod(shape.as_list()) or not tensor.shape.is_fully_defined():
        return reshape(tensor, shape.as_list())
    message = f"the default value of feature {key} has shape {tensor.shape}, and must have shape {shape}"
    raise ShapeError(None, None, message)
