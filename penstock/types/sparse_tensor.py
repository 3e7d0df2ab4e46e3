"""`SparseTensor`: the places and values of the elements of a tensor that are not zero. Ops on it: `ops/sparse_*.py`."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from penstock.types import dtypes, upcalls
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, Tensor
from penstock.types.type_spec import BatchableTypeSpec, register

SparseTensorValue = collections.namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])


class SparseTensor(CompositeTensor):
    """A tensor given by some of its elements; the others are zero (or what an op says they are).

    Most ops expect the indices in row-major order, which `tf.sparse.reorder` makes.

    Args:
      indices: an int64 matrix `[N, rank]`: the place of each element.
      values: a vector `[N]` of any dtype.
      dense_shape: an int64 vector `[rank]`: the shape.

    Raises:
      ValueError: the shapes do not fit each other.

    Example:
      >>> import penstock as tf
      >>> s = tf.SparseTensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 3])
      >>> tf.sparse.to_dense(s).numpy().tolist()
      [[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]
    """

    __array_priority__ = 200  # tensors and variables defer to it

    def __init__(self, indices: Any, values: Any, dense_shape: Any):
        self._indices = upcalls.convert_to_tensor(indices, dtypes.int64)
        self._values = upcalls.convert_to_tensor(values)
        self._dense_shape = upcalls.convert_to_tensor(dense_shape, dtypes.int64)
        indices_shape = self._indices.shape.with_rank(2)
        count = self._values.shape.with_rank(1)
        rank = self._dense_shape.shape.with_rank(1)
        if not indices_shape[:1].is_compatible_with(count):
            raise ValueError(f"Dimensions {indices_shape[0]} and {count[0]} are not compatible")
        if not indices_shape[1:].is_compatible_with(rank):
            raise ValueError(f"Dimensions {indices_shape[1]} and {rank[0]} are not compatible")
        self._known_shape = TensorShape(None)

    @classmethod
    def _of_anything(cls, indices: Any, values: Any, dense_shape: Any) -> SparseTensor:
        """A SparseTensor whose components are no tensors: a signature packs specs where tensors were."""
        made = cls.__new__(cls)
        made._indices, made._values, made._dense_shape = indices, values, dense_shape
        made._known_shape = TensorShape(None)
        return made

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A SparseTensor of a `SparseTensorValue` (or of a SparseTensor)."""
        if not isinstance(sparse_tensor_value, (SparseTensor, SparseTensorValue)):
            raise TypeError(
                f"Argument sparse_tensor_value={sparse_tensor_value} is neither a SparseTensor nor SparseTensorValue."
            )
        return cls(*_parts(sparse_tensor_value))

    @property
    def indices(self) -> Any:
        """The places of the elements."""
        return self._indices

    @property
    def values(self) -> Any:
        """The elements."""
        return self._values

    @property
    def dense_shape(self) -> Any:
        """The shape as an int64 vector."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The shape as far as it is known."""
        shape = self._dense_shape._as_shape()
        if shape.rank is None:
            shape = TensorShape(
                [None] * self._dense_shape.shape[0] if self._dense_shape.shape[0] is not None else None
            )
        return shape.merge_with(self._known_shape)

    def get_shape(self) -> TensorShape:
        """The shape as far as it is known."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the shape."""
        self._known_shape = self.shape.merge_with(shape)

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._values.dtype

    @property
    def op(self) -> Any:
        """The operation that makes the values."""
        return self._values.op

    @property
    def graph(self) -> Any:
        """The graph of the tensors."""
        return self._indices.graph

    def with_values(self, new_values: Any) -> SparseTensor:
        """The same places with other values."""
        return SparseTensor(self._indices, new_values, self._dense_shape)

    def eval(self, feed_dict: dict | None = None, session: Any = None) -> SparseTensorValue:
        """The value in `session`, or in the default session."""
        from penstock.runtime.session import default_session

        return SparseTensorValue(*default_session(session).run(list(_parts(self)), feed_dict))

    @staticmethod
    def _from_session_values(values: list[Any]) -> SparseTensorValue:
        """What `Session.run` returns for a SparseTensor."""
        return SparseTensorValue(*values)

    def _is_eager(self) -> bool:
        return isinstance(self._values, EagerTensor)

    def _numpy(self) -> np.ndarray:
        """The dense array of an eager SparseTensor."""
        if not self._is_eager():
            raise ValueError("SparseTensor.numpy() is only supported in eager mode.")
        values = self._values.numpy()
        dense = np.zeros(self._dense_shape.numpy(), values.dtype)
        dense[tuple(self._indices.numpy().T)] = values
        return dense

    @property
    def _type_spec(self) -> SparseTensorSpec:
        return SparseTensorSpec(self.shape, self.dtype)

    def _shape_invariant_to_type_spec(self, shape: Any) -> SparseTensorSpec:
        return SparseTensorSpec(shape, self.dtype)

    def __str__(self) -> str:
        return f"SparseTensor(indices={self._indices!s}, values={self._values!s}, dense_shape={self._dense_shape!s})"

    __repr__ = __str__


def _parts(value: Any) -> tuple[Any, Any, Any]:
    return (value.indices, value.values, value.dense_shape)


@register("tf.SparseTensorSpec")
class SparseTensorSpec(BatchableTypeSpec):
    """The type of a `SparseTensor`.

    Args:
      shape: the shape of the dense tensor.
      dtype: the dtype of the values.
    """

    __slots__ = ("_shape", "_dtype")

    def __init__(self, shape: Any = None, dtype: Any = dtypes.float32):
        self._shape, self._dtype = TensorShape(shape), as_dtype(dtype)

    @property
    def value_type(self) -> type:
        """The class of the values of this type."""
        return SparseTensor

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape of the dense tensor."""
        return self._shape

    @classmethod
    def from_value(cls, value: Any) -> SparseTensorSpec:
        """The spec of a SparseTensor or SparseTensorValue."""
        if isinstance(value, SparseTensor):
            return value._type_spec
        if isinstance(value, SparseTensorValue):
            if isinstance(value.values, np.ndarray):
                return cls(value.dense_shape, value.values.dtype)
            return cls.from_value(SparseTensor.from_value(value))
        raise TypeError("Expected SparseTensor or SparseTensorValue")

    def _serialize(self) -> tuple:
        return (self._shape, self._dtype)

    @property
    def _component_specs(self) -> list:
        rank = self._shape.rank
        return [
            TensorSpec([None, rank], dtypes.int64),
            TensorSpec([None], self._dtype),
            TensorSpec([rank], dtypes.int64),
        ]

    def _to_components(self, value: Any) -> list:
        return list(_parts(value))

    def _from_components(self, components: Any) -> Any:
        if all(isinstance(each, np.ndarray) for each in components):
            return SparseTensorValue(*components)
        if not all(isinstance(each, Tensor) for each in components):
            return SparseTensor._of_anything(*components)
        result = SparseTensor(*components)
        result._known_shape = result._known_shape.merge_with(self._shape)
        return result

    def _batch(self, batch_size: int | None) -> SparseTensorSpec:
        return SparseTensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> SparseTensorSpec:
        if self._shape.rank == 0:
            raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        return SparseTensorSpec(self._shape[1:], self._dtype)

    def _to_legacy_output_types(self) -> DType:
        return self._dtype

    def _to_legacy_output_shapes(self) -> TensorShape:
        return self._shape

    def _to_legacy_output_classes(self) -> type:
        return SparseTensor
