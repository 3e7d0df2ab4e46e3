"""Variables of a GraphDef turned into constants, in its functions too.

Works on the message, so that ops that this program does not know pass through. Used by `graph_util` and by
`convert_variables_to_constants_v2`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from penstock.graph.tensor_proto import shape_proto, tensor_proto
from penstock.graph.v1_control_flow import ordered, source_of
from penstock.types import dtypes
from penstock.types.dtypes import DType, dtype_of_array

# Attributes with the functions that an op calls, and the one with the dtypes of what it passes to them; how many of its
# own inputs come before those.
_CALLERS: dict[str, tuple[tuple[str, ...], str, int]] = {
    "If": (("then_branch", "else_branch"), "Tin", 1),
    "StatelessIf": (("then_branch", "else_branch"), "Tin", 1),
    "Case": (("branches",), "Tin", 1),
    "StatelessCase": (("branches",), "Tin", 1),
    "While": (("cond", "body"), "T", 0),
    "StatelessWhile": (("cond", "body"), "T", 0),
    "PartitionedCall": (("f",), "Tin", 0),
    "StatefulPartitionedCall": (("f",), "Tin", 0),
}
_LOOPS = {"While", "StatelessWhile"}
_PASSING = {"Identity": "T", "Enter": "T", "Switch": "T", "RefSwitch": "T", "RefIdentity": "T", "Exit": "T"}
_WRITING = re.compile(
    r"^(Assign|Scatter|Apply|ResourceScatter|ResourceApply|ResourceSparseApply|ResourceStrided)"
)
VARIABLE_OPS = {"VarHandleOp", "VariableV2", "Variable"}


class _Kind(NamedTuple):
    """What a tensor holds that was a handle."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def enum(self) -> int:
        """The dtype as messages have it."""
        return self.dtype.as_datatype_enum


def freeze(graph_def: Any, values: dict[str, np.ndarray]) -> Any:
    """A copy of a GraphDef in which nodes are constants.

    Args:
      values: name of a node that is a variable (or a placeholder for one) -> its value.

    Raises:
      ValueError: a node assigns one of the variables.
    """
    result = type(graph_def)()
    result.versions.CopyFrom(graph_def.versions)
    result.library.CopyFrom(graph_def.library)
    freezer = _Freezer(result.library)
    frozen: dict[str, _Kind] = {}
    copies = {}
    for node in ordered(list(graph_def.node), ()):
        if node.name in values:
            value = np.asarray(values[node.name])
            frozen[node.name] = _Kind(dtype_of_array(value), value.shape)
            copies[node.name] = [_constant(node, value)]
        else:
            copies[node.name] = freezer.convert(node, frozen, {})
    for node in graph_def.node:
        result.node.extend(copies[node.name])
    return result


def _constant(node: Any, value: np.ndarray) -> Any:
    made = type(node)(name=node.name, op="Const", device=node.device)
    kind = dtype_of_array(value)
    made.attr["dtype"].type = kind.as_datatype_enum
    made.attr["value"].tensor.CopyFrom(tensor_proto(value, kind))
    return made


