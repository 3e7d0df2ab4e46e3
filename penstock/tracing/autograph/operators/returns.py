"""`return`, `break` and `continue` inside graph control flow.

malt turns them into assignments to `do_return`, `retval_`, `break_` and `continue_`. These functions keep such a flag
a Python value where both branches agree on it, and stand in for the value of a `return` that was not met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.static_value import constant_value
from penstock.tracing.autograph.operators.scratch import probes_return, scratch_graph
from penstock.tracing.autograph.operators.variables import UndefinedReturnValue
from penstock.types import nest
from penstock.types.tensors import EagerTensor, SymbolicTensor

_FLAG = re.compile(r"(do_return|break_|continue_)(_\d+)?")


def with_guard(values: Sequence[Any], condition: Any) -> tuple:
    """What the else branch of `if not flag:` leaves in the variables, where `flag` is known to be True."""
    if not isinstance(condition, SymbolicTensor) or condition.op.type != "LogicalNot":
        return tuple(values)
    flag = condition.op.inputs[0]
    return tuple(True if value is flag else value for value in values)


def settled(names: Sequence[str], outputs: tuple, results: dict[str, tuple]) -> tuple:
    """The outputs of a conditional, with a Python bool for each flag that both branches set alike."""
    if len(results) < 2:
        return outputs
    values = []
    for name, output, main, orelse in zip(names, outputs, results["main"], results["else"], strict=True):
        agreed = _FLAG.fullmatch(name) and isinstance(main, bool) and main is orelse
        values.append(main if agreed else output)
    return tuple(values)


def filler(
    body: Callable[[], None],
    orelse: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    initial: tuple,
    count: int,
) -> Callable[[Sequence[Any], str], tuple]:
    """How a branch without `return` gets a return value, where code runs to find out what a loop returns.

    Everywhere else a branch that does not return, beside one that does, is an error of the program.

    Returns:
      A function of the branch's values and name ("main" or "else") that returns the values.
    """
    if not probes_return():
        return lambda values, name: tuple(values)

    def fill(values: Sequence[Any], name: str) -> tuple:
        from penstock.tracing.autograph.operators.undefined_state import placeholder

        if not any(isinstance(value, UndefinedReturnValue) for value in values):
            return tuple(values)
        with scratch_graph():
            set_state(initial)
            (orelse if name == "main" else body)()
            others = get_state()[:count]
        set_state(initial)
        return tuple(
            placeholder(other, None, value)[0] if isinstance(value, UndefinedReturnValue) else value
            for value, other in zip(values, others, strict=True)
        )

    return fill


def returned(value: Any, did_return: Any) -> Any:
    """What a converted function returns: `value` if `did_return`, else None.

    In a graph nothing can stand for None: there, a run that meets no `return` fails.
    """
    if isinstance(value, UndefinedReturnValue):
        return None
    if isinstance(did_return, EagerTensor):
        return value if bool(did_return) else None
    if not isinstance(did_return, SymbolicTensor):
        return value
    known = constant_value(did_return)
    if known is not None:
        return value if bool(known) else None

    from penstock.ops.array_ops import identity
    from penstock.ops.check_ops import Assert
    from penstock.ops.naming import control_dependencies

    check = Assert(did_return, ["the function ended without a return statement, inside a loop on tensors"])
    with control_dependencies([check]):
        return nest.map_structure(identity, value, expand_composites=True)
