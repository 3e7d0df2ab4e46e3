"""Folders of elements that are whole or not there: what `save` and `snapshot` write and `load` reads.

    <folder>/snapshot.metadata              which run is the current one
    <folder>/<run>/<shard>.shard/00000000.snapshot

A run is written under the name `<run>.writing-<process>`; only when it is whole does it get its name, and then the
metadata say so. So a reader never sees a part, and what a killed process left is thrown away by the next writer.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from typing import Any

from penstock.data.element import Layout
from penstock.data.element_files import ElementWriter
from penstock.io.filesystem import os_errors, replacing
from penstock.io.proto_schema import message_classes
from penstock.types import errors

METADATA = "snapshot.metadata"
_VERSION = 2

_SCHEMA = """
message SnapshotMetadataRecord {
  string graph_hash = 1;
  string run_id = 2;
  int64 creation_timestamp = 3;
  int64 version = 4;
  repeated int32 dtype = 5;
  int64 num_elements = 6;
  bool finalized = 1000;
}
"""


def _metadata_class() -> Any:
    return message_classes("penstock.data", _SCHEMA).SnapshotMetadataRecord


class RunWriter:
    """Writes a run.

    Args:
      folder: where it goes. layout: of the elements. compression: "" or "GZIP". graph_hash: what made the elements.
    """

    def __init__(self, folder: str, layout: Layout, compression: str, graph_hash: str = ""):
        self._folder, self._layout, self._compression = folder, layout, compression
        self._graph_hash = graph_hash
        self._run = str(secrets.randbits(63))
        self._path = os.path.join(folder, f"{self._run}.writing-{os.getpid()}")
        self._shards: dict[int, ElementWriter] = {}
        with os_errors(folder):
            os.makedirs(self._path)
        _throw_away_left_overs(folder)

    def write(self, flat: list, shard: int = 0) -> None:
        """Adds an element to a shard."""
        writer = self._shards.get(shard)
        if writer is None:
            folder = os.path.join(self._path, f"{shard:08d}.shard")
            with os_errors(folder):
                os.makedirs(folder)
            path = os.path.join(folder, "00000000.snapshot")
            writer = self._shards[shard] = ElementWriter(path, self._layout, self._compression)
        writer.write(flat)

    def finish(self) -> None:
        """Gives the run its name, and makes it the current one."""
        for writer in self._shards.values():
            writer.close()
        record = _metadata_class()(
            graph_hash=self._graph_hash,
            run_id=self._run,
            creation_timestamp=int(time.time() * 1e6),
            version=_VERSION,
            dtype=[each.as_datatype_enum for each in self._layout.dtypes],
            num_elements=sum(each.elements for each in self._shards.values()),
            finalized=True,
        )
        before = read_metadata(self._folder)
        with os_errors(self._path):
            os.rename(self._path, os.path.join(self._folder, self._run))
        with replacing(os.path.join(self._folder, METADATA)) as file:
            file.write(record.SerializeToString())
        if before is not None:
            shutil.rmtree(os.path.join(self._folder, before.run_id), ignore_errors=True)

    def abandon(self) -> None:
        """Throws away what was written, unless the run is finished."""
        for writer in self._shards.values():
            try:
                writer.close()
            except (errors.OpError, OSError):
                continue
        shutil.rmtree(self._path, ignore_errors=True)


def _throw_away_left_overs(folder: str) -> None:
    """Removes the unfinished runs of processes that are no more."""
    for name in os.listdir(folder):
        _, unfinished, process = name.partition(".writing-")
        if unfinished and process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_metadata(folder: str) -> Any:
    """What the metadata of a folder say; None where no run was finished."""
    try:
        with open(os.path.join(folder, METADATA), "rb") as file:
            record = _metadata_class().FromString(file.read())
    except FileNotFoundError:
        return None
    return record if record.finalized else None


def shard_files(folder: str, run: str) -> Iterator[list[str]]:
    """The files of each shard of a run, in order.

    Raises:
      NotFoundError: the run is not there.
    """
    path = os.path.join(folder, run)
    with os_errors(path):
        names = sorted(name for name in os.listdir(path) if name.endswith(".shard"))
    for name in names:
        files = sorted(os.listdir(os.path.join(path, name)))
        yield [os.path.join(path, name, each) for each in files if each.endswith(".snapshot")]
