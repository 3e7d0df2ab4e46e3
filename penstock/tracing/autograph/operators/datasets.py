"""`for` loops and builtins over `tf.data` datasets and iterators, as `penstock.data` registers them.

A graph loop over an iterator carries the next element as an `Optional`, empty at the end. It is not fetched after a
`break`, so that the iterator stands where Python's would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.tracing.autograph.operators import python_loops
from penstock.tracing.autograph.operators.consistency import ShapeChangeError
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.while_loops import graph_loop
from penstock.types import dtypes, nest

AUTOTUNE = -1


def dataset_loop(
    dataset: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a `for` statement over a dataset; the arguments are those of `for_loops.for_stmt`.

    Unlike other loops, one over a dataset may change the shapes of its variables.
    """
    iterator = iter(dataset)
    if thread.graph is None:
        return python_loops.for_loop(iterator, extra_test, body, get_state, set_state, symbol_names)
    first = iterator.get_next_as_optional()
    names = ("<internal next>", *symbol_names)
    initial = get_state()
    invariants = list(opts.get("shape_invariants", ()))
    while True:
        options = {**opts, "shape_invariants": invariants} if invariants else opts
        try:
            return _loop(iterator, first, extra_test, body, get_state, set_state, names, options)
        except ShapeChangeError as change:
            if change.names is not names:
                raise  # it is of another loop, inside this one
            set_state(initial)
            value = initial[symbol_names.index(change.name)]
            if any(known is value and shape == change.common_shape for known, shape in invariants):
                raise  # the body does something else than change the shape
            others = [(known, shape) for known, shape in invariants if known is not value]
            invariants = [*others, (value, change.common_shape)]


def iterator_loop(
    iterator: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a `for` statement over an iterator; the arguments are those of `for_loops.for_stmt`."""
    if thread.graph is None:
        return python_loops.for_loop(iterator, extra_test, body, get_state, set_state, symbol_names)
    first = iterator.get_next_as_optional()
    names = ("<internal next>", *symbol_names)
    return _loop(iterator, first, extra_test, body, get_state, set_state, names, opts)


def _loop(iterator, following, extra_test, body, get_state, set_state, names, opts) -> None:
    """A graph loop over `following`, the first of the loop's variables, and the elements after it."""

    def get_all() -> tuple:
        return (following, *get_state())

    def set_all(state: tuple) -> None:
        nonlocal following
        following, *rest = state
        set_state(tuple(rest))

    def iteration() -> None:
        nonlocal following
        body(following.get_value())
        if extra_test is None:
            following = iterator.get_next_as_optional()
        else:
            following = tf.cond(extra_test(), iterator.get_next_as_optional, iterator._no_element)

    graph_loop(lambda: following.has_value(), iteration, get_all, set_all, names, opts)


def next_(iterator: Any, *default: Any) -> Any:
    """`next(iterator)`, or `next(iterator, default)`: the default must be like an element."""
    if not default:
        return next(iterator)
    following = iterator.get_next_as_optional()
    spec = iterator.element_spec
    try:
        nest.assert_same_structure(default[0], spec, expand_composites=True)
    except (ValueError, TypeError) as error:
        raise TypeError(
            f"the default argument must have the same element structure as the iterate.\n\n{error}"
        ) from error
    for given, expected in zip(nest.flatten(default[0]), nest.flatten(spec)):
        dtype = convert_to_tensor(given).dtype
        if dtype != expected.dtype:
            raise TypeError(
                f"the default argument must have the same dtype as the iterate. Expected {expected.dtype}, got {dtype}"
            )
    return tf.cond(following.has_value(), following.get_value, lambda: default[0])


def len_(dataset: Any) -> Any:
    """`len(dataset)`: an int64 tensor; it fails when run where the length is infinite or unknown."""
    length = dataset.cardinality()
    known = tf.logical_and(tf.not_equal(length, -1), tf.not_equal(length, -2))  # infinite, unknown
    message = "len requires dataset with definitive cardinality, got"
    with tf.control_dependencies([tf.debugging.Assert(known, [message, length])]):
        return tf.identity(length)


def abs_(dataset: Any) -> Any:
    """`abs(dataset)`: of each part of each element."""

    def absolute(*element: Any) -> Any:  # the parts of an element that is a tuple
        return nest.map_structure(tf.abs, element if len(element) > 1 else element[0])

    return dataset.map(absolute, num_parallel_calls=AUTOTUNE)


def zip_(*datasets: Any, strict: bool = False) -> Any:
    """`zip(*datasets)`."""
    if strict:
        raise ValueError("strict zip not supported by Dataset")
    return type(datasets[0]).zip(datasets)


def any_(dataset: Any) -> Any:
    """`any(dataset)`: a boolean tensor."""
    _check_boolean(dataset, "any")
    return iter(dataset.filter(lambda x: x)).get_next_as_optional().has_value()


def all_(dataset: Any) -> Any:
    """`all(dataset)`: a boolean tensor."""
    _check_boolean(dataset, "all")
    return tf.logical_not(iter(dataset.filter(tf.logical_not)).get_next_as_optional().has_value())


def _check_boolean(dataset: Any, builtin: str) -> None:
    specs = nest.flatten(dataset.element_spec)
    if len(specs) != 1 or specs[0].dtype is not dtypes.bool:
        raise ValueError(
            f'in graph mode, the "{builtin}" builtin only supports datasets that return bool scalars; got: '
            f"{dataset.element_spec}"
        )


def enumerate_(dataset: Any, start: int = 0) -> Any:
    """`enumerate(dataset, start)`."""
    return dataset.enumerate(start)


def filter_(function: Callable, dataset: Any) -> Any:
    """`filter(function, dataset)`."""
    return dataset.filter(function)


def map_(function: Callable, *datasets: Any) -> Any:
    """`map(function, *datasets)`."""
    return type(datasets[0]).zip(datasets).map(function)
