"""`tf.data.experimental.TFRecordWriter`: writes a dataset of strings to a TFRecord file."""

from __future__ import annotations

from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.iteration import elements_of
from penstock.data.saving import as_path
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.io.record_writer import TFRecordWriter as RecordWriter
from penstock.types import dtypes
from penstock.types.specs import TensorSpec


def _text(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return value.decode() if isinstance(value, bytes) else value


def _write(dataset: Any, filename: Any, compression_type: Any) -> None:
    with RecordWriter(_text(filename), _text(compression_type)) as writer:
        for (record,) in elements_of(dataset):
            writer.write(record.item() if hasattr(record, "item") else record)


op(
    "DatasetToTFRecord(input_dataset: variant, filename: string, compression_type: string) -> ()",
    numpy=_write,
    shape=lambda call: [],
    stateful=True,
)


@export("data.experimental.TFRecordWriter")
class TFRecordWriter:
    """Writes a dataset of strings to a TFRecord file.

    Args:
      filename: the file. compression_type: "", "GZIP" or "ZLIB".
    """

    def __init__(self, filename: Any, compression_type: str | None = None):
        self._filename, self._compression = filename, compression_type or ""

    def write(self, dataset: Dataset) -> Any:
        """Writes all elements; in a graph it returns the operation that does.

        Raises:
          TypeError: the elements are not string scalars, or it is no dataset.
        """
        if not isinstance(dataset, Dataset):
            raise TypeError(
                f"Invalid `dataset`. Expected a `tf.data.Dataset` object but got {type(dataset)}."
            )
        spec = dataset.element_spec
        if (
            not isinstance(spec, TensorSpec)
            or spec.dtype is not dtypes.string
            or spec.shape.rank not in (0, None)
        ):
            raise TypeError(
                f"Invalid `dataset`. Expected a dataset of string scalars but got elements {spec}."
            )
        filename = self._filename if hasattr(self._filename, "dtype") else as_path(self._filename)
        inputs = (dataset._variant_tensor, convert_to_tensor(filename), convert_to_tensor(self._compression))
        return execute("DatasetToTFRecord", inputs)
