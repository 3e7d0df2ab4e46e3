"""`for` loops and builtins over `tf.data` datasets and iterators; `penstock.data` registers its classes here.

A loop over a dataset is a `Dataset.reduce` whose state is the loop's variables. A loop with `break` or `return` is a
scan, cut off where the loop ends, of which the last state is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.tracing.autograph.operators import consistency, for_loops, py_builtins, returns
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.while_loops import graph_loop
from penstock.types import dtypes, nest

AUTOTUNE = -1


def register(dataset: type, iterator: type) -> None:
    """Makes converted code know a class of datasets and one of iterators."""
    for_loops.register(dataset, dataset_loop)
    for_loops.register(iterator, iterator_loop)
    py_builtins.register(next, iterator, _next)
    for builtin, overload in _DATASET_BUILTINS.items():
        py_builtins.register(builtin, dataset, overload)


def dataset_loop(
    dataset: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: Callable[[], tuple],
    set_state: Callable[[tuple], None],
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Runs a `for` statement over a dataset; the arguments are those of `for_loops.for_stmt`."""
    del opts
    initial = get_state()
    consistency.verify_initial(initial, symbol_names)
    # A state must hold something.
    start = initial or (convert_to_tensor(0),)

    def iteration(state: tuple, element: Any) -> tuple:
        if initial:
            set_state(state)
        with returns.inside_loop():
            body(element)
        if not initial:
            return state
        following = get_state()
        consistency.verify_iteration(initial, state, following, symbol_names, None, check_shapes=False)
        return following

    if extra_test is None:
        last = dataset.reduce(start, iteration)
    else:

        def guarded(state: tuple, element: Any) -> tuple:
            if initial:
                set_state(state)
            go_on = convert_to_tensor(extra_test())
            following = tf.cond(go_on, lambda: iteration(state, element), lambda: state)
            return following, (following, go_on)

        states = dataset.scan(start, guarded).take_while(lambda state, go_on: go_on)
        last = states.reduce(start, lambda previous, element: element[0])
    if initial:
        set_state(tuple(last))


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
    names = ("<internal has_next>", *symbol_names)
    has_next: Any = True

    def get_all() -> tuple:
        return (has_next, *get_state())

    def set_all(state: tuple) -> None:
        nonlocal has_next
        has_next, *rest = state
        set_state(tuple(rest))

    initial = get_all()
    consistency.verify_initial(initial, names)

    def iteration() -> None:
        nonlocal has_next
        following = iterator.get_next_as_optional()
        has_next = following.has_value()
        entry = get_all()

        def with_element() -> tuple:
            body(following.get_value())
            after = get_all()
            consistency.verify_iteration(initial, entry, after, names, None, check_shapes=False)
            return after

        set_all(tuple(tf.cond(has_next, with_element, lambda: entry)))

    def test() -> Any:
        return has_next if extra_test is None else tf.cond(has_next, extra_test, lambda: False)

    # The flag must be a tensor from the start, for the loop to be one of the graph.
    has_next = convert_to_tensor(True)
    graph_loop(test, iteration, get_all, set_all, names, opts)


def _next(iterator: Any, *default: Any) -> Any:
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


def _len(dataset: Any) -> Any:
    length = dataset.cardinality()
    known = tf.logical_and(tf.not_equal(length, -1), tf.not_equal(length, -2))  # infinite, unknown
    message = "len requires dataset with definitive cardinality, got"
    with tf.control_dependencies([tf.debugging.Assert(known, [message, length])]):
        return tf.identity(length)


def _abs(dataset: Any) -> Any:
    def absolute(*element: Any) -> Any:  # the parts of an element that is a tuple
        return nest.map_structure(tf.abs, element if len(element) > 1 else element[0])

    return dataset.map(absolute, num_parallel_calls=AUTOTUNE)


def _zip(*datasets: Any, strict: bool = False) -> Any:
    if strict:
        raise ValueError("strict zip not supported by Dataset")
    return type(datasets[0]).zip(datasets)


def _any(dataset: Any) -> Any:
    _check_boolean(dataset, "any")
    return dataset.filter(lambda x: x).take(1).reduce(convert_to_tensor(False), lambda _, y: y)


def _all(dataset: Any) -> Any:
    _check_boolean(dataset, "all")
    return dataset.filter(tf.logical_not).take(1).reduce(convert_to_tensor(True), lambda _, y: y)


def _check_boolean(dataset: Any, builtin: str) -> None:
    specs = nest.flatten(dataset.element_spec)
    if len(specs) != 1 or specs[0].dtype is not dtypes.bool:
        raise ValueError(
            f'in graph mode, the "{builtin}" builtin only supports datasets that return bool scalars; got: '
            f"{dataset.element_spec}"
        )


_DATASET_BUILTINS: dict[Callable, Callable] = {
    abs: _abs,
    all: _all,
    any: _any,
    enumerate: lambda dataset, start=0: dataset.enumerate(start),
    filter: lambda function, dataset: dataset.filter(function),
    len: _len,
    map: lambda function, *datasets: type(datasets[0]).zip(datasets).map(function),
    zip: _zip,
}
