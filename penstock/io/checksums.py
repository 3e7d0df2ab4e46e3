"""CRC-32C (Castagnoli) and the masked form that records, event files and checkpoints store."""

from __future__ import annotations

from typing import Any

from google_crc32c import extend as extend_crc32c
from google_crc32c import value as crc32c

__all__ = ["crc32c", "extend_crc32c", "mask", "masked_crc32c"]


def mask(crc: Any) -> Any:
    """A checksum, or a uint32 array of them, rotated and shifted.

    A checksum of data that holds checksums is weak, as LevelDB found.
    """
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The masked checksum of `data`.

    Example:
      >>> from penstock.io.checksums import masked_crc32c
      >>> hex(masked_crc32c(b"123456789"))
      '0xc78ab0e5'
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF  # `mask`, which a call would take longer than
