"""`tf.print`, `tf.strings.format` and TF 1's `tf.Print`.

They run on the host: in a graph, after the compiled piece that computes what they show.
"""

from __future__ import annotations

import os
import pprint
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import no_outputs, scalar, unchanged
from penstock.ops.debug_settings import get_logger
from penstock.ops.ragged.tensor import is_ragged
from penstock.ops.ragged.text import ragged_text
from penstock.ops.strings.joining import join
from penstock.ops.value_text import leading_values, summary
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import Tensor


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _format(inputs: list, *, template: Any, placeholder: Any, summarize: int) -> bytes:
    template, placeholder = (
        each.decode() if isinstance(each, bytes) else each for each in (template, placeholder)
    )
    parts = template.split(placeholder)
    if len(parts) != len(inputs) + 1:
        raise ValueError(f"template {template!r} has {len(parts) - 1} placeholders for {len(inputs)} inputs")
    shown = [summary(each, summarize) for each in inputs]
    return _encode("".join(text for pair in zip(parts, [*shown, ""]) for text in pair))


op(
    "StringFormat(inputs: *T; template='%s', placeholder='%s', summarize=3) -> output: string",
    numpy=_format,
    shape=scalar,
)


def _write_line(stream: str) -> Callable[[str], None]:
    """What writes text to an output stream named as in TensorFlow's PrintV2."""
    if stream == "stdout":
        return lambda text: _write(sys.stdout, text)
    if stream == "stderr":
        return lambda text: _write(sys.stderr, text)
    if stream.startswith("log("):
        level = stream[4:-1]
        return lambda text: getattr(get_logger(), level)(text.rstrip("\n"))
    if stream.startswith("file://"):
        return lambda text: _append(stream.removeprefix("file://"), text)
    raise ValueError(f"unknown output stream {stream!r}")


def _write(file: Any, text: str) -> None:
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(text.encode("utf-8", "surrogateescape").decode(encoding, "replace"))
    file.flush()


def _append(path: str, text: str) -> None:
    with open(os.fspath(path), "ab") as file:
        file.write(_encode(text))


def _print(input: Any, *, output_stream: str, end: str) -> tuple:
    stream, end = (each.decode() if isinstance(each, bytes) else each for each in (output_stream, end))
    text = input[()] if hasattr(input, "shape") else input
    with process.lock:  # lines of several threads do not mix
        _write_line(stream)(text.decode("utf-8", "surrogateescape") + end)
    return ()


op(
    "PrintV2(input: string; output_stream='stderr', end='\\n') -> ()",
    numpy=_print,
    shape=no_outputs,
    stateful=True,
)


def _print_v1(input: Any, data: list, *, message: Any, first_n: int, summarize: int, _printed: list) -> Any:
    if first_n < 0 or _printed[0] < first_n:
        _printed[0] += 1
        message = message.decode() if isinstance(message, bytes) else message
        _write(sys.stderr, message + "".join(f"[{leading_values(each, summarize)}]" for each in data) + "\n")
    return input


# `_printed` counts the lines of one node.
op(
    "Print(input: T, data: *U; message='', first_n=-1, summarize=3, _printed=None) -> output: T",
    numpy=lambda input, data, *, _printed=None, **attrs: _print_v1(
        input, data, _printed=_printed or [0], **attrs
    ),
    shape=unchanged,
    gradient=lambda call, dy: [dy, *[None] * (len(call.inputs) - 1)],
    stateful=True,
)


# Public functions.


@export("strings.format")
def string_format(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
) -> Tensor:
    """Puts tensors into a text.

    Args:
      template: the text, with one `placeholder` for each tensor.
      inputs: a tensor, or a list or tuple of tensors.
      placeholder: what is replaced.
      summarize: how many values are shown at the start and the end of each dimension; -1: all.
      name: the node's name in a graph.

    Returns:
      A string scalar.

    Raises:
      ValueError: the numbers of placeholders and tensors differ.

    Example:
      >>> import penstock as tf
      >>> tf.strings.format("loss {}, counts {}", (tf.constant(0.5), tf.range(10))).numpy()
      b'loss 0.5, counts [0 1 2 ... 7 8 9]'
    """
    if not isinstance(inputs, (list, tuple)):
        inputs = [inputs]
    expected = template.count(placeholder)
    if expected != len(inputs):
        raise ValueError(
            f"The template expects {expected} tensors, but the inputs only has {len(inputs)}. "
            "Please ensure the number of placeholders in template matches inputs length."
        )
    if any(is_ragged(each) for each in inputs):
        pieces = template.split(placeholder)
        text = "".join(f"{piece}\x00{index}\x00" for index, piece in enumerate(pieces[:-1])) + pieces[-1]
        return _filled(
            text, [each if is_ragged(each) else convert_to_tensor(each) for each in inputs], summarize
        )
    tensors = [convert_to_tensor(each) for each in inputs]
    attrs = {"template": template, "placeholder": placeholder, "summarize": summarize}
    return execute("StringFormat", (tensors,), attrs, name)


def _stream_name(output_stream: Any) -> str:
    """TensorFlow's name of an output stream given as a file object, function or name.

    Raises:
      ValueError: it is none of those that are known.
    """
    logger = get_logger()
    for level in ("info", "warning", "error"):
        if getattr(output_stream, "__name__", None) == level and (
            output_stream == getattr(logger, level, None)
            or "logging" in getattr(output_stream, "__module__", "")
        ):
            return f"log({level})"
    if isinstance(output_stream, str):
        if output_stream in ("stdout", "stderr") or output_stream.startswith(("file://", "log(")):
            return output_stream
    elif output_stream is sys.stdout or getattr(output_stream, "name", "") in ("<stdout>", "stdout"):
        return "stdout"
    elif output_stream is sys.stderr or getattr(output_stream, "name", "") in ("<stderr>", "stderr"):
        return "stderr"
    raise ValueError(
        f"Unsupported output stream, logging level, or file.{output_stream}. Supported streams are sys.stdout, "
        "sys.stderr, tf.logging.info, tf.logging.warning, tf.logging.error. File needs to be in the form of "
        "'file://<filepath>'."
    )


