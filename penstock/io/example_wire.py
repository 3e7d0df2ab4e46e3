"""The wire format of `tf.train.Example` and `SequenceExample`, read without building messages.

A scan finds where the values of the wanted features are (a few byte comparisons for each feature); the values
themselves are decoded with NumPy, for a whole batch at once (`penstock.io.example_batches`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

# Tags: field number << 3 | wire type.
_LENGTH_DELIMITED = 2
_FIELD_1, _FIELD_2, _FIELD_3 = 0x0A, 0x12, 0x1A  # length-delimited
BYTES, FLOAT, INT64 = _FIELD_1, _FIELD_2, _FIELD_3  # which field of Feature holds the list
_VARINT_1, _FIXED32_1 = 0x08, 0x0D  # an element of an Int64List or FloatList that is not packed


class MalformedError(ValueError):
    """Bytes that are no such message."""


# Where the values of a feature are: kind, data, and the range that is its BytesList, FloatList or Int64List.
Values = tuple[int, bytes, int, int]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint at an offset, and the offset behind it.

    Raises:
      IndexError: the data ends before the varint does.
      MalformedError: it has more than ten bytes.
    """
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedError("a varint has more than 10 bytes")


def fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message: tag, and the range of what is in it (for length-delimited ones, the contents).

    Raises:
      MalformedError, IndexError: the message is cut off, or a tag is none.
    """
    at = start
    while at < stop:
        tag, at = varint(data, at)
        wire_type = tag & 7
        if wire_type == _LENGTH_DELIMITED:
            size, at = varint(data, at)
            end = at + size
        elif wire_type == 0:
            _, end = varint(data, at)
        elif wire_type in (1, 5):
            end = at + (8 if wire_type == 1 else 4)
        else:
            raise MalformedError(f"there is no field with tag {tag}")
        if end > stop or not tag >> 3:
            raise MalformedError("a field goes beyond its message")
        yield tag, at, end
        at = end


def scan_example(data: bytes, slots: dict[bytes, int], found: list[Values | None]) -> None:
    """Finds the wanted features of an Example: its field 1, Features, is a map from names to features.

    Args:
      data: the serialized Example.
      slots: name of a feature -> its place in `found`. Other features are passed over.
      found: gets the values; stays None where the Example does not have the feature, or has it without a list.

    Raises:
      MalformedError: it is no Example.
    """
    total = len(data)
    try:
        if total > 2 and data[0] == _FIELD_1:
            size, start = data[1], 2
            if size > 127:
                size, start = varint(data, 1)
            if start + size == total:  # the usual Example has just this field
                return _scan_features(data, start, total, slots, found)
        for tag, start, stop in fields(data, 0, total):
            if tag == _FIELD_1:
                _scan_features(data, start, stop, slots, found)
    except IndexError:
        raise MalformedError("it is cut off") from None


def scan_sequence_example(
    data: bytes,
    slots: dict[bytes, int],
    found: list[Values | None],
    list_slots: dict[bytes, int],
    lists: list,
) -> None:
    """Finds the wanted features of a SequenceExample: context (field 1, Features) and feature lists (field 2).

    Args:
      data: the serialized SequenceExample.
      slots, found: as in `scan_example`, for the context.
      list_slots: name of a feature list -> its place in `lists`.
      lists: gets a list with the values of each step (None for a step without); stays None where there is no such list.

    Raises:
      MalformedError: it is no SequenceExample.
    """
    try:
        for tag, start, stop in fields(data, 0, len(data)):
            if tag == _FIELD_1:
                _scan_features(data, start, stop, slots, found)
            elif tag == _FIELD_2:
                for inner, at, end in fields(data, start, stop):
                    if inner == _FIELD_1:
                        _scan_feature_list(data, at, end, list_slots, lists)
    except IndexError:
        raise MalformedError("it is cut off") from None


def _scan_feature_list(data: bytes, start: int, stop: int, slots: dict[bytes, int], lists: list) -> None:
    key, value = _entry(data, start, stop)
    slot = slots.get(key)
    if slot is not None:
        steps = lists[slot] = []
        for begin, end in value:
            for tag, at, behind in fields(data, begin, end):
                if tag == _FIELD_1:
                    steps.append(_feature(data, at, behind))


def _scan_features(
    data: bytes, start: int, stop: int, slots: dict[bytes, int], found: list[Values | None]
) -> None:
    """The entries of a Features message. What every writer makes is read here; `_entry` and `_feature` read the rest."""
    at = start
    while at < stop:
        if data[at] != _FIELD_1:
            _, _, at = next(fields(data, at, stop))
            continue
        size = data[at + 1]
        at += 2
        if size > 127:
            size, at = varint(data, at - 1)
        end = at + size
        if end > stop:
            raise MalformedError("a feature goes beyond its message")
        if size > 3 and data[at] == _FIELD_1 and data[at + 1] < 128:
            key_end = at + 2 + data[at + 1]
            if key_end < end and data[key_end] == _FIELD_2:
                size, first = data[key_end + 1], key_end + 2
                if size > 127:
                    size, first = varint(data, first - 1)
                if first + size == end:
                    slot = slots.get(data[at + 2 : key_end])
                    if slot is not None:
                        found[slot] = _feature(data, first, end)
                    at = end
                    continue
        key, value = _entry(data, at, end)
        slot = slots.get(key)
        if slot is not None:
            found[slot] = _merged([_feature(data, *each) for each in value])
        at = end


def _entry(data: bytes, start: int, stop: int) -> tuple[bytes, list[tuple[int, int]]]:
    """The key of a map's entry, and the ranges whose messages together are its value."""
    key, value = b"", []
    for tag, at, end in fields(data, start, stop):
        if tag == _FIELD_1:
            key = data[at:end]
        elif tag == _FIELD_2:
            value.append((at, end))
    return key, value


