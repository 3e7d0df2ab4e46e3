"""Ops of TF 1's graphs that have another form here: reference variables and flow-passing tensor arrays.

A reference variable becomes a resource variable: its node is a handle, and every use of it as a value is a read. A
`TensorArrayV3` becomes a tensor list, which travels where the array's "flow" travelled, unless the graph holds gradients
of arrays: then arrays are resources (`ops/step_containers.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY
from penstock.engine.resources import HandleData
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape

Translation = Callable[[Any, Any, list, dict, str], tuple[list, list]]


def _add(graph: Any, op_type: str, inputs: Sequence[Any], attrs: dict | None, name: str) -> Any:
    definition = REGISTRY[op_type]
    return graph.add_operation(definition, list(inputs), definition.complete(attrs), name)


class Reference:
    """What the output of a reference variable's node stands for.

    Attributes:
      handle: the resource. after: the assignments that a read through this reference must see.
    """

    def __init__(self, handle: Any, dtype: Any, after: Sequence[Any] = ()):
        self.handle, self.dtype, self.after = handle, dtype, list(after)
        self._read: Any = None

    @property
    def op(self) -> Any:
        """The node that the reference comes from."""
        return self.after[-1] if self.after else self.handle.op

    def value(self) -> Any:
        """The variable's value, read here and now."""
        graph = self.handle.graph
        free = not graph._control_stack and not self.after
        if free and self._read is not None:
            return self._read
        scope = graph.control_dependencies(self.after) if self.after else contextlib.nullcontext()
        with scope:
            name = f"{self.handle.op.name.removesuffix('/handle')}/value"
            outer, graph._name_stack = graph._name_stack, ""
            try:
                read = _add(graph, "ReadVariableOp", [self.handle], {"dtype": self.dtype}, name).outputs[0]
            finally:
                graph._name_stack = outer
        if free:
            self._read = read
        return read


