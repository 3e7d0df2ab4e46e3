"""A node of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine import source_line
from penstock.engine.definition import OpDef
from penstock.engine.export import export
from penstock.types.tensors import SymbolicTensor


@export("Operation")
class Operation:
    """A node of a `Graph`: an op type, its input tensors and attributes, and the tensors it produces.

    Attributes:
      definition: the op's definition. graph: the graph that holds the node. name: its unique name there.
      inputs: the input tensors, list arguments spread out. attrs: the attributes, complete.
      outputs: the output tensors. control_inputs: operations that run before this one.
      device: where `tf.device` placed it. line: the user's source line that made it.
    """

    __slots__ = (
        "definition", "graph", "name", "inputs", "attrs", "outputs", "control_inputs", "device", "line", "index",
        "__weakref__", "__dict__",
    )  # fmt: skip

    def __init__(
        self,
        definition: OpDef,
        graph: Any,
        name: str,
        inputs: Sequence[SymbolicTensor],
        attrs: dict,
        control_inputs: Sequence[Operation],
        device: str,
    ):
        self.definition, self.graph, self.name = definition, graph, name
        self.inputs, self.attrs = tuple(inputs), attrs
        self.control_inputs, self.device = list(control_inputs), device
        self.outputs: list[SymbolicTensor] = []
        self.line = source_line.caller()
        self.index = -1  # position in the graph, set when it is added

    @property
    def type(self) -> str:
        """The op type, as in TensorFlow's registry."""
        return self.definition.type

    @property
    def op_def(self) -> OpDef:
        """The op's definition."""
        return self.definition

    @property
    def node_def(self) -> Any:
        """The node as a NodeDef message."""
        from penstock.graph.graph_def import node_def

        return node_def(self)

    @property
    def traceback(self) -> list:
        """The user's source line that made the node."""
        return [self.line] if self.line else []

    def get_attr(self, name: str) -> Any:
        """The value of an attribute.

        Raises:
          ValueError: the node has no such attribute.
        """
        if name in self.attrs:
            return self.attrs[name]
        derived = self.definition.type_attrs(self.inputs, self.attrs)
        if name not in derived:
            raise ValueError(f"Operation {self.name!r} has no attr named {name!r}.")
        return derived[name]

    def values(self) -> tuple[SymbolicTensor, ...]:
        """The output tensors."""
        return tuple(self.outputs)

    def run(self, feed_dict: dict | None = None, session: Any = None) -> None:
        """Runs the node in `session`, or in the default session."""
        from penstock.runtime.session import default_session

        default_session(session).run(self, feed_dict)

    def colocation_groups(self) -> list[bytes]:
        """The names of the groups of nodes that share this node's device."""
        return [b"loc:@" + self.name.encode()]

    def _set_attr(self, name: str, value: Any) -> None:
        self.attrs[name] = value

    def _add_control_input(self, op: Operation) -> None:
        self.control_inputs.append(op)

    def _add_control_inputs(self, ops: Sequence[Operation]) -> None:
        self.control_inputs.extend(ops)

    def __str__(self) -> str:
        return str(self.node_def)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"
