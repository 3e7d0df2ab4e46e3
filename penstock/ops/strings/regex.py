"""`tf.strings.regex_replace`, `tf.strings.regex_full_match`."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.ops.strings import regular_expressions
from penstock.ops.strings.kernels import bytes_attr, string_array
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _texts(strings: np.ndarray) -> list[str]:
    values = strings.reshape(-1).tolist()
    try:
        return list(map(bytes.decode, values))
    except UnicodeDecodeError:
        return list(map(_text, values))


def _encoded(texts: list[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:
        return [each.encode("utf-8", "surrogateescape") for each in texts]


def _replaced(strings: Any, pattern: bytes, rewrite: bytes, everywhere: bool) -> np.ndarray:
    compiled = regular_expressions.compile_pattern(pattern)
    parts = regular_expressions.rewriting(_text(rewrite), compiled.groups)
    strings = np.asarray(strings, object)
    if parts is None:
        return strings
    texts = _texts(strings)
    if everywhere and regular_expressions.matches_empty(pattern):
        texts = [regular_expressions.replace(compiled, parts, each) for each in texts]
    else:  # Python and RE2 differ only in which empty matches follow another match
        rewrite_match, count = regular_expressions.replacement(parts), 0 if everywhere else 1
        texts = [compiled.sub(rewrite_match, each, count) for each in texts]
    return string_array(_encoded(texts), strings.shape)


def _matched(strings: Any, pattern: bytes) -> np.ndarray:
    compiled = regular_expressions.compile_pattern(pattern)
    strings = np.asarray(strings, object)
    found = [each is not None for each in map(compiled.fullmatch, _texts(strings))]
    return np.array(found, bool).reshape(strings.shape)


def _scalar(value: Any, name: str) -> Any:
    if np.ndim(value) != 0:
        raise ValueError(f"{name} must be scalar, but received {list(np.shape(value))}")
    return np.asarray(value, object)[()]


op(
    "StaticRegexReplace(input: string; pattern, rewrite, replace_global=True) -> output: string",
    numpy=lambda input, *, pattern, rewrite, replace_global: _replaced(
        input, bytes_attr(pattern), bytes_attr(rewrite), replace_global
    ),
    shape=unchanged,
    gradient=stops,
)
op(
    "RegexReplace(input: string, pattern: string, rewrite: string; replace_global=True) -> output: string",
    numpy=lambda input, pattern, rewrite, *, replace_global: _replaced(
        input, _scalar(pattern, "Pattern"), _scalar(rewrite, "Rewrite"), replace_global
    ),
    shape=unchanged,
    gradient=stops,
)
op(
    "StaticRegexFullMatch(input: string; pattern) -> output: bool",
    numpy=lambda input, *, pattern: _matched(input, bytes_attr(pattern)),
    shape=unchanged,
    gradient=stops,
)
op(
    "RegexFullMatch(input: string, pattern: string) -> output: bool",
    numpy=lambda input, pattern: _matched(input, _scalar(pattern, "Pattern")),
    shape=unchanged,
    gradient=stops,
)


@export("strings.regex_replace", v1=["strings.regex_replace", "regex_replace"])
def regex_replace(
    input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None
) -> Tensor:
    r"""Replaces what matches a regular expression in RE2's syntax.

    Args:
      input: a string tensor.
      pattern: the expression, a string or a scalar tensor.
      rewrite: what is put in its place; `\1` to `\9` are groups, `\0` is the whole match.
      replace_global: False replaces the first match only.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the pattern is not valid.

    Example:
      >>> import penstock as tf
      >>> tf.strings.regex_replace("key=value", r"(\w+)=(\w+)", r"\2=\1").numpy()
      b'value=key'
    """
    strings = convert_to_tensor(input, dtypes.string)
    if isinstance(pattern, (str, bytes)) and isinstance(rewrite, (str, bytes)):
        attrs = {"pattern": pattern, "rewrite": rewrite, "replace_global": replace_global}
        return execute("StaticRegexReplace", (strings,), attrs, name)
    tensors = (strings, convert_to_tensor(pattern, dtypes.string), convert_to_tensor(rewrite, dtypes.string))
    return execute("RegexReplace", tensors, {"replace_global": replace_global}, name)


@export("strings.regex_full_match")
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Whether a regular expression in RE2's syntax matches the whole of each string.

    Args:
      input: a string tensor.
      pattern: the expression, a string or a scalar tensor.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the pattern is not valid.

    Example:
      >>> import penstock as tf
      >>> tf.strings.regex_full_match(["TF lib", "lib TF"], ".*lib$").numpy()
      array([ True, False])
    """
    strings = convert_to_tensor(input, dtypes.string)
    if isinstance(pattern, (str, bytes)):
        return execute("StaticRegexFullMatch", (strings,), {"pattern": pattern}, name)
    return execute("RegexFullMatch", (strings, convert_to_tensor(pattern, dtypes.string)), None, name)
