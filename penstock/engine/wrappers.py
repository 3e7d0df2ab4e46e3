"""Decorated functions that say what they decorate: `tf.__internal__.decorator`, once `tensorflow.python.util.tf_decorator`.

A wrapper that `make_decorator` has seen carries a `TFDecorator`, and `unwrap` goes from one to the next down to the
function within. Programs of TensorFlow's own style use these instead of `functools.wraps`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export

_MARK = "_tf_decorator"  # where a wrapper keeps its TFDecorator, as in TensorFlow


class TFDecorator:
    """One decoration: a callable that stands for its target and says the decorator's name.

    Args:
      decorator_name: the name of the decorator.
      target: the function that is decorated.
      decorator_doc: what the decoration adds to the documentation of the target.
      decorator_argspec: the `inspect.FullArgSpec` of the wrapper, where it is not the target's.

    Example:
      >>> from penstock.engine.wrappers import TFDecorator
      >>> double = TFDecorator("double", lambda x: 2 * x)
      >>> double(4), double.decorator_name
      (8, 'double')
    """

    def __init__(
        self,
        decorator_name: str,
        target: Callable,
        decorator_doc: str = "",
        decorator_argspec: inspect.FullArgSpec | None = None,
    ):
        self.decorator_name = decorator_name
        self.decorator_doc = decorator_doc
        self.decorator_argspec = decorator_argspec
        self.decorated_target = target
        if hasattr(target, "__name__"):
            self.__name__ = target.__name__
        if hasattr(target, "__qualname__"):
            self.__qualname__ = target.__qualname__
        self.__doc__ = decorator_doc or getattr(target, "__doc__", None) or ""
        self.__wrapped__ = target
        signature = _signature(target, decorator_argspec)
        if signature is not None:
            self.__signature__ = signature

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A decorated method, bound to its object."""
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.decorated_target(*args, **kwargs)


@export("__internal__.decorator.make_decorator", v1=[])
def make_decorator(
    target: Callable,
    decorator_func: Callable,
    decorator_name: str | None = None,
    decorator_doc: str = "",
    decorator_argspec: inspect.FullArgSpec | None = None,
) -> Callable:
    """Says that `decorator_func` wraps `target`, whose name, documentation and signature it takes.

    Args:
      target: the function that is wrapped.
      decorator_func: the wrapper, which calls it.
      decorator_name: the name of the decorator; by default that of the function that calls this one.
      decorator_doc: the wrapper's documentation, where it is not the target's.
      decorator_argspec: the wrapper's `inspect.FullArgSpec`, where it is not the target's.

    Returns:
      `decorator_func`.

    Example:
      >>> import penstock as tf
      >>> def doubled(f):
      ...     return tf.__internal__.decorator.make_decorator(f, lambda x: 2 * f(x))
      >>> @doubled
      ... def add_one(x):
      ...     return x + 1
      >>> add_one(3), add_one.__name__
      (8, 'add_one')
    """
    if decorator_name is None:
        decorator_name = inspect.currentframe().f_back.f_code.co_name
    decorator = TFDecorator(decorator_name, target, decorator_doc, decorator_argspec)
    setattr(decorator_func, _MARK, decorator)
    for name in ("__name__", "__qualname__", "__module__"):
        if hasattr(target, name):
            setattr(decorator_func, name, getattr(target, name))
    decorator_func.__dict__.update(
        {
            name: value
            for name, value in getattr(target, "__dict__", {}).items()
            if name not in decorator_func.__dict__
        }
    )
    if decorator.__doc__:
        decorator_func.__doc__ = decorator.__doc__
    decorator_func.__wrapped__ = target
    if hasattr(decorator, "__signature__"):
        decorator_func.__signature__ = decorator.__signature__
    return decorator_func


@export("__internal__.decorator.unwrap", v1=[])
def unwrap(maybe_tf_decorator: Callable) -> tuple[list[TFDecorator], Callable]:
    """The decorations of a function, outermost first, and the function within.

    Args:
      maybe_tf_decorator: any callable.

    Returns:
      The list of decorations, which is empty for a function without any, and the function that is decorated.

    Example:
      >>> import penstock as tf
      >>> def plain(x): return x
      >>> wrapped = tf.__internal__.decorator.make_decorator(plain, lambda x: plain(x), "noted")
      >>> decorations, inner = tf.__internal__.decorator.unwrap(wrapped)
      >>> [each.decorator_name for each in decorations], inner is plain
      (['noted'], True)
    """
    decorations = []
    inner = maybe_tf_decorator
    while (decoration := _decoration(inner)) is not None:
        decorations.append(decoration)
        inner = decoration.decorated_target
    return decorations, inner


def rewrap(decorator_func: Callable, previous_target: Callable, new_target: Callable) -> Callable:
    """Puts another function within decorations made by `make_decorator`.

    Args:
      decorator_func: the outermost wrapper.
      previous_target: what is replaced: the function within, or a wrapper on the way to it.
      new_target: what takes its place.

    Returns:
      `decorator_func`; or `new_target` where nothing is decorated.

    Raises:
      ValueError: `previous_target` is not within `decorator_func`.
    """
    inner = decorator_func
    wrapper, decoration = None, None
    while inner is not previous_target:
        wrapper, decoration = inner, _decoration(inner)
        if decoration is None:
            raise ValueError(f"{previous_target} is not within the decorations of {decorator_func}")
        inner = decoration.decorated_target
    if decoration is None:
        return new_target
    decoration.decorated_target = decoration.__wrapped__ = wrapper.__wrapped__ = new_target
    return decorator_func


def _decoration(thing: Any) -> TFDecorator | None:
    return thing if isinstance(thing, TFDecorator) else getattr(thing, "__dict__", {}).get(_MARK)


def _signature(target: Callable, spec: inspect.FullArgSpec | None) -> inspect.Signature | None:
    if spec is not None:
        return fullargspec_to_signature(spec)
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):  # built-in functions may not say
        return None


def fullargspec_to_signature(fullargspec: inspect.FullArgSpec) -> inspect.Signature:
    """The signature that an `inspect.FullArgSpec` describes."""
    kinds = inspect.Parameter
    first_default = len(fullargspec.args) - len(fullargspec.defaults or ())
    empty, annotations = kinds.empty, fullargspec.annotations
    parameters = [
        kinds(
            name,
            kinds.POSITIONAL_OR_KEYWORD,
            default=fullargspec.defaults[i - first_default] if i >= first_default else empty,
            annotation=annotations.get(name, empty),
        )
        for i, name in enumerate(fullargspec.args)
    ]
    if fullargspec.varargs:
        parameters.append(kinds(fullargspec.varargs, kinds.VAR_POSITIONAL))
    named_defaults = fullargspec.kwonlydefaults or {}
    parameters += [
        kinds(
            name,
            kinds.KEYWORD_ONLY,
            default=named_defaults.get(name, empty),
            annotation=annotations.get(name, empty),
        )
        for name in fullargspec.kwonlyargs
    ]
    if fullargspec.varkw:
        parameters.append(kinds(fullargspec.varkw, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters, return_annotation=annotations.get("return", empty))
