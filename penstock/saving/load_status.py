"""What `tf.train.Checkpoint.restore` returns: checks of how the checkpoint and the objects fit, and deferred steps of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.runtime.session import default_session
from penstock.saving.object_graph import ObjectGraph
from penstock.saving.object_restore import ObjectRestore
from penstock.types.data_structures import TrackableDataStructure

_SHOWN = 10


class LoadStatus:
    """The result of a restore."""

    def assert_consumed(self) -> LoadStatus:
        """Asserts that every object has its value from the checkpoint, and every value of that has been used."""
        raise AssertionError(f"{type(self).__name__} cannot say what was restored")

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Asserts that every object that exists has its value from the checkpoint."""
        return self.assert_consumed()

    def assert_nontrivial_match(self) -> LoadStatus:
        """Asserts that something beside the root was restored."""
        return self.assert_consumed()

    def expect_partial(self) -> LoadStatus:
        """Says that what does not fit is no mistake."""
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """In a graph, assigns the restored values; eagerly they have been assigned."""

    def initialize_or_restore(self, session: Any = None) -> None:
        """In a graph, assigns the restored values, and initializes the variables that have none."""


class CheckpointLoadStatus(LoadStatus):
    """The status of a checkpoint that says which objects it holds.

    Args:
      restore: the restore.
      graph: makes the graph of the objects as they are now.
    """

    def __init__(self, restore: ObjectRestore, graph: Callable[[], ObjectGraph]):
        self._restore, self._graph = restore, graph

    def assert_consumed(self) -> CheckpointLoadStatus:
        """Asserts that every object has its value from the checkpoint, and every value of that has been used.

        Raises:
          AssertionError: an object has no counterpart in the checkpoint, or the reverse.
        """
        self.assert_existing_objects_matched()
        for number, node in enumerate(self._restore.graph.nodes):
            if node.attributes and number not in self._restore.objects:
                keys = [attribute.checkpoint_key for attribute in node.attributes]
                raise AssertionError(
                    f"Unresolved object in checkpoint {self._restore.path_of(number)}: {keys}"
                )
        if self._restore.waiting_slots:
            names = [slot.slot_name for _, slot in self._restore.waiting_slots]
            raise AssertionError(f"Unresolved slot restorations: {names}")
        if self._restore.unused:
            listed = "\n".join(f"{thing}: {name}" for thing, name in self._restore.unused)
            raise AssertionError(
                "Unused attributes in these objects (the attributes exist in the checkpoint but were not restored):\n"
                f"{listed}"
            )
        return self

    def assert_existing_objects_matched(self) -> CheckpointLoadStatus:
        """Asserts that every object that exists has its value from the checkpoint.

        Raises:
          AssertionError: one has no counterpart.
        """
        unmatched = self._unmatched()
        if unmatched:
            raise AssertionError(
                f"Found {len(unmatched)} Python objects that were not bound to checkpointed values, likely due to changes "
                f"in the Python program. Showing {min(_SHOWN, len(unmatched))} of {len(unmatched)} unmatched objects: "
                f"{unmatched[:_SHOWN]}"
            )
        return self

    def assert_nontrivial_match(self) -> CheckpointLoadStatus:
        """Asserts that something beside the root was restored.

        Raises:
          AssertionError: nothing was.
        """
        if len(self._restore.objects) <= 1:
            raise AssertionError(
                "Nothing except the root object matched a checkpointed value. Typically this means that the checkpoint "
                "does not match the Python program. The following objects have no matching checkpointed value: "
                f"{self._unmatched()}"
            )
        return self

    def expect_partial(self) -> CheckpointLoadStatus:
        """Says that what is never restored is no mistake: there will be no warnings."""
        self._restore.expects_partial = True
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Assigns the restored values in `session`, or the default session; eagerly they have been assigned."""
        if self._restore.operations:
            default_session(session).run(self._restore.operations)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Assigns the restored values, and initializes the variables that have none."""
        if thread.graph is None:
            return
        matched = {id(each) for each in self._restore.objects.values()}
        self.run_restore_ops(session)
        _initialize((each for each in self._graph().objects if id(each) not in matched), session)

    def _unmatched(self) -> list[Any]:
        matched = {id(each) for each in self._restore.objects.values()}
        graph = self._graph()
        return [
            thing
            for thing, children in zip(graph.objects, graph.children)
            if id(thing) not in matched and (children or not isinstance(thing, TrackableDataStructure))
        ]


class InitializationOnlyStatus(LoadStatus):
    """The status where there was no checkpoint to restore."""

    def __init__(self, graph: Callable[[], ObjectGraph]):
        self._graph = graph

    def assert_consumed(self) -> InitializationOnlyStatus:
        """Raises AssertionError: nothing was restored."""
        raise AssertionError("No checkpoint specified (save_path=None); nothing is being restored.")

    def run_restore_ops(self, session: Any = None) -> None:
        """Raises AssertionError: nothing was restored."""
        raise AssertionError(
            "No checkpoint specified, so no restore ops are available (save_path=None to Saver.restore)."
        )

    def initialize_or_restore(self, session: Any = None) -> None:
        """In a graph, initializes all variables."""
        if thread.graph is not None:
            _initialize(self._graph().objects, session)


class NameBasedSaverStatus(LoadStatus):
    """The status of a checkpoint that knows variables by their names only, as `Saver` writes it.

    Args:
      matched: the variables that were restored. unmatched: those that the checkpoint does not have.
      unused: the names that no variable has. operations: in a graph, what assigns the values.
    """

    def __init__(self, matched: list[Any], unmatched: list[Any], unused: list[str], operations: list[Any]):
        self._matched, self._unmatched, self._unused = matched, unmatched, unused
        self._operations = operations

    def assert_consumed(self) -> NameBasedSaverStatus:
        """Asserts that every variable was restored, and every tensor of the checkpoint used."""
        self.assert_existing_objects_matched()
        if self._unused:
            raise AssertionError(f"Some tensors of the checkpoint were not restored: {self._unused}")
        return self

    def assert_existing_objects_matched(self) -> NameBasedSaverStatus:
        """Asserts that every variable was restored."""
        if self._unmatched:
            raise AssertionError(f"Some objects were not restored: {self._unmatched}")
        return self

    def assert_nontrivial_match(self) -> NameBasedSaverStatus:
        """Asserts that a variable was restored."""
        if not self._matched:
            raise AssertionError("Nothing in the checkpoint matched a variable.")
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Assigns the restored values in a session."""
        if self._operations:
            default_session(session).run(self._operations)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Assigns the restored values, and initializes the variables that have none."""
        if thread.graph is not None:
            self.run_restore_ops(session)
            _initialize(self._unmatched, session)


def _initialize(things: Any, session: Any) -> None:
    operations = [getattr(each, "initializer", None) for each in things]
    operations = [each for each in operations if each is not None and hasattr(each, "graph")]
    if operations:
        default_session(session).run(operations)
