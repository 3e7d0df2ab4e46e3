"""Assertions about ranks and shapes: `tf.debugging.assert_rank`, `assert_rank_in`, `assert_scalar`, `assert_shapes`.

What is known of a shape is checked at once, while a graph is built too (ValueError); the rest by `Assert` ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import name_scope
from penstock.ops.assert_types import assert_type
from penstock.ops.assert_values import nothing
from penstock.ops.assertions import Assert
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor


def _as_tensor(x: Any) -> Any:
    """`x`, or a tensor of it; composites (sparse, ragged) know their shape themselves."""
    return x if hasattr(x, "_type_spec") and not isinstance(x, Tensor) else convert_to_tensor(x)


def _name(x: Any) -> str:
    return "" if isinstance(x, EagerTensor) else getattr(x, "name", "")


def _dynamic_shape(x: Any) -> Any:
    if isinstance(x, Tensor):
        return execute("Shape", (x,))
    return x.dense_shape if hasattr(x, "dense_shape") else x.bounding_shape()


def _size_of(vector: Any) -> Any:
    return execute("Size", (vector,))


def _rank_tensor(rank: Any) -> Tensor:
    rank = convert_to_tensor(rank)
    assert_type(rank, dtypes.int32)
    if rank.shape.rank not in (0, None):
        raise ValueError("Rank must be a scalar.")
    return rank


def _assert_rank(
    x: Any,
    ranks: Sequence[Any],
    holds: Callable[[int, Sequence[int]], bool],
    dynamic: Callable[[Any, Sequence[Any]], Any],
    expected: Callable[[Any], str],
    data: Any,
    summarize: int | None,
    message: str | None,
    scope: str,
) -> Any:
    """Checks `holds(rank of x, known ranks)`, or builds an Assert over `dynamic(rank of x, ranks)`."""
    with name_scope(scope, scope):
        x = _as_tensor(x)
        ranks = [_rank_tensor(rank) for rank in ranks]
        start = f"{message}.  " if message else ""
        known = [constant_value(rank) for rank in ranks]
        if x.shape.rank is not None and all(rank is not None for rank in known):
            wanted = [int(rank) for rank in known]
            if holds(x.shape.rank, wanted):
                return nothing("static_checks_determined_all_ok")
            raise ValueError(
                f"{start}Tensor {_name(x)} must have {expected(wanted)}.  Received rank {x.shape.rank}, shape {x.shape}"
            )
        shape = _dynamic_shape(x)
        if data is None:
            shown = [
                each for rank, value in zip(ranks, known) for each in (rank if value is None else int(value),)
            ]
            data = [start, f"Tensor {_name(x)} must have {expected('')}", *shown, "Received shape: ", shape]
        return Assert(dynamic(_size_of(shape), ranks), data, summarize)


def _any_equal(rank: Any, ranks: Sequence[Any]) -> Any:
    found = execute("Equal", (rank, ranks[0]))
    for each in ranks[1:]:
        found = execute("LogicalOr", (found, execute("Equal", (rank, each))))
    return found


def _exact(wanted: Any) -> str:
    return f"rank {wanted[0]}" if wanted else "rank"


def _at_least(wanted: Any) -> str:
    return f"rank at least {wanted[0]}" if wanted else "rank at least"


def _within(wanted: Any) -> str:
    return f"rank in {tuple(wanted)}" if wanted else "rank in"


def _equal_rank(x: Any, rank: Any, data: Any, summarize: Any, message: Any, name: str | None) -> Any:
    return _assert_rank(
        x, [rank], lambda r, w: r == w[0], _any_equal, _exact, data, summarize, message, name or "assert_rank"
    )  # fmt: skip


def _least_rank(x: Any, rank: Any, data: Any, summarize: Any, message: Any, name: str | None) -> Any:
    return _assert_rank(
        x, [rank], lambda r, w: r >= w[0], lambda r, w: execute("GreaterEqual", (r, w[0])), _at_least, data, summarize,
        message, name or "assert_rank_at_least",
    )  # fmt: skip


def _rank_among(x: Any, ranks: Any, data: Any, summarize: Any, message: Any, name: str | None) -> Any:
    return _assert_rank(
        x, list(ranks), lambda r, w: r in w, _any_equal, _within, data, summarize, message, name or "assert_rank_in"
    )  # fmt: skip


@export("debugging.assert_rank", "assert_rank", v1=[])
def assert_rank(x: Any, rank: Any, message: str | None = None, name: str | None = None) -> Any:
    """Asserts that a tensor has a rank.

    Args:
      x: a tensor, `SparseTensor` or `RaggedTensor`.
      rank: an int32 scalar.
      message: how the error begins.
      name: the name of the nodes in a graph.

    Returns:
      In a graph an `Operation`; None when run eagerly.

    Raises:
      ValueError: the rank is known, and is another one.
      InvalidArgumentError: it is another one when the graph runs.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_rank([[1, 2]], 2)
    """
    return _equal_rank(x, rank, None, None, message, name)


@export(v1=["debugging.assert_rank", "assert_rank"])
def assert_rank_v1(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """TF 1's `assert_rank`; `data` are the tensors that the error shows."""
    return _equal_rank(x, rank, data, summarize, message, name)


