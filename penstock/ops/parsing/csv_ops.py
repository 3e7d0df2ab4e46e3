"""`tf.io.decode_csv` and its op; `penstock.io.csv_records` does the work."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.io.csv_records import DTYPES, CsvColumn, CsvFormat, parse_csv
from penstock.ops.strings.kernels import as_array, bytes_attr
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _column(index: int, default: Any) -> CsvColumn:
    default = as_array(default)
    dtype = dtypes.string if default.dtype.kind in "OS" else as_dtype(default.dtype)
    if dtype not in DTYPES:
        listed = ", ".join(each.name for each in DTYPES)
        raise ValueError(
            f"Value for attr 'OUT_TYPE' of {dtype.name} is not in the list of allowed values: {listed}"
        )
    if default.ndim > 1:
        raise ValueError("Each record default should be at most rank 1")
    if default.size > 1:
        raise ValueError(f"There should only be 1 default per field but field {index} has {default.size}")
    return CsvColumn(dtype, default.reshape(-1)[0] if default.size else None)


def _decode(
    records: Any, record_defaults: Sequence[Any], *, field_delim: Any, use_quote_delim: bool, na_value: Any,
    select_cols: Sequence[int],
) -> list[np.ndarray]:  # fmt: skip
    lines = as_array(records)
    if not record_defaults:
        raise ValueError("Length for attr 'OUT_TYPE' of 0 must be at least minimum 1")
    form = CsvFormat(bytes_attr(field_delim), use_quote_delim, bytes_attr(na_value), tuple(select_cols))
    columns = [_column(*each) for each in enumerate(record_defaults)]
    return [each.reshape(lines.shape) for each in parse_csv(lines.reshape(-1).tolist(), columns, form)]


def _shapes(call: ShapeCall) -> list[TensorShape]:
    return [call.shape(0)] * (len(call.inputs) - 1)


op(
    "DecodeCSV(records: string, record_defaults: *OUT_TYPE; field_delim=',', use_quote_delim=True, na_value='', "
    "select_cols=[]) -> output: *OUT_TYPE",
    numpy=_decode,
    shape=_shapes,
    gradient=stops,
)


@export("io.decode_csv", v1=[])
def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """Lines of comma-separated values to a tensor for each column.

    Args:
      records: a string tensor, a line in each element, without line ends outside of quotes.
      record_defaults: for each column what stands in for an empty field (a scalar, or a vector of one element); its
        dtype, float32, float64, int32, int64 or string, is that of the column. An empty vector: the field is required.
      field_delim: the character between fields.
      use_quote_delim: whether fields may be in double quotes.
      na_value: what stands, besides nothing, for a missing value.
      select_cols: the indices of the fields that are wanted, increasing; then there is a default for each of them.
      name: the node's name in a graph.

    Returns:
      For each column a tensor of the shape of `records`.

    Raises:
      ValueError: `select_cols` is not increasing, negative, or of another length than `record_defaults`.
      InvalidArgumentError: a line has another number of fields, a field is no number, or a required one is missing.

    Example:
      >>> import penstock as tf
      >>> [column.numpy().tolist() for column in tf.io.decode_csv(["1,a", ",b"], [[7], [""]])]
      [[1, 7], [b'a', b'b']]
    """
    if select_cols is not None:
        if any(after <= before for before, after in itertools.pairwise(select_cols)):
            raise ValueError("select_cols is not strictly increasing.")
        if len(select_cols) and select_cols[0] < 0:
            raise ValueError("select_cols contains negative values.")
        if len(select_cols) != len(record_defaults):
            raise ValueError("Length of select_cols and record_defaults do not match.")
    defaults = [convert_to_tensor(each) for each in record_defaults]
    attrs = {
        "field_delim": field_delim,
        "use_quote_delim": use_quote_delim,
        "na_value": na_value,
        "select_cols": list(select_cols or ()),
    }
    return execute("DecodeCSV", (convert_to_tensor(records, dtypes.string), defaults), attrs, name)


@export(v1=["io.decode_csv", "decode_csv"])
def decode_csv_v1(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Tensor]:
    """TF 1's order of the arguments of `tf.io.decode_csv`."""
    return decode_csv(records, record_defaults, field_delim, use_quote_delim, na_value, select_cols, name)
