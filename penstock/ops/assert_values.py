"""Assertions about the values of tensors: `tf.debugging.assert_equal`, `assert_positive`, `assert_near`, ...

Eagerly they raise at once; in a graph, values that are known are checked while it is built, others by an `Assert` op
(see `assertions`).
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import matching, name_scope
from penstock.ops.assertions import Assert
from penstock.ops.reduce_functions import reduce
from penstock.types import errors
from penstock.types.tensors import EagerTensor, Tensor


def _all(condition: Tensor) -> Tensor:
    return reduce("All", condition, None, False, None)


def described(name: str, tensor: Tensor) -> str:
    """How messages introduce a tensor's values."""
    if isinstance(tensor, EagerTensor):
        return f"{name} (shape={tensor.shape} dtype={tensor.dtype.name}) = "
    return f"{name} ({tensor.name}) = "


def nothing(name: str | None = None) -> Any:
    """What an assertion that holds returns: an operation of the graph being built, None when eager."""
    return None if thread.graph is None else execute("NoOp", (), None, name)


def _pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """The operands; a Python value takes the dtype of the other one where it can."""
    try:
        x, y = matching(x, y)
    except (TypeError, ValueError):
        x, y = convert_to_tensor(x), convert_to_tensor(y)
    return x, y


def _assert_relation(
    symbol: str,
    op_type: str,
    x: Any,
    y: Any,
    data: Any,
    summarize: int | None,
    message: str | None,
    name: str,
) -> Any:
    with name_scope(name, f"assert_{op_type.lower()}"):
        x, y = _pair(x, y)
        message = message or ""
        if symbol == "==" and x is y and thread.graph is not None:
            return nothing()
        holds = _all(execute(op_type, (x, y)))
        if isinstance(holds, EagerTensor) and thread.graph is None:
            if holds:
                return None
            text = _explain(symbol, op_type, x, y, summarize) if data is None else _joined(data)
            raise errors.InvalidArgumentError(None, None, f"{message}\n{text}" if message else text)
        if data is None:
            data = [
                f"Condition x {symbol} y did not hold element-wise:", described("x", x), x, described("y", y), y
            ]  # fmt: skip
        return assert_known(holds, [message, *data] if message else list(data), summarize)


def assert_known(holds: Tensor, data: list, summarize: int | None) -> Any:
    """An Assert op; where the condition is known already: nothing, or the error.

    Raises:
      InvalidArgumentError: the condition is known to be false.
    """
    known = constant_value(holds)
    if known is None:
        return Assert(holds, data, summarize)
    if known:
        return nothing("static_checks_determined_all_ok")
    raise errors.InvalidArgumentError(None, None, _joined(data))


def _joined(data: Any) -> str:
    """Data of a message, one below the other."""
    return "\n".join(str(each if (value := _value(each)) is None else value) for each in data)


def _value(each: Any) -> Any:
    if not isinstance(each, Tensor):
        return each
    value = constant_value(each)
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _explain(symbol: str, op_type: str, x: EagerTensor, y: EagerTensor, summarize: int | None) -> str:
    """Where two eager tensors break a relation."""
    limit = 3 if summarize is None else summarize
    lines = [f"Condition x {symbol} y did not hold."]
    if x.shape == y.shape and x.shape.rank:
        broken = np.argwhere(~execute(op_type, (x, y)).host())
        shown = broken if limit < 0 else broken[:limit]
        places = tuple(shown.T)
        lines += [
            f"Indices of first {len(shown)} different values:", str(shown),
            "Corresponding x values:", str(x.host()[places]), "Corresponding y values:", str(y.host()[places]),
        ]  # fmt: skip
    for name, tensor in (("x", x), ("y", y)):
        flat = np.reshape(tensor.host(), -1)
        flat = flat if limit < 0 else flat[:limit]
        lines += [f"First {flat.size} elements of {name}:", str(flat)]
    return "\n".join(lines)


# Function, symbol, op type, what holds.
_RELATIONS = (
    ("assert_equal", "==", "Equal", "`x[i] == y[i]`"),
    ("assert_none_equal", "!=", "NotEqual", "`x[i] != y[i]`"),
    ("assert_less", "<", "Less", "`x[i] < y[i]`"),
    ("assert_less_equal", "<=", "LessEqual", "`x[i] <= y[i]`"),
    ("assert_greater", ">", "Greater", "`x[i] > y[i]`"),
    ("assert_greater_equal", ">=", "GreaterEqual", "`x[i] >= y[i]`"),
)
_AT_TOP = ("assert_equal", "assert_less", "assert_greater")  # also `tf.assert_equal`, ...

_RELATION_DOC = """Asserts that {holds} for all elements; the shapes broadcast.

    Args:
      x, y: numeric tensors of one dtype{equality}.
      message: how the error begins.
      summarize: how many values of each tensor the error shows, 3 by default; -1: all.
      name: the name of the nodes in a graph.

    Returns:
      In a graph an `Operation`, to be used with `tf.control_dependencies`; None when run eagerly.

    Raises:
      InvalidArgumentError: it does not hold: at once where the values are known, else when the graph runs.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.{name}({example})
    """
_EXAMPLES = {"assert_equal": "[1, 2], [1, 2]", "assert_none_equal": "[1, 2], [2, 1]"} | {
    name: "[3, 1], [3, 0]"
    if "greater_equal" in name
    else "[3, 1], 0"
    if "greater" in name
    else "[0, 1], [1, 2]"
    for name in ("assert_less", "assert_less_equal", "assert_greater", "assert_greater_equal")
}


