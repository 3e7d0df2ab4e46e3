"""Columns of a batch of Examples by native functions, which leave other Python threads running.

They read what every writer makes. For a batch with anything else, damage too, there are no such columns, and the readers
in Python, `penstock.io.example_wire`, have their turn; so they have where there is little to read, as calls of native
functions take a while themselves.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.aligned import address_of
from penstock.engine.byte_strings import ByteStrings
from penstock.engine.native import host_functions
from penstock.io import example_wire as wire
from penstock.io.example_columns import KINDS, Column, other_type, string_array
from penstock.types.dtypes import DType

_POINTER, _INT, _KIND = ctypes.c_void_p, ctypes.c_long, ctypes.c_int64
_FEW_EXAMPLES, _FEW_FEATURES = 3, 2  # what Python reads sooner
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_find_features": (ctypes.c_bool, [_POINTER, _POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER]),
    "penstock_feature_numbers": (None, [_POINTER, _POINTER, _INT, _KIND, _POINTER]),
    "penstock_feature_strings": (None, [_POINTER, _POINTER, _INT, _POINTER]),
}


@functools.cache
def _library() -> Any:
    """The library with the functions, or None."""
    return host_functions(_SIGNATURES)


@functools.lru_cache(256)
def _keys(keys: tuple[bytes, ...]) -> ByteStrings:
    return ByteStrings(keys)


class NativeColumn:
    """A feature of a batch of Examples.

    Args:
      examples: the batch.
      found: for each Example which list of values it has (0: none), where they begin and end, and how many they are.
    """

    __slots__ = ("_examples", "_found")

    def __init__(self, examples: ByteStrings, found: np.ndarray) -> None:
        self._examples, self._found = examples, found

    def column(self, dtype: DType) -> Column:
        """The decoded values; see `ScannedColumn.column`."""
        kind, library = KINDS[dtype], _library()
        kinds, _, _, counts = self._found.T.tolist()
        missing: list[int] = []
        if kinds.count(kind) != len(kinds):
            for index, each in enumerate(kinds):
                if not each:
                    missing.append(index)
                elif each != kind:
                    raise other_type(index, kind, each)
        total, batch = sum(counts), len(counts)
        if kind == wire.BYTES:
            ranges = np.empty((total, 2), np.int64)
            library.penstock_feature_strings(
                self._examples.addresses, address_of(self._found), batch, address_of(ranges)
            )
            owners: Iterable[bytes] = self._examples.strings
            if total != batch or missing:
                owners = itertools.chain.from_iterable(map(itertools.repeat, owners, counts))
            values = string_array([text[start:stop] for text, (start, stop) in zip(owners, ranges.tolist())])
        else:
            values = np.empty(total, np.float32 if kind == wire.FLOAT else np.int64)
            library.penstock_feature_numbers(
                self._examples.addresses, address_of(self._found), batch, kind, address_of(values)
            )
        return Column(values, counts, missing)


def native_columns(serialized: Sequence[bytes], slots: dict[bytes, int]) -> list[NativeColumn] | None:
    """A column for each slot; None where there are no native functions, or they cannot read an Example."""
    library = _library()
    few = len(serialized) <= _FEW_EXAMPLES and len(slots) <= _FEW_FEATURES
    if few or library is None or not all(type(each) is bytes for each in serialized):
        return None
    examples, keys = ByteStrings(serialized), _keys(tuple(slots))
    found = np.zeros((len(slots), len(serialized), 4), np.int64)
    read = library.penstock_find_features(
        examples.addresses, examples.sizes, len(serialized), keys.addresses, keys.sizes, len(slots), address_of(found),
    )  # fmt: skip
    return [NativeColumn(examples, each) for each in found] if read else None