def _feature(data: bytes, start: int, stop: int) -> Values | None:
    """The list of a Feature; None where it has none."""
    if start == stop:
        return None
    kind, size, at = data[start], data[start + 1], start + 2
    if size > 127:
        size, at = varint(data, at - 1)
    if at + size == stop and kind in (FLOAT, BYTES, INT64):
        return kind, data, at, stop
    kinds = (BYTES, FLOAT, INT64)
    return _merged([(tag, data, at, end) for tag, at, end in fields(data, start, stop) if tag in kinds])


def _merged(parts: Sequence[Values | None]) -> Values | None:
    """Lists that stand one after the other, as protocol buffers merge them: the last kind of a oneof wins."""
    joined: Values | None = None
    for part in parts:
        if part is None:
            continue
        if joined is None or joined[0] != part[0]:
            joined = part
        else:
            data = b"".join(each[start:stop] for _, each, start, stop in (joined, part))
            joined = part[0], data, 0, len(data)
    return joined


def single(values: Values) -> tuple[int, int] | None:
    """The range of packed numbers, or of the only string, where the list is written in one piece; else None."""
    _, data, start, stop = values
    if start + 1 >= stop or data[start] != _FIELD_1:
        return None
    size, at = varint(data, start + 1)
    return (at, stop) if at + size == stop else None


def packed(values: Values) -> bytes:
    """The packed elements of a FloatList or Int64List: four bytes each, or varints.

    Raises:
      MalformedError: it is no such list.
    """
    kind, data, start, stop = values
    if start == stop:
        return b""
    try:
        if data[start] == _FIELD_1:
            size, at = data[start + 1], start + 2
            if size > 127:
                size, at = varint(data, at - 1)
            if at + size == stop:
                return data[at:stop]
        unpacked = _FIXED32_1 if kind == FLOAT else _VARINT_1
        parts = (data[at:end] for tag, at, end in fields(data, start, stop) if tag in (_FIELD_1, unpacked))
        return b"".join(parts)
    except IndexError:
        raise MalformedError("a list of numbers is cut off") from None


def strings(values: Values) -> list[bytes]:
    """The elements of a BytesList.

    Raises:
      MalformedError: it is no such list.
    """
    _, data, start, stop = values
    if start == stop:
        return []
    try:
        if data[start] == _FIELD_1:
            size, at = data[start + 1], start + 2
            if size > 127:
                size, at = varint(data, at - 1)
            if at + size == stop:
                return [data[at:stop]]
        return [data[at:end] for tag, at, end in fields(data, start, stop) if tag == _FIELD_1]
    except IndexError:
        raise MalformedError("a list of strings is cut off") from None


def decode_varints(data: bytes) -> np.ndarray:
    """The int64 values of packed varints.

    Raises:
      MalformedError: the last one is cut off, or one has more than ten bytes.

    Example:
      >>> from penstock.io.example_wire import decode_varints
      >>> decode_varints(bytes([5, 0xAC, 0x02]))
      array([  5, 300])
    """
    if len(data) < 16:
        return np.array(_few_varints(data), np.int64)
    octets = np.frombuffer(data, np.uint8)
    if data.isascii():
        return octets.astype(np.int64)
    ends = np.flatnonzero(octets < 0x80)
    if octets[-1] >= 0x80:
        raise MalformedError("a list of integers is cut off")
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    sizes = ends - starts + 1
    longest = int(sizes.max())
    if longest > 10:
        raise MalformedError("a varint has more than 10 bytes")
    values = (octets[starts] & 0x7F).astype(np.uint64)
    for place in range(1, longest):
        longer = np.flatnonzero(sizes > place)
        part = (octets[starts[longer] + place] & 0x7F).astype(np.uint64)
        values[longer] |= part << np.uint64(7 * place)
    return values.view(np.int64)


def _few_varints(data: bytes) -> list[int]:
    values, at, end = [], 0, len(data)
    while at < end:
        byte = data[at]
        if byte < 0x80:
            values.append(byte)
            at += 1
            continue
        try:
            value, at = varint(data, at)
        except IndexError:
            raise MalformedError("a list of integers is cut off") from None
        value &= 0xFFFFFFFFFFFFFFFF
        values.append(value - (1 << 64) if value >> 63 else value)
    return values


def count_varints(pieces: list[bytes]) -> list[int]:
    """How many varints each piece holds.

    Raises:
      MalformedError: the last one of a piece is cut off.
    """
    counts = []
    for piece in pieces:
        size = len(piece)
        if size > 1 and not piece.isascii():  # bytes from 0x80 on have more bytes of their varint behind them
            size -= int(np.count_nonzero(np.frombuffer(piece, np.uint8) & 0x80))
        if piece and piece[-1] >= 0x80:
            raise MalformedError("a list of integers is cut off")
        counts.append(size)
    return counts
