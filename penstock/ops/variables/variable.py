"""`tf.Variable`: a tensor-valued state that programs read and assign.

The value lives in an `engine.resources.State`. An eager variable holds the handle itself; a variable of a v1 graph is a
`VarHandleOp` node, whose state belongs to the session that runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.ops.indexing import slice_tensor
from penstock.ops.operators import install_operators
from penstock.ops.variables.construction import Construction
from penstock.ops.variables.creation import VariableAggregation, VariableMetaclass, VariableSynchronization
from penstock.ops.variables.updates import SparseUpdates
from penstock.types import upcalls
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import VariableSpec
from penstock.types.tensors import EagerTensor, Reference, Tensor
from penstock.types.trackable import Trackable

# The arguments of `tf.Variable`, as creators see them.
_ARGUMENTS: dict[str, Any] = {
    "initial_value": None,
    "trainable": None,
    "validate_shape": True,
    "caching_device": None,
    "name": None,
    "variable_def": None,
    "dtype": None,
    "import_scope": None,
    "constraint": None,
    "synchronization": VariableSynchronization.AUTO,
    "aggregation": VariableAggregation.NONE,
    "shape": None,
    "experimental_enable_variable_lifting": None,
}


def default_creator(**arguments: Any) -> Variable:
    """Makes the variable that the innermost creator asks for; knows the arguments of TF 1 too."""
    variable = Variable.__new__(Variable)
    for name in ("use_resource", "expected_shape"):
        arguments.pop(name, None)
    variable._create(**arguments)
    return variable


@export("Variable", v1=[])
class Variable(Construction, SparseUpdates, Trackable, metaclass=VariableMetaclass):
    """A tensor that can be assigned.

    Args:
      initial_value: the value, anything that converts to a tensor, or a function without arguments that returns it.
      trainable: whether tapes watch the variable by themselves and optimizers train it. By default True, except
        for variables that are synchronized on reading.
      validate_shape: False allows an initial value of unknown shape (in a graph).
      name: the name; by default "Variable".
      dtype: what the initial value is converted to; by default its own dtype.
      constraint: a function that optimizers apply to the value after an update.
      synchronization, aggregation: what a distribution strategy does with the variable's copies.
      shape: the shape that values must have; `tf.TensorShape(None)` for any. By default that of the initial value.

    Raises:
      ValueError: there is no initial value, or it does not fit `dtype` or `shape`.

    Example:
      >>> import penstock as tf
      >>> v = tf.Variable([1.0, 2.0], name="v")
      >>> v.assign_add([1.0, 1.0])
      <tf.Variable 'v:0' shape=(2,) dtype=float32, numpy=array([2., 3.], dtype=float32)>
    """

    _creator_arguments = _ARGUMENTS
    _default_creator = staticmethod(default_creator)
    __array_priority__ = 100
    _should_act_as_resource_variable = True

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: str | None = None,
        constraint: Callable | None = None,
        synchronization: VariableSynchronization = VariableSynchronization.AUTO,
        aggregation: VariableAggregation = VariableAggregation.NONE,
        shape: Any = None,
        experimental_enable_variable_lifting: bool | None = True,
    ):
        self._create(
            initial_value, trainable, validate_shape, caching_device, name, variable_def, dtype, import_scope,
            constraint, synchronization, aggregation, shape, experimental_enable_variable_lifting,
        )  # fmt: skip

    # What it is.

    @property
    def handle(self) -> Tensor:
        """The resource tensor that ops on the variable take."""
        return self._handle

    @property
    def dtype(self) -> DType:
        """The dtype of the value."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape that every value has."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """The shape; same as `.shape`."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the shape."""
        self._shape = self._shape.merge_with(shape)

    @property
    def _shape_tuple(self) -> tuple:
        return tuple(self._shape.as_list())

    @property
    def name(self) -> str:
        """The name, with the `:0` that tensors of a graph have."""
        return self._handle_name

    @property
    def _shared_name(self) -> str:
        return self._handle_name.rpartition(":")[0]

    @property
    def _unique_id(self) -> str:
        return f"{self._shared_name}_{self._uid}"

    @property
    def trainable(self) -> bool:
        """Whether optimizers train the variable."""
        return self._trainable

    @property
    def synchronization(self) -> VariableSynchronization:
        """When the copies of a distributed variable are brought together."""
        return self._synchronization

    @property
    def aggregation(self) -> VariableAggregation:
        """How the values that replicas assign become one."""
        return self._aggregation

    @property
    def constraint(self) -> Callable | None:
        """The function that optimizers apply to the value."""
        return self._constraint

    @property
    def device(self) -> str:
        """The device that holds the value."""
        if self._state is not None and self._state.value is not None:
            value = self._state.value
            known = isinstance(value, (np.ndarray, np.generic))
            return (
                EagerTensor(value, self._dtype) if known else EagerTensor.from_jax(value, self._dtype)
            ).device
        return self._handle.device

    @property
    def graph(self) -> Any:
        """The graph of a variable of a graph."""
        return self._handle.graph

    @property
    def op(self) -> Any:
        """The operation that makes the handle, in a graph."""
        return self._handle.op

    @property
    def graph_is_eager_like(self) -> bool:
        """True where `==` compares elements (everywhere but in a v1 graph)."""
        return not self._in_graph_mode

    @property
    def create(self) -> Any:
        """The operation that assigns the initial value, in a graph."""
        if not self._in_graph_mode:
            raise RuntimeError("This operation is not supported when eager execution is enabled.")
        return self._initializer_op

    @property
    def initializer(self) -> Any:
        """The operation that assigns the initial value; None for an eager variable, which has its value."""
        return self._initializer_op

    @property
    def initial_value(self) -> Tensor:
        """The tensor that the initializer assigns."""
        if not self._in_graph_mode:
            raise RuntimeError("This property is not supported when eager execution is enabled.")
        return self._initial_value

    @property
    def _type_spec(self) -> VariableSpec:
        return VariableSpec.from_value(self)

    def ref(self) -> Reference:
        """A hashable reference to the variable, for use as a dictionary key."""
        return Reference(self)

    experimental_ref = ref

    # Reading.

    def value(self) -> Tensor:
        """The current value."""
        if thread.graph is None and not thread.tapes and self._state is not None:
            value = self._state.value
            if type(value) is np.ndarray or isinstance(value, np.generic):
                tensor = EagerTensor(value, self._dtype)
                tensor.read_from = self._handle  # a v1 graph that meets this value reads the variable instead
                return tensor
        return self._read()

    def read_value(self) -> Tensor:
        """The current value, read when this is called."""
        if thread.graph is None:
            return self.value()
        with thread.graph.name_scope("Read"):
            return self._read()

    read_value_no_copy = value

    def _read(self) -> Tensor:
        self._accessed()
        tensor = execute("ReadVariableOp", (self._handle,), {"dtype": self._dtype})
        if thread.graph is None and isinstance(tensor, EagerTensor):
            tensor.read_from = self._handle
        if self._shape is not tensor.shape and thread.graph is not None:
            tensor.set_shape(self._shape)
        return tensor

    _read_variable_op = _read

    def _accessed(self) -> None:
        """Tells tapes and the function that is being traced that the variable is used."""
        if self._trainable:
            for tape in thread.tapes:
                tape.variable_accessed(self)
        graph = thread.graph
        if graph is not None and graph.building_function:
            graph.watch_variable(self)

    def numpy(self) -> Any:
        """The value as a NumPy array.

        Raises:
          NotImplementedError: a function is being traced, or the variable belongs to a graph.
        """
        graph = thread.graph
        # An eager variable in a session of TensorFlow 1 still has its value.
        if self._in_graph_mode or graph is not None and graph.building_function:
            raise NotImplementedError("numpy() is only available when eager execution is enabled.")
        return self._plain_value().numpy()

    def _plain_value(self) -> EagerTensor:
        """The value of an eager variable, unseen by tapes."""
        return execute("ReadVariableOp", (self._handle,), {"dtype": self._dtype})

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Tensor:
        if dtype is not None and as_dtype(dtype).base_dtype is not self._dtype:
            raise ValueError(
                f"Incompatible type conversion requested to type {as_dtype(dtype).name} for `tf.Variable` of type "
                f"{self._dtype.name}. (Variable: {self})"
            )
        graph = thread.graph
        if graph is None:
            return self.value()
        with graph.named_by_use("ReadVariableOp"):
            return self._read()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)

    def _as_graph_element(self) -> Any:
        """What `Session.run` fetches for the variable; None where it is an eager one."""
        return self._graph_element

    def is_initialized(self, name: str | None = None) -> Tensor:
        """Whether the variable has a value, as a boolean scalar."""
        return execute("VarIsInitializedOp", (self._handle,), None, name)

    def initialized_value(self) -> Tensor:
        """The value, or the initial value where the variable has none yet."""
        if thread.graph is None and not self._in_graph_mode:
            return self.value()
        from penstock.ops.control_flow import cond

        with init_scope():
            return cond(self.is_initialized(), self.read_value, lambda: self.initial_value)

    def eval(self, session: Any = None) -> Any:
        """The value in `session`, or in the default session (of an eager variable: its value)."""
        if not self._in_graph_mode:
            return self.numpy()
        from penstock.runtime.session import default_session

        return default_session(session).run(self)

    # Assigning.

    def _check_assignable(self, value: Tensor) -> None:
        shape = value.shape
        if not self._shape.is_compatible_with(shape):
            name = self._shared_name
            raise ValueError(
                f"Cannot assign value to variable '{name}': Shape mismatch. The variable shape {self._shape}, and the "
                f"assigned value shape {shape} are incompatible."
            )

    def assign(
        self, value: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Sets the value.

        Args:
          value: a tensor, or what converts to one, of the variable's dtype and shape.
          use_locking: assignments never interleave; kept for TensorFlow's signature.
          name: the operation's name in a graph.
          read_value: whether to return the variable with its new value; else None, or in a graph the operation.

        Raises:
          ValueError: the shape or the dtype does not fit.
        """
        if type(value) is not EagerTensor or value._dtype is not self._dtype:
            value = convert_to_tensor(value, self._dtype)
        self._check_assignable(value)
        return self._assigned(execute("AssignVariableOp", (self._handle, value), None, name), read_value)

    def assign_add(
        self, delta: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds to the value a tensor of the same shape; arguments and result as for `assign`."""
        if type(delta) is not EagerTensor or delta._dtype is not self._dtype:
            delta = convert_to_tensor(delta, self._dtype)
        return self._assigned(execute("AssignAddVariableOp", (self._handle, delta), None, name), read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts from the value a tensor of the same shape; arguments and result as for `assign`."""
        if type(delta) is not EagerTensor or delta._dtype is not self._dtype:
            delta = convert_to_tensor(delta, self._dtype)
        return self._assigned(execute("AssignSubVariableOp", (self._handle, delta), None, name), read_value)

    def _assigned(self, operation: Any, read_value: bool = True) -> Any:
        """What an update returns: the variable as it is after `operation` (None where it has run)."""
        if operation is None:
            return self if read_value else None
        graph = operation.graph
        if graph.building_function:
            graph.watch_variable(self)
        return _UnreadVariable(self, operation) if read_value else operation

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value in `session`, or in the default session."""
        if not self._in_graph_mode:
            self.assign(value)
            return
        from penstock.runtime.session import default_session

        default_session(session).run(self._initializer_op, {self._initial_value: value})

    def count_up_to(self, limit: int) -> Tensor:
        """Adds one, and returns the value from before; OutOfRangeError where that is `limit`."""
        return execute("ResourceCountUpTo", (self._handle,), {"limit": limit, "T": self._dtype})

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None = None, begin_mask: int = 0,
        end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
    ) -> Any:  # fmt: skip
        masks = {
            "begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
            "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask,
        }  # fmt: skip
        inputs = (self._handle, begin, end, strides, convert_to_tensor(value, self._dtype))
        return self._assigned(execute("ResourceStridedSliceAssign", inputs, masks, name))

    # As a Python value.

    def __bool__(self) -> bool:
        return bool(self.value())

    __nonzero__ = __bool__

    def __int__(self) -> int:
        return int(self.value().numpy())

    __long__ = __int__

    def __float__(self) -> float:
        return float(self.value().numpy())

    def __complex__(self) -> complex:
        return complex(self.value().numpy())

    def __index__(self) -> int:
        return self.value().__index__()

    def __getitem__(self, key: Any) -> Tensor:
        return slice_tensor(self.value(), key, self)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.value())

    def __copy__(self) -> Variable:
        return self

    def __deepcopy__(self, memo: dict) -> Variable:
        if self._in_graph_mode:
            raise NotImplementedError("__deepcopy__() is only available when eager execution is enabled.")
        copied = default_creator(
            initial_value=self._plain_value(), trainable=self._trainable, constraint=self._constraint,
            dtype=self._dtype, name=self._shared_name, shape=self._shape, synchronization=self._synchronization,
            aggregation=self._aggregation,
        )  # fmt: skip
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> Any:
        return (_unpickle, (self.numpy(), self._trainable, self._dtype, self._shared_name, self._shape))

    def __iadd__(self, other: Any) -> Any:
        raise _in_place_error("+", "variable.assign_add(value)")

    def __isub__(self, other: Any) -> Any:
        raise _in_place_error("-", "variable.assign_sub(value)")

    def __imul__(self, other: Any) -> Any:
        raise _in_place_error("*", "variable.assign(variable * value)")

    def __itruediv__(self, other: Any) -> Any:
        raise _in_place_error("/", "variable.assign(variable / value)")

    def __ipow__(self, other: Any) -> Any:
        raise _in_place_error("**", "variable.assign(variable ** value)")

    def __hash__(self) -> int:
        if Tensor._use_equality and self.graph_is_eager_like:
            raise TypeError(
                f"Variable is unhashable. Instead, use variable.ref() as the key. (Variable: {self!r})"
            )
        return id(self)

    def __repr__(self) -> str:
        text = f"<tf.Variable '{self.name}' shape={self._shape} dtype={self._dtype.name}"
        if self._in_graph_mode or thread.graph is not None:
            return text + ">"
        if self._state is None or self._state.value is None:
            return text + ", numpy=<unavailable>>"
        value = self._plain_value()
        if placed := upcalls.placement_text(value):
            return f"{text}, value={placed}>"
        return f"{text}, numpy={repr(value).partition('numpy=')[2]}"

    # Checkpoints.

    def _serialize_to_tensors(self) -> dict[str, Any]:
        return {"VARIABLE_VALUE": self.value()}

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> Any:
        value = restored_tensors["VARIABLE_VALUE"]
        if not self._shape.is_compatible_with(value.shape):
            raise ValueError(
                f"Received incompatible tensor with shape {value.shape} when attempting to restore variable with shape "
                f"{self._shape} and name {self.name}."
            )
        return self.assign(value, read_value=False)

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        return {"VARIABLE_VALUE": self}


