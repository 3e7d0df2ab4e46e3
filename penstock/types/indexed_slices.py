"""`IndexedSlices`: some rows of a larger tensor. The form that gradients of `gather` and of embedding lookups take.

Public names and the conversion to a dense tensor are in `penstock.ops.indexed_slices_ops`.
"""

from __future__ import annotations

import collections
from typing import Any

from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.type_spec import TypeSpec, register

IndexedSlicesValue = collections.namedtuple("IndexedSlicesValue", ["values", "indices", "dense_shape"])


class IndexedSlices(CompositeTensor):
    """Slices of a tensor at given indices of its first dimension: `dense[indices[i], ...] = values[i, ...]`.

    An index may come several times; in a gradient its slices add up.

    Args:
      values: a tensor of any dtype with shape `[D0, D1, ..., Dn]`.
      indices: an integer tensor with shape `[D0]`.
      dense_shape: an integer vector, the shape of the dense tensor, or None where it is not known.

    Example:
      >>> import penstock as tf
      >>> slices = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([1]), tf.constant([3, 2]))
      >>> tf.convert_to_tensor(slices).numpy().tolist()
      [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
    """

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None):
        self._values, self._indices, self._dense_shape = values, indices, dense_shape

    @property
    def values(self) -> Any:
        """The slices."""
        return self._values

    @property
    def indices(self) -> Any:
        """Which row of the dense tensor each slice is."""
        return self._indices

    @property
    def dense_shape(self) -> Any:
        """The shape of the dense tensor as an integer vector, or None."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The shape of the dense tensor as far as it is known."""
        if self._dense_shape is None:
            return TensorShape([None]).concatenate(self._values.shape[1:])
        return self._dense_shape._as_shape()

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._values.dtype

    @property
    def name(self) -> str:
        """The name of the values in their graph."""
        return self._values.name

    @property
    def device(self) -> str:
        """The device of the values."""
        return self._values.device

    @property
    def op(self) -> Any:
        """The operation that makes the values."""
        return self._values.op

    @property
    def graph(self) -> Any:
        """The graph of the values."""
        return self._values.graph

    @property
    def _type_spec(self) -> IndexedSlicesSpec:
        return IndexedSlicesSpec(
            self.shape,
            self.dtype,
            self._indices.dtype,
            None if self._dense_shape is None else self._dense_shape.dtype,
            self._indices.shape,
        )

    def _shape_invariant_to_type_spec(self, shape: Any) -> IndexedSlicesSpec:
        indices_shape = TensorShape(shape)[:1]
        values_shape = TensorShape(shape)
        dense_shape_dtype = None if self._dense_shape is None else self._dense_shape.dtype
        return IndexedSlicesSpec(
            values_shape, self.dtype, self._indices.dtype, dense_shape_dtype, indices_shape
        )

    @staticmethod
    def _from_session_values(values: list[Any]) -> IndexedSlicesValue:
        """What `Session.run` returns for an IndexedSlices."""
        return IndexedSlicesValue(*values, *[None] * (3 - len(values)))

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(-self._values, self._indices, self._dense_shape)

    def __str__(self) -> str:
        dense = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{dense})"


@register("tf.IndexedSlicesSpec")
class IndexedSlicesSpec(TypeSpec):
    """The type of an `IndexedSlices`.

    Args:
      shape: the shape of the dense tensor.
      dtype: the dtype of the values.
      indices_dtype: the dtype of the indices.
      dense_shape_dtype: the dtype of `dense_shape`; None where there is none.
      indices_shape: the shape of the indices, `[None]` by default.
    """

    __slots__ = ("_shape", "_values_dtype", "_indices_dtype", "_dense_shape_dtype", "_indices_shape")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        indices_dtype: Any = dtypes.int64,
        dense_shape_dtype: Any = None,
        indices_shape: Any = None,
    ):
        self._shape = TensorShape(shape)
        self._values_dtype = as_dtype(dtype)
        self._indices_dtype = as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else as_dtype(dense_shape_dtype)
        self._indices_shape = TensorShape(indices_shape).with_rank(1)

    @property
    def value_type(self) -> type:
        """The class of the values of this type."""
        return IndexedSlices

    def _serialize(self) -> tuple:
        return (
            self._shape,
            self._values_dtype,
            self._indices_dtype,
            self._dense_shape_dtype,
            self._indices_shape,
        )

    @property
    def _component_specs(self) -> tuple:
        values_shape = self._indices_shape.concatenate(self._shape[1:])
        specs = (
            TensorSpec(values_shape, self._values_dtype),
            TensorSpec(self._indices_shape, self._indices_dtype),
        )
        if self._dense_shape_dtype is None:
            return specs
        return (*specs, TensorSpec([self._shape.rank], self._dense_shape_dtype))

    def _to_components(self, value: Any) -> tuple:
        if value.dense_shape is None:
            return (value.values, value.indices)
        return (value.values, value.indices, value.dense_shape)

    def _from_components(self, components: Any) -> IndexedSlices:
        return IndexedSlices(*components)
