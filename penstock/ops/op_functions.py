"""Public functions that convert their arguments and call one op, made from the rows of op tables.

A table module keeps them in `__test__` as well, where doctest finds their examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from penstock.engine.export import export
from penstock.ops.arguments import binary, unary
from penstock.types.tensors import Tensor

_UNARY_DOC = """{summary}

    Args:
      x: a tensor, or a value that converts to one.
      name: the node's name in a graph.

    Returns:
      A tensor of the same shape.

    Raises:
      InvalidArgumentError: the op does not take the dtype.

    Example:
      >>> import penstock as tf
      >>> print(tf.{name}({arguments}).numpy(){rounding})
      {result}
    """

_BINARY_DOC = """{summary}

    Args:
      x: a tensor, or a value that converts to one.
      y: a tensor of the same dtype; the shapes broadcast.
      name: the node's name in a graph.

    Returns:
      A tensor of the broadcast shape.

    Raises:
      InvalidArgumentError: the dtypes differ, the op does not take them, or the shapes do not broadcast.

    Example:
      >>> import penstock as tf
      >>> print(tf.{name}({arguments}).numpy(){rounding})
      {result}
    """


def unary_function(
    op_type: str, names: str, summary: str, example: tuple[str, str], v1: Iterable[str] | None = None
) -> Callable[..., Tensor]:
    """Exports `f(x, name=None)`.

    Args:
      op_type: the op.
      names: its public names, separated by spaces; the first is the one in the example.
      summary: the first line of the docstring, with the formula.
      example: arguments and printed result of an example.
      v1: the names under `tf.compat.v1`, where they are others.
    """

    def function(x: Any, name: str | None = None) -> Tensor:
        return unary(op_type, x, name)

    return _finish(function, _UNARY_DOC, names, summary, example, v1)


def binary_function(
    op_type: str,
    names: str,
    summary: str,
    example: tuple[str, str],
    v1: Iterable[str] | None = None,
    node_name: str | None = None,
) -> Callable[..., Tensor]:
    """Exports `f(x, y, name=None)`; arguments as in `unary_function`. `node_name` is the name of nodes without one."""

    def function(x: Any, y: Any, name: str | None = None) -> Tensor:
        return binary(op_type, x, y, name or node_name)

    return _finish(function, _BINARY_DOC, names, summary, example, v1)


def _finish(
    function: Callable, doc: str, names: str, summary: str, example: tuple[str, str], v1: Iterable[str] | None
) -> Callable:
    public = names.split()
    arguments, result = example
    rounding = ".round(4)" if re.search(r"\.\d{3}", result) else ""  # last digits differ between processors
    function.__doc__ = doc.format(
        summary=summary, name=public[0], arguments=arguments, rounding=rounding, result=result
    )
    function.__name__ = function.__qualname__ = public[0].rpartition(".")[2]
    return export(*public, v1=v1)(function)
