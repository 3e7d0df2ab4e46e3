"""The ops that parse serialized Examples: ParseExample, ParseExampleV2 and ParseSingleExample.

`penstock.io.example_batches` does the work; here are the ways in which the ops say which features they want.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import ShapeCall
from penstock.io.example_batches import Dense, Listed, Parsed, Wanted, parse_examples
from penstock.ops.strings.kernels import as_array, bytes_attr
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

_ALLOWED = (dtypes.float32, dtypes.int64, dtypes.string)


def keys_of(values: Any) -> list[bytes]:
    """The names in a string vector, or in a list of scalars or of attributes."""
    if isinstance(values, np.ndarray):
        return list(values.reshape(-1))
    return [bytes(each) if isinstance(each, bytes) else _name(each) for each in values]


def _name(value: Any) -> bytes:
    return bytes_attr(value) if isinstance(value, str) else bytes(as_array(value)[()])


def checked_dtypes(types: Iterable[Any], attr: str) -> list[DType]:
    """Dtypes of an attribute, each string, float32 or int64.

    Raises:
      ValueError: one is another.
    """
    found = [as_dtype(each) for each in types]
    for each in found:
        if each not in _ALLOWED:
            raise ValueError(
                f"Value for attr '{attr}' of {each.name} is not in the list of allowed values: float, int64, string"
            )
    return found


def listed_features(keys: Any, types: Sequence[Any], attr: str, splits: Sequence[Any] = ()) -> list[Listed]:
    """The sparse or ragged features that an op is asked for.

    Raises:
      ValueError: the lists have different lengths, or a dtype is not allowed.
    """
    names, kinds = keys_of(keys), checked_dtypes(types, attr)
    same_length(names, kinds, attr)
    if not splits:
        return [Listed(*each) for each in zip(names, kinds)]
    return [Listed(*each) for each in zip(names, kinds, map(as_dtype, splits), strict=True)]


def same_length(keys: Sequence[bytes], others: Sequence[Any], attr: str) -> None:
    """Raises ValueError where there is not one of `others` for each key."""
    if len(keys) != len(others):
        raise ValueError(f"Expected as many keys as there are {attr}, but got: {len(keys)} vs. {len(others)}")


def dense_features(keys: Any, defaults: Sequence[Any], shapes: Sequence[Any]) -> list[Dense]:
    """The dense features that an op is asked for.

    Raises:
      ValueError: the lists have different lengths, or a default does not fit its shape.
    """
    names = keys_of(keys)
    same_length(names, defaults, "Tdense")
    same_length(names, shapes, "dense_shapes")
    return [_dense(*each) for each in zip(range(len(names)), names, map(as_array, defaults), shapes)]


def _dense(index: int, key: bytes, default: np.ndarray, shape: Any) -> Dense:
    dtype = dtypes.string if default.dtype.kind in "OS" else as_dtype(default.dtype)
    (dtype,) = checked_dtypes([dtype], "Tdense")
    sizes = TensorShape(shape)
    dims = None if sizes.rank is None else tuple(sizes.as_list())
    shown = str(sizes).replace("None", "?")
    if dims is None or None in dims[1:]:
        raise ValueError(f"dense_shapes[{index}] has unknown rank or unknown inner dimensions: {shown}")
    if dims and dims[0] is None:
        if default.size != 1:
            raise ValueError(
                f"dense_shape[{index}] is a variable length shape: {shown}, therefore def_value[{index}] must contain a "
                f"single element (the padding element).  But its shape is: {list(default.shape)}"
            )
    elif default.size and default.shape != dims:
        raise ValueError(
            f"def_value[{index}].shape() == {list(default.shape)} is not compatible with dense_shapes_[{index}] == {shown}"
        )
    return Dense(key, dtype, dims, default if default.size else None)


def strings_and_names(serialized: Any, names: Any) -> tuple[list[bytes], list[bytes], bool]:
    """The Examples and their names as lists, and whether it is one Example without a batch dimension.

    Raises:
      ValueError: a shape does not fit.
    """
    examples, named = as_array(serialized), as_array(names)
    if examples.ndim > 1:
        raise ValueError(f"Expected serialized to be a scalar or vector, got shape: {list(examples.shape)}")
    if named.size and named.shape != examples.shape:
        raise ValueError(
            f"Expected names have the same shape as serialized: name.shape={list(named.shape)}, "
            f"serialized.shape={list(examples.shape)}"
        )
    return list(examples.reshape(-1)), list(named.reshape(-1)), examples.ndim == 0


def outputs_of(parsed: Parsed, single: bool) -> list[np.ndarray]:
    """The arrays in the order of the outputs; for a single Example without its batch dimension."""
    if single:
        parsed.sparse_indices = [each[:, 1:] for each in parsed.sparse_indices]
        parsed.sparse_shapes = [each[1:] for each in parsed.sparse_shapes]
        parsed.dense_values = [each[0] for each in parsed.dense_values]
        parsed.ragged_splits = [each[:0] for each in parsed.ragged_splits]
    return [
        *parsed.sparse_indices, *parsed.sparse_values, *parsed.sparse_shapes, *parsed.dense_values,
        *parsed.ragged_values, *parsed.ragged_splits,
    ]  # fmt: skip


# In a function an op gets the same keys, defaults and attributes in every call: by these objects, which are held here
# so that they stay the same, the features that they stand for.
_known: dict[tuple[int, ...], tuple[tuple, Wanted]] = {}
_MOST_KNOWN = 256


def _wanted(sparse_keys: Any, dense_keys: Any, ragged_keys: Any, dense_defaults: Any, attrs: dict) -> Wanted:
    """The features that ParseExampleV2 is asked for."""
    given = (sparse_keys, dense_keys, ragged_keys, *dense_defaults, *attrs.values())
    identity = tuple(map(id, given))
    found = _known.get(identity)
    if found is None:
        wanted = Wanted(
            listed_features(sparse_keys, attrs["sparse_types"], "sparse_types"),
            dense_features(dense_keys, dense_defaults, attrs["dense_shapes"]),
            listed_features(
                ragged_keys, attrs["ragged_value_types"], "ragged_value_types", attrs["ragged_split_types"]
            ),
        )
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[identity] = (given, wanted)
    return found[1]


def _parse_v2(
    serialized: Any,
    names: Any,
    sparse_keys: Any,
    dense_keys: Any,
    ragged_keys: Any,
    dense_defaults: Any,
    **attrs: Any,
) -> list[np.ndarray]:
    examples, named, single = strings_and_names(serialized, names)
    wanted = _wanted(sparse_keys, dense_keys, ragged_keys, dense_defaults, attrs)
    return outputs_of(parse_examples(examples, wanted, named), single)


def _parse(
    serialized: Any, names: Any, sparse_keys: Any, dense_keys: Any, dense_defaults: Any, *,
    sparse_types: Any, dense_shapes: Any,
) -> list[np.ndarray]:  # fmt: skip
    examples, named, single = strings_and_names(serialized, names)
    if single:
        raise ValueError("Expected serialized to be a vector, got shape: []")
    wanted = Wanted(
        listed_features(sparse_keys, sparse_types, "sparse_types"),
        dense_features(dense_keys, dense_defaults, dense_shapes),
    )
    return outputs_of(parse_examples(examples, wanted, named), single)


def _parse_single(
    serialized: Any, dense_defaults: Any, *, num_sparse: int, sparse_keys: Any, dense_keys: Any, sparse_types: Any,
    dense_shapes: Any,
) -> list[np.ndarray]:  # fmt: skip
    examples, _, single = strings_and_names(serialized, ())
    if not single:
        raise ValueError("Expected serialized to be a scalar")
    wanted = Wanted(
        listed_features(sparse_keys, sparse_types, "sparse_types"),
        dense_features(dense_keys, dense_defaults, dense_shapes),
    )
    return outputs_of(parse_examples(examples, wanted), single)


def feature_shapes(
    prefix: list[int | None] | None, sparse: int, dense: Sequence[Any], ragged: int
) -> list[TensorShape]:
    """The shapes of the outputs for some features.

    Args:
      prefix: the dimensions before those of the values: [] or [batch]; None where even that is unknown.
      sparse, ragged: how many there are.
      dense: the shapes of the dense ones.
    """
    rank = None if prefix is None else len(prefix) + 1
    return [
        *[TensorShape([None, rank])] * sparse,
        *[TensorShape([None])] * sparse,
        *[TensorShape([rank])] * sparse,
        *(TensorShape(None if prefix is None else prefix).concatenate(TensorShape(each)) for each in dense),
        *[TensorShape([None])] * ragged,
        *[TensorShape([None])] * ragged,
    ]


def prefix_of(call: ShapeCall) -> list[int | None] | None:
    """The batch dimension of the serialized Examples; None where their rank is unknown."""
    shape = call.shape(0)
    if shape.rank is not None and shape.rank > 1:
        raise call.error("serialized must be a scalar or a vector")
    return None if shape.rank is None else shape.as_list()


def _shapes(call: ShapeCall) -> list[TensorShape]:
    attrs = call.attrs
    ragged = len(attrs.get("ragged_value_types", ()))
    return feature_shapes(prefix_of(call), len(attrs["sparse_types"]), attrs["dense_shapes"], ragged)


op(
    "ParseExampleV2(serialized: string, names: string, sparse_keys: string, dense_keys: string, ragged_keys: string, "
    "dense_defaults: *Tdense; num_sparse, sparse_types, ragged_value_types, ragged_split_types, dense_shapes) -> "
    "(sparse_indices: num_sparse*int64, sparse_values: *sparse_types, sparse_shapes: num_sparse*int64, "
    "dense_values: *Tdense, ragged_values: *ragged_value_types, ragged_row_splits: *ragged_split_types)",
    numpy=_parse_v2,
    shape=_shapes,
    gradient=stops,
)
op(
    "ParseExample(serialized: string, names: string, sparse_keys: Nsparse*string, dense_keys: Ndense*string, "
    "dense_defaults: *Tdense; sparse_types, dense_shapes) -> (sparse_indices: Nsparse*int64, "
    "sparse_values: *sparse_types, sparse_shapes: Nsparse*int64, dense_values: *Tdense)",
    numpy=_parse,
    shape=_shapes,
    gradient=stops,
)
op(
    "ParseSingleExample(serialized: string, dense_defaults: *Tdense; num_sparse, sparse_keys, dense_keys, "
    "sparse_types, dense_shapes) -> (sparse_indices: num_sparse*int64, sparse_values: *sparse_types, "
    "sparse_shapes: num_sparse*int64, dense_values: *Tdense)",
    numpy=_parse_single,
    shape=_shapes,
    gradient=stops,
)
