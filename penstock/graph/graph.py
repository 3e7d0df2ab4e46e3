"""`Graph`: operations in the order of their creation, with unique names, scopes, control dependencies, collections."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.definition import REGISTRY, OpDef, op
from penstock.engine.execute import explain_allowed, explain_dtypes
from penstock.engine.export import export
from penstock.engine.shape_rules import infer_shapes
from penstock.graph.naming import NAMED_BY_USE, Naming
from penstock.graph.operation import Operation
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

op(
    "Placeholder(; dtype, shape=None) -> output: dtype",
    shape=lambda call: TensorShape(call.attrs["shape"]),
    gradient=lambda call, dy: [],
)
# A resource that lives outside the graph (an eager variable, table, iterator): the node carries it.
op(
    "EagerResource(; _resource) -> output: resource",
    numpy=lambda *, _resource: _resource,
    shape=lambda call: TensorShape([]),
    gradient=lambda call, dy: [],
)
for _name in ("NoOp", "ControlTrigger"):  # the second runs in dead branches of TF 1's graphs too
    op(f"{_name}() -> ()", numpy=lambda: (), xla=lambda: (), shape=lambda call: [], stateful=True)


class XLAContext:
    """What libraries take for TF 1's control flow context of code that XLA compiles."""

    outer_context = None

    def IsXLAContext(self) -> bool:
        """Yes."""
        return True

    def IsWhileContext(self) -> bool:
        """No: a loop's body is a graph of its own."""
        return False

    def IsCondContext(self) -> bool:
        """No: a branch is a graph of its own."""
        return False


