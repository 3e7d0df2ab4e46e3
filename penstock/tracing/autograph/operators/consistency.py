"""Checks that branches and iterations agree on the variables that they assign, with errors that name the variable."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.tracing.autograph.operators.lists import EmptyGraphList
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_tensor
from penstock.tracing.autograph.operators.variables import Undefined, UndefinedReturnValue
from penstock.types import dtypes, nest, upcalls
from penstock.types.shapes import TensorShape

# What a loop variable that starts undefined may become; the types that `undefined_state.placeholder` can stand for.
LEGAL_LOOP_TYPES = "Tensor, int, float, bool or a list, tuple or dict thereof"

_CONVERTED = (bool, int, float, str, np.ndarray)


class ShapeChangeError(ValueError):
    """A variable has another shape after an iteration than before it, and nothing says that it may.

    Attributes:
      name: of the variable.
      names: of all variables of the loop: the very sequence that was given to `verify_iteration`.
      common_shape: a structure of shapes that fit both what it was and what it became.
    """

    def __init__(self, message: str, name: str, common_shape: Any):
        super().__init__(message)
        self.name, self.common_shape = name, common_shape
        self.names: Sequence[str] = ()


def verified_condition(condition: Any, tag: str) -> Any:
    """The condition of an `if` or `while` as a scalar boolean tensor.

    Raises:
      ValueError: it is not boolean, or has more than one element.
    """
    hint = "to check for None, use `is not None`"
    condition = convert_to_tensor(condition)
    if condition.dtype is not dtypes.bool:
        raise ValueError(
            f"condition of {tag} expected to be `tf.bool` scalar, got {condition}; to use as boolean Tensor, use "
            f"`tf.cast`; {hint}"
        )
    shape = condition.shape
    if shape.rank == 0:
        return condition
    if shape.rank is not None and np.prod([dim for dim in shape.as_list() if dim is not None]) > 1:
        raise ValueError(f"condition of {tag} expected to be `tf.bool` scalar, got {condition}; {hint}")
    return tf.reshape(condition, ())


def verify_branch(values: Sequence[Any], names: Sequence[str], branch: str) -> None:
    """Raises ValueError where a branch leaves a variable of the conditional without a value."""
    for name, value in zip(names, values):
        if isinstance(value, Undefined):
            raise ValueError(f"'{name}' must also be initialized in the {branch} branch")
        if isinstance(value, UndefinedReturnValue):
            raise ValueError(f"the {branch} branch must also have a return statement.")


def verify_branches(main: Sequence[Any], orelse: Sequence[Any], names: Sequence[str]) -> None:
    """Raises TypeError or ValueError where the two branches give a variable different structures or dtypes."""
    for name, main_value, else_value in zip(names, main, orelse):
        try:
            _same_structure(main_value, else_value)
        except (ValueError, TypeError) as error:
            raise TypeError(
                f"'{name}' must have the same nested structure in the main and else branches:\n\n{error}"
            ) from error
        nest.map_structure(functools.partial(verify_branch_value, name), main_value, else_value)


def verify_branch_value(name: str, main: Any, orelse: Any) -> None:
    """The same, for one value without structure."""
    if main is None:
        raise ValueError(f"'{name}' is None at the end of the main branch.")
    if orelse is None:
        raise ValueError(f"'{name}' is None at the end of the else branch.")
    main_dtype, else_dtype = _dtype(main), _dtype(orelse)
    if main_dtype is not None and else_dtype is not None and main_dtype != else_dtype:
        raise TypeError(
            f"'{name}' has dtype {main_dtype.name} in the main branch, but dtype {else_dtype.name} in the else branch"
        )


def verify_initial(
    values: Sequence[Any], names: Sequence[str], after: Sequence[Any] | None = None, hint: str | None = None
) -> None:
    """Raises where a variable has no value before a loop.

    Args:
      values: the loop's variables before it starts.
      names: what they are called.
      after: their values after one iteration, where that is known.
      hint: why a missing value could not be made up.
    """
    for name, value, later in zip(names, values, after or [None] * len(names)):
        if isinstance(value, UndefinedReturnValue):
            if later is not None and not isinstance(later, UndefinedReturnValue):
                raise ValueError(
                    f"the return value from a TensorFlow loop may only be a {LEGAL_LOOP_TYPES}; got {type(later)}"
                )
            raise NotImplementedError(
                "a return statement cannot be placed inside this TensorFlow loop; this may happen if a return "
                "statement depends on a static Python condition such as a hyperparameter"
                + (f"\n{hint}" if hint else "")
            )
        if value is None:
            raise ValueError(
                f"'{name}' is not allowed to be None before the loop" + (f"\n{hint}" if hint else "")
            )
        if isinstance(value, (Undefined, EmptyGraphList)):
            raise ValueError(f"'{name}' must be defined before the loop" + (f"\n{hint}" if hint else ""))


def verify_iteration(
    initial: Sequence[Any],
    entry: Sequence[Any],
    exit_: Sequence[Any],
    names: Sequence[str],
    shape_invariants: Sequence[Any] | None,
) -> None:
    """Raises TypeError or ValueError where an iteration changes what a variable is.

    Args:
      initial: the loop's variables before it starts.
      entry: the same where an iteration starts.
      exit_: the same where it ends.
      names: what they are called.
      shape_invariants: the shapes that the user allows, None for those not mentioned.
    """
    if shape_invariants is None:
        shape_invariants = [nest.map_structure(lambda _: None, value) for value in entry]
    for name, first, before, after, invariant in zip(
        names, initial, entry, exit_, shape_invariants, strict=True
    ):
        for left, right in ((first, before), (before, after)):
            try:
                _same_structure(left, right)
            except (ValueError, TypeError) as error:
                raise TypeError(
                    f"'{name}' does not have the same nested structure after one iteration.\n\n{error}"
                ) from error
        if invariant is not None:
            try:
                nest.assert_same_structure(first, invariant, expand_composites=False)
            except (ValueError, TypeError) as error:
                raise TypeError(
                    f"'{name}' does not have the same nested structure as its corresponding shape invariant."
                    f"\n\n{error}"
                ) from error
        nest.map_structure(functools.partial(_verify_loop_dtype, name), before, after)
        try:
            _verify_loop_shapes(name, first, before, after, invariant)
        except ShapeChangeError as error:
            error.names = names
            raise


def _verify_loop_dtype(name: str, entry: Any, exit_: Any) -> None:
    if exit_ is None:
        raise ValueError(f"'{name}' is None at the end of the iteration.")
    entry_dtype, exit_dtype = _dtype(entry), _dtype(exit_)
    if entry_dtype is not None and exit_dtype is not None and entry_dtype != exit_dtype:
        raise TypeError(
            f"'{name}' has dtype {entry_dtype.name} before the loop, but dtype {exit_dtype.name} after one iteration"
        )


def _verify_loop_shapes(name: str, initial: Any, entry: Any, exit_: Any, invariant: Any) -> None:
    """Compares the shapes of a variable with its invariant, or, without one, before and after an iteration."""
    places = zip(*map(nest.flatten, (initial, entry, exit_, invariant)), strict=True)
    for first, before, after, limit in places:
        before_shape, after_shape = _shape(before), _shape(after)
        if before_shape is None or after_shape is None:
            continue
        bound = before_shape if limit is None else TensorShape(limit)
        if limit is not None and not _fits(_shape(first), bound):
            raise ValueError(
                f"'{name}' has shape {_shape(first)} before the loop, which does not conform with the shape invariant "
                f"{bound}."
            )
        if _fits(after_shape, bound):
            continue
        common = nest.map_structure(_common_shape, entry, exit_)
        if limit is not None:
            message = (
                f"'{name}' has shape {after_shape} after one iteration, which does not conform with the shape "
                f"invariant {bound}."
            )
        else:
            message = (
                f"'{name}' has shape {before_shape} before the loop, but shape {after_shape} after one iteration. Use "
                "tf.autograph.experimental.set_loop_options to set shape invariants."
            )
        raise ShapeChangeError(message, name, common)


def _common_shape(left: Any, right: Any) -> TensorShape | None:
    shape, other = _shape(left), _shape(right)
    return None if shape is None or other is None else shape.most_specific_compatible_shape(other)


def _same_structure(left: Any, right: Any) -> None:
    """Compares structures; a variable is as good as a tensor."""
    try:
        nest.assert_same_structure(left, right, expand_composites=True)
    except (ValueError, TypeError):
        left, right = (nest.map_structure(_without_variable, each) for each in (left, right))
        nest.assert_same_structure(left, right, expand_composites=True)


def _without_variable(value: Any) -> Any:
    variable: Any = upcalls.variable_class
    return value.read_value() if isinstance(value, variable) else value


def _tensor_or_none(value: Any) -> Any:
    if isinstance(value, _CONVERTED):
        return convert_to_tensor(value)
    return value if is_tensor(value) else None


def _dtype(value: Any) -> Any:
    return getattr(_tensor_or_none(value), "dtype", None)


def _shape(value: Any) -> Any:
    return getattr(_tensor_or_none(value), "shape", None)


def _fits(shape: TensorShape, bound: TensorShape) -> bool:
    """Whether every tensor of `shape` also has the shape `bound`."""
    if bound.rank is None:
        return True
    if shape.rank != bound.rank:
        return False
    return all(limit is None or dim == limit for dim, limit in zip(shape.as_list(), bound.as_list()))
