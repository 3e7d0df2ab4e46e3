"""Lookup tables that change: `tf.lookup.experimental.MutableHashTable`, `tf.lookup.experimental.DenseHashTable`."""

from __future__ import annotations

import itertools
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.ops.lookup.tables import LookupInterface, on_values
from penstock.types.tensors import Tensor

_numbers = itertools.count()


class _MutableTable(LookupInterface):
    """What the two kinds share."""

    _key_rank = 0

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str,
        checkpoint: bool,
        anonymous: bool,
    ):
        super().__init__(key_dtype, value_dtype)
        with init_scope():
            self._default_value = convert_to_tensor(default_value, self._value_dtype)
        self._value_shape = self._default_value.shape
        self._table_name, self._checkpoint, self._is_anonymous = name, checkpoint, anonymous

    def _named(self, op_type: str, attrs: dict) -> tuple[str, dict]:
        """The op that makes the table, and its attributes."""
        if self._is_anonymous:
            return f"Anonymous{op_type.removesuffix('V2')}", attrs
        shared = "" if thread.graph is None else f"table_{next(_numbers)}"
        return op_type, {**attrs, "shared_name": shared, "use_node_name_sharing": not shared}

    @property
    def name(self) -> Any:
        """The name of the table's node in a graph; None when eager."""
        handle = self.resource_handle
        return handle.op.name if getattr(handle, "is_symbolic_tensor", False) else None

    def lookup(self, keys: Any, dynamic_default_values: Any = None, name: str | None = None) -> Any:
        """The values of keys.

        Args:
          keys: a tensor, `RaggedTensor` or `SparseTensor` of the table's key dtype.
          dynamic_default_values: the value of keys that are not there, one for all or one for each; by default
            the table's default value.
          name: the scope of the node in a graph.

        Raises:
          TypeError: the keys have another dtype.
        """
        default = self._default_value
        if dynamic_default_values is not None:
            default = convert_to_tensor(dynamic_default_values, self._value_dtype)

        def find(keys: Tensor) -> Tensor:
            with self._scope(name, "lookup_table_find"):
                values = execute("LookupTableFindV2", (self.resource_handle, keys, default))
            if keys.shape.rank is not None:
                values.set_shape(
                    keys.shape[: keys.shape.rank - self._key_rank].concatenate(self._value_shape)
                )
            return values

        return on_values(find, keys, self._key_dtype)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """Adds keys, or gives them new values; in a graph it returns the operation.

        Raises:
          InvalidArgumentError: there is not one value for each key, or a key is not allowed.
        """
        with self._scope(name, "lookup_table_insert"):
            keys = convert_to_tensor(keys, self._key_dtype)
            values = convert_to_tensor(values, self._value_dtype)
            return execute("LookupTableInsertV2", (self.resource_handle, keys, values))

    def remove(self, keys: Any, name: str | None = None) -> Any:
        """Removes keys; those that are not there are ignored. In a graph it returns the operation."""
        if isinstance(keys, Tensor) and keys.dtype != self._key_dtype:
            raise TypeError(f"Dtype of argument `keys` must be {self._key_dtype}, received: {keys.dtype}")
        with self._scope(name, "lookup_table_remove"):
            keys = convert_to_tensor(keys, self._key_dtype)
            return execute("LookupTableRemoveV2", (self.resource_handle, keys))

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and all values."""
        with self._scope(name, "lookup_table_export_values"):
            attrs = {"Tkeys": self._key_dtype, "Tvalues": self._value_dtype}
            keys, values = execute("LookupTableExportV2", (self.resource_handle,), attrs)
        return keys, values

    # Checkpoints.

    _legacy_saveable_name = "table"  # the tensors' names in a checkpoint are this one and "-keys", "-values"

    def _serialize_to_tensors(self) -> dict[str, Tensor]:
        if not self._checkpoint:
            return {}
        keys, values = self.export()
        return {"-keys": keys, "-values": values}

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> Any:
        with self._scope(None, "table_restore"):
            inputs = (self.resource_handle, restored_tensors["-keys"], restored_tensors["-values"])
            return execute("LookupTableImportV2", inputs)


@export("lookup.experimental.MutableHashTable")
class MutableHashTable(_MutableTable):
    """A table that grows as keys are inserted.

    Args:
      key_dtype, value_dtype: the dtypes.
      default_value: the value of keys that are not there; its shape is the shape of values.
      name: the name of its node in a graph.
      checkpoint: whether checkpoints keep its entries.
      experimental_is_anonymous: whether no other program part can find it by a name.

    Example:
      >>> import penstock as tf
      >>> table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, default_value=-1)
      >>> table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
      >>> table.lookup(tf.constant(["a", "c"])).numpy()
      array([ 1, -1])
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ):
        super().__init__(key_dtype, value_dtype, default_value, name, checkpoint, experimental_is_anonymous)
        self.resource_handle  # noqa: B018 - it is made now, in the scope of the caller

    def _create_resource(self) -> Tensor:
        attrs: dict[str, Any] = {"key_dtype": self._key_dtype, "value_dtype": self._value_dtype}
        if self._value_shape.rank:
            op_type, attrs = self._named(
                "MutableHashTableOfTensorsV2", {**attrs, "value_shape": self._value_shape.as_list()}
            )
        else:
            op_type, attrs = self._named("MutableHashTableV2", attrs)
        return execute(op_type, (), attrs, self._table_name)


@export("lookup.experimental.DenseHashTable")
class DenseHashTable(_MutableTable):
    """A mutable table whose keys may be vectors, and in which two keys are not allowed.

    TensorFlow keeps it in one array, in which these two keys mark what is empty and what was removed.

    Args:
      key_dtype, value_dtype: the dtypes.
      default_value: the value of keys that are not there; its shape is the shape of values.
      empty_key, deleted_key: the keys that are not allowed; their shape is the shape of keys.
      initial_num_buckets: a power of 2, the size of that array: `export` returns all of it.
      name: the name of its node in a graph.
      checkpoint: whether checkpoints keep its entries.
      experimental_is_anonymous: whether no other program part can find it by a name.

    Example:
      >>> import penstock as tf
      >>> table = tf.lookup.experimental.DenseHashTable(
      ...     tf.int64, tf.int64, default_value=-1, empty_key=0, deleted_key=-1)
      >>> table.insert([1, 2], [10, 20])
      >>> table[tf.constant([2, 3], tf.int64)].numpy()
      array([20, -1])
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ):
        super().__init__(key_dtype, value_dtype, default_value, name, checkpoint, experimental_is_anonymous)
        self._initial_num_buckets = 131072 if initial_num_buckets is None else initial_num_buckets
        with init_scope():
            self._empty_key = convert_to_tensor(empty_key, self._key_dtype, name="empty_key")
            self._deleted_key = convert_to_tensor(deleted_key, self._key_dtype, name="deleted_key")
        self._key_rank = self._empty_key.shape.rank or 0
        self.resource_handle  # noqa: B018 - it is made now, in the scope of the caller

    def _create_resource(self) -> Tensor:
        op_type, attrs = self._named(
            "MutableDenseHashTableV2",
            {
                "value_dtype": self._value_dtype, "value_shape": self._value_shape.as_list(),
                "initial_num_buckets": self._initial_num_buckets,
            },
        )  # fmt: skip
        return execute(op_type, (self._empty_key, self._deleted_key), attrs, self._table_name)

    def insert_or_assign(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """The same as `insert`."""
        return self.insert(keys, values, name)

    def erase(self, keys: Any, name: str | None = None) -> Any:
        """The same as `remove`."""
        return self.remove(keys, name)
