"""`tf.io.gfile`: files, with TensorFlow's names and errors. Paths of other file systems than the local one go through fsspec.

Whole files that this module writes (`copy`, and the op WriteFile) appear at once or not at all.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from penstock.engine.export import export
from penstock.io.filesystem import files_of, os_errors, replacing
from penstock.types import errors


def _plain_end(line: bytes) -> bytes:
    """A line without the carriage returns of other systems, as TensorFlow reads lines."""
    return line.replace(b"\r", b"") if b"\r" in line else line


class GFile:
    """A file.

    Args:
      name: its path.
      mode: "r", "w", "a", "r+", "w+" or "a+", with "b" for bytes instead of text in UTF-8.

    Raises (on first use):
      NotFoundError: there is no such file.
      PermissionDeniedError: the file is not open for that.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
      >>> with tf.io.gfile.GFile(path, "w") as file:
      ...     file.write("first line")
      >>> tf.io.gfile.GFile(path).read()
      'first line'
    """

    def __init__(self, name: Any, mode: str = "r"):
        self._name, self._mode = name, mode
        self._binary = "b" in mode
        plain = mode.replace("b", "")
        if plain not in ("r", "w", "a", "r+", "w+", "a+"):
            raise errors.InvalidArgumentError(
                None, None, "mode is not 'r' or 'w' or 'a' or 'r+' or 'w+' or 'a+'"
            )
        self._plain = plain
        self._file: io.BufferedIOBase | None = None

    @property
    def name(self) -> Any:
        """The path as given."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode as given."""
        return self._mode

    def _open(self) -> Any:
        if self._file is None:
            files, path = files_of(self._name)
            with os_errors(path):
                self._file = files.open_file(path, f"{self._plain}b")
        return self._file

    def _reading(self) -> Any:
        if self._plain not in ("r", "r+", "w+", "a+"):
            raise errors.PermissionDeniedError(None, None, "File isn't open for reading")
        return self._open()

    def _decoded(self, data: bytes) -> Any:
        return data if self._binary else data.decode("utf-8")

    def read(self, n: int = -1) -> Any:
        """The next `n` bytes, or all that is left."""
        return self._decoded(self._reading().read(n))

    def readline(self) -> Any:
        """The next line with its end, without carriage returns; empty at the end of the file."""
        return self._decoded(_plain_end(self._reading().readline()))

    def readlines(self) -> list:
        """The lines that are left."""
        return [self._decoded(_plain_end(line)) for line in self._reading().readlines()]

    def write(self, file_content: Any) -> None:
        """Writes text or bytes."""
        if self._plain == "r":
            raise errors.PermissionDeniedError(None, None, "File isn't open for writing")
        if not isinstance(file_content, str | bytes | bytearray | memoryview):
            raise TypeError(f"Expected binary or unicode string, got {file_content!r}")
        self._open().write(file_content.encode("utf-8") if isinstance(file_content, str) else file_content)

    def size(self) -> int:
        """The size of the file in bytes."""
        return stat(self._name).length

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Goes to an offset from the start (`whence` 0), from here (1), or from the end (2).

        Raises:
          OutOfRangeError: that is behind the end.
          InvalidArgumentError: `whence` is another one, or the place is before the start.
        """
        file = self._reading()
        if offset is None and position is None:
            raise TypeError("seek(): offset argument required")
        offset = position if offset is None else offset
        if whence not in (0, 1, 2):
            raise errors.InvalidArgumentError(None, None, "Invalid whence argument: expected 0, 1, or 2")
        size = self.size()
        target = offset + (0, file.tell(), size)[whence]  # type: ignore[operator]
        if target < 0:
            raise errors.InvalidArgumentError(None, None, f"{self._name}: cannot seek to {target}")
        if target > size:
            raise errors.OutOfRangeError(None, None, f"{self._name}: {target} is behind the end, {size}")
        file.seek(target)

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The current place in the file."""
        return self._open().tell()

    def flush(self) -> None:
        """Makes what has been written visible."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; a file opened to be written exists after that even where nothing was."""
        if self._file is None and self._plain[0] in "wa":
            self._open()
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __iter__(self) -> GFile:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


export("io.gfile.GFile", v1=["io.gfile.GFile", "gfile.GFile", "gfile.Open", "gfile.FastGFile"])(GFile)


@export("io.gfile.exists")
def exists(path: Any) -> bool:
    """Whether there is a file or directory."""
    files, path = files_of(path)
    return files.exists(path)


@export("io.gfile.isdir")
def isdir(path: Any) -> bool:
    """Whether there is a directory."""
    files, path = files_of(path)
    return files.isdir(path)


@export("io.gfile.listdir")
def listdir(path: Any) -> list[str]:
    """The names of what is in a directory.

    Raises:
      NotFoundError: there is no such directory.
    """
    if not isdir(path):
        raise errors.NotFoundError(None, None, f"Could not find directory {path}")
    files, path = files_of(path)
    with os_errors(path):
        return files.listdir(path)


