"""`tensorflow.python.ops.gen_math_ops` and its kin: an op for each function, by its name in snake case.

`gen_math_ops.mat_mul(a, b)` calls the op MatMul; the arguments are those of `tf.raw_ops.MatMul`, by position or name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import penstock as tf
from penstock.engine.definition import REGISTRY
from penstock.ops.raw_ops import keyword_of


@functools.cache
def _op_types(count: int) -> dict[str, str]:
    """Lower-case names without underscores -> op types; `count` is the size of the registry."""
    return {each.lower(): each for each in REGISTRY}


def __getattr__(name: str) -> Callable[..., Any]:
    """The function of an op, made when it is first asked for."""
    if name in REGISTRY:
        return getattr(tf.raw_ops, name)
    op_type = _op_types(len(REGISTRY)).get(name.replace("_", "").lower())
    if name.startswith("__") or op_type is None:
        raise AttributeError(name)
    raw = getattr(tf.raw_ops, op_type)
    signature = REGISTRY[op_type].signature
    given = [argument.name for argument in signature.inputs] + list(signature.attrs)
    parameters = [*(keyword_of(op_type, each) for each in given), "name"]

    def function(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(parameters):
            raise TypeError(f"{name}() takes at most {len(parameters)} arguments, got {len(args)}")
        return raw(**dict(zip(parameters, args)), **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The op {op_type}: {', '.join(parameters)}."
    return function
