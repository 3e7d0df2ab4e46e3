"""The exceptions that TensorFlow programs catch: `tf.errors.*`, one class for each canonical status code.

Ops raise `InvalidArgumentError` and its siblings. Shape rules raise `ShapeError`, a ValueError too, as building a
graph does in TensorFlow; the funnel turns it into InvalidArgumentError when an op runs eagerly.
"""

from __future__ import annotations

import warnings
from typing import Any

# The canonical status codes, shared by TensorFlow, gRPC and absl.
OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16


class OpError(Exception):
    """What goes wrong while ops run.

    Args:
      node_def: The NodeDef of the op that failed, or None.
      op: The `Operation` that failed, or None where it is not known (eager ops are not in a graph).
      message: What went wrong.
      error_code: One of the codes `tf.errors.CANCELLED`, ...
      *args: At most one dict, the `experimental_payloads`: further facts, bytes by bytes.
    """

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int, *args: Any) -> None:
        super().__init__()
        self._node_def = node_def
        self._op = op
        self._message = message
        self._error_code = error_code
        self._experimental_payloads = args[0] if args else {}

    def __reduce__(self) -> tuple:
        # The op belongs to a graph, which does not travel between processes; its NodeDef does.
        code = (self._error_code,) if type(self) is OpError else ()
        return type(self), (self._node_def, None, self._message, *code, self._experimental_payloads)

    @property
    def message(self) -> str:
        """What went wrong."""
        return self._message

    @property
    def op(self) -> Any:
        """The Operation that failed, or None if it is not known."""
        return self._op

    @property
    def node_def(self) -> Any:
        """The NodeDef of the op that failed, or None if it is not known."""
        return self._node_def

    @property
    def error_code(self) -> int:
        """The canonical status code."""
        return self._error_code

    @property
    def experimental_payloads(self) -> dict:
        """Further facts about the failure."""
        return self._experimental_payloads

    def __str__(self) -> str:
        if self._op is None:
            return self._message
        trace = getattr(self._op, "traceback", None) or ()
        lines = [f"\n\nOriginal stack trace for {self._op.name!r}:"] if trace else []
        for frame in trace:
            filename, lineno, function = tuple(frame)[:3]
            lines.append(f'  File "{filename}", line {lineno}, in {function}')
        return self._message + "\n".join(lines)


class _StatusError(OpError):
    """An OpError whose class says the code: `tf.errors.NotFoundError(node_def, op, message)`."""

    _code = UNKNOWN

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, self._code, *args)


class CancelledError(_StatusError):
    """The operation was cancelled."""

    _code = CANCELLED


class UnknownError(_StatusError):
    """An error of no other class, such as a Python exception inside `tf.py_function`."""

    _code = UNKNOWN


class InvalidArgumentError(_StatusError):
    """An operation got an argument it cannot work on: a shape or value that does not fit."""

    _code = INVALID_ARGUMENT


class DeadlineExceededError(_StatusError):
    """The time given for an operation was over before it ended."""

    _code = DEADLINE_EXCEEDED


class NotFoundError(_StatusError):
    """A file, directory or other thing that was asked for does not exist."""

    _code = NOT_FOUND


class AlreadyExistsError(_StatusError):
    """The thing to be made exists already."""

    _code = ALREADY_EXISTS


class PermissionDeniedError(_StatusError):
    """The caller may not do this, for instance read a file."""

    _code = PERMISSION_DENIED


class ResourceExhaustedError(_StatusError):
    """Memory, disk space or another resource has run out."""

    _code = RESOURCE_EXHAUSTED


class FailedPreconditionError(_StatusError):
    """The state is not what the operation needs, such as an uninitialized variable."""

    _code = FAILED_PRECONDITION


class AbortedError(_StatusError):
    """The operation was aborted, typically by a concurrent one."""

    _code = ABORTED


class OutOfRangeError(_StatusError):
    """An operation went past the valid range, such as the end of a dataset."""

    _code = OUT_OF_RANGE


class UnimplementedError(_StatusError):
    """The operation does not exist here."""

    _code = UNIMPLEMENTED


class InternalError(_StatusError):
    """Something that must always hold inside the system did not."""

    _code = INTERNAL


class UnavailableError(_StatusError):
    """The runtime cannot be reached at the moment."""

    _code = UNAVAILABLE


class DataLossError(_StatusError):
    """Data is lost or corrupt, for instance a truncated file."""

    _code = DATA_LOSS


class UnauthenticatedError(_StatusError):
    """The request has no valid credentials."""

    _code = UNAUTHENTICATED


_CLASS_OF_CODE: dict[int, type[OpError]] = {cls._code: cls for cls in _StatusError.__subclasses__()}
_CODE_OF_CLASS = {cls: code for code, cls in _CLASS_OF_CODE.items()}


def exception_type_from_error_code(error_code: int) -> type[OpError]:
    """Returns the exception class of a status code; raises KeyError where there is none.

    >>> import penstock as tf
    >>> tf.compat.v1.errors.exception_type_from_error_code(tf.errors.NOT_FOUND).__name__
    'NotFoundError'
    """
    return _CLASS_OF_CODE[error_code]


def error_code_from_exception_type(cls: type[OpError]) -> int:
    """Returns the status code of an exception class; UNKNOWN, with a warning, for a class without one.

    >>> import penstock as tf
    >>> tf.compat.v1.errors.error_code_from_exception_type(tf.errors.AbortedError)
    10
    """
    code = _CODE_OF_CLASS.get(cls)
    if code is None:
        warnings.warn(f"{cls!r} is the class of no status code", stacklevel=2)
        return UNKNOWN
    return code


def error_from_code(message: str, error_code: int, node_def: Any = None, op: Any = None) -> OpError:
    """Makes the exception of a status code; an UnknownError for a code that is none of TensorFlow's."""
    return _CLASS_OF_CODE.get(error_code, UnknownError)(node_def, op, message)  # type: ignore[call-arg, arg-type]


class ShapeError(InvalidArgumentError, ValueError):
    """Raised by a shape rule if the inputs of an op do not fit together; says what was got and expected.

    Both a ValueError, which TensorFlow raises while tracing, and what it raises when the op runs. It is made of the
    same arguments as all OpErrors: Keras makes a new one of each, which says more.
    """


class InaccessibleTensorError(ValueError, TypeError):
    """A tensor of one function or graph was used in another, where its value does not exist."""


class OperatorNotAllowedInGraphError(TypeError):
    """A symbolic tensor was used where Python needs its value, such as `if tensor:` or `for x in tensor:`."""
