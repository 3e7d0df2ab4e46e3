"""Graphs that are thrown away: code runs in one to see what it would build."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from penstock.engine import context
from penstock.graph.func_graph import FuncGraph


class ScratchGraph(FuncGraph):
    """A graph that no program will run.

    Attributes:
      probes_return: whether a variable for the return value may be missing in a branch, since the graph is built to
        find out what the loop around that branch returns.
    """

    def __init__(self, probes_return: bool = False):
        super().__init__("scratch")
        self.probes_return = probes_return


@contextlib.contextmanager
def scratch_graph(probes_return: bool = False) -> Iterator[None]:
    """Ops called inside leave no trace."""
    with context.tapes_stopped(), context.building(ScratchGraph(probes_return)):
        yield


def probes_return() -> bool:
    """Whether code runs to find out what a loop returns."""
    graph = context.thread.graph
    while graph is not None:
        if isinstance(graph, ScratchGraph) and graph.probes_return:
            return True
        graph = getattr(graph, "outer_graph", None)
    return False
