"""Makes variables that belong to others, under TensorFlow's names for it (`tensorflow.python.training.slot_creator`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.ops.creation import zeros
from penstock.train.optimizer_v1 import slot_variable


def create_slot(primary: Any, val: Any, name: str, colocate_with_primary: bool = True, **kwargs: Any) -> Any:
    """A variable `<primary>/<name>` that begins with a value."""
    return slot_variable(primary, lambda: convert_to_tensor(val), name)


def create_slot_with_initializer(
    primary: Any,
    initializer: Callable,
    shape: Any,
    dtype: Any,
    name: str,
    colocate_with_primary: bool = True,
    **kwargs: Any,
) -> Any:
    """A variable `<primary>/<name>` that an initializer fills."""
    return slot_variable(primary, lambda: initializer(shape, dtype=dtype), name)


def create_zeros_slot(
    primary: Any, name: str, dtype: Any = None, colocate_with_primary: bool = True, **kwargs: Any
) -> Any:
    """A variable `<primary>/<name>` of zeros, of the shape of the primary one."""
    kind = primary.dtype.base_dtype if dtype is None else dtype
    return slot_variable(primary, lambda: zeros(primary.shape.as_list(), kind), name)
