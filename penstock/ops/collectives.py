"""Ops in which the replicas of a distributed program meet: reduce, gather, broadcast, and a replica's own number.

A replicated function (`distribute/replicated_call.py`) runs in one of three ways, and each op here knows all of them:
as one SPMD program, where a mapped axis named `AXIS` stands for the replicas; in lockstep, where one op is computed for
all replicas at a time; and on one host thread for each replica, which wait for each other in an `Exchange`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import NotStaticError
from penstock.engine.xla import jnp, lax
from penstock.types.shapes import TensorShape

AXIS = "replica"


class Replica(NamedTuple):
    """The copy of a program that runs in this thread.

    Attributes:
      count: how many there are. id: the number of this one; None while one trace stands for all of them.
      exchange: where the threads of the replicas meet. body: the FuncGraph of the trace.
      shared: how far this replica has gone through the variables that replica 0 made.
      stacked: ids of the handles that the trace captured whose states hold one value for each replica.
    """

    count: int
    id: int | None = None
    exchange: Exchange | None = None
    body: Any = None
    stacked: Any = None
    shared: Any = None


class Exchange:
    """Where the threads of all replicas meet. One of them runs at a time, in their order, so that what they do does not
    depend on chance.
    """

    def __init__(self, count: int):
        self._count, self._turn = count, 0
        self._changed = threading.Condition()
        self._values: list[Any] = [None] * count
        self._places = [""] * count
        self._result: Any = None
        self._meetings = 0
        self.variables: dict[str, list] = {}  # name -> those that replica 0 made, which the others then share
        self._running = [True] * count
        self._failed = False

    def wait_for_turn(self, replica: int) -> None:
        """Returns when this replica may run.

        Raises:
          ReplicaStopped: another one has failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._turn == replica or self._failed)
            if self._failed:
                raise ReplicaStopped

    def __call__(self, place: str, replica: int, value: Any, combine: Callable[[list], Any]) -> Any:
        """What `combine` makes of the values of all replicas, in their order; called once, by the last of them.

        Args:
          place: what the replicas do here, the same for all.
          replica: the number of this one. value: what it brings.

        Raises:
          ReplicaStopped: another replica has failed.
          RuntimeError: another replica has ended without coming here, or is in another place.
        """
        self._values[replica] = value
        self._places[replica] = place
        before = self._meetings
        if replica == self._count - 1 and all(self._running) and len(set(self._places)) == 1:
            self._result = combine(list(self._values))
            self._meetings += 1
        self._pass_on(replica)
        self.wait_for_turn(replica)
        if self._meetings == before:
            raise RuntimeError(
                f"replica {replica} waits for the others in {place}, and another one does not come there"
            )
        return self._result

    def leave(self, replica: int, failed: bool) -> None:
        """Says that a replica has ended."""
        self._running[replica] = False
        self._failed = self._failed or failed
        self._pass_on(replica)

    def _pass_on(self, replica: int) -> None:
        with self._changed:
            after = [*range(replica + 1, self._count), *range(replica + 1)]
            self._turn = next((each for each in after if self._running[each]), -1)
            self._changed.notify_all()


class ReplicaStopped(Exception):
    """Ends the thread of a replica because another one has failed."""


def _meet(place: str, value: Any, combine: Callable[[list], list]) -> Any:
    """On the host: this replica's part of what `combine` makes of the values of all."""
    replica = thread.replica
    if replica is None or replica.exchange is None:
        return combine([value])[0]
    return replica.exchange(place, replica.id, value, combine)[replica.id]


# Combining, for lockstep and for the host: rows of one value (or list of values) for each replica -> the same.


def _reduce(xp: Any, rows: Sequence[Sequence[Any]], reduce_op: str) -> list[list[Any]]:
    totals = []
    for column in zip(*rows):
        total = column[0]
        for each in column[1:]:
            total = total + each
        totals.append(total / xp.asarray(len(rows), total.dtype) if reduce_op == "MEAN" else total)
    return [totals] * len(rows)


