"""Python's operators on tensors, and on whatever else behaves like one (variables): see `install_operators`.

Two eager tensors go straight to the funnel. Anything else is converted to the tensor's dtype; where that fails and the
other side defines the reflected operator (Keras tensors, user types), it is left to that side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.arguments import dtype_of, is_promoted, mark_promoted, matching
from penstock.ops.arithmetic_functions import add, divided
from penstock.ops.elementwise import abs_
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.errors import InvalidArgumentError
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

_FOREIGN_TO = ("builtins", "numpy")  # modules whose types never know better how to combine with a tensor


def _is_composite(value: Any) -> bool:
    """Ragged, sparse and the like: made of tensors, but not convertible to one."""
    return isinstance(value, CompositeTensor) and not (
        isinstance(value, IndexedSlices) or hasattr(value, "__tf_tensor__")
    )


def _operands(self: Any, other: Any, reflected: str) -> Any:
    """Both sides as tensors; None where the operator is left to `other`."""
    if _is_composite(other):
        return None
    if hasattr(
        self, "read_value"
    ):  # the operator of a variable reads it first: the op does not name that node
        self = self.value()
    try:
        return matching(self, other)
    except (TypeError, ValueError):
        if (
            isinstance(other, Tensor)
            or type(other).__module__ in _FOREIGN_TO
            or not hasattr(type(other), reflected)
        ):
            raise
        return None


def _reflected_operands(self: Any, other: Any) -> tuple[Tensor, Tensor]:
    """`other` in the dtype of `self`, and `self`, as tensors."""
    this = convert_to_tensor(self)
    if dtype_of(other) is None:
        return convert_to_tensor(other, this.dtype.base_dtype), this
    first, second = matching(other, this)
    return first, second


# Function of two tensors -> the operator and its reflection.


def _operator(function: Callable[[Tensor, Tensor], Any], name: str) -> tuple[Callable, Callable]:
    reflected_name = f"__r{name}__"

    def forward(self: Any, other: Any) -> Any:
        operands = _operands(self, other, reflected_name)
        return NotImplemented if operands is None else _result(function, *operands)

    def reflected(self: Any, other: Any) -> Any:
        return (
            NotImplemented if _is_composite(other) else _result(function, *_reflected_operands(self, other))
        )

    return forward, reflected


def _result(function: Callable[[Tensor, Tensor], Any], x: Tensor, y: Tensor) -> Any:
    result = function(x, y)
    return mark_promoted(result) if is_promoted(x) or is_promoted(y) else result


def _eager(op_type: str, x: EagerTensor, y: EagerTensor, node_name: str) -> Any:
    """Calls an op of two eager tensors; where their dtypes differ, an integer may be promoted."""
    try:
        return execute(op_type, (x, y), None, node_name)
    except InvalidArgumentError:
        pair = matching(x, y)
        if pair[0]._dtype is not pair[1]._dtype or x._dtype is y._dtype:
            raise
        return mark_promoted(execute(op_type, tuple(pair), None, node_name))


def _op_operator(op_type: str, name: str, node_name: str) -> tuple[Callable, Callable]:
    """For an op of two tensors, with a short way for eager ones."""
    slow, reflected = _operator(lambda x, y: execute(op_type, (x, y), None, node_name), name)

    def forward(self: Any, other: Any) -> Any:
        if type(other) is EagerTensor and type(self) is EagerTensor:
            return _eager(op_type, self, other, node_name)
        return slow(self, other)

    return forward, reflected


def _logical_or_bitwise(logical: str, bitwise: str, node_name: str) -> Callable:
    """For `&`, `|`, `^`: logic on bool tensors, bits on integers."""

    def function(x: Tensor, y: Tensor) -> Any:
        is_bool = x.dtype.base_dtype is dtypes.bool
        return execute(logical if is_bool else bitwise, (x, y), None, node_name)

    return function


def _matmul(x: Tensor, y: Tensor) -> Tensor:
    from penstock.ops.linalg.matmul import matmul

    return matmul(x, y, name="matmul")


_add_slow, _radd = _operator(lambda x, y: add(x, y, "add"), "add")


def _add(self: Any, other: Any) -> Any:
    if type(other) is EagerTensor and type(self) is EagerTensor and self._dtype is not dtypes.string:
        return _eager("AddV2", self, other, "add")
    if dtype_of(other) is None and not _is_composite(other) and type(other).__module__ in _FOREIGN_TO:
        return add(self, other, "add")  # takes the other side's own dtype where it cannot take this one's
    return _add_slow(self, other)


_mul_slow, _rmul_numbers = _operator(lambda x, y: execute("Mul", (x, y), None, "mul"), "mul")


def _mul(self: Any, other: Any) -> Any:
    """Of truth values, `*` is "and"; `tf.multiply` does not take them."""
    if type(other) is EagerTensor and type(self) is EagerTensor and self._dtype is not dtypes.bool:
        return _eager("Mul", self, other, "mul")
    if (
        self.dtype.base_dtype is dtypes.bool
        and dtype_of(other) in (None, dtypes.bool)
        and not _is_composite(other)
    ):
        return execute("LogicalAnd", tuple(matching(self, other)), None, "mul")
    return _mul_slow(self, other)


def _rmul(self: Any, other: Any) -> Any:
    if self.dtype.base_dtype is dtypes.bool and dtype_of(other) is None and not _is_composite(other):
        return execute("LogicalAnd", _reflected_operands(self, other), None, "mul")
    return _rmul_numbers(self, other)


_truediv_slow, _rtruediv = _operator(lambda x, y: divided("RealDiv", x, y, "truediv"), "truediv")


def _truediv(self: Any, other: Any) -> Any:
    if dtype_of(other) is None and not _is_composite(other) and type(other).__module__ in _FOREIGN_TO:
        return divided("RealDiv", self, other, "truediv")
    return _truediv_slow(self, other)


# Comparisons. Python reflects them itself: a < b asks b > a.


def _comparison(op_type: str) -> Callable:
    slow, _ = _operator(lambda x, y: execute(op_type, (x, y)), "")

    def compare(self: Any, other: Any) -> Any:
        if type(other) is EagerTensor and type(self) is EagerTensor:
            return execute(op_type, (self, other))
        return slow(self, other)

    return compare


def _equality(op_type: str, answer_for_none: bool) -> Callable:
    """`==` and `!=` compare elements in TF 2; tensors of a TF 1 graph are compared by identity."""

    def compare(self: Any, other: Any) -> Any:
        if other is None:
            return answer_for_none
        if not (Tensor._use_equality and getattr(self, "graph_is_eager_like", True)):
            return (self is other) != answer_for_none
        if type(self) is not EagerTensor or type(other) is not EagerTensor:
            if _is_composite(other):
                return NotImplemented
            self, other = matching(self, other)
        return execute(op_type, (self, other), {"incompatible_shape_error": False})

    return compare


# One side.


def _negative(self: Any) -> Tensor:
    return execute("Neg", (self if type(self) is EagerTensor else convert_to_tensor(self),))


def _invert(self: Any) -> Tensor:
    x = convert_to_tensor(self)
    return execute("LogicalNot" if x.dtype.base_dtype is dtypes.bool else "Invert", (x,))


def _iterate(self: Any) -> Iterator[Tensor]:
    if isinstance(self, SymbolicTensor):
        self._refuse_bool("Iterating over a symbolic `tf.Tensor`")
    if self.shape.rank == 0:
        raise TypeError("Cannot iterate over a scalar tensor.")
    return (self[index] for index in range(self.shape[0]))


_TWO_SIDED: dict[str, tuple[Callable, Callable]] = {
    "add": (_add, _radd),
    "sub": _op_operator("Sub", "sub", "sub"),
    "mul": (_mul, _rmul),
    "truediv": (_truediv, _rtruediv),
    "floordiv": _op_operator("FloorDiv", "floordiv", "floordiv"),
    "mod": _op_operator("FloorMod", "mod", "mod"),
    "pow": _op_operator("Pow", "pow", "pow"),
    "matmul": _operator(_matmul, "matmul"),
    "and": _operator(_logical_or_bitwise("LogicalAnd", "BitwiseAnd", "and"), "and"),
    "or": _operator(_logical_or_bitwise("LogicalOr", "BitwiseOr", "or"), "or"),
    "xor": _operator(
        _logical_or_bitwise("NotEqual", "BitwiseXor", "xor"), "xor"
    ),  # of bools, != is exclusive or
}

_ONE_SIDED: dict[str, Callable] = {
    "lt": _comparison("Less"),
    "le": _comparison("LessEqual"),
    "gt": _comparison("Greater"),
    "ge": _comparison("GreaterEqual"),
    "eq": _equality("Equal", False),
    "ne": _equality("NotEqual", True),
    "neg": _negative,
    "abs": lambda self: abs_(self),
    "invert": _invert,
    "iter": _iterate,
}


def install_operators(cls: type) -> type:
    """Gives a class of tensor-like objects every operator of tensors (but not `[]`).

    Its instances need `__tf_tensor__` or to be tensors, `shape`, and `graph_is_eager_like`, which says whether `==`
    compares elements. `__hash__` stays what it was.
    """
    hash_of = cls.__hash__
    for name, (forward, reflected) in _TWO_SIDED.items():
        setattr(cls, f"__{name}__", forward)
        setattr(cls, f"__r{name}__", reflected)
    for name, function in _ONE_SIDED.items():
        setattr(cls, f"__{name}__", function)
    # Python 2's name, which TF 1 programs call.
    cls.__div__, cls.__rdiv__ = cls.__truediv__, cls.__rtruediv__  # type: ignore[attr-defined]
    cls.__hash__ = hash_of  # type: ignore[method-assign]
    return cls


install_operators(Tensor)


def _bool(self: Any) -> bool:
    """Whether the one element of what converts to a tensor is true; both kinds of tensors have their own."""
    return bool(convert_to_tensor(self))


Tensor.__bool__ = Tensor.__nonzero__ = _bool  # type: ignore[attr-defined]
