"""How a variable gets its state: eagerly at once, in a v1 graph as nodes that a session runs."""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Callable
from typing import Any

from penstock.engine import context
from penstock.engine.aligned import first_value
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.resources import HandleData, SharedState, State
from penstock.engine.sharding import ShardedState, sharding_of
from penstock.graph.lifting import init_scope
from penstock.graph.scopes import choose_device
from penstock.ops.variables.creation import (
    VariableAggregation,
    VariableSynchronization,
    check_policies,
)  # fmt: skip
from penstock.ops.variables.resource_variable_ops import unshared
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import VariableSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

_uids = itertools.count()


class Construction:
    """The part of `Variable` that makes one."""

    def _create(
        self, initial_value: Any = None, trainable: bool | None = None, validate_shape: bool = True,
        caching_device: Any = None, name: str | None = None, variable_def: Any = None, dtype: Any = None,
        import_scope: str | None = None, constraint: Callable | None = None,
        synchronization: Any = VariableSynchronization.AUTO, aggregation: Any = VariableAggregation.NONE,
        shape: Any = None, experimental_enable_variable_lifting: bool | None = None, collections: Any = None,
    ) -> None:  # fmt: skip
        if initial_value is None:
            raise ValueError(
                "The `initial_value` arg to `tf.Variable` must be specified except when you are not providing a "
                "`variable_def`. You provided neither."
            )
        if constraint is not None and not callable(constraint):
            raise ValueError(
                f"Argument `constraint` must be None or a callable. Got a {type(constraint)}: {constraint}"
            )
        self._trainable = check_policies(synchronization, aggregation, trainable, name)
        self._synchronization = synchronization or VariableSynchronization.AUTO
        self._aggregation = aggregation or VariableAggregation.NONE
        self._constraint = constraint
        self._uid = next(_uids)
        dtype = None if dtype is None else as_dtype(dtype).base_dtype
        shape = None if shape is None else TensorShape(shape)
        with init_scope(), _graph_of(initial_value):
            if thread.graph is None:
                self._create_eagerly(initial_value, name or "Variable", dtype, shape)
                _eager_variables()[self._uid] = self
            else:
                self._create_in_graph(initial_value, name or "Variable", dtype, shape, validate_shape)
                self._add_to_collections(collections)

    def _create_eagerly(
        self, initial_value: Any, name: str, dtype: DType | None, shape: TensorShape | None
    ) -> None:
        scope = thread.name_scope.rstrip("/")
        self._handle_name = f"{scope}/{name}:0" if scope else f"{name}:0"
        value = _initial_tensor(initial_value() if callable(initial_value) else initial_value, dtype)
        self._set_type(value, shape)
        self._state: State | None = _state_of(value.device_value(), self)
        self._handle: Tensor = EagerTensor(self._state, dtypes.resource)
        self._handle.owner = weakref.ref(self)  # type: ignore[attr-defined]
        self._in_graph_mode = False
        self._initial_value = self._initializer_op = self._graph_element = None

    def _create_in_graph(
        self,
        initial_value: Any,
        name: str,
        dtype: DType | None,
        shape: TensorShape | None,
        validate_shape: bool,
    ) -> None:
        graph = thread.graph
        with graph.name_scope(name) as scope:
            if callable(initial_value):
                with graph.name_scope("Initializer"):
                    initial_value = initial_value()
            value = _initial_tensor(initial_value, dtype)
            if (
                validate_shape
                and shape is None
                and not value.shape.is_fully_defined()
                and value.shape.rank is None
            ):
                raise ValueError(f"initial_value must have a shape specified: {value!r}")
            self._set_type(value, shape)
            self._handle_name = f"{scope[:-1]}:0"
            attrs = {
                "dtype": self._dtype,
                "shape": self._shape,
                "shared_name": scope[:-1],
                "container": graph._container,
            }
            self._handle = execute("VarHandleOp", (), attrs, scope)
            choose_device(self._handle.op)
            self._handle.handle_data = HandleData(self._shape, self._dtype)
            self._state = None
            self._in_graph_mode = True
            self._initial_value = value
            with graph.name_scope("IsInitialized"):
                self._is_initialized_op = execute("VarIsInitializedOp", (self._handle,))
            self._initializer_op = execute("AssignVariableOp", (self._handle, value), None, f"{scope}Assign/")
            with graph.name_scope("Read"):
                self._graph_element = execute("ReadVariableOp", (self._handle,), {"dtype": self._dtype})

    def _set_type(self, value: Tensor, shape: TensorShape | None) -> None:
        if shape is not None and not shape.is_compatible_with(value.shape):
            raise ValueError(
                f"In this `tf.Variable` creation, the initial value's shape ({value.shape}) is not compatible with the "
                f"explicitly supplied `shape` argument ({shape})."
            )
        self._shape = value.shape if shape is None else shape
        self._dtype = value.dtype.base_dtype

    def _add_to_collections(self, collections: Any) -> None:
        names = ["variables"] if collections is None else list(collections)
        if self._trainable and "trainable_variables" not in names:
            names.append("trainable_variables")
        thread.graph.add_to_collections(names, self)

    @classmethod
    def _from_handle(cls, handle: Tensor, spec: VariableSpec) -> Any:
        """A variable over a handle that exists already."""
        variable = cls.__new__(cls)
        variable._trainable, variable._constraint = spec.trainable, None
        variable._synchronization = VariableSynchronization.AUTO
        variable._aggregation = VariableAggregation.NONE
        variable._uid = next(_uids)
        variable._shape, variable._dtype = TensorShape(spec.shape), spec.dtype
        variable._state = handle.host() if isinstance(handle, EagerTensor) else None
        variable._handle = handle
        variable._in_graph_mode = not isinstance(handle, EagerTensor)
        variable._handle_name = handle.name if variable._in_graph_mode else f"{variable._state.name}:0"
        variable._initial_value = variable._initializer_op = variable._graph_element = None
        return variable


