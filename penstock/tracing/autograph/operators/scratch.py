"""Graphs that are thrown away: code runs in one to see what it would build."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from penstock.engine import context
from penstock.graph.func_graph import FuncGraph


@contextlib.contextmanager
def scratch_graph() -> Iterator[FuncGraph]:
    """Ops called inside become nodes of a graph that no program runs."""
    graph = FuncGraph("scratch")
    with context.tapes_stopped(), context.building(graph):
        yield graph
