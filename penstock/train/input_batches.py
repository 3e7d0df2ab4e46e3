"""TF 1's `train.batch` and its family: single examples go into a queue by several threads, batches come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import penstock as tf
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.grouping import smart_cond
from penstock.train.input_producers import pipeline_scope
from penstock.train.queue_runner import QueueRunner, add_queue_runner
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


class _Examples:
    """The tensors of examples: those of one list (or dictionary) for each source.

    A sparse tensor goes through the queue as three strings, and comes out of it as one with a batch dimension.
    """

    def __init__(self, sources: Sequence[Any], enqueue_many: bool):
        if not sources:
            raise ValueError("Expected at least one set of tensors")
        self._like, self._many = sources[0], enqueue_many
        self._single = not isinstance(self._like, (dict, list, tuple))
        lists = [self._flat(each) for each in sources]
        if any(len(each) != len(lists[0]) for each in lists):
            raise ValueError("All entries in tensors_list must have the same number of tensors")
        self._sparse = [self._sparse_kind(each) for each in lists[0]]
        self.lists = [[self._queued(each) for each in tensors] for tensors in lists]
        self.dtypes = [each.dtype.base_dtype for each in self.lists[0]]
        for tensors in self.lists:
            if [each.dtype.base_dtype for each in tensors] != self.dtypes:
                raise TypeError("Expected all tensors of an entry in tensors_list to have the same type")

    def _flat(self, source: Any) -> list[Any]:
        if isinstance(source, dict):
            if not isinstance(self._like, dict) or set(source) != set(self._like):
                raise ValueError("All dictionaries in tensors_list must have the same keys")
            source = [source[key] for key in sorted(source)]
        found = [source] if self._single else list(source)
        if not found:
            raise ValueError("Expected at least one tensor in batch().")
        return [each if isinstance(each, SparseTensor) else convert_to_tensor(each) for each in found]

    def _sparse_kind(self, tensor: Any) -> tuple[Any, int | None] | None:
        """The dtype of a sparse tensor and the rank of one example of it; None for a dense tensor."""
        if not isinstance(tensor, SparseTensor):
            return None
        rank = tensor.shape.rank
        return tensor.dtype, None if rank is None else rank - self._many

    def _queued(self, tensor: Any) -> Tensor:
        if not isinstance(tensor, SparseTensor):
            return tensor
        return (
            tf.compat.v1.serialize_many_sparse(tensor)
            if self._many
            else tf.compat.v1.serialize_sparse(tensor)
        )

    def shapes(self, given: Any) -> list[TensorShape]:
        """The shape of each component of one example: as given, or what the sources have in common."""
        if given is not None:
            return [TensorShape(each) for each in given]
        found = []
        for tensors in zip(*self.lists):
            shapes = [each.shape[1:] if self._many else each.shape for each in tensors]
            if any(each.rank is None for each in shapes):
                raise ValueError(f"Cannot infer Tensor's rank: {tensors[0]}")
            dims = zip(*(each.as_list() for each in shapes))
            found.append(TensorShape([each[0] if len(set(each)) == 1 else None for each in dims]))
        return found

    def returned(self, batch: Any) -> Any:
        """A batch in the form of the sources."""
        tensors = batch if isinstance(batch, list) else [batch]
        tensors = [
            tensor if kind is None else tf.compat.v1.deserialize_many_sparse(tensor, *kind)
            for tensor, kind in zip(tensors, self._sparse)
        ]
        if isinstance(self._like, dict):
            return dict(zip(sorted(self._like), tensors))
        return tensors[0] if len(tensors) == 1 else tensors


def _keep(keep_input: Any, enqueue_many: bool) -> Any:
    keep = convert_to_tensor(keep_input, dtypes.bool)
    if keep.shape.rank is None:
        raise ValueError("`keep_input` dimensions must be known at graph construction.")
    if not enqueue_many and keep.shape.rank == 1:
        raise ValueError("`keep_input` cannot be a vector when `enqueue_many=False`.")
    if keep.shape.rank > 1:
        raise ValueError("`keep_input` must be 0 or 1 dimensions.")
    return keep


def _enqueue(queue: Any, tensors: list[Tensor], enqueue_many: bool, keep: Tensor) -> Any:
    """The operation that adds the examples of one source, or those of them that are kept."""
    add = queue.enqueue_many if enqueue_many else queue.enqueue
    if keep.shape.rank == 1:
        return add([tf.boolean_mask(each, keep) for each in tensors])

    def added() -> Tensor:
        with tf.control_dependencies([add(tensors)]):
            return tf.constant(True)

    if tf.get_static_value(keep):
        return add(tensors)
    return smart_cond(keep, added, lambda: tf.constant(False)).op


def _batches(
    sources: Sequence[Any],
    batch_size: Any,
    keep_input: Any,
    threads: int,
    enqueue_many: bool,
    shapes: Any,
    smaller_final_batch: bool,
    scope: tuple[str | None, str],
    make_queue: Callable[[list, list], Any],
    fullness: tuple[str, Callable[[Tensor], Tensor]],
) -> Any:
    """The batches of a queue that is filled from several sources, each by so many threads."""
    with pipeline_scope(*scope):
        examples = _Examples(sources, enqueue_many)
        keep = _keep(keep_input, enqueue_many)
        queue = make_queue(examples.dtypes, examples.shapes(shapes))
        adding = [_enqueue(queue, tensors, enqueue_many, keep) for tensors in examples.lists]
        add_queue_runner(QueueRunner(queue, adding * threads))
        name, full = fullness
        tf.compat.v1.summary.scalar(name, full(queue.size()))
        take = queue.dequeue_up_to if smaller_final_batch else queue.dequeue_many
        return examples.returned(take(batch_size))


def _in_order(
    sources: Sequence[Any],
    batch_size: Any,
    keep_input: Any,
    threads: int,
    capacity: int,
    enqueue_many: bool,
    shapes: Any,
    dynamic_pad: bool,
    smaller_final_batch: bool,
    shared_name: str | None,
    scope: tuple[str | None, str],
) -> Any:
    kind = tf.queue.PaddingFIFOQueue if dynamic_pad else tf.queue.FIFOQueue

    def make_queue(kinds: list, sizes: list) -> Any:
        return kind(capacity, kinds, sizes, shared_name=shared_name)

    fullness = (f"fraction_of_{capacity}_full", lambda size: tf.cast(size, tf.float32) / capacity)
    return _batches(
        sources, batch_size, keep_input, threads, enqueue_many, shapes, smaller_final_batch, scope, make_queue, fullness
    )  # fmt: skip


def _shuffled(
    sources: Sequence[Any],
    batch_size: Any,
    keep_input: Any,
    threads: int,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None,
    enqueue_many: bool,
    shapes: Any,
    smaller_final_batch: bool,
    shared_name: str | None,
    scope: tuple[str | None, str],
) -> Any:
    if capacity <= min_after_dequeue:
        raise ValueError(f"capacity {capacity} must be bigger than min_after_dequeue {min_after_dequeue}.")
    room = capacity - min_after_dequeue

    def make_queue(kinds: list, sizes: list) -> Any:
        return tf.queue.RandomShuffleQueue(
            capacity, min_after_dequeue, kinds, sizes, seed=seed, shared_name=shared_name
        )

    def full(size: Tensor) -> Tensor:
        return tf.cast(tf.maximum(0, size - min_after_dequeue), tf.float32) / room

    fullness = (f"fraction_over_{min_after_dequeue}_of_{room}_full", full)
    return _batches(
        sources, batch_size, keep_input, threads, enqueue_many, shapes, smaller_final_batch, scope, make_queue, fullness
    )  # fmt: skip


@export(v1=["train.batch"])
def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of the examples that tensors give, one each time they are evaluated.

    Args:
      tensors: a list or dictionary of tensors, dense or sparse.
      batch_size: how many examples a batch has.
      num_threads: how many threads evaluate the tensors; with several the order is not determined.
      capacity: how many examples wait at most.
      enqueue_many: whether the tensors are rows of examples already.
      shapes: the shape of each tensor, where it does not tell itself.
      dynamic_pad: whether examples may differ in size; they are padded with zeros.
      allow_smaller_final_batch: whether the last batch may have fewer examples.
      shared_name, name: the name of the queue and the scope of the nodes.

    Returns:
      A list or dictionary like `tensors`; the tensor itself where there is one.

    Raises:
      ValueError: the rank of a tensor is not known.
      OutOfRangeError (when run): the input has ended.
    """
    return maybe_batch(
        tensors, True, batch_size, num_threads, capacity, enqueue_many, shapes, dynamic_pad, allow_smaller_final_batch,
        shared_name, name,
    )  # fmt: skip


