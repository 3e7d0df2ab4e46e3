"""`for` statements: over Python iterables as Python runs them, over tensors, ranges and datasets as graph loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.static_value import constant_value
from penstock.tracing.autograph import overloads
from penstock.tracing.autograph.operators import py_builtins, python_loops
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_dense_tensor, is_range, is_tensor
from penstock.tracing.autograph.operators.variables import Undefined
from penstock.tracing.autograph.operators.while_loops import graph_loop
from penstock.types.tensors import Tensor


def for_stmt(
    iterable: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a `for` statement.

    Args:
      iterable: what the statement iterates over.
      extra_test: says whether to go on, where the body has a `break` or `return`.
      body: runs an iteration with one element; works on the variables of the enclosing function.
      get_state: reads the variables that the body assigns.
      set_state: assigns them.
      symbol_names: what the program calls them.
      opts: what `set_loop_options` gave, and under `iterate_names` the source of the loop's target.
    """
    loop = overloads.find(overloads.FOR, iterable)
    if loop is not None:
        return loop(iterable, extra_test, body, get_state, set_state, symbol_names, opts)
    if is_range(iterable):
        return _over_range(iterable, extra_test, body, get_state, set_state, symbol_names, opts)
    if is_tensor(iterable):
        return _over_first_dimension(iterable, extra_test, body, get_state, set_state, symbol_names, opts)
    return python_loops.for_loop(iterable, extra_test, body, get_state, set_state, symbol_names)


def _over_first_dimension(tensor, extra_test, body, get_state, set_state, symbol_names, opts) -> None:
    if is_dense_tensor(tensor):
        tensor = convert_to_tensor(tensor)  # a variable is read once, before the loop
    length = py_builtins.len_(tensor)
    element = _reader(tensor, length)
    index: Any = 0

    def get_all() -> tuple:
        return (index, *get_state())

    def set_all(state: tuple) -> None:
        nonlocal index
        index, *rest = state
        set_state(tuple(rest))

    def iteration() -> None:
        nonlocal index
        body(element(index))
        index += 1

    def test() -> Any:
        return _and_then(index < length, extra_test)

    opts = _bounded(opts, length)
    graph_loop(test, iteration, get_all, set_all, ("<internal iterate>", *symbol_names), opts)


def _reader(tensor: Any, length: Any) -> Callable[[Any], Any]:
    """A function that gives the element of an index."""
    if not isinstance(tensor, Tensor):
        return lambda index: tensor[index]
    # The gradient of reading a TensorArray is a write; that of slicing a tensor would be a whole tensor of zeros.
    return tf.TensorArray(tensor.dtype, size=length).unstack(tensor).read


def _over_range(tensor, extra_test, body, get_state, set_state, symbol_names, opts) -> None:
    """Counts, without making the tensor that `tf.range` stands for."""
    start, limit, delta = tensor.op.inputs
    step = constant_value(delta)
    iterate: Any = start

    def get_all() -> tuple:
        # Where the loop's own variable is read after the loop, it must have a value before it: any will do.
        state = (
            iterate if name == opts["iterate_names"] and isinstance(value, Undefined) else value
            for name, value in zip(symbol_names, get_state())
        )
        return (iterate, *state)

    def set_all(state: tuple) -> None:
        nonlocal iterate
        iterate, *rest = state
        set_state(tuple(rest))

    def iteration() -> None:
        nonlocal iterate
        body(iterate)
        iterate += delta

    def test() -> Any:
        if step is None:
            return _and_then(
                ((delta >= 0) & (iterate < limit)) | ((delta < 0) & (iterate > limit)), extra_test
            )
        return _and_then(iterate < limit if step >= 0 else iterate > limit, extra_test)

    opts = _bounded(opts, _range_length(constant_value(start), constant_value(limit), step))
    graph_loop(test, iteration, get_all, set_all, ("<internal iterate>", *symbol_names), opts)


def _range_length(start: Any, limit: Any, step: Any) -> int | None:
    if start is None or limit is None or step is None or not step:
        return None
    return max(0, math.ceil((limit - start) / step))


def _bounded(opts: dict[str, Any], length: Any) -> dict[str, Any]:
    """`opts` with a bound on the number of iterations where that is known: gradients of the loop need one."""
    return {"maximum_iterations": length, **opts} if isinstance(length, int) else opts


def _and_then(test: Any, extra_test: Callable[[], Any] | None) -> Any:
    if extra_test is None:
        return test
    return tf.cond(test, extra_test, lambda: False)
