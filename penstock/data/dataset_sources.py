"""The sources: static methods of `tf.data.Dataset` that make a dataset from something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.data.element import to_structure
from penstock.types import dtypes

if TYPE_CHECKING:
    from penstock.data.dataset import Dataset


class SourceMethods:
    """A base of `Dataset`."""

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """A dataset of one element."""
        from penstock.data.sources import Tensors

        return Tensors(to_structure(tensors))

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """A dataset of the slices of tensors along their first dimension.

        Example:
          >>> import penstock as tf
          >>> dataset = tf.data.Dataset.from_tensor_slices(({"a": [1, 2]}, ["x", "y"]))
          >>> next(iter(dataset))[0]["a"].numpy()
          np.int32(1)
        """
        from penstock.data.sources import Slices

        return Slices(to_structure(tensors))

    @staticmethod
    def from_generator(
        generator: Callable,
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """A dataset of what a Python generator yields.

        Args:
          generator: a function that returns an iterable; called anew for each iteration, with `args` as NumPy values.
          output_signature: the specs of an element.
          output_types, output_shapes: the older way of saying the same.
        """
        from penstock.data.generators import Generator

        return Generator(generator, output_types, output_shapes, args, output_signature)

    @staticmethod
    def range(*args: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Dataset:
        """The numbers from `start` to `stop` in steps: `range(stop)`, `range(start, stop)`, `range(start, stop, step)`."""
        from penstock.data.sources import Range

        return Range(*args, output_type=output_type)

    @staticmethod
    def random(
        seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None
    ) -> Dataset:
        """Pseudorandom int64 numbers without end."""
        from penstock.data.sources import Random

        return Random(seed, bool(rerandomize_each_iteration))

    @staticmethod
    def list_files(
        file_pattern: Any, shuffle: bool | None = None, seed: Any = None, name: str | None = None
    ) -> Dataset:
        """The names of files that match glob patterns, shuffled unless `shuffle=False`."""
        from penstock.data.sources import list_files

        return list_files(file_pattern, shuffle is None or shuffle, seed)

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Elements of several datasets side by side; ends with the shortest."""
        from penstock.data.combining import Zip

        if not args and datasets is None:
            raise TypeError("Must pass at least one dataset to `zip`.")
        if args and datasets is not None:
            raise TypeError("Both `*args` and `datasets` cannot be set.")
        if len(args) == 1:
            datasets = args[0]
        elif args:
            datasets = args
        return Zip(datasets)

    @staticmethod
    def sample_from_datasets(
        datasets: Any,
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Elements drawn from several datasets at random, with the given weights."""
        from penstock.data.sampling import sample_from_datasets

        return sample_from_datasets(
            list(datasets), weights, seed, stop_on_empty_dataset, bool(rerandomize_each_iteration)
        )

    @staticmethod
    def choose_from_datasets(
        datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Elements of several datasets in the order that a dataset of indices gives."""
        from penstock.data.sampling import Chosen

        return Chosen(list(datasets), choice_dataset, stop_on_empty_dataset)

    @staticmethod
    def counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64, name: str | None = None) -> Dataset:
        """The numbers from `start` on in steps of `step`, without end.

        Example:
          >>> import penstock as tf
          >>> list(tf.data.Dataset.counter(2, 3).take(3).as_numpy_iterator())
          [np.int64(2), np.int64(5), np.int64(8)]
        """
        from penstock.data.sources import Counter

        return Counter(start, step, dtype)

    @staticmethod
    def load(
        path: Any,
        element_spec: Any = None,
        compression: str | None = None,
        reader_func: Callable | None = None,
        wait: bool = False,
    ) -> Dataset:
        """The dataset that `save` wrote, here or in TensorFlow.

        Args:
          path: the folder. element_spec: what the elements are; None to take what `save` noted.
          compression: None or "GZIP", as it was saved.
          reader_func: makes one dataset of a dataset of datasets, one for each shard; None to interleave them.
          wait: wait for the folder until it has been written.

        Raises:
          NotFoundError: there is no saved dataset.
        """
        from penstock.data.saving import load

        return load(path, element_spec, compression, reader_func, wait)

    @staticmethod
    def from_sparse_tensor_slices(sparse_tensor: Any) -> Dataset:
        """The rows of a sparse tensor as (indices, values, dense shape) (TF 1)."""
        from penstock.data.sources import sparse_slices

        return sparse_slices(sparse_tensor)
