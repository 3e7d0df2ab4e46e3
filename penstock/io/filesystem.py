"""Paths and files under TensorFlow's names and errors: what `tf.io.gfile`, the readers and the writers open.

Whole files that are written through `replacing` appear at once or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from penstock.io import local_files
from penstock.io.remote_files import RemoteFiles
from penstock.types import errors

_ERRORS: tuple[tuple[type[OSError], type[errors.OpError]], ...] = (
    (FileNotFoundError, errors.NotFoundError),
    (FileExistsError, errors.AlreadyExistsError),
    (PermissionError, errors.PermissionDeniedError),
    (IsADirectoryError, errors.FailedPreconditionError),
    (NotADirectoryError, errors.FailedPreconditionError),
)
_BY_NUMBER = {errno.ENOTEMPTY: errors.FailedPreconditionError, errno.ENOSPC: errors.ResourceExhaustedError}


@contextlib.contextmanager
def os_errors(path: str) -> Iterator[None]:
    """What the operating system refuses inside is raised as TensorFlow raises it."""
    try:
        yield
    except OSError as error:
        kind: Any = next((found for each, found in _ERRORS if isinstance(error, each)), None)
        kind = kind or _BY_NUMBER.get(error.errno or 0, errors.UnknownError)
        raise kind(None, None, f"{path}; {error.strerror or error}") from error


def local_path(path: Any) -> str:
    """A path as text, without `file://`.

    Raises:
      UnimplementedError: it is a path of another file system.
    """
    scheme, text = _split(path)
    if scheme:
        raise errors.UnimplementedError(
            None, None, f"File system scheme '{scheme}' not implemented here (file: '{text}')"
        )
    return text


def _split(path: Any) -> tuple[str, str]:
    """Scheme and text of a path: "" and the path itself for a local one."""
    text = os.fspath(path)
    text = text.decode() if isinstance(text, bytes) else str(text)
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.isalnum():
        return "", text
    return ("", rest) if scheme == "file" else (scheme, text)


def files_of(path: Any) -> tuple[Any, str]:
    """The file system of a path, and the path as text: the functions of `local_files`, or those of a `RemoteFiles`.

    Raises:
      UnimplementedError: there is no such file system.
    """
    scheme, text = _split(path)
    return (RemoteFiles(scheme, text) if scheme else local_files), text


def open_to_read(path: Any) -> IO[bytes]:
    """A file to read bytes from; a local one has no buffer of its own, as readers bring theirs."""
    files, text = files_of(path)
    return files.open_file(text, "rb", 0)


@contextlib.contextmanager
def replacing(path: Any) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` at the end, unless there was an error.

    A reader sees the old contents or the new ones, never a part.
    """
    scheme, path = _split(path)
    with os_errors(path):
        if scheme:
            with RemoteFiles(scheme, path).replacing(path) as file:
                yield file
            return
        handle, temporary = tempfile.mkstemp(
            dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)}."
        )
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
