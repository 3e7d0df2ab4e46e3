"""The array of buckets in which TensorFlow keeps a dense hash table: what it exports, and what its checkpoints hold.

A key stands in the first free bucket of its probe sequence: its hash, and then 1, 3, 6, ... buckets further.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.ops.strings.hashing import hash64

_MASK = (1 << 64) - 1


def bucket_count(entries: int, initial: int, max_load_factor: float) -> int:
    """How many buckets there are: the initial number, doubled until the entries fill no more than their share.

    >>> bucket_count(7, 8, 0.8)
    16
    """
    count = initial
    while entries > count * max_load_factor:
        count *= 2
    return count


def bucket_places(keys: Sequence[Any], count: int) -> list[int]:
    """The bucket of each key: an integer, a string, or a tuple of these.

    >>> bucket_places([1, 9, 17], 8)
    [1, 2, 4]
    """
    taken: set[int] = set()
    places = []
    for key in keys:
        place, step = _hash(key) & (count - 1), 0
        while place in taken:
            step += 1
            place = (place + step) & (count - 1)
        taken.add(place)
        places.append(place)
    return places


def _hash(key: Any) -> int:
    if not isinstance(key, tuple):
        return hash64(key) if isinstance(key, bytes) else int(key) & _MASK
    if len(key) == 1:
        return _hash(key[0])
    combined = 0
    for each in key:
        combined ^= (_hash(each) + 0x9E3779B97F4A7800 + (combined << 10) + (combined >> 4)) & _MASK
    return combined
