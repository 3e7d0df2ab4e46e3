"""`tf.queue`: queues between the threads of a program.

A step that adds to a full queue, or takes from an empty one, waits until another thread's step makes room or adds.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import penstock as tf
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import dtypes as types
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def type_list(kinds: Any) -> list[DType]:
    """A dtype, or a list of them, as a list."""
    return [as_dtype(each) for each in (kinds if isinstance(kinds, (list, tuple)) else [kinds])]


def shape_list(shapes: Any) -> list[TensorShape] | None:
    """A shape, or a list of them, as a list; None stays None.

    Raises:
      TypeError: it is neither.
    """
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        return [shapes]
    if not isinstance(shapes, (list, tuple)):
        raise TypeError(
            f"Shapes must be a TensorShape or a list or tuple of TensorShapes, got {type(shapes)} instead."
        )
    if all(each is None or isinstance(each, int) for each in shapes):
        return [TensorShape(shapes)]
    return [TensorShape(each) for each in shapes]


def _full_shapes(shapes: Any) -> list[TensorShape] | None:
    found = shape_list(shapes)
    if found is not None and not all(each.is_fully_defined() for each in found):
        raise ValueError(f"All shapes must be fully defined: {found}")
    return found


def make_resource(op_type: str, attrs: dict, name: str, shared_name: str | None) -> Tensor:
    """The handle of a queue (or the like): in a graph a node by whose name each session finds the same resource."""
    if thread.graph is None:
        return execute(op_type, (), attrs, name)
    with tf.compat.v1.name_scope(name) as scope:
        return execute(op_type, (), {"shared_name": shared_name or scope.rstrip("/"), **attrs}, scope)


@export(
    "queue.QueueBase",
    v1=["queue.QueueBase", "QueueBase", "io.QueueBase"],
)
class QueueBase:
    """A queue of elements; each element is a tuple of tensors, its components.

    Args:
      dtypes: the dtype of each component.
      shapes: the shape of each component, or None where they may differ.
      names: the names of the components; with them elements are dictionaries.
      queue_ref: the handle.
    """

    def __init__(self, dtypes: Any, shapes: Any, names: Sequence[str] | None, queue_ref: Tensor):
        self._dtypes = type_list(dtypes)
        for what, given in (("shapes", shapes), ("names", names)):
            if given is not None and len(given) != len(self._dtypes):
                raise ValueError(
                    f"Queue {what} must have the same length as dtypes, received len({what})={len(given)}, "
                    f"len(dtypes)={len(self._dtypes)}"
                )
        self._shapes = [TensorShape(each) for each in shapes or [None] * len(self._dtypes)]
        self._names = None if names is None else list(names)
        self._queue_ref = queue_ref
        self._name = "Empty" if hasattr(queue_ref, "numpy") else queue_ref.op.name.rpartition("/")[2]

    @staticmethod
    def from_list(index: Any, queues: list[QueueBase]) -> QueueBase:
        """The queue `queues[index]`, where `index` is a tensor.

        Raises:
          TypeError: the queues hold different things.
        """
        if not isinstance(queues, list) or not queues or not all(isinstance(q, QueueBase) for q in queues):
            raise TypeError("A list of queues expected")
        for what in ("dtypes", "names"):
            if any(getattr(each, what) != getattr(queues[0], what) for each in queues):
                kind = "component dtypes" if what == "dtypes" else "component names"
                raise TypeError(f"Queues do not have matching {kind}.")
        handles = [functools.partial(tf.identity, each.queue_ref) for each in queues]
        selected = tf.switch_case(index, handles)
        shapes = [functools.reduce(_common_shape, each) for each in zip(*(q.shapes for q in queues))]
        return QueueBase(queues[0].dtypes, shapes, queues[0].names, selected)

    @property
    def queue_ref(self) -> Tensor:
        """The handle."""
        return self._queue_ref

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._name

    @property
    def dtypes(self) -> list[DType]:
        """The dtype of each component."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """The shape of each component."""
        return self._shapes

    @property
    def names(self) -> list[str] | None:
        """The name of each component; None where they have none."""
        return self._names

    def _components(self, vals: Any) -> list[Tensor]:
        if isinstance(vals, dict):
            if not self._names:
                raise ValueError("Queue must have names to enqueue a dictionary")
            if sorted(self._names) != sorted(vals):
                raise ValueError(
                    f"Keys in dictionary to enqueue do not match names of Queue.  Dictionary: {sorted(vals)},"
                    f"Queue: {sorted(self._names)}"
                )
            vals = [vals[name] for name in self._names]
        elif self._names:
            raise ValueError("You must enqueue a dictionary in a Queue with names")
        elif not isinstance(vals, (list, tuple)):
            vals = [vals]
        return [convert_to_tensor(each, kind) for each, kind in zip(vals, self._dtypes)]

    def _returned(self, tensors: list[Tensor]) -> Any:
        if self._names:
            return dict(zip(self._names, tensors))
        return tensors[0] if len(tensors) == 1 else tensors

    def _take(self, op_type: str, inputs: tuple, first: list[int | None] | None, name: str) -> Any:
        attrs = {"component_types": self._dtypes}
        tensors = execute(op_type, (self._queue_ref, *inputs), attrs, name)
        for tensor, shape in zip(tensors, self._shapes):
            if not hasattr(tensor, "numpy"):
                tensor.set_shape(shape if first is None else TensorShape(first).concatenate(shape))
        return self._returned(tensors)

    def enqueue(self, vals: Any, name: str | None = None) -> Any:
        """Adds one element; waits while the queue is full.

        Args:
          vals: a tensor, a list with one for each component, or a dictionary where the components have names.
          name: the name of the node.

        Returns:
          The `Operation`; None eagerly.

        Raises (when run):
          CancelledError: the queue is closed.
        """
        tensors = self._components(vals)
        for tensor, shape in zip(tensors, self._shapes):
            tensor.shape.assert_is_compatible_with(shape)
        return execute("QueueEnqueueV2", (self._queue_ref, tensors), None, name or f"{self._name}_enqueue")

    def enqueue_many(self, vals: Any, name: str | None = None) -> Any:
        """Adds several elements: the slices of the components along their first axis.

        Args, returns and raises: as `enqueue`.
        """
        tensors = self._components(vals)
        batch = tensors[0].shape.with_rank_at_least(1)[:1]
        for tensor, shape in zip(tensors, self._shapes):
            batch = batch.merge_with(tensor.shape.with_rank_at_least(1)[:1])
            tensor.shape[1:].assert_is_compatible_with(shape)
        return execute(
            "QueueEnqueueManyV2", (self._queue_ref, tensors), None, name or f"{self._name}_EnqueueMany"
        )

    def dequeue(self, name: str | None = None) -> Any:
        """Takes one element; waits while there is none.

        Returns:
          A tensor, a list with one for each component, or a dictionary where they have names.

        Raises (when run):
          OutOfRangeError: the queue is closed and empty.
        """
        return self._take("QueueDequeueV2", (), None, name or f"{self._name}_Dequeue")

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Takes `n` elements, put together along a new first axis; waits until there are so many.

        Raises (when run):
          OutOfRangeError: the queue is closed and has fewer; they stay in it.
        """
        count = convert_to_tensor(n, types.int32)
        size = tf.get_static_value(count)
        first = [None if size is None else int(size)]
        return self._take("QueueDequeueManyV2", (count,), first, name or f"{self._name}_DequeueMany")

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """As `dequeue_many`; but a closed queue that has fewer elements gives these, if there are any."""
        count = convert_to_tensor(n, types.int32)
        return self._take("QueueDequeueUpToV2", (count,), [None], name or f"{self._name}_DequeueUpTo")

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """Says that no more elements will come. Those that are there can still be taken.

        Args:
          cancel_pending_enqueues: whether steps that wait to add an element fail with CancelledError.
          name: the name of the node.
        """
        attrs = {"cancel_pending_enqueues": cancel_pending_enqueues}
        return execute("QueueCloseV2", (self._queue_ref,), attrs, name or f"{self._name}_Close")

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue is closed, a boolean scalar."""
        return execute("QueueIsClosedV2", (self._queue_ref,), None, name or f"{self._name}_Is_Closed")

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are, an int32 scalar."""
        return execute("QueueSizeV2", (self._queue_ref,), None, name or f"{self._name}_Size")


