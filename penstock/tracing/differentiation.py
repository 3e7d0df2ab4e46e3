"""Gradients of calls of traced functions, for tapes in eager mode.

A function that is called under a tape runs an extended copy of its graph, whose extra outputs are the intermediate
values that its backward graph needs. For gradients of gradients the copy is extended once for each order.
"""

from __future__ import annotations

from typing import Any

from penstock.autodiff.backprop import backpropagate, is_differentiable
from penstock.engine import context
from penstock.engine.definition import OpDef
from penstock.graph.copying import clone
from penstock.graph.func_graph import FuncGraph
from penstock.types import dtypes, nest
from penstock.types.tensors import SymbolicTensor

# What a tape records for a call of a traced function.
DIFFERENTIABLE_CALL = OpDef("StatefulPartitionedCall(args: *Tin; f, Tout) -> output: *Tout")


class Differentiable:
    """An extended copy of a function's graph and the backward graphs that go with it.

    Args:
      graph: the function's graph.
      orders: how many tapes are nested, that is, how often the result may be differentiated.
    """

    def __init__(self, graph: FuncGraph, orders: int):
        self.graph = clone(graph)
        self._backward: dict[tuple[int, ...], Any] = {}
        self._levels: list[tuple[int, tuple[int, ...]]] = []  # (number of outputs, pattern of all of them)
        for _ in range(orders):
            pattern = tuple(
                i
                for i, each in enumerate(self.graph.outputs)
                if is_differentiable(each.dtype) and each.dtype is not dtypes.resource
            )
            self._levels.append((len(self.graph.outputs), pattern))
            backward = self._build(pattern)
            self._extend(backward)
            self._backward[pattern] = self._finish(backward)
        self.output_dtypes = [each.dtype for each in self.graph.outputs]
        # What follows was kept for the last order alone: nothing goes back through it.
        self.differentiable_count = self._levels[-1][0]

    def _build(self, pattern: tuple[int, ...]) -> FuncGraph:
        """A graph from cotangents of some outputs to gradients of all inputs; it captures tensors of the forward graph."""
        forward = self.graph
        backward = FuncGraph(f"{forward.name}_backward", outer_graph=forward)
        backward._collections = {}
        with context.building(backward), context.tapes_stopped():
            outputs = [forward.outputs[i] for i in pattern]
            cotangents = []
            for each in outputs:
                cotangent = backward.add_input(each.dtype, each.shape, "cotangent")
                cotangent.handle_data = each.handle_data
                cotangents.append(cotangent)
            found = backpropagate(forward.get_operations(), outputs, cotangents, forward.inputs)
            backward.structured_outputs = found
        return backward

    def _extend(self, backward: FuncGraph) -> None:
        """Makes the forward tensors that a backward graph captures outputs of the forward graph."""
        present = {id(each) for each in (*self.graph.inputs, *self.graph.outputs)}
        for tensor, _ in backward.captures:
            if (
                isinstance(tensor, SymbolicTensor)
                and tensor.graph is self.graph
                and id(tensor) not in present
            ):
                self.graph.outputs.append(tensor)
                present.add(id(tensor))

    def _finish(self, backward: FuncGraph) -> Any:
        """(the backward graph as a concrete function, where its captured values come from); None if some are missing."""
        from penstock.tracing.concrete_function import ConcreteFunction

        inputs = {id(each): ("input", i) for i, each in enumerate(self.graph.inputs)}
        outputs = {id(each): ("output", i) for i, each in enumerate(self.graph.outputs)}
        sources: list[tuple[str, Any]] = []
        for tensor, _ in backward.captures:
            if isinstance(tensor, SymbolicTensor) and tensor.graph is self.graph:
                place = inputs.get(id(tensor)) or outputs.get(id(tensor))
                if place is None:
                    return None
                sources.append(place)
            else:
                sources.append(("outside", tensor))
        backward._captures = {}  # they are passed as arguments
        backward.outer_graph = None
        with context.building(backward), context.tapes_stopped():
            backward.structured_outputs = nest.map_structure(
                lambda each: None if each is None else backward.as_input(each),
                backward.structured_outputs,
                expand_composites=True,
            )
        backward.outputs = [
            each
            for each in nest.flatten(backward.structured_outputs, expand_composites=True)
            if each is not None
        ]
        return ConcreteFunction(backward), sources

    def gradient(self, call: Any, *gradients: Any) -> list[Any]:
        """The gradient rule of a recorded call."""
        from penstock.autodiff.backprop import dense, zeros_like

        arrived = [i for i, each in enumerate(gradients) if each is not None]
        everything = next((pattern for count, pattern in self._levels if arrived[-1] < count), None)
        if everything is None:
            raise RuntimeError(
                f"{self.graph.name}: its call was recorded for gradients of order {len(self._levels)}, and one more is "
                "asked for. Call the function under one tape for each order."
            )
        pattern = tuple(i for i in arrived if i in everything)
        if pattern not in self._backward:
            self._backward[pattern] = self._finish(self._build(pattern))
        ready = self._backward[pattern]
        if ready is None:  # it needs values that this run did not keep: use the one for all outputs
            ready, pattern = self._backward[everything], everything
        function, sources = ready
        cotangents = [
            zeros_like(call.outputs[i]) if gradients[i] is None else dense(gradients[i]) for i in pattern
        ]
        values = [
            call.inputs[where] if kind == "input" else call.outputs[where] if kind == "output" else where
            for kind, where in sources
        ]
        return function.call_flat([*cotangents, *values])


Differentiable.gradient.accepts_none = True  # type: ignore[attr-defined]
