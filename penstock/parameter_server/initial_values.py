"""Initial values of variables that are cut into shards: one shard at a time, where the initializer can.

What knows its shape is a `functools.partial(initializer, shape=...)`, as `tf.Variable`'s users write, and the function
that Keras makes of a layer's initializer. Anything else is computed to know it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor

# Up to this size Keras's random initializers make the whole, which is then cut, so that the numbers are those of a
# program without servers; beyond, each shard is made by itself, with a seed of its own.
_LARGEST_WHOLE = 64 << 20


class InitialValue:
    """What a variable begins with.

    Args:
      arguments: those of `tf.Variable`.

    Attributes:
      shape, dtype: of the whole value.
    """

    def __init__(self, arguments: dict[str, Any]):
        self._value = arguments["initial_value"]
        self._whole: Any = None
        keras = _keras_variable(self._value)
        self._initializer, shape = (
            (None, arguments.get("shape")) if keras is None else (keras[1], keras[0]._shape)
        )
        if shape is None and not callable(self._value):
            shape = getattr(self._value, "shape", None)
        if shape is None:
            shape = getattr(self._value, "keywords", {}).get("shape")
        shape = TensorShape(shape) if shape is not None else TensorShape(None)
        dtype = arguments.get("dtype")
        dtype = None if dtype is None else as_dtype(dtype).base_dtype
        if dtype is None or not shape.is_fully_defined():
            whole = self._all(dtype)
            shape, dtype = whole.shape, whole.dtype
        self.shape, self.dtype = shape, dtype

    def _all(self, dtype: Any) -> Tensor:
        if self._whole is None:
            value = self._value() if callable(self._value) else self._value
            self._whole = convert_to_tensor(value, dtype)
        return self._whole

    @property
    def given(self) -> Any:
        """What the program gave; where it had to be computed, the value."""
        return self._value if self._whole is None else self._whole

    def part(self, begin: int, end: int) -> Any:
        """The rows from `begin` up to `end`."""
        rest = self.shape.as_list()[1:]
        if self._initializer is not None:
            made = self._by_keras(begin, (end - begin, *rest))
            if made is not None:
                return made
        elif callable(self._value) and _makes_parts(self._value):
            place = (begin, *(0 for _ in rest))
            return self._value(partition_shape=(end - begin, *rest), partition_offset=place)
        whole = self._all(self.dtype)
        return whole.numpy()[begin:end] if isinstance(whole, EagerTensor) else whole[begin:end]

    def _by_keras(self, begin: int, shape: tuple) -> Any:
        """A shard of what Keras's initializer makes; None where it has to make the whole."""
        initializer: Any = self._initializer
        if type(initializer).__name__ in ("Zeros", "Ones", "Constant"):
            return initializer(shape, dtype=self.dtype.name)
        size = math.prod(self.shape.as_list()) * self.dtype.size
        seed = getattr(initializer, "_init_seed", None)
        if size <= _LARGEST_WHOLE or not isinstance(getattr(initializer, "seed", None), int):
            return None
        own = type(initializer).from_config(
            {**initializer.get_config(), "seed": (initializer.seed + begin) % 2**31}
        )
        own._init_seed = seed
        return own(shape, dtype=self.dtype.name)


def _makes_parts(initial_value: Callable) -> bool:
    """Whether a function takes `partition_shape`, as those of `tf.*_initializer`s do."""
    function = getattr(initial_value, "func", initial_value)
    if type(function).__module__.startswith("penstock.ops.variables.initializers"):
        return True
    try:
        return "partition_shape" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _keras_variable(initial_value: Any) -> tuple[Any, Any] | None:
    """Keras's variable and its initializer, where the value is the function that Keras makes of them."""
    code = getattr(initial_value, "__code__", None)
    if code is None or not getattr(initial_value, "__module__", "").startswith("keras.src.backend"):
        return None
    cells = dict(zip(code.co_freevars, (cell.cell_contents for cell in initial_value.__closure__ or ())))
    return (cells["self"], cells["initializer"]) if {"self", "initializer"} <= set(cells) else None
