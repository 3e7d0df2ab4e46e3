"""Variables that a function creates while it is traced: once, and outside of its graph."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from penstock.graph.lifting import init_scope
from penstock.types.tensors import SymbolicTensor, Tensor


def variable_creator(created: list | None, name: str, arguments: dict[int, Tensor]) -> Callable:
    """A variable creator for a trace: variables are made once, outside the graph."""

    def create(next_creator: Callable, **kwargs: Any) -> Any:
        if created is None:
            raise ValueError(
                f"tf.function-decorated function {name!r} tried to create variables on non-first call: create them once, "
                "outside the function, or on its first call only (`if self.v is None: self.v = tf.Variable(...)`)."
            )
        kwargs["initial_value"] = _outside(kwargs.get("initial_value"), arguments)
        with init_scope():
            variable = next_creator(**kwargs)
        created.append(weakref.ref(variable))
        return variable

    return create


def _outside(initial_value: Any, arguments: dict[int, Tensor]) -> Any:
    """An initial value that does not depend on the graph being traced."""
    if not isinstance(initial_value, SymbolicTensor):
        return initial_value
    from penstock.runtime.lifting import evaluate_outside

    return evaluate_outside(initial_value, arguments)
