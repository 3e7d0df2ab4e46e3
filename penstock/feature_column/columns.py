"""What feature columns are: dense and categorical ones, the cache of what they computed, and where their weights are kept."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any, NamedTuple

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.gathering import gather_nd
from penstock.ops.reshaping import expand_dims
from penstock.ops.selection import where
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.sparse.conversion import reshape as sparse_reshape
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


class IdWeightPair(NamedTuple):
    """What a categorical column gives: ids below `num_buckets`, and their weights or None; both sparse."""

    id_tensor: SparseTensor
    weight_tensor: SparseTensor | None


class TensorSequenceLengthPair(NamedTuple):
    """What a sequence column gives: `[batch, steps, ...]`, and the number of steps of each Example."""

    dense_tensor: Tensor
    sequence_length: Tensor


class FeatureColumn(abc.ABC):
    """One column: it knows the raw features that it needs, and what to make of them."""

    _is_v2_column = True

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name, from which those of weights are made."""

    @property
    @abc.abstractmethod
    def parse_example_spec(self) -> dict[str, Any]:
        """The features that `tf.io.parse_example` must parse for this column."""

    @property
    @abc.abstractmethod
    def parents(self) -> list[Any]:
        """The columns and names of features that this column is made from."""

    @abc.abstractmethod
    def transform_feature(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> Any:
        """The column's intermediate tensor, computed once for each cache."""

    def create_state(self, state_manager: Any) -> None:  # noqa: B027 - most columns have no state
        """Makes the column's variables in the state manager."""

    # TF 1's names.

    @property
    def _parse_example_spec(self) -> dict[str, Any]:
        return self.parse_example_spec

    @property
    def _var_scope_name(self) -> str:
        return self.name

    def _transform_feature(self, inputs: Any) -> Any:
        return self.transform_feature(inputs, None)

    def __eq__(self, other: object) -> bool:
        """Columns are values: their kind and their arguments."""
        if not isinstance(self, tuple):
            return self is other
        return type(self) is type(other) and tuple.__eq__(self, other)  # type: ignore[operator]

    def __ne__(self, other: object) -> bool:
        return not self == other  # a named tuple has a `__ne__` of its own

    def __hash__(self) -> int:
        return hash((type(self), tuple(self))) if isinstance(self, tuple) else id(self)

    def __lt__(self, other: Any) -> bool:
        """Columns, and names of features, are sorted by name."""
        return str(self) < str(other)

    def __gt__(self, other: Any) -> bool:
        return str(self) > str(other)


class DenseColumn(FeatureColumn):
    """A column that gives a dense tensor, as models take it."""

    @property
    @abc.abstractmethod
    def variable_shape(self) -> TensorShape:
        """The shape of one Example's tensor."""

    @abc.abstractmethod
    def get_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> Tensor:
        """`[batch] + variable_shape`, in float32."""

    @property
    def _variable_shape(self) -> TensorShape:
        return self.variable_shape


class CategoricalColumn(FeatureColumn):
    """A column that gives ids of categories."""

    @property
    @abc.abstractmethod
    def num_buckets(self) -> int:
        """The number of categories."""

    @abc.abstractmethod
    def get_sparse_tensors(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> IdWeightPair:
        """The ids, and their weights or None."""

    @property
    def _num_buckets(self) -> int:
        return self.num_buckets


class SequenceDenseColumn(FeatureColumn):
    """A column that gives a dense tensor for each step of a sequence."""

    @abc.abstractmethod
    def get_sequence_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> TensorSequenceLengthPair:
        """`[batch, steps] + variable_shape`, and the number of steps."""


# Programs reach the pairs through the classes too.
CategoricalColumn.IdWeightPair = IdWeightPair  # type: ignore[attr-defined]
SequenceDenseColumn.TensorSequenceLengthPair = TensorSequenceLengthPair  # type: ignore[attr-defined]

for _name, _class in (
    ("DenseColumn", DenseColumn), ("SequenceDenseColumn", SequenceDenseColumn), ("FeatureColumn", FeatureColumn),
):  # fmt: skip
    export(f"__internal__.feature_column.{_name}", v1=[])(_class)


@export("__internal__.feature_column.FeatureTransformationCache", v1=[])
class FeatureTransformationCache:
    """Raw features and what columns made of them, so that columns with a common parent compute it once.

    Args:
      features: name -> tensor or SparseTensor; vectors count as matrices with one column.
    """

    def __init__(self, features: dict[Any, Any]):
        self._features = dict(features)
        self._found: dict[Any, Any] = {}

    def get(self, key: Any, state_manager: Any = None, training: bool | None = None) -> Any:
        """A raw feature by its name, or what a column makes of the features.

        Raises:
          ValueError: there is no such feature, or it is a scalar.
          TypeError: `key` is neither a name nor a column.
        """
        if key not in self._found:
            if key in self._features:
                self._found[key] = _as_matrix(key, self._features[key])
            elif isinstance(key, str):
                raise ValueError(f"Feature {key} is not in features dictionary.")
            elif isinstance(key, FeatureColumn):
                self._found[key] = key.transform_feature(self, state_manager)
            else:
                raise TypeError(f'"key" must be either a "str" or "FeatureColumn". Provided: {key}')
        return self._found[key]


def _as_matrix(key: Any, feature: Any) -> Any:
    value = as_tensor(feature)
    if value.shape.rank == 0:
        raise ValueError(f"Feature (key: {key}) cannot have rank 0. Given: {value}")
    if value.shape.rank != 1:
        return value
    if isinstance(value, SparseTensor):
        return sparse_reshape(value, [-1, 1])
    return expand_dims(value, -1)


def as_tensor(value: Any) -> Any:
    """A tensor; a SparseTensor stays one."""
    return value if isinstance(value, SparseTensor) else convert_to_tensor(value)


def as_sparse(value: Any, ignored: Any = None) -> SparseTensor:
    """The values of a dense tensor that are not `ignored`: by default "" and -1, which stand for missing ones."""
    value = as_tensor(value)
    if isinstance(value, SparseTensor):
        return value
    if ignored is None:
        ignored = "" if value.dtype is dtypes.string else -1 if value.dtype.is_integer else 0
    indices = where(execute("NotEqual", (value, convert_to_tensor(ignored, value.dtype))))
    return SparseTensor(indices, gather_nd(value, indices), cast(shape_of(value), dtypes.int64))


class StateManager:
    """Where the weights of columns are: made once, by name, for each column.

    This one makes variables, and keeps those that `create_state` asked for.
    """

    def __init__(self) -> None:
        self._variables: dict[tuple[Any, str], Any] = {}

    def create_variable(
        self, feature_column: Any, name: str, shape: Any, dtype: Any = None, trainable: bool = True,
        use_resource: bool = True, initializer: Any = None,
    ) -> Any:  # fmt: skip
        """Makes the variable of a column; ValueError where it exists."""
        if (feature_column, name) in self._variables:
            raise ValueError(f"Variable {name} of {feature_column.name} already exists.")
        variable = self._make(feature_column, name, shape, dtype or dtypes.float32, trainable, initializer)
        self._variables[feature_column, name] = variable
        return variable

    def _make(
        self, column: Any, name: str, shape: Any, dtype: DType, trainable: bool, initializer: Any
    ) -> Any:
        return Variable(initializer(shape, dtype=dtype), trainable=trainable, name=f"{column.name}/{name}")

    def get_variable(self, feature_column: Any, name: str) -> Any:
        """The variable of a column, made now where it does not exist."""
        if (feature_column, name) not in self._variables:
            feature_column.create_state(self)
        if (feature_column, name) not in self._variables:
            raise ValueError(f"{feature_column.name} has no variable {name}.")
        return self._variables[feature_column, name]


class _Eagerly:
    """Stands for the graph where there is none."""


_EAGERLY = _Eagerly()


def graph_key() -> Any:
    """What tables and shared weights are kept by: the graph that is built, or what stands for none."""
    return thread.graph or _EAGERLY


# Checks of arguments.


def checked_shape(shape: Any, key: str) -> tuple[int, ...]:
    """The shape of a numeric column: an int, or positive ints."""
    dims = tuple(shape) if isinstance(shape, (list, tuple, TensorShape)) else (shape,)
    for dim in dims:
        if not isinstance(dim, int):
            raise TypeError(f"shape dimensions must be integer. shape: {dims}, key: {key}")
        if dim < 1:
            raise ValueError(f"shape dimensions must be greater than 0. shape: {dims}, key: {key}")
    return dims


def check_key(key: Any) -> None:
    """Raises ValueError unless the key is a string."""
    if not isinstance(key, str):
        raise ValueError(f"key must be a string. Got: type {type(key)}. Given key: {key}.")


def check_ids(dtype: DType, what: str) -> None:
    """Raises ValueError unless a dtype is string or an integer."""
    if dtype is not dtypes.string and not dtype.is_integer:
        raise ValueError(f"{what} dtype must be string or integer. dtype: {dtype}.")


def normalized(feature_columns: Any) -> list[FeatureColumn]:
    """Columns sorted by name.

    Raises:
      ValueError: there are none, two have one name, or something is no column.
    """
    if isinstance(feature_columns, FeatureColumn):
        feature_columns = [feature_columns]
    if isinstance(feature_columns, dict):
        raise ValueError("Expected feature_columns to be iterable, found dict.")
    columns = list(feature_columns) if isinstance(feature_columns, Iterator) else feature_columns
    by_name: dict[str, FeatureColumn] = {}
    for column in columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(
                f"Items of feature_columns must be a FeatureColumn. Given (type {type(column)}): {column}."
            )
        if column.name in by_name:
            raise ValueError(
                f"Duplicate feature column name found for columns: {column} and {by_name[column.name]}. One of them "
                "must be left out, or read a copy of the feature under another name."
            )
        by_name[column.name] = column
    if not by_name:
        raise ValueError("feature_columns must not be empty.")
    return [by_name[name] for name in sorted(by_name)]


@export("feature_column.make_parse_example_spec")
def make_parse_example_spec(feature_columns: Any) -> dict[str, Any]:
    """What `tf.io.parse_example` must parse for some columns: name -> `tf.io.FixedLenFeature` or `VarLenFeature`.

    Raises:
      ValueError: something is no column, or two columns want one feature in two ways.

    Example:
      >>> import penstock as tf
      >>> price = tf.feature_column.numeric_column("price")
      >>> tf.feature_column.make_parse_example_spec([price])
      {'price': FixedLenFeature(shape=(1,), dtype=tf.float32, default_value=None)}
    """
    found: dict[str, Any] = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(f"All feature_columns must be FeatureColumn instances. Given: {column}")
        for key, value in column.parse_example_spec.items():
            if found.setdefault(key, value) != value:
                raise ValueError(
                    f"feature_columns contain different parse_spec for key {key}. Given {value} and {found[key]}"
                )
    return found
