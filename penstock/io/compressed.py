"""GZIP and ZLIB streams: what readers decompress while they read, and writers compress while they write."""

from __future__ import annotations

import dataclasses
import zlib
from typing import IO

from penstock.types import errors

# How zlib is told which header a stream has.
WINDOW_BITS = {"ZLIB": 15, "GZIP": 31}
_PIECE = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class CompressionLevels:
    """zlib's parameters; None stands for zlib's own choice."""

    flush_mode: int = zlib.Z_SYNC_FLUSH
    window_bits: int | None = None
    level: int = zlib.Z_DEFAULT_COMPRESSION
    memory: int = 9
    strategy: int = zlib.Z_DEFAULT_STRATEGY


def checked_kind(kind: str) -> str:
    """`kind`, if it is "", "GZIP" or "ZLIB".

    Raises:
      InvalidArgumentError: it is something else.
    """
    if kind and kind not in WINDOW_BITS:
        raise errors.InvalidArgumentError(
            None, None, f"the compression type is {kind!r}, and must be '', 'GZIP' or 'ZLIB'"
        )
    return kind


class Decompressed:
    """The uncompressed bytes of a file.

    GZIP files may be several, one behind the other; behind a ZLIB stream the rest of the file is ignored, as in TensorFlow.

    Args:
      file: the compressed file.
      kind: "GZIP" or "ZLIB".
      path: its name, for messages.
    """

    def __init__(self, file: IO[bytes], kind: str, path: str) -> None:
        self._file, self._kind, self._path = file, checked_kind(kind), path
        self._stream = zlib.decompressobj(WINDOW_BITS[kind])
        self._begun = False  # whether the current stream has got any input
        self._ended = False
        self._place = 0
        self._loss = ""

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size` and at least one; none at the end.

        Raises:
          DataLossError: the stream is damaged or cut off here; all bytes before have been given.
        """
        pieces: list[bytes] = []
        missing = size
        while missing > 0 and not self._ended and not self._loss:
            try:
                piece = self._next(missing)
            except zlib.error as error:
                self._loss = f"inflate() failed: {error}"
                break
            pieces.append(piece)
            missing -= len(piece)
        if pieces and (data := b"".join(pieces)):
            self._place += len(data)
            return data
        if self._loss:
            raise errors.DataLossError(
                None, None, f"{self._path}: {self._loss}, after byte {self._place} of the uncompressed data"
            )
        return b""

    def _next(self, size: int) -> bytes:
        pending = self._stream.unconsumed_tail
        if self._stream.eof:
            pending = self._stream.unused_data
            if self._kind == "ZLIB":
                self._ended = True
                return b""
            self._stream, self._begun = zlib.decompressobj(WINDOW_BITS[self._kind]), False
        pending = pending or self._file.read(_PIECE)
        if pending:
            self._begun = True
            return self._stream.decompress(pending, size)
        self._ended = True
        # Input may have run out while the stream holds output back.
        rest = self._stream.flush() if self._begun else b""
        if self._begun and not self._stream.eof:
            self._loss = "the compressed stream is cut off"
        return rest

    def seek(self, offset: int) -> None:
        """Goes forward to an offset of the uncompressed data."""
        while self._place < offset and self.read(min(offset - self._place, 1 << 20)):
            pass

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Compressed:
    """A file to which compressed bytes are written.

    Args:
      file: where they go.
      kind: "GZIP" or "ZLIB".
      levels: zlib's parameters.
    """

    def __init__(self, file: IO[bytes], kind: str, levels: CompressionLevels) -> None:
        bits = WINDOW_BITS[checked_kind(kind)] if levels.window_bits is None else levels.window_bits
        self._file, self._levels = file, levels
        self._stream = zlib.compressobj(levels.level, zlib.DEFLATED, bits, levels.memory, levels.strategy)

    def write(self, data: bytes) -> None:
        """Compresses bytes."""
        self._file.write(self._stream.compress(data))

    def flush(self) -> None:
        """Makes what has been written readable."""
        self._file.write(self._stream.flush(self._levels.flush_mode))
        self._file.flush()

    def close(self) -> None:
        """Ends the stream and closes the file."""
        self._file.write(self._stream.flush(zlib.Z_FINISH))
        self._file.close()
