"""`experimental_enable_numpy_behavior`: NumPy's methods, indexing and promotion of dtypes on tensors themselves.

Nothing of it costs anything before it is enabled: the operators and methods of the tensor classes are replaced then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.numpy_api import elementwise, products, reductions, shaping
from penstock.numpy_api.arrays import converted, result_type
from penstock.numpy_api.indexing import getitem
from penstock.ops.casting import cast
from penstock.ops.operators import _ONE_SIDED, _TWO_SIDED
from penstock.ops.variables import Variable
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

_MODES = ("off", "legacy")
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")

_replaced: dict[tuple[type, str], Any] = {}  # (class, attribute) -> what stood there before; None: nothing


def _size(tensor: Tensor) -> int | None:
    """The number of elements; None where it is not known."""
    return tensor.shape.num_elements()


def _tolist(tensor: Tensor) -> Any:
    """The value as nested lists; ValueError for a symbolic tensor."""
    if isinstance(tensor, SymbolicTensor):
        raise ValueError("Symbolic tensors have no value, so tolist() cannot list it.")
    return np.asarray(tensor.host()).tolist()


def _reshape(tensor: Tensor, *newshape: Any, order: str = "C") -> Tensor:
    """`reshape(2, 3)` or `reshape([2, 3])`."""
    shape = newshape[0] if len(newshape) == 1 and not isinstance(newshape[0], int) else newshape
    return shaping.reshape(tensor, shape, order)


_METHODS: dict[str, Any] = {
    "T": property(shaping.transpose),
    "__getitem__": getitem,
    "__pos__": lambda tensor: tensor,
    "astype": cast,
    "clip": elementwise.clip,
    "data": property(lambda tensor: tensor),
    "flatten": shaping.flatten,
    "max": reductions.EXTREMES["amax"],
    "mean": reductions.mean,
    "min": reductions.EXTREMES["amin"],
    "ravel": shaping.ravel,
    "reshape": _reshape,
    "size": property(_size),
    "tolist": _tolist,
    "transpose": shaping.transpose,
}


def _together(x: Any, y: Any) -> tuple[Any, Any] | None:
    """Both sides in the dtype that NumPy promotes them to; None where one has no such dtype."""
    if isinstance(x, CompositeTensor) or isinstance(y, CompositeTensor) or x is None or y is None:
        return None
    try:
        dtype = result_type(x, y)
    except TypeError:  # strings, and types that know themselves how to combine with a tensor
        return None
    return converted(x, dtype), converted(y, dtype)


def _promoting(operator: Callable) -> Callable:
    def call(self: Any, other: Any) -> Any:
        both = _together(self, other)
        return operator(self, other) if both is None else operator(*both)

    return call


@export("experimental.numpy.experimental_enable_numpy_behavior", v1=[])
def experimental_enable_numpy_behavior(
    prefer_float32: bool = False, dtype_conversion_mode: str = "legacy"
) -> None:
    """Gives tensors the methods, the indexing and the operators of NumPy's arrays.

    * `T`, `reshape`, `ravel`, `astype`, `tolist`, `clip`, `max`, ... become methods of tensors.
    * `tensor[[0, 2], :, mask]` indexes as NumPy does.
    * `tf.constant(1) + tf.constant(2.0)` promotes both to float64, instead of raising an error.

    Args:
      prefer_float32: Python floats count as float32 in promotions, and not as weak floats.
      dtype_conversion_mode: "legacy" promotes the operands of operators; "off" leaves dtypes alone.

    Raises:
      ValueError: another mode.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.experimental_enable_numpy_behavior()  # doctest: +SKIP
      >>> tf.constant([1, 2]) + 0.5  # doctest: +SKIP
      <tf.Tensor: shape=(2,), dtype=float64, numpy=array([1.5, 2.5])>
    """
    if dtype_conversion_mode not in _MODES:
        raise ValueError(
            f"The provided promotion mode {dtype_conversion_mode} does not exist. dtype_conversion_mode is one of {_MODES}."
        )
    restore()
    process.numpy_prefers_float32 = bool(prefer_float32)
    for name, method in _METHODS.items():
        _replace(Tensor, name, method)
    _replace(EagerTensor, "__round__", elementwise.around)
    if dtype_conversion_mode == "legacy":
        for cls in (Tensor, Variable):
            _promote_operators(cls)


def _promote_operators(cls: type) -> None:
    for name, (forward, reflected) in _TWO_SIDED.items():
        if name == "matmul":
            forward = products.matmul
            reflected = _swapped(forward)
        _replace(cls, f"__{name}__", _promoting(forward))
        _replace(cls, f"__r{name}__", _promoting(reflected))
    for name in _COMPARISONS:
        _replace(cls, f"__{name}__", _promoting(_ONE_SIDED[name]))


def _swapped(function: Callable) -> Callable:
    return lambda self, other: function(other, self)


def _replace(cls: type, name: str, thing: Any) -> None:
    _replaced.setdefault((cls, name), cls.__dict__.get(name))
    setattr(cls, name, thing)


def restore() -> None:
    """Takes back what `experimental_enable_numpy_behavior` did."""
    for (cls, name), before in _replaced.items():
        if before is None:
            delattr(cls, name)
        else:
            setattr(cls, name, before)
    _replaced.clear()
    process.numpy_prefers_float32 = False
