"""The ops on queues: make one, add, take, close, size. They run on the host and may wait there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.definition import op
from penstock.engine.shape_rules import no_outputs, scalar
from penstock.ops.strings.kernels import as_array, text_attr
from penstock.queues.queue_state import PaddingQueueState, PriorityQueueState, QueueState, ShuffleQueueState
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape


def shared(kind: str, container: Any, shared_name: Any, make: Callable[[str], Any]) -> Any:
    """The resource of that name of the session that runs, made where there is none; eagerly a new one."""
    name, resources = text_attr(shared_name), thread.resources
    if resources is None or not name:
        return make(name)
    key = f"{kind}/{text_attr(container)}/{name}"
    found = resources.get(key)
    return resources.setdefault(key, make(name)) if found is None else found


def _makes(op_type: str, kind: type[QueueState], attrs: str) -> None:
    def make(
        *,
        component_types: Sequence[Any],
        shapes: Sequence[Any],
        capacity: int,
        container: Any,
        shared_name: Any,
        **more: int,
    ) -> QueueState:
        kinds = [as_dtype(each) for each in component_types]
        sizes = [TensorShape(each) for each in shapes]
        if kind is PriorityQueueState:
            kinds, sizes = [dtypes.int64, *kinds], [TensorShape([]), *sizes]
        return shared(
            "queue", container, shared_name, lambda name: kind(name, kinds, sizes, capacity, **more)
        )

    op(
        f"{op_type}(; {attrs}) -> handle: resource",
        numpy=make,
        shape=scalar,
        gradient=lambda call, dy: [],
        stateful=True,
    )


_USUAL = "component_types, shapes=[], capacity=-1, container='', shared_name=''"
_makes("FIFOQueueV2", QueueState, _USUAL)
_makes("PaddingFIFOQueueV2", PaddingQueueState, _USUAL)
_makes("PriorityQueueV2", PriorityQueueState, _USUAL.replace("types, shapes=[]", "types=[], shapes"))
_makes(
    "RandomShuffleQueueV2",
    ShuffleQueueState,
    "component_types, shapes=[], capacity=-1, min_after_dequeue=0, seed=0, seed2=0, container='', shared_name=''",
)


def _arrays(components: Sequence[Any]) -> list[np.ndarray]:
    return [as_array(each) for each in components]


def _unknown(call: Any) -> list[TensorShape]:
    return [TensorShape(None)] * len(call.attrs["component_types"])


def no_timeout(timeout_ms: int) -> None:
    """Refuses a timeout of one operation, as TensorFlow does.

    Raises:
      ValueError: there is one.
    """
    if timeout_ms != -1:
        raise ValueError(f"Timeout not supported yet: timeout_ms must be -1, got {timeout_ms}")


def _enqueue(queue: QueueState, components: list, *, timeout_ms: int) -> None:
    no_timeout(timeout_ms)
    queue.enqueue(_arrays(components))


def _enqueue_many(queue: QueueState, components: list, *, timeout_ms: int) -> None:
    no_timeout(timeout_ms)
    queue.enqueue_many(_arrays(components))


def _dequeue(queue: QueueState, *, component_types: Any, timeout_ms: int) -> list[np.ndarray]:
    no_timeout(timeout_ms)
    return queue.dequeue()


def _dequeue_many(queue: QueueState, n: Any, *, component_types: Any, timeout_ms: int) -> list[np.ndarray]:
    no_timeout(timeout_ms)
    return queue.dequeue_many(int(n))


def _dequeue_up_to(queue: QueueState, n: Any, *, component_types: Any, timeout_ms: int) -> list[np.ndarray]:
    no_timeout(timeout_ms)
    return queue.dequeue_many(int(n), up_to=True)


for _type, _kernel in (("QueueEnqueueV2", _enqueue), ("QueueEnqueueManyV2", _enqueue_many)):
    op(
        f"{_type}(handle: resource, components: *Tcomponents; timeout_ms=-1) -> ()",
        numpy=_kernel,
        shape=no_outputs,
        stateful=True,
    )
for _type, _input, _taking in (
    ("QueueDequeueV2", "", _dequeue),
    ("QueueDequeueManyV2", ", n: int32", _dequeue_many),
    ("QueueDequeueUpToV2", ", n: int32", _dequeue_up_to),
):
    op(
        f"{_type}(handle: resource{_input}; component_types, timeout_ms=-1) -> components: *component_types",
        numpy=_taking,
        shape=_unknown,
        gradient=lambda call, *dys: [None] * len(call.inputs),
        stateful=True,
    )
op(
    "QueueCloseV2(handle: resource; cancel_pending_enqueues=False) -> ()",
    numpy=lambda queue, *, cancel_pending_enqueues: queue.close(cancel_pending_enqueues),
    shape=no_outputs,
    stateful=True,
)
op(
    "QueueSizeV2(handle: resource) -> size: int32",
    numpy=lambda queue: np.int32(queue.size),
    shape=scalar,
    stateful=True,
)
op(
    "QueueIsClosedV2(handle: resource) -> is_closed: bool",
    numpy=lambda queue: np.bool_(queue.closed),
    shape=scalar,
    stateful=True,
)
