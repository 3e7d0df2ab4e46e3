"""`tf.Assert`: stops a program where a condition does not hold, and shows data that explain why.

Eagerly it raises at once. In a graph the op computes nothing: its condition is looked at on the host after the
compiled piece that holds it, so a step with assertions is still one program, and raises as TensorFlow's does. What the
same piece assigns to variables has been assigned by then. Of the assertions inside compiled branches and loops, the
program says which one failed first; their data are gone by then, but for constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import Check, op
from penstock.engine.execute import execute, where
from penstock.engine.export import export
from penstock.engine.shape_rules import no_outputs
from penstock.ops.value_text import leading_values
from penstock.types import errors
from penstock.types.tensors import EagerTensor, SymbolicTensor


def _fails(xp: Any, condition: Any, data: list, *, summarize: int) -> Any:
    if np.ndim(condition) != 0:
        raise ValueError(f"In[0] should be a scalar: got shape {list(np.shape(condition))}")
    return xp.logical_not(condition)


def _error(condition: Any, data: list, *, summarize: int) -> errors.OpError:
    shown = ("?" if each is None else leading_values(each, summarize) for each in data)
    text = " ".join(f"[{each}]" for each in shown)
    return errors.InvalidArgumentError(None, None, f"assertion failed: {text}{where()}")


def _assert(condition: Any, data: list, *, summarize: int) -> tuple:
    if _fails(np, condition, data, summarize=summarize):
        raise _error(condition, data, summarize=summarize)
    return ()


op(
    "Assert(condition: bool, data: *T; summarize=3) -> ()",
    numpy=_assert,
    xla=lambda condition, data, *, summarize: (),
    check=Check(_fails, _error),
    shape=no_outputs,
    stateful=True,
)


@export("Assert", "debugging.Assert")
def Assert(condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None) -> Any:
    """Asserts that a condition is true.

    Args:
      condition: a boolean scalar.
      data: the tensors to print where it is false.
      summarize: how many values of each tensor are printed, 3 by default; -1: all.
      name: the node's name in a graph.

    Returns:
      In a graph the `Operation`; None when run eagerly.

    Raises:
      InvalidArgumentError: the condition is false.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant([1, -2])
      >>> tf.Assert(tf.reduce_all(x > 0), ["x:", x])
      Traceback (most recent call last):
      ...
      penstock.types.errors.InvalidArgumentError: Expected 'tf.Tensor(False, shape=(), dtype=bool)' to be true. \
Summarized data: b'x:'
      1, -2
    """
    symbolic = thread.graph is not None or isinstance(condition, SymbolicTensor)
    if not symbolic:
        if isinstance(condition, EagerTensor) and condition.shape.rank:
            raise ValueError(f"Assert: the condition must be a scalar, got shape {condition.shape}")
        if not condition:
            shown = "\n".join(_values_text(each, 3 if summarize is None else summarize) for each in data)
            raise errors.InvalidArgumentError(
                None, None, f"Expected '{condition!s}' to be true. Summarized data: {shown}"
            )
        return None
    condition = convert_to_tensor(condition)
    tensors = [convert_to_tensor(each) for each in data]
    return execute("Assert", (condition, tensors), {"summarize": 3 if summarize is None else summarize}, name)


def _values_text(value: Any, entries: int) -> str:
    flat = np.asarray(convert_to_tensor(value).host()).reshape(-1)
    shown = [str(each) for each in (flat if entries < 0 else flat[:entries])]
    return ", ".join([*shown, "..."] if len(shown) < flat.size else shown)
