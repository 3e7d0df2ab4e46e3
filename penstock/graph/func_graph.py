"""`FuncGraph`: a graph with inputs, outputs and captures. Bodies of `tf.function`, branches, loops, dataset maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, OpDef
from penstock.engine.export import export
from penstock.graph.graph import Graph, record_capture
from penstock.types import dtypes, nest, upcalls
from penstock.types.errors import InaccessibleTensorError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

# Eager tensors up to this size become constants of the graph, larger ones inputs of its calls.
_LARGEST_CONSTANT = 128


@export("__internal__.FuncGraph")
class FuncGraph(Graph):
    """A graph that stands for a function.

    Attributes:
      name: for people. inputs: the placeholders of the arguments, then those of the captures.
      outputs: the flat output tensors. structured_outputs: what the function returned, with tensors of this graph.
      captures: (outside tensor, placeholder) pairs. variables: the variables that were used while tracing.
      outer_graph: the graph being built when this one was made; None where that was eager.
    """

    building_function = True
    is_v1 = False

    def __init__(self, name: str, outer_graph: Graph | None = None):
        super().__init__()
        self.name = name
        self.inputs: list[SymbolicTensor] = []
        self.outputs: list[SymbolicTensor] = []
        self.structured_outputs: Any = None
        self.structured_input_signature: Any = None
        self.control_outputs: list = []
        self.is_traced = False  # whether the function has been traced to its end
        self._captures: dict[int, tuple[Any, SymbolicTensor]] = {}
        self._variables: dict[int, Any] = {}
        self.outer_graph = thread.graph if outer_graph is None else outer_graph
        self.seed = process.global_seed if self.outer_graph is None else self.outer_graph.seed
        if self.outer_graph is not None:
            self._collections = self.outer_graph._collections
            self._gradient_overrides = self.outer_graph._gradient_overrides

    def add_input(self, dtype: Any, shape: Any, name: str) -> SymbolicTensor:
        """A new placeholder at the end of the inputs."""
        with context.tapes_stopped():
            node = self.add_operation(
                REGISTRY["Placeholder"],
                (),
                {"dtype": dtypes.as_dtype(dtype), "shape": TensorShape(shape)},
                name,
            )
        self.inputs.append(node.outputs[0])
        return node.outputs[0]

    def add_call_from_outside(
        self, definition: OpDef, inputs: Sequence[Any], attrs: dict | None, name: str | None = None
    ) -> Any:
        """As `add_call`.

        Raises:
          InaccessibleTensorError: the function has been traced: the tensor that leaked out of it has no value.
        """
        if self.is_traced:
            raise InaccessibleTensorError(
                f"{definition.type}: a tensor of the function {self.name!r} is used outside of it, where it has no value. "
                "Return it from the function instead of keeping it in a list, an attribute or a global variable."
            )
        return self.add_call(definition, inputs, attrs, name)

    def capture(self, tensor: Any, name: str | None = None, by_value: bool | None = None) -> SymbolicTensor:
        """The tensor of this graph that stands for `tensor` of an outer graph, or of eager mode."""
        if type(tensor) is SymbolicTensor and tensor.op.graph is self:
            return tensor
        known = self._captures.get(id(tensor))
        if known is not None:
            record_capture(*known)  # a tape may have started since
            return known[1]
        if isinstance(tensor, EagerTensor):
            if tensor.dtype not in (dtypes.resource, dtypes.variant):
                small = (tensor.shape.num_elements() or 0) <= _LARGEST_CONSTANT
                small = small and "is_asset_path" not in vars(
                    tensor
                )  # it differs where a saved model is loaded
                if by_value or (by_value is None and small and not self._may_be_watched(tensor)):
                    return super().capture(tensor, name)
        elif not isinstance(tensor, SymbolicTensor):
            raise TypeError(f"cannot capture {tensor!r}")
        elif not self._is_inside(tensor.op.graph):
            copy = translated(tensor)
            if copy is not None:
                return self.as_input(copy)
            raise InaccessibleTensorError(
                f"{tensor!r} is out of scope: it was made in {tensor.op.graph!r}, which is not around "
                f"{self.name!r}. Return it from the function that makes it instead of keeping it."
            )
        with self.control_dependencies(None):
            placeholder = self._capture_placeholder(tensor, name)
        self._captures[id(tensor)] = (tensor, placeholder)
        record_capture(tensor, placeholder)
        return placeholder

    def _may_be_watched(self, tensor: EagerTensor) -> bool:
        """Whether a gradient may be asked for that flows through the operation whose body this graph is.

        The function around it can be run with its constants as inputs (`eager_constants`), its bodies cannot.
        """
        outer = self.outer_graph
        return outer is not None and outer.building_function and _is_real_or_complex(tensor.dtype)

    @property
    def eager_constants(self) -> list[tuple[EagerTensor, SymbolicTensor]]:
        """The small eager tensors that are constants here, each with its Const: tapes may watch them."""
        return [each for each in self._outside.values() if _is_real_or_complex(each[0].dtype)]

    def _capture_placeholder(self, tensor: Any, name: str | None) -> SymbolicTensor:
        outer_scope, self._name_stack = self._name_stack, ""
        try:
            placeholder = self.add_input(tensor.dtype, tensor.shape, name or "capture")
        finally:
            self._name_stack = outer_scope
        if isinstance(tensor, SymbolicTensor):
            placeholder.handle_data = tensor.handle_data
        elif tensor.dtype is dtypes.resource:
            placeholder.handle_data = getattr(tensor.host(), "handle_data", None)
        return placeholder

    def _is_inside(self, graph: Graph) -> bool:
        outer = self.outer_graph
        while outer is not None:
            if outer is graph:
                return True
            outer = outer.outer_graph
        return outer is None and not graph.building_function and self._outermost() is None

    def _outermost(self) -> Graph | None:
        outer: Graph | None = self
        while outer is not None and outer.building_function:
            outer = outer.outer_graph
        return outer

    @property
    def captures(self) -> list[tuple[Any, SymbolicTensor]]:
        """(outside tensor, placeholder) pairs in the order of the inputs."""
        return list(self._captures.values())

    @property
    def external_captures(self) -> list[Any]:
        """The captured outside tensors."""
        return [outside for outside, _ in self._captures.values()]

    @property
    def internal_captures(self) -> list[SymbolicTensor]:
        """The placeholders of the captures."""
        return [inside for _, inside in self._captures.values()]

    @property
    def arguments(self) -> list[SymbolicTensor]:
        """The inputs that are not captures."""
        return self.inputs[: len(self.inputs) - len(self._captures)]

    def watch_variable(self, variable: Any) -> None:
        """Notes that the function uses `variable`."""
        self._variables.setdefault(id(variable), variable)
        if self.outer_graph is not None and self.outer_graph.building_function:
            self.outer_graph.watch_variable(variable)

    @property
    def variables(self) -> tuple:
        """The variables that were used while tracing."""
        return tuple(self._variables.values())

    @property
    def trainable_variables(self) -> tuple:
        """Those of them that are trainable."""
        return tuple(each for each in self._variables.values() if each.trainable)

    def __repr__(self) -> str:
        return f"<FuncGraph {self.name!r} of {len(self._operations)} operations>"


def _is_real_or_complex(dtype: dtypes.DType) -> bool:
    return dtype.is_floating or dtype.is_complex


def translated(tensor: SymbolicTensor) -> SymbolicTensor | None:
    """The copy of a tensor of a graph whose operations were copied, while a copied operation's gradient runs."""
    for copies in reversed(thread.translations):
        if id(tensor) in copies:
            return copies[id(tensor)]
    return None


