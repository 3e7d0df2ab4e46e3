"""Values that XLA keeps, instead of computing them again in each operation that uses them.

XLA's compiler for CPUs puts elementwise operations into each of their users. That is right for `2 * x`, and wrong for
what a long chain ends in: in an unrolled recurrent network the gradient of each step would hold those of all later steps,
and each use of a dropout its random numbers, so that the code, and the time to compile it, grow with the square of the
length. `find` says which values of a program to keep; `kept` is such a value, which XLA does not look behind.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.engine.context import process
from penstock.engine.xla import jax
from penstock.types import dtypes

# A value that this many operations are computed for is kept, if more than one operation uses it.
_LONGEST = 32
# Random numbers, of one operation, are some hundred of XLA's.
_RANDOM_WORK = _LONGEST

# Parts of the names of operations whose results XLA keeps anyway: they are loops or calls.
_KEPT_ANYWAY = (
    "MatMul",
    "Conv",
    "Pool",
    "Einsum",
    "Cumsum",
    "Cumprod",
    "Sort",
    "TopK",
    "Scatter",
    "FFT",
    "LRN",
)
# Operations that only read, name or shape a value.
_NO_WORK = {
    "Const", "Placeholder", "ReadVariableOp", "Identity", "StopGradient", "Reshape", "Squeeze", "ExpandDims", "Shape", "Rank",
    "Size",
}  # fmt: skip


def find(operations: Sequence[Any]) -> set[int]:
    """The ids of the tensors to keep.

    Args:
      operations: those of a program, in order.
    """
    if process.accelerator or len(operations) < 2:
        return set()
    users = _users(operations)
    work: dict[int, frozenset] = {}  # id(tensor) -> ids of the operations that compute it from what is kept
    found = set()
    for operation in operations:
        done = _work(operation, work)
        for tensor in operation.outputs:
            if len(done) >= _LONGEST and len(users.get(id(tensor), ())) > 1:
                found.add(id(tensor))
            else:
                work[id(tensor)] = done
    return found


def _users(operations: Iterable[Any]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for operation in operations:
        for tensor in operation.inputs:
            found.setdefault(id(tensor), set()).add(id(operation))
    return found


def _work(operation: Any, work: dict[int, frozenset]) -> frozenset:
    """What XLA computes again in each operation that uses the results of this one."""
    kind, definition = operation.type, operation.definition
    if definition.nested or definition.writes or any(name in kind for name in _KEPT_ANYWAY):
        return frozenset()
    before = frozenset().union(*(work.get(id(each), ()) for each in operation.inputs))
    if kind in _NO_WORK or len(before) >= _LONGEST:  # long is long enough
        return before
    if "Random" in kind or "_stream" in operation.attrs:
        return before.union((id(operation), place) for place in range(_RANDOM_WORK))
    return before | {id(operation)}


def kept(value: Any, dtype: Any) -> Any:
    """The value behind a call that XLA does not inline; it copies nothing."""
    if dtype in (dtypes.resource, dtypes.variant) or not isinstance(value, jax.core.Tracer):
        return value
    from jax.experimental.xla_metadata import set_xla_metadata

    with set_xla_metadata(inlineable="false"):
        return _same()(value)


@functools.cache
def _same() -> Callable:
    return jax.jit(lambda value: value)
