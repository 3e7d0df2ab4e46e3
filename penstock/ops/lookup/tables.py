"""Static lookup tables: `tf.lookup.StaticHashTable`, `tf.lookup.StaticVocabularyTable`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.ops.arguments import name_scope
from penstock.ops.casting import cast
from penstock.ops.ragged.tensor import is_ragged
from penstock.ops.strings.hashing import to_hash_bucket_fast, to_hash_bucket_strong
from penstock.ops.strings.numbers import as_string
from penstock.ops.trackable_resource import TrackableResource
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def on_values(function: Callable[[Tensor], Tensor], keys: Any, dtype: DType) -> Any:
    """`function` on keys: a tensor, or the values of a ragged or sparse tensor.

    Raises:
      TypeError: the keys have another dtype.
    """
    composite = is_ragged(keys) or isinstance(keys, SparseTensor)
    if not composite:
        keys = convert_to_tensor(keys, dtype if not isinstance(keys, Tensor) else None)
    if keys.dtype != dtype:
        raise TypeError(f"Dtype of argument `keys` must be {dtype}, received: {keys.dtype}")
    if is_ragged(keys):
        return keys.with_flat_values(function(keys.flat_values))
    if isinstance(keys, SparseTensor):
        return SparseTensor(keys.indices, function(keys.values), keys.dense_shape)
    return function(keys)


class LookupInterface(TrackableResource):
    """What all tables have: dtypes, `lookup`, `size`, and `table[keys]`."""

    def __init__(self, key_dtype: Any, value_dtype: Any):
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        super().__init__()

    @property
    def key_dtype(self) -> DType:
        """The dtype of keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """The dtype of values."""
        return self._value_dtype

    @property
    def name(self) -> Any:
        """The name of the table's node in a graph; None when eager."""
        return None

    def _scope(self, name: str | None, what: str) -> Any:
        return name_scope(name, f"{self.name}_{what}")

    def __getitem__(self, keys: Any) -> Any:
        return self.lookup(keys)

    def size(self, name: str | None = None) -> Tensor:
        """The number of entries, an int64 scalar."""
        with self._scope(name, "Size"):
            return execute("LookupTableSizeV2", (self.resource_handle,))


@export("lookup.StaticHashTable", v1=[])
class StaticHashTable(LookupInterface):
    """A table that is filled once and then only read.

    Args:
      initializer: what fills it; see `tf.lookup.KeyValueTensorInitializer`, `tf.lookup.TextFileInitializer`.
      default_value: the value of keys that are not there.
      name: the name of its node in a graph.
      experimental_is_anonymous: whether no other program part can find it by a name.

    Raises:
      FailedPreconditionError: a key has two values.

    Example:
      >>> import penstock as tf
      >>> table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [10, 20]), 0)
      >>> table.lookup(tf.constant(["b", "z"])).numpy()
      array([20,  0], dtype=int32)
      >>> table.size().numpy()
      np.int64(2)
    """

    def __init__(
        self,
        initializer: Any,
        default_value: Any,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ):
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        self._initializer, self._table_name = initializer, name or "hash_table"
        self._is_anonymous = experimental_is_anonymous
        with init_scope():
            self._default_value = convert_to_tensor(default_value, self._value_dtype)
            if self._default_value.shape.rank not in (0, None):
                raise ValueError(
                    f"Shapes {self._default_value.shape} and () are not compatible: default_value is a scalar"
                )
            handle = self.resource_handle
            self._init_op = self._initialize()
        self._name = None if not getattr(handle, "is_symbolic_tensor", False) else handle.op.name

    def _create_resource(self) -> Tensor:
        attrs: dict[str, Any] = {"key_dtype": self._key_dtype, "value_dtype": self._value_dtype}
        if self._is_anonymous:
            return execute("AnonymousHashTable", (), attrs, self._table_name)
        shared = "" if thread.graph is None else self._initializer._shared_name
        attrs |= {"shared_name": shared, "use_node_name_sharing": True}
        return execute("HashTableV2", (), attrs, self._table_name)

    def _initialize(self) -> Any:
        return self._initializer.initialize(self)

    @property
    def name(self) -> Any:
        """The name of the table's node in a graph; None when eager."""
        return self.__dict__.get("_name")

    @property
    def default_value(self) -> Tensor:
        """The value of keys that are not there."""
        return self._default_value

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys.

        Args:
          keys: a tensor, `RaggedTensor` or `SparseTensor` of the table's key dtype.
          name: the scope of the node in a graph.

        Returns:
          The same kind of tensor with values; the default value for keys that are not there.

        Raises:
          TypeError: the keys have another dtype.
        """

        def find(keys: Tensor) -> Tensor:
            with self._scope(name, "Lookup"):
                inputs = (self.resource_handle, keys, self._default_value)
                values = execute("LookupTableFindV2", inputs)
            values.set_shape(keys.shape)
            return values

        return on_values(find, keys, self._key_dtype)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and all values."""
        with self._scope(name, "Export"):
            attrs = {"Tkeys": self._key_dtype, "Tvalues": self._value_dtype}
            keys, values = execute("LookupTableExportV2", (self.resource_handle,), attrs)
        keys.set_shape([None])
        values.set_shape([None])
        return keys, values


