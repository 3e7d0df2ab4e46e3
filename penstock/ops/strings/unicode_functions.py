"""`tf.strings.unicode_decode`, `unicode_encode`, `unicode_split`, `unicode_transcode`, `unicode_script`."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import name_scope
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _decoded(input: Any, op_type: str, attrs: dict) -> tuple:
    """The outputs of a decoding op but the first, each with the rows of the strings: one ragged dimension more."""
    if is_ragged(input):
        return tuple(input.with_flat_values(each) for each in _decoded(input.flat_values, op_type, attrs))
    strings = convert_to_tensor(input, dtypes.string)
    rank = strings.shape.rank
    if rank is None:
        raise ValueError("Rank of `input` must be statically known.")
    if rank > 1:
        nested = RaggedTensor.from_tensor(strings, ragged_rank=rank - 1)
        return tuple(nested.with_flat_values(each) for each in _decoded(nested.flat_values, op_type, attrs))
    vector = strings if rank else execute("Reshape", (strings, convert_to_tensor([1])))
    splits, *found = execute(op_type, (vector,), attrs)
    if rank == 0:
        return tuple(found)
    return tuple(RaggedTensor.from_row_splits(each, splits, validate=False) for each in found)


def _attrs(encoding: str, errors: str, replacement: int, control: bool) -> dict:
    return {
        "input_encoding": encoding, "errors": errors, "replacement_char": replacement,
        "replace_control_characters": control,
    }  # fmt: skip


@export("strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """The code points of strings.

    Args:
      input: a string tensor or `RaggedTensor` of known rank.
      input_encoding: its encoding: "UTF-8", "UTF-16-BE", "latin1", ...
      errors: what happens to bytes that are no valid text: "replace", "ignore" (they are left out) or "strict".
      replacement_char: the code point that replaces them.
      replace_control_characters: whether control characters (below 32) are replaced, or left out, too.
      name: the scope of the nodes in a graph.

    Returns:
      An int32 `RaggedTensor` with one dimension more; for a scalar a vector.

    Raises:
      InvalidArgumentError: the encoding is not known, or `errors="strict"` and there is invalid text.

    Example:
      >>> import penstock as tf
      >>> tf.strings.unicode_decode(["ab", "c"], "UTF-8")
      <tf.RaggedTensor [[97, 98], [99]]>
    """
    with name_scope(name, "UnicodeDecode"):
        attrs = _attrs(input_encoding, errors, replacement_char, replace_control_characters)
        return _decoded(input, "UnicodeDecode", attrs)[0]


@export("strings.unicode_decode_with_offsets")
def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> tuple:
    """The code points of strings, and the byte at which each one begins (int64); see `tf.strings.unicode_decode`.

    Example:
      >>> import penstock as tf
      >>> points, starts = tf.strings.unicode_decode_with_offsets("Gök", "UTF-8")
      >>> points.numpy(), starts.numpy()
      (array([ 71, 246, 107], dtype=int32), array([0, 1, 3]))
    """
    with name_scope(name, "UnicodeDecodeWithOffsets"):
        attrs = _attrs(input_encoding, errors, replacement_char, replace_control_characters)
        return _decoded(input, "UnicodeDecodeWithOffsets", attrs)


def _characters(points: Any, encoding: str, errors: str, replacement: int) -> Any:
    """Each code point as a string of its own."""
    if is_ragged(points):
        return points.with_flat_values(_characters(points.flat_values, encoding, errors, replacement))
    column = execute("ExpandDims", (points, convert_to_tensor(-1)))
    return unicode_encode(column, encoding, "replace" if errors == "ignore" else errors, replacement)


@export("strings.unicode_split")
def unicode_split(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    name: str | None = None,
) -> Any:
    r"""Splits strings into characters.

    Args:
      input: a string tensor or `RaggedTensor` of known rank.
      input_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors, replacement_char: as for `tf.strings.unicode_decode`.
      name: the scope of the nodes in a graph.

    Returns:
      A `RaggedTensor` with one dimension more; for a scalar a vector.

    Example:
      >>> import penstock as tf
      >>> tf.strings.unicode_split("Gö", "UTF-8").numpy().tolist()
      [b'G', b'\xc3\xb6']
    """
    with name_scope(name, "UnicodeSplit"):
        points = unicode_decode(input, input_encoding, errors, replacement_char)
        return _characters(points, input_encoding, errors, replacement_char)


@export("strings.unicode_split_with_offsets")
def unicode_split_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    name: str | None = None,
) -> tuple:
    """Splits strings into characters, and says at which byte each one begins (int64); see `tf.strings.unicode_split`."""
    with name_scope(name, "UnicodeSplitWithOffsets"):
        points, starts = unicode_decode_with_offsets(input, input_encoding, errors, replacement_char)
        return _characters(points, input_encoding, errors, replacement_char), starts


@export("strings.unicode_encode")
def unicode_encode(
    input: Any,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    name: str | None = None,
) -> Any:
    """Strings of code points: one for each innermost row.

    Args:
      input: an int32 tensor or `RaggedTensor` of a rank of at least 1.
      output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors: what happens to numbers that are no characters: "replace", "ignore" or "strict".
      replacement_char: the code point that replaces them.
      name: the scope of the nodes in a graph.

    Returns:
      A string tensor or `RaggedTensor` with one dimension less.

    Raises:
      ValueError: the input is a scalar, or of unknown rank.
      InvalidArgumentError: the encoding is another one, or `errors="strict"` and a number is no character.

    Example:
      >>> import penstock as tf
      >>> tf.strings.unicode_encode([[71, 246, 107], [97, 98, 99]], "UTF-8").numpy()[1]
      b'abc'
    """
    attrs = {"output_encoding": output_encoding, "errors": errors, "replacement_char": replacement_char}
    with name_scope(name, "UnicodeEncode"):
        return _encoded(
            input if is_ragged(input) else convert_to_tensor(input, dtype_hint=dtypes.int32), attrs
        )


def _encoded(points: Any, attrs: dict) -> Any:
    if is_ragged(points):
        if is_ragged(points.values) or points.values.shape.rank != 1:
            return points.with_values(_encoded(points.values, attrs))
        return execute("UnicodeEncode", (points.values, points.row_splits), attrs)
    rank = points.shape.rank
    if rank is None:
        raise ValueError("Rank of input_tensor must be statically known.")
    if rank == 0:
        raise ValueError("input_tensor's rank must be at least 1.")
    if rank == 1:
        ends = execute("Pack", ([convert_to_tensor(0), execute("Size", (points,))],), {"axis": 0})
        row = execute("UnicodeEncode", (points, ends), attrs)
        return execute("Reshape", (row, convert_to_tensor([], dtypes.int32)))
    rows = _encoded(RaggedTensor.from_tensor(points, ragged_rank=rank - 1), attrs)
    return rows.to_tensor() if isinstance(rows, RaggedTensor) else rows


@export("strings.unicode_transcode")
def unicode_transcode(
    input: Any,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 0xFFFD,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Tensor:
    r"""Strings in another encoding.

    Args:
      input: a string tensor.
      input_encoding: its encoding: "UTF-8", "UTF-16-BE", "latin1", ...
      output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors, replacement_char, replace_control_characters: as for `tf.strings.unicode_decode`.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: an encoding is not known, or `errors="strict"` and there is invalid text.

    Example:
      >>> import penstock as tf
      >>> tf.strings.unicode_transcode("Gö", "UTF-8", "UTF-16-BE").numpy()
      b'\x00G\x00\xf6'
    """
    attrs = _attrs(input_encoding, errors, replacement_char, replace_control_characters)
    tensor = convert_to_tensor(input, dtypes.string)
    return execute("UnicodeTranscode", (tensor,), {**attrs, "output_encoding": output_encoding}, name)


@export("strings.unicode_script")
def unicode_script(input: Any, name: str | None = None) -> Tensor:
    """ICU's code of the script of each code point (25 is Latin, 14 Greek, 0 common to all); -1 for no code point.

    Example:
      >>> import penstock as tf
      >>> tf.strings.unicode_script([65, 945, 49, -1]).numpy()
      array([25, 14,  0, -1], dtype=int32)
    """
    return execute("UnicodeScript", (convert_to_tensor(input, dtypes.int32),), None, name)