_PLACEHOLDER = "{}"
_MARKS = re.compile("\x00(\\d+)\x00")  # each stands for a tensor in the text of a Python structure


@export("print")
def print_v2(
    *inputs: Any,
    output_stream: Any = None,
    end: str = "\n",
    summarize: int = 3,
    sep: str = " ",
    name: str | None = None,
    **unknown: Any,
) -> Any:
    """Prints tensors and Python values, when the op runs.

    Args:
      *inputs: what to print; tensors inside lists, tuples and dicts are shown too.
      output_stream: `sys.stderr` (the default), `sys.stdout`, `tf.compat.v1.logging.info`, ..., or `"file://path"`,
        to which is appended.
      end: what follows.
      summarize: how many values are shown at the start and the end of each dimension; -1: all.
      sep: what stands between the inputs.
      name: the node's name in a graph.

    Returns:
      In a graph the `Operation`, which runs in program order inside `tf.function`; None when run eagerly.

    Raises:
      ValueError: the stream or an argument is not known.

    Example:
      >>> import sys
      >>> import penstock as tf
      >>> tf.print("x:", tf.range(8), {"a": tf.constant([1.5])}, output_stream=sys.stdout)
      x: [0 1 2 ... 5 6 7] {'a': [1.5]}
    """
    if unknown:
        raise ValueError(f"Unrecognized keyword arguments for tf.print: {unknown}")
    stream = "stderr" if output_stream is None else _stream_name(output_stream)
    tensors: list[Any] = []
    text = sep.join(_text_of(each, tensors) for each in inputs)
    if tensors or thread.graph is not None:
        line = _filled(text, tensors, summarize)
    else:
        line = convert_to_tensor(text)
    return execute("PrintV2", (line,), {"output_stream": stream, "end": end}, name)


def _filled(text: str, tensors: list, summarize: int) -> Tensor:
    """The text with the values of tensors at their marks. A dict prints in another order than it flattens in."""
    parts: list[Any] = []  # strings that follow each other: formats of tensors, and ragged tensors
    pending, position = "", 0
    for mark in _MARKS.finditer(text):
        tensor = tensors[int(mark[1])]
        if is_ragged(tensor):
            parts += [_formatted(pending + text[position : mark.start()], tensors, summarize)]
            parts += [ragged_text(tensor, summarize)]
            pending = ""
        else:
            pending += text[position : mark.end()]
        position = mark.end()
    parts.append(_formatted(pending + text[position:], tensors, summarize))
    return parts[0] if len(parts) == 1 else join(parts)


def _formatted(text: str, tensors: list, summarize: int) -> Tensor:
    order = [tensors[int(index)] for index in _MARKS.findall(text)]
    placeholder = _PLACEHOLDER if _PLACEHOLDER not in text else "\x00"
    attrs = {"template": _MARKS.sub(placeholder, text), "placeholder": placeholder, "summarize": summarize}
    return execute("StringFormat", (order,), attrs)


def _mark(tensor: Any, tensors: list) -> str:
    tensors.append(tensor)
    return f"\x00{len(tensors) - 1}\x00"


class _Verbatim:
    """Prints as the given text."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _text_of(value: Any, tensors: list) -> str:
    """The text of one input, with marks for its tensors, which are appended to `tensors`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if nest.is_nested(value) and not isinstance(value, CompositeTensor):
        shown = nest.map_structure(lambda each: _Verbatim(_leaf(each, tensors)), value)
        return pprint.pformat(shown, width=sys.maxsize)
    return _leaf(value, tensors)


def _leaf(value: Any, tensors: list) -> str:
    if isinstance(value, CompositeTensor):
        return _composite_text(value, tensors)
    if isinstance(value, Tensor) or (hasattr(value, "__tf_tensor__") and not isinstance(value, type)):
        return _mark(convert_to_tensor(value), tensors)
    return repr(value)


def _composite_text(value: Any, tensors: list) -> str:
    """Sparse tensors show their parts, in quotes as TensorFlow's do; other composites their tensors."""
    if hasattr(value, "dense_shape") and hasattr(value, "indices"):
        parts = {"indices": value.indices, "values": value.values, "shape": value.dense_shape}
        shown = ", ".join(
            f"{name}={_mark(part, tensors)}" for name, part in parts.items() if part is not None
        )
        return f"'{type(value).__name__}({shown})'"
    if is_ragged(value):
        return _mark(value, tensors)
    parts = nest.flatten(value, expand_composites=True)
    return f"{type(value).__name__}({', '.join(_mark(part, tensors) for part in parts)})"


@export(v1=["Print"])
def Print(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """TF 1's printing identity: passes `input_` on, and prints `message` and the first values of `data` to stderr.

    Args:
      input_: the tensor to return.
      data: the tensors to print.
      message: what the line begins with.
      first_n: print only so many times; all by default.
      summarize: how many values of each tensor, 3 by default.
      name: the node's name in a graph.
    """
    attrs = {
        "message": message or "",
        "first_n": -1 if first_n is None else first_n,
        "summarize": 3 if summarize is None else summarize,
        "_printed": [0],
    }
    return execute(
        "Print", (convert_to_tensor(input_), [convert_to_tensor(each) for each in data]), attrs, name
    )
