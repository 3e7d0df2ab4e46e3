"""`return`, `break` and `continue` inside graph control flow.

malt turns them into assignments to `do_return`, `retval_`, `break_` and `continue_`. These functions keep such a flag
a Python value where both branches agree on it, and stand in for values that the flags keep from being read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.execute import execute
from penstock.engine.source_line import caller
from penstock.engine.static_value import constant_value
from penstock.tracing.autograph.operators.lists import EmptyGraphList
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.scratch import scratch_graph
from penstock.tracing.autograph.operators.undefined_state import placeholder
from penstock.tracing.autograph.operators.variables import Undefined, UndefinedReturnValue
from penstock.types import nest
from penstock.types.tensors import EagerTensor, SymbolicTensor

_FLAG = re.compile(r"(do_return|break_|continue_)(_\d+)?")


class Activation:
    """What is known of `return` while a converted function runs.

    Attributes:
      loops: how many loops of the function are around the line that runs.
      returns_in_loop: whether a `return` in one of them depends on a tensor.
      open_branch: a branch that does not return, beside one that does, and the line of the program; None for none.
    """

    __slots__ = ("loops", "returns_in_loop", "open_branch")

    def __init__(self) -> None:
        self.loops = 0
        self.returns_in_loop = False
        self.open_branch: str | None = None


@contextlib.contextmanager
def inside_function() -> Iterator[None]:
    """Entered around the body of a converted function."""
    outer, thread.autograph_activation = thread.autograph_activation, Activation()
    try:
        yield
    finally:
        thread.autograph_activation = outer


@contextlib.contextmanager
def inside_loop() -> Iterator[None]:
    """Entered around an iteration of a loop."""
    thread.autograph_activation.loops += 1
    try:
        yield
    finally:
        thread.autograph_activation.loops -= 1


def note_return_in_loop() -> None:
    """Called where a loop of the graph may or may not return from the function."""
    thread.autograph_activation.returns_in_loop = True


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


def with_placeholders(
    values: tuple, names: Sequence[str], branch: str, other_branch: Callable[[], tuple]
) -> tuple:
    """The values that a branch assigned, with placeholders for those that nothing will read.

    These are the return value, where only the other branch returns; after a `return`, variables that only the other
    branch assigns; and lists that stay empty.

    Args:
      values: of the conditional's variables.
      names: what they are called.
      branch: "main" or "else".
      other_branch: runs the other branch and returns the values that it assigns.
    """
    has_returned = any(value is True and name.startswith("do_return") for name, value in zip(names, values))
    kinds = (UndefinedReturnValue, EmptyGraphList, *((Undefined,) if has_returned else ()))
    if not any(isinstance(value, kinds) for value in values):
        return values
    if any(isinstance(value, UndefinedReturnValue) for value in values):
        activation = thread.autograph_activation
        if activation.loops:
            activation.returns_in_loop = True
        else:
            activation.open_branch = f"the {branch} branch must also have a return statement. [{caller()}]"
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

    In a graph nothing can stand for None: there, a run that ends without a `return` fails.

    Raises:
      ValueError: a branch does not return, beside one that does, and nothing after it returns either.
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
    activation = thread.autograph_activation
    if activation.open_branch is not None and not activation.returns_in_loop:
        raise ValueError(activation.open_branch)
    message = (
        "a loop over tensors ended without the return statement in it, and none follows: nothing to return"
    )
    with tf.control_dependencies([tf.debugging.Assert(did_return, [message])]):
        return nest.map_structure(tf.identity, value, expand_composites=True)
