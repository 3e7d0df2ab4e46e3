"""What a compiled program finds wrong while it runs: failing checks in branches and loops, indices that are out of range.

A program cannot stop in the middle. It takes down what it finds first, and the piece raises when it has run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from penstock.engine.xla import jnp


class NotCarriedError(Exception):
    """A branch or loop looks for failures, and the program is to be lowered so that it carries what it finds."""


class Failure:
    """What a program found wrong first; it goes through the program like a state.

    Attributes:
      value: four numbers: of the check, from 1 on (0 while all hold), and for an index that is out of range its place
        among the indices, the index, and what it must be below.
      noted: whether the program looks at anything. stops: whether it looks at indices, so that states are to stay as they
        were where one is out of range.
      settled: ids of the operations whose indices need not be looked at.
      carried: whether branches and loops carry it; without, they raise `NotCarriedError` where they would note something.
        XLA makes one kernel of a small loop that carries no more than it needs.
    """

    def __init__(self, checks: Sequence[Any], settled: Collection[int] = (), carried: bool = True):
        self.value: Any = np.zeros(4, np.int64)
        self.noted = self.stops = False
        self.settled, self.carried = settled, carried
        self._numbers = {id(operation): number for number, operation in enumerate(checks, 1)}

    def apart(self) -> Failure:
        """One for a part of the program, such as a slice of a map, that has found nothing yet."""
        other = Failure((), self.settled, self.carried)
        other._numbers = self._numbers
        return other

    @property
    def holds(self) -> Any:
        """Whether nothing is wrong so far."""
        return self.value[0] == 0

    def note(self, operation: Any, fails: Any) -> None:
        """Takes down that a check in a branch or loop failed, if `fails` is true and none did before."""
        if not self.carried:
            raise NotCarriedError
        self.take(jnp.where(fails, jnp.array([self._numbers[id(operation)], 0, 0, 0], jnp.int64), 0))

    def note_indices(
        self, operation: Any, indices: Any, outside: Any, sizes: Sequence[int], nested: bool
    ) -> None:
        """Takes down the first of the indices that are out of range, if there is one."""
        if nested and not self.carried:
            raise NotCarriedError
        self.stops = True
        outside = jnp.reshape(outside, -1)
        entry = jnp.argmax(outside)
        size = jnp.asarray(sizes)[entry % len(sizes)]
        found = [self._numbers[id(operation)], entry, jnp.reshape(indices, -1)[entry], size]
        self.take(jnp.where(outside[entry], jnp.stack([jnp.asarray(each, jnp.int64) for each in found]), 0))

    def take(self, found: Any) -> None:
        """Takes down what was found, if it is something and nothing was found before."""
        self.noted = True
        self.value = jnp.where(self.holds, found, self.value)
