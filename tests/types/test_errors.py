"""The exceptions of tf.errors: one class for each status code."""

import copy
import pickle

import pytest

from penstock.types import errors

CODES = [
    ("CancelledError", 1),
    ("UnknownError", 2),
    ("InvalidArgumentError", 3),
    ("DeadlineExceededError", 4),
    ("NotFoundError", 5),
    ("AlreadyExistsError", 6),
    ("PermissionDeniedError", 7),
    ("ResourceExhaustedError", 8),
    ("FailedPreconditionError", 9),
    ("AbortedError", 10),
    ("OutOfRangeError", 11),
    ("UnimplementedError", 12),
    ("InternalError", 13),
    ("UnavailableError", 14),
    ("DataLossError", 15),
    ("UnauthenticatedError", 16),
]


class FakeOperation:
    name = "aaa"
    traceback = [("train.py", 17, "step")]


@pytest.mark.parametrize(("name", "code"), CODES)
def test_class_and_code_correspond(name, code):
    cls = getattr(errors, name)
    assert errors.exception_type_from_error_code(code) is cls
    assert errors.error_code_from_exception_type(cls) == code
    assert cls(None, None, "why").error_code == code


def test_what_an_error_knows():
    error = errors.InvalidArgumentError(None, None, "bad thing", {b"key": b"fact"})
    assert (str(error), error.message, error.op, error.node_def) == ("bad thing", "bad thing", None, None)
    assert error.experimental_payloads == {b"key": b"fact"}
    assert isinstance(error, errors.OpError)


def test_payloads_are_empty_by_default():
    assert errors.AbortedError(None, None, "x").experimental_payloads == {}


@pytest.mark.parametrize(
    "error",
    [errors.NotFoundError(None, None, "gone", {b"k": b"v"}), errors.OpError(None, None, "x", 5)],
    ids=["status", "base"],
)
def test_pickling_and_copying_keep_class_message_and_code(error):
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert (again.message, again.error_code) == (error.message, error.error_code)
        assert again.experimental_payloads == error.experimental_payloads


def test_the_message_shows_where_the_operation_was_made():
    error = errors.InvalidArgumentError(None, FakeOperation(), "bad")
    assert str(error).startswith("bad\n\nOriginal stack trace for 'aaa':\n")
    assert 'File "train.py", line 17, in step' in str(error)


def test_the_class_of_no_code():
    with pytest.raises(KeyError):
        errors.exception_type_from_error_code(77)
    assert type(errors.error_from_code("odd", 77)) is errors.UnknownError
    assert type(errors.error_from_code("gone", 5)) is errors.NotFoundError


def test_the_code_of_another_exception_is_unknown():
    with pytest.warns(UserWarning):
        assert errors.error_code_from_exception_type(ValueError) == errors.UNKNOWN


def test_graph_errors_have_the_builtin_classes_that_tensorflow_gives_them():
    assert issubclass(errors.InaccessibleTensorError, ValueError)
    assert issubclass(errors.OperatorNotAllowedInGraphError, TypeError)
    assert issubclass(errors.ShapeError, ValueError)


def test_a_shape_error_can_be_made_anew_with_more_to_say():
    error = errors.ShapeError(None, None, "no fit")
    more = type(error)(error.node_def, error.op, f"in layer a: {error.message}", error.error_code)
    assert more.message == "in layer a: no fit"
    assert pickle.loads(pickle.dumps(more)).message == more.message
