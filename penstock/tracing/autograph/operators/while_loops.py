"""`while` statements, and the graph loop that `for` statements on tensors become as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.tracing.autograph.operators import consistency, lists, python_loops, returns, undefined_state
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.scratch import scratch_graph
from penstock.tracing.autograph.operators.tensors import is_dense_tensor, is_tensor
from penstock.tracing.autograph.operators.variables import UndefinedReturnValue, is_undefined
from penstock.types import nest


def while_stmt(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a `while` statement.

    Args:
      test: evaluates the condition.
      body: runs an iteration; works on the variables of the enclosing function.
      get_state: reads the variables that the body assigns.
      set_state: assigns them.
      symbol_names: what the program calls them.
      opts: what `set_loop_options` gave.
    """
    # Evaluated apart, since this only asks whether the condition is a tensor: the loop evaluates it again.
    with scratch_graph():
        first = test()
    if is_dense_tensor(first):
        graph_loop(test, body, get_state, set_state, symbol_names, opts)
    elif first:
        python_loops.while_loop(test, body, get_state, set_state, symbol_names, opts)


def graph_loop(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a loop as a `tf.while_loop`; the arguments are those of `while_stmt`."""

    def iteration() -> None:
        with returns.inside_loop():
            body()

    options = {
        name: value for name, value in opts.items() if name not in ("iterate_names", "shape_invariants")
    }
    before = tuple(map(lists.staged, get_state()))
    invariants = _by_position(opts.get("shape_invariants", ()), before)
    initial = before
    if any(isinstance(value, UndefinedReturnValue) for value in before):
        returns.note_return_in_loop()
    if any(is_undefined(value) or isinstance(value, lists.EmptyGraphList) for value in before):
        initial, extra = undefined_state.filled_in(
            iteration, get_state, set_state, before, invariants, symbol_names
        )
        invariants = tuple(extra[i] if given is None else given for i, given in enumerate(invariants))
    # What is undefined before the loop is undefined after it, unless it ran. What it returns is guarded by a flag.
    must_run = any(is_undefined(value) and not isinstance(value, UndefinedReturnValue) for value in before)
    # A variable of our own comes first where it is needed: it says whether the loop ran, or is the only one.
    own = int(must_run or not initial)
    given_invariants = any(each is not None for each in invariants)
    invariants = tuple(
        nest.map_structure(lambda _: None, value) if each is None else each
        for each, value in zip(invariants, initial)
    )

    def loop_test(*state: Any) -> Any:
        set_state(state[own:])
        return consistency.verified_condition(test(), "while loop")

    def loop_body(*state: Any) -> tuple:
        entry = state[own:]
        set_state(entry)
        iteration()
        exit_ = get_state()
        consistency.verify_iteration(
            initial, entry, exit_, symbol_names, invariants if given_invariants else None
        )
        return (True,) * own + tuple(exit_)

    if given_invariants:
        options["shape_invariants"] = (None,) * own + invariants
    outputs = tf.while_loop(loop_test, loop_body, (False,) * own + tuple(initial), **options)
    if must_run:
        missing = undefined_state.missing_names(before, symbol_names)
        set_state(_checked(outputs, f"loop must iterate at least once to initialize {missing}"))
    else:
        set_state(tuple(outputs[own:]))


def _by_position(invariants: Sequence[tuple[Any, Any]], state: tuple) -> tuple:
    """`[(value, shape), ...]` as one shape, or None, for each value of the state; values go by identity."""
    shapes = {id(value): (value, shape) for value, shape in invariants}
    return tuple(shapes[id(value)][1] if id(value) in shapes else None for value in state)


def _checked(outputs: Sequence[Any], message: str) -> tuple:
    """The loop's variables without the flag before them that says whether it ran, which is asserted."""
    ran, *values = outputs
    with tf.control_dependencies([tf.debugging.Assert(ran, [message])]):
        return nest.map_structure(
            lambda value: tf.identity(value) if is_tensor(value) else value, tuple(values)
        )