@export(v1=["lookup.StaticHashTable"])
class StaticHashTableV1(StaticHashTable):
    """TF 1's `StaticHashTable`, which has its initializing operation as an attribute."""

    @property
    def initializer(self) -> Any:
        """The operation that fills the table; `tf.compat.v1.tables_initializer()` runs those of all tables."""
        return self._init_op


class HashSpec:
    """How strings that a vocabulary lacks are hashed into buckets."""

    def __init__(self, hasher: str, key: Any = None):
        self.hasher, self.key = hasher, key


FastHashSpec = HashSpec("fasthash")


class StrongHashSpec(HashSpec):
    """A hash under a key of two integers."""

    def __init__(self, key: Any):
        if len(key) != 2:
            raise ValueError(f"`key` must have size 2, received {len(key)}")
        if not all(isinstance(each, int) for each in key):
            raise TypeError("Invalid key. Must be unsigned integer values.")
        super().__init__("stronghash", key)


class IdTableWithHashBuckets(LookupInterface):
    """Strings or integers to ids: those of a table first, then a bucket by hash.

    Args:
      table: maps keys to int64 ids, and other keys to -1; None for none.
      num_oov_buckets: the number of buckets.
      hasher_spec: `FastHashSpec`, or a `StrongHashSpec`.
      name: the scope of the nodes in a graph.
      key_dtype: the dtype of keys: string or an integer; that of the table by default.
    """

    def __init__(
        self,
        table: Any,
        num_oov_buckets: int,
        hasher_spec: HashSpec = FastHashSpec,
        name: str | None = None,
        key_dtype: Any = None,
    ):
        if key_dtype is None:
            key_dtype = table.key_dtype if table is not None else dtypes.string
        key_dtype = as_dtype(key_dtype)
        if not (key_dtype.is_integer or key_dtype is dtypes.string):
            raise TypeError(f"Invalid `key_dtype`, expected integer or string, received {key_dtype}.")
        if table is not None:
            _check_vocabulary(key_dtype, table.key_dtype)
        elif num_oov_buckets <= 0:
            raise ValueError("`oov_buckets` must be > 0 if no `table` is supplied.")
        if table is not None and num_oov_buckets < 0:
            raise ValueError("`num_oov_buckets` must be greater than or equal to 0.")
        if not isinstance(hasher_spec, HashSpec):
            raise TypeError(f"`hasher_spec` must be of type HasherSpec, received {type(hasher_spec)}.")
        super().__init__(key_dtype, dtypes.int64)
        self._table, self._num_oov_buckets, self._hasher_spec = table, num_oov_buckets, hasher_spec
        self._table_name = (
            name.split("/")[-1] if name else (table.name if table is not None else "string_to_index")
        )

    @property
    def name(self) -> Any:
        """The name given, or that of the table."""
        return self._table_name

    @property
    def resource_handle(self) -> Any:
        """The handle of the table, None without one."""
        return None if self._table is None else self._table.resource_handle

    def size(self, name: str | None = None) -> Tensor:
        """The number of entries and buckets, an int64 scalar."""
        with self._scope(name, "Size"):
            buckets = convert_to_tensor(self._num_oov_buckets, dtypes.int64)
            return buckets if self._table is None else self._table.size() + buckets

    def _bucket(self, keys: Tensor) -> Tensor:
        strings = keys if keys.dtype is dtypes.string else as_string(keys)
        if self._hasher_spec.hasher == "fasthash":
            return to_hash_bucket_fast(strings, self._num_oov_buckets)
        return to_hash_bucket_strong(strings, self._num_oov_buckets, self._hasher_spec.key)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The ids of keys: a tensor, `RaggedTensor` or `SparseTensor` of the table's key dtype.

        Raises:
          TypeError: the keys have another dtype.
        """

        def find(keys: Tensor) -> Tensor:
            with self._scope(name, "Lookup"):
                if self._table is None:
                    return self._bucket(keys)
                known = self._table.lookup(
                    cast(keys, self._table.key_dtype) if keys.dtype.is_integer else keys
                )
                if not self._num_oov_buckets:
                    return known
                bucket = self._bucket(keys) + self._table.size()
                missing = execute("Equal", (known, self._table.default_value))
                return execute("SelectV2", (missing, bucket, known))

        return on_values(find, keys, self._key_dtype)


def _check_vocabulary(key_dtype: DType, table_key_dtype: DType) -> None:
    if key_dtype.is_integer and not table_key_dtype.is_integer:
        raise TypeError(f"Invalid `key_dtype`, expected integer but got {table_key_dtype}.")
    if key_dtype is dtypes.string and table_key_dtype is not dtypes.string:
        raise TypeError(f"Invalid `key_dtype`, expected {dtypes.string} but got {table_key_dtype}.")


@export("lookup.StaticVocabularyTable", v1=[])
class StaticVocabularyTable(IdTableWithHashBuckets):
    """A vocabulary: keys to their ids, other keys to buckets that follow them, by hash.

    Args:
      initializer: keys and int64 ids; None: buckets only.
      num_oov_buckets: the number of buckets, at least 1.
      lookup_key_dtype: the dtype of keys; that of the initializer by default, string without one.
      name: the scope of the nodes in a graph.
      experimental_is_anonymous: see `tf.lookup.StaticHashTable`.

    Raises:
      ValueError: there are no buckets.
      TypeError: the ids are not int64.

    Example:
      >>> import penstock as tf
      >>> ids = tf.constant([0, 1], tf.int64)
      >>> table = tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], ids), 3)
      >>> table.lookup(tf.constant(["a", "b", "c", "d"])).numpy()
      array([0, 1, 3, 4])
      >>> table.size().numpy()
      np.int64(5)
    """

    def __init__(
        self,
        initializer: Any,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ):
        if num_oov_buckets <= 0:
            raise ValueError("`num_oov_buckets` must be > 0; use StaticHashTable.")
        table = None
        if initializer is not None:
            if initializer.value_dtype != dtypes.int64:
                raise TypeError(
                    f"Invalid `value_dtype`, expected {dtypes.int64} but got {initializer.value_dtype}."
                )
            table = StaticHashTable(initializer, -1, None, experimental_is_anonymous)
        super().__init__(table, num_oov_buckets, FastHashSpec, name or "hash_bucket", lookup_key_dtype)


@export(v1=["lookup.StaticVocabularyTable"])
class StaticVocabularyTableV1(StaticVocabularyTable):
    """TF 1's `StaticVocabularyTable`, which has its initializing operation as an attribute."""

    @property
    def initializer(self) -> Any:
        """The operation that fills the table; an empty one without a table."""
        with init_scope():
            return execute("NoOp", ()) if self._table is None else self._table._init_op
