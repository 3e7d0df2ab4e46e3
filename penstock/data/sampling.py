"""`sample_from_datasets` and `choose_from_datasets`: which of several datasets gives the next element."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.batching import Batch
from penstock.data.combining import Zip, common_spec
from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import to_structure
from penstock.data.iteration import Iteration
from penstock.data.per_element import Map
from penstock.data.random_numbers import RandomWords
from penstock.data.sources import Random
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.random import philox
from penstock.ops.random.choice import running_weights
from penstock.ops.random.distributions import to_unit_float64
from penstock.types import dtypes, errors
from penstock.types.specs import TensorSpec
from penstock.types.tensors import SymbolicTensor, Tensor


class Chosen(Dataset):
    """Elements of several datasets in the order that a dataset of indices gives."""

    def __init__(self, datasets: list[Dataset], choice: Dataset, stop_on_empty: bool):
        if not datasets:
            raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
        spec = choice.element_spec
        if (
            not isinstance(spec, TensorSpec)
            or spec.dtype is not dtypes.int64
            or spec.shape.rank not in (0, None)
        ):
            raise TypeError(
                f"Invalid `choice_dataset`. Elements of `choice_dataset` must be scalar `tf.int64` tensors, got {spec}."
            )
        super().__init__(common_spec(datasets), (*datasets, choice))
        self._stop = bool(stop_on_empty)

    def _elements(self, at: Iteration) -> Iterator[list]:
        count = len(self._parents) - 1
        open_: set[int] = set(at.kept.get("open", range(count)))
        at.keep(lambda: {"open": sorted(open_)})
        inputs: dict[int, Iterator[list]] = {}
        for (choice,) in at.input(count):
            index = int(choice)
            chosen = inputs.get(index)
            if chosen is None:
                if not 0 <= index < count:
                    raise errors.InvalidArgumentError(
                        None, None, f"Selector index out of range: {index} >= {count}"
                    )
                chosen = inputs[index] = at.input(index) if index in open_ else iter(())
            element = next(chosen, None)
            if element is not None:
                yield element
                continue
            open_.discard(index)
            if self._stop or not open_:
                return

    def _size(self) -> int:
        if self._stop:
            return UNKNOWN
        sizes = [each._size() for each in self._parents[:-1]]
        if INFINITE in sizes:
            return INFINITE
        return UNKNOWN


class Draws(Random):
    """Numbers below `n`, without end, drawn with weights that stay the same: many at a time.

    Each is the draw of `StatelessMultinomial` whose seeds are the next two numbers of `Random`, as in TensorFlow.

    Args:
      logits: the logarithms of the weights, `[1, n]`.
    """

    _AT_ONCE = 256

    def __init__(self, logits: np.ndarray, seed: Any, rerandomize: bool):
        super().__init__(seed, rerandomize)
        self._running = running_weights(np, logits)[0]

    def _elements(self, at: Iteration) -> Iterator[list]:
        words = self._words(at)
        drawn: Iterator[int] = iter(())

        def position() -> dict:
            *seeds, count = words.position
            return {"words": (*seeds, count - 2 * operator.length_hint(drawn))}

        at.keep(position)
        while True:
            drawn = iter(self._drawn(words))
            for number in drawn:
                yield [number]

    def _drawn(self, words: RandomWords) -> list[int]:
        pairs = np.fromiter(itertools.islice(words, 2 * self._AT_ONCE), np.uint64).reshape(-1, 2)
        unit = to_unit_float64(np, *philox.first_blocks(pairs[:, 0], pairs[:, 1])[:2])
        target = unit * self._running[-1]
        return list(np.searchsorted(self._running, target, side="right"))


def sample_from_datasets(
    datasets: list[Dataset], weights: Any, seed: Any, stop_on_empty: bool, rerandomize: bool
) -> Dataset:
    """Elements drawn from several datasets at random; the draws are TensorFlow's where a seed is set.

    Raises:
      ValueError: there is no dataset, or not one weight for each. TypeError: the weights are no floats.
    """
    if not datasets:
        raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
    if isinstance(weights, Dataset):
        draws = Zip((weights, _seeds(seed, rerandomize)))
        choices: Dataset = Map(draws, lambda probabilities, pair: _draw(_logits(probabilities), pair))
        return Chosen(datasets, choices, stop_on_empty)
    if weights is None:
        logits: Any = np.ones((1, len(datasets)), np.float32)
    else:
        datasets, logits = _weighted(datasets, weights)
    if len(datasets) == 1:
        return datasets[0]
    if isinstance(logits, Tensor):
        choices = Map(_seeds(seed, rerandomize), lambda pair: _draw(logits, pair))
    else:
        choices = Draws(logits, seed, rerandomize)
    return Chosen(datasets, choices, stop_on_empty)


def _seeds(seed: Any, rerandomize: bool) -> Dataset:
    return Batch(Random(seed, rerandomize), 2, True)


def _weighted(datasets: list[Dataset], weights: Any) -> tuple[list[Dataset], Any]:
    """The datasets that have a weight, and the logarithms of the weights, `[1, datasets]`."""
    tensor = to_structure(weights)
    if tensor.dtype not in (dtypes.float32, dtypes.float64):
        raise TypeError(
            f"Invalid `weights`. `weights` type must be either `tf.float32` or `tf.float64` but is {tensor.dtype.name}."
        )
    if not tensor.shape.is_compatible_with([len(datasets)]):
        raise ValueError(
            f"Invalid `weights`. The shape of `weights` should be {[len(datasets)]}, got {tensor.shape}."
        )
    if isinstance(tensor, SymbolicTensor):
        return datasets, _logits(tensor)
    values = tensor.numpy()
    kept = [index for index, value in enumerate(values) if value > 0]
    if not kept:
        raise ValueError("Invalid `weights`. At least one weight must be greater than zero.")
    return [datasets[index] for index in kept], np.log(values[kept])[None]


def _logits(probabilities: Any) -> Tensor:
    logarithms = execute("Log", (convert_to_tensor(probabilities),))
    return execute("ExpandDims", (logarithms, convert_to_tensor(0)))


def _draw(logits: Any, pair: Any) -> Tensor:
    drawn = execute(
        "StatelessMultinomial", (logits, convert_to_tensor(1), pair), {"output_dtype": dtypes.int64}
    )
    return execute("Squeeze", (drawn,), {"squeeze_dims": [0, 1]})
