"""Control flow of TF 1's graphs (Switch, Merge, Enter, Exit, NextIteration, LoopCond) as If and While.

A loop is a frame: its Merge nodes are the loop variables, the input of its LoopCond is the condition, and what goes into
its NextIteration nodes is the body. A Merge outside of that joins two branches: those nodes belong to a branch that can
be reached from one side of its Switch only. Nodes are evaluated where they belong: in the graph itself, in the branch
or in the body, where tensors from outside become captures.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.definition import REGISTRY
from penstock.graph.func_graph import FuncGraph
from penstock.graph.tensor_proto import shape_of_proto
from penstock.types.shapes import TensorShape

_ENTER, _EXIT = {"Enter", "RefEnter"}, {"Exit", "RefExit"}
_SWITCH, _MERGE = {"Switch", "RefSwitch"}, {"Merge", "RefMerge"}
_NEXT = {"NextIteration", "RefNextIteration"}
CONTROL_FLOW_OPS = _ENTER | _EXIT | _SWITCH | _MERGE | _NEXT | {"LoopCond"}


def source_of(name: str) -> str:
    """The node that an input names."""
    return name.lstrip("^").partition(":")[0]


def ordered(nodes: Sequence[Any], mapped: Iterable[str], arguments: Iterable[str] = ()) -> list[Any]:
    """Nodes so that inputs come before their users; what a loop carries back does not count.

    Args:
      mapped: inputs that come from elsewhere. arguments: names that are no nodes, as a function's arguments.

    Raises:
      ValueError: an input does not exist, or nodes depend on each other in a circle.
    """
    by_name = {node.name: node for node in nodes}
    elsewhere, known = set(mapped), set(arguments)
    order: list[Any] = []
    state: dict[str, int] = {}
    for root in nodes:
        stack = [(root, False)]
        while stack:
            node, finished = stack.pop()
            if finished:
                state[node.name] = 2
                order.append(node)
                continue
            if state.get(node.name) == 2:
                continue
            if state.get(node.name) == 1:
                raise ValueError(f"Node {node.name!r} depends on itself.")
            state[node.name] = 1
            stack.append((node, True))
            for each in reversed(node.input):
                source = source_of(each)
                if (each[:-2] if each.endswith(":0") else each) in elsewhere or source in known:
                    continue
                if source not in by_name:
                    raise ValueError(f"Node {node.name!r}: unknown input node {each!r}.")
                if node.op in _MERGE and by_name[source].op in _NEXT:
                    continue
                if state.get(source) != 2:
                    stack.append((by_name[source], False))
    return order


def functionalize(reader: Any, graph: Any, nodes: Sequence[Any], added: Any, prefixed: bool) -> None:
    """Adds nodes, some of which are TF 1's control flow, to `graph`.

    Args:
      reader: the `GraphReader` that adds single nodes.
      added: what names stand for; filled in for the nodes outside of loops and branches.
    """
    flow = _Flow(reader, nodes, added, prefixed)
    root = _Region(graph, added)
    for node in flow.order:
        if flow.belongs(node) == ("", frozenset()) and node.op not in _MERGE | _SWITCH | _EXIT:
            flow.evaluate(node.name, root)
    for node in flow.order:  # joined values and ends of loops that nobody used yet
        if flow.belongs(node) == ("", frozenset()) and node.op in _MERGE | _EXIT:
            flow.evaluate(node.name, root)


class _Region:
    """A graph that nodes are added to: the whole, one branch, or a loop's condition or body.

    Attributes:
      parent: what is around it. frame: the loop that it is in. side: (predicate, 0 or 1) of the branch that it is.
      added: what names stand for in it. pushed: nodes that keep values for gradients, added in its branches.
    """

    def __init__(self, graph: Any, added: Any, parent: Any = None, frame: str = "", side: Any = None):
        self.graph, self.added, self.parent, self.frame, self.side = graph, added, parent, frame, side
        self.pushed: set[str] = set()

    @property
    def sides(self) -> frozenset:
        """The branches that this one is inside of, in its frame."""
        found = []
        region: _Region | None = self
        while region is not None and region.frame == self.frame:
            if region.side is not None:
                found.append(region.side)
            region = region.parent
        return frozenset(found)


class _Flow:
    """What is known of the nodes: which frame and which branches they are in."""

    def __init__(self, reader: Any, nodes: Sequence[Any], added: Any, prefixed: bool):
        self._reader, self._prefixed = reader, prefixed
        self.nodes = {node.name: node for node in nodes}
        self.order = ordered(nodes, added.mapped, added.controls)
        self._position = {node.name: i for i, node in enumerate(self.order)}
        self._frames: dict[str, str] = {}
        self._parents: dict[str, str] = {}  # frame -> the frame around it
        self._sides: dict[str, frozenset] = {}
        self._added_type = type(added)
        self._find_frames()
        self._find_sides()
        self._counter = itertools.count()

    # Where nodes belong.

    def _find_frames(self) -> None:
        for node in self.order:
            if node.op in _ENTER:
                outer = self._frame_of_inputs(node)
                frame = f"{outer}/{node.attr['frame_name'].s.decode()}"
                self._parents[frame] = outer
            elif node.op in _EXIT:
                frame = self._parents[self._frame_of_inputs(node)]
            else:
                frame = self._frame_of_inputs(node)
            self._frames[node.name] = frame

    def _frame_of_inputs(self, node: Any) -> str:
        inputs = (self._frames.get(source_of(each), "") for each in node.input)
        return max(inputs, key=len, default="")

    def _predicate(self, tensor: str) -> str:
        """The tensor behind the Identity nodes around a predicate."""
        node = self.nodes.get(source_of(tensor))
        while node is not None and node.op == "Identity":
            tensor = node.input[0]
            node = self.nodes.get(source_of(tensor))
        return tensor.removesuffix(":0")

    def is_loop_switch(self, node: Any) -> bool:
        """Whether a Switch decides if its loop goes on, instead of choosing a branch."""
        pred = self.nodes.get(source_of(node.input[1]))
        return pred is not None and pred.op == "LoopCond"

    def _find_sides(self) -> None:
        for node in self.order:
            frame = self._frames[node.name]
            sides: set = set()
            if node.op not in _ENTER | _EXIT:
                inputs = [each for each in node.input if self._frames.get(source_of(each), "") == frame]
                if node.op in _MERGE:
                    sides = self._joined_sides(node, inputs)
                else:
                    for each in inputs:
                        sides |= self._sides_of_tensor(each)
            elif node.op in _ENTER:
                pass  # what is around a loop is a matter of the loop's own exits
            self._sides[node.name] = frozenset(sides)

    def _sides_of_tensor(self, tensor: str) -> frozenset:
        node = self.nodes.get(source_of(tensor))
        if node is None or node.name not in self._sides:
            return frozenset()
        own = self._sides[node.name]
        if node.op in _SWITCH and not self.is_loop_switch(node) and not tensor.startswith("^"):
            index = int(tensor.partition(":")[2] or 0)
            return own | {(self._predicate(node.input[1]), index)}
        if node.op in _EXIT:
            return own | self._sides_around(self._frames[source_of(node.input[0])])
        return own

    def _sides_around(self, frame: str) -> frozenset:
        """The branches in which a loop runs: those of what enters it."""
        found: frozenset = frozenset()
        for node in self.order:
            if node.op in _ENTER and self._frames[node.name] == frame:
                found |= self._sides_of_tensor(node.input[0])
        return found

    def _joined_sides(self, node: Any, inputs: list[str]) -> set:
        data = [self._sides_of_tensor(each) for each in inputs if not each.startswith("^")]
        if len(data) < 2:
            return set()  # a loop variable
        pred = self._joins(data)
        sides: set = set()
        for each in data:
            sides |= {side for side in each if side[0] != pred}
        return sides

    @staticmethod
    def _joins(data: Sequence[frozenset]) -> str | None:
        """The predicate that a Merge joins the branches of."""
        for pred, index in sorted(data[0]):
            if (pred, 1 - index) in data[1]:
                return pred
        return None

    def belongs(self, node: Any) -> tuple[str, frozenset]:
        """The frame and the branches that a node is in."""
        frame = self._frames[node.name]
        sides = self._sides[node.name]
        if node.op in _EXIT:
            sides = sides | self._sides_around(self._frames[source_of(node.input[0])])
        return frame, sides

    # Evaluating.

    def evaluate(self, tensor: str, region: _Region) -> Any:
        """The tensor in the graph of `region`, or in one around it; adds the nodes that it needs."""
        found = self._known(tensor, region)
        if found is not None:
            return found
        self._evaluate_inputs(tensor, region)
        return self._value(tensor, region)

    def _known(self, tensor: str, region: _Region | None) -> Any:
        while region is not None:
            key = tensor.removesuffix(":0")
            if key in region.added.mapped or key in region.added.values or tensor in region.added.values:
                return region.added.tensor(tensor)
            region = region.parent
        return None

    def _home(self, node: Any, region: _Region) -> _Region:
        """The region that a node belongs to: `region`, or one around it."""
        frame, sides = self.belongs(node)
        while region.parent is not None and (
            region.frame != frame or (region.side is not None and region.side not in sides)
        ):
            region = region.parent
        return region

    def _evaluate_inputs(self, tensor: str, region: _Region) -> None:
        """Adds what a tensor depends on, in order, so that nothing recurses deeper than control flow nests."""
        needed: set[str] = set()
        stack = [source_of(tensor)]
        while stack:
            name = stack.pop()
            node = self.nodes.get(name)
            if node is None or name in needed or self._is_done(name, region):
                continue
            needed.add(name)
            if node.op in CONTROL_FLOW_OPS:
                continue  # these evaluate what they need by themselves
            stack.extend(source_of(each) for each in node.input)
        for name in sorted(needed, key=self._position.__getitem__):
            node = self.nodes[name]
            if node.op not in CONTROL_FLOW_OPS and name != source_of(tensor):
                self._value(name, region)

    def _is_done(self, name: str, region: _Region | None) -> bool:
        while region is not None:
            if name in region.added.controls:
                return True
            region = region.parent
        return False

    def _value(self, tensor: str, region: _Region) -> Any:
        found = self._known(tensor, region)
        if found is not None:
            return found
        node = self.nodes.get(source_of(tensor))
        if node is None:
            raise ValueError(f"unknown input node {tensor!r}")
        home = self._home(node, region)
        if self._is_done(node.name, home):
            return self._known(tensor, home)
        with context.building(home.graph):
            if node.op in _ENTER:
                return self.evaluate(node.input[0], self._around_frame(region, self._frames[node.name]))
            if node.op in _EXIT:
                self._add_loop(self._frames[source_of(node.input[0])], home)
            elif node.op in _SWITCH:
                return self._switched(tensor, node, region)
            elif node.op in _MERGE:
                self._add_branches(node, home)
            elif node.op == "LoopCond":
                return self.evaluate(node.input[0], home)
            else:
                self._add(node, home)
        return self._known(tensor, home)

    def _around_frame(self, region: _Region, frame: str) -> _Region:
        while region.frame == frame or region.frame.startswith(frame + "/"):
            region = region.parent
        return region

    def _switched(self, tensor: str, node: Any, region: _Region) -> Any:
        """A value on its way into a branch: the value itself."""
        if self.is_loop_switch(node):
            raise ValueError(f"Node {node.name!r} is used outside of its loop.")
        side = (self._predicate(node.input[1]), int(tensor.partition(":")[2] or 0))
        around: _Region | None = region
        while around is not None and around.side != side:
            around = around.parent
        if around is None:
            raise ValueError(
                f"Node {node.name!r}: its output is used outside of the branch that it is meant for."
            )
        return self.evaluate(node.input[0], around.parent)

    def _add(self, node: Any, region: _Region) -> None:
        inputs = [self.evaluate(each, region) for each in node.input if not each.startswith("^")]
        inputs = [_own(region.graph, each) for each in inputs]
        controls = []
        for each in node.input:
            if each.startswith("^"):
                controls += self._controls(each[1:], region)
        inside = [each for each in controls if each.graph is region.graph]
        name = node.name if self._prefixed or region.parent is not None else f"{node.name}/"
        with region.graph.control_dependencies(inside) if inside else contextlib.nullcontext():
            self._reader.add_with_inputs(region.graph, node, inputs, region.added, name)

    def _controls(self, name: str, region: _Region) -> list[Any]:
        """The operations of a control input; one that only says in which branch a node is means nothing here."""
        if f"^{name}" in region.added.mapped:
            return region.added.control(name)
        node = self.nodes.get(name)
        if node is None or node.op in CONTROL_FLOW_OPS or self._is_pivot(node):
            return []
        frame, sides = self.belongs(node)
        if frame == region.frame and not sides <= region.sides:
            return []  # the branch adds it by itself
        if not self._is_done(name, region):
            self.evaluate(name, region)
        around: _Region | None = region
        while around is not None:
            if name in around.added.controls:
                return around.added.controls[name]
            around = around.parent
        return []

    def _is_pivot(self, node: Any) -> bool:
        while node is not None and node.op == "Identity":
            node = self.nodes.get(source_of(node.input[0]))
        return node is not None and node.op in CONTROL_FLOW_OPS

    # Branches.

    def _add_branches(self, merge: Any, region: _Region) -> None:
        data = [each for each in merge.input if not each.startswith("^")]
        pred = self._joins([self._sides_of_tensor(each) for each in data])
        if pred is None:
            raise ValueError(f"Node {merge.name!r} joins tensors that are not the two sides of one Switch.")
        for side in region.sides:  # inside of a branch of the same predicate it is known which one counts
            if side[0] == pred:
                chosen = self._input_of_side(merge, (pred, side[1]))
                value = self.evaluate(chosen, region)
                region.added.note(merge.name, [value], [], [value.op])
                return
        candidates = [
            node
            for node in self.order
            if node.op in _MERGE
            and self.belongs(node) == self.belongs(merge)
            and self._merge_predicate(node) == pred
            and not self._is_done(node.name, region)
        ]
        before = self._depends_on(merge, candidates)
        together = [node for node in candidates if self._depends_on(node, candidates) == before]
        branches = [self._branch(together, (pred, index), region) for index in (1, 0)]
        captured = _align([branch.graph for branch in branches])
        for branch in branches:
            branch.graph.outer_graph = region.graph
        attrs = {
            "Tout": [each.dtype for each in branches[0].graph.outputs],
            "then_branch": branches[0].graph,
            "else_branch": branches[1].graph,
        }
        selector = _own(region.graph, self.evaluate(pred, region))
        kinds = {"Tin": [each.dtype for each in captured]}
        definition = REGISTRY["If"]
        operation = region.graph.add_operation(
            definition, [selector, *captured], definition.complete(attrs | kinds), merge.name.replace("/Merge", "") or "cond"
        )  # fmt: skip
        for node, value in zip(together, operation.outputs):
            outputs = [value]
            if any(f"{node.name}:1" in each.input for each in self.nodes.values()):
                outputs.append(self._value_index(node, pred, selector, region))
            self._note(node, outputs, [operation], region)

    def _note(self, node: Any, outputs: list[Any], operations: list[Any], region: _Region) -> None:
        """Says what a node became; outside of loops and branches its name must be found in the graph."""
        if region.parent is None and not self._reader.depth:
            name = node.name if self._prefixed else f"{node.name}/"
            definition = REGISTRY["IdentityN"]
            kinds = {"T": [each.dtype for each in outputs]}
            named = region.graph.add_operation(definition, outputs, kinds, name)
            for old, new in zip(outputs, named.outputs):
                new.handle_data = old.handle_data
            outputs, operations = named.outputs, [named]
        region.added.note(node.name, outputs, [], operations)

    def _depends_on(self, node: Any, candidates: Sequence[Any]) -> set[str]:
        """Those of some nodes that another one depends on: they cannot be joined by the same If."""
        names = {each.name for each in candidates} - {node.name}
        found: set[str] = set()
        seen: set[str] = set()
        stack = [source_of(each) for each in node.input] if names else []
        while stack:
            name = stack.pop()
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            if name in names:
                found.add(name)
            stack.extend(source_of(each) for each in self.nodes[name].input)
        return found

    def _merge_predicate(self, node: Any) -> str | None:
        data = [self._sides_of_tensor(each) for each in node.input if not each.startswith("^")]
        if len(data) < 2 or any(self.nodes[source_of(each)].op in _NEXT for each in node.input):
            return None
        return self._joins(data)

    def _value_index(self, node: Any, pred: str, selector: Any, region: _Region) -> Any:
        """Which input of a Merge arrived."""
        from penstock.engine.convert import convert_to_tensor
        from penstock.engine.execute import execute

        first = (pred, 1) in self._sides_of_tensor(node.input[0])
        values = (convert_to_tensor(0 if first else 1), convert_to_tensor(1 if first else 0))
        return execute("SelectV2", (selector, *values))

    def _input_of_side(self, merge: Any, side: tuple[str, int]) -> str:
        data = [each for each in merge.input if not each.startswith("^")]
        return next(each for each in data if side in self._sides_of_tensor(each))

    def _branch(self, merges: Sequence[Any], side: tuple[str, int], around: _Region) -> _Region:
        graph = FuncGraph(f"{'true' if side[1] else 'false'}_{next(self._counter)}", around.graph)
        region = _Region(graph, self._added_type(around.added.mapped), around, around.frame, side)
        with context.building(graph):
            outputs = []
            for merge in merges:
                outputs.append(_as_output(graph, self.evaluate(self._input_of_side(merge, side), region)))
                for each in merge.input:
                    if each.startswith("^"):
                        self._controls(each[1:], region)
            for node in self._pushes_in(region):
                if node.name not in around.pushed:
                    around.pushed.add(node.name)
                    self.evaluate(node.name, region)
        graph.outputs = outputs
        graph.structured_outputs = list(outputs)
        return region

    def _pushes_in(self, region: _Region) -> list[Any]:
        """What the gradient of the loop around a branch keeps of it: nothing in the branch depends on these nodes."""
        here = (region.frame, region.sides)
        return [node for node in self.order if node.op == "StackPushV2" and self.belongs(node) == here]

    # Loops.

    def _add_loop(self, frame: str, region: _Region) -> None:
        inside = [node for node in self.order if self._frames[node.name] == frame]
        merges = [
            node
            for node in inside
            if node.op in _MERGE and any(self.nodes[source_of(each)].op in _NEXT for each in node.input)
        ]
        condition = next(node for node in inside if node.op == "LoopCond")
        initial, following = [], []
        for merge in merges:
            enter = next(each for each in merge.input if self.nodes[source_of(each)].op not in _NEXT)
            after = next(each for each in merge.input if self.nodes[source_of(each)].op in _NEXT)
            initial.append(_own(region.graph, self.evaluate(self.nodes[source_of(enter)].input[0], region)))
            following.append(self.nodes[source_of(after)].input[0])
        switches = {
            source_of(node.input[0]): node
            for node in inside
            if node.op in _SWITCH and self.is_loop_switch(node)
        }
        shapes = [self._carried_shape(merge, value) for merge, value in zip(merges, initial)]
        while True:  # a variable whose shape the body changes gets a less specific one
            body = self._loop_body(merges, switches, following, (initial, shapes), frame, region)
            kept = [
                shape.most_specific_compatible_shape(each.shape)
                for shape, each in zip(shapes, body.graph.outputs)
            ]
            if [str(each) for each in kept] == [str(each) for each in shapes]:
                break
            shapes = kept
        cond = self._loop_part("cond", merges, (initial, shapes), frame, region)
        for merge, placeholder in zip(merges, cond.graph.inputs):
            cond.added.note(merge.name, [placeholder], [], [])
        with context.building(cond.graph):
            cond.graph.outputs = [_as_output(cond.graph, self.evaluate(condition.input[0], cond))]
        captured = _align([cond.graph, body.graph])
        body.graph.outputs = [*body.graph.outputs, *body.graph.internal_captures]
        for part in (cond, body):
            part.graph.structured_outputs = list(part.graph.outputs)
        attrs = {"cond": cond.graph, "body": body.graph}
        definition = REGISTRY["While"]
        inputs = [*initial, *captured]
        kinds = {"T": [each.dtype for each in inputs]}
        operation = region.graph.add_operation(
            definition, inputs, definition.complete(attrs | kinds), frame.rpartition("/")[2] or "while"
        )
        for tensor, source in zip(operation.outputs, inputs):
            tensor.handle_data = source.handle_data
        exits = {
            source_of(node.input[0]): node
            for node in self.order
            if node.op in _EXIT and self._frames[source_of(node.input[0])] == frame
        }
        for merge, tensor in zip(merges, operation.outputs):
            switch = switches.get(merge.name)
            leaving = exits.get(switch.name) if switch is not None else None
            if leaving is not None:
                self._note(leaving, [tensor], [operation], region)

    def _loop_body(
        self,
        merges: Sequence[Any],
        switches: dict,
        following: Sequence[str],
        start: tuple,
        frame: str,
        region: _Region,
    ) -> _Region:
        body = self._loop_part("body", merges, start, frame, region)
        for merge, placeholder in zip(merges, body.graph.inputs):
            body.added.note(merge.name, [placeholder], [], [])
            switch = switches.get(merge.name)
            if switch is not None:
                body.added.controls[switch.name] = []
                body.added.values[f"{switch.name}:1"] = placeholder
        with context.building(body.graph):
            body.graph.outputs = [_own(body.graph, self.evaluate(each, body)) for each in following]
            for merge in merges:
                after = next(each for each in merge.input if self.nodes[source_of(each)].op in _NEXT)
                for each in self.nodes[source_of(after)].input:
                    if each.startswith("^"):
                        self._controls(each[1:], body)
        return body

    def _loop_part(
        self, what: str, merges: Sequence[Any], start: tuple, frame: str, around: _Region
    ) -> _Region:
        """The region of a loop's condition or body, with a placeholder for each variable."""
        graph = FuncGraph(f"{frame.rpartition('/')[2] or 'while'}_{what}", around.graph)
        with context.building(graph):
            for merge, value, shape in zip(merges, *start):
                placeholder = graph.add_input(value.dtype, shape, merge.name.rpartition("/")[2])
                placeholder.handle_data = value.handle_data
        return _Region(graph, self._added_type(around.added.mapped), around, frame)

    @staticmethod
    def _carried_shape(merge: Any, value: Any) -> TensorShape:
        """The shape that a loop variable begins with: that of its Merge where the message says it."""
        said = merge.attr["_output_shapes"].list.shape if "_output_shapes" in merge.attr else ()
        return shape_of_proto(said[0]) if said else value.shape


