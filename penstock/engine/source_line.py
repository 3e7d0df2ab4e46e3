"""Where in the user's code something was called: the innermost frame outside Penstock, Keras and AutoGraph."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARIES = (f"{os.sep}keras{os.sep}src{os.sep}", f"{os.sep}malt{os.sep}", f"{os.sep}contextlib.py")
_is_library: dict[str, bool] = {}


class SourceLine(NamedTuple):
    """A line of a program."""

    filename: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.filename)}:{self.line}, in {self.function}"


def caller() -> SourceLine | None:
    """The user's line that is being executed, or None where every frame is a library's."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        library = _is_library.get(filename)
        if library is None:
            library = filename.startswith(_PACKAGE) or any(part in filename for part in _LIBRARIES)
            _is_library[filename] = library
        if not library:
            return SourceLine(filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None
