"""What libraries import from `tensorflow.python.ops.control_flow_util`: questions about the graph that code is in.

Loops and branches are functions here, and none of TF 1's control flow contexts exist, so most answers are no.
"""

from __future__ import annotations

from typing import Any

from penstock.engine import context

ENABLE_CONTROL_FLOW_V2 = True


def EnableControlFlowV2(graph: Any) -> bool:
    """Whether loops and branches of a graph are functions: always."""
    return True


def GraphOrParentsInXlaContext(graph: Any) -> bool:
    """Whether a graph is built for XLA alone: no, it is compiled as far as it can be."""
    return False


def IsInXLAContext(op: Any) -> bool:
    """Whether an operation is built for XLA alone."""
    return False


def InXlaContext(graph: Any) -> bool:
    """Whether a graph is built for XLA alone."""
    return False


def IsInWhileLoop(op: Any) -> bool:
    """Whether an operation is in the body of a loop of its own graph: bodies are graphs of their own."""
    return False


def IsInCond(op: Any) -> bool:
    """Whether an operation is in a branch of its own graph: branches are graphs of their own."""
    return False


def GetContainingWhileContext(ctxt: Any, stop_ctxt: Any = None) -> None:
    """The loop's context around a context: there is none."""


def GetContainingXLAContext(ctxt: Any) -> None:
    """XLA's context around a context: there is none."""


def enable_control_flow_v2() -> None:
    """Loops and branches are functions already."""


def get_enclosing_xla_context() -> None:
    """XLA's context around the code that runs: there is none."""


def get_device_name() -> str | None:
    """The device that `tf.device` names around the code that runs; None where it says nothing."""
    return context.thread.device or None