def _relation(name: str, symbol: str, op_type: str, holds: str) -> None:
    scope = name

    def v2(
        x: Any, y: Any, message: str | None = None, summarize: int | None = None, name: str | None = None
    ) -> Any:
        return _assert_relation(symbol, op_type, x, y, None, summarize, message, name or scope)

    def none_equal_v2(
        x: Any, y: Any, summarize: int | None = None, message: str | None = None, name: str | None = None
    ) -> Any:
        return _assert_relation(symbol, op_type, x, y, None, summarize, message, name or scope)

    def v1(
        x: Any,
        y: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Any:
        return _assert_relation(symbol, op_type, x, y, data, summarize, message, name or scope)

    function = none_equal_v2 if op_type == "NotEqual" else v2
    equality = " (any dtype)" if op_type.endswith("Equal") and symbol in ("==", "!=") else ""
    for each, version in ((function, "2"), (v1, "1")):
        each.__name__ = each.__qualname__ = scope
        each.__doc__ = _RELATION_DOC.format(
            holds=holds, equality=equality, name=scope, example=_EXAMPLES[scope]
        )
        if version == "1":
            each.__doc__ = (
                f"TF 1's `{scope}`; `data` are the tensors that the error shows instead of `x` and `y`."
            )
    export(f"debugging.{scope}", *((scope,) if scope in _AT_TOP else ()), v1=[])(function)
    export(v1=[f"debugging.{scope}", scope])(v1)
    globals()[scope] = function


# Function, relation to zero.
_SIGNS = (
    ("assert_negative", "x < 0", "Less"),
    ("assert_positive", "x > 0", "Greater"),
    ("assert_non_negative", "x >= 0", "GreaterEqual"),
    ("assert_non_positive", "x <= 0", "LessEqual"),
)
_SIGN_DOC = """Asserts that `{relation}` for all elements.

    Args:
      x: a numeric tensor.
      message: how the error begins.
      summarize: how many values the error shows, 3 by default; -1: all.
      name: the name of the nodes in a graph.

    Returns:
      In a graph an `Operation`; None when run eagerly.

    Raises:
      InvalidArgumentError: it does not hold: at once where the values are known, else when the graph runs.
    """


def _sign(name: str, relation: str, op_type: str) -> None:
    scope, symbol = name, relation.split()[1]

    def check(x: Any, data: Any, summarize: int | None, message: str | None, name: str | None) -> Any:
        with name_scope(name, scope):
            x = convert_to_tensor(x)
            if data is None:
                data = [f"Condition {relation} did not hold element-wise:", described("x", x), x]
            zero = convert_to_tensor(0, x.dtype)
            return _assert_relation(symbol, op_type, x, zero, data, summarize, message, scope)

    def v2(x: Any, message: str | None = None, summarize: int | None = None, name: str | None = None) -> Any:
        return check(x, None, summarize, message, name)

    def v1(
        x: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Any:
        return check(x, data, summarize, message, name)

    for each in (v2, v1):
        each.__name__ = each.__qualname__ = scope
        each.__doc__ = _SIGN_DOC.format(relation=relation)
    v1.__doc__ = f"TF 1's `{scope}`; `data` are the tensors that the error shows instead of `x`."
    export(f"debugging.{scope}", v1=[])(v2)
    export(v1=[f"debugging.{scope}", scope])(v1)
    globals()[scope] = v2


for _row in _RELATIONS:
    _relation(*_row)
for _row in _SIGNS:
    _sign(*_row)  # type: ignore[call-arg]


@export("debugging.assert_near", v1=[])
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Asserts that `|x[i] - y[i]| <= atol + rtol * |y[i]|` for all elements.

    Args:
      x, y: floating or complex tensors of one dtype.
      rtol, atol: the tolerances; by default 10 times the dtype's machine epsilon.
      message: how the error begins.
      summarize: how many values of each tensor the error shows.
      name: the name of the nodes in a graph.

    Returns:
      In a graph an `Operation`; None when run eagerly.

    Raises:
      InvalidArgumentError: it does not hold: at once where the values are known, else when the graph runs.
      ValueError: the dtypes are no floating or complex ones, or differ.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.assert_near(tf.constant(1.0), 1.0000001)
    """
    return _assert_near(x, y, rtol, atol, None, summarize, message, name)


@export(v1=["debugging.assert_near", "assert_near"])
def assert_near_v1(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """TF 1's `assert_near`; `data` are the tensors that the error shows instead of `x` and `y`."""
    return _assert_near(x, y, rtol, atol, data, summarize, message, name)


def _assert_near(
    x: Any,
    y: Any,
    rtol: Any,
    atol: Any,
    data: Any,
    summarize: int | None,
    message: str | None,
    name: str | None,
) -> Any:
    with name_scope(name, "assert_near"):
        x = convert_to_tensor(x)
        if not (x.dtype.is_floating or x.dtype.is_complex):
            raise ValueError(f"assert_near: x must be of a floating or complex dtype, got {x.dtype.name}")
        y = convert_to_tensor(y, x.dtype)
        real = x.dtype.real_dtype
        epsilon = convert_to_tensor(10 * float(ml_dtypes.finfo(real.as_numpy_dtype).eps), real)
        rtol = epsilon if rtol is None else convert_to_tensor(rtol, real)
        atol = epsilon if atol is None else convert_to_tensor(atol, real)
        holds = _all(abs(x - y) <= atol + rtol * abs(y))
        if data is None:
            data = [
                message or "", f"x and y not equal to tolerance rtol = {rtol}, atol = {atol}",
                described("x", x), x, described("y", y), y,
            ]  # fmt: skip
        if isinstance(holds, EagerTensor):
            return Assert(holds, data, summarize)
        return assert_known(holds, list(data), summarize)
