"""Datasets and iterators in converted code: `for x in dataset` and `len(dataset)` inside a `tf.function`."""

from __future__ import annotations

from penstock.data.dataset import Dataset
from penstock.data.iterator import OwnedIterator
from penstock.tracing.autograph.operators import datasets

datasets.register(Dataset, OwnedIterator)
