"""Which strategy code runs under: the stack of scopes of a thread, and the default strategy below it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from penstock.engine.context import process, thread
from penstock.engine.export import export

if TYPE_CHECKING:
    from penstock.distribute.replica_context import ReplicaContext
    from penstock.distribute.strategy import Strategy


def default_strategy() -> Strategy:
    """The strategy where no other is in scope."""
    found = process.registry.get("default_strategy")
    if found is None:
        from penstock.distribute.strategy import Strategy

        found = process.registry["default_strategy"] = Strategy()
    return found


@export("distribute.get_strategy")
def get_strategy() -> Strategy:
    """The current strategy.

    Example:
      >>> import penstock as tf
      >>> tf.distribute.get_strategy().num_replicas_in_sync
      1
    """
    return thread.strategies[-1][0] if thread.strategies else default_strategy()


@export("distribute.has_strategy")
def has_strategy() -> bool:
    """Whether a strategy other than the default one is in scope."""
    return bool(thread.strategies)


@export("distribute.in_cross_replica_context")
def in_cross_replica_context() -> bool:
    """Whether code runs once for all replicas."""
    return bool(thread.strategies) and thread.strategies[-1][1] == "cross"


@export("distribute.get_replica_context")
def get_replica_context() -> ReplicaContext | None:
    """What the current replica knows; None where code runs once for all replicas."""
    from penstock.distribute.replica_context import ReplicaContext

    return None if in_cross_replica_context() else ReplicaContext(get_strategy())


process.registry["replica_context"] = get_replica_context  # for generators of random numbers


@export("distribute.experimental_set_strategy")
def experimental_set_strategy(strategy: Strategy | None) -> None:
    """Makes a strategy the current one until this is called again; None goes back to the default.

    Raises:
      RuntimeError: inside of a strategy's scope.
    """
    entered = process.registry.pop("entered_strategy", None)
    if entered is not None:
        entered.__exit__(None, None, None)
    if thread.strategies:
        raise RuntimeError("Must not be called inside a `tf.distribute.Strategy` scope.")
    if strategy is not None:
        scope = strategy.scope()
        scope.__enter__()
        process.registry["entered_strategy"] = scope


@contextlib.contextmanager
def context_of(strategy: Strategy, kind: str) -> Iterator[None]:
    """Code inside runs as a `"replica"`, or once for all (`"cross"`); the default strategy leaves no trace."""
    if strategy is default_strategy():
        yield
        return
    thread.strategies.append((strategy, kind))
    try:
        yield
    finally:
        thread.strategies.pop()


@contextlib.contextmanager
def making_variables(creator: Callable) -> Iterator[None]:
    """`tf.Variable(...)` inside goes through `creator` first; where it is a creator already, nothing changes."""
    outer = thread.variable_creators
    if creator not in outer:
        thread.variable_creators = (*outer, creator)
    try:
        yield
    finally:
        thread.variable_creators = outer


@export("__internal__.distribute.interim.maybe_merge_call")
def maybe_merge_call(fn: Callable, strategy: Strategy, *args: Any, **kwargs: Any) -> Any:
    """Calls `fn(strategy, *args, **kwargs)` once for all replicas."""
    if in_cross_replica_context():
        return fn(strategy, *args, **kwargs)
    return strategy._merge_call(fn, args, kwargs)


@export("__internal__.distribute.strategy_supports_no_merge_call")
def strategy_supports_no_merge_call() -> bool:
    """Whether updates need no merge call: with one replica they do not."""
    return not thread.strategies or thread.strategies[-1][0].num_replicas_in_sync == 1


@export("__internal__.distribute.variable_sync_on_read_context")
@contextlib.contextmanager
def variable_sync_on_read_context() -> Iterator[None]:
    """Variables that are synchronized on reading are so inside: outside of replicas, and in the only one, they are."""
    yield
