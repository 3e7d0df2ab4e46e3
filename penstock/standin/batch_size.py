"""What programs import from `tensorflow.python.data.experimental.ops.distribute`: the batch size of a dataset."""

from __future__ import annotations

from penstock.data.batching import Batch
from penstock.data.buffering import Cache, Prefetch
from penstock.data.combining import Concatenate, Zip
from penstock.data.dataset import Dataset
from penstock.data.element import leaves
from penstock.data.ordering import Repeat, Shard, Skip, Take, WithOptions
from penstock.data.padding import PaddedBatch
from penstock.data.per_element import Filter
from penstock.data.shuffling import Shuffle
from penstock.engine.convert import convert_to_tensor
from penstock.types import dtypes
from penstock.types.tensors import Tensor

UNKNOWN = -1

# Transformations that leave each element as it is, or put elements of their inputs side by side.
KEEP_ELEMENTS = (Cache, Concatenate, Filter, Prefetch, Repeat, Shard, Shuffle, Skip, Take, WithOptions, Zip)


def compute_batch_size(dataset: Dataset) -> Tensor:
    """The size of the batches of a dataset, the last of which may be smaller: an int64 scalar, -1 where unknown.

    Example:
      >>> import penstock as tf
      >>> compute_batch_size(tf.data.Dataset.range(8).batch(3).prefetch(1)).numpy()
      np.int64(3)
    """
    return convert_to_tensor(_batch_size(dataset), dtypes.int64)


def _batch_size(dataset: Dataset) -> int:
    for spec in leaves(dataset.element_spec)[:1]:
        shape = getattr(spec, "shape", None)
        if shape is not None and shape.rank and shape[0] is not None:
            return int(shape[0])
    if isinstance(dataset, Batch | PaddedBatch):
        return dataset._batch_size
    if not isinstance(dataset, KEEP_ELEMENTS):
        return UNKNOWN
    sizes = {_batch_size(each) for each in dataset._inputs()}
    return sizes.pop() if len(sizes) == 1 else UNKNOWN
