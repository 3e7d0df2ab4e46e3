"""`rejection_resample`: elements are left out so that their classes have a wanted distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.data.dataset import Dataset
from penstock.data.element import to_structure
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS
from penstock.types import dtypes

_EXAMPLES_AT_A_TIME = 32  # after which a counted distribution is brought up to date
_SMOOTHING = 10  # elements of each class that are counted before any is seen


def rejection_resample(
    dataset: Dataset, class_func: Callable, target_dist: Any, initial_dist: Any, seed: Any
) -> Dataset:
    """See `Dataset.rejection_resample`.

    With `r = target / initial` for each class, an element comes from the data as it is with probability `min(r)`, and
    else from the elements that are kept with probability `(r - min(r)) / (max(r) - min(r))`.
    """
    target = np.asarray(to_structure(target_dist).numpy())
    classes = dataset.map(class_func)
    with_class = dataset.map(
        lambda *element: (class_func(*element), element if len(element) > 1 else element[0])
    )
    if initial_dist is None:
        initial = _counted(classes, target)
        parts = initial.map(lambda each: _acceptance(each, target))
    else:
        known = np.asarray(to_structure(initial_dist).numpy())
        acceptance, kept = _acceptance_of(known, target)
        if kept == 1:
            return with_class
        parts = Dataset.from_tensors((acceptance, kept)).repeat()
    kept_rows = Dataset.zip((parts, with_class)).filter(
        lambda part, row: execute(
            "Less", (_uniform(part[0].dtype, seed), execute("GatherV2", (part[0], row[0], convert_to_tensor(0))))
        )
    )  # fmt: skip
    filtered = kept_rows.map(lambda part, row: row).prefetch(3)
    if initial_dist is not None and kept == 0:
        return filtered
    weights = parts.map(lambda acceptance, kept: execute("Pack", ([kept, 1 - kept],), {"axis": 0}))
    return Dataset.sample_from_datasets(
        [with_class, filtered], weights=weights, seed=seed, stop_on_empty_dataset=True
    )


def _uniform(dtype: Any, seed: Any) -> Any:
    return EXPORTS["v2"]["random.uniform"]([], dtype=dtype, seed=seed)


def _acceptance_of(initial: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ratio = target / np.maximum(initial, np.finfo(initial.dtype).tiny)
    most, least = ratio.max(), ratio.min()
    spread = most - least
    return ((ratio - least) / spread if spread else np.ones_like(ratio)), least


def _acceptance(initial: Any, target: np.ndarray) -> tuple:
    axes, tiny = convert_to_tensor([0]), np.finfo(target.dtype).tiny
    ratio = execute(
        "RealDiv", (convert_to_tensor(target), execute("Maximum", (initial, convert_to_tensor(tiny, initial.dtype))))
    )  # fmt: skip
    most = execute("Max", (ratio, axes), {"keep_dims": False})
    least = execute("Min", (ratio, axes), {"keep_dims": False})
    acceptance = execute("DivNoNan", (ratio - least, most - least))
    return acceptance, least


def _counted(classes: Dataset, target: np.ndarray) -> Dataset:
    """The distribution of the classes so far, for every element."""

    def update(counts: Any, batch: Any) -> tuple:
        hot = execute(
            "OneHot", (batch, convert_to_tensor(len(target)), convert_to_tensor(np.int64(1)), convert_to_tensor(np.int64(0)))
        )  # fmt: skip
        counts = counts + execute("Sum", (hot, convert_to_tensor([0])), {"keep_dims": False})
        kind = dtypes.as_dtype(target.dtype)
        frequency = execute("Cast", (counts,), {"DstT": kind})
        total = execute("Sum", (frequency, convert_to_tensor([0])), {"keep_dims": True})
        row = execute("ExpandDims", (frequency / total, convert_to_tensor(0)))
        return counts, execute("Tile", (row, convert_to_tensor([_EXAMPLES_AT_A_TIME, 1])))

    start = np.full(len(target), _SMOOTHING, np.int64)
    return classes.batch(_EXAMPLES_AT_A_TIME).scan(start, update).unbatch()
