"""Functions in converted form, for APIs and for users: `convert`, `do_not_convert`, `to_graph`.

The machinery (`calls`, the operators, malt) is imported when the first function is converted.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.tracing.autograph.options import ConversionOptions
from penstock.tracing.autograph.status import ControlStatusCtx, Status
from penstock.tracing.autograph.tracebacks import show_user_code


class AutoGraphError(Exception):
    """The base of AutoGraph's own errors."""


class ConversionError(AutoGraphError):
    """`tf.autograph.to_graph` was given something that it cannot convert."""


# What marks a function as one that is never (again) converted.
MARK = "autograph_info__"


def autograph_artifact(entity: Callable) -> Callable:
    """Marks a function as converted already, or as not to be converted; returns it."""
    setattr(entity, MARK, None)
    return entity


def convert(
    fn: Callable,
    *,
    recursive: bool = True,
    optional_features: Any = None,
    user_requested: bool = True,
    context: ControlStatusCtx | None = None,
) -> Callable:
    """A function that runs `fn` with its control flow on tensors turned into graph control flow.

    Args:
      fn: a Python function, method, lambda, partial or callable object.
      recursive: whether the functions that `fn` calls are converted too.
      optional_features: a `tf.autograph.experimental.Feature`, several, or None.
      user_requested: whether `fn` is converted even where it belongs to a library.
      context: the control status in which `fn` runs.

    Returns:
      A function with the signature of `fn`. Exceptions keep their type; their traceback shows the lines of the user.
    """
    options = ConversionOptions(recursive, user_requested, True, optional_features)

    def converted(*args: Any, **kwargs: Any) -> Any:
        from penstock.tracing.autograph.calls import converted_call

        try:
            if context is None:
                return converted_call(fn, args, kwargs, options=options)
            with context:
                return converted_call(fn, args, kwargs, options=options)
        except Exception as error:
            raise show_user_code(error)

    return autograph_artifact(_like(fn, converted))


def _like(fn: Callable, wrapper: Callable) -> Callable:
    """`wrapper` with the name, documentation and signature of `fn`, where it has them."""
    return (
        functools.update_wrapper(wrapper, fn) if inspect.isfunction(fn) or inspect.ismethod(fn) else wrapper
    )


@export("autograph.experimental.do_not_convert")
def do_not_convert(func: Callable | None = None) -> Callable:
    """Leaves a function, and all that it calls, unconverted.

    Args:
      func: the function; None where this is used as `@do_not_convert()`.

    Returns:
      A function that does what `func` does; a decorator where `func` is None.

    Example:
      >>> import penstock as tf
      >>> @tf.autograph.experimental.do_not_convert
      ... def sign(x):
      ...   return 1 if x > 0 else -1  # needs a Python number: a symbolic tensor has no truth value
      >>> @tf.function
      ... def f(x):
      ...   return x * sign(-3)
      >>> int(f(tf.constant(2)))
      -2
    """
    if func is None:
        return do_not_convert

    def unconverted(*args: Any, **kwargs: Any) -> Any:
        with ControlStatusCtx(Status.DISABLED):
            return func(*args, **kwargs)

    return autograph_artifact(_like(func, unconverted))


@export("__internal__.autograph.tf_convert")
def tf_convert(
    f: Callable, ctx: ControlStatusCtx, convert_by_default: bool = True, user_requested: bool = False
) -> Callable:
    """What an API that takes a function of the user (`Dataset.map`, ...) calls instead of that function.

    Args:
      f: the user's function.
      ctx: `control_status_ctx()` where the user called the API.
      convert_by_default: whether to convert `f` where the status is unspecified.
      user_requested: whether `f` is converted even where it belongs to a library.

    Returns:
      `f` converted, or unconverted, as the user's own code around the call is.
    """
    if hasattr(f, MARK):
        return f
    if ctx.status is Status.DISABLED:
        return do_not_convert(f)
    if ctx.status is Status.ENABLED or convert_by_default:
        return convert(f, user_requested=user_requested, context=ctx)

    def undecided(*args: Any, **kwargs: Any) -> Any:
        with ControlStatusCtx(Status.UNSPECIFIED):
            return f(*args, **kwargs)

    return autograph_artifact(_like(f, undecided))


@export("autograph.to_graph", v1=[])
def to_graph(
    entity: Callable, recursive: bool = True, experimental_optional_features: Any = None
) -> Callable:
    """Converts a Python function, without building a graph from it.

    Args:
      entity: a Python function or method. For a `tf.function`, pass its `python_function`.
      recursive: whether the functions that it calls are converted too.
      experimental_optional_features: a `tf.autograph.experimental.Feature`, several, or None.

    Returns:
      The converted function; a method becomes a function that takes `self` first.

    Raises:
      ConversionError: `entity` is not a Python function, or its source is not available.

    Example:
      >>> import penstock as tf
      >>> def f(x):
      ...   if x < 0:
      ...     x = -x
      ...   return x
      >>> int(tf.autograph.to_graph(f)(tf.constant(-2)))
      2
    """
    from penstock.tracing.autograph.calls import operators
    from penstock.tracing.autograph.transpiler import transpile

    options = ConversionOptions(recursive, True, True, experimental_optional_features)
    function = getattr(entity, "__func__", entity)
    try:
        if not inspect.isfunction(function):
            raise ValueError(
                "Cannot apply autograph to a function that doesn't expose a __code__ object. If this is a "
                "@tf.function, try passing f.python_function instead."
            )
        return autograph_artifact(transpile(function, options).bind(function, operators()))
    except (ValueError, AttributeError, KeyError, NameError, AssertionError) as error:
        raise ConversionError(f"converting {entity}: {type(error).__name__}: {error}") from error


@export("autograph.to_code", v1=[])
def to_code(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> str:
    """The source of the function that `tf.autograph.to_graph` makes.

    Args:
      entity: a Python function or method. For a `tf.function`, pass its `python_function`.
      recursive: whether the functions that it calls are converted too.
      experimental_optional_features: a `tf.autograph.experimental.Feature`, several, or None.

    Returns:
      Python source.

    Raises:
      ConversionError: `entity` is not a Python function, or its source is not available.

    Example:
      >>> import penstock as tf
      >>> def f(x):
      ...   if x < 0:
      ...     x = -x
      ...   return x
      >>> tf.autograph.to_code(f).splitlines()[0]
      'def tf__f(x):'
    """
    from penstock.tracing.autograph.transpiler import transpile

    to_graph(entity, recursive, experimental_optional_features)  # for its errors
    options = ConversionOptions(recursive, True, True, experimental_optional_features)
    return transpile(getattr(entity, "__func__", entity), options).text + "\n"


@export(v1=["autograph.to_graph"])
def to_graph_v1(
    entity: Callable,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    experimental_optional_features: Any = None,
) -> Callable:
    """`tf.autograph.to_graph` with the arguments of TensorFlow 1 (`arg_values` and `arg_types` have no effect)."""
    del arg_values, arg_types
    return to_graph(entity, recursive, experimental_optional_features)


@export(v1=["autograph.to_code"])
def to_code_v1(
    entity: Callable,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    indentation: str = "  ",
    experimental_optional_features: Any = None,
) -> str:
    """`tf.autograph.to_code` with the arguments of TensorFlow 1 (the three in the middle have no effect)."""
    del arg_values, arg_types, indentation
    return to_code(entity, recursive, experimental_optional_features)
