"""Hash tables as resources, and the ops on them: make, find, insert, remove, size, export, import.

A table is a Python dict on the host. A node that makes one finds it by its shared name among the resources of the
session that runs (`thread.resources`), as variables do; eagerly each call makes a new one.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.definition import op
from penstock.engine.shape_rules import ShapeCall, no_outputs, scalar, unknown
from penstock.ops.lookup.buckets import bucket_count, bucket_places
from penstock.ops.strings.kernels import as_array, bytes_attr, string_array, text_attr
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

_MANY_KEYS = 256  # that are worth NumPy's calls


class Table:
    """A hash table.

    Attributes:
      name: for messages. key_dtype, value_dtype: the dtypes. value_shape: the shape of each value.
      static: whether it is filled once, before its first use.
      entries: hashable key -> value; None in a static table that has not been filled.
    """

    handle_data = None

    def __init__(
        self,
        name: str,
        key_dtype: DType,
        value_dtype: DType,
        value_shape: Sequence[int] = (),
        static: bool = False,
        key_shape: Sequence[int] = (),
        forbidden: dict[Any, str] | None = None,
    ):
        self.name, self.key_dtype, self.value_dtype, self.static = name, key_dtype, value_dtype, static
        self.value_shape, self.key_shape = tuple(value_shape), tuple(key_shape)
        self.entries: dict | None = None if static else {}
        self.forbidden = forbidden or {}  # hashable key -> what it is kept for
        self._places: tuple[int, np.ndarray, np.ndarray] | None = None  # see `_by_place`
        self._lock = threading.RLock()

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<table {self.name!r} {self.key_dtype.name} -> {self.value_dtype.name}>"

    # Keys and values.

    def _filled(self) -> dict:
        if self.entries is None:
            raise errors.FailedPreconditionError(
                None, None, f"Table {self.name!r} not initialized: run tf.compat.v1.tables_initializer() in this session first."
            )  # fmt: skip
        return self.entries

    def _hashables(self, keys: np.ndarray) -> list:
        if not self.key_shape:
            return keys.reshape(-1).tolist()
        rows = keys.reshape(-1, *self.key_shape)
        return [tuple(row.reshape(-1).tolist()) for row in rows]

    def _check_dtype(self, array: np.ndarray, dtype: DType, what: str) -> None:
        if dtypes.dtype_of_array(array) != dtype:
            raise ValueError(f"table {self.name!r}: expected {what} of dtype {dtype.name}, got {array.dtype}")

    def _keys(self, keys: Any) -> tuple[np.ndarray, list]:
        keys = as_array(keys)
        self._check_dtype(keys, self.key_dtype, "keys")
        inner = len(self.key_shape)
        if inner and keys.shape[keys.ndim - inner :] != self.key_shape:
            raise ValueError(f"Expected key shape {list(self.key_shape)}, got {list(keys.shape)}")
        hashables = self._hashables(keys)
        if self.forbidden:
            for each in hashables:
                if each in self.forbidden:
                    raise ValueError(f"Using the {self.forbidden[each]} as a table key is not allowed")
        return keys, hashables

    def _outer(self, keys: np.ndarray) -> tuple[int, ...]:
        return keys.shape[: keys.ndim - len(self.key_shape)]

    def _values(self, keys: np.ndarray, values: Any) -> Iterator[Any]:
        values = as_array(values)
        self._check_dtype(values, self.value_dtype, "values")
        expected = (*self._outer(keys), *self.value_shape)
        if values.shape != expected:
            raise ValueError(f"Expected shape {list(expected)} for value, got {list(values.shape)}")
        if self.value_shape:
            return iter(values.reshape(-1, *self.value_shape))
        return iter(values.reshape(-1).tolist())

    def _array(self, values: list, shape: tuple[int, ...]) -> np.ndarray:
        shape = (*shape, *self.value_shape)
        if self.value_dtype is dtypes.string:
            flat = values if not self.value_shape else [each for row in values for each in row.reshape(-1)]
            return string_array(flat, shape)
        return np.array(values, self.value_dtype.as_numpy_dtype).reshape(shape)

    # What the ops do.

    def find(self, keys: Any, default: Any) -> np.ndarray:
        """The values of keys; `default` (one value, or one for each key) for those that are not there."""
        entries = self._filled()
        if (by_place := self._by_place(entries, keys, default)) is not None:
            return by_place
        keys, hashables = self._keys(keys)
        default = as_array(default)
        shape = self._outer(keys)
        missing: Iterable[Any]
        if default.shape in (self.value_shape, (1, *self.value_shape)):
            one = default.reshape(self.value_shape)
            missing = itertools.repeat(one if self.value_shape else one.tolist())
        elif default.shape == (*shape, *self.value_shape):
            missing = (
                default.reshape(-1, *self.value_shape) if self.value_shape else default.reshape(-1).tolist()
            )
        else:
            raise ValueError(
                f"Expected shape {list(self.value_shape)} or {[*shape, *self.value_shape]} for default value, got "
                f"{list(default.shape)}"
            )
        return self._array(list(map(entries.get, hashables, missing)), shape)

    def _by_place(self, entries: dict, keys: Any, default: Any) -> np.ndarray | None:
        """`find` for many integers in a static table of numbers whose keys lie close together; None elsewhere."""
        if not self.static or self.value_shape or not self.key_dtype.is_integer or self.forbidden:
            return None
        keys, default = as_array(keys), as_array(default)
        if self.value_dtype is dtypes.string or keys.size < _MANY_KEYS or default.shape or not entries:
            return None
        self._check_dtype(keys, self.key_dtype, "keys")
        if self._places is None:
            self._places = self._places_of(entries)
        lowest, values, is_key = self._places
        if not len(values):
            return None
        inside = (keys >= lowest) & (keys < lowest + len(values))
        places = np.where(inside, keys, lowest).astype(np.int64) - lowest
        return np.where(inside & is_key[places], values[places], default.astype(values.dtype))

    def _places_of(self, entries: dict) -> tuple[int, np.ndarray, np.ndarray]:
        """The lowest key, a value for each number from it on, and whether it is a key; no values where keys are far apart."""
        lowest = min(entries)
        size = max(entries) - lowest + 1
        size = size if size <= 4 * len(entries) + _MANY_KEYS else 0
        values, is_key = np.zeros(size, self.value_dtype.as_numpy_dtype), np.zeros(size, bool)
        if size:
            for key, value in entries.items():
                values[key - lowest], is_key[key - lowest] = value, True
        return lowest, values, is_key

    def insert(self, keys: Any, values: Any) -> None:
        """Adds keys, or gives them new values."""
        keys, hashables = self._keys(keys)
        new = dict(zip(hashables, self._values(keys, values)))
        with self._lock:
            self._filled().update(new)

    def fill(self, keys: Any, values: Any) -> None:
        """Fills a static table; nothing where it has been filled before.

        Raises:
          FailedPreconditionError: a key appears with two values.
        """
        with self._lock:
            if self.entries is not None:
                return
            keys, hashables = self._keys(keys)
            entries: dict = {}
            for key, value in zip(hashables, self._values(keys, values)):
                known = entries.setdefault(key, value)
                if not np.array_equal(known, value):
                    raise errors.FailedPreconditionError(
                        None, None, "HashTable has different value for same key. "
                        f"Key {_shown(key)} has {_shown(known)} and trying to add value {_shown(value)}",
                    )  # fmt: skip
            self.entries = entries

    def replace(self, keys: Any, values: Any) -> None:
        """Makes these the only entries."""
        if self.static:
            self.fill(keys, values)
            return
        with self._lock:
            self.entries = {}
            self.insert(keys, values)

    def remove(self, keys: Any) -> None:
        """Removes keys; those that are not there are ignored."""
        _, hashables = self._keys(keys)
        with self._lock:
            for each in hashables:
                self._filled().pop(each, None)

    def size(self) -> int:
        """The number of entries."""
        return 0 if self.entries is None else len(self.entries)

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All keys and all values, in the order of insertion."""
        with self._lock:
            entries = self._filled()
            keys, values = list(entries), list(entries.values())
        if self.key_dtype is dtypes.string and not self.key_shape:
            key_array = string_array(keys, (len(keys),))
        else:
            key_array = np.array(keys, self.key_dtype.as_numpy_dtype).reshape(-1, *self.key_shape)
        return key_array, self._array(values, (len(values),))


