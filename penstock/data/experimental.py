"""`tf.data.experimental`: transformations as functions for `Dataset.apply`, and what stands beside datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.data.dataset import INFINITE, Dataset, count_of, of_variant
from penstock.data.element import Layout, leaves, spec_of, to_structure
from penstock.data.failures import AssertCardinality
from penstock.data.grouping import GroupByReducer, Reducer
from penstock.data.windowing import Listed
from penstock.engine.context import process
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import dtypes, errors, nest
from penstock.types.specs import TensorSpec

Transformation = Callable[[Dataset], Dataset]


def _method(name: str, *arguments: Any, **keywords: Any) -> Transformation:
    """A function for `apply` that calls a method of the dataset."""
    return lambda dataset: getattr(dataset, name)(*arguments, **keywords)


@export("data.experimental.Counter")
def counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64) -> Dataset:
    """The numbers from `start` on; see `Dataset.counter`."""
    return Dataset.counter(start, step, dtype)


@export("data.experimental.from_list")
def from_list(elements: Any, name: str | None = None) -> Dataset:
    """A dataset of the items of a list: structures of tensors of the same specs.

    Raises:
      ValueError: the list is empty.

    Example:
      >>> import penstock as tf
      >>> list(tf.data.experimental.from_list([(1, "a"), (2, "b")]).as_numpy_iterator())
      [(np.int32(1), b'a'), (np.int32(2), b'b')]
    """
    if not elements:
        raise ValueError("Invalid `elements`. `elements` should not be empty. If you want an empty dataset, use "
                         "`tf.data.Dataset.range(0)`.")  # fmt: skip
    structures = [to_structure(each) for each in elements]
    layout = Layout(spec_of(structures[0]))
    for each in structures[1:]:
        nest.assert_same_structure(structures[0], each, expand_composites=True)
    specs = [leaves(spec_of(each)) for each in structures]
    merged = [column[0].most_specific_common_supertype(column[1:]) for column in zip(*specs)]
    if any(each is None for each in merged):
        raise ValueError(f"The elements of the list do not have a common spec: {specs}.")
    return Listed(layout.fill(merged), [layout.flatten(each) for each in structures])


@export("data.experimental.assert_cardinality")
def assert_cardinality(expected_cardinality: Any) -> Transformation:
    """Says how many elements there are; iterating fails where it is another number."""
    return lambda dataset: AssertCardinality(
        dataset, count_of(expected_cardinality, "expected_cardinality", INFINITE)
    )


@export("data.experimental.cardinality")
def cardinality(dataset: Dataset) -> Any:
    """The number of elements; see `Dataset.cardinality`."""
    return dataset.cardinality()


@export("data.experimental.at", v1=[])
def at(dataset: Dataset, index: Any) -> Any:
    """The element at an index.

    Raises:
      OutOfRangeError: there are fewer elements.
    """
    number = count_of(index, "index", least=-(2**62))
    if number < 0:
        raise errors.OutOfRangeError(None, None, f"Index out of range [0, n): {number}")
    try:
        return next(iter(dataset.skip(number).take(1)))
    except StopIteration:
        raise errors.OutOfRangeError(None, None, f"Index out of range: {number}") from None


@export("data.experimental.bucket_by_sequence_length")
def bucket_by_sequence_length(
    element_length_func: Callable,
    bucket_boundaries: Any,
    bucket_batch_sizes: Any,
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: bool = False,
) -> Transformation:
    """See `Dataset.bucket_by_sequence_length`."""
    return _method(
        "bucket_by_sequence_length", element_length_func, bucket_boundaries, bucket_batch_sizes, padded_shapes,
        padding_values, pad_to_bucket_boundary, no_padding, drop_remainder,
    )  # fmt: skip


@export("data.experimental.choose_from_datasets")
def choose_from_datasets(datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = False) -> Dataset:
    """See `Dataset.choose_from_datasets`."""
    return Dataset.choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset)


@export("data.experimental.sample_from_datasets")
def sample_from_datasets(
    datasets: Any, weights: Any = None, seed: Any = None, stop_on_empty_dataset: bool = False
) -> Dataset:
    """See `Dataset.sample_from_datasets`."""
    return Dataset.sample_from_datasets(datasets, weights, seed, stop_on_empty_dataset)


@export("data.experimental.dense_to_ragged_batch")
def dense_to_ragged_batch(
    batch_size: Any, drop_remainder: bool = False, row_splits_dtype: Any = dtypes.int64
) -> Transformation:
    """See `Dataset.ragged_batch`."""
    return _method("ragged_batch", batch_size, drop_remainder, row_splits_dtype)


@export("data.experimental.dense_to_sparse_batch")
def dense_to_sparse_batch(batch_size: Any, row_shape: Any) -> Transformation:
    """See `Dataset.sparse_batch`."""
    return _method("sparse_batch", batch_size, row_shape)


@export("data.experimental.enumerate_dataset")
def enumerate_dataset(start: Any = 0) -> Transformation:
    """See `Dataset.enumerate`."""
    return _method("enumerate", start)


@export("data.experimental.get_single_element")
def get_single_element(dataset: Dataset) -> Any:
    """See `Dataset.get_single_element`."""
    return dataset.get_single_element()


@export("data.experimental.get_structure")
def get_structure(dataset_or_iterator: Any) -> Any:
    """The specs of an element.

    Raises:
      TypeError: it is neither a dataset nor an iterator.
    """
    try:
        return dataset_or_iterator.element_spec
    except AttributeError:
        raise TypeError(
            f"Invalid `dataset_or_iterator`. It must be a dataset or an iterator, got {type(dataset_or_iterator)}."
        ) from None


@export("data.experimental.group_by_reducer")
def group_by_reducer(key_func: Callable, reducer: Reducer) -> Transformation:
    """Reduces all elements with one key to one element; the results come in the order of the keys.

    Args:
      key_func: element -> key, an int64 scalar. reducer: how.
    """
    return lambda dataset: GroupByReducer(dataset, key_func, reducer)


@export("data.experimental.group_by_window")
def group_by_window(
    key_func: Callable, reduce_func: Callable, window_size: Any = None, window_size_func: Any = None
) -> Transformation:
    """See `Dataset.group_by_window`."""
    return _method("group_by_window", key_func, reduce_func, window_size, window_size_func)


@export("data.experimental.ignore_errors")
def ignore_errors(log_warning: bool = False) -> Transformation:
    """See `Dataset.ignore_errors`."""
    return _method("ignore_errors", log_warning)


@export(
    "data.experimental.map_and_batch",
    v1=["data.experimental.map_and_batch", "data.experimental.map_and_batch_with_legacy_function"],
)
def map_and_batch(
    map_func: Callable,
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: bool = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """`map`, then `batch`.

    Raises:
      ValueError: both `num_parallel_batches` and `num_parallel_calls` are given.
    """
    if num_parallel_batches is not None and num_parallel_calls is not None:
        raise ValueError(
            "`map_and_batch` allows only one of `num_parallel_batches` and `num_parallel_calls` to be set."
        )
    if num_parallel_batches is not None:
        num_parallel_calls = num_parallel_batches * batch_size
    return lambda dataset: dataset.map(map_func, num_parallel_calls).batch(batch_size, drop_remainder)


@export("data.experimental.parallel_interleave")
def parallel_interleave(
    map_func: Callable,
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: bool = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """`interleave` with threads that read ahead.

    `sloppy` and the sizes of buffers are permissions and hints, of which there is no use: the order is kept.
    """
    return _method("interleave", map_func, cycle_length, block_length, num_parallel_calls=cycle_length)


@export("data.experimental.pad_to_cardinality")
def pad_to_cardinality(cardinality: Any, mask_key: str = "valid") -> Transformation:
    """Adds elements of zeros until there are `cardinality`; `mask_key` says which elements are real.

    Raises (when applied):
      ValueError: the number of elements is not known, or larger. TypeError: elements are no dictionaries.
    """

    def apply(dataset: Dataset) -> Dataset:
        size = dataset._size()
        if size < 0:
            raise ValueError(
                f"The dataset passed into `pad_to_cardinality` must have a known cardinalty, but has cardinality {size}"
            )
        if size > cardinality:
            raise ValueError(
                f"The dataset passed into `pad_to_cardinality` must have a cardinalty less than the target cardinality "
                f"({cardinality}), but has cardinality {size}"
            )
        if not isinstance(dataset.element_spec, dict):
            raise ValueError("`pad_to_cardinality` requires elements that are dictionaries.")

        def marked(valid: bool) -> Callable:
            return lambda element: {**element, mask_key: convert_to_tensor(valid)}

        def zeros(element: dict) -> dict:
            return nest.map_structure(lambda each: execute("ZerosLike", (each,)), element)

        padding = dataset.take(1).repeat().take(cardinality - size).map(zeros).map(marked(False))
        return dataset.map(marked(True)).concatenate(padding)

    return apply


@export("data.experimental.parse_example_dataset")
def parse_example_dataset(
    features: Any, num_parallel_calls: Any = 1, deterministic: bool | None = None
) -> Transformation:
    """Parses batches of serialized `Example` messages; see `tf.io.parse_example`.

    Raises:
      ValueError: there are no features.
    """
    from penstock.engine.export import EXPORTS

    if not features:
        raise ValueError("Argument `features` is required, but not specified.")
    parse = EXPORTS["v2"]["io.parse_example"]
    return _method("map", lambda serialized: parse(serialized, features), num_parallel_calls, deterministic)


@export("data.experimental.copy_to_device")
def copy_to_device(target_device: str, source_device: str = "/cpu:0") -> Transformation:
    """Computes an element ahead. Where elements are used brings them to a device; so both devices are hints."""
    return _method("prefetch", 1)


@export("data.experimental.prefetch_to_device")
def prefetch_to_device(device: str, buffer_size: Any = None) -> Transformation:
    """Computes elements ahead for a device; see `Dataset.prefetch`."""
    return _method("prefetch", -1 if buffer_size is None else buffer_size)


@export("data.experimental.rejection_resample")
def rejection_resample(
    class_func: Callable, target_dist: Any, initial_dist: Any = None, seed: Any = None
) -> Transformation:
    """See `Dataset.rejection_resample`."""
    return _method("rejection_resample", class_func, target_dist, initial_dist, seed)


@export("data.experimental.save", v1=[])
def save(
    dataset: Dataset, path: Any, compression: Any = None, shard_func: Any = None, checkpoint_args: Any = None
) -> None:
    """See `Dataset.save`."""
    dataset.save(path, compression, shard_func, checkpoint_args)


@export("data.experimental.load", v1=[])
def load(path: Any, element_spec: Any = None, compression: Any = None, reader_func: Any = None) -> Dataset:
    """See `Dataset.load`."""
    return Dataset.load(path, element_spec, compression, reader_func)


@export("data.experimental.snapshot")
def snapshot(
    path: Any, compression: Any = "AUTO", reader_func: Any = None, shard_func: Any = None
) -> Transformation:
    """See `Dataset.snapshot`."""
    return _method("snapshot", path, compression, reader_func, shard_func)


@export("data.experimental.scan")
def scan(initial_state: Any, scan_func: Callable) -> Transformation:
    """See `Dataset.scan`."""
    return _method("scan", initial_state, scan_func)


@export("data.experimental.shuffle_and_repeat")
def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Transformation:
    """`shuffle`, then `repeat`."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


