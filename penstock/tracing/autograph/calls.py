"""`converted_call`: what every call in converted code goes through.

Whether a function is converted is decided when it is called: by the options of its caller, by the control status, and
by `allowlist`.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import os
import types
import weakref
from collections.abc import Callable
from typing import Any

from penstock.tracing.autograph import allowlist
from penstock.tracing.autograph.conversion import MARK, autograph_artifact
from penstock.tracing.autograph.operators import OPERATORS, original_frame, py_builtins
from penstock.tracing.autograph.options import STANDARD_OPTIONS, ConversionOptions, Feature
from penstock.tracing.autograph.source import SourceUnavailableError
from penstock.tracing.autograph.status import is_autograph_disabled
from penstock.tracing.autograph.transpiler import transpile
from penstock.tracing.autograph.verbosity import log, warning

# Code that could not be converted: it runs as it is, and has been warned about.
_unconvertible: weakref.WeakSet[types.CodeType] = weakref.WeakSet()


def converted_call(
    f: Callable,
    args: tuple,
    kwargs: dict[str, Any] | None,
    caller_fn_scope: Any = None,
    options: ConversionOptions | None = None,
) -> Any:
    """Calls `f(*args, **kwargs)`, converting `f` first where it is the user's code.

    Args:
      f: anything callable.
      args: the positional arguments.
      kwargs: the keyword arguments, or None.
      caller_fn_scope: the scope of the converted function that makes the call.
      options: how to convert `f`; by default, as the scope says.

    Returns:
      What `f` returns.
    """
    kwargs = kwargs or {}
    if options is None:
        options = STANDARD_OPTIONS if caller_fn_scope is None else caller_fn_scope.callopts
    if is_autograph_disabled() or hasattr(f, MARK):
        return f(*args, **kwargs)
    if isinstance(f, functools.partial):
        return converted_call(f.func, f.args + args, {**f.keywords, **kwargs}, caller_fn_scope, options)
    if _is_builtin(f):
        if f in original_frame.OVERLOADS:
            return original_frame.OVERLOADS[f](caller_fn_scope, args)
        return py_builtins.OVERLOADS.get(f, f)(*args, **kwargs)
    reason = allowlist.reason_to_leave(f, options.user_requested)
    if reason is not None:
        log(2, "AutoGraph leaves %s alone: %s", f, reason)
        return f(*args, **kwargs)
    if not options.internal_convert_user_code:
        return f(*args, **kwargs)
    target, bound = _function_of(f)
    if target is None or target.__code__ in _unconvertible or target.__code__.co_filename == "<string>":
        return f(*args, **kwargs)
    try:
        converted = transpile(target, options).bind(target, operators())
    except Exception as error:
        _give_up(f, target, error)
        return f(*args, **kwargs)
    log(1, "Converted call: %s\n    args: %s\n    kwargs: %s", f, args, kwargs)
    return converted(*bound, *args, **kwargs)


_BUILTINS = frozenset(map(id, vars(builtins).values()))


def _is_builtin(f: Any) -> bool:
    return id(f) in _BUILTINS or isinstance(f, types.BuiltinFunctionType)


def _function_of(f: Any) -> tuple[types.FunctionType | None, tuple[Any, ...]]:
    """The Python function that a call of `f` runs, with the arguments that it is bound to; None for native code."""
    function: Any = type(f).__call__
    bound: tuple = (f,)
    if inspect.ismethod(f):
        function, bound = f.__func__, (f.__self__,)
    elif inspect.isfunction(f):
        function, bound = f, ()
    return (function, bound) if inspect.isfunction(function) else (None, ())


def _give_up(f: Any, target: types.FunctionType, error: Exception) -> None:
    """Warns, once for each function, that it runs unconverted."""
    if int(os.environ.get("AUTOGRAPH_STRICT_CONVERSION") or 0):
        raise error
    log(1, "Error transforming %s", f, exc_info=True)
    _unconvertible.add(target.__code__)
    advice = "To silence this warning, decorate the function with @tf.autograph.experimental.do_not_convert"
    if not isinstance(error, (SourceUnavailableError, NotImplementedError)):
        advice = "This is a defect of Penstock; AUTOGRAPH_VERBOSITY=1 shows where it happens.\n" + advice
    warning("AutoGraph could not transform %s and will run it as-is.\nCause: %s\n%s", f, error, advice)


@functools.cache
def operators() -> types.SimpleNamespace:
    """What converted code knows as `ag__`."""
    return types.SimpleNamespace(
        **OPERATORS,
        converted_call=converted_call,
        autograph_artifact=autograph_artifact,
        ConversionOptions=ConversionOptions,
        STD=STANDARD_OPTIONS,
        Feature=Feature,
    )