class _Freezer:
    """Converts nodes, and makes versions of functions whose arguments are values instead of variables."""

    def __init__(self, library: Any):
        self._library = library
        self._functions = {each.signature.name: each for each in library.function}
        self._made: dict[tuple, str] = {}
        self._inside = False  # whether the nodes are those of a function

    def convert(self, node: Any, frozen: dict[str, _Kind], renamed: dict[str, str]) -> list[Any]:
        """What a node becomes.

        Args:
          frozen: tensors that were handles and are values -> what they hold; grows with what the node passes on.
          renamed: tensors that have another name after conversion (functions name outputs by the op's arguments).
        """
        copy = type(node)()
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(renamed.get(each, each) for each in node.input)
        data = [each for each in node.input if not each.startswith("^")]
        kinds = [frozen.get(_plain(each)) for each in data]
        if not any(kinds):
            return [copy]
        if node.op in _CALLERS:
            return [self._convert_call(copy, node, kinds, frozen)]
        if _WRITING.match(node.op) and kinds[0] is not None:
            raise ValueError(
                f"Node {node.name!r} ({node.op}) changes the variable {source_of(data[0])!r}, which cannot become a constant."
            )
        kind = kinds[0]
        assert kind is not None
        if node.op == "ReadVariableOp":
            copy.op = "Identity"
            del copy.attr["dtype"]
            copy.attr["T"].type = kind.enum
            renamed[f"{node.name}:value:0"] = f"{node.name}:output:0"
        elif node.op in _PASSING:
            copy.attr[_PASSING[node.op]].type = kind.enum
            for each in (node.name, f"{node.name}:1", f"{node.name}:output:0"):
                frozen[each] = kind
        elif node.op in ("ResourceGather", "ResourceGatherNd"):
            return self._convert_gather(copy, node, kind)
        elif node.op == "VariableShape":
            copy.op = "Shape"
            copy.attr["T"].type = kind.enum
        elif node.op == "VarIsInitializedOp":
            made = _constant(node, np.array(True))
            renamed[f"{node.name}:is_initialized:0"] = f"{node.name}:output:0"
            return [made]
        return [copy]

    def _convert_gather(self, copy: Any, node: Any, kind: _Kind) -> list[Any]:
        indices = node.attr["Tindices"].type
        nd = node.op == "ResourceGatherNd"
        copy.op = "GatherNd" if nd else "GatherV2"
        batch = node.attr["batch_dims"].i
        copy.attr.clear()
        copy.attr["Tparams"].type = kind.enum
        copy.attr["Tindices"].type = indices
        if nd:
            return [copy]
        axis = _constant(type(node)(name=f"{node.name}/axis", device=node.device), np.array(batch, np.int32))
        copy.attr["Taxis"].type = dtypes.int32.as_datatype_enum
        copy.attr["batch_dims"].i = batch
        copy.input.insert(2, f"{axis.name}:output:0" if self._inside else axis.name)
        return [axis, copy]

    def _convert_call(self, copy: Any, node: Any, kinds: list, frozen: dict[str, _Kind]) -> Any:
        names, types, first = _CALLERS[node.op]
        passed = kinds[first:]
        for index, kind in enumerate(passed):
            if kind is not None:
                copy.attr[types].list.type[index] = kind.enum
        for name in names:
            attr = copy.attr[name]
            for each in attr.list.func if attr.WhichOneof("value") == "list" else [attr.func]:
                each.name = self.function(each.name, passed, name == "body")
        if node.op in _LOOPS:
            for index, kind in enumerate(passed):
                if kind is not None:
                    frozen[f"{node.name}:{index}" if index else node.name] = kind
                    frozen[f"{node.name}:output:{index}"] = kind
        return copy

    def function(self, name: str, kinds: list, is_body: bool) -> str:
        """The name of the version of a function for arguments that are values of `kinds` where these are not None."""
        key = (name, tuple(kinds))
        if key in self._made:
            return self._made[key]
        source = self._functions[name]
        result = type(source)()
        result.CopyFrom(source)
        new_name = f"{name}_frozen"
        while new_name in self._functions:
            new_name += "_"
        self._made[key] = result.signature.name = new_name
        self._functions[new_name] = result
        frozen: dict[str, _Kind] = {}
        for index, (argument, kind) in enumerate(zip(result.signature.input_arg, kinds)):
            if kind is not None:
                argument.type = kind.enum
                result.arg_attr[index].attr["_output_shapes"].list.CopyFrom(_list_of(kind.shape))
                frozen[argument.name] = kind
        if is_body:
            for argument, kind in zip(result.signature.output_arg, kinds):
                if kind is not None:
                    argument.type = kind.enum
        renamed: dict[str, str] = {}
        del result.node_def[:]
        outer, self._inside = self._inside, True
        arguments = [each.name for each in source.signature.input_arg]
        for node in ordered(list(source.node_def), (), arguments):
            result.node_def.extend(self.convert(node, frozen, renamed))
        self._inside = outer
        for key_of_result, tensor in list(result.ret.items()):
            result.ret[key_of_result] = renamed.get(tensor, tensor)
        self._library.function.append(result)
        return new_name


def _list_of(shape: tuple[int, ...]) -> Any:
    from tensorboard.compat.proto import attr_value_pb2

    return attr_value_pb2.AttrValue.ListValue(shape=[shape_proto(shape)])


def _plain(name: str) -> str:
    return name[:-2] if name.count(":") == 1 and name.endswith(":0") else name


def drop_unused_functions(graph_def: Any) -> None:
    """Removes the functions that no node calls, directly or through other functions."""
    functions = {each.signature.name: each for each in graph_def.library.function}
    needed: set[str] = set()
    stack = [each for node in graph_def.node for each in _called(node, functions)]
    while stack:
        name = stack.pop()
        if name in needed or name not in functions:
            continue
        needed.add(name)
        stack.extend(each for node in functions[name].node_def for each in _called(node, functions))
    kept = [each for each in graph_def.library.function if each.signature.name in needed]
    gradients = [each for each in graph_def.library.gradient if each.function_name in needed]
    del graph_def.library.function[:], graph_def.library.gradient[:]
    graph_def.library.function.extend(kept)
    graph_def.library.gradient.extend(gradients)


def _called(node: Any, functions: dict[str, Any]) -> list[str]:
    found = [node.op] if node.op in functions else []
    for attr in node.attr.values():
        if attr.WhichOneof("value") == "func":
            found.append(attr.func.name)
        elif attr.WhichOneof("value") == "list":
            found.extend(each.name for each in attr.list.func)
    return found
