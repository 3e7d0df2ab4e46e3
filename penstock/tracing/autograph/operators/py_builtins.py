"""Builtins that know tensors and datasets: `len`, `int`, `range`, `max`, ... called in converted code.

Where no argument is a tensor the builtin itself runs.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from penstock.tracing.autograph import overloads
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_tensor, is_tensor_array, is_tensor_list
from penstock.types import dtypes

UNSPECIFIED = object()


def _given(*values: Any) -> tuple:
    return tuple(value for value in values if value is not UNSPECIFIED)


def abs_(x: Any) -> Any:
    """`abs(x)`."""
    return (overloads.find(abs, x) or abs)(x)


def float_(x: Any = 0) -> Any:
    """`float(x)`: float32 for a tensor; a string tensor is parsed."""
    return _number(x, dtypes.float32) if is_tensor(x) else float(x)


def int_(x: Any = 0, base: Any = UNSPECIFIED) -> Any:
    """`int(x)`: int32 for a tensor; a string tensor is parsed."""
    if not is_tensor(x):
        return int(x, *_given(base))
    if base not in (10, UNSPECIFIED):
        raise NotImplementedError(f"base {base} not supported for int")
    return _number(x, dtypes.int32)


def _number(x: Any, dtype: dtypes.DType) -> Any:
    return tf.strings.to_number(x, dtype) if x.dtype is dtypes.string else tf.cast(x, dtype)


def len_(x: Any) -> Any:
    """`len(x)`: a Python int where it is known, else an int32 tensor.

    Raises:
      ValueError: `x` is a scalar tensor.
    """
    overload = overloads.find(len, x)
    if overload is not None:
        return overload(x)
    if is_tensor_array(x):
        return x.size()
    if is_tensor_list(x):
        from penstock.engine.execute import execute

        return execute("TensorListLength", [x])
    return _tensor_length(x) if is_tensor(x) else len(x)


def _tensor_length(x: Any) -> Any:
    if x.shape.rank == 0:
        raise ValueError(f"len requires a non-scalar tensor, got one of shape {x.shape}")
    if x.shape.rank is not None and x.shape[0] is not None:
        return x.shape[0]
    return x.nrows(dtypes.int32) if hasattr(x, "nrows") else tf.shape(x)[0]


def print_(*values: Any, **options: Any) -> Any:
    """`print(...)`: tensors print their values, when the graph runs."""
    unknown = set(options) - {"sep", "end", "file", "flush"}
    if unknown:
        raise ValueError(f"invalid keyword arguments: {tuple(unknown)}")
    if not any(map(is_tensor, values)):
        return print(*values, **options)
    places = [index for index, value in enumerate(values) if is_tensor(value)]
    options = {"flush": True, **options}  # so that lines of the graph and of Python come in order

    def show(*tensors: Any) -> int:
        shown = dict(zip(places, map(_printable, tensors)))
        print(*(shown.get(index, value) for index, value in enumerate(values)), **options)
        return 1

    return tf.py_function(show, [values[index] for index in places], dtypes.int32)


def _printable(tensor: Any) -> Any:
    value = tensor.numpy()
    return value.decode("utf-8") if isinstance(value, bytes) else value


def min_(*args: Any, **options: Any) -> Any:
    """`min(...)` of scalar tensors, or of the elements of a vector."""
    return _extreme("min", args, options)


def max_(*args: Any, **options: Any) -> Any:
    """`max(...)` of scalar tensors, or of the elements of a vector."""
    return _extreme("max", args, options)


def _extreme(name: str, args: tuple, options: dict) -> Any:
    if not any(map(is_tensor, args)):
        return getattr(builtins, name)(*args, **options)
    if options:
        raise ValueError(f"These keyword arguments are currently not supported: {tuple(options)}")
    reduce = {"min": tf.reduce_min, "max": tf.reduce_max}[name]
    if len(args) == 1:
        rank = args[0].shape.rank
        if rank is not None and rank > 1:
            raise ValueError(
                f"{name}(arg) currently support only tensor with rank 1, but got a tensor with rank {rank}"
            )
        return args[0] if rank == 0 else reduce(args[0], axis=0)
    for each in args:
        if is_tensor(each) and each.shape.rank != 0:
            raise ValueError(
                f"{name}(arg1, arg2, *args) currently support only scalar tensor, but got a tensor with shape "
                f"{each.shape}"
            )
    return reduce(args, axis=0)


def range_(start_or_stop: Any, stop: Any = UNSPECIFIED, step: Any = UNSPECIFIED) -> Any:
    """`range(...)`: `tf.range` where a bound is a tensor; empty, as in Python, where it ends before it starts."""
    bounds = _given(start_or_stop, stop, step)
    if not any(map(is_tensor, bounds)):
        return range(*bounds)
    if len(bounds) == 3:
        return tf.range(*bounds)
    start, end = bounds if len(bounds) == 2 else (0, *bounds)
    return tf.range(*bounds[:-1], tf.maximum(start, end))


def enumerate_(iterable: Any, start: int = 0) -> Any:
    """`enumerate(iterable, start)`."""
    return (overloads.find(enumerate, iterable) or enumerate)(iterable, start)


def zip_(*iterables: Any, strict: bool = False) -> Any:
    """`zip(*iterables)`."""
    return (overloads.find(zip, *iterables) or zip)(*iterables, strict=strict)


def map_(fn: Callable, *iterables: Any) -> Any:
    """`map(fn, *iterables)`."""
    return (overloads.find(map, *iterables) or map)(fn, *iterables)


def filter_(function: Callable | None, iterable: Any) -> Any:
    """`filter(function, iterable)`."""
    return (overloads.find(filter, iterable) or filter)(function, iterable)


def any_(iterable: Any) -> Any:
    """`any(iterable)`."""
    return (overloads.find(any, iterable) or any)(iterable)


def all_(iterable: Any) -> Any:
    """`all(iterable)`."""
    return (overloads.find(all, iterable) or all)(iterable)


def next_(iterator: Any, default: Any = UNSPECIFIED) -> Any:
    """`next(iterator)`, or `next(iterator, default)`."""
    return (overloads.find(next, iterator) or next)(iterator, *_given(default))


def sorted_(iterable: Any, key: Any = UNSPECIFIED, reverse: Any = UNSPECIFIED) -> Any:
    """`sorted(iterable)`: `tf.sort` of a vector; `key` is mapped over its elements."""
    if not is_tensor(iterable):
        options = {
            name: value for name, value in (("key", key), ("reverse", reverse)) if value is not UNSPECIFIED
        }
        return sorted(iterable, **options)
    direction = "DESCENDING" if reverse is not UNSPECIFIED and reverse else "ASCENDING"
    keys = iterable
    if key is not UNSPECIFIED and key is not None:
        keys = tf.vectorized_map(key, iterable)
    if keys.shape.rank not in (None, 1):
        raise ValueError("sort only supports only 1D tensors")
    if keys is iterable:
        return tf.sort(iterable, direction=direction)
    return tf.gather(iterable, tf.argsort(keys, direction=direction))


# Builtin -> what converted code calls instead.
OVERLOADS: dict[Any, Callable] = {
    abs: abs_,
    all: all_,
    any: any_,
    enumerate: enumerate_,
    filter: filter_,
    float: float_,
    int: int_,
    len: len_,
    map: map_,
    max: max_,
    min: min_,
    next: next_,
    print: print_,
    range: range_,
    sorted: sorted_,
    zip: zip_,
}