def _common_shape(one: TensorShape, other: TensorShape) -> TensorShape:
    """What two shapes have in common."""
    if one.rank is None or one.rank != other.rank:
        return TensorShape(None)
    return TensorShape([a if a == b else None for a, b in zip(one.as_list(), other.as_list())])


@export("queue.FIFOQueue", v1=["queue.FIFOQueue", "FIFOQueue"])
class FIFOQueue(QueueBase):
    """A queue that gives elements in the order in which they were added.

    Args:
      capacity: how many elements it holds at most.
      dtypes: the dtype of each component, or one dtype.
      shapes: the shapes of the components, fully known; needed for `dequeue_many`.
      names: the names of the components; with them elements are dictionaries.
      shared_name: sessions find the queue under this name.
      name: the name of the node.

    Example:
      >>> import penstock as tf
      >>> queue = tf.queue.FIFOQueue(10, tf.int32, shapes=[[]])
      >>> queue.enqueue_many([[1, 2, 3]])
      >>> queue.dequeue_many(2).numpy()
      array([1, 2], dtype=int32)
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ):
        kinds, sizes, names = type_list(dtypes), _full_shapes(shapes), _name_list(names)
        attrs = {"component_types": kinds, "shapes": sizes or [], "capacity": int(capacity)}
        super().__init__(kinds, sizes, names, make_resource("FIFOQueueV2", attrs, name, shared_name))


def _name_list(names: Any) -> list[str] | None:
    return [names] if isinstance(names, str) else names


@export(
    "queue.PaddingFIFOQueue",
    v1=["queue.PaddingFIFOQueue", "PaddingFIFOQueue", "io.PaddingFIFOQueue"],
)
class PaddingFIFOQueue(QueueBase):
    """A `FIFOQueue` whose components may differ in size: those that are taken together are padded with zeros.

    Args: as for `FIFOQueue`, with `shapes` of known rank, in which sizes may be None.

    Raises:
      ValueError: a shape is missing.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ):
        kinds, names = type_list(dtypes), _name_list(names)
        if not isinstance(shapes, (list, tuple)) or any(
            each is None or isinstance(each, int) for each in shapes or [None]
        ):
            raise ValueError("When providing partial shapes, a list of shapes must be provided.")
        sizes = [TensorShape(each) for each in shapes]
        if any(each.rank is None for each in sizes):
            raise ValueError(f"All shapes must have a defined rank: {sizes}")
        if len(sizes) != len(kinds):
            raise ValueError(
                f"Shapes must be provided for all components, but received {len(kinds)} dtypes and {len(sizes)} shapes."
            )
        attrs = {"component_types": kinds, "shapes": sizes, "capacity": int(capacity)}
        handle = make_resource("PaddingFIFOQueueV2", attrs, name, shared_name)
        super().__init__(kinds, sizes, names, handle)