@export("debugging.assert_rank_at_least", v1=[])
def assert_rank_at_least(x: Any, rank: Any, message: str | None = None, name: str | None = None) -> Any:
    """Asserts that a tensor has at least a rank; see `tf.debugging.assert_rank`."""
    return _least_rank(x, rank, None, None, message, name)


@export(v1=["debugging.assert_rank_at_least", "assert_rank_at_least"])
def assert_rank_at_least_v1(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """TF 1's `assert_rank_at_least`; `data` are the tensors that the error shows."""
    return _least_rank(x, rank, data, summarize, message, name)


@export("debugging.assert_rank_in", v1=[])
def assert_rank_in(x: Any, ranks: Iterable[Any], message: str | None = None, name: str | None = None) -> Any:
    """Asserts that a tensor has one of several ranks; see `tf.debugging.assert_rank`."""
    return _rank_among(x, ranks, None, None, message, name)


@export(v1=["debugging.assert_rank_in", "assert_rank_in"])
def assert_rank_in_v1(
    x: Any,
    ranks: Any,
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """TF 1's `assert_rank_in`; `data` are the tensors that the error shows."""
    return _rank_among(x, ranks, data, summarize, message, name)


@export("debugging.assert_scalar", v1=[])
def assert_scalar(tensor: Any, message: str | None = None, name: str | None = None) -> None:
    """Asserts that a tensor is known to be a scalar.

    Raises:
      ValueError: it is none, or its shape is not known.
    """
    assert_scalar_v1(tensor, name, message)


@export(v1=["debugging.assert_scalar", "assert_scalar"])
def assert_scalar_v1(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """TF 1's `assert_scalar`, which returns the tensor."""
    tensor = convert_to_tensor(tensor, name=name)
    if tensor.shape.rank != 0:
        start = f"{message}  " if message else ""
        of = f" for {tensor.name}" if _name(tensor) else ""
        raise ValueError(f"{start}Expected scalar shape{of}, saw shape: {tensor.shape}.")
    return tensor


class _Dimension:
    """One entry of a specified shape: which dimension of which tensor has which size or symbol."""

    def __init__(self, tensor: Any, index: int, symbol: Any):
        self.tensor, self.index, self.symbol = tensor, index, symbol

    def size(self) -> Any:
        """The size: an int where it is known, else a scalar tensor. A scalar counts as a vector of one."""
        shape = self.tensor.shape
        if shape.rank == 0:
            return 1
        if shape.rank is not None and shape[self.index] is not None:
            return int(shape[self.index])
        dynamic = _dynamic_shape(self.tensor)
        if shape.rank is None:  # it may be a scalar
            rank_one = execute(
                "ConcatV2", ([dynamic, convert_to_tensor([1], dynamic.dtype)], convert_to_tensor(0))
            )
            is_scalar = execute("Equal", (_size_of(dynamic), convert_to_tensor(0)))
            last = convert_to_tensor(self.index)
            place = (
                execute("Sub", (_size_of(dynamic), convert_to_tensor(-self.index)))
                if self.index < 0
                else last
            )
            place = execute("SelectV2", (is_scalar, convert_to_tensor(0), place))
            return execute("GatherV2", (rank_one, place, convert_to_tensor(0)), {"batch_dims": 0})
        return dynamic[self.index]

    def __str__(self) -> str:
        return f"{_label(self.tensor)} dimension {self.index}"


def _label(tensor: Any) -> str:
    return (
        f"shape={tensor.shape} dtype={tensor.dtype.name}"
        if isinstance(tensor, EagerTensor)
        else str(_name(tensor))
    )


def _known_size(symbol: Any) -> int | None:
    try:
        return None if symbol is None else int(symbol)
    except (TypeError, ValueError):
        return None


@export("debugging.assert_shapes", v1=[])
def assert_shapes(
    shapes: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> None:
    """Asserts that tensors have shapes that fit each other.

    Args:
      shapes: a dict, or a list of pairs, from tensors to shapes. The entries of a shape are sizes, symbols (a
        symbol stands for the same size everywhere), and None or `"."` for any size; the first may be `...` or
        `"*"` for any number of dimensions. A string of one-letter symbols will do. A scalar counts as `[1]`.
      data: the tensors that the error of a running graph shows.
      summarize: how many values of each.
      message: how the error begins.
      name: the name of the nodes in a graph.

    Raises:
      ValueError: the known part of the shapes does not fit.
      InvalidArgumentError: they do not fit when the graph runs.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_shapes([(tf.zeros([3, 2]), ("N", "D")), (tf.zeros([2]), ("D",))])
    """
    start = f"{message}.  " if message else ""
    pairs = list(shapes.items()) if isinstance(shapes, dict) else list(shapes)
    with name_scope(name, "assert_shapes"):
        dimensions: list[_Dimension] = []
        for value, shape in pairs:
            tensor = _as_tensor(value.deref() if hasattr(value, "deref") else value)
            dimensions += _entries(tensor, shape, data, summarize, message, start)
        sizes: dict[Any, tuple[Any, _Dimension]] = {}
        for each in dimensions:
            explicit = _known_size(each.symbol)
            if explicit is not None:
                _assert_size(each, explicit, "Specified explicitly", data, summarize, start)
            elif each.symbol in sizes:
                size, first = sizes[each.symbol]
                _assert_size(each, size, f"Specified by tensor {first}", data, summarize, start)
            else:
                sizes[each.symbol] = (each.size(), each)


@export(v1=["debugging.assert_shapes"])
def assert_shapes_v1(
    shapes: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> None:
    """TF 1's `assert_shapes`; see `tf.debugging.assert_shapes`."""
    assert_shapes(shapes, data, summarize, message, name)


def _entries(
    tensor: Any, shape: Any, data: Any, summarize: int | None, message: str | None, start: str
) -> list[_Dimension]:
    """Checks the rank of a tensor, and returns the entries of its shape that say something."""
    if shape is None:
        return []
    if not hasattr(shape, "__iter__") and not hasattr(shape, "__getitem__"):
        raise ValueError(
            f"{start}Tensor {_label(tensor)}.  Specified shape must be an iterable.  An iterable has the attribute "
            f"`__iter__` or `__getitem__`.  Received specified shape: {shape}"
        )
    symbols = shape.as_list() if isinstance(shape, TensorShape) else list(shape)
    for index, symbol in enumerate(symbols[1:], 1):
        if _is_rest(symbol):
            raise ValueError(
                f"{start}Tensor {_label(tensor)} specified shape index {index}.  Symbol `...` or `*` for a variable "
                "number of unspecified dimensions is only allowed as the first entry"
            )
    if symbols and _is_rest(symbols[0]):
        symbols = symbols[1:]
        _least_rank(tensor, len(symbols), data, summarize, message, None)
        indices = range(-len(symbols), 0)
    else:
        symbols = symbols or [1]
        if len(symbols) == 1:
            _rank_among(tensor, [0, 1], data, summarize, message, None)
        else:
            _equal_rank(tensor, len(symbols), data, summarize, message, None)
        indices = range(len(symbols))
    return [
        _Dimension(tensor, index, symbol)
        for index, symbol in zip(indices, symbols)
        if symbol is not None and symbol != "."
    ]


def _is_rest(symbol: Any) -> bool:
    return symbol is Ellipsis or (isinstance(symbol, str) and symbol == "*")


def _assert_size(
    each: _Dimension, size: Any, origin: str, data: Any, summarize: int | None, start: str
) -> None:
    actual = each.size()
    if isinstance(actual, (int, np.integer)) and isinstance(size, (int, np.integer)):
        if actual != size:
            raise ValueError(
                f"{start}{origin}.  Tensor {each} must have size {size}.  "
                f"Received size {actual}, shape {each.tensor.shape}"
            )
        return
    left, right = (convert_to_tensor(value, dtypes.int32) for value in (actual, size))
    shown = data or [
        start, origin, f"Tensor {_label(each.tensor)} dimension", each.index, "must have size", size,
        "Received shape: ", _dynamic_shape(each.tensor),
    ]  # fmt: skip
    Assert(execute("Equal", (left, right)), shown, summarize)
