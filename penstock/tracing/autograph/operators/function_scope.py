"""The body of a converted function runs inside a `FunctionScope`, which knows how its callees are to be converted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from penstock.tracing.autograph.operators import returns
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.options import ConversionOptions, Feature
from penstock.tracing.autograph.status import ControlStatusCtx, Status


class FunctionScope:
    """Entered by a converted function for as long as it runs.

    Args:
      function_name: the name of the user's function.
      scope_name: the local variable that holds this scope.
      options: how the function was converted.
    """

    def __init__(self, function_name: str, scope_name: str, options: ConversionOptions):
        self.name = scope_name
        self.callopts = options.call_options()
        self._function_name = function_name
        self._options = options
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> FunctionScope:
        self._contexts.enter_context(returns.inside_function())
        if self._options.user_requested:
            self._contexts.enter_context(ControlStatusCtx(Status.ENABLED, self._options))
        if self._options.uses(Feature.NAME_SCOPES):
            # A scope at the root of a graph must not start with an underscore.
            prefix = "fn" if self._function_name.startswith("_") else ""
            self._contexts.enter_context(tf.name_scope(prefix + self._function_name))
        return self

    def __exit__(self, *error: Any) -> None:
        self._contexts.__exit__(*error)

    def ret(self, value: Any, did_return: Any) -> Any:
        """What the function returns: `value` if `did_return`, else None."""
        return returns.returned(value, did_return)


def with_function_scope(
    body: Callable[[FunctionScope], Any], scope_name: str, options: ConversionOptions
) -> Any:
    """Runs the body of a converted lambda."""
    with FunctionScope("lambda_", scope_name, options) as scope:
        return body(scope)
