"""Transformations about what goes wrong: `ignore_errors` and `assert_cardinality`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.iteration import Iteration
from penstock.types import errors


class IgnoreErrors(Dataset):
    """Leaves out elements whose computation fails, and goes on with the next."""

    def __init__(self, source: Dataset, log_warning: bool = False):
        super().__init__(source._element_spec, (source,))
        self._log = log_warning

    def _elements(self, at: Iteration) -> Iterator[list]:
        elements = at.input()
        while True:
            try:
                element = next(elements, None)
            except errors.OpError as error:
                if self._log:
                    logging.getLogger("penstock").warning("Error raised with error message %s", error.message)
                elements = at.revive_input()
                continue
            if element is None:
                return
            yield element

    def _size(self) -> int:
        return UNKNOWN


class AssertCardinality(Dataset):
    """Fails where the number of elements is another than was said."""

    def __init__(self, source: Dataset, expected: int):
        super().__init__(source._element_spec, (source,))
        self._expected = expected

    def _elements(self, at: Iteration) -> Iterator[list]:
        given = at.kept.get("given", 0)
        at.keep(lambda: {"given": given})
        for element in at.input():
            given += 1
            if 0 <= self._expected < given:
                raise self._error("more than that")
            yield element
        if self._expected == INFINITE or given < self._expected:
            raise self._error(f"{given}")

    def _error(self, found: str) -> errors.FailedPreconditionError:
        expected = "an infinite number of" if self._expected == INFINITE else self._expected
        return errors.FailedPreconditionError(
            None, None, f"Input dataset was expected to contain {expected} elements but contained {found}."
        )

    def _size(self) -> int:
        return self._expected
