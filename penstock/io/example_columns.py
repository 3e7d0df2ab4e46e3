"""Columns of a batch of Examples: the values of one feature, decoded for all Examples at once.

Where all Examples of a batch have the same bytes but for the values (records of one writer with features of fixed
sizes), the batch is a matrix of bytes and a column is a slice of it: nothing is done for each Example.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.io import example_wire as wire
from penstock.types import dtypes
from penstock.types.dtypes import DType

KINDS = {dtypes.string: wire.BYTES, dtypes.float32: wire.FLOAT, dtypes.int64: wire.INT64}
_KIND_NAMES = {wire.BYTES: "string", wire.FLOAT: "float", wire.INT64: "int64"}
_LITTLE_ENDIAN_FLOAT = np.dtype("<f4")


def kind_name(dtype: DType) -> str:
    """A dtype as messages name it."""
    return _KIND_NAMES[KINDS[dtype]]


class FeatureError(ValueError):
    """What is wrong with a feature, and in which Example of the batch."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index


class Column:
    """The values of one feature in a batch.

    Attributes:
      values: all of them, one after the other.
      counts: how many each Example has; 0 where it lacks the feature.
      missing: the indices of the Examples that lack it.
    """

    __slots__ = ("values", "counts", "missing")

    def __init__(self, values: np.ndarray, counts: list[int], missing: list[int]) -> None:
        self.values, self.counts, self.missing = values, counts, missing

    def splits(self, dtype: DType) -> np.ndarray:
        """Where the values of each Example begin, and at the end how many there are."""
        found = np.zeros(len(self.counts) + 1, dtype.as_numpy_dtype)
        np.cumsum(self.counts, out=found[1:])
        return found


class ScannedColumn:
    """A feature whose values were found Example by Example.

    Args:
      found: where they are in each; None for one that lacks the feature.
    """

    __slots__ = ("_found",)

    def __init__(self, found: Sequence[wire.Values | None]) -> None:
        self._found = found

    def column(self, dtype: DType) -> Column:
        """The decoded values.

        Raises:
          FeatureError: an Example has values of another type, or malformed ones.
        """
        kind = KINDS[dtype]
        missing: list[int] = []
        pieces: list[Any] = []
        take: Callable[[wire.Values], Any] = wire.strings if kind == wire.BYTES else wire.packed
        for index, values in enumerate(self._found):
            if values is None:
                missing.append(index)
                pieces.append(b"")
                continue
            if values[0] != kind:
                raise other_type(index, kind, values[0])
            try:
                pieces.append(take(values))
            except wire.MalformedError as error:
                raise FeatureError(index, f"Could not parse example input: {error}") from None
        if kind == wire.BYTES:
            return Column(
                string_array(itertools.chain.from_iterable(pieces)), list(map(len, pieces)), missing
            )
        return Column(*_numbers(kind, pieces), missing)


def other_type(index: int, expected: int, actual: int) -> FeatureError:
    """The error for an Example whose values are of another type: both as fields of Feature."""
    return FeatureError(
        index,
        f"Data types don't match. Expected type: {_KIND_NAMES[expected]}, Actual type: {_KIND_NAMES[actual]}",
    )


def string_array(strings: Any) -> np.ndarray:
    """Byte strings as an array."""
    strings = list(strings)
    array = np.empty(len(strings), object)
    array[:] = strings
    return array


def _numbers(kind: int, pieces: list[bytes]) -> tuple[np.ndarray, list[int]]:
    """The values of packed lists, and how many each list has."""
    if kind == wire.INT64:
        try:
            counts = wire.count_varints(pieces)
            return wire.decode_varints(b"".join(pieces)), counts
        except wire.MalformedError as error:
            index = next(i for i, piece in enumerate(pieces) if not _is_well_formed(piece))
            raise FeatureError(index, f"Could not parse example input: {error}") from None
    sizes = list(map(len, pieces))
    if any(size & 3 for size in set(sizes)):
        index = next(i for i, size in enumerate(sizes) if size & 3)
        raise FeatureError(index, "Could not parse example input: a list of floats is cut off")
    values = np.frombuffer(bytearray().join(pieces), _LITTLE_ENDIAN_FLOAT)
    return values.astype(np.float32, copy=False), [size >> 2 for size in sizes]


def _is_well_formed(varints: bytes) -> bool:
    try:
        wire.decode_varints(varints)
    except wire.MalformedError:
        return False
    return True


class UniformColumn:
    """A feature whose values are at the same place in every Example.

    Args:
      kind: which list they are.
      serialized: the Examples.
      octets: the same as a matrix, a row for each.
      start, stop: where the values are.
    """

    __slots__ = ("_kind", "_octets", "_serialized", "_start", "_stop")

    def __init__(
        self, kind: int, serialized: Sequence[bytes], octets: np.ndarray, start: int, stop: int
    ) -> None:
        self._kind, self._serialized, self._octets = kind, serialized, octets
        self._start, self._stop = start, stop

    def column(self, dtype: DType) -> Column:
        """The decoded values; see `ScannedColumn.column`."""
        kind = KINDS[dtype]
        if kind != self._kind:
            raise other_type(0, kind, self._kind)
        batch, start, stop = len(self._serialized), self._start, self._stop
        if kind == wire.BYTES:
            return Column(string_array(each[start:stop] for each in self._serialized), [1] * batch, [])
        block = np.ascontiguousarray(self._octets[:, start:stop])
        if kind == wire.FLOAT and not (stop - start) & 3:
            values = block.reshape(-1).view(_LITTLE_ENDIAN_FLOAT).astype(np.float32, copy=False)
            return Column(values, [(stop - start) >> 2] * batch, [])
        if kind == wire.INT64 and stop > start and block.max() < 0x80:
            return Column(block.reshape(-1).astype(np.int64), [stop - start] * batch, [])
        return Column(*_numbers(kind, [each[start:stop] for each in self._serialized]), [])


def uniform_columns(serialized: Sequence[bytes], slots: dict[bytes, int]) -> list[UniformColumn] | None:
    """A column for each slot, if all Examples have all features, and the same bytes but for their values."""
    first = serialized[0]
    size = len(first)
    if len(serialized[-1]) != size or any(len(each) != size for each in serialized):
        return None
    found: list[wire.Values | None] = [None] * len(slots)
    try:
        wire.scan_example(first, slots, found)
        ranges = [values and values[1] is first and wire.single(values) for values in found]
    except (wire.MalformedError, IndexError):
        return None
    if not all(ranges):
        return None
    octets = np.frombuffer(b"".join(serialized), np.uint8).reshape(len(serialized), size)
    at = 0
    for start, stop in [*sorted(ranges), (size, size)]:  # type: ignore[misc]
        if not (octets[:, at:start] == octets[0, at:start]).all():
            return None
        at = stop
    return [
        UniformColumn(values[0], serialized, octets, *place)  # type: ignore[index, misc]
        for values, place in zip(found, ranges)
    ]
