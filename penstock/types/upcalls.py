"""Functions of higher layers that types need: none is imported, each is set here by the layer that has it.

Specs and extension types hold tensors and variables, which only ops can make. `penstock.engine` sets what
converts to tensors and `penstock.ops` the rest, while they are imported.
"""

from __future__ import annotations

from typing import Any


def convert_to_tensor(value: Any, dtype: Any = None) -> Any:
    """Converts a value to a tensor, as `tf.convert_to_tensor(value, dtype)`."""
    raise RuntimeError("types.upcalls.convert_to_tensor is set by penstock.engine, which is not imported.")


def all_equal(a: list[Any], b: list[Any]) -> Any:
    """Returns a bool tensor: whether each tensor of `a` equals, in all elements, the one of `b` beside it."""
    raise RuntimeError("types.upcalls.all_equal is set by penstock.ops, which is not imported.")


def variable_from_handle(handle: Any, spec: Any) -> Any:
    """Returns the variable that a resource tensor stands for, given its VariableSpec."""
    raise RuntimeError("types.upcalls.variable_from_handle is set by penstock.ops, which is not imported.")


def call_with_layout(fn: Any, layout: Any) -> Any:
    """Returns `fn()` with a layout (`penstock.dtensor` sets it)."""
    raise RuntimeError("types.upcalls.call_with_layout is set by penstock.dtensor, which is not imported.")


def device_name(tensor: Any) -> str:
    """Returns the device of an eager tensor, such as "GPU:0" (`penstock.runtime` sets it)."""
    return "CPU:0"


def copied_to(tensor: Any, name: str) -> Any:
    """Returns an eager tensor with the same value on a device (`penstock.runtime` sets it)."""
    raise RuntimeError("types.upcalls.copied_to is set by penstock.runtime, which is not imported.")


def placement_text(tensor: Any) -> str:
    """Returns the value and layout of an eager tensor that is spread over a mesh; "" for others (`penstock.dtensor` sets it)."""
    return ""


variable_class: type = object  # the class of variables, for `VariableSpec.value_type`
