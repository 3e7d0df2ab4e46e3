"""`VariableStore`: where `get_variable` finds variables by name, or makes them."""

from __future__ import annotations

import enum
import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

from penstock.engine import source_line
from penstock.engine.context import default_graph, thread
from penstock.engine.export import EXPORTS, export
from penstock.graph.scopes import name_scope
from penstock.ops.graph_collections import GraphKeys, add_to_collection
from penstock.ops.variables.creation import VariableAggregation, VariableSynchronization
from penstock.ops.variables.partitioned_variables import PartitionedVariable, make_partitioned
from penstock.ops.variables.variable_v1 import VariableV1
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape


class _ReuseMode(enum.Enum):
    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE
export(v1=["AUTO_REUSE"])(AUTO_REUSE)


class VariableStore:
    """Variables by full name, and how often each scope has been opened."""

    def __init__(self, keeps_eager_variables: bool = False):
        self.variables: dict[str, Any] = {}
        self.partitioned: dict[str, PartitionedVariable] = {}
        self.opened: dict[str, int] = {}  # full scope name -> count, for unique default names
        self.keeps_eager_variables = keeps_eager_variables
        self.made_at: dict[str, Any] = {}
        # Those that eager code made and still has, or a plain graph uses.
        self.eager: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

    def get(self, getter: Callable | None, **arguments: Any) -> Any:
        """The variable with the given name, through a custom getter where there is one."""
        if getter is None:
            return self._get(**arguments)
        if "constraint" not in _parameters(getter) and arguments["constraint"] is None:
            arguments.pop("constraint")
        return getter(getter=self._get, **arguments)

    def _get(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        initializer: Any = None,
        regularizer: Callable | None = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        constraint: Callable | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        options = {
            "trainable": trainable, "collections": collections, "caching_device": caching_device,
            "validate_shape": validate_shape, "use_resource": use_resource, "constraint": constraint,
            "synchronization": synchronization, "aggregation": aggregation,
        }  # fmt: skip
        single = functools.partial(self._get_single, regularizer=regularizer, reuse=reuse, options=options)
        is_scalar = shape is not None and TensorShape(shape).rank == 0
        if partitioner is not None and not is_scalar and thread.graph is not None:
            return self._get_partitioned(name, shape, dtype, initializer, partitioner, reuse, single)
        if f"{name}/part_0" in self.variables and reuse:
            raise ValueError(
                f"No partitioner was provided, but a partitioned version of the variable was found: {name}/part_0. "
                "Perhaps a variable of the same name was already created with partitioning?"
            )
        return single(name, shape, dtype, initializer)

    def _get_partitioned(
        self,
        name: str,
        shape: Any,
        dtype: Any,
        initializer: Any,
        partitioner: Callable,
        reuse: Any,
        single: Callable,
    ) -> PartitionedVariable:
        known = self.partitioned.get(name)
        if known is not None:
            if not reuse:
                raise ValueError(
                    f"Partitioned variable with name {name} already exists. Did you mean to set reuse=True or "
                    "reuse=tf.AUTO_REUSE in VarScope?"
                )
            return known
        if reuse is True and (thread.graph is not None or self.keeps_eager_variables):
            raise _missing(f"PartitionedVariable {name}")
        initializer = initializer if initializer is not None else _default_initializer(name, as_dtype(dtype))
        found = make_partitioned(name, TensorShape(shape), as_dtype(dtype), initializer, partitioner, single)
        self.partitioned[name] = found
        return found

    def _get_single(
        self,
        name: str,
        shape: Any,
        dtype: Any,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        options: dict[str, Any],
    ) -> Any:
        is_value = initializer is not None and not callable(initializer)
        if shape is not None and is_value:
            raise ValueError("If initializer is a constant, do not specify shape.")
        dtype, shape = as_dtype(dtype), TensorShape(shape)
        found = (
            self.variables.get(name)
            if thread.graph or self.keeps_eager_variables
            else self._eager(name, reuse)
        )
        if found is not None:
            self._check_shared(found, name, shape, dtype, reuse)
            return found
        if reuse is True:
            raise _missing(f"Variable {name}")
        if initializer is None:
            if shape.rank is None:
                raise ValueError(
                    f"Variable {name} did not get an initializer, so its `shape` argument must be specified."
                )
            initializer = _default_initializer(name, dtype)
        if is_value:
            value, variable_dtype = initializer, None
        else:
            value, variable_dtype = _initial_value(initializer, shape, dtype)
        variable = VariableV1(initial_value=value, name=name, dtype=variable_dtype, **options)
        if thread.graph is not None or self.keeps_eager_variables:
            self.variables[name] = variable
            self.made_at[name] = source_line.caller()
        else:
            self.eager[name] = variable
        if regularizer is not None:
            _add_regularization_loss(variable, name, regularizer)
        return variable

    def _eager(self, name: str, reuse: Any) -> Any:
        """The eager variable of that name that code which reuses it means.

        TensorFlow makes a new one each time. That holds for eager code; a script that builds the default graph from eager
        variables shares those that the graph uses.
        """
        found = self.eager.get(name) if reuse else None
        return found if found is not None and default_graph().uses(found) else None

    def _check_shared(self, found: Any, name: str, shape: TensorShape, dtype: DType, reuse: Any) -> None:
        if not reuse:
            raise ValueError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in "
                f"VarScope? Originally defined at: {self.made_at.get(name)}"
            )
        if not shape.is_compatible_with(found.shape):
            raise ValueError(
                f"Trying to share variable {name}, but specified shape {shape} and found shape {found.shape}."
            )
        if not dtype.is_compatible_with(found.dtype):
            raise ValueError(
                f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype {found.dtype.name}."
            )

    # How often scopes have been opened.

    def open_scope(self, name: str) -> None:
        """Counts that a scope is entered."""
        self.opened[name] = self.opened.get(name, 0) + 1

    def close_subscopes(self, name: str) -> None:
        """Forgets the scopes inside `name`, so that entering it again gives the same names."""
        for each in self.opened:
            if not name or each.startswith(name + "/"):
                self.opened[each] = 0

    def unique_scope(self, prefix: str, current: str) -> str:
        """`prefix`, with `_1`, `_2`, ... where a scope of that name has been opened in the scope `current`."""
        full = f"{current}/{prefix}" if current else prefix
        if not self.opened.get(full):
            return prefix
        index = 1
        while self.opened.get(f"{full}_{index}"):
            index += 1
        return f"{prefix}_{index}"