@export("Graph")
class Graph(Naming):
    """A dataflow graph.

    Ops called inside `with graph.as_default():` become its nodes.

    Example:
      >>> import penstock as tf
      >>> graph = tf.Graph()
      >>> with graph.as_default():
      ...     c = tf.constant(2.0) * 3.0
      >>> [op.type for op in graph.get_operations()]
      ['Const', 'Const', 'Mul']
    """

    building_function = False

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[Operation] = []
        self._control_stack: list[tuple[Operation, ...]] = []
        self._collections: dict[Any, list] = {}
        self._outside: dict[int, tuple[Any, SymbolicTensor]] = {}  # id -> (eager tensor, its node here)
        # id of the handle -> eager variable that lives as long as this graph
        self._eager_variables: dict[int, Any] = {}
        self._finalized = False
        self._gradient_overrides: dict[str, str] = {}
        self._attr_scopes: dict[str, Any] = {}
        self._container = ""
        self.seed: int | None = None
        self.outer_graph: Graph | None = None
        self.random_ops = 0  # how many random ops were added: part of their seeds
        self.functions: dict[str, Any] = {}  # name -> FuncGraph, of an imported library

    is_v1 = True  # == on its tensors is identity while v2 behaviour is off

    # Building.

    def add_call(
        self, definition: OpDef, inputs: Sequence[Any], attrs: dict | None, name: str | None = None
    ) -> Any:
        """Adds a node for a call of an op, and returns what `execute` returns."""
        attrs = definition.complete(attrs)
        flat: Sequence[Any] = inputs
        if definition.signature.has_list_inputs:
            flat, attrs = definition.flatten(inputs, attrs)
        operation = self.add_operation(definition, flat, attrs, name)
        if thread.tapes:
            record_operation(operation)
        if definition.signature.single_output:
            return operation.outputs[0]
        return list(operation.outputs) if definition.signature.outputs else operation

    def add_call_from_outside(
        self, definition: OpDef, inputs: Sequence[Any], attrs: dict | None, name: str | None = None
    ) -> Any:
        """As `add_call`, while this graph is not being built: a tensor of it met eager ones."""
        if not thread.name_scope:
            return self.add_call(definition, inputs, attrs, name)
        with self.name_scope(thread.name_scope):
            return self.add_call(definition, inputs, attrs, name)

    def add_operation(
        self,
        definition: OpDef,
        flat: Sequence[Any],
        attrs: dict,
        name: str | None = None,
        shapes: Sequence[TensorShape] | None = None,
    ) -> Operation:
        """Adds a node; `flat` are its inputs with list arguments spread out, `attrs` its complete attributes."""
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")
        captured = [self.as_input(each) for each in flat]
        for first, second in definition.type_pairs(captured, attrs):
            if captured[first].dtype.base_dtype != captured[second].dtype.base_dtype:
                raise TypeError(explain_dtypes(definition, captured, first, second))
        for index, allowed in definition.allowed:
            if index < len(captured) and captured[index].dtype.base_dtype not in allowed:
                raise TypeError(explain_allowed(definition, captured, index, allowed))
        kinds = definition.output_dtypes(captured, attrs)
        if shapes is None:
            shapes = infer_shapes(definition, captured, attrs, len(kinds))
        if definition.make_stream is not None and "_stream" not in attrs:
            attrs = {**attrs, "_stream": definition.make_stream(attrs)}
        full_name = self.unique_name(name or definition.type)
        if self._arguments and definition.type not in NAMED_BY_USE:
            self._name_arguments(definition, captured, attrs, full_name)
        if self._attr_scopes:
            attrs = {**attrs, **self._attr_scopes}
        if definition.type in self._gradient_overrides:
            attrs = {"_gradient_op_type": self._gradient_overrides[definition.type], **attrs}
        operation = Operation(
            definition, self, full_name, captured, attrs, self._current_controls(captured), thread.device
        )
        operation.outputs = [
            SymbolicTensor(operation, index, kind, shape)
            for index, (kind, shape) in enumerate(zip(kinds, shapes, strict=True))
        ]
        operation.index = len(self._operations)
        self._operations.append(operation)
        self._by_name[full_name] = operation
        return operation

    def add_argument_constant(self, attrs: dict) -> SymbolicTensor:
        """A Const node for a value among the arguments of the call that is made next, which gives it its name."""
        with self.named_by_use("Const"):
            return self.add_operation(REGISTRY["Const"], (), attrs, "Const").outputs[0]

    def move_before(self, first_new: int, operation: Operation) -> None:
        """Moves the operations from index `first_new` on to just before `operation`, which now depends on them."""
        new = self._operations[first_new:]
        del self._operations[first_new:]
        self._operations[operation.index : operation.index] = new
        for index, each in enumerate(self._operations):
            each.index = index

    def replace_operations(self, operations: Sequence[Operation]) -> None:
        """Keeps only some of the operations (in order); the others are unused."""
        self._operations = list(operations)
        self._by_name = {each.name: each for each in operations}
        for index, each in enumerate(self._operations):
            each.index = index

    def as_input(self, tensor: Any) -> SymbolicTensor:
        """`tensor` as a tensor of this graph: itself, or its capture."""
        if type(tensor) is SymbolicTensor and tensor.op.graph is self:
            return tensor
        return self.capture(tensor)

    def capture(self, tensor: Any, name: str | None = None) -> SymbolicTensor:
        """A node for an eager tensor: a constant, or the resource it refers to."""
        if not isinstance(tensor, EagerTensor):
            if isinstance(tensor, Tensor):
                raise ValueError(
                    f"{tensor!r} must be from the same graph as {self!r} (it is from {tensor.graph!r})."
                )
            raise TypeError(f"cannot use {tensor!r} as a tensor of a graph")
        known = self._outside.get(id(tensor))
        if known is not None:
            record_capture(*known)  # a tape may have started since
        else:
            with context.building(self), self.control_dependencies(None), context.tapes_stopped():
                symbolic = self._node_for_eager(tensor, name)
            known = self._outside[id(tensor)] = (tensor, symbolic)
            record_capture(tensor, symbolic)
        return known[1]

    def _node_for_eager(self, tensor: EagerTensor, name: str | None) -> SymbolicTensor:
        if tensor.dtype in (dtypes.resource, dtypes.variant):
            attrs = {"_resource": tensor.host()}
            symbolic = self.add_operation(REGISTRY["EagerResource"], (), attrs, name).outputs[0]
            symbolic.handle_data = getattr(tensor.host(), "handle_data", None)
            owner = vars(tensor).get("owner")
            if owner is not None and not self.building_function:
                # As in TensorFlow 1, where the graph's collections have it.
                self._eager_variables[id(tensor)] = owner()
            return symbolic
        handle = vars(tensor).get("read_from")
        if (
            handle is not None and not self.building_function
        ):  # scripts that mix eager variables with placeholders mean the variable, not its value
            read = self.add_operation(
                REGISTRY["ReadVariableOp"], (self.capture(handle),), {"dtype": tensor.dtype}, name
            )
            return read.outputs[0]
        attrs = {"value": tensor.host(), "dtype": tensor.dtype}
        return self.add_operation(REGISTRY["Const"], (), attrs, name or "Const").outputs[0]

    @property
    def has_eager_variables(self) -> bool:
        """Whether operations of this graph have eager variables as inputs."""
        return bool(self._eager_variables)

    def uses(self, variable: Any) -> bool:
        """Whether an operation of this graph has an eager variable as an input."""
        return id(variable.handle) in self._eager_variables

    # Control dependencies, devices, attributes.

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Iterable[Any] | None) -> Iterator[None]:
        """Nodes added inside run after `control_inputs` (tensors or operations); None forgets outer dependencies."""
        outer = self._control_stack
        if control_inputs is None:
            self._control_stack = []
        else:
            operations = []
            for each in control_inputs:
                each = getattr(each, "_as_control_input", each)
                each = each() if callable(each) and not isinstance(each, (Tensor, Operation)) else each
                if isinstance(each, EagerTensor) or each is None:
                    continue  # it has run already
                if hasattr(each, "values") and hasattr(each, "indices"):
                    each = each.values
                if not isinstance(each, (Tensor, Operation)) and hasattr(each, "handle"):
                    each = each.op if isinstance(each.handle, SymbolicTensor) else None
                    if each is None:
                        continue
                operation = each.op if isinstance(each, SymbolicTensor) else each
                if not isinstance(operation, Operation):
                    raise TypeError(
                        f"Control input must be an Operation, a Tensor, or IndexedSlices: got {each!r}"
                    )
                if operation.graph is self:
                    operations.append(operation)
            self._control_stack = [*outer, tuple(operations)]
        try:
            yield
        finally:
            self._control_stack = outer

    def _current_controls(self, inputs: Sequence[SymbolicTensor]) -> list[Operation]:
        if not self._control_stack:
            return []
        data = {id(each.op) for each in inputs}
        found = {id(each): each for level in self._control_stack for each in level if id(each) not in data}
        return list(found.values())

    @contextlib.contextmanager
    def device(self, name: Any) -> Iterator[None]:
        """Places the nodes added inside."""
        outer = thread.device
        thread.device = _device_name(name, outer)
        try:
            yield
        finally:
            thread.device = outer

    @contextlib.contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Places the nodes added inside where `op` is."""
        with self.device(getattr(op, "device", "")):
            yield

    @contextlib.contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Iterator[None]:
        """Ops of the given types added inside use the gradient registered under the given name."""
        outer = self._gradient_overrides
        self._gradient_overrides = {**outer, **op_type_map}
        try:
            yield
        finally:
            self._gradient_overrides = outer

    @contextlib.contextmanager
    def container(self, container_name: str) -> Iterator[str]:
        """The resource container of variables and queues made inside."""
        outer, self._container = self._container, container_name
        try:
            yield container_name
        finally:
            self._container = outer

    @contextlib.contextmanager
    def _attr_scope(self, attr_map: dict[str, Any]) -> Iterator[None]:
        outer = self._attr_scopes
        self._attr_scopes = {**outer, **{k: v for k, v in attr_map.items() if v is not None}}
        try:
            yield
        finally:
            self._attr_scopes = outer

    # Collections.

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Adds `value` to a collection."""
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Adds `value` to several collections (once each)."""
        for name in {names} if isinstance(names, str) else dict.fromkeys(names or ()):
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list:
        """A copy of a collection; with `scope`, the items whose `name` matches that regular expression."""
        items = list(self._collections.get(name, ()))
        if scope is None:
            return items
        pattern = re.compile(scope)
        return [item for item in items if hasattr(item, "name") and pattern.match(item.name)]

    def get_collection_ref(self, name: Any) -> list:
        """The collection itself; changing the list changes the graph's collection."""
        return self._collections.setdefault(name, [])

    def get_all_collection_keys(self) -> list:
        """The names of the collections."""
        return list(self._collections)

    @property
    def collections(self) -> list:
        """The names of the collections."""
        return self.get_all_collection_keys()

    def clear_collection(self, name: Any) -> None:
        """Empties a collection."""
        self._collections.pop(name, None)

    # Looking at it.

    def get_operations(self) -> list[Operation]:
        """The operations in the order of their creation."""
        return list(self._operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation with that name; KeyError where there is none."""
        found = self._by_name.get(name)
        if found is None and name.endswith("/read"):  # TF 1's name of a variable's value
            handle = self._by_name.get(name.removesuffix("/read"))
            if handle is not None and handle.type == "VarHandleOp":
                return self._value_of(handle.outputs[0]).op
        if found is None and ":" in name:
            raise ValueError(f"Name {name!r} appears to refer to a Tensor, not a Operation.")
        if found is None:
            raise KeyError(f"The name {name!r} refers to an Operation not in the graph.")
        return found

    def get_tensor_by_name(self, name: str) -> SymbolicTensor:
        """The tensor `op_name:index`; KeyError where there is none, ValueError for an operation's name.

        In a program of TF 1 the name of a variable gives its value, as it did there, instead of its handle.
        """
        tensor = self._tensor_by_name(name)
        is_variable = tensor.dtype is dtypes.resource and tensor.op.type == "VarHandleOp"
        return self._value_of(tensor) if is_variable and not process.v2_behavior else tensor

    def _value_of(self, handle: SymbolicTensor) -> SymbolicTensor:
        """The value of a variable: the node that reads it already, or a new one."""
        name = f"{handle.op.name}/Read/ReadVariableOp"
        if name in self._by_name:
            return self._by_name[name].outputs[0]
        from penstock.engine.definition import REGISTRY

        with context.building(self):
            return self.add_call(
                REGISTRY["ReadVariableOp"], (handle,), {"dtype": handle.op.attrs["dtype"]}, name
            )

    def _tensor_by_name(self, name: str) -> SymbolicTensor:
        op_name, colon, index = name.rpartition(":")
        if not colon or not index.isdigit():
            raise ValueError(f"The name {name!r} looks like an (invalid) Operation name, not a Tensor.")
        outputs = self.get_operation_by_name(op_name).outputs
        if int(index) >= len(outputs):
            raise KeyError(
                f"The name {name!r} refers to a Tensor which does not exist: {op_name} has {len(outputs)}."
            )
        return outputs[int(index)]

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """The tensor or operation of this graph that `obj` (a name, tensor, operation, variable) stands for."""
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            element = convert()
            obj = obj if element is None else element
        if isinstance(obj, str):
            if ":" in obj and allow_tensor:
                return self._tensor_by_name(obj)
            if allow_operation:
                return self.get_operation_by_name(obj)
            raise ValueError(f"The name {obj!r} refers to an Operation, not a Tensor.")
        if isinstance(obj, SymbolicTensor) and allow_tensor or isinstance(obj, Operation) and allow_operation:
            if obj.graph is not self:
                raise ValueError(f"{obj!r} is not an element of this graph.")
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a Tensor or Operation of a graph.")

    @property
    def version(self) -> int:
        """Grows with every change."""
        return len(self._operations)

    @property
    def finalized(self) -> bool:
        """True once nothing may be added."""
        return self._finalized

    def finalize(self) -> None:
        """Makes the graph read-only."""
        self._finalized = True

    def _unsafe_unfinalize(self) -> None:
        self._finalized = False

    def _get_control_flow_context(self) -> XLAContext | None:
        """TF 1's context around the code that runs; libraries ask it whether XLA compiles the graph.

        Loops and branches are graphs of their own, and functions are compiled: the outermost one says so.
        """
        return XLAContext() if self.building_function and self.outer_graph is None else None

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Ops called inside become nodes of this graph."""
        with context.building(self):
            yield self

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """The graph as a GraphDef message."""
        from penstock.graph.graph_def import graph_def

        return graph_def(self, from_version, add_shapes)

    def is_feedable(self, tensor: Any) -> bool:
        """Whether `Session.run` may feed `tensor`."""
        return True

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        """Whether `Session.run` may fetch `tensor_or_op`."""
        return True

    def switch_to_thread_local(self) -> None:
        """Scopes are per graph here; kept for programs that call it."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._operations)} operations at {id(self):#x}>"


def _device_name(name: Any, outer: str) -> str:
    if name is None:
        return ""
    text = name.to_string() if hasattr(name, "to_string") else "" if callable(name) else str(name)
    return text or outer


process.make_graph = Graph


def record_operation(operation: Operation) -> None:
    """Offers a node to every active tape."""
    for tape in thread.tapes:
        tape.record(operation)


class Capture:
    """On a tape: the tensor inside a graph that stands for one outside it; the gradient passes unchanged."""

    __slots__ = ("inputs", "outputs")
    type = "Capture"
    attrs: dict = {}

    def __init__(self, outside: Any, inside: SymbolicTensor):
        self.inputs, self.outputs = (outside,), (inside,)


def record_capture(outside: Any, inside: SymbolicTensor) -> None:
    """Tells the active tapes that `inside` stands for `outside`."""
    for tape in thread.tapes:
        tape.record(Capture(outside, inside))


def current_graph() -> Any:
    """The graph that is being built, or the process's v1 default graph."""
    return thread.graph if thread.graph is not None else context.default_graph()


export(v1=["get_default_graph"])(current_graph)


@export(v1=["reset_default_graph"])
def reset_default_graph() -> None:
    """Empties the v1 default graph.

    Raises:
      AssertionError: another graph is being built.
    """
    if thread.graph is not None and thread.graph is not process.default_graph:
        raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs.")
    nested = thread.graph is not None
    process.default_graph = None
    if nested:
        thread.graph = context.default_graph()
