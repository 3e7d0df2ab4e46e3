"""`tf.train.experimental.PythonState`: state of Python objects in checkpoints."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.types.trackable import Trackable

_NAME = "py_state"


@export("train.experimental.PythonState")
class PythonState(Trackable, abc.ABC):
    """The base of objects whose state is saved as a string.

    A subclass defines `serialize()`, which returns the state as text or bytes, and `deserialize(string_value)`, which
    takes it back. What is read from a checkpoint is given to `deserialize` as it is: it decides what to trust.

    Example:
      >>> import json, os, tempfile
      >>> import penstock as tf
      >>> class Epochs(tf.train.experimental.PythonState):
      ...     done = 0
      ...     def serialize(self):
      ...         return json.dumps(self.done)
      ...     def deserialize(self, string_value):
      ...         self.done = json.loads(string_value)
      >>> epochs = Epochs()
      >>> checkpoint = tf.train.Checkpoint(epochs=epochs)
      >>> path = checkpoint.write(os.path.join(tempfile.mkdtemp(), "state"))
      >>> epochs.done = 3
      >>> status = checkpoint.read(path)
      >>> epochs.done
      0
    """

    _restores_eagerly = True  # in a graph too: its value is no tensor

    @abc.abstractmethod
    def serialize(self) -> str | bytes:
        """The state as a string."""

    @abc.abstractmethod
    def deserialize(self, string_value: bytes) -> None:
        """Takes the state back."""

    def _serialize_to_tensors(self) -> dict[str, Any]:
        state = self.serialize()
        return {_NAME: np.array(state.encode() if isinstance(state, str) else state, object)}

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> None:
        self.deserialize(restored_tensors[_NAME].numpy())