def _missing(what: str) -> ValueError:
    return ValueError(
        f"{what} does not exist, or was not created with tf.get_variable(). Did you mean to set reuse=tf.AUTO_REUSE in "
        "VarScope?"
    )


def _parameters(function: Callable) -> set[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return set()
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return {*parameters, "constraint"}
    return set(parameters)


def _default_initializer(name: str, dtype: DType) -> Any:
    """Glorot uniform for floating point, zeros for integers and truth values."""
    if dtype.is_floating:
        return EXPORTS["v1"]["glorot_uniform_initializer"]()
    if dtype.is_integer or dtype.is_unsigned or dtype.is_bool or dtype is dtypes.string:
        return EXPORTS["v1"]["zeros_initializer"]()
    raise ValueError(f"An initializer for variable {name} of {dtype!r} is required")


def _initial_value(initializer: Any, shape: TensorShape, dtype: DType) -> tuple[Callable, DType | None]:
    """A function without arguments for the initial value, and the dtype that the variable must get."""
    if inspect.isclass(initializer):
        initializer = initializer()
    if shape.is_fully_defined():
        arguments: dict[str, Any] = {"dtype": dtype}
        if not inspect.isfunction(initializer) and "partition_info" in _parameters(initializer):
            arguments["partition_info"] = None
        return functools.partial(initializer, shape.as_list(), **arguments), dtype.base_dtype
    required = [
        each
        for each in inspect.signature(initializer).parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if required:
        raise ValueError(
            "The initializer passed is not valid. It should be a callable with no arguments and the shape should not "
            "be provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined."
        )
    return initializer, None


def _add_regularization_loss(variable: Any, name: str, regularizer: Callable) -> None:
    with name_scope(f"{name}/Regularizer/"):
        loss = regularizer(variable)
    if loss is not None and thread.graph is not None:
        add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