def _gather(xp: Any, rows: Sequence[Any], axis: int) -> list[Any]:
    return [xp.concatenate(rows, axis=axis)] * len(rows)


def _broadcast(xp: Any, rows: Sequence[Any]) -> list[Any]:
    return [rows[0]] * len(rows)


# Op type -> combine(xp, rows, **attrs), for those that the lockstep lowering treats by itself.
COMBINE = {"ReplicaReduce": _reduce, "ReplicaGather": _gather, "ReplicaBroadcast": _broadcast}


def _is_mapped() -> bool:
    """Whether compiled code stands for all replicas.

    Raises:
      NotStaticError: this is one replica of several that run on the host, where the op belongs then.
    """
    replica = thread.replica
    if replica is not None and replica.exchange is not None:
        raise NotStaticError(None)
    return replica is not None


def _reduce_spmd(values: Sequence[Any], *, reduce_op: str) -> Any:
    if not _is_mapped():
        return list(values)
    return list(
        (lax.psum if reduce_op == "SUM" else lax.pmean)(tuple(jnp.asarray(each) for each in values), AXIS)
    )


def _reduce_gradient(call: Any, *dys: Any) -> list[Any]:
    return list(execute("ReplicaReduce", (list(dys),), {"reduce_op": call.attrs["reduce_op"]}))


op(
    "ReplicaReduce(values: *T; reduce_op='SUM') -> reduced: *T",
    numpy=lambda values, *, reduce_op: _meet(
        "ReplicaReduce", list(values), lambda rows: _reduce(np, rows, reduce_op)
    ),
    xla=_reduce_spmd,
    shape=lambda call: [each.shape for each in call.inputs],
    gradient=_reduce_gradient,
    stateful=True,
)


def _gathered_shape(call: ShapeCall) -> TensorShape:
    dims, axis = call.shape(0), call.attrs["axis"]
    if dims.rank is None:
        return dims
    if not -dims.rank <= axis < dims.rank:
        raise call.error(f"axis {axis} is out of range for a value of rank {dims.rank}")
    known = dims.as_list()
    known[axis] = None
    return TensorShape(known)


def _gather_gradient(call: Any, dy: Any) -> list[Any]:
    """The part of the gradient that belongs to this replica: of the sum over all, the slice where its value lies."""
    axis, value = call.attrs["axis"], call.inputs[0]
    axis = axis + value.shape.rank if axis < 0 else axis
    (total,) = execute("ReplicaReduce", ([dy],), {"reduce_op": "SUM"})
    shape = execute("Shape", (value,), None)
    size = shape[axis : axis + 1]
    sizes = execute("ReplicaGather", (size,), {"axis": 0})
    ends = execute("Cumsum", (sizes, convert_to_tensor(0)), None)
    here = execute("ReplicaId", (), None)
    start = (ends - sizes)[here]
    begin = execute("Pad", (start[None], convert_to_tensor([[axis, value.shape.rank - axis - 1]])), None)
    return [execute("Slice", (total, begin, shape), None)]


op(
    "ReplicaGather(value: T; axis=0) -> gathered: T",
    numpy=lambda value, *, axis: _meet("ReplicaGather", value, lambda rows: _gather(np, rows, axis)),
    xla=lambda value, *, axis: (
        lax.all_gather(value, AXIS, axis=axis % value.ndim, tiled=True) if _is_mapped() else value
    ),
    shape=_gathered_shape,
    gradient=_gather_gradient,
    stateful=True,
)
op(
    "ReplicaBroadcast(value: T) -> first: T",
    numpy=lambda value: _meet("ReplicaBroadcast", value, lambda rows: _broadcast(np, rows)),
    xla=lambda value: lax.all_gather(value, AXIS)[0] if _is_mapped() else value,
    shape=lambda call: call.shape(0),
    stateful=True,
)
op(
    "ReplicaId() -> id: int32",
    numpy=lambda: np.int32(0 if thread.replica is None else thread.replica.id),
    xla=lambda: lax.axis_index(AXIS).astype(jnp.int32) if _is_mapped() else np.int32(0),
    shape=lambda call: TensorShape([]),
    stateful=True,
)
