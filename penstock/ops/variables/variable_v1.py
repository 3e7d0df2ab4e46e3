"""`tf.compat.v1.Variable` and the v1 functions that assign: `assign_add(v, 1)` and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.ops.variables.creation import VariableAggregation, VariableMetaclass, VariableSynchronization
from penstock.ops.variables.variable import UpdatedVariable, Variable
from penstock.types.indexed_slices import IndexedSlices


class _VariableV1Metaclass(VariableMetaclass):
    """Every variable counts as a v1 variable: there is one class of variables."""

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Variable)


@export(v1=["Variable"])
class VariableV1(Variable, metaclass=_VariableV1Metaclass):
    """TF 1's constructor of variables.

    Args:
      initial_value, trainable, validate_shape, name, dtype, constraint, shape: as for `tf.Variable`.
      collections: the graph collections that get the variable; by default `[GraphKeys.GLOBAL_VARIABLES]`.
      use_resource: every variable is a resource; kept for TF 1's signature, as `expected_shape` is.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     tf.compat.v1.Variable(1.0, name="w", trainable=False)
      <tf.Variable 'w:0' shape=() dtype=float32>
    """

    _creator_arguments = {
        "initial_value": None,
        "trainable": None,
        "collections": None,
        "validate_shape": True,
        "caching_device": None,
        "name": None,
        "variable_def": None,
        "dtype": None,
        "expected_shape": None,
        "import_scope": None,
        "constraint": None,
        "use_resource": None,
        "synchronization": VariableSynchronization.AUTO,
        "aggregation": VariableAggregation.NONE,
        "shape": None,
        "experimental_enable_variable_lifting": None,
    }


@export(v1=["assign"])
def assign(
    ref: Any,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """Sets a variable and returns it as it is afterwards.

    Args:
      validate_shape: False lets the value have another shape than the variable's.
    """
    if validate_shape is False:
        ref._shape = ref._shape.most_specific_compatible_shape(getattr(value, "shape", None))
    return ref.assign(value, use_locking=use_locking, name=name)


@export(v1=["assign_add"])
def assign_add(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Adds to a variable and returns it as it is afterwards."""
    return ref.assign_add(value, use_locking=use_locking, name=name)


@export(v1=["assign_sub"])
def assign_sub(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Subtracts from a variable and returns it as it is afterwards."""
    return ref.assign_sub(value, use_locking=use_locking, name=name)


@export(v1=["count_up_to"])
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Any:
    """Adds one to an integer variable and returns its value from before; OutOfRangeError at `limit`."""
    return ref.count_up_to(limit)


def _rows(method: str, summary: str, use_locking: bool = False) -> Callable:
    """A v1 function over a method of variables that takes IndexedSlices."""

    def function(
        ref: Any, indices: Any, updates: Any, use_locking: bool = use_locking, name: str | None = None
    ) -> Any:
        updated = getattr(ref, method)(IndexedSlices(updates, indices), use_locking=use_locking, name=name)
        return UpdatedVariable(ref) if updated is ref and thread.graph is None else updated

    function.__name__ = function.__qualname__ = method
    function.__doc__ = f"{summary} of a variable at `indices`, and returns the variable as it is afterwards."
    return export(v1=[method])(function)


scatter_update = _rows("scatter_update", "Sets rows", use_locking=True)
scatter_add = _rows("scatter_add", "Adds to rows")
scatter_sub = _rows("scatter_sub", "Subtracts from rows")
scatter_mul = _rows("scatter_mul", "Multiplies rows")
scatter_div = _rows("scatter_div", "Divides rows")
scatter_min = _rows("scatter_min", "Takes the minimum of new and old rows")
scatter_max = _rows("scatter_max", "Takes the maximum of new and old rows")
batch_scatter_update = _rows("batch_scatter_update", "Sets rows of each matrix of a batch", use_locking=True)


def _places(method: str, summary: str, use_locking: bool = False) -> Callable:
    """A v1 function over a method of variables that takes places."""

    def function(
        ref: Any, indices: Any, updates: Any, use_locking: bool = use_locking, name: str | None = None
    ) -> Any:
        return getattr(ref, method)(indices, updates, name=name)

    function.__name__ = function.__qualname__ = method
    function.__doc__ = f"{summary} of a variable at `indices`, and returns the variable as it is afterwards."
    return export(v1=[method])(function)


scatter_nd_update = _places("scatter_nd_update", "Sets elements or slices", use_locking=True)
scatter_nd_add = _places("scatter_nd_add", "Adds to elements or slices")
scatter_nd_sub = _places("scatter_nd_sub", "Subtracts from elements or slices")