class DenseTable(Table):
    """A table that TensorFlow keeps in one array, in which two keys mean "nothing": they are refused here too.

    Args:
      empty, deleted: the two keys, of the shape of all keys.
      initial_num_buckets, max_load_factor: how large the array is in TensorFlow, which exports all of it.
    """

    def __init__(
        self,
        name: str,
        empty: np.ndarray,
        deleted: np.ndarray,
        value_dtype: DType,
        value_shape: Sequence[int],
        initial_num_buckets: int,
        max_load_factor: float,
    ):
        super().__init__(name, dtypes.dtype_of_array(empty), value_dtype, value_shape, key_shape=empty.shape)
        self._empty, self._initial, self._load = empty, initial_num_buckets, max_load_factor
        self.forbidden = {
            self._hashables(empty)[0]: "empty_key", self._hashables(deleted)[0]: "deleted_key"
        }  # fmt: skip

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All buckets: the keys, with the empty key where there is none, and the values; each flat in its row."""
        keys, values = super().export()
        count = bucket_count(len(keys), self._initial, self._load)
        places = bucket_places(self._hashables(keys), count)
        all_keys = np.empty((count, *self.key_shape), keys.dtype)
        all_keys[:] = self._empty
        nothing: Any = b"" if self.value_dtype is dtypes.string else 0
        all_values = np.full((count, *self.value_shape), nothing, values.dtype)
        all_keys[places], all_values[places] = keys, values
        return all_keys.reshape(count, -1), all_values.reshape(count, -1)

    def replace(self, keys: Any, values: Any) -> None:
        """Makes the keys of an array of buckets the only ones."""
        keys = as_array(keys).reshape(-1, *self.key_shape)
        values = as_array(values).reshape(-1, *self.value_shape)
        used = [index for index, each in enumerate(self._hashables(keys)) if each not in self.forbidden]
        super().replace(keys[used], values[used])


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# Making tables.


def _shared(container: Any, shared_name: Any, make: Any) -> Table:
    """The table of that name of the session that runs; a new one where there is none, or where it has no name."""
    resources = thread.resources
    key = f"table/{text_attr(container)}/{text_attr(shared_name)}"
    found = None if resources is None else resources.get(key)
    if found is None:
        found = make(text_attr(shared_name))
        if resources is not None and shared_name:
            resources[key] = found
    return found


def _makes(op_type: str, anonymous_type: str, attrs: str, make: Any) -> None:
    """Defines an op that makes a table of a session, and one that makes a table nobody else finds."""

    def shared(
        *inputs: Any, container: Any, shared_name: Any, use_node_name_sharing: bool, **rest: Any
    ) -> Table:
        return _shared(container, shared_name, lambda name: make(name, *inputs, **rest))

    named = "container='', shared_name='', use_node_name_sharing=False, "
    inputs = "empty_key: key_dtype, deleted_key: key_dtype" if "Dense" in op_type else ""
    for each, arguments, body in (
        (op_type, named, shared),
        (anonymous_type, "", lambda *inputs, **rest: make("anonymous", *inputs, **rest)),
    ):
        op(
            f"{each}({inputs}; {arguments}{attrs}) -> table_handle: resource",
            numpy=body,
            shape=scalar,
            gradient=lambda call, dy: [None] * len(call.inputs),
            stateful=True,
        )


def _dims(shape: Any) -> list[int]:
    return [int(each) for each in TensorShape(shape).as_list()]


def _static_table(name: str, *, key_dtype: Any, value_dtype: Any) -> Table:
    return Table(name, as_dtype(key_dtype), as_dtype(value_dtype), static=True)


def _mutable_table(name: str, *, key_dtype: Any, value_dtype: Any, value_shape: Any = ()) -> Table:
    return Table(name, as_dtype(key_dtype), as_dtype(value_dtype), _dims(value_shape))


def _dense_table(
    name: str,
    empty_key: Any,
    deleted_key: Any,
    *,
    value_dtype: Any,
    value_shape: Any = (),
    initial_num_buckets: int,
    max_load_factor: float,
) -> Table:
    empty, deleted = as_array(empty_key), as_array(deleted_key)
    if empty.shape != deleted.shape:
        raise ValueError(
            f"Empty and deleted keys must have same shape, got {list(empty.shape)} vs. {list(deleted.shape)}"
        )
    if np.array_equal(empty, deleted):
        raise ValueError("Empty and deleted keys cannot be equal")
    if initial_num_buckets < 4 or initial_num_buckets & (initial_num_buckets - 1):
        raise ValueError(f"Number of buckets must be at least 4 and a power of 2, got: {initial_num_buckets}")
    return DenseTable(
        name, empty, deleted, as_dtype(value_dtype), _dims(value_shape), initial_num_buckets, max_load_factor
    )


_makes("HashTableV2", "AnonymousHashTable", "key_dtype, value_dtype", _static_table)
_makes("MutableHashTableV2", "AnonymousMutableHashTable", "key_dtype, value_dtype", _mutable_table)
_makes(
    "MutableHashTableOfTensorsV2",
    "AnonymousMutableHashTableOfTensors",
    "key_dtype, value_dtype, value_shape=[]",
    _mutable_table,
)
_makes(
    "MutableDenseHashTableV2",
    "AnonymousMutableDenseHashTable",
    "value_dtype, value_shape=[], initial_num_buckets=131072, max_load_factor=0.8",
    _dense_table,
)


# Ops on tables.


def _export_shape(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape(None)] * 2


op(
    "LookupTableFindV2(table_handle: resource, keys: Tin, default_value: Tout) -> values: Tout",
    numpy=lambda table, keys, default: table.find(keys, default),
    shape=unknown,
    gradient=lambda call, dy: [None, None, None],
    stateful=True,
)
op(
    "LookupTableInsertV2(table_handle: resource, keys: Tin, values: Tout) -> ()",
    numpy=lambda table, keys, values: table.insert(keys, values),
    shape=no_outputs,
    stateful=True,
)
op(
    "LookupTableRemoveV2(table_handle: resource, keys: Tin) -> ()",
    numpy=lambda table, keys: table.remove(keys),
    shape=no_outputs,
    stateful=True,
)
op(
    "LookupTableSizeV2(table_handle: resource) -> size: int64",
    numpy=lambda table: np.int64(table.size()),
    shape=scalar,
    stateful=True,
)
op(
    "LookupTableExportV2(table_handle: resource; Tkeys, Tvalues) -> (keys: Tkeys, values: Tvalues)",
    numpy=lambda table, **_: table.export(),
    shape=_export_shape,
    stateful=True,
)
op(
    "LookupTableImportV2(table_handle: resource, keys: Tin, values: Tout) -> ()",
    numpy=lambda table, keys, values: table.replace(keys, values),
    shape=no_outputs,
    stateful=True,
)
op(
    "InitializeTableV2(table_handle: resource, keys: Tkey, values: Tval) -> ()",
    numpy=lambda table, keys, values: table.fill(keys, values),
    shape=no_outputs,
    stateful=True,
)

# Tables from text files.

WHOLE_LINE, LINE_NUMBER = -2, -1


def _column(line: bytes, number: int, index: int, delimiter: bytes, filename: str) -> Any:
    if index == LINE_NUMBER:
        return number
    if index == WHOLE_LINE:
        return line
    parts = line.split(delimiter)
    if index >= len(parts):
        raise ValueError(
            f"Invalid number of columns in {filename} line {number} ({_shown(line)}) : expected at least {index + 1} got "
            f"{len(parts)}"
        )
    return parts[index]


def _column_array(values: list, dtype: DType, index: int, filename: str) -> np.ndarray:
    if dtype is dtypes.string:
        texts = [str(each).encode() if index == LINE_NUMBER else each for each in values]
        return string_array(texts, (len(values),))
    try:
        numbers = [float(each) if dtype.is_floating else int(each) for each in values]
    except ValueError as error:
        raise ValueError(f"{filename}: a value of the column is no {dtype.name}: {error}") from None
    return np.array(numbers, dtype.as_numpy_dtype)


def _fill_from_file(
    table: Table,
    filename: Any,
    *,
    key_index: int,
    value_index: int,
    vocab_size: int,
    delimiter: Any,
    offset: int,
) -> None:
    path = np.asarray(filename, object)[()].decode()
    try:
        with open(path, "rb") as file:
            lines = file.read().replace(b"\r", b"").split(b"\n")
    except OSError as error:
        kind = (
            errors.NotFoundError if isinstance(error, FileNotFoundError) else errors.FailedPreconditionError
        )
        raise kind(None, None, f"{path}; {error.strerror}") from error
    if lines[-1] == b"":
        lines.pop()
    if vocab_size >= 0:
        if len(lines) < vocab_size:
            raise ValueError(f"Invalid vocab_size in {path}: expected {vocab_size} but got {len(lines)}")
        lines = lines[:vocab_size]
    columns = []
    for index, dtype in ((key_index, table.key_dtype), (value_index, table.value_dtype)):
        values = [
            _column(line, number, index, bytes_attr(delimiter), path) for number, line in enumerate(lines)
        ]
        if index == LINE_NUMBER:
            values = [number + offset for number in values]
        columns.append(_column_array(values, dtype, index, path))
    table.fill(*columns)


op(
    "InitializeTableFromTextFileV2(table_handle: resource, filename: string; key_index, value_index, vocab_size=-1,"
    " delimiter='\\t', offset=0) -> ()",
    numpy=_fill_from_file,
    shape=no_outputs,
    stateful=True,
)
