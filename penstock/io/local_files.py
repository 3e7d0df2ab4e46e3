"""Files of this machine; `penstock.io.remote_files` has the same functions for other file systems."""

from __future__ import annotations

import glob as _glob
import os
import shutil
from collections.abc import Iterator
from typing import IO, Any


def open_file(path: str, mode: str, buffering: int = -1) -> IO[bytes]:
    """An open file; 0 for `buffering`: each write goes to the operating system."""
    return open(path, mode, buffering)


def exists(path: str) -> bool:
    """Whether there is a file or directory."""
    return os.path.exists(path)


def isdir(path: str) -> bool:
    """Whether there is a directory."""
    return os.path.isdir(path)


def listdir(path: str) -> list[str]:
    """The names of what is in a directory."""
    return os.listdir(path)


def mkdir(path: str) -> None:
    """Makes a directory; nothing where there is one, or a file."""
    if not os.path.exists(path):
        os.mkdir(path)


def makedirs(path: str) -> None:
    """Makes a directory and its parents; nothing where it exists."""
    os.makedirs(path, exist_ok=True)


def move(source: str, target: str) -> None:
    """Gives a file or directory another path, where it replaces a file."""
    os.replace(source, target)


def remove(path: str) -> None:
    """Deletes a file."""
    os.remove(path)


def rmtree(path: str) -> None:
    """Deletes a directory and all that is in it."""
    shutil.rmtree(path)


def stat(path: str) -> tuple[int, int, bool]:
    """Size in bytes, time of the last change in nanoseconds, and whether it is a directory."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, os.path.isdir(path)


def glob(pattern: str) -> list[str]:
    """The paths that match a pattern."""
    return _glob.glob(pattern, include_hidden=True)


def walk(top: str, topdown: bool, onerror: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    """(directory, names of its directories, names of its files) for a directory and all below it."""
    return os.walk(top, topdown, onerror)
