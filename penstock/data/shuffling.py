"""`shuffle`: elements drawn at random from a buffer, in the order that TensorFlow draws them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from penstock.data.dataset import UNKNOWN, Dataset, count_of
from penstock.data.iteration import Iteration
from penstock.data.random_numbers import RandomWords, dataset_seeds
from penstock.types import errors


class Shuffle(Dataset):
    """Elements drawn at random from a buffer.

    The buffer is a ring. An element is chosen among those in it, the first takes its place, and the next of the input
    takes the place of the first.
    """

    _cheap = True

    def __init__(self, source: Dataset, buffer_size: Any, seed: Any, reshuffle: bool):
        super().__init__(source._element_spec, (source,))
        size = self._parameter(count_of(buffer_size, "buffer_size", least=UNKNOWN))
        if size in (0, -1) and isinstance(size, int):
            raise errors.InvalidArgumentError(
                None, None, f"buffer_size must be greater than zero or UNKNOWN_CARDINALITY, got {size}."
            )
        self._buffer_size, self._reshuffle = size, reshuffle
        self._seeds = dataset_seeds(seed)
        self._iterations = RandomWords(*self._seeds)  # the seeds of the iterations, one after the other

    def _start(self) -> RandomWords:
        if not self._reshuffle:
            return RandomWords(*self._seeds)
        return RandomWords(next(self._iterations), next(self._iterations))

    def _elements(self, at: Iteration) -> Iterator[list]:
        if at.kept:
            self._iterations.move_to(*at.kept["iterations"])
        else:  # the order is drawn when an iterator is made, not with its first element
            at.kept = {
                "buffer": [], "first": 0, "left": None, "words": self._start().position,
                "iterations": self._iterations.position,
            }  # fmt: skip
        return self._drawn(at)

    def _drawn(self, at: Iteration) -> Iterator[list]:
        size, elements = int(at.value(self._buffer_size)), at.input()
        buffer, first, left = at.kept["buffer"], at.kept["first"], at.kept["left"]
        words = RandomWords(*at.kept["words"])
        at.keep(
            lambda: {
                "buffer": buffer, "first": first, "left": left, "words": words.position,
                "iterations": self._iterations.position,
            }
        )  # fmt: skip
        if left is None and len(buffer) != size:  # what was read before an error stays in the buffer
            buffer.extend(elements if size < 0 else itertools.islice(elements, size - len(buffer)))
        if left is None:
            if len(buffer) == size:
                for element, word in zip(elements, words):
                    index = first + word % size
                    if index >= size:
                        index -= size
                    chosen = buffer[index]
                    buffer[index] = buffer[first]
                    buffer[first] = element
                    first += 1
                    if first == size:
                        first = 0
                    yield chosen
            left = len(buffer)
        while left:
            index = (first + next(words) % left) % len(buffer)
            chosen, buffer[index] = buffer[index], buffer[first]
            buffer[first] = None
            first, left = (first + 1) % len(buffer), left - 1
            yield chosen

    def _describe(self) -> str:
        return f"buffer_size={self._buffer_size}"
