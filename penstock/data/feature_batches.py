"""`make_batched_features_dataset`: batches of parsed `Example` messages from files."""

from __future__ import annotations

from typing import Any

from penstock.data.dataset import AUTOTUNE, Dataset
from penstock.data.readers import TFRecordDataset
from penstock.data.sources import patterns_of
from penstock.engine.export import EXPORTS, export
from penstock.ops.gfile import matching


@export("data.experimental.make_batched_features_dataset")
def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: Any,
    features: dict,
    reader: Any = None,
    label_key: str | None = None,
    reader_args: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    reader_num_threads: int | None = None,
    parser_num_threads: int | None = None,
    sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Dataset:
    """Batches of features, or pairs (features, labels), of the `Example` messages in files.

    Args:
      file_pattern: glob patterns. features: as those of `tf.io.parse_example`.
      reader: makes a dataset of a file's name and `reader_args`; `TFRecordDataset` by default.
      label_key: the feature that becomes the label.
      reader_num_threads: how many files are read in turns. parser_num_threads: how many batches are parsed at once.
      sloppy_ordering: allows another order, of which there is no use: the order is kept.
      num_epochs: None to go on without end. shuffle, shuffle_buffer_size, shuffle_seed: as `Dataset.shuffle`.

    Raises:
      ValueError: there are no such files, or no such label.
    """
    found = matching(patterns_of(file_pattern))
    if not found:
        raise ValueError(f"Found no files for the pattern {file_pattern!r}.")
    if label_key is not None and label_key not in features:
        raise ValueError(
            f"The `label_key` provided ({label_key!r}) must be one of the `features` keys: {sorted(features)}."
        )
    read = reader or TFRecordDataset
    dataset = Dataset.from_tensor_slices(found)
    if shuffle:
        dataset = dataset.shuffle(len(found), shuffle_seed)
    dataset = dataset.interleave(
        lambda name: read(name, *(reader_args or ())), cycle_length=reader_num_threads or 1
    )
    if isinstance(dataset.element_spec, tuple) and len(dataset.element_spec) == 2:
        dataset = dataset.map(lambda _, value: value)  # readers of keys and values
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)
    dataset = dataset.batch(batch_size, drop_remainder=drop_final_batch or num_epochs is None)
    parse = EXPORTS["v2"]["io.parse_example"]
    dataset = dataset.map(lambda serialized: parse(serialized, features), parser_num_threads or 2)
    if label_key is not None:
        dataset = dataset.map(lambda parsed: (parsed, parsed.pop(label_key)))
    return dataset.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)