@export(
    "queue.PriorityQueue",
    v1=["queue.PriorityQueue", "PriorityQueue", "io.PriorityQueue"],
)
class PriorityQueue(QueueBase):
    """A queue that gives the element with the smallest priority first.

    The priority is an int64 scalar that stands before the components in what is added and taken.

    Args: as for `FIFOQueue`, with `types` instead of `dtypes`.
    """

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ):
        kinds, sizes = type_list(types), _full_shapes(shapes)
        sizes = [TensorShape([])] * len(kinds) if sizes is None else sizes
        attrs = {"component_types": kinds, "shapes": sizes, "capacity": int(capacity)}
        handle = make_resource("PriorityQueueV2", attrs, name, shared_name)
        super().__init__([tf.int64, *kinds], [TensorShape([]), *sizes], _name_list(names), handle)


@export(
    "queue.RandomShuffleQueue",
    v1=["queue.RandomShuffleQueue", "RandomShuffleQueue", "io.RandomShuffleQueue"],
)
class RandomShuffleQueue(QueueBase):
    """A queue that gives elements in random order.

    Args: as for `FIFOQueue`; besides
      min_after_dequeue: how many elements stay in it, for good mixing, until it is closed.
      seed: for the same order each time.
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ):
        kinds, sizes, names = type_list(dtypes), _full_shapes(shapes), _name_list(names)
        seed1, seed2 = tf.compat.v1.get_seed(seed)
        if seed1 is None and seed2 is None:
            seed1, seed2 = 0, 0
        attrs = {
            "component_types": kinds,
            "shapes": sizes or [],
            "capacity": int(capacity),
            "min_after_dequeue": int(min_after_dequeue),
            "seed": seed1,
            "seed2": seed2,
        }
        handle = make_resource("RandomShuffleQueueV2", attrs, name, shared_name)
        super().__init__(kinds, sizes, names, handle)
