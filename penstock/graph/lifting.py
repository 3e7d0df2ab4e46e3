"""Leaving the functions that are being traced: where variables are made, and whatever must happen once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.export import export


def outermost_graph() -> Any:
    """The v1 graph around all functions that are being traced; None where that is eager execution."""
    graph = thread.graph
    while graph is not None and graph.building_function:
        graph = graph.outer_graph
    return graph


@export("init_scope")
@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """Ops called inside run outside of the functions that are being traced: eagerly, or in the v1 graph around them.

    Control dependencies and tapes do not reach inside; the name scope does.

    Example:
      >>> import penstock as tf
      >>> @tf.function
      ... def f():
      ...     with tf.init_scope():
      ...         return tf.executing_eagerly()
      >>> bool(f())
      True
    """
    inner = thread.graph
    outer = outermost_graph()
    with contextlib.ExitStack() as stack:
        stack.enter_context(context.tapes_stopped())
        if outer is not None:
            scope = inner.get_name_scope()
            stack.enter_context(context.building(outer))
            stack.enter_context(outer.control_dependencies(None))
            if inner is not outer:
                stack.enter_context(outer.name_scope(scope + "/" if scope else None))
        elif inner is not None:
            scope = inner.get_name_scope()
            eager_scope, thread.name_scope = thread.name_scope, scope + "/" if scope else ""
            stack.callback(setattr, thread, "name_scope", eager_scope)
            stack.enter_context(context.building(None))
        yield
