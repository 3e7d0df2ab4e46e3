"""`snapshot`: elements that the first iteration writes to a folder, and later ones, also of other programs, read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element_files import compression_kind
from penstock.data.fingerprint import fingerprint
from penstock.data.iteration import Iteration
from penstock.data.progress import Progress
from penstock.data.saving import as_path, shard_function, shards_of
from penstock.data.written_runs import RunWriter, read_metadata
from penstock.io.filesystem import os_errors


class Snapshot(Dataset):
    """The elements of a dataset, kept in `<path>/<fingerprint of the dataset>`."""

    def __init__(
        self,
        source: Dataset,
        path: Any,
        compression: Any = "AUTO",
        reader_func: Callable | None = None,
        shard_func: Callable | None = None,
    ):
        super().__init__(source._element_spec, (source,))
        self._hash = str(fingerprint(source))
        self._folder = os.path.join(as_path(path), self._hash)
        self._compression, self._reader = compression_kind(compression), reader_func
        self._shard_of = shard_function(shard_func, source)
        if self._shard_of is not None:
            self._call(self._shard_of)

    def _elements(self, at: Iteration) -> Iterator[list]:
        record = read_metadata(self._folder)
        written, given = at.kept.get("written"), at.kept.get("given", 0)
        if written is None:
            written = record is not None
        at.keep(
            lambda: {"written": written, "given": given, "inner": None if inner is None else inner.save()}
        )
        inner: Iteration | None = None
        if written:
            dataset = shards_of(self._folder, record, self._element_spec, self._compression, self._reader)
            inner = at.open(dataset, at.kept.get("inner"))
            yield from inner._elements
            return
        if (
            given
        ):  # a position in an iteration that was writing: what was written is lost, the elements are not
            yield from at.input()
            return
        for element in self._write(at):
            given += 1
            yield element

    def _write(self, at: Iteration) -> Iterator[list]:
        with os_errors(self._folder):
            os.makedirs(self._folder, exist_ok=True)
        writer = RunWriter(self._folder, self._layout, self._compression, self._hash)
        progress = Progress("snapshot", self._parents[0]._size())
        call = None if self._shard_of is None else at.function(self._shard_of)
        try:
            for element in at.input():
                writer.write(element, 0 if call is None else int(call(element)[0]))
                progress.advance()
                yield element
            writer.finish()
        finally:
            progress.close()
            writer.abandon()
