"""The graph of the objects that a checkpoint keeps: found by walking from a root, breadth first.

The path by which an object is first found names its values: `model/layer/kernel/.ATTRIBUTES/VARIABLE_VALUE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.types.data_structures import wrap_or_unwrap
from penstock.types.trackable import Trackable

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VARIABLE_VALUE = "VARIABLE_VALUE"


def escape(name: str) -> str:
    """A name as a part of a key, where `/` separates parts.

    >>> escape("a/b.c")
    'a.Sb..c'
    """
    return name.replace(".", "..").replace("/", ".S")


def unescape(name: str) -> str:
    """The inverse of `escape`."""
    return "/".join(part.replace("..", ".") for part in name.split(".S"))


def attribute_key(path: str, name: str) -> str:
    """The key of a value of the object at `path`."""
    return f"{path}/.ATTRIBUTES/{name}" if path else f".ATTRIBUTES/{name}"


class SlotVariable(NamedTuple):
    """A variable that an optimizer keeps for another one; the numbers are positions in `ObjectGraph.objects`."""

    optimizer: int
    slot_name: str
    original: int
    slot: int


class ObjectGraph:
    """The objects that can be reached from a root.

    Args:
      root: where the walk begins.
      attached: more children of the root.
      with_slots: whether the slot variables of TF 1's optimizers belong to it.

    Attributes:
      objects: the objects in the order in which they are found; the position of each is its number.
      paths: the path of each.
      children: name -> number of another object, for each.
      slots: the slot variables, which stand at the end of `objects`.
    """

    def __init__(self, root: Any, attached: Mapping[str, Any] | None = None, with_slots: bool = True):
        self.objects: list[Any] = [root]
        self.paths: list[str] = [""]
        self.children: list[dict[str, int]] = []
        self.slots: list[SlotVariable] = []
        self._numbers: dict[int, int] = {id(root): 0}
        number = 0
        while number < len(self.objects):
            found = children_of(self.objects[number])
            if number == 0:
                found |= attached or {}
            named = {name: self._number(child, self.paths[number], name) for name, child in found.items()}
            self.children.append(named)
            number += 1
        if with_slots:
            self._add_slots()

    def number_of(self, thing: Any) -> int | None:
        """The number of an object; None where it is not there."""
        return self._numbers.get(id(thing))

    def _number(self, child: Any, parent_path: str, name: str) -> int:
        number = self._numbers.get(id(child))
        if number is None:
            path = f"{parent_path}/{escape(name)}" if parent_path else escape(name)
            number = self._add(child, path)
        return number

    def _add(self, thing: Any, path: str) -> int:
        number = self._numbers[id(thing)] = len(self.objects)
        self.objects.append(thing)  # also keeps its id from being used again
        self.paths.append(path)
        return number

    def _add_slots(self) -> None:
        count = len(self.objects)
        for optimizer, thing in enumerate(self.objects[:count]):
            if not keeps_slots(thing):
                continue
            for slot_name in thing.get_slot_names():
                for original in range(count):
                    slot = _slot_of(thing, self.objects[original], slot_name)
                    if slot is None or id(slot) in self._numbers:
                        continue
                    path = (
                        f"{self.paths[original]}/.OPTIMIZER_SLOT/{self.paths[optimizer]}/{escape(slot_name)}"
                    )
                    self.children.append({})
                    self.slots.append(SlotVariable(optimizer, slot_name, original, self._add(slot, path)))


def children_of(thing: Any, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
    """The objects that one holds, by name; lists, dicts and tuples as what tracks their elements."""
    if not isinstance(thing, Trackable):
        return {}
    held = thing._trackable_children(save_type, **kwargs)
    found = {name: wrap_or_unwrap(child) for name, child in held.items()}
    return {name: child for name, child in found.items() if isinstance(child, Trackable)}


def keeps_slots(thing: Any) -> bool:
    """Whether an object keeps slot variables for others, as the optimizers of TF 1 do."""
    return hasattr(thing, "get_slot_names") and hasattr(thing, "get_slot")


def _slot_of(optimizer: Any, variable: Any, slot_name: str) -> Any:
    if not hasattr(variable, "dtype"):
        return None
    try:
        return optimizer.get_slot(variable, slot_name)
    except (AttributeError, KeyError):
        return None


def fill_object_graph(graph: ObjectGraph, message: Any, with_values: set[int]) -> None:
    """Writes the nodes, their children and slot variables into a TrackableObjectGraph.

    Args:
      graph: the graph.
      message: the message; its nodes may have attributes already.
      with_values: the numbers of the objects that have values of their own.
    """
    while len(message.nodes) < len(graph.objects):
        message.nodes.add()
    for node, children in zip(message.nodes, graph.children):
        for name, number in children.items():
            node.children.add(node_id=number, local_name=name)
    for slot in graph.slots:
        message.nodes[slot.optimizer].slot_variables.add(
            original_variable_node_id=slot.original,
            slot_name=slot.slot_name,
            slot_variable_node_id=slot.slot,
        )
    for number, has_values in enumerate(_reaching_values(graph, with_values)):
        message.nodes[number].has_checkpoint_values.value = has_values


def _reaching_values(graph: ObjectGraph, with_values: set[int]) -> list[bool]:
    """For each object, whether it or one that it leads to has values."""
    parents: dict[int, set[int]] = {}
    for number, children in enumerate(graph.children):
        for child in children.values():
            parents.setdefault(child, set()).add(number)
    for slot in graph.slots:
        parents.setdefault(slot.slot, set()).add(slot.optimizer)
    reached, waiting = set(with_values), list(with_values)
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in reached:
                reached.add(parent)
                waiting.append(parent)
    return [number in reached for number in range(len(graph.objects))]