@export("data.experimental.take_while")
def take_while(predicate: Callable) -> Transformation:
    """See `Dataset.take_while`."""
    return _method("take_while", predicate)


@export("data.experimental.unbatch")
def unbatch() -> Transformation:
    """See `Dataset.unbatch`."""
    return _method("unbatch")


@export("data.experimental.unique")
def unique() -> Transformation:
    """See `Dataset.unique`."""
    return _method("unique")


@export("data.experimental.to_variant")
def to_variant(dataset: Dataset) -> Any:
    """A variant tensor that holds the dataset."""
    return dataset._variant_tensor


@export("data.experimental.from_variant")
def from_variant(variant: Any, structure: Any) -> Dataset:
    """The dataset that a variant tensor holds; `structure` is the spec of its elements."""
    return of_variant(variant, structure)


@export("data.experimental.enable_debug_mode")
def enable_debug_mode() -> None:
    """Makes functions of datasets made from now on run as Python, for every element: debuggers can step through."""
    process.registry["data_debug_mode"] = True


# Structures of TF 1: specs under their old names.


@export(v1=["data.experimental.TensorStructure"])
def tensor_structure(dtype: Any, shape: Any) -> TensorSpec:
    """The spec of a tensor."""
    return TensorSpec(shape, dtype)


@export(v1=["data.experimental.SparseTensorStructure"])
def sparse_tensor_structure(dtype: Any, shape: Any) -> Any:
    """The spec of a sparse tensor."""
    from penstock.types.sparse_tensor import SparseTensorSpec

    return SparseTensorSpec(shape, dtype)


@export(v1=["data.experimental.RaggedTensorStructure"])
def ragged_tensor_structure(dtype: Any, shape: Any, ragged_rank: int) -> Any:
    """The spec of a ragged tensor."""
    from penstock.ops.ragged.spec import RaggedTensorSpec

    return RaggedTensorSpec(shape, dtype, ragged_rank)


@export(v1=["data.experimental.TensorArrayStructure"])
def tensor_array_structure(dtype: Any, element_shape: Any, dynamic_size: bool, infer_shape: bool) -> Any:
    """The spec of a tensor array."""
    from penstock.engine.export import EXPORTS

    return EXPORTS["v2"]["TensorArraySpec"](element_shape, dtype, dynamic_size, infer_shape)
