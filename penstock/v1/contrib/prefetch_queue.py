"""`contrib.slim.prefetch_queue`: a queue of batches that a thread fills while the last ones are used."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf


@export(
    v1=[
        "contrib.slim.prefetch_queue.prefetch_queue",
        "contrib.slim.python.slim.data.prefetch_queue.prefetch_queue",
    ]
)
def prefetch_queue(
    tensors: Any,
    capacity: int = 8,
    num_threads: int = 1,
    dynamic_pad: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """A queue whose elements are the values of `tensors`, which queue runners put there.

    Args:
      tensors: a list or dictionary of tensors, as `tf.train.batch` gives them; of known shapes unless `dynamic_pad`.
      capacity: how many batches it holds.
      num_threads: how many threads fill it.
      dynamic_pad: whether shapes may be partly known.
      shared_name: the name under which sessions share the queue.
      name: of the operations.

    Returns:
      The queue; `dequeue()` gives what `tensors` is.
    """
    named = tensors if isinstance(tensors, dict) else None
    values = list(tensors.values() if named is not None else tensors)
    with tf.name_scope(name, "prefetch_queue", values):
        values = [tf.convert_to_tensor(each) for each in values]
        kind = tf.PaddingFIFOQueue if dynamic_pad else tf.FIFOQueue
        queue = kind(
            capacity=capacity,
            dtypes=[each.dtype for each in values],
            shapes=[each.shape for each in values],
            names=list(named) if named is not None else None,
            shared_name=shared_name,
        )
        enqueue = queue.enqueue(dict(zip(named, values)) if named is not None else values)
        tf.train.add_queue_runner(tf.train.QueueRunner(queue, [enqueue] * num_threads))
        tf.summary.scalar(f"fraction_of_{capacity}_full", tf.cast(queue.size(), tf.float32) / capacity)
    return queue
