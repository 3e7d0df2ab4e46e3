"""One restore of a checkpoint into a graph of objects: objects are matched with those of the checkpoint by name.

What exists gets its values at once. For what does not, a restore waits in the object that will hold it
(`Trackable._deferred_dependencies`) and goes on when the object is tracked there.
"""

from __future__ import annotations

import bisect
import itertools
import logging
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.io.tensor_bundle import BundleReader
from penstock.saving.checkpoint_v1 import CheckpointV1Reader
from penstock.saving.object_graph import VARIABLE_VALUE, keeps_slots
from penstock.saving.object_values import check_dtype, has_values, stored_tensors, take_back
from penstock.types import dtypes
from penstock.types.data_structures import TrackableDataStructure
from penstock.types.tensors import EagerTensor
from penstock.types.trackable import Trackable

_logger = logging.getLogger("tensorflow")
_uids = itertools.count(1)


class ObjectRestore:
    """The state of one restore.

    Args:
      reader: the checkpoint.
      graph: its TrackableObjectGraph.
      attached: more children of the root, by name.

    Attributes:
      objects: number in the checkpoint -> the object that was matched with it.
      uid: later restores have greater ones.
      operations: in a graph, the operations that assign the restored values.
      unused: (object, name of the attribute) for what the checkpoint has and the object cannot take.
      waiting_slots: slot variables of the checkpoint whose optimizer or variable is not there yet.
      expects_partial: whether what was never restored is no mistake; else it is warned of in the end.
    """

    def __init__(
        self, reader: BundleReader | CheckpointV1Reader, graph: Any, attached: Mapping[str, Any] | None = None
    ):
        self.graph = graph
        self.objects: dict[int, Any] = {}
        self.uid = next(_uids)
        self.operations: list[Any] = []
        self.unused: list[tuple[Any, str]] = []
        self.waiting_slots: list[tuple[int, Any]] = [
            (number, slot) for number, node in enumerate(graph.nodes) for slot in node.slot_variables
        ]
        self.expects_partial = False
        self._reader = reader
        self._keys = reader.names()
        self._attached = dict(attached or {})

    def restore(self, thing: Any, number: int = 0) -> None:
        """Matches an object, and all that it leads to, with an object of the checkpoint, and gives them their values."""
        waiting = deque([(thing, number)])
        while waiting:
            each, node = waiting.popleft()
            if self._match(each, node):
                waiting.extend(self._found_children(each, node))
        self._restore_slots()

    def path_of(self, number: int) -> str:
        """How a program would write the way to an object of the checkpoint: `(root).model.kernel`."""
        paths = {0: "(root)"}
        for parent, node in enumerate(self.graph.nodes):
            for child in node.children:
                paths.setdefault(child.node_id, f"{paths.get(parent, '...')}.{child.local_name}")
        return paths.get(number, f"object {number}")

    def __del__(self) -> None:
        # Nothing holds the restore any more, so what has not been restored never will be.
        if sys.is_finalizing() or getattr(self, "expects_partial", True):
            return
        lost = [
            self.path_of(number)
            for number, node in enumerate(self.graph.nodes)
            if node.attributes and number not in self.objects
        ]
        if lost:
            _logger.warning(
                "Detecting that an object or model or tf.train.Checkpoint is being deleted with unrestored values. See the "
                "following logs for the specific values in question. To silence these warnings, use "
                "`status.expect_partial()`."
            )
        for path in lost:
            _logger.warning("Value in checkpoint could not be found in the restored object: %s", path)

    def _match(self, thing: Any, number: int) -> bool:
        """Whether the object is new here; then it has its values after this."""
        known = self.objects.get(number)
        if known is not None:
            if known is not thing:
                _logger.warning(
                    "Inconsistent references when loading the checkpoint into this object graph. For example, in the "
                    "saved checkpoint object, `model.layer.weight` and `model.layer_copy.weight` reference the same "
                    "variable, while in the current object these are two different variables. The referenced variables "
                    "are: (%r and %r).",
                    known,
                    thing,
                )
            return False
        self.objects[number] = thing
        if thing._update_uid <= self.uid:
            self._give_values(thing, self.graph.nodes[number])
            thing._update_uid = self.uid
        return True

    def _found_children(self, thing: Any, number: int) -> list[tuple[Any, int]]:
        found = []
        # A list finds all of its elements to find one.
        known = thing._trackable_children() if isinstance(thing, TrackableDataStructure) else None
        for child in self.graph.nodes[number].children:
            held = thing._lookup_dependency(child.local_name, known)
            if held is None and number == 0:
                held = self._attached.get(child.local_name)
            if held is None:
                self.wait(thing, child.local_name, child.node_id)
            elif isinstance(held, Trackable):
                found.append((held, child.node_id))
        return found

    def wait(self, thing: Any, name: str, number: int) -> None:
        """Restores the object `number` when `thing` gets a child of that name."""

        def restore(child: Any) -> None:
            self.restore(child, number)

        restore.waits_for = self, number  # type: ignore[attr-defined]
        thing._deferred_dependencies.setdefault(name, []).append(restore)

    # Values.

    def _give_values(self, thing: Any, node: Any) -> None:
        if not node.attributes:
            return
        if not has_values(thing):
            self.unused += [(thing, attribute.name) for attribute in node.attributes]
            return
        keys: dict[str, str] = {}
        for attribute in node.attributes:
            keys |= stored_tensors(attribute.name, attribute.checkpoint_key, self._keys_from)
        if any(self._reader.dtype(key) is dtypes.variant for key in keys.values()):
            # TensorFlow's own C++ objects, such as the state of an iterator.
            _logger.warning(
                "%r begins anew: a checkpoint holds its state as TensorFlow's internal data", thing
            )
            self.unused += [(thing, attribute.name) for attribute in node.attributes]
            return
        operation = take_back(thing, {name: self._value(thing, key, name) for name, key in keys.items()})
        if thread.graph is not None and operation is not None:
            self.operations.append(operation)

    def _value(self, thing: Any, key: str, name: str) -> Any:
        """The value of a tensor; in a graph the op that reads it."""
        stored = self._reader.dtype(key)
        if name == VARIABLE_VALUE:
            check_dtype(thing, key, stored)
        if thread.graph is None or getattr(thing, "_restores_eagerly", False):
            value = EagerTensor(self._reader.read(key), stored)
            value.read_at = (self._reader.prefix, key)  # where a lost parameter server finds it again
            return value
        strings = [convert_to_tensor(each, dtypes.string) for each in (self._reader.prefix, [key], [""])]
        (value,) = execute("RestoreV2", strings, {"dtypes": [stored]})
        value.set_shape(self._reader.shape(key))
        return value

    def _keys_from(self, start: str) -> list[str]:
        first = bisect.bisect_left(self._keys, start)
        return list(itertools.takewhile(lambda key: key.startswith(start), self._keys[first:]))

    # Slot variables of TF 1's optimizers.

    def _restore_slots(self) -> None:
        waiting, self.waiting_slots = self.waiting_slots, []
        for number, slot in waiting:
            optimizer = self.objects.get(number)
            variable = self.objects.get(slot.original_variable_node_id)
            if optimizer is None or variable is None or not keeps_slots(optimizer):
                self.waiting_slots.append((number, slot))
                continue
            kept = optimizer.get_slot(variable, slot.slot_name)
            if kept is None:
                self.waiting_slots.append((number, slot))
                key = (id(variable), slot.slot_name)
                _slot_restores(optimizer)[key] = (self, slot.slot_variable_node_id)
            else:
                self._match(kept, slot.slot_variable_node_id)

    def slot_made(self, slot_variable: Any, number: int) -> None:
        """Gives a slot variable that was made after the restore its value."""
        self._match(slot_variable, number)
        self.waiting_slots = [each for each in self.waiting_slots if each[1].slot_variable_node_id != number]


def _slot_restores(optimizer: Any) -> dict:
    return optimizer.__dict__.setdefault("_waiting_slot_restores", {})


def restore_slot(optimizer: Any, variable: Any, slot_name: str, slot_variable: Any) -> None:
    """To be called by an optimizer that has just made a slot variable: gives it what a checkpoint has for it."""
    waiting = _slot_restores(optimizer).pop((id(variable), slot_name), None)
    if waiting is not None:
        restore, number = waiting
        restore.slot_made(slot_variable, number)
