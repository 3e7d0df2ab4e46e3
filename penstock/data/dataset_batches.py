"""Methods of `tf.data.Dataset` that make one element of several, and back: batch, padded_batch, window, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.types import dtypes

if TYPE_CHECKING:
    from penstock.data.dataset import Dataset


class BatchMethods:
    """A base of `Dataset`."""

    def batch(
        self: Any,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Stacks `batch_size` elements into one; the last batch may be smaller unless `drop_remainder`."""
        from penstock.data.batching import Batch

        return Batch(self, batch_size, drop_remainder)

    def padded_batch(
        self: Any,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Stacks elements of different sizes, padded to the largest, or to `padded_shapes`."""
        from penstock.data.padding import PaddedBatch

        return PaddedBatch(self, batch_size, padded_shapes, padding_values, drop_remainder)

    def ragged_batch(
        self: Any,
        batch_size: Any,
        drop_remainder: bool = False,
        row_splits_dtype: Any = dtypes.int64,
        name: str | None = None,
    ) -> Dataset:
        """Batches elements of different sizes into ragged tensors; elements of equal size stay dense.

        Example:
          >>> import penstock as tf
          >>> dataset = tf.data.Dataset.range(1, 3).map(lambda n: tf.fill([n], n)).ragged_batch(2)
          >>> next(iter(dataset))
          <tf.RaggedTensor [[1], [2, 2]]>
        """
        from penstock.data.ragged_batching import RaggedBatch

        return RaggedBatch(self, batch_size, drop_remainder, row_splits_dtype)

    def sparse_batch(self: Any, batch_size: Any, row_shape: Any, name: str | None = None) -> Dataset:
        """Batches tensors of different sizes, each at most `row_shape`, into sparse tensors `[batch, *row_shape]`."""
        from penstock.data.ragged_batching import SparseBatch

        return SparseBatch(self, batch_size, row_shape)

    def unbatch(self: Any, name: str | None = None) -> Dataset:
        """Splits elements along their first dimension."""
        from penstock.data.batching import Unbatch

        return Unbatch(self)

    def rebatch(self: Any, batch_size: Any, drop_remainder: bool = False, name: str | None = None) -> Dataset:
        """Batches of another size from batches; a list of sizes is gone through again and again."""
        from penstock.data.rebatching import Rebatch

        return Rebatch(self, batch_size, bool(drop_remainder))

    def window(
        self: Any,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Datasets of `size` elements each, whose starts are `shift` apart."""
        from penstock.data.windowing import Window

        return Window(self, size, shift, stride, drop_remainder)

    def group_by_window(
        self: Any,
        key_func: Callable,
        reduce_func: Callable,
        window_size: Any = None,
        window_size_func: Callable | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Groups elements by a key, and reduces each group of `window_size` consecutive ones to a dataset.

        Args:
          key_func: element -> key, an int64 scalar.
          reduce_func: (key, dataset of the elements of a window) -> dataset.
          window_size: how many elements make a window. window_size_func: key -> how many; give one of the two.
        """
        from penstock.data.grouping import GroupByWindow

        return GroupByWindow(self, key_func, reduce_func, window_size, window_size_func)

    def bucket_by_sequence_length(
        self: Any,
        element_length_func: Callable,
        bucket_boundaries: Any,
        bucket_batch_sizes: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Batches elements of similar length together, padded.

        Args:
          element_length_func: element -> its length, an int32 scalar.
          bucket_boundaries: the upper (exclusive) lengths of all buckets but the last.
          bucket_batch_sizes: one more: the batch size of each bucket.
          pad_to_bucket_boundary: pad to the boundary of the bucket instead of the longest in the batch.
          no_padding: batch into plain tensors (all must have one size).
        """
        from penstock.data.bucketing import bucket_by_sequence_length

        return bucket_by_sequence_length(
            self, element_length_func, bucket_boundaries, bucket_batch_sizes, padded_shapes, padding_values,
            pad_to_bucket_boundary, no_padding, drop_remainder,
        )  # fmt: skip