class _UnreadVariable(Variable):
    """What an assignment returns in a graph: the variable, whose reads happen after the assignment."""

    def __init__(self, variable: Variable, operation: Any):
        self.__dict__.update(variable.__dict__)
        self._state = None
        self._operation = operation
        self._graph_element = None if operation.graph.building_function else self._read()

    @property
    def name(self) -> str:
        """The name of the assignment."""
        return self._operation.name

    @property
    def op(self) -> Any:
        """The assignment."""
        return self._operation

    def value(self) -> Tensor:
        """The value after the assignment."""
        return self._read()

    def _read(self) -> Tensor:
        graph = self._operation.graph if thread.graph is None else thread.graph
        with context.building(graph), graph.control_dependencies([self._operation]):
            return super()._read()

    _read_variable_op = _read

    def _assigned(self, operation: Any, read_value: bool = True) -> Any:
        # What updates this one comes after the assignment.
        if operation is not None and operation.graph is self._operation.graph:
            operation._add_control_input(self._operation)
        return super()._assigned(operation, read_value)


class UpdatedVariable(Variable):
    """What TF 1's functions that update rows return where they run at once: the variable, whose `op` is None."""

    def __init__(self, variable: Variable):
        self.__dict__.update(variable.__dict__)

    @property
    def op(self) -> None:
        """The update has run, and is no operation."""
        return None


def _in_place_error(symbol: str, instead: str) -> RuntimeError:
    return RuntimeError(
        f"`variable {symbol}= value` with `tf.Variable`s is not supported. Use `{instead}` to modify the variable, or "
        f"`out = variable {symbol} value` if you need to get a new output Tensor."
    )


def _unpickle(value: Any, trainable: bool, dtype: DType, name: str, shape: TensorShape) -> Variable:
    return default_creator(initial_value=value, trainable=trainable, dtype=dtype, name=name, shape=shape)


upcalls.variable_class = Variable
upcalls.variable_from_handle = Variable._from_handle
install_operators(Variable)