def _state_of(value: Any, variable: Any) -> State:
    """A new state; one that stays spread over a mesh, where its first value is."""
    sharding = sharding_of(value)
    if sharding is not None:
        return ShardedState(value, variable._shared_name, variable._shape, variable._dtype, sharding)
    shape, dtype = variable._shape, variable._dtype
    memory = None if process.workers is None else process.workers.memory
    kind = SharedState if memory is not None and memory.takes(shape, dtype) else State
    return kind(first_value(unshared(value)), variable._shared_name, shape, dtype)


def _initial_tensor(value: Any, dtype: DType | None) -> Tensor:
    """The tensor of an initial value."""
    if (
        isinstance(value, SymbolicTensor)
        and value.graph.building_function
        and value.graph is not thread.graph
    ):
        raise ValueError(
            "Tensor-typed variable initializers must either be wrapped in an init_scope or callable (e.g., "
            "`tf.Variable(lambda : tf.random.truncated_normal([10, 40]))`) when building functions."
        )
    try:
        return convert_to_tensor(value, dtype, name="initial_value")
    except ValueError as error:
        if isinstance(value, Tensor):
            raise ValueError(f"initial_value: {error}") from None
        raise


def _graph_of(initial_value: Any) -> Any:
    """Enters the v1 graph of a symbolic initial value that is used while running eagerly."""
    if (
        thread.graph is None
        and isinstance(initial_value, SymbolicTensor)
        and not initial_value.graph.building_function
    ):
        return context.building(initial_value.graph)
    return contextlib.nullcontext()


def _eager_variables() -> weakref.WeakValueDictionary:
    """The eager variables that are alive, in the order of their creation: what v1's collections show of them."""
    return process.registry.setdefault("eager_variables", weakref.WeakValueDictionary())
