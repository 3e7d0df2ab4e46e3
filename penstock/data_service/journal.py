"""The journal of a dispatcher: the calls that changed something, each signed.

A registered dataset has functions of the program in it, so reading a journal could run code. A call is therefore read
only after its signature, with a key that the user alone has, says that it was written here and is whole.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import secrets
import struct
from collections.abc import Iterator

from penstock.engine.xla import cache_folder
from penstock.types import errors

_KEY_BYTES = 32
_LENGTH = struct.Struct("<Q")
_SIGNATURE_BYTES = hashlib.sha256().digest_size
_HEADER_BYTES = _LENGTH.size + _SIGNATURE_BYTES


def user_key() -> bytes:
    """The user's key for journals: a file beside the compiled programs; a new key where there is no such folder.

    Raises:
      DataLossError: the file holds no key.
    """
    folder = cache_folder()
    if folder is None:
        return secrets.token_bytes(_KEY_BYTES)
    path = os.path.join(folder, "journal.key")
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(path):
        aside = f"{path}.{secrets.token_hex(8)}"
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(aside, path)  # which fails where another process was first
        except FileExistsError:
            pass
        finally:
            os.unlink(aside)
    with open(path, "rb") as file:
        key = file.read()
    if len(key) != _KEY_BYTES:
        raise errors.DataLossError(
            None, None, f"{path} has {len(key)} bytes and not the {_KEY_BYTES} of a key: remove it"
        )
    return key


class Journal:
    """A file of calls. Each has a length, the length's signature, and, with the call, its own signature.

    A signature counts in the one before, so that no call can be taken out. The last call may be cut off: it was not
    written to its end, and nobody was told that it had happened.

    Args:
      path: of the file, which is made if it is not there. key: what signs.
    """

    def __init__(self, path: str, key: bytes):
        self._path, self._key, self._last = path, key, b""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._file = open(path, "a+b")  # noqa: SIM115 - it is written as long as this object lives

    def calls(self) -> Iterator[tuple[str, tuple]]:
        """The names and arguments of all calls so far; to be gone through before the first `add`.

        Raises:
          DataLossError: a call was changed, or written with another key.
        """
        self._file.seek(0)
        while True:
            at, before = self._file.tell(), self._last
            header = self._file.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                break
            self._check(header[_LENGTH.size :], header[: _LENGTH.size], at)
            (length,) = _LENGTH.unpack_from(header)
            record = self._file.read(length + _SIGNATURE_BYTES)
            if len(record) < length + _SIGNATURE_BYTES:
                break
            self._check(record[length:], record[:length], at)
            yield pickle.loads(record[:length])
        self._file.truncate(at)
        self._last = before

    def add(self, name: str, args: tuple) -> None:
        """Writes a call."""
        call = pickle.dumps((name, args))
        length = _LENGTH.pack(len(call))
        self._file.write(b"".join([length, self._sign(length), call, self._sign(call)]))
        self._file.flush()

    def _sign(self, data: bytes) -> bytes:
        self._last = hmac.digest(self._key, self._last + data, "sha256")
        return self._last

    def _check(self, signature: bytes, data: bytes, at: int) -> None:
        if not hmac.compare_digest(self._sign(data), signature):
            raise errors.DataLossError(
                None, None, f"the call at byte {at} of the journal {self._path} is damaged, or was written by another user: "
                "move the folder away to begin anew",
            )  # fmt: skip
