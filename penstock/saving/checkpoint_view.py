"""`tf.train.CheckpointView` and `tf.train.TrackableView`: the graphs of objects of a checkpoint and of a program."""

from __future__ import annotations

from collections import deque
from typing import Any

from penstock.engine.export import export
from penstock.saving.checkpoint import stored_object_graph
from penstock.saving.checkpoint_v1 import open_checkpoint
from penstock.saving.object_graph import OBJECT_GRAPH_KEY, children_of
from penstock.types import errors


@export("train.TrackableView", v1=[])
class TrackableView:
    """The objects that can be reached from a root, by the names that a checkpoint would give them.

    Example:
      >>> import penstock as tf
      >>> module = tf.Module()
      >>> module.v = tf.Variable(1.0)
      >>> list(tf.train.TrackableView(module).children(module))
      ['v']
    """

    def __init__(self, root: Any):
        self._root = root

    @property
    def root(self) -> Any:
        """The object where the graph begins."""
        return self._root

    @classmethod
    def children(cls, obj: Any, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """Name -> object for the objects that one holds."""
        return children_of(obj, save_type, **kwargs)

    def descendants(self) -> list[Any]:
        """All objects, the root first, each before those that only it leads to."""
        found, seen = [self._root], {id(self._root)}
        for each in found:
            for child in self.children(each).values():  # a subclass may say what children are
                if id(child) not in seen:
                    seen.add(id(child))
                    found.append(child)
        return found


@export("train.CheckpointView", v1=[])
class CheckpointView:
    """The objects that a checkpoint holds, by their numbers; the root is 0.

    Args:
      save_path: the path of the checkpoint.

    Raises:
      NotFoundError: there is no such checkpoint, or it does not say which objects it holds.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = tf.train.Checkpoint(v=tf.Variable(1.0)).write(os.path.join(tempfile.mkdtemp(), "model"))
      >>> tf.train.CheckpointView(path).children(0)
      {'v': 1}
    """

    def __init__(self, save_path: Any):
        with open_checkpoint(save_path) as reader:
            if OBJECT_GRAPH_KEY not in reader:
                raise errors.NotFoundError(
                    None,
                    None,
                    f"The specified checkpoint {save_path} does not appear to be object-based (saved with "
                    "`tf.train.Checkpoint`) since it is missing the key "
                    f'"{OBJECT_GRAPH_KEY}". Likely it was created with a name-based saver and does not contain an object '
                    "dependency graph.",
                )
            self._graph = stored_object_graph(reader)

    def children(self, node_id: int) -> dict[str, int]:
        """Name -> number for the objects that one holds."""
        return {child.local_name: child.node_id for child in self._graph.nodes[node_id].children}

    def descendants(self) -> list[int]:
        """The numbers of all objects, the root first."""
        return list(self._reached())

    def _reached(self) -> dict[int, None]:
        seen, waiting = {0: None}, deque([0])
        while waiting:
            for child in self.children(waiting.popleft()).values():
                if child not in seen:
                    seen[child] = None
                    waiting.append(child)
        return seen

    def match(self, obj: Any) -> dict[int, Any]:
        """Number -> object for the objects of the checkpoint that have a counterpart below `obj`."""
        matched, waiting = {0: obj}, deque([(0, obj)])
        while waiting:
            number, thing = waiting.popleft()
            held = children_of(thing)
            for name, child in self.children(number).items():
                if name in held and child not in matched:
                    matched[child] = held[name]
                    waiting.append((child, held[name]))
        return matched

    def diff(self, obj: Any) -> tuple[dict[int, Any], list[int], list[Any]]:
        """What matches, the numbers that only the checkpoint has, and the objects that only the program has."""
        matched = self.match(obj)
        only_here = [number for number in self.descendants() if number not in matched]
        known = {id(each) for each in matched.values()}
        return (
            matched,
            only_here,
            [each for each in TrackableView(obj).descendants() if id(each) not in known],
        )
