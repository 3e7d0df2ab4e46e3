"""A slice of a tensor in a checkpoint: how it is written as text (`"10 4 0,5:-"`), as a message and as a key.

The key of a slice sorts by name, then by place: TensorFlow's "ordered code".
"""

from __future__ import annotations

from typing import Any, NamedTuple


class TensorSlice(NamedTuple):
    """A start and a length along each axis; a length of None takes the whole axis."""

    extents: tuple[tuple[int, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> TensorSlice:
        """Reads `"0,5:-"`: one part for each axis, `-` for all of it.

        Raises:
          ValueError: the text is no slice.
        """
        extents: list[tuple[int, int | None]] = []
        for part in text.split(":"):
            if part == "-":
                extents.append((0, None))
                continue
            try:
                start, length = (int(number) for number in part.split(","))
            except ValueError:
                raise ValueError(
                    f"Expected a pair of numbers or '-' but got {part!r}: string = {text}"
                ) from None
            if start < 0 or length < 1:
                raise ValueError(f"Expected non-negative start and positive length but got {part}: {text}")
            extents.append((start, length))
        return cls(tuple(extents))

    @classmethod
    def of(cls, message: Any) -> TensorSlice:
        """From a TensorSliceProto."""
        return cls(
            tuple((each.start, each.length if each.HasField("length") else None) for each in message.extent)
        )

    def fill(self, message: Any) -> None:
        """Writes itself into a TensorSliceProto."""
        for start, length in self.extents:
            extent = message.extent.add()
            if length is not None:
                extent.start, extent.length = start, length

    @property
    def is_full(self) -> bool:
        """Whether it takes all of every axis."""
        return all(length is None for _, length in self.extents)

    def within(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """The index of the slice in a tensor of `shape`.

        Raises:
          ValueError: the slice does not lie inside.
        """
        if len(shape) != len(self.extents):
            raise ValueError(
                f"a slice of {len(self.extents)} axes cannot be taken from the shape {list(shape)}"
            )
        index = []
        for size, (start, length) in zip(shape, self.extents):
            stop = size if length is None else start + length
            if stop > size:
                raise ValueError(f"the slice {self} goes beyond the shape {list(shape)}")
            index.append(slice(start, stop))
        return tuple(index)

    def shape_in(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the slice of a tensor of `shape`."""
        return tuple(each.stop - each.start for each in self.within(shape))

    def __str__(self) -> str:
        return ":".join("-" if length is None else f"{start},{length}" for start, length in self.extents)


def parse_shape_and_slice(text: str) -> tuple[tuple[int, ...], TensorSlice]:
    """Reads `"10 4 0,5:-"`: the shape of the whole, and a slice of it.

    Raises:
      ValueError: the text is not of that form, or the slice does not fit the shape.

    >>> shape, piece = parse_shape_and_slice("10 4 0,5:-")
    >>> shape, piece.extents
    ((10, 4), ((0, 5), (0, None)))
    """
    parts = text.split(" ")
    if len(parts) < 2:
        raise ValueError(f"Need least two elements in shape_and_slice specification: {text}")
    try:
        shape = tuple(int(size) for size in parts[:-1])
    except ValueError:
        raise ValueError(f"Non numerical dimension in shape_and_slice: {text}") from None
    piece = TensorSlice.parse(parts[-1])
    piece.within(shape)
    return shape, piece


def slice_key(name: str, piece: TensorSlice) -> bytes:
    r"""The key under which a table keeps a slice of a tensor.

    >>> slice_key("w", TensorSlice(((0, 5), (0, None))))
    b'\x00w\x00\x01\x01\x02\x80\x85\x80\x7f'
    """
    out = _unsigned(0) + _text(name.encode()) + _unsigned(len(piece.extents))
    for start, length in piece.extents:
        out += _signed(start) + _signed(-1 if length is None else length)
    return out


def _unsigned(value: int) -> bytes:
    """How many bytes follow, and the bytes of the number from the highest."""
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _text(text: bytes) -> bytes:
    escaped = b"".join({0: b"\x00\xff", 255: b"\xff\x00"}.get(each, bytes([each])) for each in text)
    return escaped + b"\x00\x01"


def _signed(value: int) -> bytes:
    """Seven bits a byte; the ones before the sign bit count the bytes, inverted for numbers below zero."""
    magnitude = ~value if value < 0 else value
    length = magnitude.bit_length() // 7 + 1
    header = ((1 << length) - 1) << (80 - length)
    digits = (value & ((1 << 80) - 1)).to_bytes(10, "big")[10 - length :]
    prefix = header.to_bytes(10, "big")[:length]
    return bytes(each ^ bits for each, bits in zip(digits, prefix))
