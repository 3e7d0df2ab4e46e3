"""The methods of variables that read and update single rows and elements."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import Tensor


def _indices(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else convert_to_tensor(value, None, dtypes.int32)


class SparseUpdates:
    """Gathers from and scatters into a variable. Updates return the variable as it is after them."""

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows of the value at `indices`; in a gradient they are an `IndexedSlices`."""
        self._accessed()
        return execute(
            "ResourceGather", (self._handle, _indices(indices)), {"dtype": self._dtype}, name or "Gather"
        )

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements or slices of the value at `indices`, whose last dimension is a place in the value."""
        self._accessed()
        inputs = (self._handle, _indices(indices))
        return execute("ResourceGatherNd", inputs, {"dtype": self._dtype}, name or "GatherNd")

    def _scatter(self, op_type: str, sparse_delta: Any, name: str | None) -> Any:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(
                f"Argument `sparse_delta` must be a `tf.IndexedSlices`. Received arg: {sparse_delta}"
            )
        updates = convert_to_tensor(sparse_delta.values, self._dtype)
        return self._assigned(
            execute(op_type, (self._handle, _indices(sparse_delta.indices), updates), None, name)
        )

    def scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Sets rows: `v[indices] = values` of an `IndexedSlices`."""
        return self._scatter("ResourceScatterUpdate", sparse_delta, name)

    def scatter_add(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Adds to rows; an index that comes several times adds each time."""
        return self._scatter("ResourceScatterAdd", sparse_delta, name)

    def scatter_sub(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Subtracts from rows."""
        return self._scatter("ResourceScatterSub", sparse_delta, name)

    def scatter_mul(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Multiplies rows."""
        return self._scatter("ResourceScatterMul", sparse_delta, name)

    def scatter_div(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Divides rows."""
        return self._scatter("ResourceScatterDiv", sparse_delta, name)

    def scatter_min(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Sets rows to the elementwise minimum of what they are and the values."""
        return self._scatter("ResourceScatterMin", sparse_delta, name)

    def scatter_max(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Sets rows to the elementwise maximum of what they are and the values."""
        return self._scatter("ResourceScatterMax", sparse_delta, name)

    def batch_scatter_update(
        self, sparse_delta: Any, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """Sets rows of each matrix of a batch: `v[i, indices[i, j], ...] = values[i, j, ...]`.

        The dimensions of `indices` before the last are those of a batch, which the variable has too.
        """
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(
                f"Argument `sparse_delta` must be a `tf.IndexedSlices`. Received arg: {sparse_delta}"
            )
        indices = _indices(sparse_delta.indices)
        updates = convert_to_tensor(sparse_delta.values, self._dtype)
        dims = indices.shape.as_list()
        if any(dim is None for dim in dims):
            raise ValueError(f"batch_scatter_update: the shape of indices must be known, got {indices.shape}")
        columns = []
        for axis, size in enumerate(dims[:-1]):
            shape = [1] * len(dims)
            shape[axis] = size
            positions = convert_to_tensor(list(range(size)), indices.dtype)
            positions = execute("Reshape", (positions, convert_to_tensor(shape, dtypes.int32)))
            columns.append(execute("BroadcastTo", (positions, convert_to_tensor(dims, dtypes.int32))))
        places = execute("Pack", ([*columns, indices],), {"axis": len(dims)})
        return self._assigned(execute("ResourceScatterNdUpdate", (self._handle, places, updates), None, name))

    def _scatter_nd(self, op_type: str, indices: Any, updates: Any, name: str | None) -> Any:
        updates = convert_to_tensor(updates, self._dtype)
        return self._assigned(execute(op_type, (self._handle, _indices(indices), updates), None, name))

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Sets the elements or slices at `indices`, whose last dimension is a place in the value."""
        return self._scatter_nd("ResourceScatterNdUpdate", indices, updates, name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Adds to the elements or slices at `indices`."""
        return self._scatter_nd("ResourceScatterNdAdd", indices, updates, name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtracts from the elements or slices at `indices`."""
        return self._scatter_nd("ResourceScatterNdSub", indices, updates, name)

    def scatter_nd_min(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Sets the elements or slices at `indices` to the minimum of what they are and the updates."""
        return self._scatter_nd("ResourceScatterNdMin", indices, updates, name)

    def scatter_nd_max(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Sets the elements or slices at `indices` to the maximum of what they are and the updates."""
        return self._scatter_nd("ResourceScatterNdMax", indices, updates, name)