def _align(graphs: Sequence[FuncGraph]) -> list[Any]:
    """Gives graphs the same captures in the same order, and returns the captured outside tensors."""
    outside: dict[int, Any] = {}
    for graph in graphs:
        outside.update((id(each), each) for each in graph.external_captures)
    for graph in graphs:
        own = graph.arguments
        for each in outside.values():
            graph.capture(each, by_value=False)
        graph._captures = {key: graph._captures[key] for key in outside}
        graph.inputs = [*own, *graph.internal_captures]
    return list(outside.values())


def _own(graph: Any, tensor: Any) -> Any:
    """A tensor as one of `graph`; a reference stays one, unless it comes from another graph."""
    if hasattr(tensor, "handle") and not hasattr(tensor, "op_def"):
        if tensor.handle.graph is graph:
            return tensor
        moved = type(tensor)(graph.as_input(tensor.handle), tensor.dtype)
        moved.handle.handle_data = tensor.handle.handle_data
        return moved
    return graph.as_input(tensor)


def _as_output(graph: Any, tensor: Any) -> Any:
    """A tensor as an output of a branch: one of its own, and no input of it."""
    tensor = _own(graph, tensor)
    if hasattr(tensor, "after"):
        tensor = tensor.value()
    if any(tensor is each for each in graph.inputs):
        definition = REGISTRY["Identity"]
        copied = graph.add_operation(
            definition, [tensor], definition.complete({"T": tensor.dtype}), "Identity"
        )
        copied.outputs[0].handle_data = tensor.handle_data
        return copied.outputs[0]
    return tensor
