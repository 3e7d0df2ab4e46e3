"""Patterns of operations: nested tuples of an op type and what its inputs are; a string stands for any tensor.

("AddV2", ("MatMul", "x", "kernel"), "bias")
"""

from __future__ import annotations

from typing import Any

_COMMUTES = {"Mul", "AddV2"}
_CHANGES_MEANING = ("transpose_a", "transpose_b")  # attributes that patterns do not speak of


def matches(pattern: Any, tensor: Any, values: dict[str, Any]) -> bool:
    """Whether a tensor is computed as a pattern says.

    Args:
      pattern: as described above; operands of sums and products may stand in either order.
      tensor: a tensor of a graph.
      values: what strings stand for; those that are not in it yet are added where the pattern matches.
    """
    if isinstance(pattern, str):
        return values.setdefault(pattern, tensor) is tensor
    kind, *parts = pattern
    operation = tensor.op
    if operation.type != kind or any(operation.attrs.get(name) for name in _CHANGES_MEANING):
        return False
    orders = [operation.inputs, operation.inputs[::-1]] if kind in _COMMUTES else [operation.inputs]
    for inputs in orders:
        attempt = dict(values)
        if all(matches(part, each, attempt) for part, each in zip(parts, inputs, strict=True)):
            values.update(attempt)
            return True
    return False
