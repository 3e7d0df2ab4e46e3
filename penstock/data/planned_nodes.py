"""Nodes that only the planner makes: order as arithmetic on indices, and functions of whole batches."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.batching import Batch, stack
from penstock.data.dataset import Dataset
from penstock.data.element import ElementFunction, as_eager
from penstock.data.iteration import Iteration
from penstock.engine.aligned import empty
from penstock.engine.context import thread
from penstock.graph.func_graph import FuncGraph
from penstock.runtime.executor import executor_of, to_raw
from penstock.types import dtypes, errors
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor


class Indices(Dataset):
    """The numbers of the rows of a table, as plain integers: what stands for the rows where only their order matters."""

    _cheap = True

    def __init__(self, count: int):
        super().__init__(TensorSpec([], dtypes.int64))
        self._count = count

    def _elements(self, at: Iteration) -> Iterator[Any]:
        numbers = iter(range(at.kept.get("next", 0), self._count))
        at.keep(lambda: {"next": self._count - operator.length_hint(numbers)})
        return numbers

    def _size(self) -> int:
        return self._count

    def _describe(self) -> str:
        return f"{self._count} rows"


class Rows(Dataset):
    """The rows of a table in the order that its input, a pipeline of indices, gives."""

    _cheap = True

    def __init__(self, table: Any, order: Dataset):
        super().__init__(table._element_spec, (order,))
        self._columns = [as_eager(each) for each in table._columns]

    def _elements(self, at: Iteration) -> Iterator[list]:
        columns = self._columns
        if len(columns) == 1:
            column = columns[0]
            return ([column[index]] for index in at.input())
        return ([column[index] for column in columns] for index in at.input())


class BatchedRows(Batch):
    """Batches of rows: one gather for each column."""

    def __init__(self, batch: Batch, rows: Rows):
        self.__dict__.update(batch.__dict__)
        self._parents = rows._parents
        self._columns = rows._columns

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, order, columns = int(self._batch_size), at.input(), self._columns
        in_order = isinstance(self._parents[0], Indices)
        while True:
            chosen = list(itertools.islice(order, size))
            if not chosen or (self._drop and len(chosen) < size):
                return
            if in_order:
                yield [column[chosen[0] : chosen[-1] + 1] for column in columns]
            else:
                positions = np.array(chosen, np.intp)
                yield [_gather(column, positions) for column in columns]


def _gather(column: np.ndarray, positions: np.ndarray) -> np.ndarray:
    if column.dtype.hasobject:
        return column[positions]
    out = empty((len(positions), *column.shape[1:]), column.dtype)
    # The positions are known to be inside; "clip" spares NumPy a copy that it makes to be able to fail.
    return np.take(column, positions, axis=0, out=out, mode="clip")


class BatchedMap(Batch):
    """A function of whole batches, in the place of a function of every element and a batch.

    Where it fails, the elements of that batch and of those after it are gone through one by one, so that the error, and
    what comes after it, are those of the plain pipeline.
    """

    def __init__(self, batch: Batch, source: Dataset, function: ElementFunction, graph: FuncGraph):
        self.__dict__.update(batch.__dict__)
        self._parents = (source,)
        self._functions = [function]
        self._function, self._graph = function, graph
        self._name = function.name

    def _elements(self, at: Iteration) -> Iterator[list]:
        plain, rest = at.kept.get("plain", False), at.kept.get("rest", [])
        rows = iter(rest)
        at.keep(
            lambda: {"plain": plain, "rest": rest[len(rest) - operator.length_hint(rows) :] if plain else []}
        )
        call = at.function(self._function)
        batches, size = _until_an_error(at, call), int(self._batch_size)
        if not plain:
            captured = [at.value(each) for each in self._function.captures]
            call_batch = _bound(self._graph, captured)
            for batch in batches:
                try:
                    result = call_batch(batch)
                except (errors.OpError, ValueError, ArithmeticError):
                    plain, rest = True, [list(row) for row in zip(*batch)]
                    rows = iter(rest)
                    break
                if self._drop and len(batch[0]) < size:
                    return
                yield result
        while plain:
            done: list[list] = []
            try:
                while len(done) < size:
                    row = next(rows, None)
                    if row is None:
                        following = next(batches, None)
                        if following is None:
                            break
                        rest = [list(each) for each in zip(*following)]
                        rows = iter(rest)
                        continue
                    done.append(call(row))
            except Exception:
                at.unfinished = done + at.unfinished
                raise
            if not done or (self._drop and len(done) < size):
                return
            yield [stack([as_eager(each) for each in column], i) for i, column in enumerate(zip(*done))]

    def _describe(self) -> str:
        return f"{self._name} of whole batches"


def _until_an_error(at: Iteration, call: Callable[[list], list]) -> Iterator[list]:
    """The batches of the input. In the plain pipeline the rows before an error in it have had their turn: one may fail."""
    at.unfinished = []
    if at.postponed is not None:
        error, at.postponed = at.postponed, None
        raise error
    try:
        yield from at.input()
    except Exception as error:
        rows, at.inputs[0].unfinished = at.inputs[0].unfinished, []
        try:
            at.unfinished = list(map(call, rows))
        except Exception:
            at.postponed = error
            raise
        raise


def _bound(graph: FuncGraph, captured: list) -> Callable[[list], list]:
    values = [to_raw(each) if isinstance(each, EagerTensor) else each for each in captured]
    run = executor_of(graph, prefer_host=True).run

    def call(batch: list) -> list:
        outer = thread.graph, thread.tapes
        thread.graph, thread.tapes = None, ()
        try:
            return run([*batch, *values])
        finally:
            thread.graph, thread.tapes = outer

    return call
