"""`while` statements, and the graph loop that `for` statements on tensors become as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.tracing.autograph.operators import consistency, python_loops, undefined_state
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
        body()  # with the evaluation that has been spent
        python_loops.while_loop(test, body)


def graph_loop(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a loop as a `tf.while_loop`; the arguments are those of `while_stmt`."""
    from penstock.ops.control_flow import while_loop

    options = {name: value for name, value in opts.items() if name not in ("iterate_names", "shape_invariants")}
    before = get_state()
    invariants = _by_position(opts.get("shape_invariants", ()), before)
    initial = before
    if any(map(is_undefined, before)):
        initial, extra = undefined_state.filled_in(body, get_state, set_state, before, invariants, symbol_names)
        invariants = tuple(given if given is not None else own for given, own in zip(invariants, extra))
    # What is undefined before the loop is undefined after it, unless it ran. What it returns is guarded by a flag.
    must_run = any(is_undefined(value) and not isinstance(value, UndefinedReturnValue) for value in before)
    skipped = int(must_run)  # a flag before the variables says whether it ran
    given_invariants = any(each is not None for each in invariants)
    invariants = tuple(
        nest.map_structure(lambda _: None, value) if each is None else each for each, value in zip(invariants, initial)
    )

    def loop_test(*state: Any) -> Any:
        set_state(state[skipped:])
        return consistency.verified_condition(test(), "while loop")

    def loop_body(*state: Any) -> tuple:
        entry = state[skipped:]
        set_state(entry)
        body()
        exit_ = get_state()
        consistency.verify_iteration(initial, entry, exit_, symbol_names, invariants if given_invariants else None)
        return (True,) * skipped + tuple(exit_)

    if given_invariants:
        options["shape_invariants"] = (None,) * skipped + invariants
    outputs = while_loop(loop_test, loop_body, (False,) * skipped + tuple(initial), **options)
    if must_run:
        missing = undefined_state.missing_names(before, symbol_names)
        outputs = _checked(outputs, f"loop must iterate at least once to initialize {missing}")
    set_state(tuple(outputs))


def _by_position(invariants: Sequence[tuple[Any, Any]], state: tuple) -> tuple:
    """`[(value, shape), ...]` as one shape, or None, for each value of the state; values go by identity."""
    shapes = {id(value): (value, shape) for value, shape in invariants}
    return tuple(shapes[id(value)][1] if id(value) in shapes else None for value in state)


def _checked(outputs: Sequence[Any], message: str) -> tuple:
    """The loop's variables without the flag before them that says whether it ran, which is asserted."""
    from penstock.ops.array_ops import identity
    from penstock.ops.check_ops import Assert
    from penstock.ops.naming import control_dependencies

    ran, *values = outputs
    with control_dependencies([Assert(ran, [message])]):
        return nest.map_structure(lambda value: identity(value) if is_tensor(value) else value, tuple(values))
