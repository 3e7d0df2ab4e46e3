"""Which functions are converted when converted code calls them, and how they are called."""

import collections
import contextlib
import functools
import unittest

import pytest

import penstock as tf
from penstock.engine.context import process
from penstock.tracing import autograph
from penstock.tracing.autograph import Status, control_status_ctx
from penstock.tracing.autograph.allowlist import is_library, reason_to_leave
from tests.ids import stable_id


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("penstock.ops.control_flow", True),
        ("keras.src.layers", True),
        ("numpy.linalg", True),
        ("random", True),
        ("collections.abc", True),
        ("tensorflow_datasets.core.builder", True),
        ("absl.logging", True),
        ("__main__", False),
        ("functools", False),
        ("contextlib", False),
        ("keras_extras", False),
        ("absl.flags", False),
        ("tensorflow_datasets", False),
        ("some_installed_package.models", False),
    ],
)
def test_libraries_are_left_alone(module, library):
    assert is_library(module) is library


class Callable_:
    def __call__(self, x):
        return x


class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)


class WithMeta(metaclass=Meta):
    pass


class Case(unittest.TestCase):
    def check(self):
        pass


class SubclassOfLibrary(collections.OrderedDict):
    def own(self):
        pass


def generator():
    yield 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("entity", "left_alone"),
    [
        (Callable_(), False),
        (Callable_.__call__, False),
        (lambda x: x, False),
        (SubclassOfLibrary().own, False),
        (WithMeta, False),
        (Case().assertEqual, True),
        (Callable_, True),
        (Point, True),
        (Case().check, True),
        (generator, True),
        (tf.function(lambda x: x), True),
        (tf.add, True),
    ],
    ids=stable_id,
)
def test_reason_to_leave(entity, left_alone):
    assert (reason_to_leave(entity, user_requested=False) is not None) is left_alone


def branches(x):
    if x > 0:
        y = 1
    else:
        y = 2
    return y


@functools.singledispatch
def by_type(x):
    return branches(x)


class Model:
    def __init__(self):
        self.bound = branches

    def method(self, x):
        return branches(x)

    def __call__(self, x):
        return self.method(x)


@contextlib.contextmanager
def entered():
    yield branches


def through_context_manager(x):
    with entered() as inside:
        return inside(x)


CALLERS = [
    lambda x: branches(x),
    lambda x: Model()(x),
    lambda x: Model().method(x),
    lambda x: Model().bound(x),
    lambda x: functools.partial(branches)(x),
    lambda x: functools.partial(functools.partial(branches), x=x)(),
    lambda x: by_type(x),
    lambda x: through_context_manager(x),
    lambda x: branches(*[x]),
    lambda x: branches(x=x),
    lambda x: tf.function(branches)(x),
    lambda x: tf.cond(x > 5, lambda: branches(x), lambda: branches(-x)),
]


@pytest.mark.parametrize("caller", CALLERS, ids=range(len(CALLERS)))
def test_functions_of_the_user_are_converted_however_they_are_called(caller):
    assert int(tf.function(caller)(tf.constant(7))) == 1


def test_do_not_convert_leaves_a_function_and_what_it_calls_alone():
    @tf.autograph.experimental.do_not_convert
    def outer(x):
        return branches(x)

    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        tf.function(lambda x: outer(x))(tf.constant(1))


def test_do_not_convert_may_be_called_with_parentheses():
    @tf.autograph.experimental.do_not_convert()
    def f(x):
        return control_status_ctx().status

    assert f(1) is Status.DISABLED
    assert f.__name__ == "f"


def test_function_inside_do_not_convert_is_converted_itself():
    inner = tf.function(branches)

    @tf.function
    @tf.autograph.experimental.do_not_convert
    def outer(x):
        return inner(x)

    assert int(outer(tf.constant(1))) == 1


def test_autograph_false_traces_python():
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError, match="bool"):
        tf.function(branches, autograph=False)(tf.constant(1))


def test_autograph_false_reaches_functions_given_to_apis():
    seen = []

    @tf.function(autograph=False)
    def f(x):
        seen.append(autograph.is_autograph_disabled())
        return x

    f(tf.constant(1))
    assert seen == [True]


@pytest.mark.parametrize(
    ("status", "by_default", "expected"),
    [
        (Status.ENABLED, False, Status.ENABLED),
        (Status.DISABLED, True, Status.DISABLED),
        (Status.UNSPECIFIED, True, Status.UNSPECIFIED),
        (Status.UNSPECIFIED, False, Status.UNSPECIFIED),
    ],
)
def test_tf_convert_follows_the_status_of_its_caller(status, by_default, expected):
    context = autograph.ControlStatusCtx(status)
    converted = autograph.tf_convert(
        lambda: control_status_ctx().status, context, convert_by_default=by_default
    )
    assert converted() is expected


@pytest.mark.parametrize(("by_default", "converts"), [(True, True), (False, False)])
def test_tf_convert_converts_unspecified_code_where_it_is_told_to(by_default, converts):
    context = autograph.ControlStatusCtx(Status.UNSPECIFIED)
    converted = autograph.tf_convert(lambda: list(locals()), context, convert_by_default=by_default)
    assert ("ag__" in converted()) is converts


def test_nested_contexts_are_left_in_order():
    outer = autograph.ControlStatusCtx(Status.ENABLED)
    with outer, autograph.ControlStatusCtx(Status.DISABLED), outer:
        assert control_status_ctx() is outer
    assert control_status_ctx().status is Status.UNSPECIFIED


def test_non_recursive_conversion_leaves_callees_alone():
    converted = tf.autograph.to_graph(lambda x: branches(x), recursive=False)
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        tf.function(converted)(tf.constant(1))


def test_to_graph_runs_eagerly():
    assert int(tf.autograph.to_graph(branches)(tf.constant(-1))) == 2


def test_trace_prints_while_tracing(capsys):
    @tf.function
    def f(x):
        tf.autograph.trace("traced", x.shape)
        return x

    f(tf.constant(1))
    f(tf.constant(2))
    assert capsys.readouterr().out == "traced ()\n"


@pytest.fixture
def verbosity_of_the_environment():
    process.registry.pop("autograph.verbosity", None)
    yield
    process.registry.pop("autograph.verbosity", None)


def test_verbosity_logs_what_is_converted(caplog, capsys, verbosity_of_the_environment):
    tf.autograph.set_verbosity(1, alsologtostdout=True)
    with caplog.at_level("INFO", logger="tensorflow"):
        autograph.convert(branches)(1)
    assert "Converted call" in caplog.text
    assert "Converted call" in capsys.readouterr().out


def test_verbosity_comes_from_the_environment_until_it_is_set(
    caplog, monkeypatch, verbosity_of_the_environment
):
    monkeypatch.setenv("AUTOGRAPH_VERBOSITY", "1")
    with caplog.at_level("INFO", logger="tensorflow"):
        autograph.convert(branches)(1)
        tf.autograph.set_verbosity(0)
        autograph.convert(branches)(1)
    assert caplog.text.count("Converted call") == 1
