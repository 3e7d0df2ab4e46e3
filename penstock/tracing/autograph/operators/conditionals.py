"""`if` statements and `a if c else b`: Python's for a Python condition, `tf.cond` where it is a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.tracing.autograph.operators import consistency, lists, returns
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_dense_tensor


def if_stmt(
    condition: Any,
    body: Callable[[], None],
    orelse: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    nouts: int,
) -> None:
    """Runs an `if` statement.

    Args:
      condition: what the statement tests.
      body: runs the statements under `if`; works on the variables of the enclosing function.
      orelse: runs those under `else`.
      get_state: reads the variables that either of them assigns.
      set_state: assigns them.
      symbol_names: what the program calls them.
      nouts: how many of them, counted from the first, are used after the statement.
    """
    if is_dense_tensor(condition):
        _graph_if(condition, body, orelse, get_state, set_state, symbol_names[:nouts])
    elif condition:
        body()
    else:
        orelse()


def _graph_if(
    condition: Any,
    body: Callable[[], None],
    orelse: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    names: tuple[str, ...],
) -> None:
    predicate = consistency.verified_condition(condition, "if statement")
    initial = tuple(map(lists.staged, get_state()))
    results: dict[str, tuple] = {}

    def outcome(run: Callable[[], None]) -> tuple:
        set_state(initial)
        run()
        return get_state()[: len(names)]

    def branch(name: str, run: Callable[[], None], other: Callable[[], None]) -> Callable[[], tuple]:
        def trace() -> tuple:
            values = outcome(run)
            if name == "else":
                values = returns.with_guard(values, condition)
            values = results[name] = returns.with_placeholders(values, names, name, lambda: outcome(other))
            consistency.verify_branch(values, names, name)
            if len(results) == 2:
                consistency.verify_branches(results["main"], results["else"], names)
            return values

        return trace

    outputs = tf.cond(predicate, branch("main", body, orelse), branch("else", orelse, body))
    outputs = returns.settled(names, tuple(outputs) if names else (), results)
    set_state(outputs + tuple(initial[len(names) :]))


def if_exp(condition: Any, if_true: Callable[[], Any], if_false: Callable[[], Any], expr_repr: str) -> Any:
    """Evaluates `if_true() if condition else if_false()`.

    Args:
      condition: what the expression tests.
      if_true: evaluates the expression before `if`.
      if_false: evaluates the one after `else`.
      expr_repr: the source of the condition.
    """
    if not is_dense_tensor(condition):
        return if_true() if condition else if_false()
    results: dict[bool, Any] = {}

    def branch(evaluate: Callable[[], Any], name: bool) -> Callable[[], Any]:
        def trace() -> Any:
            results[name] = evaluate()
            if len(results) == 2:
                consistency.verify_branch_value(expr_repr, results[True], results[False])
            return results[name]

        return trace

    return tf.cond(condition, branch(if_true, True), branch(if_false, False))
