"""Ops in which the replicas of a distributed program meet: reduce, gather, broadcast, and a replica's own number.

Replicas of one process are along a mapped axis named `AXIS`, the processes of a cluster along another, `WORKER`. Outside
of replicas, programs of several processes meet in ops of their own, which reduce, gather and broadcast over processes.

A replicated function (`distribute/replicated_call.py`) runs in one of three ways, and each op here knows all of them:
as one SPMD program, where mapped axes stand for the replicas; in lockstep, where one op is computed for
all replicas at a time; and on one host thread for each replica, which wait for each other in an `Exchange`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import NotStaticError
from penstock.engine.xla import jnp, lax
from penstock.ops import native_exchanges
from penstock.types.shapes import TensorShape

AXIS = "replica"
WORKER = "worker"
_LARGE = 1 << 20  # bytes of an array that travels between processes by itself


class Replica(NamedTuple):
    """The copy of a program that runs in this thread.

    Attributes:
      count: how many this process has. id: the number of this one; None while one trace stands for all of them.
      exchange: where the threads of the replicas meet. body: the FuncGraph of the trace.
      shared: how far this replica has gone through the variables that replica 0 made.
      workers: how many processes have as many replicas each. worker: which of them this is.
      stacked: ids of the handles that the trace captured whose states hold one value for each replica.
    """

    count: int
    id: int | None = None
    exchange: Exchange | None = None
    body: Any = None
    stacked: Any = None
    shared: Any = None
    workers: int = 1
    worker: int = 0

    @property
    def total(self) -> int:
        """How many replicas all processes have together."""
        return self.count * self.workers

    @property
    def number(self) -> int:
        """The number of this one among those of all processes."""
        return self.worker * self.count + self.id


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
    if replica.workers > 1:
        return replica.exchange(
            place, replica.id, value, lambda rows: _combined_over_workers(place, rows, combine)
        )[replica.id]
    return replica.exchange(place, replica.id, value, combine)[replica.id]


def _combined_over_workers(place: str, rows: list, combine: Callable[[list], list]) -> list:
    """This process's part of what `combine` makes of the values of all processes."""
    lists = isinstance(rows[0], list)
    width = len(rows[0]) if lists else 1
    mine = [np.asarray(each) for row in rows for each in (row if lists else [row])]
    everything = []
    for arrays in process.workers.gather(place, mine):
        for start in range(0, len(arrays), width):
            everything.append(arrays[start : start + width] if lists else arrays[start])
    first = process.workers.index * len(rows)
    return combine(everything)[first : first + len(rows)]


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


def mapped_axes() -> tuple[str, ...]:
    """The axes that stand for all replicas in compiled code, that of the processes first.

    Raises:
      NotStaticError: this is one replica of several that run on the host, where the op belongs then.
    """
    replica = thread.replica
    if replica is None:
        return ()
    if replica.exchange is not None:
        raise NotStaticError(None)
    return (WORKER,) * (replica.workers > 1) + (AXIS,) * (replica.count > 1)


def reduced_over(axes: tuple[str, ...], values: Sequence[Any], reduce_op: str) -> list[Any]:
    """In compiled code the sum or mean of values over mapped axes."""
    if not axes:
        return list(values)

    def combine(value: Any, axes: tuple[str, ...]) -> Any:
        total = native_exchanges.total(value) if axes == (WORKER,) and not isinstance(value, tuple) else None
        if total is None:
            return lax.psum(value, axes) if reduce_op == "SUM" else lax.pmean(value, axes)
        return total if reduce_op == "SUM" else total / process.workers.count

    arrays = [jnp.asarray(each) for each in values]
    if WORKER not in axes or len(arrays) == 1 or process.accelerator:
        return list(combine(tuple(arrays), axes))
    # Between GPUs XLA joins the reductions of a program; between CPUs each is a round of messages of its own. Small arrays
    # travel together; to put large ones beside them would cost more than a round.
    small = [each for each in arrays if each.nbytes < _LARGE]
    together = iter(_in_one_message(small, lambda packed: combine(packed, axes)))
    return [next(together) if each.nbytes < _LARGE else combine(each, axes) for each in arrays]


def _in_one_message(arrays: list, combine: Callable[[Any], Any]) -> list[Any]:
    """`combine` of arrays, those of one dtype as one vector."""
    results: list[Any] = [None] * len(arrays)
    for dtype in dict.fromkeys(each.dtype for each in arrays):
        places = [i for i, each in enumerate(arrays) if each.dtype == dtype]
        packed = combine(jnp.concatenate([arrays[i].ravel() for i in places]))
        start = 0
        for i in places:
            results[i] = packed[start : start + arrays[i].size].reshape(arrays[i].shape)
            start += arrays[i].size
    return results


