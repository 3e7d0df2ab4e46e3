"""The script (Latin, Greek, Han, ...) of Unicode characters, read on first use from the table beside this file."""

from __future__ import annotations

import functools
import pathlib

import numpy as np

UNKNOWN = 103  # ICU's code of characters without a script

Ranges = list[tuple[int, int]]  # inclusive


@functools.cache
def _table() -> list[tuple[int, str, Ranges]]:
    """(code, name, ranges of code points) of each script."""
    rows = []
    text = pathlib.Path(__file__).with_suffix(".txt").read_text("ascii")
    for line in text.splitlines()[1:]:
        code, name, *ranges = line.split()
        edges = [[int(edge, 16) for edge in each.split("-")] for each in ranges]
        rows.append((int(code), name, [(each[0], each[-1]) for each in edges]))
    return rows


@functools.cache
def script_ranges() -> dict[str, Ranges]:
    """Script name -> its ranges of code points."""
    return {name: ranges for _, name, ranges in _table()}


@functools.cache
def _starts() -> tuple[np.ndarray, np.ndarray]:
    """Where runs of one script begin, and its code."""
    runs = sorted((first, last, code) for code, _, ranges in _table() for first, last in ranges)
    starts, codes = [0], [UNKNOWN]
    for first, last, code in runs:
        starts += [first, last + 1]
        codes += [code, UNKNOWN]
    return np.array(starts), np.array(codes, np.int32)


def script_codes(characters: np.ndarray) -> np.ndarray:
    """ICU's code of the script of each code point; -1 for what is none.

    >>> script_codes(np.array([ord("A"), ord("α"), ord("1"), -1]))
    array([25, 14,  0, -1], dtype=int32)
    """
    starts, codes = _starts()
    found = codes[np.searchsorted(starts, characters, side="right") - 1]
    return np.where((characters < 0) | (characters > 0x10FFFF), np.int32(-1), found)