def _variable(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
    dtype, shape = as_dtype(attrs["dtype"]).base_dtype, TensorShape(attrs["shape"])
    shared = attrs.get("shared_name") or node.name
    made = {"shared_name": shared, "container": attrs.get("container", ""), "dtype": dtype, "shape": shape}
    exact = name.endswith("/")
    operation = _add(graph, "VarHandleOp", [], made, name.rstrip("/") + ("/handle/" if exact else "/handle"))
    operation.outputs[0].handle_data = HandleData(shape, dtype)
    # The node's own name gives the value, as fetching a reference does.
    read = _add(graph, "ReadVariableOp", operation.outputs, {"dtype": dtype}, name)
    reference = Reference(operation.outputs[0], dtype)
    reference._read = read.outputs[0]
    return [reference], [operation]


def _handle_of(node: Any, value: Any) -> Any:
    if isinstance(value, Reference):
        return value.handle
    if value.dtype is dtypes.resource:
        return value
    raise ValueError(f"NodeDef {node.name!r} ({node.op}): its first input must be a variable, got {value!r}.")


def _update(resource_op: str) -> Translation:
    """The same update of a resource variable; what comes out is the reference after it."""

    def translate(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
        definition = REGISTRY.get(resource_op)
        if definition is None:
            raise ValueError(f"NodeDef {node.name!r}: the op type {node.op!r} is not known.")
        handle = _handle_of(node, inputs[0])
        values = []
        for argument, value in zip(definition.signature.inputs[1:], inputs[1:], strict=True):
            slot = isinstance(value, Reference) and argument.type is dtypes.resource
            values.append(value.handle if slot else value.value() if isinstance(value, Reference) else value)
        kept = {key: value for key, value in attrs.items() if key in definition.signature.attrs}
        before = inputs[0].after if isinstance(inputs[0], Reference) else []
        with graph.control_dependencies(before):
            operation = _add(graph, resource_op, [handle, *values], kept, name)
        dtype = inputs[0].dtype if isinstance(inputs[0], Reference) else as_dtype(attrs["T"]).base_dtype
        return [Reference(handle, dtype, [operation])], [operation]

    return translate


def _is_initialized(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
    operation = _add(graph, "VarIsInitializedOp", [_handle_of(node, inputs[0])], None, name)
    return operation.outputs, [operation]


def _ref_identity(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
    operation = _add(graph, "NoOp", [], None, name)
    return [inputs[0]], [operation]


# Tensor arrays.


def _element_shape(shape: Any) -> Any:
    shape = TensorShape(shape)
    if shape.rank is None:
        return convert_to_tensor(-1)
    return convert_to_tensor([-1 if dim is None else dim for dim in shape.as_list()], dtypes.int32)


def _array(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
    shape = _element_shape(attrs.get("element_shape"))
    kind = as_dtype(attrs["dtype"])
    operation = _add(
        graph,
        "TensorListReserve",
        [shape, inputs[0]],
        {"element_dtype": kind, "shape_type": shape.dtype},
        name,
    )
    flow = operation.outputs[0]
    flow.handle_data = HandleData(TensorShape(attrs.get("element_shape")), kind)
    return [flow, flow], [operation]


def _on_list(list_op: str, arguments: Callable[[list, Any], list]) -> Translation:
    """An op on a tensor array as one on the list; `arguments(inputs, element_shape)` orders its inputs."""

    def translate(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
        definition = REGISTRY[list_op]
        flow = inputs[-1]
        known = flow.handle_data.shape if flow.handle_data is not None else attrs.get("element_shape")
        values = arguments(inputs, _element_shape(known))
        given: dict[str, Any] = {}
        if "element_dtype" in definition.signature.attrs:
            given["element_dtype"] = as_dtype(attrs.get("dtype", attrs.get("T")))
        operation = _add(graph, list_op, values, given, name)
        for each in operation.outputs:
            if each.dtype is dtypes.variant:
                each.handle_data = flow.handle_data
        return operation.outputs, [operation]

    return translate


def _close(graph: Any, node: Any, inputs: list, attrs: dict, name: str) -> tuple[list, list]:
    operation = _add(graph, "NoOp", [], None, name)
    return [], [operation]


_SCATTERS = ("Add", "Sub", "Mul", "Div", "Min", "Max", "Update", "NdAdd", "NdSub", "NdUpdate")
_APPLIED = (
    "GradientDescent", "Momentum", "Adam", "Adagrad", "AdagradDA", "Adadelta", "RMSProp", "CenteredRMSProp", "Ftrl",
    "FtrlV2", "ProximalGradientDescent", "ProximalAdagrad", "AddSign", "PowerSign", "AdaMax", "KerasMomentum",
)  # fmt: skip

# TF 1's op -> what makes operations of its node: (graph, node, inputs, attributes, name) -> (outputs, operations).
TRANSLATIONS: dict[str, Translation] = {
    "Variable": _variable,
    "VariableV2": _variable,
    "TemporaryVariable": _variable,
    "Assign": _update("AssignVariableOp"),
    "AssignAdd": _update("AssignAddVariableOp"),
    "AssignSub": _update("AssignSubVariableOp"),
    "IsVariableInitialized": _is_initialized,
    "RefIdentity": _ref_identity,
    **{f"Scatter{kind}": _update(f"ResourceScatter{kind}") for kind in _SCATTERS},
    **{f"Apply{kind}": _update(f"ResourceApply{kind}") for kind in _APPLIED},
    **{f"SparseApply{kind}": _update(f"ResourceSparseApply{kind}") for kind in _APPLIED},
    "TensorArrayV3": _array,
    "TensorArrayReadV3": _on_list("TensorListGetItem", lambda inputs, shape: [inputs[2], inputs[1], shape]),
    "TensorArrayWriteV3": _on_list("TensorListSetItem", lambda inputs, shape: [inputs[3], inputs[1], inputs[2]]),
    "TensorArrayGatherV3": _on_list("TensorListGather", lambda inputs, shape: [inputs[2], inputs[1], shape]),
    "TensorArrayScatterV3": _on_list(
        "TensorListScatterIntoExistingList", lambda inputs, shape: [inputs[3], inputs[2], inputs[1]]
    ),
    "TensorArraySizeV3": _on_list("TensorListLength", lambda inputs, shape: [inputs[1]]),
    "TensorArrayCloseV3": _close,
}  # fmt: skip

# Gradients of tensor arrays are found through the array itself, so in a graph that has some the arrays stay arrays.
WITH_ARRAYS = {name: made for name, made in TRANSLATIONS.items() if not name.startswith("TensorArray")}
