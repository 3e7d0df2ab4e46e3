"""How variables come to be: their policies, the stack of variable creators, and the class call that goes through it.

`tf.Variable(...)` asks the creators of every enclosing `tf.variable_creator_scope`, innermost first; the last one asks
the default creator. `tf.function` and distribution strategies are such creators too.
"""

from __future__ import annotations

import contextlib
import enum
import functools
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export


@export("VariableSynchronization")
class VariableSynchronization(enum.Enum):
    """When a distributed variable's copies are brought together: on writing, on reading, or by themselves."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


@export("VariableAggregation")
class VariableAggregation(enum.Enum):
    """How the values that replicas assign to a distributed variable become one."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3


def check_policies(synchronization: Any, aggregation: Any, trainable: bool | None, name: str | None) -> bool:
    """Whether the variable is trainable.

    Raises:
      ValueError: a policy is no member of its enumeration, or they contradict each other.
    """
    if not isinstance(aggregation, VariableAggregation):
        if aggregation is not None:
            raise ValueError(f"Invalid variable aggregation mode: {aggregation} for variable: {name}")
    if not isinstance(synchronization, VariableSynchronization):
        if synchronization is not None:
            raise ValueError(f"Invalid variable synchronization mode: {synchronization} for variable: {name}")
    if synchronization is VariableSynchronization.ON_READ:
        if trainable:
            raise ValueError(
                "Synchronization value can be set to VariableSynchronization.ON_READ only for non-trainable variables. "
                "You have specified trainable=True and synchronization=VariableSynchronization.ON_READ."
            )
        return False
    return True if trainable is None else bool(trainable)


@export("variable_creator_scope")
@contextlib.contextmanager
def variable_creator_scope(variable_creator: Callable) -> Iterator[None]:
    """Inside, variables are made by `variable_creator(next_creator, **kwargs)`.

    Args:
      variable_creator: gets the next creator and the arguments of the variable; returns a variable, usually
        `next_creator(**kwargs)` with changed arguments.

    Example:
      >>> import penstock as tf
      >>> def frozen(next_creator, **kwargs):
      ...     return next_creator(**{**kwargs, "trainable": False})
      >>> with tf.variable_creator_scope(frozen):
      ...     tf.Variable(1.0).trainable
      False
    """
    outer = thread.variable_creators
    thread.variable_creators = (*outer, variable_creator)
    try:
        yield
    finally:
        thread.variable_creators = outer


def create(default_creator: Callable, arguments: dict[str, Any]) -> Any:
    """Makes a variable through the stack of creators."""
    creator = default_creator
    for outer in thread.variable_creators:
        creator = functools.partial(outer, creator)
    return creator(**arguments)


class VariableMetaclass(type):
    """Makes `tf.Variable(...)` go through the creators; subclasses are constructed as usual."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        expected = cls.__dict__.get("_creator_arguments")
        if expected is None:
            return super().__call__(*args, **kwargs)
        if len(args) > len(expected):
            raise TypeError(
                f"{cls.__name__} takes {len(expected)} positional arguments but {len(args)} were given"
            )
        arguments = dict(expected)
        arguments.update(zip(expected, args))
        for name, value in kwargs.items():
            if name not in expected:
                raise TypeError(f"{cls.__name__}.__init__() got an unexpected keyword argument {name!r}")
            arguments[name] = value
        return create(cls._default_creator, arguments)
