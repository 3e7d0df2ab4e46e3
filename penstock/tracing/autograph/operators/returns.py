"""`return`, `break` and `continue` inside graph control flow.

malt turns them into assignments to `do_return`, `retval_`, `break_` and `continue_`. These functions keep such a flag
a Python value where both branches agree on it, and stand in for the value of a `return` that was not met.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.execute import execute
from penstock.engine.static_value import constant_value
from penstock.tracing.autograph.operators.lists import EmptyGraphList
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.scratch import scratch_graph
from penstock.tracing.autograph.operators.undefined_state import placeholder
from penstock.tracing.autograph.operators.variables import UndefinedReturnValue
from penstock.types import nest
from penstock.types.tensors import EagerTensor, SymbolicTensor

_FLAG = re.compile(r"(do_return|break_|continue_)(_\d+)?")


@contextlib.contextmanager
def inside_loop() -> Iterator[None]:
    """Entered around the iterations of a loop: code inside may leave a `return` to a later iteration."""
    thread.autograph_loops += 1
    try:
        yield
    finally:
        thread.autograph_loops -= 1


@contextlib.contextmanager
def inside_function() -> Iterator[None]:
    """Entered around the body of a function: it is in none of the loops around its call."""
    outer, thread.autograph_loops = thread.autograph_loops, 0
    try:
        yield
    finally:
        thread.autograph_loops = outer


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


def with_placeholders(values: tuple, other_branch: Callable[[], tuple]) -> tuple:
    """The values that a branch assigned, with a placeholder for those that only the other branch has.

    These are lists that stay empty, and, inside a loop, the value of a `return` that is left to a later iteration.
    Outside loops a branch without `return`, beside one that has one, is an error of the program.

    Args:
      values: of the conditional's variables.
      other_branch: runs the other branch and returns the values that it assigns.
    """
    kinds = (UndefinedReturnValue, EmptyGraphList) if thread.autograph_loops else (EmptyGraphList,)
    if not any(isinstance(value, kinds) for value in values):
        return values
    with scratch_graph():
        others = other_branch()
    return tuple(
        _unused(other, value) if isinstance(value, kinds) else value
        for value, other in zip(values, others, strict=True)
    )


def _unused(like: Any, otherwise: Any) -> Any:
    """A value of the type of `like` that nothing reads; `otherwise` where `like` is missing as well."""
    if isinstance(like, SymbolicTensor) and thread.graph is not None:
        return execute("FakeParam", [], {"dtype": like.dtype, "shape": like.shape})
    return placeholder(like, None, otherwise)[0]


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
    message = (
        "a loop over tensors ended without the return statement in it, and none follows: nothing to return"
    )
    with tf.control_dependencies([tf.debugging.Assert(did_return, [message])]):
        return nest.map_structure(tf.identity, value, expand_composites=True)
