"""What libraries import from `tensorflow.python.util` beside `nest`: looks at functions, decorators of contexts, names.

`tf_inspect` is Python's `inspect`, which looks through TensorFlow's decorators, with the functions that Python dropped.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections import namedtuple
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from penstock.engine.wrappers import unwrap

_inspect = inspect
contextmanager = contextlib.contextmanager

ArgSpec = namedtuple("ArgSpec", ["args", "varargs", "keywords", "defaults"])
FullArgSpec = inspect.FullArgSpec


def getfullargspec(function: Callable) -> inspect.FullArgSpec:
    """The arguments of a function, under its decorators; those that a `partial` sets by position are left out."""
    if isinstance(function, functools.partial):
        return inspect.getfullargspec(function)
    target = inspect.unwrap(unwrap(function)[1])
    spec = inspect.getfullargspec(target)
    if getattr(target, "__module__", None) and target.__module__.startswith("penstock."):
        spec = spec._replace(annotations={})  # TensorFlow's functions have none, and libraries compare
    return spec


def getargspec(function: Callable) -> ArgSpec:
    """The positional arguments of a function.

    Raises:
      ValueError: it has keyword-only arguments.
    """
    spec = getfullargspec(function)
    if spec.kwonlyargs:
        raise ValueError(f"getargspec: {function} has keyword-only arguments; use getfullargspec")
    return ArgSpec(spec.args, spec.varargs, spec.varkw, spec.defaults)


def getargspec_or_getfullargspec(function: Callable) -> inspect.FullArgSpec:
    """The arguments of a function."""
    return getfullargspec(function)


def make_all(module_name: str, doc_string_modules: Iterable[ModuleType] | None = None) -> list[str]:
    """The names in a module that do not begin with an underscore and are no modules."""
    module = sys.modules[module_name]
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    )


def remove_undocumented(
    module_name: str, allowed_exception_list: Any = None, doc_string_modules: Any = None
) -> None:
    """Leaves all names of a module where they are: nothing depends on the others not being there."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(inspect, name)
