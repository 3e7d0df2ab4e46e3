"""Decorated functions say what they decorate."""

import functools
import inspect

import pytest

import penstock as tf
from penstock.engine.wrappers import TFDecorator, rewrap
from penstock.standin import internals

decorator = tf.__internal__.decorator


def plain(a, b=2):
    """Adds."""
    return a + b


def tenfold(function, **options):
    return decorator.make_decorator(function, lambda *args: 10 * function(*args), **options)


def test_a_wrapper_looks_like_its_target():
    wrapper = tenfold(plain)
    assert wrapper(1, 3) == 40
    assert (wrapper.__name__, wrapper.__doc__, wrapper.__wrapped__) == ("plain", "Adds.", plain)
    assert str(inspect.signature(wrapper)) == "(a, b=2)"


def test_a_decoration_is_named_for_the_function_that_makes_it():
    (found,), _ = decorator.unwrap(tenfold(plain))
    assert found.decorator_name == "tenfold"
    assert decorator.unwrap(tenfold(plain, decorator_name="mine"))[0][0].decorator_name == "mine"


def test_documentation_and_arguments_of_the_wrapper():
    wrapper = tenfold(plain, decorator_doc="Ten times.", decorator_argspec=inspect.getfullargspec(_all_kinds))
    assert wrapper.__doc__ == "Ten times."
    assert inspect.signature(wrapper) == inspect.signature(_all_kinds)


def _all_kinds(x: int, y=1, *rest, key, other: str = "a", **named) -> float: ...


def test_unwrap_goes_through_all_decorations():
    twice = tenfold(tenfold(plain, decorator_name="inner"), decorator_name="outer")
    decorations, inner = decorator.unwrap(twice)
    assert [each.decorator_name for each in decorations] == ["outer", "inner"]
    assert inner is plain
    assert decorator.unwrap(plain) == ([], plain)


def test_a_target_without_a_name():
    partial = functools.partial(plain, b=5)
    wrapper = tenfold(partial)
    assert wrapper(1) == 60
    assert decorator.unwrap(wrapper)[1] is partial


def test_rewrap_replaces_what_is_within():
    other = lambda a: a + 100
    wrapper = tenfold(tenfold(plain))
    assert rewrap(wrapper, plain, other) is wrapper
    assert decorator.unwrap(wrapper)[1] is other
    assert rewrap(plain, plain, other) is other
    with pytest.raises(ValueError, match="is not within"):
        rewrap(wrapper, plain, other)


def test_a_decorated_method_is_bound():
    class Box:
        read = TFDecorator("noted", lambda self, x: (self, x))

    box = Box()
    assert box.read(3) == (box, 3)


def test_the_private_module_has_them_all():
    module = internals.module("python.util.tf_decorator")
    assert module.make_decorator is decorator.make_decorator
    assert module.TFDecorator is TFDecorator
