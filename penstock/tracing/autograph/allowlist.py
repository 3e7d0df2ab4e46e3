"""Which callables AutoGraph leaves as they are: libraries, constructors, generators, native code."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from typing import Any

# Packages that never branch on a graph's tensors in Python, or that say themselves what is to be converted.
# Functions of any other package are converted, wherever it is installed.
_LIBRARIES = frozenset(
    {
        "penstock",
        "tensorflow",
        "keras",
        "tf_keras",
        "tensorflow_probability",
        "tensorflow_datasets.core",
        "malt",
        "jax",
        "jaxlib",
        "numpy",
        "ml_dtypes",
        "pandas",
        "matplotlib",
        "PIL",
        "absl.logging",
        "google.protobuf",
        "tensorboard",
        "mock",
        "ipdb",
    }
)

# Their functions (`singledispatch`, `ContextDecorator`, ...) call functions of the user, which are to be converted.
_TRANSPARENT = frozenset({"functools", "contextlib"})

_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


@functools.lru_cache(maxsize=4096)
def is_library(module: str) -> bool:
    """Whether the functions of a module are left alone."""
    parts = module.split(".")
    if any(".".join(parts[: count + 1]) in _LIBRARIES for count in range(len(parts))):
        return True
    if parts[0] not in sys.stdlib_module_names or parts[0] in _TRANSPARENT:
        return False
    # A program's own `code.py` or `queue.py` may stand before the standard library's.
    file = getattr(sys.modules.get(parts[0]), "__file__", None)
    return file is None or os.path.abspath(file).startswith(_STANDARD_LIBRARY)


def reason_to_leave(f: Any, user_requested: bool) -> str | None:
    """Why a callable is not to be converted; None where it is.

    Args:
      f: any callable but a builtin or `functools.partial`.
      user_requested: the user asked for `f` by name, so that the module it is defined in does not matter.
    """
    kind = type(f)
    if kind.__module__ == "wrapt" or kind.__module__.startswith("wrapt."):
        return "decorated by wrapt"
    if inspect.isclass(f) and type(f).__call__ is type.__call__:
        return "constructor"
    if user_requested:
        return None
    module = getattr(f, "__module__", None)
    if isinstance(module, str) and is_library(module):
        return f"defined in {module}"
    if inspect.isgeneratorfunction(f) or inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f):
        return "generator or coroutine"
    if inspect.ismethod(f):
        return _reason_of_owner(f)
    if not inspect.isfunction(f) and not inspect.isclass(f):
        module = getattr(kind.__call__, "__module__", None)
        if isinstance(module, str) and is_library(module):
            return f"its __call__ is defined in {module}"
    return None


def _reason_of_owner(method: Any) -> str | None:
    """A method goes by the class that defines it, whichever subclass it is called on."""
    bound_to = method.__self__
    owner = bound_to if inspect.isclass(bound_to) else type(bound_to)
    if any(each.__module__ == "unittest.case" for each in owner.__mro__):
        return "method of a TestCase"
    defining = next((each for each in owner.__mro__ if method.__name__ in each.__dict__), owner)
    return f"method of {defining.__name__}, a library's class" if is_library(defining.__module__) else None
