"""`cache(filename)`: the elements of the first full iteration, kept in a file.

`<filename>.data` holds the elements, `<filename>.index` how many they are. Both appear when they are whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element_files import ElementWriter, read_elements
from penstock.data.iteration import Iteration
from penstock.data.progress import Progress
from penstock.data.saving import as_path
from penstock.io.filesystem import os_errors, replacing
from penstock.types import errors
from penstock.types.tensors import SymbolicTensor


class FileCache(Dataset):
    """The elements of a dataset, kept in a file."""

    def __init__(self, source: Dataset, filename: Any):
        super().__init__(source._element_spec, (source,))
        name = self._parameter(filename)
        self._name = name if isinstance(name, SymbolicTensor) else as_path(name)

    def _elements(self, at: Iteration) -> Iterator[list]:
        name = at.value(self._name)
        name = name if isinstance(name, str) else as_path(getattr(name, "item", lambda: name)())
        if not name:
            raise errors.InvalidArgumentError(None, None, "cache: the name of the file is empty.")
        given, reading = at.kept.get("given", 0), at.kept.get("reading", os.path.exists(f"{name}.index"))
        at.keep(lambda: {"given": given, "reading": reading})
        if reading:
            elements = self._read(name, given)
        elif (
            given
        ):  # a position in an iteration that was writing: what was written is lost, the elements are not
            elements = at.input()
        else:
            elements = self._write(name, at)
        for element in elements:
            given += 1
            yield element

    def _read(self, name: str, given: int) -> Iterator[list]:
        with os_errors(f"{name}.index"), open(f"{name}.index", encoding="ascii") as file:
            count = int(file.read())
        number = given
        for element in read_elements(f"{name}.data", self._layout, skip=given):
            number += 1
            yield element
        if number != count:
            raise errors.DataLossError(
                None, None, f"{name}.data: {number} of {count} elements are there; remove {name}.index to make the cache anew."
            )  # fmt: skip

    def _write(self, name: str, at: Iteration) -> Iterator[list]:
        temporary = f"{name}.writing-{os.getpid()}-{id(at)}"
        with os_errors(name):
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        writer = ElementWriter(temporary, self._layout)
        progress = Progress("caching", self._size())
        try:
            for element in at.input():
                writer.write(element)
                progress.advance()
                yield element
            writer.close()
            with os_errors(name):
                os.replace(temporary, f"{name}.data")
            with replacing(f"{name}.index") as file:
                file.write(str(writer.elements).encode())
        finally:
            progress.close()
            if os.path.exists(temporary):
                writer.close()
                os.unlink(temporary)

    def _describe(self) -> str:
        return f"{self._name}"
