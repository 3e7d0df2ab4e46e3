"""Datasets and iterators in converted code: `for x in dataset` and `len(dataset)` inside a `tf.function`."""

from __future__ import annotations

from penstock.data.dataset import Dataset
from penstock.data.iterator import OwnedIterator
from penstock.tracing.autograph.overloads import FOR, register

_FUNCTIONS = "penstock.tracing.autograph.operators.datasets"

register(FOR, Dataset, f"{_FUNCTIONS}:dataset_loop")
register(FOR, OwnedIterator, f"{_FUNCTIONS}:iterator_loop")
register(next, OwnedIterator, f"{_FUNCTIONS}:next_")
for _builtin in (abs, all, any, enumerate, filter, len, map, zip):
    register(_builtin, Dataset, f"{_FUNCTIONS}:{_builtin.__name__}_")