def gathered_over(axes: tuple[str, ...], value: Any, axis: int) -> Any:
    """In compiled code the values along mapped axes, joined in the order of the replicas."""
    if axes == (WORKER,) and axis % np.ndim(value) == 0:
        found = native_exchanges.gathered(value)
        if found is not None:
            return found
    for name in reversed(axes):
        value = lax.all_gather(value, name, axis=axis % value.ndim, tiled=True)
    return value


def first_over(axes: tuple[str, ...], value: Any) -> Any:
    """In compiled code the value of the first replica along mapped axes."""
    if not axes:
        return value
    value = jnp.asarray(value)
    is_first = functools.reduce(jnp.logical_and, [lax.axis_index(name) == 0 for name in axes])
    mine = jnp.where(is_first, value, jnp.zeros_like(value))
    if value.dtype == bool:
        return lax.psum(mine.astype(jnp.int32), axes).astype(bool)
    return lax.psum(mine, axes)


def replica_number() -> Any:
    """In compiled code the number of the replica among those of all processes."""
    number: Any = jnp.int32(0)
    for name in mapped_axes():
        number = number * lax.axis_size(name) + lax.axis_index(name).astype(jnp.int32)
    return number


# `view=True` below: eagerly these run on the host, where the others are met, however large the values are.


def _reduce_gradient(call: Any, *dys: Any) -> list[Any]:
    return list(execute("ReplicaReduce", (list(dys),), {"reduce_op": call.attrs["reduce_op"]}))


op(
    "ReplicaReduce(values: *T; reduce_op='SUM') -> reduced: *T",
    numpy=lambda values, *, reduce_op: _meet(
        "ReplicaReduce", list(values), lambda rows: _reduce(np, rows, reduce_op)
    ),
    xla=lambda values, *, reduce_op: reduced_over(mapped_axes(), values, reduce_op),
    shape=lambda call: [each.shape for each in call.inputs],
    gradient=_reduce_gradient,
    stateful=True,
    view=True,
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
    xla=lambda value, *, axis: gathered_over(mapped_axes(), value, axis),
    shape=_gathered_shape,
    gradient=_gather_gradient,
    stateful=True,
    view=True,
)
op(
    "ReplicaBroadcast(value: T) -> first: T",
    numpy=lambda value: _meet("ReplicaBroadcast", value, lambda rows: _broadcast(np, rows)),
    xla=lambda value: first_over(mapped_axes(), value),
    shape=lambda call: call.shape(0),
    stateful=True,
    view=True,
)
op(
    "ReplicaId() -> id: int32",
    numpy=lambda: np.int32(0 if thread.replica is None else thread.replica.number),
    xla=lambda: replica_number() if mapped_axes() else np.int32(0),
    shape=lambda call: TensorShape([]),
    stateful=True,
    view=True,
)


# Ops of programs that several processes run together, outside of replicas.


def _worker_axes() -> tuple[str, ...]:
    return () if process.workers is None else (WORKER,)


def _over_workers(place: str, values: list, combine: Callable[[list], list]) -> list:
    """On the host: what `combine` makes of the lists of values of all processes, the same for all."""
    if process.workers is None:
        return combine([values])[0]
    return combine(process.workers.gather(place, [np.asarray(each) for each in values]))[0]


op(
    "WorkerReduce(values: *T; reduce_op='SUM') -> reduced: *T",
    numpy=lambda values, *, reduce_op: _over_workers(
        "a reduction", list(values), lambda rows: _reduce(np, rows, reduce_op)
    ),
    xla=lambda values, *, reduce_op: reduced_over(_worker_axes(), values, reduce_op),
    shape=lambda call: [each.shape for each in call.inputs],
    gradient=lambda call, *dys: list(
        execute("WorkerReduce", (list(dys),), {"reduce_op": call.attrs["reduce_op"]})
    ),
    stateful=True,
    view=True,
)
op(
    "WorkerGather(value: T; axis=0) -> gathered: T",
    numpy=lambda value, *, axis: _over_workers(
        "a gather", [value], lambda rows: _gather(np, [row[0] for row in rows], axis)
    ),
    xla=lambda value, *, axis: gathered_over(_worker_axes(), value, axis),
    shape=_gathered_shape,
    stateful=True,
    view=True,
)
op(
    "WorkerBroadcast(value: T) -> first: T",
    numpy=lambda value: _over_workers("a broadcast", [value], lambda rows: [rows[0][0]]),
    xla=lambda value: first_over(_worker_axes(), value),
    shape=lambda call: call.shape(0),
    stateful=True,
    view=True,
)


def meets_workers(operation: Any) -> bool:
    """Whether an operation (not counting what it holds) is one in which the processes of a cluster meet."""
    return operation.type.startswith("Worker") or operation.attrs.get("workers", 1) > 1
