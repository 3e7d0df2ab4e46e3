"""Whether the code that runs now is being converted: a stack of contexts, one per thread.

`tf.function` enters ENABLED or DISABLED while it traces, `do_not_convert` enters DISABLED; `converted_call` and APIs
that take user functions (`Dataset.map`, `tf.map_fn`, ...) ask.
"""

from __future__ import annotations

import enum
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export


class Status(enum.Enum):
    """What the user wants of AutoGraph here."""

    UNSPECIFIED = 0
    ENABLED = 1
    DISABLED = 2


class ControlStatusCtx:
    """A context in which AutoGraph has a status; may be entered again, as APIs do for functions that they keep."""

    def __init__(self, status: Status, options: Any = None):
        self.status = status
        self.options = options

    def __enter__(self) -> ControlStatusCtx:
        thread.autograph = (*thread.autograph, self)
        return self

    def __exit__(self, *error: object) -> None:
        thread.autograph = thread.autograph[:-1]

    def __repr__(self) -> str:
        return f"ControlStatusCtx[status={self.status}, options={self.options}]"


_UNSPECIFIED = ControlStatusCtx(Status.UNSPECIFIED)


@export("__internal__.autograph.control_status_ctx")
def control_status_ctx() -> ControlStatusCtx:
    """The innermost context; one that says UNSPECIFIED outside of all."""
    return thread.autograph[-1] if thread.autograph else _UNSPECIFIED


def is_autograph_disabled() -> bool:
    """True where the user asked that functions be left as they are."""
    return control_status_ctx().status is Status.DISABLED
