"""Variables that a graph loop assigns but that have no value before it.

A graph loop needs an initial value for each of its variables. The body is run once in a scratch graph; what it
assigns says what to start from: zeros, which the first iteration replaces before anything can read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.tracing.autograph.operators import consistency
from penstock.tracing.autograph.operators.lists import EmptyGraphList, empty_array
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.scratch import scratch_graph
from penstock.tracing.autograph.operators.tensors import is_tensor, is_tensor_array
from penstock.tracing.autograph.operators.variables import Undefined, is_undefined
from penstock.types import nest
from penstock.types.shapes import TensorShape


class Initial(NamedTuple):
    """Values to start a loop with, and the shape invariants that they need (None for most)."""

    values: tuple
    invariants: tuple


def filled_in(
    body: Callable[[], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    initial: tuple,
    invariants: Sequence[Any],
    names: Sequence[str],
) -> Initial:
    """The state `initial` with placeholders for its undefined values.

    Args:
      body: runs one iteration.
      get_state: reads the loop's variables.
      set_state: assigns them.
      initial: their values before the loop.
      invariants: the shape invariants that the user gave, None where none was.
      names: what they are called.

    Raises:
      ValueError: a variable has no value, and none can be made up.
      NotImplementedError: the same, for what the loop returns.
    """
    after, hint = None, None
    try:
        after = _one_iteration(body, get_state, set_state, initial)
        pairs = [
            placeholder(later, invariant, value) if _is_missing(value) else (value, None)
            for value, later, invariant in zip(initial, after, invariants, strict=True)
        ]
    except (UnboundLocalError, TypeError, ValueError, KeyError) as error:
        hint = f"Note: AutoGraph tried to define it automatically, but ran into a {type(error).__name__}: {error}"
        pairs = [(value, None) for value in initial]
    values, extra = (tuple(each) for each in zip(*pairs))
    set_state(values)
    consistency.verify_initial(values, names, after, hint)
    return Initial(values, extra)


def _one_iteration(body: Callable, get_state: Callable, set_state: Callable, initial: tuple) -> tuple:
    """The state after an iteration in a scratch graph, started as the real loop will be: with tensors for numbers."""

    def symbolic(value: Any) -> Any:
        if isinstance(value, (int, float, bool, str, np.ndarray, np.generic)):
            tensor = convert_to_tensor(value)
            return graph.add_input(tensor.dtype, tensor.shape, "variable")
        return value

    try:
        with scratch_graph() as graph:
            set_state(nest.map_structure(symbolic, initial))
            body()
            return get_state()
    finally:
        set_state(initial)


def placeholder(like: Any, invariant: Any = None, otherwise: Any = None) -> tuple[Any, Any]:
    """A value of the type, dtype and shape of `like`, with the shape invariant that a loop needs to start from it.

    Args:
      like: a tensor, a Python number, or a list, tuple or dict of them.
      invariant: the shape invariant that the user gave.
      otherwise: returned where `like` is undefined itself.

    Raises:
      TypeError: nothing can stand for such a value.
    """
    if _is_missing(like):
        return otherwise, None
    if is_tensor_array(like):
        return empty_array(like), None
    if isinstance(like, (bool, int, float)):
        return type(like)(0), None
    if is_tensor(like):
        shape = like.shape
        bound = shape if invariant is None else TensorShape(invariant)
        if bound.rank is None or shape.rank is None:
            return tf.zeros((), like.dtype), bound
        limits = bound.as_list()
        dims = [dim if dim is not None else limit or 0 for dim, limit in zip(shape.as_list(), limits)]
        return tf.zeros(dims, like.dtype), bound if None in shape.as_list() else None
    if isinstance(like, (list, tuple, dict)):
        flat = nest.flatten(like)
        limits = [None] * len(flat) if invariant is None else nest.flatten(invariant)
        pairs = [placeholder(value, limit) for value, limit in zip(flat, limits, strict=True)]
        values, invariants = zip(*pairs) if pairs else ((), ())
        return nest.pack_sequence_as(like, values), nest.pack_sequence_as(like, invariants)
    raise TypeError(
        f"Found an unsupported type '{type(like).__name__}' while creating placeholder for {like}. Supported types "
        "include Tensor, int, float, bool, list, tuple or dict."
    )


def _is_missing(value: Any) -> bool:
    return is_undefined(value) or isinstance(value, EmptyGraphList)


def missing_names(initial: Sequence[Any], names: Sequence[str]) -> str:
    """The undefined variables of a state, for a message; the return value is not one of them."""
    return ", ".join(
        name for name, value in zip(names, initial) if value is None or isinstance(value, Undefined)
    )