@export(v1=["train.maybe_batch"])
def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch`, of the examples for which `keep_input` is true: a boolean scalar, or, with `enqueue_many`, a vector."""
    return _in_order(
        [tensors], batch_size, keep_input, num_threads, capacity, enqueue_many, shapes, dynamic_pad,
        allow_smaller_final_batch, shared_name, (name, "batch"),
    )  # fmt: skip


@export(v1=["train.batch_join"])
def batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch`, from several lists (or dictionaries) of tensors, each evaluated by a thread of its own."""
    return maybe_batch_join(
        tensors_list, True, batch_size, capacity, enqueue_many, shapes, dynamic_pad, allow_smaller_final_batch,
        shared_name, name,
    )  # fmt: skip


@export(v1=["train.maybe_batch_join"])
def maybe_batch_join(
    tensors_list: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch_join`, of the examples for which `keep_input` is true."""
    return _in_order(
        tensors_list, batch_size, keep_input, 1, capacity, enqueue_many, shapes, dynamic_pad,
        allow_smaller_final_batch, shared_name, (name, "batch_join"),
    )  # fmt: skip


@export(v1=["train.shuffle_batch"])
def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch`, in random order.

    Args:
      min_after_dequeue: how many examples stay in the queue, for good mixing.
      seed: for the same order each time.
      The others as for `batch`.

    Raises:
      ValueError: the capacity is not larger than `min_after_dequeue`.
    """
    return maybe_shuffle_batch(
        tensors, batch_size, capacity, min_after_dequeue, True, num_threads, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name,
    )  # fmt: skip


@export(v1=["train.maybe_shuffle_batch"])
def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch`, of the examples for which `keep_input` is true."""
    return _shuffled(
        [tensors], batch_size, keep_input, num_threads, capacity, min_after_dequeue, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, (name, "shuffle_batch"),
    )  # fmt: skip


@export(v1=["train.shuffle_batch_join"])
def shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch`, from several lists (or dictionaries) of tensors, each evaluated by a thread of its own."""
    return maybe_shuffle_batch_join(
        tensors_list, batch_size, capacity, min_after_dequeue, True, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name,
    )  # fmt: skip


@export(v1=["train.maybe_shuffle_batch_join"])
def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch_join`, of the examples for which `keep_input` is true."""
    return _shuffled(
        tensors_list, batch_size, keep_input, 1, capacity, min_after_dequeue, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, (name, "shuffle_batch_join"),
    )  # fmt: skip
