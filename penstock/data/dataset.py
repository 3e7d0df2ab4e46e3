"""`tf.data.Dataset`: the class that programs use. Each method returns a node that holds this one as its input."""

from __future__ import annotations

import operator
from collections.abc import Callable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from penstock.data.element import Layout, leaves, to_structure
from penstock.data.options import Options
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.random_stream import new_states
from penstock.runtime.executor import to_raw
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor, Tensor

INFINITE = -1
UNKNOWN = -2
AUTOTUNE = -1

export("data.INFINITE_CARDINALITY", "data.experimental.INFINITE_CARDINALITY")(INFINITE)
export("data.UNKNOWN_CARDINALITY", "data.experimental.UNKNOWN_CARDINALITY")(UNKNOWN)
export("data.AUTOTUNE", "data.experimental.AUTOTUNE")(AUTOTUNE)


@export("data.Dataset")
class Dataset:
    """A sequence of elements: nested structures (tuples, dictionaries) of tensors.

    Example:
      >>> import penstock as tf
      >>> dataset = tf.data.Dataset.range(6).map(lambda x: x * x).batch(4)
      >>> for batch in dataset:
      ...     print(batch.numpy())
      [0 1 4 9]
      [16 25]
    """

    def __init__(self, element_spec: Any, inputs: tuple[Dataset, ...] = ()):
        self._element_spec = element_spec
        self._parents = inputs
        self._options = Options()
        for each in inputs:
            self._options = self._options.merge(each._options)
        self._layout = Layout(element_spec)

    # What a node defines.

    def _iterate(self) -> PythonIterator[list]:
        """The elements, from the first one on, as flat lists of arrays."""
        raise TypeError(f"{type(self).__name__} is not a dataset that can be iterated")

    def _size(self) -> int:
        """The number of elements, INFINITE or UNKNOWN."""
        return self._parents[0]._size() if self._parents else UNKNOWN

    # What programs ask of a dataset.

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._element_spec

    def _inputs(self) -> list[Dataset]:
        return list(self._parents)

    def __iter__(self) -> Any:
        """An iterator over the elements."""
        from penstock.data.iterator import make_iterator

        return make_iterator(self)

    def as_numpy_iterator(self) -> PythonIterator[Any]:
        """Iterates over elements with NumPy arrays in the place of tensors.

        Example:
          >>> import penstock as tf
          >>> list(tf.data.Dataset.range(2).as_numpy_iterator())
          [np.int64(0), np.int64(1)]
        """
        for element in self:
            values = [
                each.numpy() if isinstance(each, Tensor) else getattr(each, "numpy", lambda each=each: each)()
                for each in leaves(element)
            ]
            yield self._layout.fill(values)

    def __len__(self) -> int:
        if thread.graph is not None:
            raise TypeError(
                "`tf.data.Dataset` only supports `len` in eager mode. Use `tf.data.Dataset.cardinality()`."
            )
        size = self._size()
        if size == INFINITE:
            raise TypeError("The dataset is infinite.")
        if size == UNKNOWN:
            raise TypeError("The dataset length is unknown.")
        return size

    def __bool__(self) -> bool:
        return True

    __nonzero__ = __bool__

    def cardinality(self) -> Tensor:
        """The number of elements (an int64 scalar); -1 for infinite, -2 for unknown."""
        return convert_to_tensor(self._size(), dtypes.int64)

    def options(self) -> Options:
        """The options of the pipeline."""
        return self._options

    def __repr__(self) -> str:
        return f"<_{type(self).__name__}Dataset element_spec={self.element_spec!r}>"

    # Sources.

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
        from penstock.data.sources import Generator

        return Generator(generator, output_types, output_shapes, args, output_signature)

    @staticmethod
    def range(*args: Any, output_type: Any = dtypes.int64, name: str | None = None, **kwargs: Any) -> Dataset:
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

        if not args:
            args = (datasets,)
        return Zip(args[0] if len(args) == 1 and not isinstance(args[0], Dataset) else tuple(args))

    @staticmethod
    def sample_from_datasets(
        datasets: Any,
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Elements drawn from several datasets at random, with the given weights."""
        from penstock.data.combining import Sampled

        return Sampled(list(datasets), weights, seed, stop_on_empty_dataset)

    @staticmethod
    def choose_from_datasets(
        datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Elements of several datasets in the order that a dataset of indices gives."""
        from penstock.data.combining import Chosen

        return Chosen(list(datasets), choice_dataset, stop_on_empty_dataset)

    # One element at a time.

    def map(
        self,
        map_func: Callable,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Applies a function to every element; a tuple element becomes its arguments.

        Args:
          map_func: traced once, as a `tf.function`.
          num_parallel_calls: how many calls run at once; `tf.data.AUTOTUNE` decides by measuring.
          deterministic: whether the order is kept where calls run in parallel.
        """
        from penstock.data.per_element import Map

        return Map(self, map_func, num_parallel_calls)

    def filter(self, predicate: Callable, name: str | None = None) -> Dataset:
        """The elements for which `predicate` is true."""
        from penstock.data.per_element import Filter

        return Filter(self, predicate)

    def flat_map(self, map_func: Callable, name: str | None = None) -> Dataset:
        """Maps every element to a dataset and joins these, one after the other."""
        from penstock.data.per_element import FlatMap

        return FlatMap(self, map_func)

    def interleave(
        self,
        map_func: Callable,
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Maps every element to a dataset and takes `block_length` elements in turn from `cycle_length` of them."""
        from penstock.data.per_element import Interleave

        return Interleave(self, map_func, cycle_length, block_length or 1)

    def take_while(self, predicate: Callable, name: str | None = None) -> Dataset:
        """The elements before the first for which `predicate` is false."""
        from penstock.data.per_element import TakeWhile

        return TakeWhile(self, predicate)

    def scan(self, initial_state: Any, scan_func: Callable, name: str | None = None) -> Dataset:
        """Maps elements with a state: `scan_func(state, element) -> (new state, output)`."""
        from penstock.data.per_element import Scan

        return Scan(self, to_structure(initial_state), scan_func)

    def enumerate(self, start: int = 0, name: str | None = None) -> Dataset:
        """Pairs (index, element)."""
        size = np.iinfo(np.int64).max
        return Dataset.zip((Dataset.range(start, size), self))

    # Several elements into one, and back.

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Stacks `batch_size` elements into one; the last batch may be smaller unless `drop_remainder`."""
        from penstock.data.batching import Batch

        return Batch(self, _size(batch_size, "batch_size"), bool(drop_remainder))

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Stacks elements of different sizes, padded to the largest, or to `padded_shapes`."""
        from penstock.data.batching import PaddedBatch

        return PaddedBatch(
            self, _size(batch_size, "batch_size"), padded_shapes, padding_values, bool(drop_remainder)
        )

    def unbatch(self, name: str | None = None) -> Dataset:
        """Splits elements along their first dimension."""
        from penstock.data.batching import Unbatch

        return Unbatch(self)

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: str | None = None) -> Dataset:
        """Batches of another size from batches."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(
        self,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Datasets of `size` elements each, whose starts are `shift` apart."""
        from penstock.data.batching import Window

        size = _size(size, "size")
        return Window(
            self,
            size,
            size if shift is None else _size(shift, "shift"),
            _size(stride, "stride"),
            drop_remainder,
        )

    def reduce(self, initial_state: Any, reduce_func: Callable, name: str | None = None) -> Any:
        """Combines all elements: `state = reduce_func(state, element)`.

        Example:
          >>> import penstock as tf
          >>> tf.data.Dataset.range(5).reduce(tf.constant(0, tf.int64), lambda total, x: total + x).numpy()
          np.int64(10)
        """
        from penstock.data.per_element import with_stable_state

        state = to_structure(initial_state)
        layout, function = with_stable_state(state, self._layout, reduce_func)
        if thread.graph is not None:
            from penstock.data.reduction import reduce_in_graph

            return reduce_in_graph(self, state, layout, function)
        flat = layout.flatten(state)
        with new_states():
            for element in self._iterate():
                flat = function.run([*flat, *element])
        return layout.pack(flat)

    def get_single_element(self, name: str | None = None) -> Any:
        """The only element.

        Raises:
          InvalidArgumentError: there is none, or more than one.
        """
        from penstock.types import errors

        found = []
        with new_states():
            for element in self._iterate():
                found.append(element)
                if len(found) > 1:
                    raise errors.InvalidArgumentError(None, None, "Dataset had more than one element.")
        if not found:
            raise errors.InvalidArgumentError(None, None, "Dataset was empty.")
        return self._layout.pack(found[0])

    # Which elements, in which order.

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Draws elements at random from a buffer of `buffer_size`.

        Args:
          buffer_size: how many elements to choose from; the whole dataset for a perfect shuffle.
          seed: makes the order reproducible.
          reshuffle_each_iteration: whether every iteration has an order of its own (True by default).
        """
        from penstock.data.ordering import Shuffle

        size = _size(buffer_size, "buffer_size", least=-2)
        return Shuffle(
            self, size, seed, True if reshuffle_each_iteration is None else reshuffle_each_iteration
        )

    def repeat(self, count: Any = None, name: str | None = None) -> Dataset:
        """The elements `count` times; without end for None or -1."""
        from penstock.data.ordering import Repeat

        return Repeat(self, -1 if count is None else _size(count, "count", least=-(2**62)))

    def take(self, count: Any, name: str | None = None) -> Dataset:
        """The first `count` elements; all for -1."""
        from penstock.data.ordering import Take

        return Take(self, _size(count, "count", least=-(2**62)))

    def skip(self, count: Any, name: str | None = None) -> Dataset:
        """All but the first `count` elements; none for -1."""
        from penstock.data.ordering import Skip

        return Skip(self, _size(count, "count", least=-(2**62)))

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Every `num_shards`-th element from `index` on."""
        from penstock.data.ordering import Shard

        return Shard(self, _size(num_shards, "num_shards"), _size(index, "index", least=0))

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """The elements of this dataset, then those of another."""
        from penstock.data.combining import Concatenate

        return Concatenate(self, dataset)

    # How it runs.

    def cache(self, filename: Any = "", name: str | None = None) -> Dataset:
        """Keeps the elements of the first full iteration in memory.

        Raises:
          ValueError: a file is named: only the cache in memory exists.
        """
        from penstock.data.buffering import Cache

        if filename:
            raise ValueError("cache: only the cache in memory is there; leave `filename` empty.")
        return Cache(self)

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Dataset:
        """Computes elements ahead on a thread; `tf.data.AUTOTUNE` measures whether, and how many."""
        from penstock.data.buffering import Prefetch

        return Prefetch(self, _size(buffer_size, "buffer_size", least=-1))

    def with_options(self, options: Options, name: str | None = None) -> Dataset:
        """This dataset with options."""
        from penstock.data.ordering import WithOptions

        return WithOptions(self, options)

    def apply(self, transformation_func: Callable, name: str | None = None) -> Dataset:
        """Calls a function that takes and returns a dataset."""
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise TypeError(
                f"`transformation_func` must return a `tf.data.Dataset` object. Got {type(result)}."
            )
        return result


class Described(Dataset):
    """Stands for a dataset of which only the spec is known, while a function of datasets is traced."""


def _size(value: Any, name: str, least: int = 1) -> int:
    """A count as a Python int.

    Raises:
      ValueError: it is smaller than `least`, or not known while the pipeline is built.
    """
    if isinstance(value, Tensor):
        if not isinstance(value, EagerTensor):
            from penstock.engine.static_value import constant_value

            known = constant_value(value)
            if known is None:
                return least  # only the spec of a dataset made from symbolic values is used
            value = int(known)
        else:
            value = int(to_raw(value))
    value = operator.index(value) if not isinstance(value, (np.ndarray, np.generic)) else int(value)
    if value < least:
        raise ValueError(f"Invalid `{name}`: {value}. It must be at least {least}.")
    return value
