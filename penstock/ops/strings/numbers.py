"""Numbers as text and back: `tf.strings.as_string`, `tf.strings.to_number`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.ops.arguments import renamed
from penstock.ops.dtype_sets import BOOL, NUMBERS
from penstock.ops.strings.kernels import string_array, text_attr
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor


def _format(kind: str, precision: int, scientific: bool, shortest: bool, width: int, fill: str) -> str:
    """The printf conversion of one number."""
    floating = kind in "fcV"
    if fill not in ("", " ", "-", "0", "+"):
        raise ValueError(
            f'Fill argument not supported: "{fill}"'
            if len(fill) == 1
            else "Fill string must be one or fewer characters"
        )
    if not floating and (scientific or shortest):
        raise ValueError("scientific and shortest format not supported for this datatype: it is not floating")
    if not floating and precision >= 0:
        raise ValueError("precision not supported for this datatype: it is not floating")
    if scientific and shortest:
        raise ValueError("Cannot select both scientific and shortest notation")
    size = (str(width) if width >= 0 else "") + (f".{precision}" if precision >= 0 else "")
    letter = "d" if not floating else "e" if scientific else "g" if shortest else "f"
    return f"%{fill}{size}{'s' if kind == 'O' else letter}"


def _as_string(
    input: Any, *, precision: int, scientific: bool, shortest: bool, width: int, fill: Any
) -> np.ndarray:
    input = np.asarray(input)
    kind = input.dtype.kind
    form = _format(kind, precision, scientific, shortest, width, text_attr(fill))
    if kind == "b":
        return np.where(input, b"true", b"false").astype(object)
    flat: Any = input.reshape(-1)
    words: Iterable[bytes]
    if kind == "c":
        words = (f"({form % each.real},{form % each.imag})".encode() for each in flat.tolist())
    elif kind == "O":
        words = map(form.encode().__mod__, flat.tolist())
    else:
        numbers = flat.astype(np.float64).tolist() if kind in "fV" else flat.tolist()
        lines = "\n".join([form] * len(numbers)) % tuple(numbers)  # one call of printf for all
        words = lines.encode().split(b"\n")
    return string_array(words, input.shape)


op(
    "AsString(input: T; precision=-1, scientific=False, shortest=False, width=-1, fill='') -> output: string",
    numpy=_as_string,
    shape=unchanged,
    gradient=stops,
    types={"T": NUMBERS | BOOL | {dtypes.string}},
)

_NUMBER_TYPES = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.uint32, dtypes.uint64)
_INTEGER = re.compile(rb"\s*[+-]?[0-9]+\s*")
_HEXADECIMAL = re.compile(rb"\s*([+-]?)0[xX]([0-9a-fA-F]+)\s*")


def _parse_float(text: bytes) -> float:
    if b"_" not in text:
        try:
            return float(text)
        except ValueError:
            found = _HEXADECIMAL.fullmatch(text)
            if found is not None:
                return float(int(found[1] + found[2], 16))
    raise _no_number(text)


def _no_number(text: bytes) -> ValueError:
    return ValueError(
        f"StringToNumberOp could not correctly convert string: {text.decode('utf-8', 'replace')}"
    )


def _integer_parser(dtype: Any) -> Callable[[bytes], int]:
    limits = np.iinfo(dtype)

    def parse(text: bytes) -> int:
        if _INTEGER.fullmatch(text):
            value = int(text)
            if limits.min <= value <= limits.max:
                return value
        raise _no_number(text)

    return parse


def _plain_numbers(texts: list[bytes], dtype: Any) -> np.ndarray | None:
    """The numbers of texts that Python itself reads as TensorFlow does; None where one needs `_parsed`."""
    if b"_" in b"".join(texts):
        return None  # Python takes 1_000
    try:
        if dtype.is_floating:
            return np.fromiter(map(float, texts), np.float64, len(texts))
        return np.array(list(map(int, texts)), dtype.as_numpy_dtype)
    except (ValueError, OverflowError):
        return None


def _parsed(texts: list[bytes], dtype: Any) -> np.ndarray:
    """The numbers, one by one.

    Raises:
      ValueError: a text holds no number of this dtype.
    """
    if dtype.is_floating:
        return np.fromiter(map(_parse_float, texts), np.float64, len(texts))
    return np.array(list(map(_integer_parser(dtype.as_numpy_dtype), texts)), dtype.as_numpy_dtype)


def _to_number(string_tensor: Any, *, out_type: Any) -> np.ndarray:
    dtype = as_dtype(out_type)
    if dtype not in _NUMBER_TYPES:
        listed = ", ".join(each.name for each in _NUMBER_TYPES)
        raise ValueError(f"out_type is {dtype.name}, which is not in the list of allowed values: {listed}")
    strings = np.asarray(string_tensor, object)
    texts = strings.reshape(-1).tolist()
    values = _plain_numbers(texts, dtype)
    if values is None:
        values = _parsed(texts, dtype)
    # An infinity is the nearest float32 to a larger number.
    with np.errstate(over="ignore"):
        return values.astype(dtype.as_numpy_dtype).reshape(strings.shape)


op(
    "StringToNumber(string_tensor: string; out_type=float32) -> output: out_type",
    numpy=_to_number,
    shape=unchanged,
    gradient=stops,
)


@export("strings.as_string", "as_string", v1=["strings.as_string", "as_string", "dtypes.as_string"])
def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Tensor:
    """Each element as text.

    Args:
      input: a tensor of numbers, bools or strings.
      precision: digits after the point of floating numbers; 6 where it is negative.
      scientific: floating numbers as `1.5e+00`.
      shortest: floating numbers as `1.5`.
      width: the text is padded on the left to so many characters.
      fill: "0" pads with zeros, "-" on the right, "+" shows the sign of positive numbers, " " leaves room for it.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: an option does not go with the dtype or with another option.

    Example:
      >>> import penstock as tf
      >>> tf.strings.as_string([3.14159, -1.0], precision=2).numpy().tolist()
      [b'3.14', b'-1.00']
    """
    attrs = {
        "precision": precision, "scientific": scientific, "shortest": shortest, "width": width, "fill": fill
    }  # fmt: skip
    return execute("AsString", (convert_to_tensor(input),), attrs, name)


@export("strings.to_number", v1=[])
def to_number(input: Any, out_type: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """The numbers that strings hold.

    Args:
      input: a string tensor.
      out_type: float32, float64, int32, int64, uint32 or uint64.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: a string holds no number of this dtype.

    Example:
      >>> import penstock as tf
      >>> tf.strings.to_number(["1.5", "-2e3"]).numpy()
      array([ 1.5e+00, -2.0e+03], dtype=float32)
    """
    tensor = convert_to_tensor(input, dtypes.string)
    return execute("StringToNumber", (tensor,), {"out_type": as_dtype(out_type)}, name)


@export(v1=["strings.to_number", "string_to_number"])
def to_number_v1(
    string_tensor: Any = None, out_type: Any = dtypes.float32, name: str | None = None, input: Any = None
) -> Tensor:
    """TF 1's names of the arguments of `tf.strings.to_number`."""
    return to_number(renamed(input, string_tensor, "input and string_tensor"), out_type, name)
