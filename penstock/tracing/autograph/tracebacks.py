"""Tracebacks of converted code without the machinery between the user's lines.

Converted code carries the lines of the user's file (see `transpiler`), so nothing needs translating; what is left
to do is to take out the frames of the operators and of the graph builders that call a branch or a loop's body.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType

_MACHINERY = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(_MACHINERY))) + os.sep


def show_user_code(error: BaseException) -> BaseException:
    """Makes the traceback of `error` read as if the unconverted program had raised it.

    Frames of AutoGraph go, and those of the rest of Penstock that lie between two lines of the user; what Penstock
    did below the user's last line stays.

    Args:
      error: an exception that was raised while converted code ran.

    Returns:
      `error` itself.
    """
    frames = list(_frames(error.__traceback__))
    users = [index for index, each in enumerate(frames) if not _file(each).startswith(_PACKAGE)]
    if not users:
        return error
    kept = [
        each
        for index, each in enumerate(frames)
        if not _file(each).startswith(_MACHINERY)
        and (index > users[-1] or not _file(each).startswith(_PACKAGE))
    ]
    chain = None
    for each in reversed(kept):
        chain = TracebackType(chain, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return error.with_traceback(chain)


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _file(entry: TracebackType) -> str:
    return entry.tb_frame.f_code.co_filename
