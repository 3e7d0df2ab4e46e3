"""`Iteration`: the position in one node of a pipeline, as a Python iterator that can be saved and continued.

A node says how its elements come in `_elements(at)`, a generator that pulls from `at.input()` and tells with
`at.keep(...)` what else it needs to go on: the buffer of a shuffle, the round of a repeat. A new generator that finds
these things in `at.kept` goes on where the old one stood. So saving a position is a walk over the nodes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from penstock.types import errors
from penstock.types.tensors import SymbolicTensor

_END = object()


class Run:
    """What the iterations of one iterator share.

    Attributes:
      values: id of a symbolic tensor -> its value, for pipelines that were made inside a graph.
      options: those of the whole pipeline, which hold for its beginning too; None where nobody asked for any.
    """

    __slots__ = ("values", "options")

    def __init__(self, values: dict[int, Any] | None = None, options: Any = None):
        self.values, self.options = values or {}, options


class Iteration:
    """A position in one node.

    Attributes:
      node: the dataset. run: what it shares with the other nodes. kept: what the node kept when it was saved, or {}.
      count: elements given so far. seconds: the time they took, inputs included.
      waited: of these, seconds spent waiting for other threads.
      tuned: what AUTOTUNE has chosen: name -> number.
      unfinished: the rows of a batch that an error behind them kept from being one.
      postponed: an error that comes after another one.
    """

    __slots__ = (
        "node", "run", "kept", "count", "seconds", "waited", "tuned", "inputs", "_saved_inputs", "_describe",
        "_still", "_elements", "_broken", "unfinished", "postponed",
    )  # fmt: skip

    def __init__(self, node: Any, run: Run, saved: dict | None = None):
        self.node, self.run = node, run
        self.count, self.seconds, self.waited = 0, 0.0, 0.0
        self.tuned: dict[str, int] = {}
        self.unfinished: list[list] = []
        self.postponed: Exception | None = None
        self.inputs: dict[int, Iteration] = {}
        self.kept: dict = {}
        self._saved_inputs: dict[int, dict] = {}
        self._describe: Callable[[], dict] | None = None
        self._still: AbstractContextManager = contextlib.nullcontext()
        self._broken = False  # whether an error came out of it
        if saved is not None:
            if saved["node"] != type(node).__name__:
                raise errors.InvalidArgumentError(
                    None, None, f"The saved position is one in {saved['node']}, this pipeline has "
                    f"{type(node).__name__} in that place: restore into an iterator of the same pipeline."
                )  # fmt: skip
            self.kept, self.count = saved["kept"], saved["count"]
            self._saved_inputs = {int(index): each for index, each in saved["inputs"].items()}
        self._elements = node._elements(self)

    # What nodes call.

    def input(self, index: int = 0) -> Iterator[list]:
        """The elements of an input, from where it stands."""
        if index not in self.inputs:
            parent = self.node._parents[index]
            self.inputs[index] = Iteration(parent, self.run, self._saved_inputs.pop(index, None))
        return self.inputs[index].elements()

    def restarted(self, index: int = 0) -> Iterator[list]:
        """The elements of an input, from the first one on."""
        before = self.inputs.pop(index, None)
        self._saved_inputs.pop(index, None)
        elements = self.input(index)
        if before is not None:
            before.close()
            self.inputs[index].seconds, self.inputs[index].count = before.seconds, before.count
        return elements

    def open(self, dataset: Any, saved: dict | None = None) -> Iteration:
        """A position in a dataset that this node made, such as those of `flat_map`."""
        return Iteration(dataset, self.run, saved)

    def keep(self, describe: Callable[[], dict], still: AbstractContextManager | None = None) -> None:
        """`describe()` is what this node needs, beside the positions of its inputs, to go on from here.

        While `still` is entered, threads of this node leave the inputs alone.
        """
        self._describe = describe
        if still is not None:
            self._still = still

    def value(self, given: Any) -> Any:
        """A parameter of the node: itself, or the value of the symbolic tensor that stands for it."""
        return self.run.values[id(given)] if isinstance(given, SymbolicTensor) else given

    @property
    def options(self) -> Any:
        """The options that hold here: the node's, and those of the whole pipeline."""
        own, all_ = self.node._options, self.run.options
        return own if all_ is None else own.merge(all_)

    def function(self, function: Any) -> Callable[[list], list]:
        """`function.run`, bound to the values of the symbolic tensors that it captured."""
        captured = [self.value(each) for each in function.captures]
        return function.bound(captured)

    # What iterators call.

    def elements(self) -> Iterator[list]:
        """The elements; measured, unless the node costs less than looking at the clock."""
        return self._elements if is_cheap(self.node) else self.timed()

    def timed(self) -> Iterator[list]:
        """The elements, counted and measured."""
        advance, now = self._elements.__next__, time.perf_counter
        while True:
            started = now()
            try:
                element = advance()
            except StopIteration:
                self.seconds += now() - started
                return
            except BaseException:
                self._broken = True
                raise
            self.seconds += now() - started
            self.count += 1
            yield element

    def save(self) -> dict:
        """The position as plain data: dicts with text keys, lists, numbers, text, bytes, and arrays.

        Call it inside `still()`.
        """
        kept = self.kept if self._describe is None else self._describe()
        inputs = {str(index): each for index, each in self._saved_inputs.items()}
        inputs.update((str(index), each.save()) for index, each in self.inputs.items())
        return {"node": type(self.node).__name__, "kept": kept, "count": self.count, "inputs": inputs}

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """While this is entered, no thread moves the position."""
        with contextlib.ExitStack() as stack:
            waiting = [self]
            while waiting:  # from the consumer to the sources, so that nobody waits for a thread that waits
                each = waiting.pop()
                stack.enter_context(each._still)
                waiting.extend(each.inputs.values())
            yield

    def revive(self) -> bool:
        """Goes on after an error, with the element behind the one that failed: an error ends generators, not positions.

        Returns:
          Whether there was something to be done: generators that read from here must be made anew then, too.
        """
        below = [each.revive() for each in self.inputs.values()]
        if not self._broken and not any(below) and getattr(self._elements, "gi_frame", self) is not None:
            return False
        self._broken = False
        if getattr(self._elements, "survives_errors", False):
            return True
        self.kept = self.kept if self._describe is None else self._describe()
        self._close_elements()
        self._describe, self._still = None, contextlib.nullcontext()
        self._elements = self.node._elements(self)
        return True

    def revive_input(self, index: int = 0) -> Iterator[list]:
        """Goes on with an input that raised an error."""
        with self.inputs[index].still():
            self.inputs[index].revive()
        return self.inputs[index].elements()

    def _close_elements(self) -> None:
        close = getattr(self._elements, "close", None)
        if close is not None:
            # A generator that runs is closed by the thread that runs it, which has been told to end.
            with contextlib.suppress(ValueError):
                close()

    def close(self) -> None:
        """Ends the generators, and with them their threads."""
        self._close_elements()
        for each in self.inputs.values():
            each.close()

    def forget(self) -> None:
        """Lets go what the nodes kept; the numbers for `explain` stay."""
        self._elements = iter(())
        self._describe, self.kept, self._saved_inputs = None, {}, {}
        for each in self.inputs.values():
            each.forget()


def is_cheap(node: Any) -> bool:
    """Whether a node, with all before it, costs less than looking at the clock."""
    return node._cheap and all(is_cheap(each) for each in node._parents)


def elements_of(dataset: Any, run: Run | None = None) -> Iterator[list]:
    """The elements of a dataset, from the first one on, as flat lists of arrays."""
    iteration = Iteration(dataset, run or Run())
    try:
        yield from iteration._elements
    finally:
        iteration.close()