@export("io.gfile.mkdir")
def mkdir(path: Any) -> None:
    """Makes a directory; nothing where it exists.

    Raises:
      NotFoundError: its parent does not exist.
    """
    files, path = files_of(path)
    with os_errors(path):
        files.mkdir(path)


@export("io.gfile.makedirs")
def makedirs(path: Any) -> None:
    """Makes a directory and its parents; nothing where it exists."""
    files, path = files_of(path)
    with os_errors(path):
        files.makedirs(path)


@export("io.gfile.copy")
def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copies a file.

    Raises:
      NotFoundError: there is no such file.
      AlreadyExistsError: the target exists, and `overwrite` is False.
    """
    (files, source), (others, target) = files_of(src), files_of(dst)
    if not overwrite and others.exists(target):
        raise errors.AlreadyExistsError(None, None, "file already exists")
    with os_errors(source), files.open_file(source, "rb") as file, replacing(target) as new:
        shutil.copyfileobj(file, new)


@export("io.gfile.rename")
def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Moves a file or directory.

    Raises:
      NotFoundError: there is no such file.
      AlreadyExistsError: the target exists, and `overwrite` is False.
    """
    (files, source), (others, target) = files_of(src), files_of(dst)
    if type(files) is not type(others):
        raise errors.UnimplementedError(
            None, None, f"Renaming {source} to {target} not implemented: they are on different file systems"
        )
    if not overwrite and others.exists(target):
        raise errors.AlreadyExistsError(None, None, "file already exists")
    with os_errors(source):
        files.move(source, target)


@export("io.gfile.remove")
def remove(path: Any) -> None:
    """Deletes a file.

    Raises:
      NotFoundError: there is no such file.
      FailedPreconditionError: it is a directory.
    """
    files, path = files_of(path)
    with os_errors(path):
        files.remove(path)


@export("io.gfile.rmtree")
def rmtree(path: Any) -> None:
    """Deletes a directory and all that is in it, or a file.

    Raises:
      NotFoundError: there is nothing.
    """
    files, path = files_of(path)
    if not files.exists(path):
        raise errors.NotFoundError(None, None, f"{path} not found")
    with os_errors(path):
        (files.rmtree if files.isdir(path) else files.remove)(path)


class FileStatistics(NamedTuple):
    """What `tf.io.gfile.stat` gives: size in bytes, time of the last change in nanoseconds, whether it is a directory."""

    length: int
    mtime_nsec: int
    is_directory: bool


@export("io.gfile.stat")
def stat(path: Any) -> FileStatistics:
    """Size, time of the last change, and kind of a file.

    Raises:
      NotFoundError: there is no such file.
    """
    files, path = files_of(path)
    with os_errors(path):
        return FileStatistics(*files.stat(path))


def matching(patterns: Sequence[str]) -> list[str]:
    """The paths that match patterns (`*`, `?`, `[...]`), sorted; once for each pattern, as in TensorFlow."""
    return sorted(path for files, each in map(files_of, patterns) for path in files.glob(each))


@export("io.gfile.glob")
def glob(pattern: Any) -> list[str]:
    """The paths that match a pattern, or one of a list of patterns (`*`, `?`, `[...]`)."""
    single = isinstance(pattern, (str, bytes, os.PathLike))
    return matching([pattern] if single else list(pattern))


@export("io.gfile.walk")
def walk(top: Any, topdown: bool = True, onerror: Any = None) -> Iterator[tuple[str, list[str], list[str]]]:
    """(directory, names of its directories, names of its files) for a directory and all below it."""
    files, top = files_of(top)
    yield from files.walk(top, topdown, onerror)


@export("io.gfile.join")
def join(path: Any, *paths: Any) -> Any:
    """Joins parts of a path."""
    return os.path.join(path, *paths)


@export("io.gfile.get_registered_schemes")
def get_registered_schemes() -> list[str]:
    """The file systems that there are: "", "file", and where fsspec is installed those that it knows."""
    try:
        from fsspec import available_protocols
    except ImportError:
        return ["", "file"]
    return ["", *available_protocols()]


# TF 1's names.


def _v1(name: str, function: Any, parameters: str) -> None:
    """Exports a function under its TF 1 name and with the names that its parameters had."""
    names = parameters.split()

    def call(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args)) | kwargs
        positional = [given.pop(each) for each in names if each in given]
        return function(*positional, **given)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"TF 1's name of `tf.io.gfile.{function.__name__}`; its arguments are {', '.join(names)}."
    export(v1=[f"gfile.{name}"])(call)


for _row in (
    ("Copy", copy, "oldpath newpath overwrite"),
    ("DeleteRecursively", rmtree, "dirname"),
    ("Exists", exists, "filename"),
    ("Glob", glob, "filename"),
    ("IsDirectory", isdir, "dirname"),
    ("ListDirectory", listdir, "dirname"),
    ("MakeDirs", makedirs, "dirname"),
    ("MkDir", mkdir, "dirname"),
    ("Remove", remove, "filename"),
    ("Rename", rename, "oldname newname overwrite"),
    ("Stat", stat, "filename"),
    ("Walk", walk, "top in_order"),
):
    _v1(*_row)
