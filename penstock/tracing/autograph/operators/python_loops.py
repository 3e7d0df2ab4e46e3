"""Loops that stay Python loops: each iteration runs, and in a graph adds its ops, one after the other.

Where the condition becomes a tensor on the way, the rest of a `while` loop is a graph loop; the iterations that are
left of a `for` loop each run under a condition of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Any

from penstock.engine.context import thread
from penstock.engine.source_line import caller
from penstock.tracing.autograph.operators import returns
from penstock.tracing.autograph.verbosity import warning
from penstock.types.tensors import SymbolicTensor

_MOST_ITERATIONS = 100_000_000  # about a minute of empty ones
_WORTH_A_WARNING = 50_000

GetState = Callable[[], tuple]
SetState = Callable[[tuple], None]


def for_loop(
    iterable: Iterable,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
) -> None:
    """Runs `body` for each element, as long as `extra_test` (no `break` or `return` so far) allows.

    Raises:
      NotImplementedError: a `break` or `return` depends on a tensor, and how often the loop runs is not known.
    """
    from penstock.tracing.autograph.operators.conditionals import if_stmt

    unrolling = _Unrolling()
    with returns.inside_loop():
        for element in iterable:
            go_on = True if extra_test is None else extra_test()
            if isinstance(go_on, SymbolicTensor):
                if not isinstance(iterable, Sized):
                    raise NotImplementedError(
                        "break and return statements which depend on a TF condition are not supported in Python for "
                        f"loops over {type(iterable).__name__}. Did you intend to make it a TF loop?"
                    )
                state = (get_state, set_state, symbol_names, len(symbol_names))
                if_stmt(go_on, lambda element=element: body(element), lambda: None, *state)
            elif go_on:
                body(element)
            else:
                break
            unrolling.iteration()


def while_loop(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs `body` at least once, and then while `test` holds."""
    from penstock.tracing.autograph.operators.while_loops import graph_loop

    unrolling = _Unrolling()
    go_on: Any = True
    while not isinstance(go_on, SymbolicTensor):
        if not go_on:
            return
        with returns.inside_loop():
            body()
        unrolling.iteration()
        go_on = test()
    graph_loop(test, body, get_state, set_state, symbol_names, opts)


class _Unrolling:
    """Counts the iterations of a Python loop, and warns where very many of them add ops to a graph."""

    __slots__ = ("count", "ops")

    def __init__(self) -> None:
        self.count = 0
        self.ops = 0

    def iteration(self) -> None:
        """Called after each iteration.

        Raises:
          ValueError: there were too many.
        """
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
