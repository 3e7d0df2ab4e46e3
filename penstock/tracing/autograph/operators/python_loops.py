"""Loops that stay Python loops: each iteration runs, and in a graph adds its ops, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.source_line import caller
from penstock.tracing.autograph.verbosity import warning
from penstock.types.errors import OperatorNotAllowedInGraphError

_MOST_ITERATIONS = 100_000_000  # about a minute of empty ones
_WORTH_A_WARNING = 50_000
_ADVICE = (
    "See https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/autograph/g3doc/reference/"
    "limitations.md#consistency-of-control-flow-types for more info."
)


def for_loop(iterable: Iterable, extra_test: Callable[[], Any] | None, body: Callable[[Any], None]) -> None:
    """Runs `body` for each element, as long as `extra_test` (no `break` or `return` so far) allows."""
    if extra_test is not None and not _truth(extra_test, _TENSOR_BREAK):
        return
    checked = _Unrolling()
    for element in iterable:
        body(element)
        checked.iteration()
        if extra_test is not None and not _truth(extra_test, _TENSOR_BREAK):
            break


def while_loop(test: Callable[[], Any], body: Callable[[], None]) -> None:
    """Runs `body` while `test` holds."""
    checked = _Unrolling()
    while _truth(test, _BECAME_TENSOR):
        body()
        checked.iteration()


_TENSOR_BREAK = (
    "break and return statements which depend on a TF condition are not supported in Python for loops. Did you intend "
    f"to make it a TF loop?\n{_ADVICE}"
)
_BECAME_TENSOR = (
    "The condition of while loop started as non-Tensor, then changed to Tensor. This may happen either because "
    "variables changed type, or when a break or return statement inside the loop depends on a Tensor condition. In "
    f"both cases, changing to a TF loop should remove the error.\n{_ADVICE}"
)


def _truth(test: Callable[[], Any], message: str) -> bool:
    value = test()
    try:
        return bool(value)
    except OperatorNotAllowedInGraphError as error:
        raise NotImplementedError(message) from error


class _Unrolling:
    """Counts the iterations of a Python loop, and warns where very many of them add ops to a graph."""

    __slots__ = ("count", "ops")

    def __init__(self) -> None:
        self.count = 0
        self.ops = 0

    def iteration(self) -> None:
        """Called after each iteration."""
        self.count += 1
        if self.count > _MOST_ITERATIONS:
            raise ValueError("iteration limit exceeded")
        if _WORTH_A_WARNING <= self.count <= _WORTH_A_WARNING + 1 and thread.graph is not None:
            ops = len(thread.graph.get_operations())
            if self.count > _WORTH_A_WARNING and ops > self.ops:
                warning(
                    "Large unrolled loop detected. Did you mean to use a TF loop? Iteration %s added %s ops at %s",
                    self.count,
                    ops - self.ops,
                    caller(),
                )
            self.ops = ops