def trace(
    name: str,
    function: Callable,
    args: Sequence[Any] = (),
    kwargs: dict | None = None,
    *,
    graph: FuncGraph | None = None,
    specs: Sequence[Any] = (),
) -> FuncGraph:
    """Runs a Python function once to build its FuncGraph.

    Args:
      name: the graph's name.
      function: called with `args` and `kwargs`, or, where `specs` are given, with one placeholder for each of them.
      graph: an empty graph to build into.
      specs: things with `dtype` and `shape` (a list of them): simple flat arguments, as branches and loops have.

    Returns:
      The graph, with `outputs` and `structured_outputs` set.
    """
    graph = graph or FuncGraph(name)
    with context.building(graph):
        arguments = list(args)
        for index, spec in enumerate(specs):
            placeholder = graph.add_input(spec.dtype, spec.shape, f"arg{index}")
            placeholder.handle_data = getattr(spec, "handle_data", None)
            arguments.append(placeholder)
        result = function(*arguments, **(kwargs or {}))
        set_outputs(graph, result)
    return graph


def set_outputs(graph: FuncGraph, result: Any) -> None:
    """Makes what a traced function returned the graph's outputs: tensors, composites, variables, numbers, None."""

    def as_output(value: Any) -> Any:
        if (
            value is None
            or hasattr(value, "graph")
            and not isinstance(value, (Tensor, upcalls.variable_class))
        ):
            return None  # an Operation: kept for its effect
        try:
            tensor = convert_to_tensor(value)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{graph.name}: a function returns tensors, composites of tensors, None, or nests of these; it returned a "
                f"{type(value).__name__}, which is no tensor: {error}"
            ) from None
        tensor = graph.as_input(tensor)
        if any(tensor is each for each in graph.inputs):
            tensor = identity(tensor)
        return tensor

    def identity(tensor: Any) -> Any:
        out = graph.add_call(REGISTRY["Identity"], (tensor,), None)
        out.handle_data = tensor.handle_data
        return out

    with context.building(graph):
        graph.structured_outputs = nest.map_structure(as_output, result, expand_composites=True)
    graph.outputs = [
        each for each in nest.flatten(graph.structured_outputs, expand_composites=True) if each is not None
    ]
