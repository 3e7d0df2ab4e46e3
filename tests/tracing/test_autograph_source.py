"""Rewriting functions: what the converted code is, where it says that it stands, and what cannot be converted."""

import linecache
import traceback

import pytest

import penstock as tf
from penstock.tracing import autograph
from penstock.tracing.autograph import transpiler
from penstock.tracing.autograph.options import STANDARD_OPTIONS
from penstock.tracing.autograph.source import SourceUnavailableError, UnsupportedSyntaxError, function_tree
from tests.ids import stable_id


def divide(a, b):
    quotient = a / b
    return quotient


def calls_divide(a, b):
    for _ in range(2):
        if a > 0:
            a = divide(a, b)
    return a


def line_of(function, text):
    lines = linecache.getlines(__file__)
    return next(
        i for i, line in enumerate(lines, 1) if i >= function.__code__.co_firstlineno and text in line
    )


def test_traceback_shows_the_lines_of_the_user_and_nothing_else():
    with pytest.raises(ZeroDivisionError) as caught:
        autograph.convert(calls_divide)(1, 0)
    frames = [each for each in traceback.extract_tb(caught.tb) if each.filename == __file__][1:]
    assert [(each.name, each.lineno) for each in frames] == [
        ("calls_divide", line_of(calls_divide, "for _ in")),
        ("calls_divide", line_of(calls_divide, "if a > 0")),
        ("calls_divide", line_of(calls_divide, "a = divide")),
        ("divide", line_of(divide, "quotient = ")),
    ]
    others = [each for each in traceback.extract_tb(caught.tb) if each.filename != __file__]
    assert len(others) == 1  # the function that `convert` returned


class PickyError(Exception):
    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


def test_exceptions_keep_their_class_and_attributes():
    def fails(x):
        raise PickyError(7, f"no {x}")

    with pytest.raises(PickyError, match="no good") as caught:
        autograph.convert(fails)("good")
    assert caught.value.code == 7


def test_converted_code_names_functions_as_the_user_did():
    def outer(x):
        def inner(y):
            return y

        return inner(x), inner

    _, inner = autograph.convert(outer)(1)
    assert inner.__name__ == "inner"
    assert inner.__qualname__.endswith("outer.<locals>.inner")
    assert inner.__code__.co_filename == __file__


def test_code_is_converted_once_for_all_closures():
    def make(bound):
        return lambda x: x if x > bound else bound

    low, high = make(1), make(10)
    assert transpiler.transpile(low, STANDARD_OPTIONS) is transpiler.transpile(high, STANDARD_OPTIONS)
    assert (autograph.convert(low)(5), autograph.convert(high)(5)) == (5, 10)


def test_lambdas_on_one_line_are_told_apart():
    first, second = (lambda x: x + 1, lambda x: x + 2)
    assert (autograph.convert(first)(0), autograph.convert(second)(0)) == (1, 2)


def test_defaults_and_keyword_only_arguments_are_kept():
    def f(a, /, b=2, *rest, c=3, **more):
        return a, b, rest, c, more

    assert autograph.convert(f)(1) == (1, 2, (), 3, {})
    assert autograph.convert(f)(1, 5, 6, c=7, d=8) == (1, 5, (6,), 7, {"d": 8})


def test_annotations_that_need_the_enclosing_scope_are_not_evaluated_again():
    class Local:
        pass

    def f(x: Local) -> Local:
        return x

    assert autograph.convert(f)(3) == 3
    assert autograph.to_graph(f).__annotations__["return"] is Local


def test_closure_variables_are_shared_with_the_original():
    count = 0

    def increment():
        nonlocal count
        if count >= 0:
            count += 1

    autograph.convert(increment)()
    assert count == 1


def test_to_code_shows_the_operators():
    def f(x):
        if x > 0:
            x = x * 2
        return x

    code = tf.autograph.to_code(f)
    assert code.startswith("def tf__f(x):")
    assert "ag__.if_stmt(ag__.ld(x) > 0" in code


def test_v1_to_code_takes_the_arguments_of_tensorflow_1():
    def f(x):
        return x

    assert tf.compat.v1.autograph.to_code(f, True, None, None, "  ") == tf.autograph.to_code(f)


def test_to_graph_returns_a_function_named_after_the_original():
    def f(x):
        return x + 1

    converted = tf.autograph.to_graph(f)
    assert converted.__name__ == "tf__f"
    assert converted(1) == 2


@pytest.mark.parametrize("entity", [len, 3, dict, tf.function(lambda x: x)], ids=stable_id)
def test_to_graph_refuses_what_has_no_source(entity):
    with pytest.raises(autograph.ConversionError, match="converting"):
        tf.autograph.to_graph(entity)


def test_source_of_dynamic_code_is_unavailable():
    scope = {}
    exec(compile("def f(x):\n  return x", "<nowhere>", "exec"), scope)
    with pytest.raises(SourceUnavailableError, match="Unable to locate the source code"):
        function_tree(scope["f"])


def test_dynamic_code_runs_as_it_is_with_one_warning(caplog):
    scope = {}
    exec(compile("def f(x):\n  return 1 if x else 2", "<nowhere>", "exec"), scope)
    converted = autograph.convert(scope["f"])
    assert (converted(True), converted(False)) == (1, 2)
    assert caplog.text.count("could not transform") == 1


def test_code_from_a_string_runs_as_it_is_without_a_warning(caplog):
    scope = {}
    exec("def f(x):\n  return 1 if x else 2", scope)
    assert autograph.convert(scope["f"])(True) == 1
    assert "could not transform" not in caplog.text


async def coroutine(x):
    return x


def test_coroutines_are_refused():
    with pytest.raises(UnsupportedSyntaxError, match="coroutines"):
        function_tree(coroutine)


def test_assignment_expressions_inside_and_are_left_to_python(caplog):
    def f(x):
        if x > 1 and (n := x) > 2:
            return n
        return 0

    assert autograph.convert(f)(3) == 3
    assert "assignment expression" in caplog.text


def test_strict_conversion_raises_instead_of_falling_back(monkeypatch):
    def f(x):
        return x and (n := x) and n

    monkeypatch.setenv("AUTOGRAPH_STRICT_CONVERSION", "1")
    with pytest.raises(NotImplementedError, match="assignment expression"):
        autograph.convert(f)(3)


def test_future_annotations_of_the_module_hold_in_converted_code():
    source = "from __future__ import annotations\ndef f(x):\n  def g(y: Missing): return y\n  return g(x)\n"
    name = "<with future annotations>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope = {}
    exec(compile(source, name, "exec"), scope)
    assert autograph.convert(scope["f"])(4) == 4
