"""What a call of another process came to, as plain data: results, or an error that is raised again here.

Exceptions are not sent as objects: many cannot be unpickled, and some hold tensors of the process that raised them.
"""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from penstock.types import errors


class Outcome(NamedTuple):
    """Results, or an error.

    Attributes:
      results: what the call returned. error: the name of the exception's class, the empty string where there is none.
      message: its message. trace: where it was raised.
    """

    results: Any = None
    error: str = ""
    message: str = ""
    trace: str = ""

    def value(self, where: str) -> Any:
        """The results.

        Raises:
          an error of the class that was raised at `where`, with its message; RuntimeError for classes not known here.
        """
        if not self.error:
            return self.results
        raise _error(self.error, f"{self.message} [on {where}]", self.trace)


class ServerLostError(errors.UnavailableError):
    """A parameter server is gone, or is back without its variables.

    Attributes:
      server: its name.
    """

    def __init__(self, server: str, reason: str):
        super().__init__(None, None, f"parameter server {server} {reason}")
        self.server = server


def outcome_of(call: Callable[[], Any]) -> Outcome:
    """Calls, and says what came of it. A server that is lost is the error "ServerLost" with the server's name."""
    try:
        return Outcome(call())
    except ServerLostError as lost:
        return Outcome(None, "ServerLost", lost.server)
    except Exception as error:
        message = error.message if isinstance(error, errors.OpError) else str(error)
        return Outcome(None, type(error).__name__, message, traceback.format_exc())


def _error(name: str, message: str, trace: str) -> Exception:
    cls = getattr(errors, name, None) or getattr(builtins, name, None)
    if cls is errors.OpError:
        cls = errors.UnknownError
    if isinstance(cls, type) and issubclass(cls, errors.OpError):
        error: Exception = cls(None, None, message)  # type: ignore[call-arg]  # subclasses know their code
    elif isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, UnicodeError):
        error = cls(message)
    else:
        error = RuntimeError(f"{name}: {message}")
    error.add_note(f"There:\n{trace}")
    return error
