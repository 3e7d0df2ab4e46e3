"""The graph of a SavedModel's MetaGraph: what programs of TF 1 and servers run.

Variables and tables are nodes in it, signatures are calls, one node initializes tables, others save and restore.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.resources import HandleData
from penstock.graph.graph import Graph
from penstock.graph.graph_def import graph_def
from penstock.graph.tensor_proto import shape_proto
from penstock.saving.object_values import SavedAttribute, attributes_of
from penstock.saving.saved_nodes import SavedNodes, is_resource, is_variable
from penstock.saving.saved_signatures import Signature, input_specs, output_specs
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor


class SavedGraph:
    """Builds the graph.

    Args:
      nodes: what the SavedModel keeps.
      with_saver: whether to add the nodes that save and restore.

    Attributes:
      message: the GraphDef. names: number of an object -> the tensor that stands for it.
      assets: (number, name of the tensor to feed, path) of the assets.
    """

    def __init__(self, nodes: SavedNodes, with_saver: bool = True):
        self.names: dict[int, str] = {}
        self.assets: list[tuple[int, str, str]] = []
        self._nodes = nodes
        self._setup: list[str] = []  # nodes that run before the model is used
        self._graph = Graph()
        self.saver: tuple[str, str, str] | None = None  # filename tensor, save tensor, restore operation
        with context.building(self._graph), context.tapes_stopped():
            tensors = {
                number: self._add(number, thing)
                for number, thing in enumerate(nodes.objects)
                if is_variable(thing)
                or is_resource(thing)
                or hasattr(thing, "asset_path")
                or isinstance(thing, EagerTensor)
            }
            self.names = {number: tensor.name for number, tensor in tensors.items()}
            if with_saver:
                self.saver = self._add_saver(tensors)
        self.message = graph_def(self._graph)
        self._taken = {node.name for node in self.message.node}

    def _add(self, number: int, thing: Any) -> Any:
        if is_variable(thing):
            return self._add_variable(_plain(thing._shared_name), thing.dtype, thing.shape, read=True)
        if is_resource(thing):
            return thing._create_resource()
        if isinstance(thing, EagerTensor):
            return execute("Const", (), {"value": thing.host(), "dtype": thing.dtype}, "Const")
        path = execute("Placeholder", (), {"dtype": dtypes.string, "shape": []}, "asset_path_initializer")
        kept = self._add_variable("asset_path", dtypes.string, [], read=False)
        assign = execute("AssignVariableOp", (kept, path), None, f"{kept.op.name}/Assign")
        self._setup.append(assign.name)
        self.assets.append((number, path.name, thing.asset_path.numpy().decode()))
        with self._graph.control_dependencies([assign]):
            return execute("ReadVariableOp", (kept,), {"dtype": dtypes.string}, f"{kept.op.name}/Read")

    def _add_variable(self, name: str, dtype: Any, shape: Any, read: bool) -> Any:
        name = self._graph.unique_name(name, mark_as_used=False)
        attrs = {"shared_name": name, "dtype": dtype, "shape": shape}
        handle = execute("VarHandleOp", (), attrs, name)
        handle.handle_data = HandleData(TensorShape(shape), dtype)
        if read:
            execute("ReadVariableOp", (handle,), {"dtype": dtype}, f"{name}/Read/ReadVariableOp")
        return handle

    # Saving and restoring in a session.

    def _add_saver(self, tensors: dict[int, Any]) -> tuple[str, str, str] | None:
        filename = execute("Placeholder", (), {"dtype": dtypes.string, "shape": []}, "saver_filename")
        keys: list[str] = []
        values: list[Any] = []
        plans: list[tuple[Any, list[str]]] = []  # (object, names of its tensors)
        for number, handle in tensors.items():
            thing = self._nodes.objects[number]
            attributes = self._symbolic_attributes(number, handle)
            names = []
            for attribute in attributes:
                for each in attribute.tensors:
                    names.append(each.key)
                    keys.append(each.key)
                    values.append(each.tensor)
            if names:
                plans.append((thing, [handle, *names]))
        if not keys:
            return None
        slices = [""] * len(keys)
        save = execute("SaveV2", (filename, _strings(keys), _strings(slices), values), None, "saver/SaveV2")
        with self._graph.control_dependencies([save]):
            saved = execute("Identity", (filename,), None, "saver/saved")
        kinds = [each.dtype for each in values]
        inputs = (filename, _strings(keys), _strings(slices))
        restored = dict(zip(keys, execute("RestoreV2", inputs, {"dtypes": kinds}, "saver/RestoreV2")))
        assignments = [
            self._restore(thing, handle, [(name, restored[name]) for name in names])
            for thing, (handle, *names) in plans
        ]
        with self._graph.control_dependencies(assignments):
            everything = execute("NoOp", (), None, "saver/restore_all")
        return filename.name, saved.name, everything.name

    def _symbolic_attributes(self, number: int, handle: Any) -> list[SavedAttribute]:
        """The values of an object as tensors of this graph."""
        thing, path = self._nodes.objects[number], self._nodes.paths[number]
        if is_variable(thing):
            found = attributes_of(thing, path)
            value = execute("ReadVariableOp", (handle,), {"dtype": thing.dtype}, "saver/Read")
            return [
                each._replace(tensors=[part._replace(tensor=value) for part in each.tensors])
                for each in found
            ]
        if is_resource(thing):
            with _standing_for(thing, handle):
                return attributes_of(thing, path)
        return []

    def _restore(self, thing: Any, handle: Any, values: Sequence[tuple[str, Any]]) -> Any:
        if is_variable(thing):
            return execute("AssignVariableOp", (handle, values[0][1]), None, "saver/Assign")
        with _standing_for(thing, handle):
            return thing._restore_from_tensors(
                {key.rpartition("/")[2].removeprefix("table"): v for key, v in values}
            )

    # Nodes that the message gets by hand, because a call is no operation here.

    def _unique(self, name: str) -> str:
        found, count = name, 0
        while found in self._taken:
            count += 1
            found = f"{name}_{count}"
        self._taken.add(found)
        return found

    def add_call(self, function: Any, bound: Sequence[int], inputs: Sequence[str] = ()) -> str:
        """Adds a call of a function of the library (a FunctionDef); returns the node's name.

        Args:
          bound: the objects that it captures. inputs: the tensors for its other arguments.
        """
        node = self.message.node.add(
            name=self._unique("StatefulPartitionedCall"), op="StatefulPartitionedCall"
        )
        node.input.extend(_node_input(each) for each in [*inputs, *(self.names[n] for n in bound)])
        node.attr["f"].func.name = function.signature.name
        node.attr["Tin"].list.type.extend(each.type for each in function.signature.input_arg)
        node.attr["Tout"].list.type.extend(each.type for each in function.signature.output_arg)
        node.attr["Tin"].list.SetInParent()
        node.attr["Tout"].list.SetInParent()
        return node.name

    def add_init_op(self, calls: Sequence[str]) -> str:
        """Adds the node that runs `calls` and sets the paths of assets; returns its name."""
        node = self.message.node.add(name=self._unique("NoOp"), op="NoOp")
        node.input.extend(f"^{each}" for each in [*calls, *self._setup])
        return node.name

    def add_signature(self, name: str, signature: Signature, function: Any, bound: Sequence[int]) -> Any:
        """Adds placeholders and a call for a signature; returns its SignatureDef."""
        from tensorboard.compat.proto import meta_graph_pb2

        message = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
        inputs = []
        for keyword, spec in input_specs(signature).items():
            node = self.message.node.add(name=self._unique(_plain(f"{name}_{keyword}")), op="Placeholder")
            node.attr["dtype"].type = spec.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(shape_proto(spec.shape))
            inputs.append(f"{node.name}:0")
            _fill_info(message.inputs[keyword], inputs[-1], spec)
        call = self.add_call(function, bound, inputs)
        for position, (key, spec) in enumerate(output_specs(signature).items()):
            _fill_info(message.outputs[key], f"{call}:{position}", spec)
        return message


class _standing_for:  # noqa: N801 - a context manager
    """Inside, the handle of an object's resource is a node of the graph."""

    def __init__(self, thing: Any, handle: Any):
        self._thing, self._handle = thing, handle

    def __enter__(self) -> None:
        self._outer = self._thing._resource_handle
        self._thing._resource_handle = self._handle

    def __exit__(self, *error: Any) -> None:
        self._thing._resource_handle = self._outer


def _strings(texts: Sequence[str]) -> Any:
    return convert_to_tensor(list(texts), dtypes.string)


def _plain(name: str) -> str:
    """A name that nodes may have."""
    cleaned = re.sub(r"[^A-Za-z0-9_.\\/-]", "_", name)
    return cleaned if re.match(r"[A-Za-z0-9.]", cleaned) else f"node{cleaned}"


def _node_input(tensor_name: str) -> str:
    return tensor_name.removesuffix(":0")


def _fill_info(info: Any, name: str, spec: Any) -> None:
    info.name, info.dtype = name, spec.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(shape_proto(spec.shape))
