"""Methods of `tf.data.Dataset` that look at one element at a time: map, filter, flat_map, scan, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.data.element import to_structure

if TYPE_CHECKING:
    from penstock.data.dataset import Dataset


class ElementMethods:
    """A base of `Dataset`."""

    def map(
        self: Any,
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
          synchronous: that no thread is used: without `num_parallel_calls` none is, and with it this is an error.
          use_unbounded_threadpool: a hint for TensorFlow's threads.

        Raises:
          ValueError: `synchronous` and `num_parallel_calls` are both given.
        """
        from penstock.data.per_element import Map

        if synchronous and num_parallel_calls is not None:
            raise ValueError(
                "`synchronous` is not supported with `num_parallel_calls`, but `num_parallel_calls` was set to "
                f"{num_parallel_calls}."
            )

        return Map(self, map_func, num_parallel_calls, deterministic)

    def map_with_legacy_function(
        self: Any,
        map_func: Callable,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        use_unbounded_threadpool: bool = False,
    ) -> Dataset:
        """The same as `map` (TF 1)."""
        return self.map(map_func, num_parallel_calls, deterministic)

    def filter(self: Any, predicate: Callable, name: str | None = None) -> Dataset:
        """The elements for which `predicate` is true."""
        from penstock.data.per_element import Filter

        return Filter(self, predicate)

    def filter_with_legacy_function(self: Any, predicate: Callable) -> Dataset:
        """The same as `filter` (TF 1)."""
        return self.filter(predicate)

    def flat_map(self: Any, map_func: Callable, name: str | None = None) -> Dataset:
        """Maps every element to a dataset and joins these, one after the other."""
        from penstock.data.interleaving import FlatMap

        return FlatMap(self, map_func)

    def interleave(
        self: Any,
        map_func: Callable,
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Maps every element to a dataset and takes `block_length` elements in turn from `cycle_length` of them.

        `deterministic=False` allows another order, of which there is no use: the order is kept.
        """
        from penstock.data.interleaving import Interleave

        return Interleave(self, map_func, cycle_length, block_length, num_parallel_calls)

    def take_while(self: Any, predicate: Callable, name: str | None = None) -> Dataset:
        """The elements before the first for which `predicate` is false."""
        from penstock.data.per_element import TakeWhile

        return TakeWhile(self, predicate)

    def scan(self: Any, initial_state: Any, scan_func: Callable, name: str | None = None) -> Dataset:
        """Maps elements with a state: `scan_func(state, element) -> (new state, output)`."""
        from penstock.data.per_element import Scan

        return Scan(self, to_structure(initial_state), scan_func)

    def enumerate(self: Any, start: int = 0, name: str | None = None) -> Dataset:
        """Pairs (index, element)."""
        from penstock.data.combining import Zip
        from penstock.data.sources import Range

        return Zip((Range(start, np.iinfo(np.int64).max), self))

    def unique(self: Any, name: str | None = None) -> Dataset:
        """Each element once; elements are scalars of an integer type or strings.

        Example:
          >>> import penstock as tf
          >>> list(tf.data.Dataset.from_tensor_slices([1, 2, 1]).unique().as_numpy_iterator())
          [np.int32(1), np.int32(2)]
        """
        from penstock.data.per_element import Unique

        return Unique(self)

    def ignore_errors(self: Any, log_warning: bool = False, name: str | None = None) -> Dataset:
        """Leaves out elements whose computation fails, and goes on with the next.

        Args:
          log_warning: whether to say so on stderr.
        """
        from penstock.data.failures import IgnoreErrors

        return IgnoreErrors(self, log_warning)

    def rejection_resample(
        self: Any,
        class_func: Callable,
        target_dist: Any,
        initial_dist: Any = None,
        seed: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Leaves out elements so that classes come as often as `target_dist` says.

        Args:
          class_func: maps an element to its class, an int32 scalar.
          target_dist: float `[classes]`, the wanted frequencies. initial_dist: those of the data; None to count.

        Returns:
          A dataset of pairs (class, element).
        """
        from penstock.data.resampling import rejection_resample

        return rejection_resample(self, class_func, target_dist, initial_dist, seed)
