"""Files of other file systems (`gs://`, `s3://`, `memory://`, ...), which the package fsspec and its plugins know."""

from __future__ import annotations

import contextlib
import datetime
import posixpath
from collections.abc import Iterator
from typing import IO, Any

from penstock.types import errors


def _not_there(scheme: str, path: str, why: str) -> errors.UnimplementedError:
    return errors.UnimplementedError(
        None, None, f"File system scheme '{scheme}' not implemented (file: '{path}'): {why}"
    )


class RemoteFiles:
    """The file system of a scheme; its functions are those of `penstock.io.local_files`, over paths with the scheme.

    Args:
      scheme: what stands before `://`.
      path: a path in it, for messages.

    Raises:
      UnimplementedError: fsspec, or the package that it needs for this scheme, is not installed, or does not know it.
    """

    def __init__(self, scheme: str, path: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise _not_there(scheme, path, "`pip install fsspec` for files that are not local") from None
        try:
            self._files, _ = url_to_fs(path)
        except (ImportError, ValueError) as error:
            raise _not_there(scheme, path, str(error)) from None

    def _bare(self, path: str) -> str:
        return self._files._strip_protocol(path)

    def open_file(self, path: str, mode: str, buffering: int = -1) -> IO[bytes]:
        """An open file; what is written to a new one shows up when it is closed, however it is buffered."""
        try:
            return self._files.open(self._bare(path), mode)
        except (NotImplementedError, ValueError) as error:
            raise errors.UnimplementedError(
                None, None, f"{path} cannot be opened with mode {mode}: {error}"
            ) from None

    @contextlib.contextmanager
    def replacing(self, path: str) -> Iterator[IO[bytes]]:
        """A file to write, which shows up at the end, unless there was an error."""
        target, part = self._bare(path), f"{self._bare(path)}.part"
        try:
            with self._files.open(part, "wb") as file:
                yield file
            self._files.mv(part, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(part)
            raise

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory."""
        return self._files.exists(self._bare(path))

    def isdir(self, path: str) -> bool:
        """Whether there is a directory."""
        return self._files.isdir(self._bare(path))

    def listdir(self, path: str) -> list[str]:
        """The names of what is in a directory."""
        own = self._bare(path).rstrip("/")
        found = (each.rstrip("/") for each in self._files.ls(own, detail=False))
        return [posixpath.basename(each) for each in found if each != own]

    def mkdir(self, path: str) -> None:
        """Makes a directory; nothing where it exists."""
        if not self.isdir(path):
            self._files.mkdir(self._bare(path), create_parents=False)

    def makedirs(self, path: str) -> None:
        """Makes a directory and its parents; nothing where it exists."""
        self._files.makedirs(self._bare(path), exist_ok=True)

    def move(self, source: str, target: str) -> None:
        """Gives a file or directory another path."""
        self._files.mv(self._bare(source), self._bare(target), recursive=self.isdir(source))

    def remove(self, path: str) -> None:
        """Deletes a file."""
        if self.isdir(path):
            raise IsADirectoryError(21, "Is a directory", path)
        self._files.rm_file(self._bare(path))

    def rmtree(self, path: str) -> None:
        """Deletes a directory and all that is in it."""
        self._files.rm(self._bare(path), recursive=True)

    def stat(self, path: str) -> tuple[int, int, bool]:
        """Size in bytes, time of the last change in nanoseconds (0 where it is not known), whether it is a directory."""
        found = self._files.info(self._bare(path))
        try:
            changed = self._files.modified(self._bare(path))
        except (NotImplementedError, KeyError, OSError):
            changed = None
        seconds = changed.timestamp() if isinstance(changed, datetime.datetime) else changed or 0
        return found.get("size") or 0, int(seconds * 1e9), found.get("type") == "directory"

    def glob(self, pattern: str) -> list[str]:
        """The paths that match a pattern."""
        return [self._files.unstrip_protocol(each) for each in self._files.glob(self._bare(pattern))]

    def walk(self, top: str, topdown: bool, onerror: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        """(directory, names of its directories, names of its files) for a directory and all below it."""
        for directory, directories, names in self._files.walk(
            self._bare(top), topdown=topdown, on_error=onerror or "omit"
        ):
            yield self._files.unstrip_protocol(directory), list(directories), list(names)
