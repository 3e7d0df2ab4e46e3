"""Replicas as threads that take turns: how a distributed program runs eagerly, and where its code needs the host."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.ops.collectives import Exchange, Replica, ReplicaStopped


def run_replicas(count: int, function: Callable[[int], Any], workers: int = 1, worker: int = 0) -> list[Any]:
    """`function(replica)` for each replica of this process, on a thread of its own that sees this thread's context.

    Args:
      count: how many replicas. function: as said.
      workers, worker: among how many processes all replicas are spread, and which of them this is.

    Returns:
      The results in the order of the replicas.

    Raises:
      The error of the first replica that fails; the others end where they wait.
    """
    exchange = Exchange(count)
    outer = dict(thread.__dict__)
    results: list[Any] = [None] * count
    problems: list[BaseException | None] = [None] * count

    def work(replica: int) -> None:
        thread.__dict__.update(outer, strategies=list(outer["strategies"]), sessions=list(outer["sessions"]))
        thread.replica = Replica(count, replica, exchange, shared={}, workers=workers, worker=worker)
        try:
            exchange.wait_for_turn(replica)
            results[replica] = function(replica)
        except BaseException as problem:
            problems[replica] = problem
        finally:
            exchange.leave(replica, problems[replica] is not None)

    threads = [threading.Thread(target=work, args=(each,), name=f"replica-{each}") for each in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = [each for each in problems if each is not None]
    if found:
        raise next((each for each in found if not isinstance(each, ReplicaStopped)), found[0])
    return results
