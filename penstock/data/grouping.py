"""`group_by_window` and `group_by_reducer`: elements that have a key in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset, count_of
from penstock.data.dataset_spec import DatasetSpec
from penstock.data.element import ElementFunction, Layout
from penstock.data.iteration import Iteration
from penstock.data.per_element import with_stable_state
from penstock.data.windowing import Listed
from penstock.engine.export import export
from penstock.types import dtypes, errors
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor

_KEY = TensorSpec([], dtypes.int64)


def _key_function(function: Callable, source: Dataset) -> ElementFunction:
    traced = ElementFunction(function, source._layout)
    result = traced.result
    if (
        not isinstance(result, Tensor)
        or result.dtype is not dtypes.int64
        or result.shape.rank not in (0, None)
    ):
        raise ValueError(
            f"Invalid `key_func`. Expected `key_func` to return a scalar tf.int64 tensor, but got {traced.output_spec}."
        )
    return traced


class GroupByWindow(Dataset):
    """What a function makes of the windows of elements with one key."""

    def __init__(
        self,
        source: Dataset,
        key_func: Callable,
        reduce_func: Callable,
        size: Any,
        size_func: Callable | None,
    ):
        if (size is None) == (size_func is None):
            raise ValueError(
                "Either the `window_size` argument or the `window_size_func` argument must be specified."
            )
        self._key = _key_function(key_func, source)
        self._reduce = ElementFunction(reduce_func, Layout((_KEY, DatasetSpec(source._element_spec))))
        if not isinstance(self._reduce.result, Dataset):
            raise TypeError(
                f"Invalid `reduce_func`. `reduce_func` must return a single `tf.data.Dataset`, got {self._reduce.result!r}."
            )
        super().__init__(self._reduce.result.element_spec, (source,))
        self._call(self._key, self._reduce)
        self._fixed = self._width = None
        if size_func is None:
            self._fixed = self._parameter(count_of(size, "window_size"))
        else:
            self._width = ElementFunction(size_func, Layout(_KEY))
            self._call(self._width)

    def _elements(self, at: Iteration) -> Iterator[list]:
        key_of, reduce, elements = at.function(self._key), at.function(self._reduce), at.input()
        width = None if self._width is None else at.function(self._width)
        groups: dict[int, list] = {int(key): rows for key, rows in at.kept.get("groups", ())}
        group, inner = at.kept.get("group"), None  # the window that is being given out
        if group is not None:
            inner = at.open(
                reduce([np.int64(group[0]), Listed(self._parents[0]._element_spec, group[1])])[0],
                at.kept["inner"],
            )
        at.keep(
            lambda: {
                "groups": list(groups.items()), "group": group, "inner": None if inner is None else inner.save()
            }
        )  # fmt: skip
        while True:
            if group is None:
                group = self._full(groups, key_of, width, elements, at)
                if group is None:
                    return
                rows = Listed(self._parents[0]._element_spec, group[1])
                inner = at.open(reduce([np.int64(group[0]), rows])[0])
            yield from inner._elements
            group = inner = None

    def _full(
        self, groups: dict, key_of: Callable, width: Callable | None, elements: Iterator, at: Any
    ) -> Any:
        """The key and the elements of the next window: a full one, or at the end what is left, in the order of keys."""
        for element in elements:
            key = int(key_of(element)[0])
            rows = groups.setdefault(key, [])
            rows.append(element)
            size = int(at.value(self._fixed)) if width is None else int(width([np.int64(key)])[0])
            if size <= 0:
                raise errors.InvalidArgumentError(
                    None, None, f"Window size must be greater than zero, got {size}."
                )
            if len(rows) >= size:
                return key, groups.pop(key)
        if not groups:
            return None
        first = min(groups)
        return first, groups.pop(first)

    def _size(self) -> int:
        return INFINITE if self._parents[0]._size() == INFINITE else UNKNOWN


@export("data.experimental.Reducer")
class Reducer:
    """How elements with one key become one: three functions for `group_by_reducer`.

    Args:
      init_func: key -> state. reduce_func: (state, element) -> state. finalize_func: state -> result.
    """

    def __init__(self, init_func: Callable, reduce_func: Callable, finalize_func: Callable):
        self._init_func, self._reduce_func, self._finalize_func = init_func, reduce_func, finalize_func

    @property
    def init_func(self) -> Callable:
        """Key -> state."""
        return self._init_func

    @property
    def reduce_func(self) -> Callable:
        """(state, element) -> state."""
        return self._reduce_func

    @property
    def finalize_func(self) -> Callable:
        """State -> result."""
        return self._finalize_func


class GroupByReducer(Dataset):
    """What a reducer makes of all elements with one key, in the order of the keys."""

    def __init__(self, source: Dataset, key_func: Callable, reducer: Reducer):
        self._key = _key_function(key_func, source)
        self._init = ElementFunction(reducer.init_func, Layout(_KEY))
        layout, self._reduce = with_stable_state(self._init.output_spec, source._layout, reducer.reduce_func)
        self._finalize = ElementFunction(reducer.finalize_func, layout)
        super().__init__(self._finalize.output_spec, (source,))
        self._call(self._key, self._init, self._reduce, self._finalize)

    def _elements(self, at: Iteration) -> Iterator[list]:
        key_of, start, add, finish = (
            at.function(each) for each in (self._key, self._init, self._reduce, self._finalize)
        )
        states: dict[int, list] = {int(key): state for key, state in at.kept.get("states", ())}
        at.keep(lambda: {"states": list(states.items())})
        for element in at.input():
            key = int(key_of(element)[0])
            state = states[key] if key in states else start([np.int64(key)])
            states[key] = add([*state, *element])
        while states:
            yield finish(states.pop(min(states)))

    def _size(self) -> int:
        return UNKNOWN
