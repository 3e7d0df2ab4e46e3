"""`assert` statements, converted where `Feature.ASSERT_STATEMENTS` is on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_tensor


def assert_stmt(condition: Any, message: Callable[[], Any]) -> Any:
    """Runs an `assert` statement: on a tensor it is checked when the graph runs, and raises InvalidArgumentError.

    Args:
      condition: what must hold.
      message: evaluates what to say otherwise.
    """
    if not is_tensor(condition):
        assert condition, message()
        return None
    data = message()
    return tf.debugging.Assert(condition, data if isinstance(data, list) else [data])
