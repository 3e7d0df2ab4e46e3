"""`make_saveable_from_iterator`: the position of a TF 1 iterator, for `tf.compat.v1.train.Saver`."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types.shapes import TensorShape


def _position(iterator: Any) -> np.ndarray:
    array = np.empty((), object)
    array[()] = iterator.save()
    return array


def _move(iterator: Any, position: Any) -> None:
    iterator.restore(position.item() if hasattr(position, "item") else position)


op(
    "IteratorPosition(iterator: resource) -> position: string",
    numpy=_position,
    shape=lambda call: TensorShape([]),
    stateful=True,
)
op(
    "MoveIterator(iterator: resource, position: string) -> ()",
    numpy=_move,
    shape=lambda call: [],
    stateful=True,
)


@export("data.experimental.make_saveable_from_iterator")
def make_saveable_from_iterator(iterator: Any, external_state_policy: Any = None) -> Any:
    """What a `Saver` needs to save and restore the position of an iterator.

    The iterator must have been initialized when it is saved, and before it is restored.

    Args:
      iterator: of TF 1. external_state_policy: accepted; what lies outside of the pipeline is not saved.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     iterator = tf.data.Dataset.range(5).make_initializable_iterator()
      ...     saveable = tf.data.experimental.make_saveable_from_iterator(iterator)
      ...     tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.SAVEABLE_OBJECTS, saveable)
      ...     saver = tf.compat.v1.train.Saver()
    """
    from penstock.saving.saveable_object import SaveableObject, SaveSpec

    class Saveable(SaveableObject):
        """The position of an iterator."""

        def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
            with context.building(self.op.graph):
                return execute("MoveIterator", (self.op, restored_tensors[0]))

    handle = iterator._handle
    with context.building(getattr(handle, "graph", None)):
        position = execute("IteratorPosition", (handle,))
    name = handle.op.name
    return Saveable(handle, [SaveSpec(position, "", f"{name}-state")], name)
