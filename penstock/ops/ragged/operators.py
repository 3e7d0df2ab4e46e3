"""Python's operators on ragged tensors: elementwise, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import EXPORTS
from penstock.ops.ragged.broadcast import elementwise
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.types.tensors import Tensor

# Operator -> the public function that it calls; those of the second table have reflected forms.
_COMPARISONS = {
    "__lt__": "math.less",
    "__le__": "math.less_equal",
    "__gt__": "math.greater",
    "__ge__": "math.greater_equal",
}
_ARITHMETIC = {
    "add": "math.add",
    "sub": "math.subtract",
    "mul": "math.multiply",
    "truediv": "math.truediv",
    "div": "math.divide",
    "floordiv": "math.floordiv",
    "mod": "math.floormod",
    "pow": "math.pow",
    "and": "math.logical_and",
    "or": "math.logical_or",
    "xor": "math.logical_xor",
}
_UNARY = {"__neg__": "math.negative", "__abs__": "math.abs", "__invert__": "math.logical_not"}


def _function(name: str) -> Callable:
    function = EXPORTS["v2"][name]
    return getattr(function, "__wrapped__", function)


def _forward(name: str) -> Callable:
    return lambda self, other: elementwise(_function(name), self, other)


def _reflected(name: str) -> Callable:
    return lambda self, other: elementwise(_function(name), other, self)


def _unary(name: str) -> Callable:
    return lambda self: self.with_flat_values(_function(name)(self.flat_values))


def _compares_elements(self: RaggedTensor) -> bool:
    """Whether `==` compares elements: not in a graph of TF 1, where it is identity."""
    return Tensor._use_equality and self.row_splits.graph_is_eager_like


def _equal(self: RaggedTensor, other: Any) -> Any:
    if other is None:
        return False
    return elementwise(_function("math.equal"), self, other) if _compares_elements(self) else self is other


def _not_equal(self: RaggedTensor, other: Any) -> Any:
    if other is None:
        return True
    return (
        elementwise(_function("math.not_equal"), self, other)
        if _compares_elements(self)
        else self is not other
    )


def _hash(self: RaggedTensor) -> int:
    if _compares_elements(self):
        raise TypeError("RaggedTensor is unhashable.")
    return id(self)


for _operator, _name in _COMPARISONS.items():
    setattr(RaggedTensor, _operator, _forward(_name))
for _operator, _name in _ARITHMETIC.items():
    setattr(RaggedTensor, f"__{_operator}__", _forward(_name))
    setattr(RaggedTensor, f"__r{_operator}__", _reflected(_name))
for _operator, _name in _UNARY.items():
    setattr(RaggedTensor, _operator, _unary(_name))
RaggedTensor.__eq__ = _equal
RaggedTensor.__ne__ = _not_equal
RaggedTensor.__hash__ = _hash
