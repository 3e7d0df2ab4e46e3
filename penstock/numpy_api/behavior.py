"""`experimental_enable_numpy_behavior`: NumPy's methods, indexing and promotion of dtypes on tensors themselves.

Nothing of it costs anything before it is enabled: the operators and methods of the tensor classes are replaced then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.numpy_api import elementwise, products, reductions, shaping, weak_functions
from penstock.numpy_api.arrays import converted, result_type
from penstock.numpy_api.indexing import getitem
from penstock.numpy_api.weak_promotion import PROMOTION, weak_result_type
from penstock.numpy_api.weak_tensor import WeakTensor
from penstock.ops.casting import cast
from penstock.ops.operators import _ONE_SIDED, _TWO_SIDED
from penstock.ops.variables.variable import Variable
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

_MODES = ("off", "legacy", "safe", "all")
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")

# (class or module, attribute) -> what stood there before; None: nothing
_replaced: dict[tuple[Any, str], Any] = {}


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
      dtype_conversion_mode: "legacy" promotes the operands of operators as NumPy does; "off" leaves dtypes alone. With
        "all", Python numbers have weak dtypes, which give way to those of tensors, and all functions promote; "safe"
        is the same, but raises TypeError where a promotion would widen beyond both dtypes or lose digits.

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
            _promote_operators(cls, _promoting, _promoting)
    elif dtype_conversion_mode != "off":
        process.registry[PROMOTION] = weak_result_type
        process.registry["numpy_api.safe"] = dtype_conversion_mode == "safe"
        weak_functions.install(_replace)
        for cls in (Tensor, Variable, WeakTensor):
            _promote_operators(
                cls, weak_functions.binary, functools.partial(weak_functions.binary, strong=True)
            )
        for name, method in _METHODS.items():
            _replace(WeakTensor, name, _of_weak(method))
        _replace(WeakTensor, "__round__", _of_weak(elementwise.around))
        for name in ("neg", "abs", "invert"):
            _replace(WeakTensor, f"__{name}__", weak_functions.unary(_ONE_SIDED[name]))


def _of_weak(method: Any) -> Any:
    """A method of tensors for weak tensors: see `weak_functions.of_weak`."""
    if isinstance(method, property):
        return property(lambda weak: weak_functions.of_weak(method.fget, weak))
    return lambda weak, *args, **kwargs: weak_functions.of_weak(method, weak, *args, **kwargs)


def _promote_operators(cls: type, operator: Callable, comparison: Callable) -> None:
    for name, (forward, reflected) in _TWO_SIDED.items():
        if name == "matmul":
            forward = products.matmul
            reflected = _swapped(forward)
        _replace(cls, f"__{name}__", operator(forward))
        _replace(cls, f"__r{name}__", operator(reflected))
    for name in _COMPARISONS:
        _replace(cls, f"__{name}__", comparison(_ONE_SIDED[name]))


def _swapped(function: Callable) -> Callable:
    return lambda self, other: function(other, self)


def _replace(place: Any, name: str, thing: Any) -> None:
    """Sets an attribute of a class or module, and remembers what was there."""
    _replaced.setdefault((place, name), vars(place).get(name))
    setattr(place, name, thing)


def restore() -> None:
    """Takes back what `experimental_enable_numpy_behavior` did."""
    for (place, name), before in _replaced.items():
        if before is None:
            delattr(place, name)
        else:
            setattr(place, name, before)
    _replaced.clear()
    process.registry.pop(PROMOTION, None)
    process.numpy_prefers_float32 = False
