"""Methods of `tf.data.Dataset` about which elements come, in which order, and how: shuffle, repeat, cache, save, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.data.element import to_structure

if TYPE_CHECKING:
    from penstock.data.dataset import Dataset
    from penstock.data.options import Options


class OrderMethods:
    """A base of `Dataset`."""

    def shuffle(
        self: Any,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Draws elements at random from a buffer of `buffer_size`, in TensorFlow's order where a seed is set.

        Args:
          buffer_size: how many elements to choose from; the whole dataset for a perfect shuffle (-2: all of it).
          seed: makes the order reproducible.
          reshuffle_each_iteration: whether every iteration has an order of its own (True by default).
        """
        from penstock.data.shuffling import Shuffle

        reshuffle = True if reshuffle_each_iteration is None else bool(reshuffle_each_iteration)
        return Shuffle(self, buffer_size, seed, reshuffle)

    def repeat(self: Any, count: Any = None, name: str | None = None) -> Dataset:
        """The elements `count` times; without end for None or -1."""
        from penstock.data.ordering import Repeat

        return Repeat(self, -1 if count is None else count)

    def take(self: Any, count: Any, name: str | None = None) -> Dataset:
        """The first `count` elements; all for -1."""
        from penstock.data.ordering import Take

        return Take(self, count)

    def skip(self: Any, count: Any, name: str | None = None) -> Dataset:
        """All but the first `count` elements; none for -1."""
        from penstock.data.ordering import Skip

        return Skip(self, count)

    def shard(self: Any, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Every `num_shards`-th element from `index` on."""
        from penstock.data.ordering import Shard

        return Shard(self, num_shards, index)

    def concatenate(self: Any, dataset: Dataset, name: str | None = None) -> Dataset:
        """The elements of this dataset, then those of another."""
        from penstock.data.combining import Concatenate

        return Concatenate(self, dataset)

    # How it runs.

    def cache(self: Any, filename: Any = "", name: str | None = None) -> Dataset:
        """Keeps the elements of the first full iteration, in memory or in files.

        Args:
          filename: where the files go (`<filename>.data`, `<filename>.index`); empty for memory. What was not written
            to its end is not used: files appear under their names only when they are whole.
        """
        from penstock.data.buffering import Cache
        from penstock.data.file_cache import FileCache

        return Cache(self) if isinstance(filename, str) and not filename else FileCache(self, filename)

    def prefetch(self: Any, buffer_size: Any, name: str | None = None) -> Dataset:
        """Computes elements ahead on a thread; `tf.data.AUTOTUNE` measures whether, and how many."""
        from penstock.data.buffering import Prefetch

        return Prefetch(self, buffer_size)

    def with_options(self: Any, options: Options, name: str | None = None) -> Dataset:
        """This dataset with options."""
        from penstock.data.ordering import WithOptions

        return WithOptions(self, options)

    def apply(self: Any, transformation_func: Callable, name: str | None = None) -> Dataset:
        """Calls a function that takes and returns a dataset."""
        from penstock.data.dataset import Dataset

        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise TypeError(
                f"`transformation_func` must return a `tf.data.Dataset` object. Got {type(result)}."
            )
        return result

    # On disk.

    def save(
        self: Any,
        path: Any,
        compression: str | None = None,
        shard_func: Callable | None = None,
        checkpoint_args: dict | None = None,
    ) -> None:
        """Writes the elements to a folder, in TensorFlow's format; `Dataset.load` reads them.

        Args:
          path: the folder. It appears when it is whole: a killed process leaves nothing that `load` would take.
          compression: None or "GZIP".
          shard_func: element -> the number of the shard (int64 scalar) that it goes to.
          checkpoint_args: arguments of `tf.train.CheckpointManager`: a save that was cut off is gone on with.
        """
        from penstock.data.saving import save

        save(self, path, compression, shard_func)

    def snapshot(
        self: Any,
        path: Any,
        compression: str = "AUTO",
        reader_func: Callable | None = None,
        shard_func: Callable | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Writes the elements to a folder in the first iteration, and reads them from there in later ones."""
        from penstock.data.snapshots import Snapshot

        return Snapshot(self, path, compression, reader_func, shard_func)

    # All of them into one.

    def reduce(self: Any, initial_state: Any, reduce_func: Callable, name: str | None = None) -> Any:
        """Combines all elements: `state = reduce_func(state, element)`.

        Example:
          >>> import penstock as tf
          >>> tf.data.Dataset.range(5).reduce(tf.constant(0, tf.int64), lambda total, x: total + x).numpy()
          np.int64(10)
        """
        from penstock.data.reduction import reduce

        return reduce(self, to_structure(initial_state), reduce_func)

    def get_single_element(self: Any, name: str | None = None) -> Any:
        """The only element.

        Raises:
          InvalidArgumentError: there is none, or more than one.
        """
        from penstock.data.reduction import single_element

        return single_element(self)
